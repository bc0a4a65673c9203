"""A service that answers its health and fails its users, as ``lilfox check`` and the screen tell it."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import pytest

from lilfox_tui.config.loader import load
from lilfox_tui.config.model import Threshold
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import ServiceLimits
from lilfox_tui.monitor.monitor import Monitor
from tests.pages import served
from tests.services.lilfox_command import lilfox
from tests.services.test_monitor import watching
from tests.waiting import until

PAGE = """\
# TYPE http_requests_total counter
http_requests_total{{status="200"}} {good}
http_requests_total{{status="503"}} {bad}
"""


@pytest.mark.fault("4.73")
def test_check_says_it_and_exits_1(tmp_path: Path) -> None:
    count = itertools.count(1)
    with served([lambda: (200, PAGE.format(good=6 * (n := next(count)), bad=94 * n).encode())]) as (address,):
        config = tmp_path / "config.yaml"
        config.write_text(f"services: {{api: {{url: 'http://{address}', health: /metrics}}}}\n")
        table = lilfox("--config", config, "check")
        document = json.loads(lilfox("--config", config, "check", "--json").stdout)
    assert "5xx 94.0% > 20%" in table.stdout
    assert table.returncode == 1
    assert document["services"]["api"]["level"] == "failing"
    assert document["services"]["api"]["status"] == "healthy"


@pytest.mark.fault("4.73")
async def test_the_screen_says_it_while_it_is_so(tmp_path: Path) -> None:
    count = itertools.count(1)
    with served([lambda: (200, PAGE.format(good=6 * (n := next(count)), bad=94 * n).encode())]) as (address,):
        config = tmp_path / "config.yaml"
        config.write_text(
            f"refresh: 500ms\nthresholds: {{hold: 2}}\n"
            f"services: {{api: {{url: 'http://{address}', health: /metrics, timeout: 500ms, metrics_every: 500ms}}}}\n"
        )
        monitor = Monitor(load(config).config)
        async with watching(monitor):
            await until(lambda: level(monitor) is Level.FAILING, what="it fails")


RULES = """\
groups:
  - name: errors
    interval: 100ms
    rules:
      - alert: HighErrorRate
        expr: >
          sum by (job) (rate(http_requests_total{status=~"5.."}[10s])) / sum by (job) (rate(http_requests_total[10s]))
          > 0.05
        labels: {severity: critical}
"""


async def test_with_a_rule_of_5_percent_everything_says_5_percent(tmp_path: Path) -> None:
    """The limit that is drawn, the reason and the level are of the alert rule, not of the thresholds."""
    count = itertools.count(1)
    with served([lambda: (200, PAGE.format(good=90 * (n := next(count)), bad=10 * n).encode())]) as (address,):
        (tmp_path / "rules.yml").write_text(RULES)
        config = tmp_path / "config.yaml"
        config.write_text(
            f"refresh: 500ms\nthresholds: {{hold: 2}}\nrules: [rules.yml]\n"
            f"services: {{api: {{url: 'http://{address}', health: /metrics, timeout: 500ms, metrics_every: 500ms}}}}\n"
        )
        monitor = Monitor(load(config).config, alert_state=tmp_path / "state")
        async with watching(monitor):
            await until(lambda: len(reasons(monitor)) == 2, what="it fails above the limit of the rule")
        overview = monitor.overview.value
        assert overview is not None
        view = overview.services["api"]
        assert view.limits == ServiceLimits(Threshold(fail=5), "HighErrorRate")
        assert view.level is Level.FAILING
        said = "alert HighErrorRate is firing: job=api severity=critical"
        assert [re.sub(r"over \d+ s", "over", each) for each in reasons(monitor)] == ["5xx 10.0% > 5% over", said]
        then = monitor.overview_at(overview.at).services["api"]
        assert then.limits == view.limits, "also when the screen is turned back"


def reasons(monitor: Monitor) -> list[str]:
    """Those with which it fails."""
    overview = monitor.overview.value
    view = None if overview is None else overview.services["api"]
    failed = view is not None and view.level is Level.FAILING and not view.lesser
    return [str(each) for each in view.reasons] if failed and view is not None else []


def level(monitor: Monitor) -> Level:
    overview = monitor.overview.value
    return Level.UNKNOWN if overview is None else overview.services["api"].level
