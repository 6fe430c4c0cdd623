"""MWAA's user interface in a browser: Chromium signs in by a login link and looks at Airflow's own pages.

Takes minutes, so it runs where STANDIN_TEST_AIRFLOW names the versions to try (`2.10.3,3.0.6`), and where Chromium is installed."""

import os

import pytest

import browser
from browser import Browser
from conftest import REGION, make
from serve import Standin
from test_mwaa import BUCKET, Site, create
from test_mwaa_local import RUNS_SECONDS, STARTS_SECONDS, at_rest, quiet, wait

VERSIONS = [version for version in os.environ.get("STANDIN_TEST_AIRFLOW", "").split(",") if version]
pytestmark = [
    pytest.mark.skipif(not VERSIONS, reason="STANDIN_TEST_AIRFLOW names no version of Airflow"),
    pytest.mark.skipif(browser.missing() is not None, reason=f"{browser.missing()}"),
]

SAID = "a heron flew by"
DAG = f"""
from datetime import datetime
from airflow.decorators import dag, task


@dag(dag_id="heron", start_date=datetime(2024, 1, 1), schedule=None, catchup=False)
def pipeline():
    @task
    def watch():
        print("{SAID}")

    watch()


pipeline()
"""


class Ui:
    """Where things are in the pages of a version."""

    def __init__(self, version):
        self.old = version.startswith("2")
        self.cookie = "session" if self.old else "_token"
        self.home = "/home" if self.old else "/"
        self.dags = "/home" if self.old else "/dags"
        self.api = "/api/v1" if self.old else "/api/v2"
        self.dag = "/dags/heron/grid" if self.old else "/dags/heron"

    def log(self, run):
        if self.old:
            return f"/dags/heron/grid?dag_run_id={run}&task_id=watch&tab=logs"
        return f"/dags/heron/runs/{run}/tasks/watch"


def failures(page):
    """The parts of a page that did not come."""
    entries = page.run("return performance.getEntriesByType('resource').map(entry => [entry.name, entry.responseStatus])")
    return [entry for entry in entries if entry[1] >= 400]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_person_signs_in(tmp_path, version):
    name, ui = f"ui-{version[0]}", Ui(version)
    with Standin("--log", "info", "--data-dir", str(tmp_path)) as server, Browser() as page:
        s3, mwaa = make(server, "s3"), make(server, "mwaa")
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket=BUCKET, Key="dags/heron.py", Body=DAG.encode())
        create(mwaa, name, AirflowVersion=version, Tags={"standin:runtime": "local"})
        environment = wait("AVAILABLE", STARTS_SECONDS, lambda: at_rest(mwaa, name))
        assert environment["Status"] == "AVAILABLE", environment["LastUpdate"]
        call = lambda method, path, **more: mwaa.invoke_rest_api(Name=name, Method=method, Path=path, **more)["RestApiResponse"]
        # On a busy machine Airflow takes more than the 10 seconds that it has.
        wait("the DAG", RUNS_SECONDS, lambda: quiet(lambda: call("PATCH", "/dags/heron", Body={"is_paused": False})) or None)
        run = {"dag_run_id": "r1", **({} if ui.old else {"logical_date": None})}
        quiet(lambda: call("POST", "/dags/heron/dagRuns", Body=run))
        ended = lambda: quiet(lambda: call("GET", "/dags/heron/dagRuns/r1")).get("state") == "success" or None
        wait("the end of the run", RUNS_SECONDS, ended)
        host = environment["WebserverUrl"]

        def link(scheme="http"):
            token = mwaa.create_web_login_token(Name=name)
            assert token["WebServerHostname"] == host
            return f"{scheme}://{host}/aws_mwaa/aws-console-sso?login=true#{token['WebToken']}"

        # Nothing is shown to strangers but how to get in.
        page.go(f"http://{host}{ui.dags}")
        assert "create-web-login-token" in page.text() and "heron" not in page.text()
        page.go(link()[:-5] + "wrong")
        page.reads("the token is none of this environment")

        page.go(link())
        page.wait("the first page", lambda: page.url == f"http://{host}{ui.home}")
        page.go(f"http://{host}{ui.dags}")
        page.reads("heron")
        assert failures(page) == []
        cookie = page.cookies()[ui.cookie]
        assert cookie["httpOnly"] and not cookie["secure"] and cookie["domain"] == host.split(":")[0]
        page.go(f"http://{host}{ui.dag}")
        page.reads("heron")
        page.go(f"http://{host}{ui.log('r1')}")
        page.reads(SAID)
        # What scripts of the page ask for comes from Airflow, too.
        status = page.run(f"return fetch('{ui.api}/dags/heron').then(answer => answer.status)")
        assert status == 200
        assert Site(server, host)("GET", f"{ui.api}/dags", Cookie=f"{ui.cookie}={cookie['value']}")[0] == 200

        page.go(f"http://{host}/logout" if ui.old else f"http://{host}/api/v2/auth/logout")
        page.reads("You are signed out.")
        assert ui.cookie not in page.cookies()
        page.go(f"http://{host}{ui.dags}")
        assert "heron" not in page.text()

        # The same by TLS, from the page that tells how to sign in.
        page.go(f"https://{host}{ui.dag}")
        page.click("#sign-in")
        page.reads("heron")
        assert page.url.startswith(f"https://{host}/dags/heron") and page.cookies()[ui.cookie]["secure"]
        assert failures(page) == []
