package control

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/roundtabledb/roundtable/region/awsjson"
	"github.com/roundtabledb/roundtable/region/constraint"
	"github.com/roundtabledb/roundtable/storage"
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
	if _, err := a.tableOf(in.TableName); err != nil {
		return nil, err
	}
	return &dynamodb.DescribeTimeToLiveOutput{
		TimeToLiveDescription: &types.TimeToLiveDescription{TimeToLiveStatus: types.TimeToLiveStatusDisabled},
	}, nil
}

func (a *Control) describeContinuousBackups(_ context.Context, in *dynamodb.DescribeContinuousBackupsInput) (*dynamodb.DescribeContinuousBackupsOutput, error) {
	if _, err := a.tableOf(in.TableName); err != nil {
		if storage.KindOf(err) == storage.ResourceNotFound {
			err = awsjson.NewException("TableNotFoundException", "Table not found: %s", constraint.TableName(*in.TableName))
		}
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
