package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// progress tells what happens: one line that changes on a terminal, one line a
// step elsewhere.
type progress struct {
	out      io.Writer
	terminal bool
	started  time.Time
	expected time.Duration
	number   int

	mu   sync.Mutex
	last time.Time // when something was told
}

func newProgress(f *os.File) *progress {
	info, err := f.Stat()
	return &progress{out: f, terminal: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

func (p *progress) begin(chosen []goal, expected time.Duration) {
	p.started, p.expected = time.Now(), expected
	fmt.Fprintf(p.out, "%d goals; this takes about %v\n", len(chosen), expected.Round(10*time.Second))
}

func (p *progress) goal(g goal) {
	p.number = g.number
	p.say("%s", g.title)
}

// tickEvery is how often progress within a step is told where it makes lines.
const tickEvery = 10 * time.Second

// tick tells how far a step is, from time to time.
func (p *progress) tick(format string, args ...any) {
	p.mu.Lock()
	soon := !p.terminal && time.Since(p.last) < tickEvery
	p.mu.Unlock()
	if !soon {
		p.say(format, args...)
	}
}

// say tells what is being done.
func (p *progress) say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = time.Now()
	line := fmt.Sprintf("%5s of about %v  goal %d: ", time.Since(p.started).Round(time.Second), p.expected.Round(10*time.Second), p.number)
	line += fmt.Sprintf(format, args...)
	if p.terminal {
		fmt.Fprint(p.out, "\r\x1b[K", line)
		return
	}
	fmt.Fprintln(p.out, line)
}

// end leaves the line.
func (p *progress) end() {
	if p.terminal {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
