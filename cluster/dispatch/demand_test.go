package dispatch

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/item"
)

// What regions ship is not what clients want here, and what was taken is not
// there any more.
func TestDemandIsThatOfClients(t *testing.T) {
	var d demand
	if taken := d.take(); len(taken) != 0 {
		t.Errorf("%v before the first request", taken)
	}
	it := item.Encode(item.NewItem(item.Attribute{Name: "id", Value: item.String("a")}))
	put := (&command.Command{Kind: command.Put, Key: []byte("k"), Item: it}).Append(nil)
	merge := (&command.Command{Kind: command.Merge, Key: []byte("k"), Item: it}).Append(nil)
	d.write(7, "a", put)
	d.write(7, "b", put)
	d.write(7, "b", merge)
	d.count(7, "b", 1)
	d.write(9, "a", put)
	want := map[Origin]int{{7, "a"}: 1, {7, "b"}: 2, {9, "a"}: 1}
	if diff := cmp.Diff(want, d.take()); diff != "" {
		t.Errorf("demand (-want +got):\n%s", diff)
	}
	d.count(9, "b", 1)
	if diff := cmp.Diff(map[Origin]int{{9, "b"}: 1}, d.take()); diff != "" {
		t.Errorf("demand after it was taken (-want +got):\n%s", diff)
	}
}
