"""Proton for tests: bundles made in memory, and the steps from a bundle to something that is deployed."""

import io
import itertools
import json
import tarfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from conftest import Admin

STARTERS = Path(__file__).resolve().parents[2] / "crates/proton/starters"
REGION = "eu-west-1"
ROLE = "arn:aws:iam::{}:role/proton"
QUICK = {"Delay": 0.05, "MaxAttempts": 600}
SETTLED = ("SUCCEEDED", "FAILED", "CANCELLED", "DELETE_FAILED")
STATUS_OF = {
    "AccessDeniedException": 403,
    "ConflictException": 409,
    "ResourceNotFoundException": 404,
    "ServiceQuotaExceededException": 402,
    "ValidationException": 400,
}

# One session, so that the models are read once.
_session = boto3.session.Session()
_accounts = itertools.count(100_000_000_001)

MANIFEST = """
infrastructure:
  templates:
    - file: "cloudformation.yaml"
      rendering_engine: jinja
      template_language: cloudformation
"""
# One resource, and an output that shows what the template was rendered with.
SMALL = """
Resources:
  Topic:
    Type: AWS::SNS::Topic
Outputs:
  Size: {Value: "{{ environment.inputs.size }}"}
  Topic: {Value: !Ref Topic}
"""
SMALL_SCHEMA = """
schema:
  format: {openapi: "3.0.0"}
  environment_input_type: "Input"
  types:
    Input:
      type: object
      properties:
        size: {type: string, default: "small"}
"""
SMALL_INSTANCE = """
Resources:
  Queue:
    Type: AWS::SQS::Queue
Outputs:
  Size: {Value: "{{ service_instance.inputs.size }}"}
  Around: {Value: "{{ environment.outputs.Topic }}"}
  Component: {Value: "{{ service_instance.components.default.outputs.Table | default('none') }}"}
"""
SMALL_PIPELINE = """
Resources:
  Topic:
    Type: AWS::SNS::Topic
Outputs:
  Command: {Value: "{{ pipeline.inputs.command }}"}
  Sizes: {Value: "{% for instance in service_instances %}{{ instance.name }}={{ instance.outputs.Size }};{% endfor %}"}
"""
SMALL_SERVICE_SCHEMA = """
schema:
  format: {openapi: "3.0.0"}
  service_input_type: "Input"
  pipeline_input_type: "PipelineInput"
  types:
    Input:
      type: object
      properties:
        size: {type: string, default: "small"}
    PipelineInput:
      type: object
      properties:
        command: {type: string, default: "make"}
"""


def starter(name, changes=None):
    """The files of a starter by path. `changes` replaces files, or removes them where it says None."""
    folder = STARTERS / name
    files = {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    return changed(files, changes)


def changed(files, changes):
    files = {**files, **(changes or {})}
    return {path: text.encode() if isinstance(text, str) else text for path, text in files.items() if text is not None}


def small(changes=None, schema=SMALL_SCHEMA, template=SMALL):
    """The files of an environment template that is deployed in no time."""
    files = {"schema/schema.yaml": schema, "infrastructure/manifest.yaml": MANIFEST, "infrastructure/cloudformation.yaml": template}
    return changed(files, changes)


def small_service(changes=None, pipeline=True, schema=SMALL_SERVICE_SCHEMA, instance=SMALL_INSTANCE):
    """The files of a service template for environments of `small`. Without a pipeline: pipelineProvisioning=CUSTOMER_MANAGED."""
    files = {"schema/schema.yaml": schema, "instance_infrastructure/manifest.yaml": MANIFEST, "instance_infrastructure/cloudformation.yaml": instance}
    if pipeline:
        files |= {"pipeline_infrastructure/manifest.yaml": MANIFEST, "pipeline_infrastructure/cloudformation.yaml": SMALL_PIPELINE}
    elif schema is SMALL_SERVICE_SCHEMA:
        files["schema/schema.yaml"] = schema_of({"size": {"type": "string", "default": "small"}}, "service_input_type")
    return changed(files, changes)


def schema_of(properties, key="environment_input_type", more=""):
    """The text of a schema.yaml with one type; `properties` as JSON, `more` as further members of the type."""
    return f'schema:\n  format: {{openapi: "3.0.0"}}\n  {key}: T\n  types:\n    T: {{type: object, properties: {json.dumps(properties)}{more}}}\n'


def tar(files, prefix=""):
    """A .tar.gz of files by path."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as archive:
        for path, content in files.items():
            entry = tarfile.TarInfo(prefix + path)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def environment_spec(**inputs):
    return "proton: EnvironmentSpec\nspec: " + json.dumps(inputs) + "\n"


def service_spec(instances, pipeline=None):
    """`instances`: {name: (environment, inputs)}."""
    listed = [{"name": name, "environment": environment, "spec": inputs} for name, (environment, inputs) in instances.items()]
    head = "" if pipeline is None else f"pipeline: {json.dumps(pipeline)}\n"
    return f"proton: ServiceSpec\n{head}instances: {json.dumps(listed)}\n"


@contextmanager
def refused(code, match=None):
    """Expects an error of that code, with its HTTP status and a message."""
    with pytest.raises(ClientError, match=match) as caught:
        yield caught
    answer = caught.value.response
    code = code if code.endswith("Exception") else code + "Exception"
    assert answer["Error"]["Code"] == code, answer["Error"]
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == STATUS_OF[code]
    assert answer["Error"]["Message"]


def invalid(match=None):
    return refused("Validation", match)


def conflict(match=None):
    return refused("Conflict", match)


def missing(match=None):
    return refused("ResourceNotFound", match)


def over_quota(match=None):
    return refused("ServiceQuotaExceeded", match)


def raw(server, operation, body, account="111122223333", target="AwsProton20200720", region=REGION):
    """What the server answers to any body: the status, the headers and the parsed JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"{target}.{operation}"}
    request = AWSRequest(method="POST", url=server.url + "/", data=data, headers=headers)
    SigV4Auth(Credentials(account, "standin"), "proton", region).add_auth(request)
    sent = urllib.request.Request(request.url, data=data, headers=dict(request.headers.items()), method="POST")
    try:
        with urllib.request.urlopen(sent, timeout=10) as answer:
            return answer.status, answer.headers, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, error.headers, json.loads(error.read())


def clock(server, **change):
    """Moves the clock of a server: `advance="8h"`, `freeze=True`, `resume=True`."""
    Admin(server.url)("POST", "/_standin/clock", change)


def transitions(server, duration, service="proton"):
    """How long what a service does takes, of Proton: takes to begin. "instant", "30s"."""
    Admin(server.url)("PUT", f"/_standin/services/{service}", {"transitions": duration})


@contextmanager
def faults(server, *rules):
    """What goes wrong meanwhile."""
    admin = Admin(server.url)
    admin("PUT", "/_standin/faults", [{"service": "proton", **rule} for rule in rules])
    try:
        yield
    finally:
        admin("DELETE", "/_standin/faults")


class Proton:
    """An account that uses Proton. What is not a step of its own goes by `client`."""

    def __init__(self, server, account=None, region=REGION):
        self.server = server
        self.account = account or str(next(_accounts))
        self.region = region
        self.role = ROLE.format(self.account)
        self.client = self.of("proton")
        self.s3 = self.of("s3")
        self.bucket = f"bundles-{self.account}-{region}"
        self._made = False
        self._keys = itertools.count()

    def of(self, service, attempts=1, **options):
        """A client of any service, in the same account; `attempts`: how often a call is made at most."""
        return _session.client(
            service,
            region_name=self.region,
            endpoint_url=self.server.url,
            aws_access_key_id=self.account,
            aws_secret_access_key="standin",
            config=Config(retries={"total_max_attempts": attempts, "mode": "standard"}, max_pool_connections=100, **options),
        )

    def unchecked(self):
        """A client that sends what it is given, and leaves all checks to the server."""
        return self.of("proton", parameter_validation=False)

    def upload(self, bundle, key=None):
        """Puts a bundle into S3, packed or as files, and tells where it lies."""
        if not self._made:
            self.s3.create_bucket(Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": self.region})
            self._made = True
        key = key or f"bundle-{next(self._keys)}.tar.gz"
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=bundle if isinstance(bundle, bytes) else tar(bundle))
        return {"s3": {"bucket": self.bucket, "key": key}}

    def template(self, kind, name, **more):
        """`kind` is "environment" or "service"."""
        return getattr(self.client, f"create_{kind}_template")(name=name, **more)[f"{kind}Template"]

    def register(self, kind, template, bundle, **more):
        """A version whose registration has ended, however it did."""
        source = bundle if isinstance(bundle, dict) and "s3" in bundle else self.upload(bundle)
        made = getattr(self.client, f"create_{kind}_template_version")(templateName=template, source=source, **more)
        made = made[f"{kind}TemplateVersion"]
        assert made["status"] == "REGISTRATION_IN_PROGRESS"
        return self.registered(kind, template, made["majorVersion"], made["minorVersion"])

    def registered(self, kind, template, major, minor):
        get = getattr(self.client, f"get_{kind}_template_version")
        keys = {"templateName": template, "majorVersion": major, "minorVersion": minor}
        for version in polled(lambda: get(**keys)[f"{kind}TemplateVersion"]):
            if version["status"] != "REGISTRATION_IN_PROGRESS":
                return version

    def publish(self, kind, template, version="1.0"):
        major, minor = version.split(".")
        update = getattr(self.client, f"update_{kind}_template_version")
        return update(templateName=template, majorVersion=major, minorVersion=minor, status="PUBLISHED")[f"{kind}TemplateVersion"]

    def published(self, kind, template, bundle, template_options=None, **more):
        """A version that can be deployed; makes the template where it is not there yet."""
        try:
            getattr(self.client, f"get_{kind}_template")(name=template)
        except self.client.exceptions.ResourceNotFoundException:
            self.template(kind, template, **(template_options or {}))
        version = self.register(kind, template, bundle, **more)
        assert version["status"] == "DRAFT", version.get("statusMessage")
        return self.publish(kind, template, f"{version['majorVersion']}.{version['minorVersion']}")

    def environment_template(self, name="env", bundle=None, **more):
        return self.published("environment", name, bundle or small(), **more)

    def service_template(self, name="svc", bundle=None, environments=(("env", "1"),), **more):
        listed = [{"templateName": template, "majorVersion": major} for template, major in environments]
        return self.published("service", name, bundle or small_service(), compatibleEnvironmentTemplates=listed, **more)

    def bare_service_template(self, name="svc", bundle=None, **more):
        """One without a pipeline."""
        bundle = bundle or small_service(pipeline=False)
        return self.service_template(name, bundle, template_options={"pipelineProvisioning": "CUSTOMER_MANAGED"}, **more)

    def sources(self):
        """What a service with a pipeline needs besides the spec; the account gets the role that its pipelines need."""
        self.client.update_account_settings(pipelineServiceRoleArn=self.role)
        connection = f"arn:aws:codestar-connections:{self.region}:{self.account}:connection/one"
        return {"repositoryConnectionArn": connection, "repositoryId": "acme/code", "branchName": "main"}

    def environment(self, name="env", template="env", spec=None, wait=True, major="1", **more):
        """An environment; where it is waited for, one that is settled."""
        if not {"protonServiceRoleArn", "environmentAccountConnectionId", "provisioningRepository", "codebuildRoleArn"} & set(more):
            more["protonServiceRoleArn"] = self.role
        spec = environment_spec() if spec is None else spec
        made = self.client.create_environment(name=name, templateName=template, templateMajorVersion=major, spec=spec, **more)["environment"]
        return self.settled_environment(name) if wait else made

    def update_environment(self, name="env", deployment_type="CURRENT_VERSION", wait=True, **more):
        made = self.client.update_environment(name=name, deploymentType=deployment_type, **more)["environment"]
        return self.settled_environment(name) if wait else made

    def settled_environment(self, name):
        for environment in polled(lambda: self.client.get_environment(name=name)["environment"]):
            if environment["deploymentStatus"] in SETTLED:
                return environment

    def gone_environment(self, name):
        """Waits until an environment that is being deleted is not there any more."""
        try:
            for environment in polled(lambda: self.client.get_environment(name=name)["environment"]):
                assert environment["deploymentStatus"] == "DELETE_IN_PROGRESS", environment.get("deploymentStatusMessage")
        except self.client.exceptions.ResourceNotFoundException:
            return

    def service(self, name="svc", template="svc", spec=None, wait=True, major="1", **more):
        made = self.client.create_service(name=name, templateName=template, templateMajorVersion=major, spec=spec, **more)["service"]
        return self.settled_service(name) if wait else made

    def settled_service(self, name):
        for service in polled(lambda: self.client.get_service(name=name)["service"]):
            if not service["status"].endswith("IN_PROGRESS"):
                return service

    def settled_instance(self, service, name):
        get = self.client.get_service_instance
        for instance in polled(lambda: get(serviceName=service, name=name)["serviceInstance"]):
            if instance["deploymentStatus"] in SETTLED:
                return instance

    def settled_component(self, name):
        for component in polled(lambda: self.client.get_component(name=name)["component"]):
            if component["deploymentStatus"] in SETTLED:
                return component

    def outputs(self, name, what="environment", **more):
        """The outputs of an environment as a dict; of others by `what` and their own members."""
        call = getattr(self.client, f"list_{what}_outputs")
        keys = {"environmentName": name} if what == "environment" else {"componentName": name} if what == "component" else {"serviceName": name}
        return {output["key"]: output["valueString"] for output in call(**keys, **more)["outputs"]}

    def repository(self, name="acme/infra", provider="GITHUB", **more):
        connection = f"arn:aws:codestar-connections:{self.region}:{self.account}:connection/one"
        made = self.client.create_repository(provider=provider, name=name, connectionArn=connection, **more)
        return made["repository"]

    @contextmanager
    def still(self):
        """The clock stands still, so that what was begun does not end. Answers what moves it."""
        clock(self.server, freeze=True)
        try:
            yield lambda by="1m": clock(self.server, advance=by)
        finally:
            clock(self.server, resume=True)

    @contextmanager
    def waiting(self):
        """What is begun here is provisioned at the end of the block, or when the clock is moved. Answers what moves it."""
        transitions(self.server, "30s")
        try:
            with self.still() as advance:
                yield advance
                advance()
        finally:
            transitions(self.server, "instant")

    @contextmanager
    def slow(self):
        """Topics take 30 s of a clock that stands still until the end of the block, and stacks wait for them."""
        transitions(self.server, "30s", "sns")
        try:
            with self.still() as advance:
                yield advance
                advance()
        finally:
            transitions(self.server, "instant", "sns")

    def tags(self, arn):
        return {tag["key"]: tag["value"] for tag in self.client.list_tags_for_resource(resourceArn=arn)["tags"]}


def polled(ask, seconds=30):
    """What `ask` answers, again and again; fails where nobody stops it in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        answer = ask()
        yield answer
        time.sleep(0.03)
    pytest.fail(f"not settled after {seconds} s: {answer}")
