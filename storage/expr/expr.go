// Package expr is DynamoDB's expression language: condition, filter, key
// condition, projection and update expressions, and the legacy parameters that
// they replaced.
//
// It owns the trees of the language (package syntax reads its text), with names
// and values substituted, their evaluation on items, and their binary
// encoding (encode.go has the format), in which they travel in the Raft log.
// Errors are storage.Validation with DynamoDB's own texts; what is wrong with
// an expression alone is found when it is parsed, and what only an item shows
// when it is evaluated. Trees are immutable, safe for concurrent use, and
// evaluated without clock, randomness or map order, so that every peer comes to
// the same result.
//
// A caller parses all expressions of a request with one Bindings, and answers
// with the first error:
//
//  1. Bindings.Validate
//  2. those of ParseUpdate, ParseKeyExpression, ParseCondition, ParseFilter and
//     ParseProjection that the request needs, in this order
//  3. Bindings.Unused
//  4. Condition.KeyCondition
//
// It must not know of tables, of keys on disk, of requests or of JSON.
package expr
