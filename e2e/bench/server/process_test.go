package server

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/roundtabledb/roundtable/cmd/bench"
)

// A process outlives the thread of the goroutine that asked for it.
func TestProcessOutlivesThreads(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	var p *Process
	var err error
	over := make(chan struct{})
	go func() {
		defer close(over)
		runtime.LockOSThread() // and leaves, so that the thread ends
		p, err = Start(log, exec.Command("sh", "-c", "sleep 0.2; echo survived"))
	}()
	<-over
	if err != nil {
		t.Fatal(err)
	}
	<-p.ended
	if err := p.Ended(); err == nil || !strings.Contains(err.Error(), "survived") {
		t.Error(err)
	}
	if err := p.Kill(); err != nil {
		t.Error(err)
	}
}

func TestLastWords(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	p, err := Start(log, exec.Command("sh", "-c", "echo alas; exit 3"))
	if err != nil {
		t.Fatal(err)
	}
	never := func(context.Context) error { return os.ErrNotExist }
	if err := p.Await(t.Context(), never); err == nil || !strings.Contains(err.Error(), "alas") || !strings.Contains(err.Error(), "status 3") {
		t.Errorf("%v", err)
	}
	if err := p.Kill(); err != nil {
		t.Error(err)
	}
}

func TestOwnFigures(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	m, err := MemoryOf(os.Getpid())
	if err != nil || m.Resident < 1<<20 || m.Anonymous <= 0 || m.Anonymous > m.Resident {
		t.Errorf("%+v, %v", m, err)
	}
	for begin := bench.OwnCPU(); bench.OwnCPU()-begin < 50*time.Millisecond; {
	}
	if used := bench.CPU(os.Getpid()); used < 20*time.Millisecond {
		t.Errorf("/proc says %v after 50 ms", used)
	}
	if bench.CPU(os.Getpid(), os.Getpid()) < bench.CPU(os.Getpid()) {
		t.Error("two processes used less than one")
	}
}

// What is sent while a region is cut off arrives after it is healed, late by
// the delay.
func TestWAN(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const delay = 20 * time.Millisecond
	w := NewWAN(delay)
	defer w.Close()
	a := &Region{Name: "a", Nodes: []*Node{{Peer: "127.0.0.1:1"}}}
	b := &Region{Name: "b", Nodes: []*Node{{Peer: l.Addr().String()}}}
	if err := w.Connect(a, b); err != nil {
		t.Fatal(err)
	}
	arguments := a.Nodes[0].arguments
	if len(arguments) != 2 || !strings.HasPrefix(arguments[1], "b=") {
		t.Fatalf("arguments %v", arguments)
	}
	near, err := net.Dial("tcp", strings.TrimPrefix(arguments[1], "b="))
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()

	w.Cut("b")
	begin := time.Now()
	if _, err := near.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if err := far.SetReadDeadline(begin.Add(3 * delay)); err != nil {
		t.Fatal(err)
	}
	b5 := make([]byte, 5)
	if n, err := far.Read(b5); err == nil {
		t.Fatalf("%d bytes came through a cut", n)
	}
	w.Heal("b")
	if err := far.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(far, b5); err != nil || string(b5) != "hello" {
		t.Fatalf("%q, %v", b5, err)
	}
	if _, err := far.Write([]byte("world")); err != nil {
		t.Fatal(err)
	}

	if _, err := io.ReadFull(near, b5); err != nil || string(b5) != "world" {
		t.Fatalf("%q, %v", b5, err)
	}
}
