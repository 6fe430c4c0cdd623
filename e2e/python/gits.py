"""Git repositories for tests: bare ones as somebody else's, and somebody who works with them."""

import os
import subprocess
from pathlib import Path

WHO = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
WHO |= {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in (("NAME", "Ada"), ("EMAIL", "ada@example.com"))}


def git(folder, *arguments, check=True):
    """What git prints."""
    done = subprocess.run(["git", *arguments], cwd=folder, env={**os.environ, **WHO}, capture_output=True, text=True, timeout=60)
    assert not check or done.returncode == 0, f"git {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()


class Repository:
    """A bare repository with a branch `main`, and a work tree beside it."""

    def __init__(self, folder, name, files=None):
        self.bare = Path(folder) / f"{name}.git"
        self.work = Path(folder) / f"{name}.work"
        for path in (self.bare, self.work):
            path.mkdir(parents=True)
        git(self.bare, "init", "-q", "--bare", "-b", "main")
        git(self.work, "init", "-q", "-b", "main")
        git(self.work, "remote", "add", "origin", str(self.bare))
        self.commit(files or {"README.md": "infrastructure\n"})

    def commit(self, files, message="by hand", branch="main"):
        """Files by path (None removes one), committed onto a branch and pushed."""
        if git(self.bare, "branch", "--list", branch):
            git(self.work, "fetch", "-q", "origin", branch)
            git(self.work, "checkout", "-q", "--detach", "FETCH_HEAD")
        for path, text in files.items():
            target = self.work / path
            if text is None:
                target.unlink()
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        git(self.work, "add", "-A")
        git(self.work, "commit", "-q", "--allow-empty", "-m", message)
        git(self.work, "push", "-q", "origin", f"HEAD:refs/heads/{branch}")
        return git(self.work, "rev-parse", "HEAD")

    def branches(self):
        """All but `main`."""
        names = git(self.bare, "for-each-ref", "--format=%(refname:short)", "refs/heads").split("\n")
        return [name for name in names if name != "main"]

    def files(self, branch="main"):
        """Texts by path."""
        paths = git(self.bare, "ls-tree", "-r", "--name-only", branch).split("\n")
        return {path: subprocess.run(["git", "show", f"{branch}:{path}"], cwd=self.bare, capture_output=True, text=True, check=True).stdout for path in paths if path}

    def merge(self, branch, *how, delete=False):
        """Merges a branch into `main`, as its owner does: `--no-ff`, `--squash`."""
        git(self.work, "fetch", "-q", "origin", "main", branch)
        git(self.work, "checkout", "-q", "--detach", "origin/main")
        git(self.work, "merge", "-q", "-m", f"Merge {branch}", *how, f"origin/{branch}")
        if "--squash" in how:
            git(self.work, "commit", "-q", "-m", f"Squash {branch}")
        git(self.work, "push", "-q", "origin", "HEAD:main")
        if delete:
            self.delete(branch)

    def delete(self, branch):
        git(self.work, "push", "-q", "origin", f":refs/heads/{branch}")

    def hook(self, name, script):
        path = self.bare / "hooks" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(script)
        path.chmod(0o755)
