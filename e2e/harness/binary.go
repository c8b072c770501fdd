package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const (
	binaryVariable = "ROUNDTABLE_BINARY"
	dirVariable    = "ROUNDTABLE_E2E_DIR"
)

// Main builds the binary unless there is one, runs a package's tests and
// returns the code to exit with.
func Main(m *testing.M) int {
	if os.Getenv(binaryVariable) != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "roundtable-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "harness:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "roundtable")
	// As the Makefile builds it, whatever flags the tests have: it is what is
	// released, profile and all, and go has it in its cache if it was built before.
	build := exec.Command("go", "build", "-pgo=auto", "-trimpath", "-o", binary, "github.com/roundtabledb/roundtable/cmd/roundtable")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "harness: build the binary: %v\n%s", err, out)
		return 1
	}
	if err := os.Setenv(binaryVariable, binary); err != nil {
		fmt.Fprintln(os.Stderr, "harness:", err)
		return 1
	}
	return m.Run()
}

// binary is the path of the binary under test.
func binary(t testing.TB) string {
	t.Helper()
	path := os.Getenv(binaryVariable)
	if path == "" {
		t.Fatal("there is no binary: the package of this test needs a TestMain that calls harness.Main")
	}
	return path
}

// Dir makes a directory for a test's data and logs.
func Dir(t testing.TB) string {
	t.Helper()
	keep := os.Getenv(dirVariable)
	if keep == "" {
		return t.TempDir()
	}
	dir := filepath.Join(keep, t.Name())
	err := os.MkdirAll(dir, 0o755)
	if err == nil {
		dir, err = os.MkdirTemp(dir, "")
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
