package awsjson

import (
	"context"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/roundtabledb/roundtable/region/httpserve"
	"github.com/roundtabledb/roundtable/storage"
)

// Targets maps the X-Amz-Target of a request to its operation:
// "DynamoDB_20120810.PutItem".
type Targets map[string]Operation

// TargetPrefix begins the targets of the DynamoDB API.
const TargetPrefix = "DynamoDB_20120810."

// Observation is what happened to one request, for metrics.
type Observation struct {
	// Operation is the operation's name, empty when there is none such.
	Operation string
	// Status is the HTTP status of the answer.
	Status int
	// Exception is the name of the exception, empty for success.
	Exception string
	// Start is when the request's header had arrived.
	Start time.Time
	// In and Out are the sizes of the bodies.
	In, Out int
}

// Options configure a Handler.
type Options struct {
	// Targets are the operations there are.
	Targets Targets
	// Region is the region's name.
	Region string
	// Authenticate checks who calls, and returns the context of the operation.
	// nil lets everybody in.
	Authenticate func(r *http.Request, body []byte) (context.Context, error)
	// Observe is called after each request. nil observes nothing.
	Observe func(ctx context.Context, o Observation)
	// Timeout bounds how long an operation may take. 0 means 20 s.
	Timeout time.Duration
	// Logger gets the causes of internal errors. nil means slog.Default.
	Logger *slog.Logger
}

// maxBody is DynamoDB's limit of a request.
const maxBody = 16 << 20

// Handler answers HTTP requests with the operations that it was given. It is
// safe for concurrent use.
type Handler struct{ o Options }

// NewHandler makes a Handler.
func NewHandler(o Options) *Handler {
	if o.Timeout == 0 {
		o.Timeout = 20 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return &Handler{o: o}
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	seen := Observation{Start: time.Now(), Status: http.StatusOK}
	out := newAnswer()
	h.serve(w, r, out, &seen)
	seen.Out = len(out.body)
	out.release()
	if h.o.Observe != nil {
		h.o.Observe(r.Context(), seen)
	}
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request, out *answer, seen *Observation) {
	id := requestID()
	header := w.Header()
	header["X-Amzn-Requestid"] = []string{id}
	if r.Header.Get("Origin") != "" {
		header.Set("Access-Control-Allow-Origin", "*")
		header.Set("Access-Control-Expose-Headers", "x-amzn-RequestId, x-amz-crc32")
		if r.Method == http.MethodOptions {
			preflight(header, r)
			w.WriteHeader(http.StatusOK)
			return
		}
	}
	if r.Method == http.MethodGet {
		out.body = append(out.body, "healthy: dynamodb."+h.o.Region+".amazonaws.com "...)
		h.send(w, r, out, seen, "text/plain")
		return
	}
	sent, err := readBody(r)
	seen.In = len(sent)
	if err != nil {
		h.refuseBody(w, r, seen, err)
		return
	}
	contentType, ok := contentTypeOf(r, len(sent) > 0)
	if r.Method != http.MethodPost || !ok {
		seen.Status, seen.Exception = http.StatusNotFound, "UnknownOperationException"
		out.body = append(out.body, "<UnknownOperationException/>\n"...)
		h.send(w, r, out, seen, "")
		return
	}
	body, err := unpack(r, sent)
	switch {
	case errors.Is(err, errTooLarge):
		h.refuseBody(w, r, seen, err)
		return
	case err == nil:
		out.body, err = h.call(r, id, sent, body, out.body, seen)
	}
	if err != nil {
		x := ExceptionOf(err)
		seen.Status, seen.Exception = x.Status, x.Name
		out.body = AppendException(out.body[:0], x)
		if x.Status >= http.StatusInternalServerError {
			h.tell(r.Context(), seen.Operation, id, err)
		}
	}
	h.send(w, r, out, seen, contentType)
}

// tell logs what a client is not told. What may pass, and comes in crowds while
// leaders change, is for those who look for it; metrics count it.
func (h *Handler) tell(ctx context.Context, operation, id string, err error) {
	level := slog.LevelError
	switch storage.KindOf(err) {
	case storage.Unavailable, storage.Ambiguous, storage.NotLeader, storage.WrongPartition, storage.StaleRequest:
		level = slog.LevelDebug
	}
	if ctx.Err() != nil || errors.Is(err, errCoding) {
		level = slog.LevelDebug
	}
	h.o.Logger.LogAttrs(ctx, level, "operation failed",
		slog.String("operation", operation), slog.String("request", id), slog.Any("err", err))
}

// call finds the operation of a request and carries it out. sent is the body as
// it was sent and signed, body what it says. What is no JSON is refused before
// anything else.
func (h *Handler) call(r *http.Request, id string, sent, body, dst []byte, seen *Observation) ([]byte, error) {
	target := r.Header.Get("X-Amz-Target")
	if target == "" && r.URL.RawQuery != "" {
		// SDKs that sign in the query put this there, too.
		target = r.URL.Query().Get("X-Amz-Target")
	}
	op, ok := h.o.Targets[target]
	if !ok {
		return dst, unlessMalformed(body, NewException("UnknownOperationException", ""))
	}
	_, seen.Operation, _ = strings.Cut(target, ".")
	ctx := r.Context()
	if h.o.Authenticate != nil {
		var err error
		if ctx, err = h.o.Authenticate(r, sent); err != nil {
			return dst, unlessMalformed(body, err)
		}
	}
	if len(body) == 0 {
		return dst, Serializationf("")
	}
	ctx, cancel := httpserve.WithTimeout(ctx, h.o.Timeout)
	defer cancel()
	dst, err := op(ctx, &Request{Operation: seen.Operation, Body: body, Host: r.Host, ID: id}, dst)
	if err != nil {
		switch ExceptionOf(err).Name {
		case "SerializationException", "ValidationException":
			// What was read may be wrong, and the rest of it no JSON.
			err = unlessMalformed(body, err)
		}
	}
	return dst, err
}

// unlessMalformed is err, unless there is a body that is no JSON.
func unlessMalformed(body []byte, err error) error {
	if len(body) > 0 && !json.Valid(body) {
		return Serializationf("")
	}
	return err
}

// send sends an answer whole, with the checksum of what is sent: clients take a
// wrong one for a damaged answer.
func (h *Handler) send(w http.ResponseWriter, r *http.Request, out *answer, seen *Observation, contentType string) {
	header := w.Header()
	if contentType != "" {
		header["Content-Type"] = []string{contentType}
	}
	body := out.body
	if len(body) >= minPacked {
		if coding := accepted(r); coding != nil {
			body = coding.pack(&out.packed, body)
			header["Content-Encoding"] = []string{coding.name}
		}
	}
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	header["X-Amz-Crc32"] = []string{strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10)}
	w.WriteHeader(seen.Status)
	// A client that has gone does not hear of it.
	_, _ = w.Write(body)
}

func preflight(header http.Header, r *http.Request) {
	if v := r.Header.Get("Access-Control-Request-Headers"); v != "" {
		header.Set("Access-Control-Allow-Headers", v)
	}
	if v := r.Header.Get("Access-Control-Request-Method"); v != "" {
		header.Set("Access-Control-Allow-Methods", v)
	}
	header.Set("Access-Control-Max-Age", "172800")
}

// errTooLarge says that a body is over maxBody.
var errTooLarge = errors.New("request body is too large")

func readBody(r *http.Request) ([]byte, error) {
	if r.ContentLength > maxBody {
		return nil, errTooLarge
	}
	if r.ContentLength >= 0 {
		body := make([]byte, r.ContentLength)
		_, err := io.ReadFull(r.Body, body)
		return body, err
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if len(body) > maxBody {
		return nil, errTooLarge
	}
	return body, err
}

func (h *Handler) refuseBody(w http.ResponseWriter, r *http.Request, seen *Observation, err error) {
	if !errors.Is(err, errTooLarge) {
		h.o.Logger.LogAttrs(r.Context(), slog.LevelDebug, "request body was cut short", slog.Any("err", err))
		seen.Status = http.StatusBadRequest
		w.WriteHeader(seen.Status)
		return
	}
	// A client that sends more still may never see an answer to it; one that is
	// nearly through does.
	_, _ = io.CopyN(io.Discard, r.Body, maxBody)
	seen.Status = http.StatusRequestEntityTooLarge
	w.Header().Set("Connection", "close")
	w.WriteHeader(seen.Status)
}

const contentTypeJSON10 = "application/x-amz-json-1.0"

// contentTypeOf is the content type to answer with, and whether the request's
// is one that DynamoDB takes.
func contentTypeOf(r *http.Request, hasBody bool) (string, bool) {
	given := r.Header.Get("Content-Type")
	if given == contentTypeJSON10 {
		return given, true
	}
	base, _, _ := strings.Cut(given, ";")
	switch base = strings.TrimSpace(base); base {
	case contentTypeJSON10, "application/json":
		return base, true
	default:
		return "application/json", !hasBody
	}
}

// requestID makes an id as DynamoDB's look: 52 letters and digits.
func requestID() string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
	var id [52]byte
	for i := 0; i < len(id); i += 12 {
		bits := rand.Uint64()
		for j := i; j < min(i+12, len(id)); j++ {
			id[j] = alphabet[bits&31]
			bits >>= 5
		}
	}
	return string(id[:])
}
