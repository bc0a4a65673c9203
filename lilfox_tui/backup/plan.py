"""Backup plans: what is backed up, where to, when it is due, how long it is kept."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from lilfox_tui.backup.sets.model import BackupSet
from lilfox_tui.config.cron import Cron, read_cron
from lilfox_tui.config.model import BackupConfig, KeepConfig, PlanConfig
from lilfox_tui.core import plugins
from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import Message, listed, tr
from lilfox_tui.jobs.model import JobRequest

# A backup plan with everything that it names: from the configuration, or from the words of a command.


SOURCES = "lilfox_tui.backup.sources"
STORES = "lilfox_tui.backup.stores"
DEFAULT = "lilfox"
"""What a plan is called that is made of a command's words."""


class BackupPlan(Struct, frozen=True, kw_only=True):
    """A plan and the Options of the stores that it names; those of ``config.store`` come first."""

    name: str
    config: PlanConfig
    stores: dict[str, Any]

    @property
    def main(self) -> str:
        """Name of the store that its sets are made in."""
        return self.config.store


class PlanArguments(Struct, frozen=True, kw_only=True):
    """A plan in the words of a command: ``--database URL --files DIR --store DIR``. No password is in the URL."""

    database: str = ""
    files: tuple[str, ...] = ()
    app: str = ""
    """Folder with ``.env`` and ``config/``."""
    store: str = ""
    """A folder, or ``HOST:/folder`` with a host of the configuration."""
    host: str | None = None
    """Where database and files are."""
    manual: bool = False
    keep: KeepConfig | None = None


def plan_named(config: BackupConfig, name: str) -> BackupPlan:
    """The plan of the configuration. Raises UsageError that names those there are."""
    try:
        plan = config.plans[name]
    except KeyError:
        known = listed(sorted(config.plans)) or tr("none")
        raise UsageError(
            tr("there is no backup plan {name}", name=name), tr("configured: {known}", known=known)
        ) from None
    return BackupPlan(name=name, config=plan, stores={each: config.stores[each] for each in (plan.store, *plan.copies)})


def plan_of(words: PlanArguments, stores: Mapping[str, Any]) -> BackupPlan:
    """The plan that a command's words make; ``stores`` are the configuration's. Raises UsageError."""
    sources: dict[str, Any] = {}
    if words.database:
        sources["database"] = _options(SOURCES, "postgresql", {"url": words.database, "host": words.host})
    for folder in words.files:
        _absolute(folder, "--files")
        sources[_free(sources, Path(folder).name)] = _options(SOURCES, "files", {"path": folder, "host": words.host})
    if words.app:
        _absolute(words.app, "--app")
        sources[_free(sources, "config")] = _options(SOURCES, "config", {"root": words.app, "host": words.host})
    config = PlanConfig(sources=sources, store="store", keep=words.keep, format="manual" if words.manual else "zstd")
    return BackupPlan(
        name=DEFAULT, config=config, stores={"store": stores.get(words.store) or store_options(words.store)}
    )


def store_options(where: str) -> Any:
    """Options of the store that ``--store`` names: a folder, or ``HOST:/folder``. Raises UsageError."""
    if not where:
        raise UsageError(tr("no store is named"), tr("for example: --store /backup, or --store nas-1:/srv/backup"))
    host, colon, folder = where.partition(":")
    if colon and "/" not in host:
        return _options(STORES, "sftp", {"host": host, "path": folder})
    return _options(STORES, "local", {"path": str(Path(where).absolute())})


def _options(package: str, kind: str, values: Mapping[str, Any]) -> Any:
    made = plugins.options_of(package, kind)
    try:
        return msgspec.convert(
            {"kind": kind, **{key: value for key, value in values.items() if value is not None}}, made
        )
    except msgspec.ValidationError as error:
        raise UsageError(tr("{kind}: {error}", kind=kind, error=error)) from None


def _absolute(folder: str, flag: str) -> None:
    if not folder.startswith("/"):
        raise UsageError(
            tr("{flag} {folder}: not an absolute path", flag=flag, folder=folder),
            tr("cron runs in a different working directory"),
        )


def _free(taken: Mapping[str, Any], name: str) -> str:
    known = [name, *(f"{name}-{number}" for number in range(2, len(taken) + 3))]
    return next(each for each in known if each and each not in taken)


# What somebody asks of backups: the words of a job, as JSON in its request.


class BackupRequest(Struct, frozen=True, kw_only=True):
    """What somebody asked for. ``plan`` is one of the configuration's, or empty: then ``words`` make it."""

    config: str | None = None
    """The configuration file; None for none."""
    plan: str = ""
    words: PlanArguments = PlanArguments()
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
    finish: bool = True
    """What is half done is finished; else it is taken back."""
    aside: bool = False
    """What is half done is put aside as it is: it can never be settled."""
    only: str = ""
    sources: tuple[str, ...] = ()
    """Those of the set's that are restored; all when empty."""
    places: dict[str, str] = {}
    other_server: bool = False
    end_sessions: bool = False
    run_code: bool = False
    """What the dump executes is right."""


# The jobs that grant wishes, the same for the command line and the screen: two that act on the same thing have the
# same key.


RequestKind = Literal["backup", "verify", "drill", "prune", "restore", "undo", "forget", "settle"]
"""Each is an effect of ``backup/effects.py``."""
_EFFECTS = "lilfox_tui.backup.effects"


def request_of(kind: RequestKind, wish: BackupRequest) -> JobRequest:
    """What is to be done so that ``wish`` comes true. It holds no secret: the wish has references."""
    title = str(_title(kind, wish))
    return JobRequest(
        entry=f"{_EFFECTS}:{kind}", kind=kind, title=title, key=_key(kind, wish), wanted=msgspec.to_builtins(wish)
    )


def subject_of(wish: BackupRequest) -> str:
    """What a wish is about, in the key of its job: the plan, else the store."""
    return wish.plan or wish.words.store


def _key(kind: RequestKind, wish: BackupRequest) -> str:
    if kind in ("backup", "prune"):
        return f"backup {subject_of(wish)}"
    if kind in ("restore", "undo", "forget"):
        return f"restore {wish.words.database or ', '.join(wish.words.files) or subject_of(wish)}"
    if kind == "settle":
        return f"settle {wish.set}"
    return f"{kind} {subject_of(wish)} {wish.set}"


def _title(kind: RequestKind, wish: BackupRequest) -> Message:
    name = wish.plan or "lilfox"
    chosen = wish.set or tr("the newest set")
    titles: dict[RequestKind, Message] = {
        "backup": tr("backup {plan}", plan=name),
        "prune": tr("prune {plan}", plan=name),
        "verify": tr("verify {set}", set=chosen),
        "drill": tr("drill {set}", set=chosen),
        "restore": tr("restore {set}", set=chosen),
        "undo": tr("undo the restore of {set}", set=chosen),
        "settle": tr("set aside the restore of {set}", set=chosen)
        if wish.aside
        else tr("finish the restore of {set}", set=chosen)
        if wish.finish
        else tr("take back the restore of {set}", set=chosen),
        "forget": tr("delete what the restore of {set} kept", set=chosen)
        if wish.set
        else tr("delete what drills of {plan} left", plan=name),
    }
    return titles[kind]


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
    """A plan is late: ``due`` is when a run should have begun that gave no good set; ``newest`` when the newest good
    set was begun. Aware UTC."""

    due: datetime
    newest: datetime | None


def next_due(schedule: str, after: datetime, zone: tzinfo) -> datetime:
    """The first time after ``after`` at which cron begins it, aware UTC. Raises UsageError for what cron refuses."""
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
    """The last time up to ``until`` at which cron began it, aware UTC. Raises UsageError for what cron refuses."""
    cron = read_cron(schedule)
    last = until.astimezone(zone).date() + _DAY
    for days in range(_LONGEST_DAYS):
        day = last - days * _DAY
        if cron.on(day):
            found = next((at for at in reversed(_due_on(cron, day, zone)) if at <= until), None)
            if found is not None:
                return found
    raise _never(schedule)


def late(plan: PlanConfig, sets: Sequence[BackupSet], now: datetime, zone: tzinfo) -> LatePlan | None:
    """Whether the plan is late; ``sets`` are its own. None without a schedule."""
    if plan.schedule is None:
        return None
    grace = timedelta(seconds=LATE_AFTER_S if plan.late_after is None else plan.late_after)
    due = last_due(plan.schedule, now - grace, zone)
    begun = [found.created for found in sets if found.good and found.created <= now + CLOCKS_APART]
    newest = max(begun, default=None)
    return LatePlan(due, newest) if newest is None or newest < due - CLOCKS_APART else None


def _due_on(cron: Cron, day: date, zone: tzinfo) -> list[datetime]:
    """When it begins on a local day, in order."""
    found: set[datetime] = set()
    for hour in cron.hours:
        for minute in cron.minutes:
            found.update(_moments(datetime.combine(day, time(hour, minute)), zone, fixed=cron.fixed))
    return sorted(found)


def _moments(local: datetime, zone: tzinfo, *, fixed: bool) -> tuple[datetime, ...]:
    """The moments at which a clock of the zone shows ``local``, as far as cron heeds them."""
    first, second = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first == second:
        return (first,)
    if first < second:
        return (first,) if fixed else (first, second)
    return (_put_forward(second, first, zone),) if fixed else ()


def _put_forward(before: datetime, after: datetime, zone: tzinfo) -> datetime:
    """The moment between the two, at most a day apart, at which the zone's clock is put forward: the first minute with
    the later offset."""
    offset = after.astimezone(zone).utcoffset()
    minutes = range(int((after - before).total_seconds()) // 60)
    there = bisect_left(
        minutes, True, key=lambda minute: (before + timedelta(minutes=minute)).astimezone(zone).utcoffset() == offset
    )
    return before + timedelta(minutes=there)


def _never(schedule: str) -> UsageError:
    return UsageError(tr("{schedule} never occurs", schedule=schedule), tr("use a date that exists"))
