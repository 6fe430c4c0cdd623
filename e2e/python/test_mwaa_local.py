"""MWAA with a real Airflow: installed, started, driven and ended by standin.

Takes minutes and the Python registry, so it runs where STANDIN_TEST_AIRFLOW names the versions to try: `2.10.3,3.0.6`."""

import io
import json
import os
import signal
import time
import zipfile
from pathlib import Path

import pytest

from botocore.exceptions import ClientError

from conftest import REGION, make
from serve import Standin
from test_mwaa import ACCOUNT, BUCKET, Site, create

VERSIONS = [version for version in os.environ.get("STANDIN_TEST_AIRFLOW", "").split(",") if version]
pytestmark = pytest.mark.skipif(not VERSIONS, reason="STANDIN_TEST_AIRFLOW names no version of Airflow")
STARTS_SECONDS = 900
RUNS_SECONDS = 300

DAG = '''
import io
import json
import os
from datetime import datetime

import boto3
from airflow.decorators import dag, task


@dag(dag_id="{name}", start_date=datetime(2024, 1, 1), schedule=None, catchup=False)
def pipeline():
    @task
    def write():
        boto3.client("s3").put_object(Bucket="{bucket}", Key="said/{name}", Body=os.environ["AIRFLOW_ENV_NAME"].encode())

    @task
    def again():
        return boto3.client("sts").get_caller_identity()["Account"]

    write() >> again()


pipeline()
'''


def wait(what, seconds, look):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if (seen := look()) is not None:
            return seen
        time.sleep(0.5)
    raise AssertionError(f"{what} did not happen within {seconds} s")


def at_rest(mwaa, name):
    environment = mwaa.get_environment(Name=name)["Environment"]
    return environment if not environment["Status"].endswith(("ING", "ING_BACK", "ING_SNAPSHOT")) else None


def airflows(data):
    """The processes that run out of a folder: id and command line."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.readlink(entry / "cwd").startswith(str(data)):
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            pass
    return found


def scheduler(data):
    """The process that heads the scheduler's group: its title changes as it works."""
    marked = lambda id: b"/scheduler\0" in Path(f"/proc/{id}/environ").read_bytes() + b"\0"
    return next(id for id in airflows(data) if os.getpgid(id) == id and marked(id))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_real_airflow(tmp_path, version):
    name, old = f"real-{version.replace('.', '-')}", version.startswith("2")
    arguments = ("--log", "info", "--data-dir", str(tmp_path))
    run = lambda run_id: {"dag_run_id": run_id, **({} if old else {"logical_date": None})}
    with Standin(*arguments) as server:
        s3, mwaa = make(server, "s3"), make(server, "mwaa")
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket=BUCKET, Key="dags/hello.py", Body=DAG.format(name="hello", bucket=BUCKET).encode())
        started = time.monotonic()
        create(mwaa, name, AirflowVersion=version, Tags={"standin:runtime": "local"})
        environment = wait("AVAILABLE", STARTS_SECONDS, lambda: at_rest(mwaa, name))
        print(f"\n{version}: create to {environment['Status']} in {time.monotonic() - started:.1f} s")
        assert environment["Status"] == "AVAILABLE", environment["LastUpdate"]
        site = Site(server, environment["WebserverUrl"])
        call = lambda method, path, **more: mwaa.invoke_rest_api(Name=name, Method=method, Path=path, **more)["RestApiResponse"]
        shown = lambda dag: (lambda ids: dag in ids or None)([one["dag_id"] for one in call("GET", "/dags")["dags"]])
        wait("the DAG", RUNS_SECONDS, lambda: shown("hello"))
        assert call("GET", "/version")["version"] == version
        assert site.airflow(mwaa, name, "version")[0].strip().endswith(version)

        call("PATCH", "/dags/hello", Body={"is_paused": False})
        call("POST", "/dags/hello/dagRuns", Body=run("r1"))
        ended = lambda run_id: (lambda state: state if state in ("success", "failed") else None)(call("GET", f"/dags/hello/dagRuns/{run_id}")["state"])
        began = time.monotonic()
        assert wait("the end of the run", RUNS_SECONDS, lambda: ended("r1")) == "success"
        print(f"{version}: a run of two tasks in {time.monotonic() - began:.1f} s")
        assert s3.get_object(Bucket=BUCKET, Key="said/hello")["Body"].read().decode() == name
        with pytest.raises(mwaa.exceptions.RestApiClientException):
            call("GET", "/dags/nobody")

        # What Airflow says of it is in the environment's log group and metrics.
        logs, cloudwatch = make(server, "logs"), make(server, "cloudwatch")
        task = {"logGroupName": f"airflow-{name}-Task", "logStreamName": "dag_id=hello/run_id=r1/task_id=write/attempt=1.log"}
        said = lambda: logs.get_log_events(**task, startFromHead=True)["events"] if quiet(lambda: logs.get_log_events(**task)) else []
        wait("the task's log", 10, lambda: any("Returned value was: None" in event["message"] for event in said()) or None)
        groups = logs.describe_log_groups(logGroupNamePrefix=f"airflow-{name}-")["logGroups"]
        assert [group["logGroupName"] for group in groups] == [task["logGroupName"]], "the only one that is enabled"
        beats = lambda: cloudwatch.list_metrics(Namespace="AmazonMWAA", MetricName="SchedulerHeartbeat")["Metrics"]
        metric = wait("the scheduler's heartbeat", 60, lambda: (beats() or [None])[0])
        assert {one["Name"]: one["Value"] for one in metric["Dimensions"]} == {"Function": "Scheduler", "Environment": name}

        began = time.monotonic()
        s3.put_object(Bucket=BUCKET, Key="dags/more.py", Body=DAG.format(name="more", bucket=BUCKET).encode())
        wait("the second DAG", RUNS_SECONDS, lambda: shown("more"))
        print(f"{version}: a new DAG after {time.monotonic() - began:.1f} s")

        # The scheduler dies: it is started again.
        os.kill(scheduler(tmp_path), signal.SIGKILL)
        call("POST", "/dags/hello/dagRuns", Body=run("r2"))
        assert wait("the end of the second run", RUNS_SECONDS, lambda: ended("r2")) == "success"

        # standin dies: the next one ends what it left, and starts the environment again, with all that it knew.
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
    left = set(airflows(tmp_path))
    assert left
    with Standin(*arguments) as server:
        mwaa = make(server, "mwaa")
        assert mwaa.get_environment(Name=name)["Environment"]["Status"] == "AVAILABLE"
        ready = lambda: (lambda answer: answer if "state" in answer else None)(quiet(lambda: call("GET", "/dags/hello/dagRuns/r1")))
        assert wait("the restart", STARTS_SECONDS, ready)["state"] == "success"
        assert not left & set(airflows(tmp_path))
        mwaa.delete_environment(Name=name)
        wait("the end", 60, lambda: None if quiet(lambda: mwaa.get_environment(Name=name)) else True)
        assert not airflows(tmp_path)


def quiet(call):
    """What a call answers; nothing where it fails."""
    try:
        return call()
    except ClientError:
        return {}


EXAMPLES = Path(__file__).resolve().parents[2] / "examples/mwaa"
SECRETS = {
    "secrets.backend": "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend",
    "secrets.backend_kwargs": '{"variables_prefix": "airflow/variables", "connections_prefix": "airflow/connections"}',
}
SEEN = '''
import json
import io
import json
import os
from datetime import datetime

import boto3
from airflow.decorators import dag, task
from airflow.models import Variable


@dag(dag_id="seen", start_date=datetime(2024, 1, 1), schedule=None, catchup=False)
def seen():
    @task
    def tell():
        told = {
            "greeting": os.environ.get("GREETING"),
            "home": os.environ["AIRFLOW_HOME"],
            "who": boto3.client("sts").get_caller_identity()["Arn"],
            "secret": Variable.get("bird"),
        }
        boto3.client("s3").put_object(Bucket="BUCKET", Key="said/seen", Body=json.dumps(told).encode())

    tell()


seen()
'''.replace("BUCKET", BUCKET)
MORE = '''
from datetime import datetime

import inflection
from airflow.decorators import dag, task

import birds


@dag(dag_id="later", start_date=datetime(2024, 1, 1), schedule=None, catchup=False)
def later():
    @task
    def tell():
        return inflection.pluralize(birds.NAME)

    tell()


later()
'''


def zipped(files):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name, content in files.items():
            file.writestr(name, content)
    return archive.getvalue()


@pytest.mark.parametrize("version", VERSIONS)
def test_files_of_an_environment(tmp_path, version):
    name, old = f"files-{version.replace('.', '-')}", version.startswith("2")
    with Standin("--log", "info", "--data-dir", str(tmp_path)) as server:
        s3, mwaa = make(server, "s3"), make(server, "mwaa")
        make(server, "secretsmanager").create_secret(Name="airflow/variables/bird", SecretString="wren")
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        put = lambda key, body: s3.put_object(Bucket=BUCKET, Key=key, Body=body)["VersionId"]
        for file in (EXAMPLES / "dags").glob("*.py"):
            put(f"dags/{file.name}", file.read_bytes())
        put("dags/seen.py", SEEN.encode())
        plugins = {file.name: file.read_text() for file in (EXAMPLES / "plugins").glob("*.py")}
        put("plugins.zip", zipped(plugins))
        required = (EXAMPLES / "requirements.txt").read_text()
        put("requirements.txt", required.encode())
        put("startup.sh", b"export GREETING=hello AIRFLOW_HOME=/nowhere\necho started\nexit 3\n")
        files = {"PluginsS3Path": "plugins.zip", "RequirementsS3Path": "requirements.txt", "StartupScriptS3Path": "startup.sh"}
        create(mwaa, name, AirflowVersion=version, Tags={"standin:runtime": "local"}, AirflowConfigurationOptions=SECRETS, **files)
        environment = wait("AVAILABLE", STARTS_SECONDS, lambda: at_rest(mwaa, name))
        assert environment["Status"] == "AVAILABLE", environment["LastUpdate"]
        folder = next((tmp_path / "mwaa/environments").iterdir())
        log = lambda name: (folder / "logs" / name).read_text()
        assert "started" in log("startup_script_execution.log")
        assert "humanize==4.12.3" in log("requirements_install.log")

        call = lambda method, path, **more: mwaa.invoke_rest_api(Name=name, Method=method, Path=path, **more)["RestApiResponse"]

        def passes(dag, run_id):
            wait(f"the DAG {dag}", RUNS_SECONDS, lambda: dag in [one["dag_id"] for one in quiet(lambda: call("GET", "/dags")).get("dags", [])] or None)
            call("PATCH", f"/dags/{dag}", Body={"is_paused": False})
            call("POST", f"/dags/{dag}/dagRuns", Body={"dag_run_id": run_id, **({} if old else {"logical_date": None})})
            ended = lambda: (lambda state: state if state in ("success", "failed") else None)(call("GET", f"/dags/{dag}/dagRuns/{run_id}")["state"])
            state = wait(f"the end of {dag}", RUNS_SECONDS, ended)
            assert state == "success", call("GET", f"/dags/{dag}/dagRuns/{run_id}/taskInstances")

        for dag in ("seen", "hello", "s3_pipeline", "lambda_pipeline"):
            passes(dag, "r1")
        told = json.loads(s3.get_object(Bucket=BUCKET, Key="said/seen")["Body"].read())
        who = f"arn:aws:sts::{ACCOUNT}:assumed-role/airflow/AmazonMWAA-airflow"
        assert told == {"greeting": "hello", "home": str(folder), "who": who, "secret": "wren"}

        # What is put has its effect with an update, not before; then it is there.
        first = {"plugins": environment["PluginsS3ObjectVersion"], "requirements": environment["RequirementsS3ObjectVersion"]}
        second = {
            "plugins": put("plugins.zip", zipped({**plugins, "birds.py": "NAME = 'wren'"})),
            "requirements": put("requirements.txt", (required + "inflection==0.5.1\n").encode()),
        }
        put("dags/later.py", MORE.encode())
        versions = lambda these: {"PluginsS3ObjectVersion": these["plugins"], "RequirementsS3ObjectVersion": these["requirements"]}
        mwaa.update_environment(Name=name, **versions(second))
        environment = wait("the update", STARTS_SECONDS, lambda: at_rest(mwaa, name))
        assert environment["Status"] == "AVAILABLE" and environment["LastUpdate"]["Status"] == "SUCCESS"
        passes("later", "r1")

        # An update with which Airflow cannot start is taken back.
        third = {**second, "plugins": put("plugins.zip", b"no archive")}
        mwaa.update_environment(Name=name, **versions(third))
        environment = wait("the roll back", STARTS_SECONDS, lambda: at_rest(mwaa, name))
        assert environment["Status"] == "UPDATE_FAILED"
        assert environment["PluginsS3ObjectVersion"] == second["plugins"]
        assert "not a ZIP archive" in environment["LastUpdate"]["Error"]["ErrorMessage"]
        passes("later", "r2")

        # Requirements that cannot be installed: Airflow starts without them, and says so.
        bad = put("requirements.txt", b"humanize==4.12.3\nno-such-package-of-ours==1\n")
        mwaa.update_environment(Name=name, **versions({**first, "requirements": bad}))
        environment = wait("the update", STARTS_SECONDS, lambda: at_rest(mwaa, name))
        assert environment["Status"] == "AVAILABLE"
        assert "Airflow starts without" in log("requirements_install.log")
        passes("hello", "r2")
        mwaa.delete_environment(Name=name)
        wait("the end", 60, lambda: None if quiet(lambda: mwaa.get_environment(Name=name)) else True)
        assert not airflows(tmp_path) and not list((tmp_path / "mwaa/sites").iterdir())
