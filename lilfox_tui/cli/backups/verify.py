"""``lilfox backup verify``: reads a set whole; exit code 1 when it is broken."""

from __future__ import annotations

import argparse

from lilfox_tui.cli.backup_words import add_json, add_plan, add_set, judged, settings, wish_of
from lilfox_tui.cli.schemas import print_schema


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what ``backup verify`` accepts."""
    add_set(parser)
    add_plan(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Verifies it."""
    if args.json_schema:
        print_schema("backup-proof")
        return 0
    wish = wish_of(args, settings(args))
    return judged(args, "verify", wish)
