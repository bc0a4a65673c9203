"""Delivers notifications from the outbox to each receiver, in order, with back-off until they are accepted."""

from __future__ import annotations

import asyncio
import math
import random
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial

from msgspec import Struct

from lilfox_tui.alerts.message_template import template_problems, with_texts
from lilfox_tui.alerts.model import Alert, Event, EventKind, Trouble
from lilfox_tui.alerts.notification_plan import NotificationPlan, NotificationPlanner, Receiver, plan_resend, receiver
from lilfox_tui.alerts.notifier import Notification, Notifier, NotifierSetup, PartialDelivery, TryLater
from lilfox_tui.alerts.routing import RouteTree
from lilfox_tui.alerts.storage import AlertStorage, NotifiedAlert, Outbox, QueuedNotification
from lilfox_tui.config.model import AlertsConfig, Config, NotifierConfig
from lilfox_tui.core import plugins
from lilfox_tui.core.crash import fault_of
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.core.plugins import NOTIFIERS
from lilfox_tui.metrics.model import Labels
from lilfox_tui.scrape.labels import ms_of

# Messages from the outbox to one receiver: one after the other, again with back-off until they are taken.
#
# A message stays in the outbox until its receiver has taken it, so a crash loses none. One that was taken in the very
# moment of the crash is sent again, with the same id. Of a group, messages keep their order.


FIRST_WAIT_S = 5.0
LONGEST_WAIT_S = 600.0
GIVEN_UP_AFTER_S = 3 * 86_400.0
"""A message that was not taken for so long says nothing any more."""
RELEASED_AT_MOST_EACH_S = 60.0
"""A message that its receiver refuses is not tried again with each other one that it takes."""
_JITTER = 0.2
_DOUBLED_AT_MOST = 16


class DeliveryOutage(Struct, frozen=True):
    """An outage of a receiver: the reason, when it began, and when delivery is retried (aware UTC)."""

    error: LilFoxError
    since: datetime
    next_try: datetime


class ReceiverDelivery:
    """Delivers notifications to one receiver. ``outage`` is None while it accepts them; ``note`` is a problem with the
    last one that was accepted or dropped."""

    def __init__(
        self,
        name: str,
        notifier: Notifier,
        timeout_s: float,
        saved: AlertStorage,
        *,
        options: NotifierConfig | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.name, self.notifier, self.options = name, notifier, options
        self.outage: DeliveryOutage | None = None
        self.note: Message | None = None
        self._timeout_s, self._now = timeout_s, now
        self._saved, self._outbox = saved, Outbox(saved.database)
        self._released: dict[int, datetime] = {}

    async def send_due(self) -> float | None:
        """Send the notifications that are due; return the seconds until the next one is due, None if none is queued.
        Raises LilFoxError if the outbox itself cannot be read or written."""
        while True:
            waiting = await asyncio.to_thread(self._outbox.first_of_groups, self.name)
            if not waiting:
                return None
            first, now_ms = waiting[0], ms_of(self._now())
            wait_s = (first.next_ms - now_ms) / 1000
            if 0 < wait_s <= LONGEST_WAIT_S * (1 + _JITTER):  # a longer one is a clock that was set back
                return wait_s
            await self._send(first)

    async def tell(self, notice: Notification) -> LilFoxError | None:
        """Send one notification, within the timeout; return None if it was accepted, else the error. Records no
        outage."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self.notifier.tell(notice if self.options is None else with_texts(notice, self.options))
        except TimeoutError:
            return LilFoxError(
                tr("no answer within {seconds:g} s", seconds=self._timeout_s),
                tr("Check whether it hangs. If it is only slow, set a longer timeout."),
            )
        except LilFoxError as error:
            return error
        except Exception as error:
            return LilFoxError(fault_of(error))
        return None

    def _release(self) -> None:
        """Make queued notifications due at once, because the receiver accepts notifications again. Blocks."""
        now = self._now()
        recent = {
            number: at
            for number, at in self._released.items()
            if abs((now - at).total_seconds()) < RELEASED_AT_MOST_EACH_S
        }
        self._released = recent | dict.fromkeys(self._outbox.release(self.name, recent), now)

    def reached(self) -> None:
        """Record that the receiver accepted a notification."""
        self.outage = self.note = None

    def missed(self, error: LilFoxError, wait_s: float) -> None:
        """Record a failed delivery; the notification is sent again in ``wait_s`` seconds."""
        now = self._now()
        since = now if self.outage is None else self.outage.since
        self.outage = DeliveryOutage(error, since, datetime.fromtimestamp(now.timestamp() + wait_s, UTC))

    async def _send(self, waiting: QueuedNotification) -> None:
        error = await self.tell(waiting.notice)
        if error is None or isinstance(error, PartialDelivery):
            was_away = self.outage is not None or waiting.tries > 0
            self.reached()
            self.note = None if error is None else error.message
            await asyncio.to_thread(self._done, waiting, "told", "" if error is None else str(error))
            if was_away:
                await asyncio.to_thread(self._release)
        elif ms_of(self._now()) - waiting.made_ms > GIVEN_UP_AFTER_S * 1000:
            self.outage, self.note = None, tr("a notification was dropped after three days: {error}", error=error)
            await asyncio.to_thread(self._done, waiting, "not told", str(error))
        else:
            wait_s = back_off_s(waiting.tries)
            if isinstance(error, TryLater):
                wait_s = max(wait_s, min(error.wait_s, LONGEST_WAIT_S))
            self.missed(error, wait_s)
            await asyncio.to_thread(self._outbox.later, waiting.number, ms_of(self._now()) + round(wait_s * 1000))

    def _done(self, waiting: QueuedNotification, kind: EventKind, note: str) -> None:
        self._outbox.done(waiting.number)
        notice = waiting.notice
        note = f"{notice.reason}: {note}" if note else notice.reason
        event = Event(self._now(), kind, notice.group, by=self.name, note=note)
        self._saved.add_events([event])


def back_off_s(tries: int) -> float:
    """Return the seconds to wait after ``tries`` earlier failed attempts: doubled each time, with jitter."""
    wait_s = min(math.ldexp(FIRST_WAIT_S, min(tries, _DOUBLED_AT_MOST)), LONGEST_WAIT_S)
    return wait_s * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311  no secret


# All who are told: what each is to be told is planned here and goes out by :mod:`lilfox_tui.alerts.delivery`.


BELL = "bell"
"""The one kind of notifier that tells those before this very screen; all others are told by who evaluates."""
_AGAIN_S = 60.0
"""Where the outbox itself cannot be read, it is tried again after so long."""


def open_notifier(name: str, options: NotifierConfig, setting: NotifierSetup) -> Notifier:
    """Open the notifier that ``options`` configure. Raises LilFoxError."""
    notifier: Notifier = plugins.load(NOTIFIERS, options.kind).open_notifier(name, options, setting)
    return notifier


class _ReceiverRoute:
    """The planning and delivery state of one receiver. ``told`` are the alerts it knows about; ``wake`` is set when
    there may be something to send."""

    def __init__(self, to: Receiver, sending: ReceiverDelivery, telling: NotificationPlanner) -> None:
        self.to, self.sending, self.telling = to, sending, telling
        self.told: dict[Labels, NotifiedAlert] | None = None
        self.waiting: set[Labels] = set()
        self.wake = asyncio.Event()
        self.tries = 0


class NotificationDispatcher:
    """Plans and sends the notifications for all notifiers of ``config``. Call :meth:`plan`, which blocks, in the
    evaluating thread, and everything else in the event loop. ``tree`` says which alerts go where. Raises UsageError if
    a notifier's matchers are invalid."""

    def __init__(
        self,
        config: Config,
        saved: AlertStorage,
        setting: NotifierSetup,
        *,
        tree: RouteTree | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._config: AlertsConfig = config.alerts
        self._saved, self._outbox, self._now = saved, Outbox(saved.database), now
        self._alerts: Sequence[Alert] | None = None
        self._interval_s = 0.0
        self._routes: list[_ReceiverRoute] = []
        self._template_troubles: list[Trouble] = []
        for name, options in config.notifiers.items():
            notifier = open_notifier(name, options, setting)
            to = receiver(name, options)
            for problem in template_problems(options):
                text = tr("notifier {name} sends its usual texts: {reason}", name=name, reason=problem)
                self._template_troubles.append(Trouble(f"template {name} {problem}", text))
            sending = ReceiverDelivery(name, notifier, options.timeout, saved, options=options, now=now)
            planner = NotificationPlanner(to, config.alerts, _new_id, None if options.kind == BELL else tree)
            self._routes.append(_ReceiverRoute(to, sending, planner))

    def plan(self, alerts: Sequence[Alert], now: datetime, interval_s: float) -> datetime | None:
        """Put the notifications about ``alerts`` into the outbox, and return when to plan again. Blocks. If it raises
        LilFoxError, no notification is lost: the next plan includes it."""
        self._alerts, self._interval_s = alerts, interval_s
        times = [self._planned(route, alerts, now) for route in self._routes if not route.sending.notifier.tells_all]
        return min((time for time in times if time is not None), default=None)

    def wake(self) -> None:
        """Wake the routes, so that they send the planned notifications."""
        for route in self._routes:
            route.wake.set()

    async def run(self) -> None:
        """Send queued notifications until cancelled. A receiver that hangs does not delay the others."""
        with suppress(LilFoxError):  # another process holds the file: at the next start again
            await asyncio.to_thread(self._forget_others)
        try:
            async with asyncio.TaskGroup() as group:
                for route in self._routes:
                    group.create_task(self._tell_all(route) if route.sending.notifier.tells_all else self._send(route))
        finally:
            await self.close()

    async def close(self) -> None:
        """Close all connections."""
        closing = (route.sending.notifier.close() for route in self._routes)
        await asyncio.gather(*closing, return_exceptions=True)

    def troubles(self) -> tuple[Trouble, ...]:
        """Return a problem for each receiver that cannot be reached or that lost a notification."""
        found = list(self._template_troubles)
        for route in self._routes:
            sending = route.sending
            if sending.outage is not None:
                outage = sending.outage
                text = tr(
                    "notifier {name} has been failing since {since:%H:%M:%S} UTC: {error}; next attempt at "
                    "{next:%H:%M:%S} UTC",
                    name=route.to.name, since=outage.since, error=outage.error, next=outage.next_try,
                )  # fmt: skip
                found.append(Trouble(f"notifier {route.to.name}", text, blind=True))
            elif sending.note is not None:
                text = tr("{name}: {note}", name=route.to.name, note=sending.note)
                found.append(Trouble(f"note {route.to.name}", text, blind=True))
        return tuple(found)

    def _forget_others(self) -> None:
        """Delete the state and the queued notifications of notifiers that are no longer configured."""
        names = {route.to.name for route in self._routes}
        for name in self._outbox.receivers():
            if name not in names:
                self._outbox.forget(name)

    def _planned(self, route: _ReceiverRoute, alerts: Sequence[Alert], now: datetime) -> datetime | None:
        told = self._told(route)
        waiting = {one.notice.group for one in self._outbox.first_of_groups(route.to.name)} if told else set()
        plan = route.telling.plan(alerts, told, now, waiting=waiting)
        if plan.notices or plan.told or plan.over:
            self._keep(route, plan)
        return plan.look_at

    def _keep(self, route: _ReceiverRoute, plan: NotificationPlan, *, sent: bool = False) -> None:
        """Put the notifications of a plan into the outbox (unless they were ``sent``), and record which alerts the
        receiver then knows about."""
        told = self._told(route)
        self._outbox.put(route.to.name, () if sent else plan.notices, plan.told, plan.over)
        for labels in plan.over:
            told.pop(labels, None)
        told.update({one.alert.labels: one for one in plan.told})

    def _told(self, route: _ReceiverRoute) -> dict[Labels, NotifiedAlert]:
        if route.told is None:
            route.told = self._outbox.told(route.to.name)
        return route.told

    async def _send(self, route: _ReceiverRoute) -> None:
        while True:
            route.wake.clear()
            try:
                wait_s = await route.sending.send_due()
            except LilFoxError as error:
                wait_s = _AGAIN_S
                route.sending.missed(error, wait_s)
            await _woken(route.wake, wait_s)

    async def _tell_all(self, route: _ReceiverRoute) -> None:
        while True:
            route.wake.clear()
            wait_s = None if self._alerts is None else await self.tell_all_once(route)
            await _woken(route.wake, wait_s)

    async def tell_all_once(self, route: _ReceiverRoute) -> float | None:
        """Send all alerts to a receiver that takes every alert, if they are due; return the seconds until they are due
        again."""
        now = self._now()
        outage = route.sending.outage
        if outage is not None and now < outage.next_try <= now + timedelta(seconds=_AGAIN_S):
            return (outage.next_try - now).total_seconds()
        try:
            plan = await asyncio.to_thread(self._planned_all, route, now)
            for notice in plan.notices:
                error = await route.sending.tell(notice)
                if error is not None:
                    raise error
            if plan.notices:
                await asyncio.to_thread(partial(self._keep, route, plan, sent=True))
                route.sending.reached()
                route.tries = 0
        except LilFoxError as error:
            wait_s = min(back_off_s(route.tries), self._config.resend, _AGAIN_S)
            route.tries += 1
            route.sending.missed(error, wait_s)
            return wait_s
        return None if plan.look_at is None else max(0.0, (plan.look_at - self._now()).total_seconds())

    def _planned_all(self, route: _ReceiverRoute, now: datetime) -> NotificationPlan:
        told = self._told(route)
        return plan_resend(route.to, self._config, self._alerts or (), told, now, interval_s=self._interval_s)


async def _woken(wake: asyncio.Event, wait_s: float | None) -> None:
    try:
        async with asyncio.timeout(wait_s):
            await wake.wait()
    except TimeoutError:
        return


def _new_id() -> str:
    return uuid.uuid4().hex
