"""`aws s3`, as people type it."""

import os
import subprocess
import urllib.request

import pytest

from test_cli import AWS, KEYS, Standin, environment


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Standin("--log", "warn", "--data-dir", str(tmp_path_factory.mktemp("data")), env={"STANDIN_STATELESS": ""}) as running:
        yield running


@pytest.fixture
def s3(server):
    def run(*arguments, status=0):
        command = [AWS, "s3", *map(str, arguments)]
        env = environment(**KEYS, AWS_ENDPOINT_URL=server.url)
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
        assert done.returncode == status, f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return run


def test_files_go_there_and_back(s3, tmp_path):
    here = tmp_path / "here"
    for name in ("a.txt", "b b.txt", "sub/c.txt", "sub/deep/d.bin"):
        path = here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (here / "large.bin").write_bytes(os.urandom(20_000_000))
    s3("mb", "s3://files")
    s3("sync", here, "s3://files/copy")
    assert s3("sync", here, "s3://files/copy") == ""
    listed = s3("ls", "--recursive", "s3://files")
    assert [line.split(None, 3)[3] for line in listed.splitlines()] == ["copy/a.txt", "copy/b b.txt", "copy/large.bin", "copy/sub/c.txt", "copy/sub/deep/d.bin"]
    assert "PRE copy/" in s3("ls", "s3://files")
    s3("sync", "s3://files/copy", tmp_path / "back")
    for path in (path for path in here.rglob("*") if path.is_file()):
        assert (tmp_path / "back" / path.relative_to(here)).read_bytes() == path.read_bytes()
    s3("cp", "s3://files/copy/large.bin", "s3://files/twice.bin")
    s3("mv", "s3://files/copy/a.txt", "s3://files/moved.txt")
    assert "a.txt" not in s3("ls", "s3://files/copy/")
    assert s3("cp", "s3://files/moved.txt", "-") == "a.txt"
    (here / "a.txt").unlink()
    (here / "b b.txt").write_text("changed")
    out = s3("sync", "--delete", here, "s3://files/copy")
    assert "b b.txt" in out and "large.bin" not in out
    url = s3("presign", "s3://files/moved.txt").strip()
    assert urllib.request.urlopen(url, timeout=10).read() == b"a.txt"
    s3("rb", "s3://files", status=1)
    s3("rm", "--recursive", "s3://files/copy")
    s3("rb", "--force", "s3://files")
    assert s3("ls") == ""
