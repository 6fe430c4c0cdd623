"""Templates that provision by commands: jobs on this machine, their outputs, logs, limits and ends."""

import json
import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest
from protons import Proton, changed, environment_spec, polled, schema_of, service_spec

from serve import ROOT, Standin

EXAMPLES = ROOT / "examples/proton-codebuild"
GROUP = "/aws/proton/deployments"
FOLDER = {"folder": {"type": "string", "default": "none"}}
NOTIFY = """
import boto3, os
boto3.client("proton").notify_resource_deployment_status_change(
    resourceArn=os.environ["RESOURCE_ARN"], outputs=[{"key": "Told", "valueString": "by notify"}, {"key": "Both", "valueString": "by notify"}]
)
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tmp_path_factory.mktemp("builds")


@pytest.fixture(scope="module")
def server(data):
    with Standin("--log", "warn", "--data-dir", str(data / "data"), env={"OF_THE_SERVER": "secret"}) as running:
        yield running
        assert running.alive(), "the server died during the tests"


@pytest.fixture
def proton(server):
    return Proton(server)


def example(name):
    folder = EXAMPLES / name
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def manifest(provision, deprovision=(), **settings):
    settings = {"provision": list(provision), "deprovision": list(deprovision), **settings}
    return json.dumps({"infrastructure": {"templates": [{"rendering_engine": "codebuild", "settings": settings}]}})


def commands(provision, deprovision=(), files=None, properties=None, **settings):
    """The files of an environment template that is made by commands."""
    bundle = {"schema/schema.yaml": schema_of(properties or FOLDER), "infrastructure/manifest.yaml": manifest(provision, deprovision, **settings)}
    return changed(bundle, {f"infrastructure/{path}": text for path, text in (files or {}).items()})


def environment(proton, bundle, name="env", wait=True, **inputs):
    """An environment by commands."""
    proton.environment_template("env", bundle)
    return proton.environment(name, spec=environment_spec(**inputs), codebuildRoleArn=proton.role, wait=wait)


def lines(proton, deployment, pattern=None):
    """The log of a deployment, as `aws logs filter-log-events` finds it."""
    more = {"filterPattern": pattern} if pattern else {}
    pages = proton.of("logs").get_paginator("filter_log_events").paginate(logGroupName=GROUP, logStreamNames=[deployment], **more)
    return [event["message"] for page in pages for event in page["events"]]


def written(path, seconds=60):
    """What a command wrote into a file, once the line is whole."""
    for text in polled(lambda: path.read_text() if path.exists() else "", seconds):
        if text.endswith("\n"):
            return text.strip()


def runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ")[1][0] not in "ZX"
    except OSError:
        return False


def until_gone(*pids):
    for left in polled(lambda: [pid for pid in pids if runs(pid)]):
        if not left:
            return


def jobs(data):
    """The folders of all jobs of a server."""
    return sorted(path for path in (data / "data/proton/jobs").glob("*") if not path.name.startswith("."))


def test_the_example_provisions_updates_and_deprovisions(proton, tmp_path):
    proton.client.update_account_settings(pipelineCodebuildRoleArn=proton.role)
    proton.environment_template("site", example("environment"))
    proton.service_template("page", example("service"), environments=[("site", "1")])
    made = proton.environment("blog", template="site", spec=environment_spec(root=str(tmp_path), title="First"), codebuildRoleArn=proton.role)
    assert made["deploymentStatus"] == "SUCCEEDED", made["deploymentStatusMessage"]
    folder = tmp_path / "blog"
    assert (folder / "index.txt").read_text() == "First\n"
    assert proton.outputs("blog") == {"Folder": str(folder), "Title": "First"}
    assert proton.client.list_environment_provisioned_resources(environmentName="blog")["provisionedResources"] == []

    spec = service_spec({"one": ("blog", {"text": "1"}), "two": ("blog", {"text": "it's \"2\""})}, pipeline={"folder": str(tmp_path)})
    service = proton.service("hello", template="page", spec=spec, **proton.sources())
    assert service["status"] == "ACTIVE", service
    pages = folder / "pages"
    assert (pages / "hello-one.txt").read_text() == "1\n"
    assert (pages / "hello-two.txt").read_text() == "it's \"2\"\n"
    assert proton.outputs("hello", "service_instance", serviceInstanceName="one") == {"Page": str(pages / "hello-one.txt")}
    # The pipeline got what the instances put out.
    assert (tmp_path / "hello.list").read_text().split() == ["one", str(pages / "hello-one.txt"), "two", str(pages / "hello-two.txt")]
    assert proton.outputs("hello", "service_pipeline") == {"List": str(tmp_path / "hello.list")}

    proton.update_environment("blog", spec=environment_spec(root=str(tmp_path), title="Second"))
    assert (folder / "index.txt").read_text() == "Second\n"
    assert proton.outputs("blog")["Title"] == "Second"
    changed_spec = spec.replace('"text": "1"', '"text": "new"')
    proton.client.update_service_instance(name="one", serviceName="hello", deploymentType="CURRENT_VERSION", spec=changed_spec)
    assert proton.settled_instance("hello", "one")["deploymentStatus"] == "SUCCEEDED"
    assert (pages / "hello-one.txt").read_text() == "new\n"

    # While there are pages the site cannot go.
    proton.client.delete_service(name="hello")
    for _ in polled(lambda: None):
        try:
            proton.client.get_service(name="hello")
        except proton.client.exceptions.ResourceNotFoundException:
            break
    assert list(pages.iterdir()) == [] and not (tmp_path / "hello.list").exists()
    proton.client.delete_environment(name="blog")
    proton.gone_environment("blog")
    assert list(tmp_path.iterdir()) == []


def test_commands_see_their_inputs_and_surroundings_in_one_session(proton, tmp_path):
    """Checklist 141, 142, 146."""
    proton.client.update_account_settings(pipelineCodebuildRoleArn=proton.role)
    keep = f'mkdir -p "{tmp_path}" && cp proton-inputs.json "$KEEP"'
    show = "for name in RESOURCE_ARN STACK_NAME AWS_REGION AWS_DEFAULT_REGION AWS_ACCESS_KEY_ID AWS_ENDPOINT_URL CODEBUILD_SRC_DIR CODEBUILD_BUILD_ID HOME EXTRA OUTER OF_THE_SERVER; do eval \"echo $name=\\$$name\"; done > ../shown"
    session = ["export EXTRA=exported", "mkdir sub && cd sub", ". ../lib.sh", show, 'cp ../shown "$KEEP.shown"', 'pwd > "$KEEP.pwd"', 'cmp ../proton-inputs.json ../proton-input.json']
    bundle = commands(
        [*session, "cd ..", keep, 'echo \'{"Out": "x"}\' > proton-outputs.json'],
        files={"lib.sh": "OUTER=sourced\n"},
        install=['echo installed > installed.txt'],
        runtimes={"nodejs": 20},
        env={"variables": {"KEEP": f"{tmp_path}/{{{{ environment.name }}}}"}},
        properties={"size": {"type": "integer", "default": 3}, "names": {"type": "array", "items": {"type": "string"}}},
    )
    made = environment(proton, bundle, names=["a", "b"])
    assert made["deploymentStatus"] == "SUCCEEDED", made["deploymentStatusMessage"]
    assert json.loads((tmp_path / "env").read_text()) == {"environment": {"name": "env", "inputs": {"size": 3, "names": ["a", "b"]}, **account(tmp_path / "env")}}
    shown = dict(line.split("=", 1) for line in (tmp_path / "env.shown").read_text().splitlines())
    deployment = made["lastSucceededDeploymentId"]
    assert shown["RESOURCE_ARN"] == made["arn"]
    assert shown["STACK_NAME"].startswith("AWSProton-") and shown["CODEBUILD_BUILD_ID"] == f"{shown['STACK_NAME']}:{deployment}"
    assert shown["AWS_REGION"] == shown["AWS_DEFAULT_REGION"] == proton.region
    assert shown["AWS_ACCESS_KEY_ID"] == proton.account and shown["AWS_ENDPOINT_URL"].endswith(f":{proton.server.port}")
    assert shown["EXTRA"] == "exported" and shown["OUTER"] == "sourced"
    assert (tmp_path / "env.pwd").read_text().strip() == shown["CODEBUILD_SRC_DIR"] + "/sub"
    assert shown["OF_THE_SERVER"] == "" and shown["HOME"] != os.environ.get("HOME")
    assert any("nodejs 20" in line for line in lines(proton, deployment))

    instance = {"variables": {"KEEP": f"{tmp_path}/{{{{ service_instance.name }}}}"}}
    pipeline = {"variables": {"KEEP": f"{tmp_path}/pipeline"}}
    schema = 'schema:\n  format: {openapi: "3.0.0"}\n  service_input_type: T\n  pipeline_input_type: T\n  types:\n    T: {type: object, properties: {size: {type: string, default: small}}}\n'
    bundle = {
        "schema/schema.yaml": schema,
        "instance_infrastructure/manifest.yaml": manifest([keep, 'echo \'{"Made": "by one"}\' > proton-outputs.json'], env=instance),
        "pipeline_infrastructure/manifest.yaml": manifest([keep], env=pipeline),
    }
    proton.service_template("svc", changed(bundle, {}))
    service = proton.service(spec=service_spec({"one": ("env", {"size": "big"})}, pipeline={}), **proton.sources())
    assert service["status"] == "ACTIVE", service
    around = {"account_id": proton.account, "name": "env", "outputs": {"Out": "x"}}
    of_service = {"name": "svc", "branch_name": "main", "repository_id": "acme/code", "repository_connection_arn": service["repositoryConnectionArn"]}
    inputs = json.loads((tmp_path / "one").read_text())
    assert inputs["environment"] == around and inputs["service"] == of_service
    assert inputs["service_instance"]["name"] == "one" and inputs["service_instance"]["inputs"] == {"size": "big"}
    inputs = json.loads((tmp_path / "pipeline").read_text())
    assert inputs["service"] == of_service and inputs["pipeline"] == {"inputs": {"size": "small"}}
    assert inputs["service_instances"] == [{"name": "one", "inputs": {"size": "big"}, "outputs": {"Made": "by one"}, "environment": around}]


def account(path):
    """The one optional member of an environment's inputs, where it is there."""
    inputs = json.loads(path.read_text())["environment"]
    return {"account_id": inputs["account_id"]} if "account_id" in inputs else {}


def test_a_failing_command_fails_the_deployment_with_its_last_lines(proton, tmp_path):
    """Checklist 143."""
    made = environment(proton, commands(["echo fine", "echo going wrong; echo the reason >&2; (exit 3)", f"touch {tmp_path}/never"]))
    assert made["deploymentStatus"] == "FAILED"
    message = made["deploymentStatusMessage"]
    assert message.startswith("command 2 (`echo going wrong") and "failed with exit code 3" in message, message
    assert message.endswith("going wrong\nthe reason"), message
    assert not (tmp_path / "never").exists()
    # A failed environment can be updated, and then works.
    proton.published("environment", "env", commands(["echo fine"]))
    again = proton.update_environment("env", "MAJOR_VERSION", templateMajorVersion="2", spec=environment_spec())
    assert again["deploymentStatus"] == "SUCCEEDED", again.get("deploymentStatusMessage")


def test_outputs_by_notification_and_by_file(proton, tmp_path):
    """Checklist 144. What is notified wins."""
    notify = f'"{sys.executable}" notify.py'
    write = 'echo \'{"Both": "by file", "File": "by file", "Number": 5}\' > proton-outputs.json'
    bundle = commands([notify, f"echo running > {tmp_path}/running; until [ -e {tmp_path}/go ]; do sleep 0.05; done", write], files={"notify.py": NOTIFY})
    environment(proton, bundle, wait=False)
    written(tmp_path / "running")
    # While it runs, they are recorded and the status stays.
    running = proton.client.get_environment(name="env")["environment"]
    assert running["deploymentStatus"] == "IN_PROGRESS"
    (tmp_path / "go").touch()
    made = proton.settled_environment("env")
    assert made["deploymentStatus"] == "SUCCEEDED", made["deploymentStatusMessage"]
    assert proton.outputs("env") == {"Told": "by notify", "Both": "by notify", "File": "by file", "Number": "5"}


@pytest.mark.parametrize(
    "text, expect",
    [
        ('{"Stack": {"A": "a"}, "Other": {"B": "b"}}', {"A": "a", "B": "b"}),
        ('[{"key": "A", "valueString": "a"}]', {"A": "a"}),
        ('{"A": {"sensitive": false, "type": "string", "value": "a"}}', {"A": "a"}),
    ],
)
def test_outputs_in_every_shape(proton, text, expect):
    environment(proton, commands(["cp out.json proton-outputs.json"], files={"out.json": text}))
    assert proton.outputs("env") == expect


def test_outputs_that_are_none_fail_the_deployment(proton):
    made = environment(proton, commands(["echo '{' > proton-outputs.json"]))
    assert made["deploymentStatus"] == "FAILED" and "not valid JSON" in made["deploymentStatusMessage"]


def test_deprovision_runs_with_the_same_inputs_and_can_be_tried_again(proton, tmp_path):
    """Checklist 145."""
    bundle = commands(
        ["true"],
        [f"[ -e {tmp_path}/allowed ]", f"cp proton-inputs.json {tmp_path}/{{{{ environment.inputs.folder }}}}"],
    )
    environment(proton, bundle, folder="gone")
    proton.client.delete_environment(name="env")
    failed = proton.settled_environment("env")
    assert failed["deploymentStatus"] == "DELETE_FAILED" and "failed with exit code 1" in failed["deploymentStatusMessage"]
    (tmp_path / "allowed").touch()
    proton.client.delete_environment(name="env")
    proton.gone_environment("env")
    assert json.loads((tmp_path / "gone").read_text())["environment"]["inputs"] == {"folder": "gone"}


def test_deprovision_that_cannot_be_rendered_says_so_and_provision_does_not_matter(proton, tmp_path):
    bundle = commands(["true"], [f"echo {{{{ environment.inputs.more }}}} > {tmp_path}/gone"], properties={"more": {"type": "string"}})
    environment(proton, bundle)
    proton.client.delete_environment(name="env")
    failed = proton.settled_environment("env")
    assert failed["deploymentStatus"] == "DELETE_FAILED"
    assert "the commands to deprovision cannot be rendered" in failed["deploymentStatusMessage"], failed["deploymentStatusMessage"]
    assert proton.update_environment("env", spec=environment_spec(more="now"))["deploymentStatus"] == "SUCCEEDED"
    proton.client.delete_environment(name="env")
    proton.gone_environment("env")
    assert (tmp_path / "gone").read_text() == "now\n"
    # The other way round: what could not be provisioned can be deleted.
    bundle = commands(["echo {{ environment.inputs.more }}"], ["true"], properties={"more": {"type": "string"}})
    proton.published("environment", "env", bundle)
    failed = proton.environment("env", major="2", spec=environment_spec(), codebuildRoleArn=proton.role)
    assert failed["deploymentStatus"] == "FAILED" and "more" in failed["deploymentStatusMessage"]
    proton.client.delete_environment(name="env")
    proton.gone_environment("env")


def test_the_log_is_kept_and_searched_and_shows_no_secrets(proton):
    proton.of("secretsmanager").create_secret(Name="deploy", SecretString=json.dumps({"token": "swordfish-1", "other": "x"}))
    proton.of("secretsmanager").create_secret(Name="plain", SecretString="swordfish-2")
    bundle = commands(
        ["echo the token is $TOKEN and $WHOLE", "echo needle in a haystack", "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo line $i; done", "[ \"$TOKEN\" = swordfish-1 ]"],
        env={"secrets_manager": {"TOKEN": "deploy:token", "WHOLE": "plain"}},
    )
    made = environment(proton, bundle)
    assert made["deploymentStatus"] == "SUCCEEDED", made["deploymentStatusMessage"]
    deployment = made["lastSucceededDeploymentId"]
    found = lines(proton, deployment)
    assert "the token is *** and ***" in found and not any("swordfish" in line for line in found)
    assert [line for line in found if re.fullmatch(r"line \d+", line)] == [f"line {number}" for number in range(1, 3001)]
    assert lines(proton, deployment, "needle") == ["$ echo needle in a haystack", "needle in a haystack"]
    group = proton.of("logs").filter_log_events(logGroupName=GROUP, filterPattern="haystack")["events"]
    assert {event["logStreamName"] for event in group} == {deployment}


def test_a_secret_that_is_not_there_fails_the_deployment(proton):
    made = environment(proton, commands(["true"], env={"secrets_manager": {"TOKEN": "nowhere:token"}}))
    assert made["deploymentStatus"] == "FAILED" and "the secret nowhere:token of the variable TOKEN" in made["deploymentStatusMessage"]


def test_the_log_is_there_while_the_commands_run(proton, tmp_path):
    made = environment(proton, commands(["echo early", f"until [ -e {tmp_path}/go ]; do sleep 0.05; done"]), wait=False)
    deployment = made["lastAttemptedDeploymentId"]
    logs = proton.of("logs").exceptions
    def told():
        try:
            return lines(proton, deployment)
        except logs.ResourceNotFoundException:
            return []

    for found in polled(told):
        if "early" in found:
            break
    assert proton.client.get_environment(name="env")["environment"]["deploymentStatus"] == "IN_PROGRESS"
    (tmp_path / "go").touch()
    assert proton.settled_environment("env")["deploymentStatus"] == "SUCCEEDED"


def test_a_cancelled_deployment_ends_its_job(proton, tmp_path):
    stubborn = f"(trap '' TERM; echo $$ > {tmp_path}/own; sh -c 'echo $$ > {tmp_path}/child; exec sleep 1000')"
    environment(proton, commands([stubborn]), wait=False)
    pids = int(written(tmp_path / "own")), int(written(tmp_path / "child"))
    proton.client.cancel_environment_deployment(environmentName="env")
    made = proton.settled_environment("env")
    assert made["deploymentStatus"] == "CANCELLED", made
    until_gone(*pids)


def test_killed_processes_of_a_job_fail_the_deployment(proton, data, tmp_path):
    bundle = commands([f"echo $$ > {tmp_path}/{{{{ environment.name }}}}; while :; do sleep 0.1; done"])
    environment(proton, bundle, "shell", wait=False)
    os.kill(int(written(tmp_path / "shell")), signal.SIGKILL)
    made = proton.settled_environment("shell")
    assert made["deploymentStatus"] == "FAILED" and "was ended by signal 9" in made["deploymentStatusMessage"]
    # With it goes who could tell how it ended.
    made = proton.environment("watcher", spec=environment_spec(), codebuildRoleArn=proton.role, wait=False)
    pid = int(written(tmp_path / "watcher"))
    folder = data / "data/proton/jobs" / made["lastAttemptedDeploymentId"]
    os.kill(int(os.readlink(folder / "watched-by").split()[0]), signal.SIGKILL)
    made = proton.settled_environment("watcher")
    assert made["deploymentStatus"] == "FAILED" and made["deploymentStatusMessage"].startswith("interrupted: "), made
    until_gone(pid)


LIMITS = ("--proton", 'jobs.timeout="2s"', "--proton", 'jobs.output="20KB"', "--proton", "jobs.processes=40", "--proton", 'jobs.memory="64MB"')


def test_jobs_end_with_their_limits(tmp_path):
    with Standin("--log", "warn", "--data-dir", str(tmp_path / "data"), *LIMITS) as server:

        def ended(*provision):
            proton = Proton(server)
            made = environment(proton, commands(provision))
            return proton, made

        _, made = ended("echo waiting", f"echo $$ > {tmp_path}/slow; sleep 1000")
        assert made["deploymentStatus"] == "FAILED"
        assert "the time limit of 2s is over" in made["deploymentStatusMessage"] and "waiting" in made["deploymentStatusMessage"]
        until_gone(int(written(tmp_path / "slow")))

        _, made = ended(f"echo $$ > {tmp_path}/bomb; while :; do sleep 1000 & done")
        assert "more than its limit of 40 processes" in made["deploymentStatusMessage"], made["deploymentStatusMessage"]
        until_gone(int(written(tmp_path / "bomb")))
        assert not [path for path in Path("/proc").glob("[0-9]*/environ") if marked(path, tmp_path)]

        _, made = ended("for i in 1 2 3 4 5; do (x=$(head -c 20000000 /dev/zero | tr '\\0' x); sleep 1000) & done; wait")
        assert "more than its limit of 64 MB" in made["deploymentStatusMessage"], made["deploymentStatusMessage"]

        proton, made = ended("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo line $i; done; echo the end")
        assert made["deploymentStatus"] == "SUCCEEDED", made["deploymentStatusMessage"]
        found = lines(proton, made["lastSucceededDeploymentId"])
        assert "line 1" in found and "line 20000" in found and "the end" in found
        assert len(found) < 3000 and any("are left out here" in line for line in found)


def marked(path, folder):
    try:
        return b"STANDIN_JOB=" + str(folder).encode() in path.read_bytes()
    except OSError:
        return False


@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_a_kill_of_standin_runs_nothing_twice(tmp_path, moment):
    """The job goes on without the server; the next one finds it, and tells all of its log."""
    options = ("--log", "warn", "--data-dir", str(tmp_path / "data"))
    count, go = tmp_path / "count", tmp_path / "go"
    provision = [f"echo begun >> {count}", f"until [ -e {go} ]; do sleep 0.05; done", f"echo ended >> {count}", 'echo \'{"Out": "x"}\' > proton-outputs.json']
    with Standin(*options) as server:
        proton = Proton(server)
        proton.environment_template("env", commands(provision))
        made = proton.environment("env", spec=environment_spec(), codebuildRoleArn=proton.role, wait=False)
        if moment != "before":
            written(count)
        if moment == "after":
            # The job ends before anybody asks again.
            server.process.send_signal(signal.SIGSTOP)
            go.touch()
            for text in polled(count.read_text):
                if "ended" in text:
                    break
        server.process.kill()
        server.process.wait()
    go.touch()
    with Standin(*options) as server:
        proton.server = server
        again = Proton(server, proton.account)
        for found in polled(lambda: again.client.get_environment(name="env")["environment"], seconds=120):
            if found["deploymentStatus"] != "IN_PROGRESS":
                break
        assert found["deploymentStatus"] == "SUCCEEDED", found["deploymentStatusMessage"]
        assert count.read_text().split() == ["begun", "ended"]
        assert again.outputs("env") == {"Out": "x"}
        told = lines(again, made["lastAttemptedDeploymentId"])
        assert [line for line in told if line.startswith("$ ")] == [f"$ {command}" for command in provision]


def test_jobs_need_to_be_allowed_where_others_reach_the_server(tmp_path):
    def ended(*more):
        options = ("--log", "warn", "--listen", "0.0.0.0:0", "--data-dir", str(tmp_path / "data"), *more)
        with Standin(*options) as server:
            return environment(Proton(server), commands(["true"]))

    made = ended()
    assert made["deploymentStatus"] == "FAILED"
    assert "listens beyond this machine" in made["deploymentStatusMessage"] and "jobs.allow=true" in made["deploymentStatusMessage"]
    assert ended("--proton", "jobs.allow=true")["deploymentStatus"] == "SUCCEEDED"


def test_without_a_folder_there_are_no_jobs():
    with Standin("--log", "warn") as server:
        proton = Proton(server)
        made = environment(proton, commands(["true"], ["true"]))
        assert made["deploymentStatus"] == "FAILED" and "--data-dir" in made["deploymentStatusMessage"]
        # Nothing can have been made.
        proton.client.delete_environment(name="env")
        proton.gone_environment("env")
