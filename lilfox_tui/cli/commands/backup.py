"""``lilfox backup``: sets of a plan or of a store. Each action is a file of its own beside, imported when asked for."""

from __future__ import annotations

import argparse
from importlib import import_module

from lilfox_tui.cli.main import Command, add_everywhere
from lilfox_tui.i18n import tr

ACTIONS = {
    "run": tr("back up what a plan names, read it back, and remove what is old"),
    "list": tr("the sets that there are, each with how far it is proven"),
    "verify": tr("read a set whole: digests, trailer, content"),
    "drill": tr("restore a set into a scratch place, compare, measure, take it away"),
    "prune": tr("remove what the plan's retention lets go"),
}
"""Each is ``cli/backups/NAME.py``, written like a sub-command."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what ``backup`` accepts."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text in ACTIONS.items():
        action = actions.add_parser(name, help=str(text), description=str(text), allow_abbrev=False)
        add_everywhere(action)
        _action(name).add_arguments(action)


def run(args: argparse.Namespace) -> int:
    """Does what ``args.action`` says."""
    return _action(args.action).run(args)


def _action(name: str) -> Command:
    module: Command = import_module(f"lilfox_tui.cli.backups.{name}")
    return module
