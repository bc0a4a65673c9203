"""Code that ``lilfox backup`` and ``lilfox restore`` share: arguments, the request built from them, its checks, its
job."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from lilfox_tui.backup.checks import hint_text
from lilfox_tui.backup.context import BackupContext
from lilfox_tui.backup.options import PostgresqlOptions
from lilfox_tui.backup.plan import BackupRequest, PlanArguments, plan_named, request_of
from lilfox_tui.backup.source import lost_text
from lilfox_tui.backup.store import NotReady
from lilfox_tui.cli.job_output import follow_job
from lilfox_tui.cli.output import Cell, print_json, print_line, print_table, shape
from lilfox_tui.cli.parser import load_settings
from lilfox_tui.config.foreign import own_plans, run_plans
from lilfox_tui.config.model import KeepConfig
from lilfox_tui.core.errors import LilFoxError, NotAllowed, UsageError
from lilfox_tui.core.i18n import _, listed, tr
from lilfox_tui.jobs.listing import find_job
from lilfox_tui.jobs.start import start
from lilfox_tui.metrics.model import Level

if TYPE_CHECKING:
    from lilfox_tui.backup.checks import Check
    from lilfox_tui.backup.plan import RequestKind
    from lilfox_tui.backup.restores.restore import Restore
    from lilfox_tui.config.loader import LoadedConfig
    from lilfox_tui.config.model import BackupConfig


# What is looked at before anything is written, printed: of a backup and of a restore.


_LEVELS = {"good": Level.GOOD, "warning": Level.DEGRADED, "bad": Level.FAILING}
PARTLY = 3
LINES = 40
"""So many changes of each source are shown."""


def print_preflight(request: BackupRequest) -> int:
    """Checks whether a backup could run; returns its exit code as far as known: 1 if nothing could be backed up, 3 if
    only a part could."""
    return asyncio.run(_preflight(request))


async def _preflight(request: BackupRequest) -> int:
    from lilfox_tui.backup import effects, run

    if (checks := await effects.engine_preflight(request)) is not None:
        print_checks(checks)
        return 1 if any(check.state == "bad" for check in checks) else 0
    config, plan = effects.opened(request)
    async with BackupContext(config) as context:
        looked = await run.preflight(context, plan)
        expected = await run.duration(context, plan, looked)
    print_checks([*looked.checks, *expected])
    try:
        looked.refuse(plan.main)
    except NotReady:
        return 1
    return PARTLY if looked.bad_sources() or looked.bad_stores() else 0


def print_checks(checks: Sequence[Check]) -> None:
    """Prints a line for each check, with its hint unless it passed."""
    rows = []
    for check in checks:
        rows.append([shape(_LEVELS[check.state]), Cell(str(check.about)), Cell(str(check.found), folds=True)])
        if check.state != "good" and (hint := hint_text(check)):
            rows.append([Cell(""), Cell(""), Cell(_("→ {hint}", hint=hint))])
    print_table(rows)


async def print_changes(restore: Restore, *, blocked: bool = False) -> None:
    """Prints what restoring would change, a block for each source. ``blocked``: a check failed, so reading the changes
    may fail too."""
    for source, where in restore.where.items():
        print_line(f"{source} → {where}")
        try:
            changes = await restore.changes_of(source)
        except LilFoxError as error:
            if not blocked:
                raise
            print_line("  " + _("its changes cannot be shown: {error}", error=error))
            continue
        if not changes:
            print_line("  " + _("nothing would change"))
        print_table(
            [Cell("  " + change.what), Cell(change.now, right=True), Cell("→"), Cell(change.then), _newer(change.newer)]
            for change in changes[:LINES]
        )
        if len(changes) > LINES:
            print_line("  " + _("and {count} more", count=len(changes) - LINES))
        if lost := lost_text(changes):
            print_line(f"  {lost}")


def _newer(newer: bool) -> Cell:
    return Cell(_("newer than the backup: not restored"), Level.DEGRADED, folds=True) if newer else Cell("")


class NonEmptyValue(argparse.Action):
    """An argparse action that takes one value each time the option is used, and rejects an empty one, as from an unset
    shell variable: an empty ``--only`` must not restore everything, as leaving out the option does."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Exits with 2 if the value is empty. None stands for an optional argument that was left out, and is stored as
        empty."""
        if values is None:
            values = ""
        elif not values.strip():
            parser.error(_("{option}: the value is empty", option=option_string or self.metavar or self.dest))
        several = isinstance(self.default, list)
        setattr(namespace, self.dest, [*getattr(namespace, self.dest), values] if several else values)


def add_plan(parser: argparse.ArgumentParser) -> None:
    """Adds the option for the plan."""
    parser.add_argument(
        "--plan", metavar="NAME", action=NonEmptyValue, default="", help=_("a plan from the configuration")
    )
    add_store(parser)


def add_store(parser: argparse.ArgumentParser) -> None:
    """Adds the option for the store."""
    parser.add_argument(
        "--store",
        metavar="DIR",
        action=NonEmptyValue,
        default="",
        help=_("a store: a folder, HOST:/folder, s3://BUCKET/PREFIX, or its name in the configuration"),
    )
    parser.add_argument(
        "--identity",
        metavar="REF",
        action=NonEmptyValue,
        default="",
        help=_("age key for encrypted sets: file:PATH, env:NAME or cmd:ARGV"),
    )


def add_sources(parser: argparse.ArgumentParser) -> None:
    """Adds the options that name the sources to back up, or the targets to restore to, without a configuration."""
    add = parser.add_argument
    add(
        "--database",
        metavar="URL",
        action=NonEmptyValue,
        default="",
        help=_("postgresql://USER@HOST/DB; password from PGPASSWORD or PGPASSFILE"),
    )
    add(
        "--files",
        metavar="DIR",
        dest="folders",
        action=NonEmptyValue,
        default=[],
        help=_("a folder; may be repeated"),
    )
    add(
        "--app",
        metavar="DIR",
        action=NonEmptyValue,
        default="",
        help=_("the application's folder, with .env and config/"),
    )
    add(
        "--host",
        metavar="NAME",
        action=NonEmptyValue,
        default=None,
        help=_("host of the database, files and app, as named in the configuration"),
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Adds the output options."""
    parser.add_argument("--json", action="store_true", help=_("print the result as one JSON document"))
    parser.add_argument("--json-schema", action="store_true", help=_("print the JSON schema of that document and exit"))


def request_from(args: argparse.Namespace, loaded: LoadedConfig, *, plan: str | None = None) -> BackupRequest:
    """The backup request in ``args``, for the named or implied plan, or for one built from the arguments. Raises
    UsageError, also if a plan is combined with the options of :func:`add_sources`, which replace it."""
    name = _plan_meant(args, loaded.config.backup) if plan is None else plan
    if name and (given := _given_sources(args)):
        raise _not_with_a_plan(given, name)
    return _request(args, loaded, name)


def restore_request_from(args: argparse.Namespace, loaded: LoadedConfig) -> BackupRequest:
    """The restore request in ``args``: like :func:`request_from`, but with a plan, those options give the targets of
    its sources. Raises UsageError if it is not clear which source is meant, or whether the others are to be restored
    too."""
    name = _plan_meant(args, loaded.config.backup)
    request = _request(args, loaded, name)
    given = _given_sources(args)
    if not name or not given:
        return request
    if "--host" in given:
        raise _not_with_a_plan(["--host"], name)
    sources = plan_named(loaded.config.backup, name).config.sources
    wanted = args.source or list(sources)
    places: dict[str, str] = {}
    for option, kind, targets in _targets(args):
        of_kind = [each for each in wanted if each in sources and sources[each].kind == kind]
        if len(targets) != 1:
            raise UsageError(
                tr("{option} is given {count} times", option=option, count=len(targets)),
                tr("to restore several sources to other targets, run one restore for each, with --source"),
            )
        if len(of_kind) != 1:
            raise UsageError(
                tr("{option} requires exactly one source of kind {kind} to restore; the plan {plan} has {count}",
                   option=option, plan=name, count=len(of_kind), kind=kind),
                tr("specify one with --source: {names}", names=listed(sources)),
            )  # fmt: skip
        places[of_kind[0]] = targets[0]
    if others := [each for each in wanted if each not in places and not args.source]:
        raise UsageError(
            tr(
                "it is unclear whether to restore {others} too: no target was given for it with {options}",
                others=listed(others),
                options=listed(given),
            ),
            tr("specify the sources to restore with --source: {names}", names=listed(sources)),
        )
    return replace(request, restore=replace(request.restore, places=places))


def _given_sources(args: argparse.Namespace) -> list[str]:
    """The options of :func:`add_sources` that were given."""
    options = {"--database": "database", "--files": "folders", "--app": "app", "--host": "host"}
    return [option for option, name in options.items() if getattr(args, name, None)]


def _targets(args: argparse.Namespace) -> list[tuple[str, str, list[str]]]:
    """The given target options, each with its kind of source and its targets."""
    database = [_without_password(args.database)] if args.database else []
    folders = [str(Path(folder).absolute()) for folder in args.folders]
    app = [str(Path(args.app).absolute())] if args.app else []
    every = [("--database", "postgresql", database), ("--files", "files", folders), ("--app", "config", app)]
    return [each for each in every if each[2]]


def _not_with_a_plan(given: Sequence[str], plan: str) -> UsageError:
    return UsageError(
        tr("{options} cannot be combined with the plan {plan}", options=listed(given), plan=plan),
        tr(
            "The plan determines what is backed up. Leave these options out, or specify --store DIR to work "
            "without a plan."
        ),
    )


def _request(args: argparse.Namespace, loaded: LoadedConfig, name: str) -> BackupRequest:
    return BackupRequest(
        config=None if loaded.path is None else str(Path(loaded.path).absolute()),
        plan=name,
        plan_arguments=PlanArguments() if name else _arguments(args, loaded.config.backup),
        store=getattr(args, "store", "") if name else "",
        set=getattr(args, "set", "") or "",
        partial=getattr(args, "partial", False),
        identity=_reference(getattr(args, "identity", "")),
    )


def _plan_meant(args: argparse.Namespace, backup: BackupConfig) -> str:
    """The named plan, else the one that the set's name begins with, else the only one; none if ``--store`` names a
    store missing from the configuration."""
    named: str = getattr(args, "plan", "")
    store = getattr(args, "store", "")
    if named or (store and store not in backup.stores):
        return named
    words = getattr(args, "set", "") or ""
    of_set = [name for name in own_plans(backup) if words.lower().startswith(f"{name.lower()}_")]
    possible = of_set or list(run_plans(backup))
    return max(possible, key=len) if of_set or len(possible) == 1 else ""


def _arguments(args: argparse.Namespace, backup: BackupConfig) -> PlanArguments:
    app = getattr(args, "app", "")
    return PlanArguments(
        database=_without_password(getattr(args, "database", "")),
        files=tuple(str(Path(folder).absolute()) for folder in getattr(args, "folders", [])),
        app=str(Path(app).absolute()) if app else "",
        store=_store(getattr(args, "store", ""), backup),
        host=getattr(args, "host", None),
        manual=getattr(args, "format", "zstd") == "manual",
        keep=keep_of(args),
    )


def _without_password(url: str) -> str:
    """The URL unchanged. Raises UsageError if it is invalid or holds a password, because job requests are stored."""
    if url:
        from lilfox_tui.backup.sources.postgresql import connection_of

        connection_of(PostgresqlOptions(url=url))
    return url


def _store(words: str, backup: BackupConfig) -> str:
    """The store, with an absolute path for a folder: the job runs in another directory."""
    named = words in backup.stores or (":" in words and "/" not in words.partition(":")[0])
    return words if named or not words else str(Path(words).absolute())


def keep_of(args: argparse.Namespace) -> KeepConfig | None:
    """The retention in ``--keep-…``; None when none is given."""
    every = {name: getattr(args, f"keep_{name}", None) for name in ("last", "daily", "weekly", "monthly", "days")}
    given = {name: value for name, value in every.items() if value is not None}
    wrong = [name for name, value in given.items() if value < 1]
    if wrong:
        raise UsageError(
            tr("--keep-{name} must be at least 1", name=wrong[0]),
            tr("a policy that keeps nothing would remove every backup"),
        )
    return KeepConfig(**given) if given else None


def _reference(text: str) -> str:
    """The reference, with an absolute path for a file: the job runs in another directory."""
    kind, _colon, place = text.partition(":")
    if text and kind not in ("env", "file", "cmd"):
        raise UsageError(
            tr("--identity takes a reference, never the key itself"),
            tr("for example: --identity file:/root/lilfox.key"),
        )
    return f"file:{Path(place).expanduser().absolute()}" if kind == "file" else text


def settings(args: argparse.Namespace) -> LoadedConfig:
    """The configuration. Raises NotAllowed if it or ``--read-only`` forbids changes."""
    loaded = load_settings(args)
    if loaded.config.read_only:
        raise NotAllowed(tr("nothing can be backed up, removed or restored in read_only mode"))
    return loaded


def do(kind: RequestKind, request: BackupRequest, *, quiet: bool = False) -> tuple[int, dict[str, Any]]:
    """Starts a job for the request and follows it to its end; returns its exit code and result."""
    job = start(request_of(kind, request))
    code = follow_job(job, quiet=quiet)
    return code, find_job(job).result


def add_set(parser: argparse.ArgumentParser) -> None:
    """Adds the argument for the set."""
    parser.add_argument(
        "set",
        nargs="?",
        action=NonEmptyValue,
        metavar="SET",
        help=_("set id, 20231230_020000, 'yesterday 02:00' or tag:NAME; default: the newest"),
    )
    add_partial(parser)


def add_target(parser: argparse.ArgumentParser) -> None:
    """Adds the option for a point in time."""
    parser.add_argument(
        "--target",
        metavar="TIME",
        action=NonEmptyValue,
        default="",
        help=_("pgBackRest plans: recover to this time, '2026-12-02 20:15:00+00', or end: all that is archived"),
    )


def add_recovery(parser: argparse.ArgumentParser) -> None:
    """Adds the options of a restore by pgBackRest or restic."""
    add_target(parser)
    parser.add_argument(
        "--into",
        metavar="DIR",
        action=NonEmptyValue,
        default="",
        help=_("pgBackRest and restic plans: the new folder; it must not exist yet"),
    )


def add_partial(parser: argparse.ArgumentParser) -> None:
    """Adds the option that accepts a partial set."""
    parser.add_argument(
        "--partial", action="store_true", help=_("also consider partial sets when selecting the newest set or tag:NAME")
    )


def judged(args: argparse.Namespace, kind: RequestKind, request: BackupRequest) -> int:
    """Runs a job that examines a set, prints the result, and returns the exit code."""
    code, result = do(kind, request)
    if args.json:
        print_json({"set": None, "status": "unverified", "reason": "", "took_s": None, **result})
    elif result.get("set"):
        print_line(f"{result['set']}: {result['status']}")
    return code
