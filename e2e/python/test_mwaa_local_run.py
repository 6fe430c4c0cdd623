"""What keeps a real Airflow running: its database, its processes, and what becomes of both when somebody kills them.

Takes minutes, so it runs where STANDIN_TEST_AIRFLOW names the versions to try: `2.10.3,3.0.6`."""

import os
import signal
import time
from pathlib import Path

import pytest

from conftest import REGION, make
from serve import Standin
from test_mwaa import BUCKET, create
from test_mwaa_local import DAG, RUNS_SECONDS, STARTS_SECONDS, VERSIONS, airflows, at_rest, quiet, wait

pytestmark = pytest.mark.skipif(not VERSIONS, reason="STANDIN_TEST_AIRFLOW names no version of Airflow")


def postmaster(data):
    """The id of the PostgreSQL server of a data folder; nothing where there is none."""
    try:
        return int((data / "mwaa/postgresql/data/postmaster.pid").read_text().split()[0])
    except (OSError, IndexError):
        return None


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_killed_comes_back_and_what_is_deleted_is_gone(tmp_path, version):
    name, old = f"run-{version.replace('.', '-')}", version.startswith("2")
    arguments = ["--log", "info", "--data-dir", str(tmp_path)]
    if shared := os.environ.get("STANDIN_TEST_INSTALLATIONS"):
        arguments += ["--mwaa", f"installations={shared}"]
    run = lambda run_id: {"dag_run_id": run_id, **({} if old else {"logical_date": None})}
    with Standin(*arguments) as server:
        s3, mwaa = make(server, "s3"), make(server, "mwaa")
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket=BUCKET, Key="dags/hello.py", Body=DAG.format(name="hello", bucket=BUCKET).encode())
        started = time.monotonic()
        create(mwaa, name, AirflowVersion=version, Tags={"standin:runtime": "local"})
        environment = wait("AVAILABLE", STARTS_SECONDS, lambda: at_rest(mwaa, name))
        assert environment["Status"] == "AVAILABLE", environment["LastUpdate"]
        print(f"\n{version}: create to AVAILABLE in {time.monotonic() - started:.1f} s, load {os.getloadavg()[0]:.0f}")
        call = lambda method, path, **more: mwaa.invoke_rest_api(Name=name, Method=method, Path=path, **more)["RestApiResponse"]
        ended = lambda run_id: (lambda state: state if state in ("success", "failed") else None)(
            quiet(lambda: call("GET", f"/dags/hello/dagRuns/{run_id}")).get("state"))
        wait("the DAG", RUNS_SECONDS, lambda: quiet(lambda: call("GET", "/dags/hello")) or None)
        call("PATCH", "/dags/hello", Body={"is_paused": False})
        call("POST", "/dags/hello/dagRuns", Body=run("r1"))
        assert wait("the first run", RUNS_SECONDS, lambda: ended("r1")) == "success"

        # PostgreSQL dies: it is started again, and Airflow finds it.
        if (first := postmaster(tmp_path)) is not None:
            os.kill(first, signal.SIGKILL)
            wait("PostgreSQL", RUNS_SECONDS, lambda: (lambda id: id if id not in (None, first) else None)(postmaster(tmp_path)))
            wait("the REST API", RUNS_SECONDS, lambda: quiet(lambda: call("POST", "/dags/hello/dagRuns", Body=run("r2"))) or None)
            assert wait("the second run", RUNS_SECONDS, lambda: ended("r2")) == "success"

        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
    left = set(airflows(tmp_path))
    assert left
    with Standin(*arguments) as server:
        mwaa = make(server, "mwaa")
        began = time.monotonic()
        state = lambda: quiet(lambda: call("GET", "/dags/hello/dagRuns/r1")).get("state")
        assert wait("the restart", STARTS_SECONDS, state) == "success"
        print(f"{version}: back after {time.monotonic() - began:.1f} s")
        assert not left & set(airflows(tmp_path))
        began = time.monotonic()
        mwaa.delete_environment(Name=name)
        wait("the end", 60, lambda: None if quiet(lambda: mwaa.get_environment(Name=name)) else True)
        print(f"{version}: deleted in {time.monotonic() - began:.1f} s")
        assert not [line for line in airflows(tmp_path).values() if "airflow" in line and "postgres" not in line]
        assert not list((tmp_path / "mwaa/environments").iterdir())
        databases = tmp_path / "mwaa/postgresql/data/base"
        before = len(list(databases.iterdir())) if databases.exists() else 0
    assert postmaster(tmp_path) is None and not airflows(tmp_path), "nothing runs when standin has ended"
    # template0, template1, postgres and the copy that new environments begin with.
    assert before in (0, 4)
