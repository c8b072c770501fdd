package wire

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/roundtabledb/roundtable/cmd/bench/workload"
)

// Do carries out a request. Conflicts are how often a read-modify-write had to
// begin again, because somebody had written in between.
func (c *Client) Do(ctx context.Context, q *workload.Request) (conflicts int, err error) {
	if cap(c.body) > maxKept {
		c.body = nil
	}
	switch q.Op {
	case workload.Put, workload.Insert:
		_, err = c.Call(ctx, "PutItem", c.putItem(q))
	case workload.GetStrong, workload.GetEventual:
		err = c.read(ctx, "GetItem", c.getItem(q, q.Op == workload.GetStrong), q, `"Item"`, 1)
	case workload.Update:
		_, err = c.Call(ctx, "UpdateItem", c.updateItem(q, nil))
	case workload.ReadModifyWrite:
		conflicts, err = c.readModifyWrite(ctx, q)
	case workload.Delete:
		_, err = c.Call(ctx, "DeleteItem", c.keyed(q, "}"))
	case workload.Query:
		err = c.read(ctx, "Query", c.query(q), q, `"pk"`, 1)
	case workload.Scan:
		_, err = c.Call(ctx, "Scan", c.scan(q))
	case workload.BatchWrite:
		if _, err = c.Call(ctx, "BatchWriteItem", c.batchWrite(q)); err == nil {
			err = c.processed(`"UnprocessedItems"`)
		}
	case workload.BatchGet:
		err = c.read(ctx, "BatchGetItem", c.batchGet(q), q, `"pk"`, len(q.Keys))
		if err == nil || errors.Is(err, workload.ErrMissing) {
			err = cmp.Or(c.processed(`"UnprocessedKeys"`), err)
		}
	default:
		err = fmt.Errorf("no request for %v", q.Op)
	}
	return conflicts, err
}

// read sends a body and checks that the answer names an attribute so often,
// once for each item. No value that the benchmark writes has quotes inside.
func (c *Client) read(ctx context.Context, target string, body []byte, q *workload.Request, name string, times int) error {
	if _, err := c.Call(ctx, target, body); err != nil {
		return err
	}
	if q.Lenient {
		return nil
	}
	if times == 1 && bytes.Contains(c.answer, []byte(name)) || bytes.Count(c.answer, []byte(name)) >= times {
		return nil
	}
	return workload.ErrMissing
}

// processed checks that nothing of a batch was left.
func (c *Client) processed(rest string) error {
	if _, left := after(c.answer, rest, ":", "{", `"`); left {
		return workload.ErrUnprocessed
	}
	return nil
}

// after returns what follows tokens, the first of which may be anywhere, and the
// others behind it with or without space between.
func after(text []byte, tokens ...string) (rest []byte, found bool) {
	at := bytes.Index(text, []byte(tokens[0]))
	if at < 0 {
		return nil, false
	}
	text = text[at+len(tokens[0]):]
	for _, t := range tokens[1:] {
		if text, found = bytes.CutPrefix(bytes.TrimLeft(text, " \r\n\t"), []byte(t)); !found {
			return nil, false
		}
	}
	return text, true
}

// readModifyWrite reads an item and writes it back changed, on condition that
// its value still begins as it was read: values are random.
func (c *Client) readModifyWrite(ctx context.Context, q *workload.Request) (conflicts int, err error) {
	for {
		if err := c.read(ctx, "GetItem", c.getItem(q, true), q, `"Item"`, 1); err != nil {
			return conflicts, err
		}
		c.revision = appendRevision(c.revision[:0], c.answer)
		_, err = c.Call(ctx, "UpdateItem", c.updateItem(q, c.revision))
		var refused *StatusError
		if !errors.As(err, &refused) || !strings.Contains(refused.Body, "ConditionalCheckFailed") {
			return conflicts, err
		}
		if conflicts++; conflicts == workload.MaxConflicts {
			return conflicts, err
		}
	}
}

// appendRevision appends how the value of v in an answer begins; nothing if
// there is none.
func appendRevision(dst, answer []byte) []byte {
	v, found := after(answer, `"v"`, ":", "{", `"S"`, ":", `"`)
	if !found {
		return dst
	}
	end := bytes.IndexByte(v, '"')
	return append(dst, v[:min(max(0, end), workload.RevisionBytes)]...)
}

// The bodies below are all valid until the next one.

func (c *Client) begin(q *workload.Request) []byte {
	b := append(c.body[:0], `{"TableName":"`...)
	return append(append(b, c.table(q)...), '"')
}

func (c *Client) table(q *workload.Request) string {
	if q.Sorted {
		return c.Sorted
	}
	return c.Table
}

// appendKey appends "pk":{"S":"..."} and, if there is a sort key, that.
func (c *Client) appendKey(b []byte, q *workload.Request, key uint64) []byte {
	b = append(b, `"pk":{"S":"`...)
	b = c.Items.AppendPartition(b, key, q.Sorted)
	if q.Sorted {
		b = append(b, `"},"sk":{"S":"`...)
		b = c.Items.AppendSort(b, key)
	}
	return append(b, `"}`...)
}

func (c *Client) appendItem(b []byte, q *workload.Request, n int) []byte {
	b = c.appendKey(append(b, '{'), q, q.Keys[n])
	b = append(b, `,"v":{"S":"`...)
	b = append(b, q.Values[n]...)
	return append(b, `"}}`...)
}

func (c *Client) putItem(q *workload.Request) []byte {
	b := append(c.begin(q), `,"Item":`...)
	c.body = append(c.appendItem(b, q, 0), '}')
	return c.body
}

// keyed is a body with the table, the key, and an end.
func (c *Client) keyed(q *workload.Request, end string) []byte {
	b := append(c.begin(q), `,"Key":{`...)
	b = c.appendKey(b, q, q.Keys[0])
	c.body = append(append(b, '}'), end...)
	return c.body
}

func (c *Client) getItem(q *workload.Request, strong bool) []byte {
	if strong {
		return c.keyed(q, `,"ConsistentRead":true}`)
	}
	return c.keyed(q, `}`)
}

// updateItem sets v. A revision, even an empty one, makes it conditional.
func (c *Client) updateItem(q *workload.Request, revision []byte) []byte {
	b := c.keyed(q, `,"UpdateExpression":"SET v = :v"`)
	switch {
	case revision == nil:
	case len(revision) == 0:
		b = append(b, `,"ConditionExpression":"attribute_not_exists(v)"`...)
	default:
		b = append(b, `,"ConditionExpression":"begins_with(v, :r)"`...)
	}
	b = append(b, `,"ExpressionAttributeValues":{":v":{"S":"`...)
	b = append(b, q.Values[0]...)
	if len(revision) > 0 {
		b = append(b, `"},":r":{"S":"`...)
		b = append(b, revision...)
	}
	c.body = append(b, `"}}}`...)
	return c.body
}

func (c *Client) query(q *workload.Request) []byte {
	b := append(c.begin(q), `,"KeyConditionExpression":"pk = :p AND sk >= :s","ExpressionAttributeValues":{":p":{"S":"`...)
	b = c.Items.AppendPartition(b, q.Keys[0], true)
	b = append(b, `"},":s":{"S":"`...)
	b = c.Items.AppendSort(b, q.Keys[0])
	b = append(b, `"}},"Limit":`...)
	c.body = append(strconv.AppendInt(b, int64(q.Limit), 10), '}')
	return c.body
}

func (c *Client) scan(q *workload.Request) []byte {
	b := append(c.begin(q), `,"ExclusiveStartKey":{`...)
	b = c.appendKey(b, q, q.Keys[0])
	b = append(b, `},"Limit":`...)
	c.body = append(strconv.AppendInt(b, int64(q.Limit), 10), '}')
	return c.body
}

func (c *Client) batchWrite(q *workload.Request) []byte {
	b := append(c.body[:0], `{"RequestItems":{"`...)
	b = append(append(b, c.table(q)...), `":[`...)
	for n := range q.Keys {
		if n > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"PutRequest":{"Item":`...)
		b = append(c.appendItem(b, q, n), `}}`...)
	}
	c.body = append(b, `]}}`...)
	return c.body
}

func (c *Client) batchGet(q *workload.Request) []byte {
	b := append(c.body[:0], `{"RequestItems":{"`...)
	b = append(append(b, c.table(q)...), `":{"Keys":[`...)
	for n, key := range q.Keys {
		if n > 0 {
			b = append(b, ',')
		}
		b = append(c.appendKey(append(b, '{'), q, key), '}')
	}
	c.body = append(b, `]}}}`...)
	return c.body
}
