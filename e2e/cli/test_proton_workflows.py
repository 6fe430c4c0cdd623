"""What `standin proton workflow` writes: run by hand on a merged pull request, with Terraform, and the AWS CLI that tells Proton."""

import os
import shutil
import subprocess

import pytest
from test_cli import AWS, environment, run, standin
from gits import WHO, Repository
from serve import Standin
from test_proton_pulls import Pulls, anew, configured, environment_bundle

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs the program git")

MAIN = """
resource "terraform_data" "it" {
  input = var.environment.inputs.size
}

output "size" {
  value = terraform_data.it.output
}

output "list" {
  value = ["a", "b\\"c"]
}

output "secret" {
  value     = "hidden"
  sensitive = true
}

output "empty" {
  value = ""
}
"""
BROKEN = 'resource "terraform_data" "it" {\n  lifecycle {\n    precondition {\n      condition     = var.environment.name == ""\n      error_message = "it is broken"\n    }\n  }\n}\n'
# What Terraform answers to the same files, as far as the script looks.
STAND_IN = """#!/bin/sh
case "$1 ${3:-}" in
init*) [ -n "${2:-}" ] ;;
plan*) echo 'Plan: 1 to add' ;;
apply*) if grep -q broken main.tf; then echo 'Error: it is broken' >&2; exit 1; fi; echo 'Apply complete!' >applied ;;
destroy*) rm applied ;;
output*)
    case "$*" in
    "output -no-color") printf 'empty = ""\\nlist = [\\n  "a",\\n  "b\\\\"c",\\n]\\nsecret = <sensitive>\\nsize = "large"\\n' ;;
    *" size") printf '"large"' ;;
    *" list") printf '["a","b\\\\"c"]' ;;
    *" empty") printf '""' ;;
    *) printf '"hidden"' ;;
    esac ;;
*) exit 9 ;;
esac
"""


@pytest.fixture(params=["terraform", "stand-in"])
def terraform(request, tmp_path):
    """Terraform itself where it is installed, and something that answers as it does."""
    if request.param == "stand-in":
        path = tmp_path / "terraform"
        path.write_text(STAND_IN)
        path.chmod(0o755)
        return str(path)
    return shutil.which("terraform") or pytest.skip("terraform is not installed")


class Pipeline:
    """A clone of the repository, and what a pipeline runs in it."""

    def __init__(self, proton, server, folder, terraform):
        programs = folder / "programs"
        programs.mkdir()
        (programs / "aws").write_text(f'#!/bin/sh\nexec {AWS} "$@"\n')
        (programs / "aws").chmod(0o755)
        self.work = proton.git.work
        self.env = environment(
            **WHO,
            PATH=f"{programs}{os.pathsep}{os.environ['PATH']}",
            TERRAFORM=terraform,
            PROTON_ENDPOINT=server.url,
            PROTON_BACKEND="local",
            PROTON_BACKEND_CONFIG=f"path={folder}/states/{{key}}.tfstate",
            AWS_ACCESS_KEY_ID=proton.account,
            AWS_SECRET_ACCESS_KEY="standin",
        )

    def __call__(self, *arguments, status=0):
        done = subprocess.run(["sh", ".proton/deploy.sh", *arguments], cwd=self.work, env=self.env, capture_output=True, text=True, timeout=120)
        assert done.returncode == status, f"{arguments} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout


def test_a_merged_request_is_applied_and_told(tmp_path, terraform):
    with Standin(*configured(tmp_path, "--proton", "pulls.workflows=true")) as server:
        proton = Pulls(server, anew(tmp_path)).ready(environment_bundle(main=MAIN))
        deploy = Pipeline(proton, server, tmp_path, terraform)

        def merged():
            [branch] = proton.proposed()
            proton.git.merge(branch, delete=True)
            return deploy("changed", "HEAD~1").split()

        proton.create(spec='proton: EnvironmentSpec\nspec: {size: "large"}\n')
        # The first request brings the script; a plain repository has no workflows.
        [branch] = proton.proposed()
        assert {path for path in proton.git.files(branch) if "/" in path and not path.startswith("env/")} == {".proton/deploy.sh"}
        assert merged() == ["env"]
        deploy("plan", "env")
        assert proton.status() == "IN_PROGRESS"
        deploy("apply", "env")
        assert proton.status() == "SUCCEEDED"
        assert proton.outputs("env") == {"size": "large", "list": '["a","b\\"c"]'}, "neither what is secret nor what is empty"

        # What people make of the script is theirs.
        changed = (proton.git.work / ".proton/deploy.sh").read_text() + "# ours\n"
        proton.git.commit({".proton/deploy.sh": changed})
        proton.register("environment", "env", environment_bundle(main=BROKEN), majorVersion="1")
        proton.publish("environment", "env", "1.1")
        proton.update_environment(deployment_type="MINOR_VERSION", wait=False)
        assert merged() == ["env"]
        assert (proton.git.work / ".proton/deploy.sh").read_text() == changed
        deploy("apply", "env", status=1)
        failed = proton.client.get_environment(name="env")["environment"]
        assert failed["deploymentStatus"] == "FAILED" and "it is broken" in failed["deploymentStatusMessage"]
        assert proton.outputs("env")["size"] == "large"

        proton.client.delete_environment(name="env")
        proton.gone_environment("env")
        deploy("destroy", "env", status=1)
        assert merged() == ["env"]
        assert "deleted in Proton" in deploy("apply", "env")
        deploy("destroy", "env")


def test_only_folders_of_proton_are_told(tmp_path):
    """What a pull request may be called is neither taken apart nor taken for an option."""
    repository = Repository(tmp_path, "infra")
    for line in standin("proton", "workflow", "--forge", "plain", "--out", repository.work).split():
        assert line.endswith("deploy.sh")
    repository.commit({f"{name}/.proton/deployment-metadata.json": "{}" for name in ("good", "a/b", "-x", "two words", 'q"uote', "x;touch y", "$(z)")})
    script = repository.work / ".proton/deploy.sh"
    done = run("sh", "-c", f"cd {repository.work} && sh {script} changed HEAD~1", env=environment(**WHO))
    assert done.split("\n") == ["a/b", "good", ""]
    assert run("sh", script, status=2).startswith("Applies the Terraform that Proton proposes")


def test_workflows_of_forges_are_written(tmp_path):
    files = {"github": ".github/workflows/proton.yml", "gitlab": ".gitlab-ci.yml", "gitea": ".gitea/workflows/proton.yml"}
    for forge, path in files.items():
        folder = tmp_path / forge
        written = standin("proton", "workflow", "--forge", forge, "--branch", "trunk", "--out", folder).split()
        assert sorted(written) == sorted([str(folder / path), str(folder / ".proton/deploy.sh")])
        assert '"trunk"' in (folder / path).read_text() and os.access(folder / ".proton/deploy.sh", os.X_OK)
        # What is there is its owner's.
        standin("proton", "workflow", "--forge", forge, "--out", folder, status=2)
        assert path in standin("proton", "workflow", "--forge", forge)
