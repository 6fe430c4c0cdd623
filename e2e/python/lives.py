"""Lives the life of one resource type through a real client, and tells where it is not as the model and good sense ask."""

import re
import zlib

import botocore.exceptions

from answers import alike, dig, fit, flatten, items, paging
from filled import TAGS, Filled, tags_in, tags_of
from resources import ABOUT_REQUEST, TAG_MEMBER, members, norm, paths, singular, split
from sameness import SECRET, brief, invented, void
from things import NOT_FOUND, VERSION, Thing, Unmet, User, code_of, fits, same_place, told

PAGES_MAX = 30
CONFLICT = re.compile(r"(?i)already|exists|conflict|inuse|duplicate|notunique")
# A status that is as good as gone.
GONE = re.compile(r"(?i)delet|inactive|terminat|deregister|archiv|cancel|remov|stopp|disabl|expired|deprecat|revok|closed|released|completed|abort")
STATE = re.compile(r"(?i)(status|state)$")
STEPS = ("harness", "not found before", "create", "read", "read-back", "two reads", "create with the required only", "absent members", "list", "pages", "conflict", "update", "update leaves the rest", "tags on create", "tag", "untag", "delete", "not found after", "list after delete", "others stay")


class Life(User):
    """The steps of one type: `run()` gives `{step: None | what went wrong}`; steps that do not apply are left out."""

    def __init__(self, reader, client, one, seed, defaults=()):
        super().__init__(reader, client, one, seed, f"{zlib.crc32(f'{seed}/{one.create}'.encode()) % 36**4:04x}"[:4])
        self.defaults = defaults
        self.steps = {}

    # The frame.

    def run(self):
        try:
            self._run()
        except Unmet as unmet:
            self.steps[unmet.step] = unmet.detail
        return self.steps

    def step(self, name, work):
        """Runs one step; False where it went wrong."""
        try:
            done = work()
        except Unmet as unmet:
            self.steps[unmet.step] = unmet.detail
            return False
        if done is not NotImplemented:
            self.steps.setdefault(name, None)
        return True

    # The life.

    def _run(self):
        one = self.one
        baseline = []
        self.step("not found before", lambda: self.not_found_before())
        if one.list:
            try:
                thing, _ = self.make(one, "z", optional=False)
                thing.output = {}
                baseline = self.list_all(one, thing, "list") or []
            except (Unmet, botocore.exceptions.ClientError):
                baseline = []
        first = self.create(one, "a", optional=True)
        self.steps["create"] = None
        if not self.step("read", lambda: setattr(self, "record_a", self.read(one, first))):
            return
        self.step("read-back", lambda: self.none("read-back", self.compare(one, self.record_a, first.shown, one.create, first.sent, skip=self.skipped(one))))
        self.step("two reads", lambda: self.two_reads(first))
        second = None

        def make_second():
            nonlocal second
            second = self.second(first)
            return second if second is not None else NotImplemented

        self.step("create with the required only", make_second)
        if second is not None:
            self.step("absent members", lambda: self.absent(second))
        if one.list:
            self.step("list", lambda: self.listed(first, second, baseline))
            if second is not None and self.steps.get("list", "") is None:
                self.step("pages", lambda: self.pages(first, second))
        if one.update:
            self.step("update", lambda: self.update(first))
        self.tagging(first)
        self.step("conflict", lambda: self.conflict(first))
        if one.delete:
            if not self.step("delete", lambda: self.delete(first)):
                return
            self.step("not found after", lambda: self.gone(first))
            if one.list and self.steps.get("list", "") is None:
                self.step("list after delete", lambda: self.unlisted(first, second))
            if second is not None and not one.single:
                self.step("others stay", lambda: self.read(one, second, "others stay"))

    def none(self, step, lines):
        lines = [line for line in lines if f"{self.api.service}.{self.one.name}.{re.split(r'[.:[{]', line)[0]}" not in self.defaults]
        if lines:
            raise Unmet(step, lines[0] + (f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""))

    def skipped(self, one):
        """Members that name other things: what they are shown as depends on these."""
        return set(one.parents)

    def two_reads(self, thing):
        before = thing.shown
        self.read(self.one, thing, "two reads")
        for name in {*before, *thing.shown}:
            if not hasattr(before.get(name), "read") and before.get(name) != thing.shown.get(name):
                raise Unmet("two reads", f"{self.one.read}.{name}: {brief(before.get(name))}, then {brief(thing.shown.get(name))}")

    def second(self, first):
        one = self.one
        if one.single:
            return None
        beside = self.beside(first)
        for label in ("b", "c", "d", "e", "f"):
            thing, operation = self.make(one, label, optional=False, fixed=beside)
            if all(dig(thing.sent, path) != dig(first.sent, path) for path in one.chosen):
                break
            if len(one.chosen) > 1 and any(dig(thing.sent, path) != dig(first.sent, path) for path in one.chosen):
                break
        else:
            return None
        try:
            thing.output = self.must(operation.name, thing.sent, "create with the required only")
        except Unmet as unmet:
            if CONFLICT.search(unmet.detail.split("(")[0]) and not one.chosen:
                return None  # something in it must be unique that does not look so
            raise
        return thing

    def beside(self, first):
        """What two things must have in common to stand in one list."""
        one = self.one
        shape = self.operation(one.list).input_shape if one.list else None
        common = {member: first.sent[member] for member in (shape.required_members if shape is not None else ()) if member in first.sent and member not in one.parents}
        own = [path for path in one.chosen if path[0] not in common]
        return common if own or any(source[0] == "output" for source in one.identifiers.values()) else {member: value for member, value in common.items() if (member,) not in one.chosen}

    def absent(self, second):
        """Nothing is made up for what was not set."""
        one = self.one
        record = self.read(one, second, "absent members")
        shape = self.operation(one.create).input_shape
        found = []
        for member, given in members(shape).items():
            if member in second.sent or ABOUT_REQUEST.match(member) or SECRET.search(member):
                continue
            place = self.place(one, record, second.shown, given, member)
            if place is None or place[3] is None or member in self.identity(one):
                continue
            if norm(member) != "attributes" and invented(place[0], place[1], place[3]):
                found.append(f"{place[1]}: not sent, got {brief(place[3])}")
        self.none("absent members", found)

    def identity(self, one):
        """Members by which the thing is known: if not given, the service makes them."""
        noun = norm(one.name)
        return {member for member in members(self.operation(one.create).input_shape) if (not split(member)[0] or noun.endswith(split(member)[0])) and split(member)[1] in ("id", "name", "identifier", "arn")}

    # Lists.

    def list_input(self, one, thing):
        shape = self.operation(one.list).input_shape
        given = {}
        for member in members(shape):
            if member not in shape.required_members:
                continue
            source = self.reader.source(one, member, shape.members[member])
            if source is not None and (source[0] == "parent" or source[0] == "sent"):
                found = self.value(one, thing, source, member, "list", shape.members[member])
                given[member] = fit(shape.members[member], found)
            elif member in thing.sent and alike(self.operation(one.create).input_shape.members[member], shape.members[member]):
                given[member] = thing.sent[member]
            elif thing.parents and norm(member) in ("arn", "resourcearn"):
                parent, made = next(iter(thing.parents.values()))
                given[member] = self.part(parent, made, "arn", member, shape.members[member])
            elif re.search(r"(?i)filter|query|criteria|expression", member):
                if shape.members[member].type_name != "list" or shape.members[member].metadata.get("min", 0):
                    return None  # it shows what is asked for, which nobody knows here
                given[member] = []
        return given

    def list_all(self, one, thing, step, size=None):
        """All items, page by page."""
        operation = self.operation(one.list)
        named = self.list_input(one, thing)
        if named is None:
            return None
        given = self.filled(one.list, named)
        token_in, following, limit = paging(self.client, operation)
        if size is not None:
            if limit is None or token_in is None:
                return None
            given[limit] = size
        elif limit in given:
            bounds = operation.input_shape.members[limit].metadata
            given[limit] = min(100, bounds.get("max", 100)) if operation.input_shape.members[limit].type_name != "string" else given[limit]
        if token_in in given:
            given.pop(token_in)
        found, seen, sizes = [], set(), []
        for _ in range(PAGES_MAX):
            answer = self.must(one.list, given, step)
            page = items(operation.output_shape, answer, one)
            found += page
            sizes.append(len(page))
            token = following(answer) if following else None
            if not token or token_in is None:
                break
            if str(token) in seen:
                raise Unmet(step, f"{one.list}: the same token twice")
            seen.add(str(token))
            given[token_in] = token
        else:
            raise Unmet(step, f"{one.list}: still a next page after {PAGES_MAX}")
        self.sizes = sizes
        return found

    def listed(self, first, second, baseline):
        one = self.one
        found = self.list_all(one, first, "list")
        if found is None:
            return NotImplemented
        if second is not None and not self.same_list(first, second):
            second = None
        for label, thing in (("the first", first), ("the second", second)):
            if thing is None:
                continue
            marks = self.marks(one, thing, second if thing is first else first)
            if not marks:
                return NotImplemented
            count = len(self.standing(one, thing, second if thing is first else first, found))
            if count == 0 and found and not any(isinstance(value, (str, int)) and split(path[-1])[1] for item in found if isinstance(item, dict) for path, value in flatten(item, 2)) and isinstance(found[0], dict):
                return NotImplemented
            if count != 1:
                raise Unmet("list", f"{one.list}: {label} stands in it {count} times among {len(found)} items")
        known = 1 + (second is not None)
        for thing in (first, second):
            # One request may make several.
            several = [thing.sent.get(path[0]) for path in one.chosen if len(path) > 1] if thing is not None else []
            known += max((len(each) - 1 for each in several if isinstance(each, list)), default=0)
        if len(found) > known + len(baseline) and not self.siblings(one):
            raise Unmet("list", f"{one.list}: {len(found)} items, although {known + len(baseline)} exist")
        return None

    def same_list(self, first, second):
        asked = self.operation(self.one.list).input_shape
        return same_place(first, second) and all(first.sent.get(member) == second.sent.get(member) for member in (asked.required_members if asked is not None else ()))

    def siblings(self, one):
        """Whether a thing of the type was made as a parent too."""
        return one.create in self.made

    def pages(self, first, second):
        one = self.one
        operation = self.operation(one.list)
        _, _, limit = paging(self.client, operation)
        if limit is None or not self.same_list(first, second):
            return NotImplemented
        shape = operation.input_shape.members[limit]
        if shape.type_name not in ("integer", "long"):
            return NotImplemented
        size = max(1, int(shape.metadata.get("min", 1)))
        found = self.list_all(one, first, "pages", size)
        if found is None:
            return NotImplemented
        if any(each > size for each in self.sizes):
            raise Unmet("pages", f"{one.list}: {max(self.sizes)} items on a page of {size}")
        for thing, other in ((first, second), (second, first)):
            marks = self.marks(one, thing, other)
            if not marks:
                return NotImplemented
            count = len(self.standing(one, thing, other, found))
            if count != 1:
                raise Unmet("pages", f"{one.list}: {limit}={size}: one that exists stands on {count} pages of {len(self.sizes)}")
        return None

    # Errors.

    def modelled(self, operation, pattern):
        """Codes of an operation's errors whose name or code fits."""
        found = set()
        for shape in self.operation(operation).error_shapes:
            code = shape.error_code or shape.name
            if pattern.search(shape.name) or pattern.search(code) or pattern is NOT_FOUND and shape.metadata.get("error", {}).get("httpStatusCode") == 404:
                found |= {code, shape.name}
        return found

    def expect_not_found(self, one, given, step, thing=None):
        wanted = self.modelled(one.read, NOT_FOUND)
        try:
            answer = self.call(one.read, given, step)
        except botocore.exceptions.ClientError as error:
            code, status = code_of(error, wanted)
            all_codes = self.modelled(one.read, re.compile(""))
            if self.operation(one.read).http.get("method") == "HEAD" and status == 404:
                return
            if wanted and code not in wanted:
                raise Unmet(step, f"{one.read}: expected {' or '.join(sorted(wanted))}, got {told(error)}") from error
            if not wanted and status >= 500:
                raise Unmet(step, f"{one.read}: expected an error of the caller, got {told(error)}") from error
            if not wanted and all_codes and code not in all_codes and not NOT_FOUND.search(code) and status != 404:
                raise Unmet(step, f"{one.read}: expected {' or '.join(sorted(all_codes))[:120]}, got {told(error)}") from error
            return
        shape = self.operation(one.read).output_shape
        lists = [name for name, member in members(shape).items() if member.type_name in ("list", "map")]
        if thing is not None:
            found = None if void(answer) else self.record(one, thing, answer)
            if found is None or any(isinstance(value, str) and STATE.search(path[-1]) and GONE.search(value) for path, value in flatten(found[1], 2)):
                return
            if any(isinstance(value, str) and STATE.search(path[-1]) and GONE.search(value) for path, value in flatten(answer)):
                return
            if any(re.search(r"(?i)(delet|terminat|deregister).*(date|time|at)$", path[-1]) and value for path, value in flatten(answer)):
                return
            marks = self.marks(one, thing)
            if lists and not self.about(answer, marks) and all(not self.about(item, marks) for name in lists if isinstance(answer.get(name), list) for item in answer[name]):
                return
            if one.single and (not wanted or self.compare(one, found, answer, one.create, thing.sent, skip=self.skipped(one))):
                return  # what it is where nobody has said anything
        elif void(answer) or lists and all(void(answer.get(name)) for name in lists) or one.single:
            return
        raise Unmet(step, f"{one.read}: expected {' or '.join(sorted(wanted)) or 'an error'}, got {brief(answer)}")

    def not_found_before(self):
        one = self.one
        thing, _ = self.make(one, "n", optional=False)
        shape = self.operation(one.read).input_shape
        given = {}
        for member, source in one.identifiers.items():
            if source[0] == "parent":
                given[member] = fit(shape.members[member], self.value(one, thing, source, member, "not found before", shape.members[member]))
                continue
            if source[0] == "sent":
                value = dig(thing.sent, source[1])
                if value is not None:
                    given[member] = fit(shape.members[member], value)
        unique = [(member,) for member in one.identifiers if member not in given]
        sent = Filled(self.api, self.operation(one.read), f"{self.seed}/{self.mark}nobody", optional=False, fixed=given, unique=unique)
        for member in unique:
            sent.fixed.pop(member[0], None)
        made = sent.make()
        for (member,) in unique:
            if member not in made:
                each = shape.members[member]
                inner = each.member if each.type_name == "list" else each
                value = sent.value(inner, f"/{member}", 1, ())
                made[member] = fit(each, value)
        return self.expect_not_found(one, made, "not found before")

    def gone(self, thing):
        return self.expect_not_found(self.one, self.read_input(self.one, thing), "not found after", thing)

    def unlisted(self, thing, other):
        one = self.one
        found = self.list_all(one, thing, "list after delete")
        for item in self.standing(one, thing, other, found):
            if isinstance(item, dict) and any(isinstance(value, str) and STATE.search(path[-1]) and GONE.search(value) for path, value in flatten(item, 2)):
                continue
            if self.left_over(thing):
                continue
            raise Unmet("list after delete", f"{one.list}: it still stands in it: {brief(item)}")

    def left_over(self, thing):
        """Whether the read still shows it as deleted: then a list may, too."""
        try:
            answer = self.call(self.one.read, self.read_input(self.one, thing), "list after delete")
        except (botocore.exceptions.ClientError, Unmet):
            return False
        return any(isinstance(value, str) and STATE.search(path[-1]) and GONE.search(value) for path, value in flatten(answer))

    def conflict(self, first):
        one = self.one
        create = self.operation(one.create)
        if not one.chosen or any(source[0] == "output" for source in one.identifiers.values()):
            return NotImplemented  # two of the same name are two
        if not one.create.startswith(("Create", "Register")) or any(path[0] in one.parents for path in one.chosen):
            return NotImplemented
        if not all(len(path) == 1 for path in one.chosen):
            return NotImplemented
        wanted = self.modelled(one.create, CONFLICT)
        if not wanted or not one.declared and not any(re.search(r"(?i)already|exists|duplicate", name) for name in wanted):
            return NotImplemented
        fixed = {path[0]: first.sent[path[0]] for path in one.chosen} | {member: first.sent[member] for member in one.parents}
        for path in one.unique:
            fixed.setdefault(path[0], first.sent.get(path[0]))
        inputs = Filled(self.api, create, f"{self.seed}/{norm(one.name)[:6]}{self.mark}t", optional=False, fixed={name: value for name, value in fixed.items() if value is not None})
        try:
            answer = self.call(create.name, inputs.make(), "conflict")
        except botocore.exceptions.ClientError as error:
            code, status = code_of(error, wanted)
            if wanted and code not in wanted or status >= 500:
                raise Unmet("conflict", f"{one.create}: expected {' or '.join(sorted(wanted))}, got {told(error)}") from error
            return None
        marks, again = self.marks(one, first), self.marks(one, Thing(inputs.make(), answer, first.parents))
        if marks == again and marks and not one.declared:
            return None  # the same one, as where creating twice is no harm
        raise Unmet("conflict", f"{one.create} twice: expected {' or '.join(sorted(wanted))}, got success")

    # Changes.

    def update(self, thing):
        one = self.one
        operation = self.operation(one.update)
        shape = operation.input_shape
        before = self.read(one, thing, "update")
        names = self.names(one, thing, one.update, "update")
        names = {member: value for member, value in names.items() if member in shape.required_members or self.is_identity(one, member)}
        fixed = {**self.tokens(one, thing, shape), **names}
        without = [
            member
            for member in members(shape)
            if re.match(r"(?i)^(new|rename|remove|delete|unset|clear|disable|reset|rotate|force|apply)", member)
            or self.is_version(member) and member not in fixed
        ]
        given = self.filled(one.update, fixed, "u1", optional=True, without=without)
        for member in shape.required_members:
            if member not in fixed and dig(thing.sent, (member,)) is not None and shape.members[member].type_name == "string" and thing.sent[member] in shape.members[member].enum:
                given[member] = thing.sent[member]
        self.keep_names(thing, given)
        self.must(one.update, given, "update")
        thing.sent = {**thing.sent, **{name: value for name, value in given.items() if name in members(self.operation(one.create).input_shape) and name not in names}}
        after = self.read(one, thing, "update")
        lines = self.compare(one, after, thing.shown, one.update, given, skip={*names, *fixed})
        # Whether what a structure does not name goes or stays, each service decides.
        self.none("update", [line for line in lines if ": not sent, got" not in line])
        # What the update cannot touch is as it was.
        rest = []
        touched = {norm(path[-1]) for path in paths(shape)} | {norm(name) for name in members(shape)} | {norm(inner) for each in shape.members.values() for inner in members(each)}
        # `UserIdsToAdd` is about `UserIds`.
        touched |= {re.sub(r"to(add|remove|delete)$", "", each) for each in touched}
        for name, value in before[1].items() if isinstance(before[1], dict) else ():
            member = before[0].members.get(name)
            if member is None or norm(name) in touched or any(norm(name).endswith(each) or each.endswith(norm(name)) for each in touched):
                continue
            if name not in members(self.operation(one.create).input_shape) or re.search(r"(?i)(version|revision|modified|updated|status|state|etag|date|time|token|last)", name):
                continue
            if any(norm(path[-1]) in touched for path, _ in flatten({name: value})):
                continue
            if isinstance(after[1], dict) and not hasattr(value, "read") and after[1].get(name) != value:
                rest.append(f"{name}: {brief(value)} before, {brief(after[1].get(name))} after, although {one.update} has no such member")
        if rest:
            raise Unmet("update leaves the rest", rest[0])
        self.update_one(thing, names, without)

    def keep_names(self, thing, given):
        """What names the thing within a structure stays what it was."""
        for path in self.one.chosen:
            value = dig(thing.sent, path) if len(path) > 1 else None
            for inner in given.values():
                if isinstance(inner, dict) and isinstance(inner.get(path[-1]), str) and isinstance(value, str):
                    inner[path[-1]] = value

    def is_identity(self, one, member):
        return member in one.identifiers or member in one.parents or any(path == (member,) for path in one.chosen) or norm(one.name).endswith(split(member)[0]) and split(member)[1] in ("id", "arn", "identifier")

    def update_one(self, thing, names, without):
        """An update of one member leaves the others, where the operation is not one that replaces."""
        one = self.one
        operation = self.operation(one.update)
        shape = operation.input_shape
        if operation.http.get("method") == "PUT" or not one.update.startswith(("Update", "Modify")):
            return
        optional = [
            member
            for member in members(shape)
            if member not in shape.required_members and shape.members[member].type_name == "string" and not shape.members[member].enum and member not in without and member not in names
            and not TAG_MEMBER.match(member) and not ABOUT_REQUEST.match(member) and not SECRET.search(member) and not VERSION.match(member) and split(member)[1] == ""
        ]
        before = self.read(one, thing, "update leaves the rest")
        chosen = [member for member in optional if self.place(one, before, thing.shown, shape.members[member], member)]
        if not chosen:
            return
        old = before[1]
        fixed = {**self.tokens(one, thing, shape), **names}
        for member in shape.required_members:
            if member not in fixed and member in thing.sent and alike(self.operation(one.create).input_shape.members[member], shape.members[member]):
                fixed[member] = thing.sent[member]
        keep = [member for member in members(shape) if member not in shape.required_members and member != chosen[0] and member not in fixed]
        required = {member for member in shape.required_members if member not in fixed}
        given = self.filled(one.update, fixed, "u2", optional=True, without=[*keep, *without])
        self.keep_names(thing, given)
        self.must(one.update, given, "update leaves the rest")
        after = self.read(one, thing, "update leaves the rest")
        lines = self.compare(one, after, thing.shown, one.update, {chosen[0]: given[chosen[0]]} if chosen[0] in given else {})
        self.none("update", lines)
        for name, value in old.items() if isinstance(old, dict) and isinstance(after[1], dict) else ():
            if name in given or name not in members(self.operation(one.create).input_shape) and name not in members(shape):
                continue
            if norm(name) in {norm(each) for each in (*required, chosen[0])} or hasattr(value, "read"):
                continue
            if re.search(r"(?i)(version|revision|modified|updated|status|state|etag|date|time|token|last)", name):
                continue
            if after[1].get(name) != value:
                raise Unmet("update leaves the rest", f"{name}: {brief(value)} before, {brief(after[1].get(name))} after an update of {chosen[0]} only")
        self.steps.setdefault("update leaves the rest", None)

    def tagging(self, thing):
        one = self.one
        shape = self.operation(one.create).input_shape
        on_create = next((member for member in members(shape) if TAG_MEMBER.match(member) and member in thing.sent and tags_in(thing.sent[member]) == TAGS), None)
        if on_create is None:
            return
        if not self.step("tags on create", lambda: self.has_tags(thing, TAGS, "tags on create")):
            return
        if self.steps.get("tags on create", "") is not None or not one.tag or not one.untag:
            return

        def tag():
            given = self.tag_input(thing, one.tag, {"owner": "warden"})
            if given is None:
                return NotImplemented
            self.must(one.tag, given, "tag")
            return self.has_tags(thing, {**TAGS, "owner": "warden"}, "tag")

        def untag():
            given = self.tag_input(thing, one.untag, {"heron": "blue"})
            if given is None:
                return NotImplemented
            self.must(one.untag, given, "untag")
            return self.has_tags(thing, {"team": "birds", "owner": "warden"}, "untag")

        if self.step("tag", tag) and "tag" in self.steps:
            self.step("untag", untag)

    def tag_input(self, thing, operation, tags):
        """The input of a tag operation; None where it cannot name the thing."""
        shape = self.operation(operation).input_shape
        given = {}
        for member, each in members(shape).items():
            made = tags_of(each, tags)
            if made is not None:
                given[member] = made
            elif each.type_name == "list" and each.member.type_name == "string" and "key" in member.lower():
                given[member] = list(tags)
        if not given:
            return None
        wanted = [member for member in shape.required_members if member not in given]
        if not wanted:
            wanted = [member for member in members(shape) if split(member)[1] == "arn" and member not in given][:1]
        for member in wanted:
            value = self.tagged(thing, member, shape.members[member])
            if value is None:
                return None
            given[member] = fit(shape.members[member], value)
        return given

    def tagged(self, thing, member, shape):
        """What a tag operation calls the thing."""
        one = self.one
        stem, part = split(member)
        if stem == "resource" and part == "name" and one.chosen and not fits(shape, self.arn(one, thing) or ""):
            return dig(thing.sent, one.chosen[0])
        if stem in ("resource", "", "taggable") and part in ("arn", "name", "identifier", ""):
            arn = self.arn(one, thing)
            if arn is not None or part == "arn":
                return arn
        source = self.reader.source(one, member, shape) if stem == norm(one.name) else None
        if source is not None:
            try:
                return self.value(one, thing, source, member, "tag", shape)
            except Unmet:
                return None
        if stem in ("resource", "resources") and part in ("id", "identifier", "") and self.api.service == "ec2":
            return next(iter(sorted(self.marks(one, thing), key=len)), None)
        return None

    def has_tags(self, thing, wanted, step):
        one = self.one
        found = None
        if one.tags:
            shape = self.operation(one.tags).input_shape
            given = {}
            for member in shape.required_members or [name for name in members(shape) if split(name)[1] == "arn"][:1]:
                value = self.tagged(thing, member, shape.members[member])
                if value is None:
                    given = None
                    break
                given[member] = fit(shape.members[member], value)
            if given:
                answer = self.must(one.tags, given, step)
                found = next((tags for path, value in [*answer.items()] if (tags := tags_in(value)) is not None and TAG_MEMBER.match(path)), None)
                if found is None:
                    found = {} if any(TAG_MEMBER.match(name) for name in members(self.operation(one.tags).output_shape)) else None
                where = one.tags
        if found is None:
            record = self.read(one, thing, step)
            places = [name for name in record[0].members if TAG_MEMBER.match(name)]
            whole = thing.shown if not places else record[1]
            if not places:
                places = [name for name in members(self.operation(one.read).output_shape) if TAG_MEMBER.match(name)]
            if not places:
                return NotImplemented
            found = tags_in(whole.get(places[0]) or {})
            where = one.read
            if found is None:
                return NotImplemented
        plain = {key: value for key, value in found.items() if not key.startswith("aws:")}
        if plain != wanted:
            raise Unmet(step, f"{where}: expected {brief(wanted)}, got {brief(plain)}")
        return None

    def known(self, thing, member, shape):
        """What the answers tell of a member that a delete asks for: an identifier, or a structure of such."""
        if shape.type_name == "structure":
            found = {name: self.known(thing, name, each) for name, each in shape.members.items()}
            return {name: value for name, value in found.items() if value is not None} if all(found.get(name) is not None for name in shape.required_members) and any(value is not None for value in found.values()) else None
        inner = shape.member if shape.type_name == "list" else shape
        if inner.type_name not in ("string", "integer", "long") or getattr(inner, "enum", None):
            return None
        for part in (thing.output or {}, thing.sent, thing.shown or {}):
            for path, value in flatten(part):
                if path and norm(path[-1]) in (norm(member), norm(singular(member))) and isinstance(value, (str, int)) and fits(inner, value):
                    return fit(shape, value)
        return None

    def delete(self, thing):
        one = self.one
        shape = self.operation(one.delete).input_shape
        if members(shape):
            self.read(one, thing, "delete")
        names = self.names(one, thing, one.delete, "delete")
        names = {member: value for member, value in names.items() if member in shape.required_members or self.is_identity(one, member)} if shape is not None else {}
        fixed = {**(self.tokens(one, thing, shape) if shape is not None else {}), **names}
        for member in shape.required_members if shape is not None else ():
            if member not in fixed and member in thing.sent and alike(self.operation(one.create).input_shape.members[member], shape.members[member]):
                fixed[member] = thing.sent[member]
        for member in shape.required_members if shape is not None else ():
            if member not in fixed:
                known = self.known(thing, member, shape.members[member])
                if known is not None:
                    fixed[member] = known
        for member in members(shape):
            if member not in fixed and member in thing.sent and split(member)[1] in ("name", "id", "arn", "identifier") and alike(self.operation(one.create).input_shape.members[member], shape.members[member]):
                fixed[member] = thing.sent[member]
        if shape is not None and not shape.required_members and not names:
            for member, source in one.identifiers.items():
                if member in members(shape):
                    value = self.value(one, thing, source, member, "delete", shape.members[member])
                    fixed[member] = fit(shape.members[member], value)
        if shape is not None and not shape.required_members and not fixed and not one.single:
            # Any of the names that the service gave it will do.
            for member, each in members(shape).items():
                known = self.known(thing, member, each) if each.type_name in ("string", "list") else None
                if known is not None:
                    fixed[member] = known
                    break
        for member, each in members(shape).items():
            if re.match(r"(?i)^(force|skipfinal|recursive|deletereports|ignore)", member) and each.type_name == "boolean":
                fixed[member] = True
        if "ForceDeleteWithoutRecovery" in fixed:
            fixed.pop("RecoveryWindowInDays", None)
        self.must(one.delete, self.filled(one.delete, fixed, "d"), "delete")
