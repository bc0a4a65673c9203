"""Data in Markdown: escapes it, and writes the items of an export that are to be done, and those from before."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from lilfox_tui.core.i18n import _, clauses
from lilfox_tui.core.text import clean, human_age
from lilfox_tui.incident.model import AlertPast, Changed, FollowUp, FollowUpDone, PastEvent, TimelineEntry

# Data in Markdown (CommonMark and what code hosts add): never markup, a link, HTML or the end of a block.


_MARKS = re.compile(r"([\\`*_\[\]|~$]|(?<!\w)@|@(?=[\w-]+\.))")
"""With what code hosts make of @name and of addresses."""
_LINE_START = re.compile(r"^([#+=>-]|[0-9]+(?=[.)]))")
_TICKS = re.compile(r"`+")
_HARMLESS_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*", re.ASCII)


def md_inline(text: str) -> str:
    """Escape ``text`` for one line of Markdown."""
    shown = _MARKS.sub(r"\\\1", clean(text).strip().replace("&", "&amp;"))
    shown = shown.replace("<", "&lt;").replace(">", "&gt;").replace("://", ":\\//").replace("www.", "www\\.")
    return _LINE_START.sub(lambda found: _escaped_start(found[1]), shown)


def md_lines(text: str, indent: int) -> str:
    """``text`` of several lines as one paragraph of a list item that is ``indent`` deep."""
    shown = [md_inline(line) for line in text.splitlines() if line.strip()]
    return ("\\\n" + " " * indent).join(shown)


def md_code(text: str) -> str:
    """Format ``text`` as a code span; several lines become one."""
    shown = clean(text.replace("\n", "; ")).strip() or "-"
    ticks = "`" * (_longest(shown) + 1)
    return f"{ticks} {shown} {ticks}" if "`" in shown else f"{ticks}{shown}{ticks}"


def md_block(text: str, indent: int) -> str:
    """``text`` as a fenced block in a list item that is ``indent`` deep."""
    shown = [clean(line) for line in text.splitlines()]
    fence = "`" * max(3, *(_longest(line) + 1 for line in shown), 3)
    return "\n".join(" " * indent + line for line in (f"{fence}text", *shown, fence))


def md_link(file: str, folder: str) -> str:
    """Return a link to an evidence file; only its name if ``keep`` could not have given it such a name."""
    return f"[{md_inline(file)}]({folder}/{file})" if _HARMLESS_FILE.fullmatch(file) else md_inline(file)


def _longest(text: str) -> int:
    return max((len(found) for found in _TICKS.findall(text)), default=0)


def _escaped_start(start: str) -> str:
    return f"{start}\\" if start.isdigit() else f"\\{start}"


# What an export says of an alert before the incident, and of what is to be done after it.


def alert_past(entries: Sequence[TimelineEntry]) -> Iterator[str]:
    """Yield what happened to the alerts of an incident before it was opened, an item each."""
    for entry in entries:
        if isinstance(entry.what, AlertPast):
            for event in entry.what.events:
                yield f"- **{event.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}** {md_inline(entry.what.name)}: {_past(event)}"


def _past(event: PastEvent) -> str:
    text = {
        "fired": _("fired"), "resolved": _("resolved"), "acknowledged": _("acknowledged"),
        "unacknowledged": _("acknowledgement withdrawn"), "silenced": _("silenced"), "expired": _("silence expired"),
        "told": _("notified"), "not told": _("not notified"),
    }.get(event.kind, event.kind)  # fmt: skip
    if event.lasted_s is not None:
        text = _("{said} after {age}", said=text, age=human_age(event.lasted_s))
    said = f"{text} ({md_inline(event.by)})" if event.by else text
    return f"{said}: {md_inline(event.note)}" if event.note else said


def follow_ups(entries: Sequence[TimelineEntry]) -> Iterator[str]:
    """Yield the follow-ups of an incident as items of a list to tick off, each with its owner and its day."""
    done = {entry.what.number: entry.what for entry in entries if isinstance(entry.what, FollowUpDone)}
    for entry in entries:
        what = entry.what
        if not isinstance(what, FollowUp):
            continue
        ended = done.get(entry.number)
        more = [_("owner: {who}", who=md_inline(what.owner) or "-")]
        more += [_("due {day}", day="-" if what.due is None else f"{what.due:%Y-%m-%d}")]
        more += [_("done: {said}", said=md_inline(ended.text) or "-")] if ended is not None else []
        yield f"- [{' ' if ended is None else 'x'}] {md_lines(what.text, 2)} ({clauses(more)})"


def that_helped(entries: Sequence[TimelineEntry], mitigated: datetime | None) -> Changed | None:
    """Return the last change before what the incident is about was good again: to take it back is nothing to do."""
    before = [entry.what for entry in entries if mitigated is not None and entry.at <= mitigated]
    return next((what for what in reversed(before) if isinstance(what, Changed)), None)
