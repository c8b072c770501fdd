// Package process holds Roundtable to its promises as a set of real processes:
// nodes are killed, paused, drained and cut off from other regions, disks fill
// and are damaged, while clients write through the public API.
package process

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/roundtabledb/roundtable/e2e/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// within is a context for the parts of a test that must not take for ever.
func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
