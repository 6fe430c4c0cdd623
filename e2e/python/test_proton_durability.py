"""Proton survives kill -9: what was acknowledged is there, every deployment ends, and nothing is made twice."""

import random
import shutil
import subprocess
import tempfile
import threading
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from protons import Proton, polled, service_spec

from conftest import Admin
from serve import Standin

SEED = 7
KILLS = 6
WRITERS = 4
BUSY = ("IN_PROGRESS", "CANCELLING", "DELETE_IN_PROGRESS")
ENDED = ("SUCCEEDED", "FAILED", "CANCELLED", "DELETED", "DELETE_FAILED")
GONE = (BotoCoreError, HTTPClientError)
QUOTAS = ("--proton", "quotas.environments=1000", "--proton", "quotas.services=1000")


class Diary:
    """What callers were told: environments and services by name, with all that was asked of them since."""

    def __init__(self):
        self.lock = threading.Lock()
        self.there, self.deleted, self.deployments = set(), set(), set()
        self.count = 0
        self.enough = threading.Event()
        self.limit = 0

    def begin(self, limit):
        self.count, self.limit = 0, limit
        self.enough.clear()

    def note(self, deployment=None, there=None, deleted=None):
        with self.lock:
            if deployment:
                self.deployments.add(deployment)
            if there:
                self.there.add(there)
            if deleted:
                self.there.discard(deleted)
                self.deleted.add(deleted)
            self.count += 1
            if self.count >= self.limit:
                self.enough.set()


def settled(ask, key):
    """What `ask` answers once its status is final. A job of a server that died waits until its lease ends, a minute later."""
    for found in polled(ask, seconds=120):
        if not found[key].endswith("IN_PROGRESS"):
            return found


def write(proton, diary, turn, writer):
    """Makes, changes and deletes environments and services until the server is gone."""
    client, dice = proton.client, random.Random(f"{SEED}/{turn}/{writer}")
    for number in range(1000):
        name = f"e-{turn}-{writer}-{number}"
        try:
            made = proton.environment(name, wait=False)
            diary.note(made["lastAttemptedDeploymentId"], ("environment", name))
            environment = settled(lambda: client.get_environment(name=name)["environment"], "deploymentStatus")
            if environment["deploymentStatus"] != "SUCCEEDED":
                continue
            service = f"s-{turn}-{writer}-{number}"
            made = proton.service(service, spec=service_spec({"one": (name, {}), "two": (name, {})}), wait=False)
            diary.note(there=("service", service))
            for instance in ("one", "two"):
                diary.note(client.get_service_instance(serviceName=service, name=instance)["serviceInstance"]["lastAttemptedDeploymentId"])
            if dice.random() < 0.5:
                made = client.update_environment(name=name, deploymentType="CURRENT_VERSION", spec="proton: EnvironmentSpec\nspec: {size: large}\n")
                diary.note(made["environment"]["lastAttemptedDeploymentId"])
            if dice.random() < 0.4 and settled(lambda: client.get_service(name=service)["service"], "status")["status"] == "ACTIVE":
                client.delete_service(name=service)
                diary.note(deleted=("service", service))
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ConflictException", error
        except GONE:
            return


def listed(proton, operation, member, **arguments):
    pages = proton.client.get_paginator(operation).paginate(**arguments)
    return [item for page in pages for item in page[member]]


def settle(proton):
    """Waits until no deployment is under way."""
    for found in polled(lambda: listed(proton, "list_deployments", "deployments"), seconds=120):
        if not any(deployment["deploymentStatus"] in BUSY for deployment in found):
            return found


def log(proton):
    found, after = [], 0
    while after is not None:
        page = Admin(proton.server.url)("GET", f"/_standin/proton/events?account={proton.account}&after={after}")
        found, after = found + page["events"], page["next"]
    return found


def check(proton, diary):
    """That what is there is what the diary and the events tell, and that the infrastructure goes with it."""
    deployments = settle(proton)
    known = {deployment["id"] for deployment in deployments}
    assert diary.deployments <= known, "acknowledged deployments are missing"
    assert all(deployment["deploymentStatus"] not in BUSY and "completedAt" in deployment for deployment in deployments)
    environments = {item["name"]: item["deploymentStatus"] for item in listed(proton, "list_environments", "environments")}
    services = {item["name"]: item["status"] for item in listed(proton, "list_services", "services")}
    there = {("environment", name) for name in environments} | {("service", name) for name in services}
    assert diary.there <= there, "acknowledged resources are missing"
    assert not diary.deleted & there, "deleted resources are there"
    instances = listed(proton, "list_service_instances", "serviceInstances")
    assert Counter(item["serviceName"] for item in instances) == {name: 2 for name in services}
    assert set(environments.values()) <= {"SUCCEEDED"}
    assert set(services.values()) <= {"ACTIVE"}
    assert {item["deploymentStatus"] for item in instances} <= {"SUCCEEDED"}

    # Every run is told to begin and to end once, and each status follows from the one before.
    last, ends = {}, Counter()
    events = log(proton)
    assert len({event["id"] for event in events}) == len(events)
    for event in events:
        arn, detail = event["resources"][0], event["detail"]
        before = last.get(arn, "")
        # A resource may be made again under the name of one that is gone.
        assert detail["previousStatus"] == ("" if before == "DELETED" else before), event
        last[arn] = detail["status"]
        if detail["previousStatus"] in BUSY and detail["status"] in ENDED and "Template" not in event["detail-type"]:
            ends[arn] += 1
    runs = Counter(deployment["targetArn"] for deployment in deployments)
    assert {arn: count for arn, count in ends.items() if arn in runs} == runs

    # A stack for each that is deployed, and what is in them: no more, no less.
    stacks = [stack for page in proton.of("cloudformation").get_paginator("describe_stacks").paginate() for stack in page["Stacks"]]
    names = Counter(stack["StackName"].rsplit("-", 1)[0] for stack in stacks if stack["StackStatus"] != "DELETE_COMPLETE")
    wanted = {f"AWSProton-environment-{name}-cloudformation" for name in environments}
    wanted |= {f"AWSProton-{item['serviceName']}-{item['name']}-cloudformation" for item in instances}
    assert names == dict.fromkeys(wanted, 1)
    topics = [topic for page in proton.of("sns").get_paginator("list_topics").paginate() for topic in page["Topics"]]
    queues = [url for page in proton.of("sqs").get_paginator("list_queues").paginate() for url in page.get("QueueUrls", [])]
    assert (len(topics), len(queues)) == (len(environments), len(instances))
    return environments


def test_nothing_is_lost_when_the_server_is_killed(tmp_path):
    arguments = ("--log", "warn", "--data-dir", str(tmp_path), *QUOTAS)
    diary, dice, account = Diary(), random.Random(SEED), "666677778888"
    with Standin(*arguments) as server:
        proton = Proton(server, account)
        proton.environment_template()
        proton.bare_service_template()
    for turn in range(KILLS):
        with Standin(*arguments) as server:
            proton = Proton(server, account)
            diary.begin(dice.randrange(8, 40))
            writers = [threading.Thread(target=write, args=(Proton(server, account), diary, turn, writer)) for writer in range(WRITERS)]
            for writer in writers:
                writer.start()
            assert diary.enough.wait(120)
            server.process.kill()
            for writer in writers:
                writer.join()
    with Standin(*arguments) as server:
        environments = check(Proton(server, account), diary)
        assert len(environments) >= KILLS
        assert server.alive()


def test_deletes_go_on_after_a_crash(tmp_path):
    """A service and its environment that are being deleted when the server dies are gone after it was started again."""
    arguments = ("--log", "warn", "--data-dir", str(tmp_path))
    account = "666677778888"
    with Standin(*arguments) as server:
        proton = Proton(server, account)
        proton.environment_template()
        proton.service_template()
        proton.environment()
        proton.service(spec=service_spec({"one": ("env", {}), "two": ("env", {})}, pipeline={}), **proton.sources())
        proton.client.delete_service(name="svc")
        server.process.kill()
    with Standin(*arguments) as server:
        proton = Proton(server, account)
        with pytest.raises(proton.client.exceptions.ResourceNotFoundException):
            for _ in polled(lambda: proton.client.get_service(name="svc")):
                pass
        proton.client.delete_environment(name="env")
        server.process.kill()
    with Standin(*arguments) as server:
        proton = Proton(server, account)
        proton.gone_environment("env")
        stacks = proton.of("cloudformation").describe_stacks()["Stacks"]
        assert [stack["StackName"] for stack in stacks if stack["StackStatus"] != "DELETE_COMPLETE"] == []
        assert "Topics" not in proton.of("sns").list_topics() or proton.of("sns").list_topics()["Topics"] == []
        last = {event["resources"][0]: event["detail"]["status"] for event in log(proton) if "Template" not in event["detail-type"]}
        assert set(last.values()) == {"DELETED"}


@contextmanager
def postgres():
    """The URL of an empty database of a server that ends with the test. It refuses to run as root."""
    found = shutil.which("initdb") or next((str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)), None)
    if found is None:
        pytest.skip("PostgreSQL is not installed")
    programs = Path(found).parent
    folder = Path(tempfile.mkdtemp(prefix="standin-postgres-"))
    is_root = Path("/proc/self").stat().st_uid == 0
    options = {"cwd": "/", "check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    if is_root:
        shutil.chown(folder, "nobody")
        options |= {"user": "nobody", "group": folder.stat().st_gid}
        folder.chmod(0o777)
    data = str(folder / "data")
    subprocess.run([programs / "initdb", "--no-sync", "--auth=trust", "--username=standin", "--encoding=UTF8", "--locale=C", "-D", data], **options)
    settings = f"-k {folder} -c listen_addresses='' -c fsync=off"
    subprocess.run([programs / "pg_ctl", "-w", "-D", data, "-l", str(folder / "log"), "-o", settings, "start"], **options)
    try:
        yield f"postgres://standin@localhost/postgres?host={folder}"
    finally:
        subprocess.run([programs / "pg_ctl", "-w", "-m", "immediate", "-D", data, "stop"], **options)
        shutil.rmtree(folder, ignore_errors=True)


def test_two_servers_share_a_database_and_one_dies(tmp_path):
    """Deployments that a server began are ended by the other, once."""
    with postgres() as url:
        arguments = ("--log", "warn", "--database", url, "--data-dir", str(tmp_path), *QUOTAS)
        account, diary = "666677778888", Diary()
        with Standin(*arguments) as one, Standin(*arguments) as two:
            proton = Proton(one, account)
            proton.environment_template()
            proton.bare_service_template()
            diary.begin(60)
            writers = [threading.Thread(target=write, args=(Proton(server, account), diary, server.port, writer)) for server in (one, two) for writer in range(2)]
            for writer in writers:
                writer.start()
            assert diary.enough.wait(120)
            one.process.kill()
            diary.begin(20)
            assert diary.enough.wait(120)
            for writer in writers[:2]:
                writer.join()
            two.process.terminate()
            for writer in writers:
                writer.join()
        with Standin(*arguments) as three:
            check(Proton(three, account), diary)
