package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/google/uuid"

	"github.com/roundtabledb/roundtable/cluster"
)

// identity is what a node knows of itself before it has met anybody. It is a
// small file, replaced as a whole.
type identity struct {
	mu   sync.Mutex
	path string // empty in memory
	facts
}

// facts is the content of the file.
type facts struct {
	Node   cluster.NodeID `json:"node"`
	Region string         `json:"region"`
	// Store names the disk. It is made up once, with the directory.
	Store string `json:"store"`
	// Boot counts the node's starts.
	Boot uint64 `json:"boot"`
	// Founders is the set of nodes that this one has agreed to found the region
	// with. It never agrees to another.
	Founders []cluster.NodeID `json:"founders,omitempty"`
	// Catalog is the peers of the catalog group, as last heard.
	Catalog []cluster.PeerID `json:"catalog,omitempty"`
	// Addresses is where nodes were last, so that a region whose nodes all
	// restart finds itself without gossip.
	Addresses map[cluster.NodeID]string `json:"addresses,omitempty"`
}

const identityFile = "node.json"

// loadIdentity reads the identity of a data directory, or makes one. It refuses
// a directory that belongs to another node.
func loadIdentity(c *Config) (*identity, error) {
	id := &identity{facts: facts{Node: c.ID, Region: c.Region}}
	if !c.InMemory {
		id.path = filepath.Join(c.Dir, identityFile)
		text, err := os.ReadFile(id.path)
		switch {
		case errors.Is(err, os.ErrNotExist):
		case err != nil:
			return nil, fmt.Errorf("read the node's identity: %w", err)
		default:
			if err := json.Unmarshal(text, &id.facts); err != nil {
				return nil, fmt.Errorf("the node's identity in %s is damaged: %w", id.path, err)
			}
		}
	}
	if id.Node != c.ID || id.Region != c.Region {
		return nil, fmt.Errorf("%s belongs to node %s of region %s, not to node %s of region %s: give the node its own data directory",
			c.Dir, id.Node, id.Region, c.ID, c.Region)
	}
	if id.Store == "" {
		id.Store = uuid.NewString()
	}
	id.Boot++
	return id, id.update(func(*facts) {})
}

// update changes the facts and makes them durable.
func (id *identity) update(change func(*facts)) error {
	id.mu.Lock()
	defer id.mu.Unlock()
	change(&id.facts)
	if id.path == "" {
		return nil
	}
	text, err := json.MarshalIndent(&id.facts, "", "  ")
	if err != nil {
		return fmt.Errorf("write the node's identity: %w", err)
	}
	if err := replaceFile(id.path, text); err != nil {
		return fmt.Errorf("write the node's identity: %w", err)
	}
	return nil
}

// read returns a copy of the facts. Its slices and maps are shared and never
// changed in place.
func (id *identity) read() facts {
	id.mu.Lock()
	defer id.mu.Unlock()
	return id.facts
}

// replaceFile puts text in the place of a file: a reader, or a crash, finds
// the old content or the new.
func replaceFile(path string, text []byte) error {
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
