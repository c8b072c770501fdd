package wire

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// connect returns both ends of a connection over loopback.
func connect(t *testing.T) (near, far *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(c.Close(), s.Close()) })
	return c.(*net.TCPConn), s.(*net.TCPConn)
}

// wrapped hides what kind of connection it holds.
type wrapped struct{ net.Conn }

func TestSocket(t *testing.T) {
	whole := func(c *net.TCPConn) net.Conn { return c }
	hidden := func(c *net.TCPConn) net.Conn { return wrapped{c} }
	for name, test := range map[string]struct {
		of   func(*net.TCPConn) net.Conn
		size int
	}{
		"at once":                    {whole, 100},
		"not the system's":           {hidden, 100},
		"more than the kernel takes": {whole, 16 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			near, far := connect(t)
			s := newSocket(test.of(near))
			for round := range 5 {
				request := bytes.Repeat([]byte{byte('a' + round)}, test.size)
				got := make(chan []byte, 1)
				go func() {
					defer close(got)
					b := make([]byte, test.size)
					if _, err := io.ReadFull(far, b); err != nil {
						return
					}
					got <- b
					_, _ = far.Write([]byte("answer"))
				}()
				s.request = request
				answer := make([]byte, 6)
				if _, err := io.ReadFull(s, answer); err != nil || string(answer) != "answer" {
					t.Fatalf("round %d: %q, %v", round, answer, err)
				}
				if b := <-got; !bytes.Equal(b, request) {
					t.Fatalf("round %d: other bytes came than were sent", round)
				}
			}
		})
	}
}

// What was there before the request was sent is read first, as it would be by
// whoever writes and then reads.
func TestSocketReadsWhatWasThere(t *testing.T) {
	near, far := connect(t)
	s := newSocket(near)
	if _, err := far.Write([]byte("early")); err != nil {
		t.Fatal(err)
	}
	go func() {
		b := make([]byte, 7)
		_, _ = io.ReadFull(far, b)
		_, _ = far.Write([]byte(" late"))
	}()
	s.request = []byte("request")
	b := make([]byte, 10)
	if _, err := io.ReadFull(s, b); err != nil || string(b) != "early late" {
		t.Fatalf("%q, %v", b, err)
	}
}

func TestSocketFails(t *testing.T) {
	for name, test := range map[string]struct {
		do   func(near, far *net.TCPConn)
		want error
	}{
		"closed by the server": {func(_, far *net.TCPConn) { _, _ = io.ReadFull(far, make([]byte, 7)); _ = far.Close() }, io.EOF},
		"closed by the client": {func(near, far *net.TCPConn) { _, _ = io.ReadFull(far, make([]byte, 7)); _ = near.Close() }, net.ErrClosed},
		"no answer in time":    {func(near, _ *net.TCPConn) { _ = near.SetDeadline(time.Now().Add(time.Millisecond)) }, os.ErrDeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			near, far := connect(t)
			s := newSocket(near)
			done := make(chan struct{})
			go func() {
				defer close(done)
				test.do(near, far)
			}()
			s.request = []byte("request")
			if n, err := s.Read(make([]byte, 10)); n != 0 || !errors.Is(err, test.want) {
				t.Errorf("%d, %v", n, err)
			}
			<-done
		})
	}
}
