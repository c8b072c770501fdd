package check

import (
	"fmt"
	"maps"
	"slices"
)

// Converged checks that all regions hold the same items. items is, for each
// region, the encoding of each of its items by key.
func Converged(items map[string]map[string]string) error {
	regions := slices.Sorted(maps.Keys(items))
	if len(regions) < 2 {
		return nil
	}
	all := map[string]bool{}
	for _, m := range items {
		for key := range m {
			all[key] = true
		}
	}
	var findings []string
	for _, key := range slices.Sorted(maps.Keys(all)) {
		want, ok := items[regions[0]][key]
		for _, region := range regions[1:] {
			got, has := items[region][key]
			if has != ok || got != want {
				findings = append(findings, fmt.Sprintf("%s: %s has %s, %s has %s", key,
					regions[0], show(want, ok), region, show(got, has)))
			}
		}
	}
	return report("all regions hold the same items", findings)
}

func show(item string, ok bool) string {
	if !ok {
		return "nothing"
	}
	if len(item) > 80 {
		item = item[:80] + "…"
	}
	return fmt.Sprintf("%q", item)
}
