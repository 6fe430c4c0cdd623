"""What a test expects to have been called: order, never, captures, JUnit; and the journal as a script that makes the calls again."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from conftest import REGION, Admin, make
from serve import Standin, binary

AWS_CLI = Path(os.environ.get("STANDIN_AWS_CLI", Path(sys.executable).parents[2] / "venv-cli/bin/aws"))


@pytest.fixture(scope="module")
def stateful():
    with Standin("--log", "warn") as running:
        yield running


@pytest.fixture
def verify(stateful):
    """Verifies a plan: the answer, whatever the status, with the status beside it."""
    Admin(stateful.url)("POST", "/_standin/reset")

    def verify(query="", **plan):
        request = urllib.request.Request(
            f"{stateful.url}/_standin/requests/verify{query}", data=json.dumps(plan).encode(), method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                status, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read().decode()
        return status, text if "junit" in query else json.loads(text)

    return verify


@pytest.fixture
def queue(stateful, verify):
    """A queue with a message, received and deleted; then a queue that is not there."""
    sqs = make(stateful, "sqs")
    url = sqs.create_queue(QueueName="birds")["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "1"})
    sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.get_queue_url(QueueName="grebes")
    return url


def about(operation, **more):
    return {"service": "sqs", "operation": operation, **more}


def test_in_order(verify, queue):
    made = [about("CreateQueue"), about("SetQueueAttributes", input={"QueueUrl": queue}), about("GetQueueAttributes")]
    assert verify(inOrder=made)[0] == 200
    status, told = verify(inOrder=[made[1], made[0]])
    assert (status, told["pass"]) == (409, False)
    first, second = told["results"]
    assert first == {"name": "sqs SetQueueAttributes", "pass": True, "count": 1}
    assert (second["pass"], second["count"], second["expected"]) == (False, 0, "1 in this order")
    assert second["calledWith"] == [{"QueueName": "birds"}] and second["after"]


def test_never_and_errors(verify, queue):
    assert verify(never=[about("DeleteQueue"), about("CreateQueue", input={"QueueName": "storks"})])[0] == 200
    status, told = verify(never=[about("CreateQueue", name="no queue is made")])
    assert status == 409
    assert told["results"][0]["name"] == "no queue is made"
    assert told["results"][0]["expected"] == "never"
    assert verify(**about("GetQueueUrl", status="4xx", error="AWS.SimpleQueueService.NonExistentQueue", count=0))[0] in (200, 409)
    assert verify(**about("GetQueueUrl", status="4xx"))[0] == 200
    assert verify(**about("GetQueueUrl", status="2xx"))[0] == 409
    assert verify(**about("DeleteQueue", never=True))[0] == 200


def test_captures(verify, queue):
    status, told = verify(
        inOrder=[
            about("CreateQueue", capture={"url": "output.QueueUrl", "name": "input.QueueName"}),
            about("SetQueueAttributes", input={"QueueUrl": "{{url}}"}),
        ],
        never=[about("CreateQueue", input={"QueueName": "{{name}}-2"})],
    )
    assert (status, told["captured"]) == (200, {"url": queue, "name": "birds"})
    status, told = verify(expectations=[about("CreateQueue", input={"QueueName": "{{nobody}}"})])
    assert status == 400 and "nobody" in told["error"]


def test_captures_of_the_call_that_the_others_follow(stateful, verify):
    sqs = make(stateful, "sqs")
    sqs.create_queue(QueueName="first")
    url = sqs.create_queue(QueueName="second")["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "1"})
    plan = [about("CreateQueue", capture={"url": "output.QueueUrl"}), about("SetQueueAttributes", input={"QueueUrl": "{{url}}"})]
    status, told = verify(inOrder=plan)
    assert (status, told["captured"]) == (200, {"url": url})
    assert verify(inOrder=[*plan, about("DeleteQueue", input={"QueueUrl": "{{url}}"})])[0] == 409


def test_junit(verify, queue):
    plan = {"expectations": [about("CreateQueue"), about("DeleteQueue", name="<cleans up>")]}
    status, text = verify("?format=junit", **plan)
    assert status == 409
    suite = ElementTree.fromstring(text).find("testsuite")
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    good, bad = suite.findall("testcase")
    assert good.get("classname") == "sqs" and good.find("failure") is None
    assert bad.get("name") == "<cleans up>"
    assert bad.find("failure").get("message") == "expected at least 1, found 0"
    assert bad.find("failure").text == "the operation was not called"


def test_on_the_command_line(stateful, queue, tmp_path):
    plan = tmp_path / "expected.yaml"
    run = lambda *more: subprocess.run(
        [binary(), "verify", plan, "--endpoint", stateful.url, *more], capture_output=True, text=True, timeout=30
    )
    plan.write_text("inOrder:\n- {service: sqs, operation: CreateQueue}\n- {service: sqs, operation: GetQueueAttributes}\n")
    assert run().returncode == 0
    plan.write_text("never:\n- {service: sqs, operation: CreateQueue}\n")
    failed = run("--junit")
    assert failed.returncode == 1 and ElementTree.fromstring(failed.stdout).find("testsuite").get("failures") == "1"
    plan.write_text("nevr: []\n")
    assert "nevr" in run().stderr


def several_things(server):
    """Calls of many protocols, some of which hand on what others answered."""
    ec2, sqs, dynamodb, iam, s3, lambda_ = (make(server, name) for name in ("ec2", "sqs", "dynamodb", "iam", "s3", "lambda"))
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")
    ec2.create_tags(Resources=[vpc], Tags=[{"Key": "it's", "Value": 'a "tag" with $HOME and `date`'}])
    url = sqs.create_queue(QueueName="birds", Attributes={"DelaySeconds": "5"})["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "7"})
    dynamodb.create_table(
        TableName="birds",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    role = iam.create_role(RoleName="birds", AssumeRolePolicyDocument='{"Version": "2012-10-17", "Statement": []}')["Role"]["Arn"]
    lambda_.create_function(FunctionName="birds", Role=role, Code={"S3Bucket": "birds-code", "S3Key": "k"}, Runtime="python3.13", Handler="a.b")
    lambda_.list_functions()
    s3.create_bucket(Bucket="birds", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.list_objects_v2(Bucket="birds")
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.get_queue_url(QueueName="grebes")
    make(server, "sqs", account="777788889999", region="us-west-2").create_queue(QueueName="elsewhere")


def told(server):
    """The journal without what differs from run to run: ids and times of requests and of what was made."""
    kept = ("account", "region", "service", "operation", "status", "error")
    return [{name: one.get(name) for name in kept} | {"input": sorted(one["input"])} for one in Admin(server.url).requests()]


@pytest.mark.parametrize("language", ["boto3", "cli"])
def test_the_journal_as_a_script(language, tmp_path):
    if language == "cli" and not AWS_CLI.exists():
        pytest.skip(f"no AWS CLI at {AWS_CLI}")
    with Standin("--seed", "1") as first:
        several_things(first)
        answer = subprocess.run(
            [binary(), "requests", "--as", language, "--endpoint", first.url], capture_output=True, text=True, check=True, timeout=30
        )
        expected = told(first)
        made = make(first, "ec2").describe_vpcs()["Vpcs"][0]["Tags"]
    script = tmp_path / ("script.py" if language == "boto3" else "script.sh")
    script.write_text(answer.stdout)
    # Another seed: ids are others, so they must be handed on.
    with Standin("--seed", "2") as second:
        environment = {**os.environ, "AWS_ENDPOINT_URL": second.url, "PATH": f"{AWS_CLI.parent}:{os.environ['PATH']}"}
        command = [sys.executable, script] if language == "boto3" else ["bash", script]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        assert run.returncode == 0, f"{run.stderr}\n{answer.stdout}"
        assert told(second) == expected, answer.stdout
        assert make(second, "ec2").describe_vpcs()["Vpcs"][0]["Tags"] == made
        assert make(second, "ec2").describe_subnets()["Subnets"][0]["VpcId"] == make(second, "ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
