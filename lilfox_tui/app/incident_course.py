"""Opening an incident from any pane, and closing the open one. Imported when that is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar, get_args

from lilfox_tui.app.console import Console
from lilfox_tui.app.dialogs.prompt import Prompt, PromptOffer
from lilfox_tui.app.evidence import Cause, cause_of, firing_alerts
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.app.rows.incidents import closing_rows
from lilfox_tui.core.i18n import _, clauses, ngettext, tr
from lilfox_tui.incident.incidents import close, current, open_beside, open_incident
from lilfox_tui.incident.model import Closed, Incident, SeverityLevel

Done = TypeVar("Done")


async def is_open(app: Console) -> bool:
    """Whether an incident is open, also before the monitor has looked. Raises LilFoxError."""
    view = app.monitor.incidents.feed.value
    return (await asyncio.to_thread(current) if view is None else view.incident) is not None


def _meanings() -> Mapping[str, str]:
    return {
        "SEV-1": _("the service is down, or data is being lost"),
        "SEV-2": _("an important part fails for many users"),
        "SEV-3": _("the service is degraded, or fails for a few users"),
        "SEV-4": _("users do not notice it"),
    }


async def ask_open(app: Console, cause: Cause | None) -> None:
    """Asks for the title and severity of an incident and opens it; ``cause`` is the alert that led to it. Raises
    LilFoxError."""
    levels, title = get_args(SeverityLevel), "" if cause is None else cause.title
    meanings = _meanings()
    worst = cause or next(map(cause_of, firing_alerts(app.shown)), None)
    asked = Prompt(
        _("Open an incident"),
        [(Piece("  "), Piece(_("Describe the problem in a few words, and choose its severity.")))],
        text=title,
        placeholder=_("what is wrong"),
        offers=[PromptOffer((Piece(each, "strong"), Piece(f"  {meanings[each]}", "muted")), None) for each in levels],
        at=levels.index(worst.severity if worst is not None else "SEV-3"),
        does=_("open it"),
    )
    answer = await app.push_screen_wait(asked)
    if answer is None:
        return
    told = answer.text.strip() or title or _("untitled")
    opened = await written(app, lambda: open_incident(told, levels[answer.at], cause=title))
    app.tell(tr("{id} is open: actions from now on are recorded in it", id=opened.id))


CLOSE_WORD = "close"
"""To be typed where something of the incident is still running."""


async def ask_close(app: Console, incident: Incident) -> None:
    """Shows what is in force, asks for a summary, and closes the incident; while something of it is running, only after
    a word. Raises LilFoxError."""
    backups = app.monitor.backups.backups
    running = () if backups is None else [job.id for job in backups.running if not _has_ended(app, job.id)]
    if titles := _going(app, incident, running):
        rows: list[Row] = [(Piece(f"  {app.glyphs.job} {title}", "strong"),) for title in titles]
        rows += [BLANK, (Piece("  "), Piece(_("Closing the incident does not stop what is running.")))]
        if not await app.confirm(_("{id}: still running", id=incident.id), rows, CLOSE_WORD):
            return
    asked = Prompt(
        _("Close {id}", id=incident.id),
        closing_rows(incident, datetime.now(UTC), running),
        placeholder=_("summary (optional)"),
        does=_("close it"),
        stays=_("leave it open"),
    )
    answer = await app.push_screen_wait(asked)
    if answer is None:
        return
    folder = Path(incident.folder)
    entry, other = await written(app, lambda: (close(folder, answer.text.strip()), open_beside(folder)))
    left = len(entry.what.in_force) if isinstance(entry.what, Closed) else 0
    told = [_("{id} is closed", id=incident.id)]
    if left:
        told.append(ngettext("{count} change is still in force", "{count} changes are still in force", left))
    if other is not None:
        told.append(_("{id} is now the current incident", id=other.id))
    app.closed_incident = incident.id
    app.tell(tr("{said}; press a in pane 4 to export it", said=clauses(told)))


def _has_ended(app: Console, job: str) -> bool:
    """Whether the job is a run that is known to have ended; the list of jobs says so later."""
    run = app.runs.get(job)
    return run is not None and run.ended is not None


def _going(app: Console, incident: Incident, running: Collection[str]) -> list[str]:
    """The titles of the jobs and runs of the incident that have not ended."""
    titles = {each.job: each.title for each in incident.jobs.values() if each.job in running}
    for key, run in app.runs.items():
        if run.ended is None and run.reducer is not None and run.reducer.incident == incident.id:
            titles[key] = run.reducer.runbook.title
    return list(titles.values())


async def written(app: Console, write: Callable[[], Done]) -> Done:
    """Runs a call that writes to an incident in a thread, then reads the timeline again. Raises LilFoxError."""
    done = await asyncio.to_thread(write)
    app.monitor.incidents.look_again()
    return done
