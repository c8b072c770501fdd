package machine

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/engine"
)

// TestReadersSeeWholeEntries reads while entries are applied that keep two
// items equal. It is of most use with the race detector.
func TestReadersSeeWholeEntries(t *testing.T) {
	r := newRig(t)
	r.must(consumer(command.Register, "index", 0, ""))
	r.do(put("a", "n", 0), put("b", "n", 0))
	done := make(chan struct{})
	var wg sync.WaitGroup
	reader := func(read func() error) {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					if err := read(); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	reader(func() error {
		p, err := r.p.Page(PageRequest{})
		if err != nil || p.Count != 2 {
			return fmt.Errorf("page: %d items, %w", p.Count, err)
		}
		a, _, _ := p.Items[0].Attribute("n")
		b, _, _ := p.Items[1].Attribute("n")
		if !a.Equal(b) {
			return fmt.Errorf("half of an entry: %v, %v", a.Number(), b.Number())
		}
		return nil
	})
	reader(func() error {
		// The log may be trimmed in between, but never shows a gap. What is
		// committed is seen a moment before the consumers that it moved.
		changed := r.p.Changed()
		after := r.p.Consumers()["index"].Seq
		changes, err := r.p.Changes(after, 10)
		if errors.Is(err, ErrTrimmed) {
			<-changed
			if r.p.Consumers()["index"].Seq > after {
				return nil
			}
		}
		for i, c := range changes {
			if c.Seq != after+uint64(i)+1 {
				return fmt.Errorf("change %d after %d", c.Seq, after)
			}
		}
		return err
	})
	reader(func() error {
		s, err := r.p.Snapshot()
		if err != nil {
			return err
		}
		defer s.Close()
		for _, err := range s.Chunks() {
			if err != nil {
				return err
			}
		}
		_, _, err = r.p.Hash()
		return err
	})
	for i := 1; i <= 300; i++ {
		r.do(put("a", "n", i), put("b", "n", i), consumer(command.Advance, "index", uint64(2*i-2), ""))
	}
	close(done)
	wg.Wait()
	checkMeta(t, r.p)
}

// A follower that asks for the channel before it looks misses nothing, in
// virtual time too.
func TestChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, err := engine.Open(engine.Options{InMemory: true})
		if err != nil {
			t.Fatal(err)
		}
		r := createRig(t, e, Meta{Group: 1})
		r.must(consumer(command.Register, "index", 0, ""))
		const writes = 50
		var wg sync.WaitGroup
		wg.Go(func() {
			for after := uint64(0); after < writes; {
				changed := r.p.Changed()
				changes, err := r.p.Changes(after, 3)
				if err != nil {
					t.Error(err)
					return
				}
				if len(changes) == 0 {
					<-changed
					continue
				}
				after = changes[len(changes)-1].Seq
			}
		})
		for i := range writes {
			synctest.Wait()
			r.must(put("a", "n", i))
		}
		wg.Wait()
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
