"""Pages with a past that moves, for screens that must look the same every time: a service, a database and an alert that
are well, and the same when they are not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from lilfox_tui.alerts.model import Alert, Event, RuleView
from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.panes.metrics.state import Subject
from lilfox_tui.app.rendering.draw import UNICODE, Glyphs
from lilfox_tui.backends.kinds import postgresql, redis
from lilfox_tui.backends.model import BackendFact, BackendReading
from lilfox_tui.backends.postgresql.inspect import IndexStats, tables
from lilfox_tui.backends.postgresql.queries import ClientCounts, SessionCounts, SlowStatement, TableSize
from lilfox_tui.config.model import Thresholds
from lilfox_tui.core.aio import Ready
from lilfox_tui.core.i18n import tr
from lilfox_tui.metrics.model import Level, Series
from lilfox_tui.metrics.traffic import Quantile, Traffic, TrafficPart, series_of_traffic
from lilfox_tui.monitor.alert_explain import ComparisonSide, Explanation, RuleLimits, compared
from lilfox_tui.monitor.model import BackendView, Overview
from tests.app.alerts_made import RULES, some
from tests.app.overviews import NOW, host, service, summary
from tests.app.still import still_app
from tests.app.test_backends import look, postgres_view
from tests.app.traffic_overviews import KEPT, TAKEN, TARGET

GATEWAY, DATABASE, CACHE = ("service", "gateway"), ("backend", "orders-db"), ("backend", "cache")
_SAMPLES, _STEP_S = 60, 5.0
_ILL_FROM = 0.6
"""Of the window: when what is ill became so."""


def traffic(place: float, *, ill: bool) -> Traffic:
    """A service's requests, ``place`` of the window after its start."""
    bad = ill and place >= _ILL_FROM
    wave = math.sin(place * 9)
    return Traffic(
        at=NOW, window_s=30.0, requests_s=400 + 60 * wave,
        p50=Quantile(0.018 + 0.004 * wave), p95=Quantile(2.4 if bad else 0.09),
        p99=Quantile(10.0, ">") if bad else Quantile(0.21),
        client_errors=0.8, server_errors=31.25 if bad else 0.5, in_flight=31.0, taken=TAKEN,
    )  # fmt: skip


def routes(*, ill: bool) -> list[TrafficPart]:
    return [
        TrafficPart("/api/messages", 300.0, 75.0, Quantile(0.018), Quantile(2.4 if ill else 0.09), Quantile(0.21), None,
                    0.8, 41.5 if ill else 0.6),
        TrafficPart("/api/orders/{id}", 90.0, 22.5, Quantile(0.012), Quantile(0.05), Quantile(0.09), None, 0.9, 0.2),
        TrafficPart("/health", 10.0, 2.5, Quantile(0.0005), Quantile(0.002), Quantile(0.0034), None, 0.0, 0.0),
    ]  # fmt: skip


def statuses(*, ill: bool) -> list[TrafficPart]:
    errors = 31.25 if ill else 0.5
    return [
        TrafficPart("200", 4 * (99.2 - errors), 99.2 - errors),
        TrafficPart("404", 3.2, 0.8),
        TrafficPart("500", 4 * errors, errors),
    ]


def rates() -> Mapping[str, list[float | None]]:
    rising = [float(20 * place) for place in range(12)]
    return {"/api/messages": [*rising], "/api/orders/{id}": [90.0, *[80.0 + place for place in range(11)]]}


_CHECKED = (tr("connections"), tr("waits for locks"), tr("idle transactions"), tr("deadlocks"))
_SIZES = IndexStats(
    (), (), (),
    (
        TableSize("orders", 812e6, 190e6, 1_204_000, 3100, 5200, 8100, 12, 3, 90_400),
        TableSize("stock", 41e6, 9e6, 96_000, 41, 0, 12, 0, 900, 400),
    ),
    {"orders": 901e6},
)  # fmt: skip


def database(*, ill: bool) -> BackendView:
    """A PostgreSQL with and without sessions that block each other."""
    view, found = postgres_view(), look()
    assert view.reading is not None
    known = _database_values(1.0, ill=ill)
    inspection = replace(
        found,
        pool=tuple(
            SessionCounts(state, round(known[_connections(state)]), waiting, oldest_s)
            for state, waiting, oldest_s in (
                ("active", 9 if ill else 0, 41.0 if ill else 0.2),
                ("idle", 0, None),
                ("idle in transaction", 0, 64.0 if ill else None),
            )
        ),
        sessions=tuple(
            replace(each, wait="Lock transactionid") if each.blocked_by else each for each in found.sessions or ()
        ) if ill else (),
        slow=(
            SlowStatement("42", 1204, 98e3, 81.4, 410.0, 1204, 900, 12, "SELECT * FROM orders WHERE note = $1", 71.5),
            SlowStatement("43", 90_400, 30e3, 0.3, 22.0, 90_400, 9000, 0, "SELECT 1 FROM users WHERE id = $1", 21.9),
            SlowStatement("44", 12, 9e3, 750.0, 2e3, 12, 900, 4_000, "UPDATE stock SET left_over = $1", 6.6),
        ),
        clients=(
            ClientCounts("shop", "orders", "web", "10.0.0.7", 12, 2 if ill else 0, 9, 1 if ill else 0, 2 if ill else 0,
                         64.0 if ill else None),
            ClientCounts("jobs", "orders", "worker", "10.0.0.9", 3, 0, 3, 0, 0),
            ClientCounts("postgres", "postgres", "psql", "local", 1, None, None, None, None),
        ),
    )  # fmt: skip
    reading = replace(view.reading, values={**view.reading.values, **_database_values(1.0, ill=ill)},
                      tables=tables(inspection, _SIZES), checked=_CHECKED)  # fmt: skip
    figures = postgresql.headline(reading.values)
    if ill:
        return replace(view, reading=reading, figures=figures)
    return replace(view, reading=reading, level=Level.GOOD, reasons=(), figures=figures)


def _connections(state: str) -> Series:
    return Series("postgresql_connections", (("state", state),))


def _database_values(place: float, *, ill: bool) -> dict[Series, float]:
    bad = ill and place >= _ILL_FROM
    wave = math.sin(place * 7)
    active, idle, waiting = (14.0 if bad else round(4 + 2 * wave)), round(20 + 3 * wave), (9.0 if bad else 0.0)
    states = {"active": float(active), "idle": float(idle), "idle in transaction": 1.0 if bad else 0.0}
    values = {_connections(state): count for state, count in states.items()}
    return values | {
        Series("postgresql_connections_waiting"): waiting,
        Series("postgresql_connections_used"): sum(states.values()),
        Series("postgresql_connections_max"): 100.0,
        Series("postgresql_cache_hit_percent"): 98.6,
        Series("postgresql_commits_total"): 120_400.0 + place * 300 * (40 if not ill else 24),
        Series("postgresql_rollbacks_total"): 31.0 + place * 30,
    }


def cache() -> BackendView:
    values = _cache_values(1.0)
    reading = BackendReading(NOW, values, facts=(BackendFact("version", tr("version"), "8.0.2"),))
    return BackendView(
        "cache", redis.Options(), Level.GOOD, NOW - timedelta(hours=2), (), redis.headline(values), reading
    )


def _cache_values(place: float) -> dict[Series, float]:
    wave = math.sin(place * 8)
    return {
        Series("redis_operations_per_second"): 412 + 90 * wave,
        Series("redis_used_memory_bytes"): (1.1 + 0.1 * place) * 1024**3,
        Series("redis_max_memory_bytes"): 2.0 * 1024**3,
        Series("redis_hit_percent"): 97.2,
        Series("redis_connected_clients"): 18.0,
        Series("redis_blocked_clients"): 1.0,
        Series("redis_max_clients"): 10_000.0,
        Series("redis_evicted_keys_total"): 40.0 + place * 600,
        Series("redis_expired_keys_total"): 900.0 + place * 900,
    }


def overview(*, ill: bool) -> Overview:
    """A host, the gateway with its requests, the database and the cache, and the alerts."""
    level = Level.FAILING if ill else Level.GOOD
    reason = (tr("answers 503, expected {codes}", codes="200"),) if ill else ()
    gateway = replace(
        service("gateway", level, 503 if ill else 200, 0.012, *reason),
        traffic=Ready(traffic(1.0, ill=ill), NOW),
        limits=RuleLimits(RULES).of_service("gateway", Thresholds().server_errors_percent),
    )
    backends = {view.name: view for view in (database(ill=ill), cache())}
    hosts = {"web-1": host("web-1", Level.GOOD, summary("web-1", 23, 61, 71))}
    return Overview(NOW, hosts, {"gateway": gateway}, backends, alerts=Ready(some(), NOW))


def explanation(alert: Alert, rule: RuleView, window: timedelta, columns: int) -> Explanation:
    """The series of the error rule: one above its limit since the alert became active, one below, one gone."""
    start = NOW - window
    since = (alert.active_at - start) / window
    ends = 2.0 if alert.resolved_at is None else (alert.resolved_at - start) / window
    ill = tuple(
        0.31 + 0.02 * math.sin(place / 4) if since <= (place + 1) / columns < ends else 0.004
        for place in range(columns)
    )
    well = tuple(None if place < columns / 3 else 0.012 + 0.004 * math.sin(place / 9) for place in range(columns))
    sides = (
        ComparisonSide((("job", "backend"),), 0.31 if alert.resolved_at is None else 0.004, 0.05,
                       alert.resolved_at is None, ill),
        ComparisonSide((("job", "gateway"),), 0.012, 0.05, False, well),
        ComparisonSide((("job", "gone"),), None, 0.05, False, (None,) * columns),
    )  # fmt: skip
    return Explanation(compared(rule.expression), sides)


def error_alert(*, resolved: bool) -> tuple[Alert, RuleView]:
    """The alert about errors, still firing, or over since two minutes."""
    found = some().alerts[1]
    return (replace(found, resolved_at=NOW - timedelta(minutes=2), state=0) if resolved else found), RULES[0]


EVENTS = (
    Event(NOW - timedelta(minutes=2), "told", (), by="mail"),
    Event(NOW - timedelta(minutes=6), "fired", (), value=0.27),
    Event(NOW - timedelta(hours=3), "resolved", (), value=0.01, lasted_s=840),
)


def alert_subject() -> Subject:
    found = some().alerts[1]
    return "alert", f"{found.rule}{found.labels}"


def pages_app(
    monkeypatch: pytest.MonkeyPatch,
    *,
    ill: bool,
    language: str = "en",
    theme: str = "fox-dark",
    glyphs: Glyphs = UNICODE,
) -> LilFoxApp:
    """The app over :func:`overview`, with five minutes of past and an answer to why the alert fires."""
    shown = overview(ill=ill)
    app = still_app(shown, language=language, theme=theme, glyphs=glyphs)
    monitor = app.monitor
    for sample in range(_SAMPLES + 1):
        at, place = NOW - timedelta(seconds=(_SAMPLES - sample) * _STEP_S), sample / _SAMPLES
        monitor.history.add("traffic/gateway", at, series_of_traffic(traffic(place, ill=ill)))
        monitor.history.add("backend/orders-db", at, _database_values(place, ill=ill))
        monitor.history.add("backend/cache", at, _cache_values(place))
    scraping = monitor.scraping
    monkeypatch.setattr(scraping, "by_route", lambda _name, _at: routes(ill=ill))
    monkeypatch.setattr(scraping, "by_status", lambda _name, _at: statuses(ill=ill))
    monkeypatch.setattr(scraping, "route_rates", lambda _name, _start, _end, _count: rates())
    monkeypatch.setattr(scraping, "targets", lambda _name: (TARGET,))
    monkeypatch.setattr(scraping, "kept", lambda: KEPT)

    async def why(_expression: str, start: datetime, end: datetime, columns: int) -> Explanation:
        alert, rule = error_alert(resolved=False)
        return explanation(alert, rule, end - start, columns)

    async def events(_labels: object) -> tuple[Event, ...]:
        return EVENTS

    monkeypatch.setattr(monitor.alerting, "why", why)
    monkeypatch.setattr(monitor.alerting, "events", events)
    return app
