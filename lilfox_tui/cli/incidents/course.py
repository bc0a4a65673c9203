"""``lilfox incident open | take-over | close | reopen``: its course."""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path
from typing import get_args

from lilfox_tui.cli.incidents.chosen import add_by, add_id, add_json, folder, writes
from lilfox_tui.cli.incidents.documents import document
from lilfox_tui.cli.output import print_json, print_line, warn
from lilfox_tui.cli.schemas import print_schema
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import _, listed, ngettext
from lilfox_tui.incident.incidents import close, current, open_beside, open_incident, read_incident, reopen, take_over
from lilfox_tui.incident.model import Closed, SeverityLevel
from lilfox_tui.incident.words import event_text


def add_arguments(parser: argparse.ArgumentParser, action: str) -> None:
    """Says what they accept."""
    match action:
        case "open":
            parser.add_argument("title", nargs="*", metavar="TITLE", help=_("what is wrong, in a few words"))
            parser.add_argument("--severity", choices=get_args(SeverityLevel), default="SEV-3", help=_("how bad it is"))
            parser.add_argument("--cause", default="", metavar="TEXT", help=_("an alert's or a runbook's name"))
            add_json(parser)
        case "close":
            add_id(parser)
            parser.add_argument("--summary", default="", metavar="TEXT", help=_("what it was and how it ended"))
        case "reopen":
            parser.add_argument("incident", metavar="INC-N", help=_("which"))
            parser.add_argument("--reason", default="", metavar="TEXT", help=_("why"))
        case _:
            add_id(parser)
    add_by(parser)


def run(args: argparse.Namespace) -> int:
    """Does it."""
    if args.action == "open":
        return _open(args)
    by = writes(args)
    place = folder(args)
    match args.action:
        case "close":
            entry = close(place, args.summary, by=by)
        case "reopen":
            entry = reopen(place, args.reason, by=by)
        case _:
            entry = take_over(place, by=by)
    if isinstance(entry.what, Closed):
        return _closed(place, entry.what)
    print_line(_("{id}: entry {number}: {said}", id=place.name, number=entry.number, said=event_text(entry.what)))
    if args.action == "reopen":
        _tell_current(place)
    elif args.action == "take-over":
        _tell_runs(place)
    return 0


def _tell_runs(place: Path) -> None:
    """Says of which runs of the incident somebody else goes on to give the orders: a run is ordered by a program that
    stays, which this one does not."""
    from lilfox_tui.jobs.listing import list_jobs
    from lilfox_tui.runbook.run.persistence import facts_of
    from lilfox_tui.runbook.run.protocol import RUN_KIND, ClientActs, RunFact, RunOpened

    for job in list_jobs():
        if job.kind != RUN_KIND or job.state != "running":
            continue
        facts: list[RunFact] = []
        with suppress(LilFoxError):
            facts = facts_of(job.id)
        acts = [fact for fact in facts if isinstance(fact, ClientActs)][-1:]
        mine = any(isinstance(fact, RunOpened) and fact.incident == place.name for fact in facts)
        if mine and acts and (who := acts[0].other):
            warn(_("{who} goes on to act in {title}; to take that over, too: lilfox runbook run --resume {run}, then t",
                   who=who, title=job.title, run=job.id))  # fmt: skip


def _tell_current(place: Path) -> None:
    """Says where what is done from now on goes, where that is another incident than one might think."""
    if (other := open_beside(place)) is not None:
        warn(_("{id} is open, too, and is the current one: what is done from now on goes to it", id=other.id))
        warn(f"  {other.severity}: {other.title}")


def _open(args: argparse.Namespace) -> int:
    if args.json_schema:
        print_schema("incident-current")
        return 0
    by = writes(args)
    before = current()
    made = open_incident(" ".join(args.title) or args.cause or _("untitled"), args.severity, args.cause, by)
    if args.json:
        print_json({"incident": document(made)})
    else:
        print_line(_("{id} is open: {title} ({severity})", id=made.id, title=made.title, severity=made.severity))
    if before is not None:
        warn(_("{before} is open, too; what is done from now on goes to {id}", before=before.id, id=made.id))
    return 0


def _closed(place: Path, what: Closed) -> int:
    print_line(_("{id} is closed", id=place.name))
    if what.in_force:
        count = len(what.in_force)
        warn(ngettext("{count} change is still in force:", "{count} changes are still in force:", count))
        for text in what.in_force:
            warn(f"  {text}")
    left = list(read_incident(place).jobs)
    if left:
        warn(_("jobs of whose end nothing is told: {ids}", ids=listed(left)))
    warn(_("all of it as Markdown: lilfox incident export {id} --to FOLDER", id=place.name))
    _tell_current(place)
    return 0
