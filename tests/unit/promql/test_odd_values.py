"""Corners of arithmetic, strings and patterns, as Prometheus has them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.query import parse
from lilfox_tui.promql.value import PROMETHEUS_2, PROMETHEUS_3, Semantics, Vector
from lilfox_tui.scrape.labels import LabelList, LabelSet
from lilfox_tui.scrape.store import SeriesStore
from tests.unit.promql.written import Written


def one(query: str, source: SeriesStore | Written, semantics: Semantics = PROMETHEUS_3, at_ms: int = 60_000) -> Vector:
    value = parse(query, semantics).at(source, at_ms)
    assert isinstance(value, Vector)
    return value


def number(query: str, source: SeriesStore | Written | None = None, semantics: Semantics = PROMETHEUS_3) -> float:
    return float(one(query, source or nothing(), semantics).values[0])


def nothing() -> SeriesStore:
    return SeriesStore(keep_s=60, limit_bytes=1000)


@pytest.mark.fault("4.71")
@pytest.mark.parametrize(
    ("left", "right", "gives"),
    [("-Inf", "0.5", math.inf), ("-Inf", "-0.5", 0.0), ("-Inf", "3", -math.inf), ("-Inf", "2", math.inf),
     ("-Inf", "1.5", math.inf), ("Inf", "0.5", math.inf), ("-1", "0.5", math.nan), ("0", "0.5", 0.0)],
)  # fmt: skip
def test_powers_are_those_of_go(left: str, right: str, gives: float) -> None:
    for query in (f"vector({left}) ^ {right}", f"vector({left}) ^ on () vector({right})"):
        found = number(query)
        assert found == gives or (math.isnan(found) and math.isnan(gives)), query


@pytest.mark.fault("4.71")
def test_the_root_of_minus_nothing_has_no_sign() -> None:
    assert number("1 / (vector(-0.0) ^ 0.5)") == math.inf


@pytest.mark.fault("4.71")
@pytest.mark.parametrize(
    ("written", "means"),
    [(r"\xc3\xa9", "é"), (r"\303\251", "é"), (r"\xc3\251", "é"), (r"\xf0\x9f\x98\x80", "😀"), (r"\x41\101", "AA"),
     (r"\\xc3\\xa9", r"\xc3\xa9"), (r"a\\\xc3\xa9", "a\\é"), (r"\x22\xc3\xa9\x0a", '"é\n'),
     ("é", "é"), (r"\u00e9", "é")],
)  # fmt: skip
def test_bytes_that_are_spelled_in_a_string_are_those_of_utf8(written: str, means: str) -> None:
    for quote in "\"'":
        query = f'label_replace(vector(1), "a", {quote}{written}{quote}, "", "")'
        assert one(query, nothing()).labels[0].get("a") == means


@pytest.mark.fault("4.71")
@pytest.mark.parametrize("written", [r"\xe9", r"\xff", r"a\xc3", r"\xc3x\xa9", r"\xed\xa0\x80", r"\377"])
def test_bytes_that_are_none_of_utf8_are_refused(written: str) -> None:
    with pytest.raises(QueryError, match="invalid UTF-8"):
        parse(f'up{{a="{written}"}}')
    parse(f"up{{a=`{written}`}}")  # as it stands there


@pytest.mark.fault("4.71")
@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=8))
def test_any_text_spelled_in_bytes_is_that_text(text: str) -> None:
    spelled = "".join(f"\\x{byte:02x}" for byte in text.encode())
    spelled = spelled.replace("\\x24", "\\x24\\x24")  # a dollar in a replacement
    query = f'label_replace(vector(1), "a", "{spelled}", "", "")'
    assert one(query, nothing()).labels[0].get("a") == text


@pytest.mark.fault("4.71")
def test_one_unknown_sample_makes_the_deviation_unknown_in_prometheus_3() -> None:
    written = Written({"a": "1 NaN 3 9", "b": "1 2 3 9"})
    assert math.isnan(number("mad_over_time(a[1m])", written))
    assert not math.isnan(number("mad_over_time(a[1m])", written, PROMETHEUS_2))
    assert number("mad_over_time(b[1m])", written) == number("mad_over_time(b[1m])", written, PROMETHEUS_2) == 1.0


@pytest.mark.fault("4.71")
@pytest.mark.parametrize(
    ("pattern", "three", "two"),
    [("one.two", 1, 0), (".*", 2, 1), ("one.+", 1, 0), ("one\\ntwo", 1, 1), ("one[^x]two", 1, 1),
     ("(?s:one.two)", 1, 1),
     ("(?s)one.two", 1, 1)],
)  # fmt: skip
def test_a_dot_takes_a_newline_in_prometheus_3_alone(pattern: str, three: int, two: int) -> None:
    store = SeriesStore(keep_s=600, limit_bytes=10_000)
    sets = [LabelSet.of({"__name__": "a", "x": value}) for value in ("one\ntwo", "three")]
    store.target("t").append(60_000, LabelList(sets), np.ones(2))
    query = f'a{{x=~"{pattern}"}}'.replace("\\n", "\\\\n")
    assert len(one(query, store).labels) == three
    assert len(one(query, store, PROMETHEUS_2).labels) == two
    assert len(one(query.replace("=~", "!~"), store, PROMETHEUS_2).labels) == 2 - two
