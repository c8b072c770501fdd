package awsjson_test

import (
	"bytes"
	"context"
	"hash/crc32"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/go-cmp/cmp"

	"github.com/roundtabledb/roundtable/region/awsjson"
)

// wire answers an SDK client's request with an output and keeps the request.
type wire struct {
	output any
	sent   []byte
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	var err error
	if w.sent, err = io.ReadAll(r.Body); err != nil {
		return nil, err
	}
	body := awsjson.AppendShape(nil, w.output)
	header := http.Header{}
	header.Set("Content-Type", "application/x-amz-json-1.0")
	header.Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10))
	return &http.Response{
		StatusCode: http.StatusOK, Header: header, Body: io.NopCloser(bytes.NewReader(body)),
		ContentLength: int64(len(body)), Request: r,
	}, nil
}

// fill gives everything in v a value, down to some depth.
func fill(v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), depth)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(1_790_000_000, 0).UTC()))
			return
		}
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && !f.Anonymous && f.Name != "ResultMetadata" && depth > 0 {
				fill(v.Field(i), depth-1)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), depth)
		}
	case reflect.Map:
		e := reflect.New(v.Type().Elem()).Elem()
		fill(e, depth)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("key").Convert(v.Type().Key()), e)
	case reflect.String:
		v.SetString("text \"\\\u00e9")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int32, reflect.Int64:
		v.SetInt(42)
	case reflect.Float64:
		v.SetFloat(70.5)
	}
}

var bySDK = cmp.Options{
	cmp.FilterPath(func(p cmp.Path) bool {
		f, ok := p.Last().(cmp.StructField)
		return ok && (f.Name() == "noSmithyDocumentSerde" || f.Name() == "ResultMetadata")
	}, cmp.Ignore()),
	cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) }),
}

// check sends a full input through the SDK and a full output back.
func check[In, Out any](t *testing.T, call func(*dynamodb.Client, context.Context, *In, ...func(*dynamodb.Options)) (*Out, error)) {
	t.Helper()
	in, out := new(In), new(Out)
	fill(reflect.ValueOf(in).Elem(), 8)
	fill(reflect.ValueOf(out).Elem(), 8)
	name := reflect.TypeFor[In]().Name()
	w := &wire{output: out}
	client := dynamodb.New(dynamodb.Options{
		Region:       "eu-test-1",
		BaseEndpoint: aws.String("http://db.test"),
		Credentials:  credentials.NewStaticCredentialsProvider("key", "secret", ""),
		HTTPClient:   &http.Client{Transport: w},
	})
	answered, err := call(client, t.Context(), in)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	if diff := cmp.Diff(out, answered, bySDK); diff != "" {
		t.Errorf("answer to %s (-sent +received):\n%s", name, diff)
	}
	received := new(In)
	if err := awsjson.Unmarshal(w.sent, received); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	if diff := cmp.Diff(in, received, bySDK); diff != "" {
		t.Errorf("%s (-sent +received):\n%s", name, diff)
	}
}

// TestShapes: what the AWS SDK writes is what Unmarshal reads, and what
// AppendShape writes is what the SDK reads.
func TestShapes(t *testing.T) {
	check(t, (*dynamodb.Client).CreateTable)
	check(t, (*dynamodb.Client).DescribeTable)
	check(t, (*dynamodb.Client).ListTables)
	check(t, (*dynamodb.Client).UpdateTable)
	check(t, (*dynamodb.Client).DeleteTable)
	check(t, (*dynamodb.Client).TagResource)
	check(t, (*dynamodb.Client).UntagResource)
	check(t, (*dynamodb.Client).ListTagsOfResource)
	check(t, (*dynamodb.Client).DescribeEndpoints)
	check(t, (*dynamodb.Client).DescribeLimits)
	check(t, (*dynamodb.Client).DescribeTimeToLive)
	check(t, (*dynamodb.Client).DescribeContinuousBackups)
	check(t, (*dynamodb.Client).CreateGlobalTable)
	check(t, (*dynamodb.Client).UpdateGlobalTable)
	check(t, (*dynamodb.Client).DescribeGlobalTable)
	check(t, (*dynamodb.Client).ListGlobalTables)
	check(t, (*dynamodb.Client).DescribeGlobalTableSettings)
	check(t, (*dynamodb.Client).UpdateGlobalTableSettings)
}
