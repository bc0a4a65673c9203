"""From the configuration to open sources: on which host each is read, in which zone its naive times are."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, tzinfo
from functools import partial
from pathlib import Path
from typing import cast

from lilfox_tui import plugins
from lilfox_tui.config.model import Config, HostConfig, LogConfig
from lilfox_tui.hosts.base import Host
from lilfox_tui.logs.source import LogSource, Setting
from lilfox_tui.plugins import LOG_SOURCES

HostOf = Callable[[str | None], Host]
"""The host of that name in the configuration; None: this machine."""
Gate = Callable[[Config, str | None, Sequence[str]], None]
"""Raises NotAllowed where a command of the configuration may not be run on a host (``runbook/gate.py``)."""
_LOCALTIME = Path("/etc/localtime")


def open_logs(config: Config, logs: Mapping[str, LogConfig], host_of: HostOf, gate: Gate) -> list[LogSource]:
    """The sources of ``logs`` (``config.logs``, or what was found), in their order. Nothing is read yet.

    The caller closes them, and the hosts after them. Raises UsageError for an unknown kind or format.
    """
    return [open_log(config, name, log, host_of, gate) for name, log in logs.items()]


def open_log(config: Config, name: str, log: LogConfig, host_of: HostOf, gate: Gate) -> LogSource:
    """One source. See :func:`open_logs`."""
    host = config.hosts.get(log.host, HostConfig()) if log.host is not None else HostConfig(local=True)
    setting = Setting(
        host=host_of(log.host),
        zone=zone_of(log.zone),
        format=log.format,
        sudo=host.sudo,
        refuse=partial(gate, config, log.host),
    )
    return cast("LogSource", plugins.load(LOG_SOURCES, log.kind).open_source(name, log, setting))


def zone_of(name: str) -> tzinfo:
    """The time zone of that IANA name (checked by the loader); this machine's for ""."""
    from zoneinfo import ZoneInfo

    name = name or os.environ.get("TZ", "").lstrip(":") or _here()
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return cast("tzinfo", datetime.now().astimezone().tzinfo)


def _here() -> str:
    """The name behind /etc/localtime (localtime(5)); "" where it does not tell."""
    _folder, found, name = str(_LOCALTIME.resolve()).partition("/zoneinfo/")
    return name if found else ""
