"""The alerts of a real Prometheus, a real VictoriaMetrics with vmalert and our engine, on the same targets; a real
Alertmanager beside Prometheus, and what we say to it."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import json
import math
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from lilfox_tui.alerts.engine import AlertEngine
from lilfox_tui.alerts.external import AlertmanagerApi, ExternalAlerts
from lilfox_tui.alerts.model import Alert, AlertState, RuleHealth, SilenceMatcher
from lilfox_tui.config.model import AlertsConfig, ApiConfig, Config
from lilfox_tui.config.values import Seconds
from lilfox_tui.core.errors import LilFoxError, UsageError
from lilfox_tui.promql.remote import RemoteEngine
from tests.services.alertmanager import AlertmanagerServer
from tests.services.prometheus_server import prometheus
from tests.services.stamped_targets import stamped_targets
from tests.services.test_remote import scraped
from tests.services.victoria_server import victoria, vmalert
from tests.waiting import pause, until

RULES = """
groups:
  - name: app
    interval: 250ms
    rules:
      - record: job:level:max
        expr: max by (job) (level)
      - alert: TooHigh
        expr: level > 5
        for: 1s
        labels: {severity: critical, who: "{{ $labels.name }}"}
        annotations: {summary: "{{ $labels.name }} is at {{ $value }}"}
      - alert: JobHigh
        expr: job:level:max > 5
        labels: {severity: warning}
      - alert: Waiting
        expr: level > 5
        for: 1h
      - alert: Always
        expr: count by (job) (level) == 2
      - alert: Never
        expr: level > 100
"""
Said = dict[str, tuple[str, float, tuple[tuple[str, str], ...]]]


def said(alerts: tuple[Alert, ...]) -> Said:
    """What the alerts that are not over tell: by their labels, state, value and annotations."""
    return {
        str(one.labels): (one.state.name, one.value, one.annotations)
        for one in alerts
        if one.state is not AlertState.RESOLVED
    }


def names(found: Said) -> list[str]:
    return sorted(f"{dict(ast.literal_eval(labels))['alertname']} {state}" for labels, (state, *_) in found.items())


async def settled(external: ExternalAlerts, wanted: list[str], what: str) -> Said:
    """What it says once its alerts are the wanted ones."""
    deadline = time.monotonic() + 60
    while names(found := said((await external.read()).alerts)) != wanted:
        assert time.monotonic() < deadline, f"{what}: {names(found)}"
        await pause(0.05)
    return found


async def test_external_mode_has_the_alerts_of_embedded_mode(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yml"
    rules.write_text(RULES)
    async with AsyncExitStack() as stack:
        targets = stack.enter_context(stamped_targets())
        server = stack.enter_context(prometheus(tmp_path, settings="rule_files: [rules.yml]\n" + targets.settings))
        stored = stack.enter_context(victoria(tmp_path / "victoria", targets.settings))
        ruled = stack.enter_context(vmalert(tmp_path, rules, stored))
        asked = stack.enter_context(victoria(tmp_path / "asked", "scrape_configs: []", f"-vmalert.proxyURL={ruled}"))
        store = await stack.enter_async_context(scraped(targets))
        config = Config(rules=("rules.yml",), alerts=AlertsConfig(every=Seconds(0.25)))
        engine = AlertEngine(config, store, folder=None, base=tmp_path)
        running = asyncio.create_task(engine.run())
        stack.push_async_callback(_ended, running)
        urls = {"Prometheus": f"http://127.0.0.1:{server.port}", "vmalert": ruled, "VictoriaMetrics": asked}
        others = {name: ExternalAlerts(RemoteEngine(ApiConfig(url=url)), None) for name, url in urls.items()}
        for each in others.values():
            stack.push_async_callback(each.close)

        def here() -> Said:
            return {} if engine.feed.value is None else said(engine.feed.value.alerts)

        calm, wrong = ["Always FIRING"], ["Always FIRING", "JobHigh FIRING", "TooHigh FIRING", "Waiting PENDING"]
        for faulty, wanted in ((False, calm), (True, wrong), (False, calm)):
            targets.faulty = faulty
            await until(lambda wanted=wanted: names(here()) == wanted, what=f"{wanted} here")  # type: ignore[misc]
            for name, external in others.items():
                assert await settled(external, wanted, name) == here(), name
        for external in others.values():
            alerts = await external.read()
            assert [one.name for one in alerts.rules] == [
                "job:level:max", "TooHigh", "JobHigh", "Waiting", "Always", "Never"
            ]  # fmt: skip
            assert {one.health for one in alerts.rules} == {RuleHealth.GOOD}
            assert not alerts.evaluated_here
            over = {one.name for one in alerts.alerts if one.state is AlertState.RESOLVED}
            assert over == {"TooHigh", "JobHigh"}


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _told(server: AlertmanagerServer, labels: dict[str, str]) -> None:
    """Tells the Alertmanager an alert, as a sender does."""
    body = json.dumps([{"labels": labels, "annotations": {"summary": "it burns"}}]).encode()
    urlopen(Request(f"{server.url}/api/v2/alerts", body, {"Content-Type": "application/json"}), timeout=60).close()


async def test_alerts_and_silences_of_an_alertmanager(tmp_path: Path) -> None:
    with AlertmanagerServer(tmp_path) as server:
        api = AlertmanagerApi(ApiConfig(url=server.url))
        external = ExternalAlerts(None, api)
        try:
            _told(server, {"alertname": "Burns", "job": "app", "severity": "critical"})
            _told(server, {"alertname": "Other", "job": "web"})
            burns, other = await _alerts_of(external)
            assert dict(burns.labels) == {"alertname": "Burns", "job": "app", "severity": "critical"}
            assert dict(burns.annotations) == {"summary": "it burns"}
            assert (burns.state, burns.rule, burns.silenced_by) == (AlertState.FIRING, server.url, ())
            assert math.isnan(burns.value)

            made = await external.silence((SilenceMatcher("job", "a.*", is_regex=True),), 3600, "fox", "known")
            burns, other = await _alerts_of(external)
            assert (burns.silenced_by, other.silenced_by) == ((made.id,), ())
            (silence,) = (await external.read()).silences
            assert (silence.id, silence.matchers, silence.created_by, silence.comment) == (
                made.id, made.matchers, "fox", "known"
            )  # fmt: skip
            assert abs(silence.ends_at - datetime.now(UTC) - timedelta(hours=1)) < timedelta(seconds=30)
            await external.expire(made.id, "fox")
            assert (await external.read()).silences == ()

            await external.acknowledge(other, "fox")
            _burns, other = await _alerts_of(external)
            await external.acknowledge(other, "fox", "on it")
            burns, other = await _alerts_of(external)
            assert burns.acknowledged is None
            assert other.acknowledged is not None
            assert (other.acknowledged.by, other.acknowledged.note) == ("fox", "on it")
            assert len((await external.read()).silences) == 1, "the note replaces the acknowledgement without one"
            await external.unacknowledge(other, "fox")
            burns, other = await _alerts_of(external)
            assert (other.acknowledged, other.silenced_by) == (None, ())
        finally:
            await external.close()


async def _alerts_of(external: ExternalAlerts) -> tuple[Alert, Alert]:
    """Both, once what was said to the Alertmanager shows: it looks at silences a moment later."""
    burns, other = sorted((await external.read()).alerts, key=lambda one: one.name)
    return burns, other


async def test_what_an_alertmanager_refuses_is_said_in_its_words(tmp_path: Path) -> None:
    with AlertmanagerServer(tmp_path) as server:
        api = AlertmanagerApi(ApiConfig(url=server.url))
        now = datetime.now(UTC)
        try:
            with pytest.raises(LilFoxError, match=r"returns 400: .*end time"):
                await api.create((SilenceMatcher("a", "b"),), now, now - timedelta(hours=1), "fox")
            with pytest.raises(UsageError, match="match every alert"):
                await api.create((SilenceMatcher("a", ".*", is_regex=True),), now, now + timedelta(hours=1), "fox")
            with pytest.raises(LilFoxError, match=r"returns 404|not found"):
                await api.expire("00000000-0000-0000-0000-000000000000")
            with pytest.raises(LilFoxError, match="is not a silence ID"):
                await api.expire("../alerts")
        finally:
            await api.close()


async def test_silences_of_an_alertmanager_mark_the_alerts_of_prometheus(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(
        "groups: [{name: g, interval: 250ms, rules: [{alert: Now, expr: vector(1), labels: {severity: page}}]}]"
    )
    with AlertmanagerServer(tmp_path / "alertmanager") as server:
        settings = (
            "global: {external_labels: {site: north}}\nrule_files: [rules.yml]\n"
            f"alerting: {{alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{server.port}']}}]}}]}}\n"
        )
        with prometheus(tmp_path, "--rules.alert.resend-delay=500ms", settings=settings) as ruled:
            remote = RemoteEngine(ApiConfig(url=f"http://127.0.0.1:{ruled.port}"))
            external = ExternalAlerts(remote, AlertmanagerApi(ApiConfig(url=server.url)))
            try:
                await until(server.alerts, what="the alert is told")
                (alert,) = (await external.read()).alerts  # told with another label, it is the same one
                assert dict(alert.labels) == {"alertname": "Now", "severity": "page"}
                assert alert.value == 1.0
                made = await external.silence((SilenceMatcher("severity", "page"),), 60, "fox")
                (alert,) = (await external.read()).alerts
                assert alert.silenced_by == (made.id,)
            finally:
                await external.close()
    gone = ExternalAlerts(RemoteEngine(ApiConfig(url=f"http://127.0.0.1:{ruled.port}")), None)
    with pytest.raises(LilFoxError, match="refuses the connection"):  # not: that there are no alerts
        await gone.read()
    await gone.close()
