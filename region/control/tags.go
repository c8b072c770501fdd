package control

import (
	"context"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/region/awsjson"
	"github.com/roundtabledb/roundtable/region/constraint"
	"github.com/roundtabledb/roundtable/storage"
)

// Limits of tags, in letters.
const (
	maxTags     = 50
	maxTagKey   = 128
	maxTagValue = 256
)

func tooManyTags() error {
	return awsjson.Validationf("Number of Tags exceed the current limit for the provided ResourceArn")
}

// checkTags checks tags to be set; the texts are the service's own.
func checkTags(tags []types.Tag) error {
	seen := map[string]bool{}
	for _, t := range tags {
		if err := checkTagKey(t.Key); err != nil {
			return err
		}
		if t.Value == nil || !isTagText(*t.Value, 0, maxTagValue) {
			return awsjson.Validationf("The Tag Value provided is invalid, Value: %s", orNull(t.Value))
		}
		if seen[*t.Key] {
			return awsjson.Validationf("Duplicate Tag Keys provided as input: Duplicate Tag Key found %s", *t.Key)
		}
		seen[*t.Key] = true
	}
	if len(tags) > maxTags {
		return tooManyTags()
	}
	return nil
}

func checkTagKey(key *string) error {
	if key == nil || !isTagText(*key, 1, maxTagKey) {
		return awsjson.Validationf("The Tag Key provided is invalid, Key: %s", orNull(key))
	}
	if len(*key) >= 4 && strings.EqualFold((*key)[:4], "aws:") {
		return awsjson.Validationf("Tag Key cannot be prefixed with aws:, Key: %s", *key)
	}
	return nil
}

func orNull(s *string) string {
	if s == nil {
		return "null"
	}
	return *s
}

// isTagText reports whether s has the letters that AWS takes in tags, of any
// script, and as many as it may have.
func isTagText(s string, least, most int) bool {
	if n := utf8.RuneCountInString(s); n < least || n > most {
		return false
	}
	for _, r := range s {
		if !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.Is(unicode.Zs, r) && !strings.ContainsRune("+-=._:/@", r) {
			return false
		}
	}
	return true
}

// taggedTable finds the table that a tag operation names by its ARN.
func (a *Control) taggedTable(resource *string) (*catalog.Table, error) {
	if aws.ToString(resource) == "" {
		return nil, awsjson.Validationf("Invalid TableArn")
	}
	if !strings.HasPrefix(*resource, "arn:") {
		return nil, awsjson.Validationf(invalid+"ARNs must start with 'arn:': %s", *resource)
	}
	arn, ok := constraint.ParseARN(*resource)
	kind, name, _ := strings.Cut(arn.Resource, "/")
	switch {
	case ok && !a.home.Owns(arn):
		return nil, constraint.AccessDenied()
	case !ok || arn.Service != "dynamodb" || kind != "table" || strings.Contains(name, "/backup/"):
		return nil, awsjson.Validationf(invalid+"Provided Arn is not a DynamoDB resource arn: %s", *resource)
	case strings.Contains(name, "/index/"):
		return nil, awsjson.Validationf(invalid+"Invalid resource arn provided, only table or stream is accepted. Provided resource arn: %s", *resource)
	case a.home.Region != "" && arn.Region != a.home.Region, len(name) < 3:
		return nil, awsjson.Validationf("Invalid TableArn: Invalid ResourceArn provided as input %s", *resource)
	}
	return a.lookup(name, storage.Errorf(storage.ResourceNotFound, "Requested resource not found: ResourceArn: %s not found", *resource))
}

func (a *Control) tagResource(ctx context.Context, in *dynamodb.TagResourceInput) error {
	switch {
	case in.ResourceArn != nil && in.Tags == nil:
		var c constraint.Set
		c.Present(false, "tags")
		return c.Err()
	case in.ResourceArn != nil && len(in.Tags) == 0:
		return awsjson.Validationf("Atleast one Tag needs to be provided as Input.")
	}
	if err := checkTags(in.Tags); err != nil {
		return err
	}
	t, err := a.taggedTable(in.ResourceArn)
	if err != nil {
		return err
	}
	_, err = a.tables.UpdateTable(ctx, t.Name, func(t *catalog.Table) error {
		if err := alive(t); err != nil {
			return err
		}
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
	return err
}

func (a *Control) untagResource(ctx context.Context, in *dynamodb.UntagResourceInput) error {
	switch {
	case in.ResourceArn != nil && in.TagKeys == nil:
		var c constraint.Set
		c.Present(false, "tagKeys")
		return c.Err()
	case in.ResourceArn != nil && len(in.TagKeys) == 0:
		return awsjson.Validationf("Atleast one Tag Key needs to be provided as Input.")
	case len(in.TagKeys) > maxTags:
		return tooManyTags()
	}
	for i := range in.TagKeys {
		if err := checkTagKey(&in.TagKeys[i]); err != nil {
			return err
		}
	}
	t, err := a.taggedTable(in.ResourceArn)
	if err != nil {
		return err
	}
	_, err = a.tables.UpdateTable(ctx, t.Name, func(t *catalog.Table) error {
		if err := alive(t); err != nil {
			return err
		}
		t.Tags = maps.Clone(t.Tags)
		maps.DeleteFunc(t.Tags, func(key, _ string) bool { return slices.Contains(in.TagKeys, key) })
		return nil
	})
	return err
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
