"""A notice in words, for people: a subject on one line and a text."""

from __future__ import annotations

from collections.abc import Iterator

from lilfox_tui.alerts.model import Alert, AlertState
from lilfox_tui.alerts.notifier import Notice
from lilfox_tui.i18n import _, listed, ngettext
from lilfox_tui.text import clean, human_duration

_SUBJECT_CHARS = 150
_MOST_ALERTS = 50
_MOST_LINES, _LINE_CHARS = 40, 1000


def said(alert: Alert) -> str:
    """What its rule says of it, on one line; of one that is over, that it was so: the text itself is in the present."""
    text = alert.summary
    return _("was: {what}", what=text) if text and alert.state is AlertState.RESOLVED else text


def subject(notice: Notice) -> str:
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


def body(notice: Notice) -> str:
    """All alerts of it, the firing ones first; lines end with ``\\n``."""
    lines: list[str] = []
    if notice.reason == "test":
        lines += [_("This is a test of the way that alerts take. Nothing is wrong."), ""]
    shown = 0
    for alerts, resolved in ((notice.firing, False), (notice.resolved, True)):
        for alert in alerts[: _MOST_ALERTS - shown]:
            lines += [*_of_alert(alert, notice, resolved=resolved), ""]
            shown += 1
    more = len(notice.firing) + len(notice.resolved) - shown
    if more:
        lines += [ngettext("and {count} more", "and {count} more", more), ""]
    if notice.external_url:
        lines.append(notice.external_url)
    return "\n".join(clean(_cut(line)) for line in lines).rstrip() + "\n"


def _cut(line: str) -> str:
    return line if len(line) <= _LINE_CHARS else line[: _LINE_CHARS - 1] + "…"


def _of_alert(alert: Alert, notice: Notice, *, resolved: bool) -> Iterator[str]:
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
