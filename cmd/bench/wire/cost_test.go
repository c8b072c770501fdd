package wire

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/roundtabledb/roundtable/cmd/bench/benchtest"
	"github.com/roundtabledb/roundtable/cmd/bench/workload"
)

// echoServer, in the environment, makes this binary a server that answers every
// request with an item.
const echoServer = "ROUNDTABLE_BENCH_ECHO"

func TestMain(m *testing.M) {
	if os.Getenv(echoServer) != "" {
		echo()
		return
	}
	os.Exit(m.Run())
}

func echo() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0) // the parent has ended
	}()
	body := `{"Item":{"pk":{"S":"user000000000001"},"v":{"S":"` + strings.Repeat("x", 237) + `"}}}`
	answer := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nX-Amzn-Requestid: 0123456789\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	for {
		c, err := l.Accept()
		if err != nil {
			panic(err)
		}
		go func() {
			in := bufio.NewReader(c)
			for {
				_, err := in.ReadString('\n')
				header, err2 := textproto.NewReader(in).ReadMIMEHeader()
				length, _ := strconv.Atoi(header.Get("Content-Length"))
				if _, err3 := in.Discard(length); err != nil || err2 != nil || err3 != nil {
					return
				}
				if _, err := c.Write(answer); err != nil {
					return
				}
			}
		}()
	}
}

// BenchmarkClosedLoop tells the processor time that a request takes in the load
// generator, kernel included, against a server in another process.
func BenchmarkClosedLoop(b *testing.B) {
	for _, clients := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			u := startEcho(b)
			sizes, _ := workload.OneSize(256)
			items, err := workload.NewItems(sizes, 10_000)
			if err != nil {
				b.Fatal(err)
			}
			mix, err := workload.ParseMix("get-eventual")
			if err != nil {
				b.Fatal(err)
			}
			keys := workload.NewKeys(10_000)
			var left atomic.Int64
			left.Store(int64(b.N))
			var wg sync.WaitGroup
			b.ReportAllocs()
			before := processorTime(b)
			b.ResetTimer()
			for n := range clients {
				c := New(Options{URL: u, Region: benchtest.Region, AccessKey: "K", SecretKey: "S", Table: "roundtable-bench", Items: items})
				g := workload.NewGenerator(mix, items, keys, false, uint64(n), 1)
				wg.Go(func() {
					defer c.Close()
					for left.Add(-1) >= 0 {
						if _, err := c.Do(context.Background(), g.Next()); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			b.ReportMetric(float64((processorTime(b)-before).Nanoseconds())/1e3/float64(b.N), "cpu-µs/op")
		})
	}
}

func startEcho(b *testing.B) *url.URL {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), echoServer+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return &url.URL{Scheme: "http", Host: strings.TrimSpace(address)}
}

func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
