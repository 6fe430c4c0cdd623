"""`standin run --guard`: what a command sends to AWS itself does not get there, and is told."""

import os
import subprocess
import sys

import pytest

BINARY = os.environ["STANDIN_BIN"]
STS = "https://sts.us-east-1.amazonaws.com"


def guarded(program, *flags, **env):
    return subprocess.run(
        [BINARY, "run", "--guard", *flags, "--", sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **env},
    )


def test_what_goes_to_standin_is_fine():
    done = guarded('import boto3; print(boto3.client("sts").get_caller_identity()["Account"])')
    assert (done.returncode, done.stdout) == (0, "000000000000\n")
    assert "the guard" not in done.stderr


@pytest.mark.parametrize(
    ("service", "call", "host", "told"),
    [
        ("sts", "get_caller_identity()", "sts.us-east-1.amazonaws.com", "sts GetCallerIdentity"),
        ("dynamodb", "list_tables()", "dynamodb.eu-west-1.amazonaws.com", "dynamodb ListTables"),
        ("s3", 'get_object(Bucket="prod", Key="a")', "s3.amazonaws.com", "s3 GetObject"),
    ],
)
def test_what_goes_to_aws_is_refused_and_told(service, call, host, told):
    done = guarded(f'import boto3; boto3.client("{service}", endpoint_url="https://{host}").{call}')
    assert done.returncode == 3
    assert "AccessDenied" in done.stderr and "nothing was sent to AWS" in done.stderr
    [leak] = [line for line in done.stderr.splitlines() if line.startswith("  ") and "tried to reach" in line and "(process" in line]
    assert f"{host} ({told})" in leak
    assert os.path.basename(sys.executable) in leak


def test_programs_that_trust_nobody_are_told_by_host():
    program = f"""
import http.client, os, ssl, urllib.request
try: urllib.request.urlopen("{STS}/", context=ssl.create_default_context(cafile=None, capath="/nonexistent", cadata=open("/etc/ssl/certs/ca-certificates.crt").read()))
except Exception as error: print("failed")
"""
    done = guarded(program)
    assert done.returncode == 3 and "sts.us-east-1.amazonaws.com" in done.stderr, done.stderr


def test_plain_http_is_guarded_too():
    done = guarded('import urllib.request; urllib.request.urlopen("http://s3.amazonaws.com/bucket/key")')
    assert done.returncode == 3 and "s3.amazonaws.com (s3 GetObject)" in done.stderr


def test_real_keys_are_warned_of(tmp_path):
    (tmp_path / "credentials").write_text("[prod]\naws_access_key_id = ASIAQWERTYUIOPASDFGH\n")
    done = guarded(
        'import os; print(os.environ["AWS_ACCESS_KEY_ID"])',
        AWS_ACCESS_KEY_ID="AKIAQWERTYUIOPASDFGH",
        AWS_SHARED_CREDENTIALS_FILE=str(tmp_path / "credentials"),
    )
    assert (done.returncode, done.stdout) == (0, "test\n")
    assert "AKIA…DFGH" in done.stderr and "ASIA…DFGH" in done.stderr
    assert "QWERTY" not in done.stderr


ISOLATES = subprocess.run(
    ["unshare", "--user", "--map-current-user", "--keep-caps", "--net", "--", "ip", "link", "set", "lo", "up"],
    capture_output=True,
).returncode == 0 if os.path.exists("/usr/bin/unshare") else False


@pytest.mark.skipif(not ISOLATES, reason="programs may not have networks of their own here")
class TestIsolation:
    def test_the_server_is_there(self):
        done = guarded('import boto3; print(boto3.client("sts").get_caller_identity()["Account"])', "--isolate")
        assert (done.returncode, done.stdout) == (0, "000000000000\n"), done.stderr

    def test_nothing_else_is_there(self, server):
        port = server.url.rsplit(":", 1)[1]
        program = f"""
import socket
for address in [("127.0.0.1", {port}), ("192.0.2.1", 443)]:
    try: socket.create_connection(address, 5); print("connected")
    except OSError as error: print(error.strerror)
"""
        done = guarded(program, "--isolate")
        assert done.stdout == "Connection refused\nNetwork is unreachable\n", done.stderr

    def test_leaks_are_told_by_their_program(self):
        done = guarded(f'import boto3; boto3.client("sts", endpoint_url="{STS}").get_caller_identity()', "--isolate")
        assert done.returncode == 3
        assert "sts.us-east-1.amazonaws.com (sts GetCallerIdentity)" in done.stderr
        assert f"{os.path.basename(sys.executable)} -c (process" in done.stderr, done.stderr

    def test_the_command_keeps_its_exit_code(self):
        assert guarded("raise SystemExit(7)", "--isolate").returncode == 7
