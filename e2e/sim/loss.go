package sim

import (
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/roundtabledb/roundtable/cluster/transport"
)

// Weather is what happens to messages between the nodes of a region, beyond
// what a stream of bytes would do to them. Rates are per thousand.
type Weather struct {
	Drop, Copy, Delay int
	// DelayUpTo bounds how long a message is held back.
	DelayUpTo time.Duration
}

// loss decides the fate of each message: the n-th on a way has the same in
// every run, for the same weather.
type loss struct {
	seed uint64
	mu   struct {
		sync.Mutex
		weather map[*Region]Weather
		counts  map[way]uint64
	}
}

// way is where messages of a kind go.
type way struct {
	from, to string
	lane     transport.Lane
	reply    bool
}

func newLoss(seed uint64) *loss {
	l := &loss{seed: seed}
	l.mu.weather = map[*Region]Weather{}
	l.mu.counts = map[way]uint64{}
	return l
}

func (l *loss) set(r *Region, w Weather) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.weather[r] = w
}

func (l *loss) tap(r *Region) transport.Tap {
	return func(m transport.Message) transport.Verdict {
		at := way{from: string(m.From), to: string(m.To), lane: m.Lane, reply: m.Reply}
		l.mu.Lock()
		w := l.mu.weather[r]
		l.mu.counts[at]++
		n := l.mu.counts[at]
		l.mu.Unlock()
		if w == (Weather{}) {
			return transport.Verdict{}
		}
		h := fnv.New64a()
		for _, s := range []string{at.from, at.to} {
			h.Write([]byte(s))
			h.Write([]byte{byte(at.lane), 0})
		}
		return w.fate(rand.New(rand.NewPCG(l.seed^n, h.Sum64())))
	}
}

func (w Weather) fate(r *rand.Rand) transport.Verdict {
	switch at := r.IntN(1000); {
	case at < w.Drop:
		return transport.Verdict{Drop: true}
	case at < w.Drop+w.Copy:
		return transport.Verdict{Copies: 1, Delay: time.Duration(r.Int64N(int64(w.DelayUpTo) + 1))}
	case at < w.Drop+w.Copy+w.Delay:
		return transport.Verdict{Delay: time.Duration(r.Int64N(int64(w.DelayUpTo) + 1))}
	}
	return transport.Verdict{}
}
