"""The contract of notifiers, one file each in ``notifiers/``, and a notification in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Literal, Protocol

from msgspec import Struct

from lilfox_tui.alerts.model import Alert, AlertState
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import _, listed, ngettext
from lilfox_tui.metrics.model import Labels
from lilfox_tui.text import clean, human_duration

# What a notifier is told, and what a notifier is: one file each in ``notifiers/``.
#
# A module of a kind has ``Options`` (a :class:`NotifierConfig`) and ``open_notifier(name, options, setting)``.


Reason = Literal["firing", "reminder", "resolved", "test"]


class Notification(Struct, frozen=True):
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


class PartialDelivery(LilFoxError):
    """Some of those who are meant were not reached, and trying again would tell the others twice."""


class Notifier(Protocol):
    """A way to tell people. ``tells_all``: it groups, silences and repeats by itself, so it is told of all alerts
    again and again, each time with ``valid_until``."""

    tells_all: bool

    async def tell(self, notice: Notification) -> None:
        """Tells it, once. Raises LilFoxError, without secrets, where that did not work and may be tried again;
        PartlyTold where it must not be. May be cancelled at any time."""
        ...

    async def close(self) -> None:
        """Ends what is open."""
        ...


class NotifierSetup(Struct, frozen=True):
    """What a notifier gets beside its Options. ``ring`` is the bell of the terminal that the app has, if any."""

    ring: Callable[[Notification], None] | None = None


# A notice in words, for people: a subject on one line and a text.


_SUBJECT_CHARS = 150
_MOST_ALERTS = 50
_MOST_LINES, _LINE_CHARS = 40, 1000


def summary(alert: Alert) -> str:
    """What its rule says of it, on one line; of one that is over, that it was so: the text itself is in the present."""
    text = alert.summary
    return _("was: {what}", what=text) if text and alert.state is AlertState.RESOLVED else text


def subject(notice: Notification) -> str:
    """What it is about, on one line, without anything that a terminal or a mail's head acts on."""
    names = sorted({alert.name for alert in (*notice.firing, *notice.resolved)})
    what = listed(dict(notice.group).values()) or listed(names)
    state = {
        "firing": _("FIRING {count}", count=len(notice.firing)),
        "reminder": _("STILL FIRING {count}", count=len(notice.firing)),
        "resolved": _("RESOLVED {count}", count=len(notice.resolved)),
        "test": _("TEST"),
    }[notice.reason]
    if notice.reason == "resolved" and notice.firing:
        state += ", " + _("STILL FIRING {count}", count=len(notice.firing))
    return clean(f"[{state}] {what}"[:_LINE_CHARS])[:_SUBJECT_CHARS].rstrip()


def body(notice: Notification) -> str:
    """All alerts of it, the firing ones first; lines end with ``\\n``."""
    lines: list[str] = []
    if notice.reason == "test":
        lines += [_("This is a test of the way that alerts take. Nothing is wrong."), ""]
    shown = 0
    for alerts, resolved in ((notice.firing, False), (notice.resolved, True)):
        for alert in alerts[: _MOST_ALERTS - shown]:
            lines += [*_alert_lines(alert, notice, resolved=resolved), ""]
            shown += 1
    more = len(notice.firing) + len(notice.resolved) - shown
    if more:
        lines += [ngettext("and {count} more", "and {count} more", more), ""]
    if notice.external_url:
        lines.append(notice.external_url)
    return "\n".join(clean(_cut(line)) for line in lines).rstrip() + "\n"


def _cut(line: str) -> str:
    return line if len(line) <= _LINE_CHARS else line[: _LINE_CHARS - 1] + "…"


def _alert_lines(alert: Alert, notice: Notification, *, resolved: bool) -> Iterator[str]:
    since = alert.fired_at or alert.active_at
    if resolved:
        ended = alert.resolved_at or notice.at
        lasted = human_duration(max(0.0, (ended - since).total_seconds()))
        yield _(
            "RESOLVED {name} at {at:%Y-%m-%d %H:%M:%S} UTC after {lasted}", name=alert.name, at=ended, lasted=lasted
        )
    else:
        yield _("FIRING {name} since {at:%Y-%m-%d %H:%M:%S} UTC, value {value:g}",
                name=alert.name, at=since, value=alert.value)  # fmt: skip
    for name, value in alert.annotations:
        first, *others = value.splitlines()[:_MOST_LINES] or [""]
        yield f"  {name}: {first}"
        yield from (f"    {line}" for line in others)
    yield "  " + ", ".join(f"{name}={value}" for name, value in alert.labels if name != "alertname")
