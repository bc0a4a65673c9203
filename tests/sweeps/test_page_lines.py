"""Lines of a page before they are read: values in several of them, pages with too many, reading that takes too long."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lilfox_tui.scrape.exposition import BadPage, Exposition
from lilfox_tui.scrape.labels import LabelSet
from tests.speed import slowness
from tests.unit.scrape.test_exposition import plain, read, shown

PIECES = st.lists(
    st.sampled_from(["\n", '\\"', "\\\\", "# TYPE a counter", "a 1", "}", "{", "=", ",", "é", " ", "x"]), max_size=9
)


@pytest.mark.fault("4.68")
@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES.map("".join), max_size=5))
def test_a_newline_in_a_value_costs_no_other_sample(values: list[str]) -> None:
    """As the same page with the newlines escaped."""
    raw = "".join(f'a{{i="{place}",x="{value}"}} {place}\nb{place} 1\n' for place, value in enumerate(values))
    escaped = "".join(
        f'a{{i="{place}",x="{value.replace(chr(10), chr(92) + "n")}"}} {place}\nb{place} 1\n'
        for place, value in enumerate(values)
    )
    reader = Exposition(plain)
    assert shown(reader.read(raw.encode(), openmetrics=False)) == read(escaped)
    assert shown(reader.read(raw.encode(), openmetrics=False)) == read(escaped), "also the second time"


@pytest.mark.fault("4.68")
def test_a_quote_that_is_never_closed_is_named_with_its_line() -> None:
    body = b"ok 1\n" + b'a{x="open\n' + b"b 1\n" * 200_000
    began = time.process_time()
    with pytest.raises(BadPage, match="error on line 2"):
        Exposition(plain).read(body, openmetrics=False)
    assert time.process_time() - began < 1.0


def many(count: int, mark: str = "") -> bytes:
    return b"".join(b'requests_total{path="/%d%s"} %d\n' % (each, mark.encode(), each) for each in range(count))


def refused(parser: Exposition, body: bytes, **how: float) -> tuple[BadPage, float]:
    """Why it is not taken, and the seconds that this took."""
    began = time.thread_time()
    with pytest.raises(BadPage) as raised:
        parser.read(body, openmetrics=False, **how)
    return raised.value, time.thread_time() - began


@pytest.mark.fault("4.69")
def test_a_page_with_too_many_samples_is_refused_before_it_is_read() -> None:
    parser = Exposition(plain, limit=100_000, counted=lambda _count, _lines: None)
    for turn in range(3):
        error, took_s = refused(parser, b"# HELP requests_total x\n\n" + many(100_001, str(turn)))
        assert took_s < 0.2 * slowness()
        assert (error.samples, "more than 100000 samples" in str(error)) == (100_001, True)
    assert len(parser.read(b"# TYPE a gauge\n" * 9 + many(5), openmetrics=False).labels) == 5


@pytest.mark.fault("4.69")
def test_where_samples_may_be_dropped_a_page_that_was_refused_is_refused_quickly_again() -> None:
    relabelled = 0

    def counting(exposed: Mapping[str, str]) -> LabelSet | None:
        nonlocal relabelled
        relabelled += 1
        return plain(exposed)

    parser = Exposition(counting, limit=50_000)
    first, read_s = refused(parser, many(50_001))
    assert relabelled == 50_001
    again = [refused(parser, many(50_001)) for _turn in range(3)]
    assert {str(error) for error, _took_s in again} == {str(first)}
    assert relabelled == 50_001, "its series are known: none is relabelled again"
    assert min(took_s for _error, took_s in again) < read_s / 3


@pytest.mark.fault("4.69")
def test_lines_that_are_no_samples_count_for_none() -> None:
    parser = Exposition(plain, limit=2, counted=lambda _count, _lines: None)
    assert shown(parser.read(b"# a\n  # b\n\n\t\na 1\n \nb 2\n# c\n", openmetrics=False)) == {"a": 1, "b": 2}
    assert shown(parser.read(b'a{x="\n\n\n\n"} 1\nb 2\n', openmetrics=False)).keys() >= {"b"}
    with pytest.raises(BadPage, match="more than 2 samples"):
        parser.read(b'a{x="\n\n"} 1\nb 2\nc 3\n', openmetrics=False)


@pytest.mark.fault("4.70")
def test_reading_ends_in_time_and_goes_further_the_next_time() -> None:
    parser, body = Exposition(plain), many(40_000)
    error, _took = refused(parser, body, until_s=time.perf_counter())
    assert "took too long to parse: 512 of 40000 lines" in str(error)
    for turn in range(3):
        error, took_s = refused(parser, many(40_000, str(turn)), until_s=time.perf_counter() + 0.05)
        assert took_s < 0.2 * slowness()
        assert len(parser._known) < 40_000, "what is not there any more is forgotten"
    assert len(parser.read(body, openmetrics=False).labels) == 40_000
