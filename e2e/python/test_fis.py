"""AWS FIS: experiments that inject errors drive fault rules, by the virtual clock."""

import boto3
import pytest
from botocore.exceptions import ClientError

from conftest import Admin
from serve import Standin
from test_faults import ACCOUNT, make_client

ROLE = f"arn:aws:iam::{ACCOUNT}:role/fis"


@pytest.fixture
def server():
    with Standin("--log", "warn", "--seed", "7", "--clock", "2026-01-01T00:00:00Z") as running:
        yield running


def action(kind, duration="PT5M", after=(), **parameters):
    injects = kind != "aws:fis:wait"
    made = {"actionId": kind, "parameters": {"duration": duration, **parameters}, "targets": {"Roles": "roles"} if injects else {}}
    return {**made, **({"startAfter": list(after)} if after else {})}


def throttle(duration="PT5M", after=(), operations="DescribeVpcs,DescribeSubnets", percentage="100"):
    return action("aws:fis:inject-api-throttle-error", duration, after, service="ec2", operations=operations, percentage=percentage)


def template(fis, **actions):
    made = fis.create_experiment_template(
        clientToken="a",
        description="what happens when EC2 throttles",
        roleArn=ROLE,
        stopConditions=[{"source": "none"}],
        targets={"roles": {"resourceType": "aws:iam:role", "resourceArns": [f"arn:aws:iam::{ACCOUNT}:role/app"], "selectionMode": "ALL"}},
        actions=actions,
    )
    return made["experimentTemplate"]["id"]


def code(call):
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"]


def test_an_experiment_runs_by_the_clock(server):
    admin, fis, ec2 = Admin(server.url), make_client(server, "fis"), make_client(server, "ec2")
    advance = lambda time: admin("POST", "/_standin/clock", {"advance": time})  # noqa: E731
    made = template(
        fis,
        first=throttle(),
        pause=action("aws:fis:wait", "PT1M", ["first"]),
        second=action("aws:fis:inject-api-unavailable-error", "PT2M", ["pause"], service="ec2", operations="DescribeVpcs", percentage="100"),
    )
    experiment = fis.start_experiment(experimentTemplateId=made, clientToken="b", tags={"team": "birds"})["experiment"]
    assert experiment["state"]["status"] == "initiating" and experiment["roleArn"] == ROLE
    assert experiment["actions"]["second"]["state"]["status"] == "pending" and "logConfiguration" not in experiment
    read = lambda: fis.get_experiment(id=experiment["id"])["experiment"]  # noqa: E731
    states = lambda: [read()["state"]["status"]] + [read()["actions"][name]["state"]["status"] for name in ("first", "pause", "second")]  # noqa: E731

    assert states() == ["running", "running", "pending", "pending"] and "endTime" not in read()
    assert {rule["id"] for rule in admin("GET", "/_standin/faults")["faults"]} == {f"fis-{experiment['id']}-first", f"fis-{experiment['id']}-second"}
    assert code(ec2.describe_vpcs) == code(ec2.describe_subnets) == "RequestLimitExceeded"
    assert code(ec2.describe_instances) is None
    advance("5m")
    assert states() == ["running", "completed", "running", "pending"]
    assert code(ec2.describe_vpcs) is None
    advance("1m")
    assert states() == ["running", "completed", "completed", "running"]
    assert code(ec2.describe_vpcs) == "ServiceUnavailable"
    advance("2m")
    assert states() == ["completed", "completed", "completed", "completed"]
    assert code(ec2.describe_vpcs) is None
    assert (read()["endTime"] - read()["startTime"]).total_seconds() == 480
    assert [found["state"]["status"] for found in fis.list_experiments()["experiments"]] == ["completed"]
    assert admin("GET", "/_standin/faults")["faults"] == []


def test_others_are_spared(server):
    fis = make_client(server, "fis")
    fis.start_experiment(experimentTemplateId=template(fis, first=throttle()), clientToken="b")
    keys = {"aws_access_key_id": "999988887777", "aws_secret_access_key": "x", "endpoint_url": server.url}
    boto3.client("ec2", region_name="eu-west-1", **keys).describe_vpcs()
    boto3.client("ec2", region_name="us-east-1", **{**keys, "aws_access_key_id": ACCOUNT}).describe_vpcs()


def test_an_experiment_is_stopped(server):
    fis, ec2, admin = make_client(server, "fis"), make_client(server, "ec2"), Admin(server.url)
    made = template(fis, first=throttle(), second=throttle(after=["first"], operations="DescribeImages"))
    id = fis.start_experiment(experimentTemplateId=made, clientToken="b")["experiment"]["id"]
    assert code(ec2.describe_vpcs) == "RequestLimitExceeded"
    assert fis.stop_experiment(id=id)["experiment"]["state"]["status"] == "stopping"
    assert code(ec2.describe_vpcs) is None
    found = fis.get_experiment(id=id)["experiment"]
    assert found["state"]["status"] == "stopped"
    assert [found["actions"][name]["state"]["status"] for name in ("first", "second")] == ["stopped", "cancelled"]
    admin("POST", "/_standin/clock", {"advance": "1h"})
    assert fis.get_experiment(id=id)["experiment"]["state"]["status"] == "stopped"


def test_a_share_of_calls_fails(server):
    fis, ec2 = make_client(server, "fis"), make_client(server, "ec2")
    fis.start_experiment(experimentTemplateId=template(fis, first=throttle(percentage="30")), clientToken="b")
    failed = sum(code(ec2.describe_vpcs) is not None for _ in range(100))
    assert 15 < failed < 45


def test_what_cannot_be_carried_out_fails(server):
    fis = make_client(server, "fis")
    made = template(fis, stop=action("aws:ec2:stop-instances", "PT5M"), first=throttle())
    found = fis.start_experiment(experimentTemplateId=made, clientToken="b")["experiment"]
    assert found["state"]["status"] == "failed" and "aws:ec2:stop-instances" in found["state"]["reason"]
    assert Admin(server.url)("GET", "/_standin/faults")["faults"] == []


@pytest.mark.parametrize(
    "actions",
    [
        {"first": throttle(duration="soon")},
        {"first": throttle(percentage="130")},
        {"first": throttle(operations="DescribeBirds")},
        {"first": throttle(after=["second"]), "second": throttle(after=["first"])},
        {"first": throttle(after=["nothing"])},
    ],
)
def test_what_makes_no_sense_is_refused(server, actions):
    fis = make_client(server, "fis")
    assert code(lambda: fis.start_experiment(experimentTemplateId=template(fis, **actions), clientToken="b")) == "ValidationException"
    assert fis.list_experiments()["experiments"] == []
    assert Admin(server.url)("GET", "/_standin/faults")["faults"] == []


def test_skipped_actions_and_unknown_templates(server):
    fis, ec2 = make_client(server, "fis"), make_client(server, "ec2")
    made = template(fis, first=throttle())
    found = fis.start_experiment(experimentTemplateId=made, clientToken="b", experimentOptions={"actionsMode": "skip-all"})["experiment"]
    assert found["state"]["status"] == "completed" and found["actions"]["first"]["state"]["status"] == "skipped"
    assert code(ec2.describe_vpcs) is None
    assert code(lambda: fis.start_experiment(experimentTemplateId="EXT000000000000000", clientToken="c")) == "ResourceNotFoundException"
