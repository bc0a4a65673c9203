"""What people do with alerts: acknowledge, silence, expire. From any LilFox; the one that evaluates notices.

It stands in the timeline of the incident that is open before it is done. Everything blocks: call it from a thread.
Raises LilFoxError.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from msgspec.structs import replace

from lilfox_tui.alerts.model import Acknowledgement, Alert, AlertState, Event, Silence, SilenceMatcher
from lilfox_tui.alerts.silences import check_silence, format_matchers, is_active
from lilfox_tui.alerts.storage import AlertStorage
from lilfox_tui.errors import LilFoxError, UsageError
from lilfox_tui.i18n import _, tr
from lilfox_tui.incident.incidents import record
from lilfox_tui.incident.model import AlertChanged, Changed, Did, Reverted
from lilfox_tui.text import encodable

LONGEST_SILENCE = timedelta(days=366)
_UNTIL_RESOLVED = timedelta(days=30)
"""A silence "until it has resolved" ends after so long in any case."""


def acknowledge(saved: AlertStorage, alert: Alert, by: str, note: str, now: datetime) -> None:
    """``by`` has seen it; holds until the alert resolves. Raises UsageError where it neither fires nor is pending."""
    if alert.state is AlertState.RESOLVED:
        raise UsageError(tr("{alert} has resolved already; there is nothing to acknowledge", alert=alert.name))
    by, note = encodable(by), encodable(note)
    record(
        AlertChanged(
            name=alert.name,
            labels=dict(alert.labels),
            state="acknowledged",
            since=alert.fired_at or alert.active_at,
            summary=f"{by}: {note}" if note else by,
        )
    )
    event = Event(now, "acknowledged", alert.labels, alert.rule, alert.value, by=by, note=note)
    saved.acknowledge(alert.labels, Acknowledgement(by, now, note), event)


def unacknowledge(saved: AlertStorage, alert: Alert, by: str, now: datetime) -> None:
    """Takes an acknowledgement away."""
    record(Did(text=_("no longer acknowledged: {name}", name=alert.name)))
    saved.acknowledge(alert.labels, None, Event(now, "unacknowledged", alert.labels, alert.rule, by=encodable(by)))


def silence(
    saved: AlertStorage, matchers: Sequence[SilenceMatcher], for_s: float | None, by: str, comment: str, now: datetime
) -> Silence:
    """Silences what ``matchers`` take for so long; None for until nothing fits them any more. Raises UsageError."""
    check_silence(matchers)
    lasts = _UNTIL_RESOLVED if for_s is None else timedelta(seconds=for_s)
    if not timedelta() < lasts <= LONGEST_SILENCE:
        raise UsageError(tr("a silence lasts longer than 0 s and up to a year"))
    by, comment = encodable(by), encodable(comment)
    wanted = tuple(replace(one, value=encodable(one.value)) for one in matchers)
    made = Silence(str(uuid.uuid4()), wanted, now, now + lasts, by, comment, until_resolved=for_s is None)
    text = _("silenced: {matchers}", matchers=f"{format_matchers(wanted)} {comment}".strip())
    record(Changed(change=_change(made), text=text, undo=f"lilfox alerts expire {made.id}", ends=made.ends_at))
    saved.keep_silence(made, _event(made, "silenced", by, now))
    return made


def expire(saved: AlertStorage, wanted: str, by: str, now: datetime) -> Silence:
    """Ends the silence whose id begins with ``wanted``, now. Raises UsageError where there is none, or several."""
    found = [one for one in saved.silences() if one.id.startswith(wanted) and now < one.ends_at]
    if not wanted or not found:
        raise UsageError(
            tr("no silence that has not ended has the id {id}", id=wanted), tr("see: lilfox alerts silences")
        )
    if len(found) > 1:
        raise UsageError(tr("{count} silences begin with {id}; write more of it", count=len(found), id=wanted))
    ended = replace(found[0], ends_at=now)
    record(
        Reverted(change=_change(ended), text=_("silence ended: {matchers}", matchers=format_matchers(ended.matchers)))
    )
    saved.keep_silence(ended, _event(ended, "expired", encodable(by), now))
    return ended


def expire_resolved(saved: AlertStorage, silences: Iterable[Silence], alerts: Iterable[Alert], now: datetime) -> bool:
    """Ends silences "until resolved" that silence nothing pending or firing any more; whether there were any."""
    used = {name for alert in alerts if alert.state is not AlertState.RESOLVED for name in alert.silenced_by}
    over = [one for one in silences if one.until_resolved and is_active(one, now) and one.id not in used]
    for one in over:
        saved.keep_silence(replace(one, ends_at=now), _event(one, "expired", "", now))
        with suppress(LilFoxError):  # nobody's doing: what is over is over
            text = _("silence ended: {matchers}", matchers=format_matchers(one.matchers))
            record(Reverted(change=_change(one), text=text), by="lilfox monitor")
    return bool(over)


def _change(silence: Silence) -> str:
    return f"silence {silence.id}"


def _event(silenced: Silence, kind: str, by: str, now: datetime) -> Event:
    labels = tuple((one.name, one.value) for one in silenced.matchers)
    return Event(
        now, "expired" if kind == "expired" else "silenced", labels, by=by,
        note=f"{format_matchers(silenced.matchers)} {silenced.comment}".strip(),
    )  # fmt: skip
