"""Formats that the configuration defines: an expression with named groups, and lnav's format files."""

from __future__ import annotations

import json
import pickle
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from lilfox_tui.config.log_formats import LogFormatConfig, LogSample
from lilfox_tui.core.errors import ConfigError, UsageError
from lilfox_tui.logs.count_process import CountRange, _count
from lilfox_tui.logs.filter.model import EVERYTHING
from lilfox_tui.logs.own.lnav import read_definitions, translated
from lilfox_tui.logs.own_formats import OwnFormat, by_format, definitions_of, failed_samples, format_of
from lilfox_tui.logs.record import (
    LogEntry,
    Severity,
    define_formats,
    format_names,
    load_format,
    microseconds,
    recognise,
    split_records,
)
from lilfox_tui.logs.statistics import Tally, statistics_of

NOON_US = microseconds(datetime(2026, 1, 1, 12, 34, 56, 789_000, tzinfo=UTC))
SHOP = LogFormatConfig(
    pattern=r"^(?P<level>\w)\|(?P<time>[\d.]+ [\d:,]+)\|(?P<logger>[\w.]+)\|(?P<duration>[\d.]+)\|(?P<user>\w+)\|"
    r"(?P<message>.*)$",
    time_format="%d.%m.%Y %H:%M:%S,%L",
    levels={"F": "critical", "W": "warning", "S": "info"},
    samples=(LogSample(line="W|01.01.2026 12:34:56,789|shop.cart|0.25|alice|cart is empty", level="warning"),),
)
LINE = b"W|01.01.2026 12:34:56,789|shop.cart|0.25|alice|cart is empty"


@pytest.fixture(autouse=True)
def _nothing_defined() -> Iterator[None]:
    yield
    define_formats({})


def read(own: OwnFormat, raw: bytes) -> LogEntry:
    entry = own.parse(raw, UTC)
    assert entry is not None
    return entry


def test_groups_have_roles_and_are_fields() -> None:
    assert read(format_of("shop", SHOP), LINE) == LogEntry(
        message="cart is empty",
        time_us=NOON_US,
        severity=Severity.WARNING,
        logger="shop.cart",
        module="shop.cart",
        response_time_s=0.25,
        fields={
            "level": "W", "time": "01.01.2026 12:34:56,789", "logger": "shop.cart", "duration": "0.25",
            "user": "alice", "message": "cart is empty",
        },
    )  # fmt: skip


def test_further_lines_belong_to_the_record_with_their_exception() -> None:
    own = format_of("shop", SHOP)
    block = (
        LINE + b'\nTraceback (most recent call last):\n  File "a.py", line 3, in f\nKeyError: 7\n'
        b"F|01.01.2026 12:34:57,000|shop|0|bob|it ends\n"
    )
    first, second = (read(own, raw) for _, raw in split_records(block, own))
    assert first.message.startswith("cart is empty\nTraceback")
    assert first.fault is not None
    assert first.fault.type == "KeyError"
    assert (second.severity, second.message) == (Severity.CRITICAL, "it ends")


def test_without_multiline_each_line_is_a_record() -> None:
    own = format_of("one", LogFormatConfig(pattern="(?P<message>[a-z]+)", multiline=False))
    assert [raw for _, raw in split_records(b"a\n 1\nb\n", own)] == [b"a", b" 1", b"b"]
    assert own.parse(b" 1", UTC) is None


def test_a_defined_format_is_tried_first_and_can_be_named() -> None:
    block = (LINE + b"\n  further\nand more, unindented\nand more\n") * 5
    assert recognise(block) == "plain"
    with pytest.raises(UsageError):
        load_format("shop")
    define_formats({"shop": format_of("shop", SHOP)})
    assert recognise(block) == "shop"
    assert format_names()[0] == "shop"
    assert load_format("shop", block).parse(LINE, UTC) is not None
    assert recognise(b'{"level":"INFO","message":"x"}\n' * 5) == "json_lines"


def test_the_processes_that_count_know_it(tmp_path: Path) -> None:
    log = tmp_path / "shop.log"
    log.write_bytes((LINE + b"\n") * 100)
    asked = CountRange(
        path=str(log), source="shop", format="shop", zone=UTC, where=EVERYTHING, start=0, end=log.stat().st_size,
        own={"shop": format_of("shop", SHOP)},
    )  # fmt: skip
    tally = Tally()
    list(_count(pickle.loads(pickle.dumps(asked)), tally, {}))
    define_formats({})
    counted = statistics_of(tally)
    assert (counted.records, counted.unread) == (100, 0)


def test_no_expression_takes_long() -> None:
    own = format_of("slow", LogFormatConfig(pattern=r"^(?P<message>(a+)+)$"))
    began = time.process_time()
    assert own.parse(b"a" * 100_000 + b"!", UTC) is None
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        (LogFormatConfig(pattern="(?P<message>x)(?=y)"), "log_formats.x.pattern: not a regular expression of RE2"),
        (LogFormatConfig(pattern="(?P<message>x)", time_format="%Q"), "log_formats.x.time_format"),
        (LogFormatConfig(lnav="/nowhere/x.json"), "/nowhere/x.json: cannot be read: No such file"),
    ],
)
def test_what_cannot_be_used_is_said(setting: LogFormatConfig, says: str) -> None:
    with pytest.raises(ConfigError, match=says.replace(".", r"\.")):
        definitions_of("x", setting)


def test_samples() -> None:
    (definition,) = definitions_of("shop", SHOP).definitions
    assert list(failed_samples(definition)) == []
    lines = (
        LogSample(line="nothing of it"),
        LogSample(line="W|99.99.2026 12:34:56,789|a|0|b|c"),
        LogSample(line="F|01.01.2026 12:34:56,789|a|0|b|c", level="info"),
    )
    wrong = LogFormatConfig(pattern=SHOP.pattern, time_format=SHOP.time_format, levels=SHOP.levels, samples=lines)
    (definition,) = definitions_of("shop", wrong).definitions
    assert [(number, str(why)) for number, why in failed_samples(definition)] == [
        (1, "no expression matches it"),
        (2, "no time is found in it"),
        (3, "its level is critical, not info"),
    ]


@pytest.mark.parametrize(
    ("text", "written", "at"),
    [
        ("2026-01-01T12:34:56.789Z", "%Y-%m-%dT%H:%M:%S.%L%z", NOON_US),
        ("Jan  1 12:34:56", "%b %e %H:%M:%S", NOON_US - 789_000),
        ("1/1/26 12:34", "%m/%d/%y %H:%M", None),
        ("01/01/26 12:34", "%m/%d/%y %H:%M", NOON_US - 56_789_000),
        ("01/01/2026 08:34:56 PM +0800", "%m/%d/%Y %I:%M:%S %p %z", NOON_US - 789_000),
        ("1767270896.789", "%s.%L", NOON_US - 789_000),
        ("1767270896789", "%i", NOON_US),
        ("1767270896789000", "%6", NOON_US),
        ("2026-001 12:34:56", "%Y-%j %H:%M:%S", NOON_US - 789_000),
        ("31.02.2026 12:34:56", "%d.%m.%Y %H:%M:%S", None),
        ("12:34:56", "%H:%M:%S", None),
        ("x", "%Y", None),
    ],
)
def test_times_by_a_format(text: str, written: str, at: int | None) -> None:
    assert by_format(text, written, UTC, datetime(2026, 6, 1, tzinfo=UTC)) == at


def test_a_time_without_an_offset_is_of_the_source() -> None:
    assert by_format("2026-01-01 20:34:56", "%Y-%m-%d %H:%M:%S", ZoneInfo("Asia/Shanghai")) == NOON_US - 789_000


# lnav's format files.


LNAV: dict[str, Any] = {
    "$schema": "https://lnav.org/schemas/format-v1.schema.json",
    "shop_log": {
        "title": "Shop",
        "description": "The log of a shop",
        "regex": {
            "std": {"pattern": r"^(?<ts>\d++ [^|]*+)\|(?<sev>\w)\|(?>(?<took>\d+) ms\|)?(?<text>.*)$"},
            "old": {"pattern": r"^(?<ts>\d+) (?<=x)(?<text>.*)$"},
        },
        "timestamp-field": "ts",
        "timestamp-format": ["%Y%m%d %H:%M:%S,%L"],
        "level-field": "sev",
        "level": {"error": "[EF]", "warning": "^W$"},
        "body-field": "text",
        "duration-field": "took",
        "duration-divisor": 1000,
        "value": {"took": {"kind": "integer"}},
        "sample": [
            {"line": "20260101 12:34:56,789|E|250 ms|it failed\nat x", "level": "error"},
            {"line": "20260101 12:34:56,789|S|it works", "level": "info"},
        ],
    },
    "shop_json": {
        "json": True,
        "timestamp-field": "at/ms",
        "timestamp-divisor": 1000,
        "level-field": "l",
        "level": {"error": 50, "info": 30},
        "body-field": "said",
        "sample": [{"line": '{"at":{"ms":1767270896789},"l":50,"said":"it failed"}', "level": "error"}],
    },
}


def lnav_file(folder: Path, content: object = LNAV) -> LogFormatConfig:
    path = folder / "shop.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return LogFormatConfig(lnav=str(path))


def test_a_format_file_of_lnav_is_read_as_it_is(tmp_path: Path) -> None:
    setting = lnav_file(tmp_path)
    found = definitions_of("shop", setting)
    assert [each.name for each in found.definitions] == ["shop_log", "shop_json"]
    assert [str(each) for each in found.left_out] == [
        f"{setting.lnav}: shop_log: the expression old is left out: RE2 cannot read it"
    ]
    assert [list(failed_samples(each)) for each in found.definitions] == [[], []]
    own = format_of("shop", setting)
    text = read(own, b"20260101 12:34:56,789|E|250 ms|it failed\nat x")
    assert (text.time_us, text.severity, text.message) == (NOON_US, Severity.ERROR, "it failed\nat x")
    assert (text.response_time_s, text.fields["took"]) == (0.25, 250)
    of_json = read(own, b'{"at":{"ms":1767270896789},"l":50,"said":"it failed"}')
    assert (of_json.time_us, of_json.severity, of_json.message) == (NOON_US, Severity.ERROR, "it failed")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "not JSON"),
        ("[]", "it holds no definition"),
        ('{"x": {"title": "x"}}', "x: has no regex"),
        ('{"x": {"regex": {"std": {"pattern": "(?<a>x)(?<=y)"}}}}', "the expression std is left out"),
    ],
)
def test_a_file_of_which_nothing_can_be_used(tmp_path: Path, content: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read_definitions(Path(lnav_file(tmp_path, content).lnav))


def test_look_ahead_of_lnavs_expressions(tmp_path: Path) -> None:
    pattern = r"^(?<timestamp>\S+) (?!debug|\(x\))(?<body>[a-z(]+(?=[) ]).*)$"
    setting = lnav_file(tmp_path, {"x": {"regex": {"std": {"pattern": pattern}}}})
    own = format_of("x", setting)
    assert definitions_of("x", setting).left_out == ()
    entry = read(own, b"2026-01-01T12:34:56Z it works")
    assert entry.fields == {"timestamp": "2026-01-01T12:34:56Z", "body": "it works"}
    for raw in (b"2026-01-01T12:34:56Z debug it", b"2026-01-01T12:34:56Z (x) it", b"2026-01-01T12:34:56Z it-"):
        assert own.parse(raw, UTC) is None
        assert not own.begins(raw)


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        (r"(?<a>x)\d++", r"(?P<a>x)\d+"),
        (r"[+*]+\++", r"[+*]+\++"),
        (r"[]+]*+(?>a)", r"[]+]*(?:a)"),
        (r"(?P<a>\]++)", r"(?P<a>\]+)"),
        (r"a{3}+b??", r"a{3}b??"),
    ],
)
def test_expressions_of_pcre(written: str, read_as: str) -> None:
    assert translated(written) == read_as
