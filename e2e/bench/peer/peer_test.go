package peer

import (
	"bytes"
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/roundtabledb/roundtable/cmd/bench"
	"github.com/roundtabledb/roundtable/e2e/bench/load"
)

// A peer stores as many bytes as Roundtable does.
func TestValues(t *testing.T) {
	v := newValues(1000, 7)
	for range 100 {
		if n := len(v.key()) + len(v.value()); n != ItemBytes {
			t.Fatalf("%d bytes", n)
		}
	}
	if bytes.Equal(v.value(), v.value()) {
		t.Error("values do not differ")
	}
}

func TestMissing(t *testing.T) {
	err := error(&MissingError{"etcd", errors.New("no package")})
	if !Missing(err) || Missing(errors.Unwrap(err)) || err.Error() != "etcd is missing: no package" {
		t.Error(err)
	}
}

// A peer that is there but does not start is missing, and says why.
func TestDynaliteDoesNotStart(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "node_modules", ".bin", "dynalite")
	if err := os.MkdirAll(filepath.Dir(program), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho no addon\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	found, err := FindDynalite(t.Context(), dir, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	_, err = StartDynalite(t.Context(), found, filepath.Join(dir, "log"), "")
	if !Missing(err) || !strings.HasSuffix(err.Error(), "no addon") {
		t.Error(err)
	}
}

func TestFields(t *testing.T) {
	inner := protowire.AppendVarint(protowire.AppendTag(nil, 2, protowire.VarintType), 777)
	message := appendBytes(nil, 1, inner)
	message = protowire.AppendFixed64(protowire.AppendTag(message, 9, protowire.Fixed64Type), 1)
	message = appendBytes(message, 2, strings.Repeat("v", 300))
	type field struct {
		Field  protowire.Number
		Number uint64
		Bytes  int
	}
	var got []field
	err := eachField(message, func(f protowire.Number, n uint64, b []byte) { got = append(got, field{f, n, len(b)}) })
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]field{{1, 0, 3}, {9, 0, 0}, {2, 0, 300}}, got); diff != "" {
		t.Error(diff)
	}
	for cut := 1; cut < len(message); cut++ {
		fields := 0
		err := eachField(message[:cut], func(protowire.Number, uint64, []byte) { fields++ })
		if err == nil && fields == 3 {
			t.Fatalf("a message cut after %d of %d bytes is whole", cut, len(message))
		}
	}
}

// The load generator takes the echo for a table that has every item.
func TestEcho(t *testing.T) {
	server := httptest.NewServer(echoHandler)
	defer server.Close()
	w, err := bench.ParseWorkload("get-eventual")
	if err != nil {
		t.Fatal(err)
	}
	results, err := bench.Run(t.Context(), bench.Options{
		Endpoints: []string{server.URL}, AccessKey: "K", SecretKey: "S", Keys: 10,
		Workloads: []bench.Workload{w}, Clients: []int{2}, Duration: 20 * time.Millisecond,
	})
	if err != nil || results[0].Errors > 0 {
		t.Fatalf("%+v, %v", results, err)
	}
}

// What stands on libraries alone works, and is durable where it says so.
func TestAlone(t *testing.T) {
	do := func(t *testing.T, open func(int) (load.Client, error)) {
		t.Helper()
		c, err := open(0)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for range 3 {
			if err := c.Do(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Run("append", func(t *testing.T) {
		a, err := OpenAppend(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		do(t, a.Batches(appendRoom/ItemBytes/2)) // so that it begins anew
	})
	t.Run("badger", func(t *testing.T) {
		b, err := OpenBadger(t.TempDir(), 500, false)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		if err := b.Load(); err != nil {
			t.Fatal(err)
		}
		do(t, b.Put)
		if n, err := b.Iterate(context.Background()); n != 500 || err != nil {
			t.Errorf("%d items, %v", n, err)
		}
	})
	t.Run("raft", func(t *testing.T) {
		r, err := StartRaft(t.Context(), t.TempDir(), 10)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		do(t, r.Apply)
		if r.leader.AppliedIndex() < 3 {
			t.Errorf("the leader applied %d entries", r.leader.AppliedIndex())
		}
	})
}
