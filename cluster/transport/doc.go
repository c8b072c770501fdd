// Package transport connects the nodes of one region: a few long-lived gRPC
// streams per pair of nodes carry the messages of all groups.
package transport
