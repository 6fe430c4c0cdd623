#!/usr/bin/env python3
"""Applies, re-plans, edits and destroys the Terraform cases of this folder against a standin of their own.

    python3 cases.py PROVIDERS [--url URL] [--only a,b] [--report FILE] [--list FILE]

A case is a file in cases/: plain resources of one service. `var.edited` is false first and true for the edit. Each case must
apply, plan nothing more, apply its edit, plan nothing more, and be gone after it was destroyed: both from Terraform's state
and, read with the state from before, from the server. Cases run several at a time in one configuration, as their resources
know nothing of each other; what went wrong is told by resource, and a case that takes others with it runs again alone.

Lines for the runner in a case: `# proxy`: its client prepends host prefixes, so it is run without an endpoint, through
standin as proxy. `# alone`: it runs in a configuration of its own. `# seconds: N`: an apply may take that long.
`# remains: ADDRESS …`: not deleted, as AWS has no deletion for it.

expected.txt names the cases that must pass. Exits 1 where one of them does not.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "python"))
from serve import Standin  # noqa: E402

TOGETHER_MAX = 14
SECONDS = 75
STEPS = ("apply", "plan is empty", "edit", "plan after the edit is empty", "destroy", "nothing left")
# A provider that dies takes all that is under way with it.
CRASHED = re.compile(r"(?i)plugin did not respond|request cancelled|plugin6?\.\(\*grpcprovider|transport is closing|connection refused|error reading from server")

PROVIDER = """terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "edited" {
  type    = bool
  default = false
}

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "ACCOUNT"
  secret_key                  = "standin"
  s3_use_path_style           = true
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  max_retries                 = 1
}
"""


class Case:
    def __init__(self, path):
        self.path = path
        self.name = path.stem
        self.text = path.read_text()
        self.proxy = re.search(r"^# proxy", self.text, re.MULTILINE) is not None
        self.alone = re.search(r"^# alone", self.text, re.MULTILINE) is not None
        found = re.search(r"^# seconds: ([0-9]+)", self.text, re.MULTILINE)
        self.seconds = int(found.group(1)) if found else SECONDS
        self.remains = set(" ".join(re.findall(r"^# remains: (.+)", self.text, re.MULTILINE)).split())
        self.addresses = {f"{kind}.{name}" for kind, name in re.findall(r'^resource "([^"]+)" "([^"]+)"', self.text, re.MULTILINE)}


class Run:
    """One configuration of some cases, and its steps."""

    def __init__(self, cases, place, server, shared, seed):
        self.cases = {case.name: case for case in cases}
        self.place = place
        self.server = server
        self.shared = shared
        self.failed = {}
        # Cases that must run again, as another took them with it; whether that other is known.
        self.again = set()
        self.known = False
        self.owner = {address: case.name for case in cases for address in case.addresses}
        place.mkdir()
        account = f"{int.from_bytes(hashlib.sha256('/'.join([seed, *self.cases]).encode()).digest()[:8], 'big') % 10**12:012}"
        (place / "provider.tf").write_text(PROVIDER.replace("ACCOUNT", account))
        for case in cases:
            shutil.copy(case.path, place)
        shutil.copy(shared / ".terraform.lock.hcl", place)
        names = ("AWS_", "TF_", "HTTP", "NO_PROXY", "ALL_PROXY")
        self.env = {name: value for name, value in os.environ.items() if not name.upper().startswith(names)}
        self.env |= {"TF_DATA_DIR": str(shared / ".terraform"), "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1", "AWS_EC2_METADATA_DISABLED": "true"}
        if any(case.proxy for case in cases):
            url = server.replace("127.0.0.1", "localhost")
            self.env |= {"HTTPS_PROXY": url, "HTTP_PROXY": url, "AWS_CA_BUNDLE": str(shared / "ca.pem")}
        else:
            self.env["AWS_ENDPOINT_URL"] = server

    def case_of(self, address):
        return self.owner.get(re.sub(r"\[.*$", "", address or ""))

    def terraform(self, *arguments, seconds=60):
        """Standard output of a command that is told to stop after a while; and whether it was."""
        process = subprocess.Popen(["terraform", *arguments], cwd=self.place, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
        stopped = threading.Event()

        def stop():
            stopped.set()
            process.send_signal(signal.SIGINT)

        timer = threading.Timer(seconds, stop)
        kill = threading.Timer(seconds + 40, lambda: os.killpg(process.pid, signal.SIGKILL))
        timer.start()
        kill.start()
        try:
            text, _ = process.communicate()
        finally:
            timer.cancel()
            kill.cancel()
        return text, stopped.is_set(), process.returncode

    def fail(self, case, step, reason):
        if case in self.cases and case not in self.failed:
            self.failed[case] = (step, reason)

    def leave(self):
        """Takes failed cases out of the configuration, for the others to go on."""
        gone = [name for name in self.cases if name in self.failed or name in self.again]
        addresses = [address for name in gone for address in self.cases[name].addresses]
        for name in gone:
            (self.place / f"{name}.tf").unlink(missing_ok=True)
            del self.cases[name]
        if gone and self.cases and (self.place / "terraform.tfstate").exists():
            known = self.terraform("state", "list")[0].split()
            lost = [address for address in known if re.sub(r"\[.*$", "", address) in addresses]
            if lost:
                self.terraform("state", "rm", *lost)

    def events(self, step, *arguments):
        """Runs a command that tells events, and books its errors on the cases that they belong to."""
        seconds = max(case.seconds for case in self.cases.values())
        text, stopped, status = self.terraform(*arguments, "-json", "-input=false", "-no-color", seconds=seconds)
        events, begun, told = [], {}, False
        waiting = set()
        for line in text.splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            events.append(event)
            address = event.get("hook", {}).get("resource", {}).get("addr")
            if event.get("type") == "planned_change":
                waiting.add(event["change"]["resource"]["addr"])
            elif event.get("type") == "apply_start":
                begun[address] = True
                waiting.discard(address)
            elif event.get("type") in ("apply_complete", "apply_errored"):
                begun.pop(address, None)
        if stopped:
            for address in begun:
                self.fail(self.case_of(address), step, f"{address}: not done after {seconds} s")
            # What had not even begun was kept from it by the others, unless it waits for one of its own.
            if "apply" in arguments or "destroy" in arguments:
                self.again |= {self.case_of(address) for address in waiting} - set(self.failed) - {None}
        for event in events:
            error = event.get("diagnostic", {})
            if event.get("type") != "diagnostic" or error.get("severity") != "error":
                continue
            told = True
            address = error.get("address")
            reason = " ".join(f"{error.get('summary', '')} {error.get('detail', '')}".split())
            case = self.case_of(address) or self.case_of(next(iter(re.findall(r"aws_[a-z0-9_]+\.[a-z0-9_]+", reason)), None)) or self.named(error)
            if CRASHED.search(reason):
                panic, culprit = self.culprit(text)
                if culprit:
                    self.fail(culprit, step, f"the provider died: {panic}")
                    self.known = True
                self.again |= set(self.cases) - set(self.failed)
            elif case and stopped and "context canceled" in reason:
                self.fail(case, step, f"{address or ''}: not done after {seconds} s: {reason}")
            elif case:
                self.fail(case, step, f"{address or ''}: {reason}")
            elif len(self.cases) == 1:
                self.fail(next(iter(self.cases)), step, reason)
            elif not stopped:
                self.again |= set(self.cases) - set(self.failed)
        if told and arguments[0] == "apply" and not any(event.get("type") in ("apply_start", "apply_complete") for event in events):
            # A plan that fails keeps all others from being applied.
            self.known = self.known or bool(self.failed)
            self.again |= set(self.cases) - set(self.failed)
        if status not in (0, 2) and not told and not stopped:
            self.again |= set(self.cases) - set(self.failed)
            if len(self.cases) == 1:
                self.fail(next(iter(self.cases)), step, " ".join(text.split())[-300:])
        if len(self.cases) == 1 and set(self.cases) <= set(self.failed):
            self.again.clear()
        return events

    def culprit(self, text):
        """What a dying provider said, and the case whose service stands in its stack trace."""
        panic = re.search(r"panic: .{0,200}", text)
        panic = panic.group(0) if panic else "it stopped responding"
        if len(self.cases) == 1:
            return panic, next(iter(self.cases))
        for package in re.findall(r"internal/service/([a-z0-9]+)", text):
            for name, case in self.cases.items():
                kinds = {address.split(".")[0].split("_")[1] for address in case.addresses}
                if package == name.split("_")[0] or package in kinds:
                    return panic, name
        return panic, None

    def named(self, error):
        name = Path(error.get("range", {}).get("filename", "")).stem
        return name if name in self.cases else None

    def plan(self, step, edited):
        events = self.events(step, "plan", "-out=plan", f"-var=edited={str(edited).lower()}")
        changed = [event["change"] for event in events if event.get("type") == "planned_change"]
        changed = [(change["resource"]["addr"], change["action"]) for change in changed if change["action"] not in ("noop", "read")]
        if not changed:
            return
        shown, _, _ = self.terraform("show", "-json", "plan")
        try:
            details = {each["address"]: each["change"] for each in json.loads(shown[shown.index("{") :])["resource_changes"]}
        except (ValueError, KeyError):
            details = {}
        for address, action in changed:
            self.fail(self.case_of(address), step, f"{address}: {action}: {differing(details.get(address, {}))}")

    def run(self):
        try:
            self.steps()
        except Exception as error:
            for name in self.cases:
                self.fail(name, "runner", f"{type(error).__name__}: {error}")
        for name, (step, reason) in self.failed.items():
            print(f"{name}: {step}: {reason[:200]}", flush=True)
        return self.failed, self.again - set(self.failed), self.known

    def steps(self):
        for step, work in (
            (STEPS[0], lambda step: self.events(step, "apply", "-auto-approve", "-parallelism=40", "-var=edited=false")),
            (STEPS[1], lambda step: self.plan(step, False)),
            (STEPS[2], lambda step: self.events(step, "apply", "-auto-approve", "-parallelism=40", "-var=edited=true")),
            (STEPS[3], lambda step: self.plan(step, True)),
            (STEPS[4], self.destroy),
            (STEPS[5], self.nothing_left),
        ):
            work(step)
            self.leave()
            if not self.cases:
                return

    def destroy(self, step):
        shutil.copy(self.place / "terraform.tfstate", self.place / "before")
        self.events(step, "destroy", "-auto-approve", "-parallelism=40", "-var=edited=true")
        for address in self.terraform("state", "list")[0].split():
            self.fail(self.case_of(address), step, f"{address}: still in the state")

    def nothing_left(self, step):
        """With the state from before, Terraform must find nothing and want to make everything anew."""
        shutil.copy(self.place / "before", self.place / "terraform.tfstate")
        events = self.events(step, "plan", "-var=edited=true")
        made = {event["change"]["resource"]["addr"] for event in events if event.get("type") == "planned_change" and event["change"]["action"] == "create"}
        state = json.loads((self.place / "before").read_text())
        for resource in state["resources"]:
            address = f"{resource['type']}.{resource['name']}"
            case = self.case_of(address)
            if resource["mode"] == "managed" and case in self.cases and address not in self.cases[case].remains and not any(re.sub(r"\[.*$", "", each) == address for each in made):
                self.fail(case, step, f"{address}: still there")


def differing(change):
    """The attributes that a planned change is about."""
    before, after = change.get("before") or {}, change.get("after") or {}
    unknown = change.get("after_unknown") or {}
    found = []
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name) and not unknown.get(name):
            found.append(f"{name}: {brief(before.get(name))} should be {brief(after.get(name))}")
    return "; ".join(found[:4]) or "no attribute named"


def brief(value):
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 90 else text[:87] + "…"


def batches(cases):
    """Cases that run in one configuration."""
    groups = [[case] for case in cases if case.alone]
    for proxy in (False, True):
        rest = sorted((case for case in cases if case.proxy == proxy and not case.alone), key=lambda case: case.seconds)
        count = -(-len(rest) // TOGETHER_MAX)
        # The slow ones together: they wait at the same time.
        groups += [rest[at * len(rest) // count : (at + 1) * len(rest) // count] for at in range(count)] if count else []
    return groups[::-1]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("providers", help="the folder that has the AWS provider, as available.sh prints it")
    options.add_argument("--url", help="a running server; by default the binary is started")
    options.add_argument("--only", help="these cases, with commas between")
    options.add_argument("--expected", action="store_true", help="only the cases that must pass")
    options.add_argument("--report", type=Path, default=HERE.parents[1] / "target" / "terraform.json")
    options.add_argument("--list", type=Path, help="write what failed to this file, a line each")
    options.add_argument("--jobs", type=int, default=2)
    options.add_argument("--keep", action="store_true", help="keep the folders in which Terraform ran")
    chosen = options.parse_args()
    if chosen.url:
        return run_all(chosen, chosen.url)
    with Standin("--log", "warn") as server:
        status = run_all(chosen, server.url)
        if not server.alive():
            print("FAILED: the server died")
            return 1
        return status


def run_all(chosen, url):
    began = time.monotonic()
    cases = [Case(path) for path in sorted((HERE / "cases").glob("*.tf"))]
    if chosen.only:
        cases = [case for case in cases if case.name in chosen.only.split(",")]
    if chosen.expected:
        cases = [case for case in cases if case.name in expected_names()]
    work = Path(tempfile.mkdtemp(prefix="standin-terraform-"))
    shared = work / "shared"
    shared.mkdir()
    (shared / "provider.tf").write_text(PROVIDER)
    env = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    subprocess.run(["terraform", "init", "-input=false", "-no-color", f"-plugin-dir={chosen.providers}"], cwd=shared, env=env, check=True, stdout=subprocess.DEVNULL)
    with urllib.request.urlopen(f"{url}/_standin/ca") as answer:
        (shared / "ca.pem").write_bytes(answer.read())
    results = {}
    with ThreadPoolExecutor(chosen.jobs) as pool:
        waiting = batches(cases)
        attempt = 0
        while waiting:
            runs = list(pool.map(lambda pair: Run(pair[1], work / f"{attempt}-{pair[0]}", url, shared, str(time.time_ns()) if chosen.url else "").run(), enumerate(waiting)))
            waiting = []
            for failed, again, known in runs:
                results |= failed
                these = [case for case in cases if case.name in again]
                waiting += [these] if known and these else [[case] for case in these]
            attempt += 1
    if not chosen.keep:
        shutil.rmtree(work, ignore_errors=True)
    return tell(cases, results, chosen, time.monotonic() - began)


def expected_names():
    lines = (HERE / "expected.txt").read_text().splitlines()
    return {line.strip() for line in lines if line.strip() and not line.startswith("#")}


def tell(cases, failed, chosen, seconds):
    expected = expected_names()
    passed = [case.name for case in cases if case.name not in failed]
    resources = sum(len(case.addresses) for case in cases)
    lines = []
    for step in (*STEPS, "runner"):
        these = [(name, reason) for name, (at, reason) in sorted(failed.items()) if at == step]
        if these:
            lines.append(f"\n## {step}: {len(these)} cases")
            lines += [f"{name}: {reason[:420]}" for name, reason in these]
    summary = f"{len(passed)} of {len(cases)} Terraform cases pass all steps ({resources} resources), in {seconds:.0f} s"
    print("\n".join(lines))
    print(f"\npassed: {' '.join(passed)}\n{summary}")
    chosen.report.parent.mkdir(parents=True, exist_ok=True)
    chosen.report.write_text(json.dumps({case.name: dict(zip(("step", "reason"), failed[case.name])) if case.name in failed else "ok" for case in cases}, indent=1))
    if chosen.list:
        chosen.list.write_text(summary + "\n" + "\n".join(lines) + f"\n\npassed: {' '.join(passed)}\n")
    for name in sorted(set(passed) - expected):
        print(f"passes, but is not in expected.txt: {name}")
    broken = sorted(expected & set(failed))
    for name in broken:
        print(f"FAILED: {name}: {failed[name][0]}: {failed[name][1][:200]}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
