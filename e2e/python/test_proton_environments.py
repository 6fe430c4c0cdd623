"""Proton's environments: what they are made with, deployed, updated by every type of deployment, cancelled and deleted."""

import json
import os
import signal
import threading
import time

import pytest
from botocore.exceptions import WaiterError

from protons import (
    QUICK,
    SMALL,
    Proton,
    clock,
    conflict,
    environment_spec,
    invalid,
    missing,
    over_quota,
    polled,
    raw,
    schema_of,
    service_spec,
    small,
    starter,
)
from serve import Standin


@pytest.fixture(scope="module")
def server():
    with Standin("--log", "warn") as running:
        yield running
        assert running.alive(), f"the server ended with {running.process.poll()}"


@pytest.fixture
def proton(server):
    return Proton(server)


REPOSITORY = {"provider": "GITHUB", "name": "acme/infra", "branch": "main"}
RICH = {
    "size": {"type": "string", "default": "small", "enum": ["small", "large"]},
    "count": {"type": "integer", "default": 2, "minimum": 1, "maximum": 9},
    "name": {"type": "string", "minLength": 2, "maxLength": 5, "pattern": "^[a-z]+$"},
    "flag": {"type": "boolean", "default": False},
    "zones": {"type": "array", "items": {"type": "string"}, "default": ["a", "b"]},
    "net": {"type": "object", "properties": {"cidr": {"type": "string", "default": "10.0.0.0/16"}, "ttl": {"type": "number"}}},
}
SHOWS = """
Resources:
  Topic: {Type: AWS::SNS::Topic}
Outputs:
  Size: {Value: "{{ environment.inputs.size }}"}
  Count: {Value: "{{ environment.inputs.count }}"}
  Name: {Value: "{{ environment.inputs.name | default('none') }}"}
  Zones: {Value: "{{ environment.inputs.zones | join('+') }}"}
  Account: {Value: "{{ environment.account_id }}"}
"""


def versions(proton, name="env"):
    """1.0, 1.1 and 1.2 are published, 1.3 is a draft; 2.0 needs an input more; 3.0 is a draft."""
    output = lambda text: SMALL + f'  Version: {{Value: "{text}"}}\n'  # noqa: E731
    two = small(schema=schema_of({"zone": {"type": "string"}, "size": {"type": "string", "default": "two"}}, more=", required: [zone]"), template=output("2.0"))
    proton.template("environment", name)
    for minor in range(4):
        proton.register("environment", name, small(template=output(f"1.{minor}")), **({"majorVersion": "1"} if minor else {}))
    proton.register("environment", name, two)
    proton.register("environment", name, two)
    for version in ("1.0", "1.1", "1.2", "2.0"):
        proton.publish("environment", name, version)


def test_only_published_versions_are_deployed(proton):
    proton.template("environment", "env")
    proton.register("environment", "env", small())
    with invalid("no published minor version"):
        proton.environment()
    with invalid("not published"):
        proton.environment(templateMinorVersion="0")
    for more in ({"template": "none"}, {"major": "2"}, {"templateMinorVersion": "7"}):
        with missing():
            proton.environment(**more)
    proton.register("environment", "env", b"broken", majorVersion="1")
    with invalid("REGISTRATION_FAILED"):
        proton.environment(templateMinorVersion="1")
    assert proton.client.list_environments()["environments"] == []
    proton.publish("environment", "env", "1.0")
    assert proton.environment()["deploymentStatus"] == "SUCCEEDED"


def test_an_environment_lives(proton):
    versions(proton)
    made = proton.environment(wait=False, description="first", spec=environment_spec(size="large"), tags=[{"key": "team", "value": "a"}])
    assert made["arn"] == f"arn:aws:proton:eu-west-1:{proton.account}:environment/env"
    assert (made["deploymentStatus"], made["templateMajorVersion"], made["templateMinorVersion"]) == ("IN_PROGRESS", "1", "2")
    assert made["environmentAccountId"] == proton.account and "lastSucceededDeploymentId" not in made
    assert "lastDeploymentSucceededAt" not in made
    proton.client.get_waiter("environment_deployed").wait(name="env", WaiterConfig=QUICK)
    environment = proton.client.get_environment(name="env")["environment"]
    assert environment["deploymentStatus"] == "SUCCEEDED" and not environment.get("deploymentStatusMessage")
    assert environment["lastSucceededDeploymentId"] == environment["lastAttemptedDeploymentId"]
    assert environment["lastDeploymentSucceededAt"] >= environment["lastDeploymentAttemptedAt"]
    assert environment["spec"] == environment_spec(size="large") and environment["protonServiceRoleArn"] == proton.role
    outputs = proton.outputs("env")
    assert (outputs["Size"], outputs["Version"]) == ("large", "1.2")
    assert outputs["Topic"] in [topic["TopicArn"] for topic in proton.of("sns").list_topics()["Topics"]]

    (resource,) = proton.client.list_environment_provisioned_resources(environmentName="env")["provisionedResources"]
    assert resource["provisioningEngine"] == "CLOUDFORMATION" and resource["name"].startswith("AWSProton-environment-env-")
    (stack,) = proton.of("cloudformation").describe_stacks(StackName=resource["name"])["Stacks"]
    assert stack["StackId"] == resource["identifier"]
    tags = {tag["Key"]: tag["Value"] for tag in stack["Tags"]}
    assert tags["proton:environment"] == made["arn"] and tags["proton:account"] == proton.account
    assert tags["proton:template"].endswith(":environment-template/env") and "team" not in tags

    (summary,) = proton.client.list_environments()["environments"]
    assert not {"spec", "provisioningRepository", "codebuildRoleArn"} & set(summary)
    assert {name: environment[name] for name in summary} == summary
    deployments = proton.client.list_deployments(environmentName="env")["deployments"]
    assert [deployment["id"] for deployment in deployments] == [environment["lastSucceededDeploymentId"]]

    deleted = proton.client.delete_environment(name="env")["environment"]
    assert deleted["deploymentStatus"] == "DELETE_IN_PROGRESS"
    again = proton.client.delete_environment(name="env").get("environment")
    assert again is None or again["deploymentStatus"] == "DELETE_IN_PROGRESS"
    proton.gone_environment("env")
    with missing("env"):
        proton.client.get_environment(name="env")
    assert "environment" not in proton.client.delete_environment(name="env")
    assert "environment" not in proton.client.delete_environment(name="never-was")
    assert len(proton.client.list_deployments(environmentName="env")["deployments"]) == 2
    assert outputs["Topic"] not in [topic["TopicArn"] for topic in proton.of("sns").list_topics().get("Topics", [])]
    for call in (proton.client.list_environment_outputs, proton.client.list_environment_provisioned_resources, proton.client.cancel_environment_deployment):
        with missing("env"):
            call(environmentName="env")
    with missing("env"):
        proton.update_environment()


@pytest.mark.parametrize(("region", "partition"), [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")])
def test_other_partitions(server, region, partition):
    proton = Proton(server, region=region)
    proton.environment_template()
    environment = proton.environment(protonServiceRoleArn=proton.role.replace("arn:aws:", f"arn:{partition}:"))
    assert environment["deploymentStatus"] == "SUCCEEDED"
    (resource,) = proton.client.list_environment_provisioned_resources(environmentName="env")["provisionedResources"]
    for arn in (environment["arn"], resource["identifier"], proton.outputs("env")["Topic"], *proton.tags(environment["arn"]).values()):
        assert arn == proton.account or (arn.split(":")[1], arn.split(":")[3]) == (partition, region), arn


def test_long_names_have_stacks_of_their_own(proton):
    proton.environment_template("t" * 100)
    made = [proton.environment(name, "t" * 100) for name in ("e_" * 49 + "e1", "e_" * 49 + "e2")]
    stacks = set()
    for environment in made:
        assert environment["deploymentStatus"] == "SUCCEEDED", environment
        (resource,) = proton.client.list_environment_provisioned_resources(environmentName=environment["name"])["provisionedResources"]
        assert len(resource["name"]) <= 128 and len(resource["identifier"]) <= 200, resource
        stacks.add(resource["name"])
    assert len(stacks) == 2


def test_an_environment_that_is_being_deleted_is_left_alone(proton):
    proton.environment_template()
    proton.environment()
    with proton.waiting():
        proton.client.delete_environment(name="env")
        for _ in range(3):
            assert proton.client.delete_environment(name="env")["environment"]["deploymentStatus"] == "DELETE_IN_PROGRESS"
        runs = proton.client.list_deployments(environmentName="env")["deployments"]
        assert [run["deploymentStatus"] for run in runs] == ["DELETE_IN_PROGRESS", "SUCCEEDED"]
        for deployment_type in ("NONE", "CURRENT_VERSION"):
            with conflict("DELETE_IN_PROGRESS"):
                proton.update_environment(deployment_type=deployment_type, description="x", wait=False)
        with conflict("DELETE_IN_PROGRESS"):
            proton.client.cancel_environment_deployment(environmentName="env")
        with conflict("being deleted"):
            proton.environment(wait=False)
        assert proton.outputs("env")["Size"] == "small"
    proton.gone_environment("env")
    assert proton.environment()["deploymentStatus"] == "SUCCEEDED"


WRONG_SPECS = [
    ("", "."),
    ("proton: [", r"spec:\d+:\d+.*YAML"),
    ("- a\n- b\n", "spec"),
    ("just text", "spec"),
    ("spec: {name: abc}\n", "proton"),
    ("proton: ServiceSpec\nspec: {name: abc}\n", "EnvironmentSpec"),
    ("proton: environmentspec\nspec: {name: abc}\n", "EnvironmentSpec"),
    ("proton: EnvironmentSpec\n", "spec"),
    ("proton: EnvironmentSpec\nspec: [name]\n", "spec"),
    (environment_spec(), r"name.*(required|missing)|required.*name"),
    (environment_spec(name="a"), "name"),
    (environment_spec(name="abcdef"), "name"),
    (environment_spec(name="ABC"), "name"),
    (environment_spec(name=123), "name.*string"),
    (environment_spec(name=None), "name"),
    (environment_spec(name="abc", size="huge"), "size.*(small|large)"),
    (environment_spec(name="abc", count=0), "count"),
    (environment_spec(name="abc", count=10), "count"),
    (environment_spec(name="abc", count="many"), "count.*integer"),
    (environment_spec(name="abc", count=1.5), "count"),
    (environment_spec(name="abc", flag="yes please"), "flag.*boolean"),
    (environment_spec(name="abc", zones="a"), "zones"),
    (environment_spec(name="abc", zones=["a", {"b": 1}]), "zones"),
    (environment_spec(name="abc", net={"ttl": "long"}), "ttl"),
    ('proton: EnvironmentSpec\nspec: {name: "${Proton::CURRENT_VAL}"}\n', "CURRENT_VAL"),
]


def test_specs_are_checked_before_anything_is_made(proton):
    bundle = small(schema=schema_of(RICH, more=", required: [name]"), template=SHOWS)
    proton.environment_template(bundle=bundle)
    for spec, message in WRONG_SPECS:
        with invalid(f"(?s){message}"):
            proton.environment(spec=spec, wait=False) if spec else proton.unchecked().create_environment(
                name="env", templateName="env", templateMajorVersion="1", spec=spec, protonServiceRoleArn=proton.role
            )
    assert proton.client.list_environments()["environments"] == []
    assert proton.client.list_deployments()["deployments"] == []
    assert proton.environment(spec=environment_spec(name="abc", unknown="ignored", net={"ttl": 1.5, "more": 1}))["deploymentStatus"] == "SUCCEEDED"
    assert proton.outputs("env") == {"Size": "small", "Count": "2", "Name": "abc", "Zones": "a+b", "Account": proton.account}
    # The text is kept as it was given.
    assert "unknown" in proton.client.get_environment(name="env")["environment"]["spec"]
    with invalid("name"):
        proton.update_environment(spec=environment_spec(name="ABC"), wait=False)
    proton.update_environment(spec='proton: EnvironmentSpec\nspec: {name: "${Proton::CURRENT_VAL}", count: 9}\n')
    assert (proton.outputs("env")["Name"], proton.outputs("env")["Count"]) == ("abc", "9")


def test_unknown_inputs_can_be_forbidden_and_defaults_left_out(proton):
    strict = small(schema=schema_of({"size": {"type": "string", "default": "small"}}, more=", additionalProperties: false"))
    proton.environment_template(bundle=strict)
    with invalid("unknown"):
        proton.environment(spec=environment_spec(unknown="x"))
    # All defaults: the spec may be empty.
    for at, spec in enumerate(("proton: EnvironmentSpec\nspec: {}\n", "proton: EnvironmentSpec\nspec:\n")):
        assert proton.environment(f"env{at}", spec=spec)["deploymentStatus"] == "SUCCEEDED"
        assert proton.outputs(f"env{at}")["Size"] == "small"


def test_large_and_hostile_specs(proton):
    proton.environment_template()
    filler = environment_spec(size="big") + "# " + "é" * 51_200
    assert proton.environment(spec=filler[:51_200])["deploymentStatus"] == "SUCCEEDED"
    with invalid("spec"):
        proton.environment("other", spec=filler[:51_201])
    laughs = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    began = time.monotonic()
    for spec in (laughs + environment_spec(), "proton: EnvironmentSpec\nspec: " + "[" * 50_000, "proton: EnvironmentSpec\nspec: &a {x: *a}\n", "{" * 51_200, "\0", "!!python/object:os.system {}\n", "a: b: c: d\n"):
        with invalid("spec"):
            proton.environment("other", spec=spec, wait=False)
    assert time.monotonic() - began < 10
    anchors = 'proton: EnvironmentSpec\nspec: {unused: &size "from an anchor", size: *size}\n'
    proton.update_environment(spec=anchors)
    assert proton.outputs("env")["Size"] == "from an anchor"
    # What looks like a template in a value stays a value.
    proton.update_environment(spec=environment_spec(size="${x} it's 100% fine & <ok>"))
    assert proton.outputs("env")["Size"] == "${x} it's 100% fine & <ok>"


def test_who_provisions_is_told_by_the_template(proton):
    """CloudFormation takes a role or a connection, Terraform a repository, CodeBuild a role of its own."""
    spec = environment_spec(vpc_cidr="10.0.0.0/16")
    for engine in ("cloudformation", "terraform", "codebuild"):
        proton.environment_template(engine, starter(f"environment-{engine}"))
    proton.repository()
    unlinked = {**REPOSITORY, "name": "not/linked"}
    create = lambda **more: proton.client.create_environment(name="env", templateMajorVersion="1", spec=spec, **more)["environment"]  # noqa: E731
    role, connection = proton.role, "12345678-1234-1234-1234-123456789012"
    for template, more in [
        ("cloudformation", {}),
        ("cloudformation", {"provisioningRepository": REPOSITORY}),
        ("cloudformation", {"protonServiceRoleArn": role, "provisioningRepository": REPOSITORY}),
        ("cloudformation", {"protonServiceRoleArn": role, "environmentAccountConnectionId": connection}),
        ("cloudformation", {"codebuildRoleArn": role}),
        ("terraform", {}),
        ("terraform", {"protonServiceRoleArn": role}),
        ("terraform", {"protonServiceRoleArn": role, "provisioningRepository": REPOSITORY}),
        ("terraform", {"provisioningRepository": unlinked}),
        ("codebuild", {}),
        ("codebuild", {"protonServiceRoleArn": role}),
        ("codebuild", {"codebuildRoleArn": role, "provisioningRepository": REPOSITORY}),
    ]:
        with invalid():
            create(templateName=template, **more)
    with missing(connection):
        create(templateName="cloudformation", environmentAccountConnectionId=connection)
    made = create(templateName="terraform", provisioningRepository=REPOSITORY)
    assert made["provisioningRepository"] == {**REPOSITORY, "arn": f"arn:aws:proton:eu-west-1:{proton.account}:repository/github:acme/infra"}
    assert "protonServiceRoleArn" not in made
    with conflict("in use by environment env"):
        proton.client.delete_repository(provider="GITHUB", name="acme/infra")


def other_account(proton, name="env", accept=True, **roles):
    """An environment account, and the id of its connection for an environment of `proton`."""
    other = Proton(proton.server)
    roles = {"roleArn": other.role, **roles}
    connection = other.client.create_environment_account_connection(managementAccountId=proton.account, environmentName=name, **roles)
    id = connection["environmentAccountConnection"]["id"]
    if accept:
        proton.client.accept_environment_account_connection(id=id)
    return other, id


def test_the_way_of_provisioning_never_changes(proton):
    proton.environment_template()
    proton.environment_template("terraform", starter("environment-terraform"))
    proton.repository()
    _, connection = other_account(proton, "connected")
    proton.environment("role")
    proton.environment("connected", environmentAccountConnectionId=connection)
    proton.environment("repository", "terraform", environment_spec(vpc_cidr="10.0.0.0/16"), provisioningRepository=REPOSITORY, wait=False)
    arn = proton.client.get_environment(name="repository")["environment"]["arn"]
    proton.client.notify_resource_deployment_status_change(resourceArn=arn, status="SUCCEEDED")
    _, for_role = other_account(proton, "role")
    _, for_repository = other_account(proton, "repository")
    other_role = proton.role + "2"
    for deployment_type in ("NONE", "CURRENT_VERSION"):
        for name, more in [
            ("role", {"environmentAccountConnectionId": for_role}),
            ("role", {"provisioningRepository": REPOSITORY}),
            ("role", {"protonServiceRoleArn": other_role, "environmentAccountConnectionId": for_role}),
            ("connected", {"protonServiceRoleArn": other_role}),
            ("connected", {"provisioningRepository": REPOSITORY}),
            ("connected", {"protonServiceRoleArn": other_role, "environmentAccountConnectionId": connection}),
            ("repository", {"protonServiceRoleArn": other_role}),
            ("repository", {"environmentAccountConnectionId": for_repository}),
            ("repository", {"provisioningRepository": {**REPOSITORY, "name": "not/linked"}}),
        ]:
            with invalid():
                proton.update_environment(name, deployment_type, wait=False, **more)
    # What stays within the way is changed.
    changed = proton.update_environment("role", "NONE", protonServiceRoleArn=other_role, componentRoleArn=proton.role, codebuildRoleArn=proton.role)
    assert (changed["protonServiceRoleArn"], changed["componentRoleArn"], changed["codebuildRoleArn"]) == (other_role, proton.role, proton.role)
    changed = proton.update_environment("repository", "NONE", provisioningRepository={**REPOSITORY, "branch": "other"})
    assert changed["provisioningRepository"]["branch"] == "other"


def test_customer_managed_environments_are_their_spec(proton):
    schema = {"schema/schema.yaml": schema_of({"vpc": {"type": "string"}, "zone": {"type": "string"}}, more=", required: [vpc]")}
    proton.environment_template(bundle={"schema/schema.yaml": schema["schema/schema.yaml"].encode()}, template_options={"provisioning": "CUSTOMER_MANAGED"})
    with invalid("vpc"):
        proton.environment(wait=False)
    environment = proton.client.create_environment(name="env", templateName="env", templateMajorVersion="1", spec=environment_spec(vpc="vpc-1"))["environment"]
    assert environment["provisioning"] == "CUSTOMER_MANAGED"
    environment = proton.settled_environment("env")
    assert environment["deploymentStatus"] == "SUCCEEDED"
    assert proton.outputs("env") == {"vpc": "vpc-1"}
    assert proton.client.list_environment_provisioned_resources(environmentName="env")["provisionedResources"] == []
    assert proton.of("cloudformation").list_stacks()["StackSummaries"] == []
    proton.update_environment(spec=environment_spec(vpc="vpc-2", zone="a"))
    assert proton.outputs("env") == {"vpc": "vpc-2", "zone": "a"}
    assert proton.outputs("env", deploymentId=environment["lastSucceededDeploymentId"]) == {"vpc": "vpc-1"}
    with invalid("customer-managed"):
        proton.client.notify_resource_deployment_status_change(resourceArn=environment["arn"], status="SUCCEEDED")
    proton.client.delete_environment(name="env")
    proton.gone_environment("env")


def test_failures_are_told_and_taken_back(proton):
    proton.s3.create_bucket(Bucket=f"taken-{proton.account}", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    bucket = SMALL.replace("Outputs:", '  Bucket: {Type: AWS::S3::Bucket, Properties: {BucketName: "{{ environment.inputs.size }}"}}\nOutputs:')
    proton.environment_template(bundle=small(template=bucket))
    proton.environment_template("undefined", small(template=SMALL + '  More: {Value: "{{ environment.inputs.nothing }}"}\n'))
    taken, free = environment_spec(size=f"taken-{proton.account}"), environment_spec(size=f"free-{proton.account}")

    failed = proton.environment("undefined", "undefined")
    assert failed["deploymentStatus"] == "FAILED"
    assert "infrastructure/cloudformation.yaml:8:" in failed["deploymentStatusMessage"] and "environment.inputs.nothing" in failed["deploymentStatusMessage"]
    assert "lastSucceededDeploymentId" not in failed
    with pytest.raises(WaiterError):
        proton.client.get_waiter("environment_deployed").wait(name="undefined", WaiterConfig=QUICK)
    deployment = proton.client.get_deployment(id=failed["lastAttemptedDeploymentId"])["deployment"]
    assert (deployment["deploymentStatus"], deployment["deploymentStatusMessage"]) == ("FAILED", failed["deploymentStatusMessage"])
    proton.client.delete_environment(name="undefined")
    proton.gone_environment("undefined")

    failed = proton.environment(spec=taken)
    assert failed["deploymentStatus"] == "FAILED" and "Bucket" in failed["deploymentStatusMessage"]
    assert proton.outputs("env") == {}
    # A failed environment can be updated …
    assert proton.update_environment(spec=free)["deploymentStatus"] == "SUCCEEDED"
    good = proton.outputs("env")
    # … and one whose update has failed keeps what it had.
    failed = proton.update_environment(spec=taken)
    assert failed["deploymentStatus"] == "FAILED" and failed["spec"] == free
    assert failed["lastSucceededDeploymentId"] != failed["lastAttemptedDeploymentId"]
    assert proton.outputs("env") == good
    proton.s3.head_bucket(Bucket=f"free-{proton.account}")
    assert proton.update_environment()["deploymentStatus"] == "SUCCEEDED"
    # A deletion that fails can be asked for again.
    proton.s3.put_object(Bucket=f"free-{proton.account}", Key="left-over", Body=b"x")
    proton.client.delete_environment(name="env")
    failed = proton.settled_environment("env")
    assert failed["deploymentStatus"] == "DELETE_FAILED" and "Bucket" in failed["deploymentStatusMessage"]
    proton.s3.delete_object(Bucket=f"free-{proton.account}", Key="left-over")
    proton.client.delete_environment(name="env")
    proton.gone_environment("env")


def test_updates_by_every_type_of_deployment(proton):
    versions(proton)
    environment = proton.environment(templateMinorVersion="0", description="first")
    first = environment["lastAttemptedDeploymentId"]
    runs = lambda: len(proton.client.list_deployments(environmentName="env")["deployments"])  # noqa: E731
    number = lambda found: f"{found['templateMajorVersion']}.{found['templateMinorVersion']}"  # noqa: E731
    assert number(environment) == "1.0" and proton.outputs("env")["Version"] == "1.0"

    # NONE: no deployment, and nothing that would need one.
    for more in ({"spec": environment_spec()}, {"templateMajorVersion": "1"}, {"templateMinorVersion": "1"}):
        with invalid():
            proton.update_environment(deployment_type="NONE", wait=False, **more)
    changed = proton.update_environment(deployment_type="NONE", description="second", wait=False)
    assert (changed["description"], changed["deploymentStatus"], changed["lastAttemptedDeploymentId"]) == ("second", "SUCCEEDED", first)
    assert runs() == 1

    # CURRENT_VERSION: the spec that is given, or the one that is there.
    for more in ({"templateMajorVersion": "1"}, {"templateMinorVersion": "0"}, {"templateMajorVersion": "1", "templateMinorVersion": "0"}):
        with invalid("CURRENT_VERSION"):
            proton.update_environment(wait=False, **more)
    updating = proton.update_environment(spec=environment_spec(size="large"), wait=False)
    assert updating["deploymentStatus"] == "IN_PROGRESS" and updating["lastSucceededDeploymentId"] == first
    assert number(proton.settled_environment("env")) == "1.0" and proton.outputs("env")["Size"] == "large"
    environment = proton.update_environment()
    assert environment["spec"] == environment_spec(size="large") and runs() == 3

    # MINOR_VERSION: the recommended one, or any that is published.
    with invalid("major version stays"):
        proton.update_environment(deployment_type="MINOR_VERSION", templateMajorVersion="2", wait=False)
    with invalid("not published"):
        proton.update_environment(deployment_type="MINOR_VERSION", templateMinorVersion="3", wait=False)
    with missing():
        proton.update_environment(deployment_type="MINOR_VERSION", templateMinorVersion="9", wait=False)
    environment = proton.update_environment(deployment_type="MINOR_VERSION", templateMajorVersion="1", templateMinorVersion="1")
    assert number(environment) == "1.1" and proton.outputs("env")["Version"] == "1.1"
    updating = proton.update_environment(deployment_type="MINOR_VERSION", wait=False)
    assert number(updating) == "1.1"
    target = proton.client.get_deployment(id=updating["lastAttemptedDeploymentId"])["deployment"]
    assert target["targetState"]["environment"]["templateMinorVersion"] == "2"
    assert target["initialState"]["environment"]["templateMinorVersion"] == "1"
    assert number(proton.settled_environment("env")) == "1.2"
    assert number(proton.update_environment(deployment_type="MINOR_VERSION", templateMinorVersion="0")) == "1.0"

    # MAJOR_VERSION: only up; the new major asks for an input more.
    for major in ("1", "0"):
        with invalid("above 1"):
            proton.update_environment(deployment_type="MAJOR_VERSION", templateMajorVersion=major, wait=False)
    with invalid("no published"):
        proton.update_environment(deployment_type="MAJOR_VERSION", templateMajorVersion="3", wait=False)
    with missing():
        proton.update_environment(deployment_type="MAJOR_VERSION", templateMajorVersion="9", wait=False)
    with invalid("zone"):
        proton.update_environment(deployment_type="MAJOR_VERSION", wait=False)
    with invalid("zone"):
        proton.update_environment(deployment_type="MAJOR_VERSION", templateMajorVersion="2", templateMinorVersion="0", wait=False)
    environment = proton.update_environment(deployment_type="MAJOR_VERSION", spec=environment_spec(zone="a"))
    assert number(environment) == "2.0" and proton.outputs("env")["Version"] == "2.0" and proton.outputs("env")["Size"] == "two"
    with invalid("above 2"):
        proton.update_environment(deployment_type="MAJOR_VERSION", wait=False)
    with invalid("deploymentType"):
        proton.unchecked().update_environment(name="env", deploymentType="ANY")
    # An update that fails leaves the version alone.
    failing = small(template=SMALL + '  More: {Value: "{{ environment.inputs.nothing }}"}\n', schema=schema_of({"zone": {"type": "string"}, "size": {"type": "string", "default": "two"}}, more=", required: [zone]"))
    proton.environment_template(bundle=failing, majorVersion="2")
    environment = proton.update_environment(deployment_type="MINOR_VERSION")
    assert (environment["deploymentStatus"], number(environment)) == ("FAILED", "2.0")


def terraform_environment(proton, name="env", settle="SUCCEEDED"):
    """One that waits for its automation, and so is in progress as long as a test wants."""
    try:
        proton.client.get_environment_template(name="terraform")
    except proton.client.exceptions.ResourceNotFoundException:
        proton.environment_template("terraform", starter("environment-terraform"))
        proton.repository()
    made = proton.environment(name, "terraform", environment_spec(vpc_cidr="10.0.0.0/16"), provisioningRepository=REPOSITORY, wait=False)
    if settle:
        notify(proton, made["arn"], settle, VpcId="vpc-1")
    return made


def notify(proton, arn, status=None, **outputs):
    listed = [{"key": key, "valueString": value} for key, value in outputs.items()]
    more = {"status": status} if status else {}
    proton.client.notify_resource_deployment_status_change(resourceArn=arn, outputs=listed, **more)


def test_busy_environments_refuse_everything_else(proton):
    made = terraform_environment(proton, settle=None)
    for do in (
        lambda: proton.update_environment(wait=False),
        lambda: proton.update_environment(deployment_type="NONE", description="x", wait=False),
        lambda: proton.client.delete_environment(name="env"),
    ):
        with conflict("IN_PROGRESS"):
            do()
    notify(proton, made["arn"], "SUCCEEDED", VpcId="vpc-1")
    assert proton.client.get_environment(name="env")["environment"]["deploymentStatus"] == "SUCCEEDED"
    assert proton.outputs("env") == {"VpcId": "vpc-1"}
    proton.update_environment(wait=False)
    notify(proton, made["arn"], "FAILED")
    environment = proton.client.get_environment(name="env")["environment"]
    assert environment["deploymentStatus"] == "FAILED" and proton.outputs("env") == {"VpcId": "vpc-1"}
    # One of many updates at the same moment wins.
    results = []

    def update():
        try:
            results.append(proton.update_environment(wait=False)["deploymentStatus"])
        except proton.client.exceptions.ConflictException:
            results.append("conflict")

    threads = [threading.Thread(target=update) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["IN_PROGRESS"] + ["conflict"] * 19
    notify(proton, made["arn"], "SUCCEEDED")


def test_cancelling(proton):
    # The first deployment: nothing is there afterwards.
    terraform_environment(proton, "first", settle=None)
    assert proton.client.cancel_environment_deployment(environmentName="first")["environment"]["deploymentStatus"] == "CANCELLING"
    cancelled = proton.settled_environment("first")
    assert (cancelled["deploymentStatus"], cancelled["deploymentStatusMessage"]) == ("CANCELLED", "User initiated cancellation.")
    assert proton.outputs("first") == {} and "lastSucceededDeploymentId" not in cancelled
    proton.client.delete_environment(name="first")
    proton.gone_environment("first")

    # An update: what was there stays.
    made = terraform_environment(proton)
    before = proton.client.get_environment(name="env")["environment"]
    proton.environment_template("terraform", starter("environment-terraform"), majorVersion="1")
    proton.update_environment(deployment_type="MINOR_VERSION", spec=environment_spec(vpc_cidr="10.9.0.0/16"), wait=False)
    notify(proton, made["arn"], VpcId="vpc-half-way")
    proton.client.cancel_environment_deployment(environmentName="env")
    after = proton.settled_environment("env")
    assert (after["deploymentStatus"], after["deploymentStatusMessage"]) == ("CANCELLED", "User initiated cancellation.")
    for member in ("spec", "templateMinorVersion", "lastSucceededDeploymentId", "lastDeploymentSucceededAt"):
        assert after[member] == before[member], member
    assert proton.outputs("env") == {"VpcId": "vpc-1"}
    deployment = proton.client.get_deployment(id=after["lastAttemptedDeploymentId"])["deployment"]
    assert deployment["deploymentStatus"] == "CANCELLED" and deployment["completedAt"] >= deployment["createdAt"]
    # There is nothing to cancel now, and a late automation changes nothing.
    with conflict("no deployment in progress"):
        proton.client.cancel_environment_deployment(environmentName="env")
    with conflict("no deployment in progress"):
        notify(proton, made["arn"], "SUCCEEDED", VpcId="too-late")
    assert proton.outputs("env")["VpcId"] == "vpc-1"
    # A cancelled environment goes on like any other.
    proton.update_environment(deployment_type="MINOR_VERSION", wait=False)
    notify(proton, made["arn"], "SUCCEEDED", VpcId="vpc-2")
    after = proton.client.get_environment(name="env")["environment"]
    assert (after["deploymentStatus"], after["templateMinorVersion"]) == ("SUCCEEDED", "1")
    with conflict("no deployment in progress"):
        proton.client.cancel_environment_deployment(environmentName="env")
    with missing("none"):
        proton.client.cancel_environment_deployment(environmentName="none")


def test_cancelling_before_a_stack_is_touched(proton):
    versions(proton)
    proton.environment(templateMinorVersion="0")
    stacks = proton.of("cloudformation")
    (resource,) = proton.client.list_environment_provisioned_resources(environmentName="env")["provisionedResources"]
    before = stacks.describe_stacks(StackName=resource["name"])["Stacks"]
    with proton.waiting():
        proton.update_environment(deployment_type="MINOR_VERSION", spec=environment_spec(size="large"), wait=False)
        proton.environment("first", wait=False)
        for name in ("env", "first"):
            cancelling = proton.client.cancel_environment_deployment(environmentName=name)["environment"]
            assert cancelling["deploymentStatus"] == "CANCELLING"
        for name in ("env", "first"):
            cancelled = proton.settled_environment(name)
            assert (cancelled["deploymentStatus"], cancelled["deploymentStatusMessage"]) == ("CANCELLED", "User initiated cancellation.")
    assert len(stacks.describe_stacks()["Stacks"]) == 1
    assert stacks.describe_stacks(StackName=resource["name"])["Stacks"] == before
    assert proton.outputs("env") == {**proton.outputs("env"), "Size": "small", "Version": "1.0"} and proton.outputs("first") == {}
    # The name of one that was never made is free after its deletion.
    proton.client.delete_environment(name="first")
    proton.gone_environment("first")
    assert proton.environment("first")["deploymentStatus"] == "SUCCEEDED"


def test_cancelling_while_a_stack_is_in_work(proton):
    versions(proton)
    proton.environment(templateMinorVersion="0")
    before, shown = proton.client.get_environment(name="env")["environment"], proton.outputs("env")
    stacks = proton.of("cloudformation")
    listed = lambda: {stack["StackName"]: stack["StackStatus"] for stack in stacks.describe_stacks()["Stacks"]}  # noqa: E731
    (resource,) = proton.client.list_environment_provisioned_resources(environmentName="env")["provisionedResources"]
    with proton.slow() as advance:
        proton.update_environment(deployment_type="MINOR_VERSION", spec=environment_spec(size="large"), wait=False)
        proton.environment("first", wait=False)
        for now in polled(listed):
            if sorted(now.values()) == ["CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"]:
                break
        for name in ("env", "first"):
            assert proton.client.get_environment(name=name)["environment"]["deploymentStatus"] == "IN_PROGRESS"
            proton.client.cancel_environment_deployment(environmentName=name)
        for name in ("env", "first"):
            for found in polled(lambda: proton.client.get_environment(name=name)["environment"]):  # noqa: B023
                if found["deploymentStatus"] != "CANCELLING":
                    break
                advance("5s")
            assert (found["deploymentStatus"], found["deploymentStatusMessage"]) == ("CANCELLED", "User initiated cancellation.")
    after = proton.client.get_environment(name="env")["environment"]
    for member in ("spec", "templateMinorVersion", "lastSucceededDeploymentId"):
        assert after[member] == before[member], member
    assert proton.outputs("env") == shown and proton.outputs("first") == {}
    assert listed()[resource["name"]] == "UPDATE_ROLLBACK_COMPLETE"
    # What was made of the other is taken away, at the latest with the environment.
    proton.client.delete_environment(name="first")
    proton.gone_environment("first")
    assert set(listed()) == {resource["name"]}
    assert proton.update_environment(spec=environment_spec(size="last"))["deploymentStatus"] == "SUCCEEDED"
    assert proton.outputs("env")["Size"] == "last"


def test_cancelling_stacks_at_any_moment_ends_whole(proton):
    """Whether it comes in time or too late: status, version, spec and outputs agree."""
    versions(proton)
    proton.environment(templateMinorVersion="0")
    ends = set()
    for pause in (0, 0, 0.005, 0.02, 0.05, 0.1, 0.3):
        before = proton.client.get_environment(name="env")["environment"]
        size = f"after {pause} {before['lastAttemptedDeploymentId']}"
        minor = "1" if before["templateMinorVersion"] == "0" else "0"
        shown = proton.outputs("env")
        proton.update_environment(deployment_type="MINOR_VERSION", templateMinorVersion=minor, spec=environment_spec(size=size), wait=False)
        time.sleep(pause)
        try:
            proton.client.cancel_environment_deployment(environmentName="env")
        except proton.client.exceptions.ConflictException:
            pass
        after = proton.settled_environment("env")
        ends.add(after["deploymentStatus"])
        if after["deploymentStatus"] == "SUCCEEDED":
            assert proton.outputs("env")["Size"] == size and proton.outputs("env")["Version"] == f"1.{minor}"
            assert after["templateMinorVersion"] == minor and after["spec"] == environment_spec(size=size)
        else:
            assert after["deploymentStatus"] == "CANCELLED" and after["deploymentStatusMessage"] == "User initiated cancellation."
            assert proton.outputs("env") == shown
            assert after["templateMinorVersion"] == before["templateMinorVersion"] and after["spec"] == before["spec"]
    # Whatever became of it, the stack takes the next update.
    assert proton.update_environment(spec=environment_spec(size="last"))["deploymentStatus"] == "SUCCEEDED"
    assert proton.outputs("env")["Size"] == "last"
    assert ends <= {"SUCCEEDED", "CANCELLED"}


def test_instances_and_components_stand_in_the_way_of_deletion(proton):
    proton.environment_template()
    proton.environment(componentRoleArn=proton.role)
    proton.environment("other", componentRoleArn=proton.role)
    proton.bare_service_template(supportedComponentSources=["DIRECTLY_DEFINED"])
    assert proton.service(spec=service_spec({"one": ("env", {})}))["status"] == "ACTIVE"
    with conflict("service-instance/one"):
        proton.client.delete_environment(name="env")
    proton.client.delete_service(name="svc")
    proton.client.get_waiter("service_deleted").wait(name="svc", WaiterConfig=QUICK)
    files = starter("component-cloudformation")
    proton.client.create_component(name="part", environmentName="env", templateFile=files["cloudformation.yaml"].decode(), manifest=files["manifest.yaml"].decode())
    assert proton.settled_component("part")["deploymentStatus"] == "SUCCEEDED"
    with conflict("component part"):
        proton.client.delete_environment(name="env")
    proton.client.delete_component(name="part")
    proton.client.get_waiter("component_deleted").wait(name="part", WaiterConfig=QUICK)
    proton.client.delete_environment(name="env")
    proton.gone_environment("env")
    with invalid("env"):
        proton.service(spec=service_spec({"one": ("env", {})}))


def test_an_environment_is_not_deleted_while_a_service_is_made_in_it(proton):
    proton.environment_template()
    proton.bare_service_template()
    for round in range(5):
        name = f"env{round}"
        proton.environment(name)
        results = [None, None]
        gate = threading.Barrier(2)

        def run(at, do, gate=gate, results=results):
            gate.wait()
            try:
                results[at] = do()
            except Exception as error:  # noqa: BLE001
                results[at] = error

        spec = service_spec({"one": (name, {})})
        threads = [
            threading.Thread(target=run, args=(0, lambda: proton.service(f"svc{round}", spec=spec, wait=False))),
            threading.Thread(target=run, args=(1, lambda: proton.client.delete_environment(name=name))),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert isinstance(results[0], dict) != isinstance(results[1], dict), results
        if isinstance(results[0], dict):
            assert proton.settled_service(f"svc{round}")["status"] == "ACTIVE"


def test_creates_are_idempotent_without_a_token(proton):
    proton.environment_template()
    made = proton.environment(description="d", tags=[{"key": "a", "value": "b"}])
    again = proton.environment(tags=[{"key": "a", "value": "b"}], description="d", wait=False)
    assert again == made
    assert len(proton.client.list_deployments()["deployments"]) == 1
    for other in ({}, {"description": "e", "tags": [{"key": "a", "value": "b"}]}, {"description": "d", "tags": [{"key": "a", "value": "b"}], "spec": environment_spec(size="x")}):
        with invalid("IdempotentParameterMismatch"):
            proton.environment(wait=False, **other)
    proton.update_environment(deployment_type="NONE", description="e")
    with conflict("modified"):
        proton.environment(description="d", tags=[{"key": "a", "value": "b"}], wait=False)
    results = []
    threads = [threading.Thread(target=lambda: results.append(proton.environment("many", wait=False)["arn"])) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [f"arn:aws:proton:eu-west-1:{proton.account}:environment/many"] * 30
    proton.settled_environment("many")
    assert len(proton.client.list_deployments(environmentName="many")["deployments"]) == 1


def test_lists_are_filtered_and_have_pages(proton):
    versions(proton, "a")
    proton.environment_template("b")
    for number in range(3):
        proton.environment(f"a{number}", "a", wait=False)
    proton.environment("big", "a", major="2", spec=environment_spec(zone="z"), wait=False)
    proton.environment("b0", "b", wait=False)
    names = lambda **more: [environment["name"] for environment in proton.client.list_environments(**more)["environments"]]  # noqa: E731
    both = lambda template, major: {"templateName": template, "majorVersion": major}  # noqa: E731
    assert names() == ["b0", "big", "a2", "a1", "a0"]
    assert names(environmentTemplates=[both("a", "1")]) == ["a2", "a1", "a0"]
    assert names(environmentTemplates=[both("a", "2"), both("b", "1")]) == ["b0", "big"]
    assert names(environmentTemplates=[both("a", "9"), both("none", "1")]) == []
    assert names(environmentTemplates=[]) == names()
    first = proton.client.list_environments(environmentTemplates=[both("a", "1")], maxResults=2)
    second = proton.client.list_environments(environmentTemplates=[both("a", "1")], maxResults=2, nextToken=first["nextToken"])
    assert [environment["name"] for environment in second["environments"]] == ["a0"] and "nextToken" not in second
    with invalid("nextToken"):
        proton.client.list_environments(environmentTemplates=[both("a", "2")], nextToken=first["nextToken"])
    for environment in names():
        proton.settled_environment(environment)
        assert len(proton.client.list_deployments(environmentName=environment)["deployments"]) == 1


def test_the_environment_of_another_account(proton):
    shows = SMALL + '  Account: {Value: "{{ environment.account_id }}"}\n  Owner: {Value: !Ref AWS::AccountId}\n'
    proton.environment_template(bundle=small(template=shows))
    other, pending = other_account(proton, accept=False)
    with invalid("PENDING"):
        proton.environment(environmentAccountConnectionId=pending)
    proton.client.accept_environment_account_connection(id=pending)
    with invalid("environment env"):
        proton.environment("elsewhere", environmentAccountConnectionId=pending)
    stranger = Proton(proton.server)
    stranger.environment_template()
    with missing():
        stranger.environment(environmentAccountConnectionId=pending)
    environment = proton.environment(environmentAccountConnectionId=pending)
    assert environment["deploymentStatus"] == "SUCCEEDED", environment
    assert (environment["environmentAccountId"], environment["environmentAccountConnectionId"]) == (other.account, pending)
    assert "protonServiceRoleArn" not in environment
    outputs = proton.outputs("env")
    assert outputs["Account"] == outputs["Owner"] == other.account
    # The infrastructure is there, and not here.
    (resource,) = proton.client.list_environment_provisioned_resources(environmentName="env")["provisionedResources"]
    (stack,) = other.of("cloudformation").describe_stacks(StackName=resource["name"])["Stacks"]
    assert stack["RoleARN"] == other.role
    assert proton.of("cloudformation").list_stacks()["StackSummaries"] == []
    assert outputs["Topic"] in [topic["TopicArn"] for topic in other.of("sns").list_topics()["Topics"]]
    # A connection in use is not rejected; without it the environment stays, and cannot be deployed.
    with conflict("in use by environment env"):
        proton.client.reject_environment_account_connection(id=pending)
    other.client.delete_environment_account_connection(id=pending)
    assert proton.client.get_environment(name="env")["environment"]["deploymentStatus"] == "SUCCEEDED"
    failed = proton.update_environment()
    assert failed["deploymentStatus"] == "FAILED" and "connection" in failed["deploymentStatusMessage"]
    # Another of the same account for the same name takes its place, of another account does not.
    _, wrong = other_account(proton)
    with invalid("another environment account"):
        proton.update_environment(environmentAccountConnectionId=wrong, wait=False)
    again = other.client.create_environment_account_connection(managementAccountId=proton.account, environmentName="env", roleArn=other.role)["environmentAccountConnection"]["id"]
    with invalid("PENDING"):
        proton.update_environment(environmentAccountConnectionId=again, wait=False)
    proton.client.accept_environment_account_connection(id=again)
    assert proton.update_environment(environmentAccountConnectionId=again)["deploymentStatus"] == "SUCCEEDED"
    proton.client.delete_environment(name="env")
    proton.gone_environment("env")
    proton.client.reject_environment_account_connection(id=again)


def test_a_hundred_environments_are_the_limit(proton):
    schema = {"schema/schema.yaml": schema_of({"a": {"type": "string"}}).encode()}
    proton.environment_template(bundle=schema, template_options={"provisioning": "CUSTOMER_MANAGED"})
    create = lambda name: proton.client.create_environment(name=name, templateName="env", templateMajorVersion="1", spec=environment_spec(a="x"))  # noqa: E731
    for number in range(100):
        create(f"env{number}")
    with over_quota("100"):
        create("one-too-many")
    # The same again is no other.
    create("env7")
    proton.settled_environment("env99")


def test_a_killed_server_goes_on_where_it_was(tmp_path):
    folder = tmp_path / "data"
    with Standin("--log", "warn", "--data-dir", str(folder)) as server:
        proton = Proton(server)
        versions(proton)
        proton.environment("done", spec=environment_spec(size="large"), tags=[{"key": "a", "value": "b"}])
        terraform_environment(proton, "waiting", settle=None)
        terraform_environment(proton, "cancelled", settle=None)
        source = proton.upload(small())
        known = proton.client.get_environment(name="done")["environment"]
        # All of this is under way when the server is killed.
        proton.client.cancel_environment_deployment(environmentName="cancelled")
        for number in range(5):
            proton.environment(f"begun{number}", wait=False)
        proton.update_environment("done", "MINOR_VERSION", templateMinorVersion="0", wait=False)
        proton.template("environment", "late")
        for _ in range(5):
            proton.client.create_environment_template_version(templateName="late", source=source)
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
    with Standin("--log", "warn", "--data-dir", str(folder)) as server:
        proton = Proton(server, proton.account)
        # A step that the killed server had begun is taken up when its lease has ended.
        clock(server, advance="2m")
        for major in range(1, 6):
            assert proton.registered("environment", "late", str(major), "0")["status"] == "DRAFT"
        for number in range(5):
            assert proton.settled_environment(f"begun{number}")["deploymentStatus"] == "SUCCEEDED"
            assert proton.outputs(f"begun{number}")["Version"] == "1.2"
        done = proton.settled_environment("done")
        assert (done["deploymentStatus"], done["templateMinorVersion"], done["createdAt"]) == ("SUCCEEDED", "0", known["createdAt"])
        assert proton.outputs("done")["Version"] == "1.0" and proton.tags(done["arn"])["a"] == "b"
        assert proton.settled_environment("cancelled")["deploymentStatus"] == "CANCELLED"
        waiting = proton.client.get_environment(name="waiting")["environment"]
        assert waiting["deploymentStatus"] == "IN_PROGRESS"
        notify(proton, waiting["arn"], "SUCCEEDED", VpcId="vpc-1")
        assert proton.settled_environment("waiting")["deploymentStatus"] == "SUCCEEDED"
        stacks = [stack for stack in proton.of("cloudformation").describe_stacks()["Stacks"]]
        assert len(stacks) == 6, [stack["StackName"] for stack in stacks]
        listed = raw(server, "ListDeployments", {}, account=proton.account)[2]["deployments"]
        assert len(listed) == 9 and json.dumps(listed).count("IN_PROGRESS") == 0
