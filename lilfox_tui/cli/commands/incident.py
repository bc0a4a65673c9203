"""``lilfox incident``: opens, closes and shows incidents, adds to their timeline, keeps and verifies evidence."""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import get_args

from lilfox_tui.cli.commands.jobs import settings
from lilfox_tui.cli.incident_output import (
    check_failures,
    day_of,
    entry_document,
    entry_rows,
    failures_lines,
    incident_document,
    incident_rows,
    print_entry,
    print_verdict,
    tell_removed,
    verdict_document,
)
from lilfox_tui.cli.main import Subcommand, subcommands
from lilfox_tui.cli.output import Cell, flush, print_json, print_line, print_table, print_text, warn
from lilfox_tui.cli.parser import load_settings
from lilfox_tui.cli.schemas import print_schema
from lilfox_tui.core.errors import LilFoxError, NotAllowed, UsageError
from lilfox_tui.core.i18n import _, language, listed, ngettext, tr
from lilfox_tui.incident.export import export_markdown, export_to, handover_text, verify
from lilfox_tui.incident.incidents import (
    MOST_EVIDENCE_BYTES,
    TimelineContents,
    append_in,
    check_open,
    chosen,
    close,
    current,
    current_folder,
    follow_up,
    keep_evidence,
    list_incidents,
    mark,
    myself,
    open_beside,
    open_incident,
    read_incident,
    read_timeline,
    reopen,
    take_over,
)
from lilfox_tui.incident.model import (
    Called,
    Closed,
    Decided,
    Graded,
    Moment,
    Noted,
    RoleAssigned,
    SeverityLevel,
    StepBegan,
    TimelineEntry,
    What,
)
from lilfox_tui.incident.reducer import begun_steps, event_text, fold, happened_at, is_open
from lilfox_tui.incident.timeline import follow
from lilfox_tui.jobs.listing import list_jobs
from lilfox_tui.logs.filter.syntax import Clock
from lilfox_tui.monitor.incident_events import closed_with
from lilfox_tui.runbook.run.protocol import RUN_KIND, ClientActs, RunFact, RunOpened

# What the actions of ``lilfox incident`` share: which incident is meant, who writes, and whether anything may be
# written.


def add_id(parser: argparse.ArgumentParser) -> None:
    """Adds the incident as a positional argument."""
    parser.add_argument("incident", nargs="?", metavar="INC-N", help=_("which incident; default: the current one"))


def add_incident(parser: argparse.ArgumentParser) -> None:
    """Adds the incident as an option, for actions with other positional arguments."""
    parser.add_argument("--incident", metavar="INC-N", help=_("which incident; default: the current one"))


def add_by(parser: argparse.ArgumentParser) -> None:
    """Adds the option for the author."""
    parser.add_argument("--by", metavar="NAME", help=_("name to record as the author; default: the login name"))


def add_json(parser: argparse.ArgumentParser) -> None:
    """Adds the option for a JSON document instead of lines."""
    parser.add_argument("--json", action="store_true", help=_("print the result as one JSON document"))
    parser.add_argument("--json-schema", action="store_true", help=_("print the JSON schema of that document and exit"))


def folder(args: argparse.Namespace) -> Path:
    """The folder of the chosen incident. Raises NoSuchIncident."""
    return chosen(args.incident)


def writes(args: argparse.Namespace) -> str:
    """The author; applies the configuration's language and colours. Raises NotAllowed if changes are forbidden."""
    if settings(args):
        raise NotAllowed(
            tr("incidents cannot be changed in read_only mode"),
            tr("leave out --read-only, or remove read_only from the configuration"),
        )
    name = args.by or ""
    if not name:
        return myself()
    return name if "@" in name else f"{name}@{socket.gethostname()}"


# ``lilfox incident open | take-over | close | reopen``: its course.


def add_course_arguments(parser: argparse.ArgumentParser, action: str) -> None:
    """Adds the arguments of ``action``."""
    match action:
        case "open":
            parser.add_argument("title", nargs="*", metavar="TITLE", help=_("what is wrong, in a few words"))
            parser.add_argument(
                "--severity", choices=get_args(SeverityLevel), default="SEV-3", help=_("severity of the incident")
            )
            parser.add_argument("--cause", default="", metavar="TEXT", help=_("alert or runbook it was opened for"))
            add_json(parser)
        case "close":
            add_id(parser)
            parser.add_argument("--summary", default="", metavar="TEXT", help=_("what happened and how it ended"))
            parser.add_argument("--anyway", action="store_true", help=_("close it although something still fails"))
        case "reopen":
            parser.add_argument("incident", metavar="INC-N", help=_("which incident"))
            parser.add_argument("--reason", default="", metavar="TEXT", help=_("why"))
        case _:
            add_id(parser)
    add_by(parser)


def run_course(args: argparse.Namespace) -> int:
    """Opens, closes, reopens or takes over an incident."""
    if args.action == "open":
        return _open(args)
    by = writes(args)
    place = folder(args)
    match args.action:
        case "close":
            return _close(args, place, by)
        case "reopen":
            entry = reopen(place, args.reason, by=by)
        case _:
            entry = take_over(place, by=by)
    print_line(_("{id}: entry {number}: {said}", id=place.name, number=entry.number, said=event_text(entry.what)))
    if args.action == "reopen":
        _tell_current(place)
    elif args.action == "take-over":
        _tell_runs(place)
    return 0


def _tell_runs(place: Path) -> None:
    """Warns about runs of the incident that another client controls: only a client that stays connected, unlike this
    command, can take control."""
    from lilfox_tui.runbook.run.persistence import facts_of

    for job in list_jobs():
        if job.kind != RUN_KIND or job.state != "running":
            continue
        facts: list[RunFact] = []
        with suppress(LilFoxError):
            facts = facts_of(job.id)
        acts = [fact for fact in facts if isinstance(fact, ClientActs)][-1:]
        mine = any(isinstance(fact, RunOpened) and fact.incident == place.name for fact in facts)
        if mine and acts and (who := acts[0].other):
            warn(_("{who} is still in control of {title}; to take over this run too: lilfox runbook run --resume "
                   "{run}, then press t",
                   who=who, title=job.title, run=job.id))  # fmt: skip


def _tell_current(place: Path) -> None:
    """Warns if another open incident is the current one, in which everything from now on is recorded."""
    if (other := open_beside(place)) is not None:
        warn(_("{id} is also open and is the current incident: from now on, actions are recorded in it", id=other.id))
        warn(f"  {other.severity}: {other.title}")


def _open(args: argparse.Namespace) -> int:
    if args.json_schema:
        print_schema("incident-current")
        return 0
    by = writes(args)
    before = current()
    made = open_incident(" ".join(args.title) or args.cause or _("untitled"), args.severity, args.cause, by)
    if args.json:
        print_json({"incident": incident_document(made)})
    else:
        print_line(_("{id} is open: {title} ({severity})", id=made.id, title=made.title, severity=made.severity))
    if before is not None:
        warn(_("{before} is also open; from now on, actions are recorded in {id}", before=before.id, id=made.id))
    return 0


def _close(args: argparse.Namespace, place: Path, by: str) -> int:
    """Closes the incident if nothing that is checked now fails, or ``--anyway``; returns 1 if it stays open."""
    check_open(read_incident(place))
    found = asyncio.run(check_failures(args.config))
    for line in failures_lines(found):
        warn(line)
    if found.failing and not args.anyway:
        warn(_("{id} stays open; to close it anyway: lilfox incident close {id} --anyway", id=place.name))
        return 1
    what = close(place, args.summary, by=by, found=closed_with(found)).what
    return _closed(place, what) if isinstance(what, Closed) else 1


def _closed(place: Path, what: Closed) -> int:
    print_line(_("{id} is closed", id=place.name))
    if what.in_force:
        count = len(what.in_force)
        warn(ngettext("{count} change is still in force:", "{count} changes are still in force:", count))
        for text in what.in_force:
            warn(f"  {text}")
    left = list(read_incident(place).jobs)
    if left:
        warn(_("jobs without a reported result: {ids}", ids=listed(left)))
    warn(_("to export the whole incident as Markdown: lilfox incident export {id} --to FOLDER", id=place.name))
    _tell_current(place)
    return 0


# ``lilfox incident note | decide | role | severity | call | mark | follow-up``: what people add to the timeline.


def add_entry_arguments(parser: argparse.ArgumentParser, action: str) -> None:
    """Adds the arguments of ``action``."""
    match action:
        case "note" | "decide":
            parser.add_argument("text", nargs="+", metavar="TEXT", help=_("text to record"))
        case "role":
            parser.add_argument("role", metavar="ROLE", help=_("lead, communication, scribe, or a custom role"))
            parser.add_argument("who", metavar="WHO", help=_("who takes the role"))
        case "severity":
            parser.add_argument("severity", choices=get_args(SeverityLevel))
        case "call":
            parser.add_argument(
                "contact",
                nargs="?",
                metavar="CONTACT",
                help=_("a contact from the configuration; default: list the contacts"),
            )
            parser.add_argument("--outcome", default="", metavar="TEXT", help=_("outcome of the call"))
        case "follow-up":
            parser.add_argument("text", nargs="*", metavar="TEXT", help=_("what is to be done, or what came of it"))
            parser.add_argument("--owner", default="", metavar="NAME", help=_("who does it"))
            parser.add_argument("--due", type=day_of, metavar="DAY", help=_("until when, such as 2023-12-30"))
            parser.add_argument("--done", type=int, metavar="N", help=_("the follow-up of entry N is done"))
        case _:
            parser.add_argument("moment", choices=get_args(Moment))
            parser.add_argument(
                "--at", metavar="TIME", help=_("time, such as 10m (ago), 14:05, 2023-12-30T14:05Z; default: now")
            )
    add_incident(parser)
    add_by(parser)


def run_entry(args: argparse.Namespace) -> int:
    """Adds an entry to the timeline; ``call`` without a contact lists the contacts."""
    if args.action == "call" and args.contact is None:
        return _contacts(args)
    by = writes(args)
    place = folder(args)
    entry = _marked(args, place, by) if args.action == "mark" else append_in(place, _entry_of(args, place), by=by)
    print_line(_("{id}: entry {number}: {said}", id=place.name, number=entry.number, said=event_text(entry.what)))
    return 0


def _entry_of(args: argparse.Namespace, place: Path) -> What:
    match args.action:
        case "note":
            return Noted(text=" ".join(args.text))
        case "decide":
            return Decided(text=" ".join(args.text))
        case "role":
            return RoleAssigned(role=args.role, who=args.who)
        case "severity":
            return Graded(severity=args.severity)
        case "follow-up":
            return follow_up(place, " ".join(args.text), args.owner, args.due, done=args.done)
        case _:
            return Called(contact=_known_contact(args), outcome=args.outcome)


def _marked(args: argparse.Namespace, place: Path, by: str) -> TimelineEntry:
    when = datetime.now(UTC) if args.at is None else _time_of(args.at)
    return mark(place, args.moment, when, by=by)


def _contacts(args: argparse.Namespace) -> int:
    contacts = load_settings(args).config.contacts
    print_table([Cell(name), Cell(each.name), Cell(each.call), Cell(each.note)] for name, each in contacts.items())
    if not contacts:
        print_line(_("no contacts are configured: add contacts: to the configuration"))
    return 0


def _known_contact(args: argparse.Namespace) -> str:
    contacts = load_settings(args).config.contacts
    if args.contact not in contacts:
        raise UsageError(
            tr("{contact}: no such contact in the config", contact=args.contact),
            tr("one of: {names}", names=listed(contacts))
            if contacts
            else tr("add some under contacts: in the configuration"),
        )
    each = contacts[args.contact]
    return " ".join(part for part in (args.contact, each.name, each.call) if part)


def _time_of(text: str) -> datetime:
    """A time as in ``logs --since``, local if it has no zone. Raises UsageError for an invalid one."""
    now = datetime.now().astimezone()
    found_us = Clock(now, now.tzinfo or UTC).between(text, "").since_us or 0
    return datetime.fromtimestamp(found_us / 1_000_000, UTC)


# ``lilfox incident current | list | show | handover``: reads, changes nothing.


_SHOWN = 30


def add_view_arguments(parser: argparse.ArgumentParser, action: str) -> None:
    """Adds the arguments of ``action``."""
    if action == "list":
        parser.add_argument("--all", action="store_true", help=_("include closed incidents"))
    if action in ("show", "handover"):
        add_id(parser)
    if action == "show":
        parser.add_argument("--all", action="store_true", help=_("the whole timeline"))
    if action != "handover":
        add_json(parser)


def run_view(args: argparse.Namespace) -> int:
    """Shows the current incident, the list, one incident, or the handover."""
    if args.action != "handover" and args.json_schema:
        print_schema(f"incident-{args.action}")
        return 0
    settings(args)
    return {"current": _current, "list": _list, "show": _show, "handover": _handover}[args.action](args)


def _current(args: argparse.Namespace) -> int:
    incident = current()
    if args.json:
        print_json({"incident": None if incident is None else incident_document(incident)})
    elif incident is None:
        print_line(_("no incident is open"))
    else:
        print_line(_("{id} {severity}: {title}", id=incident.id, severity=incident.severity, title=incident.title))
    return 1 if incident is None else 0


def _list(args: argparse.Namespace) -> int:
    found, now = list_incidents(closed=args.all), current_folder()
    if args.json:
        listed = [incident_document(each) | {"current": now is not None and each.folder == str(now)} for each in found]
        print_json({"incidents": listed})
        return 0
    print_table(incident_rows(found, datetime.now(UTC), now))
    if args.all:
        tell_removed()
    if not found:
        print_line(_("no incidents") if args.all else _("no incident is open; closed ones: lilfox incident list --all"))
    return 0


def _show(args: argparse.Namespace) -> int:
    place = folder(args)
    read = read_timeline(place)
    incident = fold(read.entries, place)
    if args.json:
        entries = [entry_document(entry) for entry in read.entries]
        print_json({"incident": incident_document(incident), "entries": entries, "unreadable": read.unreadable})
        return 0
    print_table(incident_rows([incident], datetime.now(UTC), current_folder()))
    shown = sorted(read.entries, key=happened_at)[0 if args.all else -_SHOWN :]
    print_line()
    print_table(entry_rows(shown, begun_steps(read.entries)))
    if left_out := len(read.entries) - len(shown):
        print_line(ngettext("{count} earlier entry not shown; use --all",
                            "{count} earlier entries not shown; use --all", left_out))  # fmt: skip
    _tell_unreadable(read, incident.id)
    return 0


def _handover(args: argparse.Namespace) -> int:
    place = folder(args)
    read = read_timeline(place)
    incident = fold(read.entries, place)
    for line in handover_text(incident, read.entries, datetime.now(UTC)):
        print_line(line)
    _tell_unreadable(read, incident.id)
    return 0


def _tell_unreadable(read: TimelineContents, incident_id: str) -> None:
    if read.unreadable:
        count = ngettext("{count} line is not a valid entry", "{count} lines are not valid entries", read.unreadable)
        warn(_("{count}; to check: lilfox incident verify {id}", count=count, id=incident_id))


# ``lilfox incident follow``: the timeline as it grows, whoever writes it, until the incident is closed.


def add_follow_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``incident follow``."""
    add_id(parser)
    parser.add_argument("--new", action="store_true", help=_("only new entries"))
    parser.add_argument("--json", action="store_true", help=_("each entry as a line of JSON"))
    parser.add_argument("--json-schema", action="store_true", help=_("the schema of each line"))


def run_follow(args: argparse.Namespace) -> int:
    """Prints the timeline as it grows; ctrl-c ends it."""
    if args.json_schema:
        print_schema("incident-entry")
        return 0
    settings(args)
    first, steps = True, dict[str, StepBegan]()
    for entries in follow(folder(args).name):
        steps |= begun_steps(entries)
        if not (first and args.new):
            for entry in entries:
                print_entry(entry, steps, as_json=args.json)
            flush()
        first = False
        if not is_open(entries):
            break
    return 0


def add_evidence_arguments(parser: argparse.ArgumentParser, action: str) -> None:
    """Adds the arguments of ``action``."""
    match action:
        case "evidence":
            parser.add_argument("file", metavar="FILE", help=_("the file; - for standard input"))
            parser.add_argument("--text", default="", metavar="TEXT", help=_("what the evidence shows"))
            parser.add_argument("--name", metavar="NAME", help=_("name to save it under; default: its own name"))
            add_incident(parser)
            add_by(parser)
        case "verify":
            add_id(parser)
            parser.add_argument(
                "--known", action="append", default=[], type=_known_line, metavar="N:SHA256",
                help=_("number and SHA-256 of a line, as recorded elsewhere (in syslog or an export)"),
            )  # fmt: skip
            add_json(parser)
        case _:
            add_id(parser)
            parser.add_argument(
                "--to", metavar="FOLDER", help=_("export into a new folder, together with the evidence")
            )


def run_evidence(args: argparse.Namespace) -> int:
    """Runs the evidence action; ``verify`` returns 1 if something was altered."""
    match args.action:
        case "evidence":
            return _evidence(args)
        case "verify":
            return _verify(args)
        case _:
            return _export(args)


def _evidence(args: argparse.Namespace) -> int:
    by = writes(args)
    place = folder(args)
    name = args.name or ("stdin" if args.file == "-" else Path(args.file).name)
    entry = keep_evidence(place.name, name, _content(args.file), args.text, by=by)
    print_line(_("{id}: entry {number}: {said}", id=place.name, number=entry.number, said=event_text(entry.what)))
    return 0


def _content(file: str) -> bytes:
    """The content of the file or of stdin, at most one byte over the limit, so that a larger one can be refused."""
    try:
        if file == "-":
            return sys.stdin.buffer.read(MOST_EVIDENCE_BYTES + 1)
        with Path(file).open("rb") as opened:
            return opened.read(MOST_EVIDENCE_BYTES + 1)
    except OSError as error:
        raise LilFoxError(tr("{file}: cannot be read: {reason}", file=file, reason=error.strerror or error)) from None


def _verify(args: argparse.Namespace) -> int:
    if args.json_schema:
        print_schema("incident-verify")
        return 0
    settings(args)
    verdict = verify(folder(args).name, known=dict(args.known))
    if args.json:
        print_json(verdict_document(verdict))
    else:
        print_verdict(verdict)
    return 1 if verdict.problems else 0


def _export(args: argparse.Namespace) -> int:
    settings(args)
    place = folder(args)
    text = export_markdown(place.name, language())
    if args.to is None:
        print_text(text)
        return 0
    print_line(str(export_to(place.name, language(), Path(args.to))))
    return 0


def _known_line(text: str) -> tuple[int, str]:
    number, _colon, sha256 = text.partition(":")
    if not number.isdecimal() or len(sha256) != 64:
        raise argparse.ArgumentTypeError(
            _("{given}: expected a line number and its SHA-256, such as 57:9f86d081…", given=text)
        )
    return int(number), sha256.lower()


ACTIONS = {
    "open": Subcommand(
        tr("open an incident; LilFox records its own actions in it from then on"),
        partial(add_course_arguments, action="open"),
        run_course,
    ),
    "current": Subcommand(
        tr("show the current incident; exits 1 if none is open"),
        partial(add_view_arguments, action="current"),
        run_view,
    ),
    "list": Subcommand(
        tr("list the open incidents, or all of them"), partial(add_view_arguments, action="list"), run_view
    ),
    "show": Subcommand(tr("show an incident and its timeline"), partial(add_view_arguments, action="show"), run_view),
    "handover": Subcommand(
        tr("print a handover summary as text"), partial(add_view_arguments, action="handover"), run_view
    ),
    "follow": Subcommand(tr("follow the timeline until the incident is closed"), add_follow_arguments, run_follow),
    "note": Subcommand(tr("record a note"), partial(add_entry_arguments, action="note"), run_entry),
    "decide": Subcommand(tr("record a decision"), partial(add_entry_arguments, action="decide"), run_entry),
    "role": Subcommand(
        tr("assign a role: lead, communication, scribe …"), partial(add_entry_arguments, action="role"), run_entry
    ),
    "severity": Subcommand(tr("set the severity"), partial(add_entry_arguments, action="severity"), run_entry),
    "call": Subcommand(
        tr("list the contacts, or record a call and its outcome"),
        partial(add_entry_arguments, action="call"),
        run_entry,
    ),
    "mark": Subcommand(
        tr("record when the incident was detected, acknowledged, mitigated or resolved"),
        partial(add_entry_arguments, action="mark"),
        run_entry,
    ),
    "follow-up": Subcommand(
        tr("record what is to be done, or that it is done"), partial(add_entry_arguments, action="follow-up"), run_entry
    ),
    "evidence": Subcommand(
        tr("keep a file as evidence, with secrets masked"),
        partial(add_evidence_arguments, action="evidence"),
        run_evidence,
    ),
    "verify": Subcommand(
        tr("check whether anything was altered; names the first altered line"),
        partial(add_evidence_arguments, action="verify"),
        run_evidence,
    ),
    "export": Subcommand(
        tr("export the whole incident as Markdown"), partial(add_evidence_arguments, action="export"), run_evidence
    ),
    "take-over": Subcommand(
        tr("take over the incident: you are in control, the previous person follows"),
        partial(add_course_arguments, action="take-over"),
        run_course,
    ),
    "close": Subcommand(
        tr("close the incident; lists what still fails and the changes in force"),
        partial(add_course_arguments, action="close"),
        run_course,
    ),
    "reopen": Subcommand(tr("reopen a closed incident"), partial(add_course_arguments, action="reopen"), run_course),
}

add_arguments, run = subcommands(ACTIONS)
