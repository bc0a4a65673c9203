"""One line of a page of metrics: what stands before the value, the value, and a time if there is one.

Grammar: Prometheus' text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats) and OpenMetrics 1.0, both
with quoted UTF-8 names (``{"http.requests", "http.route"="/"} 1``). What they take and refuse is what Prometheus'
parsers do, which let a little more pass than the documents say.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import tr
from lilfox_tui.scrape.labels import NAME

_SERIES = rb"""([a-zA-Z_:][a-zA-Z0-9_:]*+(?:[ \t]*+\{%(labels)s\})?+|\{%(labels)s\})""" % {
    b"labels": rb"""(?:[^"}]|"(?:[^"\\]|\\.)*+")*+"""
}
_TEXT = re.compile(rb"[ \t]*+" + _SERIES + rb"[ \t]*+([^{ \t]++)(?:[ \t]++(\d++))?+[ \t]*+", re.DOTALL)
_OPENMETRICS = re.compile(
    _SERIES + rb""" ([^ ]++)(?: ([^ #][^ ]*+))?+(?: # \{(?:[^"}]|"(?:[^"\\]|\\.)*+")*+\} [^ ]++(?: [^ ]++)?+)?+""",
    re.DOTALL,
)
_LABEL = re.compile(
    rb"""[ \t]*+(?:([a-zA-Z_][a-zA-Z0-9_]*+)|"((?:[^"\\]|\\.)*+)")[ \t]*+"""
    rb"""(?:(=)[ \t]*+"((?:[^"\\]|\\.)*+)"[ \t]*+)?+(,?+)""",
    re.DOTALL,
)
_ESCAPE = re.compile(r'\\([\\"n])')
_PLAIN = re.compile(rb"[+-]?(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?+")
_WORDS = {"inf": math.inf, "+inf": math.inf, "-inf": -math.inf, "nan": math.nan}
_WORDS |= {"infinity": math.inf, "+infinity": math.inf, "-infinity": -math.inf}
_LATEST_MS = 2**63 - 1
_MOST_LABELS = 1000
"""Of one series, whatever the target's own limits are: a page of one series could fill the memory."""


class SampleLine(NamedTuple):
    """``series`` is the text before the value as it stands there; ``at_ms`` is None where the line tells no time."""

    series: bytes
    value: float
    at_ms: int | None


class Malformed(LilFoxError):
    """A line that is none of the format; the message says why."""


def read_sample(line: bytes, *, openmetrics: bool) -> SampleLine:
    """A line that is neither blank nor a comment, without its newline. Raises Malformed."""
    match = (_OPENMETRICS if openmetrics else _TEXT).fullmatch(line)
    if match is None:
        raise Malformed(tr("a name, labels in braces and a value are wanted"))
    series, value, at = match.groups()
    if at is None:
        return SampleLine(series, number(value), None)
    at_ms = _milliseconds(at) if openmetrics else int(at)
    if abs(at_ms) > _LATEST_MS:
        raise Malformed(tr("time out of range"))
    return SampleLine(series, number(value), at_ms)


def number(text: bytes) -> float:
    """A value as Prometheus reads it (Go's ParseFloat without hexadecimals and underscores). Raises Malformed."""
    if _PLAIN.fullmatch(text):
        value = float(text)
        if math.isinf(value):
            raise Malformed(tr("value out of range"))
        return value
    word = _WORDS.get(text.decode("ascii", "replace").lower())
    if word is None:
        raise Malformed(tr("the value is no number"))
    return word


def read_series(series: bytes) -> dict[str, str]:
    """Labels of the text before a value, the name among them as ``__name__``. Raises Malformed."""
    head, brace, inner = series.partition(b"{")
    name = head.strip(b" \t")
    labels = {NAME: name.decode()} if name else {}
    if not brace:
        return labels
    inner = inner[:-1]
    place = 0
    while place < len(inner):
        match = _LABEL.match(inner, place)
        if match is None:
            if inner[place:].strip(b" \t"):
                raise Malformed(tr('between the braces labels are wanted, each as name="value"'))
            break
        place = match.end()
        plain, quoted, equals, value, comma = match.groups()
        if equals is None:
            if quoted is None or not (comma or place == len(inner)):
                raise Malformed(tr("a label has no value"))
            if NAME in labels:
                raise Malformed(tr("the metric has two names"))
            _set(labels, NAME, quoted)
        else:
            _set(labels, _text(plain if quoted is None else quoted), value)
    if not labels.get(NAME):
        raise Malformed(tr("the metric has no name"))
    return labels


def _set(labels: dict[str, str], name: str, value: bytes) -> None:
    if not name:
        raise Malformed(tr("a label has no name"))
    if name in labels:
        raise Malformed(tr("label {name} stands twice", name=name))
    if len(labels) > _MOST_LABELS:
        raise Malformed(tr("a series has more than {limit} labels", limit=_MOST_LABELS))
    labels[name] = _text(value)


def _text(raw: bytes) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise Malformed(tr("a label is not UTF-8")) from None
    return _ESCAPE.sub(_unescaped, text) if "\\" in text else text


def _unescaped(match: re.Match[str]) -> str:
    return "\n" if match[1] == "n" else match[1]


def _milliseconds(seconds: bytes) -> int:
    value = number(seconds)
    if not math.isfinite(value):
        raise Malformed(tr("the time is no number"))
    return int(value * 1000)
