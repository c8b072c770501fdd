package main

import "testing"

func TestShareMemory(t *testing.T) {
	if _, err := shareMemory(leastMemoryMB - 1); err == nil {
		t.Error("a node was given too little memory")
	}
	for _, mb := range []int64{leastMemoryMB, 1024, 64 << 10} {
		m, err := shareMemory(mb)
		if err != nil {
			t.Fatal(err)
		}
		if m.engine < 32<<20 || m.log < 4<<20 || 2*(m.engine+m.log) > mb<<20 {
			t.Errorf("of %d MiB the engine gets %d and the log %d bytes", mb, m.engine, m.log)
		}
	}
}
