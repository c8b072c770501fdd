package main

import (
	"strings"
	"testing"
)

func TestProfilesAreOfLocalNodes(t *testing.T) {
	cmd := root()
	cmd.SetArgs([]string{"bench", "--endpoint", "http://127.0.0.1:1", "--cpu-profile", t.TempDir()})
	if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), "nodes of --local") {
		t.Errorf("--cpu-profile without --local: %v", err)
	}
}
