"""Faults that hit a part of a call or come before it: items of batches, connections, clocks, windows of time."""

import datetime
import json
import socket
import ssl
import urllib.error

import botocore.exceptions
import pytest
from botocore.exceptions import ClientError
import boto3

from conftest import Admin
from serve import Standin
from test_faults import ACCOUNT, make_client


@pytest.fixture(scope="module")
def server():
    with Standin("--log", "warn", "--seed", "7") as running:
        yield running


@pytest.fixture
def admin(server):
    admin = Admin(server.url)
    yield admin
    admin("DELETE", "/_standin/faults")


def rules(admin, *some):
    admin("PUT", "/_standin/faults", list(some))


def test_the_seed_is_told(server, admin):
    assert any("seed     7" in line for line in server.lines)
    assert admin("GET", "/_standin/faults")["seed"] == 7
    with Standin("--faults", "flaky") as other:
        told = "\n".join(other.lines)
        assert "seed     0, as none is chosen" in told and "faults   4 rules" in told


# Parts of batches


def test_unprocessed_items_are_sent_again(server, admin):
    rules(admin, {"operation": "BatchWriteItem", "partial": 0.4})
    keys = {"aws_access_key_id": ACCOUNT, "aws_secret_access_key": "standin"}
    resource = boto3.session.Session().resource("dynamodb", region_name="eu-west-1", endpoint_url=server.url, **keys)
    birds = resource.create_table(
        TableName="birds",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    with birds.batch_writer() as batch:
        for number in range(100):
            batch.put_item(Item={"id": str(number)})
    calls = admin.requests(service="dynamodb", operation="BatchWriteItem")
    sent = [item for call in calls for item in call["input"]["RequestItems"]["birds"]]
    failed = [item for call in calls for item in call["output"]["UnprocessedItems"].get("birds", [])]
    # Whatever failed was sent again, until all 100 had gone.
    assert len(sent) == 100 + len(failed) and 30 < len(failed) < 130
    client = make_client(server, "dynamodb")
    rules(admin, {"operation": "BatchGetItem", "partial": 1})
    asked = {"birds": {"Keys": [{"id": {"S": "1"}}, {"id": {"S": "2"}}], "ConsistentRead": True}}
    assert client.batch_get_item(RequestItems=asked)["UnprocessedKeys"] == asked


def test_failed_entries(server, admin):
    sqs = make_client(server, "sqs")
    url = sqs.create_queue(QueueName="birds")["QueueUrl"]
    entries = [{"Id": str(number), "MessageBody": "x"} for number in range(10)]
    rules(admin, {"operation": "SendMessageBatch", "partial": 0.5})
    answer = sqs.send_message_batch(QueueUrl=url, Entries=entries)
    ids = [sorted(entry["Id"] for entry in answer[part]) for part in ("Successful", "Failed")]
    assert sorted(ids[0] + ids[1]) == [entry["Id"] for entry in entries] and all(ids)
    assert answer["Failed"][0]["Code"] == "RequestThrottled" and answer["Failed"][0]["SenderFault"] is False


@pytest.mark.parametrize(
    ("service", "call", "arguments", "results", "count", "code"),
    [
        ("kinesis", "put_records", {"StreamName": "birds", "Records": [{"Data": b"x", "PartitionKey": str(n)} for n in range(10)]}, "Records", "FailedRecordCount", "ProvisionedThroughputExceededException"),
        ("firehose", "put_record_batch", {"DeliveryStreamName": "birds", "Records": [{"Data": b"x"} for _ in range(10)]}, "RequestResponses", "FailedPutCount", "ThrottlingException"),
        ("events", "put_events", {"Entries": [{"Source": "birds", "DetailType": "x", "Detail": "{}"} for _ in range(10)]}, "Entries", "FailedEntryCount", "ThrottlingException"),
    ],
)
def test_results_in_order(server, admin, service, call, arguments, results, count, code):
    client = make_client(server, service)
    if service == "kinesis":
        client.create_stream(StreamName="birds")
    if service == "firehose":
        client.create_delivery_stream(DeliveryStreamName="birds")
    name = "".join(word.title() for word in call.split("_"))
    rules(admin, {"id": "some", "operation": name, "partial": 0.5})
    answer = getattr(client, call)(**arguments)
    failed = [result for result in answer[results] if "ErrorCode" in result]
    assert len(answer[results]) == 10 and 0 < len(failed) == answer[count] < 10
    assert {result["ErrorCode"] for result in failed} == {code}
    rules(admin, {"id": "all", "operation": name, "partial": 1, "error": "InternalFailure"})
    answer = getattr(client, call)(**arguments)
    assert answer[count] == 10 and {result["ErrorCode"] for result in answer[results]} == {"InternalFailure"}


def test_objects_that_were_not_deleted_are_still_there(server, admin):
    s3 = make_client(server, "s3", s3={"addressing_style": "path"})
    s3.create_bucket(Bucket="birds", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    keys = [f"{number:02}" for number in range(20)]
    for key in keys:
        s3.put_object(Bucket="birds", Key=key, Body=b"x")
    rules(admin, {"operation": "DeleteObjects", "partial": 0.5})
    answer = s3.delete_objects(Bucket="birds", Delete={"Objects": [{"Key": key} for key in keys]})
    left = [item["Key"] for item in s3.list_objects_v2(Bucket="birds")["Contents"]]
    assert [error["Key"] for error in answer["Errors"]] == left and 0 < len(left) < 20
    assert answer["Errors"][0]["Code"] == "SlowDown"
    assert sorted([item["Key"] for item in answer["Deleted"]] + left) == keys


def test_parts_of_what_has_no_parts_are_refused(admin):
    with pytest.raises(urllib.error.HTTPError) as caught:
        admin("POST", "/_standin/faults", {"service": "sqs", "operation": "CreateQueue", "partial": 0.5})
    assert "no list of items" in json.load(caught.value)["error"]
    admin("POST", "/_standin/faults", {"service": "sqs", "operation": "CreateQueue", "partial": 0.5, "force": True})


# Connections


def raw(server, path):
    """What a plain socket sees: the answer's first line, or the error."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as link:
        link.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: AWS4-HMAC-SHA256 Credential={ACCOUNT}/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0\r\n\r\n".encode())
        return link.recv(100).split(b"\r\n")[0]


def test_connections_are_reset(server, admin):
    rules(admin, {"id": "first", "network": "refuse", "first": 1})
    with pytest.raises(ConnectionResetError):
        raw(server, "/?Action=ListQueues")
    assert raw(server, "/?Action=ListQueues").startswith(b"HTTP/1.1 200")
    rules(admin, {"id": "all", "network": "refuse"})
    with pytest.raises(botocore.exceptions.HTTPClientError):
        make_client(server, "sqs").list_queues()
    # Whoever wants to end it gets through.
    assert admin("GET", "/_standin/faults/all")["hit"] == 1
    for network in ("reset-before", "reset-after"):
        rules(admin, {"service": "sqs", "network": network})
        with pytest.raises(ConnectionResetError):
            raw(server, "/?Action=ListQueues")


def test_tls_handshakes_fail_by_host(server, admin):
    def hello(name):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as link:
            with context.wrap_socket(link, server_hostname=name) as wrapped:
                return wrapped.version()

    rules(admin, {"id": "hello", "service": "sqs", "region": "eu-*", "network": "tls"})
    with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
        hello("sqs.eu-west-1.amazonaws.com")
    for other in ("sqs.us-east-1.amazonaws.com", "s3.eu-west-1.amazonaws.com", "localhost"):
        assert hello(other) == "TLSv1.3"
    assert admin("GET", "/_standin/faults/hello")["hit"] == 1


def test_connections_know_no_calls(admin):
    for rule in ({"network": "refuse", "service": "sqs"}, {"network": "tls", "operation": "Get*"}, {"network": "refuse", "latency": "1s"}):
        with pytest.raises(urllib.error.HTTPError):
            admin("POST", "/_standin/faults", rule)


# Clocks


@pytest.mark.parametrize(
    ("service", "call", "code"),
    [("s3", "list_buckets", "RequestTimeTooSkewed"), ("dynamodb", "list_tables", "InvalidSignatureException"), ("sts", "get_caller_identity", "SignatureDoesNotMatch"), ("ec2", "describe_vpcs", "RequestExpired")],
)
def test_skewed_clocks(server, admin, service, call, code):
    """botocore does not correct its clock: the error reaches the caller, with the server's time."""
    rules(admin, {"service": service, "skew": "20m"})
    with pytest.raises(ClientError) as caught:
        getattr(make_client(server, service), call)()
    assert caught.value.response["Error"]["Code"] == code
    date = caught.value.response["ResponseMetadata"]["HTTPHeaders"]["date"]
    told = datetime.datetime.strptime(date, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=datetime.timezone.utc)
    ahead = (told - datetime.datetime.now(datetime.timezone.utc)).total_seconds()
    assert 1190 < ahead < 1210
    rules(admin, {"service": service, "skew": "1m"})
    getattr(make_client(server, service), call)()


# Times


def test_windows_of_the_virtual_clock():
    with Standin("--log", "warn", "--clock", "2026-01-01T08:00:00Z") as server:
        admin, sqs = Admin(server.url), make_client(server, "sqs")
        rules(admin, {"service": "sqs", "error": "throttling", "windows": ["+1h..+2h", "20:00..21:00"]})
        failed = []
        for _ in range(24):
            try:
                sqs.list_queues()
                failed.append(".")
            except ClientError:
                failed.append("x")
            admin("POST", "/_standin/clock", {"advance": "1h"})
        assert "".join(failed) == ".x..........x..........."


def test_resources_within_the_input(server, admin):
    rules(admin, {"resource": "bird*", "error": "throttling"})
    dynamodb = make_client(server, "dynamodb")
    key = {"Keys": [{"id": {"S": "1"}}]}
    for table, fails in (("birds", True), ("fish", False)):
        try:
            dynamodb.batch_get_item(RequestItems={table: key})
            assert not fails
        except ClientError as error:
            assert fails and "Throughput" in error.response["Error"]["Code"]


@pytest.mark.parametrize("rule", ['{"error": "X", "status": 101}', '{"error": "a b"}', '{"partial": 7}', '{"trickle": 0}', "[]", "{}", '{"colour": "red"}'])
def test_a_header_that_is_no_rule_is_told(server, rule):
    sqs = make_client(server, "sqs")
    sqs.meta.events.register("before-send.sqs.ListQueues", lambda request, **_: request.headers.__setitem__("x-standin-fault", rule))
    with pytest.raises(ClientError, match="x-standin-fault") as caught:
        sqs.list_queues()
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_many_rules(admin, server):
    rule = {"service": "s3", "operation": "GetObject", "error": "SlowDown"}
    admin("PUT", "/_standin/faults", [rule] * 2000)
    make_client(server, "sqs").list_queues()
    with pytest.raises(urllib.error.HTTPError) as caught:
        admin("PUT", "/_standin/faults", [rule] * 10_001)
    assert "more than 10000 rules" in json.load(caught.value)["error"]
    assert len(admin("GET", "/_standin/faults")["faults"]) == 2000
