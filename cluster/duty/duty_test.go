package duty_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/roundtabledb/roundtable/cluster/duty"
)

func TestRestsThreeTimesAsLongAsItWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duty.New(nil)
		d.Pause()
		begin := time.Now()
		for range 100 {
			time.Sleep(time.Millisecond) // the work
			d.Pause()
		}
		if took := time.Since(begin); took != 400*time.Millisecond {
			t.Errorf("100 ms of work took %v", took)
		}
	})
}

func TestIdleTimeIsNoWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duty.New(nil)
		d.Pause()
		time.Sleep(time.Hour)
		begin := time.Now()
		d.Pause()
		if took := time.Since(begin); took > time.Second {
			t.Errorf("rested %v", took)
		}
	})
}

func TestHurryEndsRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hurry := make(chan struct{})
		d := duty.New(hurry)
		d.Pause()
		time.Sleep(5 * time.Millisecond)
		begin := time.Now()
		time.AfterFunc(time.Millisecond, func() { close(hurry) })
		d.Pause()
		time.Sleep(5 * time.Millisecond)
		d.Pause()
		if took := time.Since(begin); took != 6*time.Millisecond {
			t.Errorf("rested until %v", took)
		}
	})
}
