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

// Tenths is the sweep that ParseSweep reads as ten loads up to the limit.
const Tenths = "10%..100%"

// maxLoads is how many loads a sweep may have.
const maxLoads = 1000

// ParseSweep reads loads such as 10%,50%,90% or 1000,2000,4000. A range such as
// 10%..100% is all multiples of its beginning up to its end.
func ParseSweep(s string) ([]Load, error) {
	var loads []Load
	for part := range strings.SplitSeq(s, ",") {
		begin, end, isRange := strings.Cut(part, "..")
		from, err := parseLoad(begin)
		to := from
		if err == nil && isRange {
			to, err = parseLoad(end)
		}
		steps := to.size() / from.size()
		if err != nil || (to.Percent > 0) != (from.Percent > 0) || !(steps >= 1 && steps <= maxLoads) {
			return nil, fmt.Errorf("sweep %q: %q is no number of operations a second, nor a percentage, nor a range of them such as %s", s, part, Tenths)
		}
		for n := range int(steps + 1e-9) {
			times := float64(n + 1)
			loads = append(loads, Load{PerSecond: from.PerSecond * times, Percent: from.Percent * times})
		}
	}
	return loads, nil
}

func parseLoad(s string) (Load, error) {
	text, percent := strings.CutSuffix(s, "%")
	x, err := strconv.ParseFloat(text, 64)
	if err == nil && !(x > 0 && x <= 1e9) {
		err = strconv.ErrRange
	}
	if percent {
		return Load{Percent: x}, err
	}
	return Load{PerSecond: x}, err
}

// size is whichever of its numbers a load has.
func (l Load) size() float64 { return l.PerSecond + l.Percent }

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
		for i, r := range closed {
			if r.PerSecond == 0 {
				return nil, fmt.Errorf("bench: %s: nothing to take percents of: no operation ended in time", b.label(cases[i]))
			}
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
