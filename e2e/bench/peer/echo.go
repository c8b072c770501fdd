package peer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/roundtabledb/roundtable/e2e/bench/server"
)

// Echo is net/http and encoding/json in a process of their own and nothing
// else: it takes the requests that Roundtable takes and answers GetItem with an
// item of the usual size and the key that was asked for.
type Echo struct {
	process  *server.Process
	Endpoint string
}

// StartEcho starts the echo: self is the program that calls ServeEcho when its
// arguments are "echo" and an address.
func StartEcho(ctx context.Context, self, dir string) (*Echo, error) {
	addresses, err := server.Addresses(1)
	if err != nil {
		return nil, err
	}
	p, err := server.Start(filepath.Join(dir, "echo.log"), exec.Command(self, "echo", addresses[0]))
	if err != nil {
		return nil, err
	}
	e := &Echo{process: p, Endpoint: "http://" + addresses[0]}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := p.Await(ctx, server.Dialled(addresses[0])); err != nil {
		return nil, errors.Join(fmt.Errorf("start the echo: %w", err), e.Close())
	}
	return e, nil
}

// Processes are the process ids.
func (e *Echo) Processes() []int { return []int{e.process.ID()} }

// Close ends the server.
func (e *Echo) Close() error { return e.process.Kill() }

// ServeEcho is the process of an Echo.
func ServeEcho(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	return http.Serve(l, echoHandler)
}

type echoRequest struct {
	TableName string
	Key       map[string]echoValue
	Item      map[string]echoValue
}

type echoValue struct{ S string }

type echoAnswer struct {
	Item  map[string]echoValue `json:",omitempty"`
	Table *echoTable           `json:",omitempty"`
}

type echoTable struct{ TableStatus string }

var echoed = strings.Repeat("x", ItemBytes-keyBytes-len("pk")-len("v"))

var echoHandler = http.HandlerFunc(echo)

func echo(w http.ResponseWriter, r *http.Request) {
	var request echoRequest
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer := echoAnswer{Table: &echoTable{"ACTIVE"}}
	if request.Key != nil {
		answer = echoAnswer{Item: map[string]echoValue{"pk": request.Key["pk"], "v": {echoed}}}
	}
	body, err := json.Marshal(answer)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	_, _ = w.Write(body) // a client that has gone misses nothing
}
