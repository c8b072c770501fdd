package group

import (
	"fmt"
	"io"

	"github.com/hashicorp/raft"

	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/machine"
)

// fsm passes committed entries to the machine. Raft calls it from one
// goroutine.
type fsm struct {
	group   *Group
	entries []machine.Entry // reused
	sizes   entrySizes
	grown   int // bytes since the log was last cut for its size
}

var _ raft.BatchingFSM = (*fsm)(nil)

// ApplyBatch applies entries and returns, for each, its []command.Result, or
// the error that stopped the group.
func (f *fsm) ApplyBatch(logs []*raft.Log) []any {
	responses := make([]any, len(logs))
	results, err := f.apply(logs)
	for i := range responses {
		if err != nil {
			responses[i] = err
		} else {
			responses[i] = results[i]
		}
	}
	return responses
}

func (f *fsm) apply(logs []*raft.Log) ([][]command.Result, error) {
	g := f.group
	<-g.started
	if failure := g.failure.Load(); failure != nil {
		// What could not be applied must not be skipped.
		return nil, *failure
	}
	if err := g.checkDurable(logs[len(logs)-1].Index); err != nil {
		err = fmt.Errorf("group %v: %w", g.opts.ID, err)
		g.fail(err)
		return nil, err
	}
	f.entries = f.entries[:0]
	for _, l := range logs {
		f.entries = append(f.entries, machine.Entry{
			Index:         l.Index,
			Term:          l.Term,
			Configuration: l.Type == raft.LogConfiguration,
			Data:          l.Data,
		})
		f.sizes.add(len(l.Data))
		f.grown += len(l.Data)
	}
	f.sizes.adjust(g)
	if f.grown >= g.opts.Tuning.TrailingBytes && g.cutLog() {
		f.grown = 0
	}
	results, err := g.opts.Machine.Apply(f.entries)
	clear(f.entries)
	if err == nil {
		g.reached(logs[len(logs)-1].Index)
	}
	if err == nil && len(results) != len(logs) {
		err = fmt.Errorf("%d answers to %d entries", len(results), len(logs))
	}
	if err != nil {
		err = fmt.Errorf("group %v: apply entries from %d: %w", g.opts.ID, logs[0].Index, err)
		g.fail(err)
		return nil, err
	}
	return results, nil
}

// Apply implements raft.FSM. Raft uses ApplyBatch.
func (f *fsm) Apply(l *raft.Log) any { return f.ApplyBatch([]*raft.Log{l})[0] }

// Snapshot implements raft.FSM.
func (f *fsm) Snapshot() (raft.FSMSnapshot, error) {
	<-f.group.started
	return checkpointed{f.group}, nil
}

// Restore implements raft.FSM. Only a peer that received a snapshot through
// raft would call it, and the transport lets none through.
func (f *fsm) Restore(io.ReadCloser) error { panic("group: raft restores a snapshot") }

// cutLog has raft cut the log after the next checkpoint, without waiting for it. It
// returns false if that is under way already. Raft looks at the log by itself, but
// that seldom that gigabytes of large items come in between.
func (g *Group) cutLog() bool {
	if !g.cutting.CompareAndSwap(false, true) {
		return false
	}
	g.wg.Go(func() {
		defer g.cutting.Store(false)
		// An error is one of the group's end, or raft will try again in its own time.
		if err := g.raft.Snapshot().Error(); err != nil {
			g.opts.Logger.Debug("the log was not cut", "error", err)
		}
	})
	return true
}

// entrySizes keeps the log within bytes. Raft counts entries, but one may hold
// a single small command or a megabyte of them, so the counts that raft goes by
// follow the size of recent entries.
type entrySizes struct{ entries, bytes int }

// Sizes are looked at again after so many entries or bytes.
const (
	sampleEntries = 256
	sampleBytes   = 16 << 20
	leastTrailing = 16
)

func (s *entrySizes) add(bytes int) {
	s.entries++
	s.bytes += bytes
}

func (s *entrySizes) adjust(g *Group) {
	if s.entries < sampleEntries && s.bytes < sampleBytes {
		return
	}
	t := &g.opts.Tuning
	fit := uint64(t.TrailingBytes / max(1, s.bytes/s.entries))
	*s = entrySizes{}

	g.reload(func(c *raft.ReloadableConfig) {
		c.TrailingLogs = min(t.TrailingLogs, max(leastTrailing, fit))
		c.SnapshotThreshold = min(t.SnapshotThreshold, max(leastTrailing, fit/4))
	})
}
