"""Inputs for the lives of resources: all optional members or none, some values given, names that nobody else has."""

import json
import re

import patterns
from inputs import Inputs
from resources import ABOUT_REQUEST, KNOWN, TAG_MEMBER, always

VALUES_MAX = 300
POLICY = {"Version": "2012-10-17", "Statement": [{"Sid": "Heron", "Effect": "Allow", "Action": "*", "Resource": "*"}]}
PASSING = re.compile(r"(?i)ing$|error|fail|delet|creat|pending|progress|unknown")
TAGS = {"heron": "blue", "team": "birds"}


class Filled(Inputs):
    """`fixed`: values by top-level member. `unique`: paths of texts that must differ from seed to seed; a list of them has one."""

    def __init__(self, api, operation, seed, *, optional, fixed=(), unique=(), without=(), tags=TAGS, named=False):
        super().__init__(api, operation, seed, optional=optional)
        self.fixed = dict(fixed)
        self.unique = {"/" + "/".join(path) for path in unique}
        self.without = {*without, *KNOWN["without"].get(api.service, ())}
        self.tag = str(seed).rsplit("/", 1)[-1]
        self.tags = tags
        # Whether names are given even where they are optional.
        self.named = named

    def make(self):
        made = super().make()
        shape = self.operation.input_shape
        for name, value in KNOWN["wishes"].get(f"{self.service}.{self.operation.name}", {}).items():
            if name in made:
                made[name] = value
                if not value:
                    del made[name]
        for name in made:
            value = always(self.service, name, shape.members[name])
            made[name] = made[name] if value is None else value
        for name, value in self.fixed.items():
            if shape is not None and name in shape.members:
                made[name] = value
        payload = shape.serialization.get("payload") if shape is not None else None
        if isinstance(made.get(payload), dict):
            # What the address names, the body names too.
            for name, value in made[payload].items():
                if isinstance(value, str) and isinstance(made.get(name), str):
                    made[payload][name] = made[name]
        for path in self.unique:
            # What clients insist on is the same for everybody.
            name = path[1:]
            if name in made and self.service == "s3" and name == "Bucket" and name not in self.fixed:
                made[name] = f"heron-{self.tag}"
        return made

    def _wanted(self, name, members, path, depth):
        if depth == 0:
            if name in self.fixed:
                return True
            if self.named and f"/{name}" in self.unique:
                return True
            if not self.optional or name in self.without or name in self.tokens or ABOUT_REQUEST.match(name):
                return False
            wished = KNOWN["wishes"].get(f"{self.service}.{self.operation.name}", {})
            if name in wished or name == self.operation.input_shape.serialization.get("payload"):
                return True
            if self.service == "s3":
                return super()._wanted(name, members, path, depth)
            return self.values < VALUES_MAX
        if path in self.unique or any(each.startswith(f"{path}/{name}") for each in self.unique):
            return True
        return super()._wanted(name, members, path, depth)

    def value(self, shape, path, depth, above, *, safe=False):
        name = path[1:]
        if depth == 1 and name in self.fixed:
            return self.fixed[name]
        if depth == 1 and TAG_MEMBER.match(name):
            made = tags_of(shape, self.tags)
            if made is not None:
                return made
        return super().value(shape, path, depth, above, safe=safe)

    def _likely(self, path, draw):
        if path.rsplit("/", 1)[-1].lower().endswith(("policy", "policydocument")):
            yield json.dumps(POLICY)
        yield from super()._likely(path, draw)

    def _string(self, shape, path, depth, above, *, safe=False):
        if shape.enum and depth == 1:
            # Not a state on the way to another.
            settled = [value for value in shape.enum if value and not PASSING.search(value)]
            return self.draw(path).choice(settled or shape.enum)
        if re.sub(r"/[0-9]+$", "", path) in self.unique and not shape.enum:
            return self._name(shape, path, depth, above)
        return super()._string(shape, path, depth, above, safe=safe)

    def _list(self, shape, path, depth, above, *, safe=False):
        made = super()._list(shape, path, depth, above, safe=safe)
        return made[:1] if path in self.unique and not shape.metadata.get("min", 0) > 1 else made

    def _name(self, shape, path, depth, above):
        """A text of its own."""
        bounds = shape.metadata
        least, most, pattern = bounds.get("min", 1), bounds.get("max", 1 << 20), bounds.get("pattern")
        plain = "".join(char for char in self.tag if char.isalnum()).lower()
        last = re.sub(r"/[0-9]+$", "", path).rsplit("/", 1)[-1].lower()
        likely = []
        if last.endswith("arn"):
            likely.append(f"arn:aws:{self.service}:us-east-1:111122223333:{last[:-3] or 'thing'}/heron-{plain}")
        if "email" in last:
            likely.append(f"{plain}@heron.example.com")
        likely += [f"heron-{plain}", f"heron{plain}", f"Heron{plain.capitalize()}", f"h{plain}", f"heron-{plain}.example.com", f"/heron/{plain}", f"heron_{plain}"]
        for text in likely:
            if len(text) < least:
                text = text + "0" * (least - len(text))
            if len(text) <= most and (pattern is None or patterns.fits(pattern, text)):
                return text
        return super()._string(shape, path, depth, above, safe=True)


def tags_of(shape, tags):
    """Tags in the form of a shape; None where it holds something else."""
    if shape.type_name == "map" and shape.key.type_name == "string" and shape.value.type_name == "string" and not shape.key.enum:
        return dict(tags)
    if shape.type_name == "list" and shape.member.type_name == "structure":
        names = pair(shape.member)
        if names is None or not set(shape.member.required_members) <= set(names):
            return None
        return [{names[0]: key, names[1]: value} for key, value in tags.items()]
    if shape.type_name == "structure" and len(shape.members) == 1:
        (name, member), = shape.members.items()
        inner = tags_of(member, tags)
        return None if inner is None else {name: inner}
    return None


def pair(shape):
    """The names of the key and the value of a tag."""
    strings = [name for name, member in shape.members.items() if member.type_name == "string"]
    key = [name for name in strings if name.lower().endswith("key")]
    value = [name for name in strings if name.lower().endswith("value")]
    return (key[0], value[0]) if len(key) == 1 and len(value) == 1 else None


def tags_in(value):
    """Tags in any form as a plain dictionary; None where it has none."""
    if isinstance(value, dict):
        if all(isinstance(item, str) for item in value.values()):
            return dict(value)
        inner = list(value.values()) if len(value) == 1 else [item for name, item in value.items() if TAG_MEMBER.match(name)]
        return tags_in(inner[0]) if len(inner) == 1 else None
    if isinstance(value, list):
        found = {}
        for item in value:
            if not isinstance(item, dict):
                return None
            key = [name for name in item if name.lower().endswith("key")]
            text = [name for name in item if name.lower().endswith("value")]
            if not key:
                return None
            found[item[key[0]]] = item[text[0]] if text else ""
        return found
    return None
