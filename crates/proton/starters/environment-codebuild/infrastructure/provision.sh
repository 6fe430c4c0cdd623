#!/bin/sh
# The inputs are in proton-inputs.json; what is written to proton-outputs.json becomes the outputs.
set -eu
value="vpc-for-$CIDR"
printf '{"VpcId": "%s"}\n' "$value" > proton-outputs.json
