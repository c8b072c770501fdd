package api

import (
	"context"

	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/cluster/router"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/machine"
	"github.com/roundtabledb/roundtable/storage/schema"
)

// Store holds the items of the region's tables. Its errors are storage.Errors.
type Store interface {
	// Table returns a table by name.
	Table(name string) (*catalog.Table, bool)
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

// Tables changes the records of the region's tables. Its methods return a
// record as it is after the call; what the call has begun goes on in the
// background, and the record's Status says so. Their errors are storage.Errors.
type Tables interface {
	// TableNames lists the tables in order of name.
	TableNames() []string
	// CreateTable begins to create a table: CREATING, then ACTIVE. It makes up
	// what a client does not say. A table of that name that exists already is
	// ResourceInUse. global is the replica set that the table begins with.
	CreateTable(ctx context.Context, table schema.Table, global *catalog.Global) (*catalog.Table, error)
	// UpdateTable changes a table's record atomically: change is given a copy to
	// edit, perhaps more than once, and its error ends the call. A table set to
	// DELETING will be gone.
	UpdateTable(ctx context.Context, name string, change func(*catalog.Table) error) (*catalog.Table, error)
}

// Replicas spreads tables over regions. It knows the regions; api knows the
// requests. Both methods return when the change is decided, not when it is
// carried out. Their errors are storage.Errors with DynamoDB's texts.
type Replicas interface {
	AddReplica(ctx context.Context, table, region string) error
	RemoveReplica(ctx context.Context, table, region string) error
}
