package dispatch

import (
	"bytes"
	"testing"

	"github.com/roundtabledb/roundtable/storage/machine"
	"github.com/roundtabledb/roundtable/storage/version"
)

// BenchmarkGetMessages encodes what a consistent Get asks and is answered.
func BenchmarkGetMessages(b *testing.B) {
	key := bytes.Repeat([]byte{1}, 40)
	stored := machine.Stored{Exists: true, Size: 300, Item: bytes.Repeat([]byte{2}, 320), Version: version.Version{Region: "eu-test-1"}}
	b.ReportAllocs()
	for b.Loop() {
		_ = appendGet(nil, key, true)
		_ = appendStored([]byte{replyDone}, stored)
	}
}
