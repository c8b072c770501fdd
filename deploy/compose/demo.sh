#!/usr/bin/env bash
# Builds the image, starts three regions of three nodes and takes the tour of
# them, with a node killed and a region cut off for real. They stay up
# afterwards, unless ONCE=1 is set.
set -euo pipefail
cd "$(dirname "$0")/../.."

if docker compose version >/dev/null 2>&1; then
  compose=(docker compose)
elif command -v docker-compose >/dev/null 2>&1; then
  compose=(docker-compose)
else
  echo "this needs docker with compose, version 1 or 2" >&2
  exit 1
fi
compose+=(-p roundtable -f deploy/compose/compose.yaml)

binary=.roundtable/bin/roundtable
make -s build

down() { "${compose[@]}" down -v --remove-orphans >/dev/null 2>&1 || true; }
if [ "${ONCE:-}" = 1 ]; then
  trap down EXIT
  down
fi

echo "Building the image and starting nine nodes"
docker build -q --target binary -t roundtable:local -f deploy/compose/Dockerfile . >/dev/null
"${compose[@]}" up -d --no-build

echo "Waiting until all nodes are ready"
for row in 1 2 3; do
  for n in 1 2 3; do
    $binary health --endpoint "http://127.0.0.1:9${row}0$n" --wait 90s || {
      "${compose[@]}" logs --tail 30
      exit 1
    }
  done
done

hook="$PWD/deploy/compose/region.sh"
$binary tour \
  --endpoint us-east-1=http://127.0.0.1:8101 \
  --endpoint eu-west-1=http://127.0.0.1:8201 \
  --endpoint ap-northeast-1=http://127.0.0.1:8301 \
  --access-key ROUNDTABLEDEMO --secret-key roundtable-demo-secret \
  --cut "'$hook' cut \$REGION" --heal "'$hook' heal \$REGION" \
  --stop-node "'$hook' kill \$REGION" --start-node "'$hook' start \$REGION"

[ "${ONCE:-}" = 1 ] || cat <<'END'

The regions stay up. Try:

  export AWS_ACCESS_KEY_ID=ROUNDTABLEDEMO AWS_SECRET_ACCESS_KEY=roundtable-demo-secret
  aws dynamodb list-tables --endpoint-url http://127.0.0.1:8201 --region eu-west-1
  deploy/compose/region.sh cut eu-west-1
  .roundtable/bin/roundtable status --endpoint http://127.0.0.1:9101

To stop them and forget their data:  docker compose -p roundtable -f deploy/compose/compose.yaml down -v
END
