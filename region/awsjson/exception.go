package awsjson

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/item"
)

// Exception is an error as clients see it.
type Exception struct {
	// Status is the HTTP status of the answer.
	Status int
	// Name is the exception's name without its namespace.
	Name string
	// Message is for the caller; without it the answer has none either.
	Message string
	// Item is the item that a failed condition was evaluated on, if the caller
	// asked for it.
	Item item.Encoded
	// Err is the cause, for logs.
	Err error
}

// Error describes the exception with its cause.
func (e *Exception) Error() string {
	s := e.Name
	if e.Message != "" {
		s += ": " + e.Message
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Exception) Unwrap() error { return e.Err }

// NewException makes an exception that answers with HTTP status 400, as all
// exceptions do that are the caller's doing.
func NewException(name, format string, args ...any) *Exception {
	return &Exception{Status: http.StatusBadRequest, Name: name, Message: fmt.Sprintf(format, args...)}
}

// Serializationf says that a request is not of the shape that its operation
// has. DynamoDB's text for a body that is not JSON at all is empty.
func Serializationf(format string, args ...any) *Exception {
	return NewException("SerializationException", format, args...)
}

// Validationf says that a request is of the right shape but not acceptable.
func Validationf(format string, args ...any) *Exception {
	return NewException("ValidationException", format, args...)
}

// ExceptionOf is what clients see of an error.
func ExceptionOf(err error) *Exception {
	var x *Exception
	if errors.As(err, &x) {
		return x
	}
	var e *storage.Error
	if !errors.As(err, &e) {
		return internalError(err)
	}
	switch e.Kind {
	case storage.Validation:
		return refusal("ValidationException", e)
	case storage.ConditionalCheckFailed:
		x := refusal("ConditionalCheckFailedException", e)
		x.Message = "The conditional request failed"
		x.Item = e.Item
		return x
	case storage.TransactionCanceled:
		return refusal("TransactionCanceledException", e)
	case storage.TransactionConflict:
		return refusal("TransactionConflictException", e)
	case storage.ResourceNotFound:
		return refusal("ResourceNotFoundException", e)
	case storage.ResourceInUse:
		return refusal("ResourceInUseException", e)
	case storage.LimitExceeded:
		return refusal("LimitExceededException", e)
	case storage.Throttled:
		return refusal("ProvisionedThroughputExceededException", e)
	default:
		// The environment's failures and broken invariants: all SDKs retry an
		// InternalServerError.
		return internalError(err)
	}
}

func refusal(name string, e *storage.Error) *Exception {
	return &Exception{Status: http.StatusBadRequest, Name: name, Message: e.Message, Err: e}
}

func internalError(err error) *Exception {
	return &Exception{
		Status:  http.StatusInternalServerError,
		Name:    "InternalServerError",
		Message: "The server encountered an internal error trying to fulfill the request.",
		Err:     err,
	}
}

// The namespaces of exception names. Most belong to DynamoDB's own model; the
// framework under it has its own.
const (
	dynamodbNamespace  = "com.amazonaws.dynamodb.v20120810#"
	frameworkNamespace = "com.amazon.coral.service#"
	validateNamespace  = "com.amazon.coral.validate#"
)

func namespace(name string) string {
	switch name {
	case "ValidationException":
		return validateNamespace
	case "SerializationException", "UnknownOperationException", "AccessDeniedException",
		"MissingAuthenticationTokenException", "IncompleteSignatureException",
		"InvalidSignatureException", "UnrecognizedClientException", "ExpiredTokenException":
		return frameworkNamespace
	default:
		return dynamodbNamespace
	}
}

// AppendException appends the body of an error answer.
func AppendException(dst []byte, x *Exception) []byte {
	ns := namespace(x.Name)
	dst = append(dst, `{"__type":"`...)
	dst = append(dst, ns...)
	dst = append(dst, x.Name...)
	dst = append(dst, '"')
	if x.Message != "" {
		// The spelling differs, and the SDKs know both.
		key := `,"message":`
		if x.Name == "SerializationException" || x.Name == "AccessDeniedException" || x.Name == "TransactionCanceledException" {
			key = `,"Message":`
		}
		dst = append(dst, key...)
		dst = AppendString(dst, x.Message)
	}
	if len(x.Item) > 0 {
		dst = append(dst, `,"Item":`...)
		dst = AppendItem(dst, x.Item)
	}
	return append(dst, '}')
}
