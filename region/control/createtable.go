package control

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/roundtabledb/roundtable/region/awsjson"
	"github.com/roundtabledb/roundtable/region/constraint"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/schema"
)

// The enumerations of table settings, in DynamoDB's order.
var (
	billingModes   = []string{"PROVISIONED", "PAY_PER_REQUEST"}
	tableClasses   = []string{"STANDARD", "STANDARD_INFREQUENT_ACCESS"}
	keyTypes       = []string{"HASH", "RANGE"}
	attributeTypes = []string{"B", "N", "S"}
)

// maxThroughput is the greatest number of capacity units that DynamoDB reads.
const maxThroughput = 1_000_000_000_000

func (a *Control) createTable(ctx context.Context, in *dynamodb.CreateTableInput) (*dynamodb.CreateTableOutput, error) {
	if err := checkCreateTable(in); err != nil {
		return nil, err
	}
	if err := checkSupported(in); err != nil {
		return nil, err
	}
	table, err := newTable(in)
	if err != nil {
		return nil, err
	}
	if err := table.Validate(); err != nil {
		return nil, err
	}
	if _, ok := a.tables.Table(table.Name); ok {
		return nil, storage.Errorf(storage.ResourceInUse, "Table already exists: %s", table.Name)
	}
	created, err := a.tables.CreateTable(ctx, *table, nil)
	if err != nil {
		return nil, err
	}
	return &dynamodb.CreateTableOutput{TableDescription: a.describe(created)}, nil
}

// newTableName checks the name of a table that is to be made.
func newTableName(name *string) error {
	if name == nil {
		return awsjson.Validationf("The parameter 'TableName' is required but was not present in the request")
	}
	var c constraint.Set
	c.Name(text(name), "tableName", 3)
	return c.Err()
}

// text is a member of an SDK struct as the wire has it.
func text(s *string) awsjson.Text {
	if s == nil {
		return awsjson.Text{}
	}
	return awsjson.Text{Set: true, Value: *s}
}

func enumText[E ~string](e E) awsjson.Text { return awsjson.Text{Set: e != "", Value: string(e)} }

func integer(n *int64) awsjson.Int {
	if n == nil {
		return awsjson.Int{}
	}
	return awsjson.Int{Set: true, Value: *n}
}

// checkCreateTable is what DynamoDB checks first.
func checkCreateTable(in *dynamodb.CreateTableInput) error {
	if err := newTableName(in.TableName); err != nil {
		return err
	}
	var c constraint.Set
	c.Enum(enumText(in.BillingMode), "billingMode", billingModes)
	c.Enum(enumText(in.TableClass), "tableClass", tableClasses)
	requireThroughput(&c, in.ProvisionedThroughput)
	requireKeySchema(&c, in.KeySchema)
	c.Present(in.AttributeDefinitions != nil, "attributeDefinitions")
	for i, d := range in.AttributeDefinitions {
		at := fmt.Sprintf("attributeDefinitions.%d.member.", i+1)
		c.Present(d.AttributeName != nil, at+"attributeName")
		c.Present(d.AttributeType != "", at+"attributeType")
		c.Enum(enumText(d.AttributeType), at+"attributeType", attributeTypes)
	}
	requireTags(&c, in.Tags)
	return c.Err()
}

// requireThroughput requires both units of a ProvisionedThroughput, if there is one.
func requireThroughput(c *constraint.Set, p *types.ProvisionedThroughput) {
	if p == nil {
		return
	}
	c.Present(p.WriteCapacityUnits != nil, "provisionedThroughput.writeCapacityUnits")
	c.AtLeast(integer(p.WriteCapacityUnits), "provisionedThroughput.writeCapacityUnits", 1)
	c.Present(p.ReadCapacityUnits != nil, "provisionedThroughput.readCapacityUnits")
	c.AtLeast(integer(p.ReadCapacityUnits), "provisionedThroughput.readCapacityUnits", 1)
}

func requireKeySchema(c *constraint.Set, keys []types.KeySchemaElement) {
	c.Present(keys != nil, "keySchema")
	if keys != nil {
		c.Require(len(keys) >= 1, "keySchema", "'[]'", "Member must have length greater than or equal to 1")
	}
	if len(keys) > 2 {
		elems := make([]string, len(keys))
		for i, k := range keys {
			elems[i] = fmt.Sprintf("KeySchemaElement(attributeName=%s, keyType=%s)", aws.ToString(k.AttributeName), k.KeyType)
		}
		c.Require(false, "keySchema", constraint.Quoted("["+strings.Join(elems, ", ")+"]"), "Member must have length less than or equal to 2")
	}
	for i, k := range keys {
		at := fmt.Sprintf("keySchema.%d.member.", i+1)
		c.Present(k.AttributeName != nil, at+"attributeName")
		c.Present(k.KeyType != "", at+"keyType")
		c.Enum(enumText(k.KeyType), at+"keyType", keyTypes)
	}
}

// requireTags requires names of 1 to 128 and values of up to 256 letters.
func requireTags(c *constraint.Set, tags []types.Tag) {
	for i, t := range tags {
		at := fmt.Sprintf("tags.%d.member.", i+1)
		c.Present(t.Key != nil, at+"key")
		c.Present(t.Value != nil, at+"value")
		if t.Key != nil {
			c.Require(len(*t.Key) >= 1, at+"key", constraint.Quoted(*t.Key), "Member must have length greater than or equal to 1")
			c.Require(len(*t.Key) <= 128, at+"key", constraint.Quoted(*t.Key), "Member must have length less than or equal to 128")
		}
		if t.Value != nil {
			c.Require(len(*t.Value) <= 256, at+"value", constraint.Quoted(*t.Value), "Member must have length less than or equal to 256")
		}
	}
}

// notYet is what the API promises and Roundtable does not have yet. Clients are
// told, rather than given a table that lacks what they asked for.
func notYet(member string) error {
	return awsjson.Validationf("One or more parameter values were invalid: Roundtable does not support %s yet", member)
}

func checkSupported(in *dynamodb.CreateTableInput) error {
	for _, m := range []member{
		{"LocalSecondaryIndexes", len(in.LocalSecondaryIndexes) > 0},
		{"GlobalSecondaryIndexes", len(in.GlobalSecondaryIndexes) > 0},
		{"VectorIndexes", len(in.VectorIndexes) > 0},
		{"StreamSpecification", in.StreamSpecification != nil && aws.ToBool(in.StreamSpecification.StreamEnabled)},
		{"SSESpecification", in.SSESpecification != nil && aws.ToBool(in.SSESpecification.Enabled)},
		{"ResourcePolicy", in.ResourcePolicy != nil},
		{"OnDemandThroughput", in.OnDemandThroughput != nil},
		{"WarmThroughput", in.WarmThroughput != nil},
		{"GlobalTableSourceArn", in.GlobalTableSourceArn != nil},
	} {
		if m.set {
			return notYet(m.name)
		}
	}
	return nil
}

// newTable is the table that a request describes.
func newTable(in *dynamodb.CreateTableInput) (*schema.Table, error) {
	t := &schema.Table{
		Name:               *in.TableName,
		BillingMode:        schema.Provisioned,
		TableClass:         string(in.TableClass),
		DeletionProtection: aws.ToBool(in.DeletionProtectionEnabled),
	}
	if in.BillingMode != "" {
		t.BillingMode = string(in.BillingMode)
	}
	if p := in.ProvisionedThroughput; p != nil {
		if err := checkBounds(p); err != nil {
			return nil, err
		}
		t.ReadUnits, t.WriteUnits = *p.ReadCapacityUnits, *p.WriteCapacityUnits
	}
	if len(in.Tags) > maxTags {
		return nil, tooManyTags()
	}
	if len(in.Tags) > 0 {
		t.Tags = make(map[string]string, len(in.Tags))
		for _, tag := range in.Tags {
			t.Tags[*tag.Key] = *tag.Value
		}
	}
	return t, setKeys(t, in)
}

func checkBounds(p *types.ProvisionedThroughput) error {
	if n := *p.ReadCapacityUnits; n > maxThroughput {
		return awsjson.Validationf("Given value %d for ReadCapacityUnits is out of bounds", n)
	}
	if n := *p.WriteCapacityUnits; n > maxThroughput {
		return awsjson.Validationf("Given value %d for WriteCapacityUnits is out of bounds", n)
	}
	return nil
}

// setKeys gives t the key attributes of a request, as far as they are defined.
func setKeys(t *schema.Table, in *dynamodb.CreateTableInput) error {
	kinds := map[string]item.Kind{}
	for _, d := range in.AttributeDefinitions {
		attr := schema.KeyAttribute{Name: *d.AttributeName, Kind: item.ParseKind(string(d.AttributeType))}
		kinds[attr.Name] = attr.Kind
		t.Attributes = append(t.Attributes, attr)
	}
	keys := in.KeySchema
	for _, k := range keys {
		if _, ok := kinds[*k.AttributeName]; !ok {
			return undefinedKey(in)
		}
	}
	switch {
	case len(keys) == 2 && *keys[0].AttributeName == *keys[1].AttributeName && len(t.Attributes) == 1:
		return undefinedKey(in)
	case keys[0].KeyType != types.KeyTypeHash:
		return awsjson.Validationf("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
	case len(keys) == 2 && *keys[0].AttributeName == *keys[1].AttributeName:
		return awsjson.Validationf("Both the Hash Key and the Range Key element in the KeySchema have the same name")
	case len(keys) == 2 && keys[1].KeyType != types.KeyTypeRange:
		return awsjson.Validationf("Invalid KeySchema: The second KeySchemaElement is not a RANGE key type")
	}
	t.Partition = schema.KeyAttribute{Name: *keys[0].AttributeName, Kind: kinds[*keys[0].AttributeName]}
	if len(keys) == 2 {
		t.Sort = &schema.KeyAttribute{Name: *keys[1].AttributeName, Kind: kinds[*keys[1].AttributeName]}
	}
	return nil
}

func undefinedKey(in *dynamodb.CreateTableInput) error {
	if len(in.KeySchema) == 2 {
		return awsjson.Validationf("Invalid KeySchema: Some index key attribute have no definition")
	}
	var defined []string
	for _, d := range in.AttributeDefinitions {
		defined = append(defined, *d.AttributeName)
	}
	return awsjson.Validationf("One or more parameter values were invalid: Some index key attributes are not defined in AttributeDefinitions. "+
		"Keys: [%s], AttributeDefinitions: [%s]", *in.KeySchema[0].AttributeName, strings.Join(defined, ", "))
}
