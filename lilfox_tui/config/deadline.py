"""When somebody else's job must have reported: the key ``deadline`` of a service."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from lilfox_tui.config.values import Seconds, SecretRef


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
