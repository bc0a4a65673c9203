"""Labels with UTF-8 names, from a rule to whoever is told: Prometheus 3 has them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lilfox_tui.alerts.model import SilenceMatcher
from lilfox_tui.alerts.rules import from_text
from lilfox_tui.alerts.silences import format_matchers, matchers_of, matches_all, parse_matchers
from tests.unit.alerts.running import Run

RULES = """
groups:
  - name: g
    interval: 15s
    rules:
      - record: "by.site:ups"
        expr: sum by ("instance") (up)
      - alert: Down
        expr: '{"by.site:ups"} == 0'
        labels: {"équipe.de garde": ops, a-b: '{{ index $labels "instance" }}'}
        annotations: {"runbook.url": 'https://x/{{ index $labels "instance" }}'}
"""


@pytest.mark.fault("4.66")
async def test_they_go_from_the_rule_to_the_alert_its_series_and_its_silence(tmp_path: Path) -> None:
    run = Run(tmp_path, rules=RULES)
    await run.start()
    assert await run.go(30, {"a": 0.0}) == ["Down a firing"]
    (alert,) = run.alerts()
    assert dict(alert.labels) == {"alertname": "Down", "instance": "a", "équipe.de garde": "ops", "a-b": "a"}
    assert dict(alert.annotations) == {"runbook.url": "https://x/a"}
    await run.engine.silence(parse_matchers(format_matchers(matchers_of(alert.labels))), 3600, "kim")
    await run.engine.step()
    assert run.alerts()[0].silenced_by
    run.kill()


@pytest.mark.fault("4.66")
@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(st.characters(codec="utf-8"), min_size=1), st.text(), min_size=1))
def test_any_labels_are_written_as_they_are_read(labels: dict[str, str]) -> None:
    pairs = tuple(labels.items())
    assert parse_matchers(format_matchers(matchers_of(pairs))) == tuple(SilenceMatcher(*pair) for pair in pairs)
    assert matches_all(matchers_of(pairs), pairs)


@pytest.mark.fault("4.66")
@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(codec="utf-8", max_codepoint=0xFFFF), min_size=1, max_size=40))
def test_any_name_may_be_that_of_a_label(name: str) -> None:
    rule = {"alert": "A", "expr": "up", "labels": {name: "x"}, "annotations": {name: "y"}}
    text = json.dumps({"groups": [{"name": "g", "rules": [rule]}]})
    if name == "__name__":
        return
    assert from_text(text, "r.yml").groups[0].rules[0].labels == {name: "x"}
