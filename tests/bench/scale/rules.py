"""Alerting rules: their files read, and each group evaluated once, in its turn."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from lilfox_tui.alerts.engine import SHOWN_EACH_S, AlertEngine
from lilfox_tui.alerts.model import AlertState
from lilfox_tui.config.loader import load
from lilfox_tui.scrape.labels import LabelList, LabelSet, ms_of
from lilfox_tui.scrape.store import SeriesStore
from tests.bench.scale.child import run_lilfox
from tests.bench.scale.model import Axis, Limits, Operation, Stopwatch

OF_A_GROUP = 10
INTERVAL_S = 15
_INSTANCES = 100
_FIRING_EACH = 50
"""One in so many rules fires, for one instance."""
_SHARE = 0.1
"""Of a core, for all rules."""


@contextmanager
def prepare(size: int, folder: Path) -> Iterator[None]:
    """Groups of ten rules; one rule in fifty fires."""
    groups = [
        {"name": f"group-{first}", "rules": [_rule(number) for number in range(first, first + OF_A_GROUP)]}
        for first in range(0, size, OF_A_GROUP)
    ]
    (folder / "rules.yml").write_text(json.dumps({"groups": groups}))  # JSON is YAML
    config = folder / "config.yaml"
    config.write_text(json.dumps({"rules": ["rules.yml"]}))
    config.chmod(0o600)
    yield


def _rule(number: int) -> dict[str, object]:
    limit = _INSTANCES - 1.5 if number % _FIRING_EACH == 0 else _INSTANCES
    return {
        "alert": f"Queue{number}Long",
        "expr": f'max by (instance) (queue_length{{queue="{number % OF_A_GROUP}",zone!="{number}"}}) > {limit}',
        "labels": {"severity": "warning", "rule": f"{number}"},
        "annotations": {"summary": "{{ $labels.instance }} has {{ $value }} entries"},
    }


class _Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.began = self.at = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def passed(self) -> float:
        return (self.at - self.began).total_seconds()

    def go_on(self, milliseconds: int) -> None:
        self.at += timedelta(milliseconds=milliseconds)


def _read(_size: int, folder: Path, watch: Stopwatch) -> None:
    for _ in watch.rounds():
        with watch.turn():
            run_lilfox("alerts", "lint", str(folder / "rules.yml"))


def _evaluated(size: int, folder: Path, watch: Stopwatch) -> None:
    asyncio.run(_intervals(size, folder, watch))


async def _intervals(size: int, folder: Path, watch: Stopwatch) -> None:
    clock, store = _Clock(), SeriesStore(keep_s=7200, limit_bytes=1 << 30)
    engine = AlertEngine(
        load(folder / "config.yaml").config, store, folder=folder, base=folder, now=clock.now, passed=clock.passed
    )
    await engine.load()
    await _interval(engine, clock, store)  # the first has the alerts to save
    for _ in watch.rounds():
        with watch.turn():
            await _interval(engine, clock, store)
    assert engine.feed.value is not None
    firing = sum(alert.state is AlertState.FIRING for alert in engine.feed.value.alerts)
    assert firing == -(-size // _FIRING_EACH), firing


async def _interval(engine: AlertEngine, clock: _Clock, store: SeriesStore) -> None:
    """Goes on by an interval, to one group that is due after the other; what they change is published as often as
    ``run`` does."""
    _append(store, ms_of(clock.now()))
    end = clock.now() + timedelta(seconds=INTERVAL_S)
    manager = engine._evaluating
    while clock.now() < end:
        await engine.step()
        due_ms = manager.next_ms(ms_of(clock.now()))
        assert due_ms is not None
        clock.go_on(max(due_ms - ms_of(clock.now()), round(SHOWN_EACH_S * 1000)))


def _append(store: SeriesStore, at_ms: int) -> None:
    labels = [
        LabelSet.of({"__name__": "queue_length", "queue": f"{queue}", "instance": f"web-{number}"})
        for queue in range(OF_A_GROUP)
        for number in range(_INSTANCES)
    ]
    values = np.array([number for _queue in range(OF_A_GROUP) for number in range(_INSTANCES)], np.float64)
    store.target("queues").append(at_ms, LabelList(labels), values)


AXIS = Axis(
    name="rules",
    title="Alerting rules",
    unit="rules",
    about=f"Groups of {OF_A_GROUP} rules at {INTERVAL_S} s, each over {_INSTANCES} series; one rule in "
    f"{_FIRING_EACH} fires. The state is saved to disk.",
    sizes=(10, 30, 100, 300, 1000, 2000, 5000),
    prepare=prepare,
    operations=(
        Operation(name="lint", title="`lilfox alerts lint`", run=_read, limits=Limits(wall_s=5.0)),
        Operation(name="evaluate", title=f"an interval of {INTERVAL_S} s: each rule once", run=_evaluated,
                  limits=Limits(cpu_s=_SHARE * INTERVAL_S, peak_bytes=500_000_000)),
    ),
)  # fmt: skip
