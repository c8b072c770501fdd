// Package wire is the layout of what nodes of one region send each other: the
// messages of a frame, their errors, and Raft's requests and responses. It is
// pure: bytes to values and back. Nodes of different versions talk to each
// other, so what the golden files hold cannot change.
package wire
