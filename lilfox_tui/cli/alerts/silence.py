"""``lilfox alerts silence``: nobody is told of what fits, for a time."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from lilfox_tui.cli.alerts.kept import alerts_now, kept, labels_text, matchers_of, user
from lilfox_tui.cli.durations import duration
from lilfox_tui.cli.output import print_line
from lilfox_tui.i18n import ngettext, tr


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what ``alerts silence`` accepts."""
    matchers = tr('an alert\'s name, or what its labels must be: instance=a:9100, team=~"web|db"')
    parser.add_argument("matchers", nargs="+", metavar="MATCHER", help=str(matchers))
    how_long = parser.add_mutually_exclusive_group()
    how_long.add_argument(
        "--for",
        dest="for_s",
        type=duration,
        default=3600.0,
        metavar="DURATION",
        help=str(tr("such as 4h; 1h if not given")),
    )
    how_long.add_argument("--until-resolved", action="store_true", help=str(tr("until nothing fits it any more")))
    parser.add_argument("--preview", action="store_true", help=str(tr("say what it would silence, and do nothing")))
    parser.add_argument("--comment", default="", metavar="TEXT", help=str(tr("why")))
    parser.add_argument("--by", metavar="NAME", help=str(tr("who it is; the name of the login when not given")))


def run(args: argparse.Namespace) -> int:
    """Silences, or shows what would be silenced."""
    from lilfox_tui.alerts.model import AlertState
    from lilfox_tui.alerts.responses import silence
    from lilfox_tui.alerts.silences import check_silence, format_matchers, would_silence

    wanted = matchers_of(args.matchers)
    check_silence(wanted)
    with kept(args, changes=not args.preview) as saved:
        found = [one for one in would_silence(wanted, alerts_now(saved).alerts) if one.state is not AlertState.RESOLVED]
        for alert in found:
            print_line(f"{alert.name} {labels_text(alert)}")
        count = ngettext("{count} alert fits now", "{count} alerts fit now", len(found))
        if args.preview:
            print_line(f"{format_matchers(wanted)}: {count}")
            return 0
        for_s = None if args.until_resolved else args.for_s
        made = silence(saved, wanted, for_s, args.by or user(), args.comment, datetime.now(UTC))
        print_line(
            tr(
                "silenced until {end:%Y-%m-%d %H:%M:%S} UTC: {matchers}",
                end=made.ends_at,
                matchers=format_matchers(wanted),
            )
        )
        print_line(tr("{count}; its id is {id}", count=count, id=made.id))
    return 0
