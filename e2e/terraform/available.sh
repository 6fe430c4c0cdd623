#!/usr/bin/env bash
# Prints the folder that has the AWS provider of Terraform; where one of both is missing, tells which and fails.
set -euo pipefail
command -v terraform >/dev/null 2>&1 || { echo "terraform is not installed"; exit 1; }
for folder in "${TF_PLUGIN_MIRROR:-}" "$HOME/.terraform.d/plugins" /opt/tf-plugins /usr/local/share/terraform/plugins /usr/share/terraform/plugins; do
  if [ -n "$folder" ] && compgen -G "$folder/registry.terraform.io/hashicorp/aws/*" >/dev/null; then
    echo "$folder"
    exit 0
  fi
done
echo "Terraform's AWS provider is not installed (hashicorp/aws in ~/.terraform.d/plugins or in the folder TF_PLUGIN_MIRROR)"
exit 1
