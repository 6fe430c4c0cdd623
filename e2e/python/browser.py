"""A headless Chromium, driven through chromedriver by plain WebDriver (W3C) over HTTP."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from serve import free_port

ARGUMENTS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--window-size=1400,1000",
    # standin's certificate is its own authority's.
    "--ignore-certificate-errors",
]
WAIT_SECONDS = 90
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


def missing():
    """What of the browser is not installed; nothing where all is."""
    absent = [name for name in ("chromium", "chromedriver") if not shutil.which(name)]
    return f"{' and '.join(absent)} not installed: apt-get install -y chromium chromium-driver" if absent else None


class Browser:
    def __enter__(self):
        port = free_port()
        self.home = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        self.driver = subprocess.Popen(
            [shutil.which("chromedriver"), f"--port={port}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "HOME": self.home.name},
        )
        self.base = f"http://127.0.0.1:{port}"
        self.session = None
        until = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                if self._call("GET", "/status")["ready"]:
                    break
            except (urllib.error.URLError, ConnectionError):
                assert time.monotonic() < until and self.driver.poll() is None, "chromedriver did not start"
                time.sleep(0.1)
        options = {"binary": shutil.which("chromium"), "args": [*ARGUMENTS, f"--user-data-dir={self.home.name}/profile"]}
        capabilities = {"alwaysMatch": {"browserName": "chrome", "acceptInsecureCerts": True, "goog:chromeOptions": options}}
        self.session = self._call("POST", "/session", {"capabilities": capabilities})["sessionId"]
        return self

    def __exit__(self, *_error):
        if self.session:
            self("DELETE", "")
        self.driver.terminate()
        self.driver.wait(10)
        self.home.cleanup()

    def _call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=WAIT_SECONDS * 2) as answer:
            return json.load(answer)["value"]

    def __call__(self, method, path, body=None):
        return self._call(method, f"/session/{self.session}{path}", body)

    def go(self, url):
        self("POST", "/url", {"url": url})

    @property
    def url(self):
        return self("GET", "/url")

    def run(self, script, *arguments):
        """What a function body gives within the page."""
        return self("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def text(self):
        """What can be read on the page, also within shadow trees, where Airflow 2 draws."""
        script = """
            const read = root => [root.innerText ?? [...root.children].map(child => child.innerText).join("\\n"),
                ...[...root.querySelectorAll("*")].filter(one => one.shadowRoot).map(one => read(one.shadowRoot))].join("\\n");
            return document.body ? read(document.body) : "";"""
        return self.run(script) or ""

    def cookies(self):
        return {cookie["name"]: cookie for cookie in self("GET", "/cookie")}

    def wait(self, what, look, seconds=WAIT_SECONDS):
        """Looks until there is something; the page as it then is, otherwise."""
        until = time.monotonic() + seconds
        while True:
            try:
                if seen := look():
                    return seen
            except urllib.error.HTTPError as error:
                # The page is just changing.
                error.read()
            if time.monotonic() >= until:
                raise AssertionError(f"{what} did not come within {seconds} s; {self.url} shows:\n{self.text()[:2000]}")
            time.sleep(0.25)

    def reads(self, part, seconds=WAIT_SECONDS):
        """Waits until a text can be read."""
        return self.wait(repr(part), lambda: part in self.text(), seconds)

    def click(self, selector):
        element = self.wait(selector, lambda: self("POST", "/element", {"using": "css selector", "value": selector}))
        self("POST", f"/element/{element[ELEMENT]}/click", {})

    def picture(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self("GET", "/screenshot")))
