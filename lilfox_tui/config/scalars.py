"""What single words of the file mean: durations, numbers, switches, references to secrets.

A word is read by the type that its key has. Words that YAML tools read as something else than text (``no`` is false,
``12:30`` a number: YAML 1.1, sections bool and int of its type repository) must be quoted where text is wanted.
"""

from __future__ import annotations

import math
import re

from lilfox_tui.config.problems import quoted
from lilfox_tui.config.types import Seconds, SecretRef, Wait
from lilfox_tui.config.yaml_nodes import ScalarNode
from lilfox_tui.i18n import _

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


class Wrong(Exception):
    """A word that is not what its key wants; the text says what it is and what would be right."""


def is_null(node: ScalarNode) -> bool:
    """Whether YAML reads it as "nothing"."""
    return node.plain and node.text.lower() in _NULL_WORDS


def to_bool(node: ScalarNode) -> bool:
    """``true`` or ``false``."""
    word = node.text.lower()
    if node.plain and word in _BOOLS:
        return _BOOLS[word]
    if word in _BOOL_WORDS or word in _BOOLS:
        meant = _BOOL_WORDS.get(word, word)
        raise Wrong(_("{value} is not a switch; write {right} without quotes", value=quoted(node.text), right=meant))
    raise Wrong(_("{value} is not a switch; write true or false", value=quoted(node.text)))


def to_int(node: ScalarNode) -> int:
    """A whole decimal number."""
    if node.plain and _WHOLE.fullmatch(node.text) and len(node.text) <= 18:
        return int(node.text)
    raise Wrong(_("{value} is not a whole number; write one such as 8, without quotes", value=quoted(node.text)))


def to_float(node: ScalarNode) -> float:
    """A finite decimal number."""
    if node.plain and _NUMBER.fullmatch(node.text) and math.isfinite(number := float(node.text)):
        return number
    raise Wrong(_("{value} is not a number; write one such as 0.5, without quotes", value=quoted(node.text)))


def to_seconds(node: ScalarNode) -> Seconds:
    """A span of time above zero and up to a year, ``500ms 2s 5m 1h 1d`` or a bare number of seconds."""
    seconds = to_wait(node)
    if not seconds:
        raise Wrong(_("{value} is out of range; a duration is above zero and up to a year", value=quoted(node.text)))
    return Seconds(seconds)


def to_wait(node: ScalarNode) -> Wait:
    """As :func:`to_seconds`, and zero."""
    match = _DURATION.fullmatch(node.text)
    if match is None:
        raise Wrong(
            _("{value} is not a duration; write 500ms, 2s, 5m, 1h, 1d or a number of seconds", value=quoted(node.text))
        )
    seconds = float(match[1]) * _UNITS[match[2]]
    if not 0 <= seconds <= _LONGEST_S:
        raise Wrong(_("{value} is out of range; a duration is above zero and up to a year", value=quoted(node.text)))
    return Wait(seconds)


def to_secret_ref(node: ScalarNode) -> SecretRef:
    """A reference to a secret. Its error does not repeat the word: it may be the secret."""
    for kind in SECRET_KINDS:
        if node.text.startswith(kind) and node.text[len(kind) :].strip():
            return SecretRef(node.text)
    raise Wrong(_("a secret does not belong into this file; write env:NAME, file:PATH or cmd:COMMAND that prints it"))


def to_text(node: ScalarNode) -> str:
    """Text that every YAML tool reads as text."""
    if "\n" in node.text or "\0" in node.text:
        raise Wrong(_("a text of several lines; write it on one line"))
    if not node.plain:
        return node.text
    word = node.text.lower()
    if word in _NULL_WORDS:
        raise Wrong(_('nothing is written here; write a text, or "" for an empty one'))
    if word in _BOOL_WORDS or word in _BOOLS:
        raise Wrong(
            _('{value} without quotes is a switch to YAML; write it as "{word}"', value=quoted(word), word=node.text)
        )
    if any(form.fullmatch(word) for form in (_NUMBER, _NUMBER_WORDS, _DATE)):
        raise Wrong(
            _(
                '{value} without quotes is a number or a date to YAML; write it as "{word}"',
                value=quoted(word),
                word=node.text,
            )
        )
    return node.text
