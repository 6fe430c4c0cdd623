"""Finds the resource types of a service in its botocore model, as a careful reader of its documentation would: by the
names of operations and members alone. Nothing here knows what standin itself infers.

A type is a noun that can be made and read: `CreateEnvironment`, `GetEnvironment`. What identifies one is what its read
operation requires: sent on create, or found in the answer of the create, or that of a parent made before it.
"""

import json
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import patterns

CREATE = ("Create", "Register", "Activate", "Put", "Import", "Request", "Allocate", "Provision", "Define", "Run", "Start", "Add", "Issue", "Publish", "Upload", "Post")
READ = ("Get", "Describe", "BatchGet", "BatchDescribe", "Head", "Retrieve")
UPDATE = ("Update", "Modify", "Edit", "Change", "Put", "Set")
DELETE = ("Delete", "Deregister", "Terminate", "Remove", "Release", "Destroy", "Deprovision", "Unregister")
TAG = ("TagResource", "AddTagsToResource", "AddTags", "CreateTags")
UNTAG = ("UntagResource", "RemoveTagsFromResource", "RemoveTags", "DeleteTags")
TAGS = ("ListTagsForResource", "ListTags", "ListResourceTags", "GetTags")
# What stands at the end of a member that names something; the best first where only the something is asked for.
PARTS = ("Identifier", "Id", "Arn", "Name", "Key", "Url", "Number")
DEPTH_MAX = 3
# What a user knows besides the models.
KNOWN = tomllib.loads((Path(__file__).resolve().parent / "lifecycle.toml").read_text())
# Services, and types as `service.Type`, that have tests of their own.
ENGINES = KNOWN["engines"].keys()
# What a member says that is about the request and not about the resource.
ABOUT_REQUEST = re.compile(r"(?i)^(client(request)?token|idempotency(token|id)?|creator(request)?id|callerreference|requesttoken|dryrun|uniqueid(entifier)?|clienttokenid)$")
TAG_MEMBER = re.compile(r"^(tags?|taglist|resourcetags|hostedzonetags|[a-z]*tags)$", re.IGNORECASE)


@dataclass
class Type:
    """One kind of resource, and the operations that it lives by."""

    service: str
    name: str
    create: str
    # None for what can only be made.
    read: str | None
    list: str | None = None
    update: str | None = None
    delete: str | None = None
    tag: str | None = None
    untag: str | None = None
    tags: str | None = None
    # The client chooses the identifier: paths into the input of create.
    chosen: list = field(default_factory=lambda: [])
    # Further names in the input of create that no two should share.
    unique: list = field(default_factory=lambda: [])
    # Members of the input of create that name another type: {member: (type, its part)}.
    parents: dict = field(default_factory=dict)
    # Members of the read's input that identify it, with where their values come from.
    identifiers: dict = field(default_factory=dict)
    # Whether the model's own facts say so, and not this module.
    declared: bool = False

    @property
    def single(self):
        return not any(source[0] in ("sent", "output") for source in self.identifiers.values())


def always(service, member, shape):
    """The one value of a member that works everywhere; None where it has none."""
    value = KNOWN["always"].get(f"{service}.{member}")
    pattern = shape.metadata.get("pattern")
    return value if value is not None and (pattern is None or patterns.fits(pattern, value)) and shape.metadata.get("min", 0) <= len(value) <= shape.metadata.get("max", 99) else None


def norm(name):
    return re.sub(r"[^a-z0-9]", "", name.lower())


def plurals(noun):
    yield noun + "s"
    if noun.endswith("y"):
        yield noun[:-1] + "ies"
    if noun.endswith(("s", "x", "ch", "sh")):
        yield noun + "es"


def singular(noun):
    for end, instead in (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ches", "ch"), ("ses", "s"), ("s", "")):
        if noun.endswith(end) and not noun.endswith(("ss", "us", "is", "ias", "ics", "dns", "DNS")):
            return noun[: -len(end)] + instead
    return noun


def words(noun):
    return re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]*|[a-z0-9]+", noun)


def split(member):
    """`environmentTemplateName` → (`environmenttemplate`, `name`)."""
    plain = norm(member)
    for part in PARTS:
        for end in (part.lower(), part.lower() + "s"):
            if plain.endswith(end):
                return plain[: -len(end)], part.lower()
    return plain, ""


def members(shape):
    return shape.members if shape is not None and shape.type_name == "structure" else {}


class Reader:
    """The types of one service."""

    def __init__(self, api, service_model):
        self.api = api
        self.model = service_model
        self.operations = {name: service_model.operation_model(name) for name in service_model.operation_names}
        self.folded = {name.lower(): name for name in self.operations}
        # What the types are called.
        self.nouns = set()
        for name, wanted in KNOWN["required"].items():
            service, _, operation = name.partition(".")
            if service == api.service and operation in self.operations:
                shape = self.operations[operation].input_shape
                shape.required_members = [*shape.required_members, *wanted]

    def find(self, *names):
        for name in names:
            if found := self.folded.get(name.lower()):
                return found
        return None

    # What there is.

    def types(self, declared=(), without=()):
        """The declared types first, then those found by name; a type that is both is declared. `without`: operations that
        no request can reach."""
        found = list(declared)
        created = {one.create for one in found}
        readers = {one.read for one in found}
        nouns = {}
        for verb in CREATE:
            for name in self.operations:
                if re.match(f"{verb}[A-Z]", name):
                    noun = name[len(verb) :]
                    if noun in ("Tag", "Tags"):
                        continue
                    nouns.setdefault(noun, name)
        for noun, create in nouns.items():
            single = singular(noun)
            if single != noun and single in nouns and not self.starts(nouns[single], create):
                continue  # a batch form of another
            if any(singular(other) == noun != other and self.starts(create, nouns[other]) for other in nouns):
                continue
            read = self.read_of(single, noun)
            if f"{self.api.service}.{single}" in KNOWN["none"]["types"]:
                continue
            if read is None or create in created or {f"{self.api.service}.{create}", f"{self.api.service}.{read}"} & set(without) or (read in readers and create.startswith(("Put", "Start", "Add"))):
                continue
            created.add(create)
            found.append(Type(self.api.service, noun if read.endswith(noun) and (create.startswith("Put") or self.asks(read)) else single, create, read))
        # What can be made but not read can still be what others lie in.
        makers = [Type(self.api.service, noun, create, None) for noun, create in nouns.items() if create not in created and create.startswith(("Create", "Put", "Activate", "Import", "Register", "Allocate", "Post"))]
        for one in found:
            self.complete(one)
        self.relate([*found, *makers])
        kept = []
        for one in found:
            if self.identify(one, found) or one.declared:
                kept.append(one)
        for one in kept:
            asked = self.operations[one.read].input_shape
            if one.list == one.read and any(source[0] != "parent" and member in asked.required_members for member, source in one.identifiers.items()):
                one.list = None  # it shows what is asked for only
            asked = self.operations[one.list].input_shape if one.list else None
            for member in asked.required_members if asked is not None else ():
                source = self.source(one, member, asked.members[member])
                if source is not None and source[0] != "parent" and (asked.members[member].type_name == "list" or source[0] == "output" and norm(member) not in ("arn", "resourcearn")):
                    one.list = None
                    break
        for one in [*found, *makers]:
            self.choose(one)
        self.nouns = {norm(one.name) for one in [*found, *makers]}
        return kept

    def asks(self, operation):
        """Whether an operation is about one thing that it must be told."""
        shape = self.operations[operation].input_shape
        return shape is not None and any(shape.members[member].type_name == "string" for member in shape.required_members)

    @staticmethod
    def starts(one, other):
        """Whether one operation only starts what the other makes: `StartInstance`, `CreateInstances`."""
        return one.startswith(("Start", "Run")) and other.startswith("Create")

    def read_of(self, single, noun):
        names = [f"{verb}{form}" for verb in READ for form in (single, noun, *plurals(single))]
        names += [f"{verb}{single}{end}" for verb in ("Get", "Describe") for end in ("Attributes", "Details", "Detail")]
        return self.find(*names)

    def complete(self, one):
        """The other operations of a type."""
        noun = one.name
        forms = (noun, *plurals(noun))
        if one.declared:
            one.tag, one.untag, one.tags = self.find(*TAG), self.find(*UNTAG), self.find(*TAGS)
            return
        used = {one.create, one.read}
        one.list = self.find(
            *(f"List{form}" for form in (*plurals(noun), noun)),
            *(f"List{noun}{end}" for end in ("Summaries", "List")),
            *(f"Describe{form}" for form in plurals(noun)),
            *(f"Get{form}" for form in plurals(noun)),
            *(f"Search{form}" for form in plurals(noun)),
        )
        if one.list and not any(member.type_name in ("list", "structure", "map") for member in members(self.operations[one.list].output_shape).values()):
            one.list = None
        update = self.find(*(f"{verb}{noun}" for verb in UPDATE))
        one.update = update if update not in used else None
        one.delete = self.find(*(f"{verb}{form}" for verb in DELETE for form in forms))
        one.tag = self.find(*TAG, f"Tag{noun}", f"AddTagsTo{noun}")
        one.untag = self.find(*UNTAG, f"Untag{noun}", f"RemoveTagsFrom{noun}")
        one.tags = self.find(*TAGS, f"List{noun}Tags", f"ListTagsFor{noun}")

    # What lies in what.

    def relate(self, types):
        by_noun = {}
        for one in types:
            by_noun.setdefault(norm(one.name), one)
        for one in types:
            # `Hypervisor`, which is made by `ImportHypervisorConfiguration`.
            for operation in (one.read, one.create):
                noun = re.sub(r"^(?:Batch)?[A-Z][a-z]+", "", operation or "")
                if noun:
                    by_noun.setdefault(norm(singular(noun)), one)
        # First those whose members say which part they name; `Bucket` and `Alias` may be texts of their own.
        for one, plain in [(one, False) for one in types] + [(one, True) for one in types]:
            shape = self.operations[one.create].input_shape
            asked = self.operations[one.read].input_shape if one.read else None
            for member in members(shape):
                if member not in shape.required_members and not (asked is not None and member in asked.required_members):
                    continue
                if member in one.parents or (split(member)[1] == "") != plain:
                    continue
                found = self.parent(one, member, by_noun, shape.members[member])
                if found is not None:
                    one.parents[member] = found

    def parent(self, one, member, by_noun, shape):
        if shape.type_name != "string" and not (shape.type_name == "list" and shape.member.type_name == "string"):
            return None
        if shape.type_name == "string" and shape.enum:
            return None
        if always(self.api.service, member, shape) is not None:
            return None
        if KNOWN["parents"].get(f"{self.api.service}.{member}") == "":
            return None
        known = by_noun.get(norm(KNOWN["parents"].get(f"{self.api.service}.{member}", "")))
        if known is not None and known is not one:
            return known, split(member)[1]
        own = re.sub(r"v[0-9]$", "", norm(one.name))
        stem, part = split(member)
        stem = norm(singular(stem)) if part == "" else stem
        if stem == own or (not stem and member.lower() != "name") or (stem and not part and stem not in by_noun):
            return None
        other = by_noun.get(stem) if stem else None
        # `connectionId` of a hosted connection is that of a connection, `policyName` of a group policy is its own.
        outside = not own.endswith(stem) or part in ("id", "arn", "identifier") or own.endswith(f"for{stem}")
        if other is not None and outside and other is not one and part in ("identifier", "id", "arn", "name", "") and not self.within(other, one):
            return other, part
        if stem and own.endswith(stem):
            return None
        asked = self.operations[one.create].input_shape.required_members
        if member.lower() == "name" and own.endswith("version") and own[: -len("version")] in by_noun:
            return by_noun[own[: -len("version")]], "name"
        if member.lower() == "name" and any(split(other)[1] == "name" and split(other)[0] and own.endswith(split(other)[0]) for other in asked):
            # `name` and `versionName` of a version of a store.
            outer = [noun for noun in by_noun if own.startswith(noun) and noun != own]
            return (by_noun[max(outer, key=len)], "name") if outer else None
        if not stem:
            return None
        # `templateName` of a version of an environment template.
        for noun, other in sorted(by_noun.items(), key=lambda pair: -len(pair[0])):
            if other is not one and own.startswith(noun) and noun.endswith(stem) and part in ("identifier", "id", "arn", "name"):
                return other, part
        # `stepGroupId`: there is one kind of thing that ends so.
        ending = {id(other): other for noun, other in by_noun.items() if noun.endswith(stem) and other is not one and len(stem) >= 5 and stem != "resource"}
        if len(ending) == 1 and (part in ("identifier", "id", "arn") or part == "name" and len(stem) >= 7):
            (other,) = ending.values()
            if not self.within(other, one):
                return other, part
        # `hypervisorArn`: there is one kind of thing that begins so.
        ending = {id(other): other for noun, other in by_noun.items() if noun.startswith(stem) and other is not one and len(stem) >= 5 and stem != "resource"}
        if len(ending) == 1 and part in ("identifier", "id", "arn"):
            (other,) = ending.values()
            if not self.within(other, one):
                return other, part
        return None

    def within(self, one, other, depth=0):
        """Whether one lies in the other: then it cannot be its parent."""
        return depth < 4 and any(parent is other or self.within(parent, other, depth + 1) for parent, _ in one.parents.values())

    # What identifies it.

    def identify(self, one, types):
        """Where each required member of the read comes from; False where that cannot be told."""
        operation = self.operations[one.read]
        shape = operation.input_shape
        wanted = [member for member in members(shape) if member in shape.required_members]
        if not wanted:
            optional = [member for member in members(shape) if split(member)[0] != "resource" and self.source(one, member, shape.members[member], own=True)]
            # A list of ids before a filter.
            optional.sort(key=lambda member: (split(member)[0] not in (norm(one.name), ""), shape.members[member].type_name != "list"))
            wanted = optional[:1]
            if not wanted and (one.read == one.list or members(shape) and re.match("Get|Describe", one.read) and singular(one.read) != one.read):
                return False
        for member in wanted:
            source = self.source(one, member, shape.members[member])
            if source is None:
                return False
            if source[0] == "sent" and source in one.identifiers.values():
                # Two members do not tell the same: the second is what the service calls it.
                made = [path for path in paths(self.operations[one.create].output_shape) if norm(path[-1]) in ("arn", "id")]
                source = ("output", made[0]) if made else source
            one.identifiers[member] = source
        return True

    def source(self, one, member, shape, own=False):
        """Where a member of another operation than the create gets its value: `("sent", path)`, `("output", path)`,
        `("parent", member)`, each for a single value."""
        listed = shape.type_name == "list"
        if listed:
            shape = shape.member
        if shape.type_name not in ("string", "integer", "long"):
            return None
        create = self.operations[one.create]
        plain = norm(member)
        names = [plain]
        if plain.startswith("current"):
            names.append(plain.removeprefix("current"))
        if listed:
            names.append(norm(singular(member)))
        for given in one.parents:
            if not own and norm(given) in names:
                return "parent", given
        # The parent under another part of its name: `clusterName` on create, `clusterArn` here.
        stem, part = split(member)
        noun = norm(one.name)
        if norm(singular(member)) == noun:
            stem, part = noun, ""
        sent, output = list(paths(create.input_shape)), list(paths(create.output_shape))
        required = {name for name in create.input_shape.required_members} if create.input_shape else set()
        for name in names:
            for path in output:
                if norm(path[-1]) == name and not (len(path) > 1 and self.foreign(one, path)):
                    if path in sent and self.required(create.input_shape, path):
                        return "sent", path
                    chosen = (path[-1],) in sent and path[-1] in required
                    return ("sent", (path[-1],)) if chosen else ("output", path)
            for path in sent:
                if norm(path[-1]) == name and path[0] in required and (len(path) == 1 or name == noun + "name" or self.required(create.input_shape, path)):
                    return "sent", path
            for path in sent:
                # `instanceNames`, of which one is the `instanceName`.
                if len(path) == 1 and path[0] in required and norm(singular(path[0])) == name != norm(path[0]) and create.input_shape.members[path[0]].type_name == "list":
                    return "sent", path
        if stem not in ("", noun, "resource") and not self.suffix(noun, stem):
            for given, (parent, _) in one.parents.items():
                if stem == norm(parent.name) or norm(parent.name).endswith(stem):
                    return "parent", given
            return None
        if shape.type_name != "string" and part != "id" or shape.type_name == "string" and shape.enum:
            return None
        parts = {"id": ("id", "identifier"), "arn": ("arn",), "name": ("name", "identifier", "id"), "url": ("url",), "number": ("number",), "key": ("key",)}.get(part, ("identifier", "id", "arn", "name", ""))
        for each in parts:
            for candidate in (noun + each, each, stem + each):
                if not candidate:
                    continue
                for path in output:
                    if norm(path[-1]) == candidate and not self.foreign(one, path):
                        return "output", path
                if each == "arn" and part == "":
                    continue
                for path in sent:
                    if norm(path[-1]) == candidate and path[0] in required and path[0] not in one.parents and (len(path) == 1 or self.required(create.input_shape, path)):
                        return "sent", path
        # Some words of the noun: GroupId of a security group.
        for each in parts:
            for path in output:
                found, kind = split(path[-1])
                if kind == each and found and noun.endswith(found) and not self.foreign(one, path):
                    return "output", path
        return None

    @staticmethod
    def suffix(noun, stem):
        return len(stem) > 2 and noun.endswith(stem)

    def foreign(self, one, path):
        """Whether a path leads through a structure about something else than the type."""
        if len(path) == 1:
            return False
        noun = norm(one.name)
        for step in path[:-1]:
            plain = norm(singular(step))
            if not (plain in noun or noun in plain or plain in ("metadata", "summary", "result", "output", "details", "detail", "response", "resource", "item", "data", "description", "properties", "configuration", "config")):
                return True
        return False

    @staticmethod
    def required(shape, path):
        for step in path:
            if shape.type_name != "structure" or step not in shape.required_members:
                return False
            shape = shape.members[step]
        return True

    def choose(self, one):
        create = self.operations[one.create]
        for member, source in one.identifiers.items():
            if source[0] == "sent":
                one.chosen.append(source[1])
        # Names that are not what the read asks for, but that no two should share all the same.
        shape = create.input_shape
        for member in members(shape):
            if member in one.parents or shape.members[member].type_name != "string" or shape.members[member].enum:
                continue
            if norm(member) in ("name", norm(one.name) + "name") and (member,) not in one.chosen:
                one.unique.append((member,))
        for path in paths(shape):
            if len(path) == 2 and path[0] in shape.required_members and norm(path[1]) == norm(one.name) + "name" and path not in one.chosen:
                one.unique.append(path)


def paths(shape):
    """The ways to the leaves of a structure, shallow ones first, through structures only (and lists of them)."""
    level = [((), shape)]
    for _ in range(DEPTH_MAX):
        below = []
        for path, each in level:
            if each is not None and each.type_name == "list":
                each = each.member
            for name, member in members(each).items():
                if member.type_name in ("structure",) or member.type_name == "list" and member.member.type_name == "structure":
                    below.append(((*path, name), member))
                else:
                    yield (*path, name)
        level = below


def declared(file, service_models):
    """The types that Smithy models declare: `{service: [Type]}`, and those whose operations no model here has."""
    facts = json.loads(file.read_text())
    by_id = {}
    for service, model in service_models.items():
        by_id[model.service_id.lower().replace(" ", "-")] = service
    found, lost = {}, []
    for place, resources in facts.items():
        folder = place.split("/")[0]
        service = by_id.get(folder) or by_id.get(folder.replace("-", "")) or (folder if folder in service_models else None)
        for shape, resource in resources.items():
            create = resource.get("put") or resource.get("create")
            if not create or "read" not in resource:
                continue
            named = {key: resource[key]["target"].split("#")[1] for key in ("create", "put", "read", "update", "delete", "list") if key in resource}
            noun = re.sub(r"Resource$", "", shape.split("#")[1])
            if service is None or not {named.get("put") or named["create"], named["read"]} <= set(service_models[service].operation_names):
                lost.append(f"{folder}.{noun}")
                continue
            known = set(service_models[service].operation_names)
            if "create" in named and "put" in named:
                named.setdefault("update", named["put"])
                named["put"] = named["create"]
            create = named.get("put") or named["create"]
            verb = next((verb for verb in CREATE if re.match(f"{verb}[A-Z]", create)), "")
            one = Type(
                service,
                create[len(verb) :] if verb else noun,
                create,
                named["read"],
                *(named.get(key) if named.get(key) in known else None for key in ("list", "update", "delete")),
                declared=True,
            )
            found.setdefault(service, []).append(one)
    return found, lost
