"""`standin mwaa` and `standin doctor`: a folder of DAGs from nothing to a run, with a simulated Airflow; and with a real one where
STANDIN_TEST_AIRFLOW names versions: `2.10.3,3.0.6`."""

import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
import urllib.request

import pytest
from test_cli import binary, environment
from serve import ROOT, Standin, free_port

VERSIONS = [version for version in os.environ.get("STANDIN_TEST_AIRFLOW", "").split(",") if version]
SECONDS_MAX = 60
REAL_SECONDS_MAX = 900


@pytest.fixture
def folder(tmp_path):
    """The example's folder, copied."""
    shutil.copytree(ROOT / "examples/mwaa", tmp_path / "birds", ignore=shutil.ignore_patterns(".standin"))
    return tmp_path / "birds"


@pytest.fixture
def how(tmp_path):
    env = environment(XDG_DATA_HOME=str(tmp_path / "data"), STANDIN_LISTEN=f"127.0.0.1:{free_port()}")
    for name in ("STANDIN_STATELESS", "AWS_ENDPOINT_URL"):
        env.pop(name, None)
    if shared := os.environ.get("STANDIN_TEST_INSTALLATIONS"):
        env["STANDIN_MWAA"] = f"installations={shared}"
    return {"cwd": tmp_path, "env": env, "stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "timeout": SECONDS_MAX}


def standin(how, *arguments, status=0, **more):
    done = subprocess.run([binary().resolve(), *map(str, arguments)], **{**how, **more})
    assert done.returncode == status, f"{arguments} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


class Up:
    """`standin mwaa up --json` in the background: what it writes, line by line."""

    def __init__(self, how, *arguments, seconds=SECONDS_MAX):
        self.seconds, self.errors, self.lines = seconds, [], []
        self.came = threading.Condition()
        command = [binary().resolve(), "mwaa", "up", *map(str, arguments), "--json"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, cwd=how["cwd"], env=how["env"], stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        for stream, into in ((self.process.stdout, self.lines), (self.process.stderr, self.errors)):
            threading.Thread(target=self._read, args=(stream, into), daemon=True).start()

    def _read(self, stream, into):
        for line in stream:
            with self.came:
                into.append(line.rstrip("\n"))
                self.came.notify_all()

    def until(self, what, look):
        """Waits until something was written."""
        with self.came:
            assert self.came.wait_for(lambda: look() or self.process.poll() is not None, self.seconds) and look(), f"no {what}: {self.lines} {self.errors}"
        return look()

    def line(self, number):
        return json.loads(self.until(f"line {number}", lambda: self.lines[number : number + 1])[0])

    def told(self, pattern):
        return self.until(pattern, lambda: [line for line in self.errors if re.search(pattern, line)])[0]

    def enter(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(self.seconds)

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(self.seconds)


def eventually(look):
    until = time.monotonic() + SECONDS_MAX
    while time.monotonic() < until:
        if seen := look():
            return seen
        time.sleep(0.1)
    raise AssertionError("it did not happen")


def call(how, endpoint, operation, **input):
    arguments = ["call", "mwaa", operation, "--input", json.dumps(input), "--endpoint", endpoint]
    return json.loads(standin(how, *arguments).stdout)


def test_up_follows_the_folder(folder, how):
    with Up(how, folder, "--runtime", "simulated", "--option", "core.parallelism=4") as up:
        first = up.line(0)
        assert (first["name"], first["runtime"], first["status"], first["importErrors"]) == ("birds", "simulated", "AVAILABLE", [])
        assert "hello" in first["dags"]
        found = lambda: call(how, first["endpoint"], "GetEnvironment", Name="birds")["Environment"]
        assert found()["AirflowConfigurationOptions"] == {"core.parallelism": "4"}

        # The link leads to the page that signs in, under the name of the environment's own host.
        link = re.fullmatch(r"http://([^/]+)(/aws_mwaa/aws-console-sso\?login=true)#(\S+)", first["loginUrl"])
        page = urllib.request.urlopen(urllib.request.Request(first["endpoint"] + link[2], headers={"Host": link[1]}), timeout=10)
        assert page.status == 200
        up.enter()
        assert re.fullmatch(r"http://\S+#\S+", up.line(1)["loginUrl"]) and up.line(1)["loginUrl"] != first["loginUrl"]

        # A new file, a broken one, a mended one, and one that is gone.
        dags = lambda: {dag["dag_id"] for dag in call(how, first["endpoint"], "InvokeRestApi", Name="birds", Path="/dags", Method="GET")["RestApiResponse"]["dags"]}
        source = (folder / "dags/hello.py").read_text()
        (folder / "dags/more.py").write_text(source.replace("hello", "more"))
        eventually(lambda: "more" in dags())
        (folder / "dags/broken.py").write_text("from airflow import DAG\n\nDAG(\n")
        assert re.search(r"dags/broken\.py:3: SyntaxError", up.told(r"^broken: "))
        (folder / "dags/broken.py").write_text("from airflow import DAG\n")
        up.told(r"^mended: .*broken\.py")
        (folder / "dags/more.py").unlink()
        eventually(lambda: "more" not in dags())

        # What is more than a DAG updates the environment.
        def changes(member, file, text):
            before = found()
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
            version = f"{member}S3ObjectVersion"
            after = eventually(lambda: (now := found()).get(version) != before.get(version) and now["Status"] == "AVAILABLE" and now)
            assert after["LastUpdate"]["Status"] == "SUCCESS" and after[f"{member}S3Path"]

        changes("Plugins", folder / "plugins/own.py", "ANSWER = 42\n")
        changes("Requirements", folder / "requirements.txt", "# one\n")
        changes("StartupScript", folder / "startup.sh", "export ANSWER=42\n")
        (folder / "startup.sh").unlink()
        eventually(lambda: "StartupScriptS3Path" not in found())
        up.told(r"updated after")
        assert up.end() == 0
    assert (folder / ".standin/.gitignore").read_text() == "*\n"

    # The second time goes on with what was there, and does only what has changed.
    with Up(how, folder, "--option", "core.parallelism=4") as up:
        again = up.line(0)
        assert (again["runtime"], again["webserver"].split(":")[0]) == ("simulated", first["webserver"].split(":")[0])
        assert any("nothing new" in line for line in up.errors), up.errors
        assert not any("updating" in line for line in up.errors), up.errors
        assert up.end() == 0
    with Up(how, folder) as up:
        up.line(0)
        up.told("updating AirflowConfigurationOptions")


def test_up_uses_a_server_that_runs(folder, how):
    with Standin("--log", "warn") as server:
        arguments = ["mwaa", "up", folder, "--runtime", "simulated", "--name", "other", "--endpoint-url", server.url, "--no-watch"]
        told = standin(how, *arguments).stdout
        assert "a simulated Airflow 3.0.6 is up as other" in told and server.url in told
        assert call(how, server.url, "ListEnvironments")["Environments"] == ["other"]
        link = standin(how, "mwaa", "open", "other", "--print", "--endpoint", server.url).stdout
        assert re.fullmatch(r"http://\S+/aws_mwaa/aws-console-sso\?login=true#\S+\n", link)
        assert not (folder / ".standin").exists()
        # Another runtime needs another environment.
        told = standin(how, *arguments[:-1], "--no-watch", "--anew").stderr
        assert "made anew: as --anew says" in told
    done = standin(how, *arguments, status=1)
    assert "no standin answers at" in done.stderr


def test_run_ends_as_the_run_does(folder, how):
    run = lambda dag, *more, status=0: standin(how, "mwaa", "run", folder, dag, "--runtime", "simulated", *more, status=status)
    good = run("hello")
    assert re.search(r"^\[greet\] .*success", good.stdout, re.MULTILINE)
    assert re.search(r"hello success after", good.stderr)
    failed = json.loads(run("hello", "--conf", '{"standin_fail": ["greet"]}', "--json", status=1).stdout)
    assert (failed["dag"], failed["state"]) == ("hello", "failed")
    assert {task["task"]: task["state"] for task in failed["tasks"]}["greet"] == "failed"
    # The DAG is paused again, as it was.
    assert "there is no DAG \"helo\"" in run("helo", status=3).stderr
    assert "did you mean hello?" in run("helo", status=3).stderr
    (folder / "dags/wrong.py").write_text('from airflow import DAG\n\nwith DAG("wrong" as dag:\n')
    assert re.search(r"dags/wrong\.py:3: SyntaxError", run("wrong", status=3).stderr)
    run("hello", "--conf", "[]", status=2)
    assert "has no folder dags" in standin(how, "mwaa", "run", folder / "dags", "hello", status=2).stderr
    late = standin(how, "mwaa", "run", folder, "hello", "--transitions", "mwaa=30s", "--timeout", "1s", status=124)
    assert "after 1s" in late.stderr


def test_settings_of_a_folder_are_read(folder, how):
    (folder / "airflow.toml").write_text('name = "owls"\nversion = "2.10.3"\nclass = "mw1.micro"\nruntime = "simulated"\n[options]\ncore.parallelism = 4\nwebserver.expose_config = true\n')
    with Up(how, folder) as up:
        first = up.line(0)
        assert (first["name"], first["airflow"]) == ("owls", "2.10.3")
        found = call(how, first["endpoint"], "GetEnvironment", Name="owls")["Environment"]
        assert found["EnvironmentClass"] == "mw1.micro"
        assert found["AirflowConfigurationOptions"] == {"core.parallelism": "4", "webserver.expose_config": "true"}
        (folder / "airflow.toml").write_text('verson = "3"\n')
        up.told("unknown field `verson`")
    assert "unknown field" in standin(how, "mwaa", "up", folder, status=2).stderr


def test_the_usual_runtime_is_a_setting(how):
    refused = standin(how, "serve", "--mwaa-runtime", "podman", status=2)
    assert "simulated, local, docker" in refused.stderr
    refused = standin(how, "serve", "--mwaa-runtime", "local", status=2)
    assert "--data-dir" in refused.stderr


def test_doctor_says_what_is_possible(how, tmp_path):
    port = free_port()
    look = lambda *more, status=0: json.loads(standin(how, "doctor", "--port", port, "--json", *more, status=status).stdout)
    told = look()
    checks = {check["check"]: check for check in told["checks"]}
    assert told["ok"] and checks["port"] == {"check": "port", "status": "ok", "found": f"{port} is free", "advice": None}
    assert told["runtimes"]["simulated"]["possible"]
    versions = {version["airflow"]: version for version in told["runtimes"]["versions"]}
    assert {"2.10.3", "3.0.6"} <= set(versions)
    assert all(version["possible"] == (version["python"] is not None) for version in versions.values())
    # Without programs on the path, there is no Python to run Airflow.
    nothing = json.loads(standin({**how, "env": {**how["env"], "PATH": str(tmp_path)}}, "doctor", "--port", port, "--json").stdout)
    assert not nothing["runtimes"]["local"]["possible"] and "none is on the PATH" in nothing["runtimes"]["local"]["why"]
    assert not any(version["possible"] for version in nothing["runtimes"]["versions"])
    # A file where the folder of data should be.
    (tmp_path / "file").write_text("")
    assert not look("--data-dir", tmp_path / "file/data", status=1)["ok"]
    with Standin("--log", "warn") as server:
        seen = standin(how, "doctor", "--port", server.port).stdout
        assert f"a standin answers at {server.url}" in seen and "POSSIBLE" in seen


def test_what_the_pages_say_can_be_pasted(folder, how, tmp_path):
    """Every command of the page and of the example, in its order, with a simulated Airflow: the real one takes minutes."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "standin").write_text(f'#!/bin/sh\nexec {binary().resolve()} "$@"\n')
    (programs / "standin").chmod(0o755)
    (tmp_path / "examples").mkdir()
    folder.rename(tmp_path / "examples/mwaa")
    # What runs Airflow is said by the folder: the commands stay as they are.
    (tmp_path / "examples/mwaa/airflow.toml").write_text('runtime = "simulated"\n')
    env = {**how["env"], "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    for page, least in (("docs/how-to/develop-dags.md", 2), ("examples/mwaa/README.md", 2)):
        blocks = re.findall(r"^```sh\n(.*?)^```$", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)
        commands = [line for block in blocks for line in block.splitlines() if line.startswith("standin mwaa ") and "test-requirements" not in line]
        assert len(commands) >= least, page
        for command in commands:
            if " up " in command:
                words = [word for word in command.split("#")[0].split()[3:] if word != "--open"]
                with Up({**how, "env": env}, *words) as up:
                    assert "hello" in up.line(0)["dags"], command
                    assert up.end() == 0
                continue
            done = subprocess.run(["bash", "-euo", "pipefail", "-c", command], **{**how, "env": env})
            assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


real = pytest.mark.skipif(not VERSIONS, reason="STANDIN_TEST_AIRFLOW names no version of Airflow")


@real
@pytest.mark.parametrize("version", VERSIONS)
def test_a_real_airflow_runs_the_example(folder, how, version):
    run = lambda dag, *more, status=0: standin(how, "mwaa", "run", folder, dag, "--airflow", version, *more, status=status, timeout=REAL_SECONDS_MAX)
    done = run("hello")
    print(done.stderr)
    assert re.search(r"^\[repeat\] .*Hello from a task, and from the next one", done.stdout, re.MULTILINE), done.stdout
    (folder / "dags/failing.py").write_text((folder / "dags/hello.py").read_text().replace("hello", "failing").replace('return "Hello from a task"', 'raise ValueError("no greeting")'))
    done = run("failing", status=1)
    assert "ValueError: no greeting" in done.stdout and "repeat upstream_failed" in done.stderr
    (folder / "dags/failing.py").write_text("import nothing_of_this_name\n# Airflow reads files only that speak of airflow and a dag: failing\n")
    assert re.search(r"dags/failing\.py:1: ModuleNotFoundError", run("failing", status=3).stderr)


@real
def test_requirements_are_tried(how, tmp_path):
    version = VERSIONS[-1]
    (tmp_path / "good.txt").write_text("tinydb==4.8.0\n")
    (tmp_path / "bad.txt").write_text("flask==0.5\n")
    trial = lambda name, status: standin(how, "mwaa", "test-requirements", name, "--airflow", version, *(["--installations", shared] if (shared := os.environ.get("STANDIN_TEST_INSTALLATIONS")) else []), status=status, timeout=REAL_SECONDS_MAX)
    assert "tinydb==4.8.0" in trial("good.txt", 0).stdout
    assert "flask" in trial("bad.txt", 1).stderr
