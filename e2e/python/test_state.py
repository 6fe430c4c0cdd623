"""State that survives, goes to files and back, and moves by the clock: through boto3 and the introspection API."""

import json
import os
import signal
import stat
import subprocess
import urllib.error
import urllib.request

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from conftest import Admin, make
from serve import Standin, binary

ACCOUNT = "123456789012"


def make_client(url, service, account=ACCOUNT, region="eu-west-1", **more):
    keys = {"aws_access_key_id": account, "aws_secret_access_key": "standin", **more}
    return boto3.session.Session().client(service, region_name=region, endpoint_url=url, config=Config(retries={"total_max_attempts": 1}), **keys)


@pytest.fixture
def server():
    with Standin("--log", "warn") as running:
        yield running


@pytest.fixture
def admin(server):
    return Admin(server.url)


def raw(url, path, method="GET", body=None):
    with urllib.request.urlopen(urllib.request.Request(url + path, method=method, data=body), timeout=20) as answer:
        return answer.read()


def fill(url, account=ACCOUNT):
    """One of each: a named resource with tags, one with an id of the service, and an object."""
    make_client(url, "sns", account).create_topic(Name="birds", Tags=[{"Key": "team", "Value": "heron"}])
    make_client(url, "ec2", account).create_vpc(CidrBlock="10.1.0.0/16")
    s3 = make_client(url, "s3", account)
    s3.create_bucket(Bucket="nests", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_object(Bucket="nests", Key="egg", Body=b"\0\1" * 400_000)


def seen(url, account=ACCOUNT):
    vpcs = make_client(url, "ec2", account).describe_vpcs()["Vpcs"]
    s3 = make_client(url, "s3", account)
    buckets = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    egg = s3.get_object(Bucket="nests", Key="egg")["Body"].read() if "nests" in buckets else b""
    topics = [topic["TopicArn"] for topic in make_client(url, "sns", account).list_topics().get("Topics", [])]
    return topics, sorted(vpc["VpcId"] for vpc in vpcs), buckets, egg


def test_a_data_directory_survives_a_kill(tmp_path):
    with Standin("--data-dir", str(tmp_path)) as first:
        fill(first.url)
        before = seen(first.url)
        first.process.send_signal(signal.SIGKILL)
        first.process.wait(10)
    with Standin("--data-dir", str(tmp_path)) as second:
        assert seen(second.url) == before
        fresh = make_client(second.url, "ec2").create_vpc(CidrBlock="10.2.0.0/16")["Vpc"]["VpcId"]
        assert fresh not in before[1]
        refused = subprocess.run([str(binary()), "serve", "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path)], capture_output=True, text=True, timeout=30)
        assert refused.returncode == 1
        assert "uses it" in refused.stderr
    with Standin("--data-dir", str(tmp_path), "--ephemeral") as third:
        assert seen(third.url) == ([], [], [], b"")


def test_save_and_load(server, admin, tmp_path):
    fill(server.url)
    before = seen(server.url)
    saved = raw(server.url, "/_standin/state")
    lines = [json.loads(line) for line in saved.splitlines()]
    assert lines[0]["format"] == "standin-state"
    assert all(line.get("account", ACCOUNT) == ACCOUNT for line in lines[1:])
    admin("DELETE", "/_standin/state")
    assert seen(server.url) == ([], [], [], b"")
    assert json.loads(raw(server.url, "/_standin/state", "PUT", saved))["rows"] > 2
    assert seen(server.url) == before
    assert raw(server.url, "/_standin/state") == saved

    make_client(server.url, "sns").create_topic(Name="more")
    raw(server.url, "/_standin/state?mode=merge", "POST", saved)
    assert len(seen(server.url)[0]) == 2
    raw(server.url, "/_standin/state?mode=replace", "POST", saved)
    assert len(seen(server.url)[0]) == 1

    # Into another server, at its start.
    file = tmp_path / "birds.jsonl"
    file.write_bytes(saved)
    with Standin("--load", str(file), "--data-dir", str(tmp_path / "data")) as other:
        assert seen(other.url) == before


def test_a_broken_file_changes_nothing(server, admin):
    fill(server.url)
    before = seen(server.url)
    saved = raw(server.url, "/_standin/state")
    for broken, part in [(saved[: len(saved) * 2 // 3], "line "), (b"{}", "no saved state"), (b"", "header"), (saved.replace(b'"version":1', b'"version":9', 1), "version 9")]:
        with pytest.raises(urllib.error.HTTPError) as caught:
            raw(server.url, "/_standin/state", "PUT", broken)
        assert caught.value.code == 400
        assert part in json.loads(caught.value.read())["error"]
        assert seen(server.url) == before


def test_reset_takes_what_is_picked(server, admin):
    other = "999988887777"
    for account in (ACCOUNT, other):
        fill(server.url, account)
    admin("DELETE", f"/_standin/state?account={other}&service=sns")
    assert [len(part) for part in seen(server.url, other)][:3] == [0, 1, 1]
    assert [len(part) for part in seen(server.url)][:3] == [1, 1, 1]
    admin("DELETE", f"/_standin/state?account={other}")
    assert seen(server.url, other) == ([], [], [], b"")

    sns = make_client(server.url, "sns")
    sns.create_topic(Name="plain")
    s3 = make_client(server.url, "s3")
    s3.put_bucket_tagging(Bucket="nests", Tagging={"TagSet": [{"Key": "team", "Value": "heron"}]})
    assert admin("DELETE", "/_standin/state?tag=team%3Dgrebe") == {"resources": 0}
    assert admin("DELETE", "/_standin/state?tag=team%3Dheron") == {"resources": 2}
    topics, vpcs, buckets, _ = seen(server.url)
    assert [topic.rpartition(":")[2] for topic in topics] == ["plain"]
    assert (len(vpcs), buckets) == (1, [])
    admin("POST", "/_localstack/state/reset")
    assert seen(server.url) == ([], [], [], b"")


def test_branches(server, admin):
    fill(server.url)
    first = admin("POST", "/_standin/state/commit", {"message": "nests"})
    with pytest.raises(urllib.error.HTTPError) as caught:
        admin("POST", "/_standin/state/commit", {"message": "again"})
    assert caught.value.code == 409
    before = seen(server.url)
    admin("POST", "/_standin/state/branches", {"name": "trial"})
    make_client(server.url, "sns").create_topic(Name="more")
    s3 = make_client(server.url, "s3")
    s3.delete_object(Bucket="nests", Key="egg")
    s3.put_object(Bucket="nests", Key="egg", Body=b"another")
    changes = admin("GET", "/_standin/state/diff")["changes"]
    assert {"added", "changed"} <= {change["change"] for change in changes}
    assert any(change["service"] == "sns" and change["change"] == "added" for change in changes)
    second = admin("POST", "/_standin/state/commit", {"message": "more"})
    assert [commit["message"] for commit in admin("GET", "/_standin/state/log")["commits"]] == ["more", "nests"]
    admin("POST", "/_standin/state/checkout", {"name": "trial"})
    assert seen(server.url) == before
    admin("POST", "/_standin/state/checkout", {"name": second["id"][:10]})
    assert (len(seen(server.url)[0]), seen(server.url)[3]) == (2, b"another")
    assert admin("GET", f"/_standin/state/diff?from={first['id']}&to=trial")["changes"] == []
    assert {branch["name"] for branch in admin("GET", "/_standin/state/branches")["branches"]} == {"main", "trial"}


def test_transitions_follow_the_clock():
    with Standin("--clock", "2026-01-01T00:00:00Z", "--transitions", "eks=10m") as running:
        admin = Admin(running.url)
        assert admin("GET", "/_standin/clock")["now"] == "2026-01-01T00:00:00Z"
        eks = make_client(running.url, "eks")
        eks.create_cluster(name="birds", roleArn=f"arn:aws:iam::{ACCOUNT}:role/eks", resourcesVpcConfig={})
        status = lambda: eks.describe_cluster(name="birds")["cluster"]["status"]  # noqa: E731
        assert status() == "CREATING"
        admin("POST", "/_standin/clock", {"advance": "9m59s"})
        assert status() == "CREATING"
        assert admin("POST", "/_standin/clock", {"advance": "1s"})["now"] == "2026-01-01T00:10:00Z"
        assert status() == "ACTIVE"
        eks.get_waiter("cluster_active").wait(name="birds", WaiterConfig={"Delay": 0, "MaxAttempts": 1})
        assert eks.delete_cluster(name="birds")["cluster"]["status"] == "DELETING"
        assert status() == "DELETING"
        with pytest.raises(eks.exceptions.ResourceInUseException):
            eks.create_cluster(name="birds", roleArn=f"arn:aws:iam::{ACCOUNT}:role/eks", resourcesVpcConfig={})
        admin("POST", "/_standin/clock", {"advance": "10m"})
        with pytest.raises(eks.exceptions.ResourceNotFoundException):
            status()
        assert eks.list_clusters()["clusters"] == []
        eks.create_cluster(name="birds", roleArn=f"arn:aws:iam::{ACCOUNT}:role/eks", resourcesVpcConfig={})
        assert status() == "CREATING"
        assert admin("PUT", "/_standin/services/eks", {"transitions": "instant"})["transitions"] == "instant"
        eks.create_cluster(name="second", roleArn=f"arn:aws:iam::{ACCOUNT}:role/eks", resourcesVpcConfig={})
        assert eks.describe_cluster(name="second")["cluster"]["status"] == "ACTIVE"


def test_modes_change_at_run_time(server, admin):
    sns = make_client(server.url, "sns")
    assert sns.list_topics()["Topics"] == []
    assert admin("PUT", "/_standin/services/sns", {"mode": "stateless"})["mode"] == "stateless"
    assert sns.list_topics()["Topics"]
    admin("PUT", "/_standin/services/s3", {"mode": "stateless"})
    assert make_client(server.url, "s3").get_object(Bucket="any", Key="any")["Body"].read() is not None
    admin("PUT", "/_standin/services/sns", {"mode": "stateful"})
    assert sns.list_topics()["Topics"] == []
    with pytest.raises(urllib.error.HTTPError):
        admin("PUT", "/_standin/services/sns", {"mode": "half"})


def test_sessions_act_in_the_account_of_the_role(server):
    sts = make_client(server.url, "sts")
    assert sts.get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
    answer = sts.assume_role(RoleArn="arn:aws:iam::999988887777:role/team/admin", RoleSessionName="heron")
    keys = answer["Credentials"]
    assumed = make_client(server.url, "sts", keys["AccessKeyId"], aws_secret_access_key=keys["SecretAccessKey"], aws_session_token=keys["SessionToken"])
    identity = assumed.get_caller_identity()
    assert identity["Account"] == "999988887777"
    assert identity["Arn"] == "arn:aws:sts::999988887777:assumed-role/admin/heron" == answer["AssumedRoleUser"]["Arn"]
    assert identity["UserId"] == answer["AssumedRoleUser"]["AssumedRoleId"]
    there = make_client(server.url, "sns", keys["AccessKeyId"]).create_topic(Name="t")["TopicArn"]
    assert there == "arn:aws:sns:eu-west-1:999988887777:t"
    assert make_client(server.url, "sns").list_topics()["Topics"] == []
    assert len(make_client(server.url, "sns", "999988887777").list_topics()["Topics"]) == 1
    assert sts.get_access_key_info(AccessKeyId=keys["AccessKeyId"])["Account"] == "999988887777"


def write_script(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_init_hooks_run_in_order(tmp_path):
    hooks, log = tmp_path / "hooks", tmp_path / "log"
    seed = [{"service": "sns", "operation": "CreateTopic", "input": {"Name": "seeded"}}, {"service": "s3", "operation": "CreateBucket", "region": "us-east-1", "input": {"Bucket": "seeded"}}]
    hooks.mkdir()
    (hooks / "10-seed.json").write_text(json.dumps(seed))
    write_script(hooks / "20-script.sh", f'#!/bin/sh\necho "$AWS_ENDPOINT_URL $AWS_ACCESS_KEY_ID" >> {log}\n')
    (hooks / "30-script.py").write_text(f"open({str(log)!r}, 'a').write('python\\n')\n")
    write_script(hooks / "shutdown.d/end.sh", f"#!/bin/sh\necho end >> {log}\n")
    with Standin("--init", str(hooks), "--account", ACCOUNT, "--region", "eu-west-1") as running:
        admin = Admin(running.url)
        told = admin("GET", "/_localstack/init")
        assert told["completed"] == {"BOOT": True, "START": True, "READY": True, "SHUTDOWN": False}
        ready = [(script["name"], script["state"]) for script in told["scripts"] if script["stage"] == "READY"]
        assert ready == [(name, "SUCCESSFUL") for name in ("10-seed.json", "20-script.sh", "30-script.py")]
        assert admin("GET", "/_localstack/init/shutdown")["scripts"] == [{"stage": "SHUTDOWN", "name": "end.sh", "state": "UNKNOWN"}]
        assert len(make_client(running.url, "sns").list_topics()["Topics"]) == 1
        assert [bucket["Name"] for bucket in make_client(running.url, "s3").list_buckets()["Buckets"]] == ["seeded"]
        assert log.read_text().splitlines() == [f"{running.url} {ACCOUNT}", "python"]
    assert log.read_text().splitlines()[-1] == "end"


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("fail.sh", "#!/bin/sh\necho broken pipes\nexit 3\n", "broken pipes"),
        ("bad.json", '[{"service": "sns", "operation": "CreateTopik"}]', "CreateTopik"),
        ("refused.json", '[{"service": "sns", "operation": "DeleteTopic", "input": {}}]', "refused.json"),
    ],
)
def test_init_hooks_fail_loudly(tmp_path, name, text, part):
    (tmp_path / name).write_text(text)
    done = subprocess.run([str(binary()), "serve", "--listen", "127.0.0.1:0", "--init", str(tmp_path)], capture_output=True, text=True, timeout=30, env={**os.environ})
    assert done.returncode == 1
    assert "Ready." not in done.stdout
    assert part in done.stderr and name in done.stderr


def test_unknown_sessions_are_no_error(server):
    with pytest.raises(ClientError):
        make_client(server.url, "sts").assume_role(RoleArn="no ARN of any role at all\n", RoleSessionName="heron!")
    assert make_client(server.url, "sts", "LSIAAAAAAAAAAAAAAAAA").get_caller_identity()["Account"] == "000000000000"


def test_client_tokens_last_eight_hours():
    with Standin("--clock", "2026-01-01T00:00:00Z") as running:
        admin = Admin(running.url)
        fsx = make_client(running.url, "fsx")
        asked = {"FileSystemType": "LUSTRE", "StorageCapacity": 1200, "SubnetIds": ["subnet-0123456789abcdef0"], "ClientRequestToken": "one"}
        first = fsx.create_file_system(**asked)["FileSystem"]["FileSystemId"]
        admin("POST", "/_standin/clock", {"advance": "7h59m"})
        assert fsx.create_file_system(**asked)["FileSystem"]["FileSystemId"] == first
        with pytest.raises(fsx.exceptions.IncompatibleParameterError):
            fsx.create_file_system(**{**asked, "StorageCapacity": 2400})
        admin("POST", "/_standin/clock", {"advance": "1m"})
        assert fsx.create_file_system(**asked)["FileSystem"]["FileSystemId"] != first
        assert len(fsx.describe_file_systems()["FileSystems"]) == 2


def test_explain_tells_the_role(server, admin):
    answer = make_client(server.url, "logs").create_log_group(logGroupName="herons")
    told = admin("GET", f"/_standin/explain/{answer['ResponseMetadata']['RequestId']}")
    assert told["fidelity"] == "stateful"
    assert told["decisions"][0] == "its lifecycle's role: Create of the type LogGroup"


def test_lists_by_prefix_page(server):
    events = make_client(server.url, "events")
    for number in range(30):
        events.put_rule(Name=f"{'heron' if number % 2 else 'grebe'}-{number:02}", ScheduleExpression="rate(5 minutes)")
    found, token = [], {}
    while True:
        page = events.list_rules(NamePrefix="heron-", Limit=4, **token)
        assert len(page["Rules"]) <= 4
        found += [rule["Name"] for rule in page["Rules"]]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert found == [f"heron-{number:02}" for number in range(1, 30, 2)]
    assert events.list_rules(NamePrefix="stork")["Rules"] == []


def test_what_is_there_without_being_made_is_counted(server):
    iam = make(server, "iam")
    arn = iam.create_policy(PolicyName="nests", PolicyDocument='{"Version": "2012-10-17", "Statement": []}')["Policy"]["Arn"]
    made = [iam.create_policy_version(PolicyArn=arn, PolicyDocument="{}")["PolicyVersion"]["VersionId"] for _ in range(2)]
    assert made == ["v2", "v3"]
    assert sorted(version["VersionId"] for version in iam.list_policy_versions(PolicyArn=arn)["Versions"]) == ["v1", "v2", "v3"]
