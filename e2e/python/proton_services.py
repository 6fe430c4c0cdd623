"""Services for tests: small templates whose outputs show what they were rendered with, and that fail when told to."""

import contextlib

import protons
from protons import MANIFEST, Proton, polled, service_spec

SCHEMA = """
schema:
  format: {openapi: "3.0.0"}
  service_input_type: "Instance"
  pipeline_input_type: "Pipeline"
  types:
    Instance:
      type: object
      properties:
        size: {type: string, default: "small", enum: ["small", "medium", "large"]}
        bucket: {type: string, default: ""}
        count: {type: integer, default: 1}
    Pipeline:
      type: object
      properties:
        command: {type: string, default: "make"}
        bucket: {type: string, default: ""}
"""
# A bucket whose name is taken cannot be made, and one that is not empty cannot be deleted.
INSTANCE = """
Resources:
  Topic:
    Type: AWS::SNS::Topic
    Properties: {DisplayName: "{{ service_instance.inputs.size }}"}
{%- if service_instance.inputs.bucket %}
  Bucket:
    Type: AWS::S3::Bucket
    Properties: {BucketName: "{{ service_instance.inputs.bucket }}"}
{%- endif %}
Outputs:
  Topic: {Value: !Ref Topic}
  Size: {Value: "{{ service_instance.inputs.size }}"}
  EnvironmentSize: {Value: "{{ environment.outputs.Size }}"}
  Component: {Value: "{{ service_instance.components.default.outputs.Size | default('none') }}"}
"""
PIPELINE = """
Resources:
  Topic:
    Type: AWS::SNS::Topic
{%- if pipeline.inputs.bucket %}
  Bucket:
    Type: AWS::S3::Bucket
    Properties: {BucketName: "{{ pipeline.inputs.bucket }}"}
{%- endif %}
Outputs:
  Command: {Value: "{{ pipeline.inputs.command }}"}
  Source: {Value: "{{ service.repository_id }}@{{ service.branch_name }}"}
  Instances:
    Value: "{% for it in service_instances %}{{ it.name }}:{{ it.outputs.Size }}:{{ it.inputs.count }}:{{ it.environment.name }} {% endfor %}"
"""
COMPONENT = """
Resources:
  Topic:
    Type: AWS::SNS::Topic
Outputs:
  Size: {Value: "{{ component.name }} in {{ environment.name }}"}
"""


def bundle(changes=None):
    """The files of a service template with a pipeline."""
    files = {
        "schema/schema.yaml": SCHEMA,
        "instance_infrastructure/manifest.yaml": MANIFEST,
        "instance_infrastructure/cloudformation.yaml": INSTANCE,
        "pipeline_infrastructure/manifest.yaml": MANIFEST,
        "pipeline_infrastructure/cloudformation.yaml": PIPELINE,
    }
    return protons.changed(files, changes)


def without_pipeline(changes=None):
    """The files of a service template whose pipeline is none of Proton's business."""
    schema = SCHEMA.replace('  pipeline_input_type: "Pipeline"\n', "")
    return {path: text for path, text in bundle({"schema/schema.yaml": schema, **(changes or {})}).items() if not path.startswith("pipeline")}


def spec(*names, environment="env", pipeline=None, **inputs):
    """A spec with instances of these names in one environment; inputs by name: `prod={"size": "large"}`."""
    return service_spec({name: (environment, inputs.get(name, {})) for name in names}, pipeline or {})


class Services(Proton):
    """An account with the deployed environment `env` and the published service template `svc` 1.0."""

    def ready(self, **more):
        self.environment_template()
        self.environment(componentRoleArn=self.role)
        self.service_template(bundle=bundle(), supportedComponentSources=["DIRECTLY_DEFINED"], **more)
        self.client.update_account_settings(pipelineServiceRoleArn=self.role)
        return self

    @property
    def source(self):
        connection = f"arn:aws:codestar-connections:{self.region}:{self.account}:connection/one"
        return {"repositoryConnectionArn": connection, "repositoryId": "acme/front", "branchName": "main"}

    def make(self, text, name="svc", **more):
        """A service with a pipeline; where it is waited for, one that is settled."""
        return self.service(name, spec=text, **self.source, **more)

    def active(self, text, name="svc", **more):
        made = self.make(text, name, **more)
        assert made["status"] == "ACTIVE", made.get("statusMessage")
        return made

    def change(self, text, name="svc"):
        """UpdateService with a spec, until it has ended."""
        assert self.client.update_service(name=name, spec=text)["service"]["status"] == "UPDATE_IN_PROGRESS"
        return self.settled_service(name)

    def get(self, name="svc"):
        return self.client.get_service(name=name)["service"]

    def instance(self, name, service="svc"):
        return self.client.get_service_instance(serviceName=service, name=name)["serviceInstance"]

    def redeploy(self, name, kind="CURRENT_VERSION", service="svc", **more):
        """UpdateServiceInstance, until it has ended."""
        made = self.client.update_service_instance(serviceName=service, name=name, deploymentType=kind, **more)
        assert made["serviceInstance"]["deploymentStatus"] == "IN_PROGRESS"
        return self.settled_instance(service, name)

    def repipe(self, text, kind="CURRENT_VERSION", service="svc", **more):
        """UpdateServicePipeline, until it has ended."""
        made = self.client.update_service_pipeline(serviceName=service, spec=text, deploymentType=kind, **more)
        assert made["pipeline"]["deploymentStatus"] == "IN_PROGRESS"
        return self.settled_pipeline(service)

    def settled_pipeline(self, service="svc"):
        for found in polled(lambda: self.get(service)["pipeline"]):
            if found["deploymentStatus"] in protons.SETTLED:
                return found

    def component(self, name="table", wait=True, file=COMPONENT, **more):
        made = self.client.create_component(name=name, templateFile=file, manifest=MANIFEST, **more)["component"]
        return self.settled_component(name) if wait else made

    def recomponent(self, name="table", **more):
        """UpdateComponent that deploys, until it has ended."""
        made = self.client.update_component(name=name, deploymentType="CURRENT_VERSION", **more)["component"]
        assert made["deploymentStatus"] == "IN_PROGRESS"
        return self.settled_component(name)

    def instance_outputs(self, name, service="svc", **more):
        return self.outputs(service, "service_instance", serviceInstanceName=name, **more)

    def pipeline_outputs(self, service="svc", **more):
        return self.outputs(service, "service_pipeline", **more)

    def names(self, service="svc"):
        """Of the instances that a service has."""
        found = self.client.list_service_instances(serviceName=service)["serviceInstances"]
        return [instance["name"] for instance in found]

    def take(self, bucket):
        """Takes the name of a bucket, so that no stack can have it."""
        self.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": self.region})
        return bucket

    def fill(self, bucket):
        """Keeps a bucket of a stack from being deleted."""
        self.s3.put_object(Bucket=bucket, Key="kept", Body=b"")

    def empty(self, bucket):
        self.s3.delete_object(Bucket=bucket, Key="kept")

    def buckets(self):
        return {bucket["Name"] for bucket in self.s3.list_buckets()["Buckets"]}

    def gone(self, ask):
        """Waits until what is asked for is not there any more."""
        with contextlib.suppress(self.client.exceptions.ResourceNotFoundException):
            for _ in polled(ask):
                pass

    def gone_service(self, name="svc"):
        self.gone(lambda: self.client.get_service(name=name))

    def gone_component(self, name="table"):
        self.gone(lambda: self.client.get_component(name=name))

    def stack_of(self, name, status, service="svc", gone=False):
        """Waits until the stack of an instance has a status, or is not there any more where that will do."""
        prefix = f"AWSProton-{service}-{name}-"
        cloudformation = self.of("cloudformation")
        for stacks in polled(lambda: cloudformation.describe_stacks()["Stacks"]):
            found = [stack["StackStatus"] for stack in stacks if stack["StackName"].startswith(prefix)]
            if status in found or (gone and not found):
                return
