"""A part's raw bytes out of a store, checked on the way."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from lilfox_tui.backup.model import FoundPart
from lilfox_tui.backup.packing import Counted
from lilfox_tui.backup.store import Store


def raw_blocks(
    store: Store,
    part: FoundPart,
    identity: str | None = None,
    *,
    limit_bytes: int | None = None,
    counted: Counted | None = None,
) -> AsyncGenerator[bytes, None]:
    """The raw bytes of ``part``: decrypted with ``identity`` (the age key itself), unpacked. Use inside ``aclosing``.

    What the manifest says of it (size and digest, as stored and raw) is checked, at the end at the latest: until the
    generator has ended nothing of it is to be trusted. Never more than the manifest's ``raw_bytes`` come; of a part of
    the manual's scripts never more than ``limit_bytes``, for which the room that there is is a good value. ``counted``
    is filled with what was read.

    Raises BrokenSet, NotReady (encrypted and no ``identity``), StoreError, HostError.
    """
    raise NotImplementedError
