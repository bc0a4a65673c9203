"""How many lines of a log are too many: the key ``lines`` of a service."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from lilfox_tui.config.values import Name, Seconds


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
