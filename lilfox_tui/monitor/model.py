"""What the monitor tells its readers: one frozen overview of everything that is watched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from lilfox_tui.config.model import HostConfig, ServiceConfig
from lilfox_tui.feed import Pending, State
from lilfox_tui.hosts.base import Link, LostCommand
from lilfox_tui.i18n import Message
from lilfox_tui.metrics.model import HostSummary, Level, ServiceState


@dataclass(frozen=True, slots=True)
class HostView:
    """One host as a row shows it.

    ``level`` has held since ``since`` (aware UTC); ``reasons`` say why, worst first, empty when good. ``summary`` is
    the newest there is, also when it is old: its ``at`` tells. ``link`` holds the error while the host is not reached.
    """

    name: str
    config: HostConfig
    level: Level
    since: datetime
    reasons: tuple[Message, ...] = ()
    summary: HostSummary | None = None
    link: State[Link] = field(default_factory=Pending)
    lost: tuple[LostCommand, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceView:
    """One service as a row shows it; ``state`` is None until it was asked once."""

    name: str
    config: ServiceConfig
    level: Level
    since: datetime
    reasons: tuple[Message, ...] = ()
    state: ServiceState | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happened: ``what`` about ``subject`` at ``at`` (aware UTC). ``level`` is what it went to."""

    at: datetime
    subject: str
    """``host/NAME`` or ``service/NAME``."""
    what: Message
    level: Level


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything that is watched, at one moment. ``rewound`` tells that it was made from history."""

    at: datetime
    hosts: Mapping[str, HostView]
    services: Mapping[str, ServiceView]
    rewound: bool = False

    def count(self, level: Level) -> int:
        """How many hosts and services are at that level."""
        hosts = sum(view.level is level for view in self.hosts.values())
        return hosts + sum(view.level is level for view in self.services.values())
