#!/bin/sh
# The inputs are in proton-inputs.json; what is written to proton-outputs.json becomes the outputs.
set -eu
value="a pipeline"
printf '{"Pipeline": "%s"}\n' "$value" > proton-outputs.json
