"""Proton's templates: registered, published, recommended, deleted; and bundles of every kind, hostile ones among them."""

import gzip
import io
import re
import tarfile
import threading
import time

import pytest

from protons import MANIFEST, SMALL, Proton, changed, clock, conflict, environment_spec, faults, invalid, missing, polled, raw, schema_of, service_spec, small, small_service, starter, tar
from serve import Standin

SOURCE = {"s3": {"bucket": "none-such", "key": "bundle.tar.gz"}}


@pytest.fixture(scope="module")
def server():
    with Standin("--log", "warn") as running:
        yield running
        assert running.alive(), f"the server ended with {running.process.poll()}"


@pytest.fixture
def proton(server):
    return Proton(server)


KINDS = ("environment", "service")


def call(proton, operation, kind, **more):
    """`get_…_template` and the like of either kind; the one member of the answer, if there is one."""
    answer = getattr(proton.client, f"{operation}_{kind}_template" + ("_version" if "templateName" in more else ""))(**more)
    answer.pop("ResponseMetadata")
    return next(iter(answer.values()), None)


def version_keys(template, version):
    major, minor = version.split(".")
    return {"templateName": template, "majorVersion": major, "minorVersion": minor}


def drafted(proton, kind, template="t", **more):
    """Another version of a template, which is made if it is not there; its number."""
    bundle = small() if kind == "environment" else small_service()
    if kind == "service":
        if not proton.client.list_environment_templates()["templates"]:
            proton.template("environment", "env")
            proton.register("environment", "env", small())
        more = {"compatibleEnvironmentTemplates": [{"templateName": "env", "majorVersion": "1"}], **more}
    version = proton.register(kind, template, bundle, **more)
    assert version["status"] == "DRAFT", version["statusMessage"]
    return f"{version['majorVersion']}.{version['minorVersion']}"


@pytest.mark.parametrize("kind", KINDS)
def test_templates_are_made_changed_and_deleted(proton, kind):
    key = f"arn:aws:kms:eu-west-1:{proton.account}:key/one"
    made = proton.template(kind, "t", displayName="T", description="first", encryptionKey=key)
    assert made["arn"] == f"arn:aws:proton:eu-west-1:{proton.account}:{kind}-template/t"
    assert "recommendedVersion" not in made and made["createdAt"] == made["lastModifiedAt"]
    assert (made["displayName"], made["description"], made["encryptionKey"]) == ("T", "first", key)
    assert call(proton, "get", kind, name="t") == made
    listed = getattr(proton.client, f"list_{kind}_templates")()["templates"]
    assert listed == [{name: value for name, value in made.items() if name != "encryptionKey"}]

    time.sleep(0.002)
    changed = call(proton, "update", kind, name="t", description="second")
    assert (changed["displayName"], changed["description"]) == ("T", "second")
    assert changed["lastModifiedAt"] > made["lastModifiedAt"] and changed["createdAt"] == made["createdAt"]
    assert call(proton, "update", kind, name="t", displayName="U")["description"] == "second"
    for operation in ("get", "update"):
        with missing("none"):
            call(proton, operation, kind, name="none")

    deleted = call(proton, "delete", kind, name="t")
    assert deleted["arn"] == made["arn"] and deleted["displayName"] == "U"
    assert call(proton, "delete", kind, name="t") is None
    assert call(proton, "delete", kind, name="never-was") is None
    with missing("t"):
        call(proton, "get", kind, name="t")
    # The name is free again, for a template that remembers nothing of the other.
    again = proton.template(kind, "t")
    assert "displayName" not in again


@pytest.mark.parametrize("kind", KINDS)
def test_creates_are_idempotent_without_a_token(proton, kind):
    made = proton.template(kind, "t", description="d", tags=[{"key": "a", "value": "b"}])
    assert proton.template(kind, "t", tags=[{"key": "a", "value": "b"}], description="d") == made
    for other in ({}, {"description": "e"}, {"description": "d"}, {"description": "d", "displayName": "x", "tags": [{"key": "a", "value": "b"}]}):
        with invalid("IdempotentParameterMismatch"):
            proton.template(kind, "t", **other)
    call(proton, "update", kind, name="t", displayName="x")
    with conflict("modified"):
        proton.template(kind, "t", description="d", tags=[{"key": "a", "value": "b"}])
    with invalid("IdempotentParameterMismatch"):
        proton.template(kind, "t", description="other")
    proton.template(kind, "published")
    proton.publish(kind, "published", drafted(proton, kind, "published"))
    with conflict("modified"):
        proton.template(kind, "published")


def test_environment_and_service_templates_may_share_a_name(proton):
    one, other = (proton.template(kind, "same") for kind in KINDS)
    assert one["arn"] != other["arn"]
    call(proton, "delete", "environment", name="same")
    assert call(proton, "get", "service", name="same")["name"] == "same"


def test_customer_managed_is_for_life(proton):
    made = proton.template("environment", "own", provisioning="CUSTOMER_MANAGED")
    assert made["provisioning"] == "CUSTOMER_MANAGED"
    assert proton.client.list_environment_templates()["templates"][0]["provisioning"] == "CUSTOMER_MANAGED"
    made = proton.template("service", "own", pipelineProvisioning="CUSTOMER_MANAGED")
    assert made["pipelineProvisioning"] == "CUSTOMER_MANAGED"
    assert proton.client.list_service_templates()["templates"][0]["pipelineProvisioning"] == "CUSTOMER_MANAGED"
    with invalid("IdempotentParameterMismatch"):
        proton.template("environment", "own")
    # Updates know no such member.
    raw(proton.server, "UpdateEnvironmentTemplate", {"name": "own", "provisioning": "OTHER", "description": "x"}, account=proton.account)
    assert call(proton, "get", "environment", name="own")["provisioning"] == "CUSTOMER_MANAGED"
    with invalid("provisioning"):
        proton.unchecked().create_environment_template(name="x", provisioning="AWS_MANAGED")


@pytest.mark.parametrize("kind", KINDS)
def test_versions_are_numbered(proton, kind):
    proton.template(kind, "t")
    with missing("1"):
        call(proton, "create", kind, templateName="t", source=SOURCE, majorVersion="1", **compatible(kind, proton))
    with missing("none"):
        call(proton, "create", kind, templateName="none", source=SOURCE, **compatible(kind, proton))
    assert drafted(proton, kind) == "1.0"
    assert drafted(proton, kind) == "2.0"
    assert drafted(proton, kind, majorVersion="1") == "1.1"
    assert drafted(proton, kind, majorVersion="2") == "2.1"
    with missing("3"):
        call(proton, "create", kind, templateName="t", source=SOURCE, majorVersion="3", **compatible(kind, proton))
    # Numbers are not used again, also where the newest of them is gone.
    call(proton, "delete", kind, **version_keys("t", "1.1"))
    assert drafted(proton, kind, majorVersion="1") == "1.2"
    for gone in ("2.1", "2.0"):
        call(proton, "delete", kind, **version_keys("t", gone))
    with missing("2"):
        call(proton, "create", kind, templateName="t", source=SOURCE, majorVersion="2", **compatible(kind, proton))
    assert drafted(proton, kind) == "3.0"


def compatible(kind, proton):
    if kind == "environment":
        return {}
    if not proton.client.list_environment_templates()["templates"]:
        proton.template("environment", "env")
        proton.register("environment", "env", small())
    return {"compatibleEnvironmentTemplates": [{"templateName": "env", "majorVersion": "1"}]}


@pytest.mark.parametrize("kind", KINDS)
def test_registration_goes_on_after_the_answer(proton, kind):
    proton.template(kind, "t")
    bundle = small() if kind == "environment" else small_service()
    source = proton.upload(bundle)
    made = call(proton, "create", kind, templateName="t", source=source, description="d", tags=[{"key": "a", "value": "b"}], **compatible(kind, proton))
    assert made["status"] == "REGISTRATION_IN_PROGRESS" and "schema" not in made
    assert made["arn"] == f"arn:aws:proton:eu-west-1:{proton.account}:{kind}-template/t:1.0"
    proton.client.get_waiter(f"{kind}_template_version_registered").wait(**version_keys("t", "1.0"), WaiterConfig={"Delay": 0.05, "MaxAttempts": 200})
    version = call(proton, "get", kind, **version_keys("t", "1.0"))
    assert (version["status"], version.get("statusMessage", "")) == ("DRAFT", "")
    assert version["schema"] == bundle["schema/schema.yaml"].decode()
    assert (version["majorVersion"], version["minorVersion"], version["description"]) == ("1", "0", "d")
    (summary,) = getattr(proton.client, f"list_{kind}_template_versions")(templateName="t")["templateVersions"]
    assert not {"schema", "compatibleEnvironmentTemplates", "supportedComponentSources"} & set(summary)
    assert summary["arn"] == version["arn"]
    for operation, more in [("get", {}), ("update", {"description": "x"})]:
        with missing("9"):
            call(proton, operation, kind, **version_keys("t", "1.9"), **more)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_being_registered_waits(proton, kind):
    proton.template(kind, "t")
    source, more = proton.upload(small() if kind == "environment" else small_service()), compatible(kind, proton)
    with proton.waiting():
        for _ in range(2):
            made = call(proton, "create", kind, templateName="t", source=source, **more)
            assert made["status"] == "REGISTRATION_IN_PROGRESS"
        shown = call(proton, "get", kind, **version_keys("t", "1.0"))
        assert shown["status"] == "REGISTRATION_IN_PROGRESS" and "schema" not in shown
        for status in ("PUBLISHED", "DRAFT"):
            with conflict("still being registered"):
                call(proton, "update", kind, **version_keys("t", "1.0"), status=status)
        assert call(proton, "update", kind, **version_keys("t", "1.0"), description="early")["description"] == "early"
        with conflict("versions"):
            call(proton, "delete", kind, name="t")
        if kind == "environment":
            with invalid("REGISTRATION_IN_PROGRESS"):
                proton.environment("env", "t", templateMinorVersion="0")
        # The bundle is read when its time has come.
        call(proton, "delete", kind, **version_keys("t", "2.0"))
    version = proton.registered(kind, "t", "1", "0")
    assert (version["status"], version["description"]) == ("DRAFT", "early")


def test_prefixes_of_folders_and_foreign_files_do_not_matter(proton):
    proton.template("environment", "t")
    noise = {".DS_Store": "x", "README.md": "# hello", "spec/spec.yaml": "proton: EnvironmentSpec", ".compatible-envs": "env:1\n"}
    for prefix in ("", "./", "environment/", "service/loadbalanced-public-svc/", "./a/b/c/"):
        version = proton.register("environment", "t", tar({**changed({}, noise), **small()}, prefix))
        assert version["status"] == "DRAFT", (prefix, version["statusMessage"])
    # Of the same kind are archives of other formats, and names of any script.
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        version = proton.register("environment", "t", packed(form, "docs/größe.md"))
        assert version["status"] == "DRAFT", version["statusMessage"]
    source = proton.upload(small(), "folder with spaces/größe+%2F.tar.gz")
    assert proton.register("environment", "t", source)["status"] == "DRAFT"
    # The shallowest folder with a schema is the bundle, whatever lies deeper.
    nested = {**small(), **{f"other/{path}": b"nonsense" for path in small()}}
    assert proton.register("environment", "t", nested)["status"] == "DRAFT"


def made_of(*entries):
    """A .tar.gz of tar entries: (name, type, link, content)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1, format=tarfile.GNU_FORMAT) as archive:
        for name, kind, link, content in entries:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname, entry.size = kind, link, len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def regular(files):
    return [(path, tarfile.REGTYPE, "", content) for path, content in files.items()]


def packed(form, name):
    """A good bundle with one file more, in a format of tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", format=form) as archive:
        for path, content in {**small(), name: b"x"}.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def entry_of(name, size):
    """The header of a file alone."""
    entry = tarfile.TarInfo(name)
    entry.size = size
    return entry.tobuf(tarfile.GNU_FORMAT)


def bomb():
    """64 KB that unpack to more than 64 MB."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=9) as out:
        entry = tarfile.TarInfo("schema/schema.yaml")
        entry.size = 80 << 20
        out.write(entry.tobuf())
        for _ in range(80):
            out.write(bytes(1 << 20))
    return buffer.getvalue()


GOOD = small()
ARCHIVES = [
    ("nothing", b"", "gzip"),
    ("not gzip", b"hello, world", "gzip"),
    ("gzip of no tar", gzip.compress(b"hello" * 1000), "tar|gzip"),
    ("truncated", tar(starter("environment-cloudformation"))[:-200], "gzip|tar"),
    ("wrong checksum", tar(GOOD)[:-8] + b"\0" * 8, "gzip"),
    ("a path that escapes", made_of(*regular(GOOD), ("../../etc/passwd", tarfile.REGTYPE, "", b"x")), r'"\.\./\.\./etc/passwd" leads out'),
    ("a path that escapes in the middle", made_of(*regular(GOOD), ("a/../../b", tarfile.REGTYPE, "", b"x")), "leads out"),
    ("an absolute path", made_of(*regular(GOOD), ("/etc/passwd", tarfile.REGTYPE, "", b"x")), "leads out"),
    ("a path of Windows", made_of(*regular(GOOD), ("..\\..\\x", tarfile.REGTYPE, "", b"x")), "leads out"),
    ("a symbolic link", made_of(*regular(GOOD), ("schema/link", tarfile.SYMTYPE, "/etc/passwd", b"")), '"schema/link" is a link'),
    ("a hard link", made_of(*regular(GOOD), ("schema/link", tarfile.LNKTYPE, "schema/schema.yaml", b"")), '"schema/link" is a link'),
    ("a device", made_of(*regular(GOOD), ("infrastructure/null", tarfile.CHRTYPE, "", b"")), "is a link or a device"),
    ("a block device", made_of(*regular(GOOD), ("infrastructure/disk", tarfile.BLKTYPE, "", b"")), "is a link or a device"),
    ("a pipe", made_of(*regular(GOOD), ("infrastructure/pipe", tarfile.FIFOTYPE, "", b"")), "is a link or a device"),
    ("a path in an extended header", packed(tarfile.PAX_FORMAT, "../é"), "leads out"),
    ("a sparse file", made_of(*regular(GOOD), ("schema/sparse", tarfile.GNUTYPE_SPARSE, "", b"")), "."),
    ("a size that is a lie", gzip.compress(entry_of("schema/schema.yaml", 1 << 40)), "."),
    ("a name that is no UTF-8", gzip.compress(entry_of("x", 0).replace(b"x", b"\xff", 1)), "."),
    ("a bomb", bomb(), "unpacks to more than"),
    ("very many entries", made_of(*((f"f{n}", tarfile.REGTYPE, "", b"") for n in range(10_001))), "entries"),
    ("a long path", made_of(*regular(GOOD), ("x" * 1100, tarfile.REGTYPE, "", b"")), "path"),
    ("more than 5 MB", tar(GOOD) + bytes(5 << 20), "5242880 are allowed"),
    ("no file at all", made_of(("schema", tarfile.DIRTYPE, "", b"")), "schema"),
]


def test_archives_that_are_no_bundles_fail_the_registration(proton):
    proton.template("environment", "t")
    pending = []
    for name, archive, message in ARCHIVES:
        made = call(proton, "create", "environment", templateName="t", source=proton.upload(archive))
        pending.append((name, message, made["majorVersion"]))
    for name, message, major in pending:
        version = proton.registered("environment", "t", major, "0")
        assert version["status"] == "REGISTRATION_FAILED", name
        assert "schema" not in version and version["statusMessage"], name
        if message:
            assert re.search(message, version["statusMessage"]), (name, version["statusMessage"])
        assert len(version["statusMessage"]) < 5000
    # A failed version keeps its number, stays readable, and is never published.
    with invalid("failed"):
        proton.publish("environment", "t", "1.0")
    assert drafted(proton, "environment") == f"{len(ARCHIVES) + 1}.0"


def test_a_bundle_that_is_not_in_s3_fails_the_registration(proton):
    proton.template("environment", "t")
    source = proton.upload(small())
    for other in (SOURCE, {"s3": {**source["s3"], "key": "other"}}):
        version = proton.register("environment", "t", other)
        assert version["status"] == "REGISTRATION_FAILED"
        assert f"s3://{other['s3']['bucket']}/{other['s3']['key']}" in version["statusMessage"]
    # Another account's bucket is that account's, and another region's is everybody's of the account.
    stranger = Proton(proton.server).upload(small())
    assert proton.register("environment", "t", stranger)["status"] == "REGISTRATION_FAILED"
    assert proton.register("environment", "t", Proton(proton.server, proton.account, "eu-central-1").upload(small()))["status"] == "DRAFT"


def settled(proton, kind, bundles, **more):
    """Registers bundles as versions of one template each and tells how it ended: {name: (status, message)}."""
    pending = []
    for name, bundle in bundles:
        proton.template(kind, name, **more.get("template", {}))
        made = call(proton, "create", kind, templateName=name, source=proton.upload(bundle), **more.get("version", {}))
        pending.append((name, made))
    done = {}
    for name, made in pending:
        version = proton.registered(kind, name, made["majorVersion"], made["minorVersion"])
        done[name] = (version["status"], version.get("statusMessage", ""))
    return done


def lines(text):
    return f"infrastructure:\n  templates:\n{text}"


BIG = "# " + "x" * 51_200 + "\n"
ENVIRONMENTS = [
    # Layout.
    ("no-schema", small({"schema/schema.yaml": None}), "schema/schema.yaml.*no schema"),
    ("no-manifest", small({"infrastructure/manifest.yaml": None}), "infrastructure/manifest.yaml.*no manifest"),
    ("no-infrastructure", {"schema/schema.yaml": small()["schema/schema.yaml"]}, "infrastructure.*no infrastructure/"),
    ("missing-file", small({"infrastructure/cloudformation.yaml": None}), r"infrastructure/manifest.yaml:4:\d+.*cloudformation.yaml"),
    ("wrong-case", small({"schema/schema.yaml": None, "schema/Schema.yaml": "x"}), "schema/schema.yaml"),
    ("schema-is-json-text", small({"schema/schema.yaml": b"\xff\xfe\x00"}), "UTF-8"),
    # Sizes.
    ("schema-too-big", small(schema=BIG + small()["schema/schema.yaml"].decode()), r"schema/schema.yaml.*51200 are allowed"),
    ("manifest-too-big", small({"infrastructure/manifest.yaml": BIG + MANIFEST}), r"infrastructure/manifest.yaml.*51200 are allowed"),
    ("template-too-big", small(template=SMALL + "# " + "x" * 204_800), r"infrastructure/cloudformation.yaml.*204800 are allowed"),
    (
        "too-many-files",
        changed(starter("environment-terraform"), {f"infrastructure/more{n}.tf": "# nothing\n" for n in range(9)}),
        "11 template files; 10 are allowed",
    ),
    # The manifest.
    ("manifest-no-yaml", small({"infrastructure/manifest.yaml": "infrastructure: [\n"}), r"infrastructure/manifest.yaml:\d+:\d+.*YAML"),
    ("manifest-empty", small({"infrastructure/manifest.yaml": ""}), "infrastructure/manifest.yaml"),
    ("manifest-no-templates", small({"infrastructure/manifest.yaml": "infrastructure: {}\n"}), "infrastructure/manifest.yaml.*templates"),
    (
        "two-templates",
        small({"infrastructure/manifest.yaml": MANIFEST + MANIFEST.split("templates:\n")[1]}),
        "infrastructure/manifest.yaml",
    ),
    ("jinja-terraform", small({"infrastructure/manifest.yaml": MANIFEST.replace("template_language: cloudformation", "template_language: terraform")}), r"infrastructure/manifest.yaml:\d+:\d+.*terraform"),
    ("hcl-cloudformation", small({"infrastructure/manifest.yaml": MANIFEST.replace("rendering_engine: jinja", "rendering_engine: hcl")}), r"infrastructure/manifest.yaml:\d+:\d+"),
    ("unknown-engine", small({"infrastructure/manifest.yaml": MANIFEST.replace("rendering_engine: jinja", "rendering_engine: mustache")}), r"infrastructure/manifest.yaml:\d+:\d+.*mustache"),
    ("escape", small({"infrastructure/manifest.yaml": MANIFEST.replace("cloudformation.yaml", "../schema/schema.yaml")}), "infrastructure/manifest.yaml"),
    ("codebuild-no-provision", small({"infrastructure/manifest.yaml": lines("    - rendering_engine: codebuild\n      settings: {image: i}\n")}), "infrastructure/manifest.yaml.*provision"),
    # The schema.
    ("schema-no-yaml", small(schema="schema:\n  format: {\n"), r"schema/schema.yaml:\d+:\d+.*YAML"),
    ("schema-empty", small(schema=""), "schema/schema.yaml"),
    ("no-format", small(schema="schema:\n  environment_input_type: T\n  types: {T: {type: object, properties: {a: {type: string}}}}\n"), "schema/schema.yaml.*format"),
    ("no-openapi", small(schema=schema_of({"a": {"type": "string"}}).replace("{openapi: \"3.0.0\"}", "{swagger: \"2.0\"}")), "schema/schema.yaml.*openapi"),
    ("openapi-2", small(schema=schema_of({"a": {"type": "string"}}).replace("3.0.0", "2.0")), "schema/schema.yaml.*openapi"),
    ("type-not-there", small(schema=schema_of({"a": {"type": "string"}}).replace("environment_input_type: T", "environment_input_type: U")), r"schema/schema.yaml:3:\d+.*U"),
    ("no-input-type", small(schema=schema_of({"a": {"type": "string"}}).replace("  environment_input_type: T\n", "")), "schema/schema.yaml.*environment_input_type"),
    ("service-type", small(schema=schema_of({"a": {"type": "string"}}, "service_input_type")), "schema/schema.yaml.*input_type"),
    ("no-properties", small(schema=schema_of({})), "schema/schema.yaml.*propert"),
    ("unknown-type", small(schema=schema_of({"a": {"type": "text"}})), r"schema/schema.yaml:\d+:\d+.*text"),
    ("bad-pattern", small(schema=schema_of({"a": {"type": "string", "pattern": "("}})), r"schema/schema.yaml:\d+:\d+.*pattern"),
    ("required-unknown", small(schema=schema_of({"a": {"type": "string"}}, more=", required: [b]")), r"schema/schema.yaml:\d+:\d+.*b"),
    # Jinja that cannot be parsed is told before anything is deployed.
    ("jinja", small(template="Resources: {A: {Type: '{{ environment.inputs.size }'}}"), r"infrastructure/cloudformation.yaml:\d+"),
]


def expect_failures(done, expected):
    for name, _, message in expected:
        status, told = done[name]
        assert status == "REGISTRATION_FAILED", name
        assert re.search(message, told, re.S), (name, told)


def test_bundles_of_environments_fail_with_file_line_and_reason(proton):
    expect_failures(settled(proton, "environment", [(name, bundle) for name, bundle, _ in ENVIRONMENTS]), ENVIRONMENTS)


def test_bundles_at_the_limits_are_registered(proton):
    filler = lambda text, size: text + "# " + "x" * (size - len(text) - 2)  # noqa: E731
    good = small()
    bundles = [
        ("schema", small(schema=filler(good["schema/schema.yaml"].decode(), 51_200))),
        ("manifest", small({"infrastructure/manifest.yaml": filler(MANIFEST, 51_200)})),
        ("template", small(template=filler(SMALL, 204_800))),
        ("files", changed(starter("environment-terraform"), {f"infrastructure/more{n}.tf": "# nothing\n" for n in range(8)})),
        # What CodeBuild runs is no template file.
        ("codebuild", changed(starter("environment-codebuild"), {f"infrastructure/file{n}.ts": "x" for n in range(30)})),
    ]
    assert set(settled(proton, "environment", bundles).values()) == {("DRAFT", "")}


def test_all_starters_are_registered(proton):
    environments = [(engine, starter(f"environment-{engine}")) for engine in ("cloudformation", "terraform", "codebuild")]
    assert set(settled(proton, "environment", environments).values()) == {("DRAFT", "")}
    services = [(engine, starter(f"service-{engine}")) for engine in ("cloudformation", "terraform", "codebuild")]
    done = settled(proton, "service", services, version={"compatibleEnvironmentTemplates": [{"templateName": "terraform", "majorVersion": "1"}]})
    assert set(done.values()) == {("DRAFT", "")}


PIPELINE_SCHEMA = small_service()["schema/schema.yaml"].decode()
SERVICES = [
    ("no-pipeline", small_service({"pipeline_infrastructure/manifest.yaml": None, "pipeline_infrastructure/cloudformation.yaml": None}), "pipeline_infrastructure.*no pipeline_infrastructure/"),
    ("no-instance", small_service({"instance_infrastructure/manifest.yaml": None, "instance_infrastructure/cloudformation.yaml": None}), "instance_infrastructure.*no instance_infrastructure/"),
    ("no-pipeline-type", small_service(schema=PIPELINE_SCHEMA.replace('  pipeline_input_type: "PipelineInput"\n', "")), "schema/schema.yaml.*pipeline_input_type"),
    ("environment-type", small_service(schema=PIPELINE_SCHEMA.replace("service_input_type", "environment_input_type")), "schema/schema.yaml.*service_input_type"),
    ("environment-bundle", small(), "instance_infrastructure"),
]
BARE = [
    ("bare-with-pipeline", small_service(), "pipeline_infrastructure.*no place"),
    ("bare-with-type", small_service(schema=PIPELINE_SCHEMA, pipeline=False), "schema/schema.yaml.*pipeline_input_type"),
]


def test_bundles_of_services_fail_with_file_line_and_reason(proton):
    version = compatible("service", proton)
    expect_failures(settled(proton, "service", [(name, bundle) for name, bundle, _ in SERVICES], version=version), SERVICES)
    own = {"pipelineProvisioning": "CUSTOMER_MANAGED"}
    bundles = [(name, bundle) for name, bundle, _ in BARE] + [("bare", small_service(pipeline=False))]
    done = settled(proton, "service", bundles, template=own, version=version)
    expect_failures(done, BARE)
    assert done["bare"] == ("DRAFT", "")


def test_bundles_of_customer_managed_environments_have_a_schema_only(proton):
    only = lambda properties, more="": {"schema/schema.yaml": schema_of(properties, more=more).encode()}  # noqa: E731
    expected = [
        ("with-infrastructure", small(), "infrastructure.*no place"),
        ("number", only({"a": {"type": "integer"}}), r"schema/schema.yaml:\d+:\d+.*string"),
        ("nested", only({"a": {"type": "object", "properties": {"b": {"type": "string"}}}}), r"schema/schema.yaml:\d+:\d+.*string"),
    ]
    bundles = [(name, bundle) for name, bundle, _ in expected] + [
        ("strings", only({"vpc": {"type": "string"}}, ", required: [vpc]")),
        ("default", only({"vpc": {"type": "string", "default": "x"}})),
    ]
    done = settled(proton, "environment", bundles, template={"provisioning": "CUSTOMER_MANAGED"})
    expect_failures(done, expected)
    assert done["strings"] == ("DRAFT", "") and done["default"][0] == "DRAFT"


def test_yaml_and_patterns_that_explode_do_no_harm(proton):
    laughs = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    deep = "[" * 40_000
    loop = "schema: &loop\n  format: {openapi: '3.0.0'}\n  types: *loop\n  environment_input_type: T\n"
    evil = small(schema=schema_of({"size": {"type": "string", "default": "small", "pattern": "^(a+)+$|^(a|a)*$|small"}}))
    huge = small(schema=schema_of({"size": {"type": "string", "default": "small", "pattern": "(x{1,1000}){1,1000}"}}))
    cycle = small(schema=schema_of({"a": {"$ref": "#/schema/types/T"}, "b": {"$ref": "#/T"}}))
    bundles = [
        ("laughs-schema", small(schema=laughs + small()["schema/schema.yaml"].decode())),
        ("laughs-manifest", small({"infrastructure/manifest.yaml": laughs + MANIFEST})),
        ("deep", small(schema=deep)),
        ("deep-manifest", small({"infrastructure/manifest.yaml": deep})),
        ("loop", small(schema=loop)),
        ("cycle", cycle),
        ("evil-pattern", evil),
        ("huge-pattern", huge),
        ("many-keys", small(schema="? [a]\n: b\n? {c: d}\n: e\n")),
        ("tabs", small(schema="schema:\n\tformat: x\n")),
        ("duplicates", small(schema="schema: 1\nschema: 2\n")),
        ("nul", small(schema="schema: \0\n")),
        ("documents", small(schema="---\nschema: 1\n---\nschema: 2\n")),
    ]
    began = time.monotonic()
    done = settled(proton, "environment", bundles)
    assert time.monotonic() - began < 20
    for name in ("laughs-schema", "laughs-manifest", "deep", "deep-manifest", "loop", "many-keys", "tabs", "duplicates", "nul"):
        assert done[name][0] == "REGISTRATION_FAILED" and done[name][1], (name, done[name])
    if done["evil-pattern"][0] == "DRAFT":
        proton.publish("environment", "evil-pattern")
        began = time.monotonic()
        with invalid("size"):
            proton.environment("victim", "evil-pattern", environment_spec(size="a" * 40_000 + "!"))
        assert time.monotonic() - began < 5


OLD = {"a": {"type": "string"}, "b": {"type": "string", "enum": ["x", "y"]}, "c": {"type": "integer", "maximum": 10, "default": 1}, "d": {"type": "string", "maxLength": 9}}


def with_schema(properties, required=()):
    # The template takes whatever there is.
    return small(schema=schema_of(properties, more=f", required: {list(required)}"), template="Resources: {T: {Type: 'AWS::SNS::Topic'}}\n")


def test_minor_versions_must_take_what_earlier_ones_took(proton):
    proton.template("environment", "t")
    assert proton.register("environment", "t", with_schema(OLD))["status"] == "DRAFT"
    without_a = {name: value for name, value in OLD.items() if name != "a"}
    bad = [
        (with_schema({**OLD, "new": {"type": "string"}}, ["new"]), "new"),
        (with_schema(without_a), "a"),
        (with_schema(OLD, ["a"]), "a"),
        (with_schema({**OLD, "a": {"type": "integer"}}), "a"),
        (with_schema({**OLD, "b": {"type": "string", "enum": ["x"]}}), "b"),
        (with_schema({**OLD, "c": {"type": "integer", "maximum": 5, "default": 1}}), "c"),
        (with_schema({**OLD, "d": {"type": "string", "maxLength": 3}}), "d"),
        (with_schema({**OLD, "a": {"type": "string", "pattern": "^x$"}}), "a"),
    ]
    for bundle, name in bad:
        version = proton.register("environment", "t", bundle, majorVersion="1")
        assert version["status"] == "REGISTRATION_FAILED", name
        assert "1.0" in version["statusMessage"] and f"spec.{name}" in version["statusMessage"], version["statusMessage"]
    good = [
        with_schema(OLD),
        with_schema({**OLD, "new": {"type": "string"}}),
        with_schema({**OLD, "new": {"type": "string", "default": "x"}, "other": {"type": "string", "default": "x"}}, ["other"]),
        with_schema({**OLD, "new": {"type": "string"}, "other": {"type": "string", "default": "x"}, "b": {"type": "string", "enum": ["x", "y", "z"]}}),
    ]
    for bundle in good:
        version = proton.register("environment", "t", bundle, majorVersion="1")
        assert version["status"] == "DRAFT", version["statusMessage"]
    # Only versions of the same major are compared.
    assert proton.register("environment", "t", with_schema({"only": {"type": "string"}}, ["only"]))["status"] == "DRAFT"


@pytest.mark.parametrize("kind", KINDS)
def test_publishing_recommends(proton, kind):
    proton.template(kind, "t")
    for more in ({}, {"majorVersion": "1"}, {"majorVersion": "1"}, {}, {"majorVersion": "2"}):
        drafted(proton, kind, **more)
    get = lambda version: call(proton, "get", kind, **version_keys("t", version))  # noqa: E731
    recommended = lambda: call(proton, "get", kind, name="t").get("recommendedVersion")  # noqa: E731
    assert recommended() is None and "recommendedMinorVersion" not in get("1.1")
    published = proton.publish(kind, "t", "1.1")
    assert (published["status"], published["recommendedMinorVersion"]) == ("PUBLISHED", "1")
    assert (get("1.0")["recommendedMinorVersion"], get("1.2")["recommendedMinorVersion"]) == ("1", "1")
    assert "recommendedMinorVersion" not in get("2.0")
    assert recommended() == "1.1"
    # An older minor, or one of an older major, does not lower it.
    proton.publish(kind, "t", "1.0")
    assert (recommended(), get("1.0")["recommendedMinorVersion"]) == ("1.1", "1")
    proton.publish(kind, "t", "2.0")
    assert (recommended(), get("1.1")["recommendedMinorVersion"], get("2.1")["recommendedMinorVersion"]) == ("2.0", "1", "0")
    proton.publish(kind, "t", "1.2")
    assert (recommended(), get("1.0")["recommendedMinorVersion"]) == ("2.0", "2")
    assert getattr(proton.client, f"list_{kind}_templates")()["templates"][0]["recommendedVersion"] == "2.0"
    # Nothing leads back.
    with invalid("draft"):
        call(proton, "update", kind, **version_keys("t", "1.1"), status="DRAFT")
    for status in ("REGISTRATION_FAILED", "REGISTRATION_IN_PROGRESS"):
        with invalid("PUBLISHED"):
            call(proton, "update", kind, **version_keys("t", "2.1"), status=status)
    assert proton.publish(kind, "t", "1.1")["status"] == "PUBLISHED"
    changed = call(proton, "update", kind, **version_keys("t", "2.1"), description="only this")
    assert (changed["status"], changed["description"]) == ("DRAFT", "only this")


@pytest.mark.parametrize("kind", KINDS)
def test_lists_of_versions_show_majors_or_the_minors_of_one(proton, kind):
    proton.template(kind, "t")
    for more in ({}, {"majorVersion": "1"}, {"majorVersion": "1"}, {}, {"majorVersion": "2"}):
        drafted(proton, kind, **more)
    proton.publish(kind, "t", "1.1")
    numbers = lambda **more: [  # noqa: E731
        f"{it['majorVersion']}.{it['minorVersion']}" for it in getattr(proton.client, f"list_{kind}_template_versions")(templateName="t", **more)["templateVersions"]
    ]
    # Of each major the recommended minor, else the newest.
    assert numbers() == ["2.1", "1.1"]
    assert numbers(majorVersion="1") == ["1.2", "1.1", "1.0"]
    assert numbers(majorVersion="2", maxResults=1) == ["2.1"]
    assert numbers(majorVersion="9") == []
    with missing("none"):
        getattr(proton.client, f"list_{kind}_template_versions")(templateName="none")


def test_compatible_environment_templates_and_component_sources(proton):
    proton.template("environment", "env")
    for more in ({}, {}, {"majorVersion": "1"}):
        drafted(proton, "environment", "env", **more)
    proton.template("service", "svc")
    listed = [{"templateName": "env", "majorVersion": "1"}, {"templateName": "env", "majorVersion": "2"}]
    version = proton.register("service", "svc", small_service(), compatibleEnvironmentTemplates=listed, supportedComponentSources=["DIRECTLY_DEFINED"])
    assert version["compatibleEnvironmentTemplates"] == listed
    assert version["supportedComponentSources"] == ["DIRECTLY_DEFINED"]
    keys = version_keys("svc", "1.0")
    changed = call(proton, "update", "service", **keys, compatibleEnvironmentTemplates=listed[1:])
    assert changed["compatibleEnvironmentTemplates"] == listed[1:]
    assert changed["supportedComponentSources"] == ["DIRECTLY_DEFINED"]
    changed = call(proton, "update", "service", **keys, supportedComponentSources=[])
    assert not changed.get("supportedComponentSources") and changed["compatibleEnvironmentTemplates"] == listed[1:]
    for wrong in ([{"templateName": "env", "majorVersion": "3"}], [{"templateName": "none", "majorVersion": "1"}], [*listed, {"templateName": "none", "majorVersion": "1"}]):
        with missing("ompatible"):
            call(proton, "create", "service", templateName="svc", source=SOURCE, compatibleEnvironmentTemplates=wrong)
        with missing("ompatible"):
            call(proton, "update", "service", **keys, compatibleEnvironmentTemplates=wrong)
    for count in (0, 11):
        with invalid("compatibleEnvironmentTemplates"):
            proton.unchecked().create_service_template_version(templateName="svc", source=SOURCE, compatibleEnvironmentTemplates=listed[:1] * count)


@pytest.mark.parametrize("kind", KINDS)
def test_what_versions_and_templates_cannot_be_deleted(proton, kind):
    proton.template(kind, "t")
    for more in ({}, {"majorVersion": "1"}, {}):
        drafted(proton, kind, **more)
    proton.publish(kind, "t", "1.1")
    delete = lambda version: call(proton, "delete", kind, **version_keys("t", version))  # noqa: E731
    with conflict("versions"):
        call(proton, "delete", kind, name="t")
    with conflict("recommended"):
        delete("1.1")
    deleted = delete("1.0")
    assert deleted["minorVersion"] == "0"
    assert delete("1.0") is None and delete("7.7") is None
    # It is the only one of its major now, but the template has another.
    with conflict("recommended"):
        delete("1.1")
    delete("2.0")
    assert delete("1.1")["majorVersion"] == "1"
    assert "recommendedVersion" not in call(proton, "get", kind, name="t")
    with missing():
        call(proton, "create", kind, templateName="t", source=SOURCE, majorVersion="1", **compatible(kind, proton))
    call(proton, "delete", kind, name="t")
    # Also of a template that is gone.
    assert delete("1.0") is None


def test_the_recommended_minor_of_an_older_major_has_to_stay(proton):
    proton.template("environment", "t")
    for more in ({}, {"majorVersion": "1"}, {}):
        drafted(proton, "environment", **more)
    for version in ("1.0", "2.0"):
        proton.publish("environment", "t", version)
    with conflict("recommended minor"):
        call(proton, "delete", "environment", **version_keys("t", "1.0"))
    call(proton, "delete", "environment", **version_keys("t", "1.1"))
    call(proton, "delete", "environment", **version_keys("t", "1.0"))
    with missing():
        call(proton, "create", "environment", templateName="t", source=SOURCE, majorVersion="1")


def test_versions_in_use_cannot_be_deleted(proton):
    proton.environment_template()
    proton.environment()
    proton.environment_template(majorVersion="1")
    with conflict("in use by .*environment/env"):
        call(proton, "delete", "environment", **version_keys("env", "1.0"))
    # The instance is on 1.0, and the pipeline goes to 1.1 alone.
    proton.service_template()
    spec = service_spec({"one": ("env", {})}, {})
    service = proton.service(spec=spec, **proton.sources())
    assert service["status"] == "ACTIVE", service
    proton.service_template(majorVersion="1")
    with conflict("in use by .*service-instance/one"):
        call(proton, "delete", "service", **version_keys("svc", "1.0"))
    proton.client.update_service_pipeline(serviceName="svc", spec=spec, deploymentType="MINOR_VERSION")
    for service in polled(lambda: proton.client.get_service(name="svc")["service"]):
        if service["pipeline"]["deploymentStatus"] != "IN_PROGRESS":
            break
    assert service["pipeline"]["templateMinorVersion"] == "1", service["pipeline"]
    proton.service_template(majorVersion="1")
    with conflict("in use by .*/pipeline"):
        call(proton, "delete", "service", **version_keys("svc", "1.1"))


@pytest.mark.parametrize("kind", KINDS)
def test_client_tokens(proton, kind):
    proton.template(kind, "t")
    source = proton.upload(small() if kind == "environment" else small_service())
    more = compatible(kind, proton)
    create = lambda token, **other: call(proton, "create", kind, **{"templateName": "t", "source": source, "clientToken": token, **more, **other})  # noqa: E731
    first = create("token-1", description="d")
    proton.registered(kind, "t", "1", "0")
    # The same version again, as it is now; nothing is registered.
    again = create("token-1", description="d")
    assert again["arn"] == first["arn"] and again["status"] == "DRAFT"
    for other in ({}, {"description": "e"}, {"description": "d", "majorVersion": "1"}):
        with invalid("IdempotentParameterMismatch"):
            create("token-1", **other)
    assert create("TOKEN-1", description="d")["majorVersion"] == "2"
    assert create("", description="d")["majorVersion"] == "3"
    assert create("", description="d")["majorVersion"] == "4"
    # What is gone is made anew.
    call(proton, "delete", kind, **version_keys("t", "1.0"))
    assert create("token-1", description="d")["majorVersion"] == "5"
    assert create("token-1", description="d")["majorVersion"] == "5"
    # Another account knows nothing of it.
    other = Proton(proton.server)
    other.template(kind, "t")
    assert call(other, "create", kind, templateName="t", source=SOURCE, clientToken="token-1", **compatible(kind, other))["majorVersion"] == "1"
    for token in ("x" * 65, "two words", "é"):
        with invalid("clientToken"):
            call(proton, "create", kind, templateName="t", source=source, clientToken=token, **more)


def test_client_tokens_are_forgotten_after_eight_hours(proton):
    proton.template("environment", "t")
    source = proton.upload(small())
    create = lambda **more: call(proton, "create", "environment", templateName="t", source=source, clientToken="one", **more)["majorVersion"]  # noqa: E731
    assert create() == "1"
    clock(proton.server, advance="7h59m")
    assert create() == "1"
    clock(proton.server, advance="2m")
    assert create() == "2"
    clock(proton.server, advance="8h1m")
    assert create(description="other") == "3"


def test_calls_whose_answers_are_lost_are_made_again_and_do_nothing_twice(proton):
    """boto3 sends the token that it has made itself once more."""
    again = proton.of("proton", attempts=3)
    source = proton.upload(small())
    lost = {"network": "reset-after", "first": 1}
    keys = version_keys("t", "1.0")
    connection = {"managementAccountId": "111122223333", "environmentName": "env", "roleArn": proton.role}
    for rules, do in [
        ([], lambda: again.create_environment_template(name="t", description="d")),
        ([], lambda: again.create_environment_template_version(templateName="t", source=source)),
        ([], lambda: again.create_environment_account_connection(**connection)),
        (["registered"], lambda: again.update_environment_template_version(**keys, status="PUBLISHED")),
        ([], lambda: again.create_environment(name="env", templateName="t", templateMajorVersion="1", spec=environment_spec(), protonServiceRoleArn=proton.role)),
        (["settled"], lambda: again.delete_environment(name="env")),
    ]:
        if "registered" in rules:
            proton.registered("environment", "t", "1", "0")
        if "settled" in rules:
            assert proton.settled_environment("env")["deploymentStatus"] == "SUCCEEDED"
        with faults(proton.server, lost):
            assert do()["ResponseMetadata"]["RetryAttempts"] == 1
    proton.gone_environment("env")
    for do in (
        lambda: again.delete_environment_template_version(**keys),
        lambda: again.delete_environment_template(name="t"),
    ):
        assert len(proton.client.list_environment_template_versions(templateName="t")["templateVersions"]) <= 1
        with faults(proton.server, lost):
            answer = do()
            assert answer["ResponseMetadata"]["RetryAttempts"] == 1 and set(answer) == {"ResponseMetadata"}
    assert len(proton.client.list_environment_account_connections(requestedBy="ENVIRONMENT_ACCOUNT")["environmentAccountConnections"]) == 1
    assert len(proton.client.list_deployments()["deployments"]) == 2
    assert proton.client.list_environment_templates()["templates"] == []


def at_once(count, do):
    """Does something in many threads at the same time; what came of each."""
    gate, results = threading.Barrier(count), [None] * count

    def run(at):
        gate.wait()
        try:
            results[at] = do(at)
        except Exception as error:  # noqa: BLE001
            results[at] = error

    threads = [threading.Thread(target=run, args=(at,)) for at in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_creates_and_tokens_hold_at_once(proton):
    """Any number of retries at the same moment make one thing."""
    made = at_once(100, lambda _: proton.template("environment", "t"))
    assert all(template == made[0] for template in made), made[:3]
    source = proton.upload(small())
    made = at_once(50, lambda _: call(proton, "create", "environment", templateName="t", source=source, clientToken="same"))
    assert {version["arn"] for version in made} == {made[0]["arn"]}, made[:3]
    assert len(proton.client.list_environment_template_versions(templateName="t")["templateVersions"]) == 1
    # Different parameters: one wins, and the others are told.
    made = at_once(20, lambda at: proton.template("environment", "u", description=str(at)))
    won = [template for template in made if isinstance(template, dict)]
    assert len(won) == 1
    assert all("IdempotentParameterMismatch" in str(error) for error in made if not isinstance(error, dict))
    # Every version gets a number of its own.
    made = at_once(30, lambda _: call(proton, "create", "environment", templateName="t", source=source, majorVersion="1"))
    assert sorted(int(version["minorVersion"]) for version in made) == list(range(1, 31)), made[:3]


def test_publishing_at_once_loses_nothing(proton):
    proton.template("environment", "t")
    for more in ({}, *[{"majorVersion": "1"}] * 9, {}):
        drafted(proton, "environment", **more)
    # With 2.0 published, none of the others changes what the template recommends.
    proton.publish("environment", "t", "2.0")
    made = at_once(10, lambda at: proton.publish("environment", "t", f"1.{at}"))
    assert all(isinstance(version, dict) and version["status"] == "PUBLISHED" for version in made), made
    minors = proton.client.list_environment_template_versions(templateName="t", majorVersion="1")["templateVersions"]
    assert {version["status"] for version in minors} == {"PUBLISHED"}
    assert {version["recommendedMinorVersion"] for version in minors} == {"9"}


def test_a_version_is_not_deleted_while_something_is_made_of_it(proton):
    """Whoever comes first wins, and never both."""
    proton.environment_template()
    proton.environment_template(majorVersion="1")
    source = proton.upload(small())
    for round in range(8):
        version = proton.register("environment", "env", source, majorVersion="1")["minorVersion"]
        name = f"env{round}"
        # Published, and then no longer the recommended one.
        for minor in (version, proton.register("environment", "env", source, majorVersion="1")["minorVersion"]):
            proton.publish("environment", "env", f"1.{minor}")

        def race(at, version=version, name=name):
            if at == 0:
                return proton.environment(name, wait=False, templateMinorVersion=version)
            return call(proton, "delete", "environment", **version_keys("env", f"1.{version}"))

        created, deleted = at_once(2, race)
        assert isinstance(created, dict) != isinstance(deleted, dict), (created, deleted)
        if isinstance(created, dict):
            assert proton.settled_environment(name)["deploymentStatus"] == "SUCCEEDED"


def test_a_version_that_is_being_deployed_is_in_use(proton):
    proton.environment_template(bundle=starter("environment-terraform"))
    proton.repository()
    proton.environment(provisioningRepository={"provider": "GITHUB", "name": "acme/infra", "branch": "main"}, spec=environment_spec(vpc_cidr="10.0.0.0/16"), wait=False)
    arn = proton.client.get_environment(name="env")["environment"]["arn"]
    proton.client.notify_resource_deployment_status_change(resourceArn=arn, status="SUCCEEDED")
    for _ in range(2):
        proton.environment_template(bundle=starter("environment-terraform"), majorVersion="1")
    proton.update_environment(deployment_type="MINOR_VERSION", templateMinorVersion="1", wait=False)
    with conflict("in use"):
        call(proton, "delete", "environment", **version_keys("env", "1.1"))
    proton.client.cancel_environment_deployment(environmentName="env")
    proton.settled_environment("env")
    assert call(proton, "delete", "environment", **version_keys("env", "1.1"))["minorVersion"] == "1"


def test_a_version_may_be_deleted_while_it_is_registered(proton):
    proton.template("environment", "t")
    source = proton.upload(small())
    for _ in range(20):
        made = call(proton, "create", "environment", templateName="t", source=source)
        deleted = call(proton, "delete", "environment", **version_keys("t", f"{made['majorVersion']}.0"))
        assert deleted["arn"] == made["arn"]
    assert drafted(proton, "environment") == "21.0"
    assert len(proton.client.list_environment_template_versions(templateName="t")["templateVersions"]) == 1
    call(proton, "delete", "environment", **version_keys("t", "21.0"))
    call(proton, "delete", "environment", name="t")


def test_a_registered_bundle_is_a_copy(proton):
    proton.environment_template()
    (bundle,) = [found["Key"] for found in proton.s3.list_objects_v2(Bucket=proton.bucket)["Contents"]]
    proton.s3.put_object(Bucket=proton.bucket, Key=bundle, Body=b"not a bundle any more")
    assert proton.environment("one")["deploymentStatus"] == "SUCCEEDED"
    proton.s3.delete_object(Bucket=proton.bucket, Key=bundle)
    proton.s3.delete_bucket(Bucket=proton.bucket)
    assert proton.environment("two")["deploymentStatus"] == "SUCCEEDED"
    assert proton.outputs("two")["Size"] == "small"
