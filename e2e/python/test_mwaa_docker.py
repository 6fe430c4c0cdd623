"""MWAA with Airflow in containers, as far as that can be tried without a Docker engine: a program that is called `docker` notes what it is
asked for, runs it on this machine instead, and `airflow` is a program that answers like one."""

import json
import os
import signal
import stat
import sys
import time
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from conftest import REGION, make
from serve import Standin
from test_mwaa import BUCKET, DAG, Site, create

SETTLES_SECONDS = 120

# Keeps containers as files: the id of the process, and what `run` was asked for.
DOCKER = '''#!{python}
import json, os, pathlib, signal, subprocess, sys

state = pathlib.Path({state!r})
asked = sys.argv[1:]
with open(state / "asked", "a") as log:
    log.write(json.dumps({{"asked": asked, "host": os.environ.get("DOCKER_HOST")}}) + "\\n")
verb, rest = asked[0], asked[1:]
WITH_VALUE = ("--name", "--label", "--add-host", "--volume", "--workdir", "--user", "--publish", "--env", "--pull")


def options(words):
    given, at = {{}}, 0
    while words[at].startswith("-"):
        if words[at] in WITH_VALUE:
            given.setdefault(words[at], []).append(words[at + 1])
            at += 1
        at += 1
    return given, words[at:]


def inside(given):
    """What a container sees of variables: those that were named, and the image's own."""
    env = {{name: os.environ[name] for name in given.get("--env", [])}}
    return {{**env, "PATH": str(state) + "/image:/usr/bin:/bin", "HOME": "/home/airflow"}}


if verb == "image":
    sys.exit(0 if (state / "pulled").exists() else 1)
elif verb == "pull":
    (state / "pulled").write_text(rest[-1])
elif verb == "run":
    given, (image, *command) = options(rest)
    kept = state / "containers" / given["--name"][0]
    if kept.exists():
        sys.exit("the name is in use")
    started = subprocess.Popen(command, env=inside(given), cwd=given["--workdir"][0], start_new_session=True)
    kept.write_text(json.dumps({{"pid": started.pid, "labels": given["--label"]}}))
    # The engine ends a container when its client is asked to.
    signal.signal(signal.SIGTERM, lambda *_: os.killpg(started.pid, signal.SIGTERM))
    status = started.wait()
    kept.unlink(missing_ok=True)
    sys.exit(status if status >= 0 else 143)
elif verb == "exec":
    given, (container, *command) = options(rest)
    if not (state / "containers" / container).exists():
        sys.exit("no such container")
    os.execvpe(command[0], command, inside(given))
elif verb == "ps":
    label = rest[-1].removeprefix("label=")
    for kept in (state / "containers").iterdir():
        if label in json.loads(kept.read_text())["labels"]:
            print(kept.name)
elif verb == "rm":
    kept = state / "containers" / rest[-1]
    try:
        os.killpg(json.loads(kept.read_text())["pid"], signal.SIGKILL)
    except ProcessLookupError:
        pass
    kept.unlink(missing_ok=True)
'''

AIRFLOW = '''#!{python}
import http.server, json, os, signal, sys, time

command = sys.argv[1:]
if command[0] == "version":
    print("3.0.6 in", os.environ["MWAA_AIRFLOW_COMPONENT"])
elif command[:2] == ["db", "migrate"]:
    assert os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].startswith("sqlite:///" + os.getcwd()), os.environ
elif command[0] == "api-server":
    port, host = int(os.environ["AIRFLOW__API__PORT"]), os.environ["AIRFLOW__API__HOST"]

    class Web(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/api/v2/monitor/health":
                parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
                body = {{part: {{"status": "healthy"}} for part in parts}}
            else:
                body = {{"dags": sorted(os.listdir(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])), "endpoint": os.environ["AWS_ENDPOINT_URL"],
                        "authorized": self.headers["Authorization"] is not None}}
            text = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    http.server.HTTPServer((host, port), Web).serve_forever()
else:
    signal.pause()
'''


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """The folder of the engine that there is not."""
    state = tmp_path / "engine"
    (state / "containers").mkdir(parents=True)
    (state / "image").mkdir()
    for place, text in ((state / "bin" / "docker", DOCKER), (state / "image" / "airflow", AIRFLOW)):
        place.parent.mkdir(exist_ok=True)
        place.write_text(text.format(python=sys.executable, state=str(state)))
        place.chmod(place.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    monkeypatch.setenv("PATH", f"{state / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    return state


def asked(engine):
    return [json.loads(line) for line in (engine / "asked").read_text().splitlines()]


def containers(engine):
    return sorted(kept.name for kept in (engine / "containers").iterdir())


def process(engine, container):
    """The id of a container's process; nothing where it is just being made."""
    try:
        return json.loads((engine / "containers" / container).read_text())["pid"]
    except (OSError, ValueError):
        return None


def runs(pid):
    """Whether a process runs: one that only waits for its parent to take note does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def wait(what, look):
    until = time.monotonic() + SETTLES_SECONDS
    while time.monotonic() < until:
        if (seen := look()) is not None:
            return seen
        time.sleep(0.1)
    raise AssertionError(f"{what} did not happen within {SETTLES_SECONDS} s")


def at_rest(mwaa, name):
    environment = mwaa.get_environment(Name=name)["Environment"]
    return None if environment["Status"].endswith("ING") else environment


def bucket(server):
    s3 = make(server, "s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket=BUCKET, Key="dags/hello.py", Body=DAG.encode())
    return s3


def test_an_environment_runs_in_a_container(tmp_path, engine):
    arguments = ("--log", "info", "--data-dir", str(tmp_path / "data"), "--mwaa", "image=example/airflow:VERSION-slim")
    with Standin(*arguments) as server:
        s3, mwaa = bucket(server), make(server, "mwaa")
        create(mwaa, "boxed", AirflowVersion="3.0.6", Tags={"standin:runtime": "docker"}, AirflowConfigurationOptions={"core.parallelism": "7"})
        environment = wait("AVAILABLE", lambda: at_rest(mwaa, "boxed"))
        assert environment["Status"] == "AVAILABLE", environment["LastUpdate"]
        (container,) = containers(engine)
        run = next(one for one in asked(engine) if container in one["asked"])
        line = " ".join(run["asked"])
        assert run["host"] == "unix:///nowhere/docker.sock" and " example/airflow:3.0.6-slim " in line
        assert f"standin.environment={container.removeprefix('standin-mwaa-')}" in line and "host.docker.internal:host-gateway" in line
        assert "--publish 127.0.0.1:" in line and "--env AIRFLOW__CORE__PARALLELISM" in line
        # Keys are handed on by their names alone.
        assert "--env AIRFLOW__CORE__FERNET_KEY" in line and "FERNET_KEY=" not in line
        assert (engine / "pulled").read_text() == "example/airflow:3.0.6-slim"

        site = Site(server, environment["WebserverUrl"])
        assert site.airflow(mwaa, "boxed", "version")[0].strip() == "3.0.6 in webserver"
        call = lambda: mwaa.invoke_rest_api(Name="boxed", Method="GET", Path="/anything")["RestApiResponse"]
        said = call()
        assert said["dags"] == ["hello.py"] and said["authorized"]
        assert said["endpoint"] == f"http://host.docker.internal:{server.port}"
        s3.put_object(Bucket=BUCKET, Key="dags/more.py", Body=DAG.encode())
        wait("the second file", lambda: True if call()["dags"] == ["hello.py", "more.py"] else None)

        # What ends is started again.
        first = wait("a container", lambda: process(engine, container))
        os.killpg(first, signal.SIGKILL)

        def again():
            try:
                return call() if process(engine, container) not in (first, None) else None
            except ClientError:
                return None

        wait("another start", again)

        # standin dies, and leaves its container behind: the next one ends it, and starts another.
        second = wait("a container", lambda: process(engine, container))
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
    assert containers(engine) == [container]
    with Standin(*arguments) as server:
        mwaa = make(server, "mwaa")

        def back():
            try:
                return mwaa.invoke_rest_api(Name="boxed", Method="GET", Path="/anything")
            except ClientError:
                return None

        wait("its return", back)
        wait("one container", lambda: True if containers(engine) == [container] else None)
        wait("the end of the old one", lambda: None if runs(second) else True)
        mwaa.delete_environment(Name="boxed")
        wait("the end", lambda: True if mwaa.list_environments()["Environments"] == [] else None)
        wait("the end of its container", lambda: None if containers(engine) else True)
        assert list((tmp_path / "data/mwaa/docker/environments").iterdir()) == []


def test_without_docker_the_reason_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with Standin("--log", "error", "--data-dir", str(tmp_path / "data")) as server:
        bucket(server)
        mwaa = make(server, "mwaa")
        create(mwaa, "unboxed", Tags={"standin:runtime": "docker"})
        environment = wait("an end", lambda: at_rest(mwaa, "unboxed"))
        assert environment["Status"] == "CREATE_FAILED"
        assert "no program docker is on the PATH" in environment["LastUpdate"]["Error"]["ErrorMessage"]
