"""Decides which logs the pane opens: files of the command line, those of the configuration, or those found on this
machine."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lilfox_tui.app.evidence import is_named_after
from lilfox_tui.config.model import Config, HostConfig, LogConfig
from lilfox_tui.core.aio import Unavailable
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.hosts.base import Host, wait_until_reconnected
from lilfox_tui.hosts.open import open_host, this_machine
from lilfox_tui.logs.files.log_file_set import literal, named_files
from lilfox_tui.logs.source import LogSource, file_log, find_logs, open_logs

if TYPE_CHECKING:
    from lilfox_tui.app.console import Console

PODS = "kubernetes"
"""The kind of sources of pods' logs, and what they are asked for by."""
CONTAINER_KINDS = ("container", "containers")
"""What the logs of one container are asked for by, and those of several."""
SERVERS = ("loki", "elasticsearch")
"""Kinds of sources that are asked from here and hold the logs of other hosts."""


def _let_argv_through(config: Config, host: str | None, argv: Sequence[str]) -> None:
    """Raise NotAllowed if the command of a log of ``kind: command`` may not run on ``host``. Imports the check only for
    such logs."""
    from lilfox_tui.runbook.run.gate import let_argv_through

    let_argv_through(config, host, argv)


class OpenLogs:
    """The open log sources, and the configuration of each by name; followed files are looked at each ``poll_s`` (None:
    as is usual). Call :meth:`close` at the end."""

    def __init__(self, app: Console, *, poll_s: float | None = None) -> None:
        self._app = app
        self._poll_s = poll_s
        self._here: Host | None = None
        self.sources: list[LogSource] = []
        self.configs: Mapping[str, LogConfig] = {}
        self._of_containers: dict[tuple[str, str], str] = {}
        """The sources of containers and projects whose logs were asked for."""
        self._added: set[str] = set()
        """Those of them that were opened for it: what is about a host has their records in other sources."""

    async def open(self) -> None:
        """Finds and opens the logs; reads nothing yet. Raises LilFoxError."""
        self.configs = await self._wanted()
        self.sources = self._opened(self.configs)

    async def _wanted(self) -> Mapping[str, LogConfig]:
        app = self._app
        if app.files:
            return {name: file_log(literal(path)) for name, path in named_files(app.files).items()}
        if app.config.logs:
            return app.config.logs
        if not self.is_here:
            return {}
        return await find_logs(self._host(None), None)

    @property
    def is_here(self) -> bool:
        """Whether this machine is one of those that are monitored: with hosts configured, only if it is listed."""
        hosts = self._app.config.hosts
        return not hosts or any(host.local for host in hosts.values())

    def trouble_of(self, name: str, error: LilFoxError) -> tuple[str, Unavailable, bool]:
        """The host, why its logs cannot be looked for, since when, and whether it is not reached: as its link says,
        else as the search failed."""
        link = self._host(name).link.state
        is_away = isinstance(link, Unavailable)
        return name, link if isinstance(link, Unavailable) else Unavailable(error, datetime.now(UTC)), is_away

    async def until_reached(self, name: str) -> None:
        """Wait until the link to a host has come up again."""
        await wait_until_reconnected(self._host(name), None)

    def open_containers(self, kind: str, name: str) -> None:
        """Opens the logs of a container (``HOST/ID``) or of a Compose project (``HOST/PROJECT``; without one of all
        containers of the host), unless one that is open has just these."""
        host, _slash, rest = name.partition("/")
        overview = self._app.monitor.overview.value
        found = [(engine, each.container) for engine in (overview.containers.get(host, ()) if overview else ())
                 for each in engine.containers]  # fmt: skip
        if kind == "container":
            found = [each for each in found if each[1].short_id == rest]
        elif rest:
            found = [each for each in found if each[1].project == rest]
        about: dict[str, str] = {"project": rest} if kind != "container" else {}
        title = rest or host
        if kind == "container" and found:
            title = found[0][1].name or rest
            about = {"container": title}
        sockets = {engine.place for engine, _container in found if engine.place.startswith("/")}
        if len(sockets) == 1:
            about["socket"] = next(iter(sockets))
        key = kind, name
        if not found or self._is_open(key):
            return
        module = importlib.import_module("lilfox_tui.logs.sources.containers")
        options = module.Options(host=host if host in self._app.config.hosts else None, **about)
        same = next((each for each, log in self.configs.items() if log == options), None)
        if same is None:
            same = next(each for each in (title, f"{title}@{host}", name) if each not in self.configs)
            added = {same: options}
            self.sources += self._opened(added)
            self.configs = {**self.configs, **added}
            self._added.add(same)
        self._of_containers[key] = same

    def _is_open(self, key: tuple[str, str]) -> bool:
        return self._of_containers.get(key) in self.configs

    def where_to_look(self, kind: str, name: str) -> str | None:
        """Return the host to search for logs of a host or a service if no open log is about it; else None."""
        if kind in CONTAINER_KINDS:
            return None
        host = name if kind == "host" else self.host_of_service(name)
        if host is None or self._app.files or host not in self._app.config.hosts:
            return None
        known = self._on(host) or (kind == "service" and self._of_service_on(name, host))
        return None if known else host

    async def find(self, name: str) -> None:
        """Opens the logs that are found on that host. Raises HostError."""
        found = await find_logs(self._host(name), name)
        self.sources += self._opened(found)
        self.configs = {**self.configs, **found}

    def open_pods(self, place: str) -> str:
        """Opens the logs of a workload or a pod (``CLUSTER/NAMESPACE/KIND/NAME``), unless a source that is open has
        just these; returns the name of the source, which tells the cluster."""
        cluster, namespace, resource = place.split("/", 2)
        module = importlib.import_module(f"lilfox_tui.logs.sources.{PODS}")
        options = module.Options(cluster=cluster, namespace=namespace, workload=resource)
        name = next((each for each, log in self.configs.items() if log == options), None)
        if name is None:
            names = (f"{cluster}/{resource.partition('/')[2]}", f"{cluster}/{resource}", place)
            name = next(each for each in names if each not in self.configs)
            self.sources += self._opened({name: options})
            self.configs = {**self.configs, name: options}
        return name

    def _opened(self, configs: Mapping[str, LogConfig]) -> list[LogSource]:
        return open_logs(self._app.config, configs, self._host, _let_argv_through, poll_s=self._poll_s)

    def _host(self, name: str | None) -> Host:
        if name is not None:
            return self._app.monitor.host(name)
        if self._here is None:
            self._here = open_host(this_machine(), HostConfig(local=True), self._app.config.ssh, read_only=True)
        return self._here

    async def close(self) -> None:
        """Closes the sources."""
        for source in self.sources:
            await source.close()
        if self._here is not None:
            await self._here.close()

    def about(self, kind: str, name: str) -> list[str]:
        """Return the sources about a host (read on it) or a service (named after it). For a service that is checked
        from a host, the sources named after it on that host are preferred, then all sources on that host."""
        if kind in CONTAINER_KINDS:
            return [each for each in (self._of_containers.get((kind, name)),) if each is not None]
        if kind == "host":
            return self._on(name)
        host = self.host_of_service(name)
        if host is None:
            return self._of_service(name)
        return self._of_service_on(name, host) or self._on(host) or self._of_service(name)

    def host_that_wrote(self, source: str) -> str | None:
        """Return the host where a source's records were written; None if it is not known or the source is a log
        server."""
        config = self.configs.get(source)
        return None if config is None or config.kind in SERVERS else config.host

    def chosen(self, kind: str, name: str) -> tuple[list[str], Message | None]:
        """The sources to show for a host or a service, and a message if these are not the requested ones."""
        names = self.about(kind, name)
        if not names and kind in CONTAINER_KINDS:
            shown = [each.name for each in self.sources if each.name not in self._added]
            return shown, tr("this container is gone, and its log with it: showing all logs")
        if not names:
            return [each.name for each in self.sources], tr("no known log for {name}: showing all logs", name=name)
        if kind == "service" and not set(names) & set(self._of_service(name)):
            host = self.host_of_service(name)
            return names, tr("no known log for {name} on {host}: showing all logs of {host}", name=name, host=host)
        return names, None

    def host_of_service(self, name: str) -> str | None:
        """The host from which a service's health is checked; None for this machine."""
        service = self._app.config.services.get(name)
        return None if service is None else service.from_

    def _on(self, host: str) -> list[str]:
        there = (each for each, log in self.configs.items() if host_of(log, self._app.config) == host)
        return [each for each in there if each not in self._added]

    def _of_service(self, name: str) -> list[str]:
        return [each for each in self.configs if is_named_after(each, name)]

    def _of_service_on(self, name: str, host: str) -> list[str]:
        """Return the sources named after a service that are read on that host or from a log server, which has records
        of any host."""
        there = self._on(host)
        return [each for each in self._of_service(name) if each in there or self.configs[each].kind in SERVERS]


def host_of(log: LogConfig, config: Config) -> str | None:
    """Return the name of the host where a log is read; None if it is read on this machine, and hosts are configured but
    none is local, and for pods."""
    if log.host is not None or log.kind == PODS:
        return log.host
    if config.hosts:
        return next((name for name, host in config.hosts.items() if host.local), None)
    return this_machine()
