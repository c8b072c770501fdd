package awsjson

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// This file is the content codings of bodies: requests may come in gzip, answers
// go out in gzip or deflate to those who ask for it, from the length on from
// which DynamoDB does it.

// minPacked is how long an answer must be to be packed.
const minPacked = 4096

// packer is what both codings have.
type packer interface {
	io.WriteCloser
	Reset(w io.Writer)
}

// coding is a coding of answers.
type coding struct {
	name    string
	packers sync.Pool
}

// codings are the codings of answers, the one that is preferred first. Answers
// are packed while somebody waits, so all do it the quick way.
var codings = [...]*coding{
	{name: "gzip", packers: sync.Pool{New: func() any {
		w, err := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed)
		return mustPacker(w, err)
	}}},
	{name: "deflate", packers: sync.Pool{New: func() any {
		w, err := zlib.NewWriterLevel(io.Discard, zlib.BestSpeed)
		return mustPacker(w, err)
	}}},
}

// mustPacker is w: the level is one that there is.
func mustPacker(w packer, err error) packer {
	if err != nil {
		panic(err)
	}
	return w
}

// pack compresses a body into a buffer and returns what is in it.
func (c *coding) pack(into *bytes.Buffer, body []byte) []byte {
	into.Reset()
	w := c.packers.Get().(packer)
	defer c.packers.Put(w)
	w.Reset(into)
	// A buffer takes everything.
	_, _ = w.Write(body)
	_ = w.Close()
	return into.Bytes()
}

// accepted is the coding that a client prefers, nil for none. Of several headers
// DynamoDB reads the last. It does not weigh whether the client would rather have
// nothing packed, takes a weight that is no number for 1, and the first of
// several weights.
func accepted(r *http.Request) *coding {
	lines := r.Header["Accept-Encoding"]
	if len(lines) == 0 {
		return nil
	}
	var (
		best  *coding
		named [len(codings)]bool
		most  float64 // the best one's weight
		other float64 // the weight of what is not named
	)
	for entry := range strings.SplitSeq(lines[len(lines)-1], ",") {
		name, parameters, _ := strings.Cut(entry, ";")
		name = strings.TrimSpace(name)
		if name == "*" {
			other = max(other, weight(parameters))
			continue
		}
		for i, c := range codings {
			if !strings.EqualFold(name, c.name) {
				continue
			}
			named[i] = true
			if w := weight(parameters); w > most {
				best, most = c, w
			}
		}
	}
	for i, c := range codings {
		if !named[i] && other > most {
			best, most = c, other
		}
	}
	return best
}

// weight is how much a client wants a coding, from 0 to 1.
func weight(parameters string) float64 {
	for parameter := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(parameter, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "q") {
			continue
		}
		w, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil {
			return 1
		}
		return min(w, 1)
	}
	return 1
}

// errCoding says that a body is not in the coding that it is said to be in.
var errCoding = errors.New("body is not in its Content-Encoding")

// unpack is what a body says. The limit is on both its forms. DynamoDB answers
// what it cannot unpack with an InternalServerError.
func unpack(r *http.Request, sent []byte) ([]byte, error) {
	switch given := strings.TrimSpace(r.Header.Get("Content-Encoding")); {
	case given == "", strings.EqualFold(given, "identity"):
		return sent, nil
	case !strings.EqualFold(given, "gzip"):
		return nil, fmt.Errorf("%w: there is no %.40q", errCoding, given)
	}
	z, err := gzip.NewReader(bytes.NewReader(sent))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errCoding, err)
	}
	body, err := io.ReadAll(io.LimitReader(z, maxBody+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errCoding, err)
	case len(body) > maxBody:
		return nil, errTooLarge
	}
	return body, nil
}
