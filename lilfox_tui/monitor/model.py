"""What the monitor tells its readers: one frozen overview of everything that is watched."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct, field

from lilfox_tui.config.model import HostConfig, ServiceConfig
from lilfox_tui.feed import Pending, State
from lilfox_tui.hosts.base import Link, LostCommand
from lilfox_tui.i18n import Message
from lilfox_tui.metrics.model import HostSummary, Level, ServiceState
from lilfox_tui.metrics.traffic import Traffic


class HostView(Struct, frozen=True):
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


class ServiceView(Struct, frozen=True):
    """One service as a row shows it; ``state`` is None until it was asked once. ``traffic`` is what its page of metrics
    tells; why there is nothing where it is unavailable."""

    name: str
    config: ServiceConfig
    level: Level
    since: datetime
    reasons: tuple[Message, ...] = ()
    state: ServiceState | None = None
    traffic: State[Traffic] = field(default_factory=Pending)


class Change(Struct, frozen=True):
    """Something that happened: ``what`` about ``subject`` at ``at`` (aware UTC). ``level`` is what it went to."""

    at: datetime
    subject: str
    """``host/NAME`` or ``service/NAME``."""
    what: Message
    level: Level


class Overview(Struct, frozen=True):
    """Everything that is watched, at one moment. ``rewound`` tells that it was made from history."""

    at: datetime
    hosts: Mapping[str, HostView]
    services: Mapping[str, ServiceView]
    rewound: bool = False

    def count(self, level: Level) -> int:
        """How many hosts and services are at that level."""
        hosts = sum(view.level is level for view in self.hosts.values())
        return hosts + sum(view.level is level for view in self.services.values())
