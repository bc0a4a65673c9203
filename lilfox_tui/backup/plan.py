"""A backup plan with everything that it names: from the configuration, or from the words of a command."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from lilfox_tui import plugins
from lilfox_tui.config.model import BackupConfig, KeepConfig, PlanConfig
from lilfox_tui.errors import UsageError
from lilfox_tui.i18n import listed, tr

SOURCES = "lilfox_tui.backup.sources"
STORES = "lilfox_tui.backup.stores"
DEFAULT = "lilfox"
"""What a plan is called that is made of a command's words."""


class Plan(Struct, frozen=True, kw_only=True):
    """A plan and the Options of the stores that it names; those of ``config.store`` come first."""

    name: str
    config: PlanConfig
    stores: dict[str, Any]

    @property
    def main(self) -> str:
        """Name of the store that its sets are made in."""
        return self.config.store


class Words(Struct, frozen=True, kw_only=True):
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


def plan_named(config: BackupConfig, name: str) -> Plan:
    """The plan of the configuration. Raises UsageError that names those there are."""
    try:
        plan = config.plans[name]
    except KeyError:
        known = listed(sorted(config.plans)) or tr("none")
        raise UsageError(
            tr("there is no backup plan {name}", name=name), tr("the configuration has: {known}", known=known)
        ) from None
    return Plan(name=name, config=plan, stores={each: config.stores[each] for each in (plan.store, *plan.copies)})


def plan_of(words: Words, stores: Mapping[str, Any]) -> Plan:
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
    return Plan(name=DEFAULT, config=config, stores={"store": stores.get(words.store) or store_options(words.store)})


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
