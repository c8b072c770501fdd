package control

import (
	"cmp"
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/region/awsjson"
	"github.com/roundtabledb/roundtable/region/constraint"
	"github.com/roundtabledb/roundtable/storage/schema"
)

func (a *Control) updateTable(ctx context.Context, in *dynamodb.UpdateTableInput) (*dynamodb.UpdateTableOutput, error) {
	t, err := a.tableOf(in.TableName)
	if err != nil {
		return nil, err
	}
	if err := checkUpdateTable(in); err != nil {
		return nil, err
	}
	if len(in.ReplicaUpdates) > 0 {
		t, err = a.updateReplica(ctx, t, in)
	} else {
		t, err = a.tables.UpdateTable(ctx, t.Name, func(t *catalog.Table) error {
			if err := idle(t); err != nil {
				return err
			}
			return applySettings(&t.Table, in)
		})
	}
	if err != nil {
		return nil, err
	}
	d := a.describe(t)
	// The change is being carried out, or was just now.
	d.TableStatus = types.TableStatusUpdating
	return &dynamodb.UpdateTableOutput{TableDescription: d}, nil
}

// checkUpdateTable checks a request as far as that goes without the table.
func checkUpdateTable(in *dynamodb.UpdateTableInput) error {
	var c constraint.Set
	c.Enum(enumText(in.BillingMode), "billingMode", billingModes)
	c.Enum(enumText(in.TableClass), "tableClass", tableClasses)
	requireThroughput(&c, in.ProvisionedThroughput)
	if err := c.Err(); err != nil {
		return err
	}
	for _, m := range []member{
		{"GlobalSecondaryIndexUpdates", len(in.GlobalSecondaryIndexUpdates) > 0},
		{"VectorIndexUpdates", len(in.VectorIndexUpdates) > 0},
		{"StreamSpecification", in.StreamSpecification != nil},
		{"SSESpecification", in.SSESpecification != nil},
		{"OnDemandThroughput", in.OnDemandThroughput != nil},
		{"WarmThroughput", in.WarmThroughput != nil},
		{"GlobalTableWitnessUpdates", len(in.GlobalTableWitnessUpdates) > 0},
		{"MultiRegionConsistency STRONG", in.MultiRegionConsistency == types.MultiRegionConsistencyStrong},
		{"DisassociationProtectionEnabled", in.DisassociationProtectionEnabled != nil},
	} {
		if m.set {
			return notYet(m.name)
		}
	}
	settings := in.ProvisionedThroughput != nil || in.BillingMode != "" || in.TableClass != "" || in.DeletionProtectionEnabled != nil
	switch {
	case settings && len(in.ReplicaUpdates) > 0:
		return awsjson.Validationf("Requests that modify replicas or witnesses must not also modify other fields")
	case !settings && len(in.ReplicaUpdates) == 0:
		return awsjson.Validationf("At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, " +
			"GlobalSecondaryIndexUpdates or SSESpecification or ReplicaUpdates is required")
	}
	return nil
}

// applySettings changes the settings of a table as a request says.
func applySettings(t *schema.Table, in *dynamodb.UpdateTableInput) error {
	mode := cmp.Or(string(in.BillingMode), t.BillingMode)
	p := in.ProvisionedThroughput
	switch {
	case mode == schema.PayPerRequest && p != nil:
		return awsjson.Validationf("One or more parameter values were invalid: " +
			"Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST")
	case mode == schema.Provisioned && p == nil && t.BillingMode != mode:
		return awsjson.Validationf("One or more parameter values were invalid: " +
			"ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED")
	case p != nil:
		if err := checkBounds(p); err != nil {
			return err
		}
		read, write := *p.ReadCapacityUnits, *p.WriteCapacityUnits
		if t.BillingMode == mode && t.ReadUnits == read && t.WriteUnits == write {
			return awsjson.Validationf("The provisioned throughput for the table will not change. The requested value equals the current value. "+
				"Current ReadCapacityUnits provisioned for the table: %d. Requested ReadCapacityUnits: %d. "+
				"Current WriteCapacityUnits provisioned for the table: %d. Requested WriteCapacityUnits: %d. "+
				"Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits.",
				t.ReadUnits, read, t.WriteUnits, write)
		}
		t.ReadUnits, t.WriteUnits = read, write
	case mode == schema.PayPerRequest:
		t.ReadUnits, t.WriteUnits = 0, 0
	}
	t.BillingMode = mode
	if in.TableClass != "" {
		t.TableClass = string(in.TableClass)
	}
	if in.DeletionProtectionEnabled != nil {
		t.DeletionProtection = *in.DeletionProtectionEnabled
	}
	return nil
}

// updateReplica carries out the one replica update that a request may have.
func (a *Control) updateReplica(ctx context.Context, t *catalog.Table, in *dynamodb.UpdateTableInput) (*catalog.Table, error) {
	if len(in.ReplicaUpdates) > 1 {
		return nil, awsjson.Validationf("Update table operation with more than one create or delete replica actions not allowed")
	}
	update := in.ReplicaUpdates[0]
	region, err := replicaRegion(update)
	if err != nil {
		return nil, err
	}
	if region == a.region {
		return nil, awsjson.Validationf("Cannot add, delete, or update the local region through ReplicaUpdates. " +
			"Use CreateTable, DeleteTable, or UpdateTable as required.")
	}
	if a.replicas == nil {
		return nil, awsjson.Validationf("Region %s is not known: this Roundtable has one region only", region)
	}
	if err := idle(t); err != nil {
		return nil, err
	}
	if update.Create != nil {
		if t.BillingMode != schema.PayPerRequest {
			return nil, awsjson.Validationf("Table write capacity should either be Pay-Per-Request or AutoScaled.")
		}
		err = a.replicas.AddReplica(ctx, t.Name, region)
	} else {
		err = a.replicas.RemoveReplica(ctx, t.Name, region)
	}
	if err != nil {
		return nil, err
	}
	if now, ok := a.tables.Table(t.Name); ok {
		return now, nil
	}
	return t, nil
}

// replicaRegion is the region that a replica update is about, if it is one that
// Roundtable has.
func replicaRegion(u types.ReplicationGroupUpdate) (string, error) {
	actions := []member{
		{"Create", u.Create != nil}, {"Delete", u.Delete != nil}, {"Update", u.Update != nil}, {"Disassociate", u.Disassociate != nil},
	}
	given := 0
	for _, action := range actions {
		if action.set {
			given++
		}
	}
	if given != 1 {
		return "", awsjson.Validationf("One or more parameter values were invalid: " +
			"One of ReplicaUpdate.Create, ReplicaUpdate.Update, ReplicaUpdate.Delete must not be null")
	}
	var name *string
	switch {
	case u.Update != nil:
		return "", notYet("ReplicaUpdates.Update")
	case u.Disassociate != nil:
		return "", notYet("ReplicaUpdates.Disassociate")
	case u.Delete != nil:
		name = u.Delete.RegionName
	default:
		name = u.Create.RegionName
		for _, m := range []member{
			{"KMSMasterKeyId of a replica", u.Create.KMSMasterKeyId != nil},
			{"ProvisionedThroughputOverride", u.Create.ProvisionedThroughputOverride != nil},
			{"OnDemandThroughputOverride", u.Create.OnDemandThroughputOverride != nil},
			{"TableClassOverride", u.Create.TableClassOverride != ""},
			{"GlobalSecondaryIndexes", len(u.Create.GlobalSecondaryIndexes) > 0},
		} {
			if m.set {
				return "", notYet(m.name)
			}
		}
	}
	var c constraint.Set
	c.Present(name != nil, "replicaUpdates.1.member.regionName")
	return aws.ToString(name), c.Err()
}
