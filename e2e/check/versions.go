package check

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/roundtabledb/roundtable/storage/version"
)

// Versions checks what clients learn of the versions of items that regions
// share:
//
//   - one version is one state, in every region and for ever;
//   - within a region an item never goes back: a strong read shows no version
//     older than what an earlier answer showed, and a write gets a newer one;
//   - nothing is seen before somebody has begun to write it.
//
// So a deleted item that comes back is noticed at the first read of it, and
// not only where it stays. It is safe for concurrent use.
type Versions struct {
	begin time.Time

	mu   sync.Mutex
	seen []Sight
}

// Sight is what one answer of a region showed of an item.
type Sight struct {
	Region, Key string
	// State is the state that was read, or written. With a zero version there
	// was nothing.
	State State
	// Wrote says that the operation made the state.
	Wrote bool
	// Weak says that the answer was allowed to be old.
	Weak bool
	// Start and End are when the operation began and ended.
	Start, End time.Time
}

// NewVersions begins a check.
func NewVersions() *Versions { return &Versions{begin: time.Now()} }

// Saw notes an answer.
func (v *Versions) Saw(s Sight) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.seen = append(v.seen, s)
}

// Count is how many answers were noted.
func (v *Versions) Count() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.seen)
}

// Check looks at all that was noted.
func (v *Versions) Check() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	findings := v.conflictsLocked()
	type place struct{ region, key string }
	places := map[place][]Sight{}
	for _, s := range v.seen {
		if !s.Weak {
			at := place{s.Region, s.Key}
			places[at] = append(places[at], s)
		}
	}
	byKey := func(a, b place) int {
		return cmp.Or(strings.Compare(a.key, b.key), strings.Compare(a.region, b.region))
	}
	for _, at := range slices.SortedFunc(maps.Keys(places), byKey) {
		if f := v.setback(places[at]); f != "" {
			findings = append(findings, f)
		}
	}
	return report("an item only moves to newer versions, each of which is one state", findings)
}

// conflictsLocked finds versions that are two states, and states that were
// seen before they were made.
func (v *Versions) conflictsLocked() []string {
	type named struct {
		key     string
		version version.Version
	}
	states := map[named]Sight{}
	made := map[named]time.Time{}
	for _, s := range v.seen {
		if s.Wrote {
			made[named{s.Key, s.State.Version}] = s.Start
		}
	}
	var findings []string
	for _, s := range v.seen {
		if s.State.Version.IsZero() {
			continue
		}
		at := named{s.Key, s.State.Version}
		if first, ok := states[at]; !ok {
			states[at] = s
		} else if first.State.Value != s.State.Value {
			findings = append(findings, fmt.Sprintf("%s: version %v is %q in %s and %q in %s",
				s.Key, s.State.Version, first.State.Value, first.Region, s.State.Value, s.Region))
		}
		if begun, ok := made[at]; ok && s.End.Before(begun) {
			findings = append(findings, fmt.Sprintf("%s: %q of %v was seen in %s at %v, and written from %v on",
				s.Key, s.State.Value, s.State.Version, s.Region, s.End.Sub(v.begin), begun.Sub(v.begin)))
		}
	}
	return findings
}

// setback finds an answer that is older than one that was known before it was
// asked for.
func (v *Versions) setback(seen []Sight) string {
	byEnd := slices.Clone(seen)
	slices.SortStableFunc(seen, func(a, b Sight) int { return a.Start.Compare(b.Start) })
	slices.SortStableFunc(byEnd, func(a, b Sight) int { return a.End.Compare(b.End) })
	var known Sight
	for _, s := range seen {
		for len(byEnd) > 0 && byEnd[0].End.Before(s.Start) {
			if byEnd[0].State.Version.Newer(known.State.Version) {
				known = byEnd[0]
			}
			byEnd = byEnd[1:]
		}
		order := s.State.Version.Compare(known.State.Version)
		if order < 0 || order == 0 && s.Wrote {
			return fmt.Sprintf("%s: %s answered %q of %v at %v, and %q of %v at %v", s.Key, s.Region,
				known.State.Value, known.State.Version, known.End.Sub(v.begin),
				s.State.Value, s.State.Version, s.End.Sub(v.begin))
		}
	}
	return ""
}
