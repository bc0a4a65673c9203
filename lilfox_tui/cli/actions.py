"""A sub-command whose actions are files of their own (``cli/backups/run.py``), imported when one is asked for."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from importlib import import_module

from lilfox_tui.cli.main import Command, add_everywhere
from lilfox_tui.i18n import Message


def actions(
    package: str, texts: Mapping[str, Message]
) -> tuple[Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace], int]]:
    """``add_arguments`` and ``run`` of such a sub-command. Each of ``texts`` is an action and what it is for; its file
    in ``cli/PACKAGE/`` is written like a sub-command."""

    def action(name: str) -> Command:
        module: Command = import_module(f"lilfox_tui.cli.{package}.{name.replace('-', '_')}")
        return module

    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """Says what the sub-command accepts."""
        parsers = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
        for name, text in texts.items():
            sub = parsers.add_parser(name, help=str(text), description=str(text))
            add_everywhere(sub)
            action(name).add_arguments(sub)

    def run(args: argparse.Namespace) -> int:
        """Does what ``args.action`` says."""
        return action(args.action).run(args)

    return add_arguments, run
