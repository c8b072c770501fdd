package check

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/roundtabledb/roundtable/storage/version"
)

// Newest checks that regions converge to the newest version of every item, as
// an oracle that saw all writes knows it; and so that no acknowledged write is
// lost, and none deleted comes back, except by a newer version. It is safe for
// concurrent use.
type Newest struct {
	mu    sync.Mutex
	acked map[string]State
	// writes is every acknowledged write, by key.
	writes map[string][]version.Version
	// unknown is keys with writes of which neither outcome nor version is
	// known: their final state may be one of those.
	unknown map[string]map[string]bool
}

// State is an item's version and value; a deleted item's value is empty.
type State struct {
	Version version.Version
	Value   string
}

// NewNewest begins a check.
func NewNewest() *Newest {
	return &Newest{
		acked:   map[string]State{},
		writes:  map[string][]version.Version{},
		unknown: map[string]map[string]bool{},
	}
}

// Ack notes an acknowledged write, or deletion, and the version it got.
func (n *Newest) Ack(key string, s State) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.writes[key] = append(n.writes[key], s.Version)
	if s.Version.Newer(n.acked[key].Version) {
		n.acked[key] = s
	}
}

// Overwritten counts the acknowledged writes, and those of them that were
// followed by a newer one from the same region, or from another. The latter
// are what "the last writer wins" costs; they are not lost, and not hidden.
func (n *Newest) Overwritten() (writes, same, other int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, versions := range n.writes {
		slices.SortFunc(versions, version.Version.Compare)
		writes += len(versions)
		for i := range len(versions) - 1 {
			if versions[i].Region == versions[i+1].Region {
				same++
			} else {
				other++
			}
		}
	}
	return writes, same, other
}

// Unknown notes a write, or deletion, whose outcome is not known.
func (n *Newest) Unknown(key, value string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.unknown[key] == nil {
		n.unknown[key] = map[string]bool{}
	}
	n.unknown[key][value] = true
}

// Check compares with what a region holds: for each key its state, tombstones
// included. A key that is not there has the zero State.
func (n *Newest) Check(region string, held map[string]State) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	var findings []string
	keys := maps.Clone(n.acked)
	maps.Copy(keys, held)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if f := n.compareLocked(key, held[key]); f != "" {
			findings = append(findings, region+": "+f)
		}
	}
	return report("every item converges to its newest version", findings)
}

// compareLocked says what is wrong with a state, nothing when it can be the
// newest.
func (n *Newest) compareLocked(key string, got State) string {
	want := n.acked[key]
	switch got.Version.Compare(want.Version) {
	case -1:
		return fmt.Sprintf("%s: holds %q of %v, but %q of %v was acknowledged", key, got.Value, got.Version, want.Value, want.Version)
	case 0:
		if got.Value != want.Value {
			return fmt.Sprintf("%s: version %v was acknowledged with %q and holds %q", key, got.Version, want.Value, got.Value)
		}
		return ""
	default:
		if !n.unknown[key][got.Value] {
			return fmt.Sprintf("%s: holds %q of %v, which nobody wrote after %v", key, got.Value, got.Version, want.Version)
		}
		return ""
	}
}
