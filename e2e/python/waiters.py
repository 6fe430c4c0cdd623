"""Waits, as botocore waits, for every resource type that can be made: each waiter of the catalogue whose operation reads the
type must come to its end after a create, and those for the end of a resource after a delete.

    python waiters.py [--url URL] [--services a,b] [--transitions 5s] [--list FILE] [--require PERCENT]

With --transitions, the server's clock stands still and is moved on between polls: then a waiter must see the resource on its
way first. Starts the standin binary unless a URL is given.
"""

import argparse
import hashlib
import json
import re
import sys
import urllib.request

import botocore.exceptions
import botocore.waiter

import conformance
import lives
import models
import resources
from serve import Standin

UPDATE = re.compile(r"Updated$|UpdateComplete$")
END = re.compile(r"Delet|Terminat|NotExist|NotFound|Cancelled|Deregistered|Inactive")
# What other calls than create, update and delete lead to: patterns of waiters, and what they follow.
OTHER = {
    r".*\.\w*(Stopped|Offline|Standby|Disconnected|Disconnecting|Detached|Unrouted|SchedulingBlocked)": "a call that stops it",
    r"medialive\.(Channel|Multiplex)Running|medialive\.ChannelPlacementGroupAssigned": "a start or an assignment",
    r"medialive\.SignalMapMonitorDeleted|opsworks\.InstanceRegistered|rtbfabric\.LinkAccepted": "a call about something else",
    r"cloudformation\.Stack(Import|Rollback)Complete": "an import or a rollback",
    r"medialive\.SignalMapUpdated": "StartUpdateSignalMap",
    r"ec2\.VolumeInUse": "AttachVolume",
    r"ec2\.(BundleTaskComplete|SpotInstanceRequestFulfilled|PasswordDataAvailable)": "the work of an instance, or a market",
    r"rekognition\.ProjectVersionRunning": "StartProjectVersion",
    r"omics\.RunRunning": "the middle of a run that is over at once",
}
ATTEMPTS = 4


class Waits:
    """The waiters of one API."""

    def __init__(self, calls, api, move):
        self.calls, self.api, self.move = calls, api, move
        self.model = calls.session.get_service_model(api.service, api_version=api.version)
        self.reader = resources.Reader(api, self.model)
        self.client = calls.client(api)
        self.credentials = self.client._request_signer._credentials

    def run(self):
        loader = self.calls.session.get_component("data_loader")
        try:
            raw = loader.load_service_model(self.api.service, "waiters-2", self.api.version)
        except botocore.exceptions.UnknownServiceError:
            return
        except botocore.exceptions.DataNotFoundError:
            return
        waiters = botocore.waiter.WaiterModel(raw)
        types = [one for one in self.reader.types() if one.read or one.list]
        for name in waiters.waiter_names:
            waiter = waiters.get_waiter(name)
            about = self.about(types, name, waiter.operation)
            full = f"{self.api.service}.{name}"
            if resources.ENGINES & {self.api.service, f"{self.api.service}.{about and about.name}"}:
                yield full, "other", "rules that tests of their own keep"
            elif about is None:
                yield full, "none", f"no type is made that {waiter.operation} reads"
            elif follows := next((follows for pattern, follows in OTHER.items() if re.fullmatch(pattern, full)), None):
                yield full, "other", f"follows {follows}"
            else:
                yield full, *self.wait(about, name, waiter.operation)

    def about(self, types, waiter, operation):
        """The type that a waiter is about: one that its operation reads, and best one whose name it has."""
        plain = re.sub(r"^(Batch)?[A-Z][a-z]+", "", operation)
        forms = {resources.norm(plain), resources.norm(resources.singular(plain))}
        fitting = [one for one in types if operation in (one.read, one.list) or resources.norm(one.name) in forms]
        fitting.sort(key=lambda one: (not waiter.startswith(one.name), operation != one.read, one.delete is None))
        return fitting[0] if fitting else None

    def wait(self, one, name, operation):
        ends = END.search(name) is not None
        if ends and one.delete is None:
            return "none", f"nothing deletes {one.name}"
        digest = hashlib.sha256(f"{self.api.service}/{name}".encode()).digest()
        self.credentials.access_key = f"{int.from_bytes(digest[:8], 'big') % 10**12:012}"
        life = lives.Life(self.reader, self.client, one, f"standin/{name}", conformance.EXCEPTIONS.get("defaults", ()))
        try:
            thing = life.create(one, "w", optional=False)
            if one.read and one.identifiers:
                life.read(one, thing)
            given = life.read_input(one, thing) if operation == one.read else self.named(life, one, thing, operation)
            if ends or UPDATE.search(name):
                self.move()
                self.change(life, one, thing, ends)
            return self.poll(name, given)
        except lives.Unmet as unmet:
            return ("harness" if unmet.step == "harness" else "fail"), f"{unmet.step}: {unmet.detail}"
        except botocore.exceptions.ClientError as error:
            return "fail", lives.told(error)
        except Exception as error:  # noqa: BLE001
            return "harness", f"{type(error).__name__}: {error}"

    def change(self, life, one, thing, ends):
        if ends:
            life.delete(thing)
        elif one.update:
            names = life.names(one, thing, one.update, "update")
            life.must(one.update, life.filled(one.update, {**life.tokens(one, thing, life.operation(one.update).input_shape), **names}), "update")

    def named(self, life, one, thing, operation):
        given = life.names(one, thing, operation, "read")
        if given:
            return life.filled(operation, given)
        # A list that takes the identifiers as a list of names.
        shape = life.operation(operation).input_shape
        noun = resources.norm(one.name)
        for member, each in resources.members(shape).items():
            stem, part = resources.split(member)
            if part and (stem == noun or stem == "") and part in ("id", "name", "arn", "identifier"):
                return life.filled(operation, {member: lives.fit(each, life.part(one, thing, part, member))})
        return life.filled(operation, {})

    def poll(self, name, given):
        snake = botocore.xform_name(name)
        waiter = self.client.get_waiter(snake)
        read = waiter._operation_method
        polls = []

        def polled(**arguments):
            answer = read(**arguments)
            polls.append(answer)
            if len(polls) == 2:
                self.move()
            return answer

        waiter._operation_method = polled
        try:
            waiter.wait(**given, WaiterConfig={"Delay": 0, "MaxAttempts": ATTEMPTS})
        except botocore.exceptions.WaiterError as error:
            last = error.last_response or {}
            last.pop("ResponseMetadata", None)
            return "fail", f"{str(error)[:120]}: {json.dumps(last, default=str)[:300]} of {json.dumps(given, default=str)[:120]}"
        return "ok", f"{len(polls)} polls"


def mover(url, by):
    """Moves the clock on by more than transitions take; nothing where they take none."""

    def move():
        if by:
            request = urllib.request.Request(f"{url}/_standin/clock", method="POST", data=json.dumps({"advance": by}).encode())
            urllib.request.urlopen(request, timeout=10).close()

    return move


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--url", help="a running server; by default the binary is started")
    options.add_argument("--services", help="only these, with commas between")
    options.add_argument("--transitions", help="how long transitions take; the clock is moved on by as much")
    options.add_argument("--list", help="write what became of each waiter to this file")
    options.add_argument("--require", type=float, default=0.0, help="percentage of waiters that must come to their end")
    chosen = options.parse_args()
    flags = ["--log", "warn", "--journal-size", "10"]
    if chosen.transitions:
        flags += ["--transitions", chosen.transitions, "--clock", "2026-01-01T00:00:00Z"]
    if chosen.url:
        return wait_all(chosen, chosen.url)
    with Standin(*flags) as server:
        return wait_all(chosen, server.url)


def wait_all(chosen, url):
    folder, retired = models.retired_folder()
    session = models.session(folder)
    apis = list(models.apis(session, retired, False))
    if chosen.services:
        apis = [api for api in apis if api.service in chosen.services.split(",")]
    calls = conformance.Worker(url, "standin", (), None)
    found = []
    for api in apis:
        found.extend(Waits(calls, api, mover(url, chosen.transitions)).run())
    lines = [f"{outcome:8} {name}: {detail}" for name, outcome, detail in found]
    if chosen.list:
        with open(chosen.list, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
    print("\n".join(line for line in lines if not line.startswith(("ok", "none", "other"))))
    count = {outcome: sum(1 for one in found if one[1] == outcome) for outcome in ("ok", "fail", "harness", "other", "none")}
    tried = count["ok"] + count["fail"]
    share = 100 * count["ok"] / tried if tried else 100.0
    print(f"{len(found)} waiters: {count['ok']} of {tried} that follow a create or delete come to their end ({share:.1f} %)")
    print(f"not tried: {count['harness']} that this program cannot set up, {count['other']} that follow other calls, {count['none']} of what nobody makes")
    return 0 if share >= chosen.require else 1


if __name__ == "__main__":
    sys.exit(main())
