"""Records and filters to test with."""

from __future__ import annotations

import json
from collections.abc import Mapping

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from lilfox_tui.logs.filter.model import (
    EVERYTHING,
    OPS,
    And,
    AtLeast,
    FieldMatch,
    Filter,
    Not,
    Or,
    RegexMatch,
    TextMatch,
    Within,
)
from lilfox_tui.logs.record import LogEntry, LoggedException, LogRecord, Severity

thorough = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
very_thorough = settings(
    max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
DAY_US = 86_400_000_000


def record(
    message: str = "",
    *,
    raw: bytes | None = None,
    time_us: int | None = None,
    severity: Severity = Severity.UNKNOWN,
    logger: str = "",
    module: str = "",
    fault: LoggedException | None = None,
    response_time_s: float | None = None,
    fields: Mapping[str, object] | None = None,
) -> LogRecord:
    """A record of the source ``app``; its raw bytes are its message unless given."""
    entry = LogEntry(
        message=message,
        time_us=time_us,
        severity=severity,
        logger=logger,
        module=module,
        fault=fault,
        response_time_s=response_time_s,
        fields=fields or {},
    )
    held = message.encode("utf-8", "surrogatepass") if raw is None else raw
    return LogRecord(source="app", place="0", entry=entry, raw=held, size_bytes=len(held))


def line(said: Mapping[str, object], *, ascii_only: bool = True) -> bytes:
    """As Python's JSON formatter writes it."""
    return json.dumps(said, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")


WORDS = st.sampled_from(
    ["a", "db", "Error", "time out", "超时", "Ключ", "ключ", "straße", "K", "\u212a", "İ", '"', "\\", "/", "\n", "\t",
     "é", "\x1b", "😀", "500", "-x", "..", "10m", "not", "or", "(", ")", "=", "~", "&<>'+", "\x7f", "\u2028", "\ufffd"]
)  # fmt: skip
TEXTS = st.lists(WORDS | st.text(max_size=4), max_size=5).map("".join)
PATTERNS = st.sampled_from(
    [
        "a",
        "time ?out",
        "a/b",
        "a\\/b",
        "/",
        "\\\\",
        'say "x"',
        "(?i)error",
        "^a$",
        "[()]",
        "超时|db",
        "a b",
        "\\d+",
        " ",
    ]
)
NAMES = st.sampled_from(
    ["level", "logger", "module", "message", "status", "type", "user", "exception.type", "a b", "since"]
)
TIMES = st.none() | st.integers(0, 20_000 * DAY_US)


@st.composite
def _fields(draw: st.DrawFn) -> FieldMatch:
    name, op = draw(NAMES), draw(st.sampled_from(OPS))
    if op in ("~", "!~"):
        return FieldMatch(name, op, draw(PATTERNS))
    if name == "level":
        return FieldMatch(name, op if op != ">=" else "=", draw(st.sampled_from(Severity)).name)
    return FieldMatch(name, op, draw(TEXTS | st.sampled_from(["500", "1.5", "250ms", "-1"])))


LEAVES: st.SearchStrategy[Filter] = st.one_of(
    st.builds(TextMatch, TEXTS), st.builds(RegexMatch, PATTERNS), _fields(),
    st.builds(AtLeast, st.sampled_from(Severity)),
    st.tuples(TIMES, TIMES).map(lambda ends: Within(*_ordered(*ends))), st.just(EVERYTHING),
)  # fmt: skip


def _ordered(since: int | None, until: int | None) -> tuple[int | None, int | None]:
    return (since, until) if since is None or until is None or since < until else (until, since + 1)


def _grown(inner: st.SearchStrategy[Filter]) -> st.SearchStrategy[Filter]:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.builds(And, several) | st.builds(Or, several) | st.builds(Not, inner)


FILTERS = st.recursive(LEAVES, _grown, max_leaves=6)
