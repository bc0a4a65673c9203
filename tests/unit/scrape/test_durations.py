"""Durations are read as Prometheus reads them."""

from __future__ import annotations

import pytest

from lilfox_tui.scrape.labels import duration_text, parse_duration


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("0", 0),
        ("1ms", 1),
        ("90s", 90_000),
        ("1h30m", 5_400_000),
        ("1w2d", 777_600_000),
        ("1y", 31_536_000_000),
        ("00s", 0),
    ],
)
def test_a_duration_is_read(text: str, milliseconds: int) -> None:
    assert parse_duration(text) == milliseconds


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty duration string"),
        ("90", 'not a valid duration string: "90"'),
        ("30m1h", 'not a valid duration string: "30m1h"'),
        ("1.5h", 'unknown unit "." in duration "1.5h"'),
        ("1h 30m", 'unknown unit "h " in duration "1h 30m"'),
        ("5\n", r'unknown unit "\n" in duration "5\n"'),
        ("293y", "duration out of range"),
        ("٣s", 'not a valid duration string: "٣s"'),
    ],
)
def test_what_is_none_is_refused_in_the_words_of_prometheus(text: str, reason: str) -> None:
    with pytest.raises(ValueError) as raised:
        parse_duration(text)
    assert str(raised.value) == reason


@pytest.mark.parametrize(
    ("milliseconds", "text", "without_days"),
    [(0, "0s", "0s"), (1, "1ms", "1ms"), (90_000, "1m30s", "1m30s"), (90_061_001, "1d1h1m1s1ms", "25h1m1s1ms")],
)
def test_writes_what_it_reads(milliseconds: int, text: str, without_days: str) -> None:
    assert (duration_text(milliseconds), duration_text(milliseconds, days=False)) == (text, without_days)
    assert parse_duration(text) == parse_duration(without_days) == milliseconds
