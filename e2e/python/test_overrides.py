"""Answers that people script: rules over HTTP, in a folder and in standin.toml, as boto3 sees them."""

import json
import subprocess
import time
import urllib.error

import pytest
from botocore.exceptions import ClientError
from conftest import ACCOUNT, REGION, Admin, make
from serve import Standin, binary


@pytest.fixture(scope="module")
def stateful():
    with Standin("--log", "warn") as running:
        yield running


@pytest.fixture
def rules(stateful):
    """Adds rules; all are gone afterwards."""
    admin = Admin(stateful.url)
    admin("POST", "/_standin/reset")
    yield lambda **rule: admin("POST", "/_standin/responses", rule)
    admin("POST", "/_standin/reset")


def refusal(call):
    with pytest.raises(urllib.error.HTTPError) as caught:
        call()
    return caught.value.code, json.loads(caught.value.read())["error"]


def environment(stateful, name="heron"):
    bucket = {"LocationConstraint": REGION}
    make(stateful, "s3").create_bucket(Bucket="birds", CreateBucketConfiguration=bucket)
    make(stateful, "mwaa").create_environment(
        Name=name,
        DagS3Path="dags",
        ExecutionRoleArn="arn:aws:iam::444455556666:role/mwaa",
        NetworkConfiguration={"SubnetIds": ["subnet-1a", "subnet-1b"], "SecurityGroupIds": ["sg-1"]},
        SourceBucketArn="arn:aws:s3:::birds",
        MaxWorkers=5,
        Tags={"team": "birds"},
    )


def test_merge_changes_what_is_stored(stateful, rules):
    mwaa = make(stateful, "mwaa")
    environment(stateful)
    rules(
        service="mwaa",
        operation="GetEnvironment",
        merge={"Environment": {"Status": "UPDATING", "MaxWorkers": "{{turn}}", "Tags": {"seen-in": "{{region}}"}, "DagS3Path": None}},
    )
    seen = mwaa.get_environment(Name="heron")["Environment"]
    assert (seen["Name"], seen["Status"], seen["MaxWorkers"]) == ("heron", "UPDATING", 1)
    assert seen["Tags"] == {"team": "birds", "seen-in": REGION}
    assert "DagS3Path" not in seen
    with pytest.raises(mwaa.exceptions.ResourceNotFoundException):
        mwaa.get_environment(Name="grebe")


def test_jinja_over_the_stored_resource(stateful, rules):
    mwaa = make(stateful, "mwaa")
    environment(stateful, "stork")
    rules(
        service="mwaa",
        operation="GetEnvironment",
        templates="jinja",
        output={"Environment": {"Name": "{{ input.Name | upper }}", "MaxWorkers": "{{ answer.Environment.MaxWorkers + 1 }}", "Tags": "{{ answer.Environment.Tags }}"}},
    )
    seen = mwaa.get_environment(Name="stork")["Environment"]
    assert seen == {"Name": "STORK", "MaxWorkers": 6, "Tags": {"team": "birds"}}


def test_query_protocol_lists_and_loops(stateful, rules):
    rules(
        service="ec2",
        operation="DescribeInstances",
        templates="jinja",
        output={
            "Reservations": '[{"ReservationId": "r-1", "Instances": [{% for id in input.InstanceIds %}'
            '{"InstanceId": "{{ id }}", "AmiLaunchIndex": {{ loop.index0 }}}{{ "," if not loop.last }}{% endfor %}]}]'
        },
    )
    answer = make(stateful, "ec2").describe_instances(InstanceIds=["i-0aa", "i-0bb"])
    found = [(one["InstanceId"], one["AmiLaunchIndex"]) for one in answer["Reservations"][0]["Instances"]]
    assert found == [("i-0aa", 0), ("i-0bb", 1)]


def test_s3_payloads(stateful, rules):
    s3 = make(stateful, "s3")
    s3.create_bucket(Bucket="birds", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="birds", Key="heron", Body=b"real", Metadata={"kind": "wader"})
    rules(service="s3", operation="GetObject", resource="heron", merge={"Metadata": {"by": "script"}})
    rules(service="s3", operation="GetObject", resource="made-up", output={"Body": "of {{input.Key}}", "ContentType": "text/plain"})
    rules(service="s3", operation="GetObject", resource="forbidden", error={"code": "AccessDenied", "message": "not {{input.Key}}"})
    real = s3.get_object(Bucket="birds", Key="heron")
    assert (real["Body"].read(), real["Metadata"]) == (b"real", {"kind": "wader", "by": "script"})
    made = s3.get_object(Bucket="birds", Key="made-up")
    assert (made["Body"].read(), made["ContentType"]) == (b"of made-up", "text/plain")
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket="birds", Key="forbidden")
    assert caught.value.response["Error"]["Code"] == "AccessDenied"
    assert caught.value.response["Error"]["Message"] == "not forbidden"


def test_scenarios(stateful, rules):
    admin = Admin(stateful.url)
    sqs = make(stateful, "sqs")
    about = {"service": "sqs", "scenario": "queue"}
    rules(**about, operation="GetQueueUrl", **{"required-state": "Started"}, error="QueueDoesNotExist")
    rules(**about, operation="CreateQueue", **{"required-state": "Started", "new-state": "there"}, output={"QueueUrl": "{{baseUrl}}/q"})
    rules(**about, operation="GetQueueUrl", **{"required-state": "there"}, output={"QueueUrl": "{{baseUrl}}/q"})
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.get_queue_url(QueueName="q")
    assert sqs.create_queue(QueueName="q")["QueueUrl"] == stateful.url + "/q"
    assert sqs.get_queue_url(QueueName="q")["QueueUrl"] == stateful.url + "/q"
    assert admin("GET", "/_standin/scenarios")["scenarios"] == [{"name": "queue", "state": "there"}]
    admin("PUT", "/_standin/scenarios/queue", {"state": "Started"})
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.get_queue_url(QueueName="q")
    admin("DELETE", "/_standin/scenarios")
    assert admin("GET", "/_standin/scenarios/queue")["state"] == "Started"


def test_rules_over_http(stateful, rules):
    admin = Admin(stateful.url)
    added = rules(service="sts", operation="GetCallerIdentity", merge={"Arn": "arn:aws:iam::1:user/{{accessKey}}"})
    path = f"/_standin/responses/{added['id']}"
    assert make(stateful, "sts").get_caller_identity()["Arn"] == f"arn:aws:iam::1:user/{ACCOUNT}"
    assert admin("GET", path)["used"] == 1
    last = admin.last("sts", "GetCallerIdentity")
    assert added["id"] in json.dumps(admin("GET", f"/_standin/explain/{last['id']}"))
    admin("PUT", path, {"service": "sts", "operation": "*", "error": "ExpiredToken"})
    with pytest.raises(ClientError, match="ExpiredToken"):
        make(stateful, "sts").get_caller_identity()
    last = admin.last("sts", "GetCallerIdentity")
    assert added["id"] in json.dumps(admin("GET", f"/_standin/explain/{last['id']}")["decisions"])
    admin("DELETE", path)
    assert make(stateful, "sts").get_caller_identity()["Account"] == ACCOUNT
    assert refusal(lambda: admin("GET", path))[0] == 404
    code, why = refusal(lambda: rules(service="sts", operation="GetCallerIdentity", output={"Acount": "1"}))
    assert code == 400 and "did you mean Account?" in why


def test_a_folder_is_followed(tmp_path):
    folder = tmp_path / "responses"
    (folder / "mwaa").mkdir(parents=True)
    file = folder / "mwaa" / "GetEnvironment-creating.yaml"
    file.write_text("output:\n  Environment:\n    Status: CREATING\n    Name: '{{input.Name}}'\n")
    config = tmp_path / "standin.toml"
    config.write_text('[[responses]]\nservice = "mwaa"\noperation = "GetEnvironment"\nerror = "ResourceNotFoundException"\n')
    with Standin("--responses", str(folder), "--config", str(config)) as server:
        admin, mwaa = Admin(server.url), make(server, "mwaa")
        status = lambda: mwaa.get_environment(Name="heron")["Environment"]["Status"]
        assert status() == "CREATING"
        file.write_text("output:\n  Environment:\n    Status: AVAILABLE\n")
        deadline = time.monotonic() + 20
        while status() != "AVAILABLE":
            assert time.monotonic() < deadline, "the change was not taken up"
        # What is no good changes nothing, and is told.
        file.write_text("output:\n  Environment:\n    Statsu: AVAILABLE\n    Name: x\n")
        told = admin("POST", "/_standin/responses/reload")
        assert told["problems"] == [
            "mwaa/GetEnvironment-creating.yaml: output.Environment: Environment has no member `Statsu`; did you mean Status?"
        ]
        assert status() == "AVAILABLE"
        file.unlink()
        assert admin("POST", "/_standin/responses/reload") == {"folder": str(folder), "rules": 0, "problems": []}
        # The rule of the configuration is left.
        with pytest.raises(mwaa.exceptions.ResourceNotFoundException):
            status()


def test_a_wrong_folder_is_refused_at_start(tmp_path):
    (tmp_path / "mwaa").mkdir()
    (tmp_path / "mwaa" / "GetEnvironment.yaml").write_text("output: {Environment: {MaxWorkers: many}}\n")
    command = [binary(), "serve", "--listen", "127.0.0.1:0", "--responses", tmp_path]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert refused.returncode == 2
    assert "mwaa/GetEnvironment.yaml: output.Environment.MaxWorkers: expected an integer" in refused.stderr
