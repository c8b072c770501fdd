package raftlog

// WithSalt fixes the salt of a new log.
func (o Options) WithSalt(salt uint64) Options {
	o.salt = salt
	return o
}
