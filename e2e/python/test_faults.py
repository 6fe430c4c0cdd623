"""Faults on request, as boto3 meets them: errors that the operation has, throttling that it retries, broken connections."""

import json
import urllib.error

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError, HTTPClientError, ReadTimeoutError
from botocore.parsers import ResponseParserError

from conftest import Admin
from serve import Standin

ACCOUNT = "123456789012"


@pytest.fixture(scope="module")
def server():
    with Standin("--log", "warn", "--seed", "7") as running:
        yield running


@pytest.fixture
def admin(server):
    admin = Admin(server.url)
    yield admin
    admin("DELETE", "/_standin/faults")


def make_bucket(server, name):
    client = make_client(server, "s3")
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": client.meta.region_name})


def make_client(server, service, attempts=1, mode="standard", **more):
    config = Config(retries={"total_max_attempts": attempts, "mode": mode}, inject_host_prefix=False, **more)
    keys = {"aws_access_key_id": ACCOUNT, "aws_secret_access_key": "standin"}
    return boto3.session.Session().client(service, region_name="eu-west-1", endpoint_url=server.url, config=config, **keys)


def outcomes(call, count):
    """`None` for each call that went well, else the error's code."""
    found = []
    for _ in range(count):
        try:
            call()
            found.append(None)
        except ClientError as error:
            found.append(error.response["Error"]["Code"])
    return found


def test_the_same_seed_fails_the_same_calls(server, admin):
    rule = {"id": "half", "service": "mwaa", "error": "random", "probability": 0.5}
    runs = []
    for _ in range(2):
        admin("PUT", "/_standin/faults", [rule])
        runs.append(outcomes(make_client(server, "mwaa").list_environments, 40))
        admin("DELETE", "/_standin/faults")
    assert runs[0] == runs[1]
    failed = [code for code in runs[0] if code]
    assert 8 < len(failed) < 32
    modelled = {"InternalServerException", "ValidationException"}
    assert set(failed) == modelled


def test_throttling_is_retried(server, admin):
    """With the preset `throttled`, standard retries end in success."""
    for service, call in (("dynamodb", "list_tables"), ("s3", "list_buckets"), ("sns", "list_topics"), ("ec2", "describe_vpcs"), ("mwaa", "list_environments")):
        admin("PUT", "/_standin/faults", [{"service": service, "error": "throttling", "every": 2}])
        client = make_client(server, service, attempts=4)
        retried = [getattr(client, call)()["ResponseMetadata"]["RetryAttempts"] for _ in range(4)]
        # The first call is the first that matches and goes well; from then on each one meets the rule once.
        assert retried == [0, 1, 1, 1], service


def test_typed_errors(server, admin):
    admin("PUT", "/_standin/faults", [{"service": "proton", "error": "ConflictException", "message": "not now"}])
    proton = make_client(server, "proton")
    with pytest.raises(proton.exceptions.ConflictException, match="not now"):
        proton.create_environment_template(name="birds")
    admin("DELETE", "/_standin/faults")
    with pytest.raises(proton.exceptions.ResourceNotFoundException):
        proton.get_environment_template(name="birds")


def test_errors_of_other_operations_are_refused(admin):
    with pytest.raises(urllib.error.HTTPError) as caught:
        admin("POST", "/_standin/faults", {"service": "mwaa", "operation": "GetEnvironment", "error": "NoSuchBucket"})
    assert caught.value.code == 400
    assert "it can return ResourceNotFoundException" in json.load(caught.value)["error"]


@pytest.mark.parametrize(
    ("network", "raised", "done"),
    [
        ("reset-before", ConnectionClosedError, False),
        ("reset-after", ConnectionClosedError, True),
        ("truncate", BotoCoreError, True),
        ("wrong-length", BotoCoreError, True),
        ("hang", ReadTimeoutError, False),
    ],
)
def test_broken_connections(server, admin, network, raised, done):
    sqs = make_client(server, "sqs", read_timeout=1)
    admin("PUT", "/_standin/faults", [{"service": "sqs", "operation": "CreateQueue", "network": network}])
    with pytest.raises((raised, HTTPClientError)):
        sqs.create_queue(QueueName=network)
    queues = sqs.list_queues(QueueNamePrefix=network).get("QueueUrls", [])
    assert bool(queues) == done


def test_malformed_answers(server, admin):
    # botocore takes whatever is no JSON for a message, so an XML service shows it.
    admin("PUT", "/_standin/faults", [{"service": "sns", "network": "malformed"}])
    with pytest.raises(ResponseParserError):
        make_client(server, "sns").list_topics()


def test_a_lost_acknowledgement_shows_who_is_not_idempotent(server, admin):
    """What repeats a create whose answer was lost makes two, unless it sends a client token."""
    admin("PUT", "/_standin/faults", [{"operation": ["CreateVpc", "CreateFileSystem"], "network": "reset-after", "first": 1}])
    ec2, before = make_client(server, "ec2", attempts=3), len(make_client(server, "ec2").describe_vpcs()["Vpcs"])
    ec2.create_vpc(CidrBlock="10.7.0.0/16")
    assert len(ec2.describe_vpcs()["Vpcs"]) == before + 2
    admin("PUT", "/_standin/faults", [{"operation": "CreateFileSystem", "network": "reset-after", "first": 1}])
    efs = make_client(server, "efs", attempts=3)
    efs.create_file_system(CreationToken="birds")
    assert len(efs.describe_file_systems()["FileSystems"]) == 1


def test_done_twice(server, admin):
    admin("PUT", "/_standin/faults", [{"service": "ec2", "operation": "CreateSubnet", "twice": True}])
    ec2 = make_client(server, "ec2")
    vpc = ec2.create_vpc(CidrBlock="10.8.0.0/16")["Vpc"]["VpcId"]
    ec2.create_subnet(VpcId=vpc, CidrBlock="10.8.0.0/24")
    assert len(ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]) == 2


def test_a_rule_for_one_request(server, admin):
    mwaa = make_client(server, "mwaa")

    def add(request, **_):
        request.headers["x-standin-fault"] = '{"error": "InternalServerException"}'

    mwaa.meta.events.register("before-send.mwaa.ListEnvironments", add)
    with pytest.raises(mwaa.exceptions.InternalServerException):
        mwaa.list_environments()
    mwaa.meta.events.unregister("before-send.mwaa.ListEnvironments", add)
    mwaa.list_environments()


def test_faults_are_told(server, admin):
    added = admin("POST", "/_standin/faults", {"service": "glue", "operation": "Get*", "error": "throttling", "latency": "1ms"})
    glue = make_client(server, "glue")
    with pytest.raises(ClientError) as caught:
        glue.get_databases()
    headers = caught.value.response["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-standin-fault"] == added["id"]
    [entry] = admin.requests(service="glue", operation="GetDatabases")
    assert entry["faults"][0]["rule"] == added["id"] and "error" in entry["faults"][0]["what"]
    assert admin("GET", f"/_standin/faults/{added['id']}")["hit"] == 1


def test_rules_change(admin):
    added = admin("POST", "/_standin/faults", {"service": "s3", "latency": "1ms"})
    changed = admin("PATCH", f"/_standin/faults/{added['id']}", {"latency": "p50=1ms p99=2ms", "probability": 0.5})
    assert (changed["latency"], changed["probability"]) == ("p50=1ms p99=2ms", 0.5)
    assert admin("PATCH", f"/_standin/faults/{added['id']}", {"enabled": False})["enabled"] is False
    admin("DELETE", f"/_standin/faults/{added['id']}")
    assert admin("GET", "/_standin/faults")["faults"] == []


def test_every_preset_can_be_set(admin):
    presets = [preset["name"] for preset in admin("GET", "/_standin/faults/presets")["presets"]]
    assert {"flaky", "slow", "throttled", "brownout", "region-outage", "eventually-consistent", "expired-credentials", "bad-network"} <= set(presets)
    for name in presets:
        admin("POST", f"/_standin/faults/presets/{name}", {})


def test_flaky_calls_end_well_with_standard_retries(server, admin):
    """About 11 of 100 attempts fail; with four attempts hardly any call does: 0.11⁴ is one of 7,000."""
    admin("POST", "/_standin/faults/presets/flaky", {})
    dynamodb = make_client(server, "dynamodb", attempts=4)
    for _ in range(100):
        dynamodb.list_tables()
    hit = sum(rule["hit"] for rule in admin("GET", "/_standin/faults")["faults"])
    assert 3 <= hit <= 30


def test_localstack_chaos(server, admin):
    fault = {"service": "kms", "region": "eu-west-1", "operation": "ListKeys", "probability": 1.0, "error": {"statusCode": 404, "code": "DependencyTimeout"}}
    assert admin("POST", "/_localstack/chaos/faults", [fault]) == [fault]
    kms = make_client(server, "kms")
    with pytest.raises(ClientError) as caught:
        kms.list_keys()
    assert caught.value.response["Error"]["Code"] == "DependencyTimeout"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    admin("PATCH", "/_localstack/chaos/faults", [{"service": "sqs"}])
    with pytest.raises(ClientError, match="ServiceUnavailable"):
        make_client(server, "sqs").list_queues()
    left = admin("DELETE", "/_localstack/chaos/faults", [{"service": "kms"}])
    assert [fault["service"] for fault in left] == ["sqs"]
    assert admin("POST", "/_localstack/chaos/effects", {"latency": 5}) == {"latency": 5}
    assert admin("GET", "/_localstack/chaos/effects") == {"latency": 5}
    assert admin("POST", "/_localstack/chaos/effects", {"latency": 0}) == {"latency": 0}


def test_reads_lag_behind():
    with Standin("--log", "warn", "--clock", "2026-01-01T00:00:00Z", "--faults", '{"class": "write", "lag": "2s"}') as server:
        admin, eks = Admin(server.url), make_client(server, "eks")
        listed = lambda: eks.list_clusters()["clusters"]  # noqa: E731
        cluster = {"roleArn": f"arn:aws:iam::{ACCOUNT}:role/eks", "resourcesVpcConfig": {}}
        assert eks.create_cluster(name="birds", **cluster)["cluster"]["name"] == "birds"
        with pytest.raises(eks.exceptions.ResourceNotFoundException):
            eks.describe_cluster(name="birds")
        assert listed() == []
        with pytest.raises(eks.exceptions.ResourceInUseException):
            eks.create_cluster(name="birds", **cluster)
        admin("POST", "/_standin/clock", {"advance": "2s"})
        assert eks.describe_cluster(name="birds")["cluster"]["name"] == "birds" and listed() == ["birds"]
        eks.delete_cluster(name="birds")
        assert listed() == ["birds"]
        admin("POST", "/_standin/clock", {"advance": "2s"})
        assert listed() == []
        with pytest.raises(eks.exceptions.ResourceNotFoundException):
            eks.describe_cluster(name="birds")


@pytest.mark.parametrize(("transition", "first", "later"), [("stuck", "CREATING", "CREATING"), ("failed", "CREATE_FAILED", "CREATE_FAILED")])
def test_transitions_end_badly(transition, first, later):
    with Standin("--log", "warn", "--clock", "2026-01-01T00:00:00Z", "--faults", json.dumps({"service": "mwaa", "transition": transition})) as server:
        admin, mwaa = Admin(server.url), make_client(server, "mwaa")
        network = {"SecurityGroupIds": ["sg-0123456789abcdef0"], "SubnetIds": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]}
        role, bucket = f"arn:aws:iam::{ACCOUNT}:role/mwaa", "arn:aws:s3:::birds"
        make_bucket(server, "birds")
        mwaa.create_environment(Name="birds", DagS3Path="dags", ExecutionRoleArn=role, SourceBucketArn=bucket, NetworkConfiguration=network)
        status = lambda: mwaa.get_environment(Name="birds")["Environment"]["Status"]  # noqa: E731
        assert status() == first
        admin("POST", "/_standin/clock", {"advance": "90d"})
        assert status() == later
