"""Whatever moment a server is killed at: every deployment ends once, or fails with a reason, and nothing is made twice."""

import json
import shutil
import time
from collections import Counter

import pytest
from botocore.exceptions import ClientError
from gits import Repository, git
from protons import MANIFEST, Proton, changed, environment_spec, schema_of, service_spec, small_service
from test_proton_durability import postgres
from trials import ACCOUNT, BUSY, Trial, again, processes

from conftest import Admin
from serve import Standin

needs_git = pytest.mark.skipif(not shutil.which("git"), reason="needs the program git")
SOURCE = {"provider": "GITHUB", "name": "acme/infra", "branch": "main"}
HCL = 'infrastructure:\n  templates:\n    - file: "*"\n      rendering_engine: hcl\n      template_language: terraform\n'

STACK = "AWS::CloudFormation::Stack"


def ended(get, key="deploymentStatus"):
    """What a resource is, once nothing happens to it any more."""
    while True:
        found = again(get)
        if found[key] not in BUSY and not found[key].endswith("IN_PROGRESS"):
            return found
        time.sleep(0.05)


def unless(code, call):
    """The answer of a call; nothing where it is refused like that."""
    try:
        return again(call)
    except Exception as error:  # noqa: BLE001
        if code not in str(error):
            raise
        return None


def living(trial, prefix, means, spec, server=None):
    """A caller that makes environments, changes, cancels and deletes them, for as long as the server is being killed; by another
    server of the same database, where one is given."""

    def write(dice, number):
        proton = Proton(server, ACCOUNT) if server else trial.proton()
        for turn in range(1000):
            if trial.over.is_set():
                return
            name = f"{prefix}{number}-{turn}"
            get = lambda name=name: proton.client.get_environment(name=name)["environment"]  # noqa: E731
            again(lambda name=name: proton.environment(name, prefix, spec=spec("first"), wait=False, **means))
            if dice.random() < 0.2:
                unless("Conflict", lambda name=name: proton.client.cancel_environment_deployment(environmentName=name))
            ended(get)
            for size in ("second", "third")[: dice.randrange(3)]:
                # Where the answer was lost, it is under way already.
                unless("Conflict", lambda name=name, size=size: proton.client.update_environment(name=name, deploymentType="CURRENT_VERSION", spec=spec(size)))
                ended(get)
            if dice.random() < 0.5:
                again(lambda name=name: proton.client.delete_environment(name=name))
                unless("ResourceNotFound", lambda get=get: ended(get))

    return write


def stack_runs(client):
    """How often each stack was begun to be made or changed for each token; and the live ones by name."""
    begun, live = Counter(), Counter()
    stacks = [stack for page in client.get_paginator("list_stacks").paginate() for stack in page["StackSummaries"]]
    for stack in stacks:
        if stack["StackStatus"] != "DELETE_COMPLETE":
            live[stack["StackName"]] += 1
        for page in client.get_paginator("describe_stack_events").paginate(StackName=stack["StackId"]):
            for event in page["StackEvents"]:
                if event["ResourceType"] == STACK and event["PhysicalResourceId"] == stack["StackId"] and event["ResourceStatus"] in ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"):
                    begun[stack["StackName"], event["ResourceStatus"], event.get("ClientRequestToken")] += 1
    return begun, live


@pytest.mark.parametrize("where", ["standin", "elsewhere"])
def test_stacks(tmp_path, where):
    """Of standin's own CloudFormation, which dies with it, and of one that goes on meanwhile."""
    # Topics take a while, and stacks wait for them.
    slow = ("--transitions", "sns=300ms", "--proton", "quotas.environments=1000")
    with Standin(*slow) as elsewhere:
        there = ("--proton", f'provisioning.cloudformation="{elsewhere.url}"') if where == "elsewhere" else ()
        with Trial(tmp_path, f"stacks {where}", *slow, *there, env={"AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "x"}) as trial:
            setup = Proton(trial.server, ACCOUNT)
            setup.environment_template("e")
            write = living(trial, "e", {"protonServiceRoleArn": setup.role}, lambda size: environment_spec(size=size))
            trial.killing(write, write, write)
            trial.check()
            proton = trial.proton()
            host = Proton(elsewhere, ACCOUNT) if where == "elsewhere" else proton
            begun, live = stack_runs(host.of("cloudformation"))
            assert max(begun.values()) == 1, [run for run, count in begun.items() if count > 1]
            assert set(live.values()) <= {1}
            environments = {item["name"]: item for item in trial.listed("list_environments", "environments")}
            of_stack = {name.split("-environment-", 1)[1].rsplit("-cloudformation-", 1)[0] for name in live}
            # One that was cancelled, or failed, when it was made may have none.
            assert of_stack <= set(environments)
            assert {name for name, item in environments.items() if item["deploymentStatus"] == "SUCCEEDED"} <= of_stack
            topics = [topic for page in host.of("sns").get_paginator("list_topics").paginate() for topic in page["Topics"]]
            assert len(topics) == len([stack for stack in live])


def build(folder):
    """An environment that is made by commands: they tell a file what they do, and take their time."""
    tell = lambda what: f'echo "{what} $RESOURCE_ARN" >> {folder}/told'  # noqa: E731
    settings = {
        "image": "any",
        "provision": [tell("begin"), "sleep 0.4", 'echo "{\\"Size\\": \\"{{ environment.inputs.size }}\\"}" > proton-outputs.json', "sleep 0.3", tell("end")],
        "deprovision": [tell("begin-gone"), "sleep 0.3", tell("gone")],
    }
    manifest = {"infrastructure": {"templates": [{"rendering_engine": "codebuild", "settings": settings}]}}
    return changed({"schema/schema.yaml": schema_of({"size": {"type": "string"}}), "infrastructure/manifest.yaml": json.dumps(manifest)}, {})


def test_builds(tmp_path):
    """Commands of bundles go on while the server is dead; each runs once, and none is left."""
    with Trial(tmp_path, "builds", "--proton", "quotas.environments=1000") as trial:
        setup = Proton(trial.server, ACCOUNT)
        setup.environment_template("b", build(tmp_path))
        write = living(trial, "b", {"codebuildRoleArn": setup.role}, lambda size: environment_spec(size=size))
        trial.killing(write, write, write)
        each_ran_once(trial, tmp_path)
        trial.kill()
        nobody(f"{tmp_path}/data")


def test_builds_of_two_servers(tmp_path):
    """Of two servers of one database one dies, and comes back; the other goes on with what it had begun, once its leases end."""
    with postgres() as url:
        more = ("--proton", "quotas.environments=1000", "--database", url)
        with Trial(tmp_path, "two servers", *more) as trial, Standin(*trial.arguments) as two:
            setup = Proton(trial.server, ACCOUNT)
            setup.environment_template("b", build(tmp_path))
            means, spec = {"codebuildRoleArn": setup.role}, lambda size: environment_spec(size=size)
            trial.killing(living(trial, "b", means, spec), living(trial, "b", means, spec, two), kills=3, longest=3.0)
            # A job whose beginning a kill hit is not begun again by the other server: it has failed, and says so.
            each_ran_once(trial, tmp_path, failed="interrupted: ")
            trial.kill()
            two.process.kill()
            nobody(f"{tmp_path}/data")


def each_ran_once(trial, folder, failed=None):
    """That the commands of each deployment ran as often as it ended, and none for nothing. `failed`: how reasons of failures begin."""
    deployments = trial.check()
    told = Counter((folder / "told").read_text().splitlines())
    for arn in {deployment["targetArn"] for deployment in deployments}:
        mine = [deployment for deployment in deployments if deployment["targetArn"] == arn]
        made = [item for item in mine if item["deploymentStatus"] in ("SUCCEEDED", "FAILED", "CANCELLED")]
        # What is cancelled may not have begun.
        assert told[f"begin {arn}"] <= len(made), (arn, mine)
        assert told[f"end {arn}"] >= sum(item["deploymentStatus"] == "SUCCEEDED" for item in made)
        assert told[f"begin-gone {arn}"] == told[f"gone {arn}"] == sum(item["deploymentStatus"] == "DELETE_COMPLETE" for item in mine)
        for item in mine:
            reason = trial.proton().client.get_deployment(id=item["id"])["deployment"].get("deploymentStatusMessage", "")
            excused = failed and item["deploymentStatus"] == "FAILED" and reason.startswith(failed)
            assert excused or item["deploymentStatus"] in ("SUCCEEDED", "CANCELLED", "DELETE_COMPLETE"), reason
    for item in trial.listed("list_environments", "environments"):
        if item["deploymentStatus"] == "SUCCEEDED":
            assert trial.proton().outputs(item["name"])["Size"] in ("first", "second", "third")


def nobody(mark, seconds=20):
    """That no process is left that has to do with a folder."""
    until = time.monotonic() + seconds
    while left := processes(mark):
        assert time.monotonic() < until, left
        time.sleep(0.1)


def terraform_bundle(main):
    files = {"schema/schema.yaml": schema_of({"size": {"type": "string"}}), "infrastructure/manifest.yaml": HCL, "infrastructure/main.tf": main}
    return changed(files, {})


def linked(folder):
    """A bare repository acme/infra, and the settings that say where it is."""
    repository = Repository(folder / "acme", "infra")
    return repository, ("--proton", f'git.base="file://{folder}/{{owner}}/{{name}}.git"', "--proton", 'git.poll="100ms"')


def metadata(repository, commit):
    """What a proposed commit says of its deployment."""
    [path] = [path for path in git(repository.bare, "ls-tree", "-r", "--name-only", commit).split("\n") if path.endswith(".proton/deployment-metadata.json") and path in git(repository.bare, "diff-tree", "-r", "--name-only", "--no-commit-id", commit)]
    return json.loads(git(repository.bare, "show", f"{commit}:{path}"))


@needs_git
def test_pull_requests(tmp_path):
    """Each deployment is proposed once, and ends when its request is merged or closed and its owner has said so."""
    repository, settings = linked(tmp_path)
    repository.hook("update", f'#!/bin/sh\necho "$@" >> {tmp_path}/pushed\n')
    with Trial(tmp_path, "pull requests", "--proton", "quotas.environments=1000", *settings) as trial:
        setup = Proton(trial.server, ACCOUNT)
        setup.repository()
        setup.environment_template("p", terraform_bundle('output "size" {\n  value = var.environment.inputs.size\n}\n'))
        write = living(trial, "p", {"provisioningRepository": SOURCE}, lambda size: environment_spec(size=size))

        closed = set()

        def owner(dice, number):
            proton, handled = trial.proton(), set()
            while not trial.done.is_set():
                there = set(repository.branches()) - {""}
                # One that is back was proposed again: the server died before it had noted that it was there.
                handled &= there
                for branch in there - handled:
                    handled.add(branch)
                    try:
                        head = git(repository.bare, "rev-parse", branch)
                        told = metadata(repository, head)
                        if dice.random() < 0.25:
                            closed.add(told["deploymentId"])
                            repository.delete(branch)
                            continue
                        repository.merge(branch, delete=dice.random() < 0.5)
                    except AssertionError:
                        # The deployment was cancelled meanwhile, and its branch is gone.
                        assert branch not in repository.branches()
                        continue
                    if not told["isResourceDeleted"]:
                        done = {"resourceArn": told["resourceMetadata"]["arn"], "deploymentId": told["deploymentId"], "status": "SUCCEEDED"}
                        try:
                            again(lambda done=done: proton.client.notify_resource_deployment_status_change(**done, outputs=[{"key": "size", "valueString": "told"}]))
                        except ClientError as error:
                            # Told already, where the answer was lost, or cancelled.
                            assert error.response["Error"]["Code"] in ("ConflictException", "ValidationException", "ResourceNotFoundException"), error
                time.sleep(0.1)

        trial.killing(write, write, helpers=[owner])
        deployments = trial.check()
        ids = {deployment["id"] for deployment in deployments}
        proposed = Counter()
        for line in (tmp_path / "pushed").read_text().splitlines():
            reference, before, after = line.split()
            if reference.startswith("refs/heads/proton--") and not before.strip("0"):
                told = metadata(repository, after)
                proposed[told["resourceMetadata"]["arn"] if told["isResourceDeleted"] else told["deploymentId"]] += 1
        twice = {key for key, count in proposed.items() if count > 1}
        # A branch that is gone again before the server has noted it cannot be told from one that it has still to push.
        assert twice <= closed, twice - closed
        # Whatever came to an end but by being cancelled was proposed.
        assert {item["id"] for item in deployments if item["deploymentStatus"] == "SUCCEEDED"} <= set(proposed)
        assert {key for key in proposed if not key.startswith("arn:")} <= ids
        assert not [item for item in deployments if item["deploymentStatus"] == "FAILED"], trial.proton().client.get_deployment(id=[item for item in deployments if item["deploymentStatus"] == "FAILED"][0]["id"])["deployment"]
        trial.kill()
        nobody(f"{tmp_path}/data")


NUMBERED = """
Resources:
  Topic:
    Type: AWS::SNS::Topic
"""


def numbered_schema(number):
    return schema_of({"size": {"type": "string", "default": "small", "description": f"of commit {number};"}})


@needs_git
def test_template_sync(tmp_path):
    """Each push becomes a version once, none older follows on a newer one, and the last one is there at the end."""
    repository, settings = linked(tmp_path)
    with Trial(tmp_path, "template sync", "--proton", "quotas.versions=10000", *settings) as trial:
        setup = Proton(trial.server, ACCOUNT)
        setup.repository()
        setup.template("environment", "t")
        commit = lambda number: repository.commit({"t/v1/schema/schema.yaml": numbered_schema(number), "t/v1/infrastructure/manifest.yaml": MANIFEST, "t/v1/infrastructure/cloudformation.yaml": NUMBERED})  # noqa: E731
        commit(0)
        setup.client.create_template_sync_config(templateName="t", templateType="ENVIRONMENT", repositoryProvider="GITHUB", repositoryName="acme/infra", branch="main")
        last = [0]

        def push(dice, _):
            while not trial.over.is_set():
                last[0] += 1
                commit(last[0])
                time.sleep(dice.uniform(0.02, 0.6))

        trial.killing(push)
        until = time.monotonic() + 60
        while True:
            versions = sorted(trial.listed("list_environment_template_versions", "templateVersions", templateName="t", majorVersion="1"), key=lambda item: int(item["minorVersion"]))
            if versions and "IN_PROGRESS" not in versions[-1]["status"] and number_of(trial, versions[-1]) == last[0]:
                break
            status = trial.proton().client.get_template_sync_status(templateName="t", templateType="ENVIRONMENT", templateVersion="1")
            assert time.monotonic() < until, json.dumps([last, versions[-1:], status], default=str)
            time.sleep(0.2)
        assert [item["minorVersion"] for item in versions] == [str(number) for number in range(len(versions))]
        assert {item["status"] for item in versions} == {"DRAFT"}
        numbers = [number_of(trial, item) for item in versions]
        assert numbers == sorted(set(numbers)), numbers
        trial.kill()
        nobody(f"{tmp_path}/data")


def number_of(trial, version):
    keys = {"templateName": "t", "majorVersion": "1", "minorVersion": version["minorVersion"]}
    schema = trial.proton().client.get_environment_template_version(**keys)["environmentTemplateVersion"].get("schema", "")
    return int(schema.split("of commit ")[1].split(";")[0]) if "of commit " in schema else None


@needs_git
def test_service_sync(tmp_path):
    """Each push of a spec is deployed once, and the last one is what is there at the end."""
    repository, settings = linked(tmp_path)
    with Trial(tmp_path, "service sync", "--transitions", "sqs=100ms", *settings) as trial:
        setup = Proton(trial.server, ACCOUNT)
        setup.repository()
        setup.environment_template("env")
        setup.environment("env")
        setup.bare_service_template("svc", small_service(pipeline=False))
        spec = lambda number: service_spec({"one": ("env", {"size": f"s{number}"})})  # noqa: E731
        setup.service("svc", spec=spec("-before"))
        repository.commit({"ops.yaml": "sync:\n  services:\n    svc:\n      one: {branch: main, spec: ./one.yaml}\n", "one.yaml": spec(0)})
        setup.client.create_service_sync_config(serviceName="svc", repositoryProvider="GITHUB", repositoryName="acme/infra", branch="main", filePath="ops.yaml")
        last = [0]

        def push(dice, _):
            while not trial.over.is_set():
                last[0] += 1
                repository.commit({"one.yaml": spec(last[0])})
                time.sleep(dice.uniform(0.02, 0.9))

        trial.killing(push)
        until = time.monotonic() + 60
        while True:
            instance = trial.proton().client.get_service_instance(serviceName="svc", name="one")["serviceInstance"]
            if instance["deploymentStatus"] == "SUCCEEDED" and size_of(instance["spec"]) == last[0]:
                break
            status = trial.proton().client.get_service_instance_sync_status(serviceName="svc", serviceInstanceName="one")
            assert time.monotonic() < until, json.dumps([last, instance, status], default=str)
            time.sleep(0.2)
        deployments = [item for item in trial.check() if item.get("serviceInstanceName") == "one"]
        client = trial.proton().client
        full = [client.get_deployment(id=item["id"])["deployment"] for item in sorted(deployments, key=lambda item: item["createdAt"])]
        numbers = [size_of(item["targetState"]["serviceInstance"]["spec"]) for item in full][1:]
        assert numbers == sorted(set(numbers)), numbers
        assert {item["deploymentStatus"] for item in full} == {"SUCCEEDED"}
        trial.kill()
        nobody(f"{tmp_path}/data")


def size_of(spec):
    text = spec.split('"size": "s')[1].split('"')[0]
    return int(text) if text.isdigit() else -1


TERRAFORM = """
resource "terraform_data" "it" {
  input = var.environment.inputs.size
  provisioner "local-exec" {
    command = "echo $NAME >> %s/made; sleep 0.3"
    environment = { NAME = var.environment.name }
  }
}
output "size" {
  value = terraform_data.it.output
}
"""


@pytest.mark.skipif(not shutil.which("terraform"), reason="needs terraform")
def test_terraform(tmp_path):
    """Terraform goes on while the server that keeps its state is dead, or is run again; nothing is made twice, no lock is left."""
    repository, settings = linked(tmp_path)
    with Trial(tmp_path, "terraform", "--proton", "quotas.environments=1000", "--proton", 'provisioning.terraform="local"', *settings) as trial:
        setup = Proton(trial.server, ACCOUNT)
        setup.repository()
        setup.environment_template("t", terraform_bundle(TERRAFORM % tmp_path))
        write = living(trial, "t", {"provisioningRepository": SOURCE}, lambda size: environment_spec(size=size))
        trial.killing(write, write, longest=4.0)
        deployments = trial.check()
        failed = [item for item in deployments if item["deploymentStatus"] in ("FAILED", "DELETE_FAILED")]
        # A server that dies in the middle of an answer with a state ends the run that reads it; the next one goes on from there.
        for item in failed:
            assert "state" in trial.proton().client.get_deployment(id=item["id"])["deployment"]["deploymentStatusMessage"]
        for item in trial.listed("list_environments", "environments"):
            if item["deploymentStatus"] == "FAILED":
                assert trial.proton().update_environment(item["name"])["deploymentStatus"] == "SUCCEEDED"
        made = Counter((tmp_path / "made").read_text().splitlines())
        # What was cancelled in the middle is made again by the next deployment.
        cancelled = Counter(item["environmentName"] for item in deployments if item["deploymentStatus"] == "CANCELLED")
        twice = {name: count for name, count in made.items() if count > 1 + cancelled[name]}
        assert not twice, (twice, cancelled)
        states = {item["key"]: item for item in Admin(trial.server.url)("GET", f"/_standin/proton/terraform/states?account={ACCOUNT}")["states"]}
        assert not [item for item in states.values() if item.get("lock")], states
        for item in trial.listed("list_environments", "environments"):
            if item["deploymentStatus"] == "SUCCEEDED":
                assert trial.proton().outputs(item["name"])["size"] in ("first", "second", "third")
        trial.kill()
        nobody(f"{tmp_path}/data")
