"""Opens the log sources of ``lilfox logs``: names in the configuration, files or ``-``; if none are given, the
configured sources or else the logs found on the host."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from lilfox_tui.config.model import Config, HostConfig, LogConfig
from lilfox_tui.core import plugins
from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import listed, tr
from lilfox_tui.core.plugins import LOG_SOURCES
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.open import open_host, this_machine
from lilfox_tui.logs.files.log_file_set import is_pattern, literal, named_files
from lilfox_tui.logs.source import LogSource, find_logs, open_logs
from lilfox_tui.logs.sources.file import Options
from lilfox_tui.logs.sources.stdin import Options as StdinOptions

STDIN = "-"
PODS = "kubernetes://"


@asynccontextmanager
async def open_sources(
    config: Config, words: Sequence[str], *, host: str | None, zone: str = ""
) -> AsyncIterator[list[LogSource]]:
    """Opens the sources that ``words`` name (all if there are none) on ``host`` (None: on their own hosts), and closes
    them afterwards. ``zone`` is the IANA time zone for times in files without an offset. Raises UsageError,
    HostError."""
    hosts = _Hosts(config)
    sources: list[LogSource] = []
    try:
        logs = await _named(config, words, host, zone, hosts)
        sources = open_logs(config, logs, hosts.of, _let_argv_through, counts=False)
        yield sources
    finally:
        await asyncio.gather(*(source.close() for source in sources))
        await hosts.close()


def _let_argv_through(config: Config, host: str | None, argv: Sequence[str]) -> None:
    """Asks the gate of runbooks, which is loaded for configured commands alone: it takes a fifth of a short search."""
    importlib.import_module("lilfox_tui.runbook.run.gate").let_argv_through(config, host, argv)


class _Hosts:
    """The hosts on which sources are read, each opened once."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._open: dict[str, Host] = {}

    def of(self, name: str | None) -> Host:
        """The host of that name; None: this machine. Raises UsageError."""
        if name is not None and name not in self._config.hosts:
            known = listed(self._config.hosts)
            raise UsageError(tr("no host named {name}", name=name), tr("one of: {kinds}", kinds=known or "-"))
        own = this_machine() if name is None else name
        if own not in self._open:
            host = HostConfig(local=True) if name is None else self._config.hosts[name]
            self._open[own] = open_host(own, host, self._config.ssh, read_only=self._config.read_only)
        return self._open[own]

    async def close(self) -> None:
        await asyncio.gather(*(host.close() for host in self._open.values()))


async def _named(
    config: Config, words: Sequence[str], host: str | None, zone: str, hosts: _Hosts
) -> dict[str, LogConfig]:
    configured: dict[str, LogConfig] = {
        name: log for name, log in config.logs.items() if host is None or log.host == host
    }
    if not words:
        if configured:
            return configured
        found = await find_logs(hosts.of(host), host)
        if not found:
            raise UsageError(
                tr("no logs found on the host"),
                tr("Specify files, or define sources under logs: in the configuration."),
            )
        return found
    if STDIN in words:
        if len(words) > 1:
            raise UsageError(tr("- (standard input) cannot be combined with other sources"))
        return {STDIN: StdinOptions(kind="stdin", zone=zone)}
    logs = {word: configured[word] for word in words if word in configured}
    logs |= {word: _pods(word, zone) for word in words if word.startswith(PODS)}
    paths = [_path(word, host, list(configured)) for word in words if word not in logs]
    for name, path in named_files(paths, taken=logs).items():
        logs[name] = _file(path, host, zone)
    return logs


def _pods(word: str, zone: str) -> LogConfig:
    """The config of the logs of pods, as ``kubernetes://CLUSTER/NAMESPACE/KIND/NAME/CONTAINER`` names them; parts from
    the end may be left out. Raises UsageError."""
    cluster, namespace, kind, name, container, *rest = (*word.removeprefix(PODS).split("/"), "", "", "", "")
    if any(rest) or bool(kind) is not bool(name):
        raise UsageError(
            tr("{word} names no pods", word=word),
            tr("Write {form}.", form=f"{PODS}CLUSTER/NAMESPACE/deployment/NAME"),
        )
    keys = {"cluster": cluster, "namespace": namespace, "workload": f"{kind}/{name}" if kind else "",
            "container": container, "zone": zone}  # fmt: skip
    try:
        made = msgspec.convert(keys, plugins.options_of(LOG_SOURCES, "kubernetes"))
    except msgspec.ValidationError as error:
        raise UsageError(tr("{word} names no pods: {reason}", word=word, reason=str(error))) from None
    assert isinstance(made, LogConfig)
    return made


def _path(word: str, host: str | None, known: Sequence[str]) -> str:
    """The path of a file, or of all files that match a pattern. Raises UsageError for a word that is neither."""
    if host is not None:
        return word
    if "/" not in word and not Path(word).exists() and not is_pattern(word):
        raise UsageError(
            tr("no source or file named {name}", name=word),
            tr("one of: {kinds}", kinds=listed(known)) if known else "",
        )
    return str(Path(word).absolute())


def _file(path: str, host: str | None, zone: str) -> LogConfig:
    """The config of one file with its rotated ones, or of the files that match a pattern and no others."""
    is_file = host is None and Path(path).exists()
    whole = literal(path) if is_file else path
    return Options(kind="file", host=host, zone=zone, path=whole, rotated=is_file or not is_pattern(path))
