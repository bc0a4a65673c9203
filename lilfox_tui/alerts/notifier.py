"""What a notifier is told, and what a notifier is: one file each in ``notifiers/``.

A module of a kind has ``Options`` (a :class:`NotifierConfig`) and ``open_notifier(name, options, setting)``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Literal, Protocol

from msgspec import Struct

from lilfox_tui.alerts.model import Alert
from lilfox_tui.errors import LilFoxError
from lilfox_tui.metrics.model import Labels

Reason = Literal["firing", "reminder", "resolved", "test"]


class Notice(Struct, frozen=True):
    """One message to one receiver about alerts that belong together.

    ``id`` stays the same from try to try, so that a message that arrives twice is recognised. ``thread`` stays the
    same from the first firing of a group to its end. ``firing`` are all that fire now, ``resolved`` those that ended
    since the last message. All text in it is untrusted.
    """

    id: str
    thread: str
    at: datetime
    receiver: str
    reason: Reason
    group: Labels
    firing: tuple[Alert, ...] = ()
    resolved: tuple[Alert, ...] = ()
    valid_until: datetime | None = None
    """Without another message what fires counts as resolved then; only of notifiers that are told everything."""
    external_url: str = ""


class PartlyTold(LilFoxError):
    """Some of those who are meant were not reached, and trying again would tell the others twice."""


class Notifier(Protocol):
    """A way to tell people. ``tells_all``: it groups, silences and repeats by itself, so it is told of all alerts
    again and again, each time with ``valid_until``."""

    tells_all: bool

    async def tell(self, notice: Notice) -> None:
        """Tells it, once. Raises LilFoxError, without secrets, where that did not work and may be tried again;
        PartlyTold where it must not be. May be cancelled at any time."""
        ...

    async def close(self) -> None:
        """Ends what is open."""
        ...


class Setting(Struct, frozen=True):
    """What a notifier gets beside its Options. ``ring`` is the bell of the terminal that the app has, if any."""

    ring: Callable[[Notice], None] | None = None
