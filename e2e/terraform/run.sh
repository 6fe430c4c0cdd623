#!/usr/bin/env bash
# Applies main.tf against a standin of its own: run.sh FOLDER-OF-PROVIDERS
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp main.tf "$work"
terraform -chdir="$work" init -input=false -no-color -plugin-dir="$1"
"${STANDIN_BIN:-standin}" run -- terraform -chdir="$work" apply -input=false -no-color -auto-approve | tee "$work/out"
grep -Eq '^account = "[0-9]{12}"$' "$work/out"
