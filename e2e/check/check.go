// Package check holds one checker for each promise that Roundtable makes. A
// checker knows only what clients did and saw, never how: the simulator and
// the tests of real processes use the same ones.
package check

import (
	"fmt"
	"strings"
)

// Violation is a broken promise, with what shows it.
type Violation struct {
	Promise string
	Detail  string
}

// Error says what was promised and what was seen.
func (v *Violation) Error() string { return v.Promise + ": " + v.Detail }

// report makes a Violation of a list of findings, nil when there are none. It
// shows the first few.
func report(promise string, findings []string) error {
	if len(findings) == 0 {
		return nil
	}
	const shown = 10
	detail := strings.Join(findings[:min(shown, len(findings))], "\n  ")
	if more := len(findings) - shown; more > 0 {
		detail += fmt.Sprintf("\n  … and %d more", more)
	}
	return &Violation{Promise: promise, Detail: fmt.Sprintf("%d findings\n  %s", len(findings), detail)}
}
