"""Which logs the pane opens: the command line's files, the demo's, the config's, or what is found on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lilfox_tui.config.model import Config, HostConfig, LogConfig
from lilfox_tui.hosts.base import Host
from lilfox_tui.logs.source import LogSource

if TYPE_CHECKING:
    from lilfox_tui.app.shell import Shell


class OpenLogs:
    """The sources that are open, and what the config says of each, by name. Close it in the end."""

    def __init__(self, app: Shell) -> None:
        self._app = app
        self._here: Host | None = None
        self.sources: list[LogSource] = []
        self.configs: Mapping[str, LogConfig] = {}

    async def open(self) -> None:
        """Finds and opens; nothing is read yet. Raises LilFoxError."""
        from lilfox_tui.logs.opening import open_logs

        self.configs = await self._wanted()
        self.sources = open_logs(self._app.config, self.configs, self._host)

    async def _wanted(self) -> Mapping[str, LogConfig]:
        from lilfox_tui.logs.discover import file_log, file_logs, find_logs

        app = self._app
        if app.files:
            return {name: file_log(path) for name, path in named(app.files).items()}
        if app.demo is not None:
            return file_logs(app.demo.logs, zone="UTC")
        if app.config.logs:
            return app.config.logs
        return await find_logs(self._host(None), None)

    def may_find(self, kind: str, name: str) -> bool:
        """Whether more logs may be found there: on a host of which none is open."""
        given = self._app.files or self._app.demo is not None
        return kind == "host" and not given and name in self._app.config.hosts and not self.about(kind, name)

    async def find(self, name: str) -> None:
        """Opens the logs that are found on that host. Raises HostError."""
        from lilfox_tui.logs.discover import find_logs
        from lilfox_tui.logs.opening import open_logs

        found = await find_logs(self._host(name), name)
        self.sources += open_logs(self._app.config, found, self._host)
        self.configs = {**self.configs, **found}

    def _host(self, name: str | None) -> Host:
        if name is not None:
            return self._app.monitor.host(name)
        if self._here is None:
            from lilfox_tui.hosts.open import open_host
            from lilfox_tui.monitor.watched import this_machine

            self._here = open_host(this_machine(), HostConfig(local=True), self._app.config.ssh, read_only=True)
        return self._here

    async def close(self) -> None:
        """Ends what the sources have begun."""
        for source in self.sources:
            await source.close()
        if self._here is not None:
            await self._here.close()

    def about(self, kind: str, name: str) -> list[str]:
        """The sources that tell of a host or a service: read on that host, or named after the service."""
        if kind == "host":
            return [each for each, log in self.configs.items() if host_of(log, self._app.config) == name]
        service = name.removeprefix("lilfox-")
        return [each for each in self.configs if each == name or service in each.replace("-", ".").split(".")]


def host_of(log: LogConfig, config: Config) -> str | None:
    """The name of the host where a log is read; None for this machine where the config has no name for it."""
    if log.host is not None:
        return log.host
    if config.hosts:
        return next((name for name, host in config.hosts.items() if host.local), None)
    from lilfox_tui.monitor.watched import this_machine

    return this_machine()


def named(paths: tuple[str, ...]) -> dict[str, str]:
    """A name for each file: its own without ``.log``, or its path where two have the same."""
    names: dict[str, str] = {}
    for path in paths:
        name = Path(path).name.removesuffix(".log") or path
        names[path if name in names else name] = path
    return names
