package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roundtabledb/roundtable/cmd/bench/wire"
	"github.com/roundtabledb/roundtable/e2e/bench/load"
	"github.com/roundtabledb/roundtable/e2e/bench/peer"
	"github.com/roundtabledb/roundtable/e2e/bench/server"
)

// What goals 5 and 6 ask for, written by hand: tables that are too large to be
// filled again for each round, pages, and probes.

// wire is a fast client of one of the endpoints.
func (e *endpoints) wire(n int) (*wire.Client, error) {
	u, err := url.Parse(e.urls[n%len(e.urls)])
	if err != nil {
		return nil, err
	}
	return wire.New(wire.Options{URL: u, Region: e.region, AccessKey: server.AccessKey, SecretKey: server.SecretKey}), nil
}

// caller makes one kind of request after the other on a connection.
type caller struct {
	*wire.Client
	random  *rand.Rand
	padding string
	request func(c *caller) (target string, check func(answer []byte) error)
	body    bytes.Buffer
}

// Do makes the next request.
func (c *caller) Do(ctx context.Context) error {
	c.body.Reset()
	target, check := c.request(c)
	answer, err := c.Call(ctx, target, c.body.Bytes())
	if err != nil {
		return err
	}
	return check(answer)
}

// callers makes clients of all endpoints, which make requests.
func (e *endpoints) callers(request func(c *caller) (string, func([]byte) error)) func(n int) (load.Client, error) {
	return func(n int) (load.Client, error) {
		w, err := e.wire(n)
		if err != nil {
			return nil, err
		}
		// Another seed in each round: to put again what the last round has put there
		// changes nothing, and is less work.
		random := rand.New(rand.NewPCG(uint64(n), rand.Uint64()))
		return &caller{Client: w, random: random, padding: padding, request: request}, nil
	}
}

// padding is what values are cut from.
var padding = func() string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	r := rand.New(rand.NewPCG(3, 4))
	var b strings.Builder
	for range 8 << 10 {
		b.WriteByte(letters[r.IntN(len(letters))])
	}
	return b.String()
}()

// value is one of so many bytes, as random as it needs to be.
func (c *caller) value(n int) string {
	from := c.random.IntN(len(c.padding) - n)
	return c.padding[from : from+n]
}

// plainValue is the size of v in an item of the usual size without a sort key,
// sortedValue of one with it, see itemKey.
const (
	plainValue  = peer.ItemBytes - len("pk") - len("user000000000000") - len("v")
	sortedValue = plainValue - len("sk") - len("00000000")
)

// putOrGet puts an item or reads it strongly, one as often as the other.
func putOrGet(keys int) func(c *caller) (string, func([]byte) error) {
	return func(c *caller) (string, func([]byte) error) {
		key := peer.Key(c.random.Uint64N(uint64(keys)))
		if c.random.IntN(2) == 0 {
			fmt.Fprintf(&c.body, `{"TableName":%q,"Item":{"pk":{"S":%q},"v":{"S":%q}}}`, table, key, c.value(plainValue))
			return "PutItem", func([]byte) error { return nil }
		}
		fmt.Fprintf(&c.body, `{"TableName":%q,"Key":{"pk":{"S":%q}},"ConsistentRead":true}`, table, key)
		return "GetItem", hasItem
	}
}

func hasItem(answer []byte) error {
	if !bytes.Contains(answer, []byte(`"Item"`)) {
		return errors.New("an item that was written is not there")
	}
	return nil
}

// batchItems is as many as BatchWriteItem takes.
const batchItems = 25

// fill writes items 0 to n-1, which name puts after "Item": in a request.
func (e *endpoints) fill(ctx context.Context, l *lab, n int, name func(i int) string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	const writers = 32
	for w := range writers {
		wire, err := e.wire(w)
		if err != nil {
			return err
		}
		wg.Go(func() {
			defer wire.Close()
			for ctx.Err() == nil {
				from := int(next.Add(batchItems)) - batchItems
				if from >= n {
					return
				}
				if from%(40*batchItems) == 0 {
					l.progress.tick("%s: write item %d of %d", e.name, from, n)
				}
				if err := fillBatch(ctx, wire, from, min(n, from+batchItems), name); err != nil {
					cancel(fmt.Errorf("%s: fill: %w", e.name, err))
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

func fillBatch(ctx context.Context, c *wire.Client, from, to int, name func(i int) string) error {
	var body bytes.Buffer
	fmt.Fprintf(&body, `{"RequestItems":{%q:[`, table)
	for i := from; i < to; i++ {
		if i > from {
			body.WriteByte(',')
		}
		fmt.Fprintf(&body, `{"PutRequest":{"Item":%s}}`, name(i))
	}
	body.WriteString(`]}}`)
	var err error
	for attempt := range 10 {
		var answer []byte
		if answer, err = c.Call(ctx, "BatchWriteItem", body.Bytes()); err == nil {
			if bytes.Contains(answer, []byte(`"UnprocessedItems":{}`)) {
				return nil
			}
			err = errors.New("some items were not written")
		}
		if !load.Pause(ctx, 20*time.Millisecond<<attempt) {
			return ctx.Err()
		}
	}
	return err
}

// plainItem is item i of a table without a sort key.
func plainItem(i int) string {
	return fmt.Sprintf(`{"pk":{"S":%q},"v":{"S":%q}}`, peer.Key(uint64(i)), fixedValue(i, plainValue))
}

// Items of a table with a sort key stand in collections of pageItems.
const pageItems = 100

func itemKey(i int) string {
	return fmt.Sprintf(`"pk":{"S":%q},"sk":{"S":"%08d"}`, peer.Key(uint64(i/pageItems)), i%pageItems)
}

func sortedItem(i int) string {
	return fmt.Sprintf(`{%s,"v":{"S":%q}}`, itemKey(i), fixedValue(i, sortedValue))
}

func fixedValue(i, n int) string {
	from := i * 31 % (len(padding) - n)
	return padding[from : from+n]
}

// page is what an answer to Query or Scan says of itself.
type page struct {
	count int
	last  json.RawMessage // nil at the end
}

// parsePage looks for what a reader needs, and does not read the items: that
// would measure this program.
func parsePage(answer []byte) (page, error) {
	var p page
	found, err := field(answer, `"Count":`, &p.count)
	if err == nil && !found {
		err = errors.New("a page has no count")
	}
	if err != nil {
		return p, err
	}
	_, err = field(answer, `"LastEvaluatedKey":`, &p.last)
	return p, err
}

// field decodes what follows a name in an answer. No attribute of the items is
// called like that. Forwards, the search takes many bytes at a time; backwards it
// would take one.
func field(answer []byte, name string, into any) (bool, error) {
	at := bytes.Index(answer, []byte(name))
	if at < 0 {
		return false, nil
	}
	return true, json.NewDecoder(bytes.NewReader(answer[at+len(name):])).Decode(into)
}
