"""Terraform for tests: the program, folders that it runs in, and standin's state backend."""

import http.client
import json
import os
import shutil
import subprocess
import urllib.parse

import pytest

# Terraform asks a server of its maker for newer versions, unless told not to.
QUIET = {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1", "TF_INPUT": "0"}
SECONDS_MAX = 120


def program():
    """Terraform, or OpenTofu; the test is skipped where neither is installed."""
    found = shutil.which("terraform") or shutil.which("tofu")
    if found is None:
        pytest.skip("neither terraform nor tofu is installed")
    return found


def ask(server, method, path, body=None, headers=None):
    """The status, the headers and the body of an answer; sends any method."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection.request(method, "/_standin/proton/terraform/" + path, body=data, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def told(server, path, method="GET", **more):
    """The parsed body of an answer that went well."""
    status, _, body = ask(server, method, path, **more)
    assert status == 200, (status, body)
    return json.loads(body)


class Folder:
    """A folder with Terraform's files whose state a server keeps."""

    def __init__(self, folder, server, key, main, account="000000000000", region="eu-west-1"):
        self.folder, self.server, self.program = folder, server, program()
        self.place = f"{account}/{region}/{key}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "main.tf").write_text('terraform {\n  backend "http" {}\n}\n' + main)

    def environment(self):
        address = f"{self.server.url}/_standin/proton/terraform/state/{urllib.parse.quote(self.place)}"
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("TF_")},
            **QUIET,
            "TF_HTTP_ADDRESS": address,
            "TF_HTTP_LOCK_ADDRESS": address,
            "TF_HTTP_UNLOCK_ADDRESS": address,
            "TF_HTTP_RETRY_WAIT_MIN": "1",
        }

    def start(self, *arguments):
        command = [self.program, f"-chdir={self.folder}", *arguments]
        return subprocess.Popen(command, env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def run(self, *arguments, status=0):
        """What a command says; it has to end with that status."""
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=SECONDS_MAX)
        assert process.returncode == status, output
        return output

    def init(self):
        return self.run("init", "-no-color", "-input=false")

    def apply(self, *arguments, status=0):
        return self.run("apply", "-no-color", "-input=false", "-auto-approve", *arguments, status=status)

    def outputs(self):
        command = [self.program, f"-chdir={self.folder}", "output", "-json"]
        said = subprocess.run(command, env=self.environment(), capture_output=True, text=True, check=True, timeout=SECONDS_MAX)
        return {name: output["value"] for name, output in json.loads(said.stdout).items()}
