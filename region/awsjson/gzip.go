package awsjson

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// minPacked is how long a body must be for compression to pay.
const minPacked = 1024

var packers = sync.Pool{New: func() any {
	// Answers are packed while somebody waits.
	w, err := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed)
	if err != nil {
		panic(err) // the level is one that there is
	}
	return w
}}

// pack compresses a body into a buffer and returns what is in it.
func pack(into *bytes.Buffer, body []byte) []byte {
	into.Reset()
	w := packers.Get().(*gzip.Writer)
	defer packers.Put(w)
	w.Reset(into)
	// A buffer takes everything.
	_, _ = w.Write(body)
	_ = w.Close()
	return into.Bytes()
}

// unpack is what a body says: DynamoDB takes bodies in gzip. Its limit is on
// both forms.
func unpack(r *http.Request, sent []byte) ([]byte, error) {
	if len(sent) == 0 || !strings.EqualFold(strings.TrimSpace(r.Header.Get("Content-Encoding")), "gzip") {
		return sent, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(sent))
	if err != nil {
		return nil, fmt.Errorf("body in gzip: %w", err)
	}
	body, err := io.ReadAll(io.LimitReader(z, maxBody+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("body in gzip: %w", err)
	case len(body) > maxBody:
		return nil, errTooLarge
	}
	return body, nil
}

// acceptsGzip reports whether a client takes answers in gzip.
func acceptsGzip(r *http.Request) bool {
	for _, line := range r.Header["Accept-Encoding"] {
		for coding := range strings.SplitSeq(line, ",") {
			name, weight, weighed := strings.Cut(coding, ";")
			if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
				continue
			}
			if _, q, ok := strings.Cut(weight, "="); weighed && ok {
				if w, err := strconv.ParseFloat(strings.TrimSpace(q), 64); err != nil || w <= 0 {
					return false
				}
			}
			return true
		}
	}
	return false
}
