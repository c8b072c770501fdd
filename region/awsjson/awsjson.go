// Package awsjson is the wire of Roundtable: AWS JSON 1.0 over HTTP, as the
// DynamoDB API speaks it.
//
// It owns the HTTP handler that finds the operation of a request and answers
// it, the form of answers and errors, the reader that the item operations
// decode their requests with, the codec between DynamoDB's JSON and items, and
// the codec between JSON and the structs of the AWS SDK, which the control
// plane uses. It is the one place where a storage.Error becomes an exception
// that clients see.
//
// It does not know what any operation means.
package awsjson

import "context"

// Request is one call of an operation.
type Request struct {
	// Operation is the name of the operation: "PutItem".
	Operation string
	// Body is the JSON of the request. It belongs to the request for good: what
	// is decoded from it may alias it.
	Body []byte
	// Host is the host, with its port if any, that the client called.
	Host string
	// ID is the x-amzn-RequestId of the answer.
	ID string
}

// Operation answers one call: it appends the JSON of the answer to dst and
// returns it. An error becomes the exception that ExceptionOf makes of it.
type Operation func(ctx context.Context, r *Request, dst []byte) ([]byte, error)
