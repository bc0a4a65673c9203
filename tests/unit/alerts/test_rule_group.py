"""Groups of rules: order, what they write, limits, failures, no data, and what goes on when a file is read again."""

from __future__ import annotations

import numpy as np
import pytest

from lilfox_tui.alerts.lifecycle import AlertChangeKind, EvaluationGap
from lilfox_tui.alerts.model import AlertState, RuleHealth
from lilfox_tui.alerts.rule_group import MOST_ALERTS, EvaluationContext, GroupEvaluator, StoreSink
from lilfox_tui.alerts.rules import from_text
from lilfox_tui.core.errors import ConfigError
from lilfox_tui.promql.query import parse
from lilfox_tui.promql.value import PROMETHEUS_2, Vector
from lilfox_tui.scrape.labels import LabelList, LabelSet, time_of
from lilfox_tui.scrape.store import SeriesStore

MINUTE = 60_000


class Bench:
    """A store, and one group that works on it."""

    def __init__(self, rules: str, head: str = "") -> None:
        self.store = SeriesStore(keep_s=86_400, limit_bytes=10_000_000)
        self.results = StoreSink(self.store)
        self.around = EvaluationContext(self.results)
        self.group = self.state(rules, head)

    def state(self, rules: str, head: str = "") -> GroupEvaluator:
        text = f"groups:\n- name: g\n  {head or 'limit: 0'}\n  rules:\n{rules}"
        (group,) = from_text(text, "rules.yml").groups
        return GroupEvaluator("rules.yml", group, self.around)

    def put(self, at_ms: int, samples: dict[str, float], target: str = "t") -> None:
        labels = [LabelSet.of({"__name__": name, "instance": target}) for name in samples]
        self.store.target(target).append(at_ms, LabelList(labels), np.array(list(samples.values())))

    def run(self, at_ms: int, samples: dict[str, float] | None = None) -> list[AlertChangeKind]:
        self.put(at_ms, samples or {})
        return [change.kind for _rule, change in self.group.evaluate(self.store, at_ms)]

    def ask(self, text: str, at_ms: int) -> dict[str, float]:
        value = parse(text).at(self.store, at_ms)
        assert isinstance(value, Vector)
        return {str(labels): number for labels, number in zip(value.labels, value.values.tolist(), strict=True)}


def test_a_rule_sees_what_those_before_it_gave_at_the_same_time() -> None:
    bench = Bench(
        """\
  - {record: "a:double", expr: a * 2, labels: {by: rule}}
  - {record: "a:four", expr: "a:double * 2"}
  - {alert: Big, expr: "a:four > 10"}
"""
    )
    assert bench.run(MINUTE, {"a": 3}) == [AlertChangeKind.STARTED, AlertChangeKind.FIRED]
    assert bench.ask("a:four", MINUTE) == {'a:four{by="rule", instance="t"}': 12.0}
    (alert,) = bench.group.alerts()
    assert alert.labels == (("alertname", "Big"), ("by", "rule"), ("instance", "t"))
    assert (alert.state, alert.value, alert.rule) == (AlertState.FIRING, 12.0, "rules.yml;g;2")


def test_a_recorded_series_that_vanishes_ends_at_once() -> None:
    bench = Bench('  - {record: "a:big", expr: a > 1}\n')
    bench.run(MINUTE, {"a": 2})
    bench.run(2 * MINUTE, {"a": 0})
    assert bench.ask("a:big", 2 * MINUTE - 1) == {'a:big{instance="t"}': 2.0}
    assert bench.ask("a:big", 2 * MINUTE) == {}


def test_alerts_are_series_too_and_a_rule_may_ask_for_them() -> None:
    bench = Bench(
        """\
  - {alert: A, expr: a > 1, for: 1m, labels: {severity: page}}
  - {record: pending, expr: 'count(ALERTS{alertstate="pending"})'}
"""
    )
    bench.run(5_500, {"a": 2})
    assert bench.ask("pending", 5_500) == {"pending": 1.0}
    assert bench.ask("ALERTS_FOR_STATE", 5_500) == {
        'ALERTS_FOR_STATE{alertname="A", instance="t", severity="page"}': 5.0
    }
    assert bench.run(65_500, {"a": 2}) == [AlertChangeKind.FIRED]
    assert bench.ask("ALERTS", 65_500) == {
        'ALERTS{alertname="A", alertstate="firing", instance="t", severity="page"}': 1.0
    }
    bench.run(70_000, {"a": 0})
    assert bench.ask("ALERTS", 70_000) == {}


def test_templates_fill_labels_and_annotations_labels_only_once() -> None:
    bench = Bench(
        """\
  - alert: A
    expr: a > 1
    labels: {where: "{{ $labels.instance }}!", gone: "{{ $labels.nosuch }}"}
    annotations: {summary: "a is {{ $value }}, b {{ query \\"b\\" | first | value }}"}
"""
    )
    bench.run(1, {"a": 2, "b": 7})
    bench.run(2, {"a": 3, "b": 8})
    (alert,) = bench.group.alerts()
    assert alert.labels == (("alertname", "A"), ("instance", "t"), ("where", "t!"))
    assert alert.annotations == (("summary", "a is 3, b 8"),)


def test_two_results_with_one_label_set_fail_the_rule_and_change_nothing() -> None:
    bench = Bench('  - {alert: A, expr: "a > 1", labels: {instance: ""}}\n')
    bench.put(1, {"a": 2}, "other")
    assert bench.run(1, {"a": 0}) == [AlertChangeKind.STARTED, AlertChangeKind.FIRED]
    bench.put(2, {"a": 2}, "other")
    assert bench.run(2, {"a": 2}) == []
    (view,) = bench.group.views()
    assert view.health is RuleHealth.FAILED
    assert "same labelset" in str(view.error)
    assert [alert.state for alert in bench.group.alerts()] == [AlertState.FIRING]


def test_a_failed_evaluation_resolves_nothing_and_says_since_when() -> None:
    bench = Bench("  - {alert: A, expr: a / on() b > 0}\n")
    bench.run(1_000, {"a": 2, "b": 1})
    bench.put(2_000, {"b": 1}, "other")
    assert bench.run(2_000, {"a": 2, "b": 1}) == []
    bench.put(3_000, {"b": 1}, "other")
    assert bench.run(3_000, {"a": 2, "b": 1}) == []
    (view,) = bench.group.views()
    assert view.health is RuleHealth.FAILED
    assert view.failing_since is not None
    assert view.failing_since.timestamp() == 2.0
    assert [alert.state for alert in bench.group.alerts()] == [AlertState.FIRING]
    bench.put(4_000, {}, "other")
    bench.run(4_000, {"a": 2, "b": 1})
    assert bench.group.views()[0].error is None


@pytest.mark.parametrize("rule", ["{alert: A, expr: a > 1}", '{record: "a:b", expr: a > 1}'])
def test_a_limit_fails_the_rule_that_goes_over_it(rule: str) -> None:
    bench = Bench(f"  - {rule}\n", "limit: 1")
    bench.run(1, {"a": 2})
    bench.put(2, {"a": 2}, "other")
    bench.run(2, {"a": 2})
    (view,) = bench.group.views()
    assert str(view.error).startswith("exceeded limit of 1 with 2 ")
    assert len(bench.group.alerts()) == (1 if "alert" in rule else 0)


def test_a_rule_that_makes_far_too_many_alerts_fails() -> None:
    bench = Bench("  - {alert: A, expr: a > 1}\n")
    labels = [LabelSet.of({"__name__": "a", "i": str(number)}) for number in range(MOST_ALERTS + 1)]
    bench.store.target("many").append(1, LabelList(labels), np.full(len(labels), 2.0))
    assert bench.run(1) == []
    assert str(bench.group.views()[0].error).startswith("one rule produces more than 20000 alerts")


def test_no_data_is_told_apart_from_good() -> None:
    bench = Bench(
        """\
  - {alert: A, expr: a > 1}
  - {alert: Gone, expr: absent(a)}
  - {alert: Always, expr: vector(1) > 2}
  - {record: "a:big", expr: a > 1}
  - {alert: B, expr: "a:big > 5"}
  - {alert: C, expr: 'ALERTS{alertname="nosuch"}'}
"""
    )

    def health() -> list[str]:
        return [view.health.name for view in bench.group.views()]

    bench.run(MINUTE, {"a": 0})
    assert health() == ["GOOD"] * 6
    bench.run(2 * MINUTE)
    assert health() == ["NO_DATA", "GOOD", "GOOD", "NO_DATA", "NO_DATA", "GOOD"]


def test_without_data_an_alert_resolves_as_in_prometheus() -> None:
    bench = Bench("  - {alert: A, expr: a > 1}\n")
    bench.run(1, {"a": 2})
    assert bench.run(2) == [AlertChangeKind.RESOLVED]


def test_an_alert_that_resolves_for_want_of_data_says_so() -> None:
    """Not one whose value came back, nor one of a series that another one can stand for."""
    bench = Bench('  - {alert: Ill, expr: "a > 1", labels: {severity: critical}}\n')
    for at_ms in (MINUTE, 2 * MINUTE):
        for target in ("t", "u", "v"):
            bench.put(at_ms, {"a": 5.0}, target)
        bench.run(at_ms)
    bench.store.target("t").end(2 * MINUTE + 1)
    bench.put(3 * MINUTE, {"a": 0.0}, "u")
    bench.put(3 * MINUTE, {"a": 5.0}, "v")
    assert bench.run(3 * MINUTE) == [AlertChangeKind.RESOLVED] * 2
    ended = {dict(each.labels)["instance"]: each.no_data_since for each in bench.group.alerts()}
    assert ended == {"t": time_of(2 * MINUTE), "u": None, "v": None}
    bench.put(4 * MINUTE, {"a": 5.0}, "t")
    bench.run(4 * MINUTE)
    assert {each.no_data_since for each in bench.group.alerts()} == {None}, "it fires again"


def test_an_alert_of_many_series_ends_for_want_of_data_only_without_any_of_them() -> None:
    """Nor where what is missing may be missing: alerts and what rules record."""
    bench = Bench(
        """\
  - {record: "a:high", expr: a > 2}
  - {alert: Sum, expr: sum(a) > 8}
  - {alert: Quiet, expr: "a > 1 unless b > 1"}
  - {alert: Recorded, expr: "a:high > 1"}
"""
    )
    for target in ("t", "u"):
        bench.put(MINUTE, {"a": 5.0}, target)
    bench.run(MINUTE)
    bench.store.target("t").end(2 * MINUTE)
    bench.put(2 * MINUTE, {"a": 5.0, "b": 2.0}, "u")
    bench.run(2 * MINUTE)
    ended = {(each.name, each.label("instance")): each.no_data_since for each in bench.group.alerts()
             if each.resolved_at is not None}  # fmt: skip
    assert ended == {("Sum", ""): None, ("Quiet", "t"): time_of(MINUTE), ("Quiet", "u"): None,
                     ("Recorded", "t"): None}  # fmt: skip


def test_what_a_rule_of_another_group_records_may_be_missing_too() -> None:
    bench = Bench('  - {record: "a:high", expr: a > 2}\n')
    (other,) = from_text('groups: [{name: h, rules: [{alert: A, expr: "a:high > 1"}]}]', "more.yml").groups
    alerts = GroupEvaluator("more.yml", other, bench.around)
    bench.run(MINUTE, {"a": 5.0})
    alerts.evaluate(bench.store, MINUTE)
    bench.run(2 * MINUTE, {"a": 0.0})
    alerts.evaluate(bench.store, 2 * MINUTE)
    assert [(each.state, each.no_data_since) for each in alerts.alerts()] == [(AlertState.RESOLVED, None)]


def test_an_offset_sets_queries_and_results_back() -> None:
    bench = Bench('  - {record: "a:b", expr: a}\n', "query_offset: 1m")
    bench.run(MINUTE, {"a": 1})
    bench.run(2 * MINUTE, {"a": 2})
    assert bench.ask("timestamp(a:b)", 2 * MINUTE) == {'{instance="t"}': 60.0}
    assert bench.ask("a:b", 2 * MINUTE) == {'a:b{instance="t"}': 1.0}


def test_labels_of_the_group_are_those_of_its_rules() -> None:
    bench = Bench('  - {record: "a:b", expr: a, labels: {x: own}}\n', "labels: {team: web, x: groups}")
    bench.run(1, {"a": 1})
    assert list(bench.ask("a:b", 1)) == ['a:b{instance="t", team="web", x="own"}']


def test_a_series_that_two_rules_record_stays_that_of_the_first() -> None:
    bench = Bench('  - {record: "a:b", expr: a}\n  - {record: "a:b", expr: a * 2}\n')
    bench.run(1, {"a": 1})
    assert bench.ask("a:b", 1) == {'a:b{instance="t"}': 1.0}
    assert [view.health for view in bench.group.views()] == [RuleHealth.GOOD, RuleHealth.FAILED]
    assert 'a:b{instance="t"}' in str(bench.group.views()[1].error)


def test_a_series_passes_on_to_the_other_rule_when_the_first_gives_it_no_more() -> None:
    bench = Bench('  - {record: "a:b", expr: a > 1}\n  - {record: "a:b", expr: b}\n')
    bench.run(1, {"a": 2, "b": 5})
    bench.run(2, {"a": 0, "b": 5})
    bench.run(3, {"a": 0, "b": 6})
    assert bench.ask("a:b", 3) == {'a:b{instance="t"}': 6.0}
    assert [view.health for view in bench.group.views()] == [RuleHealth.GOOD, RuleHealth.GOOD]


def test_results_go_on_after_the_clock_was_set_back() -> None:
    bench = Bench('  - {record: "a:b", expr: vector(1)}\n')
    bench.group.evaluate(bench.store, 60 * MINUTE)
    bench.group.evaluate(bench.store, MINUTE)
    assert bench.ask("a:b", MINUTE) == {"a:b": 1.0}


def test_state_goes_over_a_restart_by_rule_even_when_the_rules_were_moved() -> None:
    bench = Bench("  - {alert: A, expr: a > 1, for: 20m}\n")
    bench.run(0, {"a": 2})
    bench.run(10 * MINUTE, {"a": 2})
    saved = bench.group.dump()
    after = Bench("  - {alert: B, expr: b > 1}\n  - {alert: A, expr: a > 1, for: 20m}\n")
    after.group.restore(saved, EvaluationGap(10 * MINUTE, 15 * MINUTE))
    assert after.run(15 * MINUTE, {"a": 2}) == []
    assert after.run(25 * MINUTE, {"a": 2}) == [AlertChangeKind.FIRED]


def test_a_file_that_is_read_again_goes_on_and_ends_what_is_no_more() -> None:
    bench = Bench('  - {record: "a:b", expr: a}\n  - {alert: A, expr: a > 1, for: 2m}\n')
    bench.run(0, {"a": 2})
    new = bench.state("  - {alert: A, expr: a > 1, for: 1m}\n")
    new.continue_from(bench.group, MINUTE)
    bench.group = new
    assert bench.run(MINUTE, {"a": 2}) == [AlertChangeKind.FIRED]
    assert bench.ask("a:b", MINUTE) == {}
    new.end(2 * MINUTE)
    assert bench.ask("ALERTS", 2 * MINUTE) == {}


def test_an_expression_of_prometheus_3_is_refused_under_the_semantics_of_2() -> None:
    (group,) = from_text('groups: [{name: g, rules: [{record: x, expr: "rate(a[300])"}]}]', "rules.yml").groups
    results = StoreSink(SeriesStore(keep_s=60, limit_bytes=1_000_000))
    with pytest.raises(ConfigError) as caught:
        GroupEvaluator("rules.yml", group, EvaluationContext(results, PROMETHEUS_2))
    assert caught.value.problems[0].startswith("rules.yml:1: g/x: expr: ")
