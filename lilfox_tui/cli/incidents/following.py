"""``lilfox incident follow``: the timeline as it grows, whoever writes it, until the incident is closed."""

from __future__ import annotations

import argparse
import asyncio
from contextlib import aclosing
from itertools import chain

from lilfox_tui.cli.commands.jobs import settings
from lilfox_tui.cli.incidents.chosen import add_id, folder
from lilfox_tui.cli.incidents.documents import entry_document
from lilfox_tui.cli.output import flush, print_json, print_line
from lilfox_tui.cli.schemas import print_schema
from lilfox_tui.i18n import _
from lilfox_tui.incident.model import TimelineEntry
from lilfox_tui.incident.reducer import is_open
from lilfox_tui.incident.timeline import follow
from lilfox_tui.incident.words import event_text


def add_arguments(parser: argparse.ArgumentParser, _action: str) -> None:
    """Says what ``incident follow`` accepts."""
    add_id(parser)
    parser.add_argument("--new", action="store_true", help=_("only what comes from now on"))
    parser.add_argument("--json", action="store_true", help=_("each entry as a line of JSON"))
    parser.add_argument("--json-schema", action="store_true", help=_("the schema of such a line"))


def run(args: argparse.Namespace) -> int:
    """Follows; ctrl-c ends it."""
    if args.json_schema:
        print_schema("incident-entry")
        return 0
    settings(args)
    return asyncio.run(_follow(folder(args).name, as_json=args.json, new_only=args.new))


async def _follow(incident_id: str, *, as_json: bool, new_only: bool) -> int:
    first = True
    async with aclosing(follow(incident_id)) as coming:
        async for entries in coming:
            if not (first and new_only):
                for entry in entries:
                    _print(entry, as_json=as_json)
                flush()
            first = False
            if not is_open(entries):
                return 0
    return 0


def _print(entry: TimelineEntry, *, as_json: bool) -> None:
    if as_json:
        print_json(entry_document(entry), lines=True)
        return
    first, *more = event_text(entry.what).splitlines() or [""]
    print_line(f"{entry.at.astimezone():%Y-%m-%d %H:%M:%S} {entry.by}: {first}")
    for line in chain(more, getattr(entry.what, "output", "").splitlines()):
        print_line(f"    {line}")
