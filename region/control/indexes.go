package control

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/roundtabledb/roundtable/region/awsjson"
	"github.com/roundtabledb/roundtable/region/constraint"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/schema"
)

// This file checks what requests say of secondary indexes, which are not there
// yet: what is wrong with a request is told before what is wrong with us.

// Limits of indexes.
const (
	maxLocalIndexes  = 5
	maxGlobalIndexes = 20
	maxLocalKeys     = 2
	maxGlobalKeys    = 8
	maxProjected     = 20
)

// projectionTypes is the enumeration, in DynamoDB's order.
var projectionTypes = []string{"ALL", "INCLUDE", "KEYS_ONLY"}

// index is an index of either kind as requests describe it.
type index struct {
	name       *string
	keys       []types.KeySchemaElement
	projection *types.Projection
	throughput *types.ProvisionedThroughput
}

func localIndex(x types.LocalSecondaryIndex) index {
	return index{name: x.IndexName, keys: x.KeySchema, projection: x.Projection}
}

func globalIndex(x types.GlobalSecondaryIndex) index {
	return index{name: x.IndexName, keys: x.KeySchema, projection: x.Projection, throughput: x.ProvisionedThroughput}
}

// requireIndexes requires of the indexes of a new table what the model of the API
// does, global ones first.
func requireIndexes(c *constraint.Set, in *dynamodb.CreateTableInput) {
	for i, x := range in.GlobalSecondaryIndexes {
		globalIndex(x).require(c, fmt.Sprintf("globalSecondaryIndexes.%d.member.", i+1), maxGlobalKeys)
	}
	for i, x := range in.LocalSecondaryIndexes {
		localIndex(x).require(c, fmt.Sprintf("localSecondaryIndexes.%d.member.", i+1), maxLocalKeys)
	}
}

func (x index) require(c *constraint.Set, at string, maxKeys int) {
	requireIndexName(c, x.name, at)
	requireThroughput(c, at+"provisionedThroughput", x.throughput)
	requireKeySchema(c, at+"keySchema", x.keys, maxKeys)
	c.Present(x.projection != nil, at+"projection")
	if p := x.projection; p != nil {
		at += "projection."
		c.Enum(enumText(p.ProjectionType), at+"projectionType", projectionTypes)
		names := constraint.Quoted("[" + strings.Join(p.NonKeyAttributes, ", ") + "]")
		c.Require(p.NonKeyAttributes == nil || len(p.NonKeyAttributes) > 0, at+"nonKeyAttributes", names, "Member must have length greater than or equal to 1")
		c.Require(len(p.NonKeyAttributes) <= maxProjected, at+"nonKeyAttributes", names, fmt.Sprintf("Member must have length less than or equal to %d", maxProjected))
	}
}

func requireIndexName(c *constraint.Set, name *string, at string) {
	c.Present(name != nil, at+"indexName")
	c.Name(text(name), at+"indexName", 3)
}

// checkIndexes checks what the indexes of a new table mean, and refuses them.
func checkIndexes(in *dynamodb.CreateTableInput, t *schema.Table) error {
	taken := map[string]bool{}
	if in.LocalSecondaryIndexes != nil {
		if err := checkLocalIndexes(in, t, taken); err != nil {
			return err
		}
	}
	if in.GlobalSecondaryIndexes != nil {
		if err := checkGlobalIndexes(in, t, taken); err != nil {
			return err
		}
	}
	if len(taken) == 0 {
		return nil
	}
	if err := checkUsed(in); err != nil {
		return err
	}
	if len(in.LocalSecondaryIndexes) > 0 {
		return notYet("LocalSecondaryIndexes")
	}
	return notYet("GlobalSecondaryIndexes")
}

func checkLocalIndexes(in *dynamodb.CreateTableInput, t *schema.Table, taken map[string]bool) error {
	switch {
	case len(in.LocalSecondaryIndexes) == 0:
		return awsjson.Validationf(invalid + "List of LocalSecondaryIndexes is empty")
	case t.Sort == nil:
		return awsjson.Validationf(invalid + "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex")
	}
	for _, local := range in.LocalSecondaryIndexes {
		x := localIndex(local)
		if err := x.checkKeys(t); err != nil {
			return err
		}
		switch hash := *x.keys[0].AttributeName; {
		case len(x.keys) < 2:
			return awsjson.Validationf(invalid+"Index KeySchema does not have a range key for index: %s", *x.name)
		case hash != t.Partition.Name:
			return awsjson.Validationf(invalid+"Index KeySchema does not have the same leading hash key as table KeySchema for index: %s. "+
				"index hash key: %s, table hash key: %s", *x.name, hash, t.Partition.Name)
		}
		if err := x.checkProjection(taken); err != nil {
			return err
		}
	}
	if len(in.LocalSecondaryIndexes) > maxLocalIndexes {
		return awsjson.Validationf(invalid+"Number of LocalSecondaryIndexes exceeds per-table limit of %d", maxLocalIndexes)
	}
	return nil
}

func checkGlobalIndexes(in *dynamodb.CreateTableInput, t *schema.Table, taken map[string]bool) error {
	if len(in.GlobalSecondaryIndexes) == 0 {
		return awsjson.Validationf(invalid + "List of GlobalSecondaryIndexes is empty")
	}
	for _, global := range in.GlobalSecondaryIndexes {
		x := globalIndex(global)
		if err := x.checkKeys(t); err != nil {
			return err
		}
		if err := x.checkProjection(taken); err != nil {
			return err
		}
		switch onDemand := t.BillingMode == schema.PayPerRequest; {
		case onDemand && x.throughput != nil:
			return awsjson.Validationf(invalid+"ProvisionedThroughput should not be specified for index: %s when BillingMode is PAY_PER_REQUEST", *x.name)
		case !onDemand && x.throughput == nil:
			return awsjson.Validationf(invalid+"ProvisionedThroughput is not specified for index: %s", *x.name)
		}
	}
	if len(in.GlobalSecondaryIndexes) > maxGlobalIndexes {
		return awsjson.Validationf(invalid+"GlobalSecondaryIndex count exceeds the per-table limit of %d", maxGlobalIndexes)
	}
	return nil
}

// checkKeys checks that the keys of an index are defined and in order.
func (x index) checkKeys(t *schema.Table) error {
	for _, k := range x.keys {
		if !slices.ContainsFunc(t.Attributes, func(a schema.KeyAttribute) bool { return a.Name == *k.AttributeName }) {
			return undefinedKey(x.keys, t.Attributes)
		}
	}
	if len(x.keys) > maxLocalKeys {
		return nil // several attributes may make up either key
	}
	return checkKeyOrder(x.keys)
}

// checkProjection checks what an index projects, and that its name is not taken.
func (x index) checkProjection(taken map[string]bool) error {
	switch p := x.projection; {
	case p.ProjectionType == "":
		return awsjson.Validationf(invalid + "Unknown ProjectionType: null")
	case p.ProjectionType == types.ProjectionTypeInclude && p.NonKeyAttributes == nil:
		return awsjson.Validationf(invalid + "ProjectionType is INCLUDE, but NonKeyAttributes is not specified")
	case p.ProjectionType != types.ProjectionTypeInclude && p.NonKeyAttributes != nil:
		return awsjson.Validationf(invalid+"ProjectionType is %s, but NonKeyAttributes is specified", p.ProjectionType)
	case taken[*x.name]:
		return awsjson.Validationf(invalid+"Duplicate index name: %s", *x.name)
	}
	taken[*x.name] = true
	return nil
}

// checkUsed checks that the keys of a table and of its indexes use every
// attribute that is defined.
func checkUsed(in *dynamodb.CreateTableInput) error {
	var used []string
	use := func(keys []types.KeySchemaElement) {
		for _, k := range keys {
			if !slices.Contains(used, *k.AttributeName) {
				used = append(used, *k.AttributeName)
			}
		}
	}
	use(in.KeySchema)
	for _, x := range in.LocalSecondaryIndexes {
		use(x.KeySchema)
	}
	for _, x := range in.GlobalSecondaryIndexes {
		use(x.KeySchema)
	}
	if len(used) == len(in.AttributeDefinitions) {
		return nil
	}
	var defined []string
	for _, d := range in.AttributeDefinitions {
		defined = append(defined, *d.AttributeName)
	}
	return awsjson.Validationf(invalid+"Some AttributeDefinitions are not used. AttributeDefinitions: [%s], keys used: [%s]",
		strings.Join(defined, ", "), strings.Join(used, ", "))
}

// requireIndexUpdates is requireIndexes for the changes of a table's indexes.
func requireIndexUpdates(c *constraint.Set, updates []types.GlobalSecondaryIndexUpdate) {
	for i, u := range updates {
		at := fmt.Sprintf("globalSecondaryIndexUpdates.%d.member.", i+1)
		if u.Update != nil {
			requireIndexName(c, u.Update.IndexName, at+"update.")
			requireThroughput(c, at+"update.provisionedThroughput", u.Update.ProvisionedThroughput)
		}
		if x := u.Create; x != nil {
			index{name: x.IndexName, keys: x.KeySchema, projection: x.Projection, throughput: x.ProvisionedThroughput}.require(c, at+"create.", maxGlobalKeys)
		}
		if u.Delete != nil {
			requireIndexName(c, u.Delete.IndexName, at+"delete.")
		}
	}
}

// checkIndexUpdates checks changes of indexes as far as that goes without the
// table.
func checkIndexUpdates(updates []types.GlobalSecondaryIndexUpdate) error {
	changed := map[string]bool{}
	for _, u := range updates {
		var name *string
		switch {
		case u.Update != nil:
			name = u.Update.IndexName
		case u.Create != nil:
			name = u.Create.IndexName
		case u.Delete != nil:
			name = u.Delete.IndexName
		default:
			return awsjson.Validationf(invalid + "One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, GlobalSecondaryIndexUpdate.Delete must not be null")
		}
		if changed[aws.ToString(name)] {
			return awsjson.Validationf(invalid+"Only one global secondary index update per index is allowed simultaneously. Index: %s", *name)
		}
		changed[aws.ToString(name)] = true
	}
	return nil
}

// updateIndexes refuses to change the indexes of a table, which has none.
func updateIndexes(updates []types.GlobalSecondaryIndexUpdate) error {
	made := 0
	for _, u := range updates {
		if u.Update == nil {
			made++
		}
	}
	switch {
	case len(updates) == 0:
		return nil
	case made > 1:
		return storage.Errorf(storage.LimitExceeded, "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table")
	case !slices.ContainsFunc(updates, func(u types.GlobalSecondaryIndexUpdate) bool { return u.Create != nil }):
		return storage.Errorf(storage.ResourceNotFound, "Requested resource not found")
	}
	return notYet("GlobalSecondaryIndexUpdates")
}
