"""Service instances and pipelines of Proton through boto3: versions of their own, cancellation, lists, many callers at once."""

import datetime
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

import proton_services
from proton_services import Services, spec
from protons import QUICK, conflict, environment_spec, invalid, missing, polled
from serve import Standin

ENVIRONMENTS = [{"templateName": "env", "majorVersion": "1"}]


@pytest.fixture(scope="module")
def server():
    with Standin("--log", "warn") as running:
        yield running
        assert running.alive(), "the server died during the tests"


@pytest.fixture
def proton(server):
    return Services(server).ready()


def version(proton, changes=None, environments=ENVIRONMENTS, **more):
    """A further published version of the service template."""
    made = proton.published("service", "svc", proton_services.bundle(changes), compatibleEnvironmentTemplates=environments, **more)
    return f"{made['majorVersion']}.{made['minorVersion']}"


def shown(part):
    return f"{part['templateMajorVersion']}.{part['templateMinorVersion']}", part["deploymentStatus"]


def test_an_instance_is_added_on_its_own(proton):
    """Checklist 106, 107, 116."""
    client, two = proton.client, spec("dev", "prod", prod={"size": "large"})
    proton.active(spec("dev"), tags=[{"key": "team", "value": "web"}])
    with invalid("The spec has no instance other"):
        client.create_service_instance(serviceName="svc", name="other", spec=two)
    with conflict("dev exists already"):
        client.create_service_instance(serviceName="svc", name="dev", spec=two)
    with missing("Service none"):
        client.create_service_instance(serviceName="none", name="prod", spec=two)
    with invalid("templateMinorVersion needs templateMajorVersion"):
        client.create_service_instance(serviceName="svc", name="prod", spec=two, templateMinorVersion="0")
    with missing("Major version 7"):
        client.create_service_instance(serviceName="svc", name="prod", spec=two, templateMajorVersion="7")
    with missing("1.*9"):
        client.create_service_instance(serviceName="svc", name="prod", spec=two, templateMajorVersion="1", templateMinorVersion="9")
    with invalid("Environment none does not exist"):
        client.create_service_instance(serviceName="svc", name="prod", spec=spec("dev", "prod").replace('"prod", "environment": "env"', '"prod", "environment": "none"'))

    tags = [{"key": "tier", "value": "first"}, {"key": "team", "value": "own"}]
    with proton.waiting():
        made = client.create_service_instance(serviceName="svc", name="prod", spec=two, tags=tags, clientToken="one")["serviceInstance"]
        assert (made["deploymentStatus"], made["spec"], made["lastClientRequestToken"]) == ("IN_PROGRESS", two, "one")
        assert (proton.get()["status"], proton.get()["spec"]) == ("UPDATE_IN_PROGRESS", two)
        again = client.create_service_instance(serviceName="svc", name="prod", spec=two, tags=tags, clientToken="one")["serviceInstance"]
        assert again["lastAttemptedDeploymentId"] == made["lastAttemptedDeploymentId"]
        with invalid("IdempotentParameterMismatch"):
            client.create_service_instance(serviceName="svc", name="prod", spec=two, clientToken="one")
        with conflict("UPDATE_IN_PROGRESS"):
            client.create_service_instance(serviceName="svc", name="third", spec=spec("dev", "prod", "third"))
    assert proton.settled_service("svc")["status"] == "ACTIVE"
    assert proton.pipeline_outputs()["Instances"] == "dev:small:1:env prod:large:1:env "
    own = {key: value for key, value in proton.tags(made["arn"]).items() if not key.startswith("aws:")}
    assert own == {"team": "own", "tier": "first"}
    again = client.create_service_instance(serviceName="svc", name="prod", spec=two, tags=tags, clientToken="one")["serviceInstance"]
    assert again["deploymentStatus"] == "SUCCEEDED", "the token answers with what the instance is now"
    with conflict("prod exists already"):
        client.create_service_instance(serviceName="svc", name="prod", spec=two, tags=tags, clientToken="two")

    # It fails: the service is what it was before.
    three = spec("dev", "prod", "bad", prod={"size": "large"}, bad={"bucket": proton.take(f"taken-{proton.account}")})
    client.create_service_instance(serviceName="svc", name="bad", spec=three)
    failed = proton.settled_service("svc")
    assert (failed["status"], failed["spec"]) == ("UPDATE_FAILED_CLEANUP_COMPLETE", two)
    with missing("bad of service svc"):
        client.get_service_instance(serviceName="svc", name="bad")
    # Full: there is no error of a quota here.
    many = [f"i{at}" for at in range(18)]
    assert proton.change(spec("dev", "prod", *many, prod={"size": "large"}))["status"] == "ACTIVE"
    with invalid("20 instances"):
        client.create_service_instance(serviceName="svc", name="more", spec=spec("dev", "prod", *many, "more", prod={"size": "large"}))
    pages = list(client.get_paginator("list_service_instances").paginate(serviceName="svc", PaginationConfig={"PageSize": 7}))
    assert [len(page["serviceInstances"]) for page in pages] == [7, 7, 6]
    assert [one["name"] for page in pages for one in page["serviceInstances"]] == sorted(["dev", "prod", *many])


def test_instances_and_the_pipeline_have_versions_of_their_own(proton):
    """Checklist 108, 54; and 70, 71, 72, 73, 74, 75 of instances and pipelines."""
    client, text = proton.client, spec("dev", "prod")
    proton.active(text)
    count = len(client.list_deployments(serviceName="svc")["deployments"])
    for more, why in [({"spec": text}, "NONE no spec"), ({"templateMajorVersion": "1"}, "no template version"), ({"templateMinorVersion": "0"}, "no template version")]:
        with invalid(why):
            client.update_service_instance(serviceName="svc", name="dev", deploymentType="NONE", **more)
    assert client.update_service_instance(serviceName="svc", name="dev", deploymentType="NONE")["serviceInstance"]["deploymentStatus"] == "SUCCEEDED"
    assert client.update_service_pipeline(serviceName="svc", spec=text, deploymentType="NONE")["pipeline"]["deploymentStatus"] == "SUCCEEDED"
    assert len(client.list_deployments(serviceName="svc")["deployments"]) == count, "NONE deploys nothing"
    for call, keys in [("update_service_instance", {"name": "dev"}), ("update_service_pipeline", {"spec": text})]:
        update = lambda kind, call=call, keys=keys, **more: getattr(client, call)(serviceName="svc", deploymentType=kind, **keys, **more)  # noqa: E731
        with invalid("no template version"):
            update("CURRENT_VERSION", templateMinorVersion="0")
        with invalid("major version stays 1"):
            update("MINOR_VERSION", templateMajorVersion="2")
        with missing("1.*9"):
            update("MINOR_VERSION", templateMinorVersion="9")
        with invalid("must be above 1"):
            update("MAJOR_VERSION", templateMajorVersion="1")
        with invalid("no recommended major version above 1"):
            update("MAJOR_VERSION")
        with missing("Major version 5"):
            update("MAJOR_VERSION", templateMajorVersion="5")

    assert version(proton, majorVersion="1") == "1.1"
    assert version(proton, majorVersion="1") == "1.2"
    with proton.waiting():
        begun = client.update_service_instance(serviceName="svc", name="dev", deploymentType="MINOR_VERSION")["serviceInstance"]
        assert shown(begun) == ("1.0", "IN_PROGRESS"), "the version changes with the success"
        target = client.get_deployment(id=begun["lastAttemptedDeploymentId"])["deployment"]["targetState"]["serviceInstance"]
        assert target["templateMinorVersion"] == "2"
    assert shown(proton.settled_instance("svc", "dev")) == ("1.2", "SUCCEEDED")
    assert shown(proton.instance("prod")) == ("1.0", "SUCCEEDED")
    assert shown(proton.redeploy("prod", "MINOR_VERSION", templateMinorVersion="1")) == ("1.1", "SUCCEEDED")
    assert shown(proton.redeploy("dev", "MINOR_VERSION", templateMajorVersion="1", templateMinorVersion="0")) == ("1.0", "SUCCEEDED")
    assert shown(proton.get()["pipeline"]) == ("1.0", "SUCCEEDED")
    assert shown(proton.repipe(text, "MINOR_VERSION")) == ("1.2", "SUCCEEDED")
    assert {proton.instance("dev")["templateMinorVersion"], proton.instance("prod")["templateMinorVersion"]} == {"0", "1"}
    # Each of the three versions is used by one of them; the pipeline counts.
    for minor in ("0", "1"):
        with conflict("in use|used|deployed"):
            client.delete_service_template_version(templateName="svc", majorVersion="1", minorVersion=minor)
    assert version(proton, majorVersion="1") == "1.3"
    with conflict("in use|used|deployed"):
        client.delete_service_template_version(templateName="svc", majorVersion="1", minorVersion="2")

    # A new major version that needs more: the stored spec does not do, and neither does an environment that is not compatible.
    needy = proton_services.SCHEMA.replace("    Instance:\n      type: object\n", "    Instance:\n      type: object\n      required: [owner]\n")
    needy = needy.replace("        count:", "        owner: {type: string}\n        count:")
    assert version(proton, {"schema/schema.yaml": needy}) == "2.0"
    with invalid("owner"):
        client.update_service_instance(serviceName="svc", name="dev", deploymentType="MAJOR_VERSION")
    upgraded = spec("dev", "prod", dev={"owner": "me"}, prod={"owner": "you"})
    assert shown(proton.redeploy("dev", "MAJOR_VERSION", spec=upgraded)) == ("2.0", "SUCCEEDED")
    assert (proton.instance("dev")["spec"], proton.get()["spec"]) == (upgraded, text)
    proton.environment_template("far")
    far = [{"templateName": "far", "majorVersion": "1"}]
    assert version(proton, environments=far) == "3.0"
    with invalid("not compatible"):
        client.update_service_instance(serviceName="svc", name="dev", deploymentType="MAJOR_VERSION", spec=text)
    draft = proton.register("service", "svc", proton_services.bundle(), majorVersion="2", compatibleEnvironmentTemplates=ENVIRONMENTS)
    with invalid("not published"):
        client.update_service_instance(serviceName="svc", name="dev", deploymentType="MINOR_VERSION", templateMinorVersion=draft["minorVersion"])
    # Instances of one template, on three of its versions, in one pipeline: each by its own schema.
    assert proton.repipe(text)["deploymentStatus"] == "SUCCEEDED"
    assert proton.pipeline_outputs()["Instances"] == "dev:small:1:env prod:small:1:env "


def test_specs_of_instances_and_pipelines(proton):
    """Checklist 102, 107: a whole spec comes, the part that is asked for is used."""
    client = proton.client
    proton.active(spec("dev", "prod", dev={"size": "medium"}, pipeline={"command": "one"}))
    update = lambda text: client.update_service_instance(serviceName="svc", name="dev", deploymentType="CURRENT_VERSION", spec=text)  # noqa: E731
    with invalid("The spec has no instance dev"):
        update(spec("prod"))
    proton.environment("env2")
    with invalid("stays in the environment env"):
        update(spec("dev", environment="env2"))
    with invalid("instances.dev.spec.size"):
        update(spec("dev", dev={"size": 3}))
    with invalid("asks for the current value, but there is none"):
        update(spec("dev", dev={"bucket": "${Proton::CURRENT_VAL}"}))
    changed = proton.redeploy("dev", spec=spec("dev", dev={"size": "${Proton::CURRENT_VAL}", "count": 5}))
    assert changed["spec"] == spec("dev", dev={"size": "medium", "count": 5})
    assert proton.instance_outputs("dev")["Size"] == "medium"
    assert proton.instance("prod")["spec"] == proton.get()["spec"] == spec("dev", "prod", dev={"size": "medium"}, pipeline={"command": "one"})

    with invalid("pipeline.command"):
        client.update_service_pipeline(serviceName="svc", spec=spec("dev", pipeline={"command": 3}), deploymentType="CURRENT_VERSION")
    text = spec("dev", pipeline={"command": "${Proton::CURRENT_VAL}"})
    assert proton.repipe(text)["spec"] == text.replace("${Proton::CURRENT_VAL}", "one")
    assert proton.pipeline_outputs() == {"Command": "one", "Source": "acme/front@main", "Instances": "dev:medium:5:env prod:small:1:env "}
    assert proton.repipe(spec("dev", pipeline={"command": "two"}))["deploymentStatus"] == "SUCCEEDED"
    assert proton.pipeline_outputs()["Command"] == "two"


def test_new_outputs_of_the_environment_arrive(proton):
    """Checklist 95, 109."""
    client = proton.client
    proton.active(spec("dev"))
    assert proton.instance_outputs("dev")["EnvironmentSize"] == "small"
    assert proton.update_environment(spec=environment_spec(size="huge"))["deploymentStatus"] == "SUCCEEDED"
    assert proton.instance_outputs("dev")["EnvironmentSize"] == "small"
    before = proton.instance("dev")["lastSucceededDeploymentId"]
    proton.redeploy("dev")
    assert proton.instance_outputs("dev")["EnvironmentSize"] == "huge"
    # What a deployment had is still told.
    assert proton.instance_outputs("dev", deploymentId=before)["EnvironmentSize"] == "small"
    with missing():
        proton.instance_outputs("dev", deploymentId=proton.get()["pipeline"]["lastSucceededDeploymentId"])
    with missing():
        proton.instance_outputs("dev", deploymentId="00000000-0000-4000-8000-000000000000")
    keys = {"serviceName": "svc", "serviceInstanceName": "dev"}
    for call in ("list_service_instance_outputs", "list_service_instance_provisioned_resources"):
        assert "nextToken" not in getattr(client, call)(**keys, nextToken="")
        with invalid("nextToken"):
            getattr(client, call)(**keys, nextToken="x")
        with missing("none of service svc"):
            getattr(client, call)(serviceName="svc", serviceInstanceName="none")
    for call in ("list_service_pipeline_outputs", "list_service_pipeline_provisioned_resources"):
        with invalid("nextToken"):
            getattr(client, call)(serviceName="svc", nextToken="x")
        with missing("Service none"):
            getattr(client, call)(serviceName="none")


def test_an_update_that_fails_leaves_what_was_there(proton):
    """Failures leave the last good version, spec, outputs and stack."""
    client = proton.client
    proton.active(spec("dev", dev={"size": "medium"}))
    before, outputs = proton.instance("dev"), proton.instance_outputs("dev")
    taken = proton.take(f"taken-{proton.account}")
    failed = proton.redeploy("dev", spec=spec("dev", dev={"size": "large", "bucket": taken}))
    assert failed["deploymentStatus"] == "FAILED" and failed["deploymentStatusMessage"].startswith("Bucket: ")
    assert failed["lastAttemptedDeploymentId"] != failed["lastSucceededDeploymentId"] == before["lastSucceededDeploymentId"]
    assert failed["spec"] == before["spec"] and proton.instance_outputs("dev") == outputs
    record = client.get_deployment(id=failed["lastAttemptedDeploymentId"])["deployment"]
    assert (record["deploymentStatus"], record["deploymentStatusMessage"]) == ("FAILED", failed["deploymentStatusMessage"])
    assert proton.get()["status"] == "ACTIVE", "updates of parts leave the status of the service"
    (stack,) = client.list_service_instance_provisioned_resources(serviceName="svc", serviceInstanceName="dev")["provisionedResources"]
    described = proton.of("cloudformation").describe_stacks(StackName=stack["identifier"])["Stacks"][0]
    assert described["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    # And it can be changed again.
    again = proton.redeploy("dev", spec=spec("dev", dev={"size": "large"}))
    assert again["deploymentStatus"] == "SUCCEEDED" and "deploymentStatusMessage" not in again
    # A template that cannot be rendered is told with file and line.
    broken = proton_services.INSTANCE.replace("environment.outputs.Size", "environment.outputs.Sizes")
    version(proton, {"instance_infrastructure/cloudformation.yaml": broken}, majorVersion="1")
    failed = proton.redeploy("dev", "MINOR_VERSION")
    line = broken.splitlines().index('  EnvironmentSize: {Value: "{{ environment.outputs.Sizes }}"}') + 1
    assert shown(failed) == ("1.0", "FAILED")
    assert f"instance_infrastructure/cloudformation.yaml:{line}:" in failed["deploymentStatusMessage"]
    assert '"environment.outputs.Sizes" is not defined; did you mean environment.outputs.Size?' in failed["deploymentStatusMessage"]


def test_deployments_are_cancelled(proton):
    """Checklist 113: of instances and pipelines, before anything was done and when it is too late."""
    client, text = proton.client, spec("dev", dev={"size": "medium"})
    proton.active(text)
    instance = {"serviceName": "svc", "serviceInstanceName": "dev"}
    with conflict("no deployment in progress"):
        client.cancel_service_instance_deployment(**instance)
    with conflict("no deployment in progress"):
        client.cancel_service_pipeline_deployment(serviceName="svc")
    with missing("none of service svc"):
        client.cancel_service_instance_deployment(serviceName="svc", serviceInstanceName="none")
    with missing("Service none"):
        client.cancel_service_pipeline_deployment(serviceName="none")
    before, outputs = proton.instance("dev"), proton.instance_outputs("dev")

    with proton.waiting():
        client.update_service_instance(serviceName="svc", name="dev", deploymentType="CURRENT_VERSION", spec=spec("dev", dev={"size": "large"}))
        cancelling = client.cancel_service_instance_deployment(**instance)["serviceInstance"]
        assert cancelling["deploymentStatus"] == "CANCELLING"
        client.update_service_pipeline(serviceName="svc", spec=spec("dev", pipeline={"command": "new"}), deploymentType="CURRENT_VERSION")
        cancelling = client.cancel_service_pipeline_deployment(serviceName="svc")["pipeline"]
        assert cancelling["deploymentStatus"] == "CANCELLING"
        cancelled, pipeline = proton.settled_instance("svc", "dev"), proton.settled_pipeline()
    for part in (cancelled, pipeline):
        assert (part["deploymentStatus"], part["deploymentStatusMessage"]) == ("CANCELLED", "User initiated cancellation.")
        assert part["lastAttemptedDeploymentId"] != part["lastSucceededDeploymentId"]
        record = client.get_deployment(id=part["lastAttemptedDeploymentId"])["deployment"]
        assert (record["deploymentStatus"], "completedAt" in record) == ("CANCELLED", True)
    assert cancelled["spec"] == before["spec"] and proton.instance_outputs("dev") == outputs
    assert proton.pipeline_outputs()["Command"] == "make"
    with conflict("CANCELLED"):
        client.cancel_service_instance_deployment(**instance)
    # A cancelled one is deployed like any other.
    assert proton.redeploy("dev", spec=spec("dev", dev={"size": "large"}))["deploymentStatus"] == "SUCCEEDED"

    # A stack that is in the middle of its change is taken back, and one that is being made is taken away.
    with proton.slow():
        client.update_service_instance(serviceName="svc", name="dev", deploymentType="CURRENT_VERSION", spec=text)
        proton.stack_of("dev", "UPDATE_IN_PROGRESS")
        client.cancel_service_instance_deployment(**instance)
        proton.stack_of("dev", "UPDATE_ROLLBACK_IN_PROGRESS")
        assert proton.instance("dev")["deploymentStatus"] == "CANCELLING"
    cancelled = proton.settled_instance("svc", "dev")
    assert (cancelled["deploymentStatus"], cancelled["spec"]) == ("CANCELLED", spec("dev", dev={"size": "large"}))
    proton.stack_of("dev", "UPDATE_ROLLBACK_COMPLETE")
    assert proton.instance_outputs("dev")["Size"] == "large"
    with proton.slow():
        client.create_service_instance(serviceName="svc", name="prod", spec=spec("dev", "prod", dev={"size": "large"}))
        proton.stack_of("prod", "CREATE_IN_PROGRESS")
        client.cancel_service_instance_deployment(serviceName="svc", serviceInstanceName="prod")
        proton.stack_of("prod", "DELETE_IN_PROGRESS", gone=True)
    assert proton.settled_service("svc")["status"] == "UPDATE_FAILED_CLEANUP_COMPLETE"
    assert proton.names() == ["dev"] and proton.get()["spec"] == text
    assert len(proton.of("sns").list_topics()["Topics"]) == 3, "of the environment, the instance and the pipeline"
    assert proton.redeploy("dev", spec=text)["deploymentStatus"] == "SUCCEEDED"


def test_a_service_that_is_being_made_is_cancelled_in_parts(proton):
    """Checklist 97, 113: the instance, then the pipeline that waits for it."""
    client = proton.client
    with proton.waiting():
        proton.make(spec("dev", "prod"), wait=False)
        client.cancel_service_instance_deployment(serviceName="svc", serviceInstanceName="dev")
        assert proton.settled_instance("svc", "dev")["deploymentStatus"] == "CANCELLED"
        assert proton.get()["status"] == "CREATE_IN_PROGRESS"
    made = proton.settled_service("svc")
    assert (made["status"], made["pipeline"]["deploymentStatus"]) == ("CREATE_FAILED", "FAILED")
    assert "service-instance/dev" in made["statusMessage"] and "prod" not in made["statusMessage"]
    assert proton.redeploy("dev")["deploymentStatus"] == "SUCCEEDED"

    with proton.waiting():
        proton.make(spec("dev"), "other", wait=False)
        assert client.cancel_service_pipeline_deployment(serviceName="other")["pipeline"]["deploymentStatus"] == "CANCELLING"
        assert proton.settled_pipeline("other")["deploymentStatus"] == "CANCELLED"
    made = proton.settled_service("other")
    assert (made["status"], made["pipeline"]["deploymentStatus"]) == ("CREATE_FAILED", "CANCELLED")
    assert made["statusMessage"] == "User initiated cancellation."
    assert proton.instance("dev", "other")["deploymentStatus"] == "SUCCEEDED"
    assert proton.repipe(spec("dev"), service="other")["deploymentStatus"] == "SUCCEEDED"


def test_lists_are_filtered_and_sorted(proton):
    """Checklist 110, 111, 112."""
    client = proton.client
    proton.environment("env2")
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    proton.active(spec("dev", "prod"))
    proton.service_template("twin", bundle=proton_services.bundle())
    proton.make(spec("dev", environment="env2"), "aside", template="twin")
    bad = proton.make(spec("bad", bad={"bucket": proton.take(f"taken-{proton.account}")}), "broken")
    assert bad["status"] == "CREATE_FAILED"
    version(proton, majorVersion="1")
    proton.redeploy("dev", "MINOR_VERSION")
    version(proton)

    def names(*filters, **more):
        listed = [{"key": key, "value": value} for key, value in filters]
        found = client.list_service_instances(filters=listed, **more)["serviceInstances"]
        assert not any({"spec", "lastClientRequestToken"} & set(one) for one in found)
        return [f"{one['serviceName']}/{one['name']}" for one in found]

    every = ["aside/dev", "broken/bad", "svc/dev", "svc/prod"]
    assert names() == every and names(sortOrder="DESCENDING") == every[::-1] == names(sortBy="serviceName", sortOrder="DESCENDING")
    assert names(sortBy="name") == ["broken/bad", "aside/dev", "svc/dev", "svc/prod"]
    assert names(sortBy="deploymentStatus")[0] == "broken/bad"
    assert names(sortBy="environmentName")[-1] == "aside/dev"
    assert names(sortBy="templateName")[-1] == "aside/dev"
    assert names(sortBy="createdAt")[-1] == "broken/bad"
    assert names(sortBy="lastDeploymentAttemptedAt")[-1] == "svc/dev" == names(sortBy="lastDeploymentAttemptedAt", sortOrder="DESCENDING")[0]
    assert names(serviceName="svc") == ["svc/dev", "svc/prod"]
    for key, value, expected in [
        ("name", "dev", ["aside/dev", "svc/dev"]),
        ("deploymentStatus", "FAILED", ["broken/bad"]),
        ("templateName", "twin", ["aside/dev"]),
        ("serviceName", "svc", ["svc/dev", "svc/prod"]),
        ("environmentName", "env2", ["aside/dev"]),
        ("deployedTemplateVersionStatus", "UP_TO_DATE", ["aside/dev"]),
        ("deployedTemplateVersionStatus", "BEHIND_MAJOR", ["broken/bad", "svc/dev", "svc/prod"]),
        ("deployedTemplateVersionStatus", "BEHIND_MINOR", []),
    ]:
        assert names((key, value)) == expected, (key, value)
    assert names(("name", "dev"), ("name", "prod"), ("serviceName", "svc")) == ["svc/dev", "svc/prod"]
    past, future = start.strftime("%Y-%m-%dT%H:%M:%SZ"), "2999-01-01T00:00:00.5Z"
    for key in ("createdAt", "lastDeploymentAttemptedAt"):
        assert names((f"{key}After", past)) == every == names((f"{key}Before", future))
        assert names((f"{key}Before", past)) == [] == names((f"{key}After", future))
        for bad in ("2026-01-01T00:00:00+01:00", "2026-01-01T00:00:00", "2026-01-01", "now", ""):
            with invalid():
                names((f"{key}After", bad))
    with missing("Service none"):
        names(serviceName="none")
    # Pages keep their order, and a page whose last entry is gone goes on behind it.
    first = client.list_service_instances(maxResults=3)
    rest = client.list_service_instances(maxResults=3, nextToken=first["nextToken"])
    assert [one["serviceName"] for one in (*first["serviceInstances"], *rest["serviceInstances"])] == ["aside", "broken", "svc", "svc"]
    assert "nextToken" not in rest
    with invalid("nextToken"):
        client.list_service_instances(nextToken="abcd")


def test_tokens_of_updates(proton):
    client = proton.client
    proton.active(spec("dev"))
    update = lambda token, **more: client.update_service_instance(serviceName="svc", name="dev", deploymentType="CURRENT_VERSION", clientToken=token, **more)  # noqa: E731
    first = update("one")["serviceInstance"]
    assert first["lastClientRequestToken"] == "one"
    again = update("one")["serviceInstance"]
    assert again["lastAttemptedDeploymentId"] == first["lastAttemptedDeploymentId"]
    settled = proton.settled_instance("svc", "dev")
    assert update("one")["serviceInstance"]["lastAttemptedDeploymentId"] == settled["lastAttemptedDeploymentId"]
    with invalid("IdempotentParameterMismatch"):
        update("one", spec=spec("dev"))
    assert update("ONE")["serviceInstance"]["lastAttemptedDeploymentId"] != first["lastAttemptedDeploymentId"], "case matters"
    proton.settled_instance("svc", "dev")


def test_of_fifty_updates_at_once_one_wins(proton):
    """One deployment per target: the others are conflicts, and none is lost or doubled."""
    client = proton.client
    proton.active(spec("dev"))
    count = lambda: len(client.list_deployments(serviceName="svc", serviceInstanceName="dev")["deployments"])  # noqa: E731

    def update(_):
        try:
            return client.update_service_instance(serviceName="svc", name="dev", deploymentType="CURRENT_VERSION")["serviceInstance"]["lastAttemptedDeploymentId"]
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ConflictException", error
            return None

    with ThreadPoolExecutor(50) as pool:
        for turn in range(3):
            before = count()
            with proton.waiting():
                won = {id for id in pool.map(update, range(50)) if id}
                assert len(won) == 1, f"turn {turn}: {won}"
            settled = proton.settled_instance("svc", "dev")
            assert (settled["deploymentStatus"], settled["lastSucceededDeploymentId"]) == ("SUCCEEDED", won.pop())
            assert count() == before + 1
        # Updates against an edit of the service, and against its deletion: the instance is never in two runs.
        with proton.waiting():
            edits = [pool.submit(update, at) for at in range(25)]
            deletes = [pool.submit(_deleted, client) for _ in range(25)]
            updated = [edit.result() for edit in edits if edit.result()]
            deleted = [one.result() for one in deletes if one.result()]
            assert bool(updated) != bool(deleted), (updated, deleted)
            busy = [one for one in client.list_deployments(serviceName="svc", serviceInstanceName="dev")["deployments"] if one["deploymentStatus"].endswith("IN_PROGRESS")]
            assert len(busy) == 1


def _deleted(client):
    try:
        return client.delete_service(name="svc").get("service", {}).get("status")
    except ClientError as error:
        assert error.response["Error"]["Code"] == "ConflictException", error
        return None


def test_waiters_end(proton):
    client = proton.client
    proton.active(spec("dev"))
    client.update_service_instance(serviceName="svc", name="dev", deploymentType="CURRENT_VERSION")
    client.get_waiter("service_instance_deployed").wait(serviceName="svc", name="dev", WaiterConfig=QUICK)
    client.update_service_pipeline(serviceName="svc", spec=spec("dev"), deploymentType="CURRENT_VERSION")
    client.get_waiter("service_pipeline_deployed").wait(name="svc", WaiterConfig=QUICK)
    assert (proton.instance("dev")["deploymentStatus"], proton.get()["pipeline"]["deploymentStatus"]) == ("SUCCEEDED", "SUCCEEDED")
