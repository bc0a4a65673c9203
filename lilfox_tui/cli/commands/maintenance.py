"""``lilfox maintenance``: windows without automatic restarts and alert notifications."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta

from lilfox_tui.cli.main import add_everywhere
from lilfox_tui.cli.output import Cell, print_json, print_line, print_table
from lilfox_tui.cli.parser import duration, load_settings
from lilfox_tui.config.model import Config
from lilfox_tui.core.errors import NotAllowed, UsageError
from lilfox_tui.core.i18n import _, listed, tr
from lilfox_tui.core.maintenance import ALL, MaintenanceWindow, close_window, open_window, windows
from lilfox_tui.incident.incidents import myself, record
from lilfox_tui.incident.model import Changed, Reverted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``maintenance``."""
    parser.add_argument("--json", action="store_true", help=_("print the result as one JSON document"))
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    on = actions.add_parser("on", help=_("open a maintenance window"))
    on.add_argument(
        "--for",
        dest="for_s",
        type=duration,
        required=True,
        metavar="DURATION",
        help=_("how long; the window then ends by itself"),
    )
    on.add_argument("--why", default="", metavar="TEXT", help=_("reason for the maintenance"))
    off = actions.add_parser("off", help=_("close a maintenance window"))
    for action in (on, off):
        action.add_argument("name", metavar="NAME", help=_("a host, a service, a unit under recovery:, or all"))
        add_everywhere(action)


def run(args: argparse.Namespace) -> int:
    """Lists the windows that are open, opens one or closes one."""
    config = load_settings(args).config
    now = datetime.now(UTC)
    if args.action is None:
        return _list(now, as_json=args.json)
    if config.read_only:
        raise NotAllowed(
            tr("maintenance windows cannot be changed in read_only mode"),
            tr("leave out --read-only, or remove read_only from the configuration"),
        )
    if args.action == "off":
        close_window(args.name)
        record(Reverted(change=_change(args.name), text=_("{name} is no longer in maintenance", name=args.name)))
        print_line(_("{name} is no longer in maintenance", name=args.name))
        return 0
    _check(config, args.name)
    until = now + timedelta(seconds=args.for_s)
    record(
        Changed(
            change=_change(args.name),
            text=_("{name} is in maintenance: {why}", name=args.name, why=args.why or "-"),
            undo=f"lilfox maintenance off {args.name}",
            ends=until,
        )
    )
    open_window(MaintenanceWindow(name=args.name, since=now, until=until, by=myself(), why=args.why))
    print_line(
        _(
            "{name} is in maintenance until {time:%Y-%m-%d %H:%M:%S} UTC: no automatic restarts, no "
            "notifications of its alerts",
            name=args.name,
            time=until,
        )
    )
    return 0


def _change(name: str) -> str:
    return f"maintenance {name}"


def _check(config: Config, name: str) -> None:
    known = [*config.hosts, *config.services, *config.recovery, ALL]
    if name not in known:
        raise UsageError(
            tr("the configuration has no host, service or recovery unit {name}", name=name),
            tr("one of: {names}", names=listed(dict.fromkeys(known))),
        )


def _list(now: datetime, *, as_json: bool) -> int:
    found = windows(now)
    if as_json:
        rows = [
            {
                "name": window.name,
                "since": window.since.isoformat(),
                "until": window.until.isoformat(),
                "by": window.by,
                "why": window.why,
            }
            for window in found
        ]
        print_json({"windows": rows})
        return 0
    print_table(
        [
            [
                Cell(window.name),
                Cell(_("until {time:%Y-%m-%d %H:%M:%S} UTC", time=window.until)),
                Cell(window.by),
                Cell(window.why),
            ]
            for window in found
        ]
    )
    if not found:
        print_line(_("nothing is in maintenance"))
    return 0
