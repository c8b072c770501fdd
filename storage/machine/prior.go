package machine

import (
	"bytes"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/command"
)

// A prior is the state of a command's key without the item, as it is before the
// entry that the command is in: the byte 0 for nothing, otherwise the item record
// as far as the item. It says as well that the command's condition holds and that
// a Put is not of the very item that is stored, so that to carry out the command
// the item is not needed.
//
// It is a hint, not a decision: the entry still holds the command, and whether the
// hint is true depends on nothing but the log. A peer uses it only if it has
// applied, last before the entry, the very entry after which the leader looked;
// and of a key that the entry itself has written it knows better.

// priorNothing is the prior of a key of which nothing is stored. An item record
// begins with its format, which is not 0.
const priorNothing = 0

func appendPrior(dst []byte, s *Stored) []byte {
	if !s.Exists && !s.Tombstone {
		return append(dst, priorNothing)
	}
	return appendRecord(dst, s.Version, s.Tombstone, s.Size)
}

func decodePrior(b []byte, home string) (Stored, error) {
	if len(b) == 1 && b[0] == priorNothing {
		return Stored{}, nil
	}
	s, err := decodeRecord(b, home)
	if err == nil && len(s.Item) > 0 {
		err = storage.Errorf(storage.Corrupt, "a prior holds an item")
	}
	s.Item = nil
	return s, err
}

// takesPrior reports whether a command that will change an item can do so without
// having it: neither is the new item made from the old one, nor does the old one
// belong to the answer.
func takesPrior(kind command.Kind, images command.Return) bool {
	switch kind {
	case command.Put, command.Delete, command.Merge:
		return images == command.ReturnNone
	}
	return false
}

// scout is the working state of Priors.
type scout struct {
	// deep is what Partition.deep was when the last batch was looked at, and
	// commands how many were in it.
	deep     uint64
	commands int
	// reused memory
	decoded command.Command
	key     []byte
	buf     []byte
	of      [][]byte
}

// worthPart is how large a part of a batch's items must have been looked for in
// Badger for priors of the next one to be worth their while.
const worthPart = 4

// Priors looks up, for the leader that is about to propose them as one entry, what
// commands will find, so that peers need not. Of what is in memory they had better
// look themselves: a leader that finds everything there soon stops looking. With
// always it does not, and leaves nothing out.
//
// It has one caller at a time. The result is valid until the next call.
func (p *Partition) Priors(cmds [][]byte, always bool) command.Priors {
	s := &p.scout
	deep := p.deep.Load()
	missed := int(deep - s.deep)
	worth := always || missed > 0 && missed*worthPart >= s.commands
	s.deep, s.commands = deep, len(cmds)
	if !worth || p.usable() != nil {
		return command.Priors{}
	}
	// Taken before anything is looked up: what is found then may be newer, but only if
	// another entry was applied, and in that case nobody uses it.
	meta := p.meta.Load()
	found := false
	s.buf, s.of = s.buf[:0], s.of[:0]
	for _, cmd := range cmds {
		start := len(s.buf)
		p.lookUp(meta, cmd, always)
		s.of = append(s.of, s.buf[start:len(s.buf):len(s.buf)])
		found = found || start < len(s.buf)
	}
	if !found {
		return command.Priors{}
	}
	return command.Priors{Base: meta.AppliedIndex, Of: s.of}
}

// lookUp appends a command's prior to the scout's buffer if there is one to give.
// What is wrong with the command, or with the disk, is for Apply to find.
func (p *Partition) lookUp(meta *Meta, cmd []byte, always bool) {
	s := &p.scout
	c := &s.decoded
	// The kind alone tells of most others, before they are decoded.
	if len(cmd) == 0 || !takesPrior(command.Kind(cmd[0]), command.ReturnNone) {
		return
	}
	if err := command.DecodeInto(c, cmd); err != nil || !takesPrior(c.Kind, c.Return) || !meta.Contains(c.Key) {
		return
	}
	s.key = append(appendSection(s.key[:0], p.ks, sectionItems), c.Key...)
	old, deep, err := p.find(s.key)
	if err != nil || !deep && !always {
		return
	}
	if c.Condition != nil {
		if holds, err := c.Condition.Match(old.Item); err != nil || !holds {
			return
		}
	}
	if c.Kind == command.Put && old.Exists && bytes.Equal(old.Item, c.Item) {
		return
	}
	s.buf = appendPrior(s.buf, &old)
}
