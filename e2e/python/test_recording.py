"""Recorded from another standin by boto3, then replayed without it."""

import concurrent.futures
import os
import subprocess
import sys
import textwrap

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from conftest import ACCOUNT, REGION, Admin, make
from serve import Standin, binary

NO_KEYS = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_PROFILE": "", "HOME": "/nonexistent"}


@pytest.fixture(scope="module")
def upstream():
    with Standin("--log", "warn") as running:
        yield running


def recording(upstream, folder, *more, log="warn", env=None):
    return Standin("--record", str(folder), "--upstream", upstream.url, "--log", log, *more, env={**NO_KEYS, **(env or {})})


def replaying(folder, *more):
    return Standin("--replay", str(folder), "--log", "warn", *more, env=NO_KEYS)


def plain(answer):
    """An answer without what belongs to the request."""
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


BODY = bytes(range(256)) * 4096


def things(server):
    """Calls of several protocols, errors and bodies among them."""
    seen = []
    sqs, s3, dynamodb, iam, ec2 = (make(server, name) for name in ("sqs", "s3", "dynamodb", "iam", "ec2"))
    url = sqs.create_queue(QueueName="birds")["QueueUrl"]
    seen.append(url)
    seen.append(plain(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])))
    try:
        sqs.get_queue_url(QueueName="grebes")
    except ClientError as error:
        seen.append((type(error).__name__, error.response["Error"], error.response["ResponseMetadata"]["HTTPStatusCode"]))
    s3.create_bucket(Bucket="birds", CreateBucketConfiguration={"LocationConstraint": REGION})
    seen.append(plain(s3.put_object(Bucket="birds", Key="heron", Body=BODY, Metadata={"kind": "wader"})))
    got = s3.get_object(Bucket="birds", Key="heron")
    seen.append((got["Body"].read() == BODY, got["ETag"], got["Metadata"], got["LastModified"], got["ContentLength"]))
    part = s3.get_object(Bucket="birds", Key="heron", Range="bytes=10-19")
    seen.append((part["Body"].read(), part["ContentRange"], part["ResponseMetadata"]["HTTPStatusCode"]))
    s3.put_object(Bucket="birds", Key="nothing", Body=b"")
    seen.append(s3.get_object(Bucket="birds", Key="nothing")["Body"].read())
    try:
        s3.get_object(Bucket="birds", Key="stork")
    except s3.exceptions.NoSuchKey as error:
        seen.append(error.response["Error"])
    try:
        s3.head_object(Bucket="birds", Key="stork")
    except ClientError as error:
        seen.append(error.response["Error"])
    dynamodb.create_table(
        TableName="birds",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    seen.append(plain(dynamodb.describe_table(TableName="birds")))
    seen.append(plain(iam.create_role(RoleName="birds", AssumeRolePolicyDocument="{}")))
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    seen.append(plain(ec2.describe_vpcs(VpcIds=[vpc])))
    return seen


def test_what_was_recorded_is_replayed(upstream, tmp_path):
    folder = tmp_path / "tape"
    with recording(upstream, folder) as server:
        recorded = things(server)
        assert Admin(server.url).last("sqs", "GetQueueAttributes")["fidelity"] == "engine"
    # The calls have arrived there, for the account of the caller.
    assert make(upstream, "sqs").get_queue_url(QueueName="birds")["QueueUrl"] == recorded[0]
    Admin(upstream.url)("POST", "/_standin/reset")
    with replaying(folder) as server:
        assert things(server) == recorded
        # Strictly: what was not recorded is answered as ever.
        with pytest.raises(ClientError):
            make(server, "sqs").get_queue_url(QueueName="storks")
        assert make(server, "mwaa").list_environments()["Environments"] == []
    listed = subprocess.run([binary(), "recording", "list", folder], capture_output=True, text=True, check=True).stdout
    assert "QueueDoesNotExist" in listed and "GetObject" in listed


def test_exported_as_responses(upstream, tmp_path):
    folder, rules = tmp_path / "tape", tmp_path / "responses"
    with recording(upstream, folder) as server:
        sqs, s3 = make(server, "sqs"), make(server, "s3")
        url = sqs.create_queue(QueueName="exported")["QueueUrl"]
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "9"})
        s3.create_bucket(Bucket="exported", CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket="exported", Key="k", Body=b"text with {{braces}}")
        s3.get_object(Bucket="exported", Key="k")["Body"].read()
        with pytest.raises(sqs.exceptions.QueueDoesNotExist):
            sqs.get_queue_url(QueueName="grebes")
    subprocess.run([binary(), "recording", "export", folder, "--out", rules], check=True, timeout=30)
    with Standin("--responses", str(rules), env=NO_KEYS) as server:
        sqs, s3 = make(server, "sqs"), make(server, "s3")
        assert sqs.create_queue(QueueName="exported")["QueueUrl"] == url
        assert s3.get_object(Bucket="exported", Key="k")["Body"].read() == b"text with {{braces}}"
        with pytest.raises(sqs.exceptions.QueueDoesNotExist):
            sqs.get_queue_url(QueueName="grebes")


def test_nearest_and_chosen_services(upstream, tmp_path):
    folder = tmp_path / "tape"
    with recording(upstream, folder, "--record-services", "sq*") as server:
        make(server, "sqs").create_queue(QueueName="near")
        url = make(server, "sqs").get_queue_url(QueueName="near")["QueueUrl"]
        make(server, "sns").create_topic(Name="here")
    assert make(upstream, "sns").list_topics()["Topics"] == [], "only what was chosen is passed on"
    assert sorted(path.name for path in folder.iterdir()) == ["sqs"]
    with replaying(folder, "--replay-match", "nearest") as server:
        assert make(server, "sqs").get_queue_url(QueueName="other")["QueueUrl"] == url
    with replaying(folder) as server:
        with pytest.raises(ClientError):
            make(server, "sqs").get_queue_url(QueueName="other")


def test_answers_change_in_the_order_of_the_recording(upstream, tmp_path):
    folder = tmp_path / "tape"
    delays = lambda sqs, url: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["DelaySeconds"])["Attributes"]["DelaySeconds"]
    with recording(upstream, folder) as server:
        sqs = make(server, "sqs")
        url = sqs.create_queue(QueueName="changing")["QueueUrl"]
        before = delays(sqs, url)
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "42"})
        assert (before, delays(sqs, url)) == ("0", "42")
    with replaying(folder) as server:
        sqs = make(server, "sqs")
        assert [delays(sqs, url) for _ in range(3)] == ["0", "42", "42"]
        Admin(server.url)("POST", "/_standin/reset")
        assert delays(sqs, url) == "0"


def test_no_secret_is_written_down(upstream, tmp_path):
    folder = tmp_path / "tape"
    process = tmp_path / "keys.py"
    process.write_text('print(\'{"Version": 1, "AccessKeyId": "444455556666", "SecretAccessKey": "pr0cess-secret", "SessionToken": "pr0cess-token"}\')\n')
    config = tmp_path / "config"
    config.write_text(f"[profile recorder]\ncredential_process = {sys.executable} {process}\n")
    keys = {"AWS_PROFILE": "recorder", "AWS_CONFIG_FILE": str(config), "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    rule = {"service": "secretsmanager", "operation": "GetSecretValue", "merge": {"SecretString": "0pen-sesame"}}
    Admin(upstream.url)("POST", "/_standin/responses", rule)
    with recording(upstream, folder, log="trace", env=keys) as server:
        secrets = make(server, "secretsmanager", account="777788889999")
        secrets.create_secret(Name="door", SecretString="0pen-sesame")
        assert secrets.get_secret_value(SecretId="door")["SecretString"] == "0pen-sesame"
        sts = make(server, "sts").assume_role(RoleArn="arn:aws:iam::444455556666:role/birds", RoleSessionName="heron-session")
        given = sts["Credentials"]
        log = server.log.name
    # Signed with the keys of the process, not with those of the caller.
    assert make(upstream, "secretsmanager").describe_secret(SecretId="door")["Name"] == "door"
    written = "".join(path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file())
    assert "SecretString: REDACTED" in written
    for secret in ("0pen-sesame", "pr0cess-secret", "pr0cess-token", given["SecretAccessKey"], given["SessionToken"], "Signature="):
        assert secret not in written, secret
    text = open(log, errors="replace").read()
    for secret in ("pr0cess-secret", "pr0cess-token", "0pen-sesame"):
        assert secret not in text, secret
    with replaying(folder) as server:
        assert make(server, "secretsmanager").get_secret_value(SecretId="door")["SecretString"] == "REDACTED"


def test_many_at_once(upstream, tmp_path):
    folder = tmp_path / "tape"
    names = [f"queue-{number}" for number in range(60)]
    ask = lambda server: dict(
        concurrent.futures.ThreadPoolExecutor(8).map(
            lambda name: (name, make(server, "sqs").create_queue(QueueName=name)["QueueUrl"]), names
        )
    )
    with recording(upstream, folder) as server:
        recorded = ask(server)
    assert len(list(folder.rglob("*.yaml"))) == len(names)
    with replaying(folder) as server:
        assert ask(server) == recorded


def test_killed_in_the_middle(upstream, tmp_path):
    """Whatever is in the folder after a kill -9 is whole."""
    folder = tmp_path / "tape"
    server = recording(upstream, folder).__enter__()
    try:
        s3 = make(upstream, "s3")
        s3.create_bucket(Bucket="killed", CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket="killed", Key="big", Body=b"x" * (32 << 20))
        client = textwrap.dedent(f"""
            import boto3, itertools
            from botocore.config import Config
            make = lambda name: boto3.client(name, region_name="{REGION}", endpoint_url="{server.url}", aws_access_key_id="{ACCOUNT}",
                aws_secret_access_key="x", config=Config(retries={{"total_max_attempts": 1}}))
            sqs, s3 = make("sqs"), make("s3")
            for number in itertools.count():
                print(sqs.create_queue(QueueName=f"killed-{{number}}")["QueueUrl"], flush=True)
                if number > 20:
                    s3.get_object(Bucket="killed", Key="big")["Body"].read()
        """)
        running = subprocess.Popen([sys.executable, "-c", client], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        urls = [running.stdout.readline().strip() for _ in range(24)]
        server.process.kill()
        server.process.wait()
        running.kill()
        running.wait()
    finally:
        server.process.kill()
    with replaying(folder) as again:
        sqs = make(again, "sqs")
        assert [sqs.create_queue(QueueName=f"killed-{number}")["QueueUrl"] for number in range(24)] == urls
    # Recording goes on, and what was left half-written is gone.
    with recording(upstream, folder) as more:
        make(more, "sqs").create_queue(QueueName="afterwards")
    assert not list(folder.rglob("*.part"))


def test_what_is_elsewhere_may_be_down(tmp_path):
    with Standin("--record", str(tmp_path), "--upstream", "http://127.0.0.1:1", env=NO_KEYS) as server:
        with pytest.raises(ClientError) as caught:
            make(server, "sqs").list_queues()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert "127.0.0.1:1" in caught.value.response["Error"]["Message"]
    assert not list(tmp_path.rglob("*.yaml")), "that is no answer of a service"


def test_settings_that_make_no_sense_are_refused(tmp_path):
    run = lambda *more: subprocess.run([binary(), "serve", "--listen", "127.0.0.1:0", *more], capture_output=True, text=True, timeout=30)
    assert "--upstream" in run("--record", str(tmp_path)).stderr
    assert "neither" in run("--record", str(tmp_path), "--upstream", "ftp://x").stderr
    assert run("--replay", str(tmp_path / "nothing")).returncode != 0
