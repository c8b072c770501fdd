package control

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/roundtabledb/roundtable/region/awsjson"
	"github.com/roundtabledb/roundtable/region/constraint"
)

// This file is the operations on global tables of version 2017.11.29. DynamoDB
// refuses to make any; so there are none. Today's are made with UpdateTable.

func (a *Control) createGlobalTable(_ context.Context, in *dynamodb.CreateGlobalTableInput) (*dynamodb.CreateGlobalTableOutput, error) {
	if len(in.ReplicationGroup) == 0 {
		return nil, awsjson.Validationf("One or more parameter values were invalid: Global table must have atleast one replica")
	}
	for _, replica := range in.ReplicationGroup {
		if replica.RegionName == nil {
			return nil, awsjson.Validationf("One or more parameter values were invalid: ReplicationGroup members must specify RegionName")
		}
	}
	return nil, legacyGlobalTable()
}

func legacyGlobalTable() error {
	return awsjson.Validationf("One or more parameter values were invalid: DynamoDB global tables version 2017.11.29 is not supported. " +
		"We recommend using DynamoDB global tables version 2019.11.21, instead of version 2017.11.29 (Legacy).")
}

func (a *Control) listGlobalTables(context.Context, *dynamodb.ListGlobalTablesInput) (*dynamodb.ListGlobalTablesOutput, error) {
	return &dynamodb.ListGlobalTablesOutput{GlobalTables: []types.GlobalTable{}}, nil
}

// updateGlobalTable refuses a new replica before it looks for the table, and
// finds none to take a replica from.
func (a *Control) updateGlobalTable(_ context.Context, in *dynamodb.UpdateGlobalTableInput) (*dynamodb.UpdateGlobalTableOutput, error) {
	if len(in.ReplicaUpdates) == 0 {
		return nil, awsjson.Validationf("One or more parameter values were invalid")
	}
	created := false
	for _, u := range in.ReplicaUpdates {
		switch {
		case u.Create != nil && u.Delete != nil:
			return nil, awsjson.Validationf("One or more parameter values were invalid: " +
				"A ReplicaUpdate structure cannot contain both a create replica action and a delete replica action")
		case u.Create == nil && u.Delete == nil:
			return nil, awsjson.Validationf("One or more parameter values were invalid")
		}
		created = created || u.Create != nil
	}
	if created {
		return nil, legacyGlobalTable()
	}
	return nil, noGlobalTable(in.GlobalTableName)
}

func (a *Control) describeGlobalTable(_ context.Context, in *dynamodb.DescribeGlobalTableInput) (*dynamodb.DescribeGlobalTableOutput, error) {
	return nil, noGlobalTable(in.GlobalTableName)
}

func (a *Control) describeGlobalTableSettings(_ context.Context, in *dynamodb.DescribeGlobalTableSettingsInput) (*dynamodb.DescribeGlobalTableSettingsOutput, error) {
	return nil, noGlobalTable(in.GlobalTableName)
}

func (a *Control) updateGlobalTableSettings(_ context.Context, in *dynamodb.UpdateGlobalTableSettingsInput) (*dynamodb.UpdateGlobalTableSettingsOutput, error) {
	return nil, noGlobalTable(in.GlobalTableName)
}

// noGlobalTable says that there is no table of a name, once that is one.
func noGlobalTable(name *string) error {
	if n := len(aws.ToString(name)); n < 3 || n > constraint.MaxName {
		return awsjson.Validationf("TableName must be at least 3 characters long and at most 255 characters long")
	}
	return awsjson.NewException("GlobalTableNotFoundException",
		"Global table not found: Global table with name: '%s' does not exist.", *name)
}
