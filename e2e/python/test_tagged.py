"""Tags across services: the Resource Groups Tagging API, through boto3."""

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from serve import Standin

REGION = "eu-west-1"
ACCOUNTS = iter(range(200000000000, 300000000000))


@pytest.fixture(scope="module")
def url():
    with Standin("--log", "warn") as running:
        yield running.url


@pytest.fixture
def client(url):
    """Makes clients of an account that nobody else has."""
    account = str(next(ACCOUNTS))

    def make(service, region=REGION):
        config = Config(retries={"total_max_attempts": 1})
        return boto3.session.Session().client(service, region_name=region, endpoint_url=url, config=config, aws_access_key_id=account, aws_secret_access_key="standin")

    make.account = account
    return make


def pairs(tags):
    return [{"Key": key, "Value": value} for key, value in tags.items()]


@pytest.fixture
def birds(client):
    """The ARNs of a topic, a VPC, a table and a role with tags, and of a queue without."""
    topic = client("sns").create_topic(Name="birds", Tags=pairs({"team": "heron", "stage": "prod"}))["TopicArn"]
    specification = {"ResourceType": "vpc", "Tags": pairs({"team": "owl", "stage": "prod"})}
    vpc = client("ec2").create_vpc(CidrBlock="10.1.0.0/16", TagSpecifications=[specification])["Vpc"]["VpcId"]
    table = client("dynamodb").create_table(
        TableName="nests",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        Tags=pairs({"team": "heron"}),
    )["TableDescription"]["TableArn"]
    role = client("iam").create_role(RoleName="warden", AssumeRolePolicyDocument="{}", Tags=pairs({"team": "heron"}))["Role"]["Arn"]
    client("sqs").create_queue(QueueName="plain")
    return {"topic": topic, "vpc": f"arn:aws:ec2:{REGION}:{client.account}:vpc/{vpc}", "table": table, "role": role}


def shown(answer):
    return {one["ResourceARN"]: {tag["Key"]: tag["Value"] for tag in one["Tags"]} for one in answer["ResourceTagMappingList"]}


def test_all_tagged_resources_of_the_region_are_shown(client, birds):
    answer = client("resourcegroupstaggingapi").get_resources()
    assert shown(answer) == {
        birds["topic"]: {"team": "heron", "stage": "prod"},
        birds["vpc"]: {"team": "owl", "stage": "prod"},
        birds["table"]: {"team": "heron"},
    }
    assert answer["PaginationToken"] == ""


def test_services_without_regions_show_in_their_home(client, birds):
    assert shown(client("resourcegroupstaggingapi", "us-east-1").get_resources()) == {birds["role"]: {"team": "heron"}}


@pytest.mark.parametrize(
    ("asked", "expect"),
    [
        ({"TagFilters": [{"Key": "team", "Values": ["heron"]}]}, {"topic", "table"}),
        ({"TagFilters": [{"Key": "team", "Values": ["heron", "owl"]}]}, {"topic", "table", "vpc"}),
        ({"TagFilters": [{"Key": "stage"}]}, {"topic", "vpc"}),
        ({"TagFilters": [{"Key": "stage"}, {"Key": "team", "Values": ["heron"]}]}, {"topic"}),
        ({"TagFilters": [{"Key": "team", "Values": ["her"]}]}, set()),
        ({"ResourceTypeFilters": ["ec2:vpc", "dynamodb"]}, {"vpc", "table"}),
        ({"ResourceTypeFilters": ["ec2:subnet"]}, set()),
        ({"ResourceTypeFilters": ["sns"], "TagFilters": [{"Key": "team", "Values": ["owl"]}]}, set()),
    ],
)
def test_filters(client, birds, asked, expect):
    assert set(shown(client("resourcegroupstaggingapi").get_resources(**asked))) == {birds[name] for name in expect}


def test_named_resources(client, birds):
    asked = client("resourcegroupstaggingapi").get_resources(ResourceARNList=[birds["vpc"], f"{birds['topic']}-not"])
    assert set(shown(asked)) == {birds["vpc"]}


@pytest.mark.parametrize("filters", [[], [{"Key": "team", "Values": ["heron"]}]])
def test_pages_show_each_resource_once(client, filters):
    sns, sqs = client("sns"), client("sqs")
    expect = [sns.create_topic(Name=f"bird-{at}", Tags=pairs({"team": "heron", "at": str(at)}))["TopicArn"] for at in range(7)]
    for at in range(3):
        sqs.create_queue(QueueName=f"bird-{at}", tags={"team": "owl"})
    pages = client("resourcegroupstaggingapi").get_paginator("get_resources").paginate(ResourcesPerPage=2, TagFilters=filters)
    sizes, found = [], []
    for page in pages:
        sizes.append(len(page["ResourceTagMappingList"]))
        found += [one["ResourceARN"] for one in page["ResourceTagMappingList"]]
    assert len(found) == len(set(found)) == (7 if filters else 10)
    assert set(expect) <= set(found)
    assert set(sizes[:-1]) == {2}


def test_pages_end_where_there_are_enough_tags(client, birds):
    answer = client("resourcegroupstaggingapi").get_resources(TagsPerPage=3)
    assert sum(len(one["Tags"]) for one in answer["ResourceTagMappingList"]) <= 3
    assert answer["PaginationToken"]


def test_keys_and_values(client, birds):
    api = client("resourcegroupstaggingapi")
    assert api.get_tag_keys()["TagKeys"] == ["stage", "team"]
    assert api.get_tag_values(Key="team")["TagValues"] == ["heron", "owl"]
    assert api.get_tag_values(Key="tea")["TagValues"] == []


def test_keys_come_in_pages(client):
    tags = {f"key-{at:02}": "x" for at in range(40)}
    for name, start in (("a", "p"), ("b", "q"), ("c", "r")):
        client("sns").create_topic(Name=name, Tags=pairs({start + key: value for key, value in tags.items()}))
    found, token = [], ""
    while True:
        page = client("resourcegroupstaggingapi").get_tag_keys(PaginationToken=token)
        found += page["TagKeys"]
        token = page["PaginationToken"]
        if not token:
            break
    assert found == [start + key for start in "pqr" for key in tags]


def test_tags_go_to_resources_and_away(client, birds):
    api = client("resourcegroupstaggingapi")
    absent = f"{birds['topic']}-not"
    failed = api.tag_resources(ResourceARNList=[birds["topic"], birds["vpc"], absent], Tags={"owner": "warden", "team": "ibis"})["FailedResourcesMap"]
    assert {arn: (told["StatusCode"], told["ErrorCode"]) for arn, told in failed.items()} == {absent: (400, "InvalidParameterException")}
    own = client("sns").list_tags_for_resource(ResourceArn=birds["topic"])["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in own} == {"team": "ibis", "stage": "prod", "owner": "warden"}
    assert not api.untag_resources(ResourceARNList=[birds["table"]], TagKeys=["team"])["FailedResourcesMap"]
    assert set(shown(api.get_resources())) == {birds["topic"], birds["vpc"]}
    assert api.get_tag_values(Key="team")["TagValues"] == ["ibis"]


def test_what_is_deleted_is_gone(client, birds):
    client("sns").delete_topic(TopicArn=birds["topic"])
    assert birds["topic"] not in shown(client("resourcegroupstaggingapi").get_resources())


@pytest.mark.parametrize(
    "asked",
    [
        {"ResourcesPerPage": 101},
        {"PaginationToken": "nonsense"},
        {"ResourceARNList": ["arn:aws:sns:eu-west-1:111122223333:t"], "ResourcesPerPage": 5},
        {"ExcludeCompliantResources": True},
    ],
)
def test_what_cannot_be_is_refused(client, asked):
    with pytest.raises(ClientError) as refused:
        client("resourcegroupstaggingapi").get_resources(**asked)
    assert refused.value.response["Error"]["Code"] == "InvalidParameterException"


def test_services_that_share_tagging_operations(client):
    meeting = client("chime-sdk-meetings", "us-east-1").create_meeting(
        ClientRequestToken="t1", MediaRegion="us-east-1", ExternalMeetingId="m1", Tags=pairs({"team": "heron"})
    )["Meeting"]["MeetingArn"]
    for service in ("chime-sdk-meetings", "chime-sdk-voice"):
        assert client(service, "us-east-1").list_tags_for_resource(ResourceARN=meeting)["Tags"] == pairs({"team": "heron"})
