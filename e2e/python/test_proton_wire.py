"""Proton on the wire: the protocol, errors, constraints and pages, by boto3 and by requests that it would not send."""

import re

import botocore
import botocore.session
import pytest
from botocore.exceptions import ClientError

from protons import STATUS_OF, Proton, faults, invalid, missing, over_quota, raw, refused, small, tar
from serve import Standin

MODEL = botocore.session.get_session().get_service_model("proton")
ROLE = "arn:aws:iam::111122223333:role/proton"
UUID = "12345678-1234-1234-1234-123456789012"


@pytest.fixture(scope="module")
def server():
    with Standin("--log", "warn") as running:
        yield running
        assert running.alive(), f"the server ended with {running.process.poll()}"


@pytest.fixture
def proton(server):
    return Proton(server)


def kind(body):
    """The name of an error, with or without the namespace of the service's model."""
    return body.get("__type", "").rpartition("#")[2]


def test_the_protocol_is_json_1_0(server):
    status, headers, body = raw(server, "ListServices", {})
    assert (status, headers["Content-Type"], body) == (200, "application/x-amz-json-1.0", {"services": []})
    assert headers["x-amzn-RequestId"]
    status, _, body = raw(server, "NoSuchOperation", {})
    assert status in (400, 404) and kind(body) == "UnknownOperationException"
    for broken in (b"{", b"[]", b'"text"', b"{\"name\": }", b"\xff\xfe", b"{" * 100_000):
        status, _, body = raw(server, "GetService", broken)
        assert (status, kind(body)) == (400, "SerializationException"), broken[:10]
    status, _, body = raw(server, "GetService", {"name": ["not", "a", "string"]})
    assert status == 400
    # Members that the model does not know are let through, and an explicit null is no value.
    status, _, body = raw(server, "ListServices", {"maxResults": None, "unknown": {"a": 1}})
    assert (status, body) == (200, {"services": []})


def test_every_operation_refuses_an_empty_input_that_lacks_what_is_required(server):
    """And none of the 87 is unknown."""
    assert len(MODEL.operation_names) == 87
    for name in MODEL.operation_names:
        required = MODEL.operation_model(name).input_shape.required_members
        status, _, body = raw(server, name, {})
        if required:
            assert (status, kind(body)) == (400, "ValidationException"), (name, body)
            assert required[0] in body["message"], (name, body)
        else:
            assert status == 200, (name, body)


def test_every_operation_refuses_what_does_not_fit(server):
    """Through boto3 with its own checks switched off."""
    client = Proton(server).unchecked()
    for name in MODEL.operation_names:
        shape = MODEL.operation_model(name).input_shape
        wanted = shape.required_members or [member for member in shape.members if member == "maxResults" or member.endswith("RoleArn")]
        constrained = lambda member: {"pattern", "enum", "min"} & set(shape.members[member].metadata)  # noqa: B023, E731
        member = next((member for member in wanted if shape.members[member].type_name in ("string", "integer") and constrained(member)), None)
        if member is None:
            # The first two take nothing, the third any texts.
            assert name in ("GetAccountSettings", "GetResourcesSummary", "UpdateServiceSyncBlocker"), name
            continue
        of = shape.members[member]
        unfit = 101 if of.type_name == "integer" else "?" if {"pattern", "enum"} & set(of.metadata) else ""
        with invalid(f"'{member}' failed to satisfy constraint"):
            getattr(client, botocore.xform_name(name))(**{member: unfit})


def test_errors_have_their_status_and_a_message(server, proton):
    assert raw(server, "GetService", {"name": "none"})[0] == 404
    with missing("none"):
        proton.client.get_service(name="none")
    with invalid():
        proton.client.create_repository(provider="SVN", name="a/b", connectionArn="arn:aws:codestar-connections:eu-west-1:111122223333:connection/x")
    proton.repository()
    with refused("Conflict", "linked already"):
        proton.repository()
    connection = {"managementAccountId": "111122223333", "roleArn": proton.role}
    for number in range(5):
        proton.client.create_environment_account_connection(environmentName=f"env{number}", **connection)
    with over_quota("5"):
        proton.client.create_environment_account_connection(environmentName="env5", **connection)
    for operation, body, status in [("GetService", {"name": "no"}, 404), ("GetService", {"name": "?"}, 400), ("CreateEnvironmentAccountConnection", {**connection, "environmentName": "x"}, 402)]:
        answered, headers, body = raw(server, operation, body, account=proton.account)
        assert answered == status
        assert set(body) == {"__type", "message"} and body["message"]
        assert kind(body).endswith("Exception")


def test_errors_of_any_kind_have_their_status(server, proton):
    """Also those that Proton itself does not come to say here."""
    for code, status in {**STATUS_OF, "ThrottlingException": 429, "InternalServerException": 500}.items():
        operation = "GetEnvironmentTemplate" if code == "ResourceNotFoundException" else "CreateEnvironmentTemplate"
        with faults(server, {"operation": operation, "error": code, "message": "for a test"}):
            answered, _, body = raw(server, operation, {"name": "t"}, account=proton.account)
        assert (answered, kind(body), body["message"]) == (status, code, "for a test")
    # What may be tried again is tried again by clients.
    for code in ("ThrottlingException", "InternalServerException"):
        with faults(server, {"operation": "ListServices", "error": code, "first": 1}):
            assert proton.of("proton", attempts=2).list_services()["services"] == []
            with pytest.raises(ClientError, match=code), faults(server, {"operation": "ListServices", "error": code, "first": 1}):
                proton.client.list_services()


LONG = "x" * 101
BAD = [
    # Patterns and lengths of strings, lists and numbers; each with a good value beside it.
    ("GetService", {"name": "ok"}, {"name": ["", LONG, "-a", "_a", "a b", "a.b", "ä", "a/b", "a\n"]}),
    ("UpdateComponent", {"name": "ok", "deploymentType": "NONE", "serviceName": ""}, {"serviceName": ["-a", LONG], "deploymentType": ["MINOR", "none", ""]}),
    (
        "GetEnvironmentTemplateVersion",
        {"templateName": "t", "majorVersion": "1", "minorVersion": "0"},
        {"majorVersion": ["01", "", "a", "-1", "1.0", "1" * 21, " 1"], "minorVersion": ["00", "+1"]},
    ),
    ("GetTemplateSyncStatus", {"templateName": "t", "templateType": "SERVICE", "templateVersion": "1"}, {"templateVersion": ["01"], "templateType": ["OTHER", "service"]}),
    ("UpdateEnvironmentTemplate", {"name": "t", "description": "", "displayName": "x"}, {"displayName": ["", LONG], "description": ["x" * 501]}),
    ("ListServices", {"maxResults": 1}, {"maxResults": [0, 101, -1, 2**31 - 1], "nextToken": ["", "a b", "-_", "ä"]}),
    ("ListEnvironmentOutputs", {"environmentName": "e", "nextToken": ""}, {"nextToken": ["a"], "deploymentId": ["x", UUID.upper().replace("1", "A")]}),
    ("GetDeployment", {"id": UUID}, {"id": ["", UUID + "0", UUID.replace("1", "g"), UUID.replace("1", "A")]}),
    ("AcceptEnvironmentAccountConnection", {"id": UUID}, {"id": ["nonsense"]}),
    (
        "CreateEnvironmentAccountConnection",
        {"managementAccountId": "111122223333", "environmentName": "e", "roleArn": ROLE, "clientToken": ""},
        {"managementAccountId": ["1", "1" * 13, "a" * 12], "roleArn": ["", "role", "arn:aws:iam::1:role/x", ROLE + "x" * 2048], "clientToken": ["x" * 65, "a b", "ä"]},
    ),
    ("UpdateAccountSettings", {"pipelineServiceRoleArn": ""}, {"pipelineServiceRoleArn": ["role"], "pipelineCodebuildRoleArn": ["arn:aws:s3:::bucket"]}),
    ("CreateRepository", {"provider": "GITHUB", "name": "a/b", "connectionArn": ROLE}, {"provider": ["github", ""], "name": ["", "ab", LONG + "/b"], "connectionArn": ["x", ""]}),
    (
        "CreateTemplateSyncConfig",
        {"templateName": "t", "templateType": "SERVICE", "repositoryProvider": "GITHUB", "repositoryName": "a/b", "branch": "main"},
        {"branch": ["", "x" * 201], "subdirectory": ["", "x" * 4097]},
    ),
    ("CreateServiceSyncConfig", {"serviceName": "s", "repositoryProvider": "GITHUB", "repositoryName": "a/b", "branch": "b", "filePath": "f"}, {"filePath": ["", "x" * 4097]}),
    (
        "CreateEnvironmentTemplateVersion",
        {"templateName": "t", "source": {"s3": {"bucket": "bucket", "key": "k"}}},
        {"source": [{}, {"s3": {"bucket": "B!", "key": "k"}}, {"s3": {"bucket": "ab", "key": "k"}}, {"s3": {"bucket": "bucket"}}, {"s3": {"bucket": "bucket", "key": ""}}]},
    ),
    (
        "CreateServiceTemplateVersion",
        {"templateName": "t", "source": {"s3": {"bucket": "bucket", "key": "k"}}, "compatibleEnvironmentTemplates": [{"templateName": "e", "majorVersion": "1"}]},
        {
            "compatibleEnvironmentTemplates": [[], [{"templateName": "e", "majorVersion": "1"}] * 11, [{"templateName": "e"}], [{"templateName": "e", "majorVersion": "01"}]],
            "supportedComponentSources": [["OTHER"]],
        },
    ),
    ("TagResource", {"resourceArn": "arn:aws:proton:eu-west-1:111122223333:service/s", "tags": []}, {"resourceArn": ["", "x", "arn:aws:proton", "a" * 201], "tags": [[{"key": "", "value": ""}], [{"key": "x" * 129, "value": ""}], [{"key": "k", "value": "x" * 257}], [{"key": "k"}], [{"key": f"k{n}", "value": ""} for n in range(51)]]}),
    ("NotifyResourceDeploymentStatusChange", {"resourceArn": "arn:aws:proton:eu-west-1:111122223333:service/s"}, {"status": ["CANCELLED"], "outputs": [[{"key": "", "valueString": "v"}], [{"key": "k", "valueString": "x" * 1025}]], "statusMessage": ["x" * 5001]}),
    ("CreateEnvironment", {"name": "e", "templateName": "t", "templateMajorVersion": "1", "spec": "s"}, {"spec": ["", "x" * 51201], "protonServiceRoleArn": ["x"], "provisioningRepository": [{"provider": "GITHUB", "name": "a/b"}]}),
    ("CreateComponent", {"name": "c", "templateFile": "t", "manifest": "m"}, {"templateFile": ["", "x" * 51201], "manifest": ["", "x" * 1025]}),
    ("ListServiceInstances", {"sortBy": "name"}, {"sortBy": ["size"], "sortOrder": ["UP"], "filters": [[{"key": "size", "value": "1"}]]}),
    ("ListEnvironmentAccountConnections", {"requestedBy": "MANAGEMENT_ACCOUNT"}, {"requestedBy": ["ME"], "statuses": [["OPEN"]]}),
]


def test_patterns_and_lengths_are_checked_by_the_server(server):
    for operation, good, members in BAD:
        status, _, body = raw(server, operation, good)
        message = body.get("message", "")
        assert status in (200, 404) or "constraint" not in message, (operation, good, body)
        for member, values in members.items():
            for value in values:
                status, _, body = raw(server, operation, {**good, member: value})
                assert (status, kind(body)) == (400, "ValidationException"), (operation, member, str(value)[:80], body)
                assert member in body["message"], (operation, member, str(value)[:80], body)


def test_parts_of_versions_are_strings(server, proton):
    proton.environment_template()
    assert raw(server, "GetEnvironmentTemplateVersion", {"templateName": "env", "majorVersion": "1", "minorVersion": "0"}, account=proton.account)[0] == 200
    for version in (("01", "0"), ("1", "00"), ("1.0", "0"), ("", "0")):
        with invalid("ersion"):
            proton.unchecked().get_environment_template_version(templateName="env", majorVersion=version[0], minorVersion=version[1])
    assert raw(server, "GetEnvironmentTemplateVersion", {"templateName": "env", "majorVersion": 1, "minorVersion": 0}, account=proton.account)[0] == 400


def nulls(value, path=""):
    if value is None:
        return [path]
    if isinstance(value, dict):
        return [found for name, item in value.items() for found in nulls(item, f"{path}.{name}")]
    if isinstance(value, list):
        return [found for at, item in enumerate(value) for found in nulls(item, f"{path}[{at}]")]
    return []


def test_nothing_is_null_and_times_are_numbers(server, proton):
    proton.environment_template()
    proton.environment()
    proton.bare_service_template()
    proton.repository()
    for operation, body in [
        ("GetEnvironmentTemplate", {"name": "env"}),
        ("GetEnvironmentTemplateVersion", {"templateName": "env", "majorVersion": "1", "minorVersion": "0"}),
        ("ListEnvironmentTemplates", {}),
        ("ListEnvironmentTemplateVersions", {"templateName": "env"}),
        ("GetEnvironment", {"name": "env"}),
        ("ListEnvironments", {}),
        ("ListEnvironmentOutputs", {"environmentName": "env"}),
        ("ListEnvironmentProvisionedResources", {"environmentName": "env"}),
        ("ListDeployments", {}),
        ("GetServiceTemplate", {"name": "svc"}),
        ("GetServiceTemplateVersion", {"templateName": "svc", "majorVersion": "1", "minorVersion": "0"}),
        ("ListRepositories", {}),
        ("GetAccountSettings", {}),
        ("GetResourcesSummary", {}),
    ]:
        status, _, answer = raw(server, operation, body, account=proton.account)
        assert status == 200 and nulls(answer) == [], (operation, answer)
    environment = raw(server, "GetEnvironment", {"name": "env"}, account=proton.account)[2]["environment"]
    assert isinstance(environment["createdAt"], float | int) and 1.7e9 < environment["createdAt"] < 1e10
    assert "description" not in environment and "provisioning" not in environment


def pages(call, key, size, **more):
    """All items of a list, and the tokens between its pages."""
    found, tokens, token = [], [], {}
    while True:
        answer = call(maxResults=size, **more, **token)
        assert len(answer[key]) <= size
        found += answer[key]
        if "nextToken" not in answer:
            return found, tokens
        assert len(answer[key]) == size
        tokens.append(answer["nextToken"])
        token = {"nextToken": answer["nextToken"]}


def test_lists_have_pages_and_their_own_tokens(server, proton):
    client = proton.client
    source = proton.upload(small())
    for number in range(7):
        proton.template("environment", f"env{number}")
        proton.template("service", f"svc{number}")
        proton.repository(f"acme/code{number}")
        proton.register("environment", "env0", source, **({"majorVersion": "1"} if number else {}))
    proton.template("environment", "tagged", tags=[{"key": f"k{number}", "value": str(number)} for number in range(7)])
    arn = client.get_environment_template(name="tagged")["environmentTemplate"]["arn"]
    for number in range(5):
        client.create_environment_account_connection(managementAccountId="111122223333", environmentName=f"env{number}", roleArn=ROLE)
    lists = [
        (client.list_environment_templates, "templates", {}, 8),
        (client.list_service_templates, "templates", {}, 7),
        (client.list_repositories, "repositories", {}, 7),
        (client.list_environment_template_versions, "templateVersions", {"templateName": "env0", "majorVersion": "1"}, 7),
        (client.list_environment_account_connections, "environmentAccountConnections", {"requestedBy": "ENVIRONMENT_ACCOUNT"}, 5),
        (client.list_tags_for_resource, "tags", {"resourceArn": arn}, 8),
    ]
    tokens_of = []
    for call, key, more, count in lists:
        whole = call(**more)
        assert "nextToken" not in whole and len(whole[key]) == count, key
        for size in (1, 2, 3, count, 100):
            found, tokens = pages(call, key, size, **more)
            assert found == whole[key], (key, size)
            assert all(re.fullmatch("[A-Za-z0-9+=/]+", token) for token in tokens)
            if size == 2:
                tokens_of.append(tokens[0])
    times = [template["createdAt"] for template in client.list_environment_templates()["templates"]]
    assert times == sorted(times, reverse=True)
    # A token belongs to its list and its filters, but not to the size of pages.
    for at, (call, key, more, _) in enumerate(lists):
        assert call(nextToken=tokens_of[at], maxResults=1, **more)[key]
        for token in [*tokens_of[:at], *tokens_of[at + 1 :], "AAAA", "A", "====", tokens_of[at][:-3], tokens_of[at] + "AAAA", "Z" * 5000]:
            with invalid("nextToken"):
                call(nextToken=token, **more)
    with invalid("nextToken"):
        client.list_environment_account_connections(requestedBy="ENVIRONMENT_ACCOUNT", environmentName="env1", nextToken=tokens_of[4])
    with invalid("nextToken"):
        Proton(server).client.list_environment_templates(nextToken=tokens_of[0])


def test_a_page_goes_on_where_it_was_although_things_come_and_go(proton):
    for number in range(6):
        proton.template("environment", f"env{number}")
    first = proton.client.list_environment_templates(maxResults=3)
    for gone in [first["templates"][2]["name"], "env2"]:
        proton.client.delete_environment_template(name=gone)
    proton.template("environment", "newer")
    second = proton.client.list_environment_templates(maxResults=3, nextToken=first["nextToken"])
    assert [template["name"] for template in second["templates"]] == ["env1", "env0"]


def test_lists_of_one_page_take_no_token(server, proton):
    proton.environment_template()
    proton.environment()
    proton.bare_service_template()
    repository = {"repositoryName": "a/b", "repositoryProvider": "GITHUB", "syncType": "TEMPLATE_SYNC"}
    of_one_page = [name for name in MODEL.operation_names if getattr(MODEL.operation_model(name).input_shape.members.get("nextToken"), "name", "") == "EmptyNextToken"]
    assert len(of_one_page) == 9
    keys = {"serviceName": "s", "serviceInstanceName": "i", "environmentName": "env", "componentName": "c", **repository}
    for name in of_one_page:
        members = MODEL.operation_model(name).input_shape.members
        assert "maxResults" not in members
        body = {member: value for member, value in keys.items() if member in members}
        status, _, answer = raw(server, name, {**body, "nextToken": "AAAA"}, account=proton.account)
        assert (status, kind(answer)) == (400, "ValidationException"), name
        status, _, answer = raw(server, name, {**body, "nextToken": ""}, account=proton.account)
        assert status in (200, 404) and "nextToken" not in answer, (name, answer)


def test_accounts_and_regions_do_not_see_each_other(server, proton):
    proton.template("environment", "mine")
    assert Proton(server, proton.account, "us-east-1").client.list_environment_templates()["templates"] == []
    assert Proton(server).client.list_environment_templates()["templates"] == []
    arn = proton.client.get_environment_template(name="mine")["environmentTemplate"]["arn"]
    assert arn == f"arn:aws:proton:eu-west-1:{proton.account}:environment-template/mine"
    china = Proton(server, proton.account, "cn-north-1")
    assert china.template("environment", "mine")["arn"].startswith("arn:aws-cn:proton:cn-north-1:")
    with missing():
        Proton(server).client.list_tags_for_resource(resourceArn=arn)


def test_names_and_texts_of_any_script(proton):
    description = "Umgebung für 東京 🚀 \u202e"
    proton.template("environment", "unicode", description=description, displayName="Ωmega", tags=[{"key": "名前", "value": "värde"}])
    template = proton.client.get_environment_template(name="unicode")["environmentTemplate"]
    assert (template["description"], template["displayName"]) == (description, "Ωmega")
    assert proton.tags(template["arn"])["名前"] == "värde"
    # Lengths are of characters, not of bytes.
    proton.template("environment", "long", description="é" * 500, displayName="語" * 100)
    with invalid("description"):
        proton.template("environment", "longer", description="é" * 501)
    bundle = tar(small(schema='schema:\n  format: {openapi: "3.0.0"}\n  environment_input_type: "入力"\n  types:\n    入力: {type: object, properties: {size: {type: string, title: "大きさ", default: "小"}}}\n'))
    proton.environment_template("env", bundle)
    proton.environment()
    assert proton.outputs("env")["Size"] == "小"


def test_errors_that_an_operation_does_not_model_are_never_returned(server):
    """A few that are easily mixed up: creates that know no ResourceNotFoundException."""
    repository = {"repositoryProvider": "GITHUB", "repositoryName": "not/linked", "branch": "main"}
    for operation, body in [
        ("CreateTemplateSyncConfig", {"templateName": "none", "templateType": "SERVICE", **repository}),
        ("CreateServiceSyncConfig", {"serviceName": "none", "filePath": "ops.yaml", **repository}),
        ("UpdateAccountSettings", {"pipelineProvisioningRepository": {"provider": "GITHUB", "name": "not/linked", "branch": "main"}}),
    ]:
        modelled = {shape.name for shape in MODEL.operation_model(operation).error_shapes}
        assert "ResourceNotFoundException" not in modelled
        status, _, answer = raw(server, operation, body)
        assert (status, kind(answer)) == (400, "ValidationException"), (operation, answer)
    with invalid("exclude"):
        Proton(server).client.update_account_settings(deletePipelineProvisioningRepository=True, pipelineProvisioningRepository={"provider": "GITHUB", "name": "a/b", "branch": "x"})
