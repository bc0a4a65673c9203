"""A part's raw bytes out of a store, checked on the way."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from hashlib import sha256

from lilfox_tui.backup.errors import BrokenSet, NotReady
from lilfox_tui.backup.manifest import Part
from lilfox_tui.backup.model import FoundPart
from lilfox_tui.backup.names import read_file_name
from lilfox_tui.backup.packing import Counted, unpacked
from lilfox_tui.backup.store import Store
from lilfox_tui.i18n import tr

_CHANGED = tr("its SHA-256 is not the one that was written down: its bytes have changed")


async def raw_blocks(
    store: Store,
    part: FoundPart,
    identity: str | None = None,
    *,
    limit_bytes: int | None = None,
    counted: Counted | None = None,
    proven: str = "",
) -> AsyncGenerator[bytes, None]:
    """The raw bytes of ``part``: decrypted with ``identity`` (the age key itself), unpacked. Use inside ``aclosing``.

    What the manifest says of it (size and digest, as stored and raw) is checked, at the end at the latest: until the
    generator has ended nothing of it is to be trusted. Never more than the manifest's ``raw_bytes`` come; of a part of
    the manual's scripts never more than ``limit_bytes``, for which the room that there is is a good value. ``counted``
    is filled with what was read. ``proven``: the digest of stored bytes that were found to unpack to what the manifest
    says; where they are these, they are hashed as stored, and the frame's own checksum holds for what they unpack to.

    Raises BrokenSet, NotReady (encrypted and no ``identity``, or another one), StoreError, HostError.
    """
    counted = Counted() if counted is None else counted
    said = part.said
    name = read_file_name(part.name)
    packing = said.packing if said is not None else name.packing if name is not None else "none"
    if said is None and (packing == "zstd" or (name is not None and name.encrypted)):
        raise BrokenSet(tr("{part}: no manifest tells what it must hold", part=part.name))
    if said is not None and said.encrypted and identity is None:
        await _refuse_changed(store, part, said)
        raise NotReady(
            tr("{part} is encrypted, and no key is at hand", part=part.name),
            tr("name it as identity under encrypt of the plan"),
        )
    key = identity if said is not None and said.encrypted else None
    limit = said.raw_bytes if said is not None else limit_bytes
    known = said is not None and packing == "zstd" and said.sha256 == proven
    try:
        async with (
            aclosing(_bounded(store, part, said)) as stored,
            aclosing(unpacked(stored, packing, key, counted, limit_bytes=limit, raw_digest=not known)) as blocks,
        ):
            async for block in blocks:
                yield block
        if said is not None:
            _check(said, counted)
    except BrokenSet as error:
        raise BrokenSet(tr("{part}: {reason}", part=part.name, reason=error), error.hint) from None
    except NotReady:  # a header that has changed opens with no key
        if said is not None:
            await _refuse_changed(store, part, said)
        raise


async def _refuse_changed(store: Store, part: FoundPart, said: Part) -> None:
    """Raises BrokenSet where what is stored has another digest: a byte that changed in the head of what is encrypted
    looks like another key, and no key is needed to see it."""
    digest = sha256()
    async with aclosing(_bounded(store, part, said)) as blocks:
        async for block in blocks:
            digest.update(block)
    if digest.hexdigest() != said.sha256:
        raise BrokenSet(tr("{part}: {reason}", part=part.name, reason=_CHANGED))


async def _bounded(store: Store, part: FoundPart, said: Part | None) -> AsyncGenerator[bytes, None]:
    """What is stored, no more than it was said to be: a longer file is not read to its end."""
    size = 0
    async with aclosing(store.read(part.name)) as blocks:
        async for block in blocks:
            size += len(block)
            if said is not None and size > said.size_bytes:
                raise BrokenSet(tr("it is longer than the {size} bytes that were written", size=said.size_bytes))
            yield block


def _check(said: Part, counted: Counted) -> None:
    if counted.size_bytes != said.size_bytes:
        raise BrokenSet(
            tr("it has {found} bytes instead of {size}", found=counted.size_bytes, size=said.size_bytes)
        )  # fmt: skip
    if counted.sha256 != said.sha256:
        raise BrokenSet(_CHANGED)
    if (counted.raw_bytes, counted.raw_sha256 or said.raw_sha256) != (said.raw_bytes, said.raw_sha256):
        raise BrokenSet(tr("what it unpacks to is not what was backed up"))
