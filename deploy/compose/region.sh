#!/usr/bin/env bash
# Separates a region from the others, for real: its nodes leave the network
# between regions, and keep their own.
#
#   region.sh cut REGION     region.sh heal REGION
#   region.sh kill REGION    kills the region's last node
#   region.sh start REGION   starts it again
set -euo pipefail

usage() {
  sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
  exit 2
}

[ $# = 2 ] || usage
case $2 in
  us-east-1) row=1 ;;
  eu-west-1) row=2 ;;
  ap-northeast-1) row=3 ;;
  *) echo "there is no region $2: us-east-1, eu-west-1 or ap-northeast-1" >&2; exit 2 ;;
esac

# A node that is connected, or disconnected, already is fine.
cut_node() { docker network disconnect roundtable-wan "roundtable-$2-$1" 2>/dev/null || true; }
heal_node() {
  docker network inspect roundtable-wan --format '{{range .Containers}}{{.Name}} {{end}}' | grep -qw "roundtable-$3-$1" ||
    docker network connect --ip "172.30.0.$row$2" roundtable-wan "roundtable-$3-$1"
}

case $1 in
  cut) for n in a b c; do cut_node $n "$2"; done ;;
  heal) heal_node a 1 "$2"; heal_node b 2 "$2"; heal_node c 3 "$2" ;;
  kill) docker kill "roundtable-$2-c" >/dev/null ;;
  start) docker start "roundtable-$2-c" >/dev/null ;;
  *) usage ;;
esac
