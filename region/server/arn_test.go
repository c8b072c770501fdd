package server_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go"
)

// TestTableNamesMayBeARNs asks operations of both kinds for tables by ARN: of
// this region and account only.
func TestTableNamesMayBeARNs(t *testing.T) {
	c, _, _ := newClient(t)
	createTable(t, c, "named")
	for arn, want := range map[string]string{
		"arn:aws:dynamodb:eu-test-1:000000000000:table/named":         "",
		"arn:aws:dynamodb:us-test-1:000000000000:table/named":         "ValidationException",
		"arn:aws:dynamodb:eu-test-1:999999999999:table/named":         "AccessDeniedException",
		"arn:aws:dynamodb:eu-test-1:000000000000:table/named/index/i": "ValidationException",
		"arn:aws:sqs:eu-test-1:000000000000:table/named":              "ValidationException",
	} {
		check := func(operation string, err error) {
			t.Helper()
			var refused smithy.APIError
			if want == "" && err == nil || errors.As(err, &refused) && refused.ErrorCode() == want {
				return
			}
			t.Errorf("%s of %s: %v, want %s", operation, arn, err, want)
		}
		_, err := c.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &arn, Key: attrs{"pk": str("a"), "sk": num("1")}})
		check("GetItem", err)
		_, err = c.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &arn, Item: attrs{"pk": str("a"), "sk": num("1")}})
		check("PutItem", err)
		described, err := c.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &arn})
		check("DescribeTable", err)
		if err == nil && (aws.ToString(described.Table.TableName) != "named" || !strings.HasSuffix(aws.ToString(described.Table.TableArn), ":table/named")) {
			t.Errorf("described as %s, %s", *described.Table.TableName, *described.Table.TableArn)
		}
	}
}
