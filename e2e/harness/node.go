package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/roundtabledb/roundtable/region/process"
)

// Node is one `roundtable serve`, which may be stopped and started again. Its
// methods are for one goroutine at a time.
type Node struct {
	t testing.TB
	// Region and ID name the node, Dir is its data directory.
	Region, ID, Dir string
	// API, Operations, Peer and Gossip are where it listens.
	API, Operations, Peer, Gossip string
	// Args is what it is started with, after "serve".
	Args []string

	logs    string
	starts  int
	process *Process
}

// Name names the node among those of all regions.
func (n *Node) Name() string { return n.Region + "/" + n.ID }

// Endpoint is the node's own DynamoDB endpoint.
func (n *Node) Endpoint() string { return "http://" + n.API }

// Start starts the node's process. It does not wait: see Ready.
func (n *Node) Start() error {
	if n.Running() {
		return fmt.Errorf("%s runs already", n.Name())
	}
	n.starts++
	log, err := os.Create(filepath.Join(n.logs, fmt.Sprintf("%s-%s-%d.log", n.Region, n.ID, n.starts)))
	if err != nil {
		return err
	}
	n.t.Cleanup(func() { _ = log.Close() })
	p, err := start(n.t, fmt.Sprintf("%s, start %d,", n.Name(), n.starts), log, append([]string{"serve"}, n.Args...))
	if err != nil {
		return err
	}
	n.process = p
	return nil
}

// Running reports whether the process has not ended. A paused one runs.
func (n *Node) Running() bool {
	if n.process == nil {
		return false
	}
	select {
	case <-n.process.Done():
		return false
	default:
		return true
	}
}

// Process is the node's last process, nil before the first.
func (n *Node) Process() *Process { return n.process }

// Ready waits until the node says that it can serve. It fails at once when the
// process ends.
func (n *Node) Ready(ctx context.Context) error {
	return Until(ctx, n.Name()+" to be ready", func(ctx context.Context) (bool, error) {
		if !n.Running() {
			return false, &GiveUp{fmt.Sprintf("it ended (%v):\n%s", n.process.exit(), tail(n.process.Output(), shownLines))}
		}
		_, err := n.Ask(ctx, "/readyz")
		return err == nil, err
	})
}

// Restart starts the node and waits until it is ready.
func (n *Node) Restart(ctx context.Context) error {
	if err := n.Start(); err != nil {
		return err
	}
	return n.Ready(ctx)
}

// Status is what the node says of its region.
func (n *Node) Status(ctx context.Context) (process.Status, error) {
	var s process.Status
	body, err := n.Ask(ctx, "/status")
	if err == nil {
		err = json.Unmarshal(body, &s)
	}
	if err != nil {
		return s, fmt.Errorf("status of %s: %w", n.Name(), err)
	}
	return s, nil
}

// patience bounds one request to a node's operations port.
const patience = 5 * time.Second

// Ask asks the node's operations port. An answer other than 200 is an error.
func (n *Node) Ask(ctx context.Context, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.Operations+path, nil)
	if err != nil {
		return nil, err
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(body)))
	}
	return body, err
}
