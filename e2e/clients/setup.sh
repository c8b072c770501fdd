#!/usr/bin/env bash
# Makes sure that the clients which the tests drive are there: the AWS CLI and
# boto3. Where they cannot be installed, their tests say that they were skipped.
set -euo pipefail

have() { command -v aws >/dev/null 2>&1 && python3 -c 'import boto3' >/dev/null 2>&1; }

if have; then
  exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "installing the AWS CLI and boto3 for the client tests"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq && apt-get install -y -qq awscli python3-boto3 >/dev/null || true
fi
if ! have; then
  if [ "${CI:-}" = true ]; then
    echo "the AWS CLI and boto3 are missing and could not be installed" >&2
    exit 1
  fi
  echo "without the AWS CLI and boto3 their tests are skipped: install awscli and python3-boto3 to run them"
fi
