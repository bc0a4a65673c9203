"""``lilfox backup drill``: restores a set for real into a scratch place, compares and measures, and takes it away."""

from __future__ import annotations

import argparse

from lilfox_tui.cli.backup_words import add_json, add_plan, add_set, add_sources, judged, settings, wish_of
from lilfox_tui.cli.schemas import print_schema


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what ``backup drill`` accepts."""
    add_set(parser)
    add_plan(parser)
    add_sources(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Drills it."""
    if args.json_schema:
        print_schema("backup-proof")
        return 0
    wish = wish_of(args, settings(args))
    return judged(args, "drill", wish)
