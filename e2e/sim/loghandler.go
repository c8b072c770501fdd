package sim

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
)

// logLevel is what is kept of what nodes log: SIM_LOG=debug keeps everything.
func logLevel() slog.Level {
	level := slog.LevelInfo
	if text := os.Getenv("SIM_LOG"); text != "" {
		_ = level.UnmarshalText([]byte(text)) // or the default
	}
	return level
}

// logHandler writes what a node logs to the Log of its World.
type logHandler struct {
	log   *Log
	host  string
	level slog.Level
	attrs string
}

func (h *logHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level }

func (h *logHandler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	r.Attrs(func(a slog.Attr) bool {
		b.WriteString(" " + a.String())
		return true
	})
	h.log.add(true, fmt.Sprintf("    %s %v: %s%s%s", h.host, r.Level, r.Message, h.attrs, b.String()))
	return nil
}

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	dup := *h
	for _, a := range attrs {
		if a.Key != "region" && a.Key != "node" {
			dup.attrs += " " + a.String()
		}
	}
	return &dup
}

func (h *logHandler) WithGroup(string) slog.Handler { return h }
