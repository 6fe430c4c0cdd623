"""Lives the life of every resource type of every API through real botocore clients: create, read, list, page, conflict,
update, tag, delete, and not found before and after.

    python lifecycle.py [--url URL] [--services a,b] [--docs docs/lifecycle.md] [--smithy FILE] [--list FILE]

The types come from botocore's models by code of this folder (resources.py), not from standin. With --smithy, they come from
a file of resource shapes, as Smithy models declare them. Starts the standin binary unless a URL is given.
"""

import argparse
import hashlib
import json
import multiprocessing
import sys
import time
import traceback
from pathlib import Path

import conformance
import lifecycle_report
import lives
import models
import resources
from serve import Standin


class Worker:
    def __init__(self, url, seed, smithy):
        self.calls = conformance.Worker(url, seed, (), None)
        self.seed = seed
        self.smithy = smithy

    def run(self, api):
        started = time.perf_counter()
        model = self.calls.session.get_service_model(api.service, api_version=api.version)
        result = {"service": api.service, "retired_in": api.retired_in, "types": []}
        reader = resources.Reader(api, model)
        types = reader.types(self.smithy.get(api.service, []) if self.smithy is not None else (), conformance.EXCEPTIONS["operations"])
        if self.smithy is not None:
            types = [one for one in types if one.declared]
        types = [one for one in types if not resources.ENGINES & {api.service, f"{api.service}.{one.name}"}]
        if not types:
            return result
        client = self.calls.client(api)
        credentials = client._request_signer._credentials
        for one in types:
            # An account for each type: what one makes, no other sees.
            digest = hashlib.sha256(f"{self.seed}/{api.service}/{one.create}/{one.declared}".encode()).digest()
            credentials.access_key = f"{int.from_bytes(digest[:8], 'big') % 10**12:012}"
            life = lives.Life(reader, client, one, f"{self.seed}/{one.create}", resources.KNOWN["defaults"]["members"])
            try:
                steps = life.run()
            except Exception as error:
                place = traceback.extract_tb(error.__traceback__)[-1]
                steps = {**life.steps, "harness": f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"}
            operations = {role: getattr(one, role) for role in ("create", "read", "list", "update", "delete", "tag") if getattr(one, role)}
            result["types"].append({"type": one.name, "operations": operations, "steps": steps})
        client.close()
        result["seconds"] = round(time.perf_counter() - started, 2)
        return result


worker = None


def _begin(*arguments):
    global worker
    worker = Worker(*arguments)


def _run(api):
    return worker.run(api)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--url", help="a running server; by default the binary is started")
    options.add_argument("--services", help="only these, with commas between")
    options.add_argument("--smithy", type=Path, help="take the types from this file of Smithy resource shapes")
    options.add_argument("--docs", type=Path, help="write the summary for people to this file")
    options.add_argument("--report", type=Path, default=models.CACHE.parent / "lifecycle.json", help="write all findings to this file")
    options.add_argument("--list", type=Path, help="write the failures to this file, a line each")
    options.add_argument("--require", type=float, default=0.0, help="percentage of types that must live correctly")
    options.add_argument("--workers", type=int, default=conformance.WORKERS)
    options.add_argument("--quiet", action="store_true", help="print the summary only")
    chosen = options.parse_args()
    if chosen.url:
        return live_all(chosen, chosen.url, str(time.time_ns()), lambda: True)
    with Standin("--log", "warn", "--journal-size", "10") as server:
        return live_all(chosen, server.url, "standin", server.alive)


def live_all(chosen, url, seed, alive):
    started = time.perf_counter()
    folder, retired = models.retired_folder()
    session = models.session(folder)
    apis = list(models.apis(session, retired, False))
    smithy, lost = None, []
    if chosen.services:
        wanted = set(chosen.services.split(","))
        apis = [api for api in apis if api.service in wanted]
    if chosen.smithy:
        smithy, lost = resources.declared(chosen.smithy, {api.service: session.get_service_model(api.service) for api in apis})
        apis = [api for api in apis if api.service in smithy]
        lost = lost if not chosen.services else []
    loader = session.get_component("data_loader")
    size = {api: sum(path.stat().st_size for base in loader.search_paths for path in Path(base).glob(f"{api.service}/{api.version}/service-2.json*")) for api in apis}
    apis.sort(key=lambda api: -size[api])
    with multiprocessing.get_context("fork").Pool(chosen.workers, _begin, (url, seed, smithy)) as pool:
        results = list(pool.imap_unordered(_run, apis))
    results.sort(key=lambda result: result["service"])
    chosen.report.parent.mkdir(parents=True, exist_ok=True)
    chosen.report.write_text(json.dumps(results, indent=1, ensure_ascii=False))
    return lifecycle_report.tell(results, lost, chosen, alive(), time.perf_counter() - started)


if __name__ == "__main__":
    sys.exit(main())
