"""Compares what was sent with what is shown, where both have the same meaning; says nothing where that is in doubt."""

import datetime
import json
import re

from botocore.response import StreamingBody

from resources import norm

# Shown masked or not at all.
SECRET = re.compile(r"(?i)(password|secret|token|credential|privatekey|passphrase|authkey|accesskey|apikey|keymaterial|phrase)")
# The service's own: a caller may ask for a status, the service decides.
OWN = re.compile(r"(?i)(status|state|phase|arn$|^id$|created|updated|modified|version|revision|etag|count$|endpoint|owner|^href$|^url$)")


def void(value):
    """Absent, or nothing but empty things: most protocols cannot tell these apart."""
    if isinstance(value, dict):
        return all(void(item) for item in value.values())
    return value is None or isinstance(value, (list, str, bytes)) and not value


def is_document(shape):
    return getattr(shape, "is_document_type", False) or bool(shape.serialization.get("jsonvalue"))


def comparable(given, shown):
    """Whether two shapes can hold the same."""
    if is_document(given) or is_document(shown):
        return is_document(given) == is_document(shown)
    if given.type_name != shown.type_name:
        numbers = ("integer", "long", "float", "double")
        return given.type_name in numbers and shown.type_name in numbers
    if given.type_name == "string" and given.enum and shown.enum:
        return bool(set(given.enum) & set(shown.enum))
    if given.type_name == "list":
        return comparable(given.member, shown.member)
    if given.type_name == "map":
        return comparable(given.value, shown.value) and not given.key.enum
    if given.type_name == "structure" and given.name != shown.name:
        common = {norm(name) for name in given.members} & {norm(name) for name in shown.members}
        return 2 * len(common) >= len(given.members) and bool(common)
    return True


def differences(given, sent, shown, seen, path):
    """Where what is shown is not what was sent, a line each."""
    if is_document(given):
        return [] if plain(sent) == plain(seen) else [f"{path}: sent {brief(sent)}, got {brief(seen)}"]
    if void(sent):
        return []
    if given.metadata.get("sensitive") and SECRET.search(path):
        return []
    kind = given.type_name
    if seen is None:
        if kind == shown.type_name == "structure" and not {norm(name) for name in sent} & {norm(name) for name in shown.members}:
            return []  # nothing of it can be shown
        return [f"{path}: sent {brief(sent)}, got nothing"]
    if kind == "structure":
        if not isinstance(seen, dict):
            return [f"{path}: sent a structure, got {brief(seen)}"]
        names = {norm(name): name for name in shown.members}
        found = []
        for name, value in sent.items():
            other = names.get(norm(name))
            if name not in given.members or other is None or SECRET.search(name) or not comparable(given.members[name], shown.members[other]):
                continue
            found += differences(given.members[name], value, shown.members[other], seen.get(other), f"{path}.{name}")
        if given.name == shown.name and not getattr(given, "is_tagged_union", False):
            for name, value in seen.items():
                if name in given.members and name not in sent and invented(given, name, value):
                    found.append(f"{path}.{name}: not sent, got {brief(value)}")
        return found
    if kind == "list":
        if not isinstance(seen, list) or len(seen) != len(sent):
            return [f"{path}: sent {len(sent)} items, got {len(seen) if isinstance(seen, list) else brief(seen)}"]
        if given.member.type_name == "string" and sorted(map(str, sent)) == sorted(map(str, seen)):
            return []
        return [text for ours, theirs in zip(sent, seen) for text in differences(given.member, ours, shown.member, theirs, f"{path}[]")]
    if kind == "map":
        if not isinstance(seen, dict):
            return [f"{path}: sent a map, got {brief(seen)}"]
        found = [f"{path}: no key {brief(key)}" for key in sent if key not in seen]
        return found or [text for key, value in sent.items() for text in differences(given.value, value, shown.value, seen[key], f"{path}{{}}")]
    if same(kind, sent, seen):
        return []
    return [f"{path}: sent {brief(sent)}, got {brief(seen)}"]


def same(kind, sent, seen):
    if hasattr(sent, "read") or isinstance(seen, StreamingBody):
        return True
    if kind == "blob":
        return seen == (sent if isinstance(sent, bytes) else str(sent).encode())
    if kind == "timestamp":
        return isinstance(seen, datetime.datetime) and abs((seen - sent).total_seconds()) < 1
    if kind in ("float", "double", "integer", "long"):
        return isinstance(seen, (int, float)) and abs(seen - sent) <= 1e-4 * max(1, abs(sent))
    if kind == "string" and isinstance(seen, (dict, list)):
        return plain(sent) == plain(seen)  # documents that botocore decodes for its callers
    if kind == "string" and isinstance(seen, str) and seen != sent:
        # Names that are not told apart by case, or are absolute: `heron.example.com.`
        return seen.rstrip("./").lower() == sent.rstrip("./").lower() or plain(sent) == plain(seen)
    return seen == sent


def invented(shape, name, value):
    """Whether a member that nobody set has a value that nobody but the caller can know."""
    member = shape.members[name]
    if void(value) and not (value == {} and member.type_name == "structure"):
        return False
    if name in shape.required_members or OWN.search(name) or member.type_name == "timestamp" or isinstance(value, StreamingBody):
        return False
    return not hollow(value) and value != "/" or value == {} and member.type_name == "structure"


def hollow(value):
    """Nothing but what stands for nothing."""
    if isinstance(value, dict):
        return all(map(hollow, value.values()))
    return void(value) or value is False or value == 0


def plain(value):
    if isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return json.loads(json.dumps(value, default=str))


def brief(value):
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 50 else text[:47] + "…"
