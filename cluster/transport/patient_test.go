package transport

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A lane that carries heartbeats alone must come back after its node does: the
// calls that failed meanwhile must not be waited for.
func TestPatientCallsLeaveAfterOthersFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o outbox
		o.init("b", Control)
		defer o.close()
		patient := func() *call { return &call{method: RaftIdle, body: []byte{1}, done: func([]byte, error) {}} }
		for range 3 {
			if err := o.add(patient(), time.Second, Verdict{}); err != nil {
				t.Fatal(err)
			}
			select {
			case <-o.wake:
			case <-time.After(2 * patience):
				t.Fatal("nobody is woken for a patient call")
			}
			o.fail(true, errors.New("not reachable")) // as link does while it is
		}
	})
}
