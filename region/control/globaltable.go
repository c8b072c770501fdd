package control

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/roundtabledb/roundtable/region/awsjson"
)

// This file is the operations on global tables of version 2017.11.29. DynamoDB
// refuses to make any; so there are none. Today's are made with UpdateTable.

func (a *Control) createGlobalTable(context.Context, *dynamodb.CreateGlobalTableInput) (*dynamodb.CreateGlobalTableOutput, error) {
	return nil, awsjson.Validationf("global tables version 2017.11.29 is not supported")
}

func (a *Control) listGlobalTables(context.Context, *dynamodb.ListGlobalTablesInput) (*dynamodb.ListGlobalTablesOutput, error) {
	return &dynamodb.ListGlobalTablesOutput{GlobalTables: []types.GlobalTable{}}, nil
}

func (a *Control) describeGlobalTable(_ context.Context, in *dynamodb.DescribeGlobalTableInput) (*dynamodb.DescribeGlobalTableOutput, error) {
	return nil, globalTableNotFound(in.GlobalTableName)
}

func (a *Control) updateGlobalTable(_ context.Context, in *dynamodb.UpdateGlobalTableInput) (*dynamodb.UpdateGlobalTableOutput, error) {
	return nil, globalTableNotFound(in.GlobalTableName)
}

func (a *Control) describeGlobalTableSettings(_ context.Context, in *dynamodb.DescribeGlobalTableSettingsInput) (*dynamodb.DescribeGlobalTableSettingsOutput, error) {
	return nil, globalTableNotFound(in.GlobalTableName)
}

func (a *Control) updateGlobalTableSettings(_ context.Context, in *dynamodb.UpdateGlobalTableSettingsInput) (*dynamodb.UpdateGlobalTableSettingsOutput, error) {
	return nil, globalTableNotFound(in.GlobalTableName)
}

func globalTableNotFound(name *string) error {
	return awsjson.NewException("GlobalTableNotFoundException",
		"Global table not found: Global table with name: '%s' does not exist.", aws.ToString(name))
}
