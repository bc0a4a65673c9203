"""``lilfox backup run``: made for cron; exit code 0 good, 1 failed, 3 partly."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from lilfox_tui.backup.sets.model import checked_tag
from lilfox_tui.cli.backup_words import Given, add_json, add_sources, add_store, do, settings, wish_of
from lilfox_tui.cli.output import print_error, print_json, print_line
from lilfox_tui.cli.schemas import print_schema
from lilfox_tui.errors import LilFoxError, UsageError
from lilfox_tui.i18n import _, tr

if TYPE_CHECKING:
    from lilfox_tui.config.loader import LoadedConfig

DEFAULT = "lilfox"
SOME = 3
"""Exit code when plans ended differently: partly done."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what ``backup run`` accepts."""
    parser.add_argument("plan", nargs="?", action=Given, metavar="PLAN", help=_("a plan; all of them when not given"))
    add_sources(parser)
    add_store(parser)
    parser.add_argument(
        "--format", choices=["zstd", "manual"], default="zstd", help=_("manual: gzip, restore.sh's names")
    )
    for name, text in (
        ("last", _("keep the N newest sets")),
        ("daily", _("keep the newest set of each of N days")),
        ("weekly", _("keep the newest set of each of N weeks")),
        ("monthly", _("keep the newest set of each of N months")),
        ("days", _("keep all sets of the last N days")),
    ):
        parser.add_argument(f"--keep-{name}", type=int, metavar="N", help=text)
    parser.add_argument(
        "--tag",
        action=Given,
        default="",
        metavar="NAME",
        help=_("name the set: it is kept, and can be given as tag:NAME"),
    )
    parser.add_argument("--dry-run", action="store_true", help=_("only look whether it could run"))
    parser.add_argument("--quiet", action="store_true", help=_("say nothing while all is well"))
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Runs one plan, or all of the configuration; the worst exit code of them."""
    if args.json_schema:
        print_schema("backup-run")
        return 0
    loaded = settings(args)
    if args.tag:
        checked_tag(args.tag)
    named = bool(args.database or args.folders or args.app)
    if args.plan and (named or args.store):
        raise UsageError(
            tr("{plan} says itself what is backed up and where to", plan=args.plan),
            tr("lilfox backup run {plan}, or without a plan: --database URL --files DIR --store DIR", plan=args.plan),
        )
    plans = [args.plan] if args.plan else [] if args.store or named else list(loaded.config.backup.plans)
    if not plans and not (args.store and named):
        raise UsageError(
            tr("nothing is named that is to be backed up")
            if args.store
            else tr("no store is named")
            if named
            else tr("there is no backup plan, and no store is named"),
            tr("configure backup: plans:, or: lilfox backup run --database URL --files DIR --store DIR"),
        )
    if args.dry_run:
        from lilfox_tui.cli.backup_checks import print_preflight

        return max(print_preflight(wish_of(args, loaded, plan=plan)) for plan in plans or [""])
    done = [_one(args, loaded, plan) for plan in plans or [""]]
    if args.json:
        print_json([document for _code, document in done])
    codes = {code for code, _document in done}
    return codes.pop() if len(codes) == 1 else SOME


def _one(args: argparse.Namespace, loaded: LoadedConfig, plan: str) -> tuple[int, dict[str, Any]]:
    name = plan or DEFAULT
    wish = replace(wish_of(args, loaded, plan=plan), tag=args.tag)
    try:
        code, result = do("backup", wish, quiet=args.quiet)
    except LilFoxError as error:  # one plan that cannot begin keeps no other from it
        print_error(error)
        code, result = error.exit_code, {}
    if not args.json and result.get("set"):
        print_line(result["set"])
    return code, {"plan": name, "exit_code": code, **result}
