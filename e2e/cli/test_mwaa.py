"""The life of an environment of MWAA by the AWS CLI and curl, with a simulated Airflow; where STANDIN_TEST_AIRFLOW names versions
(`2.10.3,3.0.6`), with a real one, too. And a workflow of MWAA Serverless."""

import base64
import json
import os
import time

import pytest
from test_cli import AWS, environment, run
from serve import Standin

REGION = "eu-west-1"
ACCOUNT = "111122223333"
AIRFLOWS = [pytest.param("2.10.3", "simulated"), pytest.param("3.0.6", "simulated")]
AIRFLOWS += [pytest.param(version, "local") for version in os.environ.get("STANDIN_TEST_AIRFLOW", "").split(",") if version]
PATIENCE_SECONDS = {"simulated": 30, "local": 900}

DAG = """
from datetime import datetime

from airflow.decorators import dag, task


@dag(dag_id="hello", start_date=datetime(2024, 1, 1), schedule=None, catchup=False)
def pipeline():
    @task
    def greet():
        print("hi")

    greet()


pipeline()
"""


@pytest.fixture
def server(tmp_path):
    with Standin("--log", "warn", "--data-dir", str(tmp_path / "data")) as running:
        yield running


@pytest.fixture
def aws(server):
    """Runs `aws …`; its answer, parsed."""
    more = {"AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "standin", "AWS_DEFAULT_REGION": REGION, "AWS_DISABLE_HOST_PREFIX_INJECTION": "true"}
    env = {name: value for name, value in environment(AWS_ENDPOINT_URL=server.url, **more).items() if name != "STANDIN_STATELESS"}

    def aws(*arguments, status=0):
        said = run(AWS, *arguments, env=env, status=status)
        return json.loads(said) if said.startswith("{") else said

    return aws


def wait(what, seconds, look):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if (seen := look()) is not None:
            return seen
        time.sleep(0.2)
    raise AssertionError(f"{what} did not happen within {seconds} s")


@pytest.mark.parametrize("version, runtime", AIRFLOWS)
def test_an_environment_lives(aws, server, tmp_path, version, runtime):
    patience = PATIENCE_SECONDS[runtime]
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags/hello.py").write_text(DAG)
    aws("s3", "mb", "s3://birds-dags")
    aws("s3", "sync", tmp_path / "dags", "s3://birds-dags/dags")

    def at_rest():
        shown = aws("mwaa", "get-environment", "--name", "birds")["Environment"]
        return None if shown["Status"].endswith("ING") else shown

    arn = aws(
        *("mwaa", "create-environment", "--name", "birds", "--dag-s3-path", "dags", "--source-bucket-arn", "arn:aws:s3:::birds-dags"),
        *("--execution-role-arn", f"arn:aws:iam::{ACCOUNT}:role/airflow", "--airflow-version", version),
        *("--network-configuration", "SubnetIds=subnet-1,subnet-2,SecurityGroupIds=sg-1"),
        *("--logging-configuration", "WorkerLogs={Enabled=true,LogLevel=WARNING}"),
        *("--airflow-configuration-options", "core.parallelism=3"),
        *("--tags", f"standin:runtime={runtime},team=birds"),
    )["Arn"]
    assert arn == f"arn:aws:airflow:{REGION}:{ACCOUNT}:environment/birds"
    made = wait("AVAILABLE", patience, at_rest)
    assert made["Status"] == "AVAILABLE", made
    assert made["LoggingConfiguration"]["WorkerLogs"]["LogLevel"] == "WARNING"
    assert aws("mwaa", "list-environments")["Environments"] == ["birds"]

    aws("mwaa", "tag-resource", "--resource-arn", arn, "--tags", "team=herons,cost=1")
    aws("mwaa", "untag-resource", "--resource-arn", arn, "--tag-keys", "cost", "nothing")
    assert aws("mwaa", "list-tags-for-resource", "--resource-arn", arn)["Tags"] == {"standin:runtime": runtime, "team": "herons"}

    def curl(token, path, *more):
        """Asks the environment's own host, over TLS with a certificate of standin's own."""
        host = token["WebServerHostname"]
        url = f"https://{host}{path}"
        return run("curl", "-sSk", "--resolve", f"{host}:127.0.0.1" if ":" in host else f"{host}:443:127.0.0.1", *more, url)

    def command(line):
        token = aws("mwaa", "create-cli-token", "--name", "birds")
        said = curl(token, "/aws_mwaa/cli", "-X", "POST", "-H", f"Authorization: Bearer {token['CliToken']}", "-H", "Content-Type: text/plain", "--data-raw", line)
        return base64.b64decode(json.loads(said)["stdout"]).decode()

    assert command("version").strip().endswith(version)
    wait("the DAG", patience, lambda: "hello" in command("dags list") or None)
    token = aws("mwaa", "create-web-login-token", "--name", "birds")
    login = "/aws_mwaa/login" if version.startswith("2") else "/pluginsv2/aws_mwaa/login"
    jar = tmp_path / "cookies"
    assert curl(token, login, "-c", jar, "-o", tmp_path / "page", "-w", "%{http_code}", "-d", f"token={token['WebToken']}") == "200"
    api = "/api/v1" if version.startswith("2") else "/api/v2"
    assert "hello" in curl(token, f"{api}/dags", "-b", jar)
    assert curl(token, f"{api}/dags", "-o", tmp_path / "page", "-w", "%{http_code}") in ("401", "403")

    def rest(method, path, **more):
        given = [part for name, value in more.items() for part in (f"--{name.replace('_', '-')}", json.dumps(value))]
        return aws("mwaa", "invoke-rest-api", "--name", "birds", "--method", method, "--path", path, *given)["RestApiResponse"]

    rest("PATCH", "/dags/hello", body={"is_paused": False})
    rest("POST", "/dags/hello/dagRuns", body={"dag_run_id": "r1", **({} if version.startswith("2") else {"logical_date": None})})
    ended = lambda: (lambda state: state if state in ("success", "failed") else None)(rest("GET", "/dags/hello/dagRuns/r1")["state"])
    assert wait("the end of the run", patience, ended) == "success"

    aws("mwaa", "publish-metrics", "--environment-name", "birds", "--metric-data", "MetricName=QueuedTasks,Timestamp=1700000000,Value=2,Unit=Count")
    assert 'environment="birds",metric="QueuedTasks"} 2' in run("curl", "-sS", f"{server.url}/_standin/metrics")

    aws("mwaa", "update-environment", "--name", "birds", "--max-workers", "4", "--airflow-configuration-options", "core.parallelism=2")
    updated = wait("the end of the update", patience, at_rest)
    assert (updated["Status"], updated["MaxWorkers"], updated["LastUpdate"]["Status"]) == ("AVAILABLE", 4, "SUCCESS"), updated
    assert updated["AirflowConfigurationOptions"] == {"core.parallelism": "2"}
    assert wait("the run after the update", patience, ended) == "success"

    aws("mwaa", "delete-environment", "--name", "birds")
    wait("the end", patience, lambda: None if aws("mwaa", "list-environments")["Environments"] else True)
    aws("mwaa", "get-environment", "--name", "birds", status=255)


def test_a_workflow_runs(aws, tmp_path):
    (tmp_path / "birds.yaml").write_text(
        "birds:\n  tasks:\n    count: {operator: airflow.providers.amazon.aws.operators.s3.S3ListOperator, bucket: birds}\n"
        "    note: {operator: airflow.providers.amazon.aws.operators.s3.S3CreateObjectOperator, dependencies: [count]}\n"
    )
    aws("s3", "mb", "s3://flows")
    aws("s3", "cp", tmp_path / "birds.yaml", "s3://flows/birds.yaml")
    of = "mwaa-serverless"
    arn = aws(of, "create-workflow", "--name", "birds", "--definition-s3-location", "Bucket=flows,ObjectKey=birds.yaml", "--role-arn", f"arn:aws:iam::{ACCOUNT}:role/flows")["WorkflowArn"]
    started = aws(of, "start-workflow-run", "--workflow-arn", arn)["RunId"]
    assert aws(of, "get-workflow-run", "--workflow-arn", arn, "--run-id", started)["RunDetail"]["RunState"] == "SUCCESS"
    instances = aws(of, "list-task-instances", "--workflow-arn", arn, "--run-id", started)["TaskInstances"]
    assert [instance["Status"] for instance in instances] == ["SUCCESS", "SUCCESS"]
    aws(of, "delete-workflow", "--workflow-arn", arn)
    assert aws(of, "list-workflows")["Workflows"] == []
