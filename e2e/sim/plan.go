package sim

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/roundtabledb/roundtable/cluster/group"
	"github.com/roundtabledb/roundtable/cluster/placement"
)

// Plan is all that a seed decides.
type Plan struct {
	Seed       uint64
	Partitions int
	Network    Distances
	Tuning     group.Tuning
	Leaders    placement.LeadTuning
	Checkpoint time.Duration
	// Shared is how many regions share the orders from the beginning; the rest
	// joins during the storm.
	Shared int
	// Clients is how many clients each region has, Diarists how many more that
	// only write, and Pause what they think between two operations, on average.
	Clients, Diarists int
	Pause             time.Duration
	// Storm is how long the clients work.
	Storm  time.Duration
	Events []Event
}

// Event is one change of the world for the worse, or its end.
type Event struct {
	At   time.Duration
	Kind Kind
	// Region and Node are what it happens to, Other and OtherNode the far end
	// of a path.
	Region, Node, Other, OtherNode int
	// Amount is by how much a clock jumps, or what a disk or a way takes.
	Amount  time.Duration
	Weather Weather
}

// Kind is what happens.
type Kind string

// The kinds of events.
const (
	Kill         Kind = "kill"          // kill -9 of a node
	PowerLoss    Kind = "power loss"    // of a node
	KillLeader   Kind = "kill leader"   // of the node that leads a partition
	KillAll      Kind = "kill all"      // nodes of a region
	PowerLossAll Kind = "power loss of" // a region
	Restart      Kind = "restart"       // of a node, in order
	Boot         Kind = "boot"          // of a node that is down
	BootAll      Kind = "boot all"

	CutPath      Kind = "cut path" // between two nodes, both ways
	CutWay       Kind = "cut way"  // from one node to another
	CutNode      Kind = "cut node" // from its region's other nodes
	CutRegions   Kind = "cut regions"
	CutWayRegion Kind = "cut way between regions"
	Isolate      Kind = "isolate region"
	Reset        Kind = "reset connections" // between two nodes
	HealNodes    Kind = "heal nodes"        // of one region
	HealRegions  Kind = "heal regions"

	Loss      Kind = "messages lost"
	Disk      Kind = "disk"         // gets slower, or what it was
	Distance  Kind = "distance"     // between two regions
	Clock     Kind = "clock"        // of a node
	ClockAll  Kind = "clock of all" // nodes of a region
	Handover  Kind = "hand over"    // every leadership of a node
	JoinEvent Kind = "region joins" // the orders
)

// String describes an event.
func (e Event) String() string {
	at := func(region, node int) string { return fmt.Sprintf("%s-%d", regionNames[region], node+1) }
	s := fmt.Sprintf("%8v  %s", e.At, e.Kind)
	switch e.Kind {
	case Kill, PowerLoss, Restart, Boot, CutNode, Handover:
		return s + " " + at(e.Region, e.Node)
	case KillLeader:
		return fmt.Sprintf("%s of partition %d of %s", s, e.Node, regionNames[e.Region])
	case CutPath, CutWay, Reset:
		return s + " " + at(e.Region, e.Node) + " " + at(e.Other, e.OtherNode)
	case CutRegions, CutWayRegion:
		return s + " " + regionNames[e.Region] + " " + regionNames[e.Other]
	case Distance:
		return fmt.Sprintf("%s %s %s %v", s, regionNames[e.Region], regionNames[e.Other], e.Amount)
	case Disk, Clock:
		return fmt.Sprintf("%s %s %v", s, at(e.Region, e.Node), e.Amount)
	case ClockAll:
		return fmt.Sprintf("%s %s %v", s, regionNames[e.Region], e.Amount)
	case Loss:
		return fmt.Sprintf("%s in %s %+v", s, regionNames[e.Region], e.Weather)
	case HealRegions:
		return s
	default:
		return s + " " + regionNames[e.Region]
	}
}

// Draw makes the plan of a seed. A storm lasts from ten to thirty seconds where
// no length is given.
func Draw(seed uint64, storm time.Duration) Plan {
	r := rand.New(rand.NewPCG(seed, 0x5eed))
	if drawn := 10*time.Second + upTo(r, 20*time.Second); storm == 0 {
		storm = drawn
	}
	p := Plan{
		Seed:       seed,
		Partitions: 1 + r.IntN(2),
		Network: Distances{
			Near: upTo(r, 500*time.Microsecond), NearJitter: 1 + upTo(r, time.Millisecond),
			Far: 5*time.Millisecond + upTo(r, 100*time.Millisecond), FarJitter: 1 + upTo(r, 30*time.Millisecond),
			Sync: upTo(r, 4*time.Millisecond),
		},
		Checkpoint: time.Second + upTo(r, 9*time.Second),
		Shared:     3,
		Clients:    2 + r.IntN(3),
		Diarists:   1,
		Pause:      30*time.Millisecond + upTo(r, 120*time.Millisecond),
		Storm:      storm,
	}
	if r.IntN(2) == 0 {
		// Logs are cut soon, so that who was away gets a snapshot.
		p.Tuning = group.Tuning{SnapshotInterval: time.Second, SnapshotThreshold: 16, TrailingLogs: uint64(8 + r.IntN(64))}
	}
	d := drawer{Rand: r, plan: &p}
	if r.IntN(4) == 0 {
		p.Shared = 2
		d.add(Event{At: upTo(r, storm/2), Kind: JoinEvent, Region: 2})
	}
	d.storm()
	// What is still broken at the end of the storm is healed all at once.
	p.Tuning.AlwaysPriors = r.IntN(2) == 0
	if r.IntN(2) == 0 {
		// Leaders move about as often as they can.
		p.Leaders = placement.LeadTuning{Stay: time.Millisecond, Home: time.Second + upTo(r, 3*time.Second), Few: 1 + r.IntN(20)}
	}
	p.Events = slices.DeleteFunc(p.Events, func(e Event) bool { return e.At > storm })
	slices.SortStableFunc(p.Events, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
	return p
}

func upTo(r *rand.Rand, d time.Duration) time.Duration {
	return time.Duration(r.Int64N(int64(d) + 1)).Round(time.Microsecond)
}

// drawer draws the events of a plan.
type drawer struct {
	*rand.Rand
	plan *Plan
}

// mishap is something that can go wrong: it adds its events.
type mishap struct {
	share int
	draw  func(d *drawer, at, end time.Duration)
}

// mishaps are all, with how often they happen.
var mishaps = []mishap{
	{6, (*drawer).kill},
	{3, (*drawer).killRegion},
	{3, (*drawer).restart},
	{6, (*drawer).cutNear},
	{5, (*drawer).cutFar},
	{2, (*drawer).reset},
	{4, (*drawer).loss},
	{2, (*drawer).disk},
	{2, (*drawer).distance},
	{3, (*drawer).clock},
	{2, (*drawer).handover},
}

// storm draws mishaps for the whole storm. Each seed knows only some of them,
// so that rare ones meet without the common ones between.
func (d *drawer) storm() {
	var known []mishap
	for _, m := range mishaps {
		if d.IntN(2) == 0 {
			known = append(known, m)
		}
	}
	if len(known) == 0 {
		known = mishaps
	}
	shares := 0
	for _, m := range known {
		shares += m.share
	}
	gap := 500*time.Millisecond + upTo(d.Rand, 4*time.Second)
	for at := upTo(d.Rand, gap); at < d.plan.Storm; at += upTo(d.Rand, 2*gap) {
		pick := d.IntN(shares)
		for _, m := range known {
			if pick -= m.share; pick < 0 {
				m.draw(d, at, at+d.length())
				break
			}
		}
	}
}

// length is how long a mishap lasts: mostly short, sometimes long.
func (d *drawer) length() time.Duration {
	if d.IntN(4) == 0 {
		return 5*time.Second + upTo(d.Rand, 20*time.Second)
	}
	return 100*time.Millisecond + upTo(d.Rand, 5*time.Second)
}

func (d *drawer) add(events ...Event) { d.plan.Events = append(d.plan.Events, events...) }

func (d *drawer) region() int { return d.IntN(len(regionNames)) }

func (d *drawer) node() int { return d.IntN(nodesPerRegion) }

// pair draws two numbers below n.
func (d *drawer) pair(n int) (a, b int) {
	a, b = d.IntN(n), d.IntN(n-1)
	if b >= a {
		b++
	}
	return a, b
}

func (d *drawer) kill(at, end time.Duration) {
	e := Event{At: at, Kind: []Kind{Kill, PowerLoss, KillLeader}[d.IntN(3)], Region: d.region(), Node: d.node()}
	d.add(e, Event{At: end, Kind: BootAll, Region: e.Region})
}

func (d *drawer) killRegion(at, end time.Duration) {
	e := Event{At: at, Kind: []Kind{KillAll, PowerLossAll}[d.IntN(2)], Region: d.region()}
	d.add(e)
	if d.IntN(2) == 0 {
		d.add(Event{At: end, Kind: BootAll, Region: e.Region})
		return
	}
	for n := range nodesPerRegion {
		d.add(Event{At: end + upTo(d.Rand, 3*time.Second), Kind: Boot, Region: e.Region, Node: n})
	}
}

func (d *drawer) restart(at, end time.Duration) {
	e := Event{At: at, Kind: Restart, Region: d.region(), Node: d.node()}
	d.add(e, Event{At: end, Kind: Boot, Region: e.Region, Node: e.Node})
}

func (d *drawer) cutNear(at, end time.Duration) {
	e := Event{At: at, Kind: []Kind{CutPath, CutWay, CutNode}[d.IntN(3)], Region: d.region()}
	e.Other = e.Region
	e.Node, e.OtherNode = d.pair(nodesPerRegion)
	d.add(e, Event{At: end, Kind: HealNodes, Region: e.Region})
}

func (d *drawer) cutFar(at, end time.Duration) {
	e := Event{At: at, Kind: []Kind{CutRegions, CutWayRegion, Isolate}[d.IntN(3)]}
	e.Region, e.Other = d.pair(len(regionNames))
	d.add(e, Event{At: end, Kind: HealRegions})
}

func (d *drawer) reset(at, _ time.Duration) {
	e := Event{At: at, Kind: Reset, Region: d.region(), Other: d.region()}
	e.Node, e.OtherNode = d.pair(nodesPerRegion)
	d.add(e)
}

func (d *drawer) loss(at, end time.Duration) {
	e := Event{At: at, Kind: Loss, Region: d.region(), Weather: Weather{
		Drop: d.IntN(60), Copy: d.IntN(60), Delay: d.IntN(200), DelayUpTo: upTo(d.Rand, 2*time.Second),
	}}
	d.add(e, Event{At: end, Kind: Loss, Region: e.Region})
}

func (d *drawer) disk(at, end time.Duration) {
	e := Event{At: at, Kind: Disk, Region: d.region(), Node: d.node(), Amount: 10*time.Millisecond + upTo(d.Rand, 2*time.Second)}
	d.add(e)
	e.At, e.Amount = end, d.plan.Network.Sync
	d.add(e)
}

func (d *drawer) distance(at, end time.Duration) {
	e := Event{At: at, Kind: Distance, Amount: 100*time.Millisecond + upTo(d.Rand, 2*time.Second)}
	e.Region, e.Other = d.pair(len(regionNames))
	d.add(e)
	e.At, e.Amount = end, d.plan.Network.Far
	d.add(e)
}

// clock lets a clock jump, and jump back.
func (d *drawer) clock(at, end time.Duration) {
	most := []time.Duration{400 * time.Millisecond, 400 * time.Millisecond, 5 * time.Second, 30 * time.Second}[d.IntN(4)]
	e := Event{At: at, Kind: []Kind{Clock, ClockAll}[d.IntN(2)], Region: d.region(), Node: d.node()}
	e.Amount = upTo(d.Rand, 2*most) - most
	d.add(e)
	e.At, e.Amount = end, 0
	d.add(e)
}

func (d *drawer) handover(at, _ time.Duration) {
	d.add(Event{At: at, Kind: Handover, Region: d.region(), Node: d.node()})
}
