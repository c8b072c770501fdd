package control

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/region/awsjson"
)

// describeEndpoints sends clients to where they are: the host that they called.
func (a *Control) describeEndpoints(_ context.Context, r *awsjson.Request, dst []byte) ([]byte, error) {
	return awsjson.AppendShape(dst, &dynamodb.DescribeEndpointsOutput{
		Endpoints: []types.Endpoint{{Address: aws.String(r.Host), CachePeriodInMinutes: 1440}},
	}), nil
}

// describeLimits answers with DynamoDB's default quotas. Nothing enforces them.
func (a *Control) describeLimits(context.Context, *dynamodb.DescribeLimitsInput) (*dynamodb.DescribeLimitsOutput, error) {
	return &dynamodb.DescribeLimitsOutput{
		AccountMaxReadCapacityUnits:  aws.Int64(80_000),
		AccountMaxWriteCapacityUnits: aws.Int64(80_000),
		TableMaxReadCapacityUnits:    aws.Int64(40_000),
		TableMaxWriteCapacityUnits:   aws.Int64(40_000),
	}, nil
}

func (a *Control) describeTimeToLive(_ context.Context, in *dynamodb.DescribeTimeToLiveInput) (*dynamodb.DescribeTimeToLiveOutput, error) {
	t, err := a.tableOf(in.TableName)
	if err != nil {
		return nil, err
	}
	if t.Status == catalog.Creating || t.Status == catalog.Deleting {
		return nil, awsjson.Validationf("Cannot describe time to live while table is in %s state: Current table state is %[1]s", t.Status)
	}
	return &dynamodb.DescribeTimeToLiveOutput{
		TimeToLiveDescription: &types.TimeToLiveDescription{TimeToLiveStatus: types.TimeToLiveStatusDisabled},
	}, nil
}

func (a *Control) describeContinuousBackups(_ context.Context, in *dynamodb.DescribeContinuousBackupsInput) (*dynamodb.DescribeContinuousBackupsOutput, error) {
	name, err := a.tableName(in.TableName)
	if err != nil {
		return nil, err
	}
	if _, err := a.lookup(name, awsjson.NewException("TableNotFoundException", "Table not found: %s", name)); err != nil {
		return nil, err
	}
	return &dynamodb.DescribeContinuousBackupsOutput{
		ContinuousBackupsDescription: &types.ContinuousBackupsDescription{
			ContinuousBackupsStatus: types.ContinuousBackupsStatusDisabled,
			PointInTimeRecoveryDescription: &types.PointInTimeRecoveryDescription{
				PointInTimeRecoveryStatus: types.PointInTimeRecoveryStatusDisabled,
			},
		},
	}, nil
}
