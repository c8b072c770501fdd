package machine

import (
	"bytes"

	"github.com/roundtabledb/roundtable/storage/item"
)

const (
	// defaultPageBytes is DynamoDB's limit of what one Query or Scan examines.
	defaultPageBytes = 1 << 20
	// maxPageTombstones bounds the tombstones that one page passes over.
	maxPageTombstones = 10_000
)

// Page returns items in a range of keys, in order, as of the last commit.
func (p *Partition) Page(r PageRequest) (Page, error) {
	if err := p.usable(); err != nil {
		return Page{}, err
	}
	lo, hi := p.bounds(&r)
	if lo == nil {
		return Page{}, nil
	}
	if r.MaxBytes <= 0 {
		r.MaxBytes = defaultPageBytes
	}
	view := p.engine.View()
	defer view.Close()
	it := view.Iterate(lo, hi, r.Reverse)
	defer it.Close()
	b := pageBuilder{request: &r}
	for !b.page.More && it.Next() {
		value, err := it.Value()
		if err != nil {
			return Page{}, p.readError(err)
		}
		s, err := decodeRecord(value, p.region)
		if err != nil {
			return Page{}, err
		}
		if err := b.add(it.Key()[sectionSize:], &s); err != nil {
			return Page{}, err
		}
	}
	if err := it.Err(); err != nil {
		return Page{}, p.readError(err)
	}
	return b.page, p.usable()
}

// bounds is the range of item keys that a request asks for, within the
// partition's; nil when it is empty.
func (p *Partition) bounds(r *PageRequest) (lo, hi []byte) {
	m := p.meta.Load()
	low, high := m.Lo, m.Hi
	if len(high) == 0 {
		high = nil
	}
	if bytes.Compare(r.Lo, low) > 0 {
		low = r.Lo
	}
	if r.Hi != nil && (high == nil || bytes.Compare(r.Hi, high) < 0) {
		high = r.Hi
	}
	if high != nil && bytes.Compare(low, high) >= 0 {
		return nil, nil
	}
	lo = itemKey(p.ks, low)
	if high == nil {
		return lo, appendSection(nil, p.ks, sectionItems+1)
	}
	return lo, itemKey(p.ks, high)
}

// pageBuilder fills a Page.
type pageBuilder struct {
	request    *PageRequest
	page       Page
	tombstones int
	// buf is the rest of a block from which keys and items are cut, for few
	// allocations, and block the length of that.
	buf   []byte
	block int
}

// add examines the next key. key and s are valid during the call only.
func (b *pageBuilder) add(key []byte, s *Stored) error {
	r, p := b.request, &b.page
	p.Last = append(p.Last[:0], key...)
	if s.Tombstone {
		b.tombstones++
		p.More = b.tombstones >= maxPageTombstones
	} else {
		p.Scanned++
		p.ScannedBytes += s.Size
	}
	switch {
	case r.WithTombstones:
		kept := *s
		kept.Key = b.keep(key)
		if s.Exists {
			kept.Item = b.keep(s.Item)
		}
		p.Stored = append(p.Stored, kept)
		p.Count++
	case s.Exists:
		if err := b.match(s.Item); err != nil {
			return err
		}
	}
	limited := r.Limit > 0 && (p.Scanned >= r.Limit || r.WithTombstones && len(p.Stored) >= r.Limit)
	p.More = p.More || limited || p.ScannedBytes >= r.MaxBytes
	return nil
}

// match filters, counts and projects an item.
func (b *pageBuilder) match(encoded item.Encoded) error {
	r, p := b.request, &b.page
	if r.Filter == nil && r.Projection == nil {
		p.Count++
		if !r.CountOnly {
			p.Items = append(p.Items, b.keep(encoded))
		}
		return nil
	}
	if r.Filter != nil {
		holds, err := r.Filter.Match(encoded)
		if err != nil || !holds {
			return err
		}
	}
	p.Count++
	switch {
	case r.CountOnly:
	case r.Projection != nil:
		projected, err := r.Projection.Apply(encoded)
		if err != nil {
			return err
		}
		p.Items = append(p.Items, projected)
	default:
		p.Items = append(p.Items, b.keep(encoded))
	}
	return nil
}

// Blocks grow with the page: most are small, and a large one is a megabyte.
const minBlockBytes, maxBlockBytes = 2 << 10, 128 << 10

// keep copies src into the current block.
func (b *pageBuilder) keep(src []byte) []byte {
	if len(src) > maxBlockBytes/4 {
		return bytes.Clone(src)
	}
	if len(src) > len(b.buf) {
		b.block = min(max(2*b.block, minBlockBytes, 4*len(src)), maxBlockBytes)
		b.buf = make([]byte, b.block)
	}
	n := copy(b.buf, src)
	kept := b.buf[:n:n]
	b.buf = b.buf[n:]
	return kept
}
