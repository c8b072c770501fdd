"""Goes through tables with what boto3 has for many items: batches, paginators,
parallel scans.

    boto3_pages.py URL
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import boto3
from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError

db = boto3.resource("dynamodb", endpoint_url=sys.argv[1])
client = db.meta.client
ITEMS = 240


def create(name):
    return db.create_table(
        TableName=name, BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "group", "AttributeType": "S"}, {"AttributeName": "n", "AttributeType": "N"}],
        KeySchema=[{"AttributeName": "group", "KeyType": "HASH"}, {"AttributeName": "n", "KeyType": "RANGE"}])


names = [f"pages-{i}" for i in range(5)]
tables = [create(name) for name in names]
for t in tables:
    t.wait_until_exists()
table = tables[0]

# A batch that names a key twice is refused; batch_writer keeps the last of them
# where it is told what a key is.
try:
    with table.batch_writer() as batch:
        batch.put_item({"group": "twice", "n": 1})
        batch.put_item({"group": "twice", "n": 1})
    raise AssertionError("a key was written twice in a batch")
except ClientError as e:
    assert e.response["Error"] == {"Code": "ValidationException", "Message": "Provided list of item keys contains duplicates"}, e.response
with table.batch_writer(overwrite_by_pkeys=["group", "n"]) as batch:
    for i in range(3):
        batch.put_item({"group": "twice", "n": 1, "i": i})
    batch.put_item({"group": "gone", "n": 1})
    batch.delete_item({"group": "gone", "n": 1})
assert table.scan(ConsistentRead=True)["Items"] == [{"group": "twice", "n": 1, "i": 2}]
with table.batch_writer() as batch:
    batch.delete_item({"group": "twice", "n": 1})
    for n in range(ITEMS):
        batch.put_item({"group": f"g{n % 3}", "n": Decimal(n) / 2, "even": n % 2 == 0, "filling": "x" * 100})

# Paginators: every item once, however small the pages, and on from a token.
def numbers(pages):
    return sorted(i["n"] for page in pages for i in page["Items"])


everything = sorted(Decimal(n) / 2 for n in range(ITEMS))
scan, query = client.get_paginator("scan"), client.get_paginator("query")
for size in (7, 100, 1000):
    pages = list(scan.paginate(TableName=table.name, ConsistentRead=True, PaginationConfig={"PageSize": size}))
    assert numbers(pages) == everything and all(p["ScannedCount"] <= size for p in pages)
    assert ("LastEvaluatedKey" in pages[-1]) is False
third = sorted(Decimal(n) / 2 for n in range(0, ITEMS, 3))
mine = dict(TableName=table.name, KeyConditionExpression=Key("group").eq("g0"), ConsistentRead=True)
for forward in (True, False):
    found = [i["n"] for p in query.paginate(**mine, ScanIndexForward=forward, PaginationConfig={"PageSize": 9}) for i in p["Items"]]
    assert found == (third if forward else third[::-1])
assert list(query.paginate(**mine, FilterExpression=Attr("even").eq(True), PaginationConfig={"PageSize": 11}).search("Items[].n")) == [n for n in third if n * 2 % 2 == 0]
# Tokens are JSON, which the resources' Decimal is not.
plain = boto3.client("dynamodb", endpoint_url=sys.argv[1]).get_paginator("query")
mine = dict(TableName=table.name, KeyConditionExpression="#g = :g", ExpressionAttributeNames={"#g": "group"}, ExpressionAttributeValues={":g": {"S": "g0"}})
part = plain.paginate(**mine, ConsistentRead=True, PaginationConfig={"PageSize": 8, "MaxItems": 30}).build_full_result()
assert [Decimal(i["n"]["N"]) for i in part["Items"]] == third[:30]
rest = plain.paginate(**mine, ConsistentRead=True, PaginationConfig={"PageSize": 8, "StartingToken": part["NextToken"]}).build_full_result()
assert [Decimal(i["n"]["N"]) for i in rest["Items"]] == third[30:] and "NextToken" not in rest
listed = client.get_paginator("list_tables").paginate(PaginationConfig={"PageSize": 2}).build_full_result()["TableNames"]
assert [name for name in listed if name.startswith("pages-")] == names and listed == sorted(listed)
assert [t.name for t in db.tables.limit(2)] == listed[:2]
assert set(names) <= {t.name for t in db.tables.page_size(3)}

# A scan of several segments at once meets every item once.
def segment(i):
    return numbers(scan.paginate(TableName=table.name, ConsistentRead=True, Segment=i, TotalSegments=4, PaginationConfig={"PageSize": 13}))


with ThreadPoolExecutor(4) as pool:
    assert sorted(n for part in pool.map(segment, range(4)) for n in part) == everything

# A page has a megabyte of items at most.
wide = tables[1]
with wide.batch_writer() as batch:
    for n in range(8):
        batch.put_item({"group": "wide", "n": n, "filling": "x" * 300_000})
pages = list(query.paginate(TableName=wide.name, KeyConditionExpression=Key("group").eq("wide"), ReturnConsumedCapacity="TOTAL", ConsistentRead=True))
assert [p["Count"] for p in pages] == [4, 4] or [p["Count"] for p in pages] == [4, 4, 0], [p["Count"] for p in pages]
assert pages[0]["ConsumedCapacity"]["CapacityUnits"] == 293.0, pages[0]["ConsumedCapacity"]

# Keys of several tables, more than come in one answer of 16 MB.
with tables[2].batch_writer() as batch:
    for n in range(50):
        batch.put_item({"group": "many", "n": n, "filling": "x" * 390_000})
wanted = {
    tables[2].name: {"Keys": [{"group": "many", "n": n} for n in range(50)], "ConsistentRead": True},
    table.name: {"Keys": [{"group": "g0", "n": n} for n in third[:20]], "ProjectionExpression": "n", "ConsistentRead": True},
}
found, rounds = {name: set() for name in wanted}, 0
while wanted:
    answer = db.batch_get_item(RequestItems=wanted)
    for name, items in answer["Responses"].items():
        found[name] |= {i["n"] for i in items}
    wanted, rounds = answer["UnprocessedKeys"], rounds + 1
assert rounds > 1 and found == {tables[2].name: set(range(50)), table.name: set(third[:20])}, rounds

for t in tables:
    t.delete()
for t in tables:
    t.wait_until_not_exists()
print("boto3", boto3.__version__)
