package member

import (
	"fmt"

	"github.com/hashicorp/memberlist"
	"google.golang.org/protobuf/proto"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/proto/peer"
)

// Meta is what a node tells the others about itself.
type Meta struct {
	NodeID cluster.NodeID
	Region string
	Zone   string
	// Store is the UUID of the node's disk.
	Store string
	// PeerAddr is where the node serves other nodes.
	PeerAddr string
	// Boot grows by one each time the node starts. Of two announcements of one
	// node the one with the higher Boot counts.
	Boot uint64
	// Catalog names peers of the catalog group that the node knows of.
	Catalog []cluster.PeerID
}

// encode gives the bytes that are gossiped, which must fit a packet.
func (m *Meta) encode() ([]byte, error) {
	p := &peer.Member{
		Node: string(m.NodeID), Region: m.Region, Zone: m.Zone, Store: m.Store, PeerAddr: m.PeerAddr, Boot: m.Boot,
	}
	for _, id := range m.Catalog {
		p.Catalog = append(p.Catalog, id.String())
	}
	b, err := proto.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("member: encode: %w", err)
	}
	if len(b) > memberlist.MetaMaxSize {
		return nil, fmt.Errorf("member: what node %s tells about itself takes %d bytes, more than %d", m.NodeID, len(b), memberlist.MetaMaxSize)
	}
	return b, nil
}

func decodeMeta(b []byte) (Meta, error) {
	var p peer.Member
	if err := proto.Unmarshal(b, &p); err != nil {
		return Meta{}, fmt.Errorf("member: decode: %w", err)
	}
	if p.Node == "" {
		return Meta{}, fmt.Errorf("member: a node without a name")
	}
	m := Meta{
		NodeID: cluster.NodeID(p.Node), Region: p.Region, Zone: p.Zone, Store: p.Store, PeerAddr: p.PeerAddr, Boot: p.Boot,
	}
	for _, s := range p.Catalog {
		id, err := cluster.ParsePeerID(s)
		if err != nil {
			return Meta{}, fmt.Errorf("member: %w", err)
		}
		m.Catalog = append(m.Catalog, id)
	}
	return m, nil
}
