package group

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/storage/command"
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

// sharing is a queue with the bounds of a group, in which merges and commands
// of clients wait.
func sharing(t *testing.T, merges, clients int) *queue {
	t.Helper()
	tuning := Tuning{}.WithDefaults()
	q := &queue{limits: tuning.queueLimits()}
	q.setOpen()
	addKind(t, q, command.Merge, merges)
	addKind(t, q, command.Put, clients)
	return q
}

func addKind(t *testing.T, q *queue, k command.Kind, n int) {
	t.Helper()
	for range n {
		if _, err := q.add(proposal{cmd: []byte{byte(k)}}); err != nil {
			t.Fatal(err)
		}
	}
}

// takes is how many commands of clients and merges the next batch has. It
// fails where a merge comes before a client's command.
func takes(t *testing.T, q *queue) (clients, merges int) {
	t.Helper()
	for _, p := range q.take(nil) {
		switch {
		case p.merge():
			merges++
		case merges > 0:
			t.Fatal("a merge goes first")
		default:
			clients++
		}
	}
	return clients, merges
}

func TestClientsComeBeforeMerges(t *testing.T) {
	q := sharing(t, 8000, 10)
	if clients, merges := takes(t, q); clients != 10 || merges != minShare {
		t.Errorf("a batch of %d commands and %d merges", clients, merges)
	}
	addKind(t, q, command.Put, 100)
	if clients, merges := takes(t, q); clients != 100 || merges != 100*mergesPerCommand {
		t.Errorf("a batch of %d commands and %d merges", clients, merges)
	}
}

// TestMergesHaveAllOfAnIdleGroup also says how soon that is so again.
func TestMergesHaveAllOfAnIdleGroup(t *testing.T) {
	q := sharing(t, 8000, 1)
	var sizes []int
	for range 7 {
		_, merges := takes(t, q)
		sizes = append(sizes, merges)
	}
	want := []int{minShare, minShare, 2 * minShare, 4 * minShare, 8 * minShare, 16 * minShare, q.limits.batchCommands}
	for i := range want {
		if sizes[i] != want[i] {
			t.Fatalf("batches of %v merges, not %v", sizes, want)
		}
	}
	addKind(t, q, command.Put, 1)
	if clients, merges := takes(t, q); clients != 1 || merges != minShare {
		t.Errorf("then a batch of %d commands and %d merges", clients, merges)
	}
}

func TestClientsLeaveMergesTheirPart(t *testing.T) {
	q := sharing(t, 2000, 5000)
	size := q.limits.batchCommands
	if clients, merges := takes(t, q); clients != size-size/reserve || merges != size/reserve {
		t.Errorf("a batch of %d commands and %d merges", clients, merges)
	}
}

// TestLargeMergeHasItsTurn has one wait that is larger than what is reserved.
func TestLargeMergeHasItsTurn(t *testing.T) {
	q := sharing(t, 0, 0)
	large := func(k command.Kind) {
		cmd := make([]byte, 400<<10)
		cmd[0] = byte(k)
		if _, err := q.add(proposal{cmd: cmd}); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 {
		large(command.Put)
	}
	large(command.Merge)
	if _, merges := takes(t, q); merges != 1 {
		t.Error("commands of clients fill the batch")
	}
}

func TestMergesKeepNoClientOut(t *testing.T) {
	q := sharing(t, 0, 0)
	for {
		if _, err := q.add(proposal{cmd: []byte{byte(command.Merge)}}); err != nil {
			break
		}
	}
	addKind(t, q, command.Put, q.limits.commands/mergeRoom-1)
}

// Whatever comes in whatever order: none is lost, none overtakes one of its own
// kind, batches keep to their bounds, and something comes while something waits.
func TestQueueOfBothKinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := queue{limits: queueLimits{
			batchCommands: rapid.IntRange(1, 200).Draw(t, "batchCommands"),
			batchBytes:    rapid.IntRange(1, 300).Draw(t, "batchBytes"),
			commands:      2000, bytes: 1 << 20,
		}}
		q.setOpen()
		var waiting [2][]*byte // of each kind, where the commands are
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				kind := rapid.IntRange(0, 1).Draw(t, "kind")
				for range rapid.IntRange(1, 150).Draw(t, "n") {
					cmd := make([]byte, rapid.IntRange(1, 40).Draw(t, "size"))
					cmd[0] = byte([]command.Kind{command.Put, command.Merge}[kind])
					if _, err := q.add(proposal{cmd: cmd}); err == nil {
						waiting[kind] = append(waiting[kind], &cmd[0])
					}
				}
			},
			"take": func(t *rapid.T) {
				batch, bytes := q.take(nil), 0
				for _, p := range batch {
					kind := 0
					if p.merge() {
						kind = 1
					}
					if &p.cmd[0] != waiting[kind][0] {
						t.Fatal("out of order")
					}
					waiting[kind] = waiting[kind][1:]
					bytes += len(p.cmd)
				}
				if len(batch) > 1 && (len(batch) > q.limits.batchCommands || bytes > q.limits.batchBytes) {
					t.Fatalf("a batch of %d commands and %d bytes", len(batch), bytes)
				}
				if len(batch) == 0 && len(waiting[0])+len(waiting[1]) > 0 {
					t.Fatal("took nothing")
				}
			},
		})
	})
}
