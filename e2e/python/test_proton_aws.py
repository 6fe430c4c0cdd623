"""Proton provisions through AWS's CloudFormation: moto's, and that of another standin, where stacks fail and roll back."""

import json
import signal
import urllib.error

import pytest
from motos import Moto, Proxy
from protons import Proton, environment_spec, polled, schema_of, service_spec, small, transitions

from conftest import Admin, make
from serve import Standin

# moto and standin make these at once.
TOPIC = "Resources:\n  Topic: {Type: AWS::SNS::Topic, Properties: {DisplayName: \"{{ environment.inputs.size }}\"}}\n"
OUTPUT = "Outputs:\n  Topic: {Value: !Ref Topic}\n  Size: {Value: \"{{ environment.inputs.size }}\"}\n"
# Keys that are nobody's: what is provisioned has the role's account.
KEYS = {"AWS_ACCESS_KEY_ID": "999988887777", "AWS_SECRET_ACCESS_KEY": "base"}


@pytest.fixture(scope="module")
def moto(tmp_path_factory):
    running = Moto(tmp_path_factory.mktemp("moto"))
    yield running
    running.stop()


@pytest.fixture
def proxy(moto):
    running = Proxy(moto.url)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def other():
    """Another standin, as AWS."""
    with Standin("--log", "warn") as running:
        yield running


def serving(url, *more, data=None):
    kept = ("--data-dir", str(data)) if data else ()
    return Standin(*kept, "--log", "warn", "--proton", f'provisioning.cloudformation="{url}"', *more, env=KEYS)


def stacks(client):
    """The stacks that there are, by name."""
    pages = client.get_paginator("describe_stacks").paginate()
    return {stack["StackName"]: stack for page in pages for stack in page["Stacks"] if stack["StackStatus"] != "DELETE_COMPLETE"}


def tags_of(stack):
    return {tag["Key"]: tag["Value"] for tag in stack["Tags"]}


def the_stack(proton, what, **names):
    """Name and ARN of the one stack of a resource, as Proton tells."""
    listed = getattr(proton.client, f"list_{what}_provisioned_resources")(**names)["provisionedResources"]
    assert [resource["provisioningEngine"] for resource in listed] == ["CLOUDFORMATION"]
    return listed[0]["name"], listed[0]["identifier"]


def test_moto_makes_changes_and_deletes_stacks(moto, proxy):
    with serving(proxy.url) as server:
        proton = Proton(server)
        proton.environment_template(bundle=small(template=TOPIC + OUTPUT))
        made = proton.environment(spec=environment_spec(size="one"))
        assert made["deploymentStatus"] == "SUCCEEDED", made
        name, arn = the_stack(proton, "environment", environmentName="env")
        assert name.startswith("AWSProton-environment-env-cloudformation-") and f":{proton.account}:stack/{name}/" in arn
        # It is in the account of the role, and carries Proton's tags.
        cloudformation = moto.client("cloudformation", proton.account)
        stack = stacks(cloudformation)[name]
        tags = tags_of(stack)
        assert tags["proton:environment"] == made["arn"] and tags["proton:account"] == proton.account
        assert tags["proton:deployment"] == made["lastSucceededDeploymentId"]
        topic = proton.outputs("env")["Topic"]
        assert topic in [topic["TopicArn"] for topic in moto.client("sns", proton.account).list_topics()["Topics"]]
        assert proton.outputs("env")["Size"] == "one"

        # An update is a change set of the same stack.
        changed = proton.update_environment(spec=environment_spec(size="two"))
        assert changed["deploymentStatus"] == "SUCCEEDED", changed
        assert list(stacks(cloudformation)) == [name]
        assert proxy.calls["CreateStack"] == 1 and proxy.calls["ExecuteChangeSet"] == 1
        assert proxy.asked("CreateChangeSet")[0]["ChangeSetName"] == f"deployment-{changed['lastSucceededDeploymentId']}"
        assert "two" in str(cloudformation.get_template(StackName=name)["TemplateBody"])
        # Nothing to change is no failure, and no change.
        again = proton.update_environment(spec=environment_spec(size="two"))
        assert again["deploymentStatus"] == "SUCCEEDED" and proxy.calls["ExecuteChangeSet"] == 1

        # A service with a pipeline, whose instances see the environment.
        proton.service_template()
        service = proton.service(spec=service_spec({"one": ("env", {}), "two": ("env", {})}, {}), **proton.sources())
        assert service["status"] == "ACTIVE", service
        assert len(stacks(cloudformation)) == 4
        pipeline, _ = the_stack(proton, "service_pipeline", serviceName="svc")
        assert pipeline.startswith("AWSProton-svc-pipeline-")
        assert proton.outputs("svc", "service_instance", serviceInstanceName="one")["Around"] == topic
        assert proton.outputs("svc", "service_pipeline")["Sizes"] == "one=small;two=small;"

        proton.client.delete_service(name="svc")
        for _ in polled(lambda: stacks(cloudformation)):
            if len(_) == 1:
                break
        for _ in polled(lambda: proton.client.list_services()["services"]):
            if not _:
                break
        proton.client.delete_environment(name="env")
        proton.gone_environment("env")
        assert stacks(cloudformation) == {}


def test_trouble_that_passes_is_waited_out(moto, proxy):
    with serving(proxy.url) as server:
        proton = Proton(server)
        proton.environment_template()
        # More than the SDK's own attempts take: throttling, faults, lost connections.
        proxy.trouble = [(400, "Throttling"), (503, "ServiceUnavailable"), None, (500, "InternalFailure")] * 4
        made = proton.environment()
        assert made["deploymentStatus"] == "SUCCEEDED", made
        assert not proxy.trouble and len(stacks(moto.client("cloudformation", proton.account))) == 1
        # A refusal is the end, in the service's words.
        proxy.trouble = [(403, "AccessDenied")] * 3
        failed = proton.update_environment(spec=environment_spec(size="large"))
        assert failed["deploymentStatus"] == "FAILED" and "AccessDenied" in failed["deploymentStatusMessage"]
        proxy.trouble = []


def test_a_server_that_is_killed_makes_no_second_stack(moto, proxy, tmp_path):
    account = "220000000001"
    cloudformation = moto.client("cloudformation", account)
    with serving(proxy.url, data=tmp_path) as server:
        proton = Proton(server, account)
        proton.environment_template()
        with proxy.hold("CreateStack"):
            made = proton.environment(wait=False)
            assert proxy.reached.wait(30), "no stack was asked for"
            # The stack is there, and standin does not know.
            assert len(stacks(cloudformation)) == 1
            server.process.send_signal(signal.SIGKILL)
            server.process.wait(10)
    proxy.busy = True
    with serving(proxy.url, data=tmp_path) as server:
        proton = Proton(server, account)
        looks = proxy.calls["DescribeStacks"]
        # The lease of the killed one ends after a minute.
        Admin(server.url)("POST", "/_standin/clock", {"advance": "2m"})
        for now in polled(lambda: proxy.calls["DescribeStacks"]):
            if now > looks + 1:
                break
        assert proton.client.get_environment(name="env")["environment"]["deploymentStatus"] == "IN_PROGRESS"
        server.process.send_signal(signal.SIGKILL)
        server.process.wait(10)
    proxy.busy = False
    with serving(proxy.url, data=tmp_path) as server:
        proton = Proton(server, account)
        Admin(server.url)("POST", "/_standin/clock", {"advance": "4m"})
        settled = proton.settled_environment("env")
        assert settled["deploymentStatus"] == "SUCCEEDED", settled
        assert settled["lastSucceededDeploymentId"] == made["lastAttemptedDeploymentId"]
        name, _ = the_stack(proton, "environment", environmentName="env")
        assert list(stacks(cloudformation)) == [name] and proxy.calls["CreateStack"] == 1
        deployments = proton.client.list_deployments(environmentName="env")["deployments"]
        assert [deployment["deploymentStatus"] for deployment in deployments] == ["SUCCEEDED"]
    # The same between the execution of a change set and its answer.
    with serving(proxy.url, data=tmp_path) as server:
        proton = Proton(server, account)
        with proxy.hold("ExecuteChangeSet"):
            proton.update_environment(spec=environment_spec(size="large"), wait=False)
            assert proxy.reached.wait(30), "no change was executed"
            server.process.send_signal(signal.SIGKILL)
            server.process.wait(10)
    with serving(proxy.url, data=tmp_path) as server:
        proton = Proton(server, account)
        Admin(server.url)("POST", "/_standin/clock", {"advance": "6m"})
        assert proton.settled_environment("env")["deploymentStatus"] == "SUCCEEDED"
        assert proxy.calls["ExecuteChangeSet"] == 1 and len(stacks(cloudformation)) == 1


def test_large_templates_come_from_a_bucket(moto):
    account = "220000000002"
    large = small(template=TOPIC + OUTPUT + "Metadata: {Filler: " + json.dumps("x" * 60_000) + "}\n")
    with serving(moto.url) as server:
        proton = Proton(server, account)
        proton.environment_template(bundle=large)
        failed = proton.environment()
        assert failed["deploymentStatus"] == "FAILED" and "bucket" in failed["deploymentStatusMessage"], failed
    moto.client("s3", account).create_bucket(Bucket=f"templates-{account}", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    # moto finds buckets by the host, or in the path of this one.
    with serving(moto.url.replace("127.0.0.1", "localhost"), "--proton", 'aws.bucket="templates-{account}"') as server:
        proton = Proton(server, account)
        proton.environment_template(bundle=large)
        made = proton.environment()
        assert made["deploymentStatus"] == "SUCCEEDED", made
        assert len(stacks(moto.client("cloudformation", account))) == 1


def test_roles_are_assumed_as_configured(other):
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
    told = f"aws = {{external-id = 'acme', session-policy = '{policy}'}}"
    with serving(other.url, "--proton", told) as server:
        proton = Proton(server)
        proton.environment_template()
        made = proton.environment()
        assert made["deploymentStatus"] == "SUCCEEDED", made
    asked = Admin(other.url).last("sts", "AssumeRole")["input"]
    assert asked["RoleArn"] == proton.role and asked["ExternalId"] == "acme" and json.loads(asked["Policy"])
    assert asked["RoleSessionName"] == f"AWSProton-{made['lastAttemptedDeploymentId']}"
    # One session for all calls of a deployment.
    assert len(Admin(other.url).requests(service="sts", operation="AssumeRole")) == 1
    with serving(other.url, "--proton", "aws.assume-role=false") as server:
        proton = Proton(server)
        proton.environment_template()
        assert proton.environment()["deploymentStatus"] == "SUCCEEDED"
        assert len(stacks(make(other, "cloudformation", account=KEYS["AWS_ACCESS_KEY_ID"]))) == 1


FRAGILE = TOPIC + """{%- if environment.inputs.bucket %}
  Bucket: {Type: AWS::S3::Bucket, Properties: {BucketName: "{{ environment.inputs.bucket }}"}}
{%- endif %}
""" + OUTPUT


def test_another_standin_rolls_back_and_is_told_why(other):
    with serving(other.url) as server:
        proton = Proton(server)
        make(other, "s3", account=proton.account).create_bucket(Bucket="taken", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        cloudformation = make(other, "cloudformation", account=proton.account)
        inputs = {name: {"type": "string", "default": ""} for name in ("size", "bucket")}
        proton.environment_template(bundle=small(template=FRAGILE, schema=schema_of(inputs)))
        failed = proton.environment(spec=environment_spec(size="one", bucket="taken"))
        assert failed["deploymentStatus"] == "FAILED" and "Bucket" in failed["deploymentStatusMessage"], failed
        assert [stack["StackStatus"] for stack in stacks(cloudformation).values()] == ["ROLLBACK_COMPLETE"]
        # What was never made whole is made anew.
        made = proton.update_environment(spec=environment_spec(size="two"))
        assert made["deploymentStatus"] == "SUCCEEDED", made
        assert [stack["StackStatus"] for stack in stacks(cloudformation).values()] == ["CREATE_COMPLETE"]
        failed = proton.update_environment(spec=environment_spec(size="three", bucket="taken"))
        assert failed["deploymentStatus"] == "FAILED" and "Bucket" in failed["deploymentStatusMessage"], failed
        assert proton.outputs("env")["Size"] == "two"
        assert [stack["StackStatus"] for stack in stacks(cloudformation).values()] == ["UPDATE_ROLLBACK_COMPLETE"]
        made = proton.update_environment(spec=environment_spec(size="four"))
        assert made["deploymentStatus"] == "SUCCEEDED", made
        assert proton.outputs("env")["Size"] == "four"
        # What happened in the stack is in the log of the deployment.
        events = proton.of("logs").get_log_events(
            logGroupName="/aws/proton/deployments", logStreamName=failed["lastAttemptedDeploymentId"], startFromHead=True
        )["events"]
        assert any("CREATE_FAILED Bucket" in event["message"] for event in events), events
        proton.client.delete_environment(name="env")
        proton.gone_environment("env")
        assert stacks(cloudformation) == {}


def test_runs_at_another_standin_are_cancelled(other):
    transitions(other, "3s", "sns")
    try:
        with serving(other.url) as server:
            proton = Proton(server)
            cloudformation = make(other, "cloudformation", account=proton.account)
            proton.environment_template()
            proton.environment(wait=False)
            for found in polled(lambda: stacks(cloudformation)):
                if found:
                    break
            proton.client.cancel_environment_deployment(environmentName="env")
            assert proton.settled_environment("env")["deploymentStatus"] == "CANCELLED"
            assert stacks(cloudformation) == {}
    finally:
        transitions(other, "instant", "sns")


def test_without_credentials_the_deployment_says_so(tmp_path):
    """AWS itself is never reached here: there is nobody to sign as."""
    environment = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "HOME": str(tmp_path)}
    with Standin("--log", "warn", "--proton", 'provisioning.cloudformation="aws"', env=environment) as server:
        proton = Proton(server)
        proton.environment_template()
        failed = proton.environment()
        assert failed["deploymentStatus"] == "FAILED"
        assert "no credentials for AWS" in failed["deploymentStatusMessage"], failed


def test_drift_is_shown(other):
    """The stack of a resource is compared with its template on request, on AWS or here."""
    with serving(other.url) as server:
        proton = Proton(server)
        proton.environment_template(bundle=small(template=TOPIC + OUTPUT))
        made = proton.environment(spec=environment_spec(size="one"))
        assert made["deploymentStatus"] == "SUCCEEDED", made
        admin = Admin(server.url)
        found = admin("POST", "/_standin/proton/drift", {"arn": made["arn"]})
        assert (found["drift"], found["resources"]) == ("IN_SYNC", []), found
        assert found["stack"] == the_stack(proton, "environment", environmentName="env")[1]
        topic = proton.outputs("env")["Topic"]
        make(other, "sns", account=proton.account).set_topic_attributes(TopicArn=topic, AttributeName="DisplayName", AttributeValue="by hand")
        found = admin("POST", "/_standin/proton/drift", {"arn": made["arn"]})
        assert found["drift"] == "DRIFTED" and [it["resource"] for it in found["resources"]] == ["Topic"], found
        with pytest.raises(urllib.error.HTTPError, match="404"):
            admin("POST", "/_standin/proton/drift", {"arn": made["arn"] + "x"})
