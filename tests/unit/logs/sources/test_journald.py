from __future__ import annotations

import json
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
    severities,
)
from lilfox_tui.logs.formats import journald
from lilfox_tui.logs.record import LogRecord, Severity
from lilfox_tui.logs.sources.journald import to_matches
from tests.unit.logs.filter.records import FILTERS, TEXTS, record, thorough


@pytest.mark.parametrize(
    ("where", "arguments"),
    [
        (EVERYTHING, []),
        (AtLeast(Severity.ERROR), ["--priority=0..6"]),
        (AtLeast(Severity.TRACE), ["--priority=0..7"]),
        (AtLeast(Severity.UNKNOWN), []),
        (FieldMatch("level", "=", "WARNING"), ["--priority=4..6"]),
        (Not(AtLeast(Severity.WARNING)), []),
        (And((AtLeast(Severity.INFO), Not(AtLeast(Severity.ERROR)))), ["--priority=4..6"]),
        (Or((AtLeast(Severity.CRITICAL), FieldMatch("level", "=", "INFO"))), ["--priority=0..6"]),
        (Or((AtLeast(Severity.CRITICAL), TextMatch("x"))), []),
        (FieldMatch("module", "=", "ssh.service"), ["_SYSTEMD_UNIT=ssh.service"]),
        (And((FieldMatch("_COMM", "=", "sshd"), TextMatch("x"))), ["_COMM=sshd"]),
        (FieldMatch("_COMM", "=", "--version\\ '\""), ["_COMM=--version\\ '\""]),
        (FieldMatch("--flush", "=", "x"), []),
        (FieldMatch("__CURSOR", "=", "x"), []),
        (FieldMatch("comm", "=", "x"), []),
        (FieldMatch("_PID", "=", "12"), []),
        (FieldMatch("_COMM", "=", "a\0b"), []),
        (FieldMatch("_COMM", "!=", "x"), []),
        (Not(FieldMatch("_COMM", "=", "x")), []),
        (Or((FieldMatch("_COMM", "=", "x"), TextMatch("y"))), []),
        (TextMatch("x"), []),
        (RegexMatch("x"), []),
        (Within(1, 2), []),
    ],
)
def test_what_journalctl_is_asked(where: Filter, arguments: list[str]) -> None:
    assert to_matches(where) == arguments


def gives(arguments: list[str], fields: dict[str, object]) -> bool:
    """Whether journalctl gives the entry."""
    fitting: dict[str, bool] = {}
    for argument in arguments:
        name, _, value = argument.partition("=")
        if name == "--priority":
            first, last = value.split("..")
            priority = str(fields.get("PRIORITY", ""))
            if not (priority.isdecimal() and int(first) <= int(priority) <= int(last)):
                return False
            continue
        assert not name.startswith("-")
        held = fields.get(name)
        fitting[name] = fitting.get(name, False) or value in (held if isinstance(held, list) else [held])
    return all(fitting.values())


NAMES = st.sampled_from(["_COMM", "_SYSTEMD_UNIT", "SYSLOG_IDENTIFIER", "X"])
VALUES = st.sampled_from(["sshd", "ssh.service", "12", "a\nb", "\ufffd", ""]) | TEXTS
ENTRIES = st.fixed_dictionaries(
    {"__REALTIME_TIMESTAMP": st.just("1764000000000000")},
    optional={
        "PRIORITY": st.sampled_from("01234567x"),
        "MESSAGE": TEXTS | st.sampled_from(["ERROR: x", "[debug] y"]) | st.just([104, 255, 12]),
        "_COMM": VALUES | st.lists(VALUES, max_size=2) | st.just([12, 200]),
        "_SYSTEMD_UNIT": VALUES | st.lists(VALUES, max_size=2),
        "SYSLOG_IDENTIFIER": VALUES,
    },
)
OF_THE_JOURNAL = st.recursive(
    st.builds(FieldMatch, NAMES | st.just("module"), st.just("="), VALUES) | FILTERS,
    lambda inner: st.lists(inner, min_size=1, max_size=3).map(lambda parts: And(tuple(parts))),
    max_leaves=3,
)


@thorough
@given(OF_THE_JOURNAL, ENTRIES)
def test_no_entry_that_matches_is_left_out(where: Filter, fields: dict[str, object]) -> None:
    raw = json.dumps(fields).encode()
    entry = journald.parse(raw, UTC)
    assert entry is not None
    if where.matches(LogRecord(source="j", place="0", entry=entry, raw=raw, size_bytes=len(raw))):
        assert gives(to_matches(where), dict(entry.fields))


@thorough
@given(FILTERS, st.sampled_from(Severity))
def test_every_match_has_one_of_the_severities(where: Filter, severity: Severity) -> None:
    if where.matches(record("a db Error", severity=severity, time_us=5)):
        assert severity in severities(where)
