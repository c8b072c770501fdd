// Package peer holds the messages and the service between the nodes of one
// region, generated from the .proto files beside it. Only cluster/transport
// and cluster/member import it.
package peer
