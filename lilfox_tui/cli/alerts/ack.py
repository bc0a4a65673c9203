"""``lilfox alerts ack``: somebody has seen it; no reminders until it resolves."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from lilfox_tui.cli.alerts.kept import alerts_now, kept, labels_text, matchers_of, user
from lilfox_tui.cli.output import print_line
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import tr


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what ``alerts ack`` accepts."""
    matchers = tr('an alert\'s name, or what its labels must be: instance=a:9100, team=~"web|db"')
    parser.add_argument("matchers", nargs="+", metavar="MATCHER", help=str(matchers))
    parser.add_argument("--note", default="", metavar="TEXT", help=str(tr("what the others should know")))
    parser.add_argument("--by", metavar="NAME", help=str(tr("who it is; the name of the login when not given")))
    parser.add_argument("--undo", action="store_true", help=str(tr("take the acknowledgement away")))


def run(args: argparse.Namespace) -> int:
    """Acknowledges every pending or firing alert that all matchers take."""
    from lilfox_tui.alerts.model import AlertState
    from lilfox_tui.alerts.responses import acknowledge, unacknowledge
    from lilfox_tui.alerts.silences import would_silence

    wanted, by = matchers_of(args.matchers), args.by or user()
    with kept(args, changes=True) as saved:
        alerts = would_silence(wanted, alerts_now(saved).alerts)
        live = [one for one in alerts if one.state is not AlertState.RESOLVED]
        if not live:
            raise LilFoxError(tr("no pending or firing alert fits"), tr("see: lilfox alerts list"))
        for alert in live:
            if args.undo:
                unacknowledge(saved, alert, by, datetime.now(UTC))
                print_line(tr("no longer acknowledged: {name} {labels}", name=alert.name, labels=labels_text(alert)))
            else:
                acknowledge(saved, alert, by, args.note, datetime.now(UTC))
                print_line(tr("acknowledged: {name} {labels}", name=alert.name, labels=labels_text(alert)))
    return 0
