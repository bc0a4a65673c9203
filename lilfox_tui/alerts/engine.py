"""The alerting engine: evaluates the rules that are due, saves their state and sends notifications. Only one of several
LilFox processes evaluates."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from msgspec.structs import replace

from lilfox_tui.alerts import silences as responses
from lilfox_tui.alerts.alertmanager_file import notification_rules, with_file_receivers
from lilfox_tui.alerts.delivery import BELL, NotificationDispatcher
from lilfox_tui.alerts.model import (
    Alert,
    Alerts,
    AlertState,
    Event,
    Silence,
    SilenceMatcher,
    Trouble,
)
from lilfox_tui.alerts.notification_plan import alerts_of_receiver, is_muted, receiver
from lilfox_tui.alerts.notifier import Notification, NotifierSetup
from lilfox_tui.alerts.rule_manager import RuleManager
from lilfox_tui.alerts.silences import alerts_from_storage, annotated, would_silence
from lilfox_tui.alerts.state_folder import state_folder
from lilfox_tui.alerts.storage import (
    DATABASE,
    AlertDatabase,
    AlertStorage,
    DatabaseDamaged,
    DatabaseNotWritable,
    EvaluationLock,
)
from lilfox_tui.config.model import Config
from lilfox_tui.core.aio import Feed
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.core.text import human_duration
from lilfox_tui.metrics.model import Labels
from lilfox_tui.promql.query import EmbeddedEngine, QueryEngine
from lilfox_tui.scrape.labels import ms_of
from lilfox_tui.scrape.store import SeriesSource, SeriesStore

# Notices that the clock was set, or that the machine slept: the clock then goes on by another time than passed.


STEP_S = 5.0
"""A difference counts as a step from here on; slewing stays far below it."""


class ClockStepDetector:
    """Detects clock steps by comparing ``now`` (the wall clock, aware UTC) with ``passed`` (a monotonic clock in
    seconds, which stops while the machine is suspended)."""

    def __init__(self, now: Callable[[], datetime], passed: Callable[[], float] = time.monotonic) -> None:
        self._now, self._passed = now, passed
        self._last = (now(), passed())
        self._newest: tuple[datetime, float] | None = None

    def step_s(self) -> float:
        """Return by how many seconds the clock was set forward since the last call; negative if it was set back, 0
        without a step."""
        now, passed = self._now(), self._passed()
        step = (now - self._last[0]).total_seconds() - (passed - self._last[1])
        self._last = (now, passed)
        if abs(step) < STEP_S:
            return 0.0
        self._newest = (now, step)
        return step

    def troubles(self) -> tuple[Trouble, ...]:
        """Return the last clock step as a problem; empty if there was none."""
        if self._newest is None:
            return ()
        at, step = self._newest
        values = {"at": at, "step": human_duration(abs(step))}
        if step > 0:
            text = tr(
                "the clock jumped forward by {step} at {at:%H:%M:%S} UTC: it was set, or the machine was suspended",
                **values,
            )
        else:
            text = tr("the clock was set back by {step} at {at:%H:%M:%S} UTC; timers keep running", **values)
        return (Trouble(f"clock {at.timestamp()}", text),)


# Shows what another LilFox of this state folder evaluates, and rings this terminal's bell for what fires there.


class EngineFollower:
    """Reads the alert state that another process saves in ``saved``. ``ring`` rings the terminal's bell, if there is
    one."""

    def __init__(self, config: Config, saved: AlertStorage, ring: Callable[[Notification], None] | None) -> None:
        self._saved, self._ring = saved, ring
        bells = [(name, options) for name, options in config.notifiers.items() if options.kind == BELL]
        self._bells = [receiver(name, options) for name, options in bells]
        self._version: tuple[int, str] | None = None
        self._fires: dict[str, set[tuple[Labels, datetime | None]]] = {}

    def newer(self, now: datetime, trouble: Trouble | None = None) -> Alerts | None:
        """Return the saved state if it or ``trouble`` has changed since the last call, else None; ``trouble`` is added
        to its problems. Blocks. Raises LilFoxError."""
        version = self._saved.database.changed_elsewhere(), str(trouble)
        if version == self._version:
            return None
        alerts = alerts_from_storage(self._saved, now)
        self._version = version
        return alerts if trouble is None else replace(alerts, troubles=(*alerts.troubles, trouble))

    def again(self) -> None:
        """Make the next :meth:`newer` return the state even if no other process has written since, because this process
        has."""
        self._version = None

    def ring(self, alerts: Alerts) -> None:
        """Ring once for the alerts that have begun to fire since the last call; the first call never rings."""
        for bell in self._bells if self._ring is not None else ():
            known = alerts_of_receiver(bell, alerts.alerts)
            firing = [one for one in known.values() if one.state is AlertState.FIRING and not is_muted(one)]
            before = self._fires.get(bell.name)
            new = [one for one in firing if before is not None and (one.labels, one.fired_at) not in before]
            self._fires[bell.name] = {(one.labels, one.fired_at) for one in firing}
            if new and self._ring is not None:
                self._ring(_notice(bell.name, alerts.at, new))


def _notice(name: str, at: datetime, alerts: list[Alert]) -> Notification:
    number = uuid.uuid4().hex
    return Notification(number, number, at, name, "firing", (), firing=tuple(alerts))


T = TypeVar("T")
LOOK_S = 1.0
"""How often it is looked whether another process has written, and whether the lock is free."""
SHOWN_EACH_S = 0.25
"""At most so often it is published what has changed."""
FILES_LOOKED_AT_S = 5.0
CLEANED_S = 3600.0
AGAIN_S = 10.0
"""Where state cannot be read it is tried again after so long."""


class AlertEngine:
    """Evaluates ``config.rules`` over ``source`` and notifies ``config.notifiers``; publishes the alerts in ``feed``.

    ``folder`` is where state is kept (see :mod:`.state_folder`), None for memory alone; ``base`` the folder that
    relative rule files begin at. ``now`` is the clock (aware UTC), ``passed`` the seconds that pass while the machine
    runs. Use from one event loop. Raises LilFoxError where the configuration of a notifier cannot be used.
    """

    def __init__(
        self,
        config: Config,
        source: SeriesSource,
        *,
        folder: Path | None,
        base: Path,
        setting: NotifierSetup | None = None,
        results: SeriesStore | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        passed: Callable[[], float] = time.monotonic,
    ) -> None:
        self.feed: Feed[Alerts] = Feed()
        self.trouble: Message | None = None
        self._now, self._clock = now, ClockStepDetector(now, passed)
        self._lock = EvaluationLock(folder)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rules")
        setting = setting or NotifierSetup()
        config = with_file_receivers(config)
        with ExitStack() as unless_whole:
            unless_whole.callback(self._lock.release)
            self._saved = AlertStorage(unless_whole.enter_context(closing(self._database(folder))))
            self._evaluating = RuleManager(config, source, self._saved, base, results)
            self._suppression = notification_rules(config)
            tree = self._suppression.tree
            self._receivers = NotificationDispatcher(config, self._saved, setting, tree=tree, now=now)
            self._following = EngineFollower(config, self._saved, setting.ring)
            unless_whole.pop_all()
        self._changed = asyncio.Event()

    @property
    def series(self) -> SeriesSource:
        """The scraped series, and those that rules recorded."""
        return self._evaluating.series

    async def run(self) -> None:
        """Evaluate the rules, or follow the process that does, until cancelled."""
        try:
            while not await asyncio.to_thread(self._is_ours):
                await self._follow()
            await self._evaluate()
        finally:
            await asyncio.shield(asyncio.to_thread(self._end))

    async def acknowledge(self, alert: Alert, by: str, note: str = "") -> None:
        """Acknowledge an alert; see :func:`responses.acknowledge`."""
        await self._respond(partial(responses.acknowledge, self._saved, alert, by, note, self._now()))

    async def unacknowledge(self, alert: Alert, by: str) -> None:
        """Withdraw an acknowledgement; see :func:`responses.unacknowledge`."""
        await self._respond(partial(responses.unacknowledge, self._saved, alert, by, self._now()))

    async def silence(
        self, matchers: Sequence[SilenceMatcher], for_s: float | None, by: str, comment: str = ""
    ) -> Silence:
        """Create a silence; see :func:`responses.silence`."""
        return await self._respond(partial(responses.silence, self._saved, matchers, for_s, by, comment, self._now()))

    async def expire(self, silence: str, by: str) -> Silence:
        """Expire a silence; see :func:`responses.expire`."""
        return await self._respond(partial(responses.expire, self._saved, silence, by, self._now()))

    async def history(self, limit: int = 1000, *, since: datetime | None = None) -> tuple[Event, ...]:
        """Return past events, newest first."""
        return await asyncio.to_thread(partial(self._saved.events, limit, since=since))

    def past(self, limit: int) -> tuple[Event, ...]:
        """Return past events as :meth:`history` does. Blocks."""
        return self._saved.events(limit)

    def preview(self, matchers: Sequence[SilenceMatcher]) -> tuple[Alert, ...]:
        """The alerts that a silence with ``matchers`` would silence now. Raises UsageError."""
        return would_silence(matchers, () if self.feed.value is None else self.feed.value.alerts)

    async def step(self) -> None:
        """Evaluate every group that is due now, notify and publish. :meth:`run` repeats this."""
        await self._in_thread(self._take_step)
        while await self._in_thread(self._evaluating.evaluate_due, ms_of(self._now())):
            self._changed.set()
        await self._show()

    async def load(self) -> None:
        """Read the rule files and the saved state; call it before the first :meth:`step`."""
        await self._in_thread(self._evaluating.on_disk, partial(self._evaluating.load, ms_of(self._now())))
        self._changed.set()

    def _database(self, folder: Path | None) -> AlertDatabase:
        """Open the database in ``folder``. If it cannot be used, set ``trouble`` and return one in memory. A damaged
        database is renamed by the evaluating process and replaced by a new one; any other process raises
        DatabaseDamaged."""
        if folder is None:
            return AlertDatabase(None)
        path = folder / DATABASE
        try:
            return AlertDatabase(path)
        except DatabaseDamaged as error:
            if self._lock.take():
                aside = path.with_suffix(f".damaged-{self._now():%Y%m%dT%H%M%S}")
                self.trouble = tr(
                    "{error}; it was renamed to {aside}, and a new one was created", error=error, aside=aside.name
                )
                path.rename(aside)
                for rest in ("-wal", "-shm"):
                    path.with_name(path.name + rest).unlink(missing_ok=True)
                return AlertDatabase(path)
            raise
        except LilFoxError as error:
            self.trouble = tr("{error}; until LilFox exits, changes are kept in memory only", error=error)
            return AlertDatabase.from_file(path)

    async def _evaluate(self) -> None:
        loaded = await self._loaded()
        while not loaded:
            await asyncio.sleep(AGAIN_S)
            loaded = await self._loaded()
        await self._show()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._receivers.run())
            group.create_task(self._evaluate_in_time())
            group.create_task(self._show_changes())
            group.create_task(self._look_after())

    async def _evaluate_in_time(self) -> None:
        while True:
            await self._in_thread(self._take_step)
            if await self._in_thread(self._evaluating.evaluate_due, ms_of(self._now())):
                self._changed.set()
                continue
            due_ms = await self._in_thread(self._evaluating.next_ms, ms_of(self._now()))
            wait_s = LOOK_S if due_ms is None else (due_ms - ms_of(self._now())) / 1000
            await asyncio.sleep(min(max(wait_s, 0.001), LOOK_S))

    async def _show_changes(self) -> None:
        """Notify and publish when something has changed here or in another process, and when a notification is due.
        What changes soon after is published together: hundreds of groups are evaluated one after the other."""
        seen: int | None = -1
        look_at: datetime | None = None
        while True:
            elsewhere = await asyncio.to_thread(self._changed_elsewhere)
            due = look_at is not None and self._now() >= look_at
            if elsewhere != seen or due or self._changed.is_set():
                seen = elsewhere
                look_at = await self._show()
                await asyncio.sleep(SHOWN_EACH_S)
            try:
                async with asyncio.timeout(LOOK_S if look_at is None else self._seconds_until(look_at)):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _seconds_until(self, at: datetime) -> float:
        return min(max((at - self._now()).total_seconds(), 0.05), LOOK_S)

    async def _look_after(self) -> None:
        """Reload rule files that have changed, and delete old events and silences, until cancelled."""
        cleaned = float("-inf")
        while True:
            if await asyncio.to_thread(self._evaluating.files_changed):
                await self._loaded()
            if time.monotonic() - cleaned >= CLEANED_S:
                with suppress(LilFoxError):  # another process holds the file: in a moment again
                    await self._in_thread(partial(self._evaluating.on_disk, self._forget_old))
                    cleaned = time.monotonic()
            await asyncio.sleep(FILES_LOOKED_AT_S)

    async def _loaded(self) -> bool:
        """Load the rules and the state; return whether that worked. If not, publish the error."""
        try:
            await self.load()
        except LilFoxError as error:
            self.feed.fail(error, next_try=self._now() + timedelta(seconds=AGAIN_S))
            return False
        return True

    def _forget_old(self) -> None:
        self._saved.forget_old(self._now())

    async def _show(self) -> datetime | None:
        """Plan the notifications and publish; return when to plan again."""
        self._changed.clear()
        try:
            alerts, look_at = await self._in_thread(partial(self._evaluating.on_disk, self._seen))
        except LilFoxError as error:  # another process holds the file for long
            self.feed.fail(error, next_try=self._now() + timedelta(seconds=LOOK_S))
            return self._now() + timedelta(seconds=LOOK_S)
        self._receivers.wake()
        self.feed.publish(alerts, alerts.at)
        return look_at

    def _seen(self) -> tuple[Alerts, datetime | None]:
        now = self._now()
        troubles = [] if self.trouble is None else [Trouble("state", self.trouble)]
        silences = self._saved.silences()
        alerts = self._evaluating.alerts()
        views = self._evaluating.views()
        suppressed = self._suppression.suppressed(alerts, now, views)
        self._saved.keep_suppressed(suppressed)
        shown = annotated(alerts, self._saved.acknowledgements(), silences, now, suppressed)
        try:
            if responses.expire_resolved(self._saved, silences, shown, now):
                silences = self._saved.silences()
            look_at = self._receivers.plan(shown, now, self._evaluating.longest_interval_s())
        except (DatabaseDamaged, DatabaseNotWritable):
            raise
        except LilFoxError as error:  # another process holds the file for long
            text = tr("{error}; no notifications are sent until this is resolved", error=error)
            troubles.append(Trouble("locked", text, blind=True))
            look_at = now + timedelta(seconds=LOOK_S)
        ends = [one.ends_at for one in silences if one.ends_at > now]
        if self._suppression.is_timed:
            ends.append(now.replace(second=0, microsecond=0) + timedelta(minutes=1))
        look_at = min([*ends, *([look_at] if look_at is not None else [])], default=None)
        troubles += [*self._evaluating.troubles(), *self._clock.troubles(), *self._receivers.troubles()]
        self._saved.keep_troubles(troubles)
        return Alerts(now, views, shown, silences, troubles=tuple(troubles)), look_at

    async def _follow(self) -> None:
        """Publish the state that the evaluating process saved, if it has changed, then wait until the next check is
        due."""
        if self._changed.is_set():
            self._changed.clear()
            self._following.again()
        try:
            alerts = await asyncio.to_thread(self._kept_elsewhere)
            if alerts is not None:
                self.feed.publish(alerts, alerts.at)
                self._following.ring(alerts)
        except LilFoxError as error:
            self.feed.fail(error, next_try=self._now() + timedelta(seconds=LOOK_S))
        try:
            async with asyncio.timeout(LOOK_S):
                await self._changed.wait()
        except TimeoutError:
            return

    def _is_ours(self) -> bool:
        """Return whether this process is the one that evaluates. Raises LilFoxError."""
        try:
            return self._lock.take()
        except LilFoxError:
            if self._saved.database.path is not None:
                raise
            return True  # a folder in which nothing can be written: nobody can share a state there

    def _kept_elsewhere(self) -> Alerts | None:
        now = self._now()
        frozen = self._lock.frozen(now)
        return self._following.newer(now, None if frozen is None else Trouble("frozen", frozen, blind=True))

    def _changed_elsewhere(self) -> int | None:
        """Return a number that changes whenever another process writes; None if it cannot be read now."""
        self._lock.show_life()
        try:
            return self._saved.database.changed_elsewhere()
        except LilFoxError:
            return None

    def _take_step(self) -> None:
        step_s = self._clock.step_s()
        if step_s > 0:
            self._evaluating.clock_stepped(round(step_s * 1000), ms_of(self._now()))

    async def _respond(self, act: Callable[[], T]) -> T:
        answer = await asyncio.to_thread(act)
        self._changed.set()
        return answer

    async def _in_thread(self, work: Callable[..., T], *values: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, partial(work, *values))

    def _end(self) -> None:
        self._thread.shutdown(wait=True)
        self._saved.database.close()
        self._lock.release()


def open_engine(
    config: Config,
    source: SeriesSource,
    config_file: Path | None,
    folder: Path | None,
    ring: Callable[[Notification], None] | None,
    results: SeriesStore | None = None,
) -> tuple[AlertEngine, QueryEngine]:
    """Return the engine for the configuration in ``config_file``, and the query engine for its series. The state is
    kept in ``folder``; None means the configuration's own state folder. What rules give goes to ``results``, or to a
    new store. Blocks. Raises LilFoxError."""
    base = Path() if config_file is None else config_file.absolute().parent
    kept = folder or state_folder(config_file)
    engine = AlertEngine(config, source, folder=kept, base=base, setting=NotifierSetup(ring), results=results)
    return engine, EmbeddedEngine(engine.series)
