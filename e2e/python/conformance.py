"""Calls every operation of every API through real botocore clients and checks every answer against the model.

    python conformance.py [--all-versions] [--url URL] [--only SERVICE[.OPERATION] …] [--docs docs/coverage.md]

Starts the standin binary unless a URL is given. Exits 1 where fewer answers are model-valid than --require says, or where
any operation is unknown to the server, or the server dies.
"""

import argparse
import collections
import http.client
import json
import multiprocessing
import os
import re
import sys
import time
import tomllib
import urllib.parse
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")
os.environ.update(
    AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull, AWS_EC2_METADATA_DISABLED="true", AWS_REGION="us-east-1"
)

import botocore.exceptions
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest, HeadersDict
from botocore.config import Config
from botocore.eventstream import EventStream

import models
import outputs
import understood
from eventstream_in import frames
from inputs import Inputs
from serve import Standin

WORKERS = 2
PAGES_MAX = 12
# Calls between two looks into the journal, which keeps the last requests of all workers.
JOURNAL_SHARE = 200
HERE = Path(__file__).resolve().parent
EXCEPTIONS = tomllib.loads((HERE / "exceptions.toml").read_text())
# How AWS calls a refused input when the operation models no error for it.
INPUT_ERRORS = re.compile(r"(?i)valid|missing|serializ|parameter|malformed|argument|invalid|badrequest|bad_request|inputexception|illegal|clientexception|required")

CONFIG = Config(
    retries={"total_max_attempts": 1},
    connect_timeout=10,
    read_timeout=30,
    inject_host_prefix=False,
    s3={"addressing_style": "path"},
    ignore_configured_endpoint_urls=True,
)


class Worker:
    """What one process needs: a session, and where the server is."""

    def __init__(self, url, seed, parts, only):
        folder, _ = models.retired_folder()
        self.session = models.session(folder)
        self.url = url
        self.seed = seed
        self.parts = parts
        self.only = only

    def client(self, api):
        model = self.session.get_service_model(api.service, api_version=api.version)
        url, verify = self.url, None
        if model.signature_version == "bearer" or "smithy.api#httpBearerAuth" in (model.metadata.get("auth") or []):
            url, verify = self.url.replace("http://", "https://"), False  # clients refuse to send tokens in the clear
        config = CONFIG
        if api.service in EXCEPTIONS["proxied"]:
            config = CONFIG.merge(Config(proxies={"http": self.url, "https": self.url}, inject_host_prefix=True))
            url, verify = None, False
        return self.session.create_client(
            api.service, api_version=api.version, region_name="us-east-1", endpoint_url=url, verify=verify, config=config
        )

    def run(self, api):
        client = self.client(api)
        wire = {}

        def keep(response_dict=None, **_rest):
            wire.update(response_dict)

        client.meta.events.register_first("before-parse", keep)
        result = {"api": api.name, "service": api.service, "retired_in": api.retired_in, "newest": api.newest}
        names = [name for name in client.meta.service_model.operation_names if self._wanted(api, name)]
        if "calls" in self.parts:
            result["calls"] = []
            for at in range(0, len(names), JOURNAL_SHARE):
                batch = [self._call(api, client, name, wire) for name in names[at : at + JOURNAL_SHARE]]
                self._understood(api, client, batch)
                result["calls"] += batch
        if "pages" in self.parts:
            result["paginators"] = [found for name in names if (found := self._paginate(api, client, name))]
        if "waiters" in self.parts:
            result["waiters"] = self._waiters(api, client, names)
        if "negative" in self.parts:
            client._serializer = getattr(client._serializer, "_serializer", client._serializer)
            result["negative"] = [found for name in names if (found := self._negative(api, client, name))]
        client.close()
        return result

    def _wanted(self, api, name):
        return not self.only or api.service in self.only or f"{api.service}.{name}" in self.only

    def _call(self, api, client, name, wire):
        """One call with a valid input."""
        operation = client.meta.service_model.operation_model(name)
        inputs = Inputs(api, operation, self.seed)
        record = {"operation": name}
        wire.clear()
        try:
            given = inputs.make()
            if inputs.notes:
                record["notes"] = inputs.notes
            if operation.has_event_stream_input:
                parsed = self._raw_call(client, operation, given, wire)
            else:
                parsed = client._make_api_call(name, given)
                headers = wire["headers"]
                record["sent"] = headers.get("x-amzn-requestid") or headers.get("x-amz-request-id"), given
            findings = self._check(operation, parsed, wire)
        except botocore.exceptions.ClientError as error:
            code = error.response.get("Error", {}).get("Code")
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            return {**record, "outcome": "error", "detail": f"{code} ({status}): {error.response['Error'].get('Message', '')}"}
        except (botocore.exceptions.HTTPClientError, botocore.exceptions.ConnectionError) as error:
            return {**record, "outcome": "broken", "detail": f"{type(error).__name__}: {error}"}
        except Exception as error:  # the client could not read the answer, or refused to send the request
            outcome = "unread" if wire else "unsent"
            return {**record, "outcome": outcome, "detail": f"{type(error).__name__}: {error}"}
        if findings.loose:
            record["loose"] = findings.loose
        if findings.wrong:
            return {**record, "outcome": "invalid", "detail": findings.wrong[0], "wrong": findings.wrong}
        return {**record, "outcome": "ok"}

    def _understood(self, api, client, batch):
        """Compares the inputs of a batch with what the server decoded."""
        if not any("sent" in record for record in batch) or "understood" not in self.parts:
            for record in batch:
                record.pop("sent", None)
            return
        waiting = {record["sent"][0] for record in batch if "sent" in record}
        journal = understood.journal(self.url, 3 * len(batch) + 20)
        if not waiting <= journal.keys():
            journal = understood.journal(self.url)  # the other worker was quicker
        for record in batch:
            request_id, given = record.pop("sent", (None, None))
            if request_id is None:
                continue
            name = record["operation"]
            seen = journal.get(request_id)
            shape = client.meta.service_model.operation_model(name).input_shape
            if seen is None:
                wrong = [f"the journal has no request {request_id}"]
            elif seen["operation"] != name:
                wrong = [f"taken for {seen['service']}.{seen['operation']}"]
            else:
                given = {member: value for member, value in given.items() if f"{api.service}.{member}" not in EXCEPTIONS["rewritten"]}
                wrong = understood.differences(shape, given, seen["input"])
                if wrong and seen["service"] != api.service:
                    wrong = understood.differences(shape, given, understood.renamed(shape, seen["input"]))
            if seen and (seen["service"] != api.service or not api.newest):
                record["answered_as"] = seen["service"]
                # Further members are what another service's answer may have; clients pass over them.
                rest = [text for text in record.get("wrong", []) if not text.endswith("not in the model")]
                if "wrong" in record and not rest:
                    record.update(outcome="ok")
            if wrong and record["outcome"] == "ok":
                record.update(outcome="misunderstood", detail=wrong[0])
            if wrong:
                record["misunderstood"] = wrong

    def _check(self, operation, parsed, wire):
        findings = outputs.Findings()
        shape = operation.output_shape
        outputs.check_wire(operation, wire, findings)
        if shape is None:
            return findings
        plain = {name: value for name, value in parsed.items() if name != "ResponseMetadata" or name in shape.members}
        if shape.members and not plain:
            findings.wrong.append("nothing in the answer, although the model has members")
        for name, member in shape.members.items():
            stream = plain.get(name)
            if isinstance(stream, EventStream):
                plain.pop(name)
                events = list(stream)
                if not events:
                    findings.wrong.append(f"{name}: no event in the stream")
                for event in events:
                    outputs.check(member, event, f"{name}[event]", findings)
            elif operation.has_event_stream_output and member.serialization.get("eventstream"):
                findings.wrong.append(f"{name}: no event stream")
        required = set(shape.required_members) - set(plain)
        if operation.has_event_stream_output:
            required -= {name for name, member in shape.members.items() if member.serialization.get("eventstream")}
            for name, value in plain.items():
                outputs.check(shape.members[name], value, name, findings)
            findings.wrong += [f"{name}: required, but missing" for name in required]
        else:
            outputs.check(shape, plain, "", findings)
        return findings

    def _raw_call(self, client, operation, given, wire):
        """A signed request whose body is an event stream, which botocore itself cannot send."""
        context = {"client_region": "us-east-1", "client_config": client.meta.config, "has_streaming_input": True}
        request = client._serializer._serializer.serialize_to_request(given, operation)
        url = self.url + request["url_path"]
        if request["query_string"]:
            url += "?" + urllib.parse.urlencode(request["query_string"])
        stream = next(shape for shape in operation.input_shape.members.values() if shape.serialization.get("eventstream") or getattr(shape, "is_eventstream", False))
        made = Inputs(models.Api(operation.service_model.service_name, "stream"), operation, self.seed)
        body = frames(stream, made)
        headers = dict(request["headers"]) | {
            "Content-Type": "application/vnd.amazon.eventstream",
            "X-Amz-Content-SHA256": "STREAMING-AWS4-HMAC-SHA256-EVENTS",
        }
        signed = AWSRequest(method=request["method"], url=url, headers=headers, data=b"")
        signed.context.update(context, payload_signing_enabled=False)
        SigV4Auth(client._request_signer._credentials, client.meta.service_model.signing_name, "us-east-1").add_auth(signed)
        place = urllib.parse.urlsplit(url)
        connection = http.client.HTTPConnection(place.netloc, timeout=30)
        path = place.path + (f"?{place.query}" if place.query else "")
        connection.request(request["method"], path, body=iter([body]), headers=dict(signed.headers), encode_chunked=True)
        response = connection.getresponse()
        answer = response.read()
        found = {name.lower(): value for name, value in response.getheaders()}
        parser = client._endpoint._response_parser_factory.create_parser(operation.service_model.resolved_protocol)
        plain = {"headers": HeadersDict(found), "status_code": response.status, "body": answer}
        wire.update(plain)
        if response.status >= 300:
            raise botocore.exceptions.ClientError(parser.parse(plain, operation.output_shape), operation.name)

        class Raw:
            def stream(self):
                yield answer

            def close(self):
                connection.close()

        plain["body"] = Raw()
        plain["context"] = {"operation_name": operation.name}
        wire["body"] = Raw()
        return parser.parse(plain, operation.output_shape)

    def _negative(self, api, client, name):
        """One call that lacks a required member."""
        operation = client.meta.service_model.operation_model(name)
        shape = operation.input_shape
        if shape is None or operation.has_event_stream_input:
            return None
        payload = shape.serialization.get("payload")
        droppable = [
            member
            for member in shape.required_members
            if member != payload  # no body and an empty one look alike
            and shape.members[member].serialization.get("location") != "uri"
            and member not in operation.idempotent_members
            and not shape.members[member].serialization.get("hostLabel")
            and f"{api.service}.{member}" not in EXCEPTIONS["defaulted"]
        ]
        if not droppable:
            return None
        given = Inputs(api, operation, self.seed, optional=False).make()
        dropped = droppable[-1]
        del given[dropped]
        record = {"operation": name, "dropped": dropped}
        try:
            client._make_api_call(name, given)
        except botocore.exceptions.ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            record["detail"] = f"{code} ({status})"
            modelled = {shape.error_code or shape.name for shape in operation.error_shapes} | {shape.name for shape in operation.error_shapes}
            if status == 404 and code.isdigit() or code.isdigit():
                # HEAD answers have no body.
                known = operation.http.get("method") == "HEAD"
            else:
                known = code in modelled or bool(INPUT_ERRORS.search(code))
            return {**record, "outcome": "ok" if known and 400 <= status < 500 else "wrong"}
        except Exception as error:
            return {**record, "outcome": "client", "detail": f"{type(error).__name__}: {error}"}
        return {**record, "outcome": "accepted", "detail": "accepted without a required member"}

    def _paginate(self, api, client, name):
        operation = botocore.xform_name(name)
        if not client.can_paginate(operation):
            return None
        model = client.meta.service_model.operation_model(name)
        record = {"operation": name}
        try:
            given = Inputs(api, model, self.seed, optional=False).make()
            paginator = client.get_paginator(operation)
            inputs = {token.expression.split(".")[0] for token in paginator._input_token} if hasattr(paginator._input_token[0], "expression") else set(paginator._input_token)
            given = {member: value for member, value in given.items() if member not in inputs and (member != paginator._limit_key or member in model.input_shape.required_members)}
            pages = items = 0
            for page in paginator.paginate(**given):
                pages += 1
                for key in paginator.result_keys:
                    found = key.search(page)
                    items += len(found) if isinstance(found, (list, dict, str)) else found is not None
                if pages >= PAGES_MAX:
                    return {**record, "outcome": "endless", "detail": f"still a next page after {pages} pages"}
        except Exception as error:
            return {**record, "outcome": "failed", "detail": f"{type(error).__name__}: {error}"}
        return {**record, "outcome": "ok", "pages": pages, "items": items}

    def _waiters(self, api, client, names):
        found = []
        try:
            waiters = client.waiter_names
        except Exception as error:
            return [{"waiter": "*", "outcome": "failed", "detail": str(error)}]
        for waiter_name in waiters:
            waiter = client.get_waiter(waiter_name)
            operation = waiter.config.operation
            if operation not in names:
                continue
            try:
                given = Inputs(api, client.meta.service_model.operation_model(operation), self.seed, optional=False).make()
                waiter.wait(**given, WaiterConfig={"Delay": 0, "MaxAttempts": 2})
                found.append({"waiter": waiter_name, "outcome": "ok"})
            except Exception as error:
                found.append({"waiter": waiter_name, "outcome": "waits", "detail": f"{type(error).__name__}: {error}"})
        return found


worker = None


def _begin(*arguments):
    global worker
    worker = Worker(*arguments)


def _run(api):
    started = time.perf_counter()
    try:
        result = worker.run(api)
    except Exception as error:  # a client that cannot even be made
        result = {"api": api.name, "service": api.service, "retired_in": api.retired_in, "newest": api.newest, "failed": repr(error)}
    result["seconds"] = round(time.perf_counter() - started, 2)
    return result


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--url", help="a running server; by default the binary is started")
    options.add_argument("--seed", default="standin")
    options.add_argument("--all-versions", action="store_true", help="older API versions too")
    options.add_argument("--only", nargs="*", help="services, or SERVICE.OPERATION")
    options.add_argument("--parts", nargs="*", default=["calls", "understood", "negative", "pages", "waiters"])
    options.add_argument("--report", default=str(models.CACHE.parent / "conformance.json"))
    options.add_argument("--docs", help="write the summary for people to this file")
    options.add_argument("--require", type=float, default=99.0, help="percentage of operations that must succeed")
    chosen = options.parse_args()
    if chosen.url:
        return check_all(chosen, chosen.url, lambda: True)
    with Standin("--stateless", "--log", "warn", "--journal-size", "4000") as server:
        return check_all(chosen, server.url, server.alive)


def check_all(chosen, url, alive):
    started = time.perf_counter()
    folder, retired = models.retired_folder()
    session = models.session(folder)
    apis = list(models.apis(session, retired, chosen.all_versions))
    if chosen.only:
        services = {name.split(".")[0] for name in chosen.only}
        apis = [api for api in apis if api.service in services]
    loader = session.get_component("data_loader")
    size = {api: sum(path.stat().st_size for base in loader.search_paths for path in Path(base).glob(f"{api.service}/{api.version}/service-2.json*")) for api in apis}
    apis.sort(key=lambda api: -size[api])
    with multiprocessing.get_context("fork").Pool(WORKERS, _begin, (url, chosen.seed, chosen.parts, chosen.only)) as pool:
        results = list(pool.imap_unordered(_run, apis))
    results.sort(key=lambda result: (result["service"], result["api"] != result["service"], result["api"]))
    Path(chosen.report).parent.mkdir(parents=True, exist_ok=True)
    Path(chosen.report).write_text(json.dumps(results, indent=1, ensure_ascii=False))
    import coverage_report

    return coverage_report.tell(results, chosen, alive(), time.perf_counter() - started, EXCEPTIONS)


if __name__ == "__main__":
    sys.exit(main())
