package awsjson

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/item"
)

// DynamoDB words its refusals in two ways. Most operations have a newer
// generation of texts; BatchWriteItem, Scan and the transactions have kept the
// older one, and so does a request that is nested very deep. This file holds
// the older texts of values.

// UseOlderWords makes r refuse values in the older words.
func (r *Reader) UseOlderWords() { r.older = true }

// tooDeepForNew is how many levels of JSON a request has that carries a value
// of more than 62 levels: two for each level of the value, and the request, the
// member and the innermost value.
const tooDeepForNew = 2*62 + 3

// Deep reports whether what was read nests so deep that DynamoDB answers in the
// older words, whatever the operation.
func (r *Reader) Deep() bool { return r.deepest > tooDeepForNew }

// olderNumberError words the refusal of a number. The older reading holds
// exponents in 32 bits: one beyond cannot be read, and the largest wraps.
func olderNumberError(text string, err error) error {
	if text == "" {
		return storage.Validationf("The parameter cannot be converted to a numeric value")
	}
	_, digits, ok := strings.Cut(strings.ToLower(text), "e")
	e, unread := strconv.ParseInt(digits, 10, 64)
	switch {
	case !ok || unread != nil:
		return err
	case e > math.MaxInt32 || e < -math.MaxInt32:
		return storage.Validationf("The parameter cannot be converted to a numeric value: %s", text)
	case e == math.MaxInt32:
		return storage.Validationf("Number underflow. Attempting to store a number with magnitude smaller than supported range")
	}
	return err
}

// olderDuplicate words the refusal of a set that names a member twice.
func olderDuplicate(kind item.Kind, members []item.Value) error {
	texts := make([]string, len(members))
	for i, m := range members {
		texts[i] = m.Str()
		if kind == item.BS {
			texts[i] = base64.StdEncoding.EncodeToString([]byte(m.Str()))
		}
	}
	told := strings.Join(texts, ", ")
	switch kind {
	case item.NS:
		return storage.Validationf("Input collection contains duplicates")
	case item.BS:
		return storage.Validationf("One or more parameter values were invalid: Input collection [%s]of type BS contains duplicates.", told)
	default:
		return storage.Validationf("One or more parameter values were invalid: Input collection [%s] contains duplicates.", told)
	}
}
