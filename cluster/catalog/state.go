package catalog

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/roundtabledb/roundtable/cluster"
)

// Record keys. A record's key is also the partition key that it is stored
// under.
const (
	headKey     = "head"
	nodePrefix  = "node/"
	tablePrefix = "table/"
	groupPrefix = "group/"
)

func nodeKey(id cluster.NodeID) string { return nodePrefix + string(id) }
func tableKey(name string) string      { return tablePrefix + name }
func groupKey(id cluster.GroupID) string {
	return groupPrefix + fmt.Sprintf("%020d", uint64(id))
}

// record is what is stored under a key: when it was last written and its body.
type record struct {
	Revision uint64          `json:"revision"`
	Body     json.RawMessage `json:"body"`
}

// head is the body of the head record. Every change of the catalog writes it,
// which makes changes a total order.
type head struct {
	// NextGroup is the next group id to give out.
	NextGroup cluster.GroupID `json:"nextGroup"`
}

// State is the catalog at one revision. It is immutable and shared: what it
// points to must not be changed.
type State struct {
	// Revision is the number of the last change it includes; 0 when nothing is
	// known yet.
	Revision uint64
	// Nodes, by id.
	Nodes map[cluster.NodeID]*Node
	// Tables, by name, with their partitions.
	Tables map[string]*Table
	// Groups is every partition, the catalog's own included, by group.
	Groups map[cluster.GroupID]*Partition

	head    head
	records map[string]record
	tables  map[string]*Table // by id
}

// TableByID finds a table by its id.
func (s *State) TableByID(id string) (*Table, bool) {
	t, ok := s.tables[id]
	return t, ok
}

// TableNames lists the tables in order of name.
func (s *State) TableNames() []string {
	return slices.Sorted(maps.Keys(s.Tables))
}

// NodeIDs lists the nodes in order of id.
func (s *State) NodeIDs() []cluster.NodeID {
	return slices.Sorted(maps.Keys(s.Nodes))
}

// emptyState is the catalog before the first record.
func emptyState() *State {
	return &State{
		Nodes:   map[cluster.NodeID]*Node{},
		Tables:  map[string]*Table{},
		Groups:  map[cluster.GroupID]*Partition{},
		records: map[string]record{},
		tables:  map[string]*Table{},
		head:    head{NextGroup: cluster.CatalogGroup + 1},
	}
}

// next builds the state that has exactly the keys given, with the records of s
// replaced by those in changed. Bodies that did not change are not parsed
// again.
func (s *State) next(revision uint64, keys []string, changed map[string]record) (*State, error) {
	n := emptyState()
	n.Revision = revision
	for _, key := range keys {
		rec, ok := changed[key]
		fresh := ok
		if !ok {
			if rec, ok = s.records[key]; !ok {
				return nil, fmt.Errorf("catalog: revision %d names %q without its record", revision, key)
			}
		}
		n.records[key] = rec
		if err := n.add(s, key, rec, fresh); err != nil {
			return nil, err
		}
	}
	n.assemble()
	return n, nil
}

func (s *State) add(old *State, key string, rec record, fresh bool) error {
	switch {
	case key == headKey:
		return parse(key, rec, &s.head)
	case strings.HasPrefix(key, nodePrefix):
		id := cluster.NodeID(key[len(nodePrefix):])
		if n, ok := old.Nodes[id]; ok && !fresh {
			s.Nodes[id] = n
			return nil
		}
		s.Nodes[id] = new(Node)
		return parse(key, rec, s.Nodes[id])
	case strings.HasPrefix(key, groupPrefix):
		id, err := strconv.ParseUint(key[len(groupPrefix):], 10, 64)
		if err != nil {
			return fmt.Errorf("catalog: record key %q: %w", key, err)
		}
		if p, ok := old.Groups[cluster.GroupID(id)]; ok && !fresh {
			s.Groups[p.Group] = p
			return nil
		}
		p := new(Partition)
		s.Groups[cluster.GroupID(id)] = p
		return parse(key, rec, p)
	case strings.HasPrefix(key, tablePrefix):
		t := new(Table)
		if o, ok := old.Tables[key[len(tablePrefix):]]; ok && !fresh {
			*t = *o
			t.Partitions = nil
		} else if err := parse(key, rec, t); err != nil {
			return err
		}
		s.Tables[t.Name] = t
		s.tables[t.ID] = t
		return nil
	default:
		// A newer node may store records that this one does not know.
		return nil
	}
}

// assemble hangs the partitions under their tables, in order.
func (s *State) assemble() {
	for _, p := range s.Groups {
		if t, ok := s.tables[p.TableID]; ok {
			t.Partitions = append(t.Partitions, p)
		}
	}
	for _, t := range s.tables {
		slices.SortFunc(t.Partitions, func(a, b *Partition) int {
			return strings.Compare(string(a.Lo), string(b.Lo))
		})
	}
}

func parse(key string, rec record, into any) error {
	if err := json.Unmarshal(rec.Body, into); err != nil {
		return fmt.Errorf("catalog: record %q: %w", key, err)
	}
	return nil
}
