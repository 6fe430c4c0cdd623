"""Pull requests of Proton at a forge, by HTTP and by SSH, and what is kept from whom."""

import hashlib
import hmac
import json
import os
import shutil
import subprocess
import urllib.request

import pytest
from protons import clock, polled
from test_proton_pulls import Pulls, anew

from forges import Forge
from gits import git
from serve import Standin, binary

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs the program git")

TOKEN = "s3cret-t0ken"


def watched(folder, ssh=None):
    """A PATH on which `git` notes how it is called, and `ssh` is what is given."""
    tools = folder / "tools"
    tools.mkdir()
    real = shutil.which("git")
    (tools / "git").write_text(f'#!/bin/sh\nprintf "%s\\n" "git $*" >>{folder}/calls\nexec {real} "$@"\n')
    if ssh:
        (tools / "ssh").write_text(ssh)
    for tool in tools.iterdir():
        tool.chmod(0o755)
    return {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}


def keep(server, name, secret, *options):
    command = [str(binary()), "proton", "credential", "--endpoint", server.url, "set", name, "--token-stdin", *options]
    subprocess.run(command, input=secret, text=True, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path):
    return anew(tmp_path)


def configured(folder, place, *more):
    place = f'repositories."acme/infra"={place}'
    return ("--log", "warn", "--data-dir", str(folder / "data"), "--proton", place, "--proton", 'git.poll="100ms"', *more)


def test_a_forge_has_the_pull_requests(tmp_path, repository):
    """Branches are pushed by HTTP with a token, and requests are opened, followed and closed by the API."""
    with Forge(tmp_path, "standin", TOKEN) as forge:
        place = f'{{url="{forge.url}/acme/infra.git",forge="gitea",credential="mine"}}'
        with Standin(*configured(tmp_path, place), env=watched(tmp_path)) as server:
            proton = Pulls(server, repository).ready()
            failed = proton.environment("early", provisioningRepository={"provider": "GITHUB", "name": "acme/infra", "branch": "main"})
            assert failed["deploymentStatus"] == "FAILED" and "credential set mine" in failed["deploymentStatusMessage"]
            keep(server, "mine", TOKEN)
            made = proton.create()
            url = f"{forge.url}/acme/infra/pulls/1"
            proton.told(made["lastAttemptedDeploymentId"], url)
            [pull] = forge.pulls
            [branch] = repository.branches()
            assert (pull["head"]["ref"], pull["base"]["ref"]) == (branch, "main")
            assert pull["title"] == "Update requested for Proton - environment/env"
            assert made["arn"] in pull["body"] and made["lastAttemptedDeploymentId"] in pull["body"]
            # Closed by hand, with its branch left.
            pull["state"] = "closed"
            assert proton.settled_environment("env")["deploymentStatus"] == "CANCELLED"
            # Merged and told.
            made = proton.client.update_environment(name="env", deploymentType="CURRENT_VERSION")["environment"]
            proton.told(made["lastAttemptedDeploymentId"], "pulls/2")
            repository.merge(forge.pulls[1]["head"]["ref"], delete=True)
            forge.pulls[1].update(state="closed", merged=True)
            proton.told(made["lastAttemptedDeploymentId"], "was merged")
            proton.done(made["arn"])
            assert proton.status() == "SUCCEEDED"
            # Cancelled.
            made = proton.client.update_environment(name="env", deploymentType="CURRENT_VERSION")["environment"]
            proton.told(made["lastAttemptedDeploymentId"], "pulls/3")
            proton.client.cancel_environment_deployment(environmentName="env")
            assert proton.settled_environment("env")["deploymentStatus"] == "CANCELLED"
            assert forge.pulls[2]["state"] == "closed" and forge.pulls[2]["head"]["ref"] not in repository.branches()
            # Deleted.
            proton.client.delete_environment(name="env")
            proton.gone_environment("env")
            assert len(forge.pulls) == 4 and forge.refused > 0
            log = "\n".join(proton.lines(made["lastAttemptedDeploymentId"]))
    assert TOKEN not in (tmp_path / "calls").read_text() + log
    mirrors = [path for path in (tmp_path / "data/proton/git").rglob("*") if path.is_file()]
    assert mirrors and not any(TOKEN.encode() in path.read_bytes() for path in mirrors)


def test_a_wrong_token_is_told(tmp_path, repository):
    with Forge(tmp_path, "standin", TOKEN, api_token="another") as forge:
        place = f'{{url="{forge.url}/acme/infra.git",forge="gitea",credential="mine"}}'
        with Standin(*configured(tmp_path, place)) as server:
            keep(server, "mine", TOKEN + "x")
            proton = Pulls(server, repository).ready()
            failed = proton.create()
            failed = proton.settled_environment("env")
            assert failed["deploymentStatus"] == "FAILED" and "does not let standin in" in failed["deploymentStatusMessage"]
            assert TOKEN not in failed["deploymentStatusMessage"]
            # One that opens the repository only: the failure says what lacks, and the branch is taken back.
            keep(server, "mine", TOKEN)
            proton.update_environment()
            failed = proton.settled_environment("env")
            assert failed["deploymentStatus"] == "FAILED" and "pull requests" in failed["deploymentStatusMessage"]
            assert repository.branches() == []


def test_ssh_has_the_key_in_a_file_of_its_own(tmp_path, repository):
    ssh = (
        "#!/bin/sh\n"
        f'printf "%s\\n" "ssh $*" >>{tmp_path}/calls\n'
        'while [ $# -gt 2 ]; do if [ "$1" = -i ]; then stat -c %a "$2" >>KEYS; cat "$2" >>KEYS; fi; shift; done\n'.replace("KEYS", f"{tmp_path}/keys")
        + 'case $1 in git@forge.example) exec sh -c "$2";; *) echo "who is $1?" >&2; exit 255;; esac\n'
    )
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\nbm90IGEga2V5\n-----END OPENSSH PRIVATE KEY-----\n"
    place = f'{{url="ssh://git@forge.example{repository.bare}",credential="key"}}'
    with Standin(*configured(tmp_path, place), env=watched(tmp_path, ssh)) as server:
        keep(server, "key", key)
        proton = Pulls(server, repository).ready()
        made = proton.create()
        [branch] = proton.proposed()
        repository.merge(branch, delete=True)
        proton.told(made["lastAttemptedDeploymentId"], "was merged")
        proton.done(made["arn"])
        assert proton.status() == "SUCCEEDED"
    calls, keys = (tmp_path / "calls").read_text(), (tmp_path / "keys").read_text()
    assert "-o BatchMode=yes" in calls and "bm90IGEga2V5" not in calls
    assert keys.startswith("600\n" + key)
    assert not list((tmp_path / "data/proton/git").glob("key-*"))


def test_a_webhook_has_it_looked_at_once(tmp_path, repository):
    """With a poll of an hour, a push told by the repository's hook and a pull request told by a forge are seen at once."""
    place = json.dumps(f"file://{repository.bare}")
    arguments = [*configured(tmp_path, place), "--proton", 'git.poll="1h"', "--proton", 'git.webhook-secret="shared"']
    with Standin(*arguments) as server:
        proton = Pulls(server, repository).ready()
        made = proton.create()
        proton.told(made["lastAttemptedDeploymentId"], "are proposed")

        def told(forge, headers, body):
            request = urllib.request.Request(f"{server.url}/_standin/proton/hooks/{forge}", data=body, headers=headers)
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.loads(answer.read())

        def again(ask):
            """Until the deployment waits: its step may still be at its end, or have seen it."""
            for found in polled(ask):
                if found["deployments"] or proton.status() != "IN_PROGRESS" or any("was merged" in line for line in proton.lines(made["lastAttemptedDeploymentId"])):
                    return

        # Time stands still: nothing is looked at by itself.
        clock(server, freeze=True)
        [branch] = repository.branches()
        repository.delete(branch)
        body = json.dumps({"action": "closed", "pull_request": {}}).encode()
        signature = hmac.new(b"shared", body, hashlib.sha256).hexdigest()
        again(lambda: told("github", {"X-GitHub-Event": "pull_request", "X-Hub-Signature-256": f"sha256={signature}"}, body))
        assert proton.settled_environment("env")["deploymentStatus"] == "CANCELLED"
        clock(server, resume=True)
        made = proton.client.update_environment(name="env", deploymentType="CURRENT_VERSION")["environment"]
        proton.told(made["lastAttemptedDeploymentId"], "are proposed")
        clock(server, freeze=True)
        [branch] = repository.branches()
        repository.merge(branch)
        old, new = git(repository.bare, "rev-parse", "main~1"), git(repository.bare, "rev-parse", "main")
        hook = f"{old} {new} refs/heads/main\n".encode()
        again(lambda: told("git?repository=acme/infra", {"X-Standin-Token": "shared"}, hook))
        proton.told(made["lastAttemptedDeploymentId"], "was merged")
