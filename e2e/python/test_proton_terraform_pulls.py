"""Terraform by pull requests: what is proposed is merged, applied by the script that comes with it, and told to Proton."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import terraforms
from gits import Repository, git
from proton_services import Services
from protons import environment_spec, polled, service_spec
from terraforms import ask

from serve import ROOT, Standin

EXAMPLES = ROOT / "examples/proton-terraform"
SOURCE = {"provider": "GITHUB", "name": "acme/infra", "branch": "main"}


def aws():
    """The folder of the AWS command line."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    found = shutil.which("aws", path=os.pathsep.join([os.environ.get("PATH", ""), str(target / "venv-cli/bin")]))
    if found is None:
        pytest.skip("the AWS command line is not installed")
    return str(Path(found).parent)


class Automation(Services):
    """An account, its repository, and whoever merges and applies what is proposed there."""

    def __init__(self, server, repository, programs):
        super().__init__(server)
        self.git, self.programs = repository, programs
        self.repository()

    def example(self, name):
        folder = EXAMPLES / name
        return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}

    def script(self, *arguments, status=0):
        """What the script says that the first pull request brought."""
        git(self.git.work, "fetch", "-q", "origin", "main")
        git(self.git.work, "checkout", "-q", "--detach", "origin/main")
        state = f"{self.server.url}/_standin/proton/terraform/state/{self.account}/{self.region}/{{folder}}"
        surroundings = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "AWS_"))} | terraforms.QUIET
        surroundings |= {
            "PATH": os.pathsep.join([self.programs, os.environ["PATH"]]),
            "TERRAFORM": terraforms.program(),
            "PROTON_ENDPOINT": self.server.url,
            "PROTON_BACKEND": "http",
            "PROTON_BACKEND_CONFIG": f"address={state}\nlock_address={state}\nunlock_address={state}",
            "AWS_ACCESS_KEY_ID": self.account,
            "AWS_SECRET_ACCESS_KEY": "standin",
            "AWS_CONFIG_FILE": os.devnull,
        }
        command = ["sh", ".proton/deploy.sh", *arguments]
        done = subprocess.run(command, cwd=self.git.work, env=surroundings, capture_output=True, text=True, timeout=120)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout

    def merged(self):
        """Merges the one branch that is proposed; the folders whose deployment changed by it."""
        for branches in polled(self.git.branches):
            if branches:
                break
        [branch] = branches
        before = git(self.git.bare, "rev-parse", "main")
        self.git.merge(branch, delete=True)
        return self.script("changed", before).split()


def test_what_is_merged_is_applied_and_told(tmp_path):
    terraforms.program()
    arguments = ("--log", "warn", "--data-dir", str(tmp_path / "data"), "--proton", f'git.base="file://{tmp_path}/{{owner}}/{{name}}.git"')
    with Standin(*arguments, "--proton", 'git.poll="100ms"', "--proton", "pulls.workflows=true") as server:
        proton = Automation(server, Repository(tmp_path / "acme", "infra"), aws())
        proton.published("environment", "env", proton.example("environment"))
        proton.bare_service_template(bundle=proton.example("service"))
        proton.environment(spec=environment_spec(cidr="10.2.0.0/16"), provisioningRepository=SOURCE, wait=False)
        assert proton.merged() == ["env"]
        assert "terraform_data.network will be created" in proton.script("plan", "env")
        proton.script("apply", "env")
        assert proton.settled_environment("env")["deploymentStatus"] == "SUCCEEDED"
        outputs = proton.outputs("env")
        assert outputs["Cidr"] == "10.2.0.0/16" and "Key" not in outputs
        assert ask(server, "GET", f"state/{proton.account}/{proton.region}/env")[0] == 200

        # What the environment put out reaches the instance.
        proton.service(spec=service_spec({"one": ("env", {})}), wait=False)
        assert proton.merged() == ["env/svc-one"]
        proton.script("apply", "env/svc-one")
        assert proton.settled_service("svc")["status"] == "ACTIVE"
        assert proton.outputs("svc", "service_instance", serviceInstanceName="one")["Place"] == "10.2.0.0/24 in env"

        # An apply that fails is told.
        proton.update_environment(spec=environment_spec(cidr="no network"), wait=False)
        assert proton.merged() == ["env"]
        proton.script("apply", "env", status=1)
        failed = proton.settled_environment("env")
        assert failed["deploymentStatus"] == "FAILED" and "cidrsubnet" in failed["deploymentStatusMessage"], failed
        proton.update_environment(spec=environment_spec(cidr="10.2.0.0/16", zones=3), wait=False)
        assert proton.merged() == ["env"]
        proton.script("apply", "env")
        assert proton.settled_environment("env")["deploymentStatus"] == "SUCCEEDED"
        assert proton.outputs("env")["Subnets"].count(",") == 2
