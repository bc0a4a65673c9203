"""Converts nodes of the file into the model's structs, one item at a time, so that all errors are found, not only
the first.

A value that is wrong is noted and its default stands in, so that what follows can still be checked; nothing of it is
used, because findings end the loading.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar, cast

import msgspec
from msgspec import Struct
from msgspec import inspect as types

from lilfox_tui.config.values import Seconds, SecretRef, TemplateText, Wait
from lilfox_tui.config.yaml_nodes import Findings, KeyPath, ListNode, MapNode, Node, ScalarNode, quoted, rather
from lilfox_tui.core.i18n import Message, _

# What single words of the file mean: durations, numbers, switches, references to secrets.
#
# A word is read by the type that its key has. Words that YAML tools read as something else than text (``no`` is false,
# ``12:30`` a number: YAML 1.1, sections bool and int of its type repository) must be quoted where text is wanted.


SECRET_KINDS = ("env:", "file:", "cmd:")
_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?) ?(ms|s|m|h|d|)")
_LONGEST_S = 366 * 86400.0
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_BOOLS = {"true": True, "false": False}
_BOOL_WORDS = {"yes": "true", "on": "true", "no": "false", "off": "false"}  # y and n are text to PyYAML and YAML 1.2
_NULL_WORDS = ("", "~", "null")
_NUMBER_WORDS = re.compile(
    r"[-+]?(?:[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?|0[xo]?[0-9a-fA-F_]+|\.inf|\.nan)", re.IGNORECASE
)
_DATE = re.compile(r"\d{4}-\d\d?-\d\d?([Tt ].*)?")


class WrongScalar(Exception):
    """A scalar that is invalid for its key; the text says why, and what to write instead."""


def is_null(node: ScalarNode) -> bool:
    """Whether YAML reads it as null."""
    return node.plain and node.text.lower() in _NULL_WORDS


def to_bool(node: ScalarNode) -> bool:
    """``true`` or ``false``."""
    word = node.text.lower()
    if node.plain and word in _BOOLS:
        return _BOOLS[word]
    if word in _BOOL_WORDS or word in _BOOLS:
        meant = _BOOL_WORDS.get(word, word)
        raise WrongScalar(
            _("{value} is not a boolean; write {right} without quotes", value=quoted(node.text), right=meant)
        )
    raise WrongScalar(_("{value} is not a boolean; write true or false", value=quoted(node.text)))


def to_int(node: ScalarNode) -> int:
    """A whole decimal number."""
    if node.plain and _WHOLE.fullmatch(node.text) and len(node.text) <= 18:
        return int(node.text)
    raise WrongScalar(_("{value} is not a whole number; write one such as 8, without quotes", value=quoted(node.text)))


def to_float(node: ScalarNode) -> float:
    """A finite decimal number."""
    if node.plain and _NUMBER.fullmatch(node.text) and math.isfinite(number := float(node.text)):
        return number
    raise WrongScalar(_("{value} is not a number; write one such as 0.5, without quotes", value=quoted(node.text)))


def to_seconds(node: ScalarNode) -> Seconds:
    """A duration above zero and up to a year: ``500ms 2s 5m 1h 1d`` or a bare number of seconds."""
    seconds = to_wait(node)
    if not seconds:
        raise WrongScalar(
            _("{value} is out of range; a duration must be above zero and at most one year", value=quoted(node.text))
        )
    return Seconds(seconds)


def to_wait(node: ScalarNode) -> Wait:
    """Like :func:`to_seconds`, but zero is allowed."""
    match = _DURATION.fullmatch(node.text)
    if match is None:
        raise WrongScalar(
            _("{value} is not a duration; write 500ms, 2s, 5m, 1h, 1d or a number of seconds", value=quoted(node.text))
        )
    seconds = float(match[1]) * _UNITS[match[2]]
    if seconds > _LONGEST_S:
        raise WrongScalar(_("{value} is out of range; a duration must be at most one year", value=quoted(node.text)))
    return Wait(seconds)


def to_secret_ref(node: ScalarNode) -> SecretRef:
    """A reference to a secret. The error for an invalid one does not repeat the word, which may be the secret."""
    for kind in SECRET_KINDS:
        if node.text.startswith(kind) and node.text[len(kind) :].strip():
            return SecretRef(node.text)
    raise WrongScalar(_("a secret must not be in this file; write env:NAME, file:PATH or cmd:COMMAND that prints it"))


def to_template(node: ScalarNode) -> TemplateText:
    """A text that may have several lines."""
    return TemplateText(node.text if "\n" in node.text and "\0" not in node.text else to_text(node))


def to_text(node: ScalarNode) -> str:
    """Text that every YAML tool reads as text."""
    if "\n" in node.text or "\0" in node.text:
        raise WrongScalar(_("the text spans several lines; write it on one line"))
    if not node.plain:
        return node.text
    word = node.text.lower()
    if word in _NULL_WORDS:
        raise WrongScalar(_('no value; write text, or "" for an empty string'))
    if word in _BOOL_WORDS or word in _BOOLS:
        raise WrongScalar(
            _('{value} without quotes is a boolean in YAML; write it as "{word}"', value=quoted(word), word=node.text)
        )
    if any(form.fullmatch(word) for form in (_NUMBER, _NUMBER_WORDS, _DATE)):
        raise WrongScalar(
            _(
                '{value} without quotes is a number or a date in YAML; write it as "{word}"',
                value=quoted(word),
                word=node.text,
            )
        )
    return node.text


S = TypeVar("S", bound=msgspec.Struct)
_WRONG: Final = object()
_SCALARS: Mapping[type, Callable[[ScalarNode], object]] = {
    types.BoolType: to_bool,
    types.IntType: to_int,
    types.FloatType: to_float,
    types.StrType: to_text,
}
_CUSTOM: Mapping[type, Callable[[ScalarNode], object]] = {
    Seconds: to_seconds,
    Wait: to_wait,
    SecretRef: to_secret_ref,
    TemplateText: to_template,
}


def to_struct(cls: type[S], node: Node | None, findings: Findings, path: KeyPath = ()) -> S:
    """``node`` (None: not in the file) as a ``cls``, which must have defaults; errors go to ``findings``."""
    shape = cast("types.StructType", types.type_info(cls))
    made = _Conversion(findings).struct(shape, node, path, cls()) if node is not None else cls()
    return cast("S", cls() if made is _WRONG else made)


def to_whole_struct(cls: type[S], node: Node, findings: Findings, path: KeyPath) -> S | None:
    """Like ``to_struct``, for a ``cls`` with required keys; None if it cannot be built."""
    shape = types.type_info(cls)
    made = _Conversion(findings).value(shape, node, path, _empty(shape))
    return None if made is _WRONG else cast("S", made)


class _Conversion(Struct, frozen=True):
    findings: Findings

    def wrong(self, node: Node, path: KeyPath, what: str) -> object:
        self.findings.add(node.line, path, what)
        return _WRONG

    def value(self, shape: types.Type, node: Node, path: KeyPath, base: object = None) -> object:
        """``node`` converted to ``shape``, or _WRONG. ``base`` is the struct that supplies missing keys."""
        self.findings.lines.setdefault(path, node.line)
        if isinstance(shape, types.UnionType):
            return self.optional(shape, node, path, base)
        if isinstance(shape, types.Metadata):
            if "may_be_secret" in (shape.extra or {}):
                return self.text_or_secret(node, path)
            return self.scalar(shape.type, node, path, (shape.extra_json_schema or {}).get("description", ""))
        if isinstance(shape, types.StructType):
            return self.struct(shape, node, path, base)
        if isinstance(shape, types.DictType):
            return self.mapping(shape, node, path)
        if isinstance(shape, types.VarTupleType | types.ListType):
            return self.sequence(shape, node, path)
        if isinstance(shape, types.AnyType):
            return node
        return self.scalar(shape, node, path)

    def optional(self, shape: types.UnionType, node: Node, path: KeyPath, base: object) -> object:
        if isinstance(node, ScalarNode) and is_null(node):
            return None
        wanted = [option for option in shape.types if not isinstance(option, types.NoneType)]
        if len(wanted) > 1:
            wanted = [option for option in wanted if isinstance(option, types.BoolType) == _is_switch(node)]
        return self.value(wanted[0], node, path, base)

    def text_or_secret(self, node: Node, path: KeyPath) -> object:
        is_ref = isinstance(node, ScalarNode) and node.text.startswith(SECRET_KINDS)
        return self.read(to_secret_ref if is_ref else to_text, node, path)

    def scalar(self, shape: types.Type, node: Node, path: KeyPath, about: str = "") -> object:
        """Converts a scalar; ``about`` describes its format if it has a special one."""
        if isinstance(shape, types.CustomType):
            return self.read(_CUSTOM[shape.cls], node, path)
        if isinstance(shape, types.LiteralType):
            word = self.read(to_text, node, path)
            if word is _WRONG or word in shape.values:
                return word
            known = [str(value) for value in shape.values]
            what = _("{value} is not a valid value", value=quoted(str(word)))
            return self.wrong(node, path, f"{what}; {rather(str(word), known)}")
        read = self.read(_SCALARS[type(shape)], node, path)
        if read is _WRONG:
            return read
        outside = _outside(shape, read, about)
        return self.wrong(node, path, outside) if outside else read

    def read(self, reader: Callable[[ScalarNode], object], node: Node, path: KeyPath) -> object:
        if not isinstance(node, ScalarNode):
            found = _("a list") if isinstance(node, ListNode) else _("a mapping")
            return self.wrong(node, path, _("{found} is not allowed here; write one value", found=found))
        try:
            return reader(node)
        except WrongScalar as error:
            return self.wrong(node, path, str(error))

    def sequence(self, shape: types.VarTupleType | types.ListType, node: Node, path: KeyPath) -> object:
        if not isinstance(node, ListNode):
            return self.wrong(node, path, _("expected a list; write [one, two] or lines that start with -"))
        if shape.min_length and len(node.items) < shape.min_length:
            return self.wrong(node, path, _("fewer than {limit} items; add more", limit=shape.min_length))
        items = [self.value(shape.item_type, item, (*path, str(at))) for at, item in enumerate(node.items, 1)]
        if any(item is _WRONG for item in items):
            return _WRONG
        return tuple(items) if isinstance(shape, types.VarTupleType) else items

    def mapping(self, shape: types.DictType, node: Node, path: KeyPath) -> object:
        if isinstance(node, ScalarNode) and is_null(node):
            return {}
        if not isinstance(node, MapNode):
            return self.wrong(node, path, _("expected a mapping; write lines of the form name: value"))
        made: dict[str, object] = {}
        for key, item in node.entries:
            here = (*path, key.text)
            self.findings.lines[here] = key.line
            name = self.scalar(shape.key_type, key, here)
            value = self.value(shape.value_type, item, here, _empty(shape.value_type))
            if name is not _WRONG and value is not _WRONG:
                made[key.text] = value
        return made

    def struct(self, shape: types.StructType, node: Node, path: KeyPath, base: object) -> object:
        if isinstance(node, ScalarNode) and is_null(node):
            node = MapNode((), node.line, 1)
        elif isinstance(node, ScalarNode) and (short := getattr(shape.cls, "SHORT", None)):
            node = MapNode(((ScalarNode(short, True, node.line), node),), node.line, 1)
        if not isinstance(node, MapNode):
            return self.wrong(node, path, _("expected a mapping; write lines of the form name: value"))
        fields = {field.encode_name: field for field in shape.fields}
        made = {} if base is None else {field.name: getattr(base, field.name) for field in shape.fields}
        for key, item in node.entries:
            here = (*path, key.text)
            self.findings.lines[here] = key.line
            field = fields.get(key.text)
            if field is None:
                self.unknown(key, here, fields)
                continue
            value = self.value(field.type, item, here, made.get(field.name))
            if value is not _WRONG:
                made[field.name] = value
        written = {key.text for key, _item in node.entries}
        missing = [field.encode_name for field in shape.fields if field.required and field.name not in made]
        for name in missing:
            if name not in written:
                self.wrong(node, (*path, name), _("this key is missing; add it"))
        return _WRONG if missing else shape.cls(**made)

    def unknown(self, key: ScalarNode, path: KeyPath, fields: Mapping[str, object]) -> None:
        if key.text == "<<":
            self.wrong(
                key, path, _("merge keys are not supported; write the keys out, or use an alias for a whole value")
            )
        else:
            self.wrong(key, path, _("no such key; {rather}", rather=rather(key.text, fields)))


def _empty(shape: types.Type) -> object:
    """The struct of defaults for a mapping's item; None if it has required keys."""
    if isinstance(shape, types.StructType) and not any(field.required for field in shape.fields):
        return shape.cls()
    return None


def _is_switch(node: Node) -> bool:
    """Whether the node is a plain ``true`` or ``false``, for keys that take a boolean or a text (such as a path)."""
    return isinstance(node, ScalarNode) and node.plain and node.text.lower() in ("true", "false")


def _outside(shape: types.Type, value: Any, about: str) -> str:
    """Why ``value`` is outside the model's limits; empty if it is inside."""
    if isinstance(shape, types.IntType | types.FloatType):
        low, high = shape.ge, shape.le
        if (low is not None and value < low) or (high is not None and value > high):
            if high is None:
                return _("{value} is out of range; the minimum is {low}", value=value, low=low)
            if low is None:
                return _("{value} is out of range; the maximum is {high}", value=value, high=high)
            return _("{value} is out of range; it must be from {low} to {high}", value=value, low=low, high=high)
    if isinstance(shape, types.StrType):
        return _outside_text(shape, value, about)
    return ""


def _outside_text(shape: types.StrType, value: str, about: str) -> str:
    if shape.max_length is not None and len(value) > shape.max_length:
        return _("longer than {limit} characters; shorten it", limit=shape.max_length)
    if shape.min_length is not None and len(value) < shape.min_length:
        return _("shorter than {limit} characters; write more", limit=shape.min_length)
    if shape.pattern is not None and not re.search(shape.pattern, value):
        if about:
            return _("{value} is not {what}", value=quoted(value), what=Message(about))
        return _(
            "{value} is not a valid name; use letters, digits, dots, - and _, starting with a letter or digit",
            value=quoted(value),
        )
    return ""
