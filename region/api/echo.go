package api

import (
	"fmt"
	"strings"

	"github.com/roundtabledb/roundtable/region/request"
	"github.com/roundtabledb/roundtable/storage/item"
)

// told is a BatchWriteItem as DynamoDB's errors repeat it: as its program prints
// its objects.
func (in *batchWriteRequest) told() string {
	var b strings.Builder
	b.WriteByte('{')
	for i, t := range in.tables {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(t.name + "=[")
		for j, w := range t.writes {
			if j > 0 {
				b.WriteString(", ")
			}
			b.WriteString("WriteRequest(putRequest=")
			tellWrite(&b, "PutRequest(item=", w.put, ", workloadProfileName=null)")
			b.WriteString(", deleteRequest=")
			tellWrite(&b, "DeleteRequest(key=", w.delete, ")")
			b.WriteByte(')')
		}
		b.WriteByte(']')
	}
	b.WriteByte('}')
	return b.String()
}

func tellWrite(b *strings.Builder, before string, a request.Attributes, after string) {
	if !a.Set {
		b.WriteString("null")
		return
	}
	b.WriteString(before)
	it, err := a.Item.Decode()
	if err != nil { // of a value that is not acceptable nothing was kept
		it = item.Item{}
	}
	tellItem(b, it)
	b.WriteString(after)
}

func tellItem(b *strings.Builder, it item.Item) {
	b.WriteByte('{')
	for i, a := range it.All() {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(a.Name + "=")
		tellValue(b, a.Value)
	}
	b.WriteByte('}')
}

// members is the members of an attribute value as they are printed. Some have
// no name in the API.
var members = []struct {
	name string
	kind item.Kind
}{
	{"s", item.S}, {"n", item.N}, {"b", item.B}, {"iNT", item.Invalid}, {"dECIMAL", item.Invalid}, {"dOUBLE", item.Invalid},
	{"sS", item.SS}, {"nS", item.NS}, {"bS", item.BS}, {"iNTSET", item.Invalid}, {"dECIMALSET", item.Invalid}, {"dOUBLESET", item.Invalid},
	{"m", item.M}, {"l", item.L}, {"nULL", item.NULL}, {"bOOL", item.BOOL},
}

func tellValue(b *strings.Builder, v item.Value) {
	b.WriteString("AttributeValue(")
	for i, m := range members {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(m.name + "=")
		if m.kind != v.Kind() {
			b.WriteString("null")
			continue
		}
		tellDatum(b, v)
	}
	b.WriteByte(')')
}

func tellDatum(b *strings.Builder, v item.Value) {
	switch v.Kind() {
	case item.S:
		b.WriteString(v.Str())
	case item.N:
		b.WriteString(v.Number().String())
	case item.B:
		fmt.Fprintf(b, "java.nio.HeapByteBuffer[pos=0 lim=%d cap=%[1]d]", len(v.Str()))
	case item.M:
		tellItem(b, v.Doc())
	case item.NULL:
		b.WriteString("true")
	case item.BOOL:
		fmt.Fprint(b, v.Bool())
	default:
		b.WriteByte('[')
		for i, e := range v.Elems() {
			if i > 0 {
				b.WriteString(", ")
			}
			if v.Kind() == item.L {
				tellValue(b, e)
			} else {
				tellDatum(b, e)
			}
		}
		b.WriteByte(']')
	}
}
