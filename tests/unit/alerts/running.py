"""An engine on a clock that the test moves, over series that the test writes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace

from lilfox_tui.alerts.engine import AlertEngine
from lilfox_tui.alerts.model import Alert
from lilfox_tui.alerts.notifier import Notification, NotifierSetup
from lilfox_tui.config.model import AlertsConfig, Config, NotifierConfig
from lilfox_tui.config.values import Seconds, Wait
from lilfox_tui.scrape.labels import LabelList, LabelSet
from lilfox_tui.scrape.store import SeriesStore
from tests.unit.alerts.made import at

RULES = """
groups:
  - name: g
    interval: 15s
    rules:
      - alert: Down
        expr: up == 0
        for: 2m
        labels: {severity: page}
        annotations: {summary: "{{ $labels.instance }} is down"}
      - alert: Busy
        expr: busy > 5
"""
ALERTS = AlertsConfig(group_wait=Wait(0.1), group_interval=Seconds(60), remind=Seconds(3600))


class Clock:
    """``now`` and ``passed`` go on together unless the clock is ``set``."""

    def __init__(self) -> None:
        self.seconds = self.running = 0.0

    def now(self) -> datetime:
        return at(self.seconds)

    def passed(self) -> float:
        return self.running

    def go_on(self, seconds: float) -> None:
        self.seconds += seconds
        self.running += seconds


class Run:
    """An engine that is stepped; ``folder`` holds the rules and the state."""

    def __init__(
        self,
        folder: Path,
        clock: Clock | None = None,
        *,
        rules: str | None = RULES,
        store: SeriesStore | None = None,
        alerts: AlertsConfig = ALERTS,
        notifiers: Mapping[str, NotifierConfig] | None = None,
        config: Config | None = None,
        **more: Any,
    ) -> None:
        self.folder, self.clock = folder, clock or Clock()
        self.store = store or SeriesStore(keep_s=7200, limit_bytes=50_000_000)
        self.rules = folder / "rules.yml"
        if rules is not None:
            self.rules.write_text(rules)
        self.rang: list[Notification] = []
        whole = replace(config or Config(), rules=("rules.yml",), alerts=alerts, notifiers=dict(notifiers or {}))
        self.engine = AlertEngine(
            whole, self.store, folder=folder, base=folder, setting=NotifierSetup(self.rang.append),
            now=self.clock.now, passed=self.clock.passed, **more,
        )  # fmt: skip

    async def start(self) -> None:
        """Loads, and goes on to the next time at which the first group is due, so that steps of 15 s meet it."""
        await self.engine.load()
        groups = list(self.engine._evaluating.groups.values())
        if groups:
            now_ms = round(self.clock.now().timestamp() * 1000)
            self.clock.go_on((groups[0].slot_ms(now_ms) + groups[0].interval_ms - now_ms) / 1000)

    def scrape(self, values: Mapping[str, float], name: str = "up") -> None:
        """One page of a target: instance to value."""
        labels = LabelList([LabelSet.of({"__name__": name, "instance": each}) for each in values])
        self.store.target(name).append(round(self.clock.now().timestamp() * 1000), labels, np.array([*values.values()]))

    def write(self, name: str, labels: Mapping[str, str], value: float) -> None:
        """One series, a target of its own."""
        made = LabelList([LabelSet.of({**labels, "__name__": name})])
        self.store.target(name).append(round(self.clock.now().timestamp() * 1000), made, np.array([value]))

    async def go(self, seconds: float, values: Mapping[str, float] | None = None, name: str = "up") -> list[str]:
        """Goes on in steps of 15 s, scraping ``values`` at each; gives the alerts then."""
        for _ in range(round(seconds / 15)):
            self.clock.go_on(15)
            if values is not None:
                self.scrape(values, name)
            await self.engine.step()
        return self.shown()

    def alerts(self) -> tuple[Alert, ...]:
        value = self.engine.feed.value
        assert value is not None
        return value.alerts

    def troubles(self) -> list[str]:
        """What does not go as it should."""
        value = self.engine.feed.value
        assert value is not None
        return [str(one) for one in value.troubles]

    def shown(self) -> list[str]:
        """``Down a firing`` and so on."""
        return [f"{one.name} {one.label('instance')} {one.state.name.lower()}" for one in self.alerts()]

    def kill(self) -> None:
        """What a kill -9 leaves: the lock is free, nothing else is done."""
        self.engine._lock.release()
