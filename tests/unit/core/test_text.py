from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime

import asyncssh
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.alerts import external, unit_test_file
from lilfox_tui.alerts.template.values import _integer
from lilfox_tui.alerts.unit_test_file import _number
from lilfox_tui.backup.files import tar_filter
from lilfox_tui.backup.postgresql.plain import PlainReader
from lilfox_tui.config.cron import read_cron
from lilfox_tui.core import text
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.text import EARLIEST, LARGEST, LATEST, LatePattern, later, time_at, whole
from lilfox_tui.hosts import detached
from lilfox_tui.hosts.ssh.files import facts_of
from lilfox_tui.metrics.sampler import _process, _ProcessRead
from lilfox_tui.promql.remote import RemoteAlert
from lilfox_tui.promql.value import PROMETHEUS_3
from lilfox_tui.scrape.labels import parse_duration, time_of
from lilfox_tui.scrape.prometheus_yaml import _whole


@pytest.mark.fault("S1", "S2")
@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("web-1", "web-1"),
        ("\x1b[31mred", "␛[31mred"),
        ("\x9b31m", "␛[31m"),
        ("a\nb\rc\td", "a␊b␍c d"),
        ("\x00\x7f", "␀␡"),
        ("safe\u202egpj.exe", "safe<U+202E>gpj.exe"),
        ("zero\u200bwidth\u2066", "zero<U+200B>width<U+2066>"),
        ("服务", "服务"),
        ("lone \ud800 half", "lone ��� half"),
        (b"caf\xc3\xa9 \xff", "café �"),
    ],
)
def test_clean_leaves_nothing_that_a_terminal_acts_on(raw: str | bytes, shown: str) -> None:
    assert text.clean(raw) == shown


@pytest.mark.fault("S1")
@given(st.one_of(st.text(), st.binary()))
def test_cleaned_text_has_no_controls_and_is_encodable(raw: str | bytes) -> None:
    shown = text.clean(raw)
    assert not any(unicodedata.category(char) in ("Cc", "Cs") for char in shown)
    assert not any("\u202a" <= char <= "\u202e" or "\u2066" <= char <= "\u2069" for char in shown)
    shown.encode()


def test_no_printable_character_is_replaced() -> None:
    assert not [chr(code) for code in text._REPLACED if chr(code).isprintable()], "clean() looks no further at these"


@pytest.mark.parametrize(
    ("string", "width"), [("", 0), ("abc", 3), ("主机", 4), ("é", 1), ("e\u0301", 1), ("▁█", 2), ("ｱ", 1), ("Ａ", 2)]
)
def test_width_in_cells(string: str, width: int) -> None:
    assert text.cell_width(string) == width


@pytest.mark.parametrize(
    ("string", "width", "right", "fitted"),
    [
        ("ab", 4, False, "ab  "),
        ("ab", 4, True, "  ab"),
        ("abcdef", 4, False, "abc…"),
        ("主机名", 4, False, "主… "),
        ("主机名", 6, False, "主机名"),
        ("ab", 0, False, ""),
        ("ab", 1, False, "…"),
        ("e\u0301e\u0301e\u0301", 2, False, "e\u0301…"),
    ],
)
def test_fit_is_exactly_that_wide(string: str, width: int, right: bool, fitted: str) -> None:
    assert text.fit(string, width, right=right) == fitted


@given(st.text(alphabet="ab主机é\u0301▁\x1b\x9b\u202e", max_size=20), st.integers(0, 12), st.booleans())
def test_fit_never_moves_what_stands_beside(string: str, width: int, right: bool) -> None:
    assert text.cell_width(text.clean(text.fit(string, width, right=right))) == width


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (None, "-"), (0, "0B"), (999, "999B"), (1024, "1.0K"), (340 * 1024, "340K"), (1023 * 1024, "1.0M"),
        (1.2 * 2**20, "1.2M"), (9.96 * 2**30, "10G"), (2**40, "1.0T"), (2**60, "1.0E"),
        (10**23, ">999E"), (-2048, "-2.0K"),
    ],
)  # fmt: skip
def test_bytes_for_people(count: float | None, shown: str) -> None:
    assert text.human_bytes(count) == shown


@given(st.floats(min_value=0, allow_infinity=True))
def test_no_number_is_wider_than_its_column(value: float) -> None:
    assert len(text.human_bytes(value)) <= 5
    assert len(text.human_count(value)) <= 5


@pytest.mark.parametrize(
    ("count", "shown"),
    [(None, "-"), (0, "0"), (412, "412"), (1234, "1.2k"), (2.5e6, "2.5M"), (0.3, "0.3"), (10**23, ">999T")],
)
def test_counts_for_people(count: float | None, shown: str) -> None:
    assert text.human_count(count) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "-"), (0, "0 ms"), (0.000458, "0.5 ms"), (0.00001, "0.01 ms"), (0.0000036, "<0.01 ms"),
        (0.00097, "1 ms"),
        (0.85, "850 ms"), (0.9999, "1 s"), (1.5, "1.5 s"), (14, "14 s"),
        (59.6, "1 min"),
        (360, "6 min"), (3600, "1 h"), (8040, "2 h 14 min"), (86400, "1 d"), (273600, "3 d 4 h"), (-5, "-5 s"),
    ],
)  # fmt: skip
def test_durations_for_people(seconds: float | None, shown: str) -> None:
    assert text.human_duration(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 ms"), (0.0004580840000016906, "0.46 ms"), (0.000002, "0.002 ms"), (0.0012345, "1.234 ms"),
        (0.126, "126 ms"), (0.9999, "0.9999 s"), (30, "30 s"), (90, "1 min"),
    ],
)  # fmt: skip
def test_a_duration_in_four_digits(seconds: float, shown: str) -> None:
    assert text.exact_duration(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-1, "0s"), (0, "0s"), (14.9, "14s"), (60, "1m"), (3599, "59m"), (12 * 86400, "12d")],
)
def test_ages_in_four_cells(seconds: float, shown: str) -> None:
    assert text.short_age(seconds) == shown
    assert len(shown) <= 4


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-1, ""), (0, ""), (0.99, ""), (1, "1 s"), (59.9, "59 s"), (61, "1 min"), (7300, "2 h 1 min")],
)
def test_a_state_that_lasted_less_than_a_second_has_no_length(seconds: float, shown: str) -> None:
    assert text.lasted_text(seconds) == shown


@pytest.mark.parametrize(
    ("line", "width", "broken"),
    [
        ("fits", 4, ("fits", "")),
        ("two words", 8, ("two", "words")),
        ("two words", 3, ("two", "words")),
        ("overlong", 4, ("over", "long")),
        ("中文字", 5, ("中文", "字")),
        ("a\x1b[2J b", 6, ("a␛[2J", "b")),
        ("   overlong", 5, ("   ov", "erlong")),
        ("按 enter 打开", 9, ("按 enter", "打开")),
        ("按 10m 打开日志", 9, ("按 10m 打", "开日志")),
        ("全部记录，按时间", 9, ("全部记", "录，按时间")),
        ("重试（数据库）", 6, ("重试", "（数据库）")),
        ("cpu 100 % > 95 %", 15, ("cpu 100 % >", "95 %")),
        ("", 0, ("", "")),
        ("drill restore took 1.5 s", 22, ("drill restore took", "1.5 s")),
        ("took 2 h 14 min, then", 13, ("took 2 h", "14 min, then")),
        ("at 84 MB/s for 3 d", 6, ("at", "84 MB/s for 3 d")),
        ("of 5 services", 4, ("of 5", "services")),
    ],
)
def test_a_line_is_broken_at_a_blank_or_a_wide_character(line: str, width: int, broken: tuple[str, str]) -> None:
    assert text.break_line(line, width) == broken


@pytest.mark.parametrize(
    ("path", "width", "shown"),
    [
        ("/var/log/a.log", 14, "/var/log/a.log"),
        ("/var/log/lilfox/lilfox-backend.log", 20, "/var/l…x-backend.log"),
        ("/日志/数据库/后端.log", 12, "/日…后端.log"),
        ("a\x1bb", 3, "a␛b"),
        ("abc", 1, "…"),
        ("abc", 0, ""),
    ],
)
def test_of_a_path_that_is_too_long_the_middle_goes(path: str, width: int, shown: str) -> None:
    assert text.fit_middle(path, width) == shown
    assert text.cell_width(text.fit_middle(path, width)) <= width


# Numbers of 5,000 digits, years beyond all calendars, 10^40 times of a host: none of them is an exception anywhere.


LONG = "9" * 5000
NUMBERS = [LONG, "1" + "0" * 40, "0" * 5000 + "7", "99999999999999999999"]
NOW = datetime(2026, 11, 28, tzinfo=UTC)


@given(st.integers(-(10**30), 10**30))
def test_a_number_is_itself_or_the_largest(number: int) -> None:
    assert whole(str(number)) == whole(str(number).encode()) == min(max(number, -LARGEST), LARGEST) or (
        LARGEST > abs(number) >= 10**18
    )


@pytest.mark.parametrize("text", ["", "x", "1x", "--1", "1.5", "١", "nan"])
def test_what_is_no_number_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="no number"):
        whole(text)


@pytest.mark.fault("4.32")
@given(st.floats(), st.datetimes(timezones=st.just(UTC)))
def test_every_sum_of_a_time_and_seconds_is_a_time(seconds: float, at: datetime) -> None:
    found = later(at, seconds)
    assert found == at or EARLIEST <= found <= LATEST
    assert EARLIEST <= time_at(seconds).astimezone() <= LATEST


def told(word: str) -> bytes:
    return f"20260101-000000-abcd ended {word} {word} {word} {word} 0 {word} {word} 0 {word} {word} 0 x\n".encode()


def process(word: str) -> object:
    facts = {"pid": word, "started": word, "uid": "0", "command": "x", "state": "S"}
    return _process(_ProcessRead(None, 1.0, None, False, facts), NOW, {}, {})


READ: list[Callable[[str], object]] = [
    parse_duration,
    lambda word: parse_duration(f"{word}s"),
    lambda word: read_cron(f"*/{word} * * * *"),
    lambda word: read_cron(f"{word} * * * *"),
    lambda word: unit_test_file.parse_series(f"up 1x{word}", PROMETHEUS_3),
    lambda word: unit_test_file.parse_series(f"up _x{word}", PROMETHEUS_3),
    _whole,
    _number,
    _integer,
    process,
    lambda word: detached._told(told(word)),
    lambda word: tar_filter._listing_entry(
        [b"a", b"f", b"644", word.encode(), f"{word}.{word}".encode(), b"u", b"g", b""]
    ),
    lambda word: PlainReader().feed(f"-- Dumped from database version {word}.{word}\n".encode()),
    lambda word: time_of(whole(word)),
]


@pytest.mark.fault("4.32")
@pytest.mark.parametrize("word", NUMBERS)
@pytest.mark.parametrize("read", range(len(READ)))
def test_a_number_without_measure_is_a_value_or_a_sentence(read: int, word: str) -> None:
    try:
        READ[read](word)
    except (LilFoxError, ValueError) as error:
        said = str(error)
    else:
        said = "a value"
    assert said
    assert "integer string conversion" not in said


@pytest.mark.fault("4.32")
@pytest.mark.parametrize("mtime", [0, 2**32 - 1, 2**63 - 1, 10**40])
def test_a_file_of_a_host_has_a_time_whatever_it_says(mtime: int) -> None:
    assert facts_of(asyncssh.SFTPAttrs(size=1, mtime=mtime, permissions=0o100600)).modified <= LATEST


@pytest.mark.fault("4.32")
@pytest.mark.parametrize("for_s", ["1e308", "-1e308", "1e40", "99999999999999"])
@pytest.mark.parametrize("since", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"])
def test_an_alert_of_another_server_has_a_time_whatever_it_says(for_s: str, since: str) -> None:
    told_there = b'{"labels":{"a":"b"},"state":"firing","activeAt":"%s","value":"x"}' % since.encode()
    alert = msgspec.json.decode(told_there, type=RemoteAlert)
    assert external._alert(alert, "k", float(for_s)).fired_at is not None


def test_a_late_pattern_is_as_one_of_re() -> None:
    late, own = LatePattern(r"(a+)b", re.IGNORECASE), re.compile(r"(a+)b", re.IGNORECASE)
    assert "compiled" not in vars(late)
    for sample in ("", "ab", "xAAb ab", "aab"):
        for method in ("search", "fullmatch", "match"):
            assert str(getattr(late, method)(sample)) == str(getattr(own, method)(sample))
        assert late.sub("-", sample) == own.sub("-", sample)
        assert [found.span() for found in late.finditer(sample, 1, 5)] == [
            found.span() for found in own.finditer(sample, 1, 5)
        ]
        assert str(late.match(sample, 3)) == str(own.match(sample, 3))
    assert "compiled" in vars(late)
