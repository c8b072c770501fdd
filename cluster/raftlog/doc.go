// Package raftlog is the write-ahead log of a node, shared by all its Raft
// groups: what Raft must not forget is in it before Raft goes on.
package raftlog
