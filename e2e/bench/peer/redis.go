package peer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/roundtabledb/roundtable/e2e/bench/load"
	"github.com/roundtabledb/roundtable/e2e/bench/server"
)

// Redis is one server that syncs its log before it answers.
type Redis struct {
	process *server.Process
	address string
	keys    int
}

// StartRedis starts Redis with appendfsync always.
func StartRedis(ctx context.Context, dir string, keys int) (*Redis, error) {
	binary, err := debian(ctx, "redis-server", "redis-server")
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	addresses, err := server.Addresses(1)
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(addresses[0])
	if err != nil {
		return nil, err
	}
	p, err := server.Start(filepath.Join(dir, "redis.log"), exec.Command(binary,
		"--bind", host, "--port", port, "--dir", dir, "--save", "",
		"--appendonly", "yes", "--appendfsync", "always"))
	if err != nil {
		return nil, err
	}
	r := &Redis{process: p, address: addresses[0], keys: keys}
	waiting, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := p.Await(waiting, server.Dialled(r.address)); err != nil {
		return nil, cannotStart(ctx, "redis", errors.Join(err, r.Close()))
	}
	return r, nil
}

// Processes are the process ids.
func (r *Redis) Processes() []int { return []int{r.process.ID()} }

// Close ends the server.
func (r *Redis) Close() error { return r.process.Kill() }

// Set makes a client that sets keys.
func (r *Redis) Set(n int) (load.Client, error) {
	conn, err := net.Dial("tcp", r.address)
	if err != nil {
		return nil, err
	}
	return &redisClient{conn: conn, in: bufio.NewReader(conn), values: newValues(r.keys, n)}, nil
}

type redisClient struct {
	conn   net.Conn
	in     *bufio.Reader
	values *values
	out    []byte
}

// Do sets a key.
func (c *redisClient) Do(context.Context) error {
	c.out = append(c.out[:0], "*3\r\n$3\r\nSET\r\n"...)
	c.out = appendBulk(c.out, c.values.key())
	c.out = appendBulk(c.out, c.values.value())
	if _, err := c.conn.Write(c.out); err != nil {
		return err
	}
	answer, err := c.in.ReadSlice('\n')
	if err != nil {
		return err
	}
	if answer[0] != '+' {
		return fmt.Errorf("redis: %s", answer)
	}
	return nil
}

// Close closes the connection.
func (c *redisClient) Close() { _ = c.conn.Close() }

func appendBulk[B []byte | string](dst []byte, b B) []byte {
	dst = append(dst, '$')
	dst = strconv.AppendInt(dst, int64(len(b)), 10)
	dst = append(dst, "\r\n"...)
	dst = append(dst, b...)
	return append(dst, "\r\n"...)
}
