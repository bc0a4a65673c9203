"""What lies between a source's bytes and a store's: compression and encryption, counted and hashed on both sides.

``packed`` and ``unpacked`` work in threads of their own, so that the event loop is free, and hold a few blocks of
1 MiB whatever the size of the whole.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, aclosing, closing

from msgspec import Struct

from lilfox_tui.backup.codecs import Readable, compressing, decompressing, decrypting, encrypting
from lilfox_tui.backup.errors import BrokenSet
from lilfox_tui.backup.inlet import BLOCK, Inlet
from lilfox_tui.backup.manifest import Packing
from lilfox_tui.i18n import tr


class Counted(Struct):
    """Bytes and SHA-256 of a part, as stored and raw; grows while it is packed or unpacked, digests are there at the
    end."""

    size_bytes: int = 0
    raw_bytes: int = 0
    sha256: str = ""
    raw_sha256: str = ""


async def packed(
    raw: AsyncIterator[bytes], packing: Packing, recipients: Sequence[str], counted: Counted
) -> AsyncGenerator[bytes, None]:
    """What is to be stored of ``raw``: zstd level 2 with its content checksum, gzip, or as it is; then encrypted with
    age when there are ``recipients`` (``age1…``). Raises what ``raw`` raises, NotReady for a bad recipient."""
    before, after = hashlib.sha256(), hashlib.sha256()

    def saw(block: bytes) -> None:
        before.update(block)
        counted.raw_bytes += len(block)

    def opened(source: Readable, stack: ExitStack) -> Readable:
        reader = compressing(packing, source)
        return stack.enter_context(closing(encrypting(reader, recipients))) if recipients else reader

    async with aclosing(_through(raw, saw, opened, after.update)) as blocks:
        async for block in blocks:
            counted.size_bytes += len(block)
            yield block
    counted.raw_sha256, counted.sha256 = before.hexdigest(), after.hexdigest()


async def unpacked(
    stored: AsyncIterator[bytes],
    packing: Packing,
    identity: str | None,
    counted: Counted,
    *,
    limit_bytes: int | None,
    raw_digest: bool = True,
) -> AsyncGenerator[bytes, None]:
    """The raw bytes again, in blocks of about 1 MiB. ``identity``: the age key of what is encrypted, else None. Without
    ``raw_digest`` that of the raw bytes stays empty.

    Raises BrokenSet for what cannot be decoded, ends early, goes on after its end (a second gzip member, garbage), or
    is more than ``limit_bytes``; NotReady for a key that does not fit; and what ``stored`` raises. That zstd without
    encryption ends early or holds a second frame is seen by its digests alone (``reading.py``).
    """
    before, after = hashlib.sha256(), hashlib.sha256()

    def saw(block: bytes) -> None:
        before.update(block)
        counted.size_bytes += len(block)

    def opened(source: Readable, stack: ExitStack) -> Readable:
        if identity is not None:
            source = stack.enter_context(closing(decrypting(source, identity)))
        return decompressing(packing, source)

    async with aclosing(_through(stored, saw, opened, after.update if raw_digest else None)) as blocks:
        async for block in blocks:
            counted.raw_bytes += len(block)
            if limit_bytes is not None and counted.raw_bytes > limit_bytes:
                raise BrokenSet(tr("it unpacks to more than {limit} bytes, which is all that it may hold",
                                   limit=limit_bytes))  # fmt: skip
            yield block
    counted.sha256, counted.raw_sha256 = before.hexdigest(), after.hexdigest() if raw_digest else ""


async def _through(
    blocks: AsyncIterator[bytes],
    saw: Callable[[bytes], None],
    opened: Callable[[Readable, ExitStack], Readable],
    gave: Callable[[bytes], None] | None,
) -> AsyncGenerator[bytes, None]:
    """What is read of the file that ``opened`` makes of ``blocks``. One thread reads, another is shown what was read
    (``gave``, where there is one) while the consumer has it; the next block is read meanwhile."""
    loop = asyncio.get_running_loop()
    threads = ThreadPoolExecutor(2, "lilfox-packing")
    stack = ExitStack()
    try:
        async with Inlet(blocks, saw) as inlet:
            reader = opened(inlet, stack)
            reading = loop.run_in_executor(threads, reader.read, BLOCK)
            try:
                while block := await reading:
                    reading = loop.run_in_executor(threads, reader.read, BLOCK)
                    hashing = loop.run_in_executor(threads, gave, block) if gave is not None else None
                    yield block
                    if hashing is not None:
                        await hashing
            finally:
                reading.cancel()
    finally:
        await loop.run_in_executor(None, _end, threads, stack)


def _end(threads: ThreadPoolExecutor, stack: ExitStack) -> None:
    """Waits for the threads, which have nothing to read any more."""
    stack.close()
    threads.shutdown(cancel_futures=True)
