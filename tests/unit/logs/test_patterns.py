from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.logs.record import Severity
from lilfox_tui.logs.statistics import LONGEST, SLICE_US, SLICES, TEMPLATES, Patterns, template_of
from tests.unit.logs.filter.records import record, thorough

MINUTE = SLICE_US
NOW = 1_764_000_000_000_000 // MINUTE * MINUTE


@pytest.mark.parametrize(
    ("message", "template"),
    [
        ("took 35ms, 0.5 s", "took <num>ms, <num> s"),
        ("worker-12 v1.2.3 done", "worker-<num> v<num> done"),
        ("user 0b7e7dee-87b3-4d3b-8b0a-00000000000f in", "user <uuid> in"),
        ("commit deadbeef12 at 0x7fff and facade", "commit <hex> at <hex> and facade"),
        ("from 10.0.0.1:5432 to fe80::1 or 2001:db8:0:0:0:0:0:1", "from <addr> to <addr> or <addr>"),
        ("at 03:00:07 std::bad 1.2.3.4.5", "at <num>:<num>:<num> std::bad <num>"),
        ("key \"a b\" or 'c d' isn't `x`", "key <str> or <str> isn't <str>"),
        ("GET /api/users/42?x=1 and/or ~/x/y.log", "GET <path>?x=<num> and/or <path>"),
        ("open https://a.example:80/x?y=1 now", "open <url> now"),
        ("连接 10.0.0.1 超时 /var/log/x", "连接 <addr> 超时 <path>"),
        ("first 1\nsecond 2", "first <num>"),
        ("", ""),
    ],
)
def test_templates(message: str, template: str) -> None:
    assert template_of(message) == template


@thorough
@given(st.integers(0, 10**12), st.integers(0, 10**12), st.uuids(), st.ip_addresses(v=4), st.floats(0, 1e6))
def test_what_differs_in_values_alone_has_one_template(
    one: int, two: int, name: object, address: object, took: float
) -> None:
    assert template_of(f"job {one} of {name} at {address} in {took:.3f}s") == "job <num> of <uuid> at <addr> in <num>s"
    assert template_of(f"job {one}") == template_of(f"job {two}")


@thorough
@given(st.text(max_size=80) | st.text("ab01/:.-'\"~x", max_size=80))
def test_any_message_has_a_template_that_does_not_grow_without_bound(message: str) -> None:
    assert len(template_of(message)) <= 6 * LONGEST


@pytest.mark.parametrize(
    "part", ["a", "1", "/", "/a", "a:", ":", "f", "0x", '"', "'", "1.", "a-", "ab://", "~", "1.2.3.4"]
)
def test_no_message_takes_long(part: str) -> None:
    message = part * LONGEST
    began = time.process_time()
    for number in range(200):
        template_of(f"{number}{message}")
        template_of(f"{message}{number}")
    assert time.process_time() - began < 2


def add(patterns: Patterns, message: str, minutes: int, times: int = 1, severity: Severity = Severity.INFO) -> None:
    for _ in range(times):
        patterns.add(record(message, time_us=NOW + minutes * MINUTE, severity=severity))


def test_counts_gravity_and_an_example() -> None:
    patterns = Patterns()
    add(patterns, "retry 1", 0)
    add(patterns, "retry 2", 1, severity=Severity.ERROR)
    add(patterns, "done", 1)
    first, second = patterns.patterns()
    assert (first.template, first.count, first.severity) == ("retry <num>", 2, Severity.ERROR)
    assert (first.example.message, first.example.source, first.example.time_us) == ("retry 2", "app", NOW + MINUTE)
    assert second.template == "done"


def test_what_is_new_comes_first_then_what_has_grown() -> None:
    patterns = Patterns()
    add(patterns, "steady", -30, 60)
    add(patterns, "steady", -5, 10)
    add(patterns, "grown 1", -30, 6)
    add(patterns, "grown 2", -5, 5)
    add(patterns, "gone", -30)
    add(patterns, "new here", -5, 3)
    add(patterns, "new and grave", 0, 1, Severity.ERROR)
    changes = patterns.new_since(NOW - 9 * MINUTE, 60 * MINUTE)
    assert [(change.pattern.template, change.recent, change.before, change.growth) for change in changes] == [
        ("new and grave", 1, 0, None),
        ("new here", 3, 0, None),
        ("grown <num>", 5, 6, 5.0),
        ("steady", 10, 60, 1.0),
    ]


def test_only_the_time_that_is_asked_for_counts() -> None:
    patterns = Patterns()
    add(patterns, "old", -70)
    add(patterns, "old", 0)
    patterns.add(record("timeless"))
    (change,) = patterns.new_since(NOW - 9 * MINUTE, 60 * MINUTE)
    assert (change.pattern.template, change.before, change.pattern.count) == ("old", 0, 2)
    assert Patterns().new_since(NOW, MINUTE) == []


def test_memory_is_bounded() -> None:
    patterns = Patterns()
    for minute in range(2 * SLICES):
        add(patterns, "same", minute)
    add(patterns, "late", 0)
    assert [change.pattern.template for change in patterns.new_since(NOW, 0)] == ["same"]
    assert patterns.new_since(NOW, 0)[0].recent == SLICES
    for number in range(TEMPLATES + 50):
        add(patterns, "".join(chr(ord("g") + int(digit)) for digit in str(number)), 2 * SLICES)
    assert len(patterns.patterns()) == TEMPLATES
    assert patterns.forgotten == 2 * SLICES + 1 + 50
    assert len(patterns.new_since(NOW, 0)) == TEMPLATES


@thorough
@given(st.lists(st.tuples(st.sampled_from(["a 1", "a 2", "b", "c"]), st.integers(-80, 0)), max_size=30))
def test_the_order_of_adding_does_not_matter(said: list[tuple[str, int]]) -> None:
    forwards, otherwise = Patterns(), Patterns()
    for message, minute in said:
        add(forwards, message, minute)
    for message, minute in sorted(said, key=str):
        add(otherwise, message, minute)

    def counts(patterns: Patterns) -> list[tuple[str, int, int]]:
        changes = patterns.new_since(NOW - 9 * MINUTE, 60 * MINUTE)
        return [(one.pattern.template, one.recent, one.before) for one in changes]

    assert counts(forwards) == counts(otherwise)
