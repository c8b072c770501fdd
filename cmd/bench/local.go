package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// Local is a region of real processes on this machine's loopback, which lives
// for a benchmark.
type Local struct {
	dir   string
	nodes []*localNode
}

type localNode struct {
	cmd      *exec.Cmd
	endpoint string
	ops      string // the operators' URL
	log      *os.File
	ended    chan struct{}
}

// The credentials of a Local.
const (
	localRegion = "local-1"
	localKey    = "BENCHMARK"
	localSecret = "only-for-benchmarks"
)

// StartLocal starts a region of so many nodes of binary, each with a folder
// under dir, and returns when they answer. extra are further arguments of serve.
func StartLocal(ctx context.Context, binary, dir string, nodes int, extra []string) (*Local, error) {
	dir, err := os.MkdirTemp(dir, "roundtable-bench-")
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	l := &Local{dir: dir}
	if err := l.start(ctx, binary, nodes, extra); err != nil {
		return nil, errors.Join(fmt.Errorf("bench: start a region: %w", err), l.Close())
	}
	return l, nil
}

func (l *Local) start(ctx context.Context, binary string, nodes int, extra []string) error {
	credentials := filepath.Join(l.dir, "credentials")
	text := fmt.Sprintf("[bench]\naws_access_key_id = %s\naws_secret_access_key = %s\n", localKey, localSecret)
	if err := os.WriteFile(credentials, []byte(text), 0o600); err != nil {
		return err
	}
	addresses, err := freeAddresses(4 * nodes)
	if err != nil {
		return err
	}
	for i := range nodes {
		api, peer, gossip, ops := addresses[4*i], addresses[4*i+1], addresses[4*i+2], addresses[4*i+3]
		name := fmt.Sprintf("node-%d", i+1)
		arguments := []string{
			"serve", "--node-id", name, "--region", localRegion, "--data-dir", filepath.Join(l.dir, name),
			"--api-listen", api, "--peer-listen", peer, "--gossip-listen", gossip, "--ops-listen", ops,
			"--credentials", credentials, "--expect", fmt.Sprint(nodes), "--log-level", "warn",
		}
		if i > 0 {
			arguments = append(arguments, "--seeds", addresses[2])
		}
		n, err := startNode(binary, append(arguments, extra...), filepath.Join(l.dir, name+".log"))
		if err != nil {
			return err
		}
		n.endpoint, n.ops = "http://"+api, "http://"+ops
		l.nodes = append(l.nodes, n)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for _, n := range l.nodes {
		if err := n.await(ctx); err != nil {
			return err
		}
	}
	return nil
}

func startNode(binary string, arguments []string, logName string) (*localNode, error) {
	log, err := os.Create(logName)
	if err != nil {
		return nil, err
	}
	n := &localNode{cmd: exec.Command(binary, arguments...), log: log, ended: make(chan struct{})}
	n.cmd.Stdout, n.cmd.Stderr = log, log
	dieWithParent(n.cmd)
	if err := n.cmd.Start(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	go func() {
		_ = n.cmd.Wait() // await and Close see that it has ended
		close(n.ended)
	}()
	return n, nil
}

// await waits until the node is ready.
func (n *localNode) await(ctx context.Context) error {
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, n.ops+"/readyz", nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(r)
		if err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-n.ended:
			return fmt.Errorf("the node ended:\n%s", n.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("the node does not become ready:\n%s", n.lastWords())
		}
	}
}

// lastWords is the end of the node's log.
func (n *localNode) lastWords() string {
	text, err := os.ReadFile(n.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4096):])
}

// Use makes o measure the region.
func (l *Local) Use(o *Options) {
	o.Region, o.AccessKey, o.SecretKey = localRegion, localKey, localSecret
	o.Endpoints, o.Processes, o.Operators = nil, nil, nil
	for _, n := range l.nodes {
		o.Endpoints = append(o.Endpoints, n.endpoint)
		o.Processes = append(o.Processes, n.cmd.Process.Pid)
		o.Operators = append(o.Operators, n.ops)
	}
}

// Close ends the region and removes what it has stored.
func (l *Local) Close() error {
	for _, n := range l.nodes {
		_ = n.cmd.Process.Kill() // nobody needs the data
	}
	var errs []error
	for _, n := range l.nodes {
		<-n.ended
		errs = append(errs, n.log.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(l.dir))...)
}

// freeAddresses finds ports that nobody listens on, neither TCP nor UDP. They
// could be taken before they are used, but not soon: the system hands out each
// in turn.
func freeAddresses(n int) ([]string, error) {
	var addresses []string
	var held []io.Closer
	defer func() {
		for _, h := range held {
			_ = h.Close()
		}
	}()
	for attempts := 0; len(addresses) < n && attempts < 10*n; attempts++ {
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

// SyncTime is how long it takes to append 4 KiB to a file in dir and make that
// durable: the yardstick of every durable write. It is the median of a few
// hundred. An empty dir is the one for temporary files.
func SyncTime(dir string) (time.Duration, error) {
	f, err := os.CreateTemp(dir, "roundtable-sync-")
	if err != nil {
		return 0, fmt.Errorf("bench: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	const writes, size = 200, 4 << 10
	// Room is made before, as every log does.
	if _, err := f.Write(make([]byte, writes*size)); err != nil {
		return 0, fmt.Errorf("bench: %w", err)
	}
	if err := f.Sync(); err != nil {
		return 0, fmt.Errorf("bench: %w", err)
	}
	took := make([]time.Duration, writes)
	block := make([]byte, size)
	for i := range took {
		begin := time.Now()
		if _, err := f.WriteAt(block, int64(i*size)); err != nil {
			return 0, fmt.Errorf("bench: %w", err)
		}
		if err := syncData(f); err != nil {
			return 0, fmt.Errorf("bench: %w", err)
		}
		took[i] = time.Since(begin)
	}
	slices.Sort(took)
	return took[writes/2], nil
}
