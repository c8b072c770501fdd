// Package memfs is a file system in memory, for development without a disk and
// for tests of what a disk can do to a log.
package memfs
