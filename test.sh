#!/usr/bin/env bash
# Runs every check and every test of the project, and sets up what they need. From a clean clone it takes about
# 40 minutes on two cores. Names of steps as arguments run only those: ./test.sh rust python
#
#   lint         rustfmt, clippy, the layout of the workspace
#   rust         unit, golden and property tests of the workspace
#   generated    the packed catalogue is what xtask makes of its pinned sources
#   python       boto3 against the binary
#   conformance  every operation of every API through botocore; rewrites docs/coverage.md
#   lifecycle    the life of every resource type through botocore; rewrites docs/lifecycle.md
#   cli          the AWS CLI, and standin's own commands
#   airflow      MWAA with a real Airflow: STANDIN_TEST_AIRFLOW names the versions (2.10.3,3.0.6); empty skips it
#   node         the AWS SDK for JavaScript
#   mockoon      standin and mockoon-cli on the same environments, answer by answer
#   sdk-rust     the AWS SDK for Rust, in process
#   terraform    the Terraform cases, where Terraform and its AWS provider are installed: apply, re-plan, edit, destroy
#
# Needs cargo (the toolchain in rust-toolchain.toml), Python 3.11 or later, Node.js 20 or later, PostgreSQL. Python and npm packages
# are installed into target/, e2e/node/ and e2e/mockoon/.
set -euo pipefail
cd "$(dirname "$0")"

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-never}"
unset AWS_PROFILE AWS_ENDPOINT_URL
# Tests with a real Airflow are a step of their own.
airflow_versions="${STANDIN_TEST_AIRFLOW-2.10.3,3.0.6}"
unset STANDIN_TEST_AIRFLOW
logs="$CARGO_TARGET_DIR/test-logs"
mkdir -p "$logs"
wanted=("$@")
passed=0 failed=0 skipped=0
failures=()
began=$SECONDS

# Runs one command as a named check. Its tests are counted where it tells how many it ran, else it counts as one.
check() {
  local name=$1 log status=0 start=$SECONDS
  shift
  log="$logs/${name//[^a-z0-9-]/-}.log"
  echo "=== $name: $*"
  "$@" 2>&1 | tee "$log" || status=$?
  count "$log" "$status"
  if ((status != 0)); then
    failures+=("$name (status $status, log $log)")
  fi
  echo "=== $name: $([ "$status" = 0 ] && echo ok || echo FAILED) after $((SECONDS - start)) s"
}

# Adds what the closing lines of cargo test, pytest and node's runner say.
count() {
  local log=$1 status=$2 good bad ignored
  read -r good bad ignored < <(awk '
    /^test result: / { good += $4; bad += $6; ignored += $8; seen = 1 }
    /^=+ .* in [0-9.]+s.* =+$|^[0-9]+ (passed|failed|skipped|error).* in [0-9.]+s/ {
      for (at = 2; at <= NF; at++) {
        if ($at ~ /^passed/) good += $(at - 1)
        if ($at ~ /^(failed|error)/) bad += $(at - 1)
        if ($at ~ /^skipped/) ignored += $(at - 1)
      }
      seen = 1
    }
    /^(# |ℹ )pass [0-9]+$/ { good += $3; seen = 1 }
    /^(# |ℹ )fail [0-9]+$/ { bad += $3; seen = 1 }
    /^(# |ℹ )skipped [0-9]+$/ { ignored += $3; seen = 1 }
    END { if (seen) print good + 0, bad + 0, ignored + 0; else print "none 0 0" }' "$log")
  if [ "$good" = none ]; then
    good=$((status == 0)) bad=0
  fi
  if ((status != 0 && bad == 0)); then
    bad=1
  fi
  passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + ignored))
}

skip() {
  echo "=== $1: SKIPPED: $2"
  skipped=$((skipped + 1))
}

wants() {
  ((${#wanted[@]} == 0)) && return 0
  local name
  for name in "${wanted[@]}"; do
    [ "$name" = "$1" ] && return 0
  done
  return 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# Where continuous integration lacks a tool, that is a failure; a person may do without.
lacking() {
  if [ "${CI:-}" = true ] && [ "$1" != terraform ] && [ "$1" != postgres ]; then
    echo "=== $1: FAILED: $2"
    failed=$((failed + 1))
    failures+=("$1 ($2)")
  else
    skip "$1" "$2"
  fi
}

venv() { # venv FOLDER REQUIREMENTS
  if ! cmp -s "$2" "$1/requirements.txt"; then
    rm -rf "$1"
    python3 -m venv "$1" && "$1/bin/pip" install --quiet --disable-pip-version-check -r "$2" && cp "$2" "$1/requirements.txt"
  fi
}

binary() {
  cargo build --package standin && export STANDIN_BIN="$CARGO_TARGET_DIR/debug/standin"
}

conformance() {
  "$python" e2e/python/conformance.py --all-versions --docs docs/coverage.md
}

lifecycle() {
  "$python" e2e/python/lifecycle.py --quiet --require 75 --docs docs/lifecycle.md
}

unchanged() {
  git diff --exit-code --stat -- "$@" || { echo "commit what the generator wrote: $*"; return 1; }
}

if wants lint; then
  if cargo fmt --version >/dev/null 2>&1; then check fmt cargo fmt --all --check; else lacking fmt "rustfmt is not installed: rustup component add rustfmt"; fi
  if cargo clippy --version >/dev/null 2>&1; then
    check clippy cargo clippy --workspace --all-targets -- -D warnings
    check clippy-benches cargo clippy --manifest-path benches/Cargo.toml --all-targets -- -D warnings
  else
    lacking clippy "clippy is not installed: rustup component add clippy"
  fi
fi

if wants lint; then
  check tidy cargo xtask tidy
fi

# The tests of shared state start a PostgreSQL of their own.
postgres() {
  have initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}

if wants rust; then
  if ! postgres && have apt-get && [ "$(id -u)" = 0 ]; then
    (apt-get update && apt-get install -y postgresql) >"$logs/postgresql.log" 2>&1 || true
  fi
  postgres || lacking postgres "PostgreSQL is not installed, so tests with it say SKIPPED: apt-get install postgresql"
  check rust cargo test --workspace
fi

python="$CARGO_TARGET_DIR/venv/bin/python"
have_python() { have python3 && python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; }

if wants generated; then
  if have_python; then
    check generated cargo xtask pack
    check generated-unchanged unchanged catalogue
  else
    lacking generated "Python 3.11 or later is needed to download the models"
  fi
fi

if wants python || wants conformance || wants lifecycle || wants cli || wants airflow || wants node || wants mockoon || wants terraform; then
  check build binary
  export STANDIN_BIN="$CARGO_TARGET_DIR/debug/standin"
fi

# The Python suite asks mockoon-cli, too.
if { wants python || wants mockoon; } && have node && have npm; then
  check mockoon-modules npm --prefix e2e/mockoon ci --no-audit --no-fund
fi

for step in python conformance lifecycle cli; do
  wants "$step" || continue
  if ! have_python; then
    lacking "$step" "Python 3.11 or later is not installed"
    continue
  fi
  check "$step-venv" venv "$CARGO_TARGET_DIR/venv" e2e/python/requirements.txt
  case $step in
    python) check python "$python" -m pytest -q -p no:cacheprovider e2e/python ;;
    conformance)
      check conformance conformance
      # A slow machine may time a call out: what changed is told, not failed. The share that must succeed is checked above.
      git diff --stat --exit-code -- docs/coverage.md || echo "=== conformance: commit docs/coverage.md"
      ;;
    lifecycle) check lifecycle lifecycle ;;
    cli)
      check cli-venv venv "$CARGO_TARGET_DIR/venv-cli" e2e/cli/requirements.txt
      AWS_CLI="$CARGO_TARGET_DIR/venv-cli/bin/aws" check cli "$python" -m pytest -q -p no:cacheprovider e2e/cli
      ;;
  esac
done

if wants airflow; then
  if [ -z "$airflow_versions" ]; then
    skip airflow "STANDIN_TEST_AIRFLOW is empty"
  elif ! have python3.11 && ! have python3.12; then
    skip airflow "neither Python 3.11 nor 3.12 is installed"
  elif ! [ -d "$CARGO_TARGET_DIR/airflow" ] && ! python3 -m pip download -q --no-deps -d "$logs/registry" uv 2>/dev/null; then
    skip airflow "no package registry answers, and nothing is installed in $CARGO_TARGET_DIR/airflow"
  else
    if ! have chromedriver && have apt-get && [ "$(id -u)" = 0 ]; then
      (apt-get update && apt-get install -y chromium chromium-driver) >"$logs/chromium.log" 2>&1 || true
    fi
    have chromedriver || skip airflow-browser "Chromium is not installed: apt-get install chromium chromium-driver"
    check airflow-venv venv "$CARGO_TARGET_DIR/venv" e2e/python/requirements.txt
    airflow="env STANDIN_TEST_AIRFLOW=$airflow_versions STANDIN_TEST_INSTALLATIONS=$CARGO_TARGET_DIR/airflow STANDIN_MWAA=installations=$CARGO_TARGET_DIR/airflow"
    check airflow-local timeout 1200 $airflow "$python" -m pytest -q -p no:cacheprovider e2e/python/test_mwaa_local*.py
    check airflow-ui timeout 600 $airflow "$python" -m pytest -q -p no:cacheprovider e2e/python/test_mwaa_ui.py
    check airflow-cli timeout 900 $airflow "$python" -m pytest -q -p no:cacheprovider e2e/cli/test_mwaa.py -k "real or tried"
  fi
fi

if wants node; then
  if have node && have npm; then
    check node-modules npm --prefix e2e/node ci --no-audit --no-fund
    check node node --test e2e/node/clients.test.js e2e/node/proton.test.js
  else
    lacking node "Node.js with npm is not installed"
  fi
fi

if wants mockoon; then
  if have node && have npm; then
    check mockoon node --test e2e/mockoon/differential.test.js
  else
    lacking mockoon "Node.js with npm is not installed"
  fi
fi

if wants sdk-rust; then
  check sdk-rust cargo test --manifest-path e2e/rust/Cargo.toml
fi

if wants terraform; then
  if found=$(e2e/terraform/available.sh); then
    check terraform e2e/terraform/run.sh "$found"
    check terraform-cases python3 e2e/terraform/cases.py "$found" --expected
  else
    lacking terraform "$found"
  fi
fi

echo "all of it took $((SECONDS - began)) s"
for failure in "${failures[@]+"${failures[@]}"}"; do
  echo "FAILED: $failure"
done
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0))
