"""Compares what was sent with what the server says it understood, as its journal tells."""

import base64
import datetime
import io
import json
import urllib.request


def journal(url, last=1 << 20):
    """What the server decoded of the last requests, by request id."""
    with urllib.request.urlopen(f"{url}/_standin/requests?limit={last}", timeout=60) as answer:
        records = json.loads(answer.read())["requests"]
    return {record["id"]: record for record in records}


def differences(shape, sent, seen, path=""):
    """Where the decoded input is not what was sent."""
    if shape is None:
        return []
    kind = shape.type_name
    if getattr(shape, "is_document_type", False) or shape.serialization.get("jsonvalue"):
        same = _plain(sent) == (json.loads(seen) if isinstance(seen, str) and not isinstance(sent, str) else seen)
        return [] if same else [f"{path}: {seen!r} understood, {sent!r} sent"]
    if _void(sent) and (seen is None or _void(seen)):
        return []
    if kind == "structure":
        if not isinstance(seen, dict):
            return [f"{path}: {type(seen).__name__} understood, a structure sent"]
        found = []
        for name, value in sent.items():
            member = shape.members.get(name)
            if member is None or _streams(value):
                continue
            found += differences(member, value, seen.get(name), f"{path}.{name}")
        return found
    if kind == "list":
        if not isinstance(seen, list) or len(seen) != len(sent):
            return [f"{path}: {len(seen) if isinstance(seen, list) else type(seen).__name__} items understood, {len(sent)} sent"]
        return [text for ours, theirs in zip(sent, seen) for text in differences(shape.member, ours, theirs, f"{path}[]")]
    if kind == "map":
        if not isinstance(seen, dict):
            return [f"{path}: {type(seen).__name__} understood, a map sent"]
        lower = {name.lower(): value for name, value in seen.items()} if shape.serialization.get("location") == "headers" else seen
        return [text for key, value in sent.items() for text in differences(shape.value, value, lower.get(key), f"{path}{{}}")]
    if kind == "blob":
        content = sent if isinstance(sent, bytes) else sent.encode()
        same = isinstance(seen, str) and base64.b64decode(seen) == content
    elif kind == "timestamp":
        same = isinstance(seen, str) and datetime.datetime.fromisoformat(seen.replace("Z", "+00:00")) == sent
    elif kind in ("float", "double"):
        same = isinstance(seen, (int, float)) and abs(seen - sent) < 1e-4 * max(1, abs(sent))
    elif kind in ("integer", "long"):
        same = seen == sent or seen == str(sent)
    else:
        same = seen == sent
    return [] if same else [f"{path}: {str(seen)[:60]!r} understood, {str(sent)[:60]!r} sent"]


def renamed(shape, seen):
    """An input that a sibling service read: `RoleArn` may be its `roleArn`."""
    names = {name.lower(): name for name in shape.members}
    return {names.get(name.lower(), name): value for name, value in seen.items()}


def _streams(value):
    return isinstance(value, io.BytesIO)


def _void(value):
    """Absent, or nothing but empty containers: most protocols cannot tell these apart."""
    if isinstance(value, dict):
        return all(_void(item) for item in value.values())
    return value is None or isinstance(value, list) and not value


def _plain(value):
    return json.loads(json.dumps(value, default=str))
