"""The info string of a fence: its language, and attributes as JSON (runme's, and ours; runme passes over those).

bash {"name": "ban", "host": "web*", "confirm": "typed", "timeout": "30s"}
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lilfox_tui.i18n import _, listed
from lilfox_tui.runbook.model import Attributes, Problem

if TYPE_CHECKING:
    import re2

_INFO = re.compile(r"\s*([^\s{]*)\s*(.*)", re.DOTALL)
_OLD_PAIR = re.compile(r"""(?<![\w-])([A-Za-z][\w-]*+)=("[^"]*"|'[^']*'|[^\s}"']+)\s*""")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_SWITCHES = {"true": True, "false": False, True: True, False: False}
_NONE = Attributes()


class _Wrong(Exception):
    """A value that its key does not take; the text says what would be right."""


class _Twice(Exception):
    """A key that stands there twice."""


def read_info(info: str, line: int) -> tuple[str, Attributes | None, list[Problem]]:
    """Language in lower case, attributes and problems of the info string in ``line``.

    Attributes are None where what stands there cannot be taken as it is meant: the fence is then not to be run.
    """
    found = _INFO.fullmatch(info)
    if found is None:
        return "", _NONE, []
    language, rest = found[1].lower(), found[2]
    if not rest.startswith("{") or rest[1:].lstrip()[:1].isdigit():  # {1,3}: lines that some sites highlight
        return language, _NONE, []
    problems: list[Problem] = []
    try:
        pairs = _pairs(rest)
    except (ValueError, RecursionError, _Twice) as error:
        reason = getattr(error, "msg", None) or str(error)
        text = _(
            "the attributes are no JSON object ({reason}); write them as {example}", reason=reason, example=_EXAMPLE
        )
        return language, None, [Problem(line, "error", "attributes", text)]
    values: dict[str, Any] = {}
    good = True
    for key, value in pairs.items():
        known = _KEYS.get(key)
        if known is None:
            from lilfox_tui.config.problems import quoted, rather

            text = _("attribute {key} is not known; {rather}", key=quoted(key), rather=rather(key, _KEYS))
            problems.append(Problem(line, "warning", "attribute-unknown", text))
            continue
        field, reader = known
        try:
            values[field] = reader(value)
        except _Wrong as error:
            good = False
            text = _("attribute {key}: {what}", key=key, what=error)
            problems.append(Problem(line, "error", "attribute-value", text))
    return language, Attributes(**values) if good else None, problems


_EXAMPLE = '{"name": "ban", "timeout": "30s"}'


def _pairs(text: str) -> dict[str, Any]:
    """Raises ValueError where it is neither JSON nor runme's older ``{ name=ban }``."""
    inner = text.strip()[1:-1].strip() if text.rstrip().endswith("}") else ""
    if inner and not inner.startswith('"'):
        found = _OLD_PAIR.findall(inner)
        if found and _OLD_PAIR.sub("", inner) == "":
            return _once([(key, value.strip("\"'")) for key, value in found])
    import json

    made = json.loads(text, object_pairs_hook=_once)
    if not isinstance(made, dict):
        raise ValueError(type(made).__name__)
    return made


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _value in pairs]
        raise _Twice(_("{key} stands there twice", key=next(key for key in keys if keys.count(key) > 1)))
    return made


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or any(ord(char) < 32 for char in value):
        raise _Wrong(_("write a text of one line"))
    return value


def _switch(value: Any) -> bool:
    try:
        return _SWITCHES[value]
    except (KeyError, TypeError):
        raise _Wrong(_("write true or false")) from None


def _one_of(*words: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in words:
            raise _Wrong(_("write one of: {words}", words=listed(words)))
        return str(value)

    return read


def _seconds(value: Any) -> float:
    from lilfox_tui.config import scalars
    from lilfox_tui.config.yaml_nodes import ScalarNode

    try:
        return float(scalars.to_seconds(ScalarNode(str(value), True, 0)))
    except scalars.Wrong as error:
        raise _Wrong(str(error)) from None


def _expect(value: Any) -> int | str:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255:
        return value
    if isinstance(value, str) and value.isdecimal() and int(value) <= 255:
        return int(value)
    if isinstance(value, str) and len(value) > 2 and value[0] == value[-1] == "/":
        _compiled(value[1:-1])
        return value[1:-1]
    raise _Wrong(_("write an exit status such as 0, or a regular expression such as “/ready/”"))


def _capture(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not value:
        raise _Wrong(_("write an object of variables and regular expressions"))
    for name, pattern in value.items():
        if not _NAME.fullmatch(name) or not isinstance(pattern, str):
            raise _Wrong(_("write an object of variables and regular expressions"))
        if not _compiled(pattern).groups:
            raise _Wrong(_("{pattern} has no group; put what is to be kept into parentheses", pattern=pattern))
    return dict(value)


def _compiled(pattern: str) -> re2.Pattern:
    """As ``judging.py`` matches it: by RE2, which has no lookahead and no backreference."""
    import re2  # only where a fence has a pattern

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except UnicodeEncodeError:
        reason = _("half a character (a lone surrogate)")
        raise _Wrong(_("{pattern} is no regular expression: {reason}", pattern=pattern, reason=reason)) from None
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else error
        raise _Wrong(_("{pattern} is no regular expression: {reason}", pattern=pattern, reason=reason)) from None


_KEYS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "name": ("name", _text),
    "cwd": ("cwd", _text),
    "interactive": ("interactive", _switch),
    "background": ("background", _switch),
    "interpreter": ("interpreter", _text),
    "tag": ("tag", _text),
    "excludeFromRunAll": ("exclude_from_run_all", _switch),
    "host": ("host", _text),
    "sudo": ("sudo", _switch),
    "confirm": ("confirm", _one_of("none", "once", "typed")),
    "timeout": ("timeout_s", _seconds),
    "expect": ("expect", _expect),
    "check": ("check", _switch),
    "rollback-of": ("rollback_of", _text),
    "capture": ("capture", _capture),
    "risk": ("risk", _one_of("read", "change", "destroy")),
    "follow": ("follow", _switch),
}
"""Each attribute: the field that it becomes, and what reads its value."""
