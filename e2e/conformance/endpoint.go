package conformance

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Endpoint is where requests go. It is safe for concurrent use.
type Endpoint struct {
	URL, Region string
	Credentials aws.Credentials
	Client      *http.Client
}

// Call calls an operation of DynamoDB and returns the status and the body.
func (e *Endpoint) Call(ctx context.Context, operation, body string) (int, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.URL, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	sum := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(ctx, e.Credentials, r, hex.EncodeToString(sum[:]), "dynamodb", e.Region, time.Now()); err != nil {
		return 0, nil, err
	}
	answer, err := e.Client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	return answer.StatusCode, got, err
}

// Create makes a table, empty, and waits until it can be used.
func (e *Endpoint) Create(ctx context.Context, t Table) error {
	if err := e.Drop(ctx, t); err != nil {
		return err
	}
	var attributes, schema []string
	for i, k := range t.Keys {
		attributes = append(attributes, fmt.Sprintf(`{"AttributeName":%q,"AttributeType":%q}`, k.Name, k.Type))
		schema = append(schema, fmt.Sprintf(`{"AttributeName":%q,"KeyType":%q}`, k.Name, []string{"HASH", "RANGE"}[i]))
	}
	status, body, err := e.Call(ctx, "CreateTable", fmt.Sprintf(
		`{"TableName":%q,"BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[%s],"KeySchema":[%s]}`,
		t.Name, strings.Join(attributes, ","), strings.Join(schema, ",")))
	if err != nil || status != http.StatusOK {
		return errors.Join(err, fmt.Errorf("create %s: %d %s", t.Name, status, body))
	}
	return e.await(ctx, t, "ACTIVE")
}

// Drop removes a table, if it is there, and waits until it is not.
func (e *Endpoint) Drop(ctx context.Context, t Table) error {
	status, body, err := e.Call(ctx, "DeleteTable", fmt.Sprintf(`{"TableName":%q}`, t.Name))
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		if bytes.Contains(body, []byte("ResourceNotFoundException")) {
			return nil
		}
		return fmt.Errorf("drop %s: %d %s", t.Name, status, body)
	}
	return e.await(ctx, t, "")
}

// await waits until a table has a status, the empty one when it is not there.
func (e *Endpoint) await(ctx context.Context, t Table, want string) error {
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for {
		status, body, err := e.Call(ctx, "DescribeTable", fmt.Sprintf(`{"TableName":%q}`, t.Name))
		if err != nil {
			return err
		}
		var d struct{ Table struct{ TableStatus string } }
		if err := json.Unmarshal(body, &d); err != nil {
			return err
		}
		if d.Table.TableStatus == want && (want != "" || status != http.StatusOK) {
			return nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("table %s is %q: %w", t.Name, d.Table.TableStatus, ctx.Err())
		}
	}
}
