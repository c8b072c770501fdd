package raftlog

import "io"

// FS is the little that the log asks of a file system. OS is the real one;
// package memfs has one that lives in memory, and that loses power and fails
// on command.
//
// Names are paths. A file's bytes are durable after its Sync, its name (and
// the absence of a removed or renamed one) after SyncDir of its folder.
type FS interface {
	// MkdirAll makes a folder and those above it.
	MkdirAll(dir string) error
	// Create makes an empty file for reading and writing. It fails when the
	// name is taken.
	Create(name string) (File, error)
	// Open opens an existing file for reading and writing.
	Open(name string) (File, error)
	// Rename gives a file another name, replacing what had it.
	Rename(from, to string) error
	// Remove removes a file.
	Remove(name string) error
	// List returns the base names of the files in a folder, in any order.
	List(dir string) ([]string, error)
	// SyncDir makes the names in a folder durable.
	SyncDir(dir string) error
	// Lock takes a lock that no other process can take until it is closed or
	// this process ends.
	Lock(name string) (io.Closer, error)
}

// File is an open file. ReadAt may run at any time, also while another
// goroutine writes, syncs or closes; the rest have one caller at a time.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Size returns the length of the file.
	Size() (int64, error)
	// Allocate sets the length of the file and sees to it that later writes
	// within it need no space and change no metadata. It is durable on return.
	// It calls pause now and then, which takes its time.
	Allocate(size int64, pause func()) error
	// Sync returns when everything written is durable (fdatasync).
	Sync() error
}
