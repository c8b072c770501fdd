"""Stores and finds values of every type with boto3's Table, in the ways that
Python programs have: conditions, older parameters, the low-level client.

    boto3_values.py URL
"""

import sys
from decimal import Decimal

import boto3
from boto3.dynamodb.conditions import Attr, Key
from boto3.dynamodb.types import Binary, TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

db = boto3.resource("dynamodb", endpoint_url=sys.argv[1])
client = db.meta.client


def refused(code, text, call, **members):
    """Makes a call that must be refused, and returns the answer."""
    try:
        call(**members)
    except ClientError as e:
        error = e.response["Error"]
        assert error["Code"] == code and text in error["Message"], error
        assert e.response["ResponseMetadata"]["HTTPStatusCode"] == 400
        return e.response
    raise AssertionError(f"{call} took {members}")


table = db.create_table(
    TableName="values",
    BillingMode="PAY_PER_REQUEST",
    AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "B"}, {"AttributeName": "at", "AttributeType": "S"}],
    KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "at", "KeyType": "RANGE"}],
)
client.get_waiter("table_exists").wait(TableName="values", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
table.load()
assert table.key_schema == [{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "at", "KeyType": "RANGE"}]
assert {d["AttributeName"]: d["AttributeType"] for d in table.attribute_definitions} == {"id": "B", "at": "S"}
assert table.name == "values" and table.table_arn.endswith(":table/values") and table.creation_date_time.year >= 2020
assert table.item_count == 0 and table.table_size_bytes == 0
refused("ResourceInUseException", "values", client.create_table, TableName="values", BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=table.attribute_definitions, KeySchema=table.key_schema)

# What is put comes back equal, whatever its type and however deep it lies.
key = {"id": b"\x00\x01\xff", "at": "2026-11-25"}
document = {
    **key,
    "small": Decimal("1E-130"), "great": Decimal("99999999999999999999999999999999999999"), "negative": -7, "zero": Decimal("-0.0"),
    "text": "a\u0000\u2028 \U0001F600", "empty": "", "bytes": Binary(bytes(range(256))), "no bytes": b"",
    "yes": True, "no": False, "none": None,
    "texts": {"", "ä", "a"}, "numbers": {1, Decimal("2.50"), -3}, "blobs": {b"", b"\xff", Binary(b"a")},
    "list": [None, True, "x", 1, [], {}, {"in": [{"deeper": {Decimal("0.1")}}]}],
    "map": {"a.b": 1, "c": {"d": {"e": [b"\x01"]}}},
}
answer = table.put_item(Item=document, ReturnConsumedCapacity="TOTAL")
assert answer["ConsumedCapacity"]["TableName"] == "values" and answer["ConsumedCapacity"]["CapacityUnits"] == 1.0, answer
got = table.get_item(Key=key, ConsistentRead=True)["Item"]
want = TypeDeserializer().deserialize(TypeSerializer().serialize(document))
assert got == want, [(k, got.get(k), want[k]) for k in want if got.get(k) != want[k]]
low = boto3.client("dynamodb", endpoint_url=sys.argv[1]).get_item(
    TableName="values", Key={"id": {"B": key["id"]}, "at": {"S": key["at"]}}, ConsistentRead=True)["Item"]
assert low["numbers"]["NS"] and sorted(map(Decimal, low["numbers"]["NS"])) == [-3, 1, Decimal("2.5")]
assert low["bytes"] == {"B": bytes(range(256))} and low["zero"] == {"N": "0"} and low["none"] == {"NULL": True}

# Conditions of each kind, true and false.
holds = [
    Attr("negative").eq(-7), Attr("negative").ne(7), Attr("negative").lt(0), Attr("negative").lte(-7), Attr("negative").gt(-8), Attr("negative").gte(-7),
    Attr("negative").between(-8, -6), Attr("negative").is_in([1, -7]), Attr("text").begins_with("a"), Attr("bytes").begins_with(b"\x00\x01"),
    Attr("texts").contains("ä"), Attr("numbers").contains(Decimal("2.5")), Attr("list").contains("x"), Attr("bytes").contains(b"\x80\x81"),
    Attr("absent").not_exists(), Attr("map").exists(), Attr("none").attribute_type("NULL"), Attr("blobs").attribute_type("BS"),
    Attr("map.c.d.e[0]").eq(b"\x01"), Attr("list[3]").eq(1), Attr("list").size().eq(7), Attr("bytes").size().between(256, 256),
    Attr("texts").eq({"a", "", "ä"}), Attr("map").eq(document["map"]), Attr("none").eq(None), Attr("yes").ne(Attr("no")),
    (Attr("negative").eq(0) | Attr("yes").eq(True)) & ~(Attr("no").eq(True) | Attr("absent").eq(1)),
]
for condition in holds:
    table.put_item(Item=document, ConditionExpression=condition)
    refused("ConditionalCheckFailedException", "The conditional request failed", table.delete_item, Key=key, ConditionExpression=~condition)
assert table.scan(FilterExpression=holds[-1] & holds[0])["Count"] == 1
response = refused("ConditionalCheckFailedException", "", table.update_item, Key=key, UpdateExpression="REMOVE yes",
                   ConditionExpression=Attr("yes").eq(False), ReturnValuesOnConditionCheckFailure="ALL_OLD")
assert TypeDeserializer().deserialize({"M": response["Item"]}) == want

# The sort key in each condition that it can have.
for at in ("2025-01-01", "2026-01-01", "2027-01-01"):
    table.put_item(Item={"id": key["id"], "at": at})
mine = Key("id").eq(key["id"])
for condition, count in [(Key("at").lt("2026-01-01"), 1), (Key("at").lte("2026-01-01"), 2), (Key("at").gt("2026-01-01"), 2), (Key("at").gte("2026-01-01"), 3),
                         (Key("at").eq("2027-01-01"), 1), (Key("at").begins_with("2026"), 2), (Key("at").between("2026", "2027"), 2)]:
    assert table.query(KeyConditionExpression=mine & condition, Select="COUNT")["Count"] == count, condition.get_expression()
refused("ValidationException", "Query condition missed key schema element: id", table.query, KeyConditionExpression=Key("at").eq("x"))

# What expressions have replaced.
older = table.update_item(
    Key=key, ReturnValues="ALL_NEW",
    AttributeUpdates={"negative": {"Action": "ADD", "Value": 10}, "texts": {"Action": "DELETE", "Value": {"a"}}, "list": {"Action": "DELETE"},
                      "empty": {"Action": "PUT", "Value": "full"}, "numbers": {"Action": "ADD", "Value": {4}}},
    Expected={"negative": {"Value": -7, "ComparisonOperator": "EQ"}, "absent": {"Exists": False}}, ConditionalOperator="AND",
)["Attributes"]
assert older["negative"] == 3 and older["texts"] == {"", "ä"} and "list" not in older and older["empty"] == "full" and 4 in older["numbers"], older
assert table.scan(ScanFilter={"negative": {"ComparisonOperator": "BETWEEN", "AttributeValueList": [1, 5]}}, AttributesToGet=["at"])["Items"] == [{"at": key["at"]}]
page = table.query(KeyConditions={"id": {"ComparisonOperator": "EQ", "AttributeValueList": [key["id"]]}},
                   QueryFilter={"negative": {"ComparisonOperator": "NULL"}}, ScanIndexForward=False, AttributesToGet=["at"])
assert [i["at"] for i in page["Items"]] == ["2027-01-01", "2026-01-01", "2025-01-01"] and page["ScannedCount"] == 4, page
assert table.delete_item(Key=key, Expected={"negative": {"Value": 3}}, ReturnValues="ALL_OLD")["Attributes"] == older

# What the service refuses and boto3 lets through.
refused("ValidationException", "Missing the key at in the item", table.put_item, Item={"id": b"x"})
refused("ValidationException", "The provided key element does not match the schema", table.get_item, Key={"id": "text", "at": "x"})
refused("ValidationException", "cannot contain an empty string value. Key: at", table.put_item, Item={"id": b"x", "at": ""})
refused("ValidationException", "Item size has exceeded the maximum allowed size", table.put_item, Item={"id": b"x", "at": "x", "big": "x" * 410_000})
refused("ResourceNotFoundException", "Requested resource not found", db.Table("absent").get_item, Key={"id": b"x", "at": "x"})
refused("ValidationException", "reserved keyword", table.update_item, Key=key, UpdateExpression="SET name = :n", ExpressionAttributeValues={":n": 1})

table.delete()
client.get_waiter("table_not_exists").wait(TableName="values", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
print("boto3", boto3.__version__)
