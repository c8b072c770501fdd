# Makes and deletes a table with the AWS CLI and waits for both, at the endpoint given.
call() { timeout 60 aws dynamodb --endpoint-url "$endpoint" --output text "$@"; }
endpoint=$1

call create-table --table-name visits --billing-mode PAY_PER_REQUEST \
  --attribute-definitions AttributeName=pk,AttributeType=S --key-schema AttributeName=pk,KeyType=HASH \
  --tags Key=made-by,Value=cli --deletion-protection-enabled --query TableDescription.TableStatus
call wait table-exists --table-name visits
arn=$(call describe-table --table-name visits --query Table.TableArn)
test "$(call describe-table --table-name "$arn" --query 'Table.WarmThroughput.Status')" = ACTIVE
test "$(call list-tags-of-resource --resource-arn "$arn" --query 'Tags[0].Value')" = cli
call put-item --table-name "$arn" --item '{"pk":{"S":"a"},"n":{"N":"1"}}'
test "$(call get-item --table-name visits --key '{"pk":{"S":"a"}}' --consistent-read --query Item.n.N)" = 1
if call delete-table --table-name visits 2>/dev/null; then
  echo "a protected table was deleted" >&2
  exit 1
fi
call update-table --table-name visits --no-deletion-protection-enabled --query TableDescription.TableStatus
call update-table --table-name visits --on-demand-throughput MaxReadRequestUnits=100,MaxWriteRequestUnits=50 --query TableDescription.OnDemandThroughput
call describe-continuous-backups --table-name visits --query ContinuousBackupsDescription.ContinuousBackupsStatus
call describe-time-to-live --table-name visits --query TimeToLiveDescription.TimeToLiveStatus
call delete-table --table-name visits --query TableDescription.TableStatus
call wait table-not-exists --table-name visits
aws --version
