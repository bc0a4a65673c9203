"""Silences with their matchers, people's actions on alerts (acknowledge, silence, expire), and alerts with both."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from msgspec.structs import replace

from lilfox_tui.alerts.lifecycle import alert_view
from lilfox_tui.alerts.model import (
    Acknowledgement,
    Alert,
    Alerts,
    AlertState,
    Event,
    RuleView,
    Silence,
    SilenceMatcher,
    worst_first,
)
from lilfox_tui.alerts.storage import AlertStorage
from lilfox_tui.core.errors import LilFoxError, UsageError
from lilfox_tui.core.i18n import Message, _, tr
from lilfox_tui.core.maintenance import ALL, MaintenanceWindow, windows
from lilfox_tui.core.text import encodable
from lilfox_tui.incident.incidents import record
from lilfox_tui.incident.model import AlertChanged, Changed, Did, Reverted
from lilfox_tui.metrics.model import Labels
from lilfox_tui.scrape.labels import label_condition

# Matchers and silences as Alertmanager has them: patterns are RE2, anchored; a label that is not there is empty.
#
# Its syntax is that of Alertmanager and amtool: ``name="value"``, ``!=``, ``=~``, ``!~``, joined by commas, braces
# around them or not; values without spaces, commas and quotes may stand without quotes.


PRESETS_S = (3600.0, 4 * 3600.0, 24 * 3600.0)
"""Lengths that are offered first; beside them stands "until it has resolved"."""
_QUOTED = r'"(?:[^"\\\n]|\\.)*"'
_PLAIN_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_MATCHER = re.compile(
    rf"\s*({_QUOTED}|{_PLAIN_NAME.pattern})\s*(=~|!~|!=|=)\s*({_QUOTED}|[^\s,{{}}\"'=!~\\]*)\s*(,|$)", re.DOTALL
)
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}


def parse_matchers(text: str) -> tuple[SilenceMatcher, ...]:
    """Parse the matchers in ``text``. Raises UsageError with the part that is invalid."""
    inner = text.strip()
    if inner.startswith("{") and inner.endswith("}"):
        inner = inner[1:-1].strip()
    found: list[SilenceMatcher] = []
    place = 0
    while place < len(inner):
        match = _MATCHER.match(inner, place)
        if match is None:
            raise _wrong(tr("cannot parse {part}", part=inner[place : place + 60]))
        name, op, value, _end = match.groups()
        made = SilenceMatcher(_plain(name), _plain(value), is_regex="~" in op, is_equal=op[0] == "=")
        _condition(made)
        found.append(made)
        place = match.end()
    if not found:
        raise _wrong(tr("none given"))
    return tuple(found)


def check_silence(matchers: Iterable[SilenceMatcher]) -> None:
    """Raise UsageError if the matchers match an alert without labels, which Alertmanager also rejects: they would
    silence nearly everything."""
    if all(_condition(one)("") is one.is_equal for one in matchers):
        raise UsageError(
            tr("these matchers match every alert that lacks these labels; that would silence nearly everything"),
            tr('add a matcher that requires a value, such as alertname="HighLatency"'),
        )


def matches_all(matchers: Iterable[SilenceMatcher], labels: Labels) -> bool:
    """Whether all matchers match these labels. Raises UsageError for a pattern that RE2 rejects."""
    known = dict(labels)
    return all(_condition(one)(known.get(one.name, "")) is one.is_equal for one in matchers)


def would_silence(matchers: Iterable[SilenceMatcher], alerts: Iterable[Alert]) -> tuple[Alert, ...]:
    """Return those of ``alerts`` that the matchers match: the preview of a silence."""
    wanted = tuple(matchers)
    return tuple(alert for alert in alerts if matches_all(wanted, alert.labels))


def matchers_of(labels: Labels) -> tuple[SilenceMatcher, ...]:
    """Return matchers for alerts with exactly these values."""
    return tuple(SilenceMatcher(name, value) for name, value in labels)


def is_active(silence: Silence, now: datetime) -> bool:
    """Whether the silence is active at ``now`` (aware)."""
    return silence.starts_at <= now < silence.ends_at


def format_matchers(matchers: Iterable[SilenceMatcher]) -> str:
    """Format matchers for :func:`parse_matchers`."""
    return ", ".join(f"{_name(one.name)}{_op(one)}{_quoted(one.value)}" for one in matchers)


def _name(name: str) -> str:
    return name if _PLAIN_NAME.fullmatch(name) else _quoted(name)


def _op(matcher: SilenceMatcher) -> str:
    if matcher.is_regex:
        return "=~" if matcher.is_equal else "!~"
    return "=" if matcher.is_equal else "!="


def _condition(matcher: SilenceMatcher) -> Callable[[str], bool]:
    if not matcher.is_regex:
        return label_condition("=", matcher.value)
    return label_condition("=~", f"(?-s:{matcher.value})")  # a dot takes no newline in Alertmanager


def _plain(word: str) -> str:
    if not word.startswith('"'):
        return word
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[0]), word[1:-1], flags=re.DOTALL)


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t") + '"'


def _wrong(what: Message) -> UsageError:
    return UsageError(
        tr("matchers: {what}", what=what),
        tr('write them as alertname="HighLatency", team=~"web|db"'),
    )


# Windows of maintenance as silences: nobody is told of the alerts of what is worked on.


_WINDOW_ID = "maintenance "
_WINDOW_LABELS = ("host", "service", "job", "unit", "name")
"""Of these one has the name of what is worked on; ``instance`` may have a port behind it."""


def silences_of_windows(windows: Iterable[MaintenanceWindow]) -> Iterator[Silence]:
    """Yield the silences that together represent each maintenance window. A window needs several, because all matchers
    of one silence must match."""
    for window in windows:
        if window.name == ALL:
            yield _window_silence(window, SilenceMatcher("alertname", "", is_equal=False))
            continue
        for label in _WINDOW_LABELS:
            yield _window_silence(window, SilenceMatcher(label, window.name))
        instance = f"{re.escape(window.name)}(:[0-9]+)?"
        yield _window_silence(window, SilenceMatcher("instance", instance, is_regex=True))


def _window_silence(window: MaintenanceWindow, matcher: SilenceMatcher) -> Silence:
    return Silence(
        id=_WINDOW_ID + window.name,
        matchers=(matcher,),
        starts_at=window.since,
        ends_at=window.until,
        created_by=window.by,
        comment=window.why,
    )


def window_of(silence: str) -> str | None:
    """Return the name of the host or service in maintenance, if the silence with this ID stands for a maintenance
    window; None for a silence that somebody created."""
    return silence.removeprefix(_WINDOW_ID) if silence.startswith(_WINDOW_ID) else None


# What people do with alerts: acknowledge, silence, expire. From any LilFox; the one that evaluates notices.
#
# It stands in the timeline of the incident that is open before it is done. Everything blocks: call it from a thread.
# Raises LilFoxError.


LONGEST_SILENCE = timedelta(days=366)
_UNTIL_RESOLVED = timedelta(days=30)
"""A silence "until it has resolved" ends after so long in any case."""


def acknowledge(saved: AlertStorage, alert: Alert, by: str, note: str, now: datetime) -> None:
    """Acknowledge the alert as ``by``; holds until it resolves. Raises UsageError if it is neither firing nor
    pending."""
    if alert.state is AlertState.RESOLVED:
        raise UsageError(tr("{alert} has already resolved; there is nothing to acknowledge", alert=alert.name))
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
    """Withdraw an acknowledgement."""
    record(Did(text=_("no longer acknowledged: {name}", name=alert.name)))
    saved.acknowledge(alert.labels, None, Event(now, "unacknowledged", alert.labels, alert.rule, by=encodable(by)))


def silence(
    saved: AlertStorage, matchers: Sequence[SilenceMatcher], for_s: float | None, by: str, comment: str, now: datetime
) -> Silence:
    """Silence the alerts that ``matchers`` match for ``for_s`` seconds; None means until none of them is pending or
    firing. Raises UsageError."""
    check_silence(matchers)
    lasts = _UNTIL_RESOLVED if for_s is None else timedelta(seconds=for_s)
    if not timedelta() < lasts <= LONGEST_SILENCE:
        raise UsageError(tr("a silence must last more than 0 s and at most a year"))
    by, comment = encodable(by), encodable(comment)
    wanted = tuple(replace(one, value=encodable(one.value)) for one in matchers)
    made = Silence(str(uuid.uuid4()), wanted, now, now + lasts, by, comment, until_resolved=for_s is None)
    said = f"{format_matchers(wanted)} {comment}".strip()
    text = _("silenced: {matchers}", matchers=said)
    if made.until_resolved:
        text = _("silenced until resolved: {matchers}", matchers=said)
    record(Changed(change=change_of(made), text=text, undo=f"lilfox alerts expire {made.id}", ends=made.ends_at))
    saved.keep_silence(made, _event(made, "silenced", by, now))
    return made


def expire(saved: AlertStorage, wanted: str, by: str, now: datetime) -> Silence:
    """Expire the silence whose id begins with ``wanted``, now. Raises UsageError if there is none, or several."""
    found = [one for one in saved.silences() if one.id.startswith(wanted) and now < one.ends_at]
    if not wanted or not found:
        raise UsageError(
            tr("no unexpired silence has an ID that begins with {id}", id=wanted), tr("see: lilfox alerts silences")
        )
    if len(found) > 1:
        raise UsageError(
            tr("{count} silences have an ID that begins with {id}; give more characters", count=len(found), id=wanted)
        )
    ended = replace(found[0], ends_at=now)
    record(
        Reverted(change=change_of(ended), text=_("silence ended: {matchers}", matchers=format_matchers(ended.matchers)))
    )
    saved.keep_silence(ended, _event(ended, "expired", encodable(by), now))
    return ended


def expire_resolved(saved: AlertStorage, silences: Iterable[Silence], alerts: Iterable[Alert], now: datetime) -> bool:
    """Expire "until resolved" silences that no longer match a pending or firing alert; return whether any was
    expired."""
    used = {name for alert in alerts if alert.state is not AlertState.RESOLVED for name in alert.silenced_by}
    over = [one for one in silences if one.until_resolved and is_active(one, now) and one.id not in used]
    for one in over:
        saved.keep_silence(replace(one, ends_at=now), _event(one, "expired", "", now))
        with suppress(LilFoxError):  # nobody's doing: what is over is over
            text = _("silence ended: {matchers}", matchers=format_matchers(one.matchers))
            record(Reverted(change=change_of(one), text=text), by="lilfox monitor")
    return bool(over)


def change_of(silence: Silence) -> str:
    """Return the id of the change that a silence is in the timeline of an incident."""
    return f"silence {silence.id}"


def _event(silenced: Silence, kind: str, by: str, now: datetime) -> Event:
    labels = tuple((one.name, one.value) for one in silenced.matchers)
    return Event(
        now, "expired" if kind == "expired" else "silenced", labels, by=by,
        note=f"{format_matchers(silenced.matchers)} {silenced.comment}".strip(),
    )  # fmt: skip


# Alerts as people see them: with who acknowledged them and what silences them, worst first.


def annotated(
    alerts: Iterable[Alert],
    acknowledged: Mapping[Labels, Acknowledgement],
    silences: Iterable[Silence],
    now: datetime,
    suppressed: Mapping[Labels, tuple[str, ...]],
) -> tuple[Alert, ...]:
    """Return ``alerts`` with their acknowledgements, the silences active at ``now`` and what else suppresses them,
    worst first. Blocks: reads the maintenance windows."""
    active = [one for one in (*silences, *silences_of_windows(windows(now))) if is_active(one, now)]
    found = []
    for alert in alerts:
        by = tuple(dict.fromkeys(one.id for one in active if matches_all(one.matchers, alert.labels)))
        if alert.state is not AlertState.RESOLVED:
            by += suppressed.get(alert.labels, ())
        seen = acknowledged.get(alert.labels) if alert.state is not AlertState.RESOLVED else None
        found.append(replace(alert, acknowledged=seen, silenced_by=by) if by or seen else alert)
    return worst_first(found)


def alerts_from_storage(saved: AlertStorage, now: datetime) -> Alerts:
    """Return the last state saved by the evaluating LilFox. Blocks. Raises LilFoxError."""
    rules: list[RuleView] = []
    alerts: list[Alert] = []
    for name, group in saved.groups().items():
        rules += group.views
        for identity, found in saved.alerts(name).items():
            alerts += [alert_view(group.keys.get(identity, identity), alert) for alert in found]
    silences = saved.silences()
    shown = annotated(alerts, saved.acknowledgements(), silences, now, saved.suppressed())
    return Alerts(now, tuple(rules), shown, silences, evaluated_here=False, troubles=saved.troubles())
