package bench

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Load is a rate of a sweep: operations a second, or percent of what the same
// case reaches in a closed loop.
type Load struct {
	PerSecond, Percent float64
}

// ParseSweep reads rates such as 10%,50%,90% or 1000,2000,4000.
func ParseSweep(s string) ([]Load, error) {
	var loads []Load
	for part := range strings.SplitSeq(s, ",") {
		text, percent := strings.CutSuffix(part, "%")
		x, err := strconv.ParseFloat(text, 64)
		if err != nil || !(x > 0 && x <= 1e9) {
			return nil, fmt.Errorf("sweep %q: %q is no number of operations a second, nor a percentage", s, part)
		}
		if percent {
			loads = append(loads, Load{Percent: x})
		} else {
			loads = append(loads, Load{PerSecond: x})
		}
	}
	return loads, nil
}

// sweep measures each case in a closed loop, if that is what rates depend on,
// and then at each rate.
func (b *bench) sweep(ctx context.Context) ([]Result, error) {
	cases := b.variants()
	var closed []Result
	if slices.ContainsFunc(b.Sweep, func(l Load) bool { return l.Percent > 0 }) {
		var err error
		if closed, err = b.measure(ctx, cases); err != nil {
			return nil, err
		}
	}
	open, err := b.measure(ctx, swept(cases, closed, b.Sweep))
	return append(closed, open...), err
}

// swept are the cases at each load, those of a case in the order of their rates.
// closed are their results in a closed loop.
func swept(cases []variant, closed []Result, loads []Load) []variant {
	var all []variant
	for i, c := range cases {
		first := len(all)
		for _, l := range loads {
			c.rate = l.PerSecond
			if l.Percent > 0 {
				c.rate = closed[i].PerSecond * l.Percent / 100
			}
			all = append(all, c)
		}
		slices.SortFunc(all[first:], func(a, b variant) int { return cmp.Compare(a.rate, b.rate) })
	}
	return all
}
