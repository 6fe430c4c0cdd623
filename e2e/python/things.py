"""What a user of a service does and knows: makes resources and what they lie in, names them, reads them, and compares what is
shown with what was sent."""

import re

import botocore.exceptions
import botocore.parsers

import outputs
import patterns
from answers import comparable_value, dig, fit, flatten, nodes
from filled import Filled
from resources import ABOUT_REQUEST, KNOWN, TAG_MEMBER, members, norm, split
from sameness import SECRET, brief, comparable, differences, is_document

PARENTS_MAX = 4
# What botocore raises for what the server does.
SERVERS = (botocore.exceptions.HTTPClientError, botocore.exceptions.ConnectionError, botocore.parsers.ResponseParserError)
NOT_FOUND = re.compile(r"(?i)not_?found|no_?such|not_?exist|non_?exist|unknown|does_?not|notavailable|404")
# What an update needs to know of the version that it changes.
VERSION = re.compile(r"(?i)^(etag|if-?match|revisionid|locktoken|updatetoken|changetoken|sequencetoken|.*revision|.*versionid|version|entitytag)$")


class Unmet(Exception):
    """A step did not go as it should."""

    def __init__(self, step, detail):
        super().__init__(detail)
        self.step = step
        self.detail = detail


class Thing:
    """What a user knows of one resource that was made."""

    def __init__(self, sent, output, parents):
        self.sent = sent
        self.output = output
        # What it lies in: {member of the input of create: (type, thing)}.
        self.parents = parents
        # The last answer of its read.
        self.shown = None


class User:
    """One user of one type, with an account of its own."""

    def __init__(self, reader, client, one, seed, mark):
        self.reader = reader
        self.one = one
        self.api = reader.api
        self.client = client
        self.seed = seed
        # In the names of all that it makes, so that users do not meet even where accounts are not kept apart.
        self.mark = mark
        # Parents by their create.
        self.made = {}

    # Calling.

    def call(self, operation, given, step):
        """The answer; a client that refuses to send it is nobody's fault but ours."""
        try:
            answer = self.client._make_api_call(operation, given)
        except botocore.exceptions.ClientError:
            raise
        except (botocore.exceptions.ParamValidationError, botocore.exceptions.UnknownParameterError) as error:
            # An identifier that the server made may be one that it takes nowhere.
            ours = "Invalid length for parameter" not in str(error)
            raise Unmet("harness" if ours else step, f"{operation}: {' '.join(str(error).split())[:200]}") from error
        except Exception as error:
            if not isinstance(error, SERVERS) and "arn" in str(error).lower() or isinstance(error, botocore.exceptions.BotoCoreError) and not isinstance(error, SERVERS):
                raise Unmet("harness", f"{operation}: {type(error).__name__}: {str(error)[:160]}") from error
            raise Unmet(step, f"{operation}: the client cannot read the answer: {type(error).__name__}: {str(error)[:160]}") from error
        answer.pop("ResponseMetadata", None)
        return answer

    def must(self, operation, given, step):
        """The answer of a call that must succeed and be as the model says."""
        try:
            answer = self.call(operation, given, step)
        except botocore.exceptions.ClientError as error:
            raise Unmet(step, f"{operation}: {told(error)}") from error
        shape = self.operation(operation).output_shape
        if shape is not None and not self.operation(operation).has_event_stream_output:
            findings = outputs.Findings()
            outputs.check(shape, {name: value for name, value in answer.items() if not hasattr(value, "read")}, "", findings)
            wrong = [text for text in findings.wrong if not any(text.startswith(f".{name}:") for name, value in answer.items() if hasattr(value, "read"))]
            if wrong:
                raise Unmet(step, f"{operation}: {wrong[0]}")
        return answer

    def operation(self, name):
        return self.reader.operations[name]

    # Making.

    def make(self, one, label, *, optional, depth=0, parents=None, fixed=(), step="create", keep=None):
        """A new resource of a type, and first those that it lies in."""
        create = self.operation(one.create)
        given = dict(fixed)
        parents = {} if parents is None else parents
        for member, (parent, part) in one.parents.items():
            if member in given:
                continue
            thing = self.parent(parent, depth)
            shape = create.input_shape.members[member]
            value = self.part(parent, thing, part, member, shape)
            given[member] = fit(shape, value)
            parents[member] = (parent, thing)
        unique = [path for path in [*one.chosen, *one.unique] if path[0] not in given]
        seed = f"{self.seed}/{norm(one.name)[:6]}{self.mark}{label}"
        inputs = Filled(self.api, create, seed, optional=optional, fixed=given, unique=unique, without=keep or (), named=label == "p")
        sent = inputs.make()
        return Thing(sent, None, parents), create

    def create(self, one, label, *, optional, depth=0, step="create", fixed=(), without=()):
        thing, operation = self.make(one, label, optional=optional, depth=depth, fixed=fixed, keep=without)
        try:
            thing.output = self.must(operation.name, thing.sent, step)
        except Unmet as unmet:
            if not (optional and unmet.step == step and NOT_FOUND.search(unmet.detail)):
                raise
            # It may name other things, which no one made.
            shape = operation.input_shape
            names = [name for name in shape.members if name not in shape.required_members and (split(name)[1] in ("id", "arn", "name", "identifier") or norm(name) in self.reader.nouns)]
            thing, operation = self.make(one, label, optional=optional, depth=depth, fixed=fixed, keep=[*without, *names])
            thing.output = self.must(operation.name, thing.sent, step)
        return thing

    def within(self, one):
        """What something must have for this user's type to lie in it."""
        wanted = KNOWN["within"].get(f"{self.api.service}.{self.one.name}", {})
        shape = self.operation(one.create).input_shape
        return {name: value for name, value in wanted.items() if name in members(shape)}

    def parent(self, one, depth):
        if one.create not in self.made:
            if depth >= PARENTS_MAX:
                raise Unmet("harness", f"too many parents above {one.name}")
            try:
                self.made[one.create] = self.create(one, "p", optional=False, depth=depth + 1, fixed=self.within(one))
            except Unmet as unmet:
                raise Unmet(unmet.step if unmet.step == "harness" else "create", f"parent {one.name}: {unmet.detail}") from unmet
        return self.made[one.create]

    # Naming.

    def part(self, one, thing, part, member, shape):
        """The value by which another operation names a thing."""
        noun = norm(one.name)
        if norm(member).endswith("version"):
            part = "version"
        order = {"id": ("id", "identifier", "arn", "name"), "arn": ("arn",), "name": ("name", "identifier", "id"), "identifier": ("identifier", "id", "arn", "name"), "": ("identifier", "id", "arn", "name", "")}.get(part, (part, "id", "name", "arn"))
        shown, sent = [*flatten(thing.output), *flatten(thing.shown or {})], [*flatten(thing.sent)]
        found = [value for path, value in (*shown, *sent) if norm(path[-1]) == norm(member)]
        for flat in (shown, sent):
            names = [*(noun + each for each in order), *order]
            found += [value for name in names for path, value in flat if name and norm(path[-1]) == name]
            for path, value in flat:
                stem, kind = split(path[-1])
                if kind in order and (stem and noun.endswith(stem) or len(path) > 1 and norm(path[0]) == noun):
                    found.append(value)
        found = [value for value in found if isinstance(value, (str, int))]
        for value in found:
            if fits(shape, value):
                return value
        if found:
            return found[0]
        if thing.shown is None and one.read and one.identifiers:
            self.read(one, thing, "create")
            return self.part(one, thing, part, member, shape)
        raise Unmet("create", f"parent {one.name}: its answer to create has no {' or '.join(each for each in order if each) or member}")

    def value(self, one, thing, source, member, step, shape):
        """The value of a member by which a thing is named, from where the model says it comes."""
        kind, way = source
        if kind == "parent":
            parent, made = thing.parents[way]
            given = thing.sent[way]
            given = given[0] if isinstance(given, list) and given else given
            part = split(member)[1]
            if part != split(way)[1] and part in ("id", "arn", "name") or isinstance(given, str) and not fits(shape, given):
                return self.part(parent, made, part, member, shape)
            return given
        root = thing.sent if kind == "sent" else thing.output
        found = dig(root, way)
        if found is None and kind == "output":
            found = dig(thing.sent, way[-1:])
        if kind == "output" and isinstance(found, str) and not fits(shape, found):
            # The answer names it in several ways, of which not each will do.
            try:
                return self.part(one, thing, split(member)[1], member, shape)
            except Unmet:
                return found
        if found is None:
            raise Unmet(step, f"{one.create}: no {'.'.join(way)} in the answer, which others ask for as {member}")
        return found

    def names(self, one, thing, operation, step):
        """The members of an operation's input that name a thing and what it lies in."""
        shape = self.operation(operation).input_shape
        given = {}
        for member in members(shape):
            required = member in shape.required_members
            each = shape.members[member]
            source = self.reader.source(one, member, each)
            if source is None and (required or split(member) == ("resource", "arn")) and norm(member) in ("resourcearn", "resource", "resourceid", "resourceidentifier", "arn", "resourcename"):
                arn = self.arn(one, thing)
                if arn is not None:
                    given[member] = fit(each, arn)
                continue
            if source is None or not required and source[0] == "parent" and self.operation(operation).name == one.list:
                continue
            if not required and source[0] != "parent" and not norm(one.name).endswith(split(member)[0]):
                continue
            try:
                found = self.value(one, thing, source, member, step, each)
            except Unmet:
                if required:
                    raise
                continue
            given[member] = fit(each, found)
        return given

    def arn(self, one, thing):
        noun = norm(one.name)
        flat = [(path, value) for path, value in [*flatten(thing.output), *flatten(thing.shown or {})] if not self.reader.foreign(one, path)]
        for name in (noun + "arn", "arn", "resourcearn"):
            for path, value in flat:
                if norm(path[-1]) == name and isinstance(value, str):
                    return value
        for path, value in flat:
            found, kind = split(path[-1])
            if kind == "arn" and found and noun.endswith(found) and isinstance(value, str):
                return value
        return None

    def is_version(self, member):
        return VERSION.match(member) or f"{self.api.service}.{member}" in KNOWN["versions"]["members"]

    def tokens(self, one, thing, shape):
        """Versions that an update or delete must repeat, as the last read showed them."""
        given = {}
        shown = list(flatten(thing.shown or {})) + list(flatten(thing.output or {}))
        for member in members(shape):
            if not self.is_version(member):
                continue
            wanted = {norm(member), "etag"} if norm(member) == "ifmatch" else {norm(member)}
            for path, value in shown:
                if norm(path[-1]) in wanted and comparable_value(shape.members[member], value):
                    given[member] = value
                    break
        return given

    def filled(self, operation, given, label="r", *, optional=False, without=()):
        """An input of an operation: what is given, and whatever else it requires."""
        return Filled(self.api, self.operation(operation), f"{self.seed}/{label}", optional=optional, fixed=given, without=without).make()

    # Reading.

    def read_input(self, one, thing):
        shape = self.operation(one.read).input_shape
        given = {}
        for member, source in one.identifiers.items():
            found = self.value(one, thing, source, member, "read", shape.members[member])
            given[member] = fit(shape.members[member], found)
        return self.filled(one.read, given)

    def read(self, one, thing, step="read"):
        """What the read shows of a thing: the record, and the whole answer."""
        answer = self.must(one.read, self.read_input(one, thing), step)
        thing.shown = answer
        record = self.record(one, thing, answer)
        if record is None:
            raise Unmet(step, f"{one.read}: the answer does not show it: {brief(answer)}")
        return record

    def both_marks(self, one, thing, other=None):
        """The values that tell a thing from its siblings, of which one may be given: those that the service made, and
        those that were sent."""
        made, sent = set(), set()
        for source in one.identifiers.values():
            if source[0] == "output":
                value = dig(thing.output, source[1])
                made.update(value if isinstance(value, list) else [value])
        noun = norm(one.name)
        for path, value in flatten(thing.output or {}):
            stem, part = split(path[-1])
            if part in ("id", "arn", "identifier") and stem in (noun, "") and isinstance(value, str) and not self.reader.foreign(one, path):
                made.add(value)
        for path, value in flatten(thing.shown or {}):
            stem, part = split(path[-1])
            if part == "arn" and stem in (noun, "") and isinstance(value, str) and not self.reader.foreign(one, path):
                made.add(value)
        for path in [*one.chosen, *one.unique]:
            if norm(path[-1]) == "awsaccountid":
                continue  # all things have the caller's
            value = dig(thing.sent, path)
            sent.update(value if isinstance(value, list) else [value])
        # What it shares with its siblings tells nothing.
        common = {value for member in thing.parents for value in [thing.sent.get(member)] if isinstance(value, str)} | {None}
        if other is not None:
            common |= self.marks(one, other)
        return made - common, sent - common

    def marks(self, one, thing, other=None):
        made, sent = self.both_marks(one, thing, other)
        return made | sent

    def standing(self, one, thing, other, found):
        """The items of a list that are about the thing: by what the service calls it, else by what its maker does."""
        for marks in self.both_marks(one, thing, other):
            if fitting := [item for item in found if self.about(item, marks)]:
                return fitting
        return []

    def record(self, one, thing, answer):
        """The structure of an answer that describes the thing: the one with the most members of the input of create."""
        shape = self.operation(one.read).output_shape
        wanted = {norm(name) for name in members(self.operation(one.create).input_shape)}
        for name, member in members(self.operation(one.create).input_shape).items():
            if member.type_name == "structure":
                wanted |= {norm(inner) for inner in member.members}
        marks = self.marks(one, thing)
        best = None
        for depth, (node, value) in enumerate(nodes(shape, answer)):
            if isinstance(value, list):
                if not value:
                    continue
                fitting = [item for item in value if self.about(item, marks)]
                if not fitting and marks and not one.single:
                    continue
                value = (fitting or value)[0]
            score = len({norm(name) for name in node.members} & wanted) + len({norm(name) for name in node.members} & {"arn", "id", "name", norm(one.name) + "arn", norm(one.name) + "id", norm(one.name) + "name"})
            if best is None or score > best[0]:
                best = score, node, value
        if best is None:
            # Texts, a stream, or nothing at all.
            return None if any(member.type_name == "list" and not answer.get(name) for name, member in members(shape).items()) else (shape, answer)
        return best[1], best[2]

    @staticmethod
    def about(item, marks):
        if not isinstance(item, dict):
            return item in marks
        values = [value for _, value in flatten(item, 2) if isinstance(value, (str, int))]
        # An ARN says at its end whose it is.
        tails = [re.split("[:/]", value)[-1] for value in values if str(value).startswith("arn:")]
        return any(value in marks for value in (*values, *tails))

    def compare(self, one, record, answer, operation, sent, skip=()):
        """Lines about members that were sent and are not shown so."""
        shape = self.operation(operation).input_shape
        found = []
        for member, value in sent.items():
            if member in skip or ABOUT_REQUEST.match(member) or TAG_MEMBER.match(member) or SECRET.search(member) or member not in members(shape):
                continue
            if hasattr(value, "read"):
                continue
            place = self.place(one, record, answer, shape.members[member], member)
            if place is not None and place[2].type_name == "string" and place[2].enum and value not in place[2].enum:
                continue  # the answer has no word for it
            if place is not None:
                found += differences(shape.members[member], value, place[2], place[3], member)
            elif shape.members[member].type_name == "structure" and isinstance(value, dict) and not is_document(shape.members[member]) and self.whole(shape, member):
                # A payload that is the resource itself.
                for inner, each in value.items():
                    deep = self.place(one, record, answer, shape.members[member].members[inner], inner)
                    if deep is not None and not TAG_MEMBER.match(inner) and not SECRET.search(inner):
                        found += differences(shape.members[member].members[inner], each, deep[2], deep[3], inner)
        return [line for line in found if not self.made_by_service(one, line)]

    @staticmethod
    def made_by_service(one, line):
        """Whether a line is about the thing's own ARN or id, which the service makes although the model lets callers send one."""
        path, _, rest = line.partition(": ")
        stem, part = split(path.split(".")[-1])
        return "." in path and stem != "" and norm(one.name).endswith(stem) and (part == "arn" or part == "id" and rest.startswith("not sent"))

    @staticmethod
    def whole(shape, member):
        """Whether a member of an input is the resource itself, not one of its members."""
        return shape.serialization.get("payload") == member or re.search(r"(?i)(request|input|message)$", member) is not None

    def place(self, one, record, answer, given, member):
        root = self.operation(one.read).output_shape
        noun = norm(one.name)
        plain = norm(member)
        names = [plain, noun + plain]
        if plain.startswith(noun) and plain != noun:
            names.append(plain[len(noun) :])
        places = [record]
        if record[0] is not root:
            places.append((root, answer))
        near = len(places)
        places += [(shape, value) for shape, value in nodes(record[0], record[1], lists=False, absent=True) if shape is not record[0]]
        for at, (shape, value) in enumerate(places):
            if shape is None or shape.type_name != "structure":
                continue
            for name in names if at == 0 else names[:1]:
                for other, each in shape.members.items():
                    if norm(other) == name and comparable(given, each) and not (at >= near and (each.name != given.name or each.type_name != "structure")):
                        return shape, other, each, (value or {}).get(other)
        return None


def fits(shape, value):
    """Whether a member allows a value."""
    if shape.type_name == "list":
        shape = shape.member
    if shape.type_name != "string" or not isinstance(value, str):
        return shape.type_name != "string" and not isinstance(value, str)
    bounds = shape.metadata
    pattern = bounds.get("pattern")
    return bounds.get("min", 0) <= len(value) <= bounds.get("max", 1 << 20) and (pattern is None or patterns.fits(pattern, value))


def same_place(first, second):
    """Whether two things lie in the same parents."""
    return all(first.sent.get(member) == second.sent.get(member) for member in first.parents)


def code_of(error, wanted):
    """The code, the old or the new one of an error that has both, and the status."""
    codes = error.response.get("Error", {})
    old_and_new = [codes.get("Code", ""), codes.get("QueryErrorCode", "")]
    return next((code for code in old_and_new if code in wanted), old_and_new[0]), error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def told(error):
    code = error.response.get("Error", {}).get("Code")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return f"{code} ({status}): {' '.join((error.response['Error'].get('Message') or '').split())[:140]}"
