package control

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/region/awsjson"
	"github.com/roundtabledb/roundtable/region/constraint"
	"github.com/roundtabledb/roundtable/storage"
)

// maxTags is how many tags a table may have.
const maxTags = 50

func tooManyTags() error {
	return awsjson.Validationf("One or more parameter values were invalid: Too many tags: a table has at most %d", maxTags)
}

// taggedTable finds the table that a tag operation names by its ARN.
func (a *Control) taggedTable(arn *string) (*catalog.Table, error) {
	if arn == nil || !strings.HasPrefix(*arn, "arn:") || !strings.Contains(*arn, ":table/") {
		return nil, awsjson.Validationf("Invalid TableArn: Invalid ResourceArn provided as input %s", aws.ToString(arn))
	}
	// Only this account's tables of this region can be here.
	t, ok := a.tables.Table(constraint.TableName(*arn))
	if !ok || *arn != a.arn(t.Name) {
		return nil, storage.Errorf(storage.ResourceNotFound, "Requested resource not found: ResourcArn: %s not found", *arn)
	}
	return t, nil
}

func (a *Control) tagResource(ctx context.Context, in *dynamodb.TagResourceInput) (*dynamodb.TagResourceOutput, error) {
	var c constraint.Set
	c.Present(in.Tags != nil, "tags")
	requireTags(&c, in.Tags)
	if err := c.Err(); err != nil {
		return nil, err
	}
	t, err := a.taggedTable(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	_, err = a.tables.UpdateTable(ctx, t.Name, func(t *catalog.Table) error {
		tags := maps.Clone(t.Tags)
		if tags == nil {
			tags = map[string]string{}
		}
		for _, tag := range in.Tags {
			tags[*tag.Key] = *tag.Value
		}
		if len(tags) > maxTags {
			return tooManyTags()
		}
		t.Tags = tags
		return nil
	})
	return &dynamodb.TagResourceOutput{}, err
}

func (a *Control) untagResource(ctx context.Context, in *dynamodb.UntagResourceInput) (*dynamodb.UntagResourceOutput, error) {
	var c constraint.Set
	c.Present(in.TagKeys != nil, "tagKeys")
	if err := c.Err(); err != nil {
		return nil, err
	}
	t, err := a.taggedTable(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	_, err = a.tables.UpdateTable(ctx, t.Name, func(t *catalog.Table) error {
		t.Tags = maps.Clone(t.Tags)
		maps.DeleteFunc(t.Tags, func(key, _ string) bool { return slices.Contains(in.TagKeys, key) })
		return nil
	})
	return &dynamodb.UntagResourceOutput{}, err
}

// listTags answers with all tags at once: there are few.
func (a *Control) listTags(_ context.Context, in *dynamodb.ListTagsOfResourceInput) (*dynamodb.ListTagsOfResourceOutput, error) {
	t, err := a.taggedTable(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	out := &dynamodb.ListTagsOfResourceOutput{Tags: []types.Tag{}}
	for _, key := range slices.Sorted(maps.Keys(t.Tags)) {
		out.Tags = append(out.Tags, types.Tag{Key: aws.String(key), Value: aws.String(t.Tags[key])})
	}
	return out, nil
}
