"""The app over rules that are evaluated: a real engine over series that a test writes, nothing else watched."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from msgspec.structs import replace
from textual.pilot import Pilot

from lilfox_tui.alerts.model import Alert, AlertState
from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.panes.metrics.state import alerts_of
from lilfox_tui.app.rendering.draw import UNICODE
from lilfox_tui.config.model import AlertsConfig, Config
from lilfox_tui.config.themes import load_theme
from lilfox_tui.monitor.model import Overview
from lilfox_tui.monitor.monitor import Monitor
from lilfox_tui.scrape.labels import LabelList, LabelSet
from lilfox_tui.scrape.store import SeriesStore
from tests.app.overviews import mixed
from tests.app.still import config_of
from tests.waiting import until

RULES = """
groups:
  - name: g
    interval: 100ms
    rules:
      - alert: Down
        expr: up == 0
        for: {wait}
        labels: {{severity: critical}}
        annotations: {{summary: "{{{{ $labels.job }}}} is down", runbook_url: "https://runbooks.example/down"}}
"""
SCRAPED_EACH_S = 0.1


class RulesMonitor(Monitor):
    """Watches nothing but the rules and the runbooks; ``values`` are those of ``up`` by job, from now on."""

    def __init__(self, config: Config, state: Path, values: dict[str, float]) -> None:
        super().__init__(config, alert_state=state)
        self.values = values
        self.seen = mixed()
        self.scraping.store.publish(SeriesStore(keep_s=3600, limit_bytes=10_000_000))

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._scrape())
            group.create_task(self.alerting.run())
            group.create_task(self.runbooks.run())
            group.create_task(self._tell())

    async def _scrape(self) -> None:
        store = self.scraping.store.value
        assert store is not None
        while True:
            labels = LabelList([LabelSet.of({"__name__": "up", "job": job}) for job in self.values])
            store.target("up").append(
                time.time_ns() // 1_000_000, labels, np.array([*self.values.values()], np.float64)
            )
            again = asyncio.Event()
            asyncio.get_running_loop().call_later(SCRAPED_EACH_S, again.set)
            await again.wait()

    async def _tell(self) -> None:
        async with aclosing(self.alerting.feed.watch()) as states:
            async for _state in states:
                self.publish()

    def publish(self) -> Overview:
        """Tells what is known now."""
        overview = replace(self.seen, at=datetime.now(UTC), alerts=self.alerting.state)
        self.overview.publish(overview, overview.at)
        return overview


class Console:
    """The app with its monitor and pilot."""

    def __init__(self, app: LilFoxApp, monitor: RulesMonitor, pilot: Pilot[None]) -> None:
        self.app, self.monitor, self.pilot = app, monitor, pilot
        self.rung = 0

    def states(self) -> dict[str, AlertState]:
        """What is shown: job to state."""
        return {one.label("job"): one.state for one in self.alerts()}

    def alerts(self) -> tuple[Alert, ...]:
        """All alerts that the pane has."""
        alerts = alerts_of(self.app.metrics.state.overview)
        return () if alerts is None else alerts.alerts

    async def until_state(self, job: str, state: AlertState | None) -> None:
        """Waits until that job's alert is in that state on the screen; None for no alert."""
        await until(lambda: self.states().get(job) is state, what=f"{job} is {state}")
        await self.pilot.pause()

    async def keys(self, *keys: str) -> None:
        """Presses keys and lets the screen follow."""
        await self.pilot.press(*keys)
        await self.pilot.pause()


@asynccontextmanager
async def console(
    folder: Path, values: dict[str, float], *, wait: str = "0s", bell: bool = True, **changes: object
) -> AsyncIterator[Console]:
    """The app over one rule (``up == 0`` for so long), of which the state is kept in ``folder``."""
    rules = folder / "rules.yml"
    rules.write_text(RULES.format(wait=wait))
    config = config_of(mixed(), rules=(str(rules),), alerts=AlertsConfig(bell=bell), **changes)
    monitor = RulesMonitor(config, folder, values)
    monitor.publish()
    app = LilFoxApp(monitor, config, theme=load_theme("fox-dark"), glyphs=UNICODE)
    async with app.run_test(size=(100, 30)) as pilot:
        made = Console(app, monitor, pilot)

        def ring() -> None:
            made.rung += 1

        app.bell = ring  # type: ignore[method-assign]
        yield made
