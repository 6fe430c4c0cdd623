"""Services of Proton through boto3: how they come, change, fail and go."""

import json

import pytest
from botocore.exceptions import WaiterError

import proton_services
from proton_services import Services, spec, without_pipeline
from protons import QUICK, conflict, environment_spec, invalid, missing, over_quota, polled, refused, service_spec, starter
from serve import Standin


@pytest.fixture(scope="module")
def server():
    with Standin("--log", "warn") as running:
        yield running
        assert running.alive(), "the server died during the tests"


@pytest.fixture
def proton(server):
    return Services(server).ready()


def test_a_service_comes_to_life(proton):
    """Checklist 95, 96, 97, 105, 107, 116, 171."""
    client = proton.client
    text = spec("dev", "prod", prod={"size": "large", "count": 3}, pipeline={"command": "make all"})
    made = proton.make(text, description="d", tags=[{"key": "team", "value": "web"}], wait=False)
    arn = f"arn:aws:proton:{proton.region}:{proton.account}:service/svc"
    assert {name: made[name] for name in ("arn", "name", "status", "templateName", "spec", "description")} == {
        "arn": arn, "name": "svc", "status": "CREATE_IN_PROGRESS", "templateName": "svc", "spec": text, "description": "d",
    }  # fmt: skip
    assert {name: made[name] for name in proton.source} == proton.source
    assert (made["pipeline"]["arn"], made["pipeline"]["deploymentStatus"]) == (f"{arn}/pipeline", "IN_PROGRESS")

    client.get_waiter("service_created").wait(name="svc", WaiterConfig=QUICK)
    client.get_waiter("service_pipeline_deployed").wait(name="svc", WaiterConfig=QUICK)
    for name in ("dev", "prod"):
        client.get_waiter("service_instance_deployed").wait(serviceName="svc", name=name, WaiterConfig=QUICK)
    service, dev, prod = proton.get(), proton.instance("dev"), proton.instance("prod")
    assert service["status"] == "ACTIVE" and "statusMessage" not in service
    # Each part holds the whole spec that it was deployed with.
    assert {text} == {service["spec"], service["pipeline"]["spec"], dev["spec"], prod["spec"]}
    assert prod["arn"] == f"{arn}/service-instance/prod"
    versions = {(part["templateName"], part["templateMajorVersion"], part["templateMinorVersion"]) for part in (dev, prod, service["pipeline"])}
    assert versions == {("svc", "1", "0")}
    for part in (dev, prod, service["pipeline"]):
        assert part["createdAt"] <= part["lastDeploymentAttemptedAt"] <= part["lastDeploymentSucceededAt"]
        assert part["lastAttemptedDeploymentId"] == part["lastSucceededDeploymentId"]
        assert "deploymentStatusMessage" not in part

    shown = proton.instance_outputs("prod")
    assert (shown.pop("Topic").startswith("arn:aws:sns:"), shown) == (True, {"Size": "large", "EnvironmentSize": "small", "Component": "none"})
    assert proton.pipeline_outputs() == {"Command": "make all", "Source": "acme/front@main", "Instances": "dev:small:1:env prod:large:3:env "}
    # The pipeline came after the instances.
    ended = {
        one["targetArn"]: client.get_deployment(id=one["id"])["deployment"]["completedAt"]
        for one in client.list_deployments(serviceName="svc")["deployments"]
    }
    assert ended[service["pipeline"]["arn"]] >= max(ended[dev["arn"]], ended[prod["arn"]])

    listed = client.list_services()["services"]
    assert [(one["name"], one["status"], "spec" in one, "pipeline" in one) for one in listed] == [("svc", "ACTIVE", False, False)]
    for one in (service, dev, service["pipeline"]):
        own = {key: value for key, value in proton.tags(one["arn"]).items() if not key.startswith("aws:")}
        assert own == {"team": "web"}
    # They are copies: what becomes of one is nothing to the others.
    client.tag_resource(resourceArn=service["pipeline"]["arn"], tags=[{"key": "stage", "value": "build"}])
    client.untag_resource(resourceArn=arn, tagKeys=["team"])
    kept = [{key for key in proton.tags(one["arn"]) if not key.startswith("aws:")} for one in (service, dev, service["pipeline"])]
    assert kept == [set(), {"team"}, {"team", "stage"}]

    stacks = {
        "instance": client.list_service_instance_provisioned_resources(serviceName="svc", serviceInstanceName="prod"),
        "pipeline": client.list_service_pipeline_provisioned_resources(serviceName="svc"),
    }
    cloudformation, carried = proton.of("cloudformation"), {}
    for kind, answer in stacks.items():
        assert "nextToken" not in answer
        (resource,) = answer["provisionedResources"]
        assert resource["provisioningEngine"] == "CLOUDFORMATION"
        assert resource["name"].startswith("AWSProton-svc-") and f":stack/{resource['name']}/" in resource["identifier"]
        (stack,) = cloudformation.describe_stacks(StackName=resource["name"])["Stacks"]
        carried[kind] = {tag["Key"]: tag["Value"] for tag in stack["Tags"] if tag["Key"] != "proton:deployment"}
    template = f"arn:aws:proton:{proton.region}:{proton.account}:service-template/svc"
    common = {"proton:account": proton.account, "proton:template": template, "proton:service": arn}
    environment = client.get_environment(name="env")["environment"]["arn"]
    assert carried["pipeline"] == common
    assert carried["instance"] == {**common, "proton:environment": environment, "proton:service-instance": prod["arn"]}


def test_what_a_service_needs(proton):
    """Checklist 89, 90, 91, 92, 93, 94."""
    client, source, one = proton.client, proton.source, spec("dev")
    for name in source:
        with invalid(f"{name} is needed"):
            proton.service(spec=one, **{key: value for key, value in source.items() if key != name})
    with invalid("instances"):
        proton.make("proton: ServiceSpec\npipeline: {}\ninstances: []\n")
    with over_quota("20 instances"):
        proton.make(spec(*[f"i{at}" for at in range(21)]))
    with invalid('second instance "dev"'):
        proton.make("proton: ServiceSpec\ninstances:\n- {name: dev, environment: env}\n- {name: dev, environment: env}\n")
    with invalid("Environment none does not exist"):
        proton.make(spec("dev", environment="none"))
    with invalid("EnvironmentSpec"):
        proton.make(environment_spec(size="small"))
    with invalid("not valid YAML"):
        proton.make("proton: [")
    with invalid("instances.dev.spec.size"):
        proton.make(spec("dev", dev={"size": "huge"}))
    with invalid("pipeline.command"):
        proton.make(spec("dev", pipeline={"command": 7}))
    with invalid("name"):
        proton.make(spec("-dev"))
    with missing("Service template none"):
        proton.make(one, template="none")
    with missing("Major version 2"):
        proton.make(one, major="2")
    with missing("1.*7"):
        proton.make(one, templateMinorVersion="7")
    proton.register("service", "svc", proton_services.bundle(), majorVersion="1", compatibleEnvironmentTemplates=[{"templateName": "env", "majorVersion": "1"}])
    with invalid("1.1 .*not published"):
        proton.make(one, templateMinorVersion="1")

    client.update_account_settings(pipelineServiceRoleArn="")
    with invalid("Operation cannot be run until pipeline roles have been configured"):
        proton.make(one)
    client.update_account_settings(pipelineServiceRoleArn=proton.role)

    # Environments: one of another template, one of another major version, one that was never deployed.
    proton.environment_template("other")
    proton.environment("of-other", template="other")
    proton.environment_template("env")
    proton.environment("of-two", major="2")
    proton.published("environment", "broken", _broken())
    assert proton.environment("undeployed", template="broken")["deploymentStatus"] == "FAILED"
    for environment, why in [("of-other", "of template other:1"), ("of-two", "of template env:2"), ("undeployed", "not deployed: it is FAILED")]:
        with invalid(why):
            proton.make(spec("dev", environment=environment))
    with missing():
        client.get_service(name="svc")
    assert client.list_services()["services"] == [] and client.list_service_instances()["serviceInstances"] == []


def _broken():
    from protons import small

    return small({"infrastructure/cloudformation.yaml": "Resources:\n  A: {Type: AWS::SNS::Topic, Properties: {DisplayName: '{{ nothing }}'}}\n"})


def test_a_service_without_a_pipeline(proton):
    """Checklist 89, 114."""
    proton.service_template("plain", bundle=without_pipeline(), template_options={"pipelineProvisioning": "CUSTOMER_MANAGED"})
    client, plain = proton.client, service_spec({"dev": ("env", {"size": "medium"})})
    for name, value in proton.source.items():
        with invalid(f"{name} has no place here"):
            proton.service("plain", "plain", plain, **{name: value})
    with invalid('"pipeline" has no place here'):
        proton.service("plain", "plain", service_spec({"dev": ("env", {})}, {"command": "x"}))
    client.update_account_settings(pipelineServiceRoleArn="")
    made = proton.service("plain", "plain", service_spec({"dev": ("env", {"size": "medium"})}, {}))
    assert made["status"] == "ACTIVE" and not {"pipeline", "branchName", "repositoryId"} & set(made)
    assert proton.instance_outputs("dev", "plain")["Size"] == "medium"
    for call in ("list_service_pipeline_outputs", "list_service_pipeline_provisioned_resources", "cancel_service_pipeline_deployment"):
        with missing("Pipeline of service plain"):
            getattr(client, call)(serviceName="plain")
    with missing("Pipeline of service plain"):
        client.update_service_pipeline(serviceName="plain", spec=plain, deploymentType="CURRENT_VERSION")
    assert proton.change(service_spec({"dev": ("env", {"size": "medium"}), "prod": ("env", {})}), "plain")["status"] == "ACTIVE"
    client.delete_service(name="plain")
    proton.gone_service("plain")


def test_creating_a_service_again_is_the_same_service(proton):
    made = proton.active(spec("dev"))
    again = proton.make(spec("dev"))
    assert (again["createdAt"], again["arn"]) == (made["createdAt"], made["arn"])
    assert len(proton.client.list_deployments(serviceName="svc")["deployments"]) == 2
    with invalid("IdempotentParameterMismatch"):
        proton.make(spec("dev", "prod"))
    proton.client.update_service(name="svc", description="d")
    with conflict("was modified"):
        proton.make(spec("dev"))


def test_a_failed_instance_fails_the_service(proton):
    """Checklist 97."""
    client, text = proton.client, spec("dev", "prod", prod={"bucket": proton.take(f"taken-{proton.account}")})
    made = proton.make(text)
    assert made["status"] == "CREATE_FAILED"
    dev, prod = proton.instance("dev"), proton.instance("prod")
    assert (dev["deploymentStatus"], prod["deploymentStatus"]) == ("SUCCEEDED", "FAILED")
    assert prod["deploymentStatusMessage"].startswith("Bucket: ") and "lastSucceededDeploymentId" not in prod
    assert made["pipeline"]["deploymentStatus"] == "FAILED"
    why = f"Service Instance(s): [{prod['arn']}] failed to deploy"
    assert made["pipeline"]["deploymentStatusMessage"] == f"{why} - canceling pipeline deployment"
    assert made["statusMessage"] == why
    with pytest.raises(WaiterError):
        client.get_waiter("service_created").wait(name="svc", WaiterConfig=QUICK)
    # What was in the way goes: the instance can be deployed, and then the pipeline.
    proton.s3.delete_bucket(Bucket=f"taken-{proton.account}")
    assert proton.redeploy("prod")["deploymentStatus"] == "SUCCEEDED"
    assert proton.repipe(text)["deploymentStatus"] == "SUCCEEDED"
    assert proton.get()["status"] == "CREATE_FAILED", "updates of parts leave the status of the service"
    client.delete_service(name="svc")
    client.get_waiter("service_deleted").wait(name="svc", WaiterConfig=QUICK)
    assert proton.buckets() == {proton.bucket}


def test_a_failed_pipeline_fails_the_service(proton):
    made = proton.make(spec("dev", pipeline={"bucket": proton.take(f"taken-{proton.account}")}))
    assert (made["status"], made["pipeline"]["deploymentStatus"]) == ("CREATE_FAILED", "FAILED")
    assert made["statusMessage"] == made["pipeline"]["deploymentStatusMessage"] and "Bucket" in made["statusMessage"]
    assert proton.instance("dev")["deploymentStatus"] == "SUCCEEDED"
    # Where the last step is taken again with an edit, the service is what it should have been.
    proton.s3.delete_bucket(Bucket=f"taken-{proton.account}")
    assert proton.change(made["spec"])["status"] == "ACTIVE"


def test_instances_come_and_go_with_the_spec(proton):
    """Checklist 98, 99, 100, 101, 102, 103, 105."""
    client = proton.client
    proton.active(spec("dev", dev={"size": "medium"}))
    count = len(client.list_deployments(serviceName="svc")["deployments"])
    described = client.update_service(name="svc", description="new")["service"]
    assert (described["status"], described["description"]) == ("ACTIVE", "new")
    assert len(client.list_deployments(serviceName="svc")["deployments"]) == count

    with invalid("Instance dev is edited"):
        client.update_service(name="svc", spec=spec("dev", "prod", dev={"size": "large"}))
    with invalid("Instance dev is edited"):
        client.update_service(name="svc", spec=spec("dev", "prod"))
    with invalid("The pipeline is edited"):
        client.update_service(name="svc", spec=spec("dev", dev={"size": "medium"}, pipeline={"command": "other"}))
    with invalid("prod.spec.size asks for the current value, but there is none"):
        client.update_service(name="svc", spec=spec("dev", "prod", dev={"size": "medium"}, prod={"size": "${Proton::CURRENT_VAL}"}))
    with invalid("instances"):
        client.update_service(name="svc", spec="proton: ServiceSpec\npipeline: {}\ninstances: []\n")
    with over_quota("20 instances"):
        client.update_service(name="svc", spec=spec("dev", *[f"i{at}" for at in range(20)], dev={"size": "medium"}))
    with missing():
        client.update_service(name="none", description="d")

    wanted = spec("dev", "prod", dev={"size": "${Proton::CURRENT_VAL}"}, prod={"size": "large"})
    assert proton.change(wanted)["status"] == "ACTIVE"
    client.get_waiter("service_updated").wait(name="svc", WaiterConfig=QUICK)
    assert proton.get()["spec"] == wanted.replace("${Proton::CURRENT_VAL}", "medium")
    assert proton.instance("dev")["spec"] == spec("dev", dev={"size": "medium"}), "a kept instance is not deployed again"
    assert proton.pipeline_outputs()["Instances"] == "dev:medium:1:env prod:large:1:env "

    assert proton.change(spec("prod", prod={"size": "large"}))["status"] == "ACTIVE"
    assert proton.names() == ["prod"] and proton.pipeline_outputs()["Instances"] == "prod:large:1:env "
    # All change places at once: there is always one.
    assert proton.change(spec("two"))["status"] == "ACTIVE"
    assert proton.names() == ["two"]


def test_a_failed_addition_is_taken_back(proton):
    """Checklist 104."""
    client, before = proton.client, spec("dev", "old")
    proton.active(before)
    pipeline = proton.get()["pipeline"]["lastAttemptedDeploymentId"]
    taken, free = proton.take(f"taken-{proton.account}"), f"free-{proton.account}"
    after = spec("dev", "good", "bad", good={"bucket": free}, bad={"bucket": taken})
    changed = proton.change(after)
    assert (changed["status"], changed["spec"]) == ("UPDATE_FAILED_CLEANUP_COMPLETE", before)
    assert "service-instance/bad" in changed["statusMessage"] and "good" not in changed["statusMessage"]
    # The new ones are gone, nothing was deleted, and the pipeline was not touched.
    assert proton.names() == ["dev", "old"] and free not in proton.buckets()
    assert changed["pipeline"]["lastAttemptedDeploymentId"] == pipeline
    with pytest.raises(WaiterError):
        client.get_waiter("service_updated").wait(name="svc", WaiterConfig=QUICK)

    # The same again, but what was made cannot be taken away: its stack is not done yet when its bucket is filled.
    with proton.slow() as advance:
        assert client.update_service(name="svc", spec=after)["service"]["status"] == "UPDATE_IN_PROGRESS"
        for buckets in polled(proton.buckets):
            if free in buckets:
                break
        proton.fill(free)
        for found in polled(proton.get):
            advance()
            if not found["status"].endswith("IN_PROGRESS"):
                break
    assert (found["status"], found["spec"]) == ("UPDATE_FAILED_CLEANUP_FAILED", before)
    good = proton.instance("good")
    assert good["deploymentStatus"] == "DELETE_FAILED" and "Bucket" in good["deploymentStatusMessage"]
    # It cannot come back, only go.
    with conflict("good is DELETE_FAILED"):
        client.update_service(name="svc", spec=spec("dev", "old", "good", good={"bucket": free}))
    proton.empty(free)
    assert proton.change(before)["status"] == "ACTIVE"
    assert proton.names() == ["dev", "old"] and free not in proton.buckets()


def test_an_instance_that_cannot_be_deleted(proton):
    """What was removed stays in DELETE_FAILED, counts for the limit, and is deleted by the next edit."""
    client, bucket = proton.client, f"kept-{proton.account}"
    proton.active(spec("dev", "prod", prod={"bucket": bucket}))
    proton.fill(bucket)
    changed = proton.change(spec("dev"))
    prod = proton.instance("prod")
    assert (changed["status"], changed["spec"]) == ("UPDATE_COMPLETE_CLEANUP_FAILED", spec("dev"))
    assert changed["statusMessage"] == f"Could not be deleted: [{prod['arn']}]"
    assert prod["deploymentStatus"] == "DELETE_FAILED" and "Bucket" in prod["deploymentStatusMessage"]
    with pytest.raises(WaiterError):
        client.get_waiter("service_updated").wait(name="svc", WaiterConfig=QUICK)
    with over_quota("20 instances"):
        client.update_service(name="svc", spec=spec("dev", *[f"i{at}" for at in range(19)]))
    with conflict("prod is DELETE_FAILED"):
        client.update_service(name="svc", spec=spec("dev", "prod", prod={"bucket": bucket}))
    proton.empty(bucket)
    assert proton.change(spec("dev"))["status"] == "ACTIVE"
    assert proton.names() == ["dev"]


def test_a_pipeline_that_cannot_be_changed(proton):
    """UPDATE_FAILED: the instances are what they should be."""
    proton.published("service", "svc", proton_services.bundle({"pipeline_infrastructure/cloudformation.yaml": _counting()}),
        majorVersion="1", compatibleEnvironmentTemplates=[{"templateName": "env", "majorVersion": "1"}])  # fmt: skip
    taken = proton.take(f"two-{proton.account}")
    proton.active(spec("one", one={"bucket": f"one-{proton.account}"}))
    changed = proton.change(spec("one", "two", one={"bucket": f"one-{proton.account}"}))
    assert changed["status"] == "UPDATE_FAILED" and changed["spec"].count('"name"') == 2
    assert changed["statusMessage"] == changed["pipeline"]["deploymentStatusMessage"] and "two" in changed["statusMessage"]
    assert proton.instance("two")["deploymentStatus"] == "SUCCEEDED"
    # The pipeline still shows what succeeded last, and the next edit deploys it again.
    assert proton.pipeline_outputs() == {"Names": "one"}
    proton.s3.delete_bucket(Bucket=taken)
    assert proton.change(changed["spec"])["status"] == "ACTIVE"
    assert proton.pipeline_outputs() == {"Names": "onetwo"}


def _counting():
    """A pipeline with a bucket for each further instance."""
    return """
Resources:
  Topic: {Type: AWS::SNS::Topic}
{%- for it in service_instances if it.name == "two" %}
  Bucket{{ it.name }}:
    Type: AWS::S3::Bucket
    Properties: {BucketName: !Sub "two-${AWS::AccountId}"}
{%- endfor %}
Outputs:
  Names: {Value: "{% for it in service_instances %}{{ it.name }}{% endfor %}"}
"""


def test_a_service_is_deleted_with_all_its_parts(proton):
    """Checklist 114, 80."""
    client, bucket = proton.client, f"kept-{proton.account}"
    proton.active(spec("dev", "prod", prod={"bucket": bucket}))
    with conflict("service instance"):
        client.delete_environment(name="env")
    proton.fill(bucket)
    first = client.delete_service(name="svc")["service"]
    assert (first["status"], first["pipeline"]["deploymentStatus"]) == ("DELETE_IN_PROGRESS", "DELETE_IN_PROGRESS")
    with pytest.raises(WaiterError):
        client.get_waiter("service_deleted").wait(name="svc", WaiterConfig=QUICK)
    left, prod = proton.get(), proton.instance("prod")
    assert (left["status"], prod["deploymentStatus"]) == ("DELETE_FAILED", "DELETE_FAILED")
    assert prod["arn"] in left["statusMessage"] and proton.names() == ["prod"] and "pipeline" not in left

    proton.empty(bucket)
    with proton.waiting() as advance:
        first = client.delete_service(name="svc")["service"]
        deployments = len(client.list_deployments(serviceName="svc")["deployments"])
        again = client.delete_service(name="svc")["service"]
        assert (first["status"], again["status"]) == ("DELETE_IN_PROGRESS", "DELETE_IN_PROGRESS")
        assert len(client.list_deployments(serviceName="svc")["deployments"]) == deployments
        for call, more in [("update_service", {"description": "d"}), ("update_service", {"spec": spec("prod", prod={"bucket": bucket})})]:
            with conflict():
                getattr(client, call)(name="svc", **more)
        advance()
        for _ in polled(lambda: advance()):
            try:
                client.get_service(name="svc")
            except client.exceptions.ResourceNotFoundException:
                break
    assert "service" not in client.delete_service(name="svc")
    assert "service" not in client.delete_service(name="never-was")
    assert proton.buckets() == {proton.bucket}
    # Its records outlive it.
    kept = client.list_deployments(serviceName="svc")["deployments"]
    assert {"DELETE_COMPLETE", "DELETE_FAILED", "SUCCEEDED"} == {one["deploymentStatus"] for one in kept}
    client.delete_environment(name="env")
    proton.gone_environment("env")


def test_nothing_is_done_to_a_busy_service(proton):
    client, text = proton.client, spec("dev")
    with proton.waiting():
        proton.make(text, wait=False)
        for call, more in [
            ("update_service", {"name": "svc", "description": "d"}),
            ("delete_service", {"name": "svc"}),
            ("create_service_instance", {"serviceName": "svc", "name": "prod", "spec": spec("dev", "prod")}),
            ("update_service_instance", {"serviceName": "svc", "name": "dev", "deploymentType": "CURRENT_VERSION"}),
            ("update_service_pipeline", {"serviceName": "svc", "spec": text, "deploymentType": "CURRENT_VERSION"}),
        ]:
            with conflict("IN_PROGRESS"):
                getattr(client, call)(**more)
        assert proton.make(text, wait=False)["status"] == "CREATE_IN_PROGRESS", "the same again is no change"
    assert proton.settled_service("svc")["status"] == "ACTIVE"
    with proton.waiting():
        client.update_service_instance(serviceName="svc", name="dev", deploymentType="CURRENT_VERSION")
        for call, more in [("update_service", {"description": "d"}), ("delete_service", {})]:
            with conflict("Service instance dev .*IN_PROGRESS"):
                getattr(client, call)(name="svc", **more)
    proton.settled_instance("svc", "dev")
    with proton.waiting():
        client.update_service_pipeline(serviceName="svc", spec=text, deploymentType="CURRENT_VERSION")
        with conflict("pipeline of service svc"):
            client.update_service(name="svc", description="d")


def test_services_are_listed_page_by_page(proton):
    client = proton.client
    names = [f"svc{at}" for at in range(5)]
    for name in names:
        proton.make(spec("dev"), name, wait=False)
    for name in names:
        assert proton.settled_service(name)["status"] == "ACTIVE"
    pages = list(client.get_paginator("list_services").paginate(PaginationConfig={"PageSize": 2}))
    assert [len(page["services"]) for page in pages] == [2, 2, 1]
    assert sorted(one["name"] for page in pages for one in page["services"]) == names
    with invalid("nextToken"):
        client.list_services(nextToken="YWJj")


def test_the_starter_bundles_deploy(server):
    """The starters of `standin proton init`: an environment, a service with a pipeline, and a component."""
    proton = Services(server)
    proton.environment_template(bundle=starter("environment-cloudformation"))
    proton.environment("my-environment", spec=environment_spec(), componentRoleArn=proton.role)
    proton.service_template(bundle=starter("service-cloudformation"), supportedComponentSources=["DIRECTLY_DEFINED"])
    proton.client.update_account_settings(pipelineServiceRoleArn=proton.role)
    made = proton.make(starter("service-cloudformation")["spec.yaml"].decode())
    assert made["status"] == "ACTIVE", made.get("statusMessage")
    files = starter("component-cloudformation")
    component = proton.client.create_component(
        name="table", manifest=files["manifest.yaml"].decode(), templateFile=files["cloudformation.yaml"].decode(),
        serviceName="svc", serviceInstanceName="prod",
    )["component"]  # fmt: skip
    assert component["deploymentStatus"] == "IN_PROGRESS"
    proton.client.get_waiter("component_deployed").wait(name="table", WaiterConfig=QUICK)
    table = proton.outputs("table", "component")["TableName"]
    assert proton.redeploy("prod")["deploymentStatus"] == "SUCCEEDED"
    function = proton.of("lambda").get_function_configuration(FunctionName=proton.instance_outputs("prod")["FunctionName"])
    assert function["Environment"]["Variables"]["TableName"] == table
    assert json.loads(json.dumps(function["MemorySize"])) == 1024


def test_every_error_has_its_code(proton):
    """What a service's operations say of what is not there."""
    client = proton.client
    with missing("Service none"):
        client.get_service(name="none")
    with refused("ResourceNotFound", "none"):
        client.update_service(name="none", spec=spec("dev"))
    with invalid():
        client.get_service(name="-")
    with invalid():
        client.list_services(maxResults=101)
