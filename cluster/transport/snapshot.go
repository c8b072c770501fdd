package transport

import (
	"context"
	"iter"

	"github.com/roundtabledb/roundtable/cluster"
)

// SnapshotHandler receives a snapshot. next returns the parts in order, and
// io.EOF after the last; a part is valid until the next call. What the handler
// returns is the sender's answer. It runs on a goroutine of its own and may
// block; ctx ends with the stream and with the transport.
type SnapshotHandler func(ctx context.Context, from cluster.NodeID, header []byte, next func() ([]byte, error)) ([]byte, error)

// HandleSnapshot sets the receiver of snapshots. It must be called before the
// node serves.
func (t *Transport) HandleSnapshot(h SnapshotHandler) {}

// SendSnapshot streams a snapshot over a connection of its own and returns the
// receiver's answer. It holds the sequence back as the receiver falls behind.
// A part must be at most MaxSnapshotPart bytes and may be reused once yield has
// returned; an error of the sequence ends the snapshot, so that the receiver
// sees an error and never io.EOF.
func (t *Transport) SendSnapshot(ctx context.Context, to cluster.NodeID, header []byte, parts iter.Seq2[[]byte, error]) ([]byte, error) {
	return nil, nil
}

// MaxSnapshotPart bounds one part of a snapshot, in bytes.
const MaxSnapshotPart = 4 << 20
