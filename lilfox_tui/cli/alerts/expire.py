"""``lilfox alerts expire``: ends silences."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from lilfox_tui.cli.alerts.kept import kept, user
from lilfox_tui.cli.output import print_line
from lilfox_tui.i18n import tr


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what ``alerts expire`` accepts."""
    parser.add_argument("ids", nargs="+", metavar="ID", help=str(tr("the id of a silence, or its beginning")))
    parser.add_argument("--by", metavar="NAME", help=str(tr("who it is; the name of the login when not given")))


def run(args: argparse.Namespace) -> int:
    """Ends them now."""
    from lilfox_tui.alerts.responses import expire
    from lilfox_tui.alerts.silences import format_matchers

    with kept(args, changes=True) as saved:
        for wanted in args.ids:
            ended = expire(saved, wanted, args.by or user(), datetime.now(UTC))
            print_line(tr("ended: {matchers}", matchers=format_matchers(ended.matchers)))
    return 0
