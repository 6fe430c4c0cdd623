"""Deployments of Proton through boto3: the records of all runs, and runs that somebody else ends."""

from concurrent.futures import ThreadPoolExecutor

import pytest


from proton_services import COMPONENT, Services, spec
from protons import MANIFEST, conflict, environment_spec, invalid, missing, small, starter
from serve import Standin

NOWHERE = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def server():
    with Standin("--log", "warn") as running:
        yield running
        assert running.alive(), "the server died during the tests"


@pytest.fixture
def proton(server):
    return Services(server).ready()


def test_every_run_has_a_record(proton):
    """Checklist 137, 138, 139."""
    client, text = proton.client, spec("dev", "prod")
    proton.active(text)
    component = proton.component(serviceName="svc", serviceInstanceName="dev")
    environment, service, dev = client.get_environment(name="env")["environment"], proton.get(), proton.instance("dev")
    base = f"arn:aws:proton:{proton.region}:{proton.account}"
    targets = {
        "ENVIRONMENT": (environment, {"environmentName": "env"}, "environment"),
        "SERVICE_INSTANCE": (dev, {"environmentName": "env", "serviceName": "svc", "serviceInstanceName": "dev"}, "serviceInstance"),
        "SERVICE_PIPELINE": (service["pipeline"], {"environmentName": "env", "serviceName": "svc"}, "servicePipeline"),
        "COMPONENT": (component, {"environmentName": "env", "componentName": "table"}, "component"),
    }
    for kind, (target, names, member) in targets.items():
        record = client.get_deployment(id=target["lastSucceededDeploymentId"], **names)["deployment"]
        assert record["arn"] == f"{base}:deployment/{record['id']}"
        assert (record["targetArn"], record["targetResourceType"], record["deploymentStatus"]) == (target["arn"], kind, "SUCCEEDED")
        assert record["targetResourceCreatedAt"] == target["createdAt"]
        assert record["createdAt"] <= record["completedAt"] == record["lastModifiedAt"] == target["lastDeploymentSucceededAt"]
        assert {name: record.get(name) for name in ("environmentName", "serviceName", "serviceInstanceName", "componentName")} == {
            "serviceName": None, "serviceInstanceName": None, "componentName": None, **names,
        }  # fmt: skip
        # The union has the member of the target and no other; before the first run there was nothing.
        assert set(record["targetState"]) == {member} and "initialState" not in record
        for wrong in ({"environmentName": "none"}, {"serviceName": "none"}, {"componentName": "none"}):
            with missing(record["id"]):
                client.get_deployment(id=record["id"], **wrong)
    state = client.get_deployment(id=dev["lastSucceededDeploymentId"])["deployment"]["targetState"]["serviceInstance"]
    assert state == {
        "spec": text, "templateName": "svc", "templateMajorVersion": "1", "templateMinorVersion": "0",
        "lastSuccessfulEnvironmentDeploymentId": environment["lastSucceededDeploymentId"],
    }  # fmt: skip
    state = client.get_deployment(id=component["lastSucceededDeploymentId"])["deployment"]["targetState"]["component"]
    assert state == {"serviceName": "svc", "serviceInstanceName": "dev", "templateFile": COMPONENT}
    with missing(NOWHERE):
        client.get_deployment(id=NOWHERE)
    with invalid("serviceInstanceName needs serviceName"):
        client.get_deployment(id=dev["lastSucceededDeploymentId"], serviceInstanceName="dev")

    # A second run knows the first as what was there before.
    changed = spec("dev", "prod", dev={"size": "large"})
    after = proton.redeploy("dev", spec=changed)
    record = client.get_deployment(id=after["lastSucceededDeploymentId"])["deployment"]
    before, aimed = record["initialState"]["serviceInstance"], record["targetState"]["serviceInstance"]
    assert (before["spec"], aimed["spec"]) == (text, changed)
    assert aimed["lastSuccessfulComponentDeploymentIds"] == [component["lastSucceededDeploymentId"]]
    assert aimed["lastSuccessfulServicePipelineDeploymentId"] == service["pipeline"]["lastSucceededDeploymentId"]
    assert (proton.instance_outputs("dev", deploymentId=record["id"])["Size"], proton.instance_outputs("dev", deploymentId=dev["lastSucceededDeploymentId"])["Size"]) == ("large", "small")
    proton.update_environment(spec=environment_spec(size="big"))
    states = client.get_deployment(id=client.get_environment(name="env")["environment"]["lastSucceededDeploymentId"])["deployment"]
    assert states["initialState"]["environment"]["spec"] == environment["spec"]
    assert states["targetState"]["environment"]["spec"] == environment_spec(size="big")
    assert proton.outputs("env", deploymentId=environment["lastSucceededDeploymentId"])["Size"] == "small"
    proton.repipe(spec("dev", pipeline={"command": "new"}))
    states = client.get_deployment(id=proton.get()["pipeline"]["lastSucceededDeploymentId"])["deployment"]
    assert (states["initialState"]["servicePipeline"]["spec"], states["targetState"]["servicePipeline"]["spec"]) == (text, spec("dev", pipeline={"command": "new"}))

    # Deletions have records too.
    proton.recomponent(serviceName="", serviceInstanceName="")
    client.delete_component(name="table")
    proton.gone_component()
    gone = client.list_deployments(componentName="table")["deployments"]
    assert [one["deploymentStatus"] for one in gone] == ["DELETE_COMPLETE", "SUCCEEDED", "SUCCEEDED"]
    assert all("completedAt" in one for one in gone)


def test_records_are_listed_newest_first(proton):
    client = proton.client
    proton.active(spec("dev", "prod"))
    proton.active(spec("dev"), "other")
    proton.component(environmentName="env")
    for _ in range(3):
        proton.redeploy("dev")

    def targets(**more):
        found = client.list_deployments(**more)["deployments"]
        assert [one["createdAt"] for one in found] == sorted((one["createdAt"] for one in found), reverse=True)
        assert not any({"initialState", "targetState", "deploymentStatusMessage"} & set(one) for one in found)
        return [one["targetArn"].rsplit(":", 1)[1] for one in found]

    dev = "service/svc/service-instance/dev"
    assert targets(serviceName="svc", serviceInstanceName="dev") == [dev] * 4
    assert sorted(targets(serviceName="svc")) == [dev.replace("service-instance/dev", "pipeline"), *[dev] * 4, dev.replace("dev", "prod")]
    assert targets(componentName="table") == ["component/table"]
    assert len(targets(environmentName="env")) == len(targets()) == 10 and targets()[-1] == "environment/env"
    assert targets(environmentName="none") == [] == targets(environmentName="none", serviceName="svc")
    with invalid("serviceInstanceName needs serviceName"):
        targets(serviceInstanceName="dev")
    pages = list(client.get_paginator("list_deployments").paginate(environmentName="env", PaginationConfig={"PageSize": 4}))
    assert [len(page["deployments"]) for page in pages] == [4, 4, 2]
    assert len({one["id"] for page in pages for one in page["deployments"]}) == 10
    with invalid("nextToken"):
        client.list_deployments(nextToken="bm8=")


def test_records_are_deleted_when_they_have_ended(proton):
    """Checklist 140."""
    client = proton.client
    proton.active(spec("dev"))
    with proton.waiting():
        id = client.update_service_instance(serviceName="svc", name="dev", deploymentType="CURRENT_VERSION")["serviceInstance"]["lastAttemptedDeploymentId"]
        with invalid(f"{id} is IN_PROGRESS"):
            client.delete_deployment(id=id)
        client.cancel_service_instance_deployment(serviceName="svc", serviceInstanceName="dev")
        proton.settled_instance("svc", "dev")
    last = proton.redeploy("dev")
    outputs = proton.instance_outputs("dev")
    for gone in (id, last["lastSucceededDeploymentId"]):
        assert client.delete_deployment(id=gone)["deployment"]["id"] == gone
        with missing(gone):
            client.delete_deployment(id=gone)
        with missing(gone):
            client.get_deployment(id=gone)
    # The resource keeps its ids and outputs, and goes on.
    kept = proton.instance("dev")
    assert (kept["lastSucceededDeploymentId"], kept["deploymentStatus"]) == (last["lastSucceededDeploymentId"], "SUCCEEDED")
    assert proton.instance_outputs("dev") == outputs
    assert len(client.list_deployments(serviceName="svc", serviceInstanceName="dev")["deployments"]) == 1
    assert proton.redeploy("dev")["deploymentStatus"] == "SUCCEEDED"
    with missing():
        client.delete_deployment(id=NOWHERE)


TERRAFORM_COMPONENT = MANIFEST.replace("jinja", "hcl").replace("cloudformation.yaml", "main.tf").replace("cloudformation", "terraform")


@pytest.fixture
def terraform(server):
    """An account with an environment that is provisioned from a repository, waiting for its first deployment to be told of."""
    proton = Services(server)
    proton.repository()
    proton.environment_template(bundle=starter("environment-terraform"))
    source = {"provider": "GITHUB", "name": "acme/infra", "branch": "main"}
    proton.client.update_account_settings(pipelineProvisioningRepository=source)
    proton.environment(spec=starter("environment-terraform")["spec.yaml"].decode(), provisioningRepository=source, wait=False)
    return proton


def outputs(**named):
    return [{"key": key, "valueString": value} for key, value in named.items()]


def test_notifications_drive_the_status(terraform):
    """Checklist 151."""
    client = terraform.client
    notify = client.notify_resource_deployment_status_change
    environment = client.get_environment(name="env")["environment"]
    arn, first = environment["arn"], environment["lastAttemptedDeploymentId"]
    assert environment["deploymentStatus"] == "IN_PROGRESS"
    for target in (f"{arn}-none", "arn:aws:s3:eu-west-1:111122223333:bucket", arn.replace("environment/env", "environment-template/env")):
        with missing():
            notify(resourceArn=target, status="SUCCEEDED")
    with invalid(first):
        notify(resourceArn=arn, deploymentId=NOWHERE, status="SUCCEEDED")
    # Outputs alone, and progress, change nothing else.
    assert set(notify(resourceArn=arn, outputs=outputs(Vpc="vpc-0"))) == {"ResponseMetadata"}
    notify(resourceArn=arn, status="IN_PROGRESS", deploymentId=first)
    assert client.get_environment(name="env")["environment"]["deploymentStatus"] == "IN_PROGRESS"
    notify(resourceArn=arn, deploymentId=first, status="SUCCEEDED", outputs=outputs(Vpc="vpc-1", Zone="a"), statusMessage="applied")
    done = client.get_environment(name="env")["environment"]
    assert (done["deploymentStatus"], done["deploymentStatusMessage"], done["lastSucceededDeploymentId"]) == ("SUCCEEDED", "applied", first)
    assert terraform.outputs("env") == {"Vpc": "vpc-1", "Zone": "a"} == terraform.outputs("env", deploymentId=first)
    with conflict("no deployment in progress"):
        notify(resourceArn=arn, status="FAILED")
    notify(resourceArn=arn, outputs=outputs(Vpc="vpc-2"))
    assert terraform.outputs("env") == {"Vpc": "vpc-2"}

    client.update_environment(name="env", deploymentType="CURRENT_VERSION")
    notify(resourceArn=arn, status="FAILED", statusMessage="apply failed", outputs=outputs(Vpc="vpc-3"))
    failed = client.get_environment(name="env")["environment"]
    assert (failed["deploymentStatus"], failed["deploymentStatusMessage"]) == ("FAILED", "apply failed")
    assert terraform.outputs("env") == {"Vpc": "vpc-2"}, "what failed leaves the outputs"
    client.update_environment(name="env", deploymentType="CURRENT_VERSION")
    assert client.cancel_environment_deployment(environmentName="env")["environment"]["deploymentStatus"] == "CANCELLING"
    assert terraform.settled_environment("env")["deploymentStatus"] == "CANCELLED"


def test_notifications_reach_all_that_depends(terraform):
    """Instances, pipelines and components of a repository; outputs flow from one to the next."""
    client = terraform.client
    notify = client.notify_resource_deployment_status_change
    arn = client.get_environment(name="env")["environment"]["arn"]
    wanted = {"vpc_id": "vpc-1", "artifacts_bucket": "artifacts", "VpcId": "vpc-1", "ArtifactsBucket": "artifacts"}
    notify(resourceArn=arn, status="SUCCEEDED", outputs=outputs(**wanted))
    terraform.service_template(bundle=starter("service-terraform"), supportedComponentSources=["DIRECTLY_DEFINED"])
    text = starter("service-terraform")["spec.yaml"].decode().replace("my-environment", "env")
    made = terraform.make(text, wait=False)
    instances = [one["name"] for one in client.list_service_instances(serviceName="svc")["serviceInstances"]]
    base = made["arn"]
    for name in instances:
        assert terraform.instance(name)["deploymentStatus"] == "IN_PROGRESS"
        notify(resourceArn=f"{base}/service-instance/{name}", status="SUCCEEDED", outputs=outputs(FunctionName=f"svc-{name}", function_name=name))
        assert terraform.instance(name)["deploymentStatus"] == "SUCCEEDED"
    assert terraform.get()["status"] == "CREATE_IN_PROGRESS"
    notify(resourceArn=f"{base}/pipeline", status="SUCCEEDED", outputs=outputs(Arn="pipe"), deploymentId=terraform.get()["pipeline"]["lastAttemptedDeploymentId"])
    assert terraform.settled_service("svc")["status"] == "ACTIVE"
    assert terraform.pipeline_outputs() == {"Arn": "pipe"} and terraform.instance_outputs(instances[0])["function_name"] == instances[0]
    # An environment of a repository has components without a role; CloudFormation does not go there.
    with invalid("provisioned from a repository"):
        terraform.component(serviceName="svc", serviceInstanceName=instances[0])
    made = client.create_component(name="table", templateFile='resource "x" "y" {}', manifest=TERRAFORM_COMPONENT, serviceName="svc", serviceInstanceName=instances[0])["component"]
    notify(resourceArn=made["arn"], status="FAILED", statusMessage="no")
    assert terraform.settled_component("table")["deploymentStatusMessage"] == "no"
    client.update_component(name="table", deploymentType="CURRENT_VERSION", serviceName="", serviceInstanceName="")
    notify(resourceArn=made["arn"], status="SUCCEEDED", outputs=outputs(Table="t"))
    assert terraform.outputs("table", "component") == {"Table": "t"}
    client.delete_component(name="table")
    terraform.gone_component()
    client.delete_service(name="svc")
    terraform.gone_service()
    client.delete_environment(name="env")
    terraform.gone_environment("env")


def test_notifications_that_are_refused(proton):
    """CloudFormation tells its own status; customer-managed environments have none."""
    client = proton.client
    notify = client.notify_resource_deployment_status_change
    proton.active(spec("dev"))
    component = proton.component(environmentName="env")
    for target in (client.get_environment(name="env")["environment"], proton.get()["pipeline"], proton.instance("dev"), component):
        with invalid("provisioned by CloudFormation"):
            notify(resourceArn=target["arn"], status="SUCCEEDED", outputs=outputs(Size="forged"))
    schema = small()["schema/schema.yaml"].decode().replace(', default: "small"', "")
    proton.environment_template("own", {"schema/schema.yaml": schema.encode()}, template_options={"provisioning": "CUSTOMER_MANAGED"})
    own = proton.environment("own", "own", environment_spec(size="mine"))
    with invalid("customer-managed"):
        notify(resourceArn=own["arn"], outputs=outputs(size="other"))
    assert (proton.outputs("own"), proton.instance_outputs("dev")["Size"]) == ({"size": "mine"}, "small")


def test_no_run_is_lost_under_load(proton):
    """Services, instances and components of many callers at once: every run ends, and all records are there."""
    client = proton.client

    def live(at):
        name = f"svc{at}"
        assert proton.make(spec("dev"), name)["status"] == "ACTIVE"
        assert proton.change(spec("dev", "prod"), name)["status"] == "ACTIVE"
        assert proton.component(f"c{at}", serviceName=name, serviceInstanceName="dev")["deploymentStatus"] == "SUCCEEDED"
        assert proton.redeploy("dev", service=name)["deploymentStatus"] == "SUCCEEDED"
        assert proton.recomponent(f"c{at}", serviceName="", serviceInstanceName="")["deploymentStatus"] == "SUCCEEDED"
        client.delete_component(name=f"c{at}")
        client.delete_service(name=name)
        proton.gone_component(f"c{at}")
        proton.gone_service(name)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(live, range(8)))
    records = [one for page in client.get_paginator("list_deployments").paginate() for one in page["deployments"]]
    of = lambda prefix: [one["deploymentStatus"] for one in records if prefix in one["targetArn"]]  # noqa: E731
    assert {one["deploymentStatus"] for one in records} == {"SUCCEEDED", "DELETE_COMPLETE"}
    assert all(one["completedAt"] >= one["createdAt"] for one in records)
    # Two instances made, one deployed again, two deleted; a pipeline made, deployed again, deleted; a component.
    for at in range(8):
        assert (len(of(f"service/svc{at}/service-instance/")), len(of(f"service/svc{at}/pipeline")), len(of(f"component/c{at}"))) == (5, 3, 3)
    left = proton.of("cloudformation").list_stacks(StackStatusFilter=["CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_FAILED"])["StackSummaries"]
    assert [stack["StackName"].startswith("AWSProton-environment-env-") for stack in left] == [True]
