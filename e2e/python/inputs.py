"""Makes inputs that an API model allows: all required members and a seeded share of the optional ones."""

import datetime
import io
import json
import random
import uuid

import patterns

DEPTH_MAX = 6
# How many values one input may hold before optional members are left out.
VALUES_MAX = 90
SHARES = (0.5, 0.3, 0.2, 0.1)
ACCOUNT = "111122223333"
TEXTS = ("standin", "alpha-1", "Blue heron", "x", "42", "north/south", "a=b&c", "Grüße", "日本語", '<tag attr="1">', "it's 100%")
SAFE_TEXTS = ("standin", "alpha-1", "heron", "b2", "north-4")

# Members for which the client, before it sends anything, asks for more than the model says.
CLIENT_WISHES = {
    ("s3", "Bucket"): "standin-bucket",
    ("s3", "CopySource"): "source-bucket/source-key",
    ("s3", "Expires"): datetime.datetime(2026, 3, 4, 5, 6, 7, tzinfo=datetime.timezone.utc),
    ("s3control", "AccountId"): ACCOUNT,
    ("s3control", "Bucket"): "standin-bucket",
    ("cloudfront-keyvaluestore", "KvsARN"): f"arn:aws:cloudfront::{ACCOUNT}:key-value-store/0b9a1c2d-3e4f-4a5b-8c6d-7e8f9a0b1c2d",
    ("machinelearning", "PredictEndpoint"): "https://realtime.machinelearning.us-east-1.amazonaws.com",
    ("kinesis", "StreamARN"): f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/heron",
    ("kinesis", "ConsumerARN"): f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/heron/consumer/grebe:1700000000",
    ("kinesis", "ResourceARN"): f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/heron",
}


class Inputs:
    """The inputs of one operation. `notes` collects the members for which no fitting value was found."""

    def __init__(self, api, operation, seed, *, optional=True):
        self.service = api.service
        self.operation = operation
        self.seed = f"{seed}/{api.service}/{api.version}/{operation.name}"
        self.optional = optional
        self.notes = []
        self.values = 0
        self.tokens = {member for member in operation.idempotent_members}

    def make(self):
        shape = self.operation.input_shape
        if shape is None:
            return {}
        return self._structure(shape, "", 0, ())

    def draw(self, path):
        return random.Random(f"{self.seed}{path}")

    def value(self, shape, path, depth, above, *, safe=False):
        self.values += 1
        kind = shape.type_name
        if getattr(shape, "is_document_type", False):
            return {"note": "a document", "deep": {"list": [1, 2.5, True, None]}}
        return getattr(self, f"_{kind}")(shape, path, depth, above, safe=safe)

    def _structure(self, shape, path, depth, above, *, safe=False):
        above = (*above, shape.name)
        members = shape.members
        if getattr(shape, "is_tagged_union", False):
            # One member, one that does not lead back to this shape if there is such a member.
            plain = [name for name in members if members[name].type_name not in ("structure", "list", "map")]
            direct = [name for name in members if members[name].name not in above]
            names = (plain if depth >= DEPTH_MAX - 2 and plain else direct) or list(members)
            chosen = [self.draw(f"{path}?").choice(names)]
        else:
            required = [name for name in members if name in shape.required_members]
            chosen = required + [name for name in members if name not in required and self._wanted(name, members, path, depth)]
        if not chosen and depth > 0:
            # Query protocols cannot tell an empty structure from none.
            chosen = [name for name in members if members[name].type_name not in ("structure", "list", "map")][:1] or [
                name for name in members if members[name].name not in above
            ][:1]
        out = {}
        for name in chosen:
            member = members[name]
            if member.name in above and above.count(member.name) > 1 and name not in shape.required_members:
                continue
            if getattr(member, "is_event_stream", False) or member.serialization.get("eventstream"):
                continue
            wish = CLIENT_WISHES.get((self.service, name)) if depth == 0 else None
            if wish is not None:
                out[name] = wish
                continue
            in_http = member.serialization.get("location") in ("uri", "header", "headers", "querystring")
            in_host = member.serialization.get("hostLabel") or _in_host(self.operation, name)
            noted = len(self.notes)
            value = self.value(member, f"{path}/{name}", depth + 1, above, safe=safe or in_http or in_host)
            if len(self.notes) > noted and name not in shape.required_members and len(chosen) > 1:
                del self.notes[noted:]  # nothing fits: leave it out
                continue
            out[name] = value
        return out

    def _wanted(self, name, members, path, depth):
        if not self.optional or self.values > VALUES_MAX or depth >= DEPTH_MAX:
            return False
        if name == "DryRun" and self.service == "ec2":
            return False  # AWS answers a dry run with an error
        if depth == 0 and (name in self.tokens or self.service == "s3" and name.startswith(("SSECustomer", "CopySourceSSE", "Checksum", "ContentMD5"))):
            return False
        if self.service == "s3" and name in ("ContentMD5", "ContentLength", "ChecksumAlgorithm", "ContentEncoding"):
            return False
        return self.draw(f"{path}/{name}?").random() < SHARES[min(depth, len(SHARES) - 1)]

    def _list(self, shape, path, depth, above, *, safe=False):
        bounds = shape.metadata
        least = bounds.get("min", 0)
        if depth >= DEPTH_MAX + 2 or above.count(shape.member.name) > 1:
            count = least
        else:
            count = max(least, min(bounds.get("max", 2), self.draw(f"{path}#").choice((1, 1, 2))))
        out = []
        for at in range(count):
            item = self.value(shape.member, f"{path}/{at}", depth + 1, above, safe=safe)
            if item not in out or len(out) < least:
                out.append(item)
        return out

    def _map(self, shape, path, depth, above, *, safe=False):
        bounds = shape.metadata
        count = max(bounds.get("min", 0), 0 if depth >= DEPTH_MAX + 2 else min(bounds.get("max", 1), 1))
        headers = safe and shape.serialization.get("location") == "headers"
        out = {}
        for at in range(count):
            key = f"heron-{at}" if headers else self.value(shape.key, f"{path}/{at}.key", depth + 1, above, safe=safe)
            out[key] = self.value(shape.value, f"{path}/{at}", depth + 1, above, safe=safe)
        return out

    def _string(self, shape, path, depth, above, *, safe=False):
        if shape.serialization.get("jsonvalue"):
            value = {"heron": [1, "two"]}
            return value if shape.serialization.get("location") == "header" else json.dumps(value)
        draw = self.draw(path)
        if shape.enum:
            return draw.choice([value for value in shape.enum if value] or shape.enum)
        bounds = shape.metadata
        pattern = bounds.get("pattern")
        least, most = bounds.get("min", 0), bounds.get("max", 1 << 20)
        if depth == 1:
            least = max(least, 1)

        def fine(text):
            return not safe or (text.isascii() and text.isprintable() and text == text.strip() and text.strip("./") == text)

        def allowed(text):
            return least <= len(text) <= most and fine(text) and (pattern is None or patterns.fits(pattern, text))

        for text in self._likely(path, draw):
            if allowed(text):
                return text
        if pattern is not None:
            for wish in (fine, lambda _text: True):
                try:
                    return patterns.make(pattern, max(least, 1 if most else 0), most, f"{self.seed}{path}", wish)
                except patterns.Unsatisfiable as reason:
                    note = f"{path.lstrip('/')}: {reason}"
            self.notes.append(note)
        texts = SAFE_TEXTS if safe or not self.optional else TEXTS
        text = draw.choice(texts)
        if len(text) < least:
            text = (text + "abcdefghij" * (least // 10 + 1))[:least]
        return text[:most]

    def _likely(self, path, draw):
        """What a member of this name most likely wants."""
        name = path.rsplit("/", 1)[-1].lower()
        if name.isdigit():
            name = path.rsplit("/", 2)[-2].lower().rstrip("s")
        if name.endswith("arn"):
            yield f"arn:aws:{self.service}:us-east-1:{ACCOUNT}:{name[:-3].strip('_-') or 'thing'}/heron"
            yield f"arn:aws:iam::{ACCOUNT}:role/heron"
        if "account" in name:
            yield ACCOUNT
        if name.endswith(("url", "uri", "endpoint")):
            yield "https://heron.example.com/path"
        if "email" in name:
            yield "heron@example.com"
        if "region" in name:
            yield "eu-west-1"
        if name.endswith(("date", "time")):
            yield "2026-02-03T04:05:06Z"
        if name.endswith("id"):
            yield str(uuid.UUID(int=draw.getrandbits(128), version=4))
        if name.endswith(("policy", "policydocument", "document")):
            yield json.dumps({"Version": "2012-10-17", "Statement": []})

    _character = _string

    def _integer(self, shape, path, depth, above, *, safe=False):
        least, most = _range(shape, 1, 100)
        return self.draw(path).randint(least, min(most, least + 40))

    def _long(self, shape, path, depth, above, *, safe=False):
        least, most = _range(shape, 1, 1 << 40)
        draw = self.draw(path)
        return draw.choice((least, min(most, least + 7), most if most < 1 << 53 else least))

    def _float(self, shape, path, depth, above, *, safe=False):
        least, most = shape.metadata.get("min", 0), shape.metadata.get("max", 1000)
        return min(float(most), float(least) + self.draw(path).choice((0.0, 0.25, 0.5)))

    _double = _float

    def _boolean(self, shape, path, depth, above, *, safe=False):
        return self.draw(path).random() < 0.5

    def _timestamp(self, shape, path, depth, above, *, safe=False):
        second = self.draw(path).randrange(1_700_000_000, 1_760_000_000)
        return datetime.datetime.fromtimestamp(second, datetime.timezone.utc)

    def _blob(self, shape, path, depth, above, *, safe=False):
        least, most = shape.metadata.get("min", 0), shape.metadata.get("max", 1 << 20)
        length = min(most, max(least, self.draw(path).choice((1, 33, 300))))
        content = (bytes(range(32, 127)) * (length // 95 + 1))[:length]
        streaming = shape.serialization.get("streaming") or self.operation.has_streaming_input and depth == 1 and self.operation.get_streaming_input() is shape
        return io.BytesIO(content) if streaming else content


def _range(shape, least, most):
    """The modelled range; where one side is open, a harmless one."""
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is None and high is None:
        return least, most
    low = int(low) if low is not None else min(least, int(high))
    high = int(high) if high is not None else max(low, most)
    return low, high


def _in_host(operation, name):
    prefix = (operation.endpoint or {}).get("hostPrefix", "")
    return f"{{{name}}}" in prefix
