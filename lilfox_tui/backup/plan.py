"""Backup plans: what is backed up, where to, when, and how long it is kept."""

from __future__ import annotations

import os
import shlex
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from lilfox_tui.backup.sets.model import BackupSet
from lilfox_tui.config.cron import Cron, read_cron
from lilfox_tui.config.foreign import EnginePlan, ForeignPlanConfig, WatchedPlan
from lilfox_tui.config.model import BackupConfig, KeepConfig, PlanConfig
from lilfox_tui.core import plugins
from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import Message, listed, tr
from lilfox_tui.core.paths import config_file
from lilfox_tui.jobs.model import JobRequest

# A backup plan with everything that it names: from the configuration, or from the words of a command.


SOURCES = "lilfox_tui.backup.sources"
STORES = "lilfox_tui.backup.stores"
S3 = "s3://"
DEFAULT = "lilfox"
"""What a plan is called that is made of a command's words."""


class BackupPlan(Struct, frozen=True, kw_only=True):
    """A plan and the Options of the stores that it names, ``config.store`` first."""

    name: str
    config: PlanConfig
    stores: dict[str, Any]

    @property
    def main(self) -> str:
        """The name of the plan's first store, where its sets are created."""
        return self.config.store


class PlanArguments(Struct, frozen=True, kw_only=True):
    """A plan given on the command line: ``--database URL --files DIR --store DIR``. The URL contains no password."""

    database: str = ""
    files: tuple[str, ...] = ()
    app: str = ""
    """Folder with ``.env`` and ``config/``."""
    store: str = ""
    """A folder, ``HOST:/folder`` with a host of the configuration, or ``s3://BUCKET/PREFIX``."""
    host: str | None = None
    """Where database and files are."""
    manual: bool = False
    keep: KeepConfig | None = None


def plan_named(config: BackupConfig, name: str) -> BackupPlan:
    """Return the plan of that name. Raises UsageError, which lists the plans, and for a plan of another program."""
    try:
        plan = config.plans[name]
    except KeyError:
        known = listed(sorted(config.plans)) or tr("none")
        raise UsageError(
            tr("there is no backup plan {name}", name=name), tr("configured: {known}", known=known)
        ) from None
    if isinstance(plan, ForeignPlanConfig):
        raise UsageError(
            tr("{plan} is a plan of kind foreign: LilFox only watches its backups", plan=name),
            tr("back up, verify and restore with {tool}", tool=plan.command[0] if plan.command else plan.tool),
        )
    if isinstance(plan, EnginePlan):
        raise UsageError(
            tr("{plan} is a plan of kind {kind}: it has no sources and stores of LilFox's own", plan=name,
               kind=plan.kind),
            tr("use backup run, list, verify, drill and prune, and restore --into"),
        )  # fmt: skip
    return BackupPlan(name=name, config=plan, stores={each: config.stores[each] for each in (plan.store, *plan.copies)})


def plan_of(arguments: PlanArguments, stores: Mapping[str, Any]) -> BackupPlan:
    """Return the plan that the command line describes; ``stores`` are the configuration's. Raises UsageError."""
    sources: dict[str, Any] = {}
    if arguments.database:
        sources["database"] = _options(SOURCES, "postgresql", {"url": arguments.database, "host": arguments.host})
    for folder in arguments.files:
        _absolute(folder, "--files")
        sources[_free(sources, Path(folder).name)] = _options(
            SOURCES, "files", {"path": folder, "host": arguments.host}
        )
    if arguments.app:
        _absolute(arguments.app, "--app")
        sources[_free(sources, "config")] = _options(SOURCES, "config", {"root": arguments.app, "host": arguments.host})
    config = PlanConfig(
        sources=sources, store="store", keep=arguments.keep, format="manual" if arguments.manual else "zstd"
    )
    return BackupPlan(
        name=DEFAULT, config=config, stores={"store": stores.get(arguments.store) or store_options(arguments.store)}
    )


def store_options(where: str) -> Any:
    """Return the Options of the store that ``--store`` names: a folder, ``HOST:/folder`` or ``s3://BUCKET/PREFIX``.
    Raises UsageError."""
    if not where:
        raise UsageError(tr("no store given"), tr("for example: --store /backup, or --store nas-1:/srv/backup"))
    if where.startswith(S3):
        return _s3_options(where.removeprefix(S3))
    host, colon, folder = where.partition(":")
    if colon and "/" not in host:
        return _options(STORES, "sftp", {"host": host, "path": folder})
    return _options(STORES, "local", {"path": str(Path(where).absolute())})


def _s3_options(place: str) -> Any:
    """Return the Options of ``BUCKET/PREFIX``; the rest is where the AWS tools look for it in the environment."""
    bucket, _, prefix = place.partition("/")
    found = {
        "endpoint": os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"),
        "region": os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"),
        "session_token": "env:AWS_SESSION_TOKEN" if os.environ.get("AWS_SESSION_TOKEN") else None,
        "ca_file": os.environ.get("AWS_CA_BUNDLE"),
    }
    return _options(STORES, "s3", {"bucket": bucket, "prefix": prefix.strip("/"), **found})


def _options(package: str, kind: str, values: Mapping[str, Any]) -> Any:
    made = plugins.options_of(package, kind)
    try:
        return msgspec.convert(
            {"kind": kind, **{key: value for key, value in values.items() if value is not None}},
            made,
            dec_hook=lambda shape, value: shape(value),  # a reference to a secret
        )
    except msgspec.ValidationError as error:
        raise UsageError(tr("{kind}: {error}", kind=kind, error=error)) from None


def _absolute(folder: str, flag: str) -> None:
    if not folder.startswith("/"):
        raise UsageError(
            tr("{flag} {folder}: not an absolute path", flag=flag, folder=folder),
            tr("use an absolute path: cron runs in a different working directory"),
        )


def _free(taken: Mapping[str, Any], name: str) -> str:
    known = [name, *(f"{name}-{number}" for number in range(2, len(taken) + 3))]
    return next(each for each in known if each and each not in taken)


# What somebody asks of backups: the words of a job, as JSON in its request.


class RestoreSpec(Struct, frozen=True, kw_only=True):
    """What to restore from a set, and how. It is passed unchanged from the client to the sources."""

    sources: tuple[str, ...] = ()
    """Those of the set's that are restored; all when empty."""
    places: dict[str, str] = {}
    """Source → another database URL or folder than its own."""
    only: str = ""
    """One table (``public.users``), or one file or folder; the whole when empty."""
    other_server: bool = False
    """The operator allows a server that the set does not come from."""
    end_sessions: bool = False
    """Sessions that block the swap may be terminated."""
    run_code: bool = False
    """The operator allows what the dump executes."""
    read_back: bool = True
    """Large tables are read from the restored database to compare them, and not only compared while they are loaded."""
    target: str = ""
    """Of a pgBackRest plan: the time to recover to, ISO 8601 with its offset; the end of the set when empty."""
    into: str = ""
    """Of a plan of pgBackRest or restic: the new folder."""


class BackupRequest(Struct, frozen=True, kw_only=True):
    """A request for a backup operation. ``plan`` names a plan of the configuration; if it is empty, ``plan_arguments``
    describe the plan."""

    config: str | None = None
    """The configuration file; None for none."""
    plan: str = ""
    plan_arguments: PlanArguments = field(default=PlanArguments(), name="words")
    store: str = ""
    """Name of the plan's store where the set is; its first when empty."""
    set: str = ""
    """As ``choosing.choose`` takes it; the newest when empty."""
    identity: str = ""
    """Where the age key is (``env:NAME``, ``file:PATH``, ``cmd:ARGV``), when it is not the plan's."""
    partial: bool = False
    """``latest`` and a tag may mean a set that is partial."""
    tag: str = ""
    """What the set is called that is made."""
    backup_type: Literal["", "full", "diff", "incr"] = ""
    """Of a pgBackRest plan: what to make; as the plan says when empty."""
    finish: bool = True
    """Finish an interrupted restore; else take it back."""
    aside: bool = False
    """Set an interrupted restore aside as it is: it can never be settled."""
    restore: RestoreSpec = RestoreSpec()


_OF_PGBACKREST = frozenset({"backup_type", "target", "into"})


def as_document(request: BackupRequest) -> dict[str, Any]:
    """Convert a request to the arguments in a job file, where the fields of ``restore`` are not nested. Those of
    pgBackRest plans are left out when empty, and ``read_back`` when true: earlier versions read the others."""
    fields: dict[str, Any] = msgspec.to_builtins(request)
    spec: dict[str, Any] = fields.pop("restore")
    if spec["read_back"]:
        del spec["read_back"]
    return {name: value for name, value in (fields | spec).items() if value or name not in _OF_PGBACKREST}


def read_request(document: Mapping[str, Any]) -> BackupRequest:
    """Convert a job's arguments to a request, as the reverse of :func:`as_document`. Raises msgspec.ValidationError."""
    request = msgspec.convert(document, BackupRequest)
    return replace(request, restore=msgspec.convert(document, RestoreSpec))


# The jobs of requests, the same for the command line and the screen: two that act on the same thing have the same key.


RequestKind = Literal["backup", "verify", "drill", "prune", "restore", "undo", "forget", "settle"]
"""Each is an effect of ``backup/effects.py``."""
_EFFECTS = "lilfox_tui.backup.effects"


def request_of(kind: RequestKind, request: BackupRequest) -> JobRequest:
    """Return the job request for an operation. It contains no secrets: the request has only references to them."""
    title = str(_title(kind, request))
    return JobRequest(
        entry=f"{_EFFECTS}:{kind}", kind=kind, title=title, key=_key(kind, request), arguments=as_document(request)
    )


def undo_command(set_id: str, config: str | None) -> str:
    """Return the command that undoes the restore of a set, with ``--config`` if it is not the usual file."""
    named = [] if config is None or Path(config) == config_file() else ["--config", config]
    return shlex.join(["lilfox", *named, "restore", "--undo", set_id])


def subject_of(request: BackupRequest) -> str:
    """Return what a request is about, for its job's key: the plan, else the store."""
    return request.plan or request.plan_arguments.store


def _key(kind: RequestKind, request: BackupRequest) -> str:
    if kind in ("backup", "prune"):
        return f"backup {subject_of(request)}"
    if kind in ("restore", "undo", "forget"):
        named = request.plan_arguments
        return f"restore {named.database or ', '.join(named.files) or subject_of(request)}"
    if kind == "settle":
        return f"settle {request.set}"
    return f"{kind} {subject_of(request)} {request.set}"


def _title(kind: RequestKind, request: BackupRequest) -> Message:
    name = request.plan or "lilfox"
    chosen = request.set or tr("the newest set")
    if kind in ("restore", "drill") and request.restore.target:
        return _recovery_title(kind, request)
    titles: dict[RequestKind, Message] = {
        "backup": tr("backup {plan}", plan=name),
        "prune": tr("prune {plan}", plan=name),
        "verify": tr("verify {set}", set=chosen),
        "drill": tr("drill {set}", set=chosen),
        "restore": tr("restore {set}", set=chosen),
        "undo": tr("undo the last restore")
        if request.set in ("", "latest")
        else tr("undo the restore of {set}", set=request.set),
        "settle": _settle_title(request),
        "forget": tr("delete data retained by the restore of {set}", set=chosen)
        if request.set
        else tr("delete data left by drills of {plan}", plan=name),
    }
    return titles[kind]


def _recovery_title(kind: RequestKind, request: BackupRequest) -> Message:
    to = tr("{plan} to {time}", plan=request.plan, time=request.restore.target)
    return tr("drill of {what}", what=to) if kind == "drill" else tr("restore {set}", set=to)


def _settle_title(request: BackupRequest) -> Message:
    """Return a title that is true of a restore and of an undo: only the job finds out which of them was interrupted.
    The request names its set or its job."""
    name = request.set or tr("the only one")
    if request.aside:
        return tr("set aside the interrupted restore or undo: {name}", name=name)
    if request.finish:
        return tr("finish the interrupted restore or undo: {name}", name=name)
    return tr("revert the interrupted restore or undo: {name}", name=name)


# When a plan is due, and whether it is late.
#
# As cron has it (Debian's cron(8)): a job with a fixed hour and minute runs once on a day on which a clock is put
# forward over it, right after that, and once where a clock is put back behind it; others follow the clock's hands.


LATE_AFTER_S = 3600.0
"""Unless the plan says other."""
CLOCKS_APART = timedelta(minutes=1)
"""Cron's clock and that of the machine that makes the set are not further apart."""
_DAY = timedelta(days=1)
_LONGEST_DAYS = 41 * 366
"""29 February that is a Monday comes each 28 years, or 40 over 2100."""


class LatePlan(Struct, frozen=True):
    """A late plan: ``due`` is when the missed run should have started; ``newest`` is when the newest good set was
    started. Both aware UTC."""

    due: datetime
    newest: datetime | None


def next_due(schedule: str, after: datetime, zone: tzinfo) -> datetime:
    """Return the next time after ``after`` at which cron starts the schedule, aware UTC. Raises UsageError for an
    invalid schedule."""
    cron = read_cron(schedule)
    first = after.astimezone(zone).date() - _DAY
    for days in range(_LONGEST_DAYS):
        day = first + days * _DAY
        if cron.on(day):
            found = next((at for at in _due_on(cron, day, zone) if at > after), None)
            if found is not None:
                return found
    raise _never(schedule)


def last_due(schedule: str, until: datetime, zone: tzinfo) -> datetime:
    """Return the last time up to ``until`` at which cron started the schedule, aware UTC. Raises UsageError for an
    invalid schedule."""
    cron = read_cron(schedule)
    last = until.astimezone(zone).date() + _DAY
    for days in range(_LONGEST_DAYS):
        day = last - days * _DAY
        if cron.on(day):
            found = next((at for at in reversed(_due_on(cron, day, zone)) if at <= until), None)
            if found is not None:
                return found
    raise _never(schedule)


def late(plan: PlanConfig | WatchedPlan, sets: Sequence[BackupSet], now: datetime, zone: tzinfo) -> LatePlan | None:
    """Return since when a plan is late; None if it is not, or has no schedule. ``sets`` are the plan's own sets."""
    if plan.schedule is None:
        return None
    grace = timedelta(seconds=LATE_AFTER_S if plan.late_after is None else plan.late_after)
    due = last_due(plan.schedule, now - grace, zone)
    begun = [found.created for found in sets if found.on_time and found.created <= now + CLOCKS_APART]
    newest = max(begun, default=None)
    return LatePlan(due, newest) if newest is None or newest < due - CLOCKS_APART else None


def _due_on(cron: Cron, day: date, zone: tzinfo) -> list[datetime]:
    """Return the times when cron starts it on a local day, in order."""
    found: set[datetime] = set()
    for hour in cron.hours:
        for minute in cron.minutes:
            found.update(_moments(datetime.combine(day, time(hour, minute)), zone, fixed=cron.fixed))
    return sorted(found)


def _moments(local: datetime, zone: tzinfo, *, fixed: bool) -> tuple[datetime, ...]:
    """Return the moments at which cron runs for the local time ``local``. Where the zone's clock is set back it comes
    twice, where it is set forward never; a ``fixed`` time runs once in both cases."""
    first, second = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first == second:
        return (first,)
    if first < second:
        return (first,) if fixed else (first, second)
    return (_put_forward(second, first, zone),) if fixed else ()


def _put_forward(before: datetime, after: datetime, zone: tzinfo) -> datetime:
    """Return the moment between the two, at most a day apart, when the zone's clock is put forward: the first minute
    with the later offset."""
    offset = after.astimezone(zone).utcoffset()
    minutes = range(int((after - before).total_seconds()) // 60)
    there = bisect_left(
        minutes, True, key=lambda minute: (before + timedelta(minutes=minute)).astimezone(zone).utcoffset() == offset
    )
    return before + timedelta(minutes=there)


def _never(schedule: str) -> UsageError:
    return UsageError(tr("{schedule} never occurs", schedule=schedule), tr("use a date that exists"))
