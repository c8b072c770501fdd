package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/roundtabledb/roundtable/e2e/bench/server"
)

// dynaliteVersion is the last one.
const dynaliteVersion = "4.0.0"

// Dynalite is another server that speaks DynamoDB's API: one process, neither
// replicated nor durable.
type Dynalite struct {
	process  *server.Process
	Endpoint string
}

// FindDynalite returns its program, which npm fetches unless an earlier run has
// kept it in the folder. When the registry does not answer within patience,
// dynalite is missing.
func FindDynalite(ctx context.Context, dir string, patience time.Duration) (string, error) {
	if path, err := exec.LookPath("dynalite"); err == nil {
		return path, nil
	}
	program := filepath.Join(dir, "node_modules", ".bin", "dynalite")
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	missing := func(err error) (string, error) { return "", &MissingError{"dynalite", err} }
	npm, err := exec.LookPath("npm")
	if err != nil {
		return missing(err)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, npm, "install", "--prefix", dir, "--no-audit", "--no-fund", "--no-update-notifier",
		"--fetch-retries", "0", "dynalite@"+dynaliteVersion)
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			return missing(fmt.Errorf("npm got no answer within %v", patience))
		}
		first, _, _ := bytes.Cut(out, []byte("\n"))
		return missing(fmt.Errorf("npm: %w: %s", err, first))
	}
	if _, err := os.Stat(program); err != nil {
		return missing(err)
	}
	return program, nil
}

// StartDynalite starts it, with its data in a folder or, if that is empty, in
// memory.
func StartDynalite(ctx context.Context, program, log, dir string) (*Dynalite, error) {
	addresses, err := server.Addresses(1)
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(addresses[0])
	if err != nil {
		return nil, err
	}
	arguments := []string{"--host", host, "--port", port, "--createTableMs", "0", "--deleteTableMs", "0"}
	if dir != "" {
		arguments = append(arguments, "--path", dir)
	}
	p, err := server.Start(log, exec.Command(program, arguments...))
	if err != nil {
		return nil, err
	}
	d := &Dynalite{process: p, Endpoint: "http://" + addresses[0]}
	waiting, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := p.Await(waiting, server.Dialled(addresses[0])); err != nil {
		// On disk it needs an addon, which npm may not have built.
		return nil, cannotStart(ctx, "dynalite", errors.Join(err, d.Close()))
	}
	return d, nil
}

// Processes are the process ids.
func (d *Dynalite) Processes() []int { return []int{d.process.ID()} }

// Close ends the server.
func (d *Dynalite) Close() error { return d.process.Kill() }
