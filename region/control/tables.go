package control

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/region/awsjson"
	"github.com/roundtabledb/roundtable/region/constraint"
	"github.com/roundtabledb/roundtable/storage"
)

// maxTableNames is how many names ListTables answers with at most.
const maxTableNames = 100

// tableOf finds the table that an operation on tables names.
func (a *Control) tableOf(name *string) (*catalog.Table, error) {
	n, err := a.tableName(name)
	if err != nil {
		return nil, err
	}
	return a.lookup(n, tableNotFound(n))
}

// lookup finds a table by its name, or says with the error given that there is
// none.
func (a *Control) lookup(name string, missing error) (*catalog.Table, error) {
	t, err := a.tables.Lookup(name)
	if storage.KindOf(err) == storage.ResourceNotFound {
		return nil, missing
	}
	return t, err
}

// tableName is the name that a TableName says, which may be an ARN.
func (a *Control) tableName(name *string) (string, error) {
	if name == nil {
		return "", awsjson.Validationf("The parameter 'TableName' is required but was not present in the request")
	}
	return a.home.Table(text(name), "tableName")
}

func tableNotFound(name string) error {
	return storage.Errorf(storage.ResourceNotFound, "Requested resource not found: Table: %s not found", name)
}

type describeTableOutput struct{ Table *tableDescription }

func (a *Control) describeTable(_ context.Context, in *dynamodb.DescribeTableInput) (*describeTableOutput, error) {
	t, err := a.tableOf(in.TableName)
	if err != nil {
		return nil, err
	}
	return &describeTableOutput{Table: a.describe(t)}, nil
}

func (a *Control) listTables(_ context.Context, in *dynamodb.ListTablesInput) (*dynamodb.ListTablesOutput, error) {
	var c constraint.Set
	limit := maxTableNames
	if in.Limit != nil {
		n := int64(*in.Limit)
		c.AtLeast(integer(&n), "limit", 1)
		c.AtMost(integer(&n), "limit", maxTableNames)
		limit = int(n)
	}
	c.Name(text(in.ExclusiveStartTableName), "exclusiveStartTableName", 3)
	if err := c.Err(); err != nil {
		return nil, err
	}
	names := a.tables.TableNames()
	if in.ExclusiveStartTableName != nil {
		at, found := slices.BinarySearch(names, *in.ExclusiveStartTableName)
		if found {
			at++
		}
		names = names[at:]
	}
	out := &dynamodb.ListTablesOutput{TableNames: []string{}}
	out.TableNames = append(out.TableNames, names[:min(limit, len(names))]...)
	if len(names) > limit {
		out.LastEvaluatedTableName = aws.String(names[limit-1])
	}
	return out, nil
}

func (a *Control) deleteTable(ctx context.Context, in *dynamodb.DeleteTableInput) (*tableOutput, error) {
	t, err := a.tableOf(in.TableName)
	if err != nil {
		return nil, err
	}
	if t, err = a.remove(ctx, t); err != nil {
		return nil, err
	}
	d := a.describe(t)
	d.TableStatus = types.TableStatusDeleting
	// The answer says less than DescribeTable would.
	d.CreationDateTime, d.KeySchema, d.AttributeDefinitions = nil, nil, nil
	return &tableOutput{TableDescription: d}, nil
}

// remove begins to delete a table: a replica of a global table takes its leave
// of the others first, and is deleted once they know. What is decided on is the
// record that is changed, not the one this node happened to have: a table's
// protection must hold at once.
func (a *Control) remove(ctx context.Context, t *catalog.Table) (*catalog.Table, error) {
	if err := deletable(t); err != nil {
		return nil, err
	}
	if a.replicas != nil && t.Global != nil {
		left, err := a.replicas.Leave(ctx, t.Name)
		if err != nil {
			return nil, err
		}
		if left {
			if now, err := a.tables.Lookup(t.Name); err == nil && now.ID == t.ID {
				t = now
			}
			return t, nil
		}
	}
	return a.tables.UpdateTable(ctx, t.Name, func(t *catalog.Table) error {
		if err := deletable(t); err != nil {
			return err
		}
		t.Status = catalog.Deleting
		return nil
	})
}

// deletable refuses to delete a table that is being changed, or protected.
func deletable(t *catalog.Table) error {
	if err := idle(t); err != nil {
		return err
	}
	if t.DeletionProtection {
		return awsjson.Validationf("Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.")
	}
	return nil
}

// alive refuses to change a table that goes away.
func alive(t *catalog.Table) error {
	if t.Status == catalog.Deleting {
		return idle(t)
	}
	return nil
}

// idle refuses to change a table that is being changed.
func idle(t *catalog.Table) error {
	var being string
	switch t.Status {
	case catalog.Active:
		return nil
	case catalog.Creating:
		being = "created"
	case catalog.Deleting:
		being = "deleted"
	default:
		being = "updated"
	}
	return storage.Errorf(storage.ResourceInUse, "Attempt to change a resource which is still in use: Table is being %s: %s", being, t.Name)
}

// arn is a table's Amazon Resource Name.
func (a *Control) arn(table string) string { return a.arnIn(a.region, table) }

func (a *Control) arnIn(region, table string) string {
	return fmt.Sprintf("arn:aws:dynamodb:%s:%s:table/%s", cmp.Or(region, "local"), a.account, table)
}
