from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from lilfox_tui.core.errors import UsageError
from lilfox_tui.logs.filter.model import (
    EVERYTHING,
    And,
    AtLeast,
    FieldMatch,
    Filter,
    Not,
    Or,
    RegexMatch,
    TextMatch,
    Within,
    search,
    text_of,
)
from lilfox_tui.logs.filter.needles import Needles, needles, required_literals
from lilfox_tui.logs.formats import access, journald, json_lines, logfmt, plain, syslog
from lilfox_tui.logs.record import LogEntry, LogRecord, Severity, load_format
from tests.unit.logs.filter.records import FILTERS, PATTERNS, TEXTS, thorough, very_thorough
from tests.unit.logs.formats.examples import EXAMPLES

WORDS: Mapping[Severity, tuple[bytes, ...]] = {
    Severity.INFO: (b'"info',),
    Severity.ERROR: (b'"err',),
    Severity.CRITICAL: (b'"crit', b'"fatal'),
}


def found_in(raw: bytes, found: Needles) -> bool:
    if found.ignore_case:
        return any(needle.lower() in raw.lower() for needle in found.any_of)
    return any(needle in raw for needle in found.any_of)


def as_record(raw: bytes, entry: LogEntry | None) -> LogRecord:
    assert entry is not None
    return LogRecord(source="app", place="0", entry=entry, raw=raw, size_bytes=len(raw))


VALUES = st.recursive(
    TEXTS | st.integers(-(10**9), 10**9) | st.sampled_from([500, 1.5, 0.25, 1e-7, 1e22, True, None]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["type", "message", "a b"]), inner, max_size=2)
    ),
    max_leaves=3,
)  # fmt: skip
LEVELS = st.sampled_from(["DEBUG", "info", "WARNING", "error", "fatal", "odd", 50, 3])
OBJECTS = st.fixed_dictionaries(
    {"message": TEXTS, "level": LEVELS},
    optional={
        "module": TEXTS | st.just("api/users.go:42"),
        "logger": TEXTS,
        "status": st.sampled_from([200, 500, "500", 500.0]),
        "user": VALUES,
        "exception": TEXTS | st.just("Traceback (most recent call last):\n  x\na.KeyError: 'x'") | VALUES,
        "response_time": st.sampled_from([0.25, 1.5, "250ms"]),
    },
)
ENCODED = st.builds(
    lambda said, ascii_only, compact, slash, html: _encoded(said, ascii_only, compact, slash, html),
    OBJECTS, st.booleans(), st.booleans(), st.booleans(), st.booleans(),
)  # fmt: skip


def _encoded(said: Mapping[str, object], ascii_only: bool, compact: bool, slash: bool, html: bool) -> bytes:
    """As encoders do: Python's, compact ones, PHP's with ``\\/``, Go's with ``\\u003c``."""
    text = json.dumps(said, ensure_ascii=ascii_only, separators=(",", ":") if compact else None)
    text = text.replace("/", "\\/") if slash else text
    for char in "<>&'" if html else "":
        text = text.replace(char, f"\\u{ord(char):04X}")
    return text.encode("utf-8", "surrogatepass")


@thorough
@given(FILTERS, ENCODED)
def test_a_json_record_that_matches_holds_a_needle(where: Filter, raw: bytes) -> None:
    found = needles(where, json_lines.LEVEL_WORDS)
    if found is not None and where.matches(as_record(raw, json_lines.parse(raw, UTC))):
        assert found_in(raw, found)


@st.composite
def about(draw: st.DrawFn) -> tuple[bytes, Filter]:
    """A record and a filter made of what it says, so that most of them match."""
    raw = draw(ENCODED)
    entry = json_lines.parse(raw, UTC)
    assert entry is not None
    name = draw(st.sampled_from(sorted(entry.fields)))
    value = entry.fields[name]
    said = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    start = draw(st.integers(0, max(0, len(said) - 1)))
    part = said[start : start + draw(st.integers(1, 12))]
    fault = entry.fault.type if entry.fault else "none"
    choices: list[Filter] = [
        TextMatch(part), TextMatch(part.lower()), FieldMatch(name, "=", said), FieldMatch(name, "~", _literally(part)),
        AtLeast(entry.severity), RegexMatch(_literally(part)), RegexMatch(f"(?i){_literally(part)}"),
        FieldMatch("level", "=", entry.severity.name), FieldMatch("module", "=", entry.module),
        FieldMatch("type", "=", fault), FieldMatch("type", "~", fault[:3]),
    ]  # fmt: skip
    return raw, draw(st.sampled_from(choices))


def _literally(text: str) -> str:
    return "".join(
        f"\\{char}" if char.isascii() and not char.isalnum() and char.isprintable() else char for char in text
    )


@thorough
@given(about())
@example((b'{"message":"\\u00fcber/alle","level":"info"}', TextMatch("über/alle")))
@example(('{"message":"\u212a über","level":"info"}'.encode(), TextMatch("k über")))
@example(('{"message":"\u212a","level":"info"}'.encode(), RegexMatch("(?i)k")))
def test_what_a_json_record_says_is_found(case: tuple[bytes, Filter]) -> None:
    raw, where = case
    try:
        matches = where.matches(as_record(raw, json_lines.parse(raw, UTC)))
    except UsageError:
        return
    found = needles(where, json_lines.LEVEL_WORDS)
    if matches and found is not None:
        assert found_in(raw, found), found


PATHS = st.sampled_from(["/", "/users/42/x?q=1", "/a b", "/static/x.css", "/v1/0b7e7dee-87b3-4d3b-8b0a-000000000000"])


@thorough
@given(
    PATHS,
    st.integers(100, 599),
    TEXTS,
    FILTERS | st.builds(TextMatch, st.sampled_from(["http/1.1 5", "users/", "GET /"])),
)
def test_a_request_that_matches_holds_a_needle(path: str, status: int, agent: str, where: Filter) -> None:
    agent = "".join(char for char in agent if char.isprintable() and char not in '"\\')
    line = f'10.0.0.1 - - [25/Nov/2026:03:00:00 +0000] "GET {path} HTTP/1.1" {status} 12 "-" "{agent}" rt=0.250'
    raw = line.encode("utf-8", "surrogatepass")
    one = as_record(raw, access.parse(raw, UTC))
    route = FieldMatch("module", "=", one.entry.module)
    for asked in (
        where,
        route,
        TextMatch(one.entry.message),
        AtLeast(one.entry.severity),
        FieldMatch("status", "=", str(status)),
    ):
        found = needles(asked, access.LEVEL_WORDS)
        if found is not None and asked.matches(one):
            assert found_in(raw, found), (asked, found)
    assert route.matches(one)


@thorough
@given(TEXTS, FILTERS)
def test_a_plain_record_that_matches_holds_a_needle(text: str, where: Filter) -> None:
    raw = f"2026-11-25 03:00:00 ERROR {text}".encode("utf-8", "surrogatepass")
    one = as_record(raw, plain.parse(raw, UTC))
    for asked in (where, TextMatch(text), AtLeast(Severity.ERROR)):
        found = needles(asked, plain.LEVEL_WORDS)
        if found is not None and asked.matches(one):
            assert found_in(raw, found), (asked, found)


def parts_of(said: str) -> list[str]:
    """The text itself, its words, and pieces of it that begin and end anywhere."""
    pieces = [said[start : start + length] for start in range(0, len(said), 7) for length in (5, 12, 40)]
    return [part for part in (said, *said.split(), *pieces) if part]


def said_by(one: LogRecord) -> list[Filter]:
    entry = one.entry
    texts = parts_of(entry.message) + (parts_of(entry.fault.text) if entry.fault else [])
    fields = {name: text_of(value) for name, value in entry.fields.items()}
    fields |= {
        "message": entry.message,
        "logger": entry.logger,
        "module": entry.module,
        "type": entry.fault.type if entry.fault else "",
    }
    return [
        *map(TextMatch, texts),
        *(TextMatch(text.lower()) for text in texts),
        *(RegexMatch(f"(?i){_literally(text)}") for text in texts if text.isprintable()),
        *(FieldMatch(name, "=", value) for name, value in fields.items()),
        *(FieldMatch(name, "~", _literally(part)) for name, value in fields.items() for part in parts_of(value)[:20]),
        AtLeast(entry.severity),
        FieldMatch("level", "=", entry.severity.name),
        FieldMatch("level", "<=", entry.severity.name),
    ]


@pytest.mark.parametrize("kind", sorted(EXAMPLES))
def test_what_an_example_of_each_format_says_is_found(kind: str) -> None:
    form = load_format(kind)
    narrowed = 0
    for raw in EXAMPLES[kind]:
        one = as_record(raw, form.parse(raw, UTC))
        for where in said_by(one):
            found = needles(where, form.LEVEL_WORDS)
            if found is not None and where.matches(one):
                narrowed += 1
                assert found_in(raw, found), (where, found, raw)
    assert narrowed > 20


WRAPPED: dict[str, Callable[[str], str]] = {
    "docker": lambda line: json.dumps({"log": f"{line}\n", "stream": "stdout", "time": "2026-01-01T12:00:00Z"}),
    "cri": lambda line: f"2026-01-01T12:00:00Z stdout F {line}",
    "compose": lambda line: f"web-1  | {line}",
    "colours": lambda line: f"\x1b[2m{line}\x1b[0m",
}


@pytest.mark.parametrize("layer", sorted(WRAPPED))
@pytest.mark.parametrize("kind", sorted(EXAMPLES))
def test_what_stands_in_a_wrapper_is_found(layer: str, kind: str) -> None:
    form = load_format(f"{layer}+{kind}")
    for whole in EXAMPLES[kind] if kind != "journald" else ():  # no program prints that
        lines = whole.decode("utf-8", "replace").split("\n")
        raw = "\n".join(map(WRAPPED[layer], lines)).replace('{"log": "', '{"log":"').encode()
        one = as_record(raw, form.parse(raw, UTC))
        for where in said_by(one):
            found = needles(where, form.LEVEL_WORDS)
            if found is not None and where.matches(one):
                assert found_in(raw, found), (where, found, raw)


WORD = re.compile(rb"[A-Za-z]{4,}|\\d{2,}")
EDGE = re.compile(r"\W+")
"""Between words: what a format puts together, it puts together there."""
ENDS = st.sampled_from(["", "", "[0-9a-zA-Z ]", ".", "(a|.)", "x?", "x*", "\\S", "$"])
JSON_KINDS = ("json_lines", "json_pretty", "journald", "postgresql_json", "mongodb", "otlp")


@st.composite
def written(draw: st.DrawFn) -> tuple[str, bytes]:
    """A record as a format's programs write it, perhaps with another text in place of one of its words."""
    kind = draw(st.sampled_from(sorted(EXAMPLES)))
    raw = draw(st.sampled_from(EXAMPLES[kind]))
    if draw(st.booleans()) and (places := [match.span() for match in WORD.finditer(raw)]):
        start, end = draw(st.sampled_from(places))
        text = draw(TEXTS).replace("\n", " ")
        if kind in JSON_KINDS:
            text = json.dumps(text, ensure_ascii=draw(st.booleans()))[1:-1]
        raw = raw[:start] + text.encode("utf-8", "surrogatepass") + raw[end:]
    return kind, raw


@st.composite
def asked(draw: st.DrawFn, one: LogRecord) -> Filter:
    """A filter cut out of what it is held against."""
    entry = one.entry
    fields = {name: value if isinstance(value, str) else text_of(value) for name, value in entry.fields.items()}
    fields |= {"message": entry.message, "logger": entry.logger, "module": entry.module}
    fields["type"] = entry.fault.type if entry.fault else ""
    said = [*fields.values(), *([entry.fault.text] if entry.fault else [])]
    text = draw(st.sampled_from([entry.message or "x"]) | st.sampled_from([each for each in said if each]))
    edges = sorted({0, len(text), *(at for match in EDGE.finditer(text) for at in match.span())})
    places = st.sampled_from(edges) | st.integers(0, len(text))
    start, end = sorted((draw(places), draw(places)))
    part = text[start : end if end > start else start + 1]
    pattern = draw(ENDS) + _literally(part) + draw(ENDS)
    name = draw(st.sampled_from(sorted(fields)))
    choices: list[Filter] = [
        TextMatch(part), TextMatch(part.lower()), RegexMatch(pattern), RegexMatch(f"(?i){pattern}"),
        RegexMatch(f"zzz|{pattern}"),
        FieldMatch(name, "=", fields[name]), FieldMatch(name, "~", pattern), FieldMatch(name, "~", f"(?i){pattern}"),
        AtLeast(entry.severity), FieldMatch("level", "=", entry.severity.name),
        And((TextMatch(part), AtLeast(entry.severity))), Or((TextMatch("zzz"), RegexMatch(pattern))),
    ]  # fmt: skip
    return draw(st.sampled_from(choices))


@pytest.mark.fault("4.83")
@very_thorough
@given(st.data())
def test_what_matches_a_record_of_any_format_is_found_in_its_bytes(data: st.DataObject) -> None:
    kind, raw = data.draw(written())
    form = load_format(kind)
    entry = form.parse(raw, UTC)
    assume(entry is not None)
    one = as_record(raw, entry)
    where = data.draw(asked(one))
    found = needles(where, form.LEVEL_WORDS)
    try:
        matches = where.matches(one)
    except UsageError:
        return
    if matches and found is not None:
        assert found_in(raw, found), (where, found, raw)


@pytest.mark.fault("4.83")
@pytest.mark.parametrize(
    "where",
    [TextMatch("HTTP/1.1 "), RegexMatch(r"1\.1 [45]"), RegexMatch(r"1\.1 (4|5)"), RegexMatch(r"1\.1 \d")],
    ids=str,
)
def test_a_text_that_ends_where_a_message_was_put_together_is_found(where: Filter) -> None:
    raw = b'10.0.0.1 - - [25/Nov/2026:03:00:00 +0000] "GET /x HTTP/1.1" 404 12 "-" "curl"'
    one = as_record(raw, access.parse(raw, UTC))
    assert where.matches(one)
    found = needles(where, access.LEVEL_WORDS)
    assert found is not None
    assert found_in(raw, found)


NUMBERED = st.sampled_from(
    ["level", "Level", "logLevel", "levelno", "severityNumber", "severity_number", "priority", "severity"]
)
SPACES = st.sampled_from(["", " ", "  ", "\t", " \t"])


@pytest.mark.fault("4.83")
@thorough
@given(NUMBERED, st.integers(-1, 70), SPACES, SPACES, SPACES, st.sampled_from(["short_message", "lineno", "msg"]))
def test_a_level_that_is_a_number_is_found(
    name: str, number: int, before: str, after: str, end: str, other: str
) -> None:
    for raw, form in (
        (f'{{"{other}":"x","{name}"{before}:{after}{number}{end}}}'.encode(), json_lines),
        (f"msg=x {other}=y {name}={number}{end}".encode(), logfmt),
    ):
        one = as_record(raw, form.parse(raw, UTC))
        severity = one.entry.severity
        for where in (AtLeast(severity), FieldMatch("level", "=", severity.name)):
            found = needles(where, form.LEVEL_WORDS)
            assert found is None or (where.matches(one) and found_in(raw, found)), (where, found, raw)


@pytest.mark.parametrize("number", ["1e5", "0.00001", "1E400", "12345678901234567890123", "-0", "1.50"])
def test_a_message_that_is_a_number_is_found_by_what_is_shown_of_it(number: str) -> None:
    raw = f'{{"message": {number}, "level": "info"}}'.encode()
    one = as_record(raw, json_lines.parse(raw, UTC))
    found = needles(TextMatch(one.entry.message), json_lines.LEVEL_WORDS)
    assert found is not None
    assert found_in(raw, found)


def test_a_text_that_the_journal_has_in_numbers_is_found() -> None:
    raw = b'{"__REALTIME_TIMESTAMP":"1764000000000000","PRIORITY":"3","MESSAGE":[102,97,105,108,27,101,100]}'
    one = as_record(raw, journald.parse(raw, UTC))
    where = TextMatch("fail")
    assert where.matches(one)
    found = needles(where, journald.LEVEL_WORDS)
    assert found is not None
    assert found_in(raw, found)
    assert b"fail" in found.any_of


def test_a_bracket_that_syslog_escapes_is_not_looked_for() -> None:
    raw = rb'<27>1 2026-11-25T03:00:00Z h app 1 - [x@1 path="a\]bcd"] said'
    one = as_record(raw, syslog.parse(raw, UTC))
    where = FieldMatch("path", "=", "a]bcd")
    assert where.matches(one)
    assert needles(where, None) == Needles((b"bcd",))


SNIPPETS = st.sampled_from(
    ["ab", "c", ".", "*", "+", "?", "{2}", "{0,1}", "{", "}", "|", "(", ")", "(?:", "[", "]", "^", "$", "\\d", "\\.",
     "\\", "[^]x]", "[[:alpha:]|]", "(?i)", "\\x41", "\\Q", "é", "\\pN", "(?P<n>", "\\n", "-", ","]
)  # fmt: skip


@thorough
@given(st.lists(SNIPPETS, max_size=7).map("".join) | PATTERNS, st.text("abc.,-é(){}[]x1\nAB", max_size=10))
def test_a_match_holds_a_literal_that_is_required(pattern: str, text: str) -> None:
    try:
        find = search(pattern)
    except UsageError:
        return
    found = required_literals(pattern)
    if find(text.encode()) and found is not None:
        held = text.lower() if found.ignore_case else text
        assert any(
            all((one.lower() if found.ignore_case else one) in held for one in texts) for texts in found.alternatives
        )


@pytest.mark.parametrize(
    ("where", "any_of", "ignore_case"),
    [
        (TextMatch("timeout"), (b"timeout",), True),
        (TextMatch("Timeout"), (b"Timeout",), False),
        (TextMatch("connection refused"), (b"connection refused",), True),
        (TextMatch('say "connection refused"'), (b"connection refused",), True),
        (TextMatch("GET /api"), (b"GET /api", b"GET \\/api"), False),
        (TextMatch("连接"), ("连接".encode(), b"\\u8fde\\u63a5", b"\\u8FDE\\u63A5"), False),
        (TextMatch("连a"), ("连a".encode(), b"\\u8fdea"), True),
        (TextMatch("连A"), ("连A".encode(), b"\\u8fdeA", b"\\u8FDEA"), False),
        (RegexMatch("timeout|refused"), (b"timeout", b"refused"), False),
        (RegexMatch("(?i)time ?out [0-9]+ms"), (b"out",), True),
        (RegexMatch(r"upstream\.(a|b) failed$"), (b"upstream.",), False),
        (AtLeast(Severity.ERROR), (b'"err', b'"crit', b'"fatal'), True),
        (FieldMatch("level", "=", "CRITICAL"), (b'"crit', b'"fatal'), True),
        (FieldMatch("request_id", "=", "abc-1"), (b"abc-1",), False),
        (FieldMatch("status", "=", "500"), (b"500",), False),
        (FieldMatch("module", "=", "/users/{id}/x"), (b"/users/", b"\\/users\\/"), False),
        (And((AtLeast(Severity.ERROR), TextMatch("timeout"), Within(1, None))), (b"timeout",), True),
        (Or((TextMatch("abc"), TextMatch("Abc"))), (b"abc", b"Abc"), True),
    ],
)
def test_what_is_looked_for(where: Filter, any_of: tuple[bytes, ...], ignore_case: bool) -> None:
    assert needles(where, WORDS) == Needles(any_of, ignore_case)


@pytest.mark.parametrize(
    "where",
    [
        EVERYTHING, Or(()), TextMatch(""), TextMatch('"'), TextMatch("ключ"), Not(TextMatch("a")),
        Or((TextMatch("a"), Not(TextMatch("b")))),
        AtLeast(Severity.UNKNOWN), FieldMatch("level", "!=", "INFO"), Within(0, 1),
        FieldMatch("source", "=", "app"), FieldMatch("response_time", "=", "250ms"), FieldMatch("facility", "=", "3"),
        FieldMatch("logger", "=", "nginx"), FieldMatch("logger", "~", "postgres|x"), FieldMatch("lone", "=", "true"),
        FieldMatch("status", ">=", "500"),
        FieldMatch("type", "=", "Unknown"), FieldMatch("size", "=", "1e3"), FieldMatch("x", "=", '{"a":1}'),
        RegexMatch("(a|b)"), RegexMatch("a*"),
    ],
)  # fmt: skip
def test_what_cannot_be_looked_for(where: Filter) -> None:
    assert needles(where, WORDS) is None


def test_without_words_for_levels_a_level_cannot_be_looked_for() -> None:
    assert needles(AtLeast(Severity.ERROR), None) is None
    assert needles(And((AtLeast(Severity.ERROR), TextMatch("abc"))), None) == Needles((b"abc",), ignore_case=True)
