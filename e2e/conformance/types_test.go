package conformance

import (
	"net/http"
	"strings"
	"testing"
)

// kind is the type that the API's model gives to a member, and what it refuses.
type kind struct {
	name    string
	refused map[string]string // texts by values
}

// other is what is refused of texts, numbers, truths and fractions alike.
func other(name, told string, more map[string]string) kind {
	k := kind{name: name, refused: map[string]string{}}
	for _, value := range []string{`"23"`, "true", "false", "23", "-2147483648", "2147483648", "34.56"} {
		k.refused[value] = told
	}
	for value, text := range more {
		k.refused[value] = text
	}
	return k
}

const (
	unexpectedMap        = "Start of structure or map found where not expected"
	unexpectedCollection = "Unrecognized collection type "
	classes              = "class com.amazonaws.dynamodb.v20120810."
)

var (
	textKind = kind{"text", map[string]string{
		"true": "TRUE_VALUE cannot be converted to String", "false": "FALSE_VALUE cannot be converted to String",
		"23": "NUMBER_VALUE cannot be converted to String", "-2147483648": "NUMBER_VALUE cannot be converted to String",
		"34.56": "DECIMAL_VALUE cannot be converted to String", "1e3": "DECIMAL_VALUE cannot be converted to String",
		"[]": unexpectedCollection + "class java.lang.String", "{}": unexpectedMap,
	}}
	integerKind, longKind = numberKind("Integer"), numberKind("Long")
	truthKind             = kind{"truth", map[string]string{
		`"23"`: "Unexpected token received from parser", `"maybe"`: "Unexpected token received from parser",
		"23": "NUMBER_VALUE cannot be converted to Boolean", "34.56": "DECIMAL_VALUE cannot be converted to Boolean",
		"[]": unexpectedCollection + "class java.lang.Boolean", "{}": unexpectedMap,
	}}
	listKind = other("list", "Unexpected field type", map[string]string{"{}": unexpectedMap})
)

func numberKind(class string) kind {
	return kind{class, map[string]string{
		`"23"`: "STRING_VALUE cannot be converted to " + class, "true": "TRUE_VALUE cannot be converted to " + class,
		"false": "FALSE_VALUE cannot be converted to " + class, "[]": unexpectedCollection + "class java.lang." + class, "{}": unexpectedMap,
	}}
}

// field is a structure that is a member of another, element one in a list.
func field(class string) kind {
	return other(class, "Unexpected field type", map[string]string{"[]": unexpectedCollection + classes + class})
}

func element(class string) kind {
	return other(class, "Unexpected value type in payload", map[string]string{"[]": unexpectedCollection + classes + class})
}

// nested is members of structures that are members of several others.
var (
	keySchema   = map[string]kind{"": listKind, ".0": element("KeySchemaElement"), ".0.AttributeName": textKind, ".0.KeyType": textKind}
	definitions = map[string]kind{"": listKind, ".0": element("AttributeDefinition"), ".0.AttributeName": textKind, ".0.AttributeType": textKind}
	throughput  = map[string]kind{"": field("ProvisionedThroughput"), ".ReadCapacityUnits": longKind, ".WriteCapacityUnits": longKind}
	projection  = map[string]kind{"": field("Projection"), ".ProjectionType": textKind, ".NonKeyAttributes": listKind, ".NonKeyAttributes.0": textKind}
	onDemand    = map[string]kind{"": field("OnDemandThroughput"), ".MaxReadRequestUnits": longKind, ".MaxWriteRequestUnits": longKind}
	warm        = map[string]kind{"": field("WarmThroughput"), ".ReadUnitsPerSecond": longKind, ".WriteUnitsPerSecond": longKind}
	stream      = map[string]kind{"": field("StreamSpecification"), ".StreamEnabled": truthKind, ".StreamViewType": textKind}
	encryption  = map[string]kind{"": field("SSESpecification"), ".Enabled": truthKind, ".SSEType": textKind, ".KMSMasterKeyId": textKind}
	tagList     = map[string]kind{"": listKind, ".0": element("Tag"), ".0.Key": textKind, ".0.Value": textKind}
	local       = under(map[string]map[string]kind{
		"": {"": listKind}, ".0": {"": element("LocalSecondaryIndex"), ".IndexName": textKind}, ".0.KeySchema": keySchema, ".0.Projection": projection,
	})
	global = under(map[string]map[string]kind{
		"": {"": listKind}, ".0": {"": element("GlobalSecondaryIndex"), ".IndexName": textKind}, ".0.KeySchema": keySchema, ".0.Projection": projection, ".0.ProvisionedThroughput": throughput,
	})
	indexUpdates = under(map[string]map[string]kind{
		"": {"": listKind}, ".0": {"": element("GlobalSecondaryIndexUpdate")},
		".0.Update": {"": field("UpdateGlobalSecondaryIndexAction"), ".IndexName": textKind}, ".0.Update.ProvisionedThroughput": throughput,
		".0.Create": {"": field("CreateGlobalSecondaryIndexAction"), ".IndexName": textKind}, ".0.Create.KeySchema": keySchema,
		".0.Create.Projection": projection, ".0.Create.ProvisionedThroughput": throughput,
		".0.Delete": {"": field("DeleteGlobalSecondaryIndexAction"), ".IndexName": textKind},
	})
)

// under puts maps of members under the member that each belongs to.
func under(maps map[string]map[string]kind) map[string]kind {
	all := map[string]kind{}
	for at, members := range maps {
		for name, k := range members {
			all[at+name] = k
		}
	}
	return all
}

// TestTypes gives every member of the operations on tables a value of each type
// that it does not have. Each is refused in the words for it, whatever else the
// request lacks.
func TestTypes(t *testing.T) {
	texts := func(names ...string) map[string]map[string]kind {
		m := map[string]map[string]kind{}
		for _, name := range names {
			m[name] = map[string]kind{"": textKind}
		}
		return m
	}
	for operation, members := range map[string]map[string]kind{
		"CreateTable": under(map[string]map[string]kind{
			"TableName": {"": textKind}, "BillingMode": {"": textKind}, "TableThroughputMode": {"": textKind}, "TableClass": {"": textKind}, "ResourcePolicy": {"": textKind},
			"DeletionProtectionEnabled": {"": truthKind}, "AttributeDefinitions": definitions, "KeySchema": keySchema, "ProvisionedThroughput": throughput,
			"OnDemandThroughput": onDemand, "WarmThroughput": warm, "StreamSpecification": stream, "SSESpecification": encryption, "Tags": tagList,
			"LocalSecondaryIndexes": local, "GlobalSecondaryIndexes": global,
		}),
		"UpdateTable": under(map[string]map[string]kind{
			"TableName": {"": textKind}, "BillingMode": {"": textKind}, "TableThroughputMode": {"": textKind}, "TableClass": {"": textKind},
			"DeletionProtectionEnabled": {"": truthKind}, "AttributeDefinitions": definitions, "ProvisionedThroughput": throughput,
			"OnDemandThroughput": onDemand, "WarmThroughput": warm, "StreamSpecification": stream, "SSESpecification": encryption,
			"GlobalSecondaryIndexUpdates": indexUpdates,
			"ReplicaUpdates":              {"": listKind, ".0": element("ReplicationGroupUpdate"), ".0.Create": field("CreateReplicationGroupMemberAction"), ".0.Create.RegionName": textKind},
		}),
		"DescribeTable": under(texts("TableName")), "DeleteTable": under(texts("TableName")),
		"DescribeTimeToLive": under(texts("TableName")), "DescribeContinuousBackups": under(texts("TableName")),
		"ListTables":         under(map[string]map[string]kind{"ExclusiveStartTableName": {"": textKind}, "Limit": {"": integerKind}}),
		"TagResource":        under(map[string]map[string]kind{"ResourceArn": {"": textKind}, "Tags": tagList}),
		"UntagResource":      under(map[string]map[string]kind{"ResourceArn": {"": textKind}, "TagKeys": {"": listKind, ".0": textKind}}),
		"ListTagsOfResource": under(texts("ResourceArn", "NextToken")),
	} {
		t.Run(operation, func(t *testing.T) {
			for at, k := range members {
				for value, text := range k.refused {
					body := valueAt(strings.Split(at, "."), value)
					status, got, err := endpoint.Call(t.Context(), operation, body)
					if err != nil {
						t.Fatal(err)
					}
					answer := Answer{Status: http.StatusBadRequest, Type: "SerializationException", Text: text}
					if diff := answer.Matches(status, got); diff != "" {
						t.Errorf("%s of type %s in %s: %d %s\nwant %s", at, k.name, body, status, got, text)
					}
				}
			}
		})
	}
}

// valueAt is a request that has nothing but a value at the end of a path.
func valueAt(path []string, value string) string {
	if len(path) == 0 {
		return value
	}
	inner := valueAt(path[1:], value)
	if path[0] == "0" {
		return "[" + inner + "]"
	}
	return `{"` + path[0] + `":` + inner + "}"
}
