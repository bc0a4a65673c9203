from __future__ import annotations

import re
from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
)
from lilfox_tui.logs.formats import json_lines, plain
from lilfox_tui.logs.record import LogEntry, LogRecord, Severity
from lilfox_tui.logs.sources.loki import quoted, to_logql
from tests.unit.logs.filter.records import FILTERS, TEXTS, line, thorough

STAGE = re.compile(r'(\|=|\|~|!=|!~) ("(?:[^"\\\n]|\\.)*")(?: |$)')
GO_ESCAPE = re.compile(r'\\(?:u([0-9a-f]{4})|U([0-9a-f]{8})|(["\\]))')


def unquoted(literal: str) -> str:
    """The text of a string of Go, which may hold printable ASCII and the escapes that are used here."""
    assert literal.isascii()
    assert literal.isprintable()
    body = literal[1:-1]
    assert '"' not in GO_ESCAPE.sub("", body)
    return GO_ESCAPE.sub(lambda found: found[3] or chr(int(found[1] or found[2], 16)), body)


def stages(pipeline: str) -> list[tuple[str, str]]:
    """Operator and operand of each line filter; every character of the pipeline belongs to one."""
    found = list(STAGE.finditer(pipeline))
    assert "".join(one[0] for one in found) == pipeline
    return [(one[1], unquoted(one[2])) for one in found]


def keeps(pipeline: str, raw: bytes) -> bool:
    """What Loki does with the line: its patterns are RE2, ``.`` and ``$`` know no lines."""
    for operator, operand in stages(pipeline):
        found = operand.encode() in raw if operator in ("|=", "!=") else search(operand)(raw) is not None
        if found != (operator[0] == "|"):
            return False
    return True


@pytest.mark.parametrize(
    ("where", "pipeline"),
    [
        (EVERYTHING, ""),
        (TextMatch("Timeout"), '|= "Timeout"'),
        (TextMatch("time.out"), r'|~ "(?i)time\\.out"'),
        (TextMatch('say "a"'), '|~ "(?i)say "'),
        (TextMatch("超时"), r'|~ "\u8d85\u65f6|\\\\u8d85\\\\u65f6|\\\\u8D85\\\\u65F6"'),
        (RegexMatch("refused|Reset by peer"), '|~ "refused|Reset by peer"'),
        (Or((TextMatch("A"), TextMatch("B"))), '|~ "A|B"'),
        (And((TextMatch("A"), Not(TextMatch("debug")), AtLeast(Severity.ERROR))), '|= "A" !~ "[dD][eE][bB][uU][gG]"'),
        (Not(Or((TextMatch("A\nb"), TextMatch("C")))), r'!= "A\u000ab" != "C"'),
        (Not(Not(TextMatch("A"))), '|= "A"'),
        (Not(TextMatch("")), ""),
        (Not(TextMatch("ключ")), ""),
        (Not(TextMatch("\ufffd")), ""),
        (Not(And((TextMatch("A"), TextMatch("B")))), ""),
        (Not(RegexMatch("a")), ""),
        (Or((TextMatch("A"), FieldMatch("user", "=", "B"))), ""),
        (FieldMatch("request_id", "=", "abc"), ""),
        (Within(1, 2), ""),
    ],
)
def test_what_loki_is_asked(where: Filter, pipeline: str) -> None:
    assert to_logql(where) == pipeline


def as_record(raw: bytes, entry: LogEntry | None) -> LogRecord:
    assert entry is not None
    return LogRecord(source="app", place="0", entry=entry, raw=raw, size_bytes=len(raw))


TEXT_FILTERS = st.recursive(
    st.builds(TextMatch, TEXTS) | FILTERS,
    lambda inner: st.builds(Not, inner) | st.lists(inner, min_size=1, max_size=3).map(lambda parts: And(tuple(parts))),
    max_leaves=4,
)


@thorough
@given(TEXT_FILTERS, TEXTS, TEXTS, st.booleans())
def test_no_line_that_matches_is_left_out(where: Filter, message: str, other: str, ascii_only: bool) -> None:
    pipeline = to_logql(where)
    for raw in (
        line({"message": message, "level": "error", "x": other}, ascii_only=ascii_only),
        _line(f"ERROR {message}"),
    ):
        for read in (json_lines, plain):
            entry = read.parse(raw, UTC)
            if entry is not None and where.matches(as_record(raw, entry)):
                assert keeps(pipeline, raw)


def _line(text: str) -> bytes:
    return text.encode("utf-8", "replace")


@pytest.mark.fault("S6")
@thorough
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_no_text_leaves_its_quotes(text: str) -> None:
    assert unquoted(quoted(text)) == text


@thorough
@given(TEXT_FILTERS)
def test_a_pipeline_is_line_filters_and_nothing_else(where: Filter) -> None:
    for operator, operand in stages(to_logql(where)):
        if operator in ("|~", "!~"):
            search(operand)
