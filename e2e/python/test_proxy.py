"""Programs with no endpoint setting at all, and clients that prepend host prefixes."""

import os
import subprocess
import sys
import textwrap

import pytest


@pytest.fixture(scope="module")
def ca(server, tmp_path_factory):
    """The certificate of the server's own CA, as a file."""
    import urllib.request

    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    with urllib.request.urlopen(f"{server.url}/_standin/ca") as answer:
        path.write_bytes(answer.read())
    return path


def run(code, **env):
    """Runs a program in a clean environment."""
    plain = {name: value for name, value in os.environ.items() if not name.upper().startswith("AWS_") and "PROXY" not in name.upper()}
    keys = {"AWS_ACCESS_KEY_ID": "444455556666", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull}
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], env={**plain, **keys, **env}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def proxied(server, ca):
    return {"HTTP_PROXY": server.url, "HTTPS_PROXY": server.url, "NO_PROXY": "", "AWS_CA_BUNDLE": str(ca)}


def test_a_program_without_any_endpoint_setting(server, ca):
    code = """
        import boto3
        print(boto3.client("sts").get_caller_identity()["Account"])
        print(len(boto3.client("mwaa").list_environments()["Environments"]) > 0)
        print(boto3.client("proton").list_services()["services"][0]["arn"].split(":")[2])
        print(boto3.client("s3").get_object(Bucket="birds", Key="heron")["Body"].read() != b"")
        print(len(boto3.client("ec2").describe_instances()["Reservations"]) > 0)
    """
    assert run(code, **proxied(server, ca)).split() == ["444455556666", "True", "proton", "True", "True"]


def test_host_prefixes_over_the_proxy(server, ca):
    code = """
        import boto3
        print(boto3.client("mwaa").create_cli_token(Name="birds")["CliToken"] != "")
        print(boto3.client("s3control").list_jobs(AccountId="444455556666")["Jobs"] != [])
        print(boto3.client("servicediscovery").discover_instances(NamespaceName="n", ServiceName="s")["Instances"] != [])
        stream = boto3.client("lambda").invoke_with_response_stream(FunctionName="heron")["EventStream"]
        print(len(list(stream)) > 0)
    """
    assert run(code, **proxied(server, ca)).split() == ["True"] * 4


def test_kinesis_ignores_endpoints_but_not_proxies(server, ca):
    code = """
        import boto3
        print(boto3.client("kinesis").list_shards(StreamName="birds")["Shards"] != [])
        print(boto3.client("kinesis").describe_stream_summary(StreamARN="arn:aws:kinesis:eu-west-1:444455556666:stream/birds")["StreamDescriptionSummary"]["StreamName"])
    """
    assert run(code, **proxied(server, ca)).split() == ["True", "birds"]


def test_other_hosts_are_refused(server, ca):
    code = """
        import urllib.request, urllib.error
        try:
            urllib.request.urlopen("http://example.com/")
        except urllib.error.HTTPError as error:
            print(error.code)
    """
    assert run(code, **proxied(server, ca)) in ("403", "502")


def test_https_on_the_same_port_with_the_ca(server, ca):
    code = f"""
        import boto3
        print(boto3.client("sts", endpoint_url="https://localhost:{server.port}").get_caller_identity()["Account"])
        print(boto3.client("sts", endpoint_url="https://127.0.0.1:{server.port}").get_caller_identity()["Account"])
    """
    assert run(code, AWS_CA_BUNDLE=str(ca)).split() == ["444455556666"] * 2


def test_endpoint_variable_and_host_prefix_variable(server):
    code = """
        import boto3
        print(len(boto3.client("mwaa").list_environments()["Environments"]) > 0)
    """
    assert run(code, AWS_ENDPOINT_URL=server.url, AWS_DISABLE_HOST_PREFIX_INJECTION="true") == "True"
