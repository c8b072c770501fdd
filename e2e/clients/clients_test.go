// Package clients shows that the clients people have work unchanged: the AWS
// SDK for Go, the AWS CLI and boto3 each make a table in one of three regions
// of three real nodes, spread it with UpdateTable, work on items in every
// region, and read them in the others.
package clients

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/roundtabledb/roundtable/e2e/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

func TestClients(t *testing.T) {
	d := harness.Start(t, harness.Options{Regions: 3, Nodes: 3, Delay: 10 * time.Millisecond})
	t.Run("aws-sdk-go-v2", func(t *testing.T) { sdkForGo(t, d) })
	t.Run("aws cli", func(t *testing.T) { commandLine(t, d) })
	t.Run("boto3", func(t *testing.T) { boto3(t, d) })
}

// needs skips a test whose client is not installed. Where everything has to be
// tested, that is a failure.
func needs(t *testing.T, what string, probe ...string) {
	t.Helper()
	err := exec.Command(probe[0], probe[1:]...).Run()
	if err == nil {
		return
	}
	message := fmt.Sprintf("%s is not installed (%v: %v): e2e/clients/setup.sh installs it", what, probe, err)
	if os.Getenv("CI") == "true" {
		t.Fatal(message)
	}
	t.Skip(message)
}

// within is a context for a client's whole visit.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
