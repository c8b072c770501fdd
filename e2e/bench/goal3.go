package main

import (
	"context"
	"errors"
	"net"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/roundtabledb/roundtable/e2e/bench/judge"
	"github.com/roundtabledb/roundtable/e2e/bench/peer"
	"github.com/roundtabledb/roundtable/e2e/bench/server"
)

// Goal 3: `roundtable dev` is durable, and puts and gets 1.5 times what dynalite
// does on disk, which does not sync; its GetItem is 0.6 of what net/http and
// JSON alone do.

const devClients = 64

func durationOfDev(l *lab) time.Duration {
	return 5*time.Second + l.durationOf(5) + time.Duration(l.rounds)*time.Duration(l.keys)*200*time.Microsecond
}

func measureDev(ctx context.Context, l *lab) error {
	dev, err := l.dev(ctx)
	if err != nil {
		return err
	}
	if err := dev.createTable(ctx, table, hashed); err != nil {
		return err
	}
	echo, err := l.echo(ctx)
	if err != nil {
		return err
	}
	dynalite, missing, err := l.dynalite(ctx, true)
	if err != nil {
		return err
	}
	workloads := []string{"put", "get-eventual"}
	all := []measurement{
		l.requests(dev, workloads, devClients),
		l.requests(echo, []string{"get-eventual"}, devClients),
	}
	if dynalite != nil {
		d := endpoints{dynaliteOnDisk, []string{dynalite.Endpoint}, dev.region, dynalite.Processes()}
		if err := d.createTable(ctx, table, hashed); err != nil {
			return err
		}
		all = append(all, l.requests(d, workloads, devClients))
	}
	taken, err := l.inRounds(ctx, all)
	if err != nil {
		return err
	}
	theirs := endpoints{name: dynaliteOnDisk}
	for i, what := range []string{"dev: PutItem, 64 clients", "dev: GetItem, 64 clients"} {
		w := workloads[i]
		l.beside(what, "op/s", taken[nameOf(dev, w, devClients)], dynaliteOnDisk, taken[nameOf(theirs, w, devClients)], missing, series.perSecond, judge.AtLeast(1.5))
	}
	l.beside("dev: GetItem, 64 clients", "op/s", taken[nameOf(dev, "get-eventual", devClients)],
		echoName, taken[nameOf(echo, "get-eventual", devClients)], nil, series.perSecond, judge.AtLeast(0.6))
	return nil
}

// dev starts `roundtable dev`, durable, which ends with the goal.
func (l *lab) dev(ctx context.Context) (endpoints, error) {
	l.progress.say("start roundtable dev")
	dir, err := l.newDir("dev")
	if err != nil {
		return endpoints{}, err
	}
	p, url, err := l.startDev(ctx, dir)
	if err != nil {
		return endpoints{}, err
	}
	l.keep(closer(p.Kill))
	return endpoints{"roundtable dev", []string{url}, "us-east-1", []int{p.ID()}}, nil
}

// startDev starts `roundtable dev` and waits until it is ready for requests.
func (l *lab) startDev(ctx context.Context, dir string) (*server.Process, string, error) {
	addresses, err := server.Addresses(1)
	if err != nil {
		return nil, "", err
	}
	_, port, err := net.SplitHostPort(addresses[0])
	if err != nil {
		return nil, "", err
	}
	p, err := server.Start(filepath.Join(dir, "dev.log"), exec.Command(l.binary, "dev", "--port", port, "--data", filepath.Join(dir, "data")))
	if err != nil {
		return nil, "", err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	url := "http://" + addresses[0]
	if err := p.Await(ctx, server.Fetched(url+"/readyz")); err != nil {
		return nil, "", errors.Join(err, p.Kill())
	}
	return p, url, nil
}

// The names of dynalite.
const (
	dynaliteName   = "dynalite in memory"
	dynaliteOnDisk = "dynalite on disk"
)

// dynalite starts dynalite, if npm has it, in memory or on disk.
func (l *lab) dynalite(ctx context.Context, onDisk bool) (*peer.Dynalite, error, error) {
	return peerOf(l, "dynalite", func(dir string) (*peer.Dynalite, error) {
		program, err := l.findDynalite(ctx)
		if err != nil {
			return nil, err
		}
		data := ""
		if onDisk {
			data = filepath.Join(dir, "data")
		}
		return peer.StartDynalite(ctx, program, filepath.Join(dir, "dynalite.log"), data)
	})
}

// findDynalite finds dynalite's program once in a run.
func (l *lab) findDynalite(ctx context.Context) (string, error) {
	if l.dynaliteProgram == "" && l.noDynalite == nil {
		dir, err := filepath.Abs(filepath.Join(l.settings.dir, "dynalite"))
		if err != nil {
			return "", err
		}
		patience := time.Minute
		if l.settings.quick {
			patience = 10 * time.Second
		}
		l.progress.say("ask npm for dynalite, for %v at most", patience)
		l.dynaliteProgram, l.noDynalite = peer.FindDynalite(ctx, dir, patience)
	}
	return l.dynaliteProgram, l.noDynalite
}
