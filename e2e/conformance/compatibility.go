package conformance

// This file is what docs/COMPATIBILITY.md says beyond what the tests can see by
// themselves: where an answer is not the service's, and why. What it does not
// name is supported if the endpoint has the operation, and must then be shown by
// a case. What it calls not yet is asked for, and must be refused.

// Support is how far an operation or a parameter is there.
type Support string

// The three answers that COMPATIBILITY.md has.
const (
	Supported Support = "supported"
	Differs   Support = "differs"
	NotYet    Support = "not yet"
)

// Note is what is to be said of an operation or a parameter.
type Note struct {
	Support Support
	// Text is how it differs, and why.
	Text string
	// Refused is a request that asks for what is not there yet.
	Refused string
}

// keys ends a CreateTable request that has everything else.
const keys = `"AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}],"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}]}`

// twoKeys is keys with a sort key.
const twoKeys = `"AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"},{"AttributeName":"sk","AttributeType":"S"}],"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"sk","KeyType":"RANGE"}]}`

// newTable begins one.
const newTable = `{"TableName":"conf-refused","BillingMode":"PAY_PER_REQUEST",`

// changed begins an UpdateTable request.
const changed = `{"TableName":"conf-refused",`

const notEnforced = "kept and shown; nothing is throttled"

// Notes are by operation, or operation and parameter.
var Notes = map[string]Note{
	"CreateTable.BillingMode":                        {Differs, "kept and shown; both modes take whatever the nodes can", ""},
	"CreateTable.ProvisionedThroughput":              {Differs, notEnforced, ""},
	"CreateTable.OnDemandThroughput":                 {Differs, notEnforced, ""},
	"CreateTable.WarmThroughput":                     {Differs, notEnforced + ", and a raise is done at once", ""},
	"CreateTable.TableClass":                         {Differs, "kept and shown; all tables are stored alike", ""},
	"CreateTable.SSESpecification":                   {Differs, "only `Enabled: false`: Roundtable encrypts nothing itself, so it promises no key", newTable + `"SSESpecification":{"Enabled":true},` + keys},
	"CreateTable.StreamSpecification":                {Differs, "only `StreamEnabled: false`", newTable + `"StreamSpecification":{"StreamEnabled":true,"StreamViewType":"NEW_IMAGE"},` + keys},
	"CreateTable.GlobalSecondaryIndexes":             {NotYet, "", newTable + `"GlobalSecondaryIndexes":[{"IndexName":"idx","KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}],"Projection":{"ProjectionType":"ALL"}}],` + keys},
	"CreateTable.LocalSecondaryIndexes":              {NotYet, "", newTable + `"LocalSecondaryIndexes":[{"IndexName":"idx","KeySchema":[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"sk","KeyType":"RANGE"}],"Projection":{"ProjectionType":"ALL"}}],` + twoKeys},
	"CreateTable.VectorIndexes":                      {NotYet, "", newTable + `"VectorIndexes":[{}],` + keys},
	"CreateTable.ResourcePolicy":                     {NotYet, "", newTable + `"ResourcePolicy":"{}",` + keys},
	"CreateTable.GlobalTableSourceArn":               {NotYet, "", newTable + `"GlobalTableSourceArn":"arn:aws:dynamodb:x:1:table/t",` + keys},
	"CreateTable.GlobalTableSettingsReplicationMode": {Differs, "passed over: billing is the same in all replicas, everything else is each region's own", ""},

	"UpdateTable.AttributeDefinitions":               {Differs, "checked and passed over: they matter to indexes, which are not there yet", ""},
	"UpdateTable.BillingMode":                        {Differs, "done at once, as often as one likes", ""},
	"UpdateTable.ProvisionedThroughput":              {Differs, notEnforced + "; there is no limit of decreases a day", ""},
	"UpdateTable.OnDemandThroughput":                 {Differs, notEnforced, ""},
	"UpdateTable.WarmThroughput":                     {Differs, notEnforced + ", and a raise is done at once", ""},
	"UpdateTable.TableClass":                         {Differs, "kept and shown; all tables are stored alike", ""},
	"UpdateTable.DeletionProtectionEnabled":          {Differs, "may be changed again at once; the service makes one wait 15 s", ""},
	"UpdateTable.SSESpecification":                   {NotYet, "", changed + `"SSESpecification":{"Enabled":true}}`},
	"UpdateTable.StreamSpecification":                {NotYet, "", changed + `"StreamSpecification":{"StreamEnabled":true,"StreamViewType":"NEW_IMAGE"}}`},
	"UpdateTable.GlobalSecondaryIndexUpdates":        {NotYet, "", changed + `"GlobalSecondaryIndexUpdates":[{"Create":{"IndexName":"idx","KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}],"Projection":{"ProjectionType":"ALL"}}}]}`},
	"UpdateTable.VectorIndexUpdates":                 {NotYet, "", changed + `"VectorIndexUpdates":[{}]}`},
	"UpdateTable.GlobalTableWitnessUpdates":          {NotYet, "", changed + `"GlobalTableWitnessUpdates":[{"Create":{"RegionName":"x"}}]}`},
	"UpdateTable.MultiRegionConsistency":             {Differs, "only `EVENTUAL`", changed + `"MultiRegionConsistency":"STRONG","ReplicaUpdates":[{"Create":{"RegionName":"x"}}]}`},
	"UpdateTable.ReplicaUpdates":                     {Differs, "`Create` and `Delete`, of any region that this one is linked to; `Update`, `Disassociate` and overrides of a replica's settings are not there yet", ""},
	"UpdateTable.DisassociationProtectionEnabled":    {NotYet, "", changed + `"DisassociationProtectionEnabled":true}`},
	"UpdateTable.GlobalTableSettingsReplicationMode": {NotYet, "", changed + `"GlobalTableSettingsReplicationMode":"ENABLED"}`},

	"DescribeTable": {Differs, "counts and sizes are right within a minute, not within six hours", ""},
	"DeleteTable":   {Differs, "a replica that is deleted leaves its global table first; it may be deleted at any time, the service makes one wait a day after it was copied from", ""},

	"TagResource":                  {Differs, "tags can be read as soon as they are written", ""},
	"UntagResource":                {Differs, "tags can be read as soon as they are written", ""},
	"ListTagsOfResource.NextToken": {Differs, "passed over: all tags fit in one answer", ""},

	"DescribeTimeToLive":        {Differs, "always `DISABLED`: nothing expires yet", ""},
	"DescribeContinuousBackups": {Differs, "always `DISABLED`: there are no backups yet", ""},
	"DescribeLimits":            {Differs, "the service's default quotas, which nothing enforces", ""},
	"DescribeEndpoints":         {Differs, "the host that was called", ""},

	"CreateGlobalTable":           {Supported, "refused, as the service does since version 2017.11.29 is gone", ""},
	"UpdateGlobalTable":           {Supported, "refused, as the service does since version 2017.11.29 is gone", ""},
	"DescribeGlobalTable":         {Supported, "there is none of version 2017.11.29", ""},
	"DescribeGlobalTableSettings": {Supported, "there is none of version 2017.11.29", ""},
	"UpdateGlobalTableSettings":   {Supported, "there is none of version 2017.11.29", ""},
	"ListGlobalTables":            {Supported, "there is none of version 2017.11.29", ""},

	"Query.IndexName":                            {Differs, "no table has indexes yet", ""},
	"Scan.IndexName":                             {Differs, "no table has indexes yet", ""},
	"PutItem.ReturnItemCollectionMetrics":        {Differs, "there are none without local indexes", ""},
	"UpdateItem.ReturnItemCollectionMetrics":     {Differs, "there are none without local indexes", ""},
	"DeleteItem.ReturnItemCollectionMetrics":     {Differs, "there are none without local indexes", ""},
	"BatchWriteItem.ReturnItemCollectionMetrics": {Differs, "there are none without local indexes", ""},
}

// passedOver is parameters of operations that read nothing of them.
var passedOver = map[string]bool{
	"CreateGlobalTable": true, "UpdateGlobalTable": true, "DescribeGlobalTableSettings": true, "UpdateGlobalTableSettings": true, "ListGlobalTables": true,
}

// streamOperations is the operations of DynamoDB Streams, whose SDK is another.
var streamOperations = []string{"DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"}
