"""Pages of services that are not asked over HTTP: what they report, and nothing about requests."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from lilfox_tui.config.loader import from_text
from lilfox_tui.core.i18n import tr
from lilfox_tui.metrics.model import DeadlineState, Health, HealthCheck, Level, ServiceState
from lilfox_tui.monitor.watchers.service import ServiceWatch
from tests.app.overviews import mixed
from tests.app.still import screen_text, still_app

HOUR = timedelta(hours=1)
NOW = mixed().at
FAILED = tr("the job failed {age} ago: exit status {code}", age="2 h", code=3)


@pytest.mark.parametrize(
    ("keys", "check", "more", "told"),
    [
        (
            "deadline: {period: 1d}",
            HealthCheck(NOW, Health.UNHEALTHY, None, 125.0, FAILED),
            {"deadline": DeadlineState(NOW - 26 * HOUR, NOW - 2 * HOUR, 125.0, 3)},
            ("the job failed 2 h ago: exit status 3", "last success 1 d 2 h ago", "next report due 2 h ago",
             "last run 2 min", "exit status 3"),
        ),
        (
            "lines: {log: app, where: error, count: 9}",
            HealthCheck(NOW, Health.HEALTHY, None, None),
            {"lines": 4},
            ("lines in 5 min 4", "limit 9"),
        ),
        ("tcp: 'db-1:5432'", HealthCheck(NOW, Health.HEALTHY, None, 0.012), {}, ("tcp://db-1:5432", "12ms")),
    ],
)  # fmt: skip
async def test_a_page(keys: str, check: HealthCheck, more: dict[str, object], told: tuple[str, ...]) -> None:
    config = from_text(f"logs: {{app: {{kind: file, path: /x}}}}\nservices: {{job: {{{keys}}}}}", "config.yaml")
    watch = ServiceWatch("job", config.services["job"])
    level = Level.GOOD if check.health is Health.HEALTHY else Level.FAILING
    watch.take(ServiceState("job", watch.config.url, level, NOW - HOUR, check, 0, **more))  # type: ignore[arg-type]
    app = still_app(replace(mixed(), services={"job": watch.view()}, hosts={}))
    async with app.run_test(size=(140, 34)) as pilot:
        await pilot.pause()
        assert "…" not in next(line for line in screen_text(pilot).splitlines() if "job  " in line and "health" in line)
        await pilot.press("enter")
        await pilot.pause()
        text = " ".join(screen_text(pilot).split())
    for each in told:
        assert each in text
    for each in ("status code", "expected", "metrics endpoint"):
        assert each not in text
