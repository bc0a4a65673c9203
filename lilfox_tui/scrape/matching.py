"""Whether a label's value is what a matcher asks for.

Patterns are RE2, which cannot hang; they must fit the whole value, and ``.`` takes a newline too (Prometheus 3).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from lilfox_tui.errors import UsageError
from lilfox_tui.i18n import tr
from lilfox_tui.scrape.matcher import Matcher

_WORDS = re.compile(r"[^.+*?()\[\]{}^$\\|]*(?:\|[^.+*?()\[\]{}^$\\|]*)*")
"""A pattern that is nothing but words to choose from: most of those that dashboards and rules hold."""
REFERENCE = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})")
"""What stands for a group in a replacement: ``$1``, ``${name}``; and ``$$``, a dollar."""


def matches(matcher: Matcher, value: str) -> bool:
    """Whether ``value`` (empty: the label is not there) fits. Raises UsageError where the pattern is none of RE2."""
    return condition(matcher.op, matcher.value)(value)


@lru_cache(maxsize=1024)
def condition(op: str, wanted: str) -> Callable[[str], bool]:
    """The condition as a function of the label's value. Raises UsageError where ``wanted`` is no pattern of RE2."""
    if op == "=":
        return lambda value: value == wanted
    if op == "!=":
        return lambda value: value != wanted
    fits = whole(wanted)
    return fits if op == "=~" else lambda value: not fits(value)


def whole(pattern: str) -> Callable[[str], bool]:
    """Whether a text fits ``pattern`` from its beginning to its end. Raises UsageError."""
    if _WORDS.fullmatch(pattern):
        return frozenset(pattern.split("|")).__contains__
    compiled = anchored(pattern)
    return lambda value: compiled.fullmatch(value) is not None


@lru_cache(maxsize=1024)
def anchored(pattern: str) -> re.Pattern[str]:
    """``pattern`` compiled by RE2, to be used with ``fullmatch``. Raises UsageError with what RE2 does not take."""
    import re2

    options = re2.Options()
    options.log_errors = False
    options.dot_nl = True
    try:
        compiled: re.Pattern[str] = re2.compile(pattern, options)
    except UnicodeEncodeError:
        raise UsageError(tr("regular expression: half a character (a lone surrogate)")) from None
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        reason = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise UsageError(tr("regular expression {pattern}: {reason}", pattern=pattern, reason=reason)) from None
    return compiled


def expanded(template: str, match: re.Match[str]) -> str:
    """``template`` with the groups of ``match``, as Go's ``Regexp.Expand`` fills them in: the longest name counts,
    ``$$`` is a dollar, and a group that does not exist or took no part is empty."""
    if template == "$1":  # what most rules say
        return (match[1] or "") if match.re.groups else ""

    def fill(reference: re.Match[str]) -> str:
        if reference[1]:
            return "$"
        name = reference[2] or reference[3]
        number = group_number(name)
        if number is not None:
            return (match[number] or "") if number <= match.re.groups else ""
        return (match[name] or "") if name in match.re.groupindex else ""

    return REFERENCE.sub(fill, template)


def group_number(name: str) -> int | None:
    """The group that a reference means by its number; None where it is a name: Go takes none that begins with 0."""
    return int(name) if name.isascii() and name.isdigit() and (name == "0" or name[0] != "0") else None
