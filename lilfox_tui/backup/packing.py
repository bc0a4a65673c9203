"""What lies between a source's bytes and a store's: compression and encryption, counted and hashed on both sides.

``packed`` and ``unpacked`` work a block at a time in a thread of their own, so that the event loop is free, and hold
a few blocks of 1 MiB whatever the size of the whole.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from msgspec import Struct

from lilfox_tui.backup.manifest import Packing

BLOCK = 1024 * 1024
SUFFIXES: dict[Packing, str] = {"zstd": ".zst", "gzip": ".gz", "none": ""}
ENCRYPTED = ".age"


class Counted(Struct):
    """Bytes and SHA-256 of a part, as stored and raw; grows while it is packed or unpacked, digests are there at the
    end."""

    size_bytes: int = 0
    raw_bytes: int = 0
    sha256: str = ""
    raw_sha256: str = ""


def packed(
    raw: AsyncIterator[bytes], packing: Packing, recipients: Sequence[str], counted: Counted
) -> AsyncGenerator[bytes, None]:
    """What is to be stored of ``raw``: zstd level 3 with its content checksum, gzip, or as it is; then encrypted with
    age when there are ``recipients`` (``age1…``). Raises what ``raw`` raises."""
    raise NotImplementedError


def unpacked(
    stored: AsyncIterator[bytes], packing: Packing, identity: str | None, counted: Counted, *, limit_bytes: int | None
) -> AsyncGenerator[bytes, None]:
    """The raw bytes again, in blocks of 1 MiB at most. ``identity``: the age key of what is encrypted, else None.

    Raises BrokenSet for what cannot be decoded, ends early, goes on after its end (a second gzip member, garbage), or
    is more than ``limit_bytes``; and what ``stored`` raises.
    """
    raise NotImplementedError
