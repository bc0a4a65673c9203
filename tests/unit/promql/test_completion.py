"""What is offered at the cursor of a query."""

from __future__ import annotations

import time
from itertools import islice, product

import pytest

from lilfox_tui.promql.completion import (
    AGGREGATIONS,
    Candidate,
    Completion,
    KnownNames,
    NameIndex,
    complete,
    near_names,
)
from lilfox_tui.promql.functions import FUNCTIONS
from lilfox_tui.promql.query import parse
from lilfox_tui.scrape.exposition import Family
from tests.waiting import unhurried

KNOWN = KnownNames(
    NameIndex(("requests_total", "rate_limit", "up", "job:up:sum")),
    {"requests_total": Family("counter", "Requests served."), "latency_seconds": Family("histogram", "How long.")},
    {"requests_total": NameIndex(("__name__", "job", "status"))},
    {("requests_total", "job"): NameIndex(("app", "web")), ("requests_total", "status"): NameIndex(("200", "500"))},
)


def at_end(marked: str, known: KnownNames = KNOWN) -> Completion:
    """Where ``|`` stands."""
    return complete(marked.replace("|", ""), marked.index("|"), known)


def chosen(marked: str, known: KnownNames = KNOWN) -> str:
    """The text with the first choice, and the cursor behind it."""
    text, found = marked.replace("|", ""), at_end(marked, known)
    return f"{text[: found.start]}{found.choices[0].insert}|{text[found.end :]}"


@pytest.mark.parametrize(
    ("marked", "start", "choices"),
    [
        ("ra|", 0, ["rate_limit", "rate"]),
        ("sum(reque|", 4, ["requests_total"]),
        ("sum by (|", 8, ["job", "status"]),
        ("sum by (job, st|", 13, ["status"]),
        ("requests_total{|", 15, ["job", "status"]),
        ("requests_total{job='app', s|", 26, ["status"]),
        ('requests_total{status="5|', 23, ["500"]),
        ('requests_total{status=~"|', 24, ["200", "500"]),
        ("up offset 1|", 10, ["1m", "15m", "1h", "1d"]),
        ('{__name__="requ|', 11, ["requests_total"]),
        ('{__name__="requests_total", j|', 28, ["job"]),
        ('{__name__="requests_total", job="|', 33, ["app", "web"]),
        ("rate(requests_total[|", 20, ["1m", "5m", "15m", "30m", "1h", "6h", "1d"]),
        ("rate(requests_total[1|", 20, ["1m", "15m", "1h", "1d"]),
        ("up + JOB|", 5, ["job:up:sum"]),
        ("UP|", 0, ["up", "job:up:sum", "group", "group_left", "group_right"]),
    ],
)
def test_what_fits_is_offered(marked: str, start: int, choices: list[str]) -> None:
    found = at_end(marked)
    assert found.start == start
    assert [each.text for each in found.choices[: len(choices)]] == choices


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
    known = KnownNames(NameIndex(["up"])) if "job|" in marked else KNOWN
    assert at_end(marked, known).choices == ()


def test_what_is_needed_and_not_known_is_told() -> None:
    known = KnownNames(NameIndex(("up", "requests_total")))
    assert at_end("up{|", known).wants == ("up", "")
    assert at_end("{|", known).wants == ("", "")
    assert at_end('up{job="|', known).wants == ("up", "job")
    assert at_end("sum by (|) (up)", known).wants == ("up", "")
    assert at_end("sum by (|", known).wants == ("", "")
    assert at_end("sum by (|) (up / requests_total)").wants == ("up", "")
    assert at_end("requests_total{|").wants is None
    assert at_end('requests_total{job="|').wants is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("sum(requ|", "sum(requests_total|"),
        ("requ|_tot", "requests_total|"),
        ("irat|", "irate(|"),
        ("irat|(up[5m])", "irate|(up[5m])"),
        ("requests_total{st|", 'requests_total{status="|'),
        ('requests_total{st|="500"}', 'requests_total{status|="500"}'),
        ('requests_total{status="5|', 'requests_total{status="500"|'),
        ('requests_total{status="5|"}', 'requests_total{status="500|"}'),
        ("requests_total{status='2|00', job='x'}", "requests_total{status='200|', job='x'}"),
        ('requests_total{status=~"2|', 'requests_total{status=~"200"|'),
        ("sum by (st|) (requests_total)", "sum by (status|) (requests_total)"),
    ],
)
def test_what_is_chosen_replaces_the_word_and_closes_what_it_opens(before: str, after: str) -> None:
    assert chosen(before) == after


def test_in_a_pattern_each_alternative_is_completed() -> None:
    text = 'requests_total{status=~"2..|5'
    found = complete(text, len(text), KNOWN)
    assert (found.start, [each.insert for each in found.choices]) == (len(text) - 1, ['500"'])


def test_a_value_is_written_so_that_it_is_that_value() -> None:
    odd = NameIndex(['a"b\\c', "it's (1+1)"])
    known = KnownNames(NameIndex(["up"]), {}, {"up": NameIndex(["x"])}, {("up", "x"): odd})
    assert chosen('up{x="a|', known) == 'up{x="a\\"b\\\\c"|'
    assert chosen("up{x='it|", known) == "up{x='it\\'s (1+1)'|"
    assert chosen('up{x=~"it|', known) == 'up{x=~"it\'s \\\\(1\\\\+1\\\\)"|'
    assert chosen("up{x=~`it|", known) == "up{x=~`it's \\(1\\+1\\)`|"
    for marked in ('up{x="a|', "up{x='it|", 'up{x=~"it|', "up{x=~`it|"):
        (matcher,) = parse(chosen(marked, known).replace("|", "") + "}").selectors[0][1:]
        assert matcher.value.replace("\\(", "(").replace("\\)", ")").replace("\\+", "+") in list(odd)


def test_type_and_help_of_a_metric_are_told_also_of_the_parts_of_a_histogram() -> None:
    (first, *_others) = at_end("requ|").choices
    assert first == Candidate("requests_total", "requests_total", "metric", "counter", "Requests served.")
    assert KNOWN.family("latency_seconds_bucket") == Family("histogram", "How long.")
    assert KNOWN.family("asked") is None
    up = KNOWN.family("up")
    assert up is not None, "no target tells of it"
    assert (up.type, up.help[:7]) == ("gauge", "Whether")
    rate = next(each for each in at_end("irat|").choices)
    assert (rate.kind, rate.type) == ("function", "range vector → instant vector")


def test_all_metrics_are_offered_where_an_operand_may_stand_if_asked() -> None:
    for text, may in (("", True), ("sum(", True), ("up + ", True), ("up and ", True), ("up ", False), ("up{} ", False)):
        found = complete(text, len(text), KNOWN, unasked=False)
        assert bool(found.choices) == may, text
        assert complete(text, len(text), KNOWN).choices == ()


def test_metrics_that_begin_with_it_stand_before_functions_and_these_before_others() -> None:
    known = KnownNames(NameIndex([*(f"rate_{number}" for number in range(7)), "error_rate", "separate"]))
    assert [each.text for each in at_end("rat|", known).choices] == [
        *(f"rate_{number}" for number in range(5)), "rate", "rate_5", "rate_6", "error_rate", "separate",
        "limit_ratio", "irate",
    ]  # fmt: skip


def test_names_that_look_alike_are_found_and_no_others() -> None:
    names = ["http_requests_total", "http_request_duration_seconds", "go_goroutines", "up"]
    assert near_names("http_request_total", names)[0] == "http_requests_total"
    assert near_names("htp_requests_totl", names)[:1] == ["http_requests_total"]
    assert near_names("cpu", names) == []


def test_each_function_and_aggregation_that_is_offered_is_one() -> None:
    offered = {each.insert for letter in "at" for each in complete(letter, 1, KnownNames()).choices}
    assert {"avg(", "absent(", "topk(", "time("} <= offered
    arguments = {"topk": "1, up", "bottomk": "1, up", "quantile": "1, up", "count_values": '"v", up', "limitk": "1, up",
                 "limit_ratio": "1, up"}  # fmt: skip
    assert all(parse(f"{name}({arguments.get(name, 'up')})") for name in AGGREGATIONS)
    for name in (*FUNCTIONS, *AGGREGATIONS):
        assert f"{name}(" in {each.insert for each in complete(name, len(name), KnownNames()).choices}


def test_of_many_metrics_as_many_are_offered_as_anybody_looks_at() -> None:
    many = KnownNames(NameIndex(f"metric_{number}" for number in range(200)))
    assert len(at_end("metric|", many).choices) == 50


def test_a_key_does_not_wait_for_thirty_thousand_metrics() -> None:
    parts = ("node", "http", "process", "memory", "requests", "seconds", "bytes", "total", "errors", "kube")
    names = NameIndex("_".join((*each, "total")) for each in islice(product(parts, repeat=5), 30_000))
    known = KnownNames(names)
    assert len(names) == 30_000
    for text in ("n", "sum(rate(http_req", "_", "total", "nothing_like_this"):
        took = []
        for _each in range(5):
            start = time.perf_counter()
            complete(text, len(text), known)
            took.append(time.perf_counter() - start)
        assert min(took) < unhurried(0.010), text
