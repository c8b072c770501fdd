package member

import (
	"bytes"
	"context"
	"log/slog"
	"time"

	"github.com/hashicorp/memberlist"
)

// delegate is what memberlist calls. It does so under its own locks, so nothing
// here calls memberlist or waits.
type delegate struct{ m *Members }

var (
	_ memberlist.Delegate      = delegate{}
	_ memberlist.EventDelegate = delegate{}
)

// NodeMeta implements memberlist.Delegate.
func (d delegate) NodeMeta(int) []byte {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	return d.m.mu.encoded
}

// NotifyMsg implements memberlist.Delegate. There are no messages of ours.
func (d delegate) NotifyMsg([]byte) {}

// GetBroadcasts implements memberlist.Delegate.
func (d delegate) GetBroadcasts(int, int) [][]byte { return nil }

// LocalState implements memberlist.Delegate.
func (d delegate) LocalState(bool) []byte { return nil }

// MergeRemoteState implements memberlist.Delegate.
func (d delegate) MergeRemoteState([]byte, bool) {}

// NotifyJoin implements memberlist.EventDelegate.
func (d delegate) NotifyJoin(n *memberlist.Node) { d.saw(n) }

// NotifyUpdate implements memberlist.EventDelegate.
func (d delegate) NotifyUpdate(n *memberlist.Node) { d.saw(n) }

func (d delegate) saw(n *memberlist.Node) {
	m := d.m
	meta, err := decodeMeta(n.Meta)
	if err != nil {
		m.options.Logger.Warn("a node announces nonsense", "name", n.Name, "addr", n.Address(), "error", err)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.alive[n.Name] = seen{meta: meta, addr: n.Address()}
	delete(m.mu.lost, n.Name)
	if latest, ok := m.mu.latest[meta.NodeID]; !ok || latest.Boot <= meta.Boot {
		m.mu.latest[meta.NodeID] = meta
	}
	signal(m.changed)
}

// NotifyLeave implements memberlist.EventDelegate.
func (d delegate) NotifyLeave(n *memberlist.Node) {
	m := d.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if s, ok := m.mu.alive[n.Name]; ok {
		delete(m.mu.alive, n.Name)
		// Dead or gone on purpose: memberlist does not say here.
		s.at = time.Now()
		m.mu.lost[n.Name] = s
	}
	signal(m.changed)
}

// logWriter passes memberlist's log lines on. They look like
// "[WARN] memberlist: Refuting a suspect message".
type logWriter struct{ log *slog.Logger }

var logLevels = []struct {
	prefix string
	level  slog.Level
}{
	{"[DEBUG] ", slog.LevelDebug},
	{"[INFO] ", slog.LevelInfo},
	{"[WARN] ", slog.LevelWarn},
	// What memberlist calls an error is a probe or a join that failed, and the
	// node lives with that: gossip is a hint.
	{"[ERR] ", slog.LevelWarn},
	{"[ERROR] ", slog.LevelWarn},
}

func (w logWriter) Write(line []byte) (int, error) {
	text, level := bytes.TrimSpace(line), slog.LevelInfo
	for _, l := range logLevels {
		if rest, ok := bytes.CutPrefix(text, []byte(l.prefix)); ok {
			text, level = rest, l.level
			break
		}
	}
	w.log.Log(context.Background(), level, string(text))
	return len(line), nil
}
