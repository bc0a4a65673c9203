"""Hosts, stores and sources of a configuration: opened on demand, closed together."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType, TracebackType
from typing import Any, cast

from lilfox_tui.backup.foreign import ForeignRepository
from lilfox_tui.backup.plan import SOURCES, STORES
from lilfox_tui.backup.sets import catalogue
from lilfox_tui.backup.sets.model import BackupSet, SigningKeys, keys_of
from lilfox_tui.backup.source import BackupSource, RestoreTarget, RestoreTask
from lilfox_tui.backup.sources.pgbackrest.repository import PgBackRestRepository
from lilfox_tui.backup.sources.restic.repository import ResticRepository
from lilfox_tui.backup.store import BackupStore
from lilfox_tui.config.foreign import ForeignPlace, PgbackrestPlanConfig, ResticPlanConfig
from lilfox_tui.config.model import Config, HostConfig, allows_no_change
from lilfox_tui.core import plugins
from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import tr
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.open import open_host

HERE = "localhost"
"""What this machine is called among hosts when the configuration does not name it."""


class BackupContext:
    """Opens hosts, stores and sources on demand. Use it as an async context manager: on exit it closes what it opened.
    ``lent`` returns a host that the caller has opened and will close, or None."""

    def __init__(self, config: Config, *, lent: Callable[[str | None], Host | None] = lambda _name: None) -> None:
        self._config = config
        self._lent = lent
        self._hosts: dict[str | None, Host] = {}
        self._stores: dict[str, BackupStore] = {}
        self._keys: SigningKeys | None = None

    async def __aenter__(self) -> BackupContext:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def host(self, name: str | None) -> Host:
        """Return the host of that name, or this machine without a name. Raises UsageError for a host that is not
        configured."""
        if (lent := self._lent(name)) is not None:
            return lent
        if name not in self._hosts:
            self._hosts[name] = open_host(
                name or HERE, self._host_config(name), self._config.ssh, read_only=self._config.read_only
            )
        return self._hosts[name]

    def store(self, name: str, options: Any) -> BackupStore:
        """Return the store of that name; the kind of its Options selects the plug-in."""
        if name not in self._stores:
            host = self.host(getattr(options, "host", None))
            if isinstance(options, ForeignPlace):
                self._stores[name] = cast("BackupStore", repository_of(options, host))
                return self._stores[name]
            self._stores[name] = cast("BackupStore", plugins.load(STORES, options.kind).open_store(name, options, host))
        return self._stores[name]

    async def keys(self) -> SigningKeys:
        """Return the keys that sign sets and verify signatures. Raises LilFoxError if a key is not available."""
        if self._keys is None:
            self._keys = await keys_of(self._config.backup.signing)
        return self._keys

    async def sets_in(self, store: BackupStore) -> list[BackupSet]:
        """Return all sets of a store, newest first, each with its state. Raises StoreError, HostError, LilFoxError."""
        if isinstance(store, ForeignRepository | PgBackRestRepository | ResticRepository):
            return await store.sets()
        return await catalogue.read_sets(store, keys=await self.keys())

    def source(self, name: str, options: Any) -> BackupSource:
        """Return the source of that name; the kind of its Options selects the plug-in."""
        return cast("BackupSource", source_module(options.kind).open_source(name, options, self.host(options.host)))

    def target(self, options: Any, task: RestoreTask) -> RestoreTarget:
        """Return the target to which the parts of one source of a set are restored."""
        return cast("RestoreTarget", source_module(options.kind).open_target(options, self.host(options.host), task))

    async def close(self) -> None:
        """Close the stores, then the hosts."""
        for store in self._stores.values():
            await store.close()
        for host in self._hosts.values():
            await host.close()
        self._stores.clear()
        self._hosts.clear()

    def _host_config(self, name: str | None) -> HostConfig:
        if name is None:
            return HostConfig(local=True, protected=allows_no_change(self._config, None))
        try:
            return self._config.hosts[name]
        except KeyError:
            raise UsageError(
                tr("there is no host {name} in the configuration", name=name),
                tr("add it under hosts:, or correct the name"),
            ) from None


def repository_of(place: ForeignPlace, host: Host) -> ForeignRepository | PgBackRestRepository | ResticRepository:
    """Return the repository of a plan whose sets another program makes."""
    match place.config:
        case PgbackrestPlanConfig() as config:
            return PgBackRestRepository(place.plan, config, host)
        case ResticPlanConfig() as config:
            return ResticRepository(place.plan, config, host)
        case config:
            return ForeignRepository(place, config, host)


def source_module(kind: str) -> ModuleType:
    """Return the module of a kind of source; ``source.py`` documents its contents."""
    return plugins.load(SOURCES, kind)
