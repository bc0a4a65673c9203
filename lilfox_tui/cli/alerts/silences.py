"""``lilfox alerts silences``: those in force, and those that have ended within five days."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from lilfox_tui.cli.alerts.kept import kept
from lilfox_tui.cli.output import Cell, print_json, print_line, print_table
from lilfox_tui.cli.schemas import print_schema
from lilfox_tui.i18n import _, tr
from lilfox_tui.text import human_duration


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what ``alerts silences`` accepts."""
    parser.add_argument("--all", action="store_true", help=str(tr("also those that have ended")))
    parser.add_argument("--json", action="store_true", help=str(tr("one JSON document")))
    parser.add_argument("--json-schema", action="store_true", help=str(tr("the schema of that document")))


def run(args: argparse.Namespace) -> int:
    """Prints them, the one that ends last first."""
    if args.json_schema:
        print_schema("alerts-silences")
        return 0
    from lilfox_tui.alerts.silences import format_matchers

    now = datetime.now(UTC)
    with kept(args) as saved:
        silences = [one for one in saved.silences() if args.all or now < one.ends_at]
    if args.json:
        print_json(
            {
                "silences": [
                    {
                        "id": one.id, "matchers": format_matchers(one.matchers), "starts_at": one.starts_at.isoformat(),
                        "ends_at": one.ends_at.isoformat(), "created_by": one.created_by, "comment": one.comment,
                        "until_resolved": one.until_resolved,
                    }
                    for one in silences
                ]
            }
        )  # fmt: skip
        return 0
    if not silences:
        print_line(tr("no silences"))
    rows = []
    for one in silences:
        left_s = (one.ends_at - now).total_seconds()
        left = _("ended {age} ago", age=human_duration(-left_s)) if left_s <= 0 else human_duration(left_s)
        ends = _("until resolved") if one.until_resolved and left_s > 0 else left
        rows.append(
            [Cell(one.id), Cell(ends), Cell(format_matchers(one.matchers)), Cell(one.created_by), Cell(one.comment)]
        )
    print_table(rows)
    return 0
