"""Works on a table with boto3's resources, against the endpoint given."""

import sys
from decimal import Decimal

import boto3
from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError

db = boto3.resource("dynamodb", endpoint_url=sys.argv[1])
table = db.create_table(
    TableName="orders",
    BillingMode="PAY_PER_REQUEST",
    AttributeDefinitions=[
        {"AttributeName": "customer", "AttributeType": "S"},
        {"AttributeName": "number", "AttributeType": "N"},
    ],
    KeySchema=[
        {"AttributeName": "customer", "KeyType": "HASH"},
        {"AttributeName": "number", "KeyType": "RANGE"},
    ],
    Tags=[{"Key": "made-by", "Value": "boto3"}],
)
table.wait_until_exists()
table.reload()
assert table.table_status == "ACTIVE" and table.billing_mode_summary["BillingMode"] == "PAY_PER_REQUEST"
assert [t.name for t in db.tables.all()] .count("orders") == 1

# More than a batch; the same key twice.
with table.batch_writer(overwrite_by_pkeys=["customer", "number"]) as batch:
    for n in range(120):
        batch.put_item({"customer": f"c{n % 3}", "number": n, "total": Decimal("9.90") * n, "open": n % 2 == 0, "rank": n})
    batch.put_item({"customer": "c0", "number": 0, "total": Decimal("0.5"), "tags": {"new", "first"}, "picture": b"\x00\xff", "none": None})
    batch.delete_item({"customer": "c2", "number": 119})

got = table.get_item(Key={"customer": "c0", "number": 0}, ConsistentRead=True)["Item"]
assert got["total"] == Decimal("0.5") and got["tags"] == {"new", "first"} and got["picture"].value == b"\x00\xff" and got["none"] is None, got

page = table.query(
    KeyConditionExpression=Key("customer").eq("c1") & Key("number").between(10, 60),
    FilterExpression=Attr("open").eq(True) & (Attr("total").gt(200) | Attr("rank").is_in([10, 16])) & ~Attr("tags").exists(),
    ProjectionExpression="#n, #t",
    ExpressionAttributeNames={"#n": "number", "#t": "total"},
    ScanIndexForward=False,
)
numbers = [int(i["number"]) for i in page["Items"]]
assert numbers == [58, 52, 46, 40, 34, 28, 22, 16, 10], numbers
assert all(set(i) == {"number", "total"} for i in page["Items"])

seen, start = 0, {}
while True:
    page = table.scan(Limit=25, FilterExpression=Attr("customer").begins_with("c") & Attr("total").attribute_type("N"), **start)
    seen += page["Count"]
    if "LastEvaluatedKey" not in page:
        break
    start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
assert seen == 119, seen

changed = table.update_item(
    Key={"customer": "c0", "number": 0},
    UpdateExpression="SET #t = #t + :x, history = list_append(if_not_exists(history, :none), :entry) REMOVE picture DELETE tags :first",
    ConditionExpression=Attr("tags").contains("first") & Attr("tags").size().gt(1),
    ExpressionAttributeNames={"#t": "total"},
    ExpressionAttributeValues={":x": Decimal("0.25"), ":none": [], ":entry": [{"at": 1}], ":first": {"first"}},
    ReturnValues="ALL_NEW",
)["Attributes"]
assert changed["total"] == Decimal("0.75") and changed["history"] == [{"at": 1}] and changed["tags"] == {"new"} and "picture" not in changed, changed
try:
    table.put_item(Item={"customer": "c0", "number": 0}, ConditionExpression=Attr("number").not_exists())
    raise AssertionError("a condition that fails was passed")
except db.meta.client.exceptions.ConditionalCheckFailedException as e:
    assert e.response["Error"]["Message"] == "The conditional request failed"

answer = db.batch_get_item(RequestItems={"orders": {"Keys": [{"customer": "c0", "number": 0}, {"customer": "c1", "number": 1}, {"customer": "c9", "number": 9}]}})
assert len(answer["Responses"]["orders"]) == 2 and answer["UnprocessedKeys"] == {}

table = table.update(BillingMode="PROVISIONED", ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 5})
table.wait_until_exists()
table.reload()
assert table.provisioned_throughput["ReadCapacityUnits"] == 5
tags = db.meta.client.list_tags_of_resource(ResourceArn=table.table_arn)["Tags"]
assert tags == [{"Key": "made-by", "Value": "boto3"}], tags
table.delete()
table.wait_until_not_exists()
try:
    table.reload()
    raise AssertionError("the table is still there")
except ClientError as e:
    assert e.response["Error"]["Code"] == "ResourceNotFoundException"
print("boto3", boto3.__version__)
