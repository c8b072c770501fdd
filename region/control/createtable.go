package control

import (
	"cmp"
	"context"
	"fmt"
	"slices"
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

	streamViewTypes = []string{"OLD_IMAGE", "KEYS_ONLY", "NEW_AND_OLD_IMAGES", "NEW_IMAGE"}
)

// CreateTableInput is the SDK's with a member that the SDK does not have yet.
type CreateTableInput struct {
	dynamodb.CreateTableInput
	// TableThroughputMode is a newer name of BillingMode, which goes before it.
	TableThroughputMode types.BillingMode
}

func (a *Control) createTable(ctx context.Context, in *CreateTableInput) (*tableOutput, error) {
	name, err := a.tableName(in.TableName)
	if err != nil {
		return nil, err
	}
	if err := checkCreateTable(in); err != nil {
		return nil, err
	}
	in.BillingMode = cmp.Or(in.BillingMode, in.TableThroughputMode)
	if err := checkSupported(&in.CreateTableInput); err != nil {
		return nil, err
	}
	table, err := newTable(name, &in.CreateTableInput)
	if err != nil {
		return nil, err
	}
	if err := checkIndexes(&in.CreateTableInput, table); err != nil {
		return nil, err
	}
	if err := table.Validate(); err != nil {
		return nil, err
	}
	switch _, err := a.tables.Lookup(table.Name); {
	case err == nil:
		return nil, storage.Errorf(storage.ResourceInUse, "Table already exists: %s", table.Name)
	case storage.KindOf(err) != storage.ResourceNotFound:
		return nil, err
	}
	created, err := a.tables.CreateTable(ctx, *table, nil)
	if err != nil {
		return nil, err
	}
	d := a.describe(created)
	// The answer says less than DescribeTable will.
	if in.WarmThroughput == nil {
		d.WarmThroughput = nil
	}
	if d.BillingModeSummary != nil {
		d.BillingModeSummary.LastUpdateToPayPerRequestDateTime = nil
		d.TableThroughputModeSummary.LastUpdateToPayPerRequestDateTime = nil
	}
	return &tableOutput{TableDescription: d}, nil
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
func checkCreateTable(in *CreateTableInput) error {
	var c constraint.Set
	c.Enum(enumText(in.BillingMode), "billingMode", billingModes)
	c.Enum(enumText(in.TableThroughputMode), "tableThroughputMode", billingModes)
	requireThroughput(&c, "provisionedThroughput", in.ProvisionedThroughput)
	requireKeySchema(&c, "keySchema", in.KeySchema, 2)
	c.Present(in.AttributeDefinitions != nil, "attributeDefinitions")
	requireDefinitions(&c, in.AttributeDefinitions)
	requireIndexes(&c, &in.CreateTableInput)
	if s := in.StreamSpecification; s != nil {
		requireStream(&c, s)
	}
	if err := c.Err(); err != nil {
		return err
	}
	if err := checkTableClass(in.TableClass); err != nil {
		return err
	}
	return checkTags(in.Tags)
}

// checkTableClass checks an enumeration that has a text of its own.
func checkTableClass(class types.TableClass) error {
	if class != "" && !slices.Contains(tableClasses, string(class)) {
		return awsjson.Validationf("Invalid table-class parameter provided. Please try again with a valid table-class value: [%s].", strings.Join(tableClasses, ", "))
	}
	return nil
}

func requireDefinitions(c *constraint.Set, defs []types.AttributeDefinition) {
	for i, d := range defs {
		at := fmt.Sprintf("attributeDefinitions.%d.member.", i+1)
		requireKeyName(c, d.AttributeName, at+"attributeName")
		c.Present(d.AttributeType != "", at+"attributeType")
		c.Enum(enumText(d.AttributeType), at+"attributeType", attributeTypes)
	}
}

// maxKeyName is how long the name of a key attribute may be.
const maxKeyName = 255

func requireKeyName(c *constraint.Set, name *string, at string) {
	c.Present(name != nil, at)
	c.Length(text(name), at, 1, maxKeyName)
}

func requireStream(c *constraint.Set, s *types.StreamSpecification) {
	c.Present(s.StreamEnabled != nil, "streamSpecification.streamEnabled")
	c.Enum(enumText(s.StreamViewType), "streamSpecification.streamViewType", streamViewTypes)
}

// requireThroughput requires both units of a ProvisionedThroughput, if there is one.
func requireThroughput(c *constraint.Set, at string, p *types.ProvisionedThroughput) {
	if p == nil {
		return
	}
	c.Present(p.WriteCapacityUnits != nil, at+".writeCapacityUnits")
	c.AtLeast(integer(p.WriteCapacityUnits), at+".writeCapacityUnits", 1)
	c.Present(p.ReadCapacityUnits != nil, at+".readCapacityUnits")
	c.AtLeast(integer(p.ReadCapacityUnits), at+".readCapacityUnits", 1)
}

func requireKeySchema(c *constraint.Set, at string, keys []types.KeySchemaElement, most int) {
	c.Present(keys != nil, at)
	if keys != nil {
		c.Require(len(keys) >= 1, at, "'[]'", "Member must have length greater than or equal to 1")
	}
	if len(keys) > most {
		elems := make([]string, len(keys))
		for i, k := range keys {
			elems[i] = fmt.Sprintf("KeySchemaElement(attributeName=%s, keyType=%s)", aws.ToString(k.AttributeName), k.KeyType)
		}
		c.Require(false, at, constraint.Quoted("["+strings.Join(elems, ", ")+"]"), fmt.Sprintf("Member must have length less than or equal to %d", most))
	}
	for i, k := range keys {
		at := fmt.Sprintf("%s.%d.member.", at, i+1)
		requireKeyName(c, k.AttributeName, at+"attributeName")
		c.Present(k.KeyType != "", at+"keyType")
		c.Enum(enumText(k.KeyType), at+"keyType", keyTypes)
	}
}

// notYet is what the API promises and Roundtable does not have yet. Clients are
// told, rather than given a table that lacks what they asked for.
func notYet(member string) error {
	return awsjson.Validationf("One or more parameter values were invalid: Roundtable does not support %s yet", member)
}

func checkSupported(in *dynamodb.CreateTableInput) error {
	if s := in.StreamSpecification; s != nil {
		switch {
		case !*s.StreamEnabled && s.StreamViewType != "":
			return awsjson.Validationf("One or more parameter values were invalid: Table is being created with a stream disabled, UpdateViewType should not be specified")
		case *s.StreamEnabled && s.StreamViewType == "":
			return awsjson.Validationf("One or more parameter values were invalid: Table is being created with a stream enabled, UpdateViewType is required")
		}
	}
	if err := checkEncryption(in.SSESpecification); err != nil {
		return err
	}
	for _, m := range []member{
		{"VectorIndexes", len(in.VectorIndexes) > 0},
		{"StreamSpecification", in.StreamSpecification != nil && *in.StreamSpecification.StreamEnabled},
		{"ResourcePolicy", in.ResourcePolicy != nil},
		{"GlobalTableSourceArn", in.GlobalTableSourceArn != nil},
	} {
		if m.set {
			return notYet(m.name)
		}
	}
	return nil
}

// checkEncryption refuses what would be no more than a promise: tables are not
// encrypted with a key of the key management service.
func checkEncryption(s *types.SSESpecification) error {
	switch {
	case s == nil:
		return nil
	case s.KMSMasterKeyId != nil && *s.KMSMasterKeyId == "":
		return awsjson.Validationf("1 validation error detected: Value '' at 'sSESpecification.kMSMasterKeyId' failed to satisfy constraint: Member must have length greater than or equal to 1")
	case aws.ToBool(s.Enabled):
		return notYet("SSESpecification.Enabled")
	case s.Enabled != nil && s.SSEType != "":
		return awsjson.Validationf(invalid + "SSEType can not be specified if Enabled is false")
	case s.Enabled != nil && s.KMSMasterKeyId != nil:
		return awsjson.Validationf(invalid + "KMSMasterKeyId can not be specified if Enabled is false")
	case s.SSEType != "" || s.KMSMasterKeyId != nil:
		return notYet("SSESpecification")
	}
	return nil
}

// newTable is the table that a request describes.
func newTable(name string, in *dynamodb.CreateTableInput) (*schema.Table, error) {
	t := &schema.Table{
		Name:               name,
		BillingMode:        cmp.Or(string(in.BillingMode), schema.Provisioned),
		TableClass:         string(in.TableClass),
		DeletionProtection: aws.ToBool(in.DeletionProtectionEnabled),
	}
	if err := setThroughput(t, in); err != nil {
		return nil, err
	}
	if len(in.Tags) > 0 {
		t.Tags = make(map[string]string, len(in.Tags))
		for _, tag := range in.Tags {
			t.Tags[*tag.Key] = *tag.Value
		}
	}
	return t, setKeys(t, in)
}

// setKeys gives t the key attributes of a request, as far as they are defined.
func setKeys(t *schema.Table, in *dynamodb.CreateTableInput) error {
	kinds := map[string]item.Kind{}
	for _, d := range in.AttributeDefinitions {
		attr := schema.KeyAttribute{Name: *d.AttributeName, Kind: item.ParseKind(string(d.AttributeType))}
		if _, twice := kinds[attr.Name]; twice {
			return awsjson.Validationf("Attribute Name is duplicated: %s", attr.Name)
		}
		kinds[attr.Name] = attr.Kind
		t.Attributes = append(t.Attributes, attr)
	}
	keys := in.KeySchema
	if len(keys) > len(t.Attributes) {
		return awsjson.Validationf("Invalid KeySchema: Some index key attribute have no definition")
	}
	for _, k := range keys {
		if _, ok := kinds[*k.AttributeName]; !ok {
			return undefinedKey(keys, t.Attributes)
		}
	}
	if err := checkKeyOrder(keys); err != nil {
		return err
	}
	t.Partition = schema.KeyAttribute{Name: *keys[0].AttributeName, Kind: kinds[*keys[0].AttributeName]}
	if len(keys) == 2 {
		t.Sort = &schema.KeyAttribute{Name: *keys[1].AttributeName, Kind: kinds[*keys[1].AttributeName]}
	}
	return nil
}

// checkKeyOrder checks that one or two keys are a HASH key and a RANGE key.
func checkKeyOrder(keys []types.KeySchemaElement) error {
	switch {
	case len(keys) == 2 && *keys[0].AttributeName == *keys[1].AttributeName:
		return awsjson.Validationf("Both the Hash Key and the Range Key element in the KeySchema have the same name")
	case keys[0].KeyType != types.KeyTypeHash:
		return awsjson.Validationf("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
	case len(keys) == 2 && keys[1].KeyType != types.KeyTypeRange:
		return awsjson.Validationf("Invalid KeySchema: The second KeySchemaElement is not a RANGE key type")
	}
	return nil
}

func undefinedKey(schemaKeys []types.KeySchemaElement, attributes []schema.KeyAttribute) error {
	var keys, defined []string
	for _, k := range schemaKeys {
		keys = append(keys, *k.AttributeName)
	}
	for _, a := range attributes {
		defined = append(defined, a.Name)
	}
	return awsjson.Validationf("One or more parameter values were invalid: Some index key attributes are not defined in AttributeDefinitions. "+
		"Keys: [%s], AttributeDefinitions: [%s]", strings.Join(keys, ", "), strings.Join(defined, ", "))
}
