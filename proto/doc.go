// Package proto holds the messages that cross the network, one folder per
// service. Only the packages where bytes meet the wire import those folders;
// everything else speaks in the types of its own layer. The generated code is
// committed, so that a checkout builds with the Go tool alone. After a change
// to a .proto file run "go generate ./proto".
package proto

//go:generate protoc --go_out=. --go_opt=paths=source_relative --go-grpc_out=. --go-grpc_opt=paths=source_relative peer/peer.proto peer/member.proto replication/replication.proto
