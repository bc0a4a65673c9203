"""``lilfox alerts``: rules and what they say. Each action is a file of its own beside, and imported when asked for."""

from __future__ import annotations

import argparse
from importlib import import_module

from lilfox_tui.cli.main import Command, add_everywhere
from lilfox_tui.i18n import tr

ACTIONS = {
    "list": tr("pending, firing and just resolved alerts, worst first"),
    "ack": tr("say that somebody has seen it: no reminders until it resolves"),
    "silence": tr("tell nobody of what fits, for a time"),
    "silences": tr("the silences that there are"),
    "expire": tr("end silences"),
    "history": tr("what fired, resolved, was told, acknowledged and silenced"),
    "notify-test": tr("send a test to those who are told"),
    "lint": tr("what is wrong with rule files, and what does not mean what it looks like"),
    "test": tr("unit tests of rules, as promtool test rules has them"),
}
"""Each is ``cli/alerts/NAME.py``, written like a sub-command."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what ``alerts`` accepts."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text in ACTIONS.items():
        action = actions.add_parser(name, help=str(text), description=str(text), allow_abbrev=False)
        add_everywhere(action)
        _action(name).add_arguments(action)


def run(args: argparse.Namespace) -> int:
    """Does what ``args.action`` says."""
    return _action(args.action).run(args)


def _action(name: str) -> Command:
    module: Command = import_module(f"lilfox_tui.cli.alerts.{name.replace('-', '_')}")
    return module
