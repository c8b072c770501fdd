// Package server runs what is measured: Roundtable's processes and those of its
// peers, on loopback, each with a folder and a log of its own. It knows how to
// start, pause and end them and what they take of the machine; what they serve
// is nothing to it.
package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/roundtabledb/roundtable/e2e/bench/load"
)

// Process is a process that was started.
type Process struct {
	name  string
	cmd   *exec.Cmd
	log   *os.File
	ended chan struct{}
}

// Start starts a process whose output goes to a file. It dies with this one.
func Start(log string, cmd *exec.Cmd) (*Process, error) {
	f, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = f, f
	if err := startWithParent(cmd); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	p := &Process{name: cmd.Path, cmd: cmd, log: f, ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // Await and Kill see that it has ended
		close(p.ended)
	}()
	return p, nil
}

// ID is the process id.
func (p *Process) ID() int { return p.cmd.Process.Pid }

// Ended reports whether the process has ended by itself, and what it said last.
func (p *Process) Ended() error {
	select {
	case <-p.ended:
		return fmt.Errorf("%s ended by itself, %v:\n%s", p.name, p.cmd.ProcessState, p.lastWords())
	default:
		return nil
	}
}

// Kill ends the process at once and waits until it has ended.
func (p *Process) Kill() error {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
	if err := p.log.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

// awaitEvery is how often it is looked whether a process is ready. Goal 7 asks
// for readiness in milliseconds.
const awaitEvery = 5 * time.Millisecond

// Await waits until ready says so.
func (p *Process) Await(ctx context.Context, ready func(context.Context) error) error {
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		if err := p.Ended(); err != nil {
			return err
		}
		if !load.Pause(ctx, awaitEvery) {
			return fmt.Errorf("%s does not become ready: %w\n%s", p.name, err, p.lastWords())
		}
	}
}

// lastWords is the end of the log.
func (p *Process) lastWords() string {
	text, err := os.ReadFile(p.log.Name())
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text[max(0, len(text)-4096):]))
}

// Fetched reports whether a URL answers with status 200.
func Fetched(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		r.Close = true
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s", url, answer.Status)
		}
		return nil
	}
}

// Dialled reports whether an address accepts connections.
func Dialled(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

// Addresses finds ports of loopback that nobody listens on, neither TCP nor
// UDP. They could be taken before they are used, but not soon: the system hands
// out each in turn.
func Addresses(n int) ([]string, error) {
	var addresses []string
	var held []io.Closer
	defer func() {
		for _, h := range held {
			_ = h.Close()
		}
	}()
	for attempts := 0; len(addresses) < n && attempts < 10*n+10; attempts++ {
		tcp, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		held = append(held, tcp)
		udp, err := net.ListenPacket("udp", tcp.Addr().String())
		if err != nil {
			continue
		}
		held = append(held, udp)
		addresses = append(addresses, tcp.Addr().String())
	}
	if len(addresses) < n {
		return nil, errors.New("no free ports")
	}
	return addresses, nil
}
