package sim_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roundtabledb/roundtable/e2e/sim"
)

// number is a setting from the environment.
func number(t *testing.T, name string, otherwise uint64) uint64 {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 0, 64)
	if err != nil {
		t.Fatalf("%s=%s: %v", name, text, err)
	}
	return n
}

// run carries a plan out in a bubble.
func run(t *testing.T, plan sim.Plan, twist sim.Twist) *sim.Record {
	dir, err := sim.FastDir()
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	var rec *sim.Record
	synctest.Test(t, func(t *testing.T) { rec = sim.Run(plan, dir, twist) })
	return rec
}

// TestMain lets the heap grow: most of it is the memory of storage engines,
// which a collector that comes often visits in vain.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}

// TestSeeds runs many seeds. SIM_SEEDS says how many, SIM_FROM where to begin,
// SIM_STORM how many seconds each storm lasts. SIM_SEED runs one again.
func TestSeeds(t *testing.T) {
	first, count := number(t, "SIM_FROM", 1), number(t, "SIM_SEEDS", 200)
	if testing.Short() {
		count = min(count, 10)
	}
	single := os.Getenv("SIM_SEED") != ""
	if single {
		first, count = number(t, "SIM_SEED", 0), 1
	}
	storm := time.Duration(number(t, "SIM_STORM", 0)) * time.Second
	var total summary
	began := time.Now()
	t.Run("seeds", func(t *testing.T) {
		for seed := first; seed < first+count; seed++ {
			t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
				t.Parallel()
				rec := run(t, sim.Draw(seed, storm), sim.Twist{})
				total.add(rec)
				if err := rec.Check(); err != nil || single {
					explain(t, rec, err)
				}
			})
		}
	})
	t.Logf("%v in %v, on %d processors, %v of processor time", &total, time.Since(began).Round(time.Second), runtime.GOMAXPROCS(0), cpu())
}

func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Round(time.Second)
}

// explain reports a failure with all that leads back to it. What the nodes
// logged goes to a file.
func explain(t *testing.T, rec *sim.Record, err error) {
	var b strings.Builder
	fmt.Fprintf(&b, "SIM_SEED=%d\n", rec.Plan.Seed)
	for _, line := range rec.Log.Lines(false) {
		fmt.Fprintln(&b, line)
	}
	fmt.Fprintf(&b, "%+v\n%d operations checked, %v virtual, %v to settle", rec.Tally, rec.Operations(), rec.Virtual, rec.Settling)
	t.Log(b.String())
	if err == nil {
		return
	}
	name := filepath.Join(os.TempDir(), fmt.Sprintf("roundtable-sim-%d.log", rec.Plan.Seed))
	if os.WriteFile(name, []byte(strings.Join(rec.Log.Lines(true), "\n")), 0o644) == nil {
		t.Logf("what the nodes logged is in %s", name)
	}
	t.Error(err)
}

// summary adds up what many runs came to.
type summary struct {
	mu                     sync.Mutex
	runs, operations       int
	sights, events         int
	writes, own, conflicts int
	sim.Tally
	virtual, settling, slowest time.Duration
}

func (s *summary) add(rec *sim.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs++
	s.events += len(rec.Plan.Events)
	s.operations += rec.Operations()
	s.virtual += rec.Virtual
	s.settling += rec.Settling
	s.slowest = max(s.slowest, rec.Settling)
	s.Done += rec.Tally.Done
	s.Refused += rec.Tally.Refused
	s.Unknown += rec.Tally.Unknown
	if rec.Newest == nil {
		return
	}
	s.sights += rec.Versions.Count()
	writes, own, conflicts := rec.Newest.Overwritten()
	s.writes += writes
	s.own += own
	s.conflicts += conflicts
}

func (s *summary) String() string {
	runs := time.Duration(max(s.runs, 1))
	return fmt.Sprintf("%d seeds, %v of virtual time, %d events; "+
		"%d operations done, %d refused, %d of unknown outcome; "+
		"%d checked for linearizability, %d sights of versions; "+
		"%d acknowledged writes of shared tables, %d overwritten by their own region, %d by another; "+
		"%v to settle on average, %v at most",
		s.runs, s.virtual.Round(time.Second), s.events, s.Done, s.Refused, s.Unknown,
		s.operations, s.sights, s.writes, s.own, s.conflicts,
		(s.settling / runs).Round(time.Millisecond), s.slowest.Round(time.Millisecond))
}
