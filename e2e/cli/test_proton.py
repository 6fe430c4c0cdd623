"""What README.md and docs/how-to/run-proton.md have people paste, pasted; and `standin proton` from an empty folder to a deployed service."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from test_cli import AWS, binary, environment
from serve import ROOT, Standin

PAGE = ROOT / "docs/how-to/run-proton.md"


def blocks(text, language="sh"):
    """The code blocks of a page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.fixture
def server():
    with Standin("--log", "warn") as running:
        yield running


@pytest.fixture
def shell(server, tmp_path):
    """Runs a script in an empty folder, with `standin` and `aws` on the path, as in a shell of the server's user."""
    programs, folder = tmp_path / "bin", tmp_path / "empty"
    programs.mkdir()
    folder.mkdir()
    # `standin env` is for the default port; here it is another.
    (programs / "standin").write_text(f'#!/bin/sh\n[ "$1" = env ] && set -- "$@" --endpoint {server.url}\nexec {binary().resolve()} "$@"\n')
    (programs / "standin").chmod(0o755)
    (programs / "aws").write_text(f'#!/bin/sh\nexec {AWS} "$@"\n')
    (programs / "aws").chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    env = {name: value for name, value in environment(AWS_ENDPOINT_URL=server.url, PATH=path).items() if name != "STANDIN_STATELESS"}

    how = {"cwd": folder, "env": env, "capture_output": True, "text": True, "timeout": 300}

    def run_script(script, status=0):
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], **how)
        assert done.returncode == status, f"{script}\nended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    run_script.folder, run_script.how = folder, how
    return run_script


def test_the_page_about_proton_can_be_pasted(shell):
    pasted = blocks(PAGE.read_text())
    assert len(pasted) >= 8
    # Each block is run as if typed into the same shell; the marks tell which block wrote what.
    out = shell("\n".join(f"echo '#block {number}'\n{block}" for number, block in enumerate(pasted)))
    written = re.split(r"^#block \d+\n", out, flags=re.MULTILINE)[1:]
    said = lambda words: next(text for text, block in zip(written, pasted) if words in block)
    found = said("list-environment-outputs")
    outputs = {output["key"]: output["valueString"] for output in json.loads(found[found.rindex('{\n    "outputs"') :])["outputs"]}
    assert outputs["ArtifactsBucket"] in said("aws s3 ls")
    assert "CREATE_COMPLETE" in said("describe-stacks")
    instance = said("list-service-instance-outputs")
    assert '"FunctionName"' in instance
    assert outputs["ArtifactsBucket"] in instance
    assert "my-environment" in said("standin proton status")
    # All is deleted again, but for the bucket that `up` keeps bundles in.
    assert shell("standin proton status") == "nothing is deployed\n"
    left = lambda call: json.loads(shell(f"standin call {call}"))
    assert left("cloudformation DescribeStacks")["Stacks"] == []
    assert left("proton ListServiceTemplates")["templates"] == left("proton ListEnvironmentTemplates")["templates"] == []
    assert [bucket["Name"] for bucket in left("s3 ListBuckets")["Buckets"]] == ["proton-bundles-000000000000-us-east-1"]


def test_the_readme_can_be_pasted(shell):
    section = re.search(r"^## Proton lives on$.*?(?=^## )", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE).group()
    [pasted] = blocks(section)
    out = shell(f'eval "$(standin env)"\n{pasted}')
    bucket = re.search(r'"ArtifactsBucket",\s+"valueString": "([^"]+)"', out).group(1)
    assert f'"ARTIFACTS": "{bucket}"' in out
    assert re.search(r"my-environment .*SUCCEEDED", out)
    for _ in range(100):
        if shell("standin proton status") == "nothing is deployed\n":
            return
    raise AssertionError("the environment is still there")


def test_up_deploys_a_folder_and_again_only_what_changed(shell):
    up = lambda status=0: json.loads(shell("standin proton up . --json 2>progress", status=status) or "{}")
    progress = lambda: (shell.folder / "progress").read_text()
    shell("standin proton init environment network; standin proton init service web; standin proton init component table")
    report = up()
    assert "environment my-environment: 1.0 deployed" in progress()
    outputs = report["environments"]["my-environment"]["outputs"]
    assert set(report["services"]["web"]["instances"]) == {"dev", "prod"}
    assert "RoleArn" in report["services"]["web"]["pipeline"]["outputs"]
    # The component's output reached the instance that it is attached to.
    variables = "standin call lambda GetFunctionConfiguration --input '{\"FunctionName\": \"web-dev\"}'"
    found = json.loads(shell(variables))["Environment"]["Variables"]
    assert found == {"ARTIFACTS": outputs["ArtifactsBucket"], **report["components"]["table"]["outputs"]}
    assert up()["done"] == []

    # A changed bundle becomes a new minor version, and what lives in the environment is deployed again.
    template = shell.folder / "network/infrastructure/cloudformation.yaml"
    template.write_text(f"{template.read_text()}  Note:\n    Value: two\n")
    report = up()
    assert report["environments"]["my-environment"]["outputs"]["Note"] == "two"
    assert [(step["kind"], step["name"]) for step in report["done"]] == [
        ("environment template", "network 1.1"), ("environment", "my-environment"), ("instance", "web/dev"), ("instance", "web/prod"),
    ]

    # Instances come, go and change by the spec.
    spec = shell.folder / "web/spec.yaml"
    spec.write_text('proton: ServiceSpec\npipeline: {test_command: make all}\ninstances:\n- {name: dev, environment: my-environment, spec: {size: large}}\n- {name: stage, environment: my-environment}\n')
    report = up()
    assert [(step["kind"], step["name"]) for step in report["done"]] == [("service", "web"), ("instance", "web/dev"), ("pipeline", "web")]
    assert json.loads(shell(variables))["MemorySize"] == 1024
    status = json.loads(shell("standin proton status --json"))
    assert [instance["name"] for instance in status["instances"]] == ["dev", "stage"]
    assert {instance["status"] for instance in status["instances"]} == {"SUCCEEDED"}
    assert not any(found["behind"] for part in ("environments", "instances", "pipelines") for found in status[part])
    assert up()["done"] == []

    # What is behind is told: another environment has a newer version of the same template.
    template.write_text(f"{template.read_text()}  More:\n    Value: three\n")
    (shell.folder / "other").mkdir()
    (shell.folder / "other/proton.toml").write_text('[environments.other]\nbundle = "../network"\n')
    shell("standin proton up other --timeout 1m")
    status = shell("standin proton status")
    assert "1.1 (behind 1.2)" in status and "1.2 (up to date)" in status and "\x1b" not in status

    shell("standin proton down other --keep-templates")
    shell("standin proton down .")
    assert shell("standin proton status") == "nothing is deployed\n"
    assert json.loads(shell("standin call cloudformation DescribeStacks"))["Stacks"] == []
    shell("standin proton down .")


def test_up_provisions_the_examples(tmp_path):
    """By commands and by Terraform, on a server whose data directory is told as seen from its folder."""
    data = os.path.relpath(tmp_path / "data")
    with Standin("--log", "warn", "--data-dir", data, "--proton", 'provisioning.terraform="local"') as server:

        def proton(*words):
            how = {"cwd": tmp_path, "env": environment(AWS_ENDPOINT_URL=server.url), "capture_output": True, "text": True, "timeout": 300}
            done = subprocess.run([binary().resolve(), "proton", *words], **how)
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        def deployed(example):
            shutil.copytree(ROOT / "examples" / example, tmp_path / example)
            for spec in (tmp_path / example).glob("*/spec.yaml"):
                spec.write_text(spec.read_text().replace("/tmp/sites", str(tmp_path / "sites")))
            return json.loads(proton("up", example, "--json"))["services"]

        page = deployed("proton-codebuild")["pages"]["instances"]["welcome"]["outputs"]["Page"]
        assert Path(page).read_text() == "Hello from Proton\n"
        assert "write_site" in proton("logs", "environment/blog")
        proton("down", "proton-codebuild")
        assert not Path(page).exists()
        if shutil.which("terraform"):
            place = deployed("proton-terraform")["places"]["instances"]["one"]["outputs"]["Place"]
            assert place == "10.8.0.0/24 in network"
            proton("down", "proton-terraform")


def test_up_tells_what_is_wrong(shell):
    failed = lambda: subprocess.run(["bash", "-c", "standin proton up ."], **shell.how)
    shell("standin proton init environment network")
    manifest, template = (shell.folder / "network/infrastructure" / name for name in ("manifest.yaml", "cloudformation.yaml"))

    good = manifest.read_text()
    manifest.write_text(good.replace("jinja", "jinjo"))
    done = failed()
    assert done.returncode == 1
    assert re.search(r"network/infrastructure/manifest\.yaml:4:\d+: the rendering engine jinjo does not exist", done.stderr)
    assert json.loads(shell("standin call proton ListEnvironmentTemplates"))["templates"] == []
    manifest.write_text(good)

    good = template.read_text()
    template.write_text(good.replace("!Ref Vpc", "!Ref Vcp"))
    done = failed()
    assert done.returncode == 1
    assert "environment network is FAILED" in done.stderr and "Vcp" in done.stderr
    assert "FAILED" in shell("standin proton status")
    template.write_text(good)
    shell("standin proton up .")

    # A minor version may not ask for more than the one before.
    schema = shell.folder / "network/schema/schema.yaml"
    schema.write_text(schema.read_text().replace("required: [vpc_cidr]", "required: [vpc_cidr, owner]").replace("      properties:\n", "      properties:\n        owner: {type: string}\n"))
    spec = shell.folder / "network/spec.yaml"
    spec.write_text(f"{spec.read_text()}  owner: me\n")
    done = failed()
    assert done.returncode == 1
    assert "owner" in done.stderr and "--major" in done.stderr
    shell("standin proton up . --major")
    [found] = json.loads(shell("standin proton status --json"))["environments"]
    assert found["version"] == "2.0"


def test_up_goes_on_after_a_failure(shell):
    shell("standin proton init environment network; standin proton init service web")
    template = shell.folder / "web/instance_infrastructure/cloudformation.yaml"
    good = template.read_text()
    status = lambda: json.loads(shell("standin proton status --json"))
    for deployed in (None, "1.1"):
        template.write_text(good.replace("!GetAtt Role.Arn", "!GetAtt Rolle.Arn"))
        done = subprocess.run(["bash", "-c", "standin proton up ."], **shell.how)
        assert done.returncode == 1
        assert "instance web/dev is FAILED: Template error: instance of Fn::GetAtt references undefined resource Rolle" in done.stderr
        # The last good version stays.
        assert status()["instances"][0]["version"] == (deployed or "1.0")
        template.write_text(good)
        shell("standin proton up .")
        assert {instance["status"] for instance in status()["instances"]} == {"SUCCEEDED"}
        assert status()["services"][0]["status"] == "ACTIVE"


def test_up_takes_a_manifest(shell):
    shell("standin proton init environment bundles/network; standin proton init service bundles/web")
    folder = shell.folder
    (folder / "beta.yaml").write_text("proton: EnvironmentSpec\nspec: {vpc_cidr: 10.8.0.0/16}\n")
    (folder / "web.yaml").write_text("proton: ServiceSpec\ninstances:\n- {name: one, environment: alpha}\n- {name: two, environment: beta}\n")
    (folder / "proton.toml").write_text(
        'bucket = "own-bucket"\n'
        '[environments.alpha]\nbundle = "bundles/network"\n'
        '[environments.beta]\nbundle = "bundles/network"\nspec = "beta.yaml"\n'
        '[services.shop]\nbundle = "bundles/web"\nspec = "web.yaml"\nrepository = "example/shop"\nbranch = "trunk"\n'
    )
    report = json.loads(shell("standin proton up --json 2>/dev/null"))
    assert list(report["environments"]) == ["alpha", "beta"]
    assert report["services"]["shop"]["instances"]["two"]["environment"] == "beta"
    service = json.loads(shell("standin call proton GetService --input '{\"name\": \"shop\"}'"))["service"]
    assert (service["repositoryId"], service["branchName"], service["templateName"]) == ("example/shop", "trunk", "web")
    assert "own-bucket" in shell("standin call s3 ListBuckets")


def programs(shell):
    return shell.folder.parent / "bin"


def validated(folder, *more, status=0):
    done = subprocess.run([binary(), "proton", "validate", *more], cwd=folder, env=environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("engine", ["cloudformation", "terraform", "codebuild"])
@pytest.mark.parametrize("kind", ["environment", "service", "component"])
def test_starters_validate_with_their_specs(tmp_path, kind, engine):
    begun = subprocess.run([binary(), "proton", "init", kind, "one", "--engine", engine], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60)
    if (kind, engine) == ("component", "codebuild"):
        assert begun.returncode == 2 and "does not provision components by CodeBuild" in begun.stderr
        return
    assert begun.returncode == 0, begun.stderr
    spec = [] if kind == "component" else ["--spec", "one/spec.yaml"]
    assert "0 errors and 0 warnings" in validated(tmp_path, "one", *spec, "--strict")


def test_validate_finds_what_cloudformation_would_refuse(tmp_path):
    subprocess.run([binary(), "proton", "init", "service", "web"], cwd=tmp_path, env=environment(), check=True, capture_output=True, timeout=60)
    template = tmp_path / "web/instance_infrastructure/cloudformation.yaml"
    good = template.read_text()
    line = lambda words: next(number for number, text in enumerate(template.read_text().splitlines(), 1) if words in text)

    template.write_text(good.replace("!GetAtt Role.Arn", "!GetAtt Rolle.Arn").replace("Type: AWS::IAM::Role", "Type: AWS::IAM::Roel"))
    found = json.loads(validated(tmp_path, "web", "--spec", "web/spec.yaml", "--json", status=1))
    assert (found["kind"], found["root"], found["errors"], found["warnings"]) == ("service", "", 1, 1)
    file = "instance_infrastructure/cloudformation.yaml"
    assert found["findings"] == [
        {"severity": "error", "rule": "cloudformation", "file": file, "line": line("  Function:"), "message": "Template error: instance of Fn::GetAtt references undefined resource Rolle"},
        {"severity": "warning", "rule": "cloudformation", "file": file, "line": line("AWS::IAM::Roel"), "message": "AWS::IAM::Roel is not known; did you mean AWS::IAM::Role?"},
    ]
    github = validated(tmp_path, "web", "--spec", "web/spec.yaml", "--format", "github", status=1)
    assert github.splitlines()[0].startswith(f"::error title=cloudformation,file=web/{file},line={line('  Function:')}::")
    sarif = json.loads(validated(tmp_path, "web", "--spec", "web/spec.yaml", "--format", "sarif", status=1))
    [first, _] = sarif["runs"][0]["results"]
    assert first["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == f"web/{file}"
    assert first["locations"][0]["physicalLocation"]["region"] == {"startLine": line("  Function:")}

    # A spec has its own path, wherever it lies.
    template.write_text(good)
    (tmp_path / "other.yaml").write_text((tmp_path / "web/spec.yaml").read_text().replace("large", "huge"))
    [github] = validated(tmp_path, "web", "--spec", "other.yaml", "--format", "github", status=1).splitlines()
    assert re.match(r"::error title=spec-enum,file=other\.yaml,line=\d+,col=\d+::", github)


def test_colours_are_for_terminals_that_want_them(shell):
    shell("standin proton init environment network; standin proton up .")

    def seen(**env):
        """What a terminal is sent."""
        outer, inner = os.openpty()
        try:
            subprocess.run([programs(shell) / "standin", "proton", "status"], **{**shell.how, "env": {**shell.how["env"], "TERM": "xterm", **env}, "capture_output": False, "text": False}, stdout=inner, check=True)
            return os.read(outer, 1 << 16).decode()
        finally:
            os.close(outer)
            os.close(inner)

    assert "\x1b[32mSUCCEEDED\x1b[0m" in seen()
    assert "\x1b" not in seen(NO_COLOR="1")
    assert "\x1b" not in seen(TERM="dumb")
    assert "\x1b" not in shell("standin proton status")


def test_the_page_about_moving_can_be_pasted(shell):
    shell("standin proton init environment network; standin proton init service web; standin proton up .")
    pasted = blocks((ROOT / "docs/how-to/move-from-aws-proton.md").read_text())
    assert len(pasted) == 2
    stacks = json.loads(shell("standin call cloudformation ListStacks"))["StackSummaries"]
    [stack] = [stack["StackName"] for stack in stacks if stack["StackName"].startswith("AWSProton-web-dev-")]
    by_proton = json.loads(shell(f"standin call cloudformation GetTemplate --input '{{\"StackName\": \"{stack}\"}}'"))["TemplateBody"]
    out = shell("\n".join(['eval "$(standin env)"', *pasted]))
    assert "VpcId: vpc-" in (shell.folder / "outputs.yaml").read_text()
    assert (shell.folder / "rendered/prod/cloudformation.yaml").exists()
    assert f"Successfully created/updated stack - {stack}" in out
    # What is rendered by hand is what Proton had rendered.
    assert (shell.folder / "rendered/dev/cloudformation.yaml").read_text() == by_proton


def test_up_waits_for_the_automation_of_terraform(shell):
    shell("standin proton init environment network --engine terraform")
    done = subprocess.run(["bash", "-c", "standin proton up ."], **shell.how)
    assert done.returncode == 2 and "[environments.network.repository]" in done.stderr
    (shell.folder / "proton.toml").write_text('[environments.beta]\nbundle = "network"\nrepository = { name = "example/infrastructure" }\n')
    done = subprocess.run(["bash", "-c", "standin proton up . --timeout 1s"], **shell.how)
    assert done.returncode == 1
    assert "NotifyResourceDeploymentStatusChange will end it" in done.stderr
    assert "environment beta is still in progress after 1s" in done.stderr
    arn = json.loads(shell("standin call proton GetEnvironment --input '{\"name\": \"beta\"}'"))["environment"]["arn"]
    outputs = json.dumps({"resourceArn": arn, "status": "SUCCEEDED", "outputs": [{"key": "VpcId", "valueString": "vpc-1"}]})
    shell(f"standin call proton NotifyResourceDeploymentStatusChange --input '{outputs}'")
    report = json.loads(shell("standin proton up . --json 2>/dev/null"))
    assert report["environments"]["beta"]["outputs"] == {"VpcId": "vpc-1"}
    assert report["done"] == []
