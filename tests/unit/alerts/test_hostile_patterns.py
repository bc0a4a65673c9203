"""Patterns in rules that make others hang for years: RE2 goes on, and refuses those that would fill the memory."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.unit.alerts.running import Run

HANGS = "(a+)+(a|a)*(.*a){12}$"
VALUE = "a" * 5000 + "!"
RULES = f"""
groups:
  - name: g
    interval: 15s
    rules:
      - alert: Matched
        expr: up{{instance!~"{HANGS}"}} == 0
        annotations: {{summary: '{{{{ reReplaceAll "{HANGS}" "b" $labels.instance | len }}}}'}}
      - alert: Replaced
        expr: label_replace(up, "other", "$1", "instance", "{HANGS}") == 0
      - alert: Sane
        expr: up == 0
"""
MOST_S = 2.0


@pytest.mark.fault("S33")
async def test_a_pattern_that_would_hang_holds_up_no_rule(tmp_path: Path) -> None:
    run = Run(tmp_path, rules=RULES)
    try:
        await run.start()
        began = time.process_time()
        await run.go(30, {VALUE: 0.0})
        assert time.process_time() - began < MOST_S
        assert sorted(alert.name for alert in run.alerts()) == ["Matched", "Replaced", "Sane"]
        assert run.troubles() == []
        assert dict(run.alerts()[0].annotations)["summary"] == str(len(VALUE))
    finally:
        run.kill()


@pytest.mark.fault("S33")
async def test_a_pattern_that_would_fill_the_memory_is_refused_with_its_line(tmp_path: Path) -> None:
    run = Run(tmp_path, rules=RULES.replace(HANGS, "((a{1,500}){1,500}){1,500}", 1))
    try:
        await run.start()
        assert all("Matched" not in one for one in await run.go(15, {"a": 0.0}))
        assert run.engine.feed.value is not None
        (failed,) = [rule for rule in run.engine.feed.value.rules if rule.error is not None]
        assert "rules.yml:" in str(failed.error)
    finally:
        run.kill()
