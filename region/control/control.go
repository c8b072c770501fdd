// Package control is the control plane of DynamoDB's API: the operations on
// tables, their settings, tags and replicas, and those that describe the
// service.
//
// It owns the checks of these requests, DynamoDB's texts for what is wrong with
// them, and what the API shows of a table. Requests and answers are the AWS
// SDK's structs. It changes a table by changing its record; who carries that out
// is not its business. What the API has and Roundtable has not yet is refused
// by name.
package control

import (
	"context"

	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/region/awsjson"
	"github.com/roundtabledb/roundtable/region/constraint"
	"github.com/roundtabledb/roundtable/storage/schema"
)

// Tables is the region's tables. What its methods begin goes on in the
// background, and a record's Status says so. Their errors are storage.Errors.
type Tables interface {
	// Lookup returns a table's record by name. ResourceNotFound says that there
	// is none.
	Lookup(name string) (*catalog.Table, error)
	// TableNames lists the tables in order of name.
	TableNames() []string
	// CreateTable begins to create a table: CREATING, then ACTIVE. It makes up
	// what a client does not say. A table of that name that exists already is
	// ResourceInUse. global is the replica set that the table begins with.
	CreateTable(ctx context.Context, table schema.Table, global *catalog.Global) (*catalog.Table, error)
	// UpdateTable changes a table's record atomically and returns it as changed:
	// change is given a copy to edit, perhaps more than once, and its error ends
	// the call. A table set to DELETING will be gone.
	UpdateTable(ctx context.Context, name string, change func(*catalog.Table) error) (*catalog.Table, error)
}

// Replicas spreads tables over regions: it knows the regions. Its methods
// return when the change is decided, not when it is carried out. Their errors
// are storage.Errors with DynamoDB's texts.
type Replicas interface {
	AddReplica(ctx context.Context, table, region string) error
	RemoveReplica(ctx context.Context, table, region string) error
	// Leave begins to delete this region's replica of a table, and tells the
	// other regions. It is false, and does nothing, where the table has no other
	// replica.
	Leave(ctx context.Context, table string) (bool, error)
}

// Options say what a Control works on.
type Options struct {
	// Region is this region's name.
	Region string
	// Account is the account number in ARNs. Empty means 000000000000.
	Account string
	// Home is the region and account that ARNs must name. The zero Home takes
	// any.
	Home constraint.Home
	// Tables is the region's tables.
	Tables Tables
	// TableSize is how many items a table has and how many bytes; it may be a
	// minute old. nil means that nobody counts.
	TableSize func(t *catalog.Table) (items, bytes int64)
	// Replicas spreads tables over regions. nil means that there is one region
	// only.
	Replicas Replicas
}

// Control carries out the operations. It is safe for concurrent use.
type Control struct {
	region, account string
	home            constraint.Home
	tables          Tables
	tableSize       func(t *catalog.Table) (items, bytes int64)
	replicas        Replicas
}

// New makes a Control.
func New(o Options) *Control {
	a := &Control{
		region: o.Region, account: o.Account, home: o.Home,
		tables: o.Tables, tableSize: o.TableSize, replicas: o.Replicas,
	}
	if a.account == "" {
		a.account = "000000000000"
	}
	if a.tableSize == nil {
		a.tableSize = func(*catalog.Table) (int64, int64) { return 0, 0 }
	}
	return a
}

// Targets is the operations by X-Amz-Target.
func (a *Control) Targets() awsjson.Targets {
	targets := awsjson.Targets{}
	for name, op := range map[string]awsjson.Operation{
		"CreateTable":   shaped(a.createTable),
		"DescribeTable": shaped(a.describeTable),
		"ListTables":    shaped(a.listTables),
		"UpdateTable":   shaped(a.updateTable),
		"DeleteTable":   shaped(a.deleteTable),

		"TagResource":        silent(a.tagResource),
		"UntagResource":      silent(a.untagResource),
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

// silent makes an operation of a function whose success has no body: DynamoDB's
// answer is empty, not an empty object.
func silent[In any](call func(context.Context, *In) error) awsjson.Operation {
	return func(ctx context.Context, r *awsjson.Request, dst []byte) ([]byte, error) {
		in := new(In)
		if err := awsjson.Unmarshal(r.Body, in); err != nil {
			return dst, err
		}
		return dst, call(ctx, in)
	}
}

// member is a member of a request by name.
type member struct {
	name string
	set  bool
}
