"""A forge for tests: repositories by HTTP, with a password, and pull requests by the API of Gitea."""

import base64
import json
import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs


class Forge:
    """`with Forge(folder, "me", "s3cret") as forge`: what lies in the folder as owner/name.git is there by HTTP."""

    def __init__(self, folder, user, password, api_token=None):
        self.folder = folder
        self.basic = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self.token = f"token {api_token or password}"
        self.pulls = []
        self.refused = 0
        self.asked = []
        self.lock = threading.Lock()

    def __enter__(self):
        forge = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                forge.serve(self)

            do_GET = do_POST = do_PATCH = answer

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def serve(self, request):
        body = self.body(request)
        path, _, query = request.path.partition("?")
        if path.startswith("/api/v1/repos/"):
            status, answer = self.api(request, path.split("/")[4:], query, body)
            return self.send(request, status, json.dumps(answer).encode(), "application/json")
        if request.headers.get("Authorization") != self.basic:
            self.refused += 1
            return self.send(request, 401, b"who are you?", "text/plain", [("WWW-Authenticate", 'Basic realm="git"')])
        self.git(request, path, query, body)

    def body(self, request):
        if request.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(request.rfile.readline().split(b";")[0], 16):
                parts.append(request.rfile.read(size))
                request.rfile.readline()
            request.rfile.readline()
            return b"".join(parts)
        return request.rfile.read(int(request.headers.get("Content-Length") or 0))

    def send(self, request, status, body, kind, more=()):
        request.send_response(status)
        for name, value in [("Content-Type", kind), ("Content-Length", str(len(body))), *more]:
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)

    def git(self, request, path, query, body):
        """git's own CGI program."""
        variables = {
            "GIT_PROJECT_ROOT": str(self.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REMOTE_USER": "me",
            "REMOTE_ADDR": "127.0.0.1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": request.command,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
        }
        done = subprocess.run(["git", "http-backend"], input=body, env={**os.environ, **variables}, capture_output=True, check=False)
        head, _, rest = done.stdout.partition(b"\r\n\r\n")
        headers = [line.split(": ", 1) for line in head.decode().split("\r\n")]
        status = next((int(value.split()[0]) for name, value in headers if name == "Status"), 200)
        kind = next((value for name, value in headers if name == "Content-Type"), "text/plain")
        self.send(request, status, rest, kind)

    def heads(self, name):
        out = subprocess.run(["git", "for-each-ref", "--format=%(refname:short)", "refs/heads"], cwd=self.folder / f"{name}.git", capture_output=True, text=True, check=True)
        return out.stdout.split()

    def api(self, request, rest, query, body):
        """What Gitea answers, as far as it is asked here."""
        owner, repository, *rest = rest
        self.asked.append((request.command, "/".join(rest)))
        if request.headers.get("Authorization") != self.token:
            return 401, {"message": "token is required"}
        given = json.loads(body) if body else {}
        with self.lock:
            if rest == ["pulls"] and request.command == "GET":
                page = int(parse_qs(query).get("page", ["1"])[0])
                return 200, self.pulls[::-1] if page == 1 else []
            if rest == ["pulls"]:
                if given["head"] not in self.heads(f"{owner}/{repository}"):
                    return 404, {"message": "no such branch"}
                if any(pull["head"]["ref"] == given["head"] and pull["state"] == "open" for pull in self.pulls):
                    return 409, {"message": "pull request already exists"}
                number = len(self.pulls) + 1
                side = {"repo_id": 1}
                self.pulls.append(
                    {
                        "number": number, "title": given["title"], "body": given["body"], "state": "open", "merged": False,
                        "html_url": f"{self.url}/{owner}/{repository}/pulls/{number}",
                        "head": {"ref": given["head"], **side}, "base": {"ref": given["base"], **side},
                    }  # fmt: skip
                )
                return 201, self.pulls[-1]
            if rest[:1] == ["pulls"]:
                pull = self.pulls[int(rest[1]) - 1]
                pull.update(given)
                return 200, pull
        return 404, {"message": "not here"}
