"""What the next one must know, in a text to be read aloud or pasted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from lilfox_tui.i18n import _, ngettext
from lilfox_tui.incident.export import utc
from lilfox_tui.incident.folding import impact, still_in_force
from lilfox_tui.incident.model import Called, Decided, Entry, Incident, Noted, StepEnded
from lilfox_tui.incident.words import event_text, moment_text, role_text
from lilfox_tui.text import human_duration

_LAST = 10


def handover_text(incident: Incident, entries: Sequence[Entry], now: datetime) -> Iterator[str]:
    """Its lines: data as it stands, cleaned by who shows them. ``now`` is aware."""
    yield _("{id} {severity}: {title}", id=incident.id, severity=incident.severity, title=incident.title)
    yield _("opened {when} UTC, {age} ago", when=utc(incident.opened), age=_age(incident.opened, now))
    if incident.closed is not None:
        yield _("closed {when} UTC", when=utc(incident.closed))
    yield _("acts now: {who}", who=incident.leader)
    for role, who in incident.roles.items():
        yield _("{role}: {who}", role=role_text(role), who=who)
    for moment, found in impact(incident, entries).items():
        yield _("{moment}: {when:%Y-%m-%d %H:%M:%S} UTC", moment=moment_text(moment), when=found.when)
    changes = still_in_force(incident, now)
    yield from _list(_("changes in force:"), (_change(change.text, change.undo) for change in changes))
    jobs = (_("{id} {title}", id=job.job, title=job.title) for job in incident.jobs.values())
    yield from _list(_("jobs of whose end nothing is told:"), jobs)
    steps = (_("{host}: {command}", host=step.host, command=step.command) for step in incident.steps.values())
    yield from _list(_("commands of which nobody knows how they ended:"), steps)
    told = [each for each in entries if isinstance(each.what, Noted | Decided | Called)]
    yield from _list(_("said:"), (_entry(each) for each in told[-_LAST:]))
    done = [each for each in entries if not isinstance(each.what, Noted | Decided | Called)]
    yield from _list(_("last events:"), (_entry(each) for each in done[-_LAST:]))


def _age(since: datetime, now: datetime) -> str:
    return human_duration(round((now - since).total_seconds()))


def _change(text: str, undo: str) -> str:
    return _("{said} (to take it back: {undo})", said=text, undo=undo) if undo else text


def _entry(entry: Entry) -> str:
    text = event_text(entry.what)
    if isinstance(entry.what, StepEnded) and entry.what.output:
        text = ngettext("{said} ({count} line of output)", "{said} ({count} lines of output)",
                        entry.what.output_lines, said=text)  # fmt: skip
    return f"{entry.at:%H:%M:%S} {entry.by}: {text}"


def _list(title: str, lines: Iterator[str]) -> Iterator[str]:
    found = list(lines)
    if found:
        yield title
        yield from (f"  {line}" for line in found)
