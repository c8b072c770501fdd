package control

import (
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/storage/schema"
)

// What a new on-demand table takes at once, by DynamoDB's documentation. It is
// reported since clients wait for it; nothing here is throttled.
const (
	warmReadUnits  = 12_000
	warmWriteUnits = 4_000
)

// globalTableVersion is the version of global tables that the API shows.
const globalTableVersion = "2019.11.21"

// describe is what the API shows of a table.
func (a *Control) describe(t *catalog.Table) *types.TableDescription {
	items, bytes := a.tableSize(t)
	d := &types.TableDescription{
		TableName:                 aws.String(t.Name),
		TableArn:                  aws.String(a.arn(t.Name)),
		TableId:                   aws.String(t.ID),
		TableStatus:               types.TableStatus(t.Status),
		CreationDateTime:          aws.Time(time.UnixMilli(t.CreatedMillis)),
		DeletionProtectionEnabled: aws.Bool(t.DeletionProtection),
		ItemCount:                 aws.Int64(items),
		TableSizeBytes:            aws.Int64(bytes),
		ProvisionedThroughput: &types.ProvisionedThroughputDescription{
			NumberOfDecreasesToday: aws.Int64(0),
			ReadCapacityUnits:      aws.Int64(t.ReadUnits),
			WriteCapacityUnits:     aws.Int64(t.WriteUnits),
		},
		WarmThroughput: warmThroughput(&t.Table),
	}
	describeKeys(d, &t.Table)
	if t.BillingMode == schema.PayPerRequest {
		d.BillingModeSummary = &types.BillingModeSummary{
			BillingMode:                       types.BillingModePayPerRequest,
			LastUpdateToPayPerRequestDateTime: d.CreationDateTime,
		}
	}
	if t.TableClass != "" {
		d.TableClassSummary = &types.TableClassSummary{TableClass: types.TableClass(t.TableClass)}
	}
	a.describeReplicas(d, t)
	return d
}

func describeKeys(d *types.TableDescription, t *schema.Table) {
	for _, attr := range t.Attributes {
		d.AttributeDefinitions = append(d.AttributeDefinitions, types.AttributeDefinition{
			AttributeName: aws.String(attr.Name),
			AttributeType: types.ScalarAttributeType(attr.Kind.String()),
		})
	}
	d.KeySchema = []types.KeySchemaElement{{AttributeName: aws.String(t.Partition.Name), KeyType: types.KeyTypeHash}}
	if t.Sort != nil {
		d.KeySchema = append(d.KeySchema, types.KeySchemaElement{AttributeName: aws.String(t.Sort.Name), KeyType: types.KeyTypeRange})
	}
}

func warmThroughput(t *schema.Table) *types.TableWarmThroughputDescription {
	read, write := t.ReadUnits, t.WriteUnits
	if t.BillingMode == schema.PayPerRequest {
		read, write = warmReadUnits, warmWriteUnits
	}
	return &types.TableWarmThroughputDescription{
		ReadUnitsPerSecond:  aws.Int64(read),
		WriteUnitsPerSecond: aws.Int64(write),
		Status:              types.TableStatusActive,
	}
}

// describeReplicas shows the other regions of a global table. Without any, the
// table is a regional one and shows nothing of it.
func (a *Control) describeReplicas(d *types.TableDescription, t *catalog.Table) {
	if t.Global == nil {
		return
	}
	for _, region := range slices.Sorted(maps.Keys(t.Global.Members)) {
		m := t.Global.Members[region]
		status := types.ReplicaStatus(m.Status)
		if region == a.region || !m.Present && status != types.ReplicaStatusDeleting {
			continue
		}
		if status == "" {
			status = types.ReplicaStatusActive
		}
		d.Replicas = append(d.Replicas, types.ReplicaDescription{
			RegionName:    aws.String(region),
			ReplicaStatus: status,
			ReplicaArn:    aws.String(a.arnIn(region, t.Name)),
		})
	}
	if len(d.Replicas) > 0 {
		d.GlobalTableVersion = aws.String(globalTableVersion)
		d.GlobalTableSettingsReplicationMode = types.GlobalTableSettingsReplicationModeEnabledWithOverrides
	}
}
