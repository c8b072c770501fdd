package sdk

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/roundtabledb/roundtable/e2e/check"
	"github.com/roundtabledb/roundtable/e2e/harness"
)

// Scan reads all items of a table in a region, each as a text that equal items
// have alike, by partition key.
func Scan(ctx context.Context, c *dynamodb.Client, table string) (map[string]string, error) {
	items := map[string]string{}
	pages := dynamodb.NewScanPaginator(c, &dynamodb.ScanInput{TableName: &table, ConsistentRead: aws.Bool(true)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("scan %s: %w", table, err)
		}
		for _, item := range page.Items {
			key := Text(item[PK])
			if _, twice := items[key]; twice {
				return nil, fmt.Errorf("scan %s: %s comes twice", table, key)
			}
			items[key] = Text(&types.AttributeValueMemberM{Value: item})
		}
	}
	return items, nil
}

// Converge waits until all regions hold the same items of a table, and returns
// how many. What differs is in the error when ctx ends first.
func Converge(ctx context.Context, d *harness.Deployment, table string) (items int, err error) {
	err = harness.Until(ctx, "all regions to hold the same items", func(ctx context.Context) (bool, error) {
		var err error
		items, err = Same(ctx, d, table)
		return err == nil, err
	})
	return items, err
}

// Same compares the items of a table in all regions, and returns how many there
// are. A difference is a check.Violation.
func Same(ctx context.Context, d *harness.Deployment, table string) (items int, err error) {
	all := map[string]map[string]string{}
	for _, r := range d.Regions {
		if all[r.Name], err = Scan(ctx, Client(r), table); err != nil {
			return 0, err
		}
		items = len(all[r.Name])
	}
	return items, check.Converged(all)
}

// Text is a text that values have alike if and only if they are the same, to
// the byte.
func Text(v types.AttributeValue) string {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return fmt.Sprintf("S%q", v.Value)
	case *types.AttributeValueMemberN:
		return "N" + v.Value
	case *types.AttributeValueMemberB:
		return "B" + base64.StdEncoding.EncodeToString(v.Value)
	case *types.AttributeValueMemberBOOL:
		return fmt.Sprintf("BOOL(%t)", v.Value)
	case *types.AttributeValueMemberNULL:
		return "NULL"
	case *types.AttributeValueMemberSS:
		return fmt.Sprintf("SS%q", v.Value)
	case *types.AttributeValueMemberNS:
		return fmt.Sprintf("NS%q", v.Value)
	case *types.AttributeValueMemberBS:
		return fmt.Sprintf("BS%x", v.Value)
	case *types.AttributeValueMemberL:
		var all []string
		for _, e := range v.Value {
			all = append(all, Text(e))
		}
		return "[" + strings.Join(all, ",") + "]"
	case *types.AttributeValueMemberM:
		var all []string
		for _, name := range slices.Sorted(maps.Keys(v.Value)) {
			all = append(all, fmt.Sprintf("%q:%s", name, Text(v.Value[name])))
		}
		return "{" + strings.Join(all, ",") + "}"
	}
	return fmt.Sprintf("%T", v)
}
