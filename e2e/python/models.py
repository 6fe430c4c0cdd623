"""The API models as botocore reads them: those of the installed botocore, and the retired ones of older packages."""

import hashlib
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import botocore
import botocore.session
import botocore.tokens

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / "target" / "botocore"


@dataclass(frozen=True)
class Api:
    """One version of one service's API."""

    service: str
    version: str
    # The botocore version that the model is from, where that is not the newest.
    retired_in: str | None = None
    newest: bool = True

    @property
    def name(self):
        return self.service if self.newest else f"{self.service} {self.version}"


def _wheel(version, sha256):
    wheel = CACHE / f"botocore-{version}-py3-none-any.whl"
    if not wheel.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*command, "--only-binary", ":all:", "--dest", str(CACHE), f"botocore=={version}"], check=True)
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if found != sha256:
        raise SystemExit(f"{wheel} has sha256 {found}, but catalogue/sources.toml pins {sha256}")
    return wheel


def retired_folder():
    """A botocore data folder with only what the newest botocore has no more; {service: botocore version}."""
    packages = tomllib.loads((ROOT / "catalogue" / "sources.toml").read_text())["package"]
    newest, older = packages[0], packages[1:]
    if newest["version"] != botocore.__version__:
        raise SystemExit(f"botocore {botocore.__version__} is installed, the catalogue has {newest['version']}")
    known = {path.name for path in (Path(botocore.__file__).parent / "data").iterdir() if path.is_dir()}
    folder = CACHE / "retired"
    services = {}
    for package in older:
        with zipfile.ZipFile(_wheel(package["version"], package["sha256"])) as wheel:
            files = [name for name in wheel.namelist() if name.startswith("botocore/data/") and name.count("/") == 4]
            new = {name.split("/")[2] for name in files} - known
            for name in files:
                service = name.split("/")[2]
                target = folder / name.removeprefix("botocore/data/")
                if service in new and not target.exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(wheel.read(name))
        services |= dict.fromkeys(new, package["version"])
        known |= new
    return folder, services


class _DummyToken:
    """Hands out a token that never ends, for the services that take bearer tokens."""

    def load_token(self, **_kwargs):
        return botocore.tokens.FrozenAuthToken("standin-token")


def session(folder=None):
    """A botocore session with dummy credentials that also knows the models in `folder`."""
    made = botocore.session.Session()
    made.set_credentials("111122223333", "standin-secret")
    made.register_component("token_provider", _DummyToken())
    if folder is not None:
        made.get_component("data_loader").search_paths.append(str(folder))
    return made


def apis(made, retired, all_versions):
    """Every service's newest API, then (with `all_versions`) the older ones."""
    loader = made.get_component("data_loader")
    for service in made.get_available_services():
        versions = sorted(loader.list_api_versions(service, "service-2"), reverse=True)
        for version in versions if all_versions else versions[:1]:
            yield Api(service, version, retired.get(service), version == versions[0])
