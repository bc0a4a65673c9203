"""``lilfox backup``: runs a plan, lists and verifies sets, drills a restore, settles and prunes."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from lilfox_tui.backup.checks import labelled, signature_text, status_text
from lilfox_tui.backup.context import BackupContext
from lilfox_tui.backup.plan import BackupRequest, RestoreSpec, plan_named, plan_of
from lilfox_tui.backup.restores.interrupted import chosen_interrupted_restore, what_stays
from lilfox_tui.backup.sets.catalogue import nothing_collected
from lilfox_tui.backup.sets.model import checked_tag, tag_of
from lilfox_tui.backup.sets.names import local_zone
from lilfox_tui.backup.sets.retention import judge_in_store
from lilfox_tui.backup.sources.pgbackrest.repository import reach_lines
from lilfox_tui.cli.backup_request import (
    NonEmptyValue,
    add_json,
    add_plan,
    add_set,
    add_sources,
    add_store,
    add_target,
    do,
    judged,
    print_preflight,
    request_from,
    settings,
)
from lilfox_tui.cli.job_output import interrupted_now, warn_interrupted
from lilfox_tui.cli.main import Subcommand, subcommands
from lilfox_tui.cli.output import Cell, print_error, print_json, print_line, print_table, shape, warn
from lilfox_tui.cli.parser import load_settings
from lilfox_tui.cli.schemas import print_schema
from lilfox_tui.config.foreign import (
    EnginePlan,
    ForeignPlace,
    PgbackrestPlanConfig,
    WatchedPlan,
    foreign_places,
    run_plans,
)
from lilfox_tui.core.errors import LilFoxError, UsageError
from lilfox_tui.core.i18n import _, listed, tr
from lilfox_tui.core.text import human_bytes
from lilfox_tui.monitor.model import SET_LEVELS

if TYPE_CHECKING:
    from lilfox_tui.backup.restores.interrupted import InterruptedRestore
    from lilfox_tui.backup.sets.model import BackupSet, FileSnapshot, PhysicalBackup
    from lilfox_tui.backup.sets.retention import RetentionVerdict
    from lilfox_tui.config.loader import LoadedConfig


# ``lilfox backup run``: made for cron; exit code 0 good, 1 failed, 3 partly.


DEFAULT = "lilfox"
SOME = 3
"""Exit code when plans ended differently: partly done."""


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``backup run``."""
    parser.add_argument("plan", nargs="?", action=NonEmptyValue, metavar="PLAN", help=_("a plan; default: all"))
    add_sources(parser)
    add_store(parser)
    parser.add_argument(
        "--format", choices=["zstd", "manual"], default="zstd", help=_("manual: gzip, file names as in restore.sh")
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
        action=NonEmptyValue,
        default="",
        metavar="NAME",
        help=_("tag the set; retention keeps the newest set of each tag (limit: tagged), and tag:NAME selects it"),
    )
    parser.add_argument(
        "--type",
        choices=["full", "diff", "incr"],
        default="",
        help=_("pgBackRest plans: what to make; default: by full_every and diff_every of the plan"),
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help=_("only check whether the backup could run, and estimate how long it takes"),
    )
    parser.add_argument("--quiet", action="store_true", help=_("print only warnings and failures"))
    add_json(parser)


def run_backup(args: argparse.Namespace) -> int:
    """Runs one plan, or all of the configuration; returns the worst exit code."""
    if args.json_schema:
        print_schema("backup-run")
        return 0
    loaded = settings(args)
    if args.tag:
        checked_tag(args.tag)
    _refuse_type(args, loaded)
    named = bool(args.database or args.folders or args.app)
    if args.plan and (named or args.store):
        raise UsageError(
            tr("plan {plan} already defines what to back up and where", plan=args.plan),
            tr("lilfox backup run {plan}, or without a plan: --database URL --files DIR --store DIR", plan=args.plan),
        )
    plans = [args.plan] if args.plan else [] if args.store or named else list(run_plans(loaded.config.backup))
    if not plans and not (args.store and named):
        raise UsageError(
            tr("no source to back up is given")
            if args.store
            else tr("no store given")
            if named
            else tr("no backup plan, and no store given"),
            tr(
                "add a plan under backup: plans: to the configuration, or run lilfox backup run --database URL "
                "--files DIR --store DIR"
            ),
        )
    if args.dry_run:
        requests = [replace(request_from(args, loaded, plan=plan), backup_type=args.type) for plan in plans or [""]]
        return max(print_preflight(request) for request in requests)
    done = [_run_one(args, loaded, plan) for plan in plans or [""]]
    if args.json:
        print_json([document for _code, document in done])
    codes = {code for code, _document in done}
    return codes.pop() if len(codes) == 1 else SOME


def _refuse_type(args: argparse.Namespace, loaded: LoadedConfig) -> None:
    """Raises UsageError for ``--type`` and ``--tag`` where they mean nothing."""
    plan = loaded.config.backup.plans.get(args.plan)
    if args.type and not isinstance(plan, PgbackrestPlanConfig):
        raise UsageError(
            tr("--type is for a plan of kind pgbackrest"), tr("for example: lilfox backup run PLAN --type full")
        )
    if args.tag and isinstance(plan, EnginePlan):
        raise UsageError(
            tr("a set of a plan of kind {kind} has no tag", kind=plan.kind), tr("leave out --tag; its id names it")
        )


def _run_one(args: argparse.Namespace, loaded: LoadedConfig, plan: str) -> tuple[int, dict[str, Any]]:
    name = plan or DEFAULT
    request = replace(request_from(args, loaded, plan=plan), tag=args.tag, backup_type=args.type)
    try:
        code, result = do("backup", request, quiet=args.quiet)
    except LilFoxError as error:  # one plan that cannot begin keeps no other from it
        print_error(error)
        code, result = error.exit_code, {}
    if not args.json and not args.quiet and result.get("set"):
        print_line(result["set"])
    return code, {"plan": name, "exit_code": code, **result}


# ``lilfox backup list``: the sets, newest first; exit code 1 when there is none that may be restored, 3 when all that
# may be are partial, or a store could not be read.


def add_list_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``backup list``."""
    add_plan(parser)
    add_json(parser)


def run_list(args: argparse.Namespace) -> int:
    """Prints the sets."""
    if args.json_schema:
        print_schema("backup-list")
        return 0
    with nothing_collected():
        loaded = load_settings(args)
        stored, troubles = asyncio.run(_sets(args, loaded))
        for trouble in troubles:
            print_error(trouble)
        sets = [found for _store, found in stored]
        interrupted_restores = interrupted_now(loaded.config)
        warn_interrupted(interrupted_restores)
        if args.json:
            print_json([list_document(found, interrupted_restores) for found in sets])
        else:
            _print_sets(stored, signed=loaded.config.backup.signing is not None)
    if troubles or interrupted_restores:
        return 3 if sets else 1
    if any(found.complete or found.on_time for found in sets):
        return 0
    return 1 if all(found.refused for found in sets) else 3


def list_document(found: BackupSet, interrupted_restores: Sequence[InterruptedRestore] = ()) -> dict[str, Any]:
    """A set in the format of ``--json``; missing parts, signature, tag and interrupted restore appear only if there are
    any."""
    tag = tag_of(found)
    half = [each.document() for each in interrupted_restores if each.restored.set == found.id]
    return {
        "id": found.id,
        "created": found.created.isoformat(),
        "status": found.status,
        "reason": str(found.reason),
        "parts": [
            {"name": part.name, "kind": part.kind, "size_bytes": part.size_bytes, "sha256": part.sha256}
            for part in found.parts
        ],
        **({"missing": list(found.missing)} if found.missing else {}),
        **({"signature": found.signature} if found.signature != "none" else {}),
        **({"tag": tag} if tag else {}),
        **({"interrupted_restores": half} if half else {}),
        **({} if found.physical is None else {"physical": _physical_document(found.physical)}),
        **({} if found.snapshot is None else {"snapshot": _snapshot_document(found.snapshot)}),
    }


def _snapshot_document(snapshot: FileSnapshot) -> dict[str, Any]:
    return {
        "id": snapshot.id,
        "finished": snapshot.finished.isoformat(),
        "hostname": snapshot.hostname,
        "paths": list(snapshot.paths),
        "files": snapshot.files,
        "total_bytes": snapshot.total_bytes,
    }


def _physical_document(backup: PhysicalBackup) -> dict[str, Any]:
    return {
        "type": backup.type,
        "finished": backup.finished.isoformat(),
        "references": list(backup.references),
        "repo": backup.repo,
        "postgresql": backup.postgresql,
        "timeline": backup.timeline,
        "wal_start": backup.wal_start,
        "wal_stop": backup.wal_stop,
        "database_bytes": backup.database_bytes,
        "recoverable_until": None if backup.until is None else backup.until.isoformat(),
        "last_wal": backup.last_wal,
        "missing_wal": backup.gap,
    }


async def _sets(
    args: argparse.Namespace, loaded: LoadedConfig
) -> tuple[list[tuple[str, BackupSet]], list[LilFoxError]]:
    """All sets of the named store, or of the stores of the configuration's plans, each with its store, and the errors
    for stores that could not be read."""
    sets: list[tuple[str, BackupSet]] = []
    troubles: list[LilFoxError] = []
    async with BackupContext(loaded.config) as context:
        for name, options in _stores(request_from(args, loaded), loaded).items():
            try:
                store = context.store(name, options)
                sets += [(store.where, found) for found in await context.sets_in(store)]
            except LilFoxError as error:
                troubles.append(error)
    return sorted(sets, key=lambda each: each[1].created, reverse=True), troubles


def _stores(request: BackupRequest, loaded: LoadedConfig) -> dict[str, Any]:
    if isinstance(plan := loaded.config.backup.plans.get(request.plan), WatchedPlan):
        return {plan.store: ForeignPlace(request.plan, plan)}
    if request.plan:
        stores = plan_named(loaded.config.backup, request.plan).stores
        return {request.store: stores[request.store]} if request.store in stores else stores
    foreign = foreign_places(loaded.config.backup)
    if request.plan_arguments.store or not (loaded.config.backup.stores or foreign):
        return plan_of(request.plan_arguments, loaded.config.backup.stores).stores
    return {**loaded.config.backup.stores, **foreign}


def _print_sets(sets: list[tuple[str, BackupSet]], *, signed: bool) -> None:
    """Prints a line for each set; with tags if some have one, with stores if there are several, and with the signature
    if the configuration has keys (``signed``) or the set has one."""
    zone = local_zone()
    marks = {status: shape(level) for status, level in SET_LEVELS.items()}
    tagged = any(tag_of(found) for _where, found in sets)
    several = len({where for where, _found in sets}) > 1
    rows = []
    for where, found in sets:
        proof = status_text(found.status) if not found.reason else labelled(status_text(found.status), found.reason)
        if signed or found.signature != "none":
            proof += f"  [{signature_text(found.signature)}]"
        rows.append(
            [
                marks[found.status],
                Cell(found.id),
                Cell(found.created.astimezone(zone).isoformat(" ", "seconds")[:19]),
                Cell(human_bytes(found.size_bytes) if found.parts else "-", right=True),
                Cell(
                    listed(dict.fromkeys([part.source for part in found.parts]))
                    if found.physical is None
                    else found.physical.type
                ),
                *([Cell(tag_of(found))] if tagged else []),
                *([Cell(where)] if several else []),
                Cell(proof),
            ]
        )
    print_table(rows)
    if not rows:
        print_line(_("no sets"))
    for where in dict.fromkeys(where for where, found in sets if found.physical is not None):
        own = [found for place, found in sets if place == where]
        for span in reach_lines(own, lambda at: at.astimezone(zone).isoformat(" ", "seconds")):
            print_line(_("{where}: can be recovered to any time from {span}", where=where, span=span))
        for gap in dict.fromkeys(found.physical.gap for found in own if found.physical is not None):
            if gap:
                warn(_("lilfox: {where}: WAL segment {segment} is missing from the archive", where=where, segment=gap))


# ``lilfox backup verify``: reads a set whole; exit code 1 when it is broken.


def add_verify_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``backup verify``."""
    add_set(parser)
    add_plan(parser)
    add_json(parser)


def run_verify(args: argparse.Namespace) -> int:
    """Verifies the set."""
    if args.json_schema:
        print_schema("backup-proof")
        return 0
    request = request_from(args, settings(args))
    return judged(args, "verify", request)


# ``lilfox backup drill``: restores a set for real into a scratch place, compares and measures, and takes it away.


def add_drill_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``backup drill``."""
    add_set(parser)
    add_plan(parser)
    add_sources(parser)
    parser.add_argument(
        "--run-code",
        action="store_true",
        help=_("allow the dump to run the code it contains, even with superuser rights"),
    )
    add_target(parser)
    add_json(parser)


def run_drill(args: argparse.Namespace) -> int:
    """Runs the drill."""
    if args.json_schema:
        print_schema("backup-proof")
        return 0
    request = replace(
        request_from(args, settings(args)), restore=RestoreSpec(run_code=args.run_code, target=args.target)
    )
    return judged(args, "drill", request)


# ``lilfox backup settle``: a restore whose process died between its renames is finished or reverted.


def add_settle_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``backup settle``."""
    parser.add_argument(
        "set",
        nargs="?",
        action=NonEmptyValue,
        metavar="SET",
        help=_("the set, or the id of the restore job; default: the only interrupted restore"),
    )
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--finish", action="store_true", help=_("complete the interrupted restore or undo"))
    way.add_argument("--take-back", action="store_true", help=_("revert the interrupted restore or undo"))
    way.add_argument(
        "--forget",
        action="store_true",
        help=_(
            "set aside an interrupted restore that can no longer be settled, without changing its data; without "
            "--yes, only lists the data that may be left behind"
        ),
    )
    parser.add_argument(
        "--yes", action="store_true", help=_("with --forget: set the restore aside instead of only listing its data")
    )
    parser.add_argument("--json", action="store_true", help=_("print the result as one JSON document"))
    parser.add_argument("--json-schema", action="store_true", help=_("print the JSON schema of that document and exit"))


def run_settle(args: argparse.Namespace) -> int:
    """Settles interrupted restores; without an action it only lists them, and returns 1 if there are any."""
    if args.json_schema:
        print_schema("backup-settle")
        return 0
    if args.forget and not args.yes:
        return _show_what_stays(args)
    if args.finish or args.take_back or args.forget:
        return _settle(args)
    found = interrupted_now(load_settings(args).config)
    if args.json:
        print_json({"interrupted_restores": [half.document() for half in found]})
        return 1 if found else 0
    for half in found:
        print_line(str(half.message))
        print_line("  " + _("hint: {hint}", hint=half.hint))
    if not found:
        print_line(_("no restore is interrupted"))
    return 1 if found else 0


def _show_what_stays(args: argparse.Namespace) -> int:
    restored = asyncio.run(chosen_interrupted_restore(args.set or ""))
    if args.json:
        found = interrupted_now(load_settings(args).config)
        told = [half.document() for half in found if half.restored.run == restored.run]
        print_json({"interrupted_restores": told, "set": restored.set, "stays": what_stays(restored)})
        return 1
    print_line(_("the restore of {set} (job {job}) would be set aside as it is, without renaming anything",
                 set=restored.set, job=restored.run))  # fmt: skip
    print_line(_("may be left behind: {names}", names=what_stays(restored)))
    print_line(_("to set it aside: lilfox backup settle {job} --forget --yes", job=restored.run))
    return 1


def _settle(args: argparse.Namespace) -> int:
    loaded = settings(args)
    path = None if loaded.path is None else str(Path(loaded.path).absolute())
    code, result = do("settle", BackupRequest(config=path, set=args.set or "", finish=args.finish, aside=args.forget))
    if args.json:
        print_json({"interrupted_restores": [], **result})
    return code


# ``lilfox backup prune``: what a plan's retention lets go is shown, and removed with ``--yes``.


def add_prune_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``backup prune``."""
    parser.add_argument("plan", action=NonEmptyValue, metavar="PLAN", help=_("a plan from the configuration"))
    parser.add_argument("--yes", action="store_true", help=_("remove them instead of only showing them"))


def run_prune(args: argparse.Namespace) -> int:
    """Shows which sets retention removes and why; with ``--yes`` removes them and what unfinished restores left."""
    loaded = settings(args)
    if isinstance(loaded.config.backup.plans.get(args.plan), EnginePlan):
        return _expire(args, loaded)
    verdicts = asyncio.run(_verdicts(args.plan, loaded))
    print_table([Cell(verdict.set.id), Cell(str(verdict.why))] for verdict in verdicts if verdict.goes)
    for verdict in verdicts:
        if verdict.locked:
            print_line(str(verdict.stays))
    going = sum(verdict.goes for verdict in verdicts)
    print_line(_("sets to remove: {going} of {count}", going=going, count=len(verdicts)))
    if not args.yes:
        return 0
    request = request_from(args, loaded, plan=args.plan)
    code, _result = do("prune", request)
    return code


def _expire(args: argparse.Namespace, loaded: LoadedConfig) -> int:
    request = request_from(args, loaded, plan=args.plan)
    if args.yes:
        return do("prune", request)[0]
    from lilfox_tui.backup.effects import removed_by_engine

    gone = asyncio.run(removed_by_engine(request))
    print_table([Cell(label)] for label in gone)
    print_line(_("sets to remove: {count}", count=len(gone)))
    return 0


async def _verdicts(name: str, loaded: LoadedConfig) -> list[RetentionVerdict]:
    plan = plan_named(loaded.config.backup, name)
    verdicts: list[RetentionVerdict] = []
    async with BackupContext(loaded.config) as context:
        for store_name, options in plan.stores.items():
            store = context.store(store_name, options)
            sets = [found for found in await context.sets_in(store) if found.plan == name]
            verdicts += await judge_in_store(store, sets, plan.config.keep)
    return verdicts


ACTIONS = {
    "run": Subcommand(
        tr("back up what a plan defines, read it back, and remove old sets"), add_run_arguments, run_backup
    ),
    "list": Subcommand(tr("list the sets with their verification level"), add_list_arguments, run_list),
    "verify": Subcommand(
        tr("read a whole set and verify digests, trailers and content"), add_verify_arguments, run_verify
    ),
    "drill": Subcommand(
        tr("restore a set to a scratch location, compare and time it, then remove the copy"),
        add_drill_arguments,
        run_drill,
    ),
    "settle": Subcommand(tr("finish or revert an interrupted restore"), add_settle_arguments, run_settle),
    "prune": Subcommand(
        tr("list the sets that the plan's retention no longer keeps; --yes removes them"),
        add_prune_arguments,
        run_prune,
    ),
}

add_arguments, run = subcommands(ACTIONS)
