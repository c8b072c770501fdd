#!/usr/bin/env bash
# Builds the image, starts three regions of three nodes and takes the tour of
# them, with a node killed and a region cut off for real. They stay up
# afterwards, unless ONCE=1 is set.
#
# ROUNDTABLE_PROJECT, ROUNDTABLE_SUBNET and ROUNDTABLE_PORTS are those of
# compose.yaml. ROUNDTABLE_BINARY names a binary that was built already.
set -euo pipefail
cd "$(dirname "$0")/../.."

export ROUNDTABLE_PROJECT=${ROUNDTABLE_PROJECT:-roundtable}
export ROUNDTABLE_IMAGE=${ROUNDTABLE_IMAGE:-roundtable:local}
ports=${ROUNDTABLE_PORTS:-}
hook="$PWD/deploy/compose/region.sh"

die() { echo "$*" >&2; exit 1; }

command -v docker >/dev/null 2>&1 || die "this needs docker with compose, version 1.27 or 2"
server=$(docker version --format '{{.Server.Os}}/{{.Server.Arch}}' 2>/dev/null) ||
  die "docker does not answer: is its daemon running, and may you use it?"
if docker compose version >/dev/null 2>&1; then
  compose=(docker compose)
elif command -v docker-compose >/dev/null 2>&1; then
  compose=(docker-compose)
else
  die "this needs docker with compose, version 1.27 or 2"
fi
stop="${compose[*]} -p $ROUNDTABLE_PROJECT -f deploy/compose/compose.yaml down -v"
compose+=(-p "$ROUNDTABLE_PROJECT" -f deploy/compose/compose.yaml)

# Version 1 counts a service and its container separately against this limit,
# and waits for itself for ever when there are as many services as it allows.
unset COMPOSE_PARALLEL_LIMIT

containers() { docker ps -aq --filter "label=com.docker.compose.project=$ROUNDTABLE_PROJECT"; }

# bounded runs a command, and ends it if it takes too long, where that can be
# done.
bounded() {
  local seconds=$1
  shift
  if command -v timeout >/dev/null 2>&1; then timeout "$seconds" "$@"; else "$@"; fi
}

# down forgets everything. What is forgotten needs no orderly end.
down() {
  echo "Removing the nodes and their data"
  bounded 60 "${compose[@]}" kill >/dev/null 2>&1 || true
  bounded 120 "${compose[@]}" down -v --remove-orphans >/dev/null 2>&1 || echo "that failed; try: $stop" >&2
}

# quiet shows what a command said only if it failed.
quiet() {
  local said
  said=$("$@" 2>&1 </dev/null) || { echo "$said" >&2; return 1; }
}

if [ "${ONCE:-}" = 1 ]; then
  [ -z "$(containers)" ] || die "a demo named $ROUNDTABLE_PROJECT is there already. Remove it: $stop"
fi

echo "Building the image $ROUNDTABLE_IMAGE"
binary=${ROUNDTABLE_BINARY:-}
if [ -z "$binary" ]; then
  ${MAKE:-make} -s build
  binary=$PWD/.roundtable/bin/roundtable
fi
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
here=$(go env GOOS)/$(go env GOARCH)
if [ "$server" = "$here" ]; then
  cp "$binary" "$context/roundtable"
else # containers run on another system than this script does
  GOOS=${server%/*} GOARCH=${server#*/} CGO_ENABLED=0 go build -trimpath -o "$context/roundtable" ./cmd/roundtable
fi
quiet bounded 120 docker build -t "$ROUNDTABLE_IMAGE" -f deploy/compose/Dockerfile.binary "$context"

[ "${ONCE:-}" != 1 ] || trap 'down; rm -rf "$context"' EXIT
echo "Starting three regions of three nodes"
quiet bounded 90 "${compose[@]}" up -d || {
  echo "Compose did not start all of them: once more"
  quiet bounded 90 "${compose[@]}" up -d
}

waiting=()
for row in 1 2 3; do for n in 1 2 3; do waiting+=("${ports}9${row}0$n"); done; done
deadline=$((SECONDS + 120))
while [ ${#waiting[@]} -gt 0 ]; do
  [ $SECONDS -lt $deadline ] || {
    "${compose[@]}" ps
    "${compose[@]}" logs --tail 20
    die "the nodes with the operations ports ${waiting[*]} are not ready"
  }
  still=()
  for port in "${waiting[@]}"; do
    "$binary" health --endpoint "http://127.0.0.1:$port" >/dev/null 2>&1 || still+=("$port")
  done
  [ ${#still[@]} = ${#waiting[@]} ] || echo "$((9 - ${#still[@]})) of 9 nodes are ready"
  waiting=(${still[@]+"${still[@]}"})
  [ ${#waiting[@]} = 0 ] || sleep 0.5
done
echo

"$binary" tour \
  --endpoint "us-east-1=http://127.0.0.1:${ports}8101" \
  --endpoint "eu-west-1=http://127.0.0.1:${ports}8201" \
  --endpoint "ap-northeast-1=http://127.0.0.1:${ports}8301" \
  --access-key ROUNDTABLEDEMO --secret-key roundtable-demo-secret \
  --cut "'$hook' cut \$REGION" --heal "'$hook' heal \$REGION" \
  --stop-node "'$hook' kill \$REGION" --start-node "'$hook' start \$REGION"

[ "${ONCE:-}" = 1 ] && exit
same=
[ "$ROUNDTABLE_PROJECT" = roundtable ] || same="ROUNDTABLE_PROJECT=$ROUNDTABLE_PROJECT ROUNDTABLE_SUBNET=${ROUNDTABLE_SUBNET:-172.30} "
cat <<END

The regions stay up. Try:

  export AWS_ACCESS_KEY_ID=ROUNDTABLEDEMO AWS_SECRET_ACCESS_KEY=roundtable-demo-secret
  aws dynamodb list-tables --endpoint-url http://127.0.0.1:${ports}8201 --region eu-west-1
  ${same}deploy/compose/region.sh cut eu-west-1
  ${same}deploy/compose/region.sh heal eu-west-1
  $binary status --endpoint http://127.0.0.1:${ports}9101

To stop them and forget their data:  $stop
END
