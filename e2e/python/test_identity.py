"""Accounts, regions and services come from what the client sends anyway."""

import json
import urllib.request

import pytest


def test_a_twelve_digit_access_key_is_the_account(admin, client):
    identity = client("sts", account="123456789012").get_caller_identity()
    assert identity["Account"] == "123456789012"
    assert ":123456789012:" in identity["Arn"]


def test_other_access_keys_get_the_default_account(admin, client):
    assert client("sts", account="test").get_caller_identity()["Account"] == "000000000000"
    assert client("sts", account="AKIAIOSFODNN7EXAMPLE").get_caller_identity()["Account"] == "000000000000"


@pytest.mark.parametrize("region", ["eu-west-1", "ap-southeast-2"])
def test_arns_carry_the_region_of_the_client(admin, client, region):
    environment = client("mwaa", region_name=region).get_environment(Name="birds")["Environment"]
    assert environment["Arn"] == f"arn:aws:airflow:{region}:444455556666:environment/birds"
    assert admin.last("mwaa", "GetEnvironment")["region"] == region


def test_arns_carry_the_partition_of_the_region(admin, client):
    arn = client("mwaa", region_name="cn-north-1").get_environment(Name="birds")["Environment"]["Arn"]
    assert arn.startswith("arn:aws-cn:airflow:cn-north-1:")


@pytest.mark.parametrize(
    "service, operation, given",
    [
        ("rds", "DescribeDBClusters", {}),
        ("qconnect", "ListAssistants", {}),
        ("chime-sdk-voice", "ListVoiceConnectors", {}),
        ("greengrassv2", "ListComponents", {}),
        ("es", "ListDomainNames", {}),
        ("opensearch", "ListDomainNames", {}),
        ("ses", "ListIdentities", {}),
        ("sesv2", "ListEmailIdentities", {}),
        ("bedrock", "ListFoundationModels", {}),
        ("bedrock-agent", "ListAgents", {}),
        ("apigateway", "GetRestApis", {}),
        ("apigatewayv2", "GetApis", {}),
        ("lex-models", "GetBots", {}),
        ("lexv2-models", "ListBots", {}),
        ("elb", "DescribeLoadBalancers", {}),
        ("elbv2", "DescribeLoadBalancers", {}),
        ("waf", "ListWebACLs", {}),
        ("waf-regional", "ListWebACLs", {}),
        ("iot", "ListThings", {}),
        ("cloudwatch", "ListMetrics", {}),
    ],
)
def test_signing_names_shared_by_services_resolve_right(admin, client, service, operation, given):
    client(service)._make_api_call(operation, given)
    newest = admin.requests(limit=1)[-1]
    assert (newest["service"], newest["operation"]) == (service, operation)


@pytest.mark.parametrize("service", ["neptune", "docdb"])
def test_rds_answers_for_those_that_share_its_endpoint(admin, client, service):
    # AWS has one endpoint for the three, and botocore's requests to it are the same.
    clusters = client(service).describe_db_clusters()["DBClusters"]
    assert clusters[0]["DBClusterArn"].startswith("arn:aws:rds:eu-west-1:444455556666:cluster:")


def test_a_presigned_url_works_alone(admin, client):
    url = client("s3", config={"signature_version": "s3v4"}).generate_presigned_url("get_object", Params={"Bucket": "birds", "Key": "heron.txt"})
    with urllib.request.urlopen(url) as answer:
        assert answer.status == 200
        assert answer.read()
    seen = admin.last("s3", "GetObject")
    assert (seen["account"], seen["region"]) == ("444455556666", "eu-west-1")
    assert seen["input"]["Key"] == "heron.txt"


def test_an_old_presigned_url_works_alone(admin, client):
    url = client("s3", config={"signature_version": "s3"}).generate_presigned_url("get_object", Params={"Bucket": "birds", "Key": "heron.txt"})
    assert "AWSAccessKeyId=444455556666" in url
    with urllib.request.urlopen(url) as answer:
        assert answer.read()
    assert admin.last("s3", "GetObject")["account"] == "444455556666"


def test_a_presigned_query_call_works_alone(admin, client):
    url = client("sts", account="123456789012").generate_presigned_url("get_caller_identity")
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": "text/xml"})) as answer:
        assert b"<Account>123456789012</Account>" in answer.read()


def test_virtual_hosted_buckets(admin, client, server, resolve_localhost_names):
    s3 = client("s3", endpoint_url=f"http://localhost:{server.port}", config={"s3": {"addressing_style": "virtual"}})
    s3.put_object(Bucket="bird-pictures", Key="a/b.txt", Body=b"x")
    seen = admin.last("s3", "PutObject")["input"]
    assert (seen["Bucket"], seen["Key"]) == ("bird-pictures", "a/b.txt")


def test_an_endpoint_may_have_a_path(admin, client, server):
    assert client("mwaa", endpoint_url=f"{server.url}/aws/here").list_environments()["Environments"]
    assert client("sqs", endpoint_url=f"{server.url}/aws/here").list_queues()["QueueUrls"]


def test_plain_http_without_a_signature(admin, server):
    request = urllib.request.Request(f"{server.url}/?Action=GetCallerIdentity&Version=2011-06-15")
    with urllib.request.urlopen(request) as answer:
        assert b"<GetCallerIdentityResult>" in answer.read()
    request = urllib.request.Request(server.url, data=b"{}", headers={"X-Amz-Target": "DynamoDB_20120810.ListTables"})
    with urllib.request.urlopen(request) as answer:
        assert json.loads(answer.read())["TableNames"]


def test_urls_in_answers_use_the_host_of_the_caller(admin, client, server):
    url = client("sqs").create_queue(QueueName="birds")["QueueUrl"]
    assert url.startswith(server.url), url
