// Package api is the operations of DynamoDB: what each request must look like,
// what it asks of tables, and what it answers.
//
// It has one file per family of operations. It owns the order in which
// requests are checked and DynamoDB's texts for what is wrong with them, the
// arithmetic of consumed capacity, and what the API shows of tables and their
// replicas. Conditions and updates are evaluated by the partitions; the package
// parses them into commands.
//
// It knows tables and items, not where they are: it reaches them through the
// interfaces in store.go. It does not know of HTTP.
package api

import (
	"context"
	"log/slog"

	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/region/awsjson"
)

// Options say what an API works on.
type Options struct {
	// Region is this region's name.
	Region string
	// Account is the account number in ARNs. Empty means 000000000000.
	Account string
	// Store holds the items.
	Store Store
	// Tables changes tables.
	Tables Tables
	// TableSize is about how many items a table has and how many bytes; it may
	// be hours old. nil means that nobody counts.
	TableSize func(t *catalog.Table) (items, bytes int64)
	// Replicas spreads tables over regions. nil means that there is one region
	// only.
	Replicas Replicas
	// Logger gets what clients are not told. nil means slog.Default.
	Logger *slog.Logger
}

// API carries out the operations. It is safe for concurrent use.
type API struct {
	region, account string
	store           Store
	tables          Tables
	tableSize       func(t *catalog.Table) (items, bytes int64)
	replicas        Replicas
	log             *slog.Logger
}

// New makes an API.
func New(o Options) *API {
	a := &API{
		region: o.Region, account: o.Account,
		store: o.Store, tables: o.Tables, tableSize: o.TableSize, replicas: o.Replicas, log: o.Logger,
	}
	if a.tableSize == nil {
		a.tableSize = func(*catalog.Table) (int64, int64) { return 0, 0 }
	}
	if a.account == "" {
		a.account = "000000000000"
	}
	if a.log == nil {
		a.log = slog.Default()
	}
	return a
}

// Targets is the operations by X-Amz-Target.
func (a *API) Targets() awsjson.Targets {
	targets := awsjson.Targets{}
	for name, op := range map[string]awsjson.Operation{
		"PutItem":        a.putItem,
		"GetItem":        a.getItem,
		"DeleteItem":     a.deleteItem,
		"UpdateItem":     a.updateItem,
		"Query":          a.query,
		"Scan":           a.scan,
		"BatchGetItem":   a.batchGetItem,
		"BatchWriteItem": a.batchWriteItem,

		"CreateTable":   shaped(a.createTable),
		"DescribeTable": shaped(a.describeTable),
		"ListTables":    shaped(a.listTables),
		"UpdateTable":   shaped(a.updateTable),
		"DeleteTable":   shaped(a.deleteTable),

		"TagResource":        shaped(a.tagResource),
		"UntagResource":      shaped(a.untagResource),
		"ListTagsOfResource": shaped(a.listTags),

		"DescribeEndpoints":         a.describeEndpoints,
		"DescribeLimits":            shaped(a.describeLimits),
		"DescribeTimeToLive":        shaped(a.describeTimeToLive),
		"DescribeContinuousBackups": shaped(a.describeContinuousBackups),

		"CreateGlobalTable":           shaped(a.createGlobalTable),
		"UpdateGlobalTable":           shaped(a.updateGlobalTable),
		"DescribeGlobalTable":         shaped(a.describeGlobalTable),
		"ListGlobalTables":            shaped(a.listGlobalTables),
		"DescribeGlobalTableSettings": shaped(a.describeGlobalTableSettings),
		"UpdateGlobalTableSettings":   shaped(a.updateGlobalTableSettings),
	} {
		targets[awsjson.TargetPrefix+name] = op
	}
	return targets
}

// shaped makes an operation of a function on the structs of the AWS SDK.
func shaped[In, Out any](call func(context.Context, *In) (*Out, error)) awsjson.Operation {
	return func(ctx context.Context, r *awsjson.Request, dst []byte) ([]byte, error) {
		in := new(In)
		if err := awsjson.Unmarshal(r.Body, in); err != nil {
			return dst, err
		}
		out, err := call(ctx, in)
		if err != nil {
			return dst, err
		}
		return awsjson.AppendShape(dst, out), nil
	}
}
