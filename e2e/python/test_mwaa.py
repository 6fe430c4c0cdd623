"""MWAA through boto3: environments with a simulated Airflow behind them."""

import base64
import http.client
import json
import ssl
import time
from datetime import datetime, timedelta, timezone
from urllib.parse import urlencode

import pytest
from botocore.exceptions import ClientError

from conftest import ACCOUNT, REGION, Admin, make
from serve import Standin

DAG = """
from datetime import datetime
from airflow import DAG
from airflow.operators.bash import BashOperator

with DAG("hello", start_date=datetime(2024, 1, 1), schedule="@daily", catchup=False, tags=["demo"]) as dag:
    greet = BashOperator(task_id="greet", bash_command="echo hi")
    leave = BashOperator(task_id="leave", bash_command="true")
    greet >> leave
"""
BUCKET = "birds-dags"
SETTLES_SECONDS = 20


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Standin("--log", "warn", "--data-dir", str(tmp_path_factory.mktemp("mwaa"))) as running:
        s3 = make(running, "s3")
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        s3.put_object(Bucket=BUCKET, Key="dags/hello.py", Body=DAG.encode())
        yield running


@pytest.fixture
def mwaa(client):
    return client("mwaa")


def settled(mwaa, name):
    """The environment once it is at rest; nothing where it is gone."""
    until = time.monotonic() + SETTLES_SECONDS
    while time.monotonic() < until:
        try:
            environment = mwaa.get_environment(Name=name)["Environment"]
        except mwaa.exceptions.ResourceNotFoundException:
            return None
        if environment["Status"] not in ("CREATING", "UPDATING", "CREATING_SNAPSHOT", "DELETING", "ROLLING_BACK"):
            return environment
        time.sleep(0.02)
    raise AssertionError(f"{name} is still {environment['Status']}")


def create(mwaa, name, **more):
    arguments = {
        "Name": name,
        "DagS3Path": "dags/",
        "ExecutionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/airflow",
        "SourceBucketArn": f"arn:aws:s3:::{BUCKET}",
        "NetworkConfiguration": {"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]},
        **more,
    }
    return mwaa.create_environment(**arguments)["Arn"]


@pytest.fixture
def environment(mwaa):
    """Makes environments, and deletes them after the test."""
    made = []

    def environment(name, **more):
        create(mwaa, name, **more)
        made.append(name)
        shown = settled(mwaa, name)
        assert shown["Status"] == "AVAILABLE", shown
        return shown

    yield environment
    for name in made:
        try:
            settled(mwaa, name)
            mwaa.delete_environment(Name=name)
        except ClientError:
            pass


def refused(call, code, part=""):
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response
    assert error["Error"]["Code"] == code, error
    assert part in error["Error"]["Message"], error
    return error


class Site:
    """The web server of an environment, reached through standin's own port by its host."""

    def __init__(self, server, host, tls=False):
        self.server, self.host, self.tls = server, host, tls

    def __call__(self, method, path, body=None, **headers):
        port = self.server.port
        if self.tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=120, context=context)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        connection.request(method, path, body, {"Host": self.host, **{name.replace("_", "-"): value for name, value in headers.items()}})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, answer.headers, content

    def airflow(self, mwaa, name, line):
        """Output and error of a command, as clients of MWAA run them."""
        token = mwaa.create_cli_token(Name=name)
        assert token["WebServerHostname"] == self.host
        status, _, content = self("POST", "/aws_mwaa/cli", line, Authorization=f"Bearer {token['CliToken']}", Content_Type="text/plain")
        assert status == 200, content
        answer = json.loads(content)
        return tuple(base64.b64decode(answer[name]).decode() for name in ("stdout", "stderr"))


def test_an_environment_lives(mwaa, client, environment):
    shown = environment("lives", Tags={"team": "birds"}, AirflowVersion="2.10.3")
    arn = f"arn:aws:airflow:{REGION}:{ACCOUNT}:environment/lives"
    assert (shown["Arn"], shown["DagS3Path"], shown["Tags"]) == (arn, "dags/", {"team": "birds"})
    assert shown["LastUpdate"]["Status"] == "SUCCESS"
    assert shown["EnvironmentClass"] == "mw1.small" and shown["Schedulers"] == 2
    assert mwaa.get_environment(Name="lives")["Environment"] == shown
    assert "lives" in mwaa.list_environments()["Environments"]
    groups = client("logs").describe_log_groups(logGroupNamePrefix="airflow-lives-")["logGroups"]
    assert [group["logGroupName"] for group in groups] == ["airflow-lives-Task"]
    refused(lambda: create(mwaa, "lives"), "ValidationException", "already exists")

    mwaa.tag_resource(ResourceArn=arn, Tags={"more": "1"})
    mwaa.untag_resource(ResourceArn=arn, tagKeys=["team", "unknown"])
    assert mwaa.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"more": "1"}

    mwaa.update_environment(Name="lives", MaxWorkers=5, AirflowConfigurationOptions={"core.parallelism": "4"}, WorkerReplacementStrategy="GRACEFUL")
    updated = settled(mwaa, "lives")
    assert (updated["MaxWorkers"], updated["AirflowConfigurationOptions"]) == (5, {"core.parallelism": "4"})
    assert updated["LastUpdate"]["WorkerReplacementStrategy"] == "GRACEFUL"
    refused(lambda: mwaa.update_environment(Name="lives", AirflowVersion="3.0.6"), "ValidationException", "another major version")

    mwaa.delete_environment(Name="lives")
    assert settled(mwaa, "lives") is None
    assert "lives" not in mwaa.list_environments()["Environments"]
    refused(lambda: mwaa.delete_environment(Name="lives"), "ResourceNotFoundException")


def test_files_are_resolved_to_versions(mwaa, client, environment):
    s3 = client("s3")
    first = s3.put_object(Bucket=BUCKET, Key="requirements.txt", Body=b"a")["VersionId"]
    shown = environment("files", RequirementsS3Path="requirements.txt")
    assert shown["RequirementsS3ObjectVersion"] == first
    second = s3.put_object(Bucket=BUCKET, Key="requirements.txt", Body=b"b")["VersionId"]
    mwaa.update_environment(Name="files", RequirementsS3Path="requirements.txt", RequirementsS3ObjectVersion=second)
    assert settled(mwaa, "files")["RequirementsS3ObjectVersion"] == second
    refused(lambda: mwaa.update_environment(Name="files", PluginsS3Path="plugins.zip"), "ValidationException", "plugins.zip")
    assert settled(mwaa, "files")["Status"] == "AVAILABLE"


def test_mistakes_are_told(mwaa):
    refused(lambda: mwaa.get_environment(Name="nobody"), "ResourceNotFoundException")
    refused(lambda: create(mwaa, "x", SourceBucketArn="arn:aws:s3:::there-is-no-such-bucket"), "ValidationException", "does not exist")
    refused(lambda: create(mwaa, "x", EnvironmentClass="mw1.micro", MaxWorkers=3), "ValidationException", "exactly 1")
    refused(lambda: create(mwaa, "x", AirflowVersion="1.10.12"), "ValidationException", "not supported")
    refused(lambda: mwaa.list_environments(NextToken="nonsense"), "ValidationException")
    refused(lambda: mwaa.create_cli_token(Name="nobody"), "ResourceNotFoundException")


def test_lists_come_in_pages(mwaa, environment):
    for name in ("page-a", "page-b", "page-c"):
        environment(name)
    pages = list(mwaa.get_paginator("list_environments").paginate(PaginationConfig={"PageSize": 2}))
    names = [name for page in pages for name in page["Environments"]]
    assert all(len(page["Environments"]) <= 2 for page in pages)
    assert [name for name in names if name.startswith("page-")] == ["page-a", "page-b", "page-c"]


@pytest.mark.parametrize("version", ["2.10.3", "3.0.6"])
def test_commands(server, mwaa, client, environment, version):
    name = f"commands-{version[0]}"
    site = Site(server, environment(name, AirflowVersion=version)["WebserverUrl"])
    assert site.airflow(mwaa, name, "version") == (f"{version}\n", "")
    dags = json.loads(site.airflow(mwaa, name, "dags list -o json")[0])
    assert [(dag["dag_id"], dag["is_paused"]) for dag in dags] == [("hello", "True")]
    assert site.airflow(mwaa, name, "tasks list hello")[0].split() == ["greet", "leave"]
    site.airflow(mwaa, name, "dags unpause hello")
    out, _ = site.airflow(mwaa, name, """dags trigger hello --run-id r1 --conf '{"a": "b c"}' -o json""")
    assert (json.loads(out)[0]["dag_run_id"], json.loads(out)[0]["conf"]) == ("r1", {"a": "b c"})
    assert site.airflow(mwaa, name, "dags state hello r1")[0].startswith("success")
    assert site.airflow(mwaa, name, "variables set k 'a b'")[0] == "Variable k created\n"
    assert site.airflow(mwaa, name, "variables get k")[0] == "a b\n"
    assert "DagNotFound" in site.airflow(mwaa, name, "dags trigger nobody")[1]

    client("s3").put_object(Bucket=BUCKET, Key="dags/more.py", Body=DAG.replace("hello", "more").encode())
    assert {dag["dag_id"] for dag in json.loads(site.airflow(mwaa, name, "dags list -o json")[0])} == {"hello", "more"}
    client("s3").delete_object(Bucket=BUCKET, Key="dags/more.py")
    assert {dag["dag_id"] for dag in json.loads(site.airflow(mwaa, name, "dags list -o json")[0])} == {"hello"}

    token = mwaa.create_cli_token(Name=name)["CliToken"]
    command = lambda line, token=token: site("POST", "/aws_mwaa/cli", line, Authorization=f"Bearer {token}")[0]
    assert command("users list") == 400
    assert command("variables set k 'open") == 400
    assert command("version", mwaa.create_web_login_token(Name=name)["WebToken"]) == 403
    assert command("version", "nonsense") == 403


@pytest.mark.parametrize(("version", "login", "cookie", "api"), [
    ("2.10.3", "/aws_mwaa/login", "session", "/api/v1"),
    ("3.0.6", "/pluginsv2/aws_mwaa/login", "_token", "/api/v2"),
])
def test_signing_in(server, mwaa, environment, version, login, cookie, api):
    name = f"web-{version[0]}"
    site = Site(server, environment(name, AirflowVersion=version)["WebserverUrl"], tls=True)
    token = mwaa.create_web_login_token(Name=name)
    assert token["IamIdentity"] and len(token["AirflowIdentity"]) <= 64
    status, _, page = site("GET", "/aws_mwaa/aws-console-sso?login=true")
    assert status == 200 and login in page.decode()
    assert site("GET", f"{api}/dags")[0] == 401
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    assert site("POST", login, urlencode({"token": mwaa.create_cli_token(Name=name)["CliToken"]}), **form)[0] == 403
    status, headers, _ = site("POST", login, urlencode({"token": token["WebToken"]}), **form)
    assert status == 200
    session = headers["Set-Cookie"].split(";")[0]
    assert session.startswith(f"{cookie}=") and "HttpOnly" in headers["Set-Cookie"] and "Secure" in headers["Set-Cookie"]
    status, _, content = site("GET", f"{api}/dags", Cookie=session)
    assert status == 200 and [dag["dag_id"] for dag in json.loads(content)["dags"]] == ["hello"]
    assert "hello" in site("GET", "/home", Cookie=session)[2].decode()
    if version.startswith("2"):
        assert site("POST", "/pluginsv2/aws_mwaa/login", urlencode({"token": token["WebToken"]}), **form)[0] == 404


def signed_in(site, token):
    """The cookie of who has signed in by a token."""
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    status, headers, content = site("POST", "/aws_mwaa/login", urlencode({"token": token}), **form)
    assert status == 200, content
    return headers["Set-Cookie"].split(";")[0]


def test_pages_around_signing_in(server, mwaa, environment):
    site = Site(server, environment("doors")["WebserverUrl"])
    for path in ("/login", "/auth/login/", "/api/v2/auth/login?next=/dags"):
        status, headers, _ = site("GET", path)
        assert (status, headers["Location"].split("?")[0]) == (302, "/aws_mwaa/sign-in")
    status, _, page = site("GET", "/aws_mwaa/sign-in?next=%2Fdags")
    assert status == 200 and "create-web-login-token --name doors --region eu-west-1" in page.decode()
    # On the machine of the server, a button does.
    status, headers, _ = site("POST", "/aws_mwaa/sign-in", "next=%2Fdags")
    assert (status, headers["Location"]) == (303, "/dags")
    session = headers["Set-Cookie"].split(";")[0]
    assert site("GET", "/dags", Cookie=session)[0] == 200
    status, headers, _ = site("GET", "/logout", Cookie=session)
    assert status == 303 and headers["Set-Cookie"].startswith("_token=; ")
    # Pages of elsewhere cannot press it.
    assert site("POST", "/aws_mwaa/sign-in", "next=/", Origin="https://evil.example")[0] == 403
    other = Site(server, site.host.replace(site.host[:8], "00000000"))
    assert other("GET", "/", Cookie=session)[0] == 404


def test_roles_come_from_iam(server, client, mwaa, environment):
    name = "ranks"
    site = Site(server, environment(name, AirflowVersion="2.10.3")["WebserverUrl"])
    iam, sts = client("iam"), client("sts")

    def policy(role, action="airflow:*"):
        resource = f"arn:aws:airflow:{REGION}:{ACCOUNT}:role/{name}/{role}"
        return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]})

    role = iam.create_role(RoleName="watcher", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    keys = sts.assume_role(RoleArn=role, RoleSessionName="alice")["Credentials"]
    alice = client("mwaa", account=keys["AccessKeyId"], aws_session_token=keys["SessionToken"])
    iam.create_user(UserName="bob")
    bob = client("mwaa", account=iam.create_access_key(UserName="bob")["AccessKey"]["AccessKeyId"])
    unpause = {"Name": name, "Method": "PATCH", "Path": "/dags/hello", "Body": {"is_paused": False}}

    # Nothing is said of MWAA: everybody may do everything.
    token = alice.create_web_login_token(Name=name)
    assert (token["IamIdentity"], token["AirflowIdentity"]) == ("assumed-role/watcher/alice",) * 2
    assert bob.create_web_login_token(Name=name)["IamIdentity"] == "user/bob"
    alice.invoke_rest_api(**unpause)

    iam.put_role_policy(RoleName="watcher", PolicyName="airflow", PolicyDocument=policy("Viewer"))
    assert alice.invoke_rest_api(Name=name, Method="GET", Path="/dags")["RestApiStatusCode"] == 200
    assert refused(lambda: alice.invoke_rest_api(**unpause), "RestApiClientException")["RestApiStatusCode"] == 403
    session = signed_in(site, alice.create_web_login_token(Name=name)["WebToken"])
    patch = lambda: site("PATCH", "/api/v1/dags/hello", json.dumps({"is_paused": True}), Cookie=session)[0]
    assert site("GET", "/api/v1/dags", Cookie=session)[0] == 200
    assert patch() == 403

    # A managed policy that is attached.
    arn = iam.create_policy(PolicyName="operators", PolicyDocument=policy("Op"))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="watcher", PolicyArn=arn)
    assert alice.invoke_rest_api(**unpause)["RestApiStatusCode"] == 200

    iam.put_user_policy(UserName="bob", PolicyName="airflow", PolicyDocument=policy("*", "airflow:GetEnvironment"))
    for call in (lambda: bob.invoke_rest_api(**unpause), lambda: bob.create_web_login_token(Name=name)):
        error = refused(call, "AccessDeniedException", "No Airflow role granted in IAM.")
        assert error["ResponseMetadata"]["HTTPStatusCode"] == 403
    # The command line is not for roles.
    assert bob.create_cli_token(Name=name)["CliToken"]


@pytest.mark.parametrize("version", ["2.10.3", "3.0.6"])
def test_the_rest_api(mwaa, environment, version):
    name = f"rest-{version[0]}"
    environment(name, AirflowVersion=version)
    call = lambda method, path, **more: mwaa.invoke_rest_api(Name=name, Method=method, Path=path, **more)
    assert call("GET", "/version")["RestApiResponse"]["version"] == version
    listed = call("GET", "/dags", QueryParameters={"limit": 1, "only_active": True}, Body={})["RestApiResponse"]
    assert listed["total_entries"] == 1 and listed["dags"][0]["dag_id"] == "hello"
    assert call("PATCH", "/dags/hello", Body={"is_paused": False})["RestApiResponse"]["is_paused"] is False
    run = {"dag_run_id": "r1", "conf": {"a": 1}, **({} if version.startswith("2") else {"logical_date": None})}
    made = call("POST", "/dags/hello/dagRuns", Body=run)
    assert (made["RestApiStatusCode"], made["RestApiResponse"]["state"]) == (200, "queued")
    assert call("GET", "/dags/hello/dagRuns/r1")["RestApiResponse"]["state"] == "success"
    tasks = call("GET", "/dags/hello/dagRuns/r1/taskInstances")["RestApiResponse"]["task_instances"]
    assert [(task["task_id"], task["state"]) for task in tasks] == [("greet", "success"), ("leave", "success")]
    failing = {**run, "dag_run_id": "r2", "conf": {"standin_fail": ["greet"]}}
    call("POST", "/dags/hello/dagRuns", Body=failing)
    assert call("GET", "/dags/hello/dagRuns/r2")["RestApiResponse"]["state"] == "failed"

    error = refused(lambda: call("GET", "/dags/nobody"), "RestApiClientException")
    assert (error["ResponseMetadata"]["HTTPStatusCode"], error["RestApiStatusCode"]) == (400, 404)
    assert "nobody" in error["RestApiResponse"]["detail"]
    refused(lambda: call("GET", "dags"), "ValidationException")
    call("POST", "/variables", Body={"key": "k", "value": "v"})
    assert call("GET", "/variables/k")["RestApiResponse"]["value"] == "v"
    assert call("DELETE", "/variables/k")["RestApiStatusCode"] == 204


def test_metrics_are_shown(server, mwaa, environment):
    environment("metrics")
    mwaa.publish_metrics(EnvironmentName="metrics", MetricData=[{"MetricName": "QueuedTasks", "Timestamp": 1700000000, "Value": 3.5, "Unit": "Count"}])
    text = Admin(server.url)("GET", "/_standin/metrics")
    assert 'environment="metrics",metric="QueuedTasks"} 3.5' in text


def test_metrics_can_be_asked_of_cloudwatch(mwaa, client, environment):
    environment("told")
    now = datetime.now(timezone.utc)
    dimensions = [{"Name": "Function", "Value": "Executor"}]
    datum = {"MetricName": "QueuedTasks", "Dimensions": dimensions, "Timestamp": now, "Value": 3.5, "Unit": "Count"}
    mwaa.publish_metrics(EnvironmentName="told", MetricData=[datum])
    metric = {"Namespace": "AmazonMWAA", "MetricName": "QueuedTasks", "Dimensions": dimensions}
    answer = client("cloudwatch").get_metric_data(
        MetricDataQueries=[{"Id": "q", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Maximum"}}],
        StartTime=now - timedelta(minutes=5),
        EndTime=now + timedelta(minutes=5),
    )
    assert answer["MetricDataResults"][0]["Values"] == [3.5]


def test_simulated_tasks_have_logs(mwaa, client, environment):
    environment("talks", AirflowVersion="2.10.3")
    call = lambda method, path, body: mwaa.invoke_rest_api(Name="talks", Method=method, Path=path, Body=body)
    call("PATCH", "/dags/hello", {"is_paused": False})
    call("POST", "/dags/hello/dagRuns", {"dag_run_id": "r1", "conf": {"standin_fail": ["leave"]}})
    events = client("logs").filter_log_events(logGroupName="airflow-talks-Task")["events"]
    assert [(event["logStreamName"], event["message"].split(" is ")[1].split(";")[0]) for event in events] == [
        ("dag_id=hello/run_id=r1/task_id=greet/attempt=1.log", "success"),
        ("dag_id=hello/run_id=r1/task_id=leave/attempt=1.log", "failed"),
    ]


def test_accounts_and_regions_are_apart(mwaa, client, environment):
    environment("apart")
    for other in (client("mwaa", account="999999999999"), client("mwaa", region_name="us-east-1")):
        assert other.list_environments()["Environments"] == []
        refused(lambda: other.get_environment(Name="apart"), "ResourceNotFoundException")


def test_stacks_have_environments(mwaa, client):
    template = {"Resources": {"Birds": {"Type": "AWS::MWAA::Environment", "Properties": {
        "Name": "stacked", "DagS3Path": "dags", "SourceBucketArn": f"arn:aws:s3:::{BUCKET}", "AirflowVersion": "2.10.3",
        "ExecutionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/airflow",
        "NetworkConfiguration": {"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]},
    }}}, "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["Birds", "Arn"]}}}}
    cloudformation = client("cloudformation")
    cloudformation.create_stack(StackName="mwaa", TemplateBody=json.dumps(template))
    cloudformation.get_waiter("stack_create_complete").wait(StackName="mwaa", WaiterConfig={"Delay": 0.1})
    shown = settled(mwaa, "stacked")
    stack = cloudformation.describe_stacks(StackName="mwaa")["Stacks"][0]
    assert (shown["Status"], stack["Outputs"][0]["OutputValue"]) == ("AVAILABLE", shown["Arn"])
    cloudformation.delete_stack(StackName="mwaa")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName="mwaa", WaiterConfig={"Delay": 0.1})
    assert settled(mwaa, "stacked") is None


def test_time_passes_as_told(tmp_path):
    with Standin("--log", "warn", "--data-dir", str(tmp_path), "--transitions", "mwaa=1h") as server:
        make(server, "s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        mwaa, admin = make(server, "mwaa"), Admin(server.url)
        create(mwaa, "slow", AirflowVersion="2.10.1")
        assert mwaa.get_environment(Name="slow")["Environment"]["Status"] == "CREATING"
        refused(lambda: mwaa.delete_environment(Name="slow"), "ValidationException", "Environments with CREATING status must complete previous operation")
        admin("POST", "/_standin/clock", {"advance": "1h"})
        until = time.monotonic() + SETTLES_SECONDS
        while (shown := mwaa.get_environment(Name="slow")["Environment"])["Status"] == "CREATING" and time.monotonic() < until:
            time.sleep(0.02)
        assert shown["Status"] == "AVAILABLE"
        mwaa.update_environment(Name="slow", AirflowVersion="2.10.3")
        assert mwaa.get_environment(Name="slow")["Environment"]["Status"] == "CREATING_SNAPSHOT"
        site = Site(server, shown["WebserverUrl"])
        token = mwaa.create_cli_token(Name="slow")["CliToken"]
        assert site("POST", "/aws_mwaa/cli", "version", Authorization=f"Bearer {token}")[0] == 200
        admin("POST", "/_standin/clock", {"advance": "61s"})
        assert site("POST", "/aws_mwaa/cli", "version", Authorization=f"Bearer {token}")[0] == 403

    # What was under way goes on after a restart.
    with Standin("--log", "warn", "--data-dir", str(tmp_path), "--transitions", "mwaa=0s") as server:
        mwaa, admin = make(server, "mwaa"), Admin(server.url)
        assert mwaa.get_environment(Name="slow")["Environment"]["Status"] == "CREATING_SNAPSHOT"
        admin("POST", "/_standin/clock", {"advance": "3h"})
        assert settled(mwaa, "slow")["AirflowVersion"] == "2.10.3"
        site = Site(server, mwaa.get_environment(Name="slow")["Environment"]["WebserverUrl"])
        session = signed_in(site, mwaa.create_web_login_token(Name="slow")["WebToken"])
        assert site("GET", "/home", Cookie=session)[0] == 200
        admin("POST", "/_standin/clock", {"advance": "12h"})
        status, _, page = site("GET", "/home", Cookie=session)
        assert status == 401 and "Your session has expired." in page.decode() and "create-web-login-token" in page.decode()
