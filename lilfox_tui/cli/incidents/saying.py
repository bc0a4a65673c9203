"""``lilfox incident note | decide | role | severity | call | mark``: what people add to the timeline."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

from lilfox_tui.cli.incidents.chosen import add_by, add_incident, folder, writes
from lilfox_tui.cli.output import Cell, print_line, print_table
from lilfox_tui.cli.settings import load_settings
from lilfox_tui.errors import UsageError
from lilfox_tui.i18n import _, listed, tr
from lilfox_tui.incident.incidents import append_in
from lilfox_tui.incident.model import (
    Called,
    Decided,
    Graded,
    Moment,
    Noted,
    RoleAssigned,
    SeverityLevel,
    TimelineEntry,
    What,
)
from lilfox_tui.incident.words import event_text


def add_arguments(parser: argparse.ArgumentParser, action: str) -> None:
    """Says what they accept."""
    match action:
        case "note" | "decide":
            parser.add_argument("text", nargs="+", metavar="TEXT", help=_("what is to be known"))
        case "role":
            parser.add_argument("role", metavar="ROLE", help=_("lead, communication, scribe, or one of your own"))
            parser.add_argument("who", metavar="WHO", help=_("who has it from now on"))
        case "severity":
            parser.add_argument("severity", choices=get_args(SeverityLevel))
        case "call":
            parser.add_argument(
                "contact",
                nargs="?",
                metavar="CONTACT",
                help=_("one of the config's contacts; without one, they are listed"),
            )
            parser.add_argument("--outcome", default="", metavar="TEXT", help=_("what came of it"))
        case _:
            parser.add_argument("moment", choices=get_args(Moment))
            parser.add_argument("--at", metavar="TIME", help=_("such as 10m (ago), 14:05, 2023-12-30T14:05Z; else now"))
    add_incident(parser)
    add_by(parser)


def run(args: argparse.Namespace) -> int:
    """Writes it down; ``call`` alone lists whom to call."""
    if args.action == "call" and args.contact is None:
        return _contacts(args)
    by = writes(args)
    place = folder(args)
    entry = _marked(args, place, by) if args.action == "mark" else append_in(place, _what(args), by=by)
    print_line(_("{id}: entry {number}: {said}", id=place.name, number=entry.number, said=event_text(entry.what)))
    return 0


def _what(args: argparse.Namespace) -> What:
    match args.action:
        case "note":
            return Noted(text=" ".join(args.text))
        case "decide":
            return Decided(text=" ".join(args.text))
        case "role":
            return RoleAssigned(role=args.role, who=args.who)
        case "severity":
            return Graded(severity=args.severity)
        case _:
            return Called(contact=_known(args), outcome=args.outcome)


def _marked(args: argparse.Namespace, place: Path, by: str) -> TimelineEntry:
    from lilfox_tui.incident.incidents import mark

    when = datetime.now(UTC) if args.at is None else _time(args.at)
    return mark(place, args.moment, when, by=by)


def _contacts(args: argparse.Namespace) -> int:
    contacts = load_settings(args).config.contacts
    print_table([Cell(name), Cell(each.name), Cell(each.call), Cell(each.note)] for name, each in contacts.items())
    if not contacts:
        print_line(_("nobody is named: see contacts: in the configuration"))
    return 0


def _known(args: argparse.Namespace) -> str:
    contacts = load_settings(args).config.contacts
    if args.contact not in contacts:
        raise UsageError(
            tr("{contact}: no such contact in the config", contact=args.contact),
            tr("one of: {names}", names=listed(contacts))
            if contacts
            else tr("name some under contacts: in the configuration"),
        )
    each = contacts[args.contact]
    return " ".join(part for part in (args.contact, each.name, each.call) if part)


def _time(text: str) -> datetime:
    """A moment as ``logs --since`` takes it, local time where no zone is written. Raises UsageError for what is
    none."""
    from lilfox_tui.logs.filter.syntax import Clock

    now = datetime.now().astimezone()
    found_us = Clock(now, now.tzinfo or UTC).between(text, "").since_us or 0
    return datetime.fromtimestamp(found_us / 1_000_000, UTC)
