"""``lilfox demo --no-ui``: the demo stack without the screen. With the screen, ``__main__`` opens the app."""

from __future__ import annotations

import argparse
import asyncio

from lilfox_tui.cli.main import add_screen
from lilfox_tui.cli.output import flush, print_line
from lilfox_tui.core.i18n import Message, _
from lilfox_tui.demo.stack import run_headless
from lilfox_tui.hosts.open import this_machine


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``demo``."""
    parser.add_argument(
        "--no-ui", action="store_true", help=_("run only the services, without the console, until stopped")
    )
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="SERVICE:KIND",
        help=_("start with this fault (may be repeated)"),
    )
    add_screen(parser)


def run(args: argparse.Namespace) -> int:
    """Runs the stack until it is stopped."""
    asyncio.run(run_headless(args.fault, say=_say, host=this_machine()))
    return 0


def _say(text: Message) -> None:
    print_line(text)
    flush()
