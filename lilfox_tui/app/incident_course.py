"""Opening an incident from any pane, and closing the open one. Imported when that is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, get_args

from msgspec import Struct

from lilfox_tui.app.console import Console
from lilfox_tui.app.dialogs.messages import AskDialog
from lilfox_tui.app.dialogs.prompt import Prompt, PromptOffer
from lilfox_tui.app.evidence import Cause, cause_of, firing_alerts
from lilfox_tui.app.rendering.draw import BLANK, Glyphs, Piece, Row
from lilfox_tui.app.rows.hosts import ROLES, reason_pieces
from lilfox_tui.app.rows.incidents import closing_rows
from lilfox_tui.core.aio import Ready
from lilfox_tui.core.i18n import Message, _, clauses, listed, ngettext, tr
from lilfox_tui.core.text import clean
from lilfox_tui.incident.incidents import append, close, current, open_beside, open_incident
from lilfox_tui.incident.model import Closed, Incident, Noted, SeverityLevel, alert_subject
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.export import Failure, Failures, failures, utc_time
from lilfox_tui.monitor.incident_events import closed_with
from lilfox_tui.monitor.model import Overview, View

if TYPE_CHECKING:
    from lilfox_tui.alerts.model import Alert

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


class Proposal(Struct, frozen=True):
    """What is proposed for a new incident: its title, the alert that it is opened for (empty for none), its severity,
    why it has that, what fails, the worst first; and what it leaves out: the other alerts that fire, by their titles,
    and the names of what else is failing."""

    title: str
    cause: str
    severity: SeverityLevel
    why: str
    about: Sequence[View] = ()
    others: Sequence[str] = ()
    also_failing: Sequence[str] = ()


_NAMED = 3
"""Names of what fails that are told."""


def propose(overview: Overview | None, cause: Cause | None) -> Proposal:
    """Return the proposal for ``cause``, or for everything that is watched: as severe as the worst alert, and at least
    as what fails. SEV-1 is proposed only where several services are watched and all of them fail. Unless the cause was
    chosen, it is only the alert of the selected row: one that is worse takes its place."""
    views = () if overview is None else overview.views
    firing = alerts = [each for each in firing_alerts(overview) if not each.silenced_by]
    if cause is not None and not cause.chosen:
        cause = _worst(firing, cause)
    subject = "" if cause is None else alert_subject(cause.labels)
    if subject:
        views = tuple(each for each in views if each.name == subject)
        alerts = [each for each in alerts if alert_subject(dict(each.labels)) == subject]
    elif cause is not None:
        views, alerts = (), [each for each in alerts if each.name == cause.alert]
    failing = [each for each in views if each.level is Level.FAILING]
    degraded = [each for each in views if each.level is Level.DEGRADED]
    found = [each.severity for each in (cause, *map(cause_of, alerts)) if each is not None]
    found += ["SEV-2"] if failing else ["SEV-3"] if degraded else []
    services = () if overview is None else tuple(overview.services.values())
    if len(services) > 1 and all(each.level is Level.FAILING for each in services):
        found.append("SEV-1")
    titles = dict.fromkeys(each.title for each in ([cause] if cause is not None else map(cause_of, alerts)))
    title = next(iter(titles)) if len(titles) == 1 else _state_text(failing or degraded, failing=bool(failing))
    levels: Sequence[SeverityLevel] = get_args(SeverityLevel)  # worst first
    severity: SeverityLevel = next((level for level in levels if level in found), "SEV-3")
    why = _why(failing, degraded, list(dict.fromkeys(each.name for each in alerts)))
    others = list(dict.fromkeys(cause_of(each).title for each in firing if each not in alerts))
    watched = () if overview is None else overview.views
    also = [each.name for each in watched if each.level is Level.FAILING and each not in failing]
    return Proposal(title, title if len(titles) == 1 else "", severity, why, [*failing, *degraded], others, also)


def _worst(firing: Sequence[Alert], cause: Cause) -> Cause:
    """The worst firing alert; of several that are as bad as ``cause``, that one."""
    urgency = max((each.urgency for each in firing if cause_of(each).title == cause.title), default=-1)
    return cause_of(firing[0]) if firing and firing[0].urgency > urgency else cause


def _why(failing: Sequence[View], degraded: Sequence[View], alerts: Sequence[str]) -> str:
    """What the severity follows from. The alerts are named: the header counts those of everything."""
    told = [_state_text(failing, failing=True), _state_text(degraded, failing=False)]
    if alerts:
        told.append(ngettext("{names} is firing", "{names} are firing", len(alerts), names=_named(alerts)))
    return clauses(filter(None, told))


def _named(names: Sequence[str]) -> str:
    """The names, with the number where these are many."""
    more = [_("{count} more", count=len(names) - _NAMED)] if len(names) > _NAMED else []
    return listed([*names[:_NAMED], *more])


def _state_text(views: Sequence[View], *, failing: bool) -> str:
    """Which of what is watched is failing, or degraded, with the number where these are many; empty for none."""
    if not views:
        return ""
    names = _named([each.name for each in views])
    if failing:
        return ngettext("{names} is failing", "{names} are failing", len(views), names=names)
    return ngettext("{names} is degraded", "{names} are degraded", len(views), names=names)


def proposal_rows(proposed: Proposal, glyphs: Glyphs, now: datetime) -> list[Row]:
    """What the proposal follows from, with the reasons and since when; and what else the header counts."""
    rows: list[Row] = []
    if proposed.why:
        rows.append((Piece("  "), Piece(f"{proposed.severity}: {proposed.why}", "degraded")))
    for each in [each for each in proposed.about if each.reasons][:_NAMED]:
        mark = Piece(f"    {glyphs.level(each.level)} ", ROLES[each.level])
        time = each.since.strftime("%H:%M:%S" if each.since.date() == now.date() else "%m-%d %H:%M")
        since = Piece(_("since {time}", time=time), "muted")
        rows.append((mark, Piece(f"{each.name}  ", "strong"), *reason_pieces(each), Piece("  "), since))
    also = [_("also failing: {names}", names=_named(proposed.also_failing))] if proposed.also_failing else []
    also += [_("also firing: {names}", names=_named(proposed.others))] if proposed.others else []
    return [*rows, (Piece("    "), Piece(clauses(also), "muted"))] if also else rows


async def ask_open(app: Console, cause: Cause | None, follow_up_of: Incident | None = None) -> Incident | None:
    """Asks for the title and severity of an incident and opens it; ``cause`` is the alert that led to it, or it follows
    up on another incident. Both are proposed, with the reason. Returns it once it was opened. Raises LilFoxError."""
    levels, meanings = get_args(SeverityLevel), _meanings()
    proposed = propose(app.shown if app.rewound is None else app.monitor.overview.value, cause)
    rows: list[Row] = [(Piece("  "), Piece(_("Describe the problem in a few words, and choose its severity.")))]
    rows += proposal_rows(proposed, app.glyphs, app.clock)
    asked = Prompt(
        _("Open an incident"),
        rows,
        text="" if cause is None else proposed.title,
        placeholder=proposed.title or _("what is wrong"),  # what is typed takes its place
        offers=[PromptOffer((Piece(each, "strong"), Piece(f"  {meanings[each]}", "muted")), None) for each in levels],
        at=levels.index(proposed.severity),
        does=_("open it"),
    )
    answer = await app.push_screen_wait(asked)
    if answer is None:
        return None
    told = answer.text.strip() or proposed.title or _("untitled")
    opened = await written(app, lambda: open_incident(told, levels[answer.at], cause=proposed.cause))
    if follow_up_of is not None:
        text = _("follow-up of {id}: {title}", id=follow_up_of.id, title=follow_up_of.title)
        await written(app, lambda: append(opened.id, Noted(text=text)))
    await _read(app, opened.id)
    app.tell(tr("{id} is open: actions from now on are recorded in it", id=opened.id))
    return opened


_READ_WITHIN_S = 1.0


async def _read(app: Console, incident: str) -> None:
    """Waits until the monitor has read the incident, so that its page shows it; not for long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_READ_WITHIN_S), aclosing(app.monitor.incidents.feed.watch()) as states:
            async for state in states:
                view = state.value if isinstance(state, Ready) else None
                if view is not None and view.incident is not None and view.incident.id == incident:
                    return


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
    found = still_failing(app)
    answer = await app.push_screen_wait(_closing_prompt(app, incident, running, found))
    if answer is None:
        return
    if found.failing and answer.at == _KEEP:
        app.tell(_stays_open(incident, answer.text))
        return
    follow_up = ""
    if answer.at == _FOLLOW_UP:
        opened = await ask_open(app, None, follow_up_of=incident)
        if opened is None:
            app.tell(_stays_open(incident, answer.text))
            return
        follow_up = opened.id
    await _close(app, incident, answer.text.strip(), closed_with(found, follow_up))


def _stays_open(incident: Incident, typed: str) -> Message:
    if typed.strip():
        return tr("{id} stays open; what you typed was not written", id=incident.id)
    return tr("{id} stays open", id=incident.id)


_KEEP, _ANYWAY, _FOLLOW_UP = range(3)
"""The ways on where something still fails, in their order."""


def still_failing(app: Console) -> Failures:
    """What fails now, also while the screen shows the past."""
    return failures(app.monitor.overview.value, has_plans=bool(app.config.backup.plans))


def _closing_prompt(app: Console, incident: Incident, running: Collection[str], found: Failures) -> Prompt:
    """The question before an incident is closed. While something fails, enter keeps it open until another way is
    chosen."""
    rows = [
        *failing_rows(found, app.clock, app.glyphs),
        *closing_rows(incident, datetime.now(UTC), running),
    ]
    ways = [
        (_("keep it open"), _("nothing is written")),
        (_("close it anyway"), _("the timeline keeps what still fails")),
        (_("close it with a follow-up"), _("opens another incident for what still fails")),
    ]
    offers = [PromptOffer((Piece(way, "strong"), Piece(f"  {text}", "muted")), None) for way, text in ways]
    return Prompt(
        _("Close {id}", id=incident.id),
        rows,
        placeholder=_("summary (optional)"),
        offers=offers if found.failing else (),
        does=_("do it") if found.failing else _("close it"),
        stays=_("leave it open"),
    )


def failing_rows(found: Failures, now: datetime, glyphs: Glyphs, most: int = 8) -> list[Row]:
    """What still fails, why and since when; that nothing fails is said only where all of it is known, with the time at
    which that was so."""
    at = "" if found.at is None else utc_time(found.at, now)
    rows: list[Row] = []
    if found.failing:
        count = len(found.failing)
        rows.append((Piece("  "), Piece(_("Still failing at {time}:", time=at), "failing")))
        shown = found.failing if count <= most else found.failing[: most - 1]
        rows += [_failure_row(each, now, glyphs) for each in shown]
        if left := count - len(shown):
            rows.append((Piece("    "), Piece(_("{count} more", count=left), "muted")))
    elif not found.unknown:
        rows.append((Piece("  "), Piece(_("Nothing fails at {time}.", time=at), "good")))
    for text in found.unknown[:_UNKNOWN]:
        rows.append((Piece("  "), Piece(_("not known: {what}", what=text), "unknown")))
    if left := len(found.unknown[_UNKNOWN:]):
        rows.append((Piece("  "), Piece(_("not known: {count} more", count=left), "unknown")))
    if found.degraded:
        rows.append((Piece("  "), Piece(_("degraded: {names}", names=listed(found.degraded)), "degraded")))
    if found.evaluated is not None:
        time = utc_time(found.evaluated, now)
        rows.append((Piece("  "), Piece(_("alert rules evaluated at {time}", time=time), "muted")))
    return rows


def _failure_row(failure: Failure, now: datetime, glyphs: Glyphs) -> Row:
    since = "" if failure.since is None else _("since {time}", time=utc_time(failure.since, now))
    return (
        Piece(f"    {glyphs.failing} ", "failing"),
        Piece(f"{failure.kind} ", "muted"),
        Piece(f"{clean(failure.name)}  ", "strong"),
        *((Piece(f"{since}  ", "muted"),) if since else ()),
        Piece(clean(failure.text), "text"),
    )


_UNKNOWN = 3
"""Lines of what is not known in a question."""


async def _close(app: Console, incident: Incident, summary: str, found: Closed) -> None:
    folder = Path(incident.folder)
    entry, other = await written(app, lambda: (close(folder, summary, found=found), open_beside(folder)))
    left = len(entry.what.in_force) if isinstance(entry.what, Closed) else 0
    told = [_("{id} is closed", id=incident.id)]
    if left:
        told.append(ngettext("{count} change is still in force", "{count} changes are still in force", left))
    if found.failing:
        told.append(ngettext("{count} failure is left", "{count} failures are left", len(found.failing)))
    if other is not None:
        told.append(_("{id} is now the current incident", id=other.id))
    app.closed_incident = incident.id
    app.tell(tr("{said}; press a in pane 4 to export it", said=clauses(told)))


async def ask_resolved(app: Console, incident: Incident) -> bool:
    """Return whether to mark the incident as resolved: asks where something still fails, or where that is not known."""
    found = still_failing(app)
    if not found.failing and not found.unknown:
        return True
    rows = failing_rows(found, app.clock, app.glyphs)
    title = _("{id}: mark it as resolved?", id=incident.id)
    return await app.push_screen_wait(AskDialog(title, rows, does=_("mark it anyway"), stays=_("go back")))


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
