"""Incidents: fault rules in phases, by the virtual clock."""

import json
import os
import re
import subprocess
import time
import urllib.error

import pytest
from botocore.exceptions import ClientError

from conftest import Admin
from serve import ROOT, Standin, binary
from test_faults import ACCOUNT, make_bucket, make_client

HOW_TO = (ROOT / "docs/how-to/rehearse-an-incident.md").read_text()


@pytest.fixture
def server():
    with Standin("--log", "warn", "--seed", "7", "--clock", "2026-01-01T00:00:00Z") as running:
        yield running


def standin(server, *words, status=0):
    done = subprocess.run([str(binary()), *words], env={**os.environ, "AWS_ENDPOINT_URL": server.url}, capture_output=True, text=True)
    assert done.returncode == status, done.stderr
    return done.stdout if status == 0 else done.stderr


def marked(text):
    return re.findall(r"^-> +(\S+)", text, re.MULTILINE)


def test_the_phases_of_an_incident_that_ships(server):
    admin = Admin(server.url)
    dynamodb = make_client(server, "dynamodb")
    assert marked(standin(server, "incident", "run", "s3-slowdown-storm", "--at", "+1m")) == []
    s3 = make_client(server, "s3", s3={"addressing_style": "path"})

    def failed(count=30):
        codes = []
        for _ in range(count):
            try:
                s3.list_buckets()
            except ClientError as error:
                codes.append(error.response["Error"]["Code"])
        assert set(codes) <= {"SlowDown"}
        return len(codes)

    assert failed() == 0 and admin("GET", "/_standin/incidents/s3-slowdown-storm")["state"] == "waiting"
    admin("POST", "/_standin/clock", {"advance": "1m"})
    assert marked(standin(server, "incident")) == ["first-bursts"]
    assert 3 <= failed() <= 18
    admin("POST", "/_standin/clock", {"advance": "30s"})
    assert failed() == 0, "between two bursts"
    admin("POST", "/_standin/clock", {"advance": "20m"})
    assert marked(standin(server, "incident", "status")) == ["calm"]
    admin("POST", "/_standin/clock", {"advance": "1h"})
    assert failed() == 0 and admin("GET", "/_standin/incidents/s3-slowdown-storm")["state"] == "over"
    dynamodb.list_tables()
    standin(server, "incident", "stop")
    assert admin("GET", "/_standin/incidents")["incidents"] == [] and admin("GET", "/_standin/faults")["faults"] == []


def test_stuck_environments():
    with Standin("--log", "warn", "--clock", "2026-01-01T00:00:00Z", "--incident", "mwaa-stuck-in-creating") as server:
        admin, mwaa = Admin(server.url), make_client(server, "mwaa", attempts=3)
        network = {"SecurityGroupIds": ["sg-0123456789abcdef0"], "SubnetIds": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]}
        make = lambda name: mwaa.create_environment(Name=name, DagS3Path="dags", ExecutionRoleArn=f"arn:aws:iam::{ACCOUNT}:role/mwaa", SourceBucketArn="arn:aws:s3:::birds", NetworkConfiguration=network)  # noqa: E731
        status = lambda name: mwaa.get_environment(Name=name)["Environment"]["Status"]  # noqa: E731
        def at_rest(name):
            """The status once the work on it is done: a moment after the answer."""
            until = time.monotonic() + 10
            while (seen := status(name)) == "CREATING" and time.monotonic() < until:
                time.sleep(0.02)
            return seen

        make_bucket(server, "birds")
        make("heron")
        admin("POST", "/_standin/clock", {"advance": "45m"})
        make("grebe")
        assert (at_rest("grebe"), status("heron")) == ("CREATE_FAILED", "CREATING")
        admin("POST", "/_standin/clock", {"advance": "1h"})
        make("coot")
        assert at_rest("coot") == "AVAILABLE"


def test_the_same_seed_gives_the_same_incident():
    runs = []
    for _ in range(2):
        with Standin("--log", "warn", "--seed", "3", "--clock", "2026-01-01T00:00:00Z", "--incident", "dns-partial-loss") as server:
            dynamodb, codes = make_client(server, "dynamodb"), []
            import boto3

            dynamodb = boto3.client("dynamodb", region_name="us-east-1", endpoint_url=server.url, aws_access_key_id=ACCOUNT, aws_secret_access_key="x", config=dynamodb.meta.config)
            for _ in range(60):
                try:
                    dynamodb.list_tables()
                    codes.append(".")
                except Exception as error:
                    codes.append(type(error).__name__)
                Admin(server.url)("POST", "/_standin/clock", {"advance": "1m"})
        runs.append(codes)
    assert runs[0] == runs[1]
    # Some of the first five minutes, all of the next forty, and nothing but throttling from then on.
    assert set(runs[0][5:45]) == {"ConnectionClosedError"} and "." in runs[0][45:]


def test_the_file_of_the_how_to(server, tmp_path):
    [text] = re.findall(r'```toml\n(name = "slow-then-gone".*?)```', HOW_TO, re.DOTALL)
    (tmp_path / "ours.toml").write_text(text)
    told = standin(server, "incident", "run", str(tmp_path / "ours.toml"))
    assert marked(told) == ["slow"] and "2026-01-01T00:30:00Z" in told
    shipped = standin(server, "incident", "show", "region-outage")
    (tmp_path / "again.toml").write_text(shipped)
    assert marked(standin(server, "incident", "run", str(tmp_path / "again.toml"))) == ["errors-rise"]
    running = Admin(server.url)("GET", "/_standin/incidents")["incidents"]
    assert [one["name"] for one in running] == ["slow-then-gone", "region-outage"]
    standin(server, "incident", "stop", "slow-then-gone")
    assert len(json.loads(standin(server, "incident", "status", "--json"))) == 1


def test_all_that_ship_are_told():
    listed = subprocess.run([str(binary()), "incident", "list"], capture_output=True, text=True).stdout
    names = re.findall(r"^([a-z0-9-]+) ", listed, re.MULTILINE)
    assert len(names) >= 6
    for name in names:
        assert f"| `{name}` |" in HOW_TO


def test_what_makes_no_sense_changes_nothing(server):
    admin = Admin(server.url)
    phase = {"name": "a", "rules": [{"service": "sqs", "error": "NoSuchBucket"}]}
    for body in ({}, {"name": "nothing"}, {"incident": {"name": "x", "phases": [phase]}}, {"name": "region-outage", "at": "soon"}, {"incident": {"name": "x/y", "phases": [{"name": "a"}]}}):
        with pytest.raises(urllib.error.HTTPError) as caught:
            admin("POST", "/_standin/incidents", body)
        assert caught.value.code == 400, body
    assert "region-outage" in standin(server, "incident", "run", "region-outge", status=2)
    assert admin("GET", "/_standin/faults")["faults"] == []
