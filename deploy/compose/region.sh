#!/usr/bin/env bash
# Does to a region what happens to regions, for real.
#
#   region.sh cut REGION           its nodes leave the network between regions,
#                                  and keep their own
#   region.sh heal REGION          they are back, each at its old address
#   region.sh kill REGION [NODE]   kills a node, c unless told otherwise
#   region.sh start REGION [NODE]  starts it again
set -euo pipefail

usage() {
  sed -n '4,8s/^# \{0,1\}//p' "$0" >&2
  exit 2
}

[ $# = 2 ] || [ $# = 3 ] || usage
action=$1 region=$2 node=${3:-c}
case $region in
  us-east-1) row=1 ;;
  eu-west-1) row=2 ;;
  ap-northeast-1) row=3 ;;
  *) echo "there is no region $region: us-east-1, eu-west-1 or ap-northeast-1" >&2; exit 2 ;;
esac
project=${ROUNDTABLE_PROJECT:-roundtable}
wan=$project-wan

# connected tells whether a node is on the wan, or will be when it starts.
connected() {
  docker inspect -f '{{range $name, $_ := .NetworkSettings.Networks}}{{println $name}}{{end}}' "$1" | grep -qx "$wan"
}

cut_node() { ! connected "$1" || docker network disconnect "$wan" "$1"; }

heal_node() {
  connected "$1" || docker network connect --ip "${ROUNDTABLE_SUBNET:-172.30}.0.$row$2" "$wan" "$1"
}

name=$project-$region
case $action in
  cut) for n in a b c; do cut_node "$name-$n"; done ;;
  heal) heal_node "$name-a" 1; heal_node "$name-b" 2; heal_node "$name-c" 3 ;;
  kill) docker kill "$name-$node" >/dev/null ;;
  start) docker start "$name-$node" >/dev/null ;;
  *) usage ;;
esac
