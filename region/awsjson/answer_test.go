package awsjson

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/storage/item"
)

func TestStringOfBytesIsThatOfText(t *testing.T) {
	parts := rapid.OneOf(
		rapid.StringMatching(`[ -~]{0,20}`),
		rapid.SampledFrom([]string{"\"", "\\", "\x00", "\x1f", " ", "\x7f", "\x80", "\xff", "é", "日本", "!", "#", "]", "["}),
	)
	rapid.Check(t, func(t *rapid.T) {
		s := strings.Join(rapid.SliceOf(parts).Draw(t, "parts"), "")
		want := string(AppendString([]byte("<"), s))
		if got := string(appendStringBytes([]byte("<"), []byte(s))); got != want {
			t.Errorf("%q became %s, not %s", s, got, want)
		}
	})
}

func TestEveryByteIsPlainOrNotWhereverItStands(t *testing.T) {
	for c := range 256 {
		want := c >= ' ' && c < 0x80 && c != '"' && c != '\\'
		for at := range 19 {
			s := bytes.Repeat([]byte("a"), 19)
			s[at] = byte(c)
			if got := isPlain(s); got != want {
				t.Errorf("%q is plain: %t", s, got)
			}
		}
	}
}

// largeItems are n items of about a kilobyte, after a few that promise other
// lengths.
func largeItems(mark string, n int) (items []item.Encoded, want string) {
	var b strings.Builder
	for i := range n {
		it := item.NewItem(item.Attribute{Name: "pk", Value: item.String(fmt.Sprintf("%s%d", mark, i))})
		if i%2 == 0 {
			it = it.With("v", item.String(strings.Repeat(mark, 2000/len(mark))))
		}
		items = append(items, item.Encode(it))
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(AppendItem(nil, items[i]))
	}
	return items, "[" + b.String() + "]"
}

func TestItemsAreAnArray(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 700, 5000} {
		items, want := largeItems("x", n)
		if got := string(AppendItems([]byte("before"), items)); got != "before"+want {
			t.Errorf("%d items became %d bytes, not %d, or others", n, len(got), len(want))
		}
	}
}

// Memory of large answers goes from one to the next, never to two at a time.
func TestLargeAnswersDoNotMix(t *testing.T) {
	pages := map[string]string{}
	found := map[string][]item.Encoded{}
	targets := Targets{}
	for i, mark := range []string{"a", "bb", "c\"", "dé"} {
		found[mark], pages[mark] = largeItems(mark, 300*(i+1))
		targets[mark] = func(_ context.Context, _ *Request, dst []byte) ([]byte, error) {
			return AppendItems(dst, found[mark]), nil
		}
	}
	h := NewHandler(Options{Targets: targets})
	var clients sync.WaitGroup
	for mark, want := range pages {
		for range 2 {
			clients.Go(func() {
				for range 20 {
					r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}"))
					r.Header["X-Amz-Target"] = []string{mark}
					r.Header.Set("Content-Type", contentTypeJSON10)
					w := httptest.NewRecorder()
					h.ServeHTTP(w, r)
					if got := w.Body.String(); got != want {
						t.Errorf("%s was answered with %d bytes that are not its %d", mark, len(got), len(want))
					}
				}
			})
		}
	}
	clients.Wait()
}
