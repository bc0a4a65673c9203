"""Backends on the screen: their lines, their pages, and the plan of a slow statement."""

from __future__ import annotations

from datetime import timedelta

import pytest
from textual.pilot import Pilot

from lilfox_tui.app.rendering.draw import ASCII
from lilfox_tui.backends.kinds import celery, postgresql, pybreaker, redis
from lilfox_tui.backends.model import BackendError, BackendFact, BackendReading, StatementPlan
from lilfox_tui.backends.postgresql.inspect import IndexStats, Inspection, facts, tables
from lilfox_tui.backends.postgresql.queries import (
    DatabaseStats,
    DuplicateIndexes,
    ServerStatus,
    SessionCounts,
    SessionRow,
    SlowStatement,
    UnusedIndex,
)
from lilfox_tui.backends.tables import Backlog, Breaker, BreakerState, Queue, TripCounter
from lilfox_tui.config.model import Threshold
from lilfox_tui.core.aio import Unavailable
from lilfox_tui.core.i18n import tr
from lilfox_tui.core.text import cell_width
from lilfox_tui.metrics.model import Level, Series
from lilfox_tui.monitor.model import BackendView, Overview
from tests.app.overviews import NOW, mixed
from tests.app.still import screen_text, still_app
from tests.app.test_screens import SIZES, check
from tests.waiting import until

EXTRA = "\x1b[31m[bold]orders"


def look() -> Inspection:
    sessions = (
        SessionRow(811, "shop", EXTRA, "web", "idle in transaction", (), 64.0, 63.0, "UPDATE orders SET paid = true"),
        SessionRow(902, "shop", EXTRA, "web", "active", (811,), 41.0, 41.0, "UPDATE orders SET sent = true"),
        SessionRow(903, "shop", EXTRA, "job", "active", (902,), 12.0, 12.0, "DELETE FROM orders WHERE id = 7"),
    )
    return Inspection(
        server=ServerStatus(170012, "17.12", False, True, "lilfox", "orders", 100, 3, True, "public", 86400.0 * 3),
        pool=(
            SessionCounts("active", 2, 2, 41.0),
            SessionCounts("idle", 12, 0, None),
            SessionCounts("idle in transaction", 1, 0, 64.0),
        ),
        sessions=sessions,
        databases=(DatabaseStats("orders", 15, 120_400, 31, 900, 12, 0, 0, 48_000_000),),
        senders=(),
        receiver=None,
        slots=(),
        slow=(SlowStatement("42", 1204, 98_000.0, 81.4, 410.0, 1204, 900, 12, "SELECT * FROM orders WHERE note = $1"),),
        indexes=None,
    )


def postgres_view() -> BackendView:
    found = look()
    indexes = IndexStats(
        (UnusedIndex("orders_note", "orders", 812e6),),
        (DuplicateIndexes("orders", ("orders_a", "orders_a2"), 90e6),),
        (),
    )
    states = {"active": 2.0, "idle": 12.0, "idle in transaction": 1.0}
    values = {Series("postgresql_connections", (("state", state),)): count for state, count in states.items()}
    values |= {
        Series("postgresql_connections_waiting"): 2.0,
        Series("postgresql_connections_max"): 100.0,
        Series("postgresql_connections_used"): 15.0,
        Series("postgresql_cache_hit_percent"): 98.6,
    }
    reading = BackendReading(NOW, values, facts=facts(found), tables=tables(found, indexes))
    reason = tr("{pid} has waited {time} for a lock held by {holders}", pid=902, holders="811", time="41 s")
    since = NOW - timedelta(seconds=31)
    figures = postgresql.headline(values)
    return BackendView("orders-db", postgresql.Options(host="db-1"), Level.DEGRADED, since, (reason,), figures, reading)


def backends() -> list[BackendView]:
    since = NOW - timedelta(hours=2)
    hit = {Series("redis_hit_percent"): 97.2, Series("redis_used_memory_bytes"): 1.1 * 1024**3}
    hit |= {Series("redis_connected_clients"): 18.0, Series("redis_operations_per_second"): 412.0}
    away = Unavailable(
        BackendError(tr("{where}: {reason}", where="10.0.0.9:6379", reason=tr("nothing is listening at this address"))),
        NOW - timedelta(seconds=14),
        NOW + timedelta(seconds=4),
    )
    queue = Backlog(Threshold(warn=1000)).reading([Queue("celery", 1204, consumers=3)])
    trips = TripCounter()
    for state in (BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.OPEN):
        trips.reading([Breaker("model", state)])
    breakers = trips.reading([Breaker("model", BreakerState.HALF_OPEN), Breaker("mail", BreakerState.CLOSED)])
    plain_values = {Series("postgresql_connections_max"): 100.0, Series("postgresql_connections_used"): 9.0}
    plain = BackendReading(
        NOW, plain_values, incomplete=tr("incomplete: {part}: {reason}", part="pool", reason="no right")
    )
    cache = BackendReading(NOW, hit, facts=(BackendFact("version", tr("version"), "8.0.2"),))
    return [
        postgres_view(),
        BackendView("cache", redis.Options(), Level.GOOD, since, (), redis.headline(hit), cache),
        BackendView(
            "tasks", celery.Options(), Level.DEGRADED, since,
            tuple(each.text for each in queue.findings), celery.headline(queue.values), queue,
        ),
        BackendView(
            "breakers", pybreaker.Options(), Level.DEGRADED, since,
            tuple(each.text for each in breakers.findings), pybreaker.headline(breakers.values), breakers,
        ),
        BackendView("old-db", postgresql.Options(), Level.GOOD, since, (), postgresql.headline(plain_values), plain),
        BackendView("sessions", redis.Options(), Level.FAILING, away.since, (), (), None, away),
        BackendView("new", redis.Options(), Level.UNKNOWN, NOW, (tr("not checked yet"),)),
    ]  # fmt: skip


def overview() -> Overview:
    before = mixed()
    return Overview(NOW, before.hosts, before.services, {view.name: view for view in backends()})


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_lines(size: tuple[int, int], language: str) -> None:
    app = still_app(overview(), language=language)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        text = screen_text(pilot)
        check(f"backends-{size[0]}x{size[1]}-{language}", text)
        assert all(cell_width(line) <= size[0] for line in text.splitlines())


@pytest.mark.parametrize("language", ["en", "zh_CN"])
async def test_a_databases_page(language: str) -> None:
    app = still_app(overview(), language=language)
    async with app.run_test(size=(120, 60)) as pilot:
        app.metrics.open_page(("backend", "orders-db"))
        await pilot.pause()
        check(f"backend-120x60-{language}", screen_text(pilot))


async def test_an_ascii_terminal() -> None:
    app = still_app(overview(), theme="mono", glyphs=ASCII)
    async with app.run_test(size=(80, 24)) as pilot:
        app.metrics.open_page(("backend", "orders-db"))
        await pilot.pause()
        text = screen_text(pilot)
        assert text.isascii()
        check("backend-ascii-80x24-en", text)


async def test_the_header_counts_backends_too() -> None:
    app = still_app(overview())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        first = screen_text(pilot).splitlines()[0]
        assert f"● {overview().count(Level.GOOD)}" in first
        assert f"◐ {overview().count(Level.DEGRADED)}  ✖ {overview().count(Level.FAILING)}" in first
        assert overview().count(Level.DEGRADED) == mixed().count(Level.DEGRADED) + 3


async def test_all_by_keyboard() -> None:
    app = still_app(overview())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        await pilot.press("slash", *"sessions", "enter")
        await pilot.pause()
        assert app.metrics.state.selected == ("backend", "sessions")
        await pilot.press("enter")
        await pilot.pause()
        text = screen_text(pilot)
        assert "never answered, next try in 4 s: 10.0.0.9:6379: nothing is listening at this address" in text
        await pilot.press("escape", "escape")
        assert app.metrics.state.page is None


async def test_the_plan_of_a_slow_statement_is_asked_for_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    app = still_app(overview())
    asked: list[tuple[str, str]] = []

    async def explain(name: str, statement_id: str) -> StatementPlan:
        asked.append((name, statement_id))
        return StatementPlan(
            "SELECT * FROM orders WHERE note = $1", ("Seq Scan on orders  (cost=0.00..487.00)",), generic=True
        )

    monkeypatch.setattr(app.monitor.backends, "explain", explain)
    async with app.run_test(size=(120, 40)) as pilot:
        app.metrics.open_page(("backend", "orders-db"))
        await pilot.press("colon", *"explain", "enter")
        await shown(pilot, "Explain which statement?")
        assert asked == []
        await pilot.press("enter")
        await shown(pilot, "Seq Scan on orders")
        assert "without parameter values" in screen_text(pilot)
        assert asked == [("orders-db", "42")]
        await pilot.press("escape")
        app.metrics.open_page(("backend", "cache"))
        assert (
            str({each.id: each.why_not() for each in app.all_actions}["explain"]) == "cache reports no slow statements"
        )


async def shown(pilot: Pilot[None], text: str) -> None:
    await until(lambda: text in screen_text(pilot), what=f"{text} is shown")
