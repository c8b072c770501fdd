// Command bench measures Roundtable beside its peers and judges its goals of
// speed. Each goal has a file of its own; docs/PERFORMANCE.md says how to read
// the results.
//
//	make bench QUICK=1        goals 1 to 3 in less than two minutes
//	make bench                all goals; an hour or so
//	make bench GOALS=1,4      some of them
//
// Everything runs on this machine, in the same rounds: what Roundtable gets of
// it, its peers get as well. A goal is a ratio, so that it means the same on
// another machine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/roundtabledb/roundtable/e2e/bench/judge"
	"github.com/roundtabledb/roundtable/e2e/bench/peer"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// goal is one of the goals.
type goal struct {
	number int
	title  string
	// takes is about how long it takes to measure.
	takes func(l *lab) time.Duration
	// measure measures it, and tells the lab its rows.
	measure func(ctx context.Context, l *lab) error
}

func goals() []goal {
	return []goal{
		{1, "durable puts beside etcd's", durationOfPuts, measurePuts},
		{2, "reads beside etcd's", durationOfReads, measureReads},
		{3, "roundtable dev beside dynalite", durationOfDev, measureDev},
		{4, "many groups", durationOfGroups, measureGroups},
		{5, "replication between regions", durationOfReplication, measureReplication},
		{6, "growth", durationOfGrowth, measureGrowth},
		{7, "memory", durationOfMemory, measureMemory},
		{8, "large items beside small ones", durationOfLarge, measureLarge},
	}
}

// settings are what the command line says.
type settings struct {
	quick             bool
	goals             string
	binary, dir, json string
	rounds            int
	duration          time.Duration
	scale             float64
}

func run(ctx context.Context, arguments []string) error {
	if len(arguments) == 2 && arguments[0] == "echo" {
		return peer.ServeEcho(arguments[1])
	}
	var s settings
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.BoolVar(&s.quick, "quick", false, "measure goals 1 to 3, in less than two minutes")
	f.StringVar(&s.goals, "goals", "", "numbers of the goals to measure, such as 1,4 (default: all)")
	f.StringVar(&s.binary, "binary", ".roundtable/bin/roundtable", "the program to measure")
	f.StringVar(&s.dir, "dir", ".roundtable/bench", "where servers keep their data; on the disk that is to be measured")
	f.StringVar(&s.json, "json", ".roundtable/bench/latest.json", "file to write the results to")
	f.IntVar(&s.rounds, "rounds", 0, "rounds over everything (default: 5, quick 3)")
	f.DurationVar(&s.duration, "duration", 0, "how long to measure each time (default: 3s, quick 0.8s)")
	f.Float64Var(&s.scale, "scale", 1, "part of the long measurements and large amounts of data that goals 5 to 8 ask for, for a first look")
	if err := f.Parse(arguments); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	chosen, err := choose(goals(), s)
	if err != nil {
		return err
	}
	l, err := newLab(s)
	if err != nil {
		return err
	}
	return errors.Join(l.measure(ctx, chosen), l.close())
}

// choose takes the goals that are asked for.
func choose(all []goal, s settings) ([]goal, error) {
	text := s.goals
	if text == "" && s.quick {
		text = "1,2,3"
	}
	if text == "" {
		return all, nil
	}
	var chosen []goal
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(part))
		i := slices.IndexFunc(all, func(g goal) bool { return g.number == n })
		if err != nil || i < 0 {
			return nil, fmt.Errorf("there is no goal %q: goals are numbers, such as 1,4", part)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// measure measures goals and writes what came of it after each of them, so that
// a run that is interrupted is not lost.
func (l *lab) measure(ctx context.Context, chosen []goal) error {
	var expected time.Duration
	for _, g := range chosen {
		expected += g.takes(l)
	}
	l.progress.begin(chosen, expected)
	var failed []error
	for _, g := range chosen {
		l.goal = g.number
		l.progress.goal(g)
		err := g.measure(ctx, l)
		err = errors.Join(err, l.cleanUp())
		if ctx.Err() != nil {
			failed = append(failed, ctx.Err())
			break
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("goal %d: %w", g.number, err))
			l.tell(judge.Row{Goal: g.number, Name: g.title, Note: fmt.Sprintf("not measured to the end: %v", err)})
		}
		if err := l.write(); err != nil {
			return err
		}
	}
	l.progress.end()
	fmt.Println()
	return errors.Join(errors.Join(failed...), judge.WriteTable(os.Stdout, l.rows))
}

func (l *lab) write() error {
	if err := os.MkdirAll(filepath.Dir(l.settings.json), 0o755); err != nil {
		return err
	}
	f, err := os.Create(l.settings.json)
	if err != nil {
		return err
	}
	return errors.Join(judge.WriteJSON(f, l.rows), f.Close())
}
