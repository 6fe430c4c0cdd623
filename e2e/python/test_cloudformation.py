"""CloudFormation through boto3: stacks whose resources the other services show."""

import json

import pytest
from botocore.exceptions import ClientError, WaiterError

from serve import Standin

TEMPLATE = """
Parameters:
  Name: {Type: String, Default: robin}
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    Properties: {VersioningConfiguration: {Status: Enabled}}
  Queue:
    Type: AWS::SQS::Queue
    Properties: {QueueName: !Sub "${Name}-queue", VisibilityTimeout: 45}
  Topic:
    Type: AWS::SNS::Topic
    Properties: {DisplayName: !GetAtt Queue.QueueName}
Outputs:
  Bucket: {Value: !Ref Bucket}
  Queue: {Value: !Ref Queue}
  QueueArn: {Value: !GetAtt Queue.Arn, Export: {Name: !Sub "${AWS::StackName}-queue"}}
"""


@pytest.fixture(scope="module")
def server():
    with Standin("--log", "warn") as running:
        yield running


def outputs(cloudformation, name):
    stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def test_a_stack_lives(client):
    cloudformation, s3, sqs = client("cloudformation"), client("s3"), client("sqs")
    made = cloudformation.create_stack(StackName="lives", TemplateBody=TEMPLATE)
    cloudformation.get_waiter("stack_create_complete").wait(StackName="lives")
    known = outputs(cloudformation, "lives")
    assert known["Bucket"] in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    assert s3.get_bucket_versioning(Bucket=known["Bucket"])["Status"] == "Enabled"
    shown = sqs.get_queue_attributes(QueueUrl=known["Queue"], AttributeNames=["All"])["Attributes"]
    assert (shown["VisibilityTimeout"], shown["QueueArn"]) == ("45", known["QueueArn"])
    assert {"Name": "lives-queue", "Value": known["QueueArn"], "ExportingStackId": made["StackId"]} in cloudformation.list_exports()["Exports"]
    types = {one["LogicalResourceId"]: one["ResourceType"] for one in cloudformation.list_stack_resources(StackName="lives")["StackResourceSummaries"]}
    assert types == {"Bucket": "AWS::S3::Bucket", "Queue": "AWS::SQS::Queue", "Topic": "AWS::SNS::Topic"}
    assert cloudformation.get_template(StackName="lives")["TemplateBody"] == TEMPLATE

    with pytest.raises(ClientError, match="No updates are to be performed"):
        cloudformation.update_stack(StackName="lives", UsePreviousTemplate=True)
    name = [{"ParameterKey": "Name", "ParameterValue": "wren"}]
    cloudformation.update_stack(StackName="lives", UsePreviousTemplate=True, Parameters=name)
    cloudformation.get_waiter("stack_update_complete").wait(StackName="lives")
    assert outputs(cloudformation, "lives")["QueueArn"].endswith(":wren-queue")
    assert [url.rsplit("/")[-1] for url in sqs.list_queues(QueueNamePrefix="wren").get("QueueUrls", [])] == ["wren-queue"]
    assert not sqs.list_queues(QueueNamePrefix="robin").get("QueueUrls")

    cloudformation.delete_stack(StackName="lives")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName="lives")
    assert known["Bucket"] not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    with pytest.raises(ClientError, match="Stack with id lives does not exist"):
        cloudformation.describe_stacks(StackName="lives")
    assert cloudformation.describe_stacks(StackName=made["StackId"])["Stacks"][0]["StackStatus"] == "DELETE_COMPLETE"


def test_a_failure_is_taken_back(client):
    cloudformation, s3 = client("cloudformation"), client("s3")
    s3.create_bucket(Bucket="taken-bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    template = {
        "Resources": {
            "Topic": {"Type": "AWS::SNS::Topic"},
            "Taken": {"Type": "AWS::S3::Bucket", "DependsOn": "Topic", "Properties": {"BucketName": "taken-bucket"}},
        }
    }
    cloudformation.create_stack(StackName="fails", TemplateBody=json.dumps(template))
    with pytest.raises(WaiterError, match="ROLLBACK_COMPLETE"):
        cloudformation.get_waiter("stack_create_complete").wait(StackName="fails", WaiterConfig={"Delay": 0, "MaxAttempts": 3})
    events = cloudformation.describe_stack_events(StackName="fails")["StackEvents"]
    failed = [event for event in events if event["ResourceStatus"] == "CREATE_FAILED"]
    assert [event["LogicalResourceId"] for event in failed] == ["Taken"]
    assert "BucketAlreadyOwnedByYou" in failed[0]["ResourceStatusReason"]
    s3.head_bucket(Bucket="taken-bucket")


def test_change_sets(client):
    cloudformation = client("cloudformation")
    asked = {"StackName": "sets", "ChangeSetName": "first", "ChangeSetType": "CREATE", "TemplateBody": TEMPLATE}
    cloudformation.create_change_set(**asked, Parameters=[{"ParameterKey": "Name", "ParameterValue": "sets"}])
    cloudformation.get_waiter("change_set_create_complete").wait(StackName="sets", ChangeSetName="first")
    told = cloudformation.describe_change_set(StackName="sets", ChangeSetName="first")
    assert [change["ResourceChange"]["Action"] for change in told["Changes"]] == ["Add"] * 3
    cloudformation.execute_change_set(StackName="sets", ChangeSetName="first")
    cloudformation.get_waiter("stack_create_complete").wait(StackName="sets")
    cloudformation.delete_stack(StackName="sets")


def test_templates_are_checked(client):
    cloudformation = client("cloudformation")
    told = cloudformation.validate_template(TemplateBody=TEMPLATE)
    assert told["Parameters"] == [{"ParameterKey": "Name", "DefaultValue": "robin", "NoEcho": False}]
    for template, message in [
        ({"Resources": {"A": {"Type": "AWS::SNS::Topic", "Properties": {"X": {"Ref": "B"}}}}}, r"Unresolved resource dependencies \[B\]"),
        ({"Resources": {"A": {"Type": "AWS::No::Such"}}}, r"Unrecognized resource types: \[AWS::No::Such\]"),
        ({"Resourcen": {}}, "Invalid template property"),
    ]:
        with pytest.raises(ClientError, match=message) as error:
            cloudformation.validate_template(TemplateBody=json.dumps(template))
        assert error.value.response["Error"]["Code"] == "ValidationError"
