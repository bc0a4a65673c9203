"""The functions that Prometheus adds to Go's templates (its template/template.go, as of 3.14)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote_plus, urlsplit

from lilfox_tui.alerts.template.function import Function
from lilfox_tui.alerts.template.go_builtins import BUILTINS
from lilfox_tui.alerts.template.go_text import to_bytes
from lilfox_tui.alerts.template.go_time import to_moment, to_span
from lilfox_tui.alerts.template.humanize import (
    humanize,
    humanize1024,
    humanize_duration,
    humanize_percentage,
    humanize_timestamp,
    to_float,
)
from lilfox_tui.alerts.template.regex import match, replace_all
from lilfox_tui.alerts.template.values import Arguments, Nothing, SafeHtml, Sample, Samples
from lilfox_tui.errors import LilFoxError
from lilfox_tui.scrape.durations import parse_duration

if TYPE_CHECKING:
    from lilfox_tui.promql.value import Vector

Ask = Callable[[str], "Vector"]
_NIL_POINTER = "runtime error: invalid memory address or nil pointer dereference"


def first(samples: Samples) -> Sample:
    """The first element. Raises ValueError where there is none."""
    if not samples:
        raise ValueError("first() called on vector with no elements")
    return samples[0]


def _field_of(sample: Sample | Nothing) -> Sample:
    if isinstance(sample, Nothing):
        raise ValueError(_NIL_POINTER)
    return sample


def sort_by_label(label: str, samples: Samples) -> Samples:
    """``samples``, which is itself sorted by the value of a label."""
    samples.sort(key=lambda sample: to_bytes(sample.labels.get(label, "")))
    return samples


def title(text: str) -> str:
    """Each word with a capital."""
    before, out = " ", []
    for char in text:
        is_first = not (before == "_" or before.isalnum()) and (before.isascii() or before.isspace())
        out.append(_one(char.title(), char) if is_first else char)
        before = char
    return "".join(out)


def _one(changed: str, char: str) -> str:
    """Go changes letter by letter: what would become two letters stays."""
    return changed if len(changed) == 1 else char


def to_upper(text: str) -> str:
    """In capitals."""
    return "".join(_one(char.upper(), char) for char in text)


def to_lower(text: str) -> str:
    """In small letters."""
    return "".join(_one(char.lower(), char) for char in text)


def split_host_port(text: str) -> tuple[str, str] | None:
    """As net.SplitHostPort; None where it is an error."""
    host, colon, port = text.rpartition(":")
    if not colon:
        return None
    if text.startswith("["):
        if not host.endswith("]") or text.find("]") != len(host) - 1:
            return None
        host = host[1:-1]
    elif ":" in host:
        return None
    return None if any(mark in part for mark in "[]" for part in (host, port)) else (host, port)


def strip_port(text: str) -> str:
    """``host`` of ``host:port``."""
    split = split_host_port(text)
    return split[0] if split else text


def strip_domain(text: str) -> str:
    """``a:80`` of ``a.example.org:80``; addresses stay."""
    host, port = split_host_port(text) or (text, "")
    if _is_address(host):
        return text
    name = host.partition(".")[0]
    if not port:
        return name
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return "%" not in host


def arguments(*values: object) -> Arguments:
    """A map ``arg0``, ``arg1``… for ``template``."""
    return Arguments({f"arg{place}": value for place, value in enumerate(values)})


def link(tab: int, expression: str) -> str:
    """Where Prometheus' own pages show an expression: tab 0 is its graph, 1 its table."""
    return f"/graph?g0.expr={quote_plus(to_bytes(expression))}&g0.tab={tab}"


def _ask(query: Ask, text: str) -> Samples:
    try:
        found = query(text)
    except LilFoxError as error:
        raise ValueError(str(error)) from None
    values = found.values.tolist()
    return Samples(Sample(dict(labels.pairs), value) for labels, value in zip(found.labels, values, strict=True))


def _seconds(text: str) -> float:
    """As Prometheus 3, which takes a minus in front."""
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    return sign * parse_duration(digits) / 1000


def _path_of(url: str | None) -> str:
    return urlsplit(_url(url)).path


def _url(url: str | None) -> str:
    if url is None:
        raise ValueError(_NIL_POINTER)
    return url


_FIXED: dict[str, Function] = {
    **BUILTINS,
    "first": Function(first, ("template.queryResult",)),
    "label": Function(lambda name, sample: _field_of(sample).labels.get(name, ""), ("string", "*template.sample")),
    "value": Function(lambda sample: _field_of(sample).value, ("*template.sample",)),
    "strvalue": Function(lambda sample: _field_of(sample).labels.get("__value__", ""), ("*template.sample",)),
    "args": Function(arguments, (), "interface {}"),
    "reReplaceAll": Function(replace_all, ("string", "string", "string")),
    "safeHtml": Function(SafeHtml, ("string",)),
    "match": Function(match, ("string", "string")),
    "title": Function(title, ("string",)),
    "toUpper": Function(to_upper, ("string",)),
    "toLower": Function(to_lower, ("string",)),
    "graphLink": Function(partial(link, 0), ("string",)),
    "tableLink": Function(partial(link, 1), ("string",)),
    "sortByLabel": Function(sort_by_label, ("string", "template.queryResult")),
    "stripPort": Function(strip_port, ("string",)),
    "stripDomain": Function(strip_domain, ("string",)),
    "humanize": Function(humanize, ("interface {}",)),
    "humanize1024": Function(humanize1024, ("interface {}",)),
    "humanizeDuration": Function(humanize_duration, ("interface {}",)),
    "humanizePercentage": Function(humanize_percentage, ("interface {}",)),
    "humanizeTimestamp": Function(humanize_timestamp, ("interface {}",)),
    "toTime": Function(lambda value: to_moment(to_float(value)), ("interface {}",)),
    "toDuration": Function(lambda value: to_span(to_float(value)), ("interface {}",)),
    "parseDuration": Function(_seconds, ("string",)),
    "urlQueryEscape": Function(lambda text: quote_plus(to_bytes(text)), ("string",)),
}
NAMES = frozenset((*_FIXED, "query", "now", "externalURL", "pathPrefix"))
"""Everything that a template may call."""


def functions(query: Ask, url: str | None, now_s: float) -> Mapping[str, Function]:
    """All of them; ``query`` is asked by ``query``, ``url`` is this program's own address (None: it has none), and
    ``now_s`` the time of the evaluation, in seconds since 1970."""
    return {
        **_FIXED,
        "now": Function(lambda: now_s),
        "query": Function(partial(_ask, query), ("string",)),
        "externalURL": Function(partial(_url, url)),
        "pathPrefix": Function(partial(_path_of, url)),
    }
