"""Backup plans (configured, or made of a command's options), the request that a user makes, and the job for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from lilfox_tui import plugins
from lilfox_tui.config.model import BackupConfig, KeepConfig, PlanConfig
from lilfox_tui.errors import UsageError
from lilfox_tui.i18n import Message, listed, tr
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
            tr("there is no backup plan {name}", name=name), tr("the configuration has: {known}", known=known)
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
        raise UsageError(tr("no store is named"), tr("such as: --store /backup, or --store nas-1:/srv/backup"))
    host, colon, folder = where.partition(":")
    if colon and "/" not in host:
        return _options(STORES, "sftp", {"host": host, "path": folder})
    return _options(STORES, "local", {"path": str(Path(where).absolute())})


def _options(package: str, kind: str, values: Mapping[str, Any]) -> Any:
    import msgspec

    made = plugins.load(package, kind).Options
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
            tr("from cron the folder at hand is another one"),
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
        "settle": tr("put the restore of {set} aside", set=chosen)
        if wish.aside
        else tr("finish the restore of {set}", set=chosen)
        if wish.finish
        else tr("take back the restore of {set}", set=chosen),
        "forget": tr("let go of what the restore of {set} kept", set=chosen)
        if wish.set
        else tr("let go of what drills of {plan} left", plan=name),
    }
    return titles[kind]
