"""Templates that hold Terraform, applied here by Terraform itself; standin keeps the state."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
import terraforms
from protons import Proton, changed, environment_spec, polled, schema_of, service_spec
from terraforms import ask, told

from conftest import Admin
from serve import ROOT, Standin

LOCAL = ("--log", "warn", "--proton", 'provisioning.terraform="local"')
REPOSITORY = {"provider": "GITHUB", "name": "acme/infra"}
EXAMPLES = ROOT / "examples/proton-terraform"
MANIFEST = """
infrastructure:
  templates:
    - {file: "*", rendering_engine: hcl, template_language: terraform}
"""
# What is kept in the state, and what a command does while it is made: the spec says what.
MAIN = """
resource "terraform_data" "first" {
  input = var.environment.inputs.value
}
resource "terraform_data" "second" {
  input            = terraform_data.first.output
  triggers_replace = var.environment.inputs.command
  provisioner "local-exec" {
    command = var.environment.inputs.command
  }
}
output "Value" {
  value = terraform_data.second.output
}
"""


def example(name):
    folder = EXAMPLES / name
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def bundle(main=MAIN, changes=None):
    schema = schema_of({"value": {"type": "string", "default": "one"}, "command": {"type": "string", "default": "true"}})
    return changed({"schema/schema.yaml": schema, "infrastructure/manifest.yaml": MANIFEST, "infrastructure/main.tf": main}, changes)


@pytest.fixture(scope="module", autouse=True)
def installed():
    return terraforms.program()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Standin(*LOCAL, "--data-dir", str(tmp_path_factory.mktemp("data"))) as running:
        yield running


class Applied(Proton):
    """An account whose environments are made by Terraform."""

    def template(self, kind, name, **more):
        if kind == "environment" and name == "env":
            self.repository()
        return super().template(kind, name, **more)

    def environment(self, name="env", **more):
        return super().environment(name, provisioningRepository={**REPOSITORY, "branch": "main"}, **more)

    def key(self, name="env"):
        return f"{self.account}/{self.region}/environment/{name}"

    def log(self, deployment):
        logs = self.of("logs")
        try:
            pages = logs.get_paginator("filter_log_events").paginate(logGroupName="/aws/proton/deployments", logStreamNames=[deployment])
            return [event["message"] for page in pages for event in page["events"]]
        except logs.exceptions.ResourceNotFoundException:
            return []

    def ends(self, arn):
        """How often a run of a resource ended, by the log of events."""
        events = Admin(self.server.url)("GET", f"/_standin/proton/events?account={self.account}&resource={arn}")["events"]
        return [event["detail"]["status"] for event in events if event["detail"]["status"] in ("SUCCEEDED", "FAILED", "CANCELLED", "DELETED", "DELETE_FAILED")]


@pytest.fixture
def applied(server):
    return Applied(server)


def until(holds, seconds=60):
    for found in polled(holds, seconds):
        if found:
            return found


def message(environment):
    return environment.get("deploymentStatusMessage", "")


def succeeded(environment):
    assert environment["deploymentStatus"] == "SUCCEEDED", message(environment)
    return environment


def state(applied, name="env"):
    return json.loads(ask(applied.server, "GET", f"state/{applied.key(name)}")[2])


def unlocked(applied, name="env"):
    return ask(applied.server, "GET", f"lock/{applied.key(name)}")[0] == 204


def test_the_example_is_applied_updated_and_destroyed(applied):
    client = applied.client
    applied.published("environment", "env", example("environment"))
    applied.bare_service_template(bundle=example("service"))
    environment = succeeded(applied.environment(spec=environment_spec(cidr="10.1.0.0/16")))
    outputs = applied.outputs("env")
    assert set(outputs) == {"NetworkId", "Cidr", "Subnets"}, "sensitive outputs stay in the state"
    assert outputs["Cidr"] == "10.1.0.0/16" and outputs["Subnets"] == "10.1.0.0/24,10.1.1.0/24"
    resources = client.list_environment_provisioned_resources(environmentName="env")["provisionedResources"]
    assert [(found["name"], found["provisioningEngine"]) for found in resources] == [
        (name, "TERRAFORM") for name in ("terraform_data.network", "terraform_data.subnet[0]", "terraform_data.subnet[1]")
    ]
    assert resources[0]["identifier"] == outputs["NetworkId"]
    # What the template knows of itself is in its variables.
    [network] = [found for found in state(applied)["resources"] if found["name"] == "network"]
    assert network["instances"][0]["attributes"]["output"]["value"]["tags"]["proton:environment"] == environment["arn"]
    log = applied.log(environment["lastSucceededDeploymentId"])
    assert any("Apply complete! Resources: 3 added" in line for line in log), log
    assert any("output Key is sensitive" in line for line in log), log

    service = applied.service(spec=service_spec({"blue": ("env", {}), "green": ("env", {"size": "large"})}))
    assert service["status"] == "ACTIVE", service
    assert applied.outputs("svc", "service_instance", serviceInstanceName="green") == {"Server": "svc-green", "Size": "large", "Place": "10.1.0.0/24 in env"}
    keys = [found["key"] for found in told(applied.server, f"states?account={applied.account}")["states"]]
    assert keys == ["environment/env", "service/svc/service-instance/blue", "service/svc/service-instance/green"]

    # An update changes what is there: the network stays, with another subnet.
    succeeded(applied.update_environment(spec=environment_spec(cidr="10.1.0.0/16", zones=3)))
    assert applied.outputs("env")["Subnets"].endswith("10.1.2.0/24")
    assert applied.outputs("env")["NetworkId"] == outputs["NetworkId"]
    client.update_service_instance(serviceName="svc", name="green", deploymentType="CURRENT_VERSION", spec=service_spec({"blue": ("env", {}), "green": ("env", {"size": "small"})}))
    assert applied.settled_instance("svc", "green")["deploymentStatus"] == "SUCCEEDED"
    assert applied.outputs("svc", "service_instance", serviceInstanceName="green")["Size"] == "small"

    client.delete_service(name="svc")
    until(lambda: not client.list_services()["services"])
    client.delete_environment(name="env")
    applied.gone_environment("env")
    for found in told(applied.server, f"states?account={applied.account}")["states"]:
        assert found["current"] is None and found["lock"] is None and found["versions"], found


def test_a_failing_apply_fails_the_deployment_with_the_errors_of_terraform(applied):
    applied.environment_template(bundle=bundle())
    failed = applied.environment(spec=environment_spec(command="echo out; echo no such network >&2; exit 3"))
    assert failed["deploymentStatus"] == "FAILED"
    assert message(failed).startswith("terraform apply failed:\nError: local-exec provisioner error"), message(failed)
    # Terraform breaks its lines.
    assert "exit status 3" in " ".join(message(failed).split()) and "no such network" in message(failed)
    assert unlocked(applied)
    # What was made before it failed is in the state, and the next apply goes on from there.
    first = [found for found in state(applied)["resources"] if found["name"] == "first"]
    succeeded(applied.update_environment(spec=environment_spec(value="two")))
    assert applied.outputs("env") == {"Value": "two"}
    again = [found for found in state(applied)["resources"] if found["name"] == "first"]
    assert again[0]["instances"][0]["attributes"]["id"] == first[0]["instances"][0]["attributes"]["id"]
    # A template that is no Terraform fails before anything is made.
    applied.published("environment", "broken", bundle("resource {\n"))
    broken = applied.environment("broken", template="broken")
    assert broken["deploymentStatus"] == "FAILED" and message(broken).startswith("terraform init failed:\nError: "), message(broken)
    applied.client.delete_environment(name="broken")
    applied.gone_environment("broken")


def test_a_failing_destroy_fails_the_deletion(applied, tmp_path):
    main = MAIN.replace('command = var.environment.inputs.command', f'when    = destroy\n    command = "test -e {tmp_path}/may"')
    applied.environment_template(bundle=bundle(main))
    succeeded(applied.environment())
    applied.client.delete_environment(name="env")
    left = applied.settled_environment("env")
    assert left["deploymentStatus"] == "DELETE_FAILED" and "terraform destroy failed" in message(left), message(left)
    assert unlocked(applied)
    (tmp_path / "may").touch()
    applied.client.delete_environment(name="env")
    applied.gone_environment("env")


def waits(tmp_path):
    """A command that waits until the file `go` is there, and counts its runs."""
    return f"echo run >> {tmp_path}/runs; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done"


def runs(tmp_path):
    path = tmp_path / "runs"
    return path.read_text().count("run") if path.exists() else 0


def test_a_deployment_is_cancelled(applied, tmp_path):
    applied.environment_template(bundle=bundle())
    succeeded(applied.environment(spec=environment_spec(value="one")))
    applied.update_environment(spec=environment_spec(value="two", command=waits(tmp_path)), wait=False)
    until(lambda: runs(tmp_path) == 1)
    assert not unlocked(applied)
    held = told(applied.server, f"states?account={applied.account}")["states"][0]["lock"]
    deployment = applied.client.get_environment(name="env")["environment"]["lastAttemptedDeploymentId"]
    assert held["deployment"] == deployment and deployment in held["info"]["Info"]
    applied.client.cancel_environment_deployment(environmentName="env")
    cancelled = applied.settled_environment("env")
    assert cancelled["deploymentStatus"] == "CANCELLED", message(cancelled)
    assert unlocked(applied)
    log = applied.log(deployment)
    assert any("Interrupt received" in line for line in log) and any("Terraform was stopped" in line for line in log), log
    assert not any("left behind" in line for line in log), "Terraform gave its lock back itself"
    # Another spec makes it whole again.
    succeeded(applied.update_environment(spec=environment_spec(value="three")))
    assert applied.outputs("env") == {"Value": "three"}


def test_one_that_did_not_begin_is_cancelled(applied):
    applied.environment_template(bundle=bundle())
    with applied.waiting():
        applied.environment(wait=False)
        applied.client.cancel_environment_deployment(environmentName="env")
    assert applied.settled_environment("env")["deploymentStatus"] == "CANCELLED"
    assert told(applied.server, f"states?account={applied.account}")["states"] == []


def test_a_lock_of_somebody_else_is_waited_for_and_told(tmp_path):
    with Standin(*LOCAL, "--data-dir", str(tmp_path), "--proton", 'terraform.lock-timeout="1s"') as server:
        applied = Applied(server)
        applied.environment_template(bundle=bundle())
        path = f"state/{applied.key()}"
        assert ask(server, "LOCK", path, {"ID": "11111111-2222-3333-4444-555555555555", "Who": "ann"})[0] == 200
        failed = applied.environment()
        assert "Error acquiring the state lock" in message(failed) and "11111111-2222" in message(failed), message(failed)
        assert not unlocked(applied), "it is not for standin to take it away"
        assert ask(server, "UNLOCK", path)[0] == 200
        # One of a deployment whose job is gone is taken away.
        assert ask(server, "LOCK", f"{path}?deployment=00000000-0000-4000-8000-000000000000", {"ID": "left"})[0] == 200
        environment = succeeded(applied.update_environment())
        assert any("deployment 00000000-0000-4000-8000-000000000000 left behind" in line for line in applied.log(environment["lastSucceededDeploymentId"]))


def test_without_terraform_a_deployment_says_what_is_missing(tmp_path):
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("sh", "bash", "git", "cat", "sleep"):
        if found := next((Path(folder) / name for folder in os.environ["PATH"].split(":") if (Path(folder) / name).exists()), None):
            (programs / name).symlink_to(found)
    with Standin(*LOCAL, "--data-dir", str(tmp_path / "data"), env={"PATH": str(programs)}) as server:
        applied = Applied(server)
        applied.environment_template(bundle=bundle())
        failed = applied.environment()
        assert failed["deploymentStatus"] == "FAILED"
        assert "no program terraform or tofu is on the PATH" in message(failed) and "terraform.binary" in message(failed)
        applied.client.delete_environment(name="env")
        applied.gone_environment("env")


def test_variables_and_the_program_are_configured(tmp_path, installed):
    own = tmp_path / "mine"
    own.write_text(f'#!/bin/sh\n[ "$1" != apply ] || echo "mine: $1"\nexec {installed} "$@"\n')
    own.chmod(0o755)
    settings = (f'terraform.binary="{own}"', 'terraform.env.TF_VAR_token="hush-hush"', 'terraform.env.SECRET_WORD="xyzzy-plugh"')
    with Standin(*LOCAL, "--data-dir", str(tmp_path / "data"), *[part for text in settings for part in ("--proton", text)]) as server:
        applied = Applied(server)
        main = 'variable "token" {}\noutput "Token" {\n  value = var.token\n}\n' + MAIN
        applied.environment_template(bundle=bundle(main))
        environment = succeeded(applied.environment(spec=environment_spec(command='echo "the word is $SECRET_WORD"; env | sort')))
        assert applied.outputs("env")["Token"] == "hush-hush"
        log = "\n".join(applied.log(environment["lastSucceededDeploymentId"]))
        assert "mine: apply" in log and "xyzzy-plugh" not in log
        assert f"AWS_ENDPOINT_URL={server.url}" in log.replace("terraform_data.second (local-exec): ", "") and f"AWS_ACCESS_KEY_ID={applied.account}" in log
        left = [path for path in (tmp_path / "data" / "proton").rglob("*") if path.is_file() and b"xyzzy-plugh" in path.read_bytes()]
        assert left == [], "secrets do not stay in files"


def test_jobs_go_on_when_the_server_is_killed(tmp_path):
    """The server dies while Terraform applies. The job goes on, the deployment ends once, and nothing is done twice."""
    arguments = (*LOCAL, "--data-dir", str(tmp_path / "data"))
    with Standin(*arguments) as server:
        applied = Applied(server)
        applied.environment_template(bundle=bundle())
        made = applied.environment(spec=environment_spec(command=waits(tmp_path)), wait=False)
        until(lambda: runs(tmp_path) == 1)
        server.process.kill()
        server.process.wait()
    with Standin(*arguments, port=server.port) as server:
        applied = Applied(server, applied.account)
        (tmp_path / "go").touch()
        succeeded(settled(applied))
        assert applied.ends(made["arn"]) == ["SUCCEEDED"] and runs(tmp_path) == 1
        assert unlocked(applied) and applied.outputs("env") == {"Value": "one"}


def test_a_state_that_could_not_be_written_is_kept(tmp_path):
    """The server is away for too long: Terraform gives up, and what it made is in the state all the same."""
    arguments = (*LOCAL, "--data-dir", str(tmp_path / "data"), "--proton", 'terraform.env.TF_HTTP_RETRY_MAX="0"')
    with Standin(*arguments) as server:
        applied = Applied(server)
        applied.environment_template(bundle=bundle())
        deployment = applied.environment(spec=environment_spec(command=waits(tmp_path)), wait=False)["lastAttemptedDeploymentId"]
        until(lambda: runs(tmp_path) == 1)
        server.process.kill()
        server.process.wait()
    (tmp_path / "go").touch()
    until(lambda: list((tmp_path / "data/proton/jobs").glob(f"{deployment}*/end.json")))
    with Standin(*arguments, port=server.port) as server:
        applied = Applied(server, applied.account)
        failed = settled(applied)
        assert failed["deploymentStatus"] == "FAILED" and "Error: " in message(failed), message(failed)
        kept = state(applied)
        assert sorted(found["name"] for found in kept["resources"]) == ["first", "second"]
        assert unlocked(applied) and any("is kept now" in line for line in applied.log(deployment))
        succeeded(applied.update_environment())
        assert runs(tmp_path) == 1, "nothing is made twice"


def settled(applied):
    """The environment, when its run is over. A job of a server that died waits until its lease ends, a minute later."""
    for found in polled(lambda: applied.client.get_environment(name="env")["environment"], seconds=150):
        if found["deploymentStatus"] not in ("IN_PROGRESS", "CANCELLING", "DELETE_IN_PROGRESS"):
            return found


def kill_below(folder):
    """Kills every process that has to do with a folder, as when a machine goes down."""
    mark, killed = str(folder).encode(), 0
    for _ in range(100):
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    known = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
                except OSError:
                    continue
                if mark in known:
                    found.append(int(entry.name))
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
                killed += 1
            except ProcessLookupError:
                pass
        if not found:
            return killed
        time.sleep(0.02)
    raise AssertionError("there is always another process")


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found by /proc")
def test_terraform_is_run_again_when_the_machine_went_down(tmp_path):
    """Everything dies while Terraform applies: it is run again, without the lock that is left, and the deployment ends once."""
    arguments = (*LOCAL, "--data-dir", str(tmp_path / "data"))
    with Standin(*arguments) as server:
        applied = Applied(server)
        applied.environment_template(bundle=bundle())
        made = applied.environment(spec=environment_spec(command=waits(tmp_path)), wait=False)
        until(lambda: runs(tmp_path) == 1)
        assert not unlocked(applied)
        assert kill_below(tmp_path / "data") > 3
        server.process.wait()
    with Standin(*arguments, port=server.port) as server:
        applied = Applied(server, applied.account)
        (tmp_path / "go").touch()
        succeeded(settled(applied))
        assert applied.ends(made["arn"]) == ["SUCCEEDED"] and runs(tmp_path) == 2
        assert unlocked(applied) and applied.outputs("env") == {"Value": "one"}
        log = applied.log(made["lastAttemptedDeploymentId"])
        assert any("Terraform is run again" in line for line in log) and any("lock that the job left behind" in line for line in log), log
        applied.client.delete_environment(name="env")
        applied.gone_environment("env")


def test_many_at_a_time(applied):
    """Environments do not wait for each other, and each has a state of its own."""
    applied.environment_template(bundle=bundle())
    names = [f"many-{number}" for number in range(6)]
    for name in names:
        applied.environment(name, template="env", spec=environment_spec(value=name), wait=False)
    for name in names:
        succeeded(applied.settled_environment(name))
        assert applied.outputs(name) == {"Value": name}
    assert len(told(applied.server, f"states?account={applied.account}")["states"]) == 6
