"""``lilfox incident current | list | show | handover``: reads, changes nothing."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from lilfox_tui.cli.commands.jobs import settings
from lilfox_tui.cli.incidents.chosen import add_id, add_json, folder
from lilfox_tui.cli.incidents.documents import document, entry_document
from lilfox_tui.cli.incidents.rows import entry_rows, rows
from lilfox_tui.cli.output import print_json, print_line, print_table, warn
from lilfox_tui.cli.schemas import print_schema
from lilfox_tui.i18n import _, ngettext
from lilfox_tui.incident.export import handover_text
from lilfox_tui.incident.incidents import TimelineContents, current, current_folder, list_incidents, read_timeline
from lilfox_tui.incident.reducer import fold

_SHOWN = 30


def add_arguments(parser: argparse.ArgumentParser, action: str) -> None:
    """Says what they accept."""
    if action == "list":
        parser.add_argument("--all", action="store_true", help=_("also those that are closed"))
    if action in ("show", "handover"):
        add_id(parser)
    if action == "show":
        parser.add_argument("--all", action="store_true", help=_("the whole timeline"))
    if action != "handover":
        add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Shows what is asked for."""
    if args.action != "handover" and args.json_schema:
        print_schema(f"incident-{args.action}")
        return 0
    settings(args)
    return {"current": _current, "list": _list, "show": _show, "handover": _handover}[args.action](args)


def _current(args: argparse.Namespace) -> int:
    incident = current()
    if args.json:
        print_json({"incident": None if incident is None else document(incident)})
    elif incident is None:
        print_line(_("no incident is open"))
    else:
        print_line(_("{id} {severity}: {title}", id=incident.id, severity=incident.severity, title=incident.title))
    return 1 if incident is None else 0


def _list(args: argparse.Namespace) -> int:
    found, now = list_incidents(closed=args.all), current_folder()
    if args.json:
        listed = [document(each) | {"current": now is not None and each.folder == str(now)} for each in found]
        print_json({"incidents": listed})
        return 0
    print_table(rows(found, datetime.now(UTC), now))
    if not found:
        print_line(_("no incidents") if args.all else _("no incident is open; closed ones: lilfox incident list --all"))
    return 0


def _show(args: argparse.Namespace) -> int:
    place = folder(args)
    read = read_timeline(place)
    incident = fold(read.entries, place)
    if args.json:
        entries = [entry_document(entry) for entry in read.entries]
        print_json({"incident": document(incident), "entries": entries, "unreadable": read.unreadable})
        return 0
    print_table(rows([incident], datetime.now(UTC), current_folder()))
    shown = read.entries if args.all else read.entries[-_SHOWN:]
    print_line()
    print_table(entry_rows(shown))
    if left_out := len(read.entries) - len(shown):
        text = ngettext("{count} entry before: --all", "{count} entries before: --all", left_out)
        print_line(text)
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
        count = ngettext("{count} line is no entry", "{count} lines are no entries", read.unreadable)
        warn(_("{count}: lilfox incident verify {id}", count=count, id=incident_id))
