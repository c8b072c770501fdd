package link

import (
	"fmt"

	"github.com/klauspost/compress/zstd"

	pb "github.com/roundtabledb/roundtable/proto/replication"
	"github.com/roundtabledb/roundtable/storage/version"
)

const (
	// maxBody bounds a shipment's body, compressed or not.
	maxBody = 8 << 20
	// compressFrom is the size below which compressing is not worth the while.
	compressFrom = 256
)

// compressor packs and unpacks bodies. It is safe for concurrent use.
type compressor struct {
	encoder *zstd.Encoder
	decoder *zstd.Decoder
}

func newCompressor() (*compressor, error) {
	encoder, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true), zstd.WithEncoderConcurrency(2))
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	decoder, err := zstd.NewReader(nil,
		zstd.WithDecoderMaxMemory(maxBody), zstd.WithDecoderConcurrency(2), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	return &compressor{encoder: encoder, decoder: decoder}, nil
}

func (c *compressor) close() {
	// Nothing was streamed, so there is nothing to flush and nothing to fail.
	_ = c.encoder.Close()
	c.decoder.Close()
}

// pack makes the message of a shipment. What it returns does not alias s.
func (c *compressor) pack(s *Shipment) *pb.Shipment {
	m := &pb.Shipment{
		Table:        s.Table,
		Source:       s.Source,
		SourceJoined: s.SourceJoined.Append(nil),
		TargetJoined: s.TargetJoined.Append(nil),
		Count:        uint32(s.Count),
		RawSize:      uint32(len(s.Body)),
	}
	if len(s.Body) >= compressFrom {
		m.Compression = pb.Compression_ZSTD
		m.Body = c.encoder.EncodeAll(s.Body, make([]byte, 0, len(s.Body)/2))
	} else {
		m.Body = append([]byte(nil), s.Body...)
	}
	return m
}

func (c *compressor) unpack(m *pb.Shipment) (Shipment, error) {
	s := Shipment{Table: m.GetTable(), Source: m.GetSource(), Count: int(m.GetCount()), Body: m.GetBody()}
	if m.GetRawSize() > maxBody {
		return Shipment{}, fmt.Errorf("shipment of %d bytes, %d are allowed", m.GetRawSize(), maxBody)
	}
	var err error
	if s.SourceJoined, _, err = version.Decode(m.GetSourceJoined()); err != nil {
		return Shipment{}, fmt.Errorf("shipment: source: %w", err)
	}
	if s.TargetJoined, _, err = version.Decode(m.GetTargetJoined()); err != nil {
		return Shipment{}, fmt.Errorf("shipment: target: %w", err)
	}
	switch m.GetCompression() {
	case pb.Compression_NONE:
	case pb.Compression_ZSTD:
		if s.Body, err = c.decoder.DecodeAll(m.GetBody(), make([]byte, 0, m.GetRawSize())); err != nil {
			return Shipment{}, fmt.Errorf("shipment: %w", err)
		}
	default:
		return Shipment{}, fmt.Errorf("shipment: compression %d is unknown", m.GetCompression())
	}
	if len(s.Body) != int(m.GetRawSize()) {
		return Shipment{}, fmt.Errorf("shipment: %d bytes where %d were announced", len(s.Body), m.GetRawSize())
	}
	return s, nil
}
