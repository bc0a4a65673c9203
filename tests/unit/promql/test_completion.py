"""What is offered at the cursor of a query."""

from __future__ import annotations

import pytest

from lilfox_tui.promql.functions import FUNCTIONS
from lilfox_tui.promql.lexer import AGGREGATIONS, Completion, KnownNames, complete
from lilfox_tui.promql.query import parse
from lilfox_tui.scrape.labels import NAME, LabelSet

SERIES = [
    LabelSet.of({NAME: "requests_total", "job": job, "status": status})
    for job in ("app", "web")
    for status in ("200", "500")
]
KNOWN = KnownNames(("requests_total", "rate_limit", "up", "job:up:sum")).with_series("requests_total", SERIES)


def at_end(marked: str, known: KnownNames = KNOWN) -> Completion:
    """Where ``|`` stands."""
    return complete(marked.replace("|", ""), marked.index("|"), known)


@pytest.mark.parametrize(
    ("marked", "start", "choices"),
    [
        ("ra|", 0, ["rate_limit", "rate("]),
        ("sum(reque|", 4, ["requests_total"]),
        ("sum by (|", 8, ["job", "status"]),
        ("sum by (job, st|", 13, ["status"]),
        ("requests_total{|", 15, ["job", "status"]),
        ("requests_total{job='app', s|", 26, ["status"]),
        ('requests_total{status="5|', 23, ["500"]),
        ('requests_total{status=~"|', 24, ["200", "500"]),
        ('{__name__="requ|', 11, ["requests_total"]),
        ('{__name__="requests_total", j|', 28, ["job"]),
        ('{__name__="requests_total", job="|', 33, ["app", "web"]),
        ("rate(requests_total[|", 20, ["1m", "5m", "15m", "30m", "1h", "6h", "1d"]),
        ("rate(requests_total[1|", 20, ["1m", "15m", "1h", "1d"]),
        ("up + JOB|", 5, ["job:up:sum"]),
        ("UP|", 0, ["up", "job:up:sum", "group(", "group_left", "group_right"]),
    ],
)
def test_what_fits_is_offered(marked: str, start: int, choices: list[str]) -> None:
    found = at_end(marked)
    assert found.start == start
    assert list(found.choices[: len(choices)]) == choices


@pytest.mark.parametrize(
    "marked",
    [
        "|",
        "up |",
        "up{job|",
        "requests_total{job|} and up",
        'label_replace(up, "x|',
        "1 + 2|",
        "requests_total{job=|",
        "rate(x[5m:|",
    ],
)
def test_nothing_is_offered_where_nothing_is_known_or_wanted(marked: str) -> None:
    known = KnownNames(("up",)) if "job|" in marked else KNOWN
    assert at_end(marked, known).choices == ()


def test_the_metric_whose_labels_are_wanted_is_told() -> None:
    known = KnownNames(("up", "requests_total"))
    assert at_end("up{|", known).metric == "up"
    assert at_end("sum by (|) (up)", known).metric == "up"
    assert at_end("sum by (|", known).metric == ""


def test_each_function_and_aggregation_that_is_offered_is_one() -> None:
    offered = set(complete("a", 1, KnownNames()).choices) | set(complete("t", 1, KnownNames()).choices)
    assert {"avg(", "absent(", "topk(", "time("} <= offered
    arguments = {"topk": "1, up", "bottomk": "1, up", "quantile": "1, up", "count_values": '"v", up', "limitk": "1, up",
                 "limit_ratio": "1, up"}  # fmt: skip
    assert all(parse(f"{name}({arguments.get(name, 'up')})") for name in AGGREGATIONS)
    assert all(f"{name}(" in complete(name, len(name), KnownNames()).choices for name in (*FUNCTIONS, *AGGREGATIONS))


def test_of_many_metrics_as_many_are_offered_as_anybody_looks_at() -> None:
    many = KnownNames(tuple(f"metric_{number}" for number in range(200)))
    assert len(at_end("metric|", many).choices) == 50
