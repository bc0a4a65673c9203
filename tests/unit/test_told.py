"""Numbers of 5,000 digits, years beyond all calendars, 10^40 times of a host: none of them is an exception anywhere."""

from __future__ import annotations

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
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.text import EARLIEST, LARGEST, LATEST, later, time_at, whole
from lilfox_tui.hosts import detached
from lilfox_tui.hosts.ssh.files import facts_of
from lilfox_tui.metrics.sampler import _process
from lilfox_tui.promql.remote import RemoteAlert
from lilfox_tui.promql.value import PROMETHEUS_3
from lilfox_tui.scrape.labels import parse_duration, time_of
from lilfox_tui.scrape.prometheus_yaml import _whole

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
    return _process(facts, None, 1.0, NOW, {})


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
