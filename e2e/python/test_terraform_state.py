"""Terraform's states in standin: the protocol of the HTTP backend, and Terraform itself."""

import base64
import hashlib
import http.client
import json
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from terraforms import Folder, ask, told
from test_proton_durability import postgres

from serve import Standin

PLACE = "000000000000/eu-west-1/environment/prod"
MAIN = """
variable "size" {
  default = "small"
}
resource "terraform_data" "it" {
  input = var.size
}
output "size" {
  value = terraform_data.it.output
}
"""
# Holds the lock until the file is there.
WAITING = """
resource "terraform_data" "waits" {
  provisioner "local-exec" {
    command = "touch begun; while [ ! -e go ]; do sleep 0.05; done"
  }
}
"""


@pytest.fixture(scope="module")
def standin(tmp_path_factory):
    with Standin("--log", "warn", "--data-dir", str(tmp_path_factory.mktemp("data"))) as running:
        yield running


def state(serial, **more):
    return json.dumps({"version": 4, "serial": serial, "lineage": "l", **more}).encode()


def lock(number):
    return {"ID": f"lock-{number}", "Operation": "OperationTypeApply", "Who": f"client {number}"}


def until(holds, seconds=60):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


def test_a_state_by_the_protocol(standin):
    path = "state/000000000000/eu-west-1/protocol"
    assert ask(standin, "GET", path)[0] == 404
    digest = base64.b64encode(hashlib.md5(state(1)).digest()).decode()
    assert ask(standin, "POST", path, state(1), {"Content-MD5": digest})[0] == 200
    status, headers, body = ask(standin, "GET", path)
    assert (status, body, headers["Content-MD5"], headers["Content-Length"]) == (200, state(1), digest, str(len(state(1))))
    status, _, body = ask(standin, "POST", path, state(2), {"Content-MD5": digest})
    assert status == 400 and b"Content-MD5" in body
    assert ask(standin, "POST", path, state(2), {"Content-MD5": "x"})[0] == 400
    assert ask(standin, "DELETE", path)[0] == 200
    assert ask(standin, "DELETE", path)[0] == 200
    assert ask(standin, "GET", path)[0] == 404


def test_locks_by_the_protocol(standin):
    path = "state/000000000000/eu-west-1/locks"
    assert ask(standin, "LOCK", path, lock(1))[0] == 200
    assert ask(standin, "LOCK", path, lock(1))[0] == 200, "an answer may be lost"
    status, _, body = ask(standin, "LOCK", path, lock(2))
    assert status == 423 and json.loads(body) == lock(1)
    assert ask(standin, "POST", path, state(1))[0] == 423
    assert ask(standin, "POST", f"{path}?ID=lock-2", state(1))[0] == 409
    assert ask(standin, "DELETE", path)[0] == 423
    assert ask(standin, "POST", f"{path}?ID=lock-1", state(1))[0] == 200
    status, _, body = ask(standin, "UNLOCK", path, lock(2))
    assert status == 409 and json.loads(body) == lock(1)
    assert ask(standin, "UNLOCK", path, lock(1))[0] == 200
    assert ask(standin, "POST", f"{path}?ID=lock-1", state(2))[0] == 409, "who lost the lock does not write"
    # By POST and DELETE on an address of its own, for proxies that let no other methods through.
    other = path.replace("state/", "lock/")
    assert ask(standin, "POST", other, lock(3))[0] == 200
    assert told(standin, other) == lock(3)
    assert ask(standin, "DELETE", other)[0] == 200, "without an id any lock is taken away"
    assert ask(standin, "GET", other)[0] == 204


def test_malformed_requests_change_nothing(standin):
    path = "state/000000000000/eu-west-1/malformed"
    bodies = [b"", b"null", b"[]", b"{}", b"{", b'"x"', b'{"ID":""}', b'{"ID":1}', b'{"ID":null}', b"\xff\xfe", b"[" * 10_000, json.dumps({"ID": "x" * 300}).encode(), json.dumps({"ID": "x", "Info": "y" * 20_000}).encode()]
    for body in bodies:
        assert ask(standin, "LOCK", path, body)[0] == 400, body[:40]
    for body in [b"", b"null", b"[]", b"\xff", b'{"serial":"x"}', b"{}{}", b"{" * 10_000]:
        assert ask(standin, "POST", path, body)[0] == 400, body[:40]
    assert ask(standin, "UNLOCK", path, b"[]")[0] == 400
    assert ask(standin, "LOCK", f"{path}?deployment=../x", lock(1))[0] == 400
    assert ask(standin, "GET", f"{path}?version=x")[0] == 400
    assert ask(standin, "PATCH", path)[0] == 405
    assert ask(standin, "GET", "nothing")[0] == 404
    assert told(standin, "states?prefix=malformed")["states"] == []
    # Numbers that are too large for most, deep nesting and odd names come back as they were.
    odd = b'{"ID":"odd","Big":18446744073709551616,"$blob":"x","Deep":' + b"[" * 100 + b"]" * 100 + b"}"
    assert ask(standin, "LOCK", path, odd)[0] == 200
    status, _, body = ask(standin, "LOCK", path, lock(1))
    assert status == 423 and json.loads(body)["$blob"] == "x"
    assert ask(standin, "UNLOCK", path, b'{"ID":"odd"}')[0] == 200


def test_names_lead_nowhere_else(standin):
    for key in ["", "..", "../x", "a/../b", "a//b", "%2e%2e/x", "a%2fb", "a%00b", "a:b", "x" * 600, "%ff"]:
        for method in ["GET", "POST", "DELETE", "LOCK", "UNLOCK"]:
            status, _, body = ask(standin, method, f"state/000000000000/eu-west-1/{key}", state(1))
            assert status in (400, 404), (key, method, status, body)
    for place in ["0/eu-west-1/x", "000000000000/EU/x", "000000000000//x", "../../x", "-/-/x"]:
        assert ask(standin, "POST", f"state/{place}", state(1))[0] in (400, 404), place
    told_of = [found["key"] for found in told(standin, "states")["states"]]
    assert not any(".." in key or ":" in key for key in told_of)


def test_web_pages_do_not_reach_states(standin):
    path = "state/000000000000/eu-west-1/pages"
    assert ask(standin, "POST", path, state(1))[0] == 200
    for headers in [{"Origin": "https://evil.example"}, {"Origin": "http://localhost:3000"}, {"Origin": standin.url}, {"Origin": "null"}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, {"Host": "evil.example"}]:
        for method in ["GET", "POST", "LOCK", "UNLOCK", "DELETE"]:
            assert ask(standin, method, path, state(2), headers)[0] in (403, 421), (headers, method)
    assert ask(standin, "GET", path)[2] == state(1)


def test_of_fifty_clients_one_locks(standin):
    path = "state/000000000000/eu-west-1/fifty"
    with ThreadPoolExecutor(50) as pool:
        for turn in range(4):
            answers = list(pool.map(lambda number: ask(standin, "LOCK", path, lock(number))[0], range(50)))
            assert sorted(set(answers)) == [200, 423] and answers.count(200) == 1
            assert ask(standin, "UNLOCK", path, lock(answers.index(200)))[0] == 200


def test_versions_are_kept_and_restored(standin):
    path = "000000000000/eu-west-1/versions"
    for serial in range(1, 31):
        assert told(standin, f"state/{path}", "POST", body=state(serial))["version"] == serial
    listed = told(standin, f"versions/{path}")
    assert [version["serial"] for version in listed["versions"]] == list(range(30, 10, -1))
    assert ask(standin, "GET", f"state/{path}?version=12")[2] == state(12)
    assert ask(standin, "GET", f"state/{path}?version=10")[0] == 404
    assert ask(standin, "POST", f"versions/{path}?restore=10")[0] == 404
    assert ask(standin, "DELETE", f"state/{path}")[0] == 200
    assert told(standin, f"versions/{path}?restore=12", "POST")["version"] == 31
    assert ask(standin, "GET", f"state/{path}")[2] == state(12)
    assert ask(standin, "LOCK", f"state/{path}", lock(1))[0] == 200
    assert ask(standin, "POST", f"versions/{path}?restore=13")[0] == 423
    [found] = [found for found in told(standin, "states?account=000000000000&prefix=vers")["states"]]
    assert found["lock"]["info"] == lock(1) and found["current"]["serial"] == 12
    assert ask(standin, "DELETE", f"state/{path}?versions=all&ID=lock-1")[0] == 200
    assert ask(standin, "UNLOCK", f"state/{path}")[0] == 200
    assert told(standin, "states?prefix=vers")["states"] == []


def test_lists_have_pages(standin):
    places = sorted(f"{account}/{region}/page-{number}" for account in ("555500000001", "555500000002") for region in ("eu-west-1", "us-east-1") for number in range(3))
    for place in places:
        assert ask(standin, "POST", f"state/{place}", state(1))[0] == 200
    found, after = [], ""
    while after is not None:
        page = told(standin, f"states?prefix=page-&limit=5&after={after}" if after else "states?prefix=page-&limit=5")
        found, after = found + [entry["address"] for entry in page["states"]], page["next"]
    assert found == places


def test_large_states(standin):
    path = "state/000000000000/eu-west-1/large"
    dice = random.Random(7)
    large = state(1, resources=[dice.randbytes(500).hex() for _ in range(20_000)])
    assert len(large) > 20_000_000
    assert ask(standin, "POST", path, large)[0] == 200
    assert ask(standin, "GET", path)[2] == large
    small = b'{"serial":2,"x":"' + b"x" * ((64 << 20) - 19) + b'"}'
    assert len(small) == 64 << 20
    assert ask(standin, "POST", path, small)[0] == 200
    assert ask(standin, "GET", path)[2] == small
    try:
        assert ask(standin, "POST", path, small + b" ")[0] == 413
    except (BrokenPipeError, ConnectionResetError):
        pass
    assert ask(standin, "GET", path)[2] == small
    assert standin.alive()


def test_two_servers_share_states(tmp_path):
    """What one server locks is locked on the other, and of many clients of both one wins."""
    with postgres() as url:
        arguments = ("--log", "warn", "--database", url)
        with Standin(*arguments, "--data-dir", str(tmp_path / "1")) as one, Standin(*arguments, "--data-dir", str(tmp_path / "2")) as two:
            path = "state/" + PLACE
            with ThreadPoolExecutor(50) as pool:
                for turn in range(4):
                    answers = list(pool.map(lambda number: ask((one, two)[number % 2], "LOCK", path, lock(number))[0], range(50)))
                    assert answers.count(200) == 1 and set(answers) == {200, 423}
                    winner = answers.index(200)
                    assert ask(two, "POST", f"{path}?ID=lock-{winner}", state(turn))[0] == 200
                    assert ask(one, "GET", path)[2] == state(turn)
                    assert ask(one, "UNLOCK", path, lock(winner))[0] == 200
            assert ask(one, "LOCK", path, lock(1))[0] == 200
            one.process.kill()
            assert ask(two, "LOCK", path, lock(2))[0] == 423, "the lock outlives the server that gave it"


def test_states_are_whole_when_the_server_is_killed(tmp_path):
    """What was acknowledged is there, and nothing is there by half."""
    arguments, dice = ("--log", "warn", "--data-dir", str(tmp_path)), random.Random(7)
    path, sent, known = "state/" + PLACE, {}, 0

    def check(server):
        status, _, body = ask(server, "GET", path)
        seen = json.loads(body)["serial"]
        assert status == 200 and seen in (known, known + 1) and body == sent[seen]
        return seen

    for turn in range(5):
        with Standin(*arguments) as server:
            known = check(server) if turn else 0
            last = known + dice.randrange(5, 20)
            try:
                while True:
                    sent[known + 1] = state(known + 1, resources=["r" * dice.randrange(3_000_000)])
                    if known == last:
                        threading.Timer(dice.random() / 20, server.process.kill).start()
                    assert ask(server, "POST", path, sent[known + 1])[0] == 200
                    known += 1
            except (OSError, http.client.HTTPException):
                assert server.process.wait(10) == -9
    with Standin(*arguments) as server:
        check(server)


def test_terraform_keeps_its_state(standin, tmp_path):
    folder = Folder(tmp_path / "a", standin, "terraform/one", MAIN)
    folder.init()
    folder.apply()
    assert folder.outputs() == {"size": "small"}
    folder.apply("-var=size=large")
    assert "No changes" in folder.run("plan", "-no-color", "-var=size=large", "-detailed-exitcode")
    # Another machine: nothing but the address.
    elsewhere = Folder(tmp_path / "b", standin, "terraform/one", MAIN)
    elsewhere.init()
    assert elsewhere.outputs() == {"size": "large"}
    serials = [version["serial"] for version in told(standin, f"versions/{folder.place}")["versions"]]
    assert serials == sorted(serials, reverse=True) and len(serials) >= 2
    elsewhere.run("destroy", "-no-color", "-auto-approve")
    assert json.loads(ask(standin, "GET", f"state/{folder.place}")[2])["resources"] == []


def test_terraform_waits_for_the_lock(standin, tmp_path):
    first = Folder(tmp_path / "a", standin, "terraform/locked", WAITING)
    second = Folder(tmp_path / "b", standin, "terraform/locked", MAIN)
    first.init()
    second.init()
    holder = first.start("apply", "-no-color", "-input=false", "-auto-approve")
    try:
        until((tmp_path / "a" / "begun").exists)
        refused = second.apply(status=1)
        assert "Error acquiring the state lock" in refused
        held = told(standin, f"lock/{first.place}")
        assert held["ID"] in refused and held["Operation"] == "OperationTypeApply"
        waiting = second.start("apply", "-no-color", "-input=false", "-auto-approve", "-lock-timeout=60s")
        (tmp_path / "a" / "go").touch()
        assert holder.wait(60) == 0, holder.stdout.read()
        output, _ = waiting.communicate(timeout=60)
        assert waiting.returncode == 0, output
    finally:
        holder.kill()
    assert ask(standin, "GET", f"lock/{first.place}")[0] == 204


def test_terraform_takes_a_lock_away(standin, tmp_path):
    folder = Folder(tmp_path / "a", standin, "terraform/forced", MAIN)
    folder.init()
    assert ask(standin, "LOCK", f"state/{folder.place}", {"ID": "11111111-2222-3333-4444-555555555555", "Who": "nobody"})[0] == 200
    assert "ID=11111111-2222-3333-4444-555555555555" in folder.apply(status=1)
    # Of who holds the lock, Terraform shows the id; the rest is about itself.
    folder.run("force-unlock", "-force", "11111111-2222-3333-4444-555555555555")
    folder.apply()


def test_terraform_goes_on_after_the_server_was_killed(tmp_path):
    """The server dies while Terraform applies, and comes back at the same port: Terraform tries again, and all is there."""
    arguments = ("--log", "warn", "--data-dir", str(tmp_path / "data"))
    with Standin(*arguments) as server:
        folder = Folder(tmp_path / "a", server, "terraform/killed", WAITING + MAIN)
        folder.init()
        applying = folder.start("apply", "-no-color", "-input=false", "-auto-approve")
        until((tmp_path / "a" / "begun").exists)
        server.process.kill()
        server.process.wait()
    with Standin(*arguments, port=server.port) as server:
        assert told(server, f"lock/{folder.place}")["Operation"] == "OperationTypeApply"
        (tmp_path / "a" / "go").touch()
        output, _ = applying.communicate(timeout=60)
        assert applying.returncode == 0, output
        assert ask(server, "GET", f"lock/{folder.place}")[0] == 204
        assert folder.outputs() == {"size": "small"}
        assert "No changes" in folder.run("plan", "-no-color", "-detailed-exitcode")


def test_workspaces_are_addresses(standin, tmp_path):
    """Terraform's HTTP backend has no workspaces of its own: each is an address."""
    folder = Folder(tmp_path / "a", standin, "terraform/spaces/dev", MAIN)
    folder.init()
    assert folder.run("workspace", "show").strip() == "default"
    for command in (("list",), ("new", "prod")):
        assert "workspaces not supported" in folder.run("workspace", *command, status=1)
    folder.apply("-var=size=small")
    other = Folder(tmp_path / "b", standin, "terraform/spaces/prod", MAIN)
    other.init()
    other.apply("-var=size=large")
    assert (folder.outputs(), other.outputs()) == ({"size": "small"}, {"size": "large"})
    keys = [found["key"] for found in told(standin, "states?prefix=terraform/spaces/")["states"]]
    assert keys == ["terraform/spaces/dev", "terraform/spaces/prod"]
