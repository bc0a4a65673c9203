"""Shows what another LilFox of this state folder evaluates, and rings this terminal's bell for what fires there."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime

from msgspec.structs import replace

from lilfox_tui.alerts.model import Alert, Alerts, AlertState, Trouble
from lilfox_tui.alerts.notifier import Notice
from lilfox_tui.alerts.saved import Saved
from lilfox_tui.alerts.telling import concerned, is_muted, receiver
from lilfox_tui.alerts.viewing import from_saved
from lilfox_tui.config.model import Config
from lilfox_tui.metrics.model import Labels

BELL = "bell"
"""The one kind of notifier that tells those before this very screen; all others are told by who evaluates."""


class Following:
    """What ``saved`` holds. ``ring`` is the terminal's bell, if there is one."""

    def __init__(self, config: Config, saved: Saved, ring: Callable[[Notice], None] | None) -> None:
        self._saved, self._ring = saved, ring
        bells = [(name, options) for name, options in config.notifiers.items() if options.kind == BELL]
        self._bells = [receiver(name, options) for name, options in bells]
        self._version: tuple[int, str] | None = None
        self._fires: dict[str, set[tuple[Labels, datetime | None]]] = {}

    def newer(self, now: datetime, trouble: Trouble | None = None) -> Alerts | None:
        """The state, if it or ``trouble``, which becomes a part of it, is another than at the last call. Blocks. Raises
        LilFoxError."""
        version = self._saved.database.changed_elsewhere(), str(trouble)
        if version == self._version:
            return None
        alerts = from_saved(self._saved, now)
        self._version = version
        return alerts if trouble is None else replace(alerts, troubles=(*alerts.troubles, trouble))

    def again(self) -> None:
        """Lets :meth:`newer` give the state again: it was changed from here."""
        self._version = None

    def ring(self, alerts: Alerts) -> None:
        """Rings once for what fires since the last call, except at the first."""
        for bell in self._bells if self._ring is not None else ():
            known = concerned(bell, alerts.alerts)
            firing = [one for one in known.values() if one.state is AlertState.FIRING and not is_muted(one)]
            before = self._fires.get(bell.name)
            new = [one for one in firing if before is not None and (one.labels, one.fired_at) not in before]
            self._fires[bell.name] = {(one.labels, one.fired_at) for one in firing}
            if new and self._ring is not None:
                self._ring(_notice(bell.name, alerts.at, new))


def _notice(name: str, at: datetime, alerts: list[Alert]) -> Notice:
    number = uuid.uuid4().hex
    return Notice(number, number, at, name, "firing", (), firing=tuple(alerts))
