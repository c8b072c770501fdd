package raftlog_test

import (
	"fmt"
	"os"
	gosync "sync"
	"testing"

	"github.com/hashicorp/raft"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/raftlog"
	"github.com/roundtabledb/roundtable/cluster/raftlog/memfs"
)

const benchmarkEntryBytes = 300

// BenchmarkAppend measures durable entries a second: some groups, each with
// one caller that appends batch after batch. The raw ones append the same
// bytes to a file that was allocated before, and sync it.
func BenchmarkAppend(b *testing.B) {
	for _, shape := range []struct{ groups, batch int }{{1, 1}, {1, 16}, {1, 64}, {32, 1}, {32, 4}, {32, 16}} {
		name := fmt.Sprintf("groups=%d/batch=%d", shape.groups, shape.batch)
		b.Run("raw/"+name, func(b *testing.B) { benchmarkRaw(b, shape.groups*shape.batch) })
		b.Run("log/"+name, func(b *testing.B) { benchmarkAppend(b, shape.groups, shape.batch, raftlog.OS(), true) })
		b.Run("mem/"+name, func(b *testing.B) { benchmarkAppend(b, shape.groups, shape.batch, memfs.New(), false) })
	}
}

// benchmarkDir is on a disk, which the folder for temporary files need not be.
func benchmarkDir(b *testing.B) string {
	dir, err := os.MkdirTemp(".", "bench-")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func benchmarkAppend(b *testing.B, groups, batch int, fs raftlog.FS, sync bool) {
	l, err := raftlog.Open(raftlog.Options{
		Dir: benchmarkDir(b), FS: fs, Sync: sync, SegmentBytes: 8 << 20, Fatal: func(err error) { panic(err) },
	})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	logs := make([]*raftlog.GroupLog, groups)
	for i := range logs {
		if logs[i], err = l.Group(cluster.GroupID(i+1), cluster.PeerID{Node: "n1", Replica: 1}); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(benchmarkEntryBytes)
	b.ReportAllocs()
	b.ResetTimer()
	var done gosync.WaitGroup
	for _, g := range logs {
		done.Go(func() { appendMany(b, g, b.N/groups, batch) })
	}
	done.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
	b.ReportMetric(float64(l.Stats().Entries)/float64(l.Stats().Frames), "entries/sync")
}

// appendMany appends n entries, and compacts now and then as Raft does.
func appendMany(b *testing.B, g *raftlog.GroupLog, n, batch int) {
	data := make([]byte, benchmarkEntryBytes)
	entries := make([]*raft.Log, batch)
	for i := range entries {
		entries[i] = &raft.Log{Term: 1, Data: data}
	}
	const kept = 512
	first, next := uint64(1), uint64(1)
	for ; n > 0; n -= batch {
		for _, e := range entries {
			e.Index = next
			next++
		}
		if err := g.StoreLogs(entries[:min(batch, n)]); err != nil {
			b.Error(err)
			return
		}
		if next-first > 2*kept {
			if err := g.DeleteRange(first, next-kept); err != nil {
				b.Error(err)
				return
			}
			first = next - kept + 1
		}
	}
}

func benchmarkRaw(b *testing.B, batch int) {
	f, err := raftlog.OS().Create(benchmarkDir(b) + "/file")
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	const size = 64 << 20
	if err := f.Allocate(size, func() {}); err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, batch*benchmarkEntryBytes)
	b.SetBytes(benchmarkEntryBytes)
	b.ResetTimer()
	at := int64(0)
	for n := b.N; n > 0; n -= batch {
		if at+int64(len(buf)) > size {
			at = 0
		}
		if _, err := f.WriteAt(buf, at); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
		at += int64(len(buf))
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}

// BenchmarkGetLog reads entries one after the other, as the leader does for
// each follower: from memory, and from the disk for one that lags.
func BenchmarkGetLog(b *testing.B) {
	for name, cacheBytes := range map[string]int64{"memory": 64 << 20, "disk": 1} {
		b.Run(name, func(b *testing.B) {
			l, err := raftlog.Open(raftlog.Options{
				Dir: benchmarkDir(b), Sync: true, SegmentBytes: 8 << 20, CacheBytes: cacheBytes,
				Fatal: func(err error) { panic(err) },
			})
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			g := group(b, l, 1)
			const n = 10_000
			for i := uint64(0); i < n; i += 100 {
				store(b, g, entries(1+i, 1, 100, benchmarkEntryBytes))
			}
			b.ReportAllocs()
			var e raft.Log
			for i := 0; b.Loop(); i++ {
				if err := g.GetLog(1+uint64(i%n), &e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
