// Package bench measures a DynamoDB endpoint, Roundtable's or any other: how
// many operations a second, how long each takes, and what they cost the servers
// in processor time.
//
// It must cost little itself, because it often shares the machine with what it
// measures. So it writes its requests by hand on connections that it keeps, and
// signs them with a few hashes; an SDK would take ten times the processor time.
//
// Runs are rounds over all cases in turn, so that a noisy minute of the machine
// falls on all of them, and each number is the median of the rounds.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"time"
)

// Options say what is measured.
type Options struct {
	// Endpoints are the URLs that clients are spread over.
	Endpoints []string
	// Region, AccessKey and SecretKey sign the requests.
	Region, AccessKey, SecretKey string
	// Processes are the servers' process ids, to measure their processor time.
	// It needs Linux, and servers on this machine.
	Processes []int

	// Table is made if it is not there, and deleted in the end if it was made.
	Table string
	// Keys is how many keys there are, ItemBytes the size of an item as
	// DynamoDB counts it.
	Keys, ItemBytes int
	// Zipfian makes some keys much more popular than others, as in YCSB.
	Zipfian bool

	// Workloads and Clients span the cases: each workload with each number of
	// clients.
	Workloads []Workload
	Clients   []int
	// Rate is how many operations are begun each second, whatever becomes of
	// the ones before. 0 makes a closed loop: a client begins one when its last
	// has ended.
	Rate float64

	// Rounds is how often each case is measured, for Duration after WarmUp.
	Rounds           int
	WarmUp, Duration time.Duration

	// Progress is told what happens. nil tells nobody.
	Progress io.Writer
}

func (o *Options) ensureDefaults() {
	setDefault(&o.Region, "us-east-1")
	setDefault(&o.Table, "roundtable-bench")
	setDefault(&o.Keys, 10_000)
	setDefault(&o.ItemBytes, 256)
	setDefault(&o.Rounds, 1)
	setDefault(&o.Duration, 5*time.Second)
	if o.Progress == nil {
		o.Progress = io.Discard
	}
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (o *Options) validate() error {
	switch {
	case len(o.Endpoints) == 0:
		return errors.New("bench: no endpoint")
	case len(o.Workloads) == 0 || len(o.Clients) == 0:
		return errors.New("bench: no workload or no clients")
	case slices.Min(o.Clients) < 1:
		return errors.New("bench: a case without clients")
	case o.ItemBytes < leastItem || o.ItemBytes > mostItem:
		return fmt.Errorf("bench: items have %d to %d bytes", leastItem, mostItem)
	case o.Keys < 1 || o.Keys > mostKeys:
		return fmt.Errorf("bench: there are 1 to %d keys", mostKeys)
	}
	return nil
}

// Result is what was measured of one case: the median of the rounds.
type Result struct {
	Workload string `json:"workload"`
	Clients  int    `json:"clients"`
	Rounds   int    `json:"rounds"`
	// PerSecond counts operations that succeeded, Lowest and Highest are those
	// of the worst and the best round.
	PerSecond float64 `json:"operations_per_second"`
	Lowest    float64 `json:"lowest_operations_per_second"`
	Highest   float64 `json:"highest_operations_per_second"`
	// Latencies of operations that succeeded. With a rate they count from when
	// the operation was due, so that a stalled server is not spared.
	P50  float64 `json:"p50_ms"`
	P99  float64 `json:"p99_ms"`
	P999 float64 `json:"p999_ms"`
	Max  float64 `json:"max_ms"`
	// ServerCPU is the servers' processor time an operation, all servers
	// together; 0 when it is not known.
	ServerCPU float64 `json:"server_cpu_us"`
	// ClientCPU is the load generator's own.
	ClientCPU float64 `json:"client_cpu_us"`
	// Errors are of all rounds together, FirstError says what the first was.
	Errors     int64  `json:"errors"`
	FirstError string `json:"first_error,omitempty"`
}

// Run measures all cases.
func Run(ctx context.Context, o Options) ([]Result, error) {
	o.ensureDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	b := &bench{Options: o, keys: o.newKeys(), padding: newPadding(o.ItemBytes)}
	for _, e := range o.Endpoints {
		u, err := url.Parse(e)
		if err != nil || u.Host == "" {
			return nil, fmt.Errorf("bench: endpoint %q is no URL such as http://127.0.0.1:8000", e)
		}
		b.targets = append(b.targets, u)
	}
	made, err := b.createTable(ctx)
	if made {
		defer b.deleteTable()
	}
	if err != nil {
		return nil, err
	}
	if err := b.load(ctx); err != nil {
		return nil, err
	}
	return b.measure(ctx)
}

// bench is a run under way.
type bench struct {
	Options
	targets []*url.URL
	keys    keys
	padding []byte
}

// measure takes the rounds.
func (b *bench) measure(ctx context.Context) ([]Result, error) {
	type key struct{ workload, clients int }
	rounds := map[key][]round{}
	for n := range b.Rounds {
		for w := range b.Workloads {
			for c, clients := range b.Clients {
				label := fmt.Sprintf("round %d/%d  %s, %d clients", n+1, b.Rounds, b.Workloads[w].Name, clients)
				r, err := b.round(ctx, b.Workloads[w], clients, label)
				if err != nil {
					return nil, err
				}
				rounds[key{w, c}] = append(rounds[key{w, c}], r)
			}
		}
	}
	var results []Result
	for w := range b.Workloads {
		for c, clients := range b.Clients {
			results = append(results, summarize(b.Workloads[w].Name, clients, rounds[key{w, c}]))
		}
	}
	return results, nil
}

// summarize takes the median of each number over the rounds.
func summarize(workload string, clients int, rounds []round) Result {
	median := func(of func(r *round) float64) float64 {
		values := make([]float64, len(rounds))
		for i := range rounds {
			values[i] = of(&rounds[i])
		}
		slices.Sort(values)
		return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
	}
	quantile := func(q float64) float64 {
		return median(func(r *round) float64 { return float64(r.latency.ValueAtQuantile(q)) / 1e3 })
	}
	result := Result{
		Workload: workload, Clients: clients, Rounds: len(rounds),
		PerSecond: median((*round).perSecond),
		Lowest:    rounds[0].perSecond(), Highest: rounds[0].perSecond(),
		P50: quantile(50), P99: quantile(99), P999: quantile(99.9), Max: quantile(100),
		ServerCPU: median(func(r *round) float64 { return r.perOperation(r.serverCPU) }),
		ClientCPU: median(func(r *round) float64 { return r.perOperation(r.clientCPU) }),
	}
	for i := range rounds {
		r := &rounds[i]
		result.Lowest, result.Highest = min(result.Lowest, r.perSecond()), max(result.Highest, r.perSecond())
		result.Errors += r.errors
		if result.FirstError == "" && r.firstError != nil {
			result.FirstError = r.firstError.Error()
		}
	}
	return result
}
