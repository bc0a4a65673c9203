"""``lilfox backup settle``: a restore whose process died between its renames is finished, or taken back."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from lilfox_tui.cli.backup_words import Given, do, settings
from lilfox_tui.cli.half_done import half_done_now
from lilfox_tui.cli.output import print_json, print_line
from lilfox_tui.cli.schemas import print_schema
from lilfox_tui.i18n import _


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what ``backup settle`` accepts."""
    parser.add_argument(
        "set", nargs="?", action=Given, metavar="SET", help=_("the set, or the id of the restore's job; the only one")
    )
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--finish", action="store_true", help=_("put in place what is not yet"))
    way.add_argument("--take-back", action="store_true", help=_("put back what is not there any more"))
    way.add_argument(
        "--forget",
        action="store_true",
        help=_("put aside as it is what can never be settled; shows what stays"),
    )
    parser.add_argument("--yes", action="store_true", help=_("with --forget: do it, not only show what stays"))
    parser.add_argument("--json", action="store_true", help=_("one JSON document"))
    parser.add_argument("--json-schema", action="store_true", help=_("the schema of that document"))


def run(args: argparse.Namespace) -> int:
    """Settles it; without a way it only tells what is half done, and exits 1 where something is."""
    if args.json_schema:
        print_schema("backup-settle")
        return 0
    if args.forget and not args.yes:
        return _show_what_stays(args)
    if args.finish or args.take_back or args.forget:
        return _settle(args)
    from lilfox_tui.cli.settings import load_settings

    found = half_done_now(load_settings(args).config)
    if args.json:
        print_json({"half_done": [half.document() for half in found]})
        return 1 if found else 0
    for half in found:
        print_line(str(half.message))
        print_line("  " + _("hint: {hint}", hint=half.hint))
    if not found:
        print_line(_("no restore is half done"))
    return 1 if found else 0


def _show_what_stays(args: argparse.Namespace) -> int:
    from lilfox_tui.backup.restores.interrupted import chosen_interrupted_restore, what_stays
    from lilfox_tui.cli.settings import load_settings

    restored = asyncio.run(chosen_interrupted_restore(args.set or ""))
    if args.json:
        found = half_done_now(load_settings(args).config)
        told = [half.document() for half in found if half.restored.run == restored.run]
        print_json({"half_done": told, "set": restored.set, "stays": what_stays(restored)})
        return 1
    print_line(_("the restore of {set} (job {job}) would be put aside as it is; nothing is renamed",
                 set=restored.set, job=restored.run))  # fmt: skip
    print_line(_("what stays there: {names}", names=what_stays(restored)))
    print_line(_("to do it: lilfox backup settle {job} --forget --yes", job=restored.run))
    return 1


def _settle(args: argparse.Namespace) -> int:
    from lilfox_tui.backup.plan import BackupRequest

    loaded = settings(args)
    path = None if loaded.path is None else str(Path(loaded.path).absolute())
    code, result = do("settle", BackupRequest(config=path, set=args.set or "", finish=args.finish, aside=args.forget))
    if args.json:
        print_json({"half_done": [], **result})
    return code
