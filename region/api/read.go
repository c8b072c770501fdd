package api

import (
	"context"

	"github.com/roundtabledb/roundtable/region/awsjson"
	"github.com/roundtabledb/roundtable/region/request"
	"github.com/roundtabledb/roundtable/storage/expr"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/schema"
)

func (a *API) getItem(ctx context.Context, r *awsjson.Request, dst []byte) ([]byte, error) {
	in, err := readItemRequest(r.Body, getItem)
	if err != nil {
		return dst, err
	}
	projection, err := in.get()
	if err != nil {
		return dst, err
	}
	t, err := a.table(in.table.Value)
	if err != nil {
		return dst, err
	}
	key, err := request.Key(&t.Table, in.key.Item)
	if err != nil {
		return dst, err
	}
	if err := keysWhole(&t.Table, projection.Paths()); err != nil {
		return dst, err
	}
	consistent := in.consistent.Value
	found, err := a.store.Get(ctx, t, key, consistent)
	if err != nil {
		return dst, err
	}
	size := 0
	if found != nil {
		if size, err = found.Size(); err != nil {
			return dst, err
		}
	}
	w := writer{b: dst}
	w.begin()
	if found != nil {
		w.member("Item")
		if w.b, err = appendProjected(w.b, found, projection); err != nil {
			return dst, err
		}
	}
	w.consumed(in.capacity, in.table.Value, readUnits(size, consistent))
	w.end()
	return w.b, nil
}

// get checks a GetItem and returns its projection, nil for all attributes.
func (in *itemRequest) get() (*expr.Projection, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	err := in.Expressions.Check(&in.Legacy, []string{request.ProjectionExpression}, []string{"AttributesToGet"})
	if err != nil {
		return nil, err
	}
	if in.key.Invalid != nil {
		return nil, in.key.Invalid
	}
	return parseProjection(&in.Expressions, in.AttributesToGet)
}

// parseProjection parses the projection of a request that has no other
// expressions. It is nil for all attributes.
func parseProjection(x *request.Expressions, attributesToGet []string) (*expr.Projection, error) {
	if attributesToGet != nil {
		return expr.ProjectionOf(attributesToGet)
	}
	b, err := x.Bindings()
	if err != nil || !x.Projection.Set {
		return nil, err
	}
	p, err := expr.ParseProjection(x.Projection.Value, b)
	if err != nil {
		return nil, err
	}
	return p, b.Unused()
}

// appendProjected appends an item's attributes as far as p, if there is one,
// names them.
func appendProjected(dst []byte, e item.Encoded, p *expr.Projection) ([]byte, error) {
	if p == nil {
		return awsjson.AppendItem(dst, e), nil
	}
	projected, err := p.Apply(e)
	if err != nil {
		return dst, err
	}
	return awsjson.AppendItem(dst, projected), nil
}

// keysWhole refuses paths that lead into a key attribute.
func keysWhole(t *schema.Table, paths []item.Path) error {
	for _, k := range []*schema.KeyAttribute{&t.Partition, t.Sort} {
		if k == nil {
			continue
		}
		for _, path := range paths {
			if len(path) > 1 && path[0].Name == k.Name {
				return awsjson.Validationf("Key attributes must be scalars; "+
					"list random access '[]' and map lookup '.' are not allowed: Key: %s", k.Name)
			}
		}
	}
	return nil
}
