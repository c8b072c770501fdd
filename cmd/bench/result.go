package bench

import (
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Result is what was measured of one case: the median of the rounds.
type Result struct {
	Workload string `json:"workload"`
	Clients  int    `json:"clients"`
	Rounds   int    `json:"rounds"`
	// Rate is how many operations were to begin each second; 0 is a closed loop.
	Rate float64 `json:"offered_per_second,omitempty"`
	// PerSecond counts operations that succeeded, Lowest and Highest are those
	// of the worst and the best round. A batch is one operation.
	PerSecond float64 `json:"operations_per_second"`
	Lowest    float64 `json:"lowest_operations_per_second"`
	Highest   float64 `json:"highest_operations_per_second"`
	// Latencies of operations that succeeded. With a rate they count from when
	// the operation was due, so that a stalled server is not spared. In a closed
	// loop they count from when it was sent; Corrected says what callers would
	// have seen that come without waiting for one another.
	P50  float64 `json:"p50_ms"`
	P99  float64 `json:"p99_ms"`
	P999 float64 `json:"p999_ms"`
	Max  float64 `json:"max_ms"`
	// Corrected are the latencies of a closed loop corrected for coordinated
	// omission: an operation that held its client up for as long as ten take on
	// average stands for nine more. It is nil with a rate, which needs no
	// correction.
	Corrected *Latency `json:"corrected,omitempty"`
	// Kinds are the latencies of each operation with each item size.
	Kinds []Kind `json:"kinds"`
	// ServerCPU is the servers' processor time an operation, all servers
	// together; 0 when it is not known.
	ServerCPU float64 `json:"server_cpu_us"`
	// ClientCPU is the load generator's own.
	ClientCPU float64 `json:"client_cpu_us"`
	// Conflicts are how often a read-modify-write had to begin again, Unfinished
	// how many operations were given up after the end, or never begun though
	// due: they are in the latencies, as if they had ended then. Both are of all
	// rounds together.
	Conflicts  int64 `json:"conflicts,omitempty"`
	Unfinished int64 `json:"unfinished,omitempty"`
	// Errors are of all rounds together, FirstError says what the first was.
	Errors     int64  `json:"errors"`
	FirstError string `json:"first_error,omitempty"`
}

// Latency are the quantiles of a latency.
type Latency struct {
	P50  float64 `json:"p50_ms"`
	P99  float64 `json:"p99_ms"`
	P999 float64 `json:"p999_ms"`
	Max  float64 `json:"max_ms"`
}

// Kind is what was measured of one operation with items of one size: with large
// items in a mix, the small ones' latency says what everyone else feels.
type Kind struct {
	Operation string `json:"operation"`
	// ItemBytes is 0 for an operation on several items.
	ItemBytes int     `json:"item_bytes,omitempty"`
	PerSecond float64 `json:"operations_per_second"`
	Latency
}

// summarize takes the median of each number over the rounds.
func (b *bench) summarize(v variant, rounds []round) Result {
	all := medians(rounds, func(r *round) *hdrhistogram.Histogram { return r.total })
	result := Result{
		Workload: b.Workloads[v.workload].Name, Clients: v.clients, Rounds: len(rounds), Rate: v.rate,
		PerSecond: median(rounds, (*round).perSecond),
		Lowest:    rounds[0].perSecond(), Highest: rounds[0].perSecond(),
		P50: all.P50, P99: all.P99, P999: all.P999, Max: all.Max,
		Kinds:     b.kinds(rounds),
		ServerCPU: median(rounds, func(r *round) float64 { return r.perOperation(r.serverCPU) }),
		ClientCPU: median(rounds, func(r *round) float64 { return r.perOperation(r.clientCPU) }),
	}
	if v.rate == 0 {
		l := medians(rounds, func(r *round) *hdrhistogram.Histogram { return r.corrected(v.clients) })
		result.Corrected = &l
	}
	for i := range rounds {
		r := &rounds[i]
		result.Lowest, result.Highest = min(result.Lowest, r.perSecond()), max(result.Highest, r.perSecond())
		result.Conflicts += r.conflicts
		result.Unfinished += r.unfinished
		result.Errors += r.errors
		if result.FirstError == "" && r.firstError != nil {
			result.FirstError = r.firstError.Error()
		}
	}
	return result
}

// corrected corrects the latencies of a closed loop: at its own speed, a client
// begins an operation as often as all together end one, divided among them.
func (r *round) corrected(clients int) *hdrhistogram.Histogram {
	interval := float64(clients) / max(r.perSecond(), 1e-3) * float64(time.Second)
	return corrected(r.total, time.Duration(interval))
}

func (b *bench) kinds(rounds []round) []Kind {
	m := newMeter(len(b.ItemSizes.Bytes()))
	var kinds []Kind
	for n := range rounds[0].kinds {
		var with []round // those that have any
		for _, r := range rounds {
			if r.kinds[n] != nil {
				with = append(with, r)
			}
		}
		if len(with) == 0 {
			continue
		}
		op, class := m.ofKind(n)
		k := Kind{Operation: op.String()}
		if class >= 0 {
			k.ItemBytes = b.ItemSizes.Bytes()[class]
		}
		k.PerSecond = median(with, func(r *round) float64 {
			// What ended after the round is in the histogram, but not in its time.
			return r.perSecond() * float64(r.kinds[n].TotalCount()) / float64(r.total.TotalCount())
		})
		k.Latency = medians(with, func(r *round) *hdrhistogram.Histogram { return r.kinds[n] })
		kinds = append(kinds, k)
	}
	return kinds
}

// medians are the medians over the rounds of each quantile.
func medians(rounds []round, of func(*round) *hdrhistogram.Histogram) Latency {
	histograms := make([]*hdrhistogram.Histogram, len(rounds))
	for i := range rounds {
		histograms[i] = of(&rounds[i])
	}
	quantile := func(q float64) float64 {
		return median(histograms, func(h **hdrhistogram.Histogram) float64 {
			return float64((*h).ValueAtQuantile(q)) / 1e3
		})
	}
	return Latency{P50: quantile(50), P99: quantile(99), P999: quantile(99.9), Max: quantile(100)}
}

func median[T any](of []T, value func(*T) float64) float64 {
	values := make([]float64, len(of))
	for i := range of {
		values[i] = value(&of[i])
	}
	slices.Sort(values)
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}
