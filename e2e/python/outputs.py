"""Checks parsed answers, and their bytes, against the API model; botocore itself takes almost anything."""

import datetime
import json
import re

from botocore.response import StreamingBody

import patterns

NOT_FINITE = ("NaN", "Infinity", "-Infinity")


class Findings:
    """`wrong`: what a typed client trips over. `loose`: constraints of the model that clients do not check."""

    def __init__(self):
        self.wrong = []
        self.loose = []


# What AppConfig says, and its waiter waits for; the model spells it READY_FOR_DEPLOYMENT.
SPELT = {"EnvironmentState": ("ReadyForDeployment",)}


def check(shape, value, path, findings):
    """Checks a value that botocore parsed."""
    kind = shape.type_name
    if getattr(shape, "is_document_type", False):
        return
    if value is None:
        findings.wrong.append(f"{path}: null")
        return
    CHECKS[kind](shape, value, path, findings)


def _structure(shape, value, path, findings):
    if not isinstance(value, dict):
        findings.wrong.append(f"{path}: {type(value).__name__} instead of a structure")
        return
    members = shape.members
    if getattr(shape, "is_tagged_union", False) and len(value) != 1:
        findings.wrong.append(f"{path}: union with {len(value)} members")
    for name in shape.required_members:
        if name not in value and not members[name].serialization.get("eventstream"):
            findings.wrong.append(f"{path}.{name}: required, but missing")
    for name, item in value.items():
        if name == "ResponseMetadata" and name not in members:
            continue
        if name == "ExpiresString":
            continue  # added by botocore
        if name not in members:
            findings.wrong.append(f"{path}.{name}: not in the model")
            continue
        if getattr(members[name], "is_event_stream", False) or hasattr(item, "_event_generator"):
            continue  # read by the caller
        check(members[name], item, f"{path}.{name}", findings)


def _list(shape, value, path, findings):
    if not isinstance(value, list):
        findings.wrong.append(f"{path}: {type(value).__name__} instead of a list")
        return
    _bounds(shape, len(value), path, "items", findings)
    for item in value:
        check(shape.member, item, f"{path}[]", findings)


def _map(shape, value, path, findings):
    if not isinstance(value, dict):
        findings.wrong.append(f"{path}: {type(value).__name__} instead of a map")
        return
    _bounds(shape, len(value), path, "entries", findings)
    for key, item in value.items():
        check(shape.key, key, f"{path}{{}}.key", findings)
        check(shape.value, item, f"{path}{{}}", findings)


def _string(shape, value, path, findings):
    if shape.serialization.get("jsonvalue"):
        return
    if not isinstance(value, str):
        # What botocore decodes for its callers: policies of IAM, templates of CloudFormation.
        if not (isinstance(value, dict) and re.search(r"(?i)(policy|template|document)", path)):
            findings.wrong.append(f"{path}: {type(value).__name__} instead of a string")
        return
    if shape.enum:
        if value not in shape.enum and value not in SPELT.get(shape.name, ()):
            findings.wrong.append(f"{path}: {value[:40]!r} is not of the enumeration")
        return
    _bounds(shape, len(value), path, "characters", findings)
    pattern = shape.metadata.get("pattern")
    if pattern is not None and not patterns.fits(pattern, value):
        findings.loose.append(f"{path}: {value[:40]!r} does not fit {pattern}")


def _number(*types):
    def check_number(shape, value, path, findings):
        if isinstance(value, bool) or not isinstance(value, types):
            if not (float in types and value in NOT_FINITE):
                findings.wrong.append(f"{path}: {type(value).__name__} instead of {shape.type_name}")
            return
        _bounds(shape, value, path, "", findings)

    return check_number


def _boolean(_shape, value, path, findings):
    if not isinstance(value, bool):
        findings.wrong.append(f"{path}: {type(value).__name__} instead of a boolean")


def _timestamp(_shape, value, path, findings):
    if not isinstance(value, datetime.datetime):
        findings.wrong.append(f"{path}: {type(value).__name__} instead of a timestamp")


def _blob(shape, value, path, findings):
    if isinstance(value, StreamingBody):
        value = value.read()
        if not value:
            findings.wrong.append(f"{path}: empty stream")
    if not isinstance(value, bytes):
        findings.wrong.append(f"{path}: {type(value).__name__} instead of a blob")
        return
    _bounds(shape, len(value), path, "bytes", findings)


def _bounds(shape, size, path, unit, findings):
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and size < least or most is not None and size > most:
        findings.loose.append(f"{path}: {size} {unit} not within {least} to {most}")


CHECKS = {
    "structure": _structure,
    "list": _list,
    "map": _map,
    "string": _string,
    "character": _string,
    "integer": _number(int),
    "long": _number(int),
    "float": _number(int, float),
    "double": _number(int, float),
    "boolean": _boolean,
    "timestamp": _timestamp,
    "blob": _blob,
}


def check_wire(operation, response, findings):
    """Checks the raw answer: what botocore drops or forgives while parsing."""
    protocol = operation.service_model.resolved_protocol
    headers, body = response["headers"], response["body"]
    if not any(name in headers for name in ("x-amzn-requestid", "x-amz-request-id", "x-amzn-request-id")):
        findings.wrong.append("no request id in the headers")
    shape = operation.output_shape
    if protocol == "smithy-rpc-v2-cbor" and headers.get("smithy-protocol") != "rpc-v2-cbor":
        findings.wrong.append("no smithy-protocol header")
    if protocol == "query" and isinstance(body, bytes):
        _query_envelope(operation, body, findings)
    if shape is None or not isinstance(body, bytes) or protocol not in ("json", "rest-json"):
        return
    payload = shape.serialization.get("payload")
    if protocol == "rest-json" and payload is not None:
        shape = shape.members[payload]
        if shape.type_name in ("blob", "string") or getattr(shape, "is_document_type", False):
            return
        if not body:
            return
    try:
        value = json.loads(body) if body else {}
    except ValueError:
        findings.wrong.append(f"the body is not JSON: {body[:60]!r}")
        return
    _wire_json(shape, value, "wire", findings)


def _query_envelope(operation, body, findings):
    root = re.search(rb"<([A-Za-z0-9]+)", re.sub(rb"<\?.*?\?>", b"", body))
    if not root or root.group(1).decode() != f"{operation.name}Response":
        findings.wrong.append("the root element is not the operation's name with 'Response'")
    wrapper = operation.output_shape.serialization.get("resultWrapper") if operation.output_shape else None
    if wrapper and f"<{wrapper}".encode() not in body:
        findings.wrong.append(f"no {wrapper} element")


def _wire_json(shape, value, path, findings):
    """Unknown members, nulls and timestamps of the wrong form: typed clients trip over them, botocore does not."""
    kind = shape.type_name
    if getattr(shape, "is_document_type", False):
        return
    if value is None:
        findings.wrong.append(f"{path}: null on the wire")
    elif kind == "structure" and isinstance(value, dict):
        names = {member.serialization.get("name", name): member for name, member in shape.members.items()}
        for name, item in value.items():
            if name == "__type":
                continue
            member = names.get(name)
            if member is None:
                findings.wrong.append(f"{path}.{name}: sent, but not in the model")
            else:
                _wire_json(member, item, f"{path}.{name}", findings)
    elif kind == "list" and isinstance(value, list):
        for item in value:
            _wire_json(shape.member, item, f"{path}[]", findings)
    elif kind == "map" and isinstance(value, dict):
        for item in value.values():
            _wire_json(shape.value, item, f"{path}{{}}", findings)
    elif kind == "timestamp":
        form = shape.serialization.get("timestampFormat", "unixTimestamp")
        wanted = (int, float) if form.lower() == "unixtimestamp" else str
        if not isinstance(value, wanted) or isinstance(value, bool):
            findings.wrong.append(f"{path}: timestamp sent as {type(value).__name__}, not as {form}")
