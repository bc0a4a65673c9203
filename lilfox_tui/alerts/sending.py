"""Messages from the outbox to one receiver: one after the other, again with back-off until they are taken.

A message stays in the outbox until its receiver has taken it, so a crash loses none. One that was taken in the very
moment of the crash is sent again, with the same id. Of a group, messages keep their order.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable
from datetime import UTC, datetime

from msgspec import Struct

from lilfox_tui.alerts.model import Event, EventKind
from lilfox_tui.alerts.notifier import Notice, Notifier, PartlyTold
from lilfox_tui.alerts.outbox import Outbox, Waiting
from lilfox_tui.alerts.saved import Saved
from lilfox_tui.crash import fault_of
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import Message, tr
from lilfox_tui.scrape.instants import ms_of

FIRST_WAIT_S = 5.0
LONGEST_WAIT_S = 600.0
GIVEN_UP_AFTER_S = 3 * 86_400.0
"""A message that was not taken for so long says nothing any more."""
RELEASED_AT_MOST_EACH_S = 60.0
"""A message that its receiver refuses is not tried again with each other one that it takes."""
_JITTER = 0.2
_DOUBLED_AT_MOST = 16


class Outage(Struct, frozen=True):
    """A receiver that is not reached: why, since when, and when it is tried again (aware UTC)."""

    error: LilFoxError
    since: datetime
    next_try: datetime


class Sending:
    """The way to one receiver. ``outage`` is None while it takes what it is sent; ``note`` is what it said beside."""

    def __init__(
        self,
        name: str,
        notifier: Notifier,
        timeout_s: float,
        saved: Saved,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.name, self.notifier = name, notifier
        self.outage: Outage | None = None
        self.note: Message | None = None
        self._timeout_s, self._now = timeout_s, now
        self._saved, self._outbox = saved, Outbox(saved.database)
        self._released: dict[int, datetime] = {}

    async def send_due(self) -> float | None:
        """Sends what is due. Seconds until the next is; None where nothing waits. Raises LilFoxError where the outbox
        itself cannot be read or written."""
        while True:
            waiting = await asyncio.to_thread(self._outbox.first_of_groups, self.name)
            if not waiting:
                return None
            first, now_ms = waiting[0], ms_of(self._now())
            wait_s = (first.next_ms - now_ms) / 1000
            if 0 < wait_s <= LONGEST_WAIT_S * (1 + _JITTER):  # a longer one is a clock that was set back
                return wait_s
            await self._send(first)

    async def tell(self, notice: Notice) -> LilFoxError | None:
        """Tells it once, in its time; gives why it was not taken. Keeps no outage."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self.notifier.tell(notice)
        except TimeoutError:
            return LilFoxError(
                tr("no answer within {seconds:g} s", seconds=self._timeout_s),
                tr("Does it hang? A slow one needs a longer timeout."),
            )
        except LilFoxError as error:
            return error
        except Exception as error:
            return LilFoxError(fault_of(error))
        return None

    def _release(self) -> None:
        """The receiver takes something again: what it did not take does not wait out its own time. Blocks."""
        now = self._now()
        recent = {
            number: at
            for number, at in self._released.items()
            if abs((now - at).total_seconds()) < RELEASED_AT_MOST_EACH_S
        }
        self._released = recent | dict.fromkeys(self._outbox.release(self.name, recent), now)

    def reached(self) -> None:
        """It has taken something."""
        self.outage = self.note = None

    def missed(self, error: LilFoxError, wait_s: float) -> None:
        """It has not taken something, which is tried again in ``wait_s``."""
        now = self._now()
        since = now if self.outage is None else self.outage.since
        self.outage = Outage(error, since, datetime.fromtimestamp(now.timestamp() + wait_s, UTC))

    async def _send(self, waiting: Waiting) -> None:
        error = await self.tell(waiting.notice)
        if error is None or isinstance(error, PartlyTold):
            was_away = self.outage is not None or waiting.tries > 0
            self.reached()
            self.note = None if error is None else _message(error)
            await asyncio.to_thread(self._done, waiting, "told", "" if error is None else str(error))
            if was_away:
                await asyncio.to_thread(self._release)
        elif ms_of(self._now()) - waiting.made_ms > GIVEN_UP_AFTER_S * 1000:
            self.outage, self.note = None, tr("a message was given up after three days: {error}", error=error)
            await asyncio.to_thread(self._done, waiting, "not told", str(error))
        else:
            wait_s = back_off_s(waiting.tries)
            self.missed(error, wait_s)
            await asyncio.to_thread(self._outbox.later, waiting.number, ms_of(self._now()) + round(wait_s * 1000))

    def _done(self, waiting: Waiting, kind: EventKind, note: str) -> None:
        self._outbox.done(waiting.number)
        notice = waiting.notice
        note = f"{notice.reason}: {note}" if note else notice.reason
        event = Event(self._now(), kind, notice.group, by=self.name, note=note)
        self._saved.add_events([event])


def back_off_s(tries: int) -> float:
    """The wait after so many tries that failed before this one: doubled each time, with jitter."""
    wait_s = min(math.ldexp(FIRST_WAIT_S, min(tries, _DOUBLED_AT_MOST)), LONGEST_WAIT_S)
    return wait_s * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311  no secret


def _message(error: LilFoxError) -> Message:
    return error.message if isinstance(error.message, Message) else Message(str(error.message))
