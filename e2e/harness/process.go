package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// Process is one run of the binary. It is killed when its test ends.
type Process struct {
	name string
	cmd  *exec.Cmd
	out  output
	done chan struct{} // closed when it has ended

	mu struct {
		sync.Mutex
		told bool // to end: by a signal, or by what the test expects of it
		err  error
	}
}

// output is what a process prints, kept whole.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	file *os.File // a copy, or nil
}

// Write keeps b.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.file != nil {
		_, _ = o.file.Write(b)
	}
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// Run starts the binary with arguments. The name is for logs. The process may
// end by itself: see Wait. At the end of the test it is killed.
func Run(t testing.TB, name string, args ...string) *Process {
	t.Helper()
	p, err := start(t, name, nil, args)
	if err != nil {
		t.Fatal(err)
	}
	p.expectEnd()
	return p
}

// start starts a process that belongs to a test.
func start(t testing.TB, name string, copyTo *os.File, args []string) (*Process, error) {
	p := &Process{name: name, done: make(chan struct{})}
	p.out.file = copyTo
	p.cmd = exec.Command(binary(t), args...)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	p.cmd.SysProcAttr = dieWithParent()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		defer close(p.done)
		err := p.cmd.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.mu.err = err
	}()
	t.Cleanup(func() {
		p.inspect(t)
		_ = p.signal(syscall.SIGKILL)
		<-p.done
	})
	return p, nil
}

// inspect fails a test whose process failed, and shows what it logged.
func (p *Process) inspect(t testing.TB) {
	p.mu.Lock()
	told := p.mu.told
	p.mu.Unlock()
	select {
	case <-p.done:
		if !told {
			t.Errorf("%s ended by itself: %v", p.name, p.exit())
		}
	default:
	}
	log := p.Output()
	for _, word := range []string{"panic: ", "fatal error: ", "WARNING: DATA RACE", "SIGBUS"} {
		if strings.Contains(log, word) {
			t.Errorf("%s: %s", p.name, word)
		}
	}
	if t.Failed() && !p.succeeded() {
		t.Logf("the last of what %s printed:\n%s", p.name, tail(log, shownLines))
	}
}

// shownLines is how much of a process's output a failed test shows.
const shownLines = 40

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// Output is what the process has printed so far, on both streams.
func (p *Process) Output() string { return p.out.String() }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// succeeded reports whether the process has ended with code 0.
func (p *Process) succeeded() bool {
	select {
	case <-p.done:
		return p.exit() == nil
	default:
		return false
	}
}

// exit is how the process ended: nil with code 0. It must have ended.
func (p *Process) exit() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.err
}

// expectEnd says that the process may end by itself.
func (p *Process) expectEnd() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.told = true
}

// Wait waits until the process has ended. The error is that of its exit.
func (p *Process) Wait(ctx context.Context) error {
	p.expectEnd()
	select {
	case <-p.done:
		return p.exit()
	case <-ctx.Done():
		return fmt.Errorf("%s goes on: %w", p.name, context.Cause(ctx))
	}
}

// signal sends a signal. A process that has ended gets none, without an error.
func (p *Process) signal(s syscall.Signal) error {
	err := p.cmd.Process.Signal(s)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// Kill kills the process, as a power cut would, and waits for its end.
func (p *Process) Kill() error {
	p.expectEnd()
	if err := p.signal(syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill %s: %w", p.name, err)
	}
	<-p.done
	return nil
}

// Terminate asks the process to stop (SIGTERM) and waits for its end. The
// error is that of its exit.
func (p *Process) Terminate(ctx context.Context) error {
	p.expectEnd()
	if err := p.signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("terminate %s: %w", p.name, err)
	}
	return p.Wait(ctx)
}

// Hangup sends SIGHUP: the process reads its credentials again.
func (p *Process) Hangup() error { return p.signal(syscall.SIGHUP) }

// Pause stops the process where it stands (SIGSTOP), Resume lets it go on.
func (p *Process) Pause() error { return p.signal(syscall.SIGSTOP) }

// Resume lets a paused process go on (SIGCONT).
func (p *Process) Resume() error { return p.signal(syscall.SIGCONT) }
