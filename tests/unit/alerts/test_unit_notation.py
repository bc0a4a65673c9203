"""promtool's notation of series."""

from __future__ import annotations

import numpy as np
import pytest

from lilfox_tui.alerts.unit_test_file import NotationError, parse_metric, parse_series
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.promql.value import PROMETHEUS_3
from lilfox_tui.scrape.labels import LabelSet
from lilfox_tui.scrape.store import ABSENT_BITS, STALE_BITS


def values(text: str) -> list[float | str]:
    words = {ABSENT_BITS: "_", STALE_BITS: "stale"}
    _labels, numbers = parse_series(f"x {text}", PROMETHEUS_3)
    pairs = zip(numbers.view(np.int64).tolist(), numbers.tolist(), strict=True)
    return [words.get(bits, number) for bits, number in pairs]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("1 2.5 -3 +4", [1, 2.5, -3, 4]),
        ("7x2", [7, 7, 7]),
        ("7x0", [7]),
        ("0+10x3", [0, 10, 20, 30]),
        ("-2+4x3", [-2, 2, 6, 10]),
        ("1-2x2", [1, -1, -3]),
        ("1--2x1", None),
        ("_ _x2 stale", ["_", "_", "_", "stale"]),
        ("1e2 .5 5.", [100, 0.5, 5]),
        ("0+0.1x3", [0, 0.1, 0.2, 0.30000000000000004]),
        ("Inf -inf", [float("inf"), float("-inf")]),
        ("1+1", None),
        ("1x", None),
        ("0x1F", None),
        ("stalex2", None),
        ("{{sum:1}}", None),
        ("1x99999999999", None),
    ],
)
def test_values(text: str, expected: list[float | str] | None) -> None:
    if expected is None:
        with pytest.raises(NotationError):
            values(text)
    else:
        assert values(text) == expected


def test_native_histograms_are_refused_by_name() -> None:
    with pytest.raises(NotationError, match="native histograms are not supported"):
        values("{{schema:1 sum:5 count:4 buckets:[1 2 1]}}x3")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("up", {"__name__": "up"}),
        ("up{}", {"__name__": "up"}),
        (' up {job="a", instance="b:1",} ', {"__name__": "up", "job": "a", "instance": "b:1"}),
        ('{__name__="up", job="a"}', {"__name__": "up", "job": "a"}),
        ('{job="}"}', {"job": "}"}),
        (r"""{a="\"\\", b='"', c=`a\nb`}""", {"a": '"\\', "b": '"', "c": "a\\nb"}),
        ("{}", {}),
        ("", {}),
    ],
)
def test_metrics(text: str, expected: dict[str, str]) -> None:
    assert parse_metric(text, PROMETHEUS_3) == LabelSet.of(expected)


@pytest.mark.parametrize("text", ["up{", 'up{job=~"a"}', "up down", 'up{job="a"} 1', "1up", 'up{job="a" or job="b"}'])
def test_what_is_no_metric(text: str) -> None:
    with pytest.raises(LilFoxError):
        parse_metric(text, PROMETHEUS_3)
