"""AWS's public sample bundles: every one registers, is published and deploys with its own sample spec.

The samples are not part of this repository. They are read from the folders that `PROTON_SAMPLES_CLOUDFORMATION` and
`PROTON_SAMPLES_TERRAFORM` name, else fetched with git at a known commit, else the tests are skipped.
"""

import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import time
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from conftest import make
from gits import Repository
from protons import polled
from serve import ROOT, Standin

COMMITS = {
    "cloudformation": "7780cf7d3cb95742f7bbf3f50201559b8c2d4cf1",
    "terraform": "d3279b7fb716fdb299319ba65dddd9511527f6f2",
}
ROLE = "arn:aws:iam::444455556666:role/proton"
REPOSITORY = {"provider": "GITHUB", "name": "example/infrastructure"}
CODE = {"branchName": "main", "repositoryConnectionArn": "arn:aws:codestar-connections:eu-west-1:444455556666:connection/00000000-0000-4000-8000-000000000000", "repositoryId": "example/code"}
SECONDS_MAX = 60

# Groups whose specs lie apart from their templates: template folder → spec.
SPECS = {
    "loadbalanced-fargate-svc/loadbalanced-fargate-env": "loadbalanced-fargate-svc/specs/env-spec.yaml",
    "loadbalanced-fargate-svc/loadbalanced-fargate-svc": "loadbalanced-fargate-svc/specs/svc-spec.yaml",
    "public-private-fargate-microservices/microservices-env": "public-private-fargate-microservices/specs/env-spec.yaml",
    "public-private-fargate-microservices/microservices-svc/loadbalanced-public-svc": "public-private-fargate-microservices/specs/svc-public-spec.yaml",
    "public-private-fargate-microservices/microservices-svc/private-fargate-svc": "public-private-fargate-microservices/specs/svc-private-spec.yaml",
    "lambda-multi-svc/lambda-env": "lambda-multi-svc/specs/env-spec.yaml",
    "lambda-multi-svc/service-crud": "lambda-multi-svc/specs/svc-spec.yaml",
    "lambda-multi-svc/service-data-processing": "lambda-multi-svc/specs/svc-spec.yaml",
    "lambda-vpc/sample-vpc-environment-template": "specs/env-spec.yml",
}
# The one sample without a spec.
LAMBDA_VPC_SPEC = """proton: ServiceSpec
instances:
  - name: one
    environment: vpc
    spec: { function_name: f, handler: index.handler, lambda_runtime: python3.8, function_s3_bucket: code, function_s3_key: f.zip }
"""


def samples(kind):
    """The folder with the samples; the tests are skipped where there is none."""
    variable = f"PROTON_SAMPLES_{kind.upper()}"
    if given := os.environ.get(variable):
        return Path(given)
    folder = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "proton-samples" / kind
    if not (folder / "README.md").exists():
        folder.mkdir(parents=True, exist_ok=True)
        address = f"https://github.com/aws-samples/aws-proton-{kind}-sample-templates"
        steps = [["init", "--quiet"], ["fetch", "--quiet", "--depth=1", address, COMMITS[kind]], ["checkout", "--quiet", "FETCH_HEAD"]]
        for step in steps:
            done = subprocess.run(["git", "-C", folder, *step], capture_output=True, text=True, timeout=120, env={**os.environ, "GIT_TERMINAL_PROMPT": "0"})
            if done.returncode:
                pytest.skip(f"the samples cannot be fetched, and {variable} names no folder: {done.stderr.strip()}")
    return folder


def templates(kind):
    """Every template of the samples, environments first: folder of the bundle, path in the samples, spec."""
    root = samples(kind)
    found = []
    for schema in sorted(root.rglob("schema/schema.yaml")):
        bundle = schema.parents[1]
        path = str(bundle.parent.relative_to(root))
        own = bundle.parent / "spec" / "spec.yaml"
        if own.exists():
            spec = own.read_text()
        elif path in SPECS:
            spec = (root / SPECS[path]).read_text()
        else:
            assert path == "lambda-vpc/sample-lambda-function-template", f"{path} has no spec"
            spec = LAMBDA_VPC_SPEC
        found.append((bundle, path, spec))
    return sorted(found, key=lambda entry: not is_environment(entry[0]))


def is_environment(bundle):
    return (bundle / "infrastructure").is_dir()


def packed(bundle):
    """As the samples' own instructions pack them: with the folder's name in front."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        archive.add(bundle, arcname=bundle.name)
    return out.getvalue()


def settled(read):
    """Reads until nothing is in progress."""
    end = time.monotonic() + SECONDS_MAX
    while "IN_PROGRESS" in (status := read())[0]:
        assert time.monotonic() < end, f"still {status}"
        time.sleep(0.05)
    return status


def gone(read):
    """Reads until nothing is there any more."""
    try:
        (status,) = settled(lambda: (read(),))
    except ClientError as error:
        assert error.response["Error"]["Code"] == "ResourceNotFoundException", error
        return
    raise AssertionError(f"deletion ended as {status}")


class Account:
    """One region of an account for one group of samples: their environments have the same names."""

    def __init__(self, server, region, account="444455556666"):
        self.proton = make(server, "proton", region=region, account=account)
        self.s3 = make(server, "s3", region=region, account=account, config={"s3": {"addressing_style": "path"}})
        self.stacks = make(server, "cloudformation", region=region, account=account)
        self.bucket = f"bundles-{account}-{region}"
        self.s3.create_bucket(Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": region})
        self.proton.update_account_settings(pipelineServiceRoleArn=ROLE)

    def publish(self, bundle, name, **more):
        """Registers the bundle as 1.0 of a new template and publishes it."""
        proton, kind = self.proton, "environment" if is_environment(bundle) else "service"
        has_pipeline = (bundle / "pipeline_infrastructure").is_dir()
        create = getattr(proton, f"create_{kind}_template")
        create(name=name, **({} if kind == "environment" or has_pipeline else {"pipelineProvisioning": "CUSTOMER_MANAGED"}))
        key = f"{name}.tar.gz"
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=packed(bundle))
        version = {"templateName": name, "majorVersion": "1", "minorVersion": "0"}
        getattr(proton, f"create_{kind}_template_version")(templateName=name, source={"s3": {"bucket": self.bucket, "key": key}}, **more)
        get = getattr(proton, f"get_{kind}_template_version")
        version_of = lambda: get(**version)[f"{kind}TemplateVersion"]
        status, message = settled(lambda: ((read := version_of())["status"], read.get("statusMessage")))
        assert status == "DRAFT", f"{name}: {message}"
        getattr(proton, f"update_{kind}_template_version")(**version, status="PUBLISHED")
        return has_pipeline

    def environment(self, name):
        read = lambda: self.proton.get_environment(name=name)["environment"]
        status, message = settled(lambda: ((found := read())["deploymentStatus"], found.get("deploymentStatusMessage")))
        assert status == "SUCCEEDED", f"environment {name}: {message}"
        return {output["key"]: output["valueString"] for output in self.proton.list_environment_outputs(environmentName=name)["outputs"]}

    def service(self, name, has_pipeline):
        """The outputs of each instance and of the pipeline, once all are deployed."""
        proton = self.proton
        status, message = settled(lambda: ((found := proton.get_service(name=name)["service"])["status"], found.get("statusMessage")))
        instances = proton.list_service_instances(serviceName=name)["serviceInstances"]
        told = {found["name"]: found.get("deploymentStatusMessage") for found in instances}
        pipeline = proton.get_service(name=name)["service"].get("pipeline", {})
        assert status == "ACTIVE", f"service {name} is {status}: {message}, {told}, pipeline: {pipeline.get('deploymentStatusMessage')}"
        assert {found["deploymentStatus"] for found in instances} == {"SUCCEEDED"}
        assert (pipeline.get("deploymentStatus") == "SUCCEEDED") == has_pipeline
        return {found["name"]: {output["key"]: output["valueString"] for output in proton.list_service_instance_outputs(serviceName=name, serviceInstanceName=found["name"])["outputs"]} for found in instances}

    def instance(self, service, name):
        read = lambda: self.proton.get_service_instance(name=name, serviceName=service)["serviceInstance"]
        status, message = settled(lambda: ((found := read())["deploymentStatus"], found.get("deploymentStatusMessage")))
        assert status == "SUCCEEDED", f"instance {name} of {service}: {message}"

    def empty(self):
        """Deletes what is deployed, and gives the stacks that are left."""
        proton = self.proton
        for component in proton.list_components()["components"]:
            if "serviceName" in component:
                proton.update_component(name=component["name"], deploymentType="CURRENT_VERSION", serviceName="", serviceInstanceName="")
                settled(lambda: (proton.get_component(name=component["name"])["component"]["deploymentStatus"],))
            proton.delete_component(name=component["name"])
            gone(lambda: proton.get_component(name=component["name"])["component"]["deploymentStatus"])
        for service in proton.list_services()["services"]:
            proton.delete_service(name=service["name"])
            gone(lambda: proton.get_service(name=service["name"])["service"]["status"])
        for environment in proton.list_environments()["environments"]:
            proton.delete_environment(name=environment["name"])
            gone(lambda: proton.get_environment(name=environment["name"])["environment"]["deploymentStatus"])
        return self.stacks.describe_stacks()["Stacks"]

    def stack_of(self, **instance):
        """The template and the resources of the stack that provisions an instance."""
        [stack] = self.proton.list_service_instance_provisioned_resources(**instance)["provisionedResources"]
        body = self.stacks.get_template(StackName=stack["identifier"])["TemplateBody"]
        resources = self.stacks.list_stack_resources(StackName=stack["identifier"])["StackResourceSummaries"]
        return body, resources


@pytest.fixture(scope="module")
def stateful(tmp_path_factory):
    with Standin("--log", "warn", "--data-dir", str(tmp_path_factory.mktemp("data"))) as running:
        yield running


def groups(kind):
    """The templates by the top folders that go together, with a region for each."""
    found = {}
    for bundle, path, spec in templates(kind):
        top = path.split("/")[0]
        found.setdefault("templates" if top in ("environment-templates", "service-templates") else top, []).append((bundle, path.split("/")[-1], spec))
    regions = ("eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1")
    assert len(found) <= len(regions)
    return zip(regions, found.values())


def environments_of(spec):
    return re.findall(r"environment:\s*\"?([\w-]+)", spec)


def test_cloudformation_samples_deploy(stateful):
    deployed = []
    for region, group in groups("cloudformation"):
        account = Account(stateful, region)
        outputs = {}
        specs_of_services = [spec for bundle, _, spec in group if not is_environment(bundle)]
        for bundle, name, spec in group:
            if is_environment(bundle):
                account.publish(bundle, name)
                # As the specs of the services call it: `Beta`, `multi-svc-beta`, or the template's name and `-prod`.
                called = {called for spec in specs_of_services for called in environments_of(spec)}
                [called] = [called for called in called if called == f"{name}-prod" or not called.endswith("-prod")]
                account.proton.create_environment(name=called, templateName=name, templateMajorVersion="1", spec=spec, protonServiceRoleArn=ROLE)
                outputs[called] = account.environment(called)
                assert outputs[called], f"{name} has no outputs"
                deployed.append(name)
                continue
            compatible = (bundle / ".compatible-envs").read_text().split()
            compatible = [{"templateName": entry.split(":")[0], "majorVersion": entry.split(":")[1]} for entry in compatible]
            supported = {"supportedComponentSources": ["DIRECTLY_DEFINED"]} if "components" in (bundle / "instance_infrastructure/cloudformation.yaml").read_text() else {}
            has_pipeline = account.publish(bundle, name, compatibleEnvironmentTemplates=compatible, **supported)
            account.proton.create_service(name=name, templateName=name, templateMajorVersion="1", spec=spec, **(CODE if has_pipeline else {}))
            template = (bundle / "instance_infrastructure/cloudformation.yaml").read_text()
            for instance in account.service(name, has_pipeline):
                if "code_uri is defined" in template:
                    # Without code there are no functions; the pipeline adds it as an input.
                    with_code = spec.replace("    spec:\n", "    spec:\n      code_uri: s3://code/function.zip\n")
                    account.proton.update_service_instance(name=instance, serviceName=name, deploymentType="CURRENT_VERSION", spec=with_code)
                    account.instance(name, instance)
                body, resources = account.stack_of(serviceName=name, serviceInstanceName=instance)
                [environment] = environments_of(spec)
                used = re.findall(r"environment\.outputs\.(\w+)", template)
                assert any(outputs[environment][key] in body for key in used), f"{name} has nothing of its environment in its stack"
                assert {resource["ResourceStatus"] for resource in resources} <= {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
            deployed.append(name)
        assert account.empty() == []
    assert len(deployed) >= 18, deployed


def test_cloudformation_sample_component_reaches_its_service(stateful):
    """The S3 component, attached to the one sample service that takes components."""
    root = samples("cloudformation")
    account = Account(stateful, "us-west-2")
    environment, service = root / "environment-templates/fargate-env", root / "service-templates/load-balanced-fargate-svc"
    account.publish(environment / "v1", "fargate-env")
    account.proton.create_environment(
        name="fargate-env-prod", templateName="fargate-env", templateMajorVersion="1", spec=(environment / "spec/spec.yaml").read_text(),
        protonServiceRoleArn=ROLE, componentRoleArn=ROLE,
    )
    account.environment("fargate-env-prod")
    account.publish(
        service / "v1", "svc", compatibleEnvironmentTemplates=[{"templateName": "fargate-env", "majorVersion": "1"}], supportedComponentSources=["DIRECTLY_DEFINED"],
    )
    account.proton.create_service(name="svc", templateName="svc", templateMajorVersion="1", spec=(service / "spec/spec.yaml").read_text(), **CODE)
    [instance] = account.service("svc", True)
    folder = root / "component-templates/s3-bucket-component"
    account.proton.create_component(
        name="bucket", serviceName="svc", serviceInstanceName=instance, manifest=(folder / "manifest.yaml").read_text(), templateFile=(folder / "cloudformation.yaml").read_text(),
    )
    read = lambda: account.proton.get_component(name="bucket")["component"]
    status, message = settled(lambda: ((found := read())["deploymentStatus"], found.get("deploymentStatusMessage")))
    assert status == "SUCCEEDED", message
    outputs = {output["key"]: output["valueString"] for output in account.proton.list_component_outputs(componentName="bucket")["outputs"]}
    assert set(outputs) == {"BucketName", "BucketAccessPolicyArn"}
    assert outputs["BucketName"].removeprefix("arn:aws:s3:::") in [bucket["Name"] for bucket in account.s3.list_buckets()["Buckets"]]
    account.proton.update_service_instance(name=instance, serviceName="svc", deploymentType="CURRENT_VERSION")
    account.instance("svc", instance)
    body, _ = account.stack_of(serviceName="svc", serviceInstanceName=instance)
    assert outputs["BucketAccessPolicyArn"] in body and outputs["BucketName"] in body
    assert account.empty() == []


def deploy_terraform(server, repository_of, merged):
    """Deploys all Terraform samples as their automation would: what is `merged` is told to have been applied. Their names."""
    deployed = []
    for region, group in groups("terraform"):
        account = Account(server, region, "777788889999")
        proton, repository = account.proton, repository_of(region)
        proton.create_repository(**repository, connectionArn=CODE["repositoryConnectionArn"])
        proton.update_account_settings(pipelineProvisioningRepository={**repository, "branch": "main"})
        for bundle, name, spec in group:
            if is_environment(bundle):
                account.publish(bundle, name)
                called = "vpc" if name.startswith("sample-") else f"{name}-prod"
                arn = proton.create_environment(
                    name=called, templateName=name, templateMajorVersion="1", spec=spec, provisioningRepository={**repository, "branch": "main"},
                )["environment"]["arn"]
                merged(region, called, bundle / "infrastructure")
                assert proton.get_environment(name=called)["environment"]["deploymentStatus"] == "IN_PROGRESS"
                proton.notify_resource_deployment_status_change(resourceArn=arn, status="SUCCEEDED", outputs=[{"key": "VPC", "valueString": "vpc-1"}])
                assert account.environment(called) == {"VPC": "vpc-1"}
                deployed.append(name)
                continue
            file = bundle / ".compatible-envs"
            compatible = file.read_text().split() if file.exists() else ["sample-vpc-environment-template:1"]
            compatible = [{"templateName": entry.split(":")[0], "majorVersion": entry.split(":")[1]} for entry in compatible]
            has_pipeline = account.publish(bundle, name, compatibleEnvironmentTemplates=compatible)
            proton.create_service(name=name, templateName=name, templateMajorVersion="1", spec=spec, **(CODE if has_pipeline else {}))
            [instance] = proton.list_service_instances(serviceName=name)["serviceInstances"]
            merged(region, f"{instance['environmentName']}/{name}-{instance['name']}", bundle / "instance_infrastructure")
            assert (instance["deploymentStatus"], proton.get_service(name=name)["service"]["status"]) == ("IN_PROGRESS", "CREATE_IN_PROGRESS")
            proton.notify_resource_deployment_status_change(resourceArn=instance["arn"], status="SUCCEEDED", outputs=[{"key": "Url", "valueString": "u"}])
            if has_pipeline:
                # The pipeline comes after the instances.
                read = lambda: proton.get_service(name=name)["service"]["pipeline"]
                end = time.monotonic() + SECONDS_MAX
                while "lastAttemptedDeploymentId" not in read() and time.monotonic() < end:
                    time.sleep(0.05)
                merged(region, f"{name}/pipeline", bundle / "pipeline_infrastructure")
                proton.notify_resource_deployment_status_change(resourceArn=read()["arn"], status="SUCCEEDED")
            assert account.service(name, has_pipeline) == {instance["name"]: {"Url": "u"}}
            deployed.append(name)
        if any(name == "fargate-env" for _, name, _ in group):
            folder = samples("terraform") / "component-templates/s3-bucket-component"
            component = proton.create_component(
                name="bucket", environmentName="fargate-env-prod", manifest=(folder / "manifest.yaml").read_text(), templateFile=(folder / "component.tf").read_text(),
            )["component"]
            assert component["deploymentStatus"] == "IN_PROGRESS"
            merged(region, "fargate-env-prod/bucket", folder)
            proton.notify_resource_deployment_status_change(resourceArn=component["arn"], status="SUCCEEDED", outputs=[{"key": "BucketArn", "valueString": "b"}])
            assert proton.get_component(name="bucket")["component"]["deploymentStatus"] == "SUCCEEDED"
            assert proton.list_component_outputs(componentName="bucket")["outputs"] == [{"key": "BucketArn", "valueString": "b"}]
            deployed.append("bucket")
    return deployed


def test_terraform_samples_wait_for_their_own_automation(stateful):
    deployed = deploy_terraform(stateful, lambda _: REPOSITORY, lambda *_: None)
    assert len(deployed) >= 15, deployed


@pytest.mark.skipif(not shutil.which("git"), reason="needs the program git")
def test_terraform_samples_go_through_pull_requests(tmp_path):
    """Every sample is proposed to a plain repository with all its files, merged there, and told to be applied."""
    samples("terraform")
    repositories, folders = {}, []

    def repository_of(region):
        repositories[region] = Repository(tmp_path / "example", region)
        return {"provider": "GITHUB", "name": f"example/{region}"}

    def merged(region, folder, bundle):
        git = repositories[region]
        [branch] = next(branches for branches in polled(git.branches) if branches)
        git.merge(branch, delete=True)
        files = {path.removeprefix(f"{folder}/"): text for path, text in git.files().items() if path.startswith(f"{folder}/")}
        sources = sorted(bundle.glob("*.tf"))
        assert sources
        for source in sources:
            assert files[source.name].endswith(source.read_text()), source
        assert json.loads(files["proton.auto.tfvars.json"])["proton_tags"]["proton:account"] == "777788889999"
        assert json.loads(files[".proton/deployment-metadata.json"])["isResourceDeleted"] is False
        folders.append(f"{region}/{folder}")

    base = f'git.base="file://{tmp_path}/{{owner}}/{{name}}.git"'
    with Standin("--log", "warn", "--data-dir", str(tmp_path / "data"), "--proton", base, "--proton", 'git.poll="100ms"') as server:
        deployed = deploy_terraform(server, repository_of, merged)
    assert len(deployed) >= 15 and len(set(folders)) == len(folders) >= len(deployed), (deployed, folders)
