"""``lilfox runbook``: Markdown that is walked. Each action is a file of its own beside, and imported when asked for."""

from __future__ import annotations

import argparse
from importlib import import_module

from lilfox_tui.cli.main import Command, add_everywhere
from lilfox_tui.i18n import tr

ACTIONS = {
    "list": tr("the runbooks that there are, first those for alerts that fire"),
    "show": tr("steps and commands of a file, and what each command does; nothing is run"),
    "run": tr("walk a runbook on its hosts; what changes something is asked first"),
    "lint": tr("what is wrong with runbooks, and what in their commands does not do what it looks like"),
}
"""Each is ``cli/runbooks/NAME.py``, written like a sub-command."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what ``runbook`` accepts."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text in ACTIONS.items():
        action = actions.add_parser(name, help=str(text), description=str(text), allow_abbrev=False)
        add_everywhere(action)
        _action(name).add_arguments(action)


def run(args: argparse.Namespace) -> int:
    """Does what ``args.action`` says."""
    return _action(args.action).run(args)


def _action(name: str) -> Command:
    module: Command = import_module(f"lilfox_tui.cli.runbooks.{name}")
    return module
