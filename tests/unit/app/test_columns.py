"""What is longer than its place is on several lines: nothing is lost, nothing is wider than the place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.app.rendering.columns import cells, percent_text, quantile_text, share_text, wrapped
from lilfox_tui.app.rendering.draw import Piece, Row
from lilfox_tui.core.text import clean
from lilfox_tui.metrics.traffic import Quantile


def text_of(row: Row) -> str:
    return "".join(piece.text for piece in row)


def squeezed(text: str) -> str:
    return "".join(text.split())


def test_the_last_column_goes_on_below_where_it_begins() -> None:
    row = (Piece("  k  ", "key"), Piece("one two three four five six seven", "muted"))
    lines = wrapped([row], 30)
    assert [text_of(line) for line in lines] == ["  k  one two three four five", "     six seven"]
    assert {piece.role for line in lines for piece in line[1:]} == {"muted"}


def test_where_the_last_column_would_be_narrow_it_stands_below() -> None:
    row = (Piece("  pgdn ctrl-d space  "), Piece("page down  "), Piece("ten rows down"))
    assert [text_of(line) for line in wrapped([row], 38)] == [
        "  pgdn ctrl-d space  page down  ",
        "      ten rows down",
    ]


@given(st.text(max_size=60), st.text(max_size=300), st.integers(12, 100))
def test_nothing_is_lost(before: str, last: str, width: int) -> None:
    head = clean(before)[: width // 4]
    lines = wrapped([(Piece(head), Piece(last))], width)
    assert squeezed("".join(map(text_of, lines))) == squeezed(head + (clean(last) if len(lines) > 1 else last))
    assert all(cells(line) <= width for line in lines)


def test_what_comes_after_a_piece_that_was_too_long_follows_it() -> None:
    row = (Piece("   "), Piece("one two three four five six seven", "failing"), Piece("  for 6 min", "muted"))
    assert [text_of(line) for line in wrapped([row], 34)] == ["   one two three four five six", "   seven  for 6 min"]
    assert [text_of(line) for line in wrapped([row], 46)] == [
        "   one two three four five six seven",
        "      for 6 min",
    ]


def test_an_address_is_better_below_than_broken() -> None:
    row = (Piece(" x payments-api  "), Piece("http://127.0.0.1:57825/health"))
    assert [text_of(line) for line in wrapped([row], 40)] == [
        " x payments-api  ",
        "      http://127.0.0.1:57825/health",
    ]


@given(st.lists(st.text(max_size=80), max_size=5), st.integers(12, 100))
def test_nothing_of_several_pieces_is_lost(texts: list[str], width: int) -> None:
    lines = wrapped([tuple(map(Piece, texts))], width)
    assert squeezed("".join(clean(text_of(line)) for line in lines)) == squeezed("".join(map(clean, texts)))
    assert all(cells(line) <= width for line in lines)


# A number says what is so, also where it is unknown, tiny or beyond its cells.


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "   -"),
        (0.0, "  0%"),
        (3.0, "  3%"),
        (23.0, " 23%"),
        (22.0, " 22%"),
        (89.9, " 90%"),
        (93.4, " 93%"),
        (99.6, "100%"),
        (1e9, "100…"),
    ],
)
def test_percentages_are_whole(value: float | None, told: str) -> None:
    assert percent_text(value) == told


@pytest.mark.parametrize(
    ("percent", "told"),
    [
        (None, ""),
        (0.0, "0%"),
        (0.004, "<0.1%"),
        (0.42, "0.4%"),
        (31.04, "31.0%"),
        (99.96, "100%"),
    ],
)
def test_a_small_share_is_not_none_and_an_unknown_one_is_nothing(percent: float | None, told: str) -> None:
    assert share_text(percent) == told


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (None, ""),
        (Quantile(0.00042), "0.4ms"),
        (Quantile(0.0123), "12ms"),
        (Quantile(0.9997), "1.0s"),
        (Quantile(2.34, "<="), "≤2.34s"),
        (Quantile(9.7, at_most_s=10.0), "≤10s"),
        (Quantile(0.003, at_most_s=0.0075), "≤7.5ms"),
        (Quantile(1.8, at_most_s=2.5), "≤2.5s"),
        (Quantile(100.0, at_most_s=120.0), "≤120s"),
        (Quantile(60.0, ">"), ">60s"),
    ],
)
def test_a_quantile_has_its_bound(found: Quantile | None, told: str) -> None:
    assert quantile_text(found) == told


def test_what_closes_a_word_does_not_begin_a_line() -> None:
    row = (Piece("Connect call failed ("), Piece("'127.0.0.1'", "good"), Piece(", 8000) after some retries"))
    lines = ["".join(piece.text for piece in line) for line in wrapped([row], 40)]
    assert lines[0] == "Connect call failed ('127.0.0.1',"
    assert lines[1].strip().startswith("8000)")
    spaced = (Piece("Connect call failed "), Piece("127.0.0.1:8000"), Piece(" for many seconds in a row"))
    assert "".join(piece.text for piece in wrapped([spaced], 40)[0]) == "Connect call failed 127.0.0.1:8000"
