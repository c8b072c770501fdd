package raftlog

// WithSalt fixes the salt of a new log.
func (o Options) WithSalt(salt uint64) Options {
	o.salt = salt
	return o
}

// Next returns the index that an empty log must begin with; 0 means any.
func (g *GroupLog) Next() uint64 {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if !g.mu.empty() {
		return 0
	}
	return g.mu.next
}
