"""Stacks that Proton made before its end are adopted: what they stand for is here, and the next deployment goes to them."""

import json
import os
import subprocess

import pytest
from motos import Moto
from protons import MANIFEST, Proton, changed, environment_spec, polled, schema_of, service_spec, small, small_service

from conftest import Admin, make
from serve import Standin, binary

KEYS = {"AWS_ACCESS_KEY_ID": "999988887777", "AWS_SECRET_ACCESS_KEY": "base"}
REGION = "eu-west-1"
INPUTS = {"size": {"type": "string"}, "count": {"type": "integer", "default": 2}, "open": {"type": "boolean", "default": False}}
ENVIRONMENT = """
Resources:
  Topic:
    Type: AWS::SNS::Topic
    Properties: {DisplayName: "{{ environment.inputs.size }}-{{ environment.inputs.count }}"}
Outputs:
  Size: {Value: "{{ environment.inputs.size }}"}
  Topic: {Value: !Ref Topic}
"""
INSTANCE = """
Resources:
  Queue:
    Type: AWS::SQS::Queue
    Properties: {Tags: [{Key: size, Value: "{{ service_instance.inputs.size }}"}]}
Outputs:
  Around: {Value: "{{ environment.outputs.Topic }}"}
  Queue: {Value: !Ref Queue}
  Size: {Value: "{{ service_instance.inputs.size }}"}
"""
COMPONENT = "Resources:\n  Topic: {Type: AWS::SNS::Topic}\nOutputs:\n  Name: {Value: !Ref Topic}\n"


@pytest.fixture(scope="module")
def moto(tmp_path_factory):
    running = Moto(tmp_path_factory.mktemp("moto"))
    yield running
    running.stop()


def serving(url, data=None):
    kept = ("--data-dir", str(data)) if data else ()
    return Standin(*kept, "--log", "warn", "--proton", f'provisioning.cloudformation="{url}"', env=KEYS)


def command(server, account, *arguments, code=0):
    """Runs `standin proton adopt --json` as a role of the account; the stacks that it tells of, by resource or name."""
    arguments = ("--account", account, "--as", f"arn:aws:iam::{account}:role/adopts", *arguments)
    environment = {**os.environ, "AWS_REGION": REGION}
    run = subprocess.run(
        [binary(), "proton", "adopt", "--json", "--endpoint", server.url, *arguments], capture_output=True, text=True, env=environment, timeout=60
    )
    assert run.returncode == code, run.stdout + run.stderr
    return {stack["resource"] or stack["stack"]: stack for stack in json.loads(run.stdout)["stacks"]}


class Old:
    """An AWS account in which Proton was: its stacks, with the tags that they have."""

    def __init__(self, account, cloudformation, prefix="proton:"):
        self.account, self.cloudformation, self.prefix = account, cloudformation, prefix

    def arn(self, resource):
        return f"arn:aws:proton:{REGION}:{self.account}:{resource}"

    def stack(self, name, text, /, **tags):
        tags = {"account": self.account, **{key.replace("_", "-"): self.arn(resource) for key, resource in tags.items()}}
        self.cloudformation.create_stack(
            StackName=f"AWSProton-{name}", TemplateBody=text, Tags=[{"Key": self.prefix + key, "Value": value} for key, value in tags.items()]
        )
        return f"AWSProton-{name}"

    def environment(self, name="old", template=None, **tags):
        text = template or ENVIRONMENT.replace("{{ environment.inputs.size }}", "big").replace("{{ environment.inputs.count }}", "7")
        return self.stack(f"environment-{name}-cloudformation-ABC", text, environment=f"environment/{name}", template="environment-template/env", **tags)

    def stacks(self):
        pages = self.cloudformation.get_paginator("describe_stacks").paginate()
        return {stack["StackName"]: stack for page in pages for stack in page["Stacks"] if stack["StackStatus"] != "DELETE_COMPLETE"}

    def outputs(self, stack):
        return {output["OutputKey"]: output["OutputValue"] for output in self.stacks()[stack].get("Outputs", ())}


def old(where, account, prefix="proton:"):
    """The same account in moto or in another standin."""
    client = where.client("cloudformation", account) if isinstance(where, Moto) else make(where, "cloudformation", account=account)
    return Old(account, client, prefix)


def templates(proton):
    proton.environment_template(bundle=small(template=ENVIRONMENT, schema=schema_of(INPUTS, more=', "required": ["size"]')))
    service = small_service(instance=INSTANCE)
    proton.service_template(bundle=changed(service, {}))


def test_an_environment_of_moto_is_adopted_and_its_stack_updated(moto):
    account = "230000000001"
    there = old(moto, account, "aws:proton:")
    stack = there.environment()
    topic = there.outputs(stack)["Topic"]
    before = there.stacks()[stack]
    with serving(moto.url) as server:
        proton = Proton(server, account)
        # Without its template it cannot be.
        told = command(server, account, code=1)
        assert "no environment template env" in told["environment/old"]["reason"]
        templates(proton)
        would = command(server, account, "--dry-run")["environment/old"]
        assert would["result"] == "adopted" and would["same"] and proton.client.list_environments()["environments"] == []
        told = command(server, account, "--role", proton.role)["environment/old"]
        assert told["template"] == "env 1.0" and told["stack"] == stack
        inputs = {it["name"]: (it["value"], it["from"]) for it in told["inputs"]}
        assert inputs == {"size": ("big", "template"), "count": ("7", "template"), "open": ("false", "default")}

        environment = proton.client.get_environment(name="old")["environment"]
        assert environment["deploymentStatus"] == "SUCCEEDED" and environment["arn"] == there.arn("environment/old")
        assert environment["protonServiceRoleArn"] == proton.role
        assert [it["name"] for it in proton.client.list_environments()["environments"]] == ["old"]
        assert proton.outputs("old") == {"Size": "big", "Topic": topic}
        resources = proton.client.list_environment_provisioned_resources(environmentName="old")["provisionedResources"]
        assert [(it["name"], it["identifier"]) for it in resources] == [(stack, before["StackId"])]
        deployments = proton.client.list_deployments(environmentName="old")["deployments"]
        assert [it["deploymentStatus"] for it in deployments] == ["SUCCEEDED"]
        # Nothing was done to the stack.
        assert there.stacks()[stack] == before
        assert command(server, account)["environment/old"]["result"] == "known"

        # The next deployment goes to that very stack.
        updated = proton.update_environment("old", spec=environment_spec(size="small", count=3))
        assert updated["deploymentStatus"] == "SUCCEEDED", updated
        assert list(there.stacks()) == [stack] and there.stacks()[stack]["StackId"] == before["StackId"]
        assert "small-3" in str(there.cloudformation.get_template(StackName=stack)["TemplateBody"])
        proton.client.delete_environment(name="old")
        proton.gone_environment("old")
        assert there.stacks() == {}
        # Another of that name has a stack of its own.
        assert proton.environment("old", spec=environment_spec(size="x"))["deploymentStatus"] == "SUCCEEDED"
        assert stack not in there.stacks()


def test_all_that_another_proton_made_is_adopted(tmp_path):
    """The stacks of a Proton that is gone, made by it: environments, services with pipelines, components."""
    account = "230000000002"
    with Standin("--log", "warn") as aws:
        cloudformation = make(aws, "cloudformation", account=account)
        there = Old(account, cloudformation)
        with serving(aws.url) as server:
            gone = Proton(server, account)
            templates(gone)
            gone.environment("env", spec=environment_spec(size="big", count=9), componentRoleArn=gone.role)
            spec = service_spec({"one": ("env", {"size": "large"}), "two": ("env", {})}, {"command": "build it"})
            assert gone.service(spec=spec, **gone.sources())["status"] == "ACTIVE"
            gone.client.create_component(name="extra", environmentName="env", manifest=MANIFEST, templateFile=COMPONENT)
            assert gone.settled_component("extra")["deploymentStatus"] == "SUCCEEDED"
            outputs = gone.outputs("svc", "service_instance", serviceInstanceName="one")
        before = there.stacks()
        assert len(before) == 5
        with serving(aws.url, data=tmp_path) as server:
            proton = Proton(server, account)
            templates(proton)
            told = command(server, account, "--role", proton.role, "--component-role", proton.role)
            wanted = {"environment/env", "service/svc/service-instance/one", "service/svc/service-instance/two", "service/svc/pipeline", "component/extra"}
            assert set(told) == wanted and {it["result"] for it in told.values()} == {"adopted"}, told
            assert all(it["same"] for it in told.values() if it["resource"] != "service/svc/pipeline"), told
            assert there.stacks() == before, "a stack was touched"
        # It is kept.
        with serving(aws.url, data=tmp_path) as server:
            proton = Proton(server, account)
            service = proton.client.get_service(name="svc")["service"]
            assert service["status"] == "ACTIVE" and service["pipeline"]["deploymentStatus"] == "SUCCEEDED"
            assert '"large"' in service["spec"] and '"build it"' in service["spec"]
            assert proton.outputs("svc", "service_instance", serviceInstanceName="one") == outputs
            assert proton.client.get_component(name="extra")["component"]["environmentName"] == "env"
            proton.sources()
            # Every next deployment goes to the stacks that there were.
            proton.update_environment("env", spec=environment_spec(size="small", count=1))
            changed_spec = service["spec"].replace('"large"', '"tiny"')
            proton.client.update_service_instance(serviceName="svc", name="one", deploymentType="CURRENT_VERSION", spec=changed_spec)
            assert proton.settled_instance("svc", "one")["deploymentStatus"] == "SUCCEEDED"
            proton.client.update_service_pipeline(serviceName="svc", deploymentType="CURRENT_VERSION", spec=service["spec"])
            for found in polled(lambda: proton.client.get_service(name="svc")["service"]["pipeline"]["deploymentStatus"]):
                if found != "IN_PROGRESS":
                    break
            proton.client.update_component(name="extra", deploymentType="CURRENT_VERSION", templateFile=COMPONENT.replace("Name:", "Other:"))
            assert proton.settled_component("extra")["deploymentStatus"] == "SUCCEEDED"
            after = there.stacks()
            assert {name: stack["StackId"] for name, stack in after.items()} == {name: stack["StackId"] for name, stack in before.items()}
            assert there.outputs(next(name for name in after if "environment-env" in name))["Size"] == "small"


def test_what_does_not_tell_enough_says_what_to_give(moto):
    account = "230000000003"
    there = old(moto, account)
    # Not of this template: the size cannot be read off, and is required.
    there.environment("vague", template="Resources:\n  Topic: {Type: AWS::SNS::Topic}\n")
    there.stack("nobody", "Resources:\n  Topic: {Type: AWS::SNS::Topic}\n")
    instance = {"service": "service/s", "service_instance": "service/s/service-instance/i", "template": "service-template/svc"}
    there.stack("s-i", "Resources:\n  Topic: {Type: AWS::SNS::Topic}\n", environment="environment/missing", **instance)
    with serving(moto.url) as server:
        proton = Proton(server, account)
        templates(proton)
        told = command(server, account, code=1)
        assert "--spec environment/vague=FILE" in told["environment/vague"]["reason"]
        assert "environment missing" in told["service/s/service-instance/i"]["reason"]
        assert "no tags" in told["AWSProton-nobody"]["reason"]
        assert proton.client.list_environments()["environments"] == [] and proton.client.list_services()["services"] == []


def test_a_spec_and_a_version_can_be_given(moto, tmp_path):
    account = "230000000004"
    there = old(moto, account)
    there.environment("vague", template="Resources:\n  Topic: {Type: AWS::SNS::Topic}\n")
    spec = tmp_path / "spec.yaml"
    spec.write_text(environment_spec(size="given"))
    with serving(moto.url) as server:
        proton = Proton(server, account)
        templates(proton)
        told = command(server, account, "--template", "env=1.7", "--spec", f"environment/vague={spec}", code=1)
        assert "does not exist" in told["environment/vague"]["reason"]
        told = command(server, account, "--template", "env=1.0", "--spec", f"environment/vague={spec}")["environment/vague"]
        assert told["result"] == "adopted" and told["same"] is False and any("not the template" in note for note in told["notes"])
        assert proton.client.get_environment(name="vague")["environment"]["spec"] == spec.read_text()


def test_standins_own_stacks_are_adopted_too():
    with Standin("--log", "warn") as server:
        proton = Proton(server)
        there = Old(proton.account, proton.of("cloudformation"))
        stack = there.environment()
        templates(proton)
        told = command(server, proton.account)["environment/old"]
        assert told["result"] == "adopted" and told["same"], told
        assert proton.update_environment("old", spec=environment_spec(size="two"))["deploymentStatus"] == "SUCCEEDED"
        assert list(there.stacks()) == [stack] and there.outputs(stack)["Size"] == "two"
        bad = Admin(server.url)
        with pytest.raises(Exception, match="400"):
            bad("POST", "/_standin/proton/adopt", {"templates": {"env": "one"}})
