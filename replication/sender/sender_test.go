package sender

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/replication/link"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/engine"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/machine"
	"github.com/roundtabledb/roundtable/storage/schema"
	"github.com/roundtabledb/roundtable/storage/version"
)

// led is a real state machine whose log commits at once.
type led struct {
	*machine.Partition
	mu       sync.Mutex
	index    uint64
	advances int
	deposed  bool
	writes   atomic.Uint64
}

func (p *led) ID() uint64   { return 7 }
func (p *led) Head() uint64 { return p.Meta().NextSeq - 1 }

func (p *led) Writes() uint64 { return p.writes.Load() }

func (p *led) Consumers() (map[string]machine.ConsumerState, error) {
	return p.Partition.Consumers(), nil
}

func (p *led) Propose(_ context.Context, cmd *command.Command) (command.Result, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.deposed {
		return command.Result{}, storage.Errorf(storage.NotLeader, "another node leads")
	}
	if cmd.Consumer.Op == command.Advance {
		p.advances++
	}
	p.index++
	batch := command.AppendBatch(nil, version.FromMillis(time.Now().UnixMilli()), [][]byte{cmd.Append(nil)})
	results, err := p.Apply([]machine.Entry{{Index: p.index, Term: 1, Data: batch}})
	if err != nil {
		return command.Result{}, err
	}
	return results[0][0], nil
}

// pipe is a link whose other end is the test.
type pipe struct {
	mu     sync.Mutex
	closed chan struct{} // closed when Room may have changed
	down   bool
	sent   []sent
}

type sent struct {
	shipment link.Shipment
	states   []link.State
	done     func(link.Verdict, error)
}

func (l *pipe) Room(uint64) (bool, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.down, l.closed
}

func (l *pipe) Ship(s *link.Shipment, done func(link.Verdict, error)) {
	states, err := s.States()
	l.mu.Lock()
	l.sent = append(l.sent, sent{shipment: *s, states: states, done: done})
	l.mu.Unlock()
	if err != nil {
		done(link.Verdict{}, err)
	}
}

func (l *pipe) setDown(down bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = down
	close(l.closed)
	l.closed = make(chan struct{})
}

// take waits until nothing happens any more and returns what was shipped since
// the last call.
func (l *pipe) take() []sent {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.sent
	l.sent = nil
	return s
}

// acknowledge does so until nothing more comes, and returns all states.
func (l *pipe) acknowledge() (states []link.State) {
	for batch := l.take(); len(batch) > 0; batch = l.take() {
		for _, s := range batch {
			states = append(states, s.states...)
			s.done(link.Verdict{Done: true}, nil)
		}
	}
	return states
}

type fixture struct {
	t         *testing.T
	table     schema.Table
	partition *led
	link      *pipe
	sender    *Sender
	meter     Meter
}

// shipping runs a test with a sender of a partition that it has filled.
func shipping(t *testing.T, fill func(*fixture), f func(*fixture)) {
	synctest.Test(t, func(t *testing.T) {
		e, err := engine.Open(engine.Options{InMemory: true, MemoryBudget: 32 << 20})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		m, err := machine.Create(e, 1, machine.Meta{Group: 7, Table: "t"}, "amber")
		if err != nil {
			t.Fatal(err)
		}
		fx := &fixture{
			t: t, partition: &led{Partition: m}, link: &pipe{closed: make(chan struct{})},
			table: schema.Table{Name: "orders", Partition: schema.KeyAttribute{Name: "id", Kind: item.S}},
		}
		if fill != nil {
			fill(fx)
		}
		fx.start()
		defer func() {
			fx.sender.Stop(false)
			fx.sender.Wait()
		}()
		f(fx)
	})
}

func (f *fixture) start() {
	f.sender = Start(Options{
		Partition: f.partition,
		Table:     &f.table,
		Global: &catalog.Global{ID: "g", Members: map[string]catalog.Member{
			"amber": {Version: at(1, "amber"), Present: true}, "birch": {Version: at(2, "amber"), Present: true},
			"cedar": {Version: at(3, "amber"), Present: true},
		}},
		Self: "amber", Remote: "birch", Link: f.link, Meter: &f.meter,
	})
}

func (f *fixture) key(id string) (encoded []byte, attributes item.Item) {
	attributes = item.NewItem(item.Attribute{Name: "id", Value: item.String(id)})
	encoded, err := f.table.EncodeKey(attributes)
	if err != nil {
		f.t.Fatal(err)
	}
	return encoded, attributes
}

// put writes an item; merge takes one over from another region.
func (f *fixture) put(id, value string) {
	encoded, attributes := f.key(id)
	f.do(&command.Command{Kind: command.Put, Key: encoded, Item: item.Encode(attributes.With("v", item.String(value)))})
}

func (f *fixture) merge(id string, v version.Version) {
	encoded, attributes := f.key(id)
	f.do(&command.Command{Kind: command.Merge, Key: encoded, Item: item.Encode(attributes), Version: v})
}

func (f *fixture) do(cmd *command.Command) {
	f.t.Helper()
	result, err := f.partition.Propose(context.Background(), cmd)
	if err != nil || result.Err != nil {
		f.t.Fatalf("%v: %v %v", cmd.Kind, err, result.Err)
	}
}

func (f *fixture) cursor() machine.ConsumerState {
	return f.partition.Partition.Consumers()["region:birch"]
}

func TestScansThenFollows(t *testing.T) {
	shipping(t, func(f *fixture) {
		for i := range 3000 {
			f.put(fmt.Sprint(i), "before")
		}
		f.merge("cedar's", at(1000, "cedar"))
		f.merge("birch's", at(1000, "birch"))
		f.merge("elm's", at(1000, "elm")) // which is no member any more
	}, func(f *fixture) {
		shipped := map[string]int{}
		for _, st := range f.link.acknowledge() {
			shipped[st.Version.Region]++
		}
		if shipped["amber"] != 3000 || shipped["birch"] != 1 || shipped["elm"] != 1 || shipped["cedar"] != 0 {
			f.t.Errorf("the scan shipped %v", shipped)
		}
		if st := f.sender.Status(); st.Phase != Feed || !st.CaughtUp || st.Pending != 0 {
			f.t.Errorf("after the scan: %+v", st)
		}
		f.put("new", "after")
		f.merge("cedar's too", at(1001, "cedar"))
		if states := f.link.acknowledge(); len(states) != 1 || states[0].Version.Region != "amber" {
			f.t.Errorf("the feed shipped %+v", states)
		}
	})
}

func TestShipsTheNewestState(t *testing.T) {
	shipping(t, nil, func(f *fixture) {
		f.link.acknowledge()
		f.link.setDown(true)
		for i := range 500 {
			f.put("hot", fmt.Sprint(i))
			if i%100 == 0 {
				f.put("cold", fmt.Sprint(i))
			}
		}
		f.link.setDown(false)
		states := f.link.acknowledge()
		if len(states) != 2 {
			f.t.Errorf("505 changes of two items were shipped as %d states", len(states))
		}
		hot, _ := f.key("hot")
		stored, err := f.partition.Get(hot)
		if err != nil {
			f.t.Fatal(err)
		}
		if string(states[0].Item) != string(stored.Item) || states[0].Version != stored.Version {
			f.t.Error("what was shipped is not the newest state")
		}
		if st := f.sender.Status(); st.Pending != 0 {
			f.t.Errorf("%+v", st)
		}
	})
}

// TestCursorStaysBehindAcknowledgements acknowledges out of order.
func TestCursorStaysBehindAcknowledgements(t *testing.T) {
	shipping(t, nil, func(f *fixture) {
		f.link.acknowledge()
		<-time.After(2 * time.Second)
		start := f.cursor().Seq
		var flights []sent
		for i := range 3 {
			f.put(fmt.Sprint(i), "v")
			flights = append(flights, f.link.take()...)
		}
		if len(flights) != 3 {
			f.t.Fatalf("%d flights", len(flights))
		}
		flights[1].done(link.Verdict{Done: true}, nil)
		flights[2].done(link.Verdict{RetryAfter: time.Second, Reason: "not now"}, nil)
		<-time.After(500 * time.Millisecond)
		if st := f.sender.Status(); st.Trouble != "not now" || st.Pending != 3 {
			f.t.Errorf("%+v", st)
		}
		<-time.After(10 * time.Second)
		if got := f.cursor().Seq; got != start {
			f.t.Errorf("the cursor moved from %d to %d past a shipment without verdict", start, got)
		}
		flights[0].done(link.Verdict{Done: true}, nil)
		<-time.After(2 * time.Second)
		if got := f.cursor().Seq; got != start+2 {
			f.t.Errorf("the cursor moved from %d to %d, two are done", start, got)
		}
		again := f.link.take()
		if len(again) != 1 || string(again[0].shipment.Body) != string(flights[2].shipment.Body) {
			f.t.Fatalf("what should come again came as %+v", again)
		}
		again[0].done(link.Verdict{Done: true}, nil)
		<-time.After(2 * time.Second)
		if got := f.cursor().Seq; got != start+3 {
			f.t.Errorf("the cursor moved from %d to %d, all are done", start, got)
		}
		if totals := f.meter.Totals(); totals.Retries != 1 || totals.Latency.Count != 3 || totals.Latency.Max < 10*time.Second {
			f.t.Errorf("%+v", totals)
		}
	})
}

func TestLostFlightsComeAgain(t *testing.T) {
	shipping(t, nil, func(f *fixture) {
		f.link.acknowledge()
		for i := range 3 {
			f.put(fmt.Sprint(i), "v")
			synctest.Wait()
		}
		flights := f.link.take()
		flights[0].done(link.Verdict{Done: true}, nil)
		f.link.setDown(true)
		for _, s := range flights[1:] {
			s.done(link.Verdict{}, storage.Errorf(storage.Unavailable, "connection lost"))
		}
		if again := f.link.take(); len(again) != 0 {
			f.t.Errorf("%d shipments without a connection", len(again))
		}
		f.link.setDown(false)
		if states := f.link.acknowledge(); len(states) != 2 {
			f.t.Errorf("two states were lost, %d came again", len(states))
		}
	})
}

func TestCursorIsStoredNowAndThen(t *testing.T) {
	shipping(t, nil, func(f *fixture) {
		for i := range 300 {
			f.put(fmt.Sprint(i), "v")
			f.link.acknowledge()
			<-time.After(100 * time.Millisecond)
		}
		f.partition.mu.Lock()
		defer f.partition.mu.Unlock()
		if n := f.partition.advances; n < 25 || n > 35 {
			f.t.Errorf("in 30 s the cursor was stored %d times", n)
		}
	})
}

func TestStopStoresTheCursor(t *testing.T) {
	shipping(t, nil, func(f *fixture) {
		for i := range 50 {
			f.put(fmt.Sprint(i), "v")
		}
		f.link.acknowledge()
		f.sender.Stop(true)
		f.sender.Wait()
		if got := f.cursor().Seq; got != f.partition.Head() {
			f.t.Errorf("the cursor stands at %d of %d", got, f.partition.Head())
		}
		f.put("more", "v")
		f.start()
		if states := f.link.acknowledge(); len(states) != 1 {
			f.t.Errorf("the next sender shipped %d states again", len(states))
		}
	})
}

func TestEndsWhenAnotherLeads(t *testing.T) {
	shipping(t, nil, func(f *fixture) {
		f.link.acknowledge()
		f.put("a", "v")
		f.link.acknowledge()
		f.partition.mu.Lock()
		f.partition.deposed = true
		f.partition.mu.Unlock()
		f.sender.Wait()
		if !f.sender.Ended() || f.sender.Status().Trouble == "" {
			f.t.Errorf("%+v", f.sender.Status())
		}
	})
}

func TestWindowIsBounded(t *testing.T) {
	shipping(t, nil, func(f *fixture) {
		f.link.acknowledge()
		big := string(make([]byte, 300_000))
		for i := range 100 {
			f.put(fmt.Sprint(i), big)
		}
		flights, bytes := f.link.take(), 0
		for _, s := range flights {
			bytes += len(s.shipment.Body)
		}
		last := len(flights[len(flights)-1].shipment.Body)
		if bytes < maxFlightBytes || bytes-last >= maxFlightBytes {
			f.t.Errorf("%d shipments of %d bytes are under way", len(flights), bytes)
		}
	})
}

// TestSteadyStreamWaitsForNoVerdict writes as much as fits into a round trip
// of a third of a second at a thousand commits a second, and hears nothing.
func TestSteadyStreamWaitsForNoVerdict(t *testing.T) {
	shipping(t, nil, func(f *fixture) {
		f.link.acknowledge()
		for i := range 333 {
			f.put(fmt.Sprint(i), "v")
			if sent := f.link.take(); len(sent) != 1 {
				f.t.Fatalf("commit %d made %d shipments", i, len(sent))
			}
		}
	})
}

// TestFlightsAreBounded commits more often than any partition does in a round
// trip.
func TestFlightsAreBounded(t *testing.T) {
	shipping(t, nil, func(f *fixture) {
		f.link.acknowledge()
		sent := 0
		for i := range maxFlights + 10 {
			f.put(fmt.Sprint(i), "v")
			sent += len(f.link.take())
		}
		if sent != maxFlights {
			f.t.Errorf("%d shipments are under way", sent)
		}
	})
}

func TestQuantile(t *testing.T) {
	var m Meter
	now := time.UnixMilli(100_000)
	for ms := range int64(1000) {
		m.acknowledged(1, []int64{now.UnixMilli() - ms}, now)
	}
	l := m.Totals().Latency
	if p50 := l.Quantile(0.5); p50 < 500*time.Millisecond || p50 > time.Second {
		t.Errorf("p50 is %v", p50)
	}
	if p100 := l.Quantile(1); p100 != 999*time.Millisecond {
		t.Errorf("p100 is %v", p100)
	}
	if l.Sum != 499500*time.Millisecond || l.Count != 1000 {
		t.Errorf("%+v", l)
	}
}
