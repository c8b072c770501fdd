package process

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/cluster/node"
)

// Status is what a region looks like from one of its nodes.
type Status struct {
	Region  string `json:"region"`
	Cluster string `json:"cluster"`
	// Node is the node that says so.
	Node  cluster.NodeID    `json:"node"`
	Nodes []node.NodeStatus `json:"nodes"`
	// Tables is the region's tables in order of name.
	Tables []TableStatus `json:"tables"`
	// Replication is how far each other region is, in order of its name.
	Replication []RemoteStatus `json:"replication"`
}

// TableStatus is one table.
type TableStatus struct {
	Name   string         `json:"name"`
	Status catalog.Status `json:"status"`
	// Replicas is the status of each other region's replica.
	Replicas   map[string]string `json:"replicas,omitempty"`
	Partitions []PartitionStatus `json:"partitions"`
}

// PartitionStatus is one partition of a table.
type PartitionStatus struct {
	Group cluster.GroupID `json:"group"`
	// Leader is empty while nobody leads.
	Leader cluster.NodeID   `json:"leader,omitempty"`
	Peers  []cluster.NodeID `json:"peers"`
	Items  int64            `json:"items"`
	Bytes  int64            `json:"bytes"`
}

// RemoteStatus is what the region's nodes know of another region.
type RemoteStatus struct {
	Region string `json:"region"`
	// Linked is how many nodes of this region have a working link to it.
	Linked int `json:"linked"`
	// Pending is how many changes it has not acknowledged, Lag the age of the
	// oldest of them.
	Pending uint64        `json:"pending"`
	Lag     time.Duration `json:"lagNanos"`
}

// report is what each node tells the others of its part in replication.
type report struct {
	Links    map[string]bool `json:"links"`
	Outgoing []outgoing      `json:"outgoing"`
}

type outgoing struct {
	Region  string        `json:"region"`
	Pending uint64        `json:"pending"`
	Lag     time.Duration `json:"lag"`
}

// report describes this node's part in replication.
func (p *Process) report() any {
	m := p.replicator.Metrics()
	r := report{Links: m.Links}
	for _, o := range m.Outgoing {
		r.Outgoing = append(r.Outgoing, outgoing{Region: o.Region, Pending: o.Pending, Lag: o.Lag})
	}
	return r
}

// Status asks every node of the region.
func (p *Process) Status(ctx context.Context) Status {
	s := Status{
		Region:  p.node.Region(),
		Cluster: p.config.Cluster,
		Node:    p.node.ID(),
		Nodes:   p.node.RegionStatus(ctx),
		Tables:  []TableStatus{},
	}
	state := p.node.Catalog().State()
	for _, name := range state.TableNames() {
		s.Tables = append(s.Tables, tableStatus(state.Tables[name], s.Region, s.Nodes))
	}
	s.Replication = p.remotes(s.Nodes)
	for i := range s.Nodes {
		s.Nodes[i].Extra = nil // it has gone into Replication
	}
	return s
}

func tableStatus(t *catalog.Table, region string, nodes []node.NodeStatus) TableStatus {
	status := TableStatus{Name: t.Name, Status: t.Status, Partitions: []PartitionStatus{}}
	if t.Global != nil {
		for name, m := range t.Global.Members {
			if m.Present && name != region {
				if status.Replicas == nil {
					status.Replicas = map[string]string{}
				}
				status.Replicas[name] = m.Status
			}
		}
	}
	for _, p := range t.Partitions {
		status.Partitions = append(status.Partitions, partitionStatus(p, nodes))
	}
	return status
}

func partitionStatus(p *catalog.Partition, nodes []node.NodeStatus) PartitionStatus {
	status := PartitionStatus{Group: p.Group, Peers: p.Nodes()}
	var term uint64
	for _, n := range nodes {
		for _, peer := range n.Peers {
			if peer.Group == p.Group && peer.Leads && peer.Term >= term {
				term = peer.Term
				status.Leader, status.Items, status.Bytes = n.ID, peer.Items, peer.Bytes
			}
		}
	}
	return status
}

// remotes adds up what the nodes report of each other region.
func (p *Process) remotes(nodes []node.NodeStatus) []RemoteStatus {
	all := map[string]*RemoteStatus{}
	for region := range p.config.Remotes {
		all[region] = &RemoteStatus{Region: region}
	}
	for _, n := range nodes {
		var r report
		if len(n.Extra) == 0 || json.Unmarshal(n.Extra, &r) != nil {
			continue
		}
		for region, up := range r.Links {
			if s := all[region]; s != nil && up {
				s.Linked++
			}
		}
		for _, o := range r.Outgoing {
			if s := all[o.Region]; s != nil {
				s.Pending += o.Pending
				s.Lag = max(s.Lag, o.Lag)
			}
		}
	}
	list := []RemoteStatus{}
	for _, s := range all {
		list = append(list, *s)
	}
	slices.SortFunc(list, func(a, b RemoteStatus) int { return strings.Compare(a.Region, b.Region) })
	return list
}
