"""moto's server for tests of what standin asks of AWS, and a proxy before it that slows, refuses and loses calls."""

import http.client
import json
import os
import subprocess
import sys
import threading
import urllib.parse
import urllib.request
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest

from protons import REGION, polled
from serve import ROOT, free_port

REQUIREMENTS = Path(__file__).parent / "requirements-moto.txt"


def program():
    """moto's server: `MOTO_SERVER`, else that of an environment in the target folder, which is made where it is missing."""
    if given := os.environ.get("MOTO_SERVER"):
        return Path(given)
    folder = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "venv-moto"
    made = folder / "requirements.txt"
    if not made.exists() or made.read_text() != REQUIREMENTS.read_text():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip = [folder / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS]
        if subprocess.run(pip, timeout=600).returncode:
            pytest.skip("moto is not installed and cannot be: is PyPI reachable? Or set MOTO_SERVER to a moto_server")
        made.write_text(REQUIREMENTS.read_text())
    return folder / "bin/moto_server"


class Moto:
    """moto's server on a free port, with clients as any account."""

    def __init__(self, folder):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = (Path(folder) / "moto.log").open("w")
        command = [str(program()), "-H", "127.0.0.1", "-p", str(self.port)]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)
        for _ in polled(lambda: self.process.poll()):
            try:
                urllib.request.urlopen(self.url + "/moto-api/", timeout=5).close()
                return
            except OSError:
                assert self.process.poll() is None, Path(self.log.name).read_text()

    def client(self, service, account, region=REGION):
        """As the root of an account: moto tells accounts apart by the role that was assumed."""
        base = {"region_name": region, "endpoint_url": self.url}
        sts = boto3.client("sts", aws_access_key_id="test", aws_secret_access_key="test", **base)
        keys = sts.assume_role(RoleArn=f"arn:aws:iam::{account}:role/test", RoleSessionName="test")["Credentials"]
        return boto3.client(
            service,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
            **base,
        )

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.log.close()


class Proxy:
    """Stands before a server: passes calls on and counts them, and does what a test asks for.

    `busy`: stacks show that they are still being made. `hold(action)`: the answer of a call is kept until the block ends.
    `trouble`: what becomes of the next calls: a status and a code, or None where the connection is lost.
    `rewrite`: what is made of the JSON that an action answers with. `amend`: what the server gets of the JSON of an action.
    """

    def __init__(self, url):
        self.target = urllib.parse.urlsplit(url)
        self.busy, self.held, self.trouble, self.rewrite, self.amend = False, {}, [], {}, {}
        self.reached = threading.Event()
        self.calls = Counter()
        self.inputs = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def pass_on(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                status, headers, answer = proxy.answer(self.command, self.path, self.headers, body)
                if status is None:
                    self.close_connection = True
                    self.connection.close()
                    return
                self.send_response(status)
                for name, value in headers:
                    if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                        self.send_header(name, value)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_POST = do_GET = do_PUT = do_DELETE = do_HEAD = pass_on

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # Whoever was killed meanwhile does not read its answer.

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, method, path, headers, body):
        fields = dict(urllib.parse.parse_qsl(body.decode(errors="replace"))) if b"Action=" in body else {}
        target = headers.get("x-amz-target") or ""
        action = fields.get("Action") or target.rpartition(".")[2] or f"{method} {path.partition('?')[0]}"
        self.calls[action] += 1
        self.inputs.append((action, fields or body))
        if self.trouble:
            what = self.trouble.pop()
            if what is None:
                return None, (), b""
            status, code = what
            xml = f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>later</Message></Error></ErrorResponse>"
            return status, [("content-type", "text/xml")], xml.encode()
        headers = {name: value for name, value in headers.items() if name.lower() != "content-length"}
        if change := self.amend.get(action):
            body = json.dumps(change(json.loads(body))).encode()
        connection = http.client.HTTPConnection(self.target.hostname, self.target.port, timeout=60)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        status, more, content = answer.status, answer.getheaders(), answer.read()
        connection.close()
        if self.busy and action == "DescribeStacks":
            for what in (b"CREATE", b"UPDATE"):
                content = content.replace(what + b"_COMPLETE</StackStatus>", what + b"_IN_PROGRESS</StackStatus>")
        if (change := self.rewrite.get(action)) and status == 200:
            content = json.dumps(change(json.loads(content))).encode()
        if held := self.held.get(action):
            self.reached.set()
            held.wait(60)
        return status, more, content

    @contextmanager
    def hold(self, action):
        """The answers to an action are kept back; `reached` is set once there is one."""
        self.reached.clear()
        self.held[action] = threading.Event()
        try:
            yield
        finally:
            self.held.pop(action).set()

    def asked(self, action):
        """The inputs of all calls of an action."""
        return [json.loads(given) if isinstance(given, bytes) else given for name, given in self.inputs if name == action]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
