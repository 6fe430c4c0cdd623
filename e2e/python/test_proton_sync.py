"""Sync: templates and services follow the branches of plain git repositories."""

import hashlib
import hmac
import json
import os
import random
import shutil
import subprocess
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from protons import SMALL, Proton, missing, polled, service_spec, small, small_service
from test_proton_durability import postgres

from serve import Standin

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

SECRET = "only the forge knows"
SEED = 11
REGISTRATION = 'compatible_environments: ["env:1"]\nsupported_component_sources: [DIRECTLY_DEFINED]\n'
OPS = """
sync:
  services:
    svc:
      one: {branch: main, spec: ./specs/one.yaml}
      two: {branch: release, spec: ./specs/two.yaml}
"""
# A second property is required, which specs of before do not have.
BROKEN_SCHEMA = 'schema: {format: {openapi: "3.0.0"}, environment_input_type: T, types: {T: {type: object, required: [b], properties: {b: {type: string}}}}}'


class Repository:
    """A bare repository `acme/NAME` below a folder, and a clone of it to commit in."""

    def __init__(self, folder, name="infra"):
        self.name = f"acme/{name}"
        self.bare = folder / f"acme/{name}.git"
        self.clone = folder / f"clones/{name}"
        self.bare.mkdir(parents=True)
        self.run("init", "--quiet", "--bare", "--initial-branch=main", ".", at=self.bare)
        self.run("config", "receive.denyDeleteCurrent", "ignore", at=self.bare)
        self.clone.mkdir(parents=True)
        self.run("init", "--quiet", "--initial-branch=main")
        self.run("remote", "add", "origin", str(self.bare))

    def run(self, *arguments, at=None):
        identity = {f"GIT_{who}_{what}": "dev@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        ran = subprocess.run(["git", *arguments], cwd=at or self.clone, env={**os.environ, **identity, **alone}, capture_output=True, text=True, timeout=60)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()

    def commit(self, files, branch="main", push=True):
        """Commits files by path, or takes away those that are `None`; the id of the commit."""
        known = self.run("branch", "--list", branch) or self.run("symbolic-ref", "--short", "HEAD") == branch
        self.run("checkout", "--quiet", *([branch] if self.run("branch", "--list", branch) else ["--orphan", branch] if not known else ["-B", branch]))
        for path, text in files.items():
            file = self.clone / path
            if text is None:
                self.run("rm", "--quiet", "-r", path)
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(text, os.PathLike):
                file.unlink(missing_ok=True)
                file.symlink_to(text)
            else:
                file.write_bytes(text.encode() if isinstance(text, str) else text)
        self.run("add", "--all")
        self.run("commit", "--quiet", "--allow-empty", "--message", "a change")
        if push:
            self.push(branch)
        return self.run("rev-parse", "HEAD")

    def push(self, branch="main", *options):
        self.run("push", "--quiet", *options, "origin", branch)


def below(folder, files):
    return {f"{folder}/{path}": text for path, text in files.items()}


def changed_template(number):
    """What makes another version, and deploys."""
    return SMALL + f"# {number}\n"


def shown(answer):
    """An answer without what is of its transport."""
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


class Synced(Proton):
    """An account with a linked repository of its own."""

    def __init__(self, server, folder):
        super().__init__(server)
        self.git = Repository(folder, f"infra-{self.account}")
        self.repository(self.git.name)
        self.linked = {"repositoryProvider": "GITHUB", "repositoryName": self.git.name, "branch": "main"}

    def sync_template(self, kind="environment", name="env", **more):
        return self.client.create_template_sync_config(templateName=name, templateType=kind.upper(), **self.linked, **more)

    def sync_service(self, **more):
        return self.client.create_service_sync_config(serviceName="svc", filePath="ops/sync.yaml", **self.linked, **more)

    def versions(self, kind="environment", name="env", majors=("1", "2")):
        """Number and status of all versions."""
        found = {}
        for major in majors:
            try:
                listed = getattr(self.client, f"list_{kind}_template_versions")(templateName=name, majorVersion=major)["templateVersions"]
            except self.client.exceptions.ResourceNotFoundException:
                continue
            found |= {f"{major}.{version['minorVersion']}": version["status"] for version in listed}
        return found

    def become(self, expect, **which):
        for found in polled(lambda: self.versions(**which)):
            if found == expect:
                return

    def template_status(self, kind="environment", name="env", major="1"):
        return shown(self.client.get_template_sync_status(templateName=name, templateType=kind.upper(), templateVersion=major))

    def repository_status(self, sync="TEMPLATE_SYNC", branch="main"):
        asked = {"repositoryName": self.git.name, "repositoryProvider": "GITHUB", "branch": branch, "syncType": sync}
        return self.client.get_repository_sync_status(**asked).get("latestSync")

    def instance_status(self, name):
        return shown(self.client.get_service_instance_sync_status(serviceName="svc", serviceInstanceName=name))

    def failed(self, ask, text):
        """Waits for an attempt that failed for a reason."""
        for attempt in polled(ask):
            if attempt and attempt["status"] == "FAILED" and text in attempt["events"][-1]["event"]:
                return attempt

    def at(self, sha, ask):
        """Waits for an attempt to have reached a commit."""
        for status in polled(ask):
            if status.get("latestSuccessfulSync", {}).get("targetRevision", {}).get("sha") == sha:
                return status

    def size(self, instance):
        outputs = self.client.list_service_instance_outputs(serviceName="svc", serviceInstanceName=instance)["outputs"]
        return {output["key"]: output["valueString"] for output in outputs}.get("Size")

    def deployments(self, instance):
        named = {"environmentName": "env", "serviceName": "svc", "serviceInstanceName": instance}
        pages = self.client.get_paginator("list_deployments").paginate(**named)
        return [deployment for page in pages for deployment in page["deployments"]]


def options(folder, data=None, poll="300ms", **git):
    said = {"base": f"file://{folder}/{{owner}}/{{name}}.git", "poll": poll, "webhook-secret": SECRET, **git}
    given = [part for name, value in said.items() for part in ("--proton", f"git.{name}={json.dumps(value)}")]
    return ("--log", "warn", "--data-dir", str(data or folder / "data"), *given)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sync")


@pytest.fixture(scope="module")
def server(folder):
    with Standin(*options(folder)) as running:
        yield running
        assert running.alive(), f"the server ended with {running.process.poll()}"


@pytest.fixture
def proton(server, folder):
    return Synced(server, folder)


def test_a_commit_becomes_a_draft(proton):
    proton.template("environment", "env")
    first = proton.git.commit(below("templates/env/v1", small()))
    proton.sync_template()
    proton.become({"1.0": "DRAFT"})
    status = proton.at(first, proton.template_status)
    revision = {**proton.linked, "sha": first, "directory": "templates/env/v1"}
    assert status["latestSync"] == status["latestSuccessfulSync"]
    assert status["desiredState"] == revision == status["latestSync"]["targetRevision"] == status["latestSync"]["initialRevision"]
    assert [event["type"] for event in status["latestSync"]["events"]] == ["SYNC_STARTED", "VERSION_REGISTERED"]
    events = proton.repository_status()["events"]
    assert [event["type"] for event in events] == ["CLONE_STARTED", "CONFIG_UPDATED", "STARTING_SYNC"]
    assert events[-1]["externalId"] == first
    # What is not of a version registers nothing; a changed folder does, and a new one.
    unrelated = proton.git.commit({"README.md": "hello"})
    for attempt in polled(proton.repository_status):
        if attempt["events"][-1].get("externalId") == unrelated:
            break
    assert proton.versions() == {"1.0": "DRAFT"} and proton.template_status() == status
    second = proton.git.commit({"templates/env/v1/infrastructure/cloudformation.yaml": changed_template(1), **below("templates/env/v2", small())})
    proton.become({"1.0": "DRAFT", "1.1": "DRAFT", "2.0": "DRAFT"})
    status = proton.template_status()["latestSync"]
    assert (status["initialRevision"]["sha"], status["targetRevision"]["sha"]) == (first, second)
    # The bundle is a copy: what becomes of the repository does not matter.
    proton.git.run("push", "--quiet", "--delete", "origin", "main")
    proton.publish("environment", "env", "1.1")
    assert proton.environment()["deploymentStatus"] == "SUCCEEDED"
    # Versions from S3 and from the repository share their numbers.
    assert proton.register("environment", "env", small())["majorVersion"] == "3"


def test_versions_are_published_where_that_is_configured(folder, tmp_path):
    with Standin(*options(folder, tmp_path, publish=True)) as server:
        proton = Synced(server, folder)
        for kind, name in (("environment", "env"), ("service", "svc")):
            proton.template(kind, name, **({"pipelineProvisioning": "CUSTOMER_MANAGED"} if kind == "service" else {}))
        # The service template comes first, and waits for the one that it goes with.
        proton.sync_template("service", "svc")
        files = {**small_service(pipeline=False), ".template-registration.yaml": REGISTRATION}
        proton.git.commit({**below("svc/v1", files), **below("env/v1", small())})
        proton.failed(lambda: proton.template_status("service", "svc").get("latestSync"), "env:1")
        assert proton.versions("service", "svc") == {}
        proton.sync_template()
        proton.become({"1.0": "PUBLISHED"})
        proton.become({"1.0": "PUBLISHED"}, kind="service", name="svc")
        version = proton.client.get_service_template_version(templateName="svc", majorVersion="1", minorVersion="0")["serviceTemplateVersion"]
        assert version["compatibleEnvironmentTemplates"] == [{"templateName": "env", "majorVersion": "1"}]
        assert version["supportedComponentSources"] == ["DIRECTLY_DEFINED"] and version["recommendedMinorVersion"] == "0"
        proton.environment()
        proton.service(spec=service_spec({"one": ("env", {"size": "XS"})}))
        assert proton.size("one") == "XS"
        # The older file says the same.
        proton.git.commit({"svc/v1/.template-registration.yaml": None, "svc/v1/.compatible-envs": "env:1\n\n"})
        proton.become({"1.0": "PUBLISHED", "1.1": "PUBLISHED"}, kind="service", name="svc")


def test_a_broken_bundle_leaves_everything_as_it_was(proton):
    proton.template("environment", "env")
    good = proton.git.commit(below("env/v1", small()))
    proton.sync_template()
    proton.become({"1.0": "DRAFT"})
    broken = proton.git.commit({"env/v1/schema/schema.yaml": BROKEN_SCHEMA})
    attempt = proton.failed(lambda: proton.template_status().get("latestSync"), "not compatible")
    assert attempt["targetRevision"]["sha"] == broken
    expect = {"1.0": "DRAFT", "1.1": "REGISTRATION_FAILED"}
    assert proton.versions() == expect
    assert proton.template_status()["latestSuccessfulSync"]["targetRevision"]["sha"] == good
    # Another commit does not try it again, and going back makes nothing new.
    proton.git.commit({"README.md": "x"})
    back = proton.git.commit(below("env/v1", small()))
    proton.at(back, proton.template_status)
    assert proton.versions() == expect
    # A link is no file of a bundle, wherever it leads.
    proton.git.commit({"env/v1/infrastructure/cloudformation.yaml": Path("/etc/passwd")})
    for status in polled(proton.template_status):
        if status["latestSync"]["status"] == "FAILED":
            break
    assert "root:" not in json.dumps(status["latestSync"], default=str)
    assert [version for version, status in proton.versions().items() if status == "DRAFT"] == ["1.0"]


def test_a_repository_may_go_and_come_back(proton):
    proton.template("environment", "env")
    proton.sync_template()
    proton.failed(proton.repository_status, "no branch main")
    first = proton.git.commit(below("env/v1", small()))
    proton.become({"1.0": "DRAFT"})
    hidden = proton.git.bare.with_suffix(".hidden")
    proton.git.bare.rename(hidden)
    for attempt in polled(proton.repository_status):
        if attempt["status"] == "FAILED":
            break
    hidden.rename(proton.git.bare)
    proton.git.commit({"env/v1/infrastructure/cloudformation.yaml": changed_template(1)})
    proton.become({"1.0": "DRAFT", "1.1": "DRAFT"})
    # By force to something else, and the branch goes and comes.
    proton.git.run("reset", "--quiet", "--hard", first)
    forced = proton.git.commit({"env/v1/infrastructure/cloudformation.yaml": changed_template(2)}, push=False)
    proton.git.push("main", "--force")
    proton.become({"1.0": "DRAFT", "1.1": "DRAFT", "1.2": "DRAFT"})
    assert proton.template_status()["latestSync"]["targetRevision"]["sha"] == forced
    proton.git.run("push", "--quiet", "--delete", "origin", "main")
    proton.failed(proton.repository_status, "no branch main")
    proton.git.push("main")
    for attempt in polled(proton.repository_status):
        if attempt["status"] == "SUCCEEDED":
            break
    assert len(proton.versions()) == 3


def test_twenty_commits_in_a_row_end_with_the_newest(proton):
    proton.template("environment", "env")
    proton.git.commit(below("env/v1", small()))
    proton.sync_template()
    proton.become({"1.0": "DRAFT"})
    for number in range(20):
        last = proton.git.commit({"env/v1/infrastructure/cloudformation.yaml": changed_template(number)})
    proton.at(last, proton.template_status)
    found = proton.versions()
    assert set(found.values()) == {"DRAFT"} and 2 <= len(found) <= 21
    # The newest version has the newest content.
    newest = f"1.{len(found) - 1}"
    proton.publish("environment", "env", newest)
    assert proton.template_status()["latestSync"]["events"][-1]["event"].endswith(newest)
    # A deleted minor is registered again by the next commit, under a new number.
    proton.register("environment", "env", small(), majorVersion="1")


def with_service(proton):
    """The service `svc` with the instance `one`, and a repository that names `one` and `two`."""
    proton.environment_template()
    proton.environment()
    proton.bare_service_template()
    proton.service(spec=service_spec({"one": ("env", {"size": "S"})}))
    proton.git.commit({"specs/two.yaml": service_spec({"two": ("env", {"size": "L"})})}, branch="release")
    return proton.git.commit({"ops/sync.yaml": OPS, "specs/one.yaml": service_spec({"one": ("env", {"size": "M"})})})


def test_a_commit_updates_a_running_service(proton):
    first = with_service(proton)
    proton.sync_service()
    proton.at(first, lambda: proton.instance_status("one"))
    for status in polled(lambda: proton.instance_status("two")):
        if "latestSuccessfulSync" in status:
            break
    assert (proton.size("one"), proton.size("two")) == ("M", "L")
    assert (status["desiredState"]["branch"], status["desiredState"]["directory"]) == ("release", "specs/two.yaml")
    assert proton.repository_status("SERVICE_SYNC", "release")["status"] == "SUCCEEDED"
    assert len(proton.deployments("one")) == 2 and len(proton.deployments("two")) == 1
    second = proton.git.commit({"specs/two.yaml": service_spec({"two": ("env", {"size": "XL"})})}, branch="release")
    proton.at(second, lambda: proton.instance_status("two"))
    assert (proton.size("one"), proton.size("two")) == ("M", "XL")
    assert len(proton.deployments("one")) == 2
    blockers = proton.client.get_service_sync_blocker_summary(serviceName="svc", serviceInstanceName="two")["serviceSyncBlockerSummary"]
    assert blockers.get("latestBlockers", []) == []

    # What is broken leaves everything as it was.
    for path, text, reason in (
        ("specs/one.yaml", "a: [", "not valid YAML"),
        ("specs/one.yaml", service_spec({"other": ("env", {})}), "no instance one"),
        ("specs/one.yaml", service_spec({"one": ("nowhere", {})}), "stays in the environment env"),
        ("ops/sync.yaml", OPS.replace("./specs/one", "../../one"), "leads out of the repository"),
        ("ops/sync.yaml", "sync: {services: {svc: [" + "[" * 2000, "ops/sync.yaml"),
        ("ops/sync.yaml", "sync:\n  services:\n    svc:\n" + "".join(f"      i{at}: {{branch: main, spec: s}}\n" for at in range(10_000)), "10000 instances"),
        ("ops/sync.yaml", None, "no file ops/sync.yaml"),
    ):
        proton.git.commit({path: text})
        proton.failed(lambda: proton.instance_status("one").get("latestSync"), reason)
        assert (proton.size("one"), len(proton.deployments("one")), len(proton.deployments("two"))) == ("M", 2, 2)
    assert proton.repository_status("SERVICE_SYNC")["status"] == "FAILED"
    last = proton.git.commit({"ops/sync.yaml": OPS, "specs/one.yaml": service_spec({"one": ("env", {"size": "XXL"})})})
    proton.at(last, lambda: proton.instance_status("one"))
    assert proton.size("one") == "XXL"


def test_a_change_by_hand_blocks_until_it_is_resolved(proton):
    first = with_service(proton)
    proton.sync_service()
    proton.at(first, lambda: proton.instance_status("one"))
    for status in polled(lambda: proton.instance_status("two")):
        if "latestSuccessfulSync" in status:
            break
    hand = service_spec({"one": ("env", {"size": "hand"})})
    proton.client.update_service_instance(serviceName="svc", name="one", deploymentType="CURRENT_VERSION", spec=hand)
    proton.settled_instance("svc", "one")
    blocked = proton.git.commit({"specs/one.yaml": service_spec({"one": ("env", {"size": "newer"})})})
    for status in polled(lambda: proton.instance_status("one")):
        if status["desiredState"]["sha"] == blocked:
            break
    assert proton.size("one") == "hand"
    (blocker,) = proton.client.get_service_sync_blocker_summary(serviceName="svc", serviceInstanceName="one")["serviceSyncBlockerSummary"]["latestBlockers"]
    proton.client.update_service_sync_blocker(id=blocker["id"], resolvedReason="go on")
    proton.at(blocked, lambda: proton.instance_status("one"))
    assert proton.size("one") == "newer"
    # What was deleted with the configuration is followed no more, and nothing is deleted.
    proton.client.delete_service_sync_config(serviceName="svc")
    with missing():
        proton.instance_status("one")
    assert {found["name"] for found in proton.client.list_service_instances(serviceName="svc")["serviceInstances"]} == {"one", "two"}


def hooked(server, forge, body, headers, query=""):
    """The status and the answer of a webhook, without the deployments that were looked at."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {name: value(body) if callable(value) else value for name, value in headers.items()}
    request = urllib.request.Request(f"{server.url}/_standin/proton/hooks/{forge}{query}", data=body, headers={"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            told = json.loads(answer.read())
            told.pop("deployments", None)
            return answer.status, told
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def signature(secret=SECRET, prefix="sha256="):
    return lambda body: prefix + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def test_webhooks_start_the_sync(folder, tmp_path):
    with Standin(*options(folder, tmp_path, poll="1h")) as server:
        proton = Synced(server, folder)
        proton.template("environment", "env")
        proton.git.commit(below("env/v1", small()))
        proton.sync_template()
        proton.become({"1.0": "DRAFT"})
        name = proton.git.name
        plain = {"ref": "refs/heads/main", "repository": {"full_name": name}}
        hooks = [
            ("github", plain, {"X-GitHub-Event": "push", "X-Hub-Signature-256": signature()}),
            ("gitea", plain, {"X-Gitea-Event": "push", "X-Gitea-Signature": signature(prefix="")}),
            ("gitlab", {"ref": "refs/heads/main", "project": {"path_with_namespace": name}}, {"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": SECRET}),
            (
                "bitbucket",
                {"repository": {"full_name": name}, "push": {"changes": [{"new": {"type": "branch", "name": "main"}}]}},
                {"X-Event-Key": "repo:push", "X-Hub-Signature": signature()},
            ),
        ]
        expect = {"1.0": "DRAFT"}
        for number, (forge, body, headers) in enumerate(hooks):
            proton.git.commit({"env/v1/infrastructure/cloudformation.yaml": changed_template(number)})
            (signed,) = [header for header in headers if "Signature" in header or "Token" in header]
            for wrong in (signature("wrong"), SECRET[:-1], "", "sha256=" + "0" * 64):
                assert hooked(server, forge, body, {**headers, signed: wrong})[0] == 401
            assert hooked(server, forge, body, {header: value for header, value in headers.items() if header != signed})[0] == 401
            assert hooked(server, forge, b"no JSON", {**headers})[0] == 400
            elsewhere = json.loads(json.dumps(body).replace("main", "other"))
            assert hooked(server, forge, elsewhere, headers) == (200, {"syncs": 0})
            assert proton.versions() == expect
            assert hooked(server, forge, body, headers) == (200, {"syncs": 1})
            expect[f"1.{number + 1}"] = "DRAFT"
            proton.become(expect)
        # The hook of a plain repository, as the documentation has it.
        hook = proton.git.bare / "hooks/post-receive"
        url = f"{server.url}/_standin/proton/hooks/git?repository={name}"
        hook.write_text(f"#!/bin/sh\nexec curl --silent --show-error --fail --data-binary @- --header 'X-Standin-Token: {SECRET}' '{url}'\n")
        hook.chmod(0o755)
        if shutil.which("curl"):
            proton.git.commit({"env/v1/infrastructure/cloudformation.yaml": changed_template("hook")})
            proton.become({**expect, "1.5": "DRAFT"})
        assert hooked(server, "git", b"", {"X-Standin-Token": "wrong"}, f"?repository={name}")[0] == 401
        assert hooked(server, "git", b"", {"X-Standin-Token": SECRET}, f"?repository={name}") == (200, {"syncs": 1})
        assert hooked(server, "git", b"", {"X-Standin-Token": SECRET})[0] == 400
        assert hooked(server, "svn", b"", {})[0] == 404
        assert hooked(server, "github", {"zen": "x"}, {"X-GitHub-Event": "ping", "X-Hub-Signature-256": signature()}) == (200, {"syncs": 0})


def test_without_a_secret_no_webhook_is_taken():
    with Standin("--stateless", "--log", "warn") as server:
        status, answer = hooked(server, "git", b"", {"X-Standin-Token": ""}, "?repository=acme/infra")
        assert status == 403 and "webhook-secret" in answer["error"]


def test_two_servers_of_a_database_register_once(folder, tmp_path):
    with postgres() as url:
        one, two = (Standin(*options(folder, tmp_path / name, poll="100ms"), "--database", url) for name in ("one", "two"))
        with one, two:
            proton = Synced(one, folder)
            proton.template("environment", "env")
            proton.git.commit(below("env/v1", small()))
            proton.sync_template()
            commits = set()
            for number in range(10):
                last = proton.git.commit({"env/v1/infrastructure/cloudformation.yaml": changed_template(number)})
                commits.add(last)
                told = [threading.Thread(target=hooked, args=(server, "git", b"", {"X-Standin-Token": SECRET}, f"?repository={proton.git.name}")) for server in (one, two)]
                for thread in told:
                    thread.start()
                for thread in told:
                    thread.join()
                if number % 3 == 0:
                    proton.at(last, proton.template_status)
            proton.at(last, proton.template_status)
            listed = proton.client.list_environment_template_versions(templateName="env", majorVersion="1")["templateVersions"]
            descriptions = [version["description"] for version in listed]
            assert len(set(descriptions)) == len(descriptions) and {version["status"] for version in listed} == {"DRAFT"}
            # The newest came last.
            newest = max(listed, key=lambda version: int(version["minorVersion"]))
            assert newest["description"] == f"Commit {last}"


def test_killed_at_any_moment_it_registers_and_deploys_once(folder, tmp_path):
    draw = random.Random(SEED)
    with Standin(*options(folder, tmp_path / "data", poll="50ms")) as server:
        proton = Synced(server, folder)
        proton.template("environment", "base")
        with_service(proton)
        first = proton.git.commit(below("base/v1", small()))
        proton.sync_template(name="base")
        proton.sync_service()
        proton.become({"1.0": "DRAFT"}, name="base")
        proton.at(first, lambda: proton.instance_status("one"))
    for number in range(6):
        with Standin(*options(folder, tmp_path / "data", poll="50ms")) as server:
            proton.server = server
            proton.client = proton.of("proton", attempts=5)
            last = proton.git.commit(
                {
                    "base/v1/infrastructure/cloudformation.yaml": changed_template(number),
                    "specs/one.yaml": service_spec({"one": ("env", {"size": f"S{number}"})}),
                }
            )
            seen = draw.uniform(0, 0.6)
            try:
                server.process.wait(seen)
            except subprocess.TimeoutExpired:
                pass
            server.process.kill()
            server.process.wait()
        with Standin(*options(folder, tmp_path / "data", poll="50ms")) as server:
            proton.server = server
            proton.client = proton.of("proton", attempts=5)
            proton.at(last, lambda: proton.template_status(name="base"))
            proton.at(last, lambda: proton.instance_status("one"))
            assert proton.size("one") == f"S{number}"
            assert proton.versions(name="base") == {f"1.{minor}": "DRAFT" for minor in range(number + 2)}
            # By hand once, to the first commit, and then for each of them.
            assert len(proton.deployments("one")) == number + 3
