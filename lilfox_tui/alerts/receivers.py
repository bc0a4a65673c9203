"""All who are told: what each is to be told is planned here and goes out by :mod:`lilfox_tui.alerts.sending`."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial

from lilfox_tui import plugins
from lilfox_tui.alerts.model import Alert, Trouble
from lilfox_tui.alerts.notifier import Notifier, Setting
from lilfox_tui.alerts.outbox import Outbox, Told
from lilfox_tui.alerts.saved import Saved
from lilfox_tui.alerts.sending import Sending, back_off_s
from lilfox_tui.alerts.telling import Plan, Receiver, Telling, receiver
from lilfox_tui.alerts.telling_all import tell_all
from lilfox_tui.config.model import AlertsConfig, Config, NotifierConfig
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import tr
from lilfox_tui.metrics.model import Labels
from lilfox_tui.plugins import NOTIFIERS

_AGAIN_S = 60.0
"""Where the outbox itself cannot be read, it is tried again after so long."""


def open_notifier(name: str, options: NotifierConfig, setting: Setting) -> Notifier:
    """The notifier that ``options`` describe. Raises LilFoxError."""
    notifier: Notifier = plugins.load(NOTIFIERS, options.kind).open_notifier(name, options, setting)
    return notifier


class _Way:
    """To one receiver. ``told`` is what it knows; ``wake`` is set when there may be something to send."""

    def __init__(self, to: Receiver, sending: Sending, telling: Telling) -> None:
        self.to, self.sending, self.telling = to, sending, telling
        self.told: dict[Labels, Told] | None = None
        self.waiting: set[Labels] = set()
        self.wake = asyncio.Event()
        self.tries = 0


class Receivers:
    """The notifiers of ``config``. :meth:`plan` blocks and belongs to the thread that evaluates; the rest to the event
    loop. Raises UsageError where a notifier's matchers are not understood."""

    def __init__(
        self,
        config: Config,
        saved: Saved,
        setting: Setting,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._config: AlertsConfig = config.alerts
        self._saved, self._outbox, self._now = saved, Outbox(saved.database), now
        self._alerts: Sequence[Alert] | None = None
        self._interval_s = 0.0
        self._ways: list[_Way] = []
        for name, options in config.notifiers.items():
            notifier = open_notifier(name, options, setting)
            to = receiver(name, options)
            sending = Sending(name, notifier, options.timeout, saved, now=now)
            self._ways.append(_Way(to, sending, Telling(to, config.alerts, _new_id)))

    def plan(self, alerts: Sequence[Alert], now: datetime, interval_s: float) -> datetime | None:
        """Puts into the outbox what is to be told of ``alerts``, and gives when to look again. Blocks. Raises
        LilFoxError, and then nothing of a receiver is lost: the next plan says the same."""
        self._alerts, self._interval_s = alerts, interval_s
        times = [self._planned(way, alerts, now) for way in self._ways if not way.sending.notifier.tells_all]
        return min((time for time in times if time is not None), default=None)

    def wake(self) -> None:
        """Lets what was planned go out."""
        for way in self._ways:
            way.wake.set()

    async def run(self) -> None:
        """Sends until cancelled. One that hangs holds up no other."""
        with suppress(LilFoxError):  # another process holds the file: at the next start again
            await asyncio.to_thread(self._forget_others)
        try:
            async with asyncio.TaskGroup() as group:
                for way in self._ways:
                    group.create_task(self._tell_all(way) if way.sending.notifier.tells_all else self._send(way))
        finally:
            await self.close()

    async def close(self) -> None:
        """Ends all connections."""
        closing = (way.sending.notifier.close() for way in self._ways)
        await asyncio.gather(*closing, return_exceptions=True)

    def troubles(self) -> tuple[Trouble, ...]:
        """Who is not reached, and what was said."""
        found: list[Trouble] = []
        for way in self._ways:
            sending = way.sending
            if sending.outage is not None:
                outage = sending.outage
                text = tr(
                    "{name} is not told since {since:%H:%M:%S} UTC: {error}; tried again at {next:%H:%M:%S} UTC",
                    name=way.to.name, since=outage.since, error=outage.error, next=outage.next_try,
                )  # fmt: skip
                found.append(Trouble(f"notifier {way.to.name}", text, blind=True))
            elif sending.note is not None:
                text = tr("{name}: {note}", name=way.to.name, note=sending.note)
                found.append(Trouble(f"note {way.to.name}", text, blind=True))
        return tuple(found)

    def _forget_others(self) -> None:
        """What waits for notifiers that the configuration does not have any more."""
        names = {way.to.name for way in self._ways}
        for name in self._outbox.receivers():
            if name not in names:
                self._outbox.forget(name)

    def _planned(self, way: _Way, alerts: Sequence[Alert], now: datetime) -> datetime | None:
        told = self._told(way)
        waiting = {one.notice.group for one in self._outbox.first_of_groups(way.to.name)} if told else set()
        plan = way.telling.plan(alerts, told, now, waiting=waiting)
        if plan.notices or plan.told or plan.over:
            self._keep(way, plan)
        return plan.look_at

    def _keep(self, way: _Way, plan: Plan, *, sent: bool = False) -> None:
        """Puts the messages of a plan into the outbox (unless they were ``sent``), and what the receiver then knows."""
        told = self._told(way)
        self._outbox.put(way.to.name, () if sent else plan.notices, plan.told, plan.over)
        for labels in plan.over:
            told.pop(labels, None)
        told.update({one.alert.labels: one for one in plan.told})

    def _told(self, way: _Way) -> dict[Labels, Told]:
        if way.told is None:
            way.told = self._outbox.told(way.to.name)
        return way.told

    async def _send(self, way: _Way) -> None:
        while True:
            way.wake.clear()
            try:
                wait_s = await way.sending.send_due()
            except LilFoxError as error:
                wait_s = _AGAIN_S
                way.sending.missed(error, wait_s)
            await _woken(way.wake, wait_s)

    async def _tell_all(self, way: _Way) -> None:
        while True:
            way.wake.clear()
            wait_s = None if self._alerts is None else await self.tell_all_once(way)
            await _woken(way.wake, wait_s)

    async def tell_all_once(self, way: _Way) -> float | None:
        """Tells one who is told everything, if it is time; gives the seconds until it is again."""
        now = self._now()
        outage = way.sending.outage
        if outage is not None and now < outage.next_try <= now + timedelta(seconds=_AGAIN_S):
            return (outage.next_try - now).total_seconds()
        try:
            plan = await asyncio.to_thread(self._planned_all, way, now)
            for notice in plan.notices:
                error = await way.sending.tell(notice)
                if error is not None:
                    raise error
            if plan.notices:
                await asyncio.to_thread(partial(self._keep, way, plan, sent=True))
                way.sending.reached()
                way.tries = 0
        except LilFoxError as error:
            wait_s = min(back_off_s(way.tries), self._config.resend, _AGAIN_S)
            way.tries += 1
            way.sending.missed(error, wait_s)
            return wait_s
        return None if plan.look_at is None else max(0.0, (plan.look_at - self._now()).total_seconds())

    def _planned_all(self, way: _Way, now: datetime) -> Plan:
        told = self._told(way)
        return tell_all(way.to, self._config, self._alerts or (), told, now, interval_s=self._interval_s)


async def _woken(wake: asyncio.Event, wait_s: float | None) -> None:
    try:
        async with asyncio.timeout(wait_s):
            await wake.wait()
    except TimeoutError:
        return


def _new_id() -> str:
    return uuid.uuid4().hex
