"""What goes over all of Proton: account connections, repositories, sync configurations, settings, counts, tags, waiters."""

import threading

import pytest
from botocore.exceptions import WaiterError

from protons import (
    QUICK,
    Proton,
    conflict,
    environment_spec,
    invalid,
    missing,
    over_quota,
    polled,
    raw,
    service_spec,
    small,
    small_service,
    starter,
)
from serve import Standin

NOBODY = "12345678-1234-4234-8234-123456789012"


@pytest.fixture(scope="module")
def server():
    with Standin("--log", "warn") as running:
        yield running
        assert running.alive(), f"the server ended with {running.process.poll()}"


@pytest.fixture
def proton(server):
    return Proton(server)


@pytest.fixture
def other(server):
    """The environment account, where `proton` is the management account."""
    return Proton(server)


def connect(other, proton, name="env", **more):
    roles = {"roleArn": other.role, **more}
    made = other.client.create_environment_account_connection(managementAccountId=proton.account, environmentName=name, **roles)
    return made["environmentAccountConnection"]


def status(account, id):
    return account.client.get_environment_account_connection(id=id)["environmentAccountConnection"]["status"]


def test_connections_and_who_may_do_what(server, proton, other):
    stranger = Proton(server)
    made = connect(other, proton, componentRoleArn=other.role, codebuildRoleArn=other.role + "2")
    id = made["id"]
    assert made["arn"] == f"arn:aws:proton:eu-west-1:{other.account}:environment-account-connection/{id}"
    assert (made["status"], made["environmentAccountId"], made["managementAccountId"]) == ("PENDING", other.account, proton.account)
    assert made["requestedAt"] == made["lastModifiedAt"]
    assert (made["roleArn"], made["componentRoleArn"], made["codebuildRoleArn"]) == (other.role, other.role, other.role + "2")
    # Both see the same; nobody else sees anything, nor do other regions.
    for account in (proton, other):
        assert account.client.get_environment_account_connection(id=id)["environmentAccountConnection"] == made
    calls = ("get", "accept", "reject", "update")
    for account in (stranger, Proton(server, proton.account, "us-east-1")):
        for call in calls:
            with missing(id):
                getattr(account.client, f"{call}_environment_account_connection")(id=id)
    for call in calls:
        with missing(NOBODY):
            getattr(proton.client, f"{call}_environment_account_connection")(id=NOBODY)
    # Accepting and rejecting is the management account's, updating and deleting the environment account's.
    for call in ("accept", "reject"):
        with missing(id):
            getattr(other.client, f"{call}_environment_account_connection")(id=id)
    with missing(id):
        proton.client.update_environment_account_connection(id=id, roleArn=proton.role)
    for account in (proton, stranger):
        try:
            account.client.delete_environment_account_connection(id=id)
        except account.client.exceptions.ResourceNotFoundException:
            pass
        assert status(other, id) == "PENDING"

    accepted = proton.client.accept_environment_account_connection(id=id)["environmentAccountConnection"]
    assert accepted["status"] == "CONNECTED" and accepted["lastModifiedAt"] >= made["lastModifiedAt"]
    assert status(other, id) == "CONNECTED"
    assert proton.client.accept_environment_account_connection(id=id)["environmentAccountConnection"] == accepted
    changed = other.client.update_environment_account_connection(id=id, roleArn=other.role + "3")["environmentAccountConnection"]
    assert [changed[role] for role in ("roleArn", "componentRoleArn", "codebuildRoleArn")] == [other.role + "3", other.role, other.role + "2"]
    assert proton.client.get_environment_account_connection(id=id)["environmentAccountConnection"] == changed

    # A connection that nobody uses can still be rejected, and then never accepted again.
    assert proton.client.reject_environment_account_connection(id=id)["environmentAccountConnection"]["status"] == "REJECTED"
    assert proton.client.reject_environment_account_connection(id=id)["environmentAccountConnection"]["status"] == "REJECTED"
    with conflict("final"):
        proton.client.accept_environment_account_connection(id=id)
    assert status(other, id) == "REJECTED"

    assert other.client.delete_environment_account_connection(id=id)["environmentAccountConnection"]["id"] == id
    for account in (other, proton, stranger):
        assert "environmentAccountConnection" not in account.client.delete_environment_account_connection(id=id)
        with missing(id):
            account.client.get_environment_account_connection(id=id)


def test_connections_are_made_once_by_their_token_and_five_at_most(proton, other):
    first = connect(other, proton, clientToken="one")
    assert connect(other, proton, clientToken="one") == first
    assert connect(other, proton, clientToken="ONE")["id"] != first["id"]
    with invalid("IdempotentParameterMismatch"):
        connect(other, proton, "another", clientToken="one")
    proton.client.accept_environment_account_connection(id=first["id"])
    assert connect(other, proton, clientToken="one")["status"] == "CONNECTED"
    other.client.delete_environment_account_connection(id=first["id"])
    again = connect(other, proton, clientToken="one")
    assert again["id"] != first["id"] and again["status"] == "PENDING"
    results = []
    threads = [threading.Thread(target=lambda: results.append(connect(other, proton, "many", clientToken="many")["id"])) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 20 and len(set(results)) == 1
    for name in ("four", "five"):
        connect(other, proton, name)
    with over_quota("5"):
        connect(other, proton, "six")
    # The limit is of the environment account: for a management account many may be asked.
    connect(Proton(proton.server), proton, "six")
    other.client.delete_environment_account_connection(id=again["id"])
    connect(other, proton, "six")


def test_connections_are_listed_by_side_name_and_status(server, proton, other):
    third = Proton(server)
    ids = {name: connect(other, proton, name)["id"] for name in ("a", "b", "c")}
    ids["third"] = connect(third, proton, "a")["id"]
    ids["back"] = connect(proton, other, "a")["id"]
    proton.client.accept_environment_account_connection(id=ids["a"])
    proton.client.reject_environment_account_connection(id=ids["b"])
    names = {id: name for name, id in ids.items()}

    def listed(account, side, **more):
        found = account.client.list_environment_account_connections(requestedBy=side, **more)["environmentAccountConnections"]
        assert all("codebuildRoleArn" not in connection for connection in found)
        return [names[connection["id"]] for connection in found]

    assert listed(other, "ENVIRONMENT_ACCOUNT") == ["c", "b", "a"]
    assert listed(other, "MANAGEMENT_ACCOUNT") == ["back"]
    assert listed(proton, "MANAGEMENT_ACCOUNT") == ["third", "c", "b", "a"]
    assert listed(proton, "ENVIRONMENT_ACCOUNT") == ["back"]
    assert listed(proton, "MANAGEMENT_ACCOUNT", environmentName="a") == ["third", "a"]
    assert listed(proton, "MANAGEMENT_ACCOUNT", statuses=[]) == ["third", "c", "b", "a"]
    assert listed(proton, "MANAGEMENT_ACCOUNT", statuses=["PENDING"]) == ["third", "c"]
    assert listed(proton, "MANAGEMENT_ACCOUNT", statuses=["CONNECTED", "REJECTED"]) == ["b", "a"]
    assert listed(other, "ENVIRONMENT_ACCOUNT", statuses=["CONNECTED"], environmentName="a") == ["a"]
    assert listed(Proton(server), "MANAGEMENT_ACCOUNT") == []


def test_an_account_may_connect_to_itself(proton):
    id = connect(proton, proton)["id"]
    proton.environment_template()
    proton.client.accept_environment_account_connection(id=id)
    environment = proton.environment(environmentAccountConnectionId=id)
    assert (environment["deploymentStatus"], environment["environmentAccountId"]) == ("SUCCEEDED", proton.account)
    with conflict("in use"):
        proton.client.reject_environment_account_connection(id=id)


def test_connections_lend_their_roles(proton, other):
    """For CodeBuild and for components, where the environment has none of its own."""
    codebuild = connect(other, proton)["id"]
    proton.client.accept_environment_account_connection(id=codebuild)
    proton.environment_template(bundle=starter("environment-codebuild"))
    create = lambda: proton.environment(spec=environment_spec(vpc_cidr="10.0.0.0/16"), environmentAccountConnectionId=codebuild, wait=False)  # noqa: E731
    with invalid("codebuildRoleArn"):
        create()
    other.client.update_environment_account_connection(id=codebuild, codebuildRoleArn=other.role)
    assert create()["deploymentStatus"] == "IN_PROGRESS"
    proton.settled_environment("env")

    plain = connect(other, proton, "plain")["id"]
    proton.client.accept_environment_account_connection(id=plain)
    proton.environment_template("small")
    proton.environment("plain", "small", environmentAccountConnectionId=plain)
    files = starter("component-cloudformation")
    part = {"name": "part", "environmentName": "plain", "templateFile": files["cloudformation.yaml"].decode(), "manifest": files["manifest.yaml"].decode()}
    with invalid("componentRoleArn"):
        proton.client.create_component(**part)
    other.client.update_environment_account_connection(id=plain, componentRoleArn=other.role + "c")
    proton.client.create_component(**part)
    assert proton.settled_component("part")["deploymentStatus"] == "SUCCEEDED"
    (resource,) = proton.client.list_component_provisioned_resources(componentName="part")["provisionedResources"]
    (stack,) = other.of("cloudformation").describe_stacks(StackName=resource["name"])["Stacks"]
    assert stack["RoleARN"] == other.role + "c"


def test_repositories(proton):
    client = proton.client
    connection = f"arn:aws:codestar-connections:eu-west-1:{proton.account}:connection/one"
    made = proton.repository("myrepos/environments", tags=[{"key": "a", "value": "b"}])
    assert made["arn"] == f"arn:aws:proton:eu-west-1:{proton.account}:repository/github:myrepos/environments"
    assert (made["provider"], made["name"], made["connectionArn"]) == ("GITHUB", "myrepos/environments", connection)
    assert "encryptionKey" not in made and proton.tags(made["arn"])["a"] == "b"
    key = f"arn:aws:kms:eu-west-1:{proton.account}:key/one"
    enterprise = proton.repository("myrepos/environments", "GITHUB_ENTERPRISE", encryptionKey=key)
    assert enterprise["arn"].endswith(":repository/github_enterprise:myrepos/environments") and enterprise["encryptionKey"] == key
    assert proton.repository("my/code", "BITBUCKET")["arn"].endswith("/bitbucket:my/code")
    with conflict("linked already"):
        proton.repository("myrepos/environments")
    names = [(found["provider"], found["name"]) for found in client.list_repositories()["repositories"]]
    assert names == [("BITBUCKET", "my/code"), ("GITHUB_ENTERPRISE", "myrepos/environments"), ("GITHUB", "myrepos/environments")]
    assert client.get_repository(provider="GITHUB", name="myrepos/environments")["repository"] == made
    for call in (client.get_repository, client.delete_repository):
        with missing("bitbucket:myrepos/environments"):
            call(provider="BITBUCKET", name="myrepos/environments")
    for name in ("nameonly", "", "/", "a/"):
        with invalid("name"):
            proton.unchecked().create_repository(provider="GITHUB", name=name, connectionArn=connection)
    # What uses it keeps it.
    proton.template("environment", "env")
    sync = {"templateName": "env", "templateType": "ENVIRONMENT", "repositoryProvider": "GITHUB", "repositoryName": "myrepos/environments", "branch": "main"}
    branch = {"provider": "GITHUB", "name": "myrepos/environments", "branch": "main"}
    client.create_template_sync_config(**sync)
    with conflict("template env"):
        client.delete_repository(provider="GITHUB", name="myrepos/environments")
    client.delete_template_sync_config(templateName="env", templateType="ENVIRONMENT")
    client.update_account_settings(pipelineProvisioningRepository=branch)
    with conflict("account settings"):
        client.delete_repository(provider="GITHUB", name="myrepos/environments")
    client.update_account_settings(deletePipelineProvisioningRepository=True)
    assert client.delete_repository(provider="GITHUB", name="myrepos/environments")["repository"] == made
    with missing():
        client.get_repository(provider="GITHUB", name="myrepos/environments")
    assert client.get_repository(provider="GITHUB_ENTERPRISE", name="myrepos/environments")["repository"] == enterprise


def test_template_sync_configurations(proton):
    client = proton.client
    proton.repository()
    proton.repository("acme/other")
    for kind in ("environment", "service"):
        proton.template(kind, "same")
    config = {"templateName": "same", "templateType": "SERVICE", "repositoryProvider": "GITHUB", "repositoryName": "acme/infra", "branch": "main"}
    keys = {"templateName": "same", "templateType": "SERVICE"}
    made = client.create_template_sync_config(**config, subdirectory="templates")["templateSyncConfig"]
    assert made == {**config, "subdirectory": "templates"}
    assert client.get_template_sync_config(**keys)["templateSyncConfig"] == made
    with conflict("sync configuration already"):
        client.create_template_sync_config(**config)
    # The template of the other type has none.
    with missing():
        client.get_template_sync_config(templateName="same", templateType="ENVIRONMENT")
    for wrong in ({"templateName": "none"}, {"repositoryName": "not/linked"}, {"repositoryProvider": "BITBUCKET"}):
        with invalid():
            client.create_template_sync_config(**{**config, "templateType": "ENVIRONMENT", **wrong})
    client.create_template_sync_config(**{**config, "templateType": "ENVIRONMENT"})
    changed = client.update_template_sync_config(**{**config, "repositoryName": "acme/other", "branch": "next"})["templateSyncConfig"]
    assert (changed["repositoryName"], changed["branch"]) == ("acme/other", "next") and "subdirectory" not in changed
    with missing("not/linked"):
        client.update_template_sync_config(**{**config, "repositoryName": "not/linked"})
    with missing():
        client.update_template_sync_config(**{**config, "templateName": "none"})
    assert {"latestSync", "latestSuccessfulSync", "desiredState"}.isdisjoint(client.get_template_sync_status(**keys, templateVersion="1"))
    with missing():
        client.get_template_sync_status(templateName="none", templateType="SERVICE", templateVersion="1")
    define = lambda name: client.list_repository_sync_definitions(repositoryName=name, repositoryProvider="GITHUB", syncType="TEMPLATE_SYNC")["syncDefinitions"]  # noqa: E731
    assert [(found["target"], found["branch"]) for found in define("acme/other")] == [("same", "next")]
    assert [found["target"] for found in define("acme/infra")] == ["same"]
    assert define("not/linked") == []
    repository = {"repositoryName": "acme/infra", "repositoryProvider": "GITHUB", "branch": "main", "syncType": "TEMPLATE_SYNC"}
    # It is looked at, and nobody has said where it is.
    for answer in polled(lambda: client.get_repository_sync_status(**repository)):
        if "latestSync" in answer:
            assert answer["latestSync"]["status"] == "FAILED"
            assert "proton.repositories" in answer["latestSync"]["events"][-1]["event"]
            break
    assert "latestSync" not in client.get_repository_sync_status(**{**repository, "branch": "other"})
    with missing("not/linked"):
        client.get_repository_sync_status(**{**repository, "repositoryName": "not/linked"})
    assert client.delete_template_sync_config(**keys)["templateSyncConfig"] == changed
    for call in (client.get_template_sync_config, client.delete_template_sync_config):
        with missing():
            call(**keys)
    # With the template its configuration goes.
    client.delete_environment_template(name="same")
    with missing():
        client.get_template_sync_config(templateName="same", templateType="ENVIRONMENT")


def test_service_sync_configurations_and_blockers(proton):
    client = proton.client
    proton.repository()
    proton.environment_template()
    proton.environment()
    proton.bare_service_template()
    proton.service(spec=service_spec({"one": ("env", {}), "two": ("env", {})}))
    config = {"serviceName": "svc", "repositoryProvider": "GITHUB", "repositoryName": "acme/infra", "branch": "main", "filePath": "ops.yaml"}
    with invalid("not linked"):
        client.create_service_sync_config(**{**config, "repositoryName": "not/linked"})
    with missing():
        client.update_service_sync_config(**config)
    with missing():
        client.get_service_instance_sync_status(serviceName="svc", serviceInstanceName="one")
    # Without a configuration nothing blocks.
    proton.client.update_service_instance(serviceName="svc", name="one", deploymentType="CURRENT_VERSION", spec=service_spec({"one": ("env", {})}))
    proton.settled_instance("svc", "one")
    assert client.get_service_sync_blocker_summary(serviceName="svc", serviceInstanceName="one")["serviceSyncBlockerSummary"].get("latestBlockers", []) == []
    assert client.create_service_sync_config(**config)["serviceSyncConfig"] == config
    with conflict("sync configuration already"):
        client.create_service_sync_config(**config)
    assert client.update_service_sync_config(**{**config, "branch": "next"})["serviceSyncConfig"]["branch"] == "next"
    assert client.get_service_sync_config(serviceName="svc")["serviceSyncConfig"]["branch"] == "next"
    with missing("not/linked"):
        client.update_service_sync_config(**{**config, "repositoryName": "not/linked"})
    assert {"latestSync", "desiredState"}.isdisjoint(client.get_service_instance_sync_status(serviceName="svc", serviceInstanceName="one"))
    (found,) = client.list_repository_sync_definitions(repositoryName="acme/infra", repositoryProvider="GITHUB", syncType="SERVICE_SYNC")["syncDefinitions"]
    assert (found["target"], found["branch"], found["directory"]) == ("svc", "next", "ops.yaml")

    # A change by hand blocks the instance, once.
    for _ in range(2):
        client.update_service_instance(serviceName="svc", name="one", deploymentType="CURRENT_VERSION", spec=service_spec({"one": ("env", {})}))
        proton.settled_instance("svc", "one")
    blockers = lambda **more: client.get_service_sync_blocker_summary(serviceName="svc", **more)["serviceSyncBlockerSummary"]  # noqa: E731
    summary = blockers(serviceInstanceName="one")
    (blocker,) = summary["latestBlockers"]
    assert (summary["serviceName"], summary["serviceInstanceName"]) == ("svc", "one")
    assert (blocker["type"], blocker["status"]) == ("AUTOMATED", "ACTIVE") and "resolvedAt" not in blocker
    assert blockers(serviceInstanceName="two").get("latestBlockers", []) == [] == blockers().get("latestBlockers", [])
    # A removal blocks the service.
    client.update_service(name="svc", spec=service_spec({"one": ("env", {})}))
    for service in polled(lambda: client.get_service(name="svc")["service"]):
        if service["status"] == "ACTIVE":
            break
    (removal,) = blockers()["latestBlockers"]
    assert removal["status"] == "ACTIVE" and removal["id"] != blocker["id"]
    resolved = client.update_service_sync_blocker(id=blocker["id"], resolvedReason="synced again")
    assert (resolved["serviceName"], resolved["serviceInstanceName"]) == ("svc", "one")
    assert (resolved["serviceSyncBlocker"]["status"], resolved["serviceSyncBlocker"]["resolvedReason"]) == ("RESOLVED", "synced again")
    assert resolved["serviceSyncBlocker"]["resolvedAt"] >= blocker["createdAt"]
    with conflict("resolved already"):
        client.update_service_sync_blocker(id=blocker["id"], resolvedReason="again")
    with missing(NOBODY):
        client.update_service_sync_blocker(id=NOBODY, resolvedReason="x")
    for more in ({"serviceName": "none"}, {"serviceName": "svc", "serviceInstanceName": "none"}):
        with missing("none"):
            client.get_service_sync_blocker_summary(**more)
    assert client.delete_service_sync_config(serviceName="svc")["serviceSyncConfig"]["branch"] == "next"
    for call in (client.get_service_sync_config, client.delete_service_sync_config):
        with missing("svc"):
            call(serviceName="svc")
    assert [instance["name"] for instance in client.list_service_instances(serviceName="svc")["serviceInstances"]] == ["one"]


def test_account_settings_are_merged(proton):
    client = proton.client
    settings = lambda: client.get_account_settings()["accountSettings"]  # noqa: E731
    update = lambda **more: client.update_account_settings(**more)["accountSettings"]  # noqa: E731
    assert settings() == {}
    first = update(pipelineServiceRoleArn=proton.role)
    assert first == settings() == {"pipelineServiceRoleArn": proton.role}
    assert update() == first
    proton.repository()
    branch = {"provider": "GITHUB", "name": "acme/infra", "branch": "main"}
    both = update(pipelineCodebuildRoleArn=proton.role + "2", pipelineProvisioningRepository=branch)
    shown = {**branch, "arn": f"arn:aws:proton:eu-west-1:{proton.account}:repository/github:acme/infra"}
    assert both == settings() == {**first, "pipelineCodebuildRoleArn": proton.role + "2", "pipelineProvisioningRepository": shown}
    with invalid("exclude"):
        update(deletePipelineProvisioningRepository=True, pipelineProvisioningRepository=branch)
    with invalid("not linked"):
        update(pipelineProvisioningRepository={**branch, "name": "not/linked"})
    assert settings() == both
    assert update(deletePipelineProvisioningRepository=False, pipelineServiceRoleArn="") == {name: both[name] for name in both if name != "pipelineServiceRoleArn"}
    assert "pipelineProvisioningRepository" not in update(deletePipelineProvisioningRepository=True)
    assert update(pipelineCodebuildRoleArn="") == settings() == {}
    assert Proton(proton.server, proton.account, "us-east-1").client.get_account_settings()["accountSettings"] == {}


def test_counts_of_resources(proton):
    client = proton.client
    counts = lambda: client.get_resources_summary()["counts"]  # noqa: E731
    whole = lambda total, failed=0, current=0, minor=0, major=0: {"total": total, "failed": failed, "upToDate": current, "behindMinor": minor, "behindMajor": major}  # noqa: E731
    nothing = counts()
    assert set(nothing) == {"components", "environmentTemplates", "environments", "pipelines", "serviceInstances", "serviceTemplates", "services"}
    assert all(found["total"] == 0 for found in nothing.values())
    proton.environment_template()
    proton.environment_template("other", small())
    for name in ("one", "two", "three"):
        proton.environment(name)
    proton.service_template()
    proton.bare_service_template("bare")
    proton.service(spec=service_spec({"a": ("one", {}), "b": ("two", {})}, {}), **proton.sources())
    proton.service("bare", "bare", spec=service_spec({"a": ("one", {})}))
    found = counts()
    assert (found["environmentTemplates"]["total"], found["serviceTemplates"]["total"]) == (2, 2)
    assert found["environments"] == whole(3, current=3)
    assert (found["services"], found["serviceInstances"], found["pipelines"]) == (whole(2, current=2), whole(3, current=3), whole(1, current=1))
    # Newer versions leave what is deployed behind: by a minor, and by a major, which does not count as a minor, too.
    proton.environment_template(majorVersion="1")
    assert counts()["environments"] == whole(3, minor=3)
    proton.update_environment("one", "MINOR_VERSION")
    proton.environment_template()
    assert counts()["environments"] == whole(3, major=3)
    proton.update_environment("one", "MAJOR_VERSION")
    assert counts()["environments"] == whole(3, current=1, major=2)
    proton.service_template(majorVersion="1")
    assert (counts()["services"], counts()["serviceInstances"], counts()["pipelines"]) == (whole(2, current=1, minor=1), whole(3, current=1, minor=2), whole(1, minor=1))
    broken = small(template="Resources: {A: {Type: 'AWS::SNS::Topic', Properties: {TopicName: '{{ environment.inputs.none }}'}}}\n")
    proton.environment_template("broken", broken)
    proton.environment("four", "broken")
    assert counts()["environments"] == whole(4, failed=1, current=2, major=2)
    files = starter("component-cloudformation")
    proton.update_environment("two", "NONE", componentRoleArn=proton.role)
    client.create_component(name="part", environmentName="two", templateFile=files["cloudformation.yaml"].decode(), manifest=files["manifest.yaml"].decode())
    client.create_component(name="bad", environmentName="two", templateFile="{{ nothing.at.all }}", manifest=files["manifest.yaml"].decode())
    for name in ("part", "bad"):
        proton.settled_component(name)
    assert counts()["components"] == {"total": 2, "failed": 1}


def tag(**tags):
    return [{"key": key, "value": value} for key, value in tags.items()]


def user(tags):
    return {key: value for key, value in tags.items() if not key.startswith("aws:")}


def test_tags_of_users_and_of_proton(proton, other):
    client = proton.client
    proton.environment_template()
    proton.environment(componentRoleArn=proton.role, tags=tag(team="env"))
    proton.service_template(supportedComponentSources=["DIRECTLY_DEFINED"])
    spec = service_spec({"one": ("env", {})}, {})
    proton.service(spec=spec, tags=tag(team="svc", shared="1"), **proton.sources())
    files = starter("component-cloudformation")
    client.create_component(name="part", environmentName="env", templateFile=files["cloudformation.yaml"].decode(), manifest=files["manifest.yaml"].decode(), tags=tag(team="part"))
    proton.settled_component("part")
    arn = lambda resource: f"arn:aws:proton:eu-west-1:{proton.account}:{resource}"  # noqa: E731
    system = lambda **names: {f"aws:proton:{name.replace('_', '-')}": value for name, value in names.items()}  # noqa: E731
    account = proton.account
    env_template, svc_template = arn("environment-template/env"), arn("service-template/svc")
    service, instance = arn("service/svc"), arn("service/svc/service-instance/one")
    repository = proton.repository()["arn"]
    expected = [
        (env_template, {}, system(account=account)),
        (env_template + ":1.0", {}, system(account=account, template=env_template)),
        (svc_template, {}, system(account=account)),
        (svc_template + ":1.0", {}, system(account=account, template=svc_template)),
        (arn("environment/env"), {"team": "env"}, system(account=account, template=env_template, environment=arn("environment/env"))),
        (service, {"team": "svc", "shared": "1"}, system(account=account, template=svc_template, service=service)),
        (instance, {"team": "svc", "shared": "1"}, system(account=account, template=svc_template, environment=arn("environment/env"), service=service, service_instance=instance)),
        (arn("component/part"), {"team": "part"}, system(account=account, environment=arn("environment/env"), component=arn("component/part"))),
        (repository, {}, system(account=account)),
    ]
    for resource, own, of_proton in expected:
        assert proton.tags(resource) == {**own, **of_proton}, resource
        client.tag_resource(resourceArn=resource, tags=tag(added="1", Added="2", empty=""))
        client.tag_resource(resourceArn=resource, tags=tag(added="3"))
        assert user(proton.tags(resource)) == {**own, "added": "3", "Added": "2", "empty": ""}, resource
        client.untag_resource(resourceArn=resource, tagKeys=["added", "absent"])
        assert user(proton.tags(resource)) == {**own, "Added": "2", "empty": ""}
        for wrong in ({"aws:mine": "x"}, {"AWS:mine": "x"}, {"aws:proton:account": "1"}):
            with invalid("reserved"):
                client.tag_resource(resourceArn=resource, tags=tag(fine="x", **wrong))
        with invalid("reserved"):
            client.untag_resource(resourceArn=resource, tagKeys=["empty", "aws:proton:account"])
        assert user(proton.tags(resource)) == {**own, "Added": "2", "empty": ""}
    # A pipeline's are its own, or its service's; at least its system tags are there.
    assert system(account=account, template=svc_template, service=service).items() <= proton.tags(service + "/pipeline").items()
    # Connections have no system tags, and keep the user's through everything that both sides do.
    connection = connect(other, proton, tags=tag(a="1"))
    other.client.tag_resource(resourceArn=connection["arn"], tags=tag(b="2"))
    proton.client.accept_environment_account_connection(id=connection["id"])
    assert other.tags(connection["arn"]) == {"a": "1", "b": "2"}
    for resource in (arn("environment/none"), arn("service/none"), arn("deployment/" + NOBODY), env_template + ":9.9", "arn:aws:s3:eu-west-1:111122223333:bucket"):
        for call in (
            lambda: client.list_tags_for_resource(resourceArn=resource),  # noqa: B023
            lambda: client.tag_resource(resourceArn=resource, tags=tag(a="b")),  # noqa: B023
            lambda: client.untag_resource(resourceArn=resource, tagKeys=["a"]),  # noqa: B023
        ):
            with missing():
                call()


def test_tags_are_handed_to_children_that_come_later(proton):
    template = proton.template("environment", "env", tags=tag(team="a", stage="x"))["arn"]
    proton.register("environment", "env", small(), tags=tag(stage="y", own="1"))
    assert user(proton.tags(template + ":1.0")) == {"team": "a", "stage": "y", "own": "1"}
    proton.client.tag_resource(resourceArn=template, tags=tag(late="1"))
    assert "late" not in proton.tags(template + ":1.0")
    proton.register("environment", "env", small(), majorVersion="1")
    assert user(proton.tags(template + ":1.1")) == {"team": "a", "stage": "x", "late": "1"}
    proton.publish("environment", "env")
    environment = proton.environment()
    assert user(proton.tags(environment["arn"])) == {}
    proton.client.tag_resource(resourceArn=environment["arn"], tags=tag(own="1"))
    (resource,) = proton.client.list_environment_provisioned_resources(environmentName="env")["provisionedResources"]
    proton.update_environment()
    (stack,) = proton.of("cloudformation").describe_stacks(StackName=resource["name"])["Stacks"]
    assert not {"own", "team"} & {tag["Key"] for tag in stack["Tags"]}


def test_fifty_tags_are_the_limit(proton):
    many = {f"k{number}": "v" for number in range(50)}
    arn = proton.template("environment", "env", tags=tag(**many))["arn"]
    assert len(proton.tags(arn)) == 51
    with invalid("50"):
        proton.client.tag_resource(resourceArn=arn, tags=tag(one="more"))
    proton.client.tag_resource(resourceArn=arn, tags=tag(k0="changed"))
    proton.client.untag_resource(resourceArn=arn, tagKeys=["k1"])
    proton.client.tag_resource(resourceArn=arn, tags=tag(one="more"))
    assert len(user(proton.tags(arn))) == 50
    with invalid("tags"):
        proton.template("service", "svc", tags=tag(**many, more="x"))
    # What a version inherits counts, too.
    version = raw(proton.server, "CreateEnvironmentTemplateVersion", {"templateName": "env", "source": {"s3": {"bucket": "none", "key": "k"}}, "tags": tag(extra="1")}, account=proton.account)
    assert version[0] == 400 and "50" in version[2]["message"]


def test_a_hundred_templates_are_the_limit_of_both_kinds_together(proton):
    for number in range(50):
        proton.template("environment", f"t{number}")
        proton.template("service", f"t{number}")
    for kind in ("environment", "service"):
        with over_quota("100"):
            proton.template(kind, "one-too-many")
        assert proton.template(kind, "t0")["name"] == "t0"
    proton.client.delete_service_template(name="t7")
    proton.template("environment", "one-too-many")


def test_all_ten_waiters_end(proton):
    client = proton.client
    assert len(client.waiter_names) == 10
    wait = lambda waiter, **keys: client.get_waiter(waiter).wait(**keys, WaiterConfig=QUICK)  # noqa: E731

    def fails(waiter, **keys):
        with pytest.raises(WaiterError) as caught:
            wait(waiter, **keys)
        assert "terminal failure state" in str(caught.value) or "FAILED" in str(caught.value)

    version = lambda name: {"templateName": name, "majorVersion": "1", "minorVersion": "0"}  # noqa: E731
    for kind, bundle, more in [("environment", small(), {}), ("service", small_service(), {"compatibleEnvironmentTemplates": [{"templateName": "good", "majorVersion": "1"}]})]:
        for name, archive in (("good", bundle), ("bad", b"broken")):
            proton.template(kind, name)
            getattr(client, f"create_{kind}_template_version")(templateName=name, source=proton.upload(archive), **more)
        wait(f"{kind}_template_version_registered", **version("good"))
        fails(f"{kind}_template_version_registered", **version("bad"))
        proton.publish(kind, "good")
    failing = small_service(instance="Resources: {T: {Type: 'AWS::SNS::Topic', Properties: {TopicName: '{{ service_instance.inputs.none }}'}}}\n")
    proton.service_template("failing", failing, environments=(("good", "1"),))
    proton.environment_template("broken", small(template="Resources: {T: {Type: 'AWS::SNS::Topic', Properties: {TopicName: '{{ environment.inputs.none }}'}}}\n"))

    proton.environment("env", "good", wait=False, componentRoleArn=proton.role)
    wait("environment_deployed", name="env")
    proton.environment("broken", "broken", wait=False)
    fails("environment_deployed", name="broken")

    sources = proton.sources()
    spec = lambda *names: service_spec({name: ("env", {}) for name in names}, {})  # noqa: E731
    proton.service("svc", "good", spec("one"), wait=False, **sources)
    wait("service_created", name="svc")
    wait("service_instance_deployed", name="one", serviceName="svc")
    wait("service_pipeline_deployed", name="svc")
    client.update_service(name="svc", spec=spec("one", "two"))
    wait("service_updated", name="svc")
    assert {instance["name"] for instance in client.list_service_instances(serviceName="svc")["serviceInstances"]} == {"one", "two"}
    proton.service("failing", "failing", spec("one"), wait=False, **sources)
    fails("service_created", name="failing")
    fails("service_instance_deployed", name="one", serviceName="failing")
    fails("service_pipeline_deployed", name="failing")
    for name in ("svc", "failing"):
        client.delete_service(name=name)
        wait("service_deleted", name=name)

    files = starter("component-cloudformation")
    part = {"environmentName": "env", "manifest": files["manifest.yaml"].decode()}
    client.create_component(name="part", templateFile=files["cloudformation.yaml"].decode(), **part)
    wait("component_deployed", name="part")
    client.create_component(name="bad", templateFile="{{ nothing.at.all }}", **part)
    fails("component_deployed", name="bad")
    for name in ("part", "bad"):
        client.delete_component(name=name)
        wait("component_deleted", name=name)
