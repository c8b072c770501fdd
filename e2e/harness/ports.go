package harness

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// Ports are a block of ports that no other test uses while this one runs, in
// this process or another. They lie below those that systems give to outgoing
// connections, so that a node finds its port free when it comes back.
type Ports struct {
	base, next int
}

const (
	firstPort   = 10240
	portBlocks  = 75
	portsOfTest = 300
)

// ClaimPorts claims a block until the test ends. Its first port is bound to
// keep others away.
func ClaimPorts(t testing.TB) *Ports {
	t.Helper()
	from := rand.IntN(portBlocks)
	for i := range portBlocks {
		base := firstPort + (from+i)%portBlocks*portsOfTest
		claim, err := net.Listen("tcp", local(base))
		if err != nil {
			continue
		}
		t.Cleanup(func() { _ = claim.Close() })
		return &Ports{base: base, next: base + 1}
	}
	t.Fatal("all blocks of ports are taken")
	return nil
}

// Next returns a port that is free for TCP and UDP.
func (p *Ports) Next(t testing.TB) int {
	t.Helper()
	for ; p.next < p.base+portsOfTest; p.next++ {
		if free(p.next) {
			p.next++
			return p.next - 1
		}
	}
	t.Fatal("the block of ports is used up")
	return 0
}

// Address returns a loopback address with a port of its own.
func (p *Ports) Address(t testing.TB) string {
	t.Helper()
	return local(p.Next(t))
}

func local(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

func free(port int) bool {
	l, err := net.Listen("tcp", local(port))
	if err != nil {
		return false
	}
	_ = l.Close()
	c, err := net.ListenPacket("udp", local(port))
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}
