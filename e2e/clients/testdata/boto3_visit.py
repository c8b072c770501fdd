"""Visits regions with boto3: a table with replicas, items of every type written
in each region, and read in the others by get, query, scan and batches.

    boto3_visit.py REGION=URL REGION=URL ...
"""

import sys
import time
from decimal import Decimal

import boto3
from boto3.dynamodb.conditions import Attr, Key
from boto3.dynamodb.types import Binary
from botocore.exceptions import ClientError

TABLE = "visited-by-boto3"
REGIONS = dict(arg.split("=", 1) for arg in sys.argv[1:])
ITEMS = 60


def resource(region):
    return boto3.resource("dynamodb", region_name=region, endpoint_url=REGIONS[region])


def until(what, ok, seconds=60):
    """Asks until ok() is true."""
    deadline = time.monotonic() + seconds
    while not ok():
        assert time.monotonic() < deadline, "waited in vain for " + what
        time.sleep(0.05)


def create():
    first, *others = REGIONS
    table = resource(first).create_table(
        TableName=TABLE,
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "N"},
        ],
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    until("the table", lambda: (table.reload(), table.table_status)[1] == "ACTIVE")
    client = table.meta.client
    for n, region in enumerate(others, 1):
        client.update_table(TableName=TABLE, ReplicaUpdates=[{"Create": {"RegionName": region}}])

        def spread():
            t = client.describe_table(TableName=TABLE)["Table"]
            replicas = t.get("Replicas", [])
            return t["TableStatus"] == "ACTIVE" and len(replicas) == n and all(r["ReplicaStatus"] == "ACTIVE" for r in replicas)

        until("the replica in " + region, spread)


def item(region, n):
    return {
        "pk": region,
        "sk": n,
        "number": Decimal("-1.5E+10"),
        "exact": Decimal("0.12345678901234567890123456789012345678"),
        "text": "Zürich 日本",
        "bytes": Binary(b"\x00\xff"),
        "yes": True,
        "none": None,
        "list": [1, "two", [Decimal("3.5")], {}],
        "map": {"below": {"deep": n}},
        "words": {"a", "b"},
        "numbers": {Decimal(1), Decimal("2.5")},
        "blobs": {Binary(b"\x01"), Binary(b"\x02")},
    }


def write(region):
    table = resource(region).Table(TABLE)
    with table.batch_writer() as batch:
        for n in range(ITEMS):
            batch.put_item(Item=item(region, n))
    answer = table.update_item(
        Key={"pk": region, "sk": 0},
        UpdateExpression="SET #m.below.deep = :v REMOVE #none ADD visits :one",
        ExpressionAttributeNames={"#m": "map", "#none": "none"},
        ExpressionAttributeValues={":v": "changed", ":one": 1},
        ReturnValues="ALL_NEW",
    )
    assert answer["Attributes"]["visits"] == 1, answer
    try:
        table.put_item(Item=item(region, 1), ConditionExpression=Attr("pk").not_exists())
        raise AssertionError("the condition must fail")
    except table.meta.client.exceptions.ConditionalCheckFailedException:
        pass


def read(region, source):
    """Reads in one region what another wrote."""
    table = resource(region).Table(TABLE)
    mine = Key("pk").eq(source)

    def arrived():
        got = table.get_item(Key={"pk": source, "sk": 0}, ConsistentRead=True).get("Item", {})
        return got.get("visits") == 1 and table.query(KeyConditionExpression=mine, Select="COUNT")["Count"] == ITEMS

    until(f"the items of {source} in {region}", arrived)

    got = table.get_item(Key={"pk": source, "sk": 7})["Item"]
    assert got == item(source, 7), got
    page = table.query(KeyConditionExpression=mine & Key("sk").between(10, 20), ScanIndexForward=False, Limit=5)
    assert [i["sk"] for i in page["Items"]] == [20, 19, 18, 17, 16], page
    rest = table.query(
        KeyConditionExpression=mine & Key("sk").between(10, 20), ScanIndexForward=False, ExclusiveStartKey=page["LastEvaluatedKey"]
    )
    assert [i["sk"] for i in rest["Items"]] == [15, 14, 13, 12, 11, 10], rest

    pages = resource(region).meta.client.get_paginator("scan").paginate(
        TableName=TABLE, FilterExpression=Attr("pk").eq(source) & Attr("map.below.deep").gte(50), PaginationConfig={"PageSize": 30}
    )
    assert sorted(i["sk"] for p in pages for i in p["Items"]) == list(range(50, ITEMS))

    answer = resource(region).batch_get_item(RequestItems={TABLE: {"Keys": [{"pk": source, "sk": n} for n in range(1, 40)]}})
    assert len(answer["Responses"][TABLE]) == 39 and not answer["UnprocessedKeys"], answer


def delete():
    first, *_, last = REGIONS
    resource(last).Table(TABLE).delete_item(Key={"pk": first, "sk": 3})
    for region in REGIONS:
        table = resource(region).Table(TABLE)
        until("the deleted item to be gone in " + region, lambda: "Item" not in table.get_item(Key={"pk": first, "sk": 3}, ConsistentRead=True))
    try:
        resource(first).Table("no-such-table").load()
        raise AssertionError("the table must be missing")
    except ClientError as e:
        assert e.response["Error"]["Code"] == "ResourceNotFoundException", e


create()
for r in REGIONS:
    write(r)
for r in REGIONS:
    for s in REGIONS:
        read(r, s)
delete()
print(f"boto3 {boto3.__version__}: {ITEMS} items of each of {len(REGIONS)} regions, written, read and queried in all")
