package group

import (
	"testing"

	"pgregory.net/rapid"
)

// Whatever the sizes: proposals come out once and in order, a batch keeps to
// its bounds or is a single command, and the queue to its own.
func TestQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := queue{limits: queueLimits{
			batchCommands: rapid.IntRange(1, 5).Draw(t, "batchCommands"),
			batchBytes:    rapid.IntRange(1, 100).Draw(t, "batchBytes"),
			commands:      rapid.IntRange(1, 20).Draw(t, "commands"),
			bytes:         rapid.IntRange(1, 300).Draw(t, "bytes"),
		}}
		q.setOpen()
		var batch []proposal
		var waiting []int // the sizes of what should wait
		total := 0
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				size := rapid.IntRange(0, 60).Draw(t, "size")
				fits := len(waiting) < q.limits.commands && total+size <= q.limits.bytes
				first, err := q.add(proposal{cmd: make([]byte, size)})
				if (err == nil) != fits {
					t.Fatalf("add of %d to %v: %v", size, waiting, err)
				}
				if fits {
					if first != (len(waiting) == 0) {
						t.Fatalf("first is %v before %v", first, waiting)
					}
					waiting = append(waiting, size)
					total += size
				}
			},
			"take": func(t *rapid.T) {
				batch = q.take(batch[:0])
				bytes := 0
				for i, p := range batch {
					if len(p.cmd) != waiting[i] {
						t.Fatalf("took %d, not %d", len(p.cmd), waiting[i])
					}
					bytes += len(p.cmd)
				}
				if len(batch) > 1 && (len(batch) > q.limits.batchCommands || bytes > q.limits.batchBytes) {
					t.Fatalf("a batch of %d commands and %d bytes", len(batch), bytes)
				}
				if len(batch) == 0 && len(waiting) > 0 {
					t.Fatal("took nothing")
				}
				waiting, total = waiting[len(batch):], total-bytes
			},
			"shut": func(t *rapid.T) {
				if got := q.shut(); len(got) != len(waiting) {
					t.Fatalf("shut returned %d of %d", len(got), len(waiting))
				}
				if _, err := q.add(proposal{}); err != errQueueClosed {
					t.Fatalf("add to a shut queue: %v", err)
				}
				waiting, total = nil, 0
				q.setOpen()
			},
		})
	})
}
