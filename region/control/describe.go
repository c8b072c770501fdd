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

// globalTableVersion is the version of global tables that the API shows.
const globalTableVersion = "2019.11.21"

// tableDescription is the SDK's with a member that the SDK does not have yet.
type tableDescription struct {
	types.TableDescription
	// TableThroughputModeSummary says what BillingModeSummary says.
	TableThroughputModeSummary *tableThroughputModeSummary
}

type tableThroughputModeSummary struct {
	LastUpdateToPayPerRequestDateTime *time.Time
	TableThroughputMode               types.BillingMode
}

// tableOutput is what the operations answer with that change a table.
type tableOutput struct{ TableDescription *tableDescription }

// describe is what the API shows of a table.
func (a *Control) describe(t *catalog.Table) *tableDescription {
	items, bytes := a.tableSize(t)
	d := &tableDescription{TableDescription: types.TableDescription{
		TableName:                 aws.String(t.Name),
		TableArn:                  aws.String(a.arn(t.Name)),
		TableId:                   aws.String(t.ID),
		TableStatus:               types.TableStatus(t.Status),
		CreationDateTime:          aws.Time(time.UnixMilli(t.CreatedMillis)),
		DeletionProtectionEnabled: aws.Bool(t.DeletionProtection),
		ItemCount:                 aws.Int64(items),
		TableSizeBytes:            aws.Int64(bytes),
	}}
	if a.leaving(t) {
		d.TableStatus = types.TableStatusDeleting
	}
	describeKeys(d, &t.Table)
	describeThroughput(d, &t.Table)
	if t.TableClass != "" {
		d.TableClassSummary = &types.TableClassSummary{TableClass: types.TableClass(t.TableClass), LastUpdateDateTime: moment(t.TableClassMillis)}
	}
	a.describeReplicas(d, t)
	return d
}

// leaving reports whether this region's replica of a table is being deleted:
// the other regions are told first.
func (a *Control) leaving(t *catalog.Table) bool {
	if t.Global == nil {
		return false
	}
	self, known := t.Global.Members[a.region]
	return known && !self.Present
}

func describeKeys(d *tableDescription, t *schema.Table) {
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

func describeThroughput(d *tableDescription, t *schema.Table) {
	d.ProvisionedThroughput = &types.ProvisionedThroughputDescription{
		LastIncreaseDateTime:   moment(t.Billing.IncreaseMillis),
		LastDecreaseDateTime:   moment(t.Billing.DecreaseMillis),
		NumberOfDecreasesToday: aws.Int64(decreasesToday(t, time.Now())),
		ReadCapacityUnits:      aws.Int64(t.ReadUnits),
		WriteCapacityUnits:     aws.Int64(t.WriteUnits),
	}
	reads, writes := warm(t)
	d.WarmThroughput = &types.TableWarmThroughputDescription{
		ReadUnitsPerSecond: aws.Int64(reads), WriteUnitsPerSecond: aws.Int64(writes), Status: types.TableStatusActive,
	}
	if t.BillingMode == schema.PayPerRequest && (t.MaxReadUnits != 0 || t.MaxWriteUnits != 0) {
		d.OnDemandThroughput = &types.OnDemandThroughput{
			MaxReadRequestUnits: orUnits(nil, t.MaxReadUnits), MaxWriteRequestUnits: orUnits(nil, t.MaxWriteUnits),
		}
	}
	// A table that was never on-demand shows nothing of its billing.
	if since := payPerRequestSince(t); since != 0 {
		mode := types.BillingMode(t.BillingMode)
		d.BillingModeSummary = &types.BillingModeSummary{BillingMode: mode, LastUpdateToPayPerRequestDateTime: moment(since)}
		d.TableThroughputModeSummary = &tableThroughputModeSummary{TableThroughputMode: mode, LastUpdateToPayPerRequestDateTime: moment(since)}
	}
}

// moment is a time as answers have it, nil for none.
func moment(millis int64) *time.Time {
	if millis == 0 {
		return nil
	}
	return aws.Time(time.UnixMilli(millis))
}

// describeReplicas shows the other regions of a global table. Without any, the
// table is a regional one and shows nothing of it.
func (a *Control) describeReplicas(d *tableDescription, t *catalog.Table) {
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
