"""Databases and folders that no backup plan has."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from lilfox_tui.audit.model import Absent, AuditCheck, AuditFinding, AuditSeverity, Facts, Fix, NotKnown
from lilfox_tui.audit.targets.configuration import RULES, STANDBYS
from lilfox_tui.backup.postgresql.connect import read_url
from lilfox_tui.config.foreign import own_plans
from lilfox_tui.config.model import Config
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, listed, tr
from lilfox_tui.hosts.addresses import or_none

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", ""})


class _Server(Struct, frozen=True):
    """Where a PostgreSQL server is: its host, empty for this machine, and its port."""

    host: str
    port: int


def judge(facts: Facts) -> Iterator[AuditFinding]:
    """A PostgreSQL backend whose server no plan dumps, and a folder of ``audit.folders`` that no plan has."""
    answer = facts[RULES]
    config = answer.config
    databases = {name: each for name, each in config.backends.items() if each.kind == "postgresql"}
    if not databases and not config.audit.folders:
        raise Absent
    unsure: NotKnown | None = None
    for name, options in databases.items():
        try:
            missing = _why_no_dump(config, name, options)
            if missing is not None and _is_standby(facts, name):
                continue
        except NotKnown as error:
            unsure = unsure or error
            continue
        if missing is not None:
            yield AuditFinding(name, missing, _database_fix(str(answer.file), name, options, config))
    for folder in config.audit.folders:
        host, path = split_place(folder)
        try:
            missing = _why_no_archive(config, host, path)
        except NotKnown as error:
            unsure = unsure or error
            continue
        if missing is not None:
            yield AuditFinding(folder, missing, _folder_fix(str(answer.file), host, path, config))
    if unsure is not None:
        raise unsure


def _is_standby(facts: Facts, name: str) -> bool:
    """Whether the server only has what another one has, too. Raises NotKnown."""
    standby = facts[STANDBYS].standbys[name]
    if isinstance(standby, NotKnown):
        raise NotKnown(tr("{name}: {reason}", name=name, reason=standby.reason))
    return standby


def _sources(config: Config, *kinds: str) -> Iterator[tuple[str, Any]]:
    """Each source of these kinds, with the name of its plan."""
    for plan, options in own_plans(config.backup).items():
        yield from ((plan, source) for source in options.sources.values() if source.kind in kinds)


def _here(config: Config, host: str | None) -> str:
    """The host's name; empty for this machine, whatever the configuration calls it."""
    return "" if host is None or config.hosts[host].local else host


def _place(config: Config, host: str | None, address: str) -> str:
    """The machine that an address means to who asks from ``host``: a name of the configuration where there is one, else
    the address."""
    if address in _LOOPBACK or address.startswith("/"):
        return _here(config, host)
    named = [name for name, each in config.hosts.items() if address in (name, each.address)]
    return _here(config, named[0]) if named else address


def _is_certain(config: Config, host: str) -> bool:
    """Whether a machine has no second name, as far as it matters: a host of the configuration, or an IP address."""
    return host == "" or host in config.hosts or or_none(host) is not None


def _why_no_dump(config: Config, name: str, options: Any) -> Message | None:
    """Why no plan has the server's databases; None if one has. Raises NotKnown."""
    server = _Server(_place(config, options.host, "" if options.by == "psql" else options.address), options.port)
    others: list[str] = []
    here: set[str] = set()
    for plan, source in _sources(config, "postgresql"):
        try:
            to = read_url(source.url) if source.url else None
        except LilFoxError:
            to = None
        if to is None:
            raise NotKnown(tr("{name}: plan {plan} leaves the server to the environment of its client programs; give "
                              "its source a url", name=name, plan=plan))  # fmt: skip
        place = _Server(_place(config, source.host, to.address), to.port)
        if place == server:
            dumped = source.databases or (to.database or to.user,)
            if options.database in (*dumped, "postgres"):
                return None
            here.update(dumped)
            continue
        others.append(f"{place.host or 'localhost'}:{place.port}")
        if place.port == server.port and not (_is_certain(config, place.host) and _is_certain(config, server.host)):
            raise NotKnown(tr("{name}: it is not known whether {one} and {other} are one server; write the same "
                              "address in both places",
                              name=name, one=others[-1], other=f"{server.host or 'localhost'}:{server.port}",
                              ))  # fmt: skip
    if here:
        return tr("the plans dump {databases} of the server, not {database}",
                  databases=listed(sorted(here)), database=options.database)  # fmt: skip
    if not others:
        return tr("no plan has a source of kind postgresql")
    return tr("the plans dump {others}, not {server}",
              others=listed(dict.fromkeys(others)), server=f"{server.host or 'localhost'}:{server.port}")  # fmt: skip


def split_place(folder: str) -> tuple[str | None, str]:
    """The host and the path of ``HOST:PATH`` or ``PATH``."""
    if folder.startswith("/"):
        return None, folder
    host, _colon, path = folder.partition(":")
    return host, path


def _why_no_archive(config: Config, host: str | None, path: str) -> Message | None:
    """Why no plan has the folder; None if one has. Raises NotKnown."""
    place, wanted = _here(config, host), Path(posixpath.normpath(path))
    for plan, source in _sources(config, "files", "config"):
        roots = [source.path] if source.kind == "files" else [
            posixpath.join(source.root, name) for name in (source.folder,) if name
        ]  # fmt: skip
        for root in roots:
            if _here(config, source.host) != place or not wanted.is_relative_to(posixpath.normpath(root)):
                continue
            if source.exclude and wanted != Path(posixpath.normpath(root)):
                raise NotKnown(tr("{folder}: plan {plan} has {root}, but leaves out {patterns}",
                                  folder=path, plan=plan, root=root, patterns=listed(source.exclude)))  # fmt: skip
            return None
    return tr("no plan has a source of kind files with {folder}", folder=path)


def _database_fix(file: str, name: str, options: Any, config: Config) -> Fix:
    user = f"{options.user}@" if options.user else ""
    address = "localhost" if options.by == "psql" else options.address
    url = f"postgresql://{user}{address}:{options.port}/{options.database}"
    host = () if options.host is None else (f"host: {options.host}",)
    return _fix(file, name, ("kind: postgresql", *host, f"url: {url}"), config)


def _folder_fix(file: str, host: str | None, path: str, config: Config) -> Fix:
    named = () if host is None else (f"host: {host}",)
    return _fix(file, posixpath.basename(posixpath.normpath(path)), ("kind: files", *named, f"path: {path}"), config)


def _fix(file: str, name: str, source: tuple[str, ...], config: Config) -> Fix:
    """A source for the first plan, or a plan of its own."""
    plan = next(iter(own_plans(config.backup)), None)
    lines = (f"      {name}:", *(f"        {line}" for line in source))
    if plan is not None:
        text = tr("Put these lines under sources: of plan {plan}.", plan=plan)
        return Fix(text, file, lines, (f"lilfox backup run {plan}",))
    store = next(iter(config.backup.stores), "disk")
    whole: tuple[str, ...] = ("backup:",)
    if store not in config.backup.stores:
        whole += ("  stores:", f"    {store}: {{kind: local, path: /var/backups/lilfox}}")
    whole += ("  plans:", f"    {name}:", f"      store: {store}", "      sources:", *(f"  {line}" for line in lines))
    return Fix(tr("Make a plan."), file, whole, (f"lilfox backup run {name}",))


CHECKS = (
    AuditCheck(
        "data-without-backup",
        AuditSeverity.HIGH,
        tr("no backup plan has a database or folder"),
        tr("It is lost with its disk, or with one wrong command."),
        (RULES, STANDBYS),
        judge,
        "https://www.postgresql.org/docs/current/backup.html",
        target="configuration",
    ),
)
