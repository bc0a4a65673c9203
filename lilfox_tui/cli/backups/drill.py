"""``lilfox backup drill``: restores a set for real into a scratch place, compares and measures, and takes it away."""

from __future__ import annotations

import argparse

from msgspec.structs import replace

from lilfox_tui.cli.backup_words import add_json, add_plan, add_set, add_sources, judged, settings, wish_of
from lilfox_tui.cli.schemas import print_schema
from lilfox_tui.i18n import _


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what ``backup drill`` accepts."""
    add_set(parser)
    add_plan(parser)
    add_sources(parser)
    parser.add_argument(
        "--run-code", action="store_true", help=_("what the dump executes is right, also with a superuser's rights")
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Drills it."""
    if args.json_schema:
        print_schema("backup-proof")
        return 0
    wish = replace(wish_of(args, settings(args)), run_code=args.run_code)
    return judged(args, "drill", wish)
