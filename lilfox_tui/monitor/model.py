"""What the monitor tells its readers: one frozen overview of everything that is watched."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct, field

from lilfox_tui.backends.model import BackendReading, Figure
from lilfox_tui.config.model import BackendConfig, HostConfig, ServiceConfig
from lilfox_tui.feed import Pending, State, Unavailable
from lilfox_tui.hosts.base import Link, LostCommand
from lilfox_tui.i18n import Message
from lilfox_tui.metrics.model import HostSummary, Level, ServiceState
from lilfox_tui.metrics.traffic import Traffic
from lilfox_tui.monitor.backup_view import Backups
from lilfox_tui.monitor.target_view import TargetView

if TYPE_CHECKING:
    from lilfox_tui.alerts.model import Alerts


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
    tells; why there is nothing where it is unavailable. ``found``: shown alone, the config does not name it."""

    name: str
    config: ServiceConfig
    level: Level
    since: datetime
    reasons: tuple[Message, ...] = ()
    state: ServiceState | None = None
    traffic: State[Traffic] = field(default_factory=Pending)
    found: bool = False


class BackendView(Struct, frozen=True):
    """One backend as a row shows it.

    ``figures`` are its line. ``reading`` is the newest there is, also when it is old; None before the first, and of the
    past, of which only its values are kept. ``outage`` tells why there is no new one.
    """

    name: str
    config: BackendConfig
    level: Level
    since: datetime
    reasons: tuple[Message, ...] = ()
    figures: tuple[Figure, ...] = ()
    reading: BackendReading | None = None
    outage: Unavailable | None = None


View: TypeAlias = HostView | ServiceView | BackendView
"""A row of what is watched."""


class Change(Struct, frozen=True):
    """Something that happened: ``what`` about ``subject`` at ``at`` (aware UTC). ``level`` is what it went to."""

    at: datetime
    subject: str
    """``host/NAME``, ``service/NAME``, ``backend/NAME`` or ``plan/NAME``, of a copy ``plan/NAME@STORE``."""
    what: Message
    level: Level
    kind: str = ""
    """``lost``, ``back``, ``restarted``, ``level``, or ``unit``, ``mount``, ``disk``, ``interface`` with its name: the
    same in every LilFox that notices it, whatever it says of why and how long."""


class Overview(Struct, frozen=True):
    """Everything that is watched, at one moment. ``rewound`` tells that it was made from history. ``alerts`` is None
    where the config names no rules, and pending where their state is not known. ``targets`` are all that are scraped,
    of services too; of the past they are not known. ``backups`` is None before they were looked at, and of the past."""

    at: datetime
    hosts: Mapping[str, HostView]
    services: Mapping[str, ServiceView]
    backends: Mapping[str, BackendView] = {}
    rewound: bool = False
    alerts: State[Alerts] | None = None
    targets: tuple[TargetView, ...] = ()
    backups: Backups | None = None

    @property
    def views(self) -> tuple[View, ...]:
        """All that is watched, in the order of the config."""
        return (*self.hosts.values(), *self.services.values(), *self.backends.values())

    def count(self, level: Level) -> int:
        """How many hosts, services, backends and backup plans are at that level."""
        plans = 0 if self.backups is None else self.backups.count(level)
        return plans + sum(view.level is level for view in self.views)
