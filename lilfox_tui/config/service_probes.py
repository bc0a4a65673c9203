"""What a service is watched by instead of a request: the keys ``certificate``, ``deadline`` and ``lines``."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from lilfox_tui.config.values import Name, Seconds, SecretRef


class CertificateConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A certificate in a file, or of a TLS port that does not speak HTTP."""

    file: Annotated[str, Meta(pattern="^/[^\0]*$")] | None = None
    """PEM file on the host in ``from``: the certificate first, then those that have issued it."""
    address: str | None = None
    """Instead: ``HOST:PORT`` that speaks TLS at once. The trust store of this machine judges its chain."""
    names: tuple[Annotated[str, Meta(min_length=1)], ...] = ()
    """Names and addresses that it must be for; of a port also its host."""
    chain: bool = False
    """The file must also have the certificates that have issued the first, as servers need it."""
    sudo: bool = False
    """The file is read as root."""


class DeadlineConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A job of somebody else, which pings ``lilfox monitor`` or writes a file, and by when."""

    period: Seconds | None = None
    """The longest time between two successes."""
    schedule: str | None = None
    """Instead: when the job starts, as cron has it, in local time."""
    grace: Seconds = Seconds(3600)
    """So long after that it is late, and so long after its start it must have ended."""
    token: SecretRef | None = None
    """A secret that stands in the address instead of the name: ``/ping/TOKEN``."""
    file: Annotated[str, Meta(pattern="^/[^\0]*$")] | None = None
    """Instead of pings: the job has succeeded when this file was written last. It is on the host in ``from``."""


class LogLinesConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Lines of a log that are counted."""

    log: Name
    """Name of a source under ``logs:``; it is read on its host."""
    where: str
    """Filter of the lines, as the Logs pane has it."""
    window: Seconds = Seconds(300)
    """Those of so long are counted."""
    count: Annotated[int, Meta(ge=1, le=10_000)] = 1
    """From so many on the service fails."""
