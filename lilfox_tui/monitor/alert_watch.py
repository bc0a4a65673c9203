"""Alerts while watching: the rules of the config evaluated over what is scraped, and what people do with their alerts.

The engine, and all that it imports (numpy, sqlite3, the parser of PromQL), comes after the first frame, and only where
the config names rules.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from lilfox_tui.config.model import Config
from lilfox_tui.crash import write_crash
from lilfox_tui.errors import LilFoxError, UsageError
from lilfox_tui.feed import Feed, Pending, Ready, State
from lilfox_tui.i18n import tr
from lilfox_tui.monitor.past_alerts import PastAlerts, signature

if TYPE_CHECKING:
    from lilfox_tui.alerts.engine import AlertEngine
    from lilfox_tui.alerts.model import Alert, Alerts, Event, Silence, SilenceMatcher
    from lilfox_tui.alerts.notifier import Notice
    from lilfox_tui.metrics.model import Labels
    from lilfox_tui.monitor.alert_why import Why
    from lilfox_tui.scrape.store import Store

AGAIN_S = 10.0
"""Before an engine that could not begin, or that ended by a fault of our own, is tried again."""


class AlertWatch:
    """The alerts of ``config``'s rules over ``store``. ``config_file`` is where the config comes from: alerts are kept
    for each one apart. ``changed`` is called when an alert or a rule is another than before.

    ``ring`` is the bell of the terminal, for the notifier of that kind; to be set before :meth:`run`.
    """

    def __init__(
        self, config: Config, config_file: Path | None, store: Feed[Store], changed: Callable[[], None]
    ) -> None:
        self.feed: Feed[Alerts] = Feed()
        self.ring: Callable[[Notice], None] | None = None
        self._config, self._config_file, self._store, self._changed = config, config_file, store, changed
        self._named = bool(config.rules or config.prometheus_config)
        self._engine: AlertEngine | None = None
        self._past = PastAlerts()

    @property
    def state(self) -> State[Alerts] | None:
        """The newest alerts; None where the config names no rules."""
        return self.feed.state if self._named else None

    def state_at(self, at: datetime) -> State[Alerts] | None:
        """The alerts as they were ``at`` (aware UTC); pending where that is not known."""
        if not self._named:
            return None
        then = self._past.at(at)
        return Pending() if then is None else Ready(then, then.at)

    async def run(self) -> None:
        """Evaluates, or shows what another LilFox evaluates, until cancelled. What goes wrong is in ``feed``."""
        if not self._named:
            return
        async with aclosing(self._store.watch()) as states:
            async for state in states:
                if isinstance(state, Ready):
                    break
        while self._named:
            try:
                await self._evaluate()
            except LilFoxError as error:
                self._fail(error)
            except Exception as error:
                path = write_crash(error)
                kind = type(error).__name__
                self._fail(
                    LilFoxError(tr("a fault of LilFox: {kind}; the traceback is in {path}", kind=kind, path=path))
                )
            await asyncio.sleep(AGAIN_S)

    async def acknowledge(self, alert: Alert, by: str, note: str) -> None:
        """``by`` has seen it; holds until it resolves. Raises LilFoxError."""
        await self._running().acknowledge(alert, by, note)

    async def unacknowledge(self, alert: Alert, by: str) -> None:
        """Takes an acknowledgement back. Raises LilFoxError."""
        await self._running().unacknowledge(alert, by)

    async def silence(self, matchers: Sequence[SilenceMatcher], for_s: float | None, by: str, comment: str) -> Silence:
        """Silences what ``matchers`` take for so long; None for until nothing fits them any more. Raises
        LilFoxError."""
        return await self._running().silence(matchers, for_s, by, comment)

    async def expire(self, silence: str, by: str) -> None:
        """Ends the silence with that id. Raises LilFoxError."""
        await self._running().expire(silence, by)

    def preview(self, matchers: Sequence[SilenceMatcher]) -> tuple[Alert, ...]:
        """The alerts that a silence would silence now. Raises UsageError."""
        return self._running().preview(matchers)

    async def events(self, labels: Labels, limit: int = 50) -> tuple[Event, ...]:
        """What happened to the alert with these labels, the newest first; nothing while that cannot be read."""
        if self._engine is None:
            return ()
        return tuple(each for each in await self._engine.history(5000) if each.labels == labels)[:limit]

    async def why(self, expression: str, start: datetime, end: datetime, columns: int) -> Why | None:
        """What makes ``expression`` true or not: its left-hand side at ``end`` and in ``columns`` steps since ``start``
        (aware UTC); None while there is no engine. Raises LilFoxError."""
        if self._engine is None:
            return None
        from lilfox_tui.monitor.alert_why import explain

        return await asyncio.to_thread(explain, self._engine.series, expression, start, end, columns)

    async def _evaluate(self) -> None:
        store = self._store.value
        assert store is not None
        await asyncio.to_thread(importlib.import_module, "lilfox_tui.alerts.engine")
        from lilfox_tui.alerts.engine import AlertEngine
        from lilfox_tui.alerts.folder import folder_of
        from lilfox_tui.alerts.notifier import Setting

        config = await asyncio.to_thread(with_rules_of_prometheus, self._config)
        if not config.rules:
            self._named = False
            return
        base = Path() if self._config_file is None else self._config_file.absolute().parent
        engine = await asyncio.to_thread(
            lambda: AlertEngine(
                config, store, folder=folder_of(self._config_file), base=base, setting=Setting(self.ring)
            )
        )
        self._engine = engine
        async with asyncio.TaskGroup() as group:
            group.create_task(engine.run())
            group.create_task(self._follow(engine))

    async def _follow(self, engine: AlertEngine) -> None:
        before: object = None
        async with aclosing(engine.feed.watch()) as states:
            async for state in states:
                if isinstance(state, Ready):
                    self._past.keep(state.value)
                    self.feed.publish(state.value, state.at)
                    if before != (before := signature(state.value)):
                        self._changed()
                elif not isinstance(state, Pending):
                    self.feed.fail(state.error, since=state.since, next_try=state.next_try)
                    self._changed()

    def _fail(self, error: LilFoxError) -> None:
        self._engine = None
        self.feed.fail(error, next_try=datetime.now(UTC) + timedelta(seconds=AGAIN_S))
        self._changed()

    def _running(self) -> AlertEngine:
        if self._engine is None:
            raise UsageError(
                tr("rules are not evaluated now"), tr("name rule files in the configuration: rules: [...]")
            )
        return self._engine


def with_rules_of_prometheus(config: Config) -> Config:
    """``config`` with the rules and external labels of the prometheus.yml that it names. Blocks. Raises ConfigError."""
    if config.prometheus_config is None:
        return config
    from lilfox_tui.scrape.prometheus_file import read_prometheus

    file = read_prometheus(Path(config.prometheus_config))
    labels = {**file.external_labels, **config.alerts.external_labels}
    return replace(
        config, rules=(*config.rules, *file.rule_files), alerts=replace(config.alerts, external_labels=labels)
    )
