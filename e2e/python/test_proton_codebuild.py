"""Templates of commands that AWS CodeBuild runs: moto keeps projects and builds, and this test runs what they say."""

import json
import os
import subprocess

import pytest
from motos import Moto, Proxy
from protons import Proton, changed, environment_spec, polled, schema_of

from serve import Standin

# moto's builds have roles of the caller's account, and this is who all callers are that assume none.
ROLE = "arn:aws:iam::123456789012:role/builds"
KEYS = {"AWS_ACCESS_KEY_ID": "999988887777", "AWS_SECRET_ACCESS_KEY": "base"}


@pytest.fixture(scope="module")
def moto(tmp_path_factory):
    running = Moto(tmp_path_factory.mktemp("moto"))
    yield running
    running.stop()


class CodeBuild:
    """Runs builds as CodeBuild does: the phases of their buildspecs, in one shell, in a folder of their own."""

    def __init__(self, moto, folder):
        self.folder = folder
        self.proxy = Proxy(moto.url)
        self.proxy.rewrite["BatchGetBuilds"] = self.told
        # Other than AWS, moto wants to know where no source is.
        self.proxy.amend["CreateProject"] = lambda given: {**given, "source": {**given["source"], "location": "nowhere"}}
        self.ended = {}
        self.waits = False

    def run(self, started):
        folder = self.folder / str(len(self.ended))
        folder.mkdir()
        spec = json.loads(started["buildspecOverride"])
        assert spec["version"] == "0.2" and spec["env"]["shell"] == "bash"
        variables = {one["name"]: one["value"] for one in started["environmentVariablesOverride"] if one["type"] == "PLAINTEXT"}
        lines = [line for phase in ("install", "build", "post_build") for line in spec["phases"][phase]["commands"]]
        script = "set -e\n" + "\n".join(lines) + "\nenv -0 > \"$CODEBUILD_SRC_DIR/.exported\"\n"
        environment = {"PATH": os.environ["PATH"], "CODEBUILD_SRC_DIR": str(folder), **variables}
        run = subprocess.run(["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=30)
        if run.returncode:
            contexts = [{"statusCode": "COMMAND_EXECUTION_ERROR", "message": run.stderr.strip()}]
            return {"buildStatus": "FAILED", "phases": [{"phaseType": "BUILD", "phaseStatus": "FAILED", "contexts": contexts}]}
        exported = dict(pair.split("=", 1) for pair in (folder / ".exported").read_text().split("\0") if "=" in pair)
        told = [{"name": name, "value": exported.get(name, "")} for name in spec["env"]["exported-variables"]]
        return {"buildStatus": "SUCCEEDED", "exportedEnvironmentVariables": told}

    def told(self, answer):
        started = self.proxy.asked("StartBuild")
        for build in answer["builds"]:
            # moto keeps nothing of what a build was started with; builds are asked for one by one, in their order.
            if build["id"] not in self.ended and not self.waits:
                self.ended[build["id"]] = self.run(started[len(self.ended)])
            build.update(self.ended.get(build["id"], {"buildStatus": "IN_PROGRESS"}))
        return answer


@pytest.fixture
def codebuild(moto, tmp_path):
    running = CodeBuild(moto, tmp_path)
    yield running
    running.proxy.stop()


def serving(codebuild):
    return Standin("--log", "warn", "--proton", 'provisioning.codebuild="aws"', "--proton", f'aws.endpoint="{codebuild.proxy.url}"', env=KEYS)


def commands(provision, deprovision=(), files=None, **settings):
    listed = {"provision": list(provision), "deprovision": list(deprovision), **settings}
    manifest = json.dumps({"infrastructure": {"templates": [{"rendering_engine": "codebuild", "settings": listed}]}})
    schema = schema_of({"size": {"type": "string", "default": "small"}})
    bundle = {"schema/schema.yaml": schema, "infrastructure/manifest.yaml": manifest}
    return changed(bundle, {f"infrastructure/{path}": text for path, text in (files or {}).items()})


BUNDLE = commands(
    ["export WHERE=$(cat where.txt)", 'python3 make.py "$WHERE"'],
    ["touch gone"],
    files={
        "where.txt": "here",
        "make.py": "import json, os, sys\n"
        "size = json.load(open('proton-inputs.json'))['environment']['inputs']['size']\n"
        "sys.exit('no such size') if size == 'none' else None\n"
        "json.dump({'Size': size, 'Where': sys.argv[1], 'Of': os.environ['RESOURCE_ARN']}, open('proton-outputs.json', 'w'))\n",
    },
)


def test_codebuild_provisions_updates_and_deprovisions(moto, codebuild):
    with serving(codebuild) as server:
        proton = Proton(server)
        proton.environment_template(bundle=BUNDLE)
        made = proton.environment(codebuildRoleArn=ROLE)
        assert made["deploymentStatus"] == "SUCCEEDED", made.get("deploymentStatusMessage")
        assert proton.outputs("env") == {"Size": "small", "Where": "here", "Of": made["arn"]}
        started = codebuild.proxy.asked("StartBuild")
        assert [it["idempotencyToken"] for it in started] == [made["lastSucceededDeploymentId"]]
        assert started[0]["serviceRoleOverride"] == ROLE and started[0]["projectName"].startswith("AWSProton-environment-env-")
        project = codebuild.proxy.asked("CreateProject")[0]
        assert {"key": "proton:environment", "value": made["arn"]} in project["tags"]

        changed = proton.update_environment(spec=environment_spec(size="large"))
        assert changed["deploymentStatus"] == "SUCCEEDED" and proton.outputs("env")["Size"] == "large"
        failed = proton.update_environment(spec=environment_spec(size="none"))
        assert failed["deploymentStatus"] == "FAILED" and "no such size" in failed["deploymentStatusMessage"], failed
        assert proton.outputs("env")["Size"] == "large"
        assert codebuild.proxy.calls["CreateProject"] == 1 and codebuild.proxy.calls["StartBuild"] == 3
        # Its log is on AWS; standin's has where.
        events = proton.of("logs").get_log_events(logGroupName="/aws/proton/deployments", logStreamName=made["lastSucceededDeploymentId"])["events"]
        assert any("its log: https://" in event["message"] for event in events), events

        proton.client.delete_environment(name="env")
        proton.gone_environment("env")
        assert (codebuild.folder / "3/gone").exists() and codebuild.proxy.calls["DeleteProject"] == 1


def test_a_build_is_stopped(moto, codebuild):
    codebuild.waits = True
    with serving(codebuild) as server:
        proton = Proton(server)
        proton.environment_template(bundle=BUNDLE)
        proton.environment(codebuildRoleArn=ROLE, wait=False)
        for calls in polled(lambda: codebuild.proxy.calls["BatchGetBuilds"]):
            if calls:
                break
        codebuild.proxy.rewrite["BatchGetBuilds"] = lambda answer: {
            **answer, "builds": [{**build, "buildStatus": "STOPPED" if codebuild.proxy.calls["StopBuild"] else "IN_PROGRESS"} for build in answer["builds"]]
        }
        proton.client.cancel_environment_deployment(environmentName="env")
        assert proton.settled_environment("env")["deploymentStatus"] == "CANCELLED"
        assert codebuild.proxy.calls["StopBuild"] == 1


def test_large_bundles_need_a_bucket(moto, codebuild):
    noise = os.urandom(100_000).hex()
    with serving(codebuild) as server:
        proton = Proton(server)
        proton.environment_template(bundle=commands(["true"], files={"noise.txt": noise}))
        failed = proton.environment(codebuildRoleArn=ROLE)
        assert failed["deploymentStatus"] == "FAILED" and "bucket" in failed["deploymentStatusMessage"], failed
