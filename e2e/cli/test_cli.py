"""The AWS CLI, and standin's own commands, as people type them."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))
from serve import Standin, binary  # noqa: E402

AWS = os.environ.get("AWS_CLI", "aws")


def environment(**more):
    """This process's variables without any of AWS, standin or a proxy."""
    dropped = re.compile(r"^(AWS_|STANDIN_|LOCALSTACK_|.*_proxy$)", re.IGNORECASE)
    plain = {name: value for name, value in os.environ.items() if not dropped.match(name)}
    return {**plain, "STANDIN_STATELESS": "all", "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_EC2_METADATA_DISABLED": "true", **more}


KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


def run(*command, env=None, status=0, given=None):
    done = subprocess.run([str(part) for part in command], env=env or environment(), capture_output=True, text=True, timeout=120, input=given)
    assert done.returncode == status, f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def standin(*arguments, **more):
    return run(binary(), *arguments, **more)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Standin("--stateless", "--log", "warn", "--data-dir", str(tmp_path_factory.mktemp("data"))) as running:
        yield running


@pytest.mark.parametrize(
    "command, member",
    [
        ("mwaa list-environments", "Environments"),
        ("proton list-services", "services"),
        ("codecommit list-repositories", "repositories"),
        ("translate list-languages", "Languages"),
        ("sts get-caller-identity", "Account"),
        ("ec2 describe-instances", "Reservations"),
        ("s3api list-buckets", "Buckets"),
        ("cloudwatch list-metrics", "Metrics"),
        ("lambda list-functions", "Functions"),
        ("route53 list-hosted-zones", "HostedZones"),
    ],
)
def test_aws_commands(server, command, member):
    # The API of MWAA has a host prefix; `api.127.0.0.1` resolves nowhere.
    env = environment(**KEYS, AWS_DISABLE_HOST_PREFIX_INJECTION="true")
    answer = json.loads(run(AWS, *command.split(), "--endpoint-url", server.url, env=env))
    assert answer[member]


def test_aws_s3_copies_files(server, tmp_path):
    env = environment(**KEYS, AWS_ENDPOINT_URL=server.url)
    big = tmp_path / "big.bin"
    big.write_bytes(os.urandom(1 << 20) * 9)  # above the multipart threshold
    run(AWS, "s3", "cp", big, "s3://birds/big.bin", "--quiet", env=env)
    run(AWS, "s3", "cp", "s3://birds/heron.txt", tmp_path / "heron.txt", "--quiet", env=env)
    assert (tmp_path / "heron.txt").stat().st_size > 0


def test_aws_prints_typed_errors(server):
    env = environment(**KEYS, AWS_ENDPOINT_URL=server.url)
    done = subprocess.run([AWS, "mwaa", "get-environment", "--name", "1 2"], env={**env, "AWS_DISABLE_HOST_PREFIX_INJECTION": "true"}, capture_output=True, text=True, timeout=60)
    assert done.returncode in (254, 255)
    assert re.search(r"An error occurred \(ValidationException\).* when calling the GetEnvironment operation", done.stderr)


def test_aws_cli_1_needs_the_proxy_for_sqs():
    # For SQS and some others it puts a host name of its own above AWS_ENDPOINT_URL.
    answer = json.loads(standin("run", "--proxy", "--", AWS, "sqs", "list-queues"))
    assert answer["QueueUrls"]


def test_standin_run_gives_the_child_a_server():
    out = standin("run", "--", AWS, "mwaa", "list-environments")
    assert json.loads(out[out.index("{") :])["Environments"]


def test_standin_run_passes_the_exit_code():
    standin("run", "--", sys.executable, "-c", "raise SystemExit(7)", status=7)


def test_standin_run_serves_programs_without_endpoint_settings():
    code = "import os; print(os.environ['AWS_ENDPOINT_URL'], os.environ['AWS_CA_BUNDLE'], os.environ['AWS_ACCESS_KEY_ID'])"
    url, bundle, _key = standin("run", "--", sys.executable, "-c", code).split()[-3:]
    assert re.fullmatch(r"http://(127\.0\.0\.1|localhost):\d+", url)
    assert bundle


def test_standin_env_prints_exports(server):
    exports = standin("env", "--endpoint", server.url)
    assert re.search(rf"^export AWS_ENDPOINT_URL=['\"]?{re.escape(server.url)}['\"]?$", exports, re.MULTILINE)
    script = f"{exports}\n{AWS} sts get-caller-identity --query Account --output text"
    assert re.fullmatch(r"\d{12}", run("bash", "-c", script).strip())


def test_standin_call(server):
    answer = json.loads(standin("call", "mwaa", "list-environments", "--endpoint", server.url))
    assert answer["Environments"]
    answer = json.loads(standin("call", "proton", "GetService", "--input", '{"name": "birds"}', "--endpoint", server.url))
    assert answer["service"]["name"] == "birds"
    answer = json.loads(standin("call", "elastictranscoder", "ListPipelines", "--endpoint", server.url))
    assert answer["Pipelines"]


def test_standin_call_speaks_every_protocol(server):
    for service, operation, member in [
        ("dynamodb", "ListTables", "TableNames"),
        ("lambda", "ListFunctions", "Functions"),
        ("s3", "ListBuckets", "Buckets"),
        ("iam", "ListUsers", "Users"),
        ("ec2", "DescribeVpcs", "Vpcs"),
        ("cloudwatch", "ListMetrics", "Metrics"),
    ]:
        assert json.loads(standin("call", service, operation, "--endpoint", server.url))[member], service


def test_standin_call_fails_with_the_error_of_the_service(server):
    done = subprocess.run(
        [binary(), "call", "dynamodb", "DescribeTable", "--input", "{}", "--endpoint", server.url],
        env=environment(), capture_output=True, text=True, timeout=60,
    )
    assert done.returncode != 0
    assert "ValidationException" in done.stderr or "TableName" in done.stderr


def test_standin_services_and_describe():
    services = json.loads(standin("services", "--json"))
    assert len(services) >= 470
    assert "proton" in standin("services", "proton")
    assert "GetEnvironment" in standin("describe", "mwaa")
    described = json.loads(standin("describe", "mwaa", "GetEnvironment", "--json"))
    assert "Name" in json.dumps(described)


def test_standin_ca_prints_a_certificate(tmp_path):
    pem = standin("ca", "--data-dir", tmp_path)
    assert "-----BEGIN CERTIFICATE-----" in pem
    assert standin("ca", "--data-dir", tmp_path) == pem


def test_mistyped_commands_are_told(server):
    done = subprocess.run([binary(), "call", "proton", "GetServise", "--endpoint", server.url], env=environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "GetService" in done.stderr


def test_start_and_stop(tmp_path):
    with Standin("--data-dir", str(tmp_path)) as server:
        assert any(line.endswith("Ready.") for line in server.lines)
        json.loads(run(AWS, "sts", "get-caller-identity", "--endpoint-url", server.url, env=environment(**KEYS)))
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(10) in (0, 130)


def test_state_commands(tmp_path):
    with Standin("--log", "warn", env={"STANDIN_STATELESS": ""}) as running:
        env = environment(AWS_ENDPOINT_URL=running.url)

        def call(*arguments, **more):
            return standin("call", *arguments, env=env, **more)

        def state(*arguments, **more):
            return standin("state", *arguments, env=env, **more)

        call("sqs", "create-queue", "-i", '{"QueueName": "birds"}')
        first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
        state("save", first)
        commit = state("commit", "-m", "birds").strip()
        assert len(commit) == 64
        state("branch", "trial")
        call("sqs", "create-queue", "-i", '{"QueueName": "nests"}')
        state("save", second)
        changes = state("diff", status=1)
        assert re.search(r"^\+ .*sqs.*nests", changes, re.MULTILINE), changes
        assert state("diff", first, second, status=1) == changes
        assert state("diff", first, first) == ""
        state("checkout", "trial")
        assert "nests" not in call("sqs", "list-queues")
        assert state("branch").splitlines() == [f"  main {commit[:12]}", f"* trial {commit[:12]}"]
        assert "birds" in state("log")
        state("load", "--merge", second)
        assert "nests" in call("sqs", "list-queues")
        state("reset", "--service", "sns")
        assert "nests" in call("sqs", "list-queues")
        state("reset")
        assert not json.loads(call("sqs", "list-queues")).get("QueueUrls")
        state("load", first)
        assert "birds" in call("sqs", "list-queues")
        failed = subprocess.run([str(binary()), "state", "load", str(tmp_path / "none")], env=env, capture_output=True, text=True, timeout=60)
        assert failed.returncode == 1
        assert "cannot read" in failed.stderr


def test_clock_command():
    with Standin("--clock", "2026-01-01T00:00:00Z") as running:
        env = environment(AWS_ENDPOINT_URL=running.url)
        assert standin("clock", env=env) == "2026-01-01T00:00:00Z (stands still)\n"
        assert standin("clock", "--advance", "1h30m", env=env) == "2026-01-01T01:30:00Z (stands still)\n"
        assert standin("clock", "--freeze", "2027-01-01T00:00:00Z", "--advance", "1d", env=env).startswith("2027-01-02T00:00:00Z")
        assert "stands still" not in standin("clock", "--resume", env=env)


def test_an_fis_experiment_throttles_the_command_line(tmp_path):
    """A template from a file, as the command line takes it; retries are off, so that one refusal is the end."""
    with Standin("--log", "warn") as server:
        env = environment(**KEYS, AWS_ENDPOINT_URL=server.url, AWS_MAX_ATTEMPTS="1")
        inject = {"actionId": "aws:fis:inject-api-throttle-error", "targets": {"Roles": "callers"}}
        inject["parameters"] = {"service": "ec2", "operations": "DescribeVpcs", "percentage": "100", "duration": "PT10M"}
        role = "arn:aws:iam::000000000000:role/fis"
        template = {
            "clientToken": "birds",
            "description": "throttled",
            "roleArn": role,
            "stopConditions": [{"source": "none"}],
            "targets": {"callers": {"resourceType": "aws:iam:role", "resourceArns": [role], "selectionMode": "ALL"}},
            "actions": {"throttle": inject},
        }
        (tmp_path / "template.json").write_text(json.dumps(template))
        aws = lambda *words, **more: run(AWS, *words, env=env, **more)  # noqa: E731
        made = json.loads(aws("fis", "create-experiment-template", "--cli-input-json", f"file://{tmp_path}/template.json"))
        id = made["experimentTemplate"]["id"]
        started = json.loads(aws("fis", "start-experiment", "--experiment-template-id", id))["experiment"]["id"]
        assert started.startswith("EXP")
        aws("ec2", "describe-vpcs", status=255)
        assert json.loads(aws("fis", "stop-experiment", "--id", started))["experiment"]["state"]["status"] == "stopping"
        aws("ec2", "describe-vpcs")
