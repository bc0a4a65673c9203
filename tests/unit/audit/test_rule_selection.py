"""Which series selectors can select: of hosts, of pages, through recorded series."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.alerts.rules import Rule, from_text
from lilfox_tui.audit.rule_selection import (
    Answer,
    HostLabels,
    Matchers,
    Mention,
    PageIndex,
    RuleSelection,
    is_constant,
    of_host,
    of_mentions,
    why_empty,
)
from lilfox_tui.audit.targets.configuration import Page
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.promql.query import parse
from lilfox_tui.scrape.labels import NAME, LabelSet

LABELS = (("instance", "10.0.0.5:8000"), ("job", "shop"))
NO, UNKNOWN, YES = Answer.NO, Answer.UNKNOWN, Answer.YES


def series(name: str, **labels: str) -> LabelSet:
    return LabelSet.of({**dict(LABELS), **labels, NAME: name})


PAGE = Page(
    "http://10.0.0.5:8000/metrics",
    LABELS,
    series=(series("up"), series("http_requests_total", status="200", route="/")),
    empty=frozenset({"http_errors_total"}),
)
LOST = Page("http://10.0.0.5:8000/metrics", LABELS, series=(series("up"),), problem=tr("refused"))


PAGE_INDEX, LOST_INDEX = PageIndex(PAGE), PageIndex(LOST)


def matchers(selector: str) -> Matchers:
    return parse(selector).selectors[0]


OF_HOST = {
    "lilfox_host_up": YES,
    "lilfox_host_up == 0": YES,
    'lilfox_host_up{host="web-1"}': YES,
    'lilfox_host_up{instance=~"10.*"}': YES,
    'lilfox_host_up{host="web-2"}': NO,
    'lilfox_host_up{host!="web-1"}': NO,
    'cpu_usage_percent{job=""}': YES,
    'cpu_usage_percent{job="node"}': NO,
    'lilfox_filesystem_used_bytes{mountpoint="/"}': YES,
    'lilfox_host_cpu_ratio{mode="iowait"}': YES,
    'lilfox_load1{host="db-1"}': NO,
    "lilfox_service_up": NO,
    "lilfox_backend_up": NO,
    "lilfox_recovery_given_up": NO,
    '{host="web-1"}': YES,
    '{job="node"}': NO,
    '{__name__=~"lilfox_.*"}': YES,
    "node_load1": NO,
}


@pytest.mark.parametrize(("selector", "answer"), OF_HOST.items())
def test_series_of_a_host(selector: str, answer: Answer) -> None:
    assert of_host(matchers(selector), HostLabels("web-1", "10.0.0.5")) is answer


OF_PAGE = {
    "up": (YES, YES),
    'up{job="shop"}': (YES, YES),
    'up{job="cart"}': (NO, NO),
    'up{job="shop",zone="a"}': (NO, NO),
    '{job="shop"}': (YES, YES),
    "http_requests_total": (YES, UNKNOWN),
    'http_requests_total{status=~"5.."}': (YES, UNKNOWN),  # a status that may come
    'http_requests_total{code=~"5.."}': (NO, UNKNOWN),  # a label that none of them has
    'http_requests_total{code!~"5.."}': (YES, UNKNOWN),
    'http_requests_total{job="cart"}': (NO, NO),
    "http_errors_total": (YES, UNKNOWN),  # told of, but nothing was counted so far
    "redis_up": (NO, UNKNOWN),
    '{__name__=~"http_.*", status="200"}': (YES, UNKNOWN),
}


@pytest.mark.parametrize(("selector", "answers"), OF_PAGE.items())
def test_series_of_a_page(selector: str, answers: tuple[Answer, Answer]) -> None:
    assert (PAGE_INDEX.answer(matchers(selector)), LOST_INDEX.answer(matchers(selector))) == answers


def test_labels_of_a_page_that_takes_precedence_are_its_own() -> None:
    own = Page(PAGE.url, LABELS, series=(LabelSet.of({NAME: "pushed", "job": "batch"}),), honors_labels=True)
    assert PageIndex(own).answer(matchers('pushed{job="batch"}')) is YES
    assert PageIndex(own).answer(matchers('pushed{zone="a"}')) is NO


GATEWAY = Page(
    "http://10.0.0.1:8080/metrics",
    (("instance", "10.0.0.1:8080"), ("job", "traefik")),
    series=(
        LabelSet.of({NAME: "requests_total", "job": "traefik", "service": "shop", "code": "200"}),
        LabelSet.of({NAME: "probe_success", "job": "traefik", "target": "http://shop.example.net:8000/health"}),
    ),
)


@pytest.mark.parametrize(
    ("selector", "answer"),
    {
        "requests_total": YES,
        'requests_total{code=~"5.."}': YES,
        'requests_total{service="cart"}': NO,
        'requests_total{zone="a"}': NO,
        'probe_success{target=~"http://shop.*"}': YES,
        "up": NO,
    }.items(),
)
def test_series_that_mention_a_service(selector: str, answer: Answer) -> None:
    shop = Mention("shop", frozenset({"shop.example.net:8000"}))
    assert of_mentions(matchers(selector), PageIndex(GATEWAY).mentions(shop)) is answer
    assert PageIndex(GATEWAY).mentions(Mention("sho", frozenset({"shop.example.net:80"}))) == []


def rules(*texts: str) -> list[Rule]:
    (group,) = from_text(f"groups: [{{name: g, rules: [{', '.join(texts)}]}}]", "rules.yml").groups
    return list(group.rules)


RECORDS = (
    "{record: 'job:requests:rate5m', expr: 'sum by (job) (rate(http_requests_total[5m]))'}",
    "{record: 'all:requests:rate5m', expr: 'sum(job:requests:rate5m)', labels: {team: web}}",
    "{record: 'loop', expr: 'loop + 1'}",
)


@pytest.mark.parametrize(
    ("expression", "answer"),
    {
        "job:requests:rate5m > 1": YES,
        'job:requests:rate5m{job="shop"} > 1': YES,
        'job:requests:rate5m{job="cart"} > 1': NO,
        "all:requests:rate5m > 1": YES,
        'all:requests:rate5m{team="db"} > 1': NO,
        "loop > 1": NO,
        'ALERTS{alertname="X"}': NO,
    }.items(),
)
def test_what_rules_record_is_what_they_select(expression: str, answer: Answer) -> None:
    selection = RuleSelection(rules(f"{{alert: A, expr: '{expression}'}}"), rules(*RECORDS))
    assert selection.answer(PAGE_INDEX.answer, dict(LABELS)) is answer


def nothing(found: Matchers) -> Message | None:
    return tr("nothing") if any(each.value.startswith("no") for each in found) else None


EMPTY = {
    "no_a > 1": True,
    "a > 1": False,
    "rate(no_a[5m]) / rate(b[5m]) > 0.1": True,
    "b unless no_a": False,
    "no_a unless b": True,
    "no_a or b": False,
    "no_a or no_b": True,
    "b and no_a": True,
    "absent(no_a)": False,
    "absent_over_time(no_a[5m])": False,
    "vector(scalar(no_a)) > 1": False,
    "sum by (job) (max_over_time(rate(no_a[5m])[1h:1m]))": True,
    "-no_a": True,
    "topk(3, no_a)": True,
    "vector(1)": False,
}


@pytest.mark.parametrize(("expression", "empty"), EMPTY.items())
def test_expressions_that_never_have_a_result(expression: str, empty: bool) -> None:
    assert (why_empty(parse(expression).tree, nothing) is not None) is empty


CONSTANT = {"vector(1)": True, "1 > bool 0": True, "vector(time())": False, "hour() > 8": False, "up": False,
            "vector(1) > 2": True}  # fmt: skip


@pytest.mark.parametrize(("expression", "constant"), CONSTANT.items())
def test_expressions_that_depend_on_nothing(expression: str, constant: bool) -> None:
    assert is_constant(parse(expression).tree) is constant


@given(st.sampled_from([*OF_PAGE, *OF_HOST]))
def test_a_page_that_was_read_leaves_nothing_unknown(selector: str) -> None:
    assert PAGE_INDEX.answer(matchers(selector)) is not UNKNOWN
    assert LOST_INDEX.answer(matchers(selector)) is not NO or PAGE_INDEX.answer(matchers(selector)) is NO
