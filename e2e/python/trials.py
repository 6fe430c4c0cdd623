"""A server that dies at random moments: killed, started again over the same data, and what must hold at the end."""

import os
import random
import threading
import time
from collections import Counter
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from protons import Proton

from conftest import Admin
from serve import Standin, free_port

# The schedule of kills: printed, so that a failure can be seen again.
SEED = int(os.environ.get("STANDIN_KILLS_SEED", "0")) or random.SystemRandom().randrange(1, 1_000_000)
KILLS = int(os.environ.get("STANDIN_KILLS", "12"))
ACCOUNT = "666677778888"
BUSY = ("IN_PROGRESS", "CANCELLING", "DELETE_IN_PROGRESS")
ENDED = ("SUCCEEDED", "FAILED", "CANCELLED", "DELETED", "DELETE_FAILED")
SETTLE_SECONDS = int(os.environ.get("STANDIN_KILLS_SETTLE", "240"))


class Trial:
    """A server at one address, over one folder: `with Trial(tmp_path, "name", arguments) as trial: trial.killing(…)`."""

    def __init__(self, folder, name, *arguments, env=None):
        self.folder = Path(folder)
        self.arguments = ("--log", "warn", "--data-dir", str(self.folder / "data"), *arguments)
        self.env = env
        self.port = free_port()
        self.dice = random.Random(f"{SEED}/{name}")
        self.server = None
        self.killed = 0
        self.wrong = []
        print(f"{name}: STANDIN_KILLS_SEED={SEED} STANDIN_KILLS={KILLS}")

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *error):
        if self.server:
            self.server.__exit__(*error)

    def start(self):
        self.server = Standin(*self.arguments, env=self.env, port=self.port)
        self.server.__enter__()

    def kill(self):
        self.server.process.kill()
        self.server.process.wait()
        self.server.__exit__()
        self.killed += 1

    def proton(self):
        """An account on the server, whichever process it is by now."""
        proton = Proton(self.server, ACCOUNT)
        proton._made = True
        return proton

    def killing(self, *writers, helpers=(), shortest=0.05, longest=1.5, kills=KILLS):
        """Lets writers go on while the server is killed and started; they end by themselves, or when `trial.over` is set. Helpers
        go on until the writers have ended: `trial.done`."""
        self.over, self.done = threading.Event(), threading.Event()

        def run(writer, number):
            try:
                writer(random.Random(f"{SEED}/{number}"), number)
            except Exception as error:  # noqa: BLE001
                self.wrong.append(error)
                raise

        every = enumerate([*writers, *helpers])
        threads = [threading.Thread(target=run, args=(writer, number), daemon=True) for number, writer in every]
        for thread in threads:
            thread.start()
        for _ in range(kills):
            # Many at the very beginning of something, some later.
            time.sleep(self.dice.choice((shortest, longest, self.dice.uniform(shortest, longest), self.dice.uniform(shortest, longest / 4))))
            self.kill()
            self.start()
        self.over.set()
        for number, thread in enumerate(threads):
            if number == len(writers):
                self.done.set()
            thread.join(SETTLE_SECONDS)
            if thread.is_alive():
                busy = [item for item in self.listed("list_deployments", "deployments") if item["deploymentStatus"] in BUSY]
                raise AssertionError(f"a caller does not come to an end; {self.wrong or busy}")
        assert not self.wrong, self.wrong

    def settled(self):
        """All deployments, once none is under way."""
        until = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < until:
            deployments = self.listed("list_deployments", "deployments")
            busy = [deployment for deployment in deployments if deployment["deploymentStatus"] in BUSY]
            if not busy:
                return deployments
            time.sleep(0.2)
        raise AssertionError(f"never ended: {busy[:3]}")

    def listed(self, operation, member, service="proton", **arguments):
        client = self.proton().of(service)
        return [item for page in client.get_paginator(operation).paginate(**arguments) for item in page.get(member, [])]

    def events(self):
        found, after = [], 0
        while after is not None:
            page = Admin(self.server.url)("GET", f"/_standin/proton/events?account={ACCOUNT}&after={after}")
            found, after = found + page["events"], page["next"]
        return found

    def check(self):
        """That every deployment has ended, once, and says why where it failed. Answers the deployments."""
        deployments = self.settled()
        for deployment in deployments:
            assert "completedAt" in deployment, deployment
        client = self.proton().client
        for deployment in deployments:
            if deployment["deploymentStatus"] in ("FAILED", "DELETE_FAILED"):
                full = client.get_deployment(id=deployment["id"])["deployment"]
                assert full.get("deploymentStatusMessage"), full
        runs = Counter(deployment["targetArn"] for deployment in deployments)
        last, ends = {}, Counter()
        for event in self.events():
            arn, detail = event["resources"][0], event["detail"]
            before = last.get(arn, "")
            assert detail["previousStatus"] == ("" if before == "DELETED" else before), event
            last[arn] = detail["status"]
            if arn in runs and detail["previousStatus"] in BUSY and detail["status"] in ENDED:
                ends[arn] += 1
        assert ends == runs
        return deployments


def again(ask, until=None):
    """What a call answers, made again while nobody is there to answer it, and while the server is busy with something else."""
    end = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < end:
        try:
            return ask()
        except BotoCoreError:
            time.sleep(0.05)
        except ClientError as error:
            # A server that ends answers what it cannot do any more.
            if error.response["ResponseMetadata"]["HTTPStatusCode"] < 500:
                raise
            time.sleep(0.05)
    raise AssertionError("nobody answers")


def processes(mark):
    """The processes that have a text in their command line or environment, without this one."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            told = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
            state = (folder / "stat").read_text().rsplit(") ", 1)[1][0]
        except OSError:
            continue
        if mark.encode() in told and int(folder.name) != os.getpid() and state != "Z":
            found.append((int(folder.name), told[:200]))
    return found
