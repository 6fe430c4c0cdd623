"""Finds its way in answers: values at paths, structures with their shapes, the items of lists, the tokens of pages."""

import re

import botocore

from resources import members, norm, singular


def fit(shape, value):
    """A value of a member in the form of another one: a list of one, or one of a list."""
    if shape.type_name == "list" and not isinstance(value, list):
        return [value]
    if shape.type_name != "list" and isinstance(value, list):
        return value[0] if value else ""
    return value


def alike(given, wanted):
    """Whether what one member takes, the other takes as well."""
    if given.type_name != wanted.type_name:
        return False
    if given.type_name == "list":
        return alike(given.member, wanted.member)
    return given.type_name not in ("structure", "map") or given.name == wanted.name


def comparable_value(shape, value):
    return isinstance(value, str) if shape.type_name == "string" else isinstance(value, int) and shape.type_name in ("integer", "long")


def dig(value, path):
    """What stands at a path; of lists the first item."""
    for step in path:
        if isinstance(value, list):
            value = value[0] if value else None
        if not isinstance(value, dict):
            return None
        value = value.get(step)
    return value


def flatten(value, depth=3, path=()):
    """The leaves of an answer with their paths, shallow ones first."""
    level = [((), value)]
    for _ in range(depth + 1):
        below = []
        for path, each in level:
            if isinstance(each, dict):
                for name, item in each.items():
                    if isinstance(item, (dict, list)):
                        below.append(((*path, name), item))
                    else:
                        yield (*path, name), item
            elif isinstance(each, list):
                for item in each[:3]:
                    if isinstance(item, (dict, list)):
                        below.append((path, item))
                    elif path:
                        yield path, item
        level = below


def nodes(shape, value, lists=True, absent=False, depth=2):
    """The structures of an answer with their shapes, shallow ones first; a list of structures comes as a whole."""
    if shape is None:
        return
    level = [(shape, value)]
    for at in range(depth + 1):
        below = []
        for each, found in level:
            yield each, found
            if isinstance(found, list):
                found = found[0] if len(found) == 1 and lists else None
                if found is None:
                    continue
            for name, member in each.members.items():
                item = (found or {}).get(name)
                if item is None and not absent:
                    continue
                if member.type_name == "structure":
                    below.append((member, item))
                elif lists and member.type_name == "list" and member.member.type_name == "structure":
                    below.append((member.member, item))
        level = below


def items(shape, answer, one):
    """The items of a list answer: its list whose name or item speaks of the type, else the only one."""
    noun = norm(one.name)
    lists = []
    for depth, (node, value) in enumerate(nodes(shape, answer, lists=False, absent=True, depth=1)):
        for name, member in node.members.items():
            if member.type_name not in ("list", "map"):
                continue
            if isinstance(value, dict) or value is None:
                lists.append((name, member, (value or {}).get(name) or []))
    if not lists:
        return []
    fitting = [each for each in lists if noun in norm(each[0]) or norm(singular(each[0])) in noun and len(each[0]) > 3]
    chosen = fitting or lists
    name, member, found = next((each for each in chosen if each[2]), chosen[0])
    if isinstance(found, dict):
        return [value if isinstance(value, dict) else key for key, value in found.items()]
    # Lists in a list: instances of reservations.
    inner = member.member if member.type_name == "list" else member.value
    if inner.type_name == "structure":
        for deeper, each in inner.members.items():
            if each.type_name == "list" and norm(deeper) in (noun + "s", noun + "list") and each.member.type_name == "structure":
                return [item for outer in found for item in outer.get(deeper) or []]
    return found


def paging(client, operation):
    """The token's member in the input, what finds the next token in an answer, and the member that limits a page."""
    shape = operation.input_shape
    name = botocore.xform_name(operation.name)
    if client.can_paginate(name):
        paginator = client.get_paginator(name)
        config = paginator._pagination_cfg
        token_in, limit = config.get("input_token"), config.get("limit_key")
        if isinstance(token_in, list):
            return None, None, None  # several tokens at once

        def following(answer):
            if paginator._more_results is not None and not paginator._more_results.search(answer):
                return None
            return paginator._output_token[0].search(answer)

        return (token_in, following, limit if limit in members(shape) else None) if token_in in members(shape) else (None, None, None)
    token_in = next((name for name in members(shape) if re.fullmatch(r"(?i)(next|start(ing)?|pagination|page|continuation)?_?(token|marker)", name)), None)
    token_out = next((name for name in members(operation.output_shape) if re.fullmatch(r"(?i)(next|pagination|page|continuation)_?(page)?_?(token|marker)|marker", name)), None)
    limit = next((name for name in members(shape) if re.fullmatch(r"(?i)(max_?(results|items|records)|limit|page_?size)", name)), None)
    if token_in is None or token_out is None:
        return None, None, None
    return token_in, lambda answer: answer.get(token_out), limit
