"""CloudFormation through boto3: stacks whose resources the other services show."""

import json
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError, WaiterError
from conftest import Admin, make
from protons import Proton, small
from test_proton_durability import postgres

from serve import Standin

QUICK = {"Delay": 0.1, "MaxAttempts": 300}

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


def birds(count):
    """A template with so many topics, and a queue that needs the first of them."""
    topics = {f"Topic{at}": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": f"bird-{at}"}} for at in range(count)}
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Fn::GetAtt": ["Topic0", "TopicName"]}}}
    return json.dumps({"Resources": {**topics, "Queue": queue}, "Outputs": {"Url": {"Value": {"Ref": "Queue"}}}})


def status(cloudformation, name):
    return cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]


def let_time_pass(server, name):
    """Moves the clock on until nothing goes on with a stack any more; its status then."""
    cloudformation = make(server, "cloudformation")
    while (now := status(cloudformation, name)).endswith("_IN_PROGRESS"):
        Admin(server.url)("PUT", "/_standin/clock", {"advance": "1h"})
    return now


def topics(server):
    pages = make(server, "sns").get_paginator("list_topics").paginate()
    return [topic["TopicArn"] for page in pages for topic in page["Topics"]]


def test_a_slow_stack_shows_how_far_it_is():
    with Standin("--log", "warn", "--transitions", "sns=1h,sqs=1h") as server:
        cloudformation = make(server, "cloudformation")
        cloudformation.create_stack(StackName="slow", TemplateBody=birds(2), ClientRequestToken="token-1")
        assert status(cloudformation, "slow") == "CREATE_IN_PROGRESS"
        shown = {one["LogicalResourceId"]: one["ResourceStatus"] for one in cloudformation.list_stack_resources(StackName="slow")["StackResourceSummaries"]}
        assert shown == {"Topic0": "CREATE_IN_PROGRESS", "Topic1": "CREATE_IN_PROGRESS"}, "the queue waits for its topic"
        with pytest.raises(ClientError, match="is in CREATE_IN_PROGRESS state and can not be updated"):
            cloudformation.update_stack(StackName="slow", TemplateBody=birds(3))
        assert let_time_pass(server, "slow") == "CREATE_COMPLETE"

        cloudformation.update_stack(StackName="slow", TemplateBody=birds(3))
        assert status(cloudformation, "slow") == "UPDATE_IN_PROGRESS"
        cloudformation.cancel_update_stack(StackName="slow")
        assert let_time_pass(server, "slow") == "UPDATE_ROLLBACK_COMPLETE"
        assert len(topics(server)) == 2
        with pytest.raises(ClientError, match="CancelUpdateStack cannot be called from current stack status"):
            cloudformation.cancel_update_stack(StackName="slow")
        events = cloudformation.describe_stack_events(StackName="slow")["StackEvents"]
        assert [event["Timestamp"] for event in events] == sorted((event["Timestamp"] for event in events), reverse=True)
        assert len({event["EventId"] for event in events}) == len(events)
        assert events[-1]["ClientRequestToken"] == "token-1"


def test_a_killed_server_goes_on_where_it_was(tmp_path):
    options = ("--log", "warn", "--data-dir", str(tmp_path / "data"), "--transitions", "sqs=1h")
    with Standin(*options) as server:
        cloudformation = make(server, "cloudformation")
        # Large enough to be under way when the server is killed; small, and waiting for its queue.
        cloudformation.create_stack(StackName="waits", TemplateBody=json.dumps({"Resources": {"Q": {"Type": "AWS::SQS::Queue"}}}))
        cloudformation.create_stack(StackName="large", TemplateBody=birds(150))
        server.process.send_signal(signal.SIGKILL)
        server.process.wait(10)
    with Standin(*options) as server:
        cloudformation = make(server, "cloudformation")
        assert status(cloudformation, "waits") == "CREATE_IN_PROGRESS"
        # What nobody works on any more is taken over when its lease ends; then the queue takes its time.
        assert let_time_pass(server, "waits") == "CREATE_COMPLETE"
        assert let_time_pass(server, "large") == "CREATE_COMPLETE"
        made = topics(server)
        assert len(made) == len(set(made)) == 150
        events = [event for page in cloudformation.get_paginator("describe_stack_events").paginate(StackName="large") for event in page["StackEvents"]]
        done = [event["LogicalResourceId"] for event in events if event["ResourceStatus"] == "CREATE_COMPLETE"]
        assert len(done) == len(set(done)) == 152, "each resource and the stack, once"


def test_two_changes_at_once(client):
    cloudformation = client("cloudformation")
    cloudformation.create_stack(StackName="twice", TemplateBody=birds(1))
    cloudformation.get_waiter("stack_create_complete").wait(StackName="twice", WaiterConfig=QUICK)
    def update(count):
        try:
            client("cloudformation").update_stack(StackName="twice", TemplateBody=birds(count))
            return "begun"
        except ClientError as error:
            return error.response["Error"]["Message"]

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(update, range(2, 10)))
    assert "begun" in told
    refused = [message for message in told if message != "begun"]
    assert all("can not be updated" in message or "began at the same time" in message for message in refused), refused
    cloudformation.get_waiter("stack_update_complete").wait(StackName="twice", WaiterConfig=QUICK)
    cloudformation.delete_stack(StackName="twice")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName="twice", WaiterConfig=QUICK)


def test_urls_of_queues_can_be_used(server, client):
    cloudformation = client("cloudformation")
    cloudformation.create_stack(StackName="urls", TemplateBody=TEMPLATE, Parameters=[{"ParameterKey": "Name", "ParameterValue": "urls"}])
    cloudformation.get_waiter("stack_create_complete").wait(StackName="urls", WaiterConfig=QUICK)
    url = outputs(cloudformation, "urls")["Queue"]
    assert url.startswith(f"{server.url}/"), url
    client("sqs").send_message(QueueUrl=url, MessageBody="tweet")
    cloudformation.delete_stack(StackName="urls")


def test_stacks_of_proton_have_urls_that_can_be_used(server):
    proton = Proton(server)
    queue = """
Resources:
  Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: "{{ environment.inputs.size }}-queue"}}
Outputs:
  Url: {Value: !Ref Queue}
"""
    proton.environment_template(bundle=small(template=queue))
    environment = proton.environment()
    assert environment["deploymentStatus"] == "SUCCEEDED", environment.get("deploymentStatusMessage")
    [output] = proton.client.list_environment_outputs(environmentName="env")["outputs"]
    assert output["valueString"].startswith(f"{server.url}/{proton.account}/"), output
    proton.of("sqs").send_message(QueueUrl=output["valueString"], MessageBody="tweet")


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ({"Resources": {f"T{at}": {"Type": "AWS::SNS::Topic"} for at in range(501)}}, "Number of resources, 501, is greater than maximum allowed, 500"),
        ({"Parameters": {f"P{at}": {"Type": "String"} for at in range(201)}, "Resources": {"T": {"Type": "AWS::SNS::Topic"}}}, "greater than maximum allowed, 200"),
        ({"Resources": {"T": {"Type": "AWS::SNS::Topic"}}, "Outputs": {f"O{at}": {"Value": "x"} for at in range(201)}}, "greater than maximum allowed, 200"),
        ({"Resources": {"A": {"Type": "AWS::SNS::Topic", "DependsOn": "B"}, "B": {"Type": "AWS::SNS::Topic", "DependsOn": "A"}}}, r"Circular dependency between resources: \[A, B\]"),
        ("Resources:\n  A: &a [1, 2]\n  B: [*a\n", "YAML not well-formed"),
        ("a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n", "YAML not well-formed"),
        ("Resources: " + "[" * 3000, "YAML not well-formed"),
        ('{"Resources": ' + '{"a":' * 3000 + "1" + "}" * 3001, "JSON not well-formed"),
        (
            {
                "Transform": "AWS::LanguageExtensions",
                "Resources": {"Fn::ForEach::A": ["A", list(map(str, range(100))), {"Fn::ForEach::B": ["B", list(map(str, range(100))), {"T${A}x${B}": {"Type": "AWS::SNS::Topic"}}]}]},
            },
            "greater than maximum allowed, 500",
        ),
        (
            {
                "Transform": "AWS::LanguageExtensions",
                "Resources": {f"Fn::ForEach::{one}": [one, list(map(str, range(200))), {f"Fn::ForEach::{one}b": [f"{one}b", list(map(str, range(200))), {f"T${{{one}}}x${{{one}b}}": {"Type": "AWS::SNS::Topic"}}]}] for one in "ABCDEFGH"},
            },
            "its loops come to more than",
        ),
    ],
    ids=["resources", "parameters", "outputs", "circle", "anchors", "aliases", "deep-yaml", "deep-json", "loops", "many-loops"],
)
def test_what_is_too_much_is_refused(client, template, message):
    text = template if isinstance(template, str) else json.dumps(template, separators=(",", ":"))
    with pytest.raises(ClientError, match=message) as error:
        client("cloudformation").create_stack(StackName="refused", TemplateBody=text)
    assert error.value.response["Error"]["Code"] == "ValidationError"
    with pytest.raises(ClientError, match="does not exist"):
        client("cloudformation").describe_stacks(StackName="refused")


def test_large_templates_come_from_s3(client):
    cloudformation, s3 = client("cloudformation"), client("s3")
    s3.create_bucket(Bucket="large-templates", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    large = {"Resources": {"T": {"Type": "AWS::SNS::Topic", "Metadata": {"text": "x" * 60_000}}}}
    with pytest.raises(ClientError, match="less than or equal to 51200") as error:
        cloudformation.create_stack(StackName="large", TemplateBody=json.dumps(large))
    assert error.value.response["Error"]["Code"] == "ValidationError"
    s3.put_object(Bucket="large-templates", Key="t.json", Body=json.dumps(large))
    url = f"{s3.meta.endpoint_url}/large-templates/t.json"
    cloudformation.create_stack(StackName="large", TemplateURL=url)
    cloudformation.get_waiter("stack_create_complete").wait(StackName="large", WaiterConfig=QUICK)
    large["Resources"]["T"]["Metadata"]["text"] = "x" * 1_100_000
    s3.put_object(Bucket="large-templates", Key="t.json", Body=json.dumps(large))
    with pytest.raises(ClientError, match="more than 1048576 bytes"):
        cloudformation.update_stack(StackName="large", TemplateURL=url)


def test_exports_that_are_used_stay(client):
    cloudformation = client("cloudformation")
    ready = cloudformation.get_waiter("stack_create_complete")
    source = {"Parameters": {"V": {"Type": "String", "Default": "one"}}, "Resources": {"T": {"Type": "AWS::SNS::Topic"}}, "Outputs": {"O": {"Value": {"Ref": "V"}, "Export": {"Name": "shared"}}}}
    user = {"Resources": {"T": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Fn::ImportValue": "shared"}}}}}
    for name, template in [("source", source), ("user", user)]:
        cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template))
        ready.wait(StackName=name, WaiterConfig=QUICK)
    assert cloudformation.list_imports(ExportName="shared")["Imports"] == ["user"]
    cloudformation.update_stack(StackName="source", UsePreviousTemplate=True, Parameters=[{"ParameterKey": "V", "ParameterValue": "two"}])
    cloudformation.get_waiter("stack_rollback_complete").wait(StackName="source", WaiterConfig=QUICK)
    reasons = [event.get("ResourceStatusReason", "") for event in cloudformation.describe_stack_events(StackName="source")["StackEvents"]]
    assert "Export shared cannot be updated as it is in use by user" in reasons
    cloudformation.delete_stack(StackName="source")
    with pytest.raises(WaiterError, match="DELETE_FAILED"):
        cloudformation.get_waiter("stack_delete_complete").wait(StackName="source", WaiterConfig=QUICK)
    for name in ("user", "source"):
        cloudformation.delete_stack(StackName=name)
        cloudformation.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig=QUICK)


def test_two_servers_on_one_database_work_on_a_stack_once(tmp_path):
    """Each begins stacks, either carries them on; then one is killed, and the other ends what it had begun."""
    with postgres() as url:
        options = ("--log", "warn", "--database", url, "--data-dir", str(tmp_path), "--transitions", "sqs=1h")
        with Standin(*options) as one, Standin(*options) as two:
            first = make(one, "cloudformation")

            def begin(at):
                template = birds(10).replace("bird-", f"bird-{at}-")
                make((one, two)[at % 2], "cloudformation").create_stack(StackName=f"stack-{at}", TemplateBody=template)

            with ThreadPoolExecutor(8) as pool:
                list(pool.map(begin, range(16)))
            assert {stack["StackStatus"] for stack in first.describe_stacks()["Stacks"]} == {"CREATE_IN_PROGRESS"}
            one.process.kill()
            one.process.wait(10)
            cloudformation = make(two, "cloudformation")
            for at in range(16):
                assert let_time_pass(two, f"stack-{at}") == "CREATE_COMPLETE"
                events = cloudformation.describe_stack_events(StackName=f"stack-{at}")["StackEvents"]
                done = [event["LogicalResourceId"] for event in events if event["ResourceStatus"] == "CREATE_COMPLETE"]
                assert len(done) == len(set(done)) == 12, done
            assert len(topics(two)) == 160
