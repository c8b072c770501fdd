// Package replication is generated from replication.proto: what regions say to
// each other. Only package replication/link imports it, under the name pb.
package replication
