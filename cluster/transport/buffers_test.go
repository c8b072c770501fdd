package transport

import (
	"testing"

	"google.golang.org/grpc/mem"
	"pgregory.net/rapid"
)

func TestGRPCUsesTheBuffers(t *testing.T) {
	if _, ok := mem.DefaultBufferPool().(*buffers); !ok {
		t.Errorf("gRPC's pool is a %T", mem.DefaultBufferPool())
	}
}

func TestBuffersHaveTheLengthAskedFor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p buffers
		var kept []*[]byte
		for range 50 {
			length := rapid.OneOf(rapid.IntRange(0, 600), rapid.IntRange(0, 1<<20), rapid.IntRange(maxFrame-1, maxFrame+1)).Draw(t, "length")
			b := p.Get(length)
			if len(*b) != length {
				t.Fatalf("%d bytes, not %d", len(*b), length)
			}
			if length <= maxFrame && cap(*b) > 2*max(length, 1<<minClass) {
				t.Fatalf("%d bytes of memory for %d", cap(*b), length)
			}
			for _, other := range kept {
				if cap(*other) > 0 && cap(*b) > 0 && &(*other)[:1][0] == &(*b)[:1][0] {
					t.Fatal("a buffer is given away twice")
				}
			}
			if rapid.Bool().Draw(t, "keep") {
				kept = append(kept, b)
			} else {
				*b = (*b)[:length/2]
				p.Put(b)
			}
		}
	})
}
