package control

import (
	"cmp"
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/region/awsjson"
	"github.com/roundtabledb/roundtable/region/constraint"
	"github.com/roundtabledb/roundtable/storage/schema"
)

// UpdateTableInput is the SDK's with a member that the SDK does not have yet.
type UpdateTableInput struct {
	dynamodb.UpdateTableInput
	// TableThroughputMode is a newer name of BillingMode, which goes before it.
	TableThroughputMode types.BillingMode
}

func (a *Control) updateTable(ctx context.Context, request *UpdateTableInput) (*tableOutput, error) {
	in := &request.UpdateTableInput
	name, err := a.tableName(in.TableName)
	if err != nil {
		return nil, err
	}
	forget(in)
	if err := requireUpdateTable(request); err != nil {
		return nil, err
	}
	in.BillingMode = cmp.Or(in.BillingMode, request.TableThroughputMode)
	if err := checkUpdateTable(in); err != nil {
		return nil, err
	}
	t, err := a.lookup(name, tableNotFound(name))
	if err != nil {
		return nil, err
	}
	var before schema.Table
	if len(in.ReplicaUpdates) > 0 {
		t, err = a.updateReplica(ctx, t, in)
	} else {
		t, err = a.tables.UpdateTable(ctx, t.Name, func(t *catalog.Table) error {
			before = t.Table
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
	if in.BillingMode != "" || in.ProvisionedThroughput != nil || in.TableClass != "" || len(in.ReplicaUpdates) > 0 {
		// The change is being carried out, or was just now.
		d.TableStatus = types.TableStatusUpdating
	}
	if p := d.ProvisionedThroughput; in.ProvisionedThroughput != nil && before.BillingMode == schema.Provisioned {
		// Units are what they were until the table is ACTIVE.
		p.ReadCapacityUnits, p.WriteCapacityUnits = aws.Int64(before.ReadUnits), aws.Int64(before.WriteUnits)
		p.NumberOfDecreasesToday = aws.Int64(decreasesToday(&before, time.Now()))
	}
	if o := in.OnDemandThroughput; o != nil {
		// The answer repeats what was taken away as -1.
		d.OnDemandThroughput = &types.OnDemandThroughput{
			MaxReadRequestUnits: orUnits(o.MaxReadRequestUnits, t.MaxReadUnits), MaxWriteRequestUnits: orUnits(o.MaxWriteRequestUnits, t.MaxWriteUnits),
		}
	}
	return &tableOutput{TableDescription: d}, nil
}

// orUnits is what a request says, or else a setting, nil for none.
func orUnits(asked *int64, units int64) *int64 {
	if asked != nil || units == 0 {
		return asked
	}
	return &units
}

// forget forgets members that ask for nothing.
func forget(in *dynamodb.UpdateTableInput) {
	if o := in.OnDemandThroughput; o != nil && onDemandMember(o) == "" {
		in.OnDemandThroughput = nil
	}
	if w := in.WarmThroughput; w != nil && w.ReadUnitsPerSecond == nil && w.WriteUnitsPerSecond == nil {
		in.WarmThroughput = nil
	}
}

// requireUpdateTable is what DynamoDB checks first.
func requireUpdateTable(in *UpdateTableInput) error {
	var c constraint.Set
	c.Enum(enumText(in.BillingMode), "billingMode", billingModes)
	c.Enum(enumText(in.TableThroughputMode), "tableThroughputMode", billingModes)
	requireThroughput(&c, "provisionedThroughput", in.ProvisionedThroughput)
	requireDefinitions(&c, in.AttributeDefinitions)
	requireIndexUpdates(&c, in.GlobalSecondaryIndexUpdates)
	if in.StreamSpecification != nil {
		requireStream(&c, in.StreamSpecification)
	}
	if in.ReplicaUpdates != nil {
		c.Require(len(in.ReplicaUpdates) > 0, "replicaUpdates", "'[]'", "Member must have length greater than or equal to 1")
	}
	return c.Err()
}

// checkUpdateTable checks a request as far as that goes without the table.
func checkUpdateTable(in *dynamodb.UpdateTableInput) error {
	if err := checkTableClass(in.TableClass); err != nil {
		return err
	}
	if p := in.ProvisionedThroughput; p != nil {
		if err := checkBounds(p); err != nil {
			return err
		}
	}
	if err := checkAlone(in); err != nil {
		return err
	}
	if err := checkIndexUpdates(in.GlobalSecondaryIndexUpdates); err != nil {
		return err
	}
	for _, m := range []member{
		{"VectorIndexUpdates", len(in.VectorIndexUpdates) > 0},
		{"GlobalTableWitnessUpdates", len(in.GlobalTableWitnessUpdates) > 0},
		{"MultiRegionConsistency STRONG", in.MultiRegionConsistency == types.MultiRegionConsistencyStrong},
		{"DisassociationProtectionEnabled", in.DisassociationProtectionEnabled != nil},
		{"GlobalTableSettingsReplicationMode", in.GlobalTableSettingsReplicationMode != ""},
	} {
		if m.set {
			return notYet(m.name)
		}
	}
	if s := in.StreamSpecification; s != nil && *s.StreamEnabled && s.StreamViewType == "" {
		return awsjson.Validationf(invalid + "If stream is being enabled then UpdateViewType is required")
	} else if s != nil && !*s.StreamEnabled && s.StreamViewType != "" {
		return awsjson.Validationf(invalid + "If stream is being disabled, then UpdateViewType must not be specified")
	}
	return checkEncryption(in.SSESpecification)
}

// checkAlone checks that a request changes one thing, as most changes must be
// alone.
func checkAlone(in *dynamodb.UpdateTableInput) error {
	iops := in.ProvisionedThroughput != nil || in.BillingMode == types.BillingModeProvisioned
	changes := []struct {
		set  bool
		text string
	}{
		{in.SSESpecification != nil, "Server-Side Encryption modification must be the only operation in the request"},
		{in.DeletionProtectionEnabled != nil, "DeletionProtection modification must be the only operation in the request"},
		{len(in.ReplicaUpdates) > 0, "Replica modification must be the only operation in the request"},
		{in.TableClass != "", "TableClass modification must be the only operation in the request"},
		{in.WarmThroughput != nil, "WarmThroughput must be the only operation in the request"},
		{in.OnDemandThroughput != nil, "OnDemandThroughput can only be combined with BillingMode in an UpdateTable request"},
		{in.StreamSpecification != nil && iops, "You cannot modify stream status while updating table IOPS"},
		{in.StreamSpecification != nil, ""},
		{in.ProvisionedThroughput != nil, ""},
		{in.BillingMode != "", ""},
		{len(in.GlobalSecondaryIndexUpdates) > 0, ""},
		{len(in.VectorIndexUpdates) > 0, ""},
		{len(in.GlobalTableWitnessUpdates) > 0, ""},
		{in.DisassociationProtectionEnabled != nil, ""},
		{in.GlobalTableSettingsReplicationMode != "", ""},
	}
	given, first := 0, ""
	for _, change := range changes {
		if change.set {
			if given == 0 {
				first = change.text
			}
			given++
		}
	}
	switch {
	case given == 0:
		return nothingToDo(in)
	case given == 1, first == "":
		return nil
	case in.OnDemandThroughput != nil && given == 2 && in.BillingMode != "":
		return nil
	}
	return awsjson.Validationf(invalid+"%s", first)
}

// nothingToDo lists the members that a request could have, without the one that
// it has and that does nothing alone.
func nothingToDo(in *dynamodb.UpdateTableInput) error {
	consistency := "MultiRegionConsistency, "
	if in.MultiRegionConsistency != "" {
		consistency = ""
	}
	return awsjson.Validationf("At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates, "+
		"SSESpecification, ReplicaUpdates, MultiAccountReplicaReady, ReplicaTransitRoleArn, %s"+
		"DeletionProtectionEnabled, OnDemandThroughput, WarmThroughput or TableClass is required", consistency)
}

// applySettings changes the settings of a table as a request says.
func applySettings(t *schema.Table, in *dynamodb.UpdateTableInput) error {
	switch {
	case in.SSESpecification != nil:
		return awsjson.Validationf(invalid + "Table is already encrypted by default")
	case in.StreamSpecification != nil && *in.StreamSpecification.StreamEnabled:
		return notYet("StreamSpecification")
	case in.StreamSpecification != nil:
		return awsjson.Validationf("Table has no stream to disable: TableName: %s", t.Name)
	}
	if err := updateIndexes(in.GlobalSecondaryIndexUpdates); err != nil {
		return err
	}
	if err := setBilling(t, in, time.Now()); err != nil {
		return err
	}
	if in.OnDemandThroughput != nil {
		if err := setOnDemand(t, in.OnDemandThroughput); err != nil {
			return err
		}
	}
	if in.WarmThroughput != nil {
		if err := setWarm(t, in.WarmThroughput); err != nil {
			return err
		}
	}
	if in.TableClass != "" {
		t.TableClass, t.TableClassMillis = string(in.TableClass), time.Now().UnixMilli()
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
		return nil, awsjson.Validationf("Cannot add or delete the local region through ReplicaUpdates. " +
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
	if now, err := a.tables.Lookup(t.Name); err == nil {
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
	switch {
	case given == 0:
		return "", awsjson.Validationf("There are no actions specified in the Replica Update Action of the request.")
	case given > 1:
		return "", awsjson.Validationf("Update table operation with more than one type of replica actions not allowed.")
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
