"""Retry Lab with programs that retry well and badly: boto3 here, and the AWS CLI where AWS_CLI is set."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

BINARY = os.environ["STANDIN_BIN"]

# A VPC has no client token, an instance has one, which boto3 fills in by itself, and a table goes by its name.
PROGRAM = """
import boto3
ec2, dynamodb = boto3.client("ec2"), boto3.client("dynamodb")
ec2.create_vpc(CidrBlock="10.0.0.0/16")
ec2.run_instances(ImageId="ami-0123456789abcdef0", MinCount=1, MaxCount=1)
ec2.describe_vpcs()
key = {"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "id", "AttributeType": "S"}
dynamodb.create_table(TableName="orders", KeySchema=[key[0]], AttributeDefinitions=[key[1]], BillingMode="PAY_PER_REQUEST")
"""


def lab(tmp_path, *flags, program=PROGRAM, command=None, form="json"):
    script = tmp_path / "program.py"
    script.write_text(program)
    report = tmp_path / f"report.{form}"
    command = command or [sys.executable, str(script)]
    done = subprocess.run(
        [BINARY, "retrylab", *flags, "--report", form, "--out", report, "--", *command],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert report.exists(), done.stderr
    return done, report.read_text()


def run(tmp_path, *flags, **more):
    done, text = lab(tmp_path, *flags, **more)
    report = json.loads(text)
    runs = {
        (run["profile"], run["retries"]): {operation["operation"]: operation for operation in run["operations"]} | {None: run}
        for run in report["runs"]
    }
    return done.returncode, runs


def test_retries_are_counted_and_measured(tmp_path):
    code, runs = run(tmp_path, "--profiles", "none,throttle,reset,server-error", "--retries", "standard,one-attempt")
    assert code == 1
    for profile in ("throttle", "reset", "server-error"):
        vpc = runs[profile, "standard"]["CreateVpc"]
        assert vpc["verdict"] == "recovered", (profile, vpc)
        assert vpc["attemptsMax"] == (3 if profile == "throttle" else 2)
        assert vpc["amplification"] == vpc["requests"] / vpc["calls"]
        # Waits are drawn, from none at all on; throttling has the longest.
        assert vpc["waitsMs"]["max"] >= vpc["waitsMs"]["min"] >= 0
        assert profile != "throttle" or vpc["waitsMs"]["max"] > 10
        assert runs[profile, "one-attempt"]["CreateVpc"]["verdict"] == "not retried"
        assert runs[profile, "one-attempt"][None]["exitCode"] == 1
    assert runs["none", "standard"]["CreateVpc"]["verdict"] == "untouched"


def test_what_is_done_twice_is_found(tmp_path):
    code, runs = run(tmp_path, "--profiles", "lost-answer")
    operations = runs["lost-answer", "as-is"]
    assert code == 1 and operations[None]["exitCode"] == 1
    vpc = operations["CreateVpc"]
    assert vpc["verdict"] == "duplicated"
    [made] = vpc["duplicates"]
    assert len(set(made)) == 2 and all(name.startswith("vpc-") for name in made)
    assert operations["RunInstances"]["verdict"] == "recovered"
    assert operations["RunInstances"]["requests"] == 2
    table = operations["CreateTable"]
    assert (table["verdict"], table["errors"]) == ("retry refused", ["ResourceInUseException"])
    assert operations["DescribeVpcs"]["verdict"] == "untouched"


def test_an_outage_shows_how_many_requests_are_made(tmp_path):
    program = 'import boto3\ntry: boto3.client("sqs").list_queues()\nexcept Exception: pass'
    code, runs = run(tmp_path, "--profiles", "outage", "--retries", "standard,legacy", program=program)
    assert runs["outage", "standard"]["ListQueues"]["requests"] == 3
    assert runs["outage", "standard"]["ListQueues"]["verdict"] == "failed fast"
    assert runs["outage", "legacy"]["ListQueues"]["requests"] == 5
    assert runs["outage", "legacy"]["ListQueues"]["verdict"] == "retry storm"
    assert code == 1


def test_reports_for_people_and_runners(tmp_path):
    done, text = lab(tmp_path, "--profiles", "none,lost-answer", form="text")
    assert done.returncode == 1
    assert "ec2 CreateVpc was done more than once: vpc-" in text
    _, text = lab(tmp_path, "--profiles", "none,lost-answer", form="junit")
    suites = {suite.get("name"): suite for suite in ET.fromstring(text)}
    assert suites["none.as-is"].get("failures") == "0"
    failed = [test.get("name") for test in suites["lost-answer.as-is"] if len(test)]
    assert failed == ["command", "dynamodb CreateTable", "ec2 CreateVpc"]


def test_what_does_not_exist_is_refused():
    done = subprocess.run([BINARY, "retrylab", "--profiles", "flood", "--", "true"], capture_output=True, text=True)
    assert done.returncode == 2 and "there are none, throttle" in done.stderr


@pytest.mark.skipif("AWS_CLI" not in os.environ, reason="AWS_CLI is not set")
def test_the_aws_cli(tmp_path):
    command = [os.environ["AWS_CLI"], "ec2", "create-vpc", "--cidr-block", "10.0.0.0/16"]
    _, runs = run(tmp_path, "--profiles", "none,throttle,lost-answer", command=command)
    assert runs["throttle", "as-is"]["CreateVpc"]["verdict"] == "recovered"
    assert runs["lost-answer", "as-is"]["CreateVpc"]["verdict"] == "duplicated"
