"""One server for all client tests, and the few helpers that they share."""

import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

import boto3
import botocore.session
import pytest
from botocore.config import Config

sys.path.insert(0, str(Path(__file__).parent))
os.environ.update(AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull, AWS_EC2_METADATA_DISABLED="true")
for name in [name for name in os.environ if name.lower() in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "aws_endpoint_url")]:
    del os.environ[name]

from serve import Standin  # noqa: E402

ACCOUNT = "444455556666"
REGION = "eu-west-1"


def pytest_configure(config):
    # What a thread of a test finds wrong fails the test.
    config.addinivalue_line("filterwarnings", "error::pytest.PytestUnhandledThreadExceptionWarning")


class Admin:
    """The introspection API."""

    def __init__(self, url):
        self.url = url

    def __call__(self, method, path, body=None, headers=None):
        """The parsed JSON answer, or its text; HTTP errors raise."""
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", **(headers or {})},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read().decode()
        try:
            return json.loads(text)
        except ValueError:
            return text

    def requests(self, **filters):
        """Journal entries, the newest last."""
        query = "&".join(f"{name}={value}" for name, value in filters.items())
        return self("GET", f"/_standin/requests?{query}")["requests"]

    def last(self, service, operation):
        return self.requests(service=service, operation=operation, limit=1)[-1]

    def can(self, service, operation, **answer):
        """Installs one canned answer."""
        return self("PUT", "/_standin/responses", [{"service": service, "operation": operation, **answer}])


def make(server, service, *, config=None, account=ACCOUNT, region=REGION, **more):
    """A boto3 client of a server, whose calls are not retried; `config` is of botocore's, `more` of boto3's options."""
    options = {"retries": {"total_max_attempts": 1}, "inject_host_prefix": False, **(config or {})}
    return boto3.session.Session().client(
        service,
        **{
            "region_name": region,
            "endpoint_url": server.url,
            "aws_access_key_id": account,
            "aws_secret_access_key": "standin",
            "config": Config(**options),
            **more,
        },
    )


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    with Standin("--stateless", "--log", "warn", "--data-dir", str(tmp_path_factory.mktemp("data"))) as running:
        yield running
        assert running.alive(), "the server died during the tests"


@pytest.fixture
def admin(server):
    """The introspection API, wiped before and after."""
    admin = Admin(server.url)
    admin("POST", "/_standin/reset")
    yield admin
    admin("POST", "/_standin/reset")


@pytest.fixture
def client(server):
    """Makes clients: `client("sqs", region_name=…, config=dict(…))`."""
    return lambda service, **more: make(server, service, **more)


@pytest.fixture
def resolve_localhost_names(monkeypatch):
    """What most resolvers do and the C library alone does not: `*.localhost` is this machine."""
    import socket

    real = socket.getaddrinfo

    def resolve(host, *more, **options):
        return real("127.0.0.1" if str(host).endswith(".localhost") else host, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
