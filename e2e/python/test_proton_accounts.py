"""Two accounts: Proton in one, the infrastructure in the other, by the roles of the connection between them."""

import json
import subprocess
import sys

import pytest
from protons import Proton, conflict, invalid, missing, polled, service_spec, small, starter

from serve import Standin, binary

COMPONENT = starter("component-cloudformation")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Standin("--log", "warn", "--data-dir", str(tmp_path_factory.mktemp("accounts"))) as running:
        yield running
        assert running.alive(), f"the server ended with {running.process.poll()}"


@pytest.fixture
def proton(server):
    return Proton(server)


@pytest.fixture
def other(server):
    """The environment account."""
    return Proton(server)


def role(account, name):
    return f"arn:aws:iam::{account.account}:role/{name}"


def connect(other, proton, environment="env", **roles):
    """The id of a connection that is accepted. Without roles, with one for each purpose."""
    roles = roles or {"roleArn": role(other, "stacks"), "componentRoleArn": role(other, "components"), "codebuildRoleArn": role(other, "builds")}
    made = other.client.create_environment_account_connection(managementAccountId=proton.account, environmentName=environment, **roles)
    id = made["environmentAccountConnection"]["id"]
    proton.client.accept_environment_account_connection(id=id)
    return id


def stacks(account):
    """The stacks of an account that are there, by the beginning of their names."""
    listed = account.of("cloudformation").describe_stacks()["Stacks"]
    return {stack["StackName"].rsplit("-", 1)[0]: stack for stack in listed if stack["StackStatus"] != "DELETE_COMPLETE"}


def command(server, *arguments, code=0):
    ended = subprocess.run([str(binary()), "proton", *arguments, "--endpoint", server.url], capture_output=True, text=True, timeout=60)
    assert ended.returncode == code, (ended.stdout, ended.stderr)
    return ended.stdout + ended.stderr


def part(proton, **more):
    files = {"templateFile": COMPONENT["cloudformation.yaml"].decode(), "manifest": COMPONENT["manifest.yaml"].decode()}
    proton.client.create_component(name="part", environmentName="env", **files, **more)
    return proton.settled_component("part")


def test_everything_of_an_environment_is_made_in_its_account_by_the_roles_of_the_connection(proton, other):
    proton.environment_template()
    proton.service_template()
    environment = proton.environment(environmentAccountConnectionId=connect(other, proton))
    assert environment["deploymentStatus"] == "SUCCEEDED", environment
    service = proton.service(spec=service_spec({"one": ("env", {}), "two": ("env", {})}, {"command": "ship"}), **proton.sources())
    assert service["status"] == "ACTIVE", service
    assert part(proton)["deploymentStatus"] == "SUCCEEDED"
    theirs = {name: stack["RoleARN"] for name, stack in stacks(other).items()}
    assert theirs == {
        "AWSProton-environment-env-cloudformation": role(other, "stacks"),
        "AWSProton-svc-one-cloudformation": role(other, "stacks"),
        "AWSProton-svc-two-cloudformation": role(other, "stacks"),
        "AWSProton-component-part-cloudformation": role(other, "components"),
    }
    # A pipeline is of the account that Proton is in, whatever its instances are.
    assert {name: stack["RoleARN"] for name, stack in stacks(proton).items()} == {"AWSProton-svc-pipeline-cloudformation": proton.role}
    # Each resource is where its stack is.
    queues = [url for account in (proton, other) for url in account.of("sqs").list_queues().get("QueueUrls", [])]
    assert len(queues) == 2 and all(f"/{other.account}/" in url for url in queues)
    for resource in proton.client.list_service_instance_provisioned_resources(serviceName="svc", serviceInstanceName="one")["provisionedResources"]:
        assert f":{other.account}:stack/" in resource["identifier"]
    # The environment account sees its connection, and nothing of Proton.
    with missing():
        other.client.get_environment(name="env")
    assert other.client.list_services()["services"] == []


def test_changed_roles_count_from_the_next_deployment_on(proton, other):
    id = connect(other, proton)
    proton.environment_template()
    proton.environment(environmentAccountConnectionId=id)
    other.client.update_environment_account_connection(id=id, roleArn=role(other, "changed"))
    (stack,) = stacks(other).values()
    assert stack["RoleARN"] == role(other, "stacks")
    proton.update_environment(spec="proton: EnvironmentSpec\nspec: {size: large}\n")
    (stack,) = stacks(other).values()
    assert stack["RoleARN"] == role(other, "changed")


def test_what_the_connection_leaves_open_the_environment_says(proton, other):
    """Only the role of stacks comes from the connection; components have the environment's own."""
    id = connect(other, proton, roleArn=role(other, "stacks"))
    proton.environment_template()
    proton.environment(environmentAccountConnectionId=id, componentRoleArn=role(other, "own"))
    assert part(proton)["deploymentStatus"] == "SUCCEEDED"
    assert stacks(other)["AWSProton-component-part-cloudformation"]["RoleARN"] == role(other, "own")


def test_without_its_connection_an_environment_waits_for_another(proton, other):
    id = connect(other, proton)
    proton.environment_template()
    proton.bare_service_template()
    proton.environment(environmentAccountConnectionId=id)
    proton.service(spec=service_spec({"one": ("env", {})}))
    before = set(stacks(other))
    other.client.delete_environment_account_connection(id=id)
    # What is there stays. Deployments fail, and say what is missing.
    assert set(stacks(other)) == before
    failed = proton.update_environment(spec="proton: EnvironmentSpec\nspec: {size: large}\n")
    assert failed["deploymentStatus"] == "FAILED" and f"connection {id} is not there" in failed["deploymentStatusMessage"]
    proton.client.update_service_instance(serviceName="svc", name="one", deploymentType="CURRENT_VERSION", spec=service_spec({"one": ("env", {"size": "large"})}))
    failed = proton.settled_instance("svc", "one")
    assert failed["deploymentStatus"] == "FAILED" and "not there any more" in failed["deploymentStatusMessage"]
    # Neither has changed anything, and nothing is deleted either.
    assert proton.outputs("env")["Size"] == "small"
    proton.client.delete_service(name="svc")
    assert proton.settled_service("svc")["status"] == "DELETE_FAILED"
    assert set(stacks(other)) == before
    # With another connection all of that works.
    again = connect(other, proton)
    assert proton.client.update_environment(name="env", deploymentType="NONE", environmentAccountConnectionId=again)["environment"]["environmentAccountConnectionId"] == again
    assert proton.update_environment(spec="proton: EnvironmentSpec\nspec: {size: large}\n")["deploymentStatus"] == "SUCCEEDED"
    assert proton.outputs("env")["Size"] == "large"
    proton.client.delete_service(name="svc")
    gone(lambda: proton.client.get_service(name="svc"))
    proton.client.delete_environment(name="env")
    proton.gone_environment("env")
    assert stacks(other) == {}


def gone(ask):
    with missing():
        for _ in polled(ask):
            pass


def test_an_environment_whose_account_is_lost_is_not_there_for_ever(server, proton, other):
    id = connect(other, proton)
    proton.environment_template()
    proton.bare_service_template()
    arn = proton.environment(environmentAccountConnectionId=id)["arn"]
    proton.service(spec=service_spec({"one": ("env", {})}))
    # Not while the account can be reached.
    assert "is there" in command(server, "abandon", arn, code=1)
    other.client.delete_environment_account_connection(id=id)
    left = set(stacks(other))
    proton.client.delete_service(name="svc")
    assert proton.settled_service("svc")["status"] == "DELETE_FAILED"
    with conflict("service instance"):
        proton.client.delete_environment(name="env")
    # The message says the way out.
    failed = proton.client.get_service_instance(serviceName="svc", name="one")["serviceInstance"]
    assert f"standin proton abandon {arn}" in failed["deploymentStatusMessage"]
    assert "without its account" in command(server, "abandon", arn)
    # Only deletions go without the account.
    assert proton.update_environment()["deploymentStatus"] == "FAILED"
    proton.client.delete_service(name="svc")
    gone(lambda: proton.client.get_service(name="svc"))
    proton.client.delete_environment(name="env")
    proton.gone_environment("env")
    # What is in the lost account stays.
    assert set(stacks(other)) == left
    assert "no Environment" in command(server, "abandon", arn, code=1) or "not found" in command(server, "abandon", arn, code=1).lower()


def test_another_connection_takes_back_that_an_environment_was_given_up(server, proton, other):
    id = connect(other, proton)
    proton.environment_template()
    arn = proton.environment(environmentAccountConnectionId=id)["arn"]
    other.client.delete_environment_account_connection(id=id)
    command(server, "abandon", arn)
    again = connect(other, proton)
    proton.client.update_environment(name="env", deploymentType="NONE", environmentAccountConnectionId=again)
    other.client.delete_environment_account_connection(id=again)
    proton.client.delete_environment(name="env")
    assert proton.settled_environment("env")["deploymentStatus"] == "DELETE_FAILED"
    own = proton.environment("own", protonServiceRoleArn=proton.role)["arn"]
    assert "own account" in command(server, "abandon", own, code=1)


def test_a_connection_that_goes_while_a_deployment_is_under_way_fails_it(proton, other):
    id = connect(other, proton)
    proton.environment_template()
    with proton.waiting():
        proton.environment(environmentAccountConnectionId=id, wait=False)
        other.client.delete_environment_account_connection(id=id)
    failed = proton.settled_environment("env")
    assert failed["deploymentStatus"] == "FAILED" and "not there any more" in failed["deploymentStatusMessage"]
    assert stacks(other) == {}
    again = connect(other, proton)
    assert proton.update_environment(environmentAccountConnectionId=again)["deploymentStatus"] == "SUCCEEDED"
    assert len(stacks(other)) == 1


NOTIFY = """
import boto3, os
boto3.client("proton").notify_resource_deployment_status_change(resourceArn=os.environ["RESOURCE_ARN"], outputs=[{"key": "Told", "valueString": "by the commands"}])
"""
BUILD = json.dumps(
    {
        "infrastructure": {
            "templates": [
                {
                    "rendering_engine": "codebuild",
                    "settings": {
                        "image": "any",
                        "provision": [f"{sys.executable} notify.py", """echo '{"Account": "'$AWS_ACCESS_KEY_ID'"}' > proton-outputs.json"""],
                        "deprovision": ["true"],
                    },
                }
            ]
        }
    }
)


def build_bundle(**files):
    return small({"infrastructure/manifest.yaml": BUILD, "infrastructure/cloudformation.yaml": None, "infrastructure/notify.py": NOTIFY, **files})


def test_commands_run_as_the_environment_account(proton, other):
    """Their keys are of the account of the role for builds, and what they tell of the resource is believed."""
    proton.environment_template(bundle=build_bundle())
    environment = proton.environment(environmentAccountConnectionId=connect(other, proton))
    assert environment["deploymentStatus"] == "SUCCEEDED", environment["deploymentStatusMessage"]
    assert proton.outputs("env") == {"Account": other.account, "Told": "by the commands"}
    proton.client.delete_environment(name="env")
    proton.gone_environment("env")
    # Without a connection, by the environment's own role.
    environment = proton.environment(codebuildRoleArn=proton.role)
    assert proton.outputs("env")["Account"] == proton.account


def test_the_environment_account_speaks_for_its_resources(proton, other):
    """`NotifyResourceDeploymentStatusChange` by commands that run there, with the keys of that account."""
    id = connect(other, proton)
    proton.environment_template(bundle=build_bundle(**{"infrastructure/notify.py": "# somebody else does it"}))
    stranger = Proton(proton.server)
    with proton.waiting():
        environment = proton.environment(environmentAccountConnectionId=id, wait=False)
        told = {"resourceArn": environment["arn"], "deploymentId": environment["lastAttemptedDeploymentId"], "outputs": [{"key": "Notified", "valueString": "yes"}]}
        with missing():
            stranger.client.notify_resource_deployment_status_change(**told)
        with missing():
            other.client.notify_resource_deployment_status_change(**{**told, "resourceArn": told["resourceArn"] + "x"})
        with invalid("deployment of"):
            other.client.notify_resource_deployment_status_change(**{**told, "deploymentId": id})
        other.client.notify_resource_deployment_status_change(**told)
    proton.settled_environment("env")
    outputs = proton.client.list_environment_outputs(environmentName="env", deploymentId=environment["lastAttemptedDeploymentId"])["outputs"]
    assert {"key": "Notified", "valueString": "yes"} in outputs
    # Whoever ends the connection has no say any more.
    other.client.delete_environment_account_connection(id=id)
    with missing():
        other.client.notify_resource_deployment_status_change(**told)


def test_the_environment_account_has_no_say_in_other_environments(proton, other):
    connect(other, proton, "elsewhere")
    proton.environment_template()
    arn = proton.environment()["arn"]
    with missing():
        other.client.notify_resource_deployment_status_change(resourceArn=arn, status="FAILED")
    with missing():
        other.client.list_tags_for_resource(resourceArn=arn)
