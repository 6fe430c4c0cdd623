"""`/_standin/…` and the conventions of LocalStack."""

import json
import urllib.error
import urllib.request

import pytest


def test_health_and_services(admin):
    assert admin("GET", "/_standin/health")["version"]
    services = admin("GET", "/_standin/services")["services"]
    assert len(services) >= 470
    ids = {service["id"] for service in services}
    assert {"mwaa", "proton", "s3", "elastictranscoder", "qldb"} <= ids
    detail = admin("GET", "/_standin/services/mwaa")
    operations = {operation["name"]: operation for operation in detail["operations"]}
    assert operations["GetEnvironment"]["fidelity"] == "synthesized"


def test_requests_are_journalled(admin, client):
    client("mwaa").get_environment(Name="birds")
    client("sqs").list_queues(QueueNamePrefix="b")
    older, newest = admin.requests(limit=2)
    assert (newest["service"], newest["operation"], newest["status"]) == ("sqs", "ListQueues", 200)
    assert newest["input"] == {"QueueNamePrefix": "b"}
    assert newest["output"]["QueueUrls"]
    assert (older["service"], older["account"], older["region"]) == ("mwaa", "444455556666", "eu-west-1")
    assert admin.requests(service="mwaa") == [older]
    admin("DELETE", "/_standin/requests")
    assert admin.requests() == []


def test_errors_are_journalled(admin, client):
    sqs = client("sqs")
    admin.can("sqs", "GetQueueUrl", error={"code": "QueueDoesNotExist", "message": "none"})
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.get_queue_url(QueueName="birds")
    entry = admin.last("sqs", "GetQueueUrl")
    assert entry["status"] == 400
    assert entry["error"]["code"] == "QueueDoesNotExist"
    assert admin.requests(status=400) == [entry]


def test_explain_tells_why(admin, client):
    answer = client("mwaa").get_environment(Name="birds")
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-standin-fidelity"] == "synthesized"
    told = admin("GET", f"/_standin/explain/{answer['ResponseMetadata']['RequestId']}")
    assert (told["identified"]["service"], told["identified"]["operation"]) == ("mwaa", "GetEnvironment")
    assert told["fidelity"] == "synthesized"
    assert told["decisions"]
    with pytest.raises(urllib.error.HTTPError) as caught:
        admin("GET", "/_standin/explain/00000000-0000-0000-0000-000000000000")
    assert caught.value.code == 404


def test_verify(admin, client):
    for name in ("heron", "heron", "grebe"):
        client("mwaa").get_environment(Name=name)
    about = {"service": "mwaa", "operation": "GetEnvironment"}

    def verdict(**more):
        try:
            return admin("POST", "/_standin/requests/verify", {**about, **more})["pass"]
        except urllib.error.HTTPError as error:
            return json.loads(error.read())["pass"]

    assert verdict(count=3) is True
    assert verdict(input={"Name": "heron"}, count=2) is True
    assert verdict(input={"Name": "heron"}, count=1) is False
    assert verdict(input={"Name": "grebe"}, atLeast=1, atMost=1) is True
    assert verdict(input={"Name": "stork"}, atLeast=1) is False


def test_canned_answers_match_on_input(admin, client):
    admin.can("mwaa", "GetEnvironment", input={"Name": "heron"}, output={"Environment": {"Name": "heron", "Status": "DELETING"}})
    assert client("mwaa").get_environment(Name="heron")["Environment"]["Status"] == "DELETING"
    assert client("mwaa").get_environment(Name="grebe")["Environment"]["Status"] == "AVAILABLE"


def test_canned_answers_run_out(admin, client):
    admin.can("mwaa", "GetEnvironment", output={"Environment": {"Status": "CREATING"}}, times=2)
    seen = [client("mwaa").get_environment(Name="heron")["Environment"]["Status"] for _ in range(3)]
    assert seen == ["CREATING", "CREATING", "AVAILABLE"]


def test_canned_sequences(admin, client):
    steps = [{"output": {"Environment": {"Status": status}}} for status in ("CREATING", "UPDATING")]
    admin.can("mwaa", "GetEnvironment", sequence=steps)
    seen = [client("mwaa").get_environment(Name="heron")["Environment"]["Status"] for _ in range(3)]
    assert seen == ["CREATING", "UPDATING", "UPDATING"]


def test_canned_raw_answers(admin, client):
    admin.can("mwaa", "GetEnvironment", raw={"status": 503, "headers": {"Retry-After": "1"}, "body": "{}"})
    mwaa = client("mwaa")
    with pytest.raises(mwaa.exceptions.ClientError) as caught:
        mwaa.get_environment(Name="heron")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert caught.value.response["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "1"


def test_wrong_canned_answers_are_refused(admin):
    def refusal(**rule):
        with pytest.raises(urllib.error.HTTPError) as caught:
            admin.can("mwaa", "GetEnvironment", **rule)
        assert caught.value.code == 400
        return json.loads(caught.value.read())["error"]

    assert "ResourceNotFoundException" in refusal(error={"code": "NoSuchThing"})
    assert "Environment" in refusal(output={"Environment": "a string"})
    assert "rule 0" in refusal(outputs={})


def test_coverage(admin, client):
    client("mwaa").get_environment(Name="birds")
    assert "GetEnvironment" in json.dumps(admin("GET", "/_standin/coverage"))


def test_metrics(admin, client):
    client("mwaa").get_environment(Name="birds")
    assert "standin_requests_total" in admin("GET", "/_standin/metrics")


def test_foreign_pages_are_kept_out(admin):
    for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}):
        with pytest.raises(urllib.error.HTTPError) as caught:
            admin("GET", "/_standin/requests", headers=headers)
        assert caught.value.code == 403


@pytest.mark.parametrize("path", ["/_localstack/health", "/health"])
def test_health_of_localstack(admin, path):
    health = admin("GET", path)
    assert health["services"]["sqs"] in ("available", "running")
    assert health["version"]


def test_info_and_init_of_localstack(admin):
    assert admin("GET", "/_localstack/info")["version"]
    assert admin("GET", "/_localstack/init")["completed"]["READY"] is True
    assert admin("GET", "/_localstack/init/ready")["completed"] is True


def test_unknown_operations_say_what_was_understood(admin, server):
    request = urllib.request.Request(server.url, data=b"{}", headers={"X-Amz-Target": "DynamoDB_20120810.ListTabels", "Content-Type": "application/x-amz-json-1.0"})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    body = json.loads(caught.value.read())
    assert "UnknownOperationException" in body["__type"]
    assert "ListTables" in body["message"]
