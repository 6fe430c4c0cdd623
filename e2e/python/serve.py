"""Starts the standin binary for tests and stops it."""

import os
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS_MAX = 30


def binary():
    """`STANDIN_BIN`, else the newest build in the target folder."""
    if given := os.environ.get("STANDIN_BIN"):
        return Path(given)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    built = [path for path in (target / "release/standin", target / "debug/standin") if path.exists()]
    if not built:
        raise SystemExit("no standin binary: run `cargo build --release`, or set STANDIN_BIN")
    return max(built, key=lambda path: path.stat().st_mtime)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Standin:
    """A server on a free port: `with Standin() as server: server.url`."""

    def __init__(self, *arguments, env=None, port=None):
        self.arguments = arguments
        self.wanted_port = port
        self.env = env or {}
        self.process = None
        self.lines = []

    def __enter__(self):
        self.port = self.wanted_port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = tempfile.NamedTemporaryFile(prefix="standin-", suffix=".log", delete=False)
        command = [str(binary()), "serve", "--listen", f"127.0.0.1:{self.port}", *self.arguments]
        environment = {**os.environ, **self.env}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True, env=environment)
        ready = threading.Event()
        threading.Thread(target=self._read, args=(ready,), daemon=True).start()
        if not ready.wait(START_SECONDS_MAX) or self.process.poll() is not None:
            self.__exit__()
            raise SystemExit(f"{' '.join(command)} did not become ready; its log: {self.log.name}")
        return self

    def _read(self, ready):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if line.rstrip().endswith("Ready."):
                ready.set()
        ready.set()

    def alive(self):
        return self.process.poll() is None

    def __exit__(self, *_error):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                print("standin did not stop within 10 s of SIGTERM", file=sys.stderr)
        self.log.close()
