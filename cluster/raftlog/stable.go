package raftlog

import (
	"bytes"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/roundtabledb/roundtable/cluster/raftlog/record"
)

// The keys that Raft stores a vote under. It sets them one after the other.
const (
	keyVoteTerm      = "LastVoteTerm"
	keyVoteCandidate = "LastVoteCand"
)

// Set stores a stable value. It writes nothing when the value is unchanged.
//
// LastVoteTerm is the exception: it becomes durable with the LastVoteCand that
// Raft sets next. Alone, and with the candidate of an older vote, it would
// read after a crash as a vote that was never given, and that Raft grants
// again without comparing logs.
func (g *GroupLog) Set(key, value []byte) error {
	if _, err := g.current(); err != nil {
		return err
	}
	g.mu.Lock()
	if string(key) == keyVoteTerm {
		g.mu.vote = slices.Clone(value)
		g.mu.Unlock()
		return nil
	}
	var pairs []record.Pair
	if string(key) == keyVoteCandidate {
		pairs = g.addChangedLocked(pairs, keyVoteTerm, g.mu.vote)
	}
	pairs = g.addChangedLocked(pairs, string(key), append([]byte{}, value...))
	g.mu.Unlock()
	if len(pairs) == 0 {
		return nil
	}
	return g.log.submit(&setStable{group: g, payload: record.AppendPairs(nil, pairs), pairs: pairs})
}

// addChangedLocked adds a value that is not stored already; nil is no value.
func (g *GroupLog) addChangedLocked(pairs []record.Pair, key string, value []byte) []record.Pair {
	old, ok := g.mu.stable[key]
	if value == nil || ok && bytes.Equal(old, value) {
		return pairs
	}
	return append(pairs, record.Pair{Key: key, Value: value})
}

// Get returns a stable value. The error of a missing one reads "not found",
// which Raft compares literally.
func (g *GroupLog) Get(key []byte) ([]byte, error) {
	if _, err := g.current(); err != nil {
		return nil, err
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	value, ok := g.mu.stable[string(key)]
	if string(key) == keyVoteTerm && g.mu.vote != nil {
		value, ok = g.mu.vote, true
	}
	if !ok {
		return nil, errNotFound
	}
	return append([]byte{}, value...), nil
}

// SetUint64 stores a stable number.
func (g *GroupLog) SetUint64(key []byte, value uint64) error {
	return g.Set(key, binary.BigEndian.AppendUint64(nil, value))
}

// GetUint64 returns a stable number, and 0 with the error "not found" when it
// is missing.
func (g *GroupLog) GetUint64(key []byte) (uint64, error) {
	value, err := g.Get(key)
	if err != nil {
		return 0, err
	}
	if len(value) != 8 {
		return 0, broken("group %v: the stable value %q is not a number", g.id, key)
	}
	return binary.BigEndian.Uint64(value), nil
}

// setStable changes the values as a durable record does.
func (g *GroupLog) setStable(pairs []record.Pair) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range pairs {
		g.mu.stable[p.Key] = p.Value
		if p.Key == keyVoteTerm {
			g.mu.vote = nil
		}
	}
}

// appendState appends the payload of the record that restates the group.
func (g *GroupLog) appendState(b []byte) []byte {
	g.mu.RLock()
	defer g.mu.RUnlock()
	b = record.AppendPeer(b, g.id, g.peer)
	b = binary.LittleEndian.AppendUint64(b, g.mu.first)
	b = binary.LittleEndian.AppendUint64(b, g.mu.next)
	for _, key := range slices.Sorted(maps.Keys(g.mu.stable)) {
		b = record.AppendPairs(b, []record.Pair{{Key: key, Value: g.mu.stable[key]}})
	}
	return b
}
