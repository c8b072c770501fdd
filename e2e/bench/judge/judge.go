// Package judge turns what rounds have measured into ratios and says which
// goals are met. It measures nothing.
//
// A peer is measured in the same rounds as Roundtable, so a noisy minute of the
// machine falls on both: the ratio is taken round by round, and the median of
// those ratios is what counts.
package judge

import (
	"fmt"
	"math"
	"slices"
	"strconv"
)

// Row is one thing that was measured, and the verdict on it.
type Row struct {
	Goal int    `json:"goal"`
	Name string `json:"name"`
	// Value and PeerValue are medians over the rounds, null where nothing was
	// measured.
	Value     *float64 `json:"value"`
	Unit      string   `json:"unit"`
	Peer      string   `json:"peer"`
	PeerValue *float64 `json:"peer_value"`
	// Ratio is the median of Value / PeerValue over the rounds.
	Ratio *float64 `json:"ratio"`
	// Target is what Ratio has to be, or Value where there is no peer. It is
	// empty for what is told without being judged.
	Target string `json:"target"`
	// Met is null where the goal could not be measured, or there is no target.
	Met *bool `json:"met"`
	// Lowest and Highest are those of Ratio, or of Value where there is no
	// peer, over the rounds.
	Lowest  *float64 `json:"lowest"`
	Highest *float64 `json:"highest"`
	Rounds  int      `json:"rounds"`
	// Note says what a reader must know: why a peer is missing, what failed.
	Note string `json:"note,omitempty"`
}

// Target is a bound.
type Target struct {
	relation string
	bound    float64
}

// AtLeast and the others are the targets that goals have. The zero Target is
// none.
func AtLeast(bound float64) Target { return Target{">=", bound} }

// AtMost is met by the bound itself, too.
func AtMost(bound float64) Target { return Target{"<=", bound} }

// Above is not met by the bound itself.
func Above(bound float64) Target { return Target{">", bound} }

// Below is not met by the bound itself.
func Below(bound float64) Target { return Target{"<", bound} }

func (t Target) String() string {
	if t.relation == "" {
		return ""
	}
	return t.relation + " " + strconv.FormatFloat(t.bound, 'g', 3, 64)
}

// met judges a number. Without a target, or a number, there is no verdict.
func (t Target) met(x *float64) *bool {
	if x == nil {
		return nil
	}
	var met bool
	switch t.relation {
	case ">=":
		met = *x >= t.bound
	case "<=":
		met = *x <= t.bound
	case ">":
		met = *x > t.bound
	case "<":
		met = *x < t.bound
	default:
		return nil
	}
	return &met
}

// Alone judges values that have no peer.
func Alone(goal int, name, unit string, values []float64, target Target) Row {
	r := Row{Goal: goal, Name: name, Unit: unit, Target: target.String(), Rounds: len(values)}
	r.Value, r.Lowest, r.Highest = spread(values)
	r.Met = target.met(r.Value)
	return r
}

// Beside judges values by those of a peer in the same rounds. A peer without
// values is missing.
func Beside(goal int, name, unit string, values []float64, peer string, peers []float64, target Target) Row {
	r := Row{Goal: goal, Name: name, Unit: unit, Peer: peer, Target: target.String(), Rounds: len(values)}
	r.Value, _, _ = spread(values)
	r.PeerValue, _, _ = spread(peers)
	r.Ratio, r.Lowest, r.Highest = spread(ratios(values, peers))
	r.Met = target.met(r.Ratio)
	return r
}

// With adds to the note.
func (r Row) With(format string, args ...any) Row {
	if r.Note != "" {
		r.Note += "; "
	}
	r.Note += fmt.Sprintf(format, args...)
	return r
}

// ratios divides round by round, as far as both have a number.
func ratios(values, peers []float64) []float64 {
	var all []float64
	for i := range min(len(values), len(peers)) {
		if r := values[i] / peers[i]; !math.IsNaN(r) && !math.IsInf(r, 0) {
			all = append(all, r)
		}
	}
	return all
}

// Median is the middle one of values, or the mean of the two in the middle. It
// is NaN without values.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// spread is the median, the least and the greatest of values.
func spread(values []float64) (median, lowest, highest *float64) {
	if len(values) == 0 {
		return nil, nil, nil
	}
	m, l, h := Median(values), slices.Min(values), slices.Max(values)
	return &m, &l, &h
}
