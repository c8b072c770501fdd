#!/usr/bin/env bash
# Prints compose.yaml: three regions of three nodes. Nodes of a region share a
# network of their own; a network between regions, "wan", carries replication
# and nothing else, so that leaving it cuts a region off and harms nothing else.
#
#   deploy/compose/generate.sh > deploy/compose/compose.yaml
set -euo pipefail

regions=(us-east-1 eu-west-1 ap-northeast-1)
nodes=(a b c)

# What several deployments on one machine must not share.
project='${ROUNDTABLE_PROJECT:-roundtable}'
subnet='${ROUNDTABLE_SUBNET:-172.30}'
ports='${ROUNDTABLE_PORTS:-}'

# remotes of one region: the addresses of all others on the wan.
remotes() {
  for r in 0 1 2; do
    [ "${regions[r]}" = "$1" ] && continue
    for n in 0 1 2; do
      echo "      - --remotes=${regions[r]}=$subnet.0.$((10 * (r + 1) + n + 1)):7000"
    done
  done
}

cat <<'HEAD'
# Three regions of three nodes each. Written by generate.sh.
#
#   docker build -t roundtable:local -f deploy/compose/Dockerfile .
#   docker compose -p roundtable -f deploy/compose/compose.yaml up -d
#   deploy/compose/region.sh cut eu-west-1
#   deploy/compose/region.sh heal eu-west-1
#
# DynamoDB endpoints: us-east-1 on 127.0.0.1:8101 to 8103, eu-west-1 on 8201 to
# 8203, ap-northeast-1 on 8301 to 8303. Operations are on 9101 and so on. The
# keys are in the file credentials.
#
# ROUNDTABLE_PROJECT, ROUNDTABLE_SUBNET and ROUNDTABLE_PORTS make room for a
# second deployment: another name, other networks, a digit before every port.

x-node: &node
  image: ${ROUNDTABLE_IMAGE:-roundtable:local}
  restart: unless-stopped
  stop_grace_period: 30s
  healthcheck:
    test: ["CMD", "/roundtable", "health", "--endpoint", "http://127.0.0.1:8080"]
    interval: 10s
    timeout: 5s
    retries: 3
    start_period: 30s

services:
HEAD
for r in 0 1 2; do
  for n in 0 1 2; do
    region=${regions[r]} node=${nodes[n]} net="$subnet.$((r + 1))"
    cat <<NODE
  $region-$node:
    <<: *node
    container_name: $project-$region-$node
    hostname: $region-$node
    command:
      - serve
      - --node-id=$region-$node
      - --region=$region
      - --zone=$region-zone-$((n + 1))
      - --data-dir=/data
      - --credentials=/etc/roundtable/credentials
      - --peer-advertise=$net.1$((n + 1)):7000
      - --gossip-advertise=$net.1$((n + 1)):7001
      - --seeds=$net.11:7001,$net.12:7001,$net.13:7001
      - --memory-mb=256
$(remotes "$region")
    ports: ["127.0.0.1:${ports}8$((r + 1))0$((n + 1)):8000", "127.0.0.1:${ports}9$((r + 1))0$((n + 1)):8080"]
    volumes: ["$region-$node:/data", "./credentials:/etc/roundtable/credentials:ro"]
    networks:
      $region: {ipv4_address: "$net.1$((n + 1))"}
      wan: {ipv4_address: "$subnet.0.$((10 * (r + 1) + n + 1))"}

NODE
  done
done
echo "networks:"
for r in 0 1 2; do
  echo "  ${regions[r]}: {name: \"$project-${regions[r]}\", ipam: {config: [{subnet: \"$subnet.$((r + 1)).0/24\"}]}}"
done
echo "  wan: {name: \"$project-wan\", ipam: {config: [{subnet: \"$subnet.0.0/24\"}]}}"
echo
echo "volumes:"
for r in 0 1 2; do for n in 0 1 2; do
  echo "  ${regions[r]}-${nodes[n]}: {name: \"$project-${regions[r]}-${nodes[n]}\"}"
done; done
