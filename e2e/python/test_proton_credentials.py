"""What git and forges are given: set by a command, sealed in the state, shown nowhere."""

import base64
import json
import os
import stat
import subprocess
import urllib.error

import pytest
from protons import Proton

from conftest import Admin
from serve import Standin, binary

SECRET = "s3cr3t-t0ken-of-somebody"
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0LWtleS1vZi1zb21lYm9keQ==\n-----END OPENSSH PRIVATE KEY-----\n"
ROUTE = "/_standin/proton/credentials"


def run(server, *arguments, stdin=None, code=0):
    """What a command of `standin proton credential` prints."""
    command = [str(binary()), "proton", "credential", "--endpoint", server.url, *arguments]
    ended = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60)
    assert ended.returncode == code, (command, ended.stdout, ended.stderr)
    assert SECRET not in ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def listed(server):
    return {row["name"]: row for row in json.loads(run(server, "list", "--json"))["credentials"]}


def key():
    return base64.b64encode(os.urandom(32)).decode()


def test_credentials_are_kept_by_commands_and_shown_nowhere(tmp_path):
    data = tmp_path / "data"
    with Standin("--log", "debug", "--data-dir", str(data)) as server:
        admin = Admin(server.url)
        assert "NAME" in run(server, "list")
        assert not (data / "secret.key").exists(), "a key without anything to seal"
        assert "kept git.example (token)" in run(server, "set", "git.example", "--token-stdin", stdin=SECRET + "\n")
        assert "replaced git.example (login)" in run(server, "set", "git.example", "--user", "me", "--token-stdin", stdin=SECRET)
        file = tmp_path / "id"
        file.write_text(KEY)
        assert "kept deploy-key (ssh-key)" in run(server, "set", "deploy-key", "--file", str(file))
        assert "kept app (app-key)" in run(server, "set", "app", "--app", "77", "--file", str(file))
        rows = listed(server)
        assert {name: (row["kind"], row["user"], row["readable"]) for name, row in rows.items()} == {
            "app": ("app-key", "77", True),
            "deploy-key": ("ssh-key", None, True),
            "git.example": ("login", "me", True),
        }
        assert stat.S_IMODE((data / "secret.key").stat().st_mode) == 0o600
        # A secret stands on no command line, and what is none is refused.
        run(server, "set", "x", "--user", "me", code=2)
        assert "is no name" in run(server, "set", "a/b", "--token-stdin", stdin="x", code=1)
        assert "empty" in run(server, "set", "x", "--token-stdin", stdin="\n", code=1)
        assert "one line" in run(server, "set", "x", "--token-stdin", stdin=f"{SECRET}\nx: y", code=1)
        assert "empty" in run(server, "set", "x", "--app", "1", "--file", os.devnull, code=1)
        assert set(listed(server)) == set(rows)
        # Nowhere of what the server shows, logs or saves.
        saved = tmp_path / "saved.jsonl"
        subprocess.run([str(binary()), "state", "--endpoint", server.url, "save", str(saved)], check=True)
        shown = [json.dumps(admin("GET", path)) for path in (ROUTE, "/_standin/requests", "/_standin/proton/events")]
        texts = [saved.read_text(), open(server.log.name).read(), *shown]
        texts += [path.read_bytes().decode(errors="replace") for path in data.rglob("*") if path.is_file()]
        for text in texts:
            assert SECRET not in text and "c2VjcmV0LWtleS1vZi1zb21lYm9keQ" not in text
        assert "git.example" in texts[0]
        assert "deleted app" in run(server, "delete", "app")
        assert "no credential" in run(server, "delete", "app", code=1)
    # After a restart they are there, on another machine they are not to be read.
    with Standin("--data-dir", str(data)) as server:
        assert all(row["readable"] for row in listed(server).values())
        before = listed(server)["git.example"]["key"]
        assert "2 sealed" in run(server, "rekey")
        rows = listed(server)
        assert all(row["readable"] for row in rows.values()) and rows["git.example"]["key"] != before
        assert (data / "secret.key").read_text().count("\n") == 1
    with Standin("--load", str(saved)) as server:
        assert not any(row["readable"] for row in listed(server).values())
        assert "no: needs key" in run(server, "list")


def test_servers_of_one_state_share_their_key(tmp_path):
    old, new = key(), key()
    saved = tmp_path / "saved.jsonl"
    with Standin(env={"STANDIN_SECRET_KEY": old}) as server:
        run(server, "set", "git", "--token-stdin", stdin=SECRET)
        subprocess.run([str(binary()), "state", "--endpoint", server.url, "save", str(saved)], check=True)
    with Standin("--load", str(saved), env={"STANDIN_SECRET_KEY": f"{new},{old}"}) as server:
        assert listed(server)["git"]["readable"]
        assert "1 sealed" in run(server, "rekey")
        subprocess.run([str(binary()), "state", "--endpoint", server.url, "save", str(saved)], check=True)
    with Standin("--load", str(saved), env={"STANDIN_SECRET_KEY": new}) as server:
        assert listed(server)["git"]["readable"]
    with Standin("--load", str(saved), env={"STANDIN_SECRET_KEY": old}) as server:
        assert not listed(server)["git"]["readable"]
        assert "opens git" in run(server, "rekey", code=1)
    wrong = subprocess.run([str(binary()), "serve", "--listen", "127.0.0.1:0"], env={**os.environ, "STANDIN_SECRET_KEY": SECRET}, capture_output=True, text=True, timeout=60)
    assert wrong.returncode == 2 and "openssl rand" in wrong.stderr and SECRET not in wrong.stderr


def test_the_route_gives_no_secret_back_even_with_errors():
    with Standin("--log", "debug") as server:
        admin = Admin(server.url)
        assert admin("PUT", f"{ROUTE}/a", {"secret": SECRET}) == {"name": "a", "kind": "token", "user": None, "replaced": False}
        for method, path, body in [
            ("PUT", f"{ROUTE}/a", {"secret": {"deep": SECRET}}),
            ("PUT", f"{ROUTE}/a", {"secret": "x", "more": SECRET}),
            ("PUT", f"{ROUTE}/a", SECRET),
            ("PUT", f"{ROUTE}/a", {"secret": SECRET + "\n" + SECRET}),
            ("GET", f"{ROUTE}/a", None),
            ("POST", f"{ROUTE}/a", {"secret": SECRET}),
        ]:
            with pytest.raises(urllib.error.HTTPError) as caught:
                admin(method, path, body)
            assert caught.value.code in (400, 405) and SECRET not in caught.value.read().decode()
        assert SECRET not in open(server.log.name).read()
        # Web pages of elsewhere do not get there.
        with pytest.raises(urllib.error.HTTPError) as caught:
            admin("PUT", f"{ROUTE}/b", {"secret": "x"}, headers={"Origin": "https://evil.example"})
        assert caught.value.code == 403


def test_the_log_of_a_deployment_is_printed():
    with Standin("--log", "warn") as server:
        proton = Proton(server, "555566667777")
        proton.environment_template()
        environment = proton.environment()
        id, arn = environment["lastAttemptedDeploymentId"], environment["arn"]
        environ = {**os.environ, "AWS_ACCESS_KEY_ID": proton.account, "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": proton.region}

        def logs(*arguments, code=0):
            ended = subprocess.run([str(binary()), "proton", "logs", *arguments, "--endpoint", server.url], env=environ, capture_output=True, text=True, timeout=60)
            assert ended.returncode == code, (ended.stdout, ended.stderr)
            return ended.stdout, ended.stderr

        # What anybody wrote who provisions.
        writer = proton.of("logs")
        group = {"logGroupName": "/aws/proton/deployments", "logStreamName": id}
        try:
            writer.create_log_group(logGroupName=group["logGroupName"])
        except writer.exceptions.ResourceAlreadyExistsException:
            pass
        try:
            writer.create_log_stream(**group)
        except writer.exceptions.ResourceAlreadyExistsException:
            pass
        begun = int(environment["createdAt"].timestamp() * 1000)
        writer.put_log_events(**group, logEvents=[{"timestamp": begun + n, "message": text} for n, text in enumerate(["+ make plan", "error: no plan", "+ make apply"])])
        for name in (id, arn, "environment/env"):
            out, _ = logs(name)
            assert [line.split("  ", 1)[1] for line in out.splitlines()][-3:] == ["+ make plan", "error: no plan", "+ make apply"], out
        out, _ = logs("environment/env", "--grep", "error", "--json")
        assert [json.loads(line)["message"] for line in out.splitlines()] == ["error: no plan"]
        out, _ = logs("environment/env", "--follow")
        assert "make apply" in out
        assert "there is no environment/nope" in logs("environment/nope", code=1)[1]
        assert "names neither" in logs("what/is/this", code=2)[1]
        assert "no deployment" in logs("0b3b4c62-0000-4000-8000-000000000000", code=1)[1]
