package awsjson

import (
	"bytes"
	"slices"
	"sync"
)

// answer is a response under construction. Its buffers are reused.
type answer struct {
	body []byte
	// own is the memory that the answer keeps; body begins in it, and may have
	// outgrown it.
	own []byte
	// packed is the body as it is sent to a client that takes it packed.
	packed bytes.Buffer
}

var answers = sync.Pool{New: func() any { return &answer{own: make([]byte, 0, 4096)} }}

// pages is the memory of answers that do not fit into maxPooled. It is apart, so
// that a thousand small answers under way do not hold the memory of a page each,
// only because there was one once.
var pages sync.Pool // of *[]byte

const (
	// maxPooled bounds the buffers that are kept for reuse by any answer.
	maxPooled = 256 << 10
	// maxPage bounds those that are kept for large ones. A page of 1 MB takes
	// two, with many attributes an item.
	maxPage = 4 << 20
)

func newAnswer() *answer {
	a := answers.Get().(*answer)
	a.body = a.own[:0]
	return a
}

// release gives the memory of an answer back that was sent.
func (a *answer) release() {
	switch n := cap(a.body); {
	case n <= maxPooled:
		a.own = a.body
	case n <= maxPage:
		page := a.body[:0]
		pages.Put(&page)
	}
	a.body = nil
	if a.packed.Cap() <= maxPooled {
		answers.Put(a)
	}
}

// Grow makes room for n more bytes of an answer that an operation is writing.
// The operation must return the result as its answer, or drop it: the memory is
// used again once the answer was sent.
func Grow(dst []byte, n int) []byte {
	need := len(dst) + n
	if need <= cap(dst) {
		return dst
	}
	if need > maxPooled {
		if page, ok := pages.Get().(*[]byte); ok && cap(*page) >= need {
			return append(*page, dst...)
		}
	}
	return slices.Grow(dst, n)
}
