"""Rules, series and looks at them, made by chance: what LilFox gives for them is what a test expects."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import numpy as np

from lilfox_tui.alerts.model import AlertState
from lilfox_tui.alerts.rule_group import EvaluationContext, GroupEvaluator
from lilfox_tui.alerts.rules import from_text
from lilfox_tui.alerts.unit_test_file import parse_series
from lilfox_tui.alerts.unit_test_runner import UnitTestSeries
from lilfox_tui.promql.query import parse
from lilfox_tui.promql.value import PROMETHEUS_2, Vector

MINUTE_MS = 60_000
LAST_MIN = 40
EXPRESSIONS = (
    "a > 3",
    "a >= 2 < 6",
    "sum by (i) (a) > 2",
    "rate(a[3m]) > 0.01",
    "a > on (i) group_left b",
    'ALERTS{alertstate="firing", severity!="x"}',
    "absent(a)",
    "max_over_time(a[4m]) > 5",
    "a offset 2m > 3",
    "count(a) > 1",
    "vector(time()) % 420 > 200",
    "a unless b > 4",
)


def write_case(folder: Path, seed: int) -> int | None:
    """Writes ``rules.yml`` and ``test.yml``; the test expects what LilFox gave, up to where a rule failed. Gives the
    minute of that (at 0 there is no ``test.yml``), and writes ``failing.yml`` then, which goes on to it."""
    chance = Random(seed)
    rules, inputs = _rules(chance), _inputs(chance)
    (folder / "rules.yml").write_text(rules)
    source = UnitTestSeries()
    for one in inputs:
        labels, values = parse_series(f"{one['series']} {one['values']}", PROMETHEUS_2)
        source.put(labels, 0, MINUTE_MS, values)
    around = EvaluationContext(source, PROMETHEUS_2)
    groups = [GroupEvaluator("rules.yml", group, around) for group in from_text(rules, "rules.yml").groups]
    alerts: list[dict[str, object]] = []
    looks: list[dict[str, object]] = []
    failed_at: int | None = None
    for minute in range(LAST_MIN + 1):
        source.advance(minute * MINUTE_MS)
        for group in groups:
            group.evaluate(source, minute * MINUTE_MS)
        if any(rule.error is not None for group in groups for rule in group.rules):
            failed_at = minute
            break
        alerts += _firing(groups, minute)
        looks.append(_look(source, minute))
    test: dict[str, object] = {
        "interval": "1m",
        "input_series": inputs,
        "alert_rule_test": alerts,
        "promql_expr_test": looks,
    }
    if failed_at != 0:
        _write(folder / "test.yml", groups, test)
    if failed_at is not None:
        _write(
            folder / "failing.yml",
            groups,
            {
                **test,
                "promql_expr_test": [
                    {"expr": "1 < bool 2", "eval_time": f"{failed_at}m", "exp_samples": [{"value": 1}]}
                ],
            },
        )
    return failed_at


def _write(path: Path, groups: list[GroupEvaluator], test: dict[str, object]) -> None:
    names = [group.group.name for group in groups]
    document = {"rule_files": ["rules.yml"], "group_eval_order": names, "tests": [test]}
    path.write_text(json.dumps(document, indent=1).replace("Infinity", ".inf"))


def _rules(chance: Random) -> str:
    groups = [
        {"name": f"group-{number}", "rules": [_rule(chance, f"{number}{place}") for place in range(4)]}
        for number in range(2)
    ]
    return json.dumps({"groups": groups}, indent=1)


def _rule(chance: Random, name: str) -> dict[str, object]:
    expression = chance.choice(EXPRESSIONS)
    if chance.random() < 0.3:
        return {"record": f"r{name}", "expr": expression, "labels": {"kind": chance.choice(("", "some"))}}
    rule: dict[str, object] = {
        "alert": f"A{name}",
        "expr": expression,
        "for": f"{chance.choice((0, 1, 2, 5))}m",
        "labels": {"severity": chance.choice(("page", "{{ $labels.i }}", "{{ if gt $value 4.0 }}high{{ end }}"))},
        "annotations": {"text": "{{ $value | humanize }} of {{ $labels.i }}"},
    }
    if chance.random() < 0.4:
        rule["keep_firing_for"] = f"{chance.choice((1, 3, 6))}m"
    return rule


def _inputs(chance: Random) -> list[dict[str, str]]:
    def values() -> str:
        parts = ("_", "_x6", "stale", "0x2", "5x3", "1+1x6", "9-2x4", "3 4 2", "7")
        return " ".join(chance.choice(parts) for _ in range(12))

    names = ('a{i="1"}', 'a{i="2"}', 'a{i="2",k="v"}', 'b{i="1"}', 'b{i="2"}')
    return [{"series": name, "values": values()} for name in names]


def _firing(groups: list[GroupEvaluator], minute: int) -> list[dict[str, object]]:
    return [
        {
            "eval_time": f"{minute}m",
            "alertname": rule.rule.name,
            "exp_alerts": [
                {"exp_labels": dict(alert.labels), "exp_annotations": dict(alert.annotations)}
                for alert in rule.state.alerts
                if alert.state is AlertState.FIRING
            ],
        }
        for group in groups
        for rule in group.rules
        if rule.rule.kind == "alert"
    ]


def _look(source: UnitTestSeries, minute: int) -> dict[str, object]:
    """All series there are."""
    expression = '{__name__=~".+"}'
    found = parse(expression, PROMETHEUS_2).at(source, minute * MINUTE_MS)
    assert isinstance(found, Vector)
    samples = [
        {"labels": str(labels), "value": value}
        for labels, value in zip(found.labels, np.asarray(found.values).tolist(), strict=True)
    ]
    return {"expr": expression, "eval_time": f"{minute}m", "exp_samples": samples}
