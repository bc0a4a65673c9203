"""The sets of a store, from what lies there."""

from __future__ import annotations

from datetime import tzinfo

from lilfox_tui.backup.model import BackupSet
from lilfox_tui.backup.store import Store


async def read_sets(store: Store, *, zone: tzinfo | None = None) -> list[BackupSet]:
    """All sets, newest first: with a manifest, of the manual's scripts, and what runs left that did not finish (broken,
    with that reason). ``zone`` is that of the dates in names, this machine's when not given. Raises StoreError,
    HostError."""
    raise NotImplementedError(store.name, zone)
