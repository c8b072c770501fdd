package group

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/hashicorp/go-hclog"
)

// raftLogger passes raft's warnings and errors on. Raft reports an election
// that goes well at level info, and a follower that lags as an error each time
// it is asked, so everything is lowered by one level.
func raftLogger(to *slog.Logger) hclog.Logger {
	l := hclog.NewInterceptLogger(&hclog.LoggerOptions{Level: hclog.Off})
	l.RegisterSink(logSink{to})
	return l
}

type logSink struct{ to *slog.Logger }

var _ hclog.SinkAdapter = logSink{}

func (s logSink) Accept(_ string, level hclog.Level, msg string, args ...any) {
	var l slog.Level
	switch level {
	case hclog.Error:
		l = slog.LevelWarn
	case hclog.Warn:
		l = slog.LevelInfo
	default:
		l = slog.LevelDebug
	}
	ctx := context.Background()
	if !s.to.Enabled(ctx, l) {
		return
	}
	for i, arg := range args {
		if f, ok := arg.(hclog.Format); ok && len(f) > 0 {
			args[i] = fmt.Sprintf(fmt.Sprint(f[0]), f[1:]...)
		}
	}
	s.to.Log(ctx, l, "raft: "+msg, args...)
}
