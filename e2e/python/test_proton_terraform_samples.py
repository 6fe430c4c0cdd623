"""AWS's public Terraform samples, applied by Terraform itself against standin's own AWS APIs: updated, and destroyed.

What is needed and not part of this repository is found, or the tests are skipped: the samples (see test_proton_samples), Terraform, and
its AWS provider, in a folder of providers that `TF_PLUGIN_MIRROR` names or one of the usual ones.

The samples ask for versions 3 and 4 of the provider, and for the community's VPC module. The provider that is installed stands in for
these versions, and a small module of ours for that one, which names a network and makes none, served by a registry of the test. The
other samples need the provider hashicorp/archive, or AWS APIs deeper than standin has them.
"""

import io
import os
import platform
import shutil
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import terraforms
from test_proton_samples import CODE, REPOSITORY, Account, samples

from conftest import make
from serve import Standin

FOLDERS = ("~/.terraform.d/plugins", "/opt/tf-plugins", "/usr/local/share/terraform/plugins", "/usr/share/terraform/plugins")
AWS = "registry.terraform.io/hashicorp/aws"
# What the samples' constraints ask for: ~> 3.0, ~> 4.4.0 and ~> 4.0.
VERSIONS = ("3.76.1", "4.4.0", "4.67.0")

# What the samples use of the community's module.
VPC = """
variable "name" { default = "vpc" }
variable "cidr" {}
variable "azs" { type = list(string) }
variable "private_subnets" { type = list(string) }
variable "public_subnets" { type = list(string) }
variable "enable_nat_gateway" { default = false }
variable "enable_vpn_gateway" { default = false }
variable "enable_dns_hostnames" { default = false }
variable "enable_dns_support" { default = true }
variable "tags" { default = {} }

# Names of a network that is not made.
resource "terraform_data" "vpc" {
  input = "vpc-${substr(sha256("${var.name}${var.cidr}"), 0, 17)}"
}

output "vpc_id" { value = terraform_data.vpc.output }
output "vpc_arn" { value = "arn:aws:ec2:us-east-1:000000000000:vpc/${terraform_data.vpc.output}" }
output "private_subnets" { value = [for cidr in var.private_subnets : "subnet-${substr(sha256(cidr), 0, 17)}"] }
output "public_subnets" { value = [for cidr in var.public_subnets : "subnet-${substr(sha256(cidr), 0, 17)}"] }
output "default_security_group_id" { value = "sg-${substr(sha256(var.cidr), 0, 17)}" }
"""


def providers():
    """The folder of one version of the AWS provider for this machine."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    target = f"{platform.system().lower()}_{machine}"
    for folder in (os.environ.get("TF_PLUGIN_MIRROR"), *FOLDERS):
        found = sorted(Path(folder).expanduser().glob(f"{AWS}/*/{target}")) if folder else []
        if found:
            return found[-1]
    pytest.skip("Terraform's AWS provider is not installed (hashicorp/aws in ~/.terraform.d/plugins or in the folder TF_PLUGIN_MIRROR)")


class Modules(BaseHTTPRequestHandler):
    """A registry with one module in one version."""

    def do_GET(self):
        place = f"http://{self.headers['Host']}"
        if self.path.endswith("/terraform-aws-modules/vpc/aws/versions"):
            self.say(b'{"modules": [{"versions": [{"version": "5.0.0"}]}]}', "application/json")
        elif self.path.endswith("/download"):
            self.send_response(204)
            self.send_header("X-Terraform-Get", f"{place}/vpc.tar.gz")
            self.end_headers()
        elif self.path.startswith("/vpc.tar.gz"):
            packed = io.BytesIO()
            with tarfile.open(fileobj=packed, mode="w:gz") as archive:
                entry = tarfile.TarInfo("main.tf")
                entry.size = len(VPC)
                archive.addfile(entry, io.BytesIO(VPC.encode()))
            self.say(packed.getvalue(), "application/gzip")
        else:
            self.send_error(404)

    def say(self, body, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments):
        pass


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    samples("terraform")
    terraforms.program()
    real, folder = providers(), tmp_path_factory.mktemp("terraform")
    for version in VERSIONS:
        mirrored = folder / "mirror" / AWS / version
        mirrored.mkdir(parents=True)
        (mirrored / real.name).symlink_to(real)
    registry = ThreadingHTTPServer(("127.0.0.1", 0), Modules)
    threading.Thread(target=registry.serve_forever, daemon=True).start()
    config = folder / "terraform.tfrc"
    config.write_text(
        f"""
provider_installation {{
  filesystem_mirror {{ path = "{folder}/mirror" }}
}}
host "registry.terraform.io" {{
  services = {{ "modules.v1" = "http://127.0.0.1:{registry.server_port}/v1/modules/" }}
}}
"""
    )
    settings = ('provisioning.terraform="local"', f'terraform.cli-config="{config}"')
    with Standin("--log", "warn", "--data-dir", str(folder / "data"), *[part for text in settings for part in ("--proton", text)]) as running:
        yield running
    registry.shutdown()


def whole(bundle, folder):
    """The bundle, with a tag in quotes that the sample has without: Terraform does not read it as it is."""
    copy = folder / bundle.parent.name / bundle.name
    shutil.copytree(bundle, copy)
    for path in copy.rglob("config.tf"):
        path.write_text(path.read_text().replace("      proton:environment =", '      "proton:environment" ='))
    return copy


def account_of(server, region):
    account = Account(server, region, "777788889999")
    account.proton.create_repository(**REPOSITORY, connectionArn=CODE["repositoryConnectionArn"])
    return account


def states(server, region):
    """The states of a region that have something in them, by name."""
    listed = terraforms.told(server, f"states?account=777788889999&region={region}")["states"]
    assert all(found["lock"] is None for found in listed)
    return [found["key"] for found in listed if found["current"]]


def test_the_environment_of_the_function_is_applied_updated_and_destroyed(server, tmp_path):
    """The sample lambda-vpc: its region has no default, and comes from Proton."""
    root, account = samples("terraform") / "lambda-vpc", account_of(server, "eu-west-2")
    proton = account.proton
    account.publish(whole(root / "sample-vpc-environment-template/v1", tmp_path), "vpc")
    spec = (samples("terraform") / "specs/env-spec.yml").read_text()
    proton.create_environment(name="vpc", templateName="vpc", templateMajorVersion="1", spec=spec, provisioningRepository={**REPOSITORY, "branch": "main"})
    outputs = account.environment("vpc")
    assert set(outputs) == {"vpc_arn", "subnet_id", "security_group_id"}
    proton.update_environment(name="vpc", deploymentType="CURRENT_VERSION", spec=spec.replace("aws-proton-sample-vpc", "another"))
    assert account.environment("vpc")["vpc_arn"] != outputs["vpc_arn"]
    assert states(server, "eu-west-2") == ["environment/vpc"]
    account.empty()
    assert states(server, "eu-west-2") == []


def test_an_environment_is_applied_updated_and_destroyed(server, tmp_path):
    """The sample vpc-env: topics, an endpoint and a connector."""
    root, account = samples("terraform") / "environment-templates/vpc-env", account_of(server, "eu-west-3")
    proton, topics = account.proton, make(server, "sns", region="eu-west-3", account="777788889999")
    account.publish(whole(root / "v1", tmp_path), "vpc-env")
    spec = (root / "spec/spec.yaml").read_text()
    proton.create_environment(name="prod", templateName="vpc-env", templateMajorVersion="1", spec=spec, provisioningRepository={**REPOSITORY, "branch": "main"})
    outputs = account.environment("prod")
    assert outputs["SnsRegion"] == "eu-west-3", "the region is that of Proton, not the template's default"
    assert [topic["TopicArn"] for topic in topics.list_topics()["Topics"]] == [outputs["SnsTopicArn"]]
    made = {found["name"]: found for found in proton.list_environment_provisioned_resources(environmentName="prod")["provisionedResources"]}
    assert made["aws_sns_topic.ping_topic"]["identifier"] == outputs["SnsTopicArn"]
    proton.update_environment(name="prod", deploymentType="CURRENT_VERSION", spec=spec)
    assert account.environment("prod") == outputs
    account.empty()
    assert states(server, "eu-west-3") == [] and topics.list_topics()["Topics"] == []
