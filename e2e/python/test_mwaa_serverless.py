"""MWAA Serverless through boto3: workflows from YAML in S3, their versions and runs."""

import time

import pytest
from botocore.exceptions import ClientError

from conftest import ACCOUNT, REGION, Admin, make
from serve import Standin

BUCKET = "flows"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/flows"
DEFINITION = """
birds:
  schedule: "0 4 * * *"
  params: {bucket: birds}
  tasks:
    count:
      operator: airflow.providers.amazon.aws.operators.s3.S3ListOperator
      bucket: "{{ params.bucket }}"
    note:
      operator: airflow.providers.amazon.aws.operators.s3.S3CreateObjectOperator
      s3_bucket: birds
      s3_key: count
      data: "{{ ti.xcom_pull(task_ids='count') }}"
      dependencies: [count]
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Standin("--log", "warn", "--data-dir", str(tmp_path_factory.mktemp("flows"))) as running:
        s3 = make(running, "s3")
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield running


@pytest.fixture
def flows(client):
    return client("mwaa-serverless")


@pytest.fixture
def put(client):
    """Writes a definition; its key and version."""

    def put(text, key="birds.yaml"):
        return {"Bucket": BUCKET, "ObjectKey": key, "VersionId": client("s3").put_object(Bucket=BUCKET, Key=key, Body=text.encode())["VersionId"]}

    return put


@pytest.fixture
def workflow(flows, put):
    """Makes workflows, and deletes them after the test."""
    made = []

    def workflow(name, text=DEFINITION, **more):
        made.append(flows.create_workflow(Name=name, DefinitionS3Location=put(text), RoleArn=ROLE, **more)["WorkflowArn"])
        return made[-1]

    yield workflow
    for arn in made:
        try:
            flows.delete_workflow(WorkflowArn=arn)
        except flows.exceptions.ResourceNotFoundException:
            pass


def state(flows, arn, run):
    return flows.get_workflow_run(WorkflowArn=arn, RunId=run)["RunDetail"]["RunState"]


def test_a_workflow_runs_its_tasks_in_order(flows, workflow, server):
    admin = Admin(server.url)
    arn = workflow("ordered", Tags={"team": "birds"})
    shown = flows.get_workflow(WorkflowArn=arn)
    assert shown["Name"] == "ordered" and shown["WorkflowStatus"] == "READY"
    assert shown["ScheduleConfiguration"] == {"CronExpression": "0 4 * * *"}
    assert shown["LoggingConfiguration"]["LogGroupName"].startswith("/aws/mwaa-serverless/ordered-")
    admin("PUT", "/_standin/services/mwaa-serverless", {"transitions": "1h"})
    try:
        admin("POST", "/_standin/clock", {"freeze": True})
        run = flows.start_workflow_run(WorkflowArn=arn, OverrideParameters={"bucket": "herons"})
        assert run["Status"] == "STARTING"
        seen = []
        for _ in range(5):
            instances = flows.list_task_instances(WorkflowArn=arn, RunId=run["RunId"])["TaskInstances"]
            seen.append((state(flows, arn, run["RunId"]), [one["Status"] for one in instances]))
            admin("POST", "/_standin/clock", {"advance": "1h"})
        assert seen == [
            ("STARTING", ["NONE", "NONE"]),
            ("QUEUED", ["NONE", "NONE"]),
            ("RUNNING", ["RUNNING", "SCHEDULED"]),
            ("RUNNING", ["SUCCESS", "RUNNING"]),
            ("SUCCESS", ["SUCCESS", "SUCCESS"]),
        ]
        later = flows.start_workflow_run(WorkflowArn=arn)["RunId"]
        assert flows.stop_workflow_run(WorkflowArn=arn, RunId=later)["Status"] == "STOPPING"
        admin("POST", "/_standin/clock", {"advance": "1h"})
        assert state(flows, arn, later) == "STOPPED"
    finally:
        admin("PUT", "/_standin/services/mwaa-serverless", {"transitions": "instant"})
        admin("POST", "/_standin/clock", {"resume": True})
    detail = flows.get_workflow_run(WorkflowArn=arn, RunId=run["RunId"])
    assert detail["RunDetail"]["Duration"] == 7200 and detail["OverrideParameters"] == {"bucket": "herons"}
    task = flows.get_task_instance(WorkflowArn=arn, RunId=run["RunId"], TaskInstanceId=detail["RunDetail"]["TaskInstances"][0])
    assert (task["TaskId"], task["Status"], task["AttemptNumber"]) == ("count", "SUCCESS", 1)
    assert task["OperatorName"] == "airflow.providers.amazon.aws.operators.s3.S3ListOperator" and task["LogStream"]
    assert flows.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"team": "birds"}


def test_a_run_fails_where_it_is_told_to(flows, workflow):
    arn = workflow("failing")
    run = flows.start_workflow_run(WorkflowArn=arn, OverrideParameters={"standin_fail": ["count"]})["RunId"]
    detail = flows.get_workflow_run(WorkflowArn=arn, RunId=run)["RunDetail"]
    assert detail["RunState"] == "FAILED" and "count" in detail["ErrorMessage"]
    statuses = {one["OperatorName"].rsplit(".")[-1]: one["Status"] for one in flows.list_task_instances(WorkflowArn=arn, RunId=run)["TaskInstances"]}
    assert statuses == {"S3ListOperator": "FAILED", "S3CreateObjectOperator": "UPSTREAM_FAILED"}


@pytest.mark.parametrize(
    "text, reason, part",
    [
        ("birds: [", "cannotParse", "is no YAML"),
        ("birds: {tasks: {}}", "fieldValidationFailed", "at least one task"),
        ("birds: {tasks: {a: {operator: S3ListOperator}}}", "fieldValidationFailed", "class with its module"),
        ("birds: {tasks: {a: {operator: airflow.x.A, dependencies: [b]}, b: {operator: airflow.x.A, dependencies: [a]}}}", "fieldValidationFailed", "circle: a, b"),
        ("a: &a [1]\nb: [*a, *a]\n", "fieldValidationFailed", "has one DAG; there are 2"),
    ],
)
def test_a_definition_that_will_not_do_is_refused(flows, put, text, reason, part):
    with pytest.raises(flows.exceptions.ValidationException) as refused:
        flows.create_workflow(Name="wrong", DefinitionS3Location=put(text, "wrong.yaml"), RoleArn=ROLE)
    assert refused.value.response["Reason"] == reason and part in str(refused.value)
    assert not [one for one in flows.list_workflows()["Workflows"] if one["Name"] == "wrong"]


def test_versions_and_pages(flows, workflow, put):
    arn = workflow("versions", Description="of birds")
    first = flows.get_workflow(WorkflowArn=arn)["WorkflowVersion"]
    changed = put("birds: {tasks: {only: {operator: airflow.providers.standard.operators.bash.BashOperator, bash_command: ls}}}")
    second = flows.update_workflow(WorkflowArn=arn, DefinitionS3Location=changed, RoleArn=ROLE)["WorkflowVersion"]
    versions = [page["WorkflowVersions"][0] for page in flows.get_paginator("list_workflow_versions").paginate(WorkflowArn=arn, PaginationConfig={"PageSize": 1})]
    assert [(one["WorkflowVersion"], one["IsLatestVersion"]) for one in versions] == [(second, True), (first, False)]
    latest = flows.get_workflow(WorkflowArn=arn)
    assert latest["Description"] == "of birds" and "ScheduleConfiguration" not in latest
    assert flows.get_workflow(WorkflowArn=arn, WorkflowVersion=first)["ScheduleConfiguration"]
    runs = [flows.start_workflow_run(WorkflowArn=arn, WorkflowVersion=version)["RunId"] for version in (first, second, second)]
    listed = [run["RunId"] for page in flows.get_paginator("list_workflow_runs").paginate(WorkflowArn=arn, PaginationConfig={"PageSize": 2}) for run in page["WorkflowRuns"]]
    assert sorted(listed) == sorted(runs)
    assert len(flows.list_workflow_runs(WorkflowArn=arn, WorkflowVersion=first)["WorkflowRuns"]) == 1
    flows.delete_workflow(WorkflowArn=arn)
    with pytest.raises(flows.exceptions.ResourceNotFoundException) as gone:
        flows.get_workflow(WorkflowArn=arn)
    assert gone.value.response["ResourceType"] == "workflow"


def test_one_name_one_workflow_one_token_one_run(flows, workflow, put):
    arn = workflow("once", ClientToken="made-once")
    with pytest.raises(flows.exceptions.ConflictException):
        workflow("once")
    runs = {flows.start_workflow_run(WorkflowArn=arn, ClientToken="run-once")["RunId"] for _ in range(3)}
    assert len(runs) == 1
    foreign = arn.replace(ACCOUNT, "999999999999")
    with pytest.raises(ClientError):
        flows.get_workflow(WorkflowArn=foreign)


def test_workflows_outlive_the_server(tmp_path):
    arguments = ("--log", "warn", "--data-dir", str(tmp_path))
    with Standin(*arguments) as server:
        s3, flows = make(server, "s3"), make(server, "mwaa-serverless")
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket=BUCKET, Key="birds.yaml", Body=DEFINITION.encode())
        arn = flows.create_workflow(Name="lasting", DefinitionS3Location={"Bucket": BUCKET, "ObjectKey": "birds.yaml"}, RoleArn=ROLE)["WorkflowArn"]
        run = flows.start_workflow_run(WorkflowArn=arn)["RunId"]
    with Standin(*arguments) as server:
        flows = make(server, "mwaa-serverless")
        until = time.monotonic() + 20
        while state(flows, arn, run) != "SUCCESS":
            assert time.monotonic() < until
