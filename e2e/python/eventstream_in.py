"""Frames of `application/vnd.amazon.eventstream`, as a client sends them."""

import base64
import datetime
import json
import struct
import zlib


def frame(headers, payload):
    """One message: string and blob headers, then the payload."""
    packed = b""
    for name, value in headers.items():
        kind = 7 if isinstance(value, str) else 6
        content = value.encode() if isinstance(value, str) else value
        packed += struct.pack(">B", len(name)) + name.encode() + struct.pack(">BH", kind, len(content)) + content
    prelude = struct.pack(">II", 16 + len(packed) + len(payload), len(packed))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + packed + payload
    return message + struct.pack(">I", zlib.crc32(message))


def frames(stream, inputs):
    """One event of each of the first three kinds that the stream has."""
    out = b""
    for name, event in list(stream.members.items())[:3]:
        headers = {":message-type": "event", ":event-type": name, ":content-type": "application/json"}
        body = {}
        payload = None
        for member_name, member in event.members.items():
            if member_name not in event.required_members and not member.serialization.get("eventpayload"):
                continue
            value = inputs.value(member, f"/{name}/{member_name}", 2, ())
            if member.serialization.get("eventpayload") and member.type_name == "blob":
                headers[":content-type"] = "application/octet-stream"
                payload = value if isinstance(value, bytes) else value.read()
            elif member.serialization.get("eventheader"):
                headers[member_name] = value
            else:
                body[member.serialization.get("name", member_name)] = value
        out += frame(headers, json.dumps(body, default=_plain).encode() if payload is None else payload)
    return out


def _plain(value):
    if isinstance(value, datetime.datetime):
        return int(value.timestamp())
    return base64.b64encode(value if isinstance(value, bytes) else value.read()).decode()
