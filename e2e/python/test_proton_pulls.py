"""Terraform bundles of Proton by pull requests, through boto3 and git: plain repositories, where a branch is the request."""

import json
import re
import shutil
import signal

import pytest
from proton_services import Services
from protons import MANIFEST, changed, polled, schema_of

from gits import Repository, git
from serve import Standin

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs the program git")

SOURCE = {"provider": "GITHUB", "name": "acme/infra", "branch": "main"}
HCL = 'infrastructure:\n  templates:\n    - file: "*"\n      rendering_engine: hcl\n      template_language: terraform\n'
COMPONENT_MANIFEST = MANIFEST.replace("jinja", "hcl").replace("cloudformation.yaml", "main.tf").replace("cloudformation", "terraform")
MANAGED = (
    "/*\nThis file is managed by AWS Proton. Any changes made directly to this file will be overwritten the next time AWS Proton performs an"
    " update.\n\nTo manage this resource, see AWS Proton Resource: {}\n\nIf the resource is no longer accessible within AWS Proton, it may have"
    " been deleted and may require manual cleanup.\n*/\n\n"
)
ORPHANED = "/*\nThis file is no longer managed by AWS Proton. The associated resource has been deleted in Proton.\n*/\n\n"
UUID = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def environment_bundle(**files):
    """A template of an environment, by its files: `main="…"` is main.tf."""
    files = files or {"main": 'output "size" {\n  value = var.environment.inputs.size\n}\n'}
    schema = schema_of({"size": {"type": "string", "default": "small"}})
    files = {f"infrastructure/{name}.tf": text for name, text in files.items()}
    return changed({"schema/schema.yaml": schema, "infrastructure/manifest.yaml": HCL, **files}, {})


def service_bundle():
    files = {
        "schema/schema.yaml": 'schema:\n  format: {openapi: "3.0.0"}\n  service_input_type: T\n  pipeline_input_type: T\n  types:\n    T: {type: object, properties: {size: {type: string, default: small}}}\n',
        "instance_infrastructure/manifest.yaml": HCL,
        "instance_infrastructure/main.tf": 'output "size" {\n  value = var.service_instance.inputs.size\n}\n',
        "pipeline_infrastructure/manifest.yaml": HCL,
        "pipeline_infrastructure/main.tf": 'output "size" {\n  value = var.pipeline.inputs.size\n}\n',
    }
    return changed(files, {})


class Pulls(Services):
    """An account whose repository `acme/infra` is a bare one of the test."""

    def __init__(self, server, repository):
        super().__init__(server)
        self.git = repository
        self.repository()
        self.client.update_account_settings(pipelineProvisioningRepository=SOURCE)

    def ready(self, bundle=None):
        self.environment_template(bundle=bundle or environment_bundle())
        return self

    def create(self, name="env", **more):
        return self.environment(name, provisioningRepository=SOURCE, wait=False, **more)

    def proposed(self, count=1):
        """The branches that are proposed, once there are so many."""
        for branches in polled(self.git.branches):
            if len(branches) >= count:
                assert len(branches) == count, branches
                return branches

    def status(self, name="env"):
        return self.client.get_environment(name=name)["environment"]["deploymentStatus"]

    def done(self, arn, status="SUCCEEDED", **outputs):
        self.client.notify_resource_deployment_status_change(
            resourceArn=arn, status=status, outputs=[{"key": key, "valueString": value} for key, value in outputs.items()]
        )

    def deployed(self, name="env"):
        """An environment that was proposed, merged and told to be done."""
        made = self.create(name)
        [branch] = self.proposed()
        self.git.merge(branch, delete=True)
        self.told(made["lastAttemptedDeploymentId"], "was merged")
        self.done(made["arn"], size="small")
        return made

    def lines(self, deployment):
        """The log of a deployment."""
        try:
            events = self.of("logs").filter_log_events(logGroupName="/aws/proton/deployments", logStreamNames=[deployment])["events"]
        except self.of("logs").exceptions.ResourceNotFoundException:
            return []
        return [event["message"] for event in events]

    def told(self, deployment, part):
        """Waits for a line of a deployment's log."""
        for lines in polled(lambda: self.lines(deployment)):
            for line in lines:
                if part in line:
                    return line


def configured(folder, *more):
    base = f'git.base="file://{folder}/{{owner}}/{{name}}.git"'
    return ("--log", "warn", "--data-dir", str(folder / "data"), "--proton", base, "--proton", 'git.poll="100ms"', *more)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pulls")


@pytest.fixture(scope="module")
def server(folder):
    with Standin(*configured(folder)) as running:
        yield running
        assert running.alive(), "the server died during the tests"


def anew(folder):
    """The repository acme/infra, made again under its name."""
    for path in (folder / "acme").glob("infra*"):
        shutil.rmtree(path)
    return Repository(folder / "acme", "infra")


@pytest.fixture
def proton(server, folder):
    return Pulls(server, anew(folder)).ready()


def test_an_environment_is_proposed(proton):
    """Checklist 147, 148, 149, 151."""
    made = proton.create(spec='proton: EnvironmentSpec\nspec: {size: "large"}\n')
    arn, deployment = made["arn"], made["lastAttemptedDeploymentId"]
    [branch] = proton.proposed()
    assert re.fullmatch(f"proton--proton-environment-{UUID}", branch) and deployment not in branch
    log = git(proton.git.bare, "log", "--format=%s|%an|%P", branch).split("\n")
    base = git(proton.git.bare, "rev-parse", "main")
    assert log[0] == f"Update requested for Proton - environment/env|standin|{base}" and len(log) == 2
    files = proton.git.files(branch)
    assert set(files) == {
        "README.md", "env/main.tf", "env/proton.environment.variables.tf", "env/proton.auto.tfvars.json", "env/.proton/deployment-metadata.json",
    }  # fmt: skip
    assert files["env/main.tf"] == MANAGED.format(arn) + environment_bundle()["infrastructure/main.tf"].decode()
    assert files["env/proton.environment.variables.tf"].startswith(MANAGED.format(arn))
    template = arn.replace("environment/env", "environment-template/env")
    metadata = json.loads(files["env/.proton/deployment-metadata.json"])
    resource = {"arn": arn, "templateArn": template, "templateMajorVersion": "1", "templateMinorVersion": "0"}
    assert metadata == {"deploymentId": deployment, "isResourceDeleted": False, "resourceMetadata": resource}
    values = json.loads(files["env/proton.auto.tfvars.json"])
    assert values["environment"] == {"name": "env", "inputs": {"size": "large"}} and values["//"] == arn
    assert values["proton_tags"] == {"proton:account": proton.account, "proton:template": template, "proton:environment": arn}
    assert set(proton.git.files()) == {"README.md"}, "what is proposed is not in the branch yet"
    assert branch in proton.told(deployment, "are proposed")
    # A merge alone changes nothing; who applies it says how it went.
    proton.git.merge(branch, "--no-ff")
    proton.told(deployment, "was merged")
    assert proton.status() == "IN_PROGRESS"
    proton.done(arn, size="large")
    assert proton.status() == "SUCCEEDED" and proton.outputs("env") == {"size": "large"}
    [resource] = proton.client.list_environment_provisioned_resources(environmentName="env")["provisionedResources"]
    assert resource == {"name": "env", "identifier": f"{arn.removesuffix('environment/env')}repository/github:acme/infra", "provisioningEngine": "TERRAFORM"}


def test_updates_take_away_what_is_no_more(proton):
    """What people have put beside stays, and what belongs to the resources in it."""
    made = proton.deployed()
    own = {"env/backend.tf": 'terraform {\n  backend "local" {}\n}\n', "env/svc-one/main.tf": MANAGED.format("x") + "# an instance\n"}
    own["env/svc-one/.proton/deployment-metadata.json"] = "{}"
    proton.git.commit(own)
    proton.register("environment", "env", environment_bundle(other="# other\n", deep="# deep\n"), majorVersion="1")
    proton.publish("environment", "env", "1.1")
    proton.update_environment(deployment_type="MINOR_VERSION", wait=False)
    [branch] = proton.proposed()
    files = proton.git.files(branch)
    assert {path for path in files if path.startswith("env/")} == {
        "env/other.tf", "env/deep.tf", "env/backend.tf", "env/proton.environment.variables.tf", "env/proton.auto.tfvars.json",
        "env/.proton/deployment-metadata.json", "env/svc-one/main.tf", "env/svc-one/.proton/deployment-metadata.json",
    }  # fmt: skip
    assert {path: files[path] for path in own} == own
    assert json.loads(files["env/.proton/deployment-metadata.json"])["resourceMetadata"]["templateMinorVersion"] == "1"
    proton.done(made["arn"], status="FAILED")
    assert proton.status() == "FAILED"


def test_environments_may_lie_in_a_folder_of_their_own(proton):
    proton.git.commit({"environments/README.md": "here\n"})
    made = proton.create()
    [branch] = proton.proposed()
    assert "environments/env/main.tf" in proton.git.files(branch)
    proton.git.merge(branch, delete=True)
    proton.done(made["arn"])
    assert proton.status() == "SUCCEEDED"


def test_all_of_a_service_is_proposed(proton):
    """Checklist 147, 149: instances, pipelines and components in their folders."""
    environment = proton.deployed()
    proton.service_template(bundle=service_bundle(), supportedComponentSources=["DIRECTLY_DEFINED"])
    made = proton.make("proton: ServiceSpec\npipeline: {}\ninstances:\n- {name: one, environment: env, spec: {}}\n", wait=False)
    instance = f"{made['arn']}/service-instance/one"
    [branch] = proton.proposed()
    assert re.fullmatch(f"proton--proton-service_instance-{UUID}", branch)
    assert git(proton.git.bare, "log", "-1", "--format=%s", branch) == "Update requested for Proton - service/svc/service-instance/one"
    files = proton.git.files(branch)
    metadata = json.loads(files["env/svc-one/.proton/deployment-metadata.json"])
    assert metadata["resourceMetadata"]["environmentArn"] == environment["arn"] and metadata["resourceMetadata"]["arn"] == instance
    assert files["env/svc-one/main.tf"].startswith(MANAGED.format(instance)) and "env/main.tf" in files
    proton.git.merge(branch, delete=True)
    proton.done(instance, size="i")

    [branch] = proton.proposed()
    assert re.fullmatch(f"proton--proton-pipeline-{UUID}", branch)
    assert git(proton.git.bare, "log", "-1", "--format=%s", branch) == "Update requested for Proton - service/svc/pipeline"
    values = json.loads(proton.git.files(branch)["svc/pipeline/proton.auto.tfvars.json"])
    assert values["service_instances"][0]["outputs"] == {"size": "i"}
    proton.git.merge(branch, delete=True)
    proton.done(f"{made['arn']}/pipeline")
    assert proton.settled_service("svc")["status"] == "ACTIVE"

    attached = {"serviceName": "svc", "serviceInstanceName": "one"}
    component = proton.client.create_component(name="table", templateFile='resource "x" "y" {}', manifest=COMPONENT_MANIFEST, **attached)["component"]
    [branch] = proton.proposed()
    assert re.fullmatch(f"proton--proton-component-{UUID}", branch)
    assert git(proton.git.bare, "log", "-1", "--format=%s", branch) == "Update requested for Proton - component/table"
    files = proton.git.files(branch)
    assert "componentMetadata" in json.loads(files["env/table/.proton/deployment-metadata.json"]) and "env/table/main.tf" in files
    proton.git.merge(branch, delete=True)
    proton.done(component["arn"], Table="t")
    assert proton.settled_component("table")["deploymentStatus"] == "SUCCEEDED"
    # An update of the environment leaves all of them alone.
    proton.update_environment(wait=False)
    [branch] = proton.proposed()
    changed = git(proton.git.bare, "diff", "--name-only", "main", branch).split("\n")
    assert changed == ["env/.proton/deployment-metadata.json"]
    proton.done(environment["arn"])


def test_a_request_that_is_closed_cancels(proton):
    """Checklist 150. A merge of any kind is none, also when the branch is deleted with it."""
    proton.create()
    [branch] = proton.proposed()
    proton.git.delete(branch)
    environment = proton.settled_environment("env")
    assert environment["deploymentStatus"] == "CANCELLED"
    assert "deleted without being merged" in environment["deploymentStatusMessage"]
    deployment = proton.client.get_environment(name="env")["environment"]["lastAttemptedDeploymentId"]
    proton.told(deployment, "deleted without being merged")
    for how in (["--squash"], ["--no-ff"]):
        proton.update_environment(wait=False)
        deployment = proton.client.get_environment(name="env")["environment"]["lastAttemptedDeploymentId"]
        [branch] = proton.proposed()
        # Others go on meanwhile.
        proton.git.commit({f"other-{how[0]}.txt": "x\n"})
        proton.git.merge(branch, *how, delete=True)
        proton.told(deployment, "was merged")
        assert proton.status() == "IN_PROGRESS"
        proton.done(f"arn:aws:proton:{proton.region}:{proton.account}:environment/env")


def test_cancelling_withdraws_the_request(proton):
    proton.create()
    proton.proposed()
    proton.client.cancel_environment_deployment(environmentName="env")
    assert proton.settled_environment("env")["deploymentStatus"] == "CANCELLED"
    assert proton.git.branches() == []


def test_deleting_proposes_that_the_files_are_nobodys(proton):
    """Checklist 149."""
    made = proton.deployed()
    before = proton.git.files()
    proton.git.commit({"env/own.tf": "# own\n"})
    proton.client.delete_environment(name="env")
    proton.gone_environment("env")
    [branch] = proton.proposed()
    files = proton.git.files(branch)
    managed = MANAGED.format(made["arn"])
    assert files["env/main.tf"] == before["env/main.tf"].replace(managed, ORPHANED)
    assert files["env/own.tf"] == "# own\n" and set(files) == {*before, "env/own.tf"}
    metadata = json.loads(files["env/.proton/deployment-metadata.json"])
    assert (metadata["deploymentId"], metadata["isResourceDeleted"]) == ("<proton-resource-deleted>", True)
    proton.git.merge(branch, delete=True)
    # Made anew, the folder is Proton's again; without ever having been merged, nothing is to be told.
    proton.create()
    [branch] = proton.proposed()
    assert json.loads(proton.git.files(branch)["env/.proton/deployment-metadata.json"])["isResourceDeleted"] is False
    proton.git.delete(branch)
    proton.settled_environment("env")
    proton.client.delete_environment(name="env")
    proton.gone_environment("env")
    assert proton.git.branches() == []


def test_what_is_wrong_with_a_repository_is_told(proton, folder):
    """One that is not there fails the deployment; one that goes while it waits does not."""
    proton.create()
    [branch] = proton.proposed()
    away = folder / "away.git"
    proton.git.bare.rename(away)
    deployment = proton.client.get_environment(name="env")["environment"]["lastAttemptedDeploymentId"]
    proton.told(deployment, "there is no repository")
    assert proton.status() == "IN_PROGRESS"
    away.rename(proton.git.bare)
    proton.git.delete(branch)
    assert proton.settled_environment("env")["deploymentStatus"] == "CANCELLED"

    proton.git.bare.rename(away)
    failed = proton.update_environment()
    assert failed["deploymentStatus"] == "FAILED" and "there is no repository" in failed["deploymentStatusMessage"]
    away.rename(proton.git.bare)
    # The owner's rules have their say.
    proton.git.hook("pre-receive", "#!/bin/sh\necho 'not on a Friday' >&2\nexit 1\n")
    failed = proton.update_environment()
    assert failed["deploymentStatus"] == "FAILED" and "not on a Friday" in failed["deploymentStatusMessage"]
    assert proton.git.branches() == []


def test_names_lead_out_of_no_folder(proton, folder):
    """Who links a repository names no path, and a template's files stay in their folder."""
    Repository(folder / "acme" / "..hidden", "x")
    for name in ("acme/../infra", "../acme/infra", "acme/..hidden", "-acme/infra", "acme/in fra", "acme/%2e%2e"):
        try:
            proton.client.create_repository(provider="GITHUB", name=name, connectionArn=proton.source["repositoryConnectionArn"])
        except proton.client.exceptions.ClientError:
            continue
        source = {**SOURCE, "name": name}
        made = proton.environment(f"env-{abs(hash(name))}", provisioningRepository=source, wait=False)
        failed = proton.settled_environment(made["name"])
        assert failed["deploymentStatus"] == "FAILED" and "other characters" in failed["deploymentStatusMessage"], name
        proton.client.delete_environment(name=made["name"])
        proton.gone_environment(made["name"])
    assert proton.git.branches() == []


def test_odd_branches_are_proposed_to(proton):
    for branch in ("release/1.x", "ünï;$(touch)`y`&|"):
        git(proton.git.bare, "branch", "-f", branch, "main")
        name = f"env-{len(branch)}"
        proton.environment(name, provisioningRepository={**SOURCE, "branch": branch}, wait=False)
        for branches in polled(proton.git.branches):
            if found := [one for one in branches if one.startswith("proton--")]:
                break
        proton.git.delete(found[0])
        assert proton.settled_environment(name)["deploymentStatus"] == "CANCELLED"
    for branch in ("--upload-pack=x", "no-such"):
        made = proton.environment("env-odd", provisioningRepository={**SOURCE, "branch": branch})
        assert made["deploymentStatus"] == "FAILED" and branch in made["deploymentStatusMessage"]
        proton.client.delete_environment(name="env-odd")
        proton.gone_environment("env-odd")


def test_repositories_without_a_place_wait(tmp_path):
    """As long as nobody says where a repository is, a notification alone ends a deployment; the log says what to do."""
    with Standin("--log", "warn", "--data-dir", str(tmp_path)) as server:
        proton = Pulls(server, None).ready()
        made = proton.create()
        line = proton.told(made["lastAttemptedDeploymentId"], "acme/infra")
        assert "[proton.repositories]" in line
        assert proton.status() == "IN_PROGRESS"
        proton.done(made["arn"])
        assert proton.status() == "SUCCEEDED"
        proton.client.delete_environment(name="env")
        proton.gone_environment("env")


def test_a_merge_may_be_enough(tmp_path):
    with Standin(*configured(tmp_path, "--proton", "pulls.merge-completes=true")) as server:
        proton = Pulls(server, anew(tmp_path)).ready()
        proton.create()
        [branch] = proton.proposed()
        proton.git.merge(branch)
        assert proton.settled_environment("env")["deploymentStatus"] == "SUCCEEDED"
        [resource] = proton.client.list_environment_provisioned_resources(environmentName="env")["provisionedResources"]
        assert resource == {"name": "env", "identifier": f"arn:aws:proton:{proton.region}:{proton.account}:repository/github:acme/infra", "provisioningEngine": "TERRAFORM"}


@pytest.mark.parametrize("hook", ["pre-receive", "post-receive"])
def test_a_killed_server_proposes_once(tmp_path, hook):
    """It dies while it pushes; the next one finds the branch, or pushes the same commit."""
    repository = anew(tmp_path)
    arguments = configured(tmp_path)
    with Standin(*arguments) as server:
        proton = Pulls(server, repository).ready()
        # Only once, and not the next server.
        repository.hook(hook, f"#!/bin/sh\ncat >/dev/null\nkill -9 {server.process.pid}\nrm -f hooks/{hook}\n")
        made = proton.create()
        assert server.process.wait(30) == -signal.SIGKILL
    before = repository.branches()
    with Standin(*arguments) as server:
        proton = again(proton, server)
        # The job of a server that died waits until its lease ends, a minute later.
        for lines in polled(lambda: proton.lines(made["lastAttemptedDeploymentId"]), seconds=150):
            if any("are proposed" in line for line in lines):
                break
        [branch] = repository.branches()
        assert before in ([], [branch])
        assert git(repository.bare, "rev-list", "--count", f"main..{branch}") == "1"
        repository.merge(branch, delete=True)
        proton.told(made["lastAttemptedDeploymentId"], "was merged")
        proton.done(made["arn"])
        assert proton.status() == "SUCCEEDED" and repository.branches() == []


def again(proton, server):
    """The same account at another server."""
    other = Services(server, account=proton.account, region=proton.region)
    other.__class__ = Pulls
    other.git = proton.git
    return other
