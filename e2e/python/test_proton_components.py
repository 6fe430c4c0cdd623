"""Components of Proton through boto3: attached to service instances or on their own in an environment."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError, WaiterError


from proton_services import COMPONENT, Services, spec
from protons import MANIFEST, QUICK, conflict, environment_spec, invalid, missing, over_quota, schema_of, service_spec
from serve import Standin

ATTACHED = {"serviceName": "svc", "serviceInstanceName": "dev"}
DETACH = {"serviceName": "", "serviceInstanceName": ""}
CODEBUILD = """
infrastructure:
  templates:
    - rendering_engine: codebuild
      settings: {provision: ["a"], deprovision: ["b"]}
"""
TERRAFORM = MANIFEST.replace("jinja", "hcl").replace("cloudformation.yaml", "main.tf").replace("cloudformation", "terraform")


@pytest.fixture(scope="module")
def server():
    with Standin("--log", "warn") as running:
        yield running
        assert running.alive(), "the server died during the tests"


@pytest.fixture
def proton(server):
    return Services(server).ready()


def sized(text):
    return COMPONENT.replace("{{ component.name }} in {{ environment.name }}", text)


def test_what_a_component_needs(proton):
    """Checklist 128, 129, 130, 136."""
    client = proton.client
    proton.environment("bare")
    proton.active(service_spec({"dev": ("env", {}), "bare": ("bare", {})}, {}))
    for more in ({"serviceName": "svc"}, {"serviceInstanceName": "dev"}, {"serviceName": "svc", "environmentName": "env"}):
        with invalid("serviceName and serviceInstanceName go together"):
            proton.component(**more)
    with invalid("or environmentName, are needed"):
        proton.component()
    with missing("Environment none"):
        proton.component(environmentName="none")
    with missing("none of service svc"):
        proton.component(serviceName="svc", serviceInstanceName="none")
    proton.environment("env2", componentRoleArn=proton.role)
    with invalid("lives in the environment env"):
        proton.component(environmentName="env2", **ATTACHED)
    create = lambda manifest, **more: client.create_component(name="table", templateFile=COMPONENT, manifest=manifest, **more)  # noqa: E731
    with invalid("components cannot be provisioned by CodeBuild"):
        create(CODEBUILD, environmentName="env")
    with invalid("not provisioned from a repository"):
        create(TERRAFORM, environmentName="env")
    with invalid("manifest"):
        create("infrastructure: {}", environmentName="env")
    with invalid("manifest"):
        create(MANIFEST.replace("jinja", "mustache"), environmentName="env")
    with invalid("serviceSpec needs a service instance"):
        proton.component(environmentName="env", serviceSpec=spec("dev"))
    with invalid("The spec has no instance dev"):
        proton.component(serviceSpec=spec("prod"), **ATTACHED)
    with invalid("instances.dev.spec.size"):
        proton.component(serviceSpec=spec("dev", dev={"size": "huge"}), **ATTACHED)

    client.update_service_template_version(templateName="svc", majorVersion="1", minorVersion="0", supportedComponentSources=[])
    with invalid("1.0 of service template svc does not support directly defined components"):
        proton.component(**ATTACHED)
    client.update_service_template_version(templateName="svc", majorVersion="1", minorVersion="0", supportedComponentSources=["DIRECTLY_DEFINED"])
    for more in ({"serviceName": "svc", "serviceInstanceName": "bare"}, {"environmentName": "bare"}):
        with invalid("no componentRoleArn"):
            proton.component(**more)
    assert client.list_components()["components"] == []


def test_an_attached_component_flows_into_its_instance(proton):
    """Checklist 81, 115, 119, 131, 134."""
    client = proton.client
    proton.active(spec("dev", "prod", dev={"size": "medium"}), tags=[{"key": "team", "value": "web"}])
    assert proton.instance_outputs("dev")["Component"] == "none"
    runs = client.list_deployments(serviceName="svc")["deployments"]
    made = proton.component(wait=False, file=sized("{{ service.name }} {{ service_instance.name }} {{ service_instance.inputs.size }} {{ environment.outputs.Size }}"),
        description="d", tags=[{"key": "tier", "value": "data"}], clientToken="one", **ATTACHED)  # fmt: skip
    arn = f"arn:aws:proton:{proton.region}:{proton.account}:component/table"
    assert {key: made[key] for key in ("arn", "name", "description", "environmentName", "deploymentStatus", "lastClientRequestToken")} == {
        "arn": arn, "name": "table", "description": "d", "environmentName": "env", "deploymentStatus": "IN_PROGRESS", "lastClientRequestToken": "one",
    }  # fmt: skip
    assert not {"templateFile", "manifest"} & set(made)
    client.get_waiter("component_deployed").wait(name="table", WaiterConfig=QUICK)
    component = client.get_component(name="table")["component"]
    assert component["deploymentStatus"] == "SUCCEEDED" and {key: component[key] for key in ATTACHED} == ATTACHED
    assert {key: proton.tags(arn)[key] for key in ("tier", "aws:proton:environment", "aws:proton:component")} == {
        "tier": "data", "aws:proton:environment": f"arn:aws:proton:{proton.region}:{proton.account}:environment/env", "aws:proton:component": arn,
    }  # fmt: skip
    assert proton.outputs("table", "component") == {"Size": "svc dev medium small"}
    (stack,) = client.list_component_provisioned_resources(componentName="table")["provisionedResources"]
    assert stack["name"].startswith("AWSProton-component-table-")
    # Attaching deploys the component only; the instance sees it when it is deployed the next time.
    assert len(client.list_deployments(serviceName="svc")["deployments"]) == len(runs)
    assert proton.instance_outputs("dev")["Component"] == "none"
    proton.redeploy("dev")
    assert proton.instance_outputs("dev")["Component"] == "svc dev medium small"
    proton.redeploy("prod")
    assert proton.instance_outputs("prod")["Component"] == "none"
    record = client.get_deployment(id=proton.instance("dev")["lastSucceededDeploymentId"])["deployment"]
    assert record["targetState"]["serviceInstance"]["lastSuccessfulComponentDeploymentIds"] == [component["lastSucceededDeploymentId"]]

    with conflict("table is attached to service instance dev"):
        client.delete_component(name="table")
    with conflict("Component table is attached"):
        client.delete_service(name="svc")
    with conflict("Component table is attached"):
        client.update_service(name="svc", spec=spec("prod"))
    with conflict():
        client.delete_environment(name="env")
    with conflict("Component table is attached to service instance dev already"):
        proton.component("second", **ATTACHED)
    with conflict("table exists already"):
        proton.component(environmentName="env")
    again = proton.component(wait=False, file=sized("{{ service.name }} {{ service_instance.name }} {{ service_instance.inputs.size }} {{ environment.outputs.Size }}"),
        description="d", tags=[{"key": "tier", "value": "data"}], clientToken="one", **ATTACHED)  # fmt: skip
    assert again["lastAttemptedDeploymentId"] == component["lastAttemptedDeploymentId"]
    with invalid("IdempotentParameterMismatch"):
        proton.component(clientToken="one", **ATTACHED)

    # Detached, it is gone from the instance with the next deployment, and service and component can go; the environment last.
    assert proton.recomponent(**DETACH, templateFile=COMPONENT)["deploymentStatus"] == "SUCCEEDED"
    assert not set(ATTACHED) & set(client.get_component(name="table")["component"])
    assert proton.outputs("table", "component") == {"Size": "table in env"}
    proton.redeploy("dev")
    assert proton.instance_outputs("dev")["Component"] == "none"
    client.delete_service(name="svc")
    proton.gone_service()
    with conflict():
        client.delete_environment(name="env")
    assert client.delete_component(name="table")["component"]["deploymentStatus"] == "DELETE_IN_PROGRESS"
    client.get_waiter("component_deleted").wait(name="table", WaiterConfig=QUICK)
    with missing("Component table"):
        client.delete_component(name="table")
    client.delete_environment(name="env")
    proton.gone_environment("env")


def test_components_are_attached_and_detached(proton):
    """Checklist 132, 133."""
    client = proton.client
    proton.environment("env2", componentRoleArn=proton.role)
    proton.active(service_spec({"dev": ("env", {"size": "large"}), "prod": ("env", {}), "far": ("env2", {})}, {}))
    proton.component(environmentName="env")
    update = lambda **more: client.update_component(name="table", deploymentType="CURRENT_VERSION", **more)  # noqa: E731
    for more in ({"serviceName": "svc"}, {"serviceName": "", "serviceInstanceName": "dev"}, {"serviceName": "svc", "serviceInstanceName": ""}):
        with invalid("go together"):
            update(**more)
    with missing("none of service svc"):
        update(serviceName="svc", serviceInstanceName="none")
    with invalid("lives in the environment env, the instance does not"):
        update(serviceName="svc", serviceInstanceName="far")
    with invalid("serviceSpec needs a service instance"):
        update(serviceSpec=spec("dev"))
    with missing("Component none"):
        client.update_component(name="none", deploymentType="NONE")

    shown = sized("{{ service_instance.name }}:{{ service_instance.inputs.size }}")
    assert proton.recomponent(templateFile=shown, **ATTACHED)["deploymentStatus"] == "SUCCEEDED"
    assert proton.outputs("table", "component") == {"Size": "dev:large"}, "the inputs are those of the instance"
    assert proton.recomponent(serviceSpec=spec("dev", dev={"size": "medium"}))["serviceSpec"] == spec("dev", dev={"size": "medium"})
    assert proton.outputs("table", "component") == {"Size": "dev:medium"}
    with conflict("attached to another service instance; detach it first"):
        update(serviceName="svc", serviceInstanceName="prod")
    assert proton.recomponent(**ATTACHED)["deploymentStatus"] == "SUCCEEDED", "attached where it is already"
    detached = proton.recomponent(**DETACH, templateFile=COMPONENT)
    assert detached["deploymentStatus"] == "SUCCEEDED" and not {"serviceSpec", *ATTACHED} & set(detached)
    assert proton.recomponent(serviceName="svc", serviceInstanceName="prod", templateFile=shown)["serviceInstanceName"] == "prod"
    assert proton.outputs("table", "component") == {"Size": "prod:small"}

    # A template that needs an instance fails without one, and what was there before stays.
    failed = proton.recomponent(**DETACH)
    assert failed["deploymentStatus"] == "FAILED" and '"service_instance" is not defined' in failed["deploymentStatusMessage"]
    assert proton.outputs("table", "component") == {"Size": "prod:small"}
    with pytest.raises(WaiterError):
        client.get_waiter("component_deployed").wait(name="table", WaiterConfig=QUICK)
    client.delete_component(name="table")
    proton.gone_component()


def test_nothing_is_done_to_busy_components_and_instances(proton):
    client = proton.client
    proton.active(spec("dev"))
    with proton.waiting():
        proton.component(wait=False, **ATTACHED)
        with conflict("Component table, which is attached, has a deployment in progress"):
            client.update_service_instance(serviceName="svc", name="dev", deploymentType="CURRENT_VERSION")
        for call, more in [("update_component", {"deploymentType": "CURRENT_VERSION"}), ("update_component", {"deploymentType": "NONE", "description": "d"}), ("delete_component", {})]:
            with conflict("Component table has a deployment"):
                getattr(client, call)(name="table", **more)
    proton.settled_component("table")
    with proton.waiting():
        client.update_service_instance(serviceName="svc", name="dev", deploymentType="CURRENT_VERSION")
        with conflict("Service instance dev"):
            client.update_component(name="table", deploymentType="CURRENT_VERSION")
        assert client.update_component(name="table", deploymentType="NONE", description="d")["component"]["description"] == "d"
        proton.component("second", wait=False, environmentName="env")
        with conflict():
            client.update_component(name="second", deploymentType="CURRENT_VERSION", **ATTACHED)
    proton.settled_instance("svc", "dev")


def test_only_the_description_goes_without_a_deployment(proton):
    """Checklist 70 of components."""
    client = proton.client
    component = proton.component(environmentName="env")
    for more in (DETACH, {"templateFile": COMPONENT}, {"serviceSpec": spec("dev")}):
        with invalid("NONE only the description"):
            client.update_component(name="table", deploymentType="NONE", **more)
    changed = client.update_component(name="table", deploymentType="NONE", description="new", clientToken="t")["component"]
    assert (changed["description"], changed["lastClientRequestToken"], changed["deploymentStatus"]) == ("new", "t", "SUCCEEDED")
    assert changed["lastAttemptedDeploymentId"] == component["lastAttemptedDeploymentId"]
    assert client.update_component(name="table", deploymentType="NONE", description="new", clientToken="t")["component"] == changed
    with invalid("IdempotentParameterMismatch"):
        client.update_component(name="table", deploymentType="NONE", description="newer", clientToken="t")


def test_components_are_cancelled(proton):
    """Checklist 113 of components; and outputs by deployment."""
    client = proton.client
    first = proton.component(environmentName="env")
    with conflict("no deployment in progress"):
        client.cancel_component_deployment(componentName="table")
    with missing("Component none"):
        client.cancel_component_deployment(componentName="none")
    with proton.waiting():
        client.update_component(name="table", deploymentType="CURRENT_VERSION", templateFile=sized("new"))
        assert client.cancel_component_deployment(componentName="table")["component"]["deploymentStatus"] == "CANCELLING"
        cancelled = proton.settled_component("table")
    assert (cancelled["deploymentStatus"], cancelled["deploymentStatusMessage"]) == ("CANCELLED", "User initiated cancellation.")
    assert proton.outputs("table", "component") == {"Size": "table in env"}
    assert proton.recomponent(templateFile=sized("newer"))["deploymentStatus"] == "SUCCEEDED"
    assert proton.outputs("table", "component") == {"Size": "newer"}
    # Without a file the deployed one is deployed again, not the one that was cancelled.
    assert proton.recomponent()["deploymentStatus"] == "SUCCEEDED"
    assert proton.outputs("table", "component") == {"Size": "newer"}
    assert proton.outputs("table", "component", deploymentId=first["lastSucceededDeploymentId"]) == {"Size": "table in env"}
    with missing():
        proton.outputs("table", "component", deploymentId=client.get_environment(name="env")["environment"]["lastSucceededDeploymentId"])
    for call in ("list_component_outputs", "list_component_provisioned_resources"):
        with invalid("nextToken"):
            getattr(client, call)(componentName="table", nextToken="x")
        with missing("Component none"):
            getattr(client, call)(componentName="none")
    # The first deployment of all.
    with proton.waiting():
        proton.component("second", wait=False, environmentName="env")
        client.cancel_component_deployment(componentName="second")
        assert proton.settled_component("second")["deploymentStatus"] == "CANCELLED"
    assert client.list_component_provisioned_resources(componentName="second")["provisionedResources"] == []
    client.delete_component(name="second")
    proton.gone_component("second")


def test_a_component_that_cannot_be_deleted(proton):
    client, bucket = proton.client, f"kept-{proton.account}"
    file = f"Resources:\n  Bucket:\n    Type: AWS::S3::Bucket\n    Properties: {{BucketName: {bucket}}}\n"
    proton.component(file=file, environmentName="env")
    proton.fill(bucket)
    client.delete_component(name="table")
    with pytest.raises(WaiterError):
        client.get_waiter("component_deleted").wait(name="table", WaiterConfig=QUICK)
    failed = client.get_component(name="table")["component"]
    assert failed["deploymentStatus"] == "DELETE_FAILED" and "Bucket" in failed["deploymentStatusMessage"]
    proton.empty(bucket)
    client.delete_component(name="table")
    proton.gone_component()
    assert bucket not in proton.buckets()
    # The name is free again, for another component with another stack.
    anew = proton.component(environmentName="env")
    assert anew["deploymentStatus"] == "SUCCEEDED"
    ends = {one["deploymentStatus"] for one in client.list_deployments(componentName="table")["deployments"]}
    assert ends == {"SUCCEEDED", "DELETE_FAILED", "DELETE_COMPLETE"}


def test_components_are_listed(proton):
    """Checklist 135."""
    client = proton.client
    proton.environment("env2", componentRoleArn=proton.role)
    proton.active(spec("dev", "prod"))
    proton.component("a", **ATTACHED)
    proton.component("b", environmentName="env")
    proton.component("c", environmentName="env2")

    def names(**more):
        found = client.list_components(**more)["components"]
        assert not any({"serviceSpec", "description", "lastClientRequestToken"} & set(one) for one in found)
        return [one["name"] for one in found]

    assert names() == ["c", "b", "a"]
    assert names(environmentName="env") == ["b", "a"] and names(environmentName="env2") == ["c"] and names(environmentName="none") == []
    assert names(serviceName="svc") == ["a"] == names(**ATTACHED)
    assert names(serviceName="svc", serviceInstanceName="prod") == [] == names(environmentName="env2", serviceName="svc")
    with invalid("serviceInstanceName needs serviceName"):
        names(serviceInstanceName="dev")
    pages = list(client.get_paginator("list_components").paginate(PaginationConfig={"PageSize": 2}))
    assert [[one["name"] for one in page["components"]] for page in pages] == [["c", "b"], ["a"]]


def test_two_components_never_share_an_instance(proton):
    client = proton.client
    proton.active(spec("dev"))

    def attach(at):
        try:
            return proton.component(f"table{at}", wait=False, **ATTACHED)["name"]
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ConflictException", error
            return None

    with ThreadPoolExecutor(20) as pool:
        made = [name for name in pool.map(attach, range(20)) if name]
    assert len(made) == 1 == len(client.list_components(**ATTACHED)["components"])


def test_components_in_a_customer_managed_environment(server):
    """Its spec is the outputs that the component sees."""
    proton = Services(server)
    schema = schema_of({"Table": {"type": "string"}})
    proton.environment_template("own", {"schema/schema.yaml": schema.encode()}, template_options={"provisioning": "CUSTOMER_MANAGED"})
    proton.environment("own", "own", environment_spec(Table="mine"), componentRoleArn=proton.role)
    assert proton.component(file=sized("{{ environment.outputs.Table }}"), environmentName="own")["deploymentStatus"] == "SUCCEEDED"
    assert proton.outputs("table", "component") == {"Size": "mine"}


@pytest.mark.parametrize("limit", [100])
def test_there_is_a_limit(server, limit):
    proton = Services(server)
    proton.environment_template()
    proton.environment(componentRoleArn=proton.role)
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda at: proton.component(f"c{at}", wait=False, environmentName="env"), range(limit)))
    with over_quota(f"{limit} components"):
        proton.component("more", environmentName="env")
