package wire

import (
	"io"
	"net"
	"syscall"
)

// socket is a connection that sends a request and reads the beginning of its
// answer as one act. Whoever writes to a net.Conn and then reads from it asks
// the kernel for an answer that cannot be there yet, and waits when told so;
// with a system call of 1 µs that is a tenth of what a GetItem costs a client.
type socket struct {
	net.Conn
	raw syscall.RawConn // nil if the connection is not one of the system's own

	// request is what the next Read sends first.
	request []byte
	// What is passed between Read and its step, which is made once.
	step func(fd uintptr) (done bool)
	p    []byte
	n    int
	err  error
}

func newSocket(conn net.Conn) *socket {
	s := &socket{Conn: conn}
	s.step = s.sendAndWait
	if c, ok := conn.(*net.TCPConn); ok { // and not TLS
		s.raw, _ = c.SyscallConn()
	}
	return s
}

// Read sends what is to be sent, and reads what comes then.
func (s *socket) Read(p []byte) (int, error) {
	if len(s.request) > 0 && s.raw != nil {
		s.p, s.n, s.err = p, 0, nil
		err := s.raw.Read(s.step)
		s.p = nil
		if err == nil {
			err = s.err
		}
		if err != nil || s.n > 0 {
			return s.n, err
		}
	}
	if len(s.request) > 0 { // and the kernel has not taken it at once
		rest := s.request
		s.request = nil
		if _, err := s.Conn.Write(rest); err != nil {
			return 0, err
		}
	}
	return s.Conn.Read(p)
}

// sendAndWait is called until it is done, each time after the connection has
// become readable, and for the first time after that has been forgotten: an
// answer to what it sends then cannot be missed.
func (s *socket) sendAndWait(fd uintptr) (done bool) {
	if len(s.request) > 0 {
		n, err := retry(syscall.Write, fd, s.request)
		if err != nil && err != syscall.EAGAIN {
			s.err = &net.OpError{Op: "write", Net: "tcp", Addr: s.RemoteAddr(), Err: err}
			return true
		}
		s.request = s.request[max(n, 0):]
		return len(s.request) > 0
	}
	n, err := retry(syscall.Read, fd, s.p)
	switch {
	case err == syscall.EAGAIN:
		return false
	case err != nil:
		s.err = &net.OpError{Op: "read", Net: "tcp", Addr: s.RemoteAddr(), Err: err}
	case n == 0:
		s.err = io.EOF
	}
	s.n = max(n, 0)
	return true
}

// retry makes a system call again when a signal has interrupted it.
func retry(call func(fd int, p []byte) (int, error), fd uintptr, p []byte) (n int, err error) {
	for {
		if n, err = call(int(fd), p); err != syscall.EINTR {
			return n, err
		}
	}
}
