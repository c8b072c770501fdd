package check

import "fmt"

// Count is how much a partition holds. Bytes are those of the items, as DynamoDB
// counts them.
type Count struct {
	Items, Bytes, Tombstones int64
}

// Counted checks that a partition holds what it says it holds: nobody counts when
// asked, each write moves the counters.
func Counted(said, found Count) error {
	if said == found {
		return nil
	}
	return &Violation{Promise: "a partition holds as many items as it says", Detail: fmt.Sprintf("it says %+v, and holds %+v", said, found)}
}
