"""Makes texts that fit the patterns of API models, and checks texts against them.

The models' patterns are written for Java: classes such as `\\p{L}`, surrogate ranges, slashes around the pattern.
What this module cannot read or satisfy it says so; it never returns a text that does not fit.
"""

import functools
import random
import re

import regex

try:
    from re import _constants as sre
    from re import _parser as sre_parser
except ImportError:  # before Python 3.11
    import sre_constants as sre
    import sre_parse as sre_parser

# What a property class means for making texts; checks use the full Unicode meaning.
PROPERTIES = {
    "L": "a-zA-Z",
    "IsAlphabetic": "a-zA-Z",
    "Alpha": "a-zA-Z",
    "Ll": "a-z",
    "Lower": "a-z",
    "Lu": "A-Z",
    "Upper": "A-Z",
    "LD": "a-zA-Z0-9",
    "Alnum": "a-zA-Z0-9",
    "N": "0-9",
    "Nd": "0-9",
    "Digit": "0-9",
    "XDigit": "0-9a-f",
    "Z": " ",
    "Zs": " ",
    "Space": " ",
    "P": "\\-_.,:",
    "Punct": "\\-_.,:",
    "Pc": "_",
    "Pd": "\\-",
    "S": "+=$",
    "Sc": "$",
    "M": "\u0301",
    "ASCII": "\\x20-\\x7e",
    "Print": "\\x20-\\x7e",
    "Graph": "\\x21-\\x7e",
    "all": "\\x20-\\x7e",
    "C": "\\x00-\\x1f",
    "Cc": "\\x00-\\x1f",
    "Cntrl": "\\x00-\\x1f",
}
NEGATED = {"C": "\\x20-\\x7e", "M": "a-zA-Z", "Cc": "\\x20-\\x7e", "Cntrl": "\\x20-\\x7e"}
# Preferred characters, the most harmless first.
FRIENDLY = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./: @+=,"
REPEATS_MAX = 4000


class Unsatisfiable(Exception):
    """No text was found that fits."""


def _properties(pattern):
    """The pattern with property classes spelled out as ranges."""
    out, at, in_class = [], 0, False
    while at < len(pattern):
        char = pattern[at]
        if char == "\\" and at + 1 < len(pattern):
            match = re.match(r"\\([pP])(?:\{(\^?)(?:Is|script=)?([^}]*)\}|([A-Z]))", pattern[at:])
            if match:
                name = match.group(3) or match.group(4)
                negated = (match.group(1) == "P") != bool(match.group(2))
                ranges = NEGATED.get(name, "a-zA-Z") if negated else PROPERTIES.get(name, "a-zA-Z")
                out.append(ranges if in_class else f"[{ranges}]")
                at += match.end()
                continue
            pair = pattern[at : at + 2]
            if pair in ("\\z", "\\Z"):
                pair = "\\Z"
            elif pair[1].isalpha() and pair[1] not in "AbBdDsSwWnrtfvxuU0Q":
                pair = pair[1]
            out.append(pair)
            at += 2
            continue
        if in_class and char == "[":
            # A class within a class (a union in Java); Python would take the bracket literally.
            close = pattern.find("]", at)
            out.append(pattern[at + 1 : close])
            at = close + 1
            continue
        if char == "[" and not in_class:
            in_class = True
            out.append(char)
            at += 1
            if pattern[at : at + 1] == "^":
                out.append("^")
                at += 1
            if pattern[at : at + 1] == "]":
                out.append("\\]")
                at += 1
            continue
        if char == "]" and in_class:
            in_class = False
        if in_class and char == "&" and pattern[at : at + 2] == "&&":
            # An intersection: keep the left side, the check below finds what the right side refuses.
            depth, end = 0, at
            while end < len(pattern) and not (pattern[end] == "]" and depth <= 0 and pattern[end - 1] != "\\"):
                depth += {"[": 1, "]": -1}.get(pattern[end], 0)
                end += 1
            at = end
            continue
        if in_class and char == "-" and out and re.fullmatch(r"\\[wdsWDS]", out[-1]):
            out.append("\\-")
            at += 1
            continue
        out.append(char)
        at += 1
    return "".join(out)


def _surrogates(pattern):
    """Without surrogate ranges, which only Java's UTF-16 texts have."""
    return re.sub(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}(-\\u[dD][89a-fA-F][0-9a-fA-F]{2})?", "", pattern).replace("-]", "\\-]")


def readings(pattern):
    """The pattern as written and, where that is not a pattern at all, what was most likely meant."""
    plain = re.sub(r"\\x\{([0-9a-fA-F]+)\}", lambda code: "\\u" + code.group(1).zfill(4), pattern)
    # A bound after `$` is one of the anchor; what one after a bound means, nobody agrees on: it is left out.
    plain = re.sub(r"(?<!\\)\$\{[0-9,]+\}", "$", plain)
    plain = re.sub(r"(\{[0-9]+(?:,[0-9]*)?\})\{[0-9,]+\}", r"\1", plain)
    yield plain
    if plain.startswith("/") and plain.endswith("/") and len(plain) > 2:
        yield plain[1:-1]
    inline = re.search(r"\(\?[isx]\)", plain)
    if inline and inline.start() > 0:
        yield inline.group(0) + plain[: inline.start()] + plain[inline.end() :]


@functools.lru_cache(maxsize=None)
def _compiled(pattern):
    """The whole-text check of a pattern, or None where no reading of it is a valid pattern."""
    for reading in readings(_surrogates(pattern)):
        for flags in (regex.V1, regex.V0) if "&&" in reading else (regex.V0, regex.V1):
            try:
                return regex.compile(reading, flags)
            except regex.error:
                continue
        try:
            return regex.compile(_properties(reading))
        except regex.error:
            continue
    return None


def fits(pattern, text):
    """Whether the whole text fits. A pattern that nobody can read is fitted by everything."""
    compiled = _compiled(pattern)
    return compiled is None or compiled.fullmatch(text) is not None


@functools.lru_cache(maxsize=None)
def _tree(pattern):
    for reading in readings(_surrogates(pattern)):
        try:
            return sre_parser.parse(_properties(reading))
        except (re.error, OverflowError):
            continue
    return None


class _Maker:
    """Walks a parsed pattern and writes a text; `stretch` is how far open repeats go beyond their minimum: always
    that far where `exact`."""

    def __init__(self, draw, stretch, exact, most):
        self.draw = draw
        # Nested repeats multiply: no text is made much longer than wanted.
        self.left = most + 100
        self.stretch = stretch
        self.exact = exact
        self.groups = {}

    def sequence(self, items):
        return "".join(self.item(operation, argument) for operation, argument in items)

    def item(self, operation, argument):
        self.left -= 1
        if operation is sre.LITERAL:
            return chr(argument)
        if operation is sre.NOT_LITERAL:
            return next(char for char in FRIENDLY if ord(char) != argument)
        if operation is sre.ANY:
            return self.draw.choice(FRIENDLY[:62])
        if operation is sre.IN:
            return self.one_of(argument)
        if operation is sre.BRANCH:
            return self.sequence(self.draw.choice(argument[1]))
        if operation is sre.SUBPATTERN:
            text = self.sequence(argument[-1])
            if argument[0] is not None:
                self.groups[argument[0]] = text
            return text
        if operation in (sre.MAX_REPEAT, sre.MIN_REPEAT, getattr(sre, "POSSESSIVE_REPEAT", None)):
            least, most, items = argument
            top = min(int(most) if most is not sre.MAXREPEAT else least + REPEATS_MAX, least + self.stretch)
            count = max(least, top) if self.left > 0 else least
            if (not self.exact or most == 1) and self.draw.random() < 0.3:
                count = self.draw.randint(least, count)
            return "".join(self.sequence(items) for at in range(count) if at < least or self.left > 0)
        if operation is getattr(sre, "ATOMIC_GROUP", None):
            return self.sequence(argument)
        if operation is sre.GROUPREF:
            return self.groups.get(argument, "")
        return ""  # anchors and look-arounds: the check of the whole text decides

    def one_of(self, choices):
        negated = choices[0][0] is sre.NEGATE
        if negated:
            refused = [choice for choice in choices[1:]]
            fitting = [char for char in FRIENDLY if not any(_in(choice, ord(char)) for choice in refused)]
            return self.draw.choice(fitting) if fitting else "\u00e9"
        fitting = [char for char in FRIENDLY if any(_in(choice, ord(char)) for choice in choices)]
        letters = [char for char in fitting if char.isalnum()]
        if letters and self.draw.random() < 0.9:
            return self.draw.choice(letters)
        if fitting:
            return self.draw.choice(fitting)
        kind, value = self.draw.choice(choices)
        if kind is sre.LITERAL:
            return chr(value)
        if kind is sre.RANGE:
            return chr(self.draw.randint(*value))
        return " "


def _in(choice, code):
    kind, value = choice
    if kind is sre.LITERAL:
        return code == value
    if kind is sre.RANGE:
        return value[0] <= code <= value[1]
    if kind is sre.CATEGORY:
        char = chr(code)
        return {
            sre.CATEGORY_DIGIT: char.isdigit(),
            sre.CATEGORY_NOT_DIGIT: not char.isdigit(),
            sre.CATEGORY_SPACE: char.isspace(),
            sre.CATEGORY_NOT_SPACE: not char.isspace(),
            sre.CATEGORY_WORD: char.isalnum() or char == "_",
            sre.CATEGORY_NOT_WORD: not (char.isalnum() or char == "_"),
        }[value]
    return False


def make(pattern, least, most, seed, fine=lambda text: True):
    """A text of `least` to `most` characters that fits the pattern and is `fine`; raises Unsatisfiable."""
    try:
        return _make(pattern, least, most, seed, fine)
    except Unsatisfiable:
        if pattern.startswith("^") and not pattern.endswith("$"):
            # Perhaps only the start is meant.
            return _make(pattern + ".*", least, most, seed, fine)
        raise


def _make(pattern, least, most, seed, fine):
    tree = _tree(pattern)
    if tree is None or _compiled(pattern) is None:
        raise Unsatisfiable(f"cannot read {pattern}")
    # Every attempt draws afresh: short texts first, then longer and longer ones.
    missing = max(0, least - tree.getwidth()[0])
    for attempt in range(160):
        draw = random.Random(f"{seed}/{attempt}")
        stretch = missing if attempt % 4 == 1 else (missing, 2, 5, 9, least, least // 2 + 1, 16, 33, 64, 0)[attempt % 10]
        text = _Maker(draw, min(stretch, REPEATS_MAX), attempt % 10 == 0 or attempt % 4 == 1, min(most, 5000)).sequence(tree)
        if least <= len(text) <= most and fine(text) and fits(pattern, text):
            return text
    raise Unsatisfiable(f"found no text of {least} to {most} characters that fits {pattern}")
