package expr

import "testing"

// The figures were measured on the service.
func TestCharge(t *testing.T) {
	values := doc{":v": "y", ":n": 1, ":l": list{"yyyyyyyyyy"}}
	for _, test := range []struct {
		src  string
		want int
	}{
		{"SET b = :v", 3 + 19 + 1 + 1},
		{"SET b = :v, c = :v", 3 + 2*(19+1+1)},
		{"SET c = m.z", 3 + 19 + 1 + 1 + 14 + 1 + 14 + 1},
		{"SET c = l[10]", 3 + 19 + 1 + 1 + 14 + 1 + 14 + 2},
		{"SET d.leaf = :v", 3 + 19 + 1 + 4 + 4 + 1},
		{"SET n = n + :n", 3 + 19 + 1 + 34 + 16 + 2},
		{"SET n = n - :n", 3 + 19 + 1 + 37 + 16 + 2},
		{"SET c = if_not_exists(c, :v)", 3 + 19 + 1 + 39 + 16 + 1},
		{"SET l = list_append(l, :l)", 3 + 19 + 1 + 37 + 16 + 3 + 1 + 10},
		{"ADD n :n", 3 + 19 + 1 + 2},
		{"REMOVE r", 3 + 2},
		{"REMOVE m.yy, l[10]", 3 + 1 + 1 + 4 + 2 + 1 + 1 + 4 + 2},
	} {
		if got := must(ParseUpdate(test.src, bind(values))).Charge(); got != test.want {
			t.Errorf("%s is charged %d, want %d", test.src, got, test.want)
		}
	}
}
