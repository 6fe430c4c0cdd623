"""Exported files in other tools: Mockoon environments asked by boto3, OpenAPI documents checked by a validator.

Each environment is served by `standin mockoon` and, where e2e/mockoon is installed, by mockoon-cli itself.
"""

import datetime
import json
import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

BINARY = os.environ["STANDIN_BIN"]
MOCKOON = Path(__file__).parents[1] / "mockoon/node_modules/.bin/mockoon-cli"
SERVICES = ["mwaa", "proton", "dynamodb", "sqs", "sts", "iam", "ec2", "s3", "route53", "lambda", "cloudwatch", "logs", "kms"]


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    for service in SERVICES:
        subprocess.run([BINARY, "mockoon", "export", service, "--out", folder / f"{service}.json"], check=True)
    return folder


def serve(command):
    """Runs a server and waits for its ports."""
    ports = [free_port() for _ in SERVICES]
    process = subprocess.Popen([*command, "--port", *map(str, ports)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    for port in ports:
        deadline = time.monotonic() + 60
        while True:
            assert process.poll() is None, process.stderr.read().decode()
            assert time.monotonic() < deadline, "the server did not start"
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.1)
    return process, dict(zip(SERVICES, ports))


@pytest.fixture(scope="module", params=["standin mockoon", "mockoon-cli"])
def mock(request, exported):
    """Makes clients of the exported services; `error` asks for an error by name."""
    files = [str(exported / f"{service}.json") for service in SERVICES]
    if request.param == "standin mockoon":
        command = [BINARY, "mockoon", *files]
    elif MOCKOON.exists():
        command = [MOCKOON, "start", "--disable-log-to-file", "--data", *files]
    else:
        pytest.skip("e2e/mockoon is not installed")
    process, ports = serve(command)

    def client(service, error=None):
        client = boto3.client(
            service,
            endpoint_url=f"http://127.0.0.1:{ports[service]}",
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(inject_host_prefix=False, retries={"max_attempts": 1, "mode": "standard"}),
        )
        if error:
            client.meta.events.register("before-call", lambda params, **_: params["headers"].update({"x-mock-error": error}))
        return client

    yield client
    process.terminate()
    process.wait(20)


ARN = "arn:aws:airflow:us-east-1:123456789012:environment/flows"


def test_all_operations_of_mwaa(mock):
    mwaa = mock("mwaa")
    network = {"SecurityGroupIds": ["sg-0123456789abcdef0"], "SubnetIds": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]}
    created = mwaa.create_environment(
        Name="flows",
        DagS3Path="dags",
        ExecutionRoleArn="arn:aws:iam::123456789012:role/flows",
        SourceBucketArn="arn:aws:s3:::flows",
        NetworkConfiguration=network,
    )
    assert created["Arn"].endswith(":environment/flows")
    got = mwaa.get_environment(Name="flows")["Environment"]
    assert (got["Name"], got["Status"]) == ("flows", "AVAILABLE")
    age = datetime.datetime.now(datetime.timezone.utc) - got["CreatedAt"]
    assert datetime.timedelta(days=-1) < age < datetime.timedelta(days=31)
    assert len(mwaa.list_environments()["Environments"]) > 0
    assert mwaa.update_environment(Name="flows")["Arn"].endswith(":environment/flows")
    assert mwaa.create_cli_token(Name="flows")["CliToken"]
    assert mwaa.create_web_login_token(Name="flows")["WebToken"]
    assert mwaa.invoke_rest_api(Name="flows", Path="/dags", Method="GET")["RestApiStatusCode"] == 200
    assert mwaa.list_tags_for_resource(ResourceArn=ARN)["Tags"]
    mwaa.tag_resource(ResourceArn=ARN, Tags={"a": "b"})
    mwaa.untag_resource(ResourceArn=ARN, tagKeys=["a"])
    mwaa.publish_metrics(EnvironmentName="flows", MetricData=[{"MetricName": "m", "Timestamp": 0, "Value": 1}])
    mwaa.delete_environment(Name="flows")


def test_json_protocols(mock):
    assert mock("proton").get_service(name="web")["service"]["name"] == "web"
    assert mock("dynamodb").describe_table(TableName="Orders")["Table"]["TableName"] == "Orders"
    assert isinstance(mock("dynamodb").list_tables()["TableNames"], list)
    sent = mock("sqs").send_message(QueueUrl="http://localhost/1/q", MessageBody="x")
    assert re.fullmatch("[0-9a-f-]{36}", sent["MessageId"])
    assert mock("kms").describe_key(KeyId="alias/a")["KeyMetadata"]["Arn"].startswith("arn:aws:kms:")
    assert mock("logs").describe_log_groups()["logGroups"]


def test_query_protocols(mock):
    identity = mock("sts").get_caller_identity()
    assert identity["Account"].isdigit()
    assert re.fullmatch("[0-9a-f-]{36}", identity["ResponseMetadata"]["RequestId"])
    role = mock("sts").assume_role(RoleArn="arn:aws:iam::123456789012:role/a", RoleSessionName="me")
    assert role["Credentials"]["Expiration"] > datetime.datetime.now(datetime.timezone.utc)
    assert mock("iam").get_role(RoleName="deployer")["Role"]["RoleName"] == "deployer"
    assert mock("ec2").describe_instances()["Reservations"][0]["Instances"]
    assert mock("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"].startswith("vpc-")
    assert mock("cloudwatch").list_metrics()["Metrics"]


def test_rest_xml(mock):
    s3 = mock("s3")
    assert s3.list_buckets()["Buckets"]
    assert s3.list_objects_v2(Bucket="photos")["Name"] == "photos"
    assert "TagSet" in s3.get_bucket_tagging(Bucket="photos")
    assert "TagSet" in s3.get_object_tagging(Bucket="photos", Key="2026/cat.jpg")
    assert s3.put_object(Bucket="photos", Key="2026/cat.jpg", Body=b"x")["ETag"]
    assert s3.get_object(Bucket="photos", Key="2026/cat.jpg")["Body"].read()
    assert s3.create_multipart_upload(Bucket="photos", Key="cat.jpg")["UploadId"]
    assert s3.copy_object(Bucket="photos", Key="a", CopySource="b/c")["CopyObjectResult"]["ETag"]
    s3.head_object(Bucket="photos", Key="cat.jpg")
    s3.delete_object(Bucket="photos", Key="cat.jpg")
    zones = mock("route53")
    assert zones.list_hosted_zones()["HostedZones"]
    assert zones.get_hosted_zone(Id="Z1")["HostedZone"]["Id"]


def test_rest_json(mock):
    functions = mock("lambda")
    assert functions.get_function(FunctionName="resize")["Configuration"]["FunctionName"] == "resize"
    assert functions.list_functions()["Functions"]
    assert functions.invoke(FunctionName="resize", Payload=b"{}")["StatusCode"] == 200
    functions.delete_function(FunctionName="resize")


@pytest.mark.parametrize(
    ("service", "operation", "input", "error", "code", "status"),
    [
        ("mwaa", "get_environment", {"Name": "a"}, "ResourceNotFoundException", "ResourceNotFoundException", 404),
        ("mwaa", "create_cli_token", {"Name": "a"}, "ResourceNotFoundException", "ResourceNotFoundException", 404),
        ("proton", "get_service", {"name": "a"}, "ThrottlingException", "ThrottlingException", 429),
        ("dynamodb", "describe_table", {"TableName": "abc"}, "ResourceNotFoundException", "ResourceNotFoundException", 400),
        ("sqs", "get_queue_url", {"QueueName": "a"}, "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", 400),
        ("iam", "get_role", {"RoleName": "a"}, "NoSuchEntityException", "NoSuchEntity", 404),
        ("s3", "get_object", {"Bucket": "abc", "Key": "k"}, "NoSuchKey", "NoSuchKey", 404),
        ("route53", "get_hosted_zone", {"Id": "Z1"}, "NoSuchHostedZone", "NoSuchHostedZone", 404),
        ("lambda", "get_function", {"FunctionName": "a"}, "ResourceNotFoundException", "ResourceNotFoundException", 404),
    ],
)
def test_errors_are_chosen_by_header(mock, service, operation, input, error, code, status):
    with pytest.raises(ClientError) as raised:
        getattr(mock(service, error), operation)(**input)
    answer = raised.value.response
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)


def test_what_is_exported_is_valid(exported):
    if not MOCKOON.exists():
        pytest.skip("e2e/mockoon is not installed")
    files = [str(file) for file in exported.iterdir()]
    done = subprocess.run([MOCKOON, "validate", "--data", *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("service", ["mwaa", "proton", "dynamodb", "sqs", "iam", "ec2", "s3", "lambda", "apigateway", "kinesis"])
def test_openapi_documents_are_valid(service):
    validator = pytest.importorskip("openapi_spec_validator")
    written = subprocess.run([BINARY, "openapi", "export", service], check=True, capture_output=True).stdout
    validator.validate(json.loads(written))


def test_unknown_services_are_refused():
    assert shutil.which(BINARY)
    done = subprocess.run([BINARY, "openapi", "export", "mwa"], capture_output=True, text=True)
    assert done.returncode == 2 and "mwaa" in done.stderr
