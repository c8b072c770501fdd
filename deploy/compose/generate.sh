#!/usr/bin/env bash
# Writes compose.yaml: three regions of three nodes. Nodes of a region share a
# network of their own; a network between regions, "wan", carries replication
# and nothing else, so that leaving it cuts a region off and harms nothing else.
set -euo pipefail
cd "$(dirname "$0")"

regions=(us-east-1 eu-west-1 ap-northeast-1)
nodes=(a b c)

# remotes of one region: the addresses of all others on the wan.
remotes() {
  for r in 0 1 2; do
    [ "${regions[r]}" = "$1" ] && continue
    for n in 0 1 2; do
      echo "      - --remotes=${regions[r]}=172.30.0.$((10 * (r + 1) + n + 1)):7000"
    done
  done
}

{
  cat <<'HEAD'
# Three regions of three nodes each. Written by generate.sh.
#
#   docker compose -f deploy/compose/compose.yaml up -d --build
#   deploy/compose/region.sh cut eu-west-1
#   deploy/compose/region.sh heal eu-west-1
#
# DynamoDB endpoints: us-east-1 on 127.0.0.1:8101 to 8103, eu-west-1 on 8201 to
# 8203, ap-northeast-1 on 8301 to 8303. The keys are in the file credentials.
version: "3.4"

x-node: &node
  image: roundtable:local
  build:
    context: ../..
    dockerfile: deploy/compose/Dockerfile
    target: binary
  restart: unless-stopped
  stop_grace_period: 30s
  healthcheck:
    test: ["CMD", "/roundtable", "health", "--endpoint", "http://127.0.0.1:8080"]
    interval: 2s
    timeout: 5s
    retries: 30

services:
HEAD
  for r in 0 1 2; do
    for n in 0 1 2; do
      region=${regions[r]} node=${nodes[n]} ip="172.30.$((r + 1)).1$((n + 1))"
      cat <<NODE
  $region-$node:
    <<: *node
    container_name: roundtable-$region-$node
    hostname: $region-$node
    command:
      - serve
      - --node-id=$region-$node
      - --region=$region
      - --zone=$region-zone-$((n + 1))
      - --data-dir=/data
      - --credentials=/etc/roundtable/credentials
      - --peer-advertise=$ip:7000
      - --gossip-advertise=$ip:7001
      - --seeds=172.30.$((r + 1)).11:7001,172.30.$((r + 1)).12:7001,172.30.$((r + 1)).13:7001
      - --memory-mb=64
$(remotes "$region")
    ports: ["127.0.0.1:8$((r + 1))0$((n + 1)):8000", "127.0.0.1:9$((r + 1))0$((n + 1)):8080"]
    volumes: ["$region-$node:/data", "./credentials:/etc/roundtable/credentials:ro"]
    networks:
      $region: {ipv4_address: $ip}
      wan: {ipv4_address: 172.30.0.$((10 * (r + 1) + n + 1))}

NODE
    done
  done
  echo "networks:"
  for r in 0 1 2; do
    echo "  ${regions[r]}: {name: roundtable-${regions[r]}, ipam: {config: [{subnet: 172.30.$((r + 1)).0/24}]}}"
  done
  echo "  wan: {name: roundtable-wan, ipam: {config: [{subnet: 172.30.0.0/24}]}}"
  echo
  echo "volumes:"
  for r in 0 1 2; do for n in 0 1 2; do echo "  ${regions[r]}-${nodes[n]}:"; done; done
} > compose.yaml
