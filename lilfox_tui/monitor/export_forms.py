"""Forms that all exported numbers share."""

from __future__ import annotations

from datetime import datetime

from lilfox_tui.metrics.model import Labels

Line = tuple[Labels, float]
Family = tuple[str, str, str, list[Line]]
"""Name, type, help and lines of one metric."""


def iso(at: datetime) -> str:
    """ISO 8601 with the offset of this machine's zone."""
    return at.astimezone().isoformat(timespec="milliseconds")
