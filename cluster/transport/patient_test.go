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
		patient := func() *call {
			return &call{method: RaftIdle, patience: shortPatience, body: []byte{1}, done: func([]byte, error) {}}
		}
		for range 3 {
			if err := o.add(patient(), time.Second, Verdict{}); err != nil {
				t.Fatal(err)
			}
			select {
			case <-o.wake:
			case <-time.After(2 * shortPatience):
				t.Fatal("nobody is woken for a patient call")
			}
			o.fail(true, errors.New("not reachable")) // as link does while it is
		}
	})
}

// A call with less patience than those that wait takes them along.
func TestTheLeastPatienceCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o outbox
		o.init("b", Control)
		defer o.close()
		begin := time.Now()
		for _, patience := range []time.Duration{90 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond} {
			c := &call{method: RaftIdle, patience: patience, body: []byte{1}, done: func([]byte, error) {}}
			if err := o.add(c, time.Second, Verdict{}); err != nil {
				t.Fatal(err)
			}
		}
		<-o.wake
		if took := time.Since(begin); took != 20*time.Millisecond {
			t.Errorf("the sender was woken after %v", took)
		}
		if n := len(o.take(nil)); n != 3 {
			t.Errorf("%d calls left together", n)
		}
	})
}
