// Package api is DynamoDB's operations on items: what each request must look
// like, what it asks of a table, and what it answers.
//
// It has one file per family of operations. It owns the order in which
// requests are checked and DynamoDB's texts for what is wrong with them, and
// the arithmetic of consumed capacity. Conditions and updates are evaluated by
// the partitions; the package parses them into commands.
//
// It knows tables and items, not where they are. It does not know of HTTP.
package api

import (
	"context"

	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/cluster/router"
	"github.com/roundtabledb/roundtable/region/awsjson"
	"github.com/roundtabledb/roundtable/region/constraint"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/machine"
)

// Store holds the items of the region's tables. Its errors are storage.Errors.
type Store interface {
	// Lookup returns a table by name. ResourceNotFound says that there is none.
	Lookup(name string) (*catalog.Table, error)
	// Execute carries out one command, exactly once.
	Execute(ctx context.Context, t *catalog.Table, cmd *command.Command) (command.Result, error)
	// ExecuteAll carries out commands side by side, in no promised order.
	ExecuteAll(ctx context.Context, cmds []router.TableCommand) []router.Outcome
	// Get reads one item, nil when there is none.
	Get(ctx context.Context, t *catalog.Table, key []byte, consistent bool) (item.Encoded, error)
	// Page reads items in key order until a limit of req or the end of its
	// range is reached. A page that stops at a limit has More, even when it
	// stopped at the last item of the range.
	Page(ctx context.Context, t *catalog.Table, req machine.PageRequest, consistent bool) (machine.Page, error)
}

var _ Store = (*router.Router)(nil)

// API carries out the operations. It is safe for concurrent use.
type API struct {
	store Store
	home  constraint.Home
}

// New makes an API. home is the region and account that ARNs must name.
func New(store Store, home constraint.Home) *API { return &API{store: store, home: home} }

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
	} {
		targets[awsjson.TargetPrefix+name] = op
	}
	return targets
}
