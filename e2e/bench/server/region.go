package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/roundtabledb/roundtable/region/process"
)

// The credentials that every Region accepts, and no others.
const (
	AccessKey = "BENCHMARK"
	SecretKey = "only-for-benchmarks"
)

// Region is some nodes of one region. Signatures are verified.
type Region struct {
	Name  string
	Nodes []*Node
}

// Node is one `roundtable serve`.
type Node struct {
	// API, Operations and Peer are where it listens.
	API, Operations, Peer string

	binary, log string
	arguments   []string
	process     *Process
}

// RegionOptions say what a region is made of.
type RegionOptions struct {
	Binary string
	// Dir is where nodes keep everything.
	Dir   string
	Name  string
	Nodes int
	// Arguments are further ones of serve.
	Arguments []string
}

// NewRegion prepares a region of which nothing runs.
func NewRegion(o RegionOptions) (*Region, error) {
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, err
	}
	credentials := filepath.Join(o.Dir, "credentials")
	text := fmt.Sprintf("[bench]\naws_access_key_id = %s\naws_secret_access_key = %s\n", AccessKey, SecretKey)
	if err := os.WriteFile(credentials, []byte(text), 0o600); err != nil {
		return nil, err
	}
	const ports = 4
	addresses, err := Addresses(ports * o.Nodes)
	if err != nil {
		return nil, err
	}
	r := &Region{Name: o.Name}
	for i := range o.Nodes {
		id, a := "node-"+strconv.Itoa(i+1), addresses[ports*i:]
		n := &Node{
			API: a[0], Operations: a[1], Peer: a[2],
			binary: o.Binary, log: filepath.Join(o.Dir, id+".log"),
		}
		n.arguments = []string{
			"serve", "--node-id", id, "--region", o.Name, "--data-dir", filepath.Join(o.Dir, id),
			"--api-listen", n.API, "--ops-listen", n.Operations, "--peer-listen", n.Peer, "--gossip-listen", a[3],
			"--credentials", credentials, "--expect", strconv.Itoa(o.Nodes), "--log-level", "warn",
		}
		if i > 0 {
			n.arguments = append(n.arguments, "--seeds", addresses[3])
		}
		n.arguments = append(n.arguments, o.Arguments...)
		r.Nodes = append(r.Nodes, n)
	}
	return r, nil
}

// AddArguments gives all nodes further arguments for their next start.
func (r *Region) AddArguments(arguments ...string) {
	for _, n := range r.Nodes {
		n.arguments = append(n.arguments, arguments...)
	}
}

// startPatience is how long a region may take to be ready.
const startPatience = 2 * time.Minute

// Start starts all nodes and waits until they are ready.
func (r *Region) Start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for _, n := range r.Nodes {
		p, err := Start(n.log, exec.Command(n.binary, n.arguments...))
		if err != nil {
			return err
		}
		n.process = p
	}
	for _, n := range r.Nodes {
		if err := n.process.Await(ctx, Fetched("http://"+n.Operations+"/readyz")); err != nil {
			return err
		}
	}
	return nil
}

// Ended reports which nodes have ended by themselves.
func (r *Region) Ended() error {
	var errs []error
	for _, n := range r.Nodes {
		if n.process != nil {
			errs = append(errs, n.process.Ended())
		}
	}
	return errors.Join(errs...)
}

// Kill ends all nodes at once. They can be started again.
func (r *Region) Kill() error {
	var errs []error
	for _, n := range r.Nodes {
		if n.process != nil {
			errs = append(errs, n.process.Kill())
			n.process = nil
		}
	}
	return errors.Join(errs...)
}

// Endpoints are the URLs of all nodes.
func (r *Region) Endpoints() []string {
	var all []string
	for _, n := range r.Nodes {
		all = append(all, "http://"+n.API)
	}
	return all
}

// Processes are the process ids of all nodes.
func (r *Region) Processes() []int {
	var all []int
	for _, n := range r.Nodes {
		all = append(all, n.process.ID())
	}
	return all
}

// Process is the node's process.
func (n *Node) Process() *Process { return n.process }

// Status is what the node says of its region.
func (n *Node) Status(ctx context.Context) (process.Status, error) {
	var s process.Status
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.Operations+"/status", nil)
	if err != nil {
		return s, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return s, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil {
		err = json.Unmarshal(body, &s)
	}
	return s, err
}
