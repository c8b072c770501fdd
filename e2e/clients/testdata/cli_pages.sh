# Reads and writes many items with the AWS CLI, which goes from page to page by
# itself or from a token it is given, at the endpoint given.
endpoint=$1
files=$(mktemp -d)
trap 'rm -rf "$files"' EXIT
call() { timeout 60 aws dynamodb --endpoint-url "$endpoint" --output json "$@"; }
is() { # is WANT COMMAND…: the command prints that.
  want=$1
  shift
  got=$("$@" | tr -d ' \n')
  test "$got" = "$want" || { echo "$*: $got, want $want" >&2; exit 1; }
}

for table in pages1 pages2 pages3; do
  call create-table --table-name $table --billing-mode PAY_PER_REQUEST \
    --attribute-definitions AttributeName=pk,AttributeType=S AttributeName=sk,AttributeType=N \
    --key-schema AttributeName=pk,KeyType=HASH AttributeName=sk,KeyType=RANGE --query TableDescription.TableName
done
call wait table-exists --table-name pages1
is '["pages1","pages2","pages3"]' call list-tables --page-size 1 --query "TableNames[?starts_with(@,'pages')]"

# Twenty-five items, of which every fifth has a mark.
{
  printf '{"pages1":['
  for i in $(seq 1 25); do
    test $i = 1 || printf ,
    test $((i % 5)) = 0 && mark=',"mark":{"BOOL":true}' || mark=
    printf '{"PutRequest":{"Item":{"pk":{"S":"p%d"},"sk":{"N":"%d"}%s}}}' $((i % 2)) "$i" "$mark"
  done
  printf ']}'
} >"$files/put.json"
is 0 call batch-write-item --request-items "file://$files/put.json" --query 'length(UnprocessedItems)'

# Pages that the CLI asks for by itself.
is 25 call scan --table-name pages1 --page-size 3 --consistent-read --query 'length(Items)'
is 25 call scan --table-name pages1 --page-size 4 --select COUNT --consistent-read --query Count
is '["25","23","21","19","17","15","13","11","9","7","5","3","1"]' call query --table-name pages1 --page-size 2 --no-scan-index-forward --consistent-read \
  --key-condition-expression 'pk = :p' --expression-attribute-values '{":p":{"S":"p1"}}' --query 'Items[].sk.N'
is '["10","20"]' call query --table-name pages1 --page-size 1 --consistent-read \
  --key-condition-expression 'pk = :p AND sk > :s' --filter-expression 'attribute_exists(#m)' --expression-attribute-names '{"#m":"mark"}' \
  --expression-attribute-values '{":p":{"S":"p0"},":s":{"N":"4"}}' --projection-expression sk --query 'Items[].sk.N'
is '["15","25"]' call query --table-name pages1 --page-size 5 --consistent-read \
  --key-conditions '{"pk":{"ComparisonOperator":"EQ","AttributeValueList":[{"S":"p1"}]},"sk":{"ComparisonOperator":"GE","AttributeValueList":[{"N":"11"}]}}' \
  --query-filter '{"mark":{"ComparisonOperator":"NOT_NULL"}}' --attributes-to-get sk --query 'Items[].sk.N'

# Pages that a program asks for: eight items, and the token for the next.
token= count=0 rounds=0
while :; do
  call scan --table-name pages1 --max-items 8 --page-size 5 --consistent-read ${token:+--starting-token "$token"} >"$files/page.json"
  count=$((count + $(grep -c '"sk"' "$files/page.json")))
  rounds=$((rounds + 1))
  token=$(sed -n 's/.*"NextToken": *"\([^"]*\)".*/\1/p' "$files/page.json")
  test -n "$token" || break
done
test "$count in $rounds" = "25 in 4" || { echo "scanned $count in $rounds, want 25 in 4" >&2; exit 1; }

# Updates, and what a condition says that fails.
key='{"pk":{"S":"p1"},"sk":{"N":"1"}}'
is '{"n":{"N":"0.3"}}' call update-item --table-name pages1 --key "$key" --update-expression 'SET n = :a + :b' \
  --expression-attribute-values '{":a":{"N":"0.1"},":b":{"N":"0.2"}}' --return-values UPDATED_NEW --query Attributes
if call delete-item --table-name pages1 --key "$key" --condition-expression 'n > :n' --expression-attribute-values '{":n":{"N":"1"}}' 2>"$files/err"; then
  echo "an item was deleted against its condition" >&2
  exit 1
fi
grep -q 'An error occurred (ConditionalCheckFailedException) when calling the DeleteItem operation: The conditional request failed' "$files/err"
cat >"$files/get.json" <<'END'
{"pages1":{"Keys":[{"pk":{"S":"p1"},"sk":{"N":"1"}},{"pk":{"S":"p0"},"sk":{"N":"2.0"}},{"pk":{"S":"p0"},"sk":{"N":"1"}}],"ConsistentRead":true,"ProjectionExpression":"sk"}}
END
is '["1","2"]' call batch-get-item --request-items "file://$files/get.json" --query 'sort(Responses.pages1[].sk.N)'
