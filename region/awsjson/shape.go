package awsjson

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"time"
)

// Unmarshal reads a request into a struct of the AWS SDK, whose fields have
// the names of the members on the wire. It is made for the control plane: it
// reflects. It knows what the SDK's structs are made of, and no more:
// pointers to scalars, enumerations, structs, slices, maps of strings, times.
func Unmarshal(body []byte, into any) error {
	r := NewReader(body)
	r.shape(reflect.ValueOf(into).Elem())
	return r.End()
}

func (r *Reader) shape(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if r.peek() == 'n' {
			r.Skip()
			return
		}
		p := reflect.New(v.Type().Elem())
		r.shape(p.Elem())
		v.Set(p)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.UnixMilli(r.Int("Long").Value * 1000)))
			return
		}
		r.shapeStruct(v)
	case reflect.Slice:
		if r.peek() == 'n' {
			r.Skip()
			return
		}
		list := reflect.MakeSlice(v.Type(), 0, 4)
		for r.List() {
			e := reflect.New(v.Type().Elem()).Elem()
			r.shape(e)
			list = reflect.Append(list, e)
		}
		v.Set(list)
	case reflect.Map:
		r.shapeMap(v)
	case reflect.String:
		v.SetString(r.Text().Value)
	case reflect.Bool:
		v.SetBool(r.Flag().Value)
	case reflect.Int32:
		v.SetInt(max(math.MinInt32, min(math.MaxInt32, r.Int("Integer").Value)))
	case reflect.Int64:
		v.SetInt(r.Int("Long").Value)
	case reflect.Float64:
		v.SetFloat(r.float())
	default:
		panic(fmt.Sprintf("awsjson: no member of a request is a %s", v.Type()))
	}
}

func (r *Reader) float() float64 {
	if c := r.peek(); c != '-' && (c < '0' || c > '9') {
		r.scalar("Double")
		return 0
	}
	r.atValue = false
	f, err := strconv.ParseFloat(string(r.number()), 64)
	if err != nil && r.err == nil {
		r.malformed()
	}
	return f
}

func (r *Reader) shapeStruct(v reflect.Value) {
	for r.Struct(v.Type().Name()) {
		f, ok := v.Type().FieldByName(string(r.Name()))
		if !ok || !f.IsExported() || f.Anonymous || f.Name == resultMetadata {
			r.Skip()
			continue
		}
		r.shape(v.FieldByIndex(f.Index))
	}
}

func (r *Reader) shapeMap(v reflect.Value) {
	m := reflect.MakeMap(v.Type())
	for r.Map(v.Type().Elem().Name()) {
		key := reflect.ValueOf(string(r.Name())).Convert(v.Type().Key())
		e := reflect.New(v.Type().Elem()).Elem()
		r.shape(e)
		m.SetMapIndex(key, e)
	}
	v.Set(m)
}

// resultMetadata is a field of the SDK's outputs that is not on the wire.
const resultMetadata = "ResultMetadata"

// AppendShape appends a struct of the AWS SDK as JSON, as the API does it:
// absent members are left out, times are seconds since the epoch. The members of
// an embedded struct are its own.
func AppendShape(dst []byte, shape any) []byte {
	return appendShape(dst, reflect.Indirect(reflect.ValueOf(shape)))
}

func appendShape(dst []byte, v reflect.Value) []byte {
	switch v.Kind() {
	case reflect.Pointer:
		return appendShape(dst, v.Elem())
	case reflect.Struct:
		if t, ok := v.Interface().(time.Time); ok {
			return strconv.AppendFloat(dst, float64(t.UnixMilli())/1000, 'f', 3, 64)
		}
		return appendStruct(dst, v)
	case reflect.Slice:
		dst = append(dst, '[')
		for i := range v.Len() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendShape(dst, v.Index(i))
		}
		return append(dst, ']')
	case reflect.Map:
		return appendMap(dst, v)
	case reflect.String:
		return AppendString(dst, v.String())
	case reflect.Bool:
		return strconv.AppendBool(dst, v.Bool())
	case reflect.Int32, reflect.Int64:
		return strconv.AppendInt(dst, v.Int(), 10)
	case reflect.Float64:
		return strconv.AppendFloat(dst, v.Float(), 'f', -1, 64)
	default:
		panic(fmt.Sprintf("awsjson: no member of an answer is a %s", v.Type()))
	}
}

func appendStruct(dst []byte, v reflect.Value) []byte {
	dst = append(dst, '{')
	dst = appendMembers(dst, len(dst), v)
	return append(dst, '}')
}

// appendMembers appends the members of a struct to an object whose members begin
// at a place in dst.
func appendMembers(dst []byte, begin int, v reflect.Value) []byte {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() || f.Name == resultMetadata || v.Field(i).IsZero() {
			continue
		}
		if f.Anonymous {
			dst = appendMembers(dst, begin, v.Field(i))
			continue
		}
		if len(dst) > begin {
			dst = append(dst, ',')
		}
		dst = AppendString(dst, f.Name)
		dst = append(dst, ':')
		dst = appendShape(dst, v.Field(i))
	}
	return dst
}

func appendMap(dst []byte, v reflect.Value) []byte {
	elems := make(map[string]reflect.Value, v.Len())
	for it := v.MapRange(); it.Next(); {
		elems[it.Key().String()] = it.Value()
	}
	dst = append(dst, '{')
	for i, key := range slices.Sorted(maps.Keys(elems)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendString(dst, key)
		dst = append(dst, ':')
		dst = appendShape(dst, elems[key])
	}
	return append(dst, '}')
}
