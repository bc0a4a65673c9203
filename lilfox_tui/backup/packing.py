"""Compression and encryption between a source's bytes and a store's, counted and hashed on both sides.

``packed`` and ``unpacked`` work in threads of their own, so that the event loop is free, and hold a few blocks of 1 MiB
whatever the size of the whole. Beneath them are files that take their bytes from another one, and ``Inlet``, by which
a thread reads what an async iterator gives."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import zlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, aclosing, closing
from types import TracebackType
from typing import IO, Any, Protocol, cast

import pyrage
import xxhash
import zstandard
from msgspec import Struct

from lilfox_tui.backup.sets.model import Packing, RawDigest, RawHash
from lilfox_tui.backup.source import CompressedBlock
from lilfox_tui.backup.store import BrokenSet, NotReady
from lilfox_tui.core.i18n import tr

BLOCK = 1024 * 1024
HELD = 2 * BLOCK
"""So much is asked for ahead of the thread."""


class Inlet:
    """Presents ``blocks`` as a file that a thread reads, within an async context. The thread passes each block to
    ``saw`` before returning it. ``read`` raises what ``blocks`` raises."""

    def __init__(self, blocks: AsyncIterator[bytes], saw: Callable[[bytes], None]) -> None:
        self._blocks = blocks
        self._saw = saw
        self._held: deque[bytes] = deque()
        self._held_bytes = 0
        self._changed = asyncio.Event()
        self._freed = asyncio.Event()
        self._ended = False
        self._left = False
        self._error: BaseException | None = None
        self._rest = memoryview(b"")

    async def __aenter__(self) -> Inlet:
        self._loop = asyncio.get_running_loop()
        self._feeding = asyncio.create_task(self._feed())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop reading ``blocks``; a thread that waits in ``read`` gets CancelledError."""
        self._feeding.cancel()
        await asyncio.wait([self._feeding])
        self._error = self._error or asyncio.CancelledError()
        self._left = True
        self._held.clear()
        self._changed.set()

    async def _feed(self) -> None:
        try:
            async for block in self._blocks:
                self._held.append(block)
                self._held_bytes += len(block)
                self._changed.set()
                while self._held_bytes >= HELD:
                    self._freed.clear()
                    await self._freed.wait()
        except BaseException as error:
            self._error = error
        self._ended = True
        self._changed.set()

    async def _take(self) -> bytes:
        """Return up to a block of the buffered bytes, waiting for the first; empty at the end."""
        while not self._held and not self._ended and self._error is None:
            self._changed.clear()
            await self._changed.wait()
        taken: list[bytes] = []
        size = 0
        while self._held and (not taken or size + len(self._held[0]) <= BLOCK):
            taken.append(self._held.popleft())
            size += len(taken[-1])
        self._held_bytes -= size
        self._freed.set()
        if not taken and self._error is not None:
            raise self._error
        if taken and not size:
            return await self._take()
        return taken[0] if len(taken) == 1 else b"".join(taken)

    def read(self, size: int = -1, /) -> bytes:
        """Return up to ``size`` bytes, no more than one block; empty at the end. Call it in a thread."""
        if not self._rest:
            if self._left:
                raise asyncio.CancelledError
            block = asyncio.run_coroutine_threadsafe(self._take(), self._loop).result()
            self._saw(block)
            if size < 0 or len(block) <= size:
                return block
            self._rest = memoryview(block)
        part, self._rest = self._rest[:size], self._rest[size:]
        return bytes(part)


ZSTD_LEVEL = 2
"""Not larger than gzip's level 6 for dumps and source texts; level 3 is another algorithm and takes twice the time."""
WINDOW_BYTES = 8 * 1024 * 1024
"""What level 2 may ask of who decodes it (RFC 8878, 3.1.1.1.2); a frame that asks for more is not ours."""
_GZIP = 16 + zlib.MAX_WBITS
_KEY = "AGE-SECRET-KEY-1"


class Readable(Protocol):
    """The read side of a file."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to ``size`` bytes; empty at the end."""
        ...


def compressing(packing: Packing, source: Readable) -> Readable:
    """Return ``source`` compressed."""
    if packing == "zstd":
        compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True)
        return compressor.stream_reader(cast("IO[bytes]", source), read_size=BLOCK)
    return _Deflating(source) if packing == "gzip" else source


def decompressing(packing: Packing, source: Readable) -> Readable:
    """Return ``source`` decompressed; reading raises BrokenSet. For zstd, an early end and a second frame are not
    detected."""
    if packing == "zstd":
        return _Unzstd(source)
    return _Inflating(source) if packing == "gzip" else source


class FrameCompressor:
    """Compresses raw bytes to zstd frames, one after the other, each with a checksum of its content."""

    def __init__(self) -> None:
        self._zstd = zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True)
        self._frame: zstandard.ZstdCompressionObj | None = None

    def add(self, *parts: bytes | memoryview) -> CompressedBlock:
        """Add ``parts`` to the frame, and begin one where there is none."""
        if self._frame is None:
            self._frame = self._zstd.compressobj()
        return CompressedBlock(b"".join(map(self._frame.compress, parts)), sum(map(len, parts)))

    def end(self) -> CompressedBlock:
        """End the frame, if there is one."""
        frame, self._frame = self._frame, None
        return CompressedBlock(b"" if frame is None else frame.flush(), 0)


class _Unzstd:
    def __init__(self, source: Readable) -> None:
        self._wrong = zstandard.ZstdError
        decompressor = zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES)
        self._reader = decompressor.stream_reader(cast("IO[bytes]", source), read_size=BLOCK, read_across_frames=True)

    def read(self, size: int = -1, /) -> bytes:
        try:
            return self._reader.read(size)
        except self._wrong as error:
            raise _undecodable("zstd", error) from None


class _Deflating:
    def __init__(self, source: Readable) -> None:
        self._source = source
        self._deflate: Any = zlib.compressobj(wbits=_GZIP)
        self._rest = memoryview(b"")

    def read(self, size: int = -1, /) -> bytes:
        while not self._rest and self._deflate is not None:
            block = self._source.read(BLOCK)
            self._rest = memoryview(self._deflate.compress(block) if block else self._deflate.flush())
            if not block:
                self._deflate = None
        end = len(self._rest) if size < 0 else size
        part, self._rest = self._rest[:end], self._rest[end:]
        return bytes(part)


class _Inflating:
    """Decompresses exactly one gzip member: anything after it is a second run's output, or garbage."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._inflate = zlib.decompressobj(_GZIP)
        self._begun = False

    def read(self, size: int = -1, /) -> bytes:
        try:
            while not self._inflate.eof:
                waiting = self._inflate.unconsumed_tail
                block = waiting or self._source.read(BLOCK)
                if not block:
                    raise BrokenSet(tr("it is truncated") if self._begun else tr("it is empty"))
                self._begun = True
                if made := self._inflate.decompress(block, BLOCK if size < 0 else size):
                    return made
        except zlib.error as error:
            raise _undecodable("gzip", error) from None
        if self._inflate.unused_data or self._source.read(1):
            raise BrokenSet(tr("there is data after its end: a second gzip stream, or garbage"))
        return b""


class Crypt:
    """Runs ``work``, which reads ``source``, in its own thread and returns its output: age's library writes to a file
    instead of being read from.

    ``read`` raises what ``source`` raised, else what ``work`` raised."""

    def __init__(self, source: Readable, work: Callable[[Readable, Crypt], None]) -> None:
        self._source = source
        self._held = bytearray()
        self._changed = threading.Condition()
        self._ended = False
        self._left = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    def _run(self, work: Callable[[Readable, Crypt], None]) -> None:
        try:
            work(_Remembering(self._source, self), self)
        except BaseException as error:
            self.failed(error)
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def failed(self, error: BaseException) -> None:
        """Keep the first error."""
        self._error = self._error or error

    def write(self, data: bytes) -> int:
        """Buffer ``data``; called by the thread, which blocks while the buffer is full."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._held) < BLOCK or self._left)
            if self._left:
                raise BrokenPipeError
            self._held += data
            if len(self._held) >= BLOCK:
                self._changed.notify_all()
        return len(data)

    def flush(self) -> None:
        """Do nothing."""

    def read(self, size: int = -1, /) -> bytes:
        """Return the buffered output once there is a block of it, or the rest at the end."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._held) >= BLOCK or self._ended)
            if self._error is not None:
                raise self._error
            end = len(self._held) if size < 0 else size
            made = bytes(self._held[:end])
            del self._held[:end]
            self._changed.notify_all()
        return made

    def close(self) -> None:
        """Stop reading and wait for the thread, which ends at its next write or when its source has ended."""
        with self._changed:
            self._left = True
            self._changed.notify_all()
        self._thread.join()


class _Remembering:
    """Stores what its source raises, because age's library discards it."""

    def __init__(self, source: Readable, crypt: Crypt) -> None:
        self._source = source
        self._crypt = crypt

    def read(self, size: int = -1, /) -> bytes:
        try:
            return self._source.read(size)
        except BaseException as error:
            self._crypt.failed(error)
            raise


def encrypting(source: Readable, recipients: Sequence[str]) -> Crypt:
    """Return ``source`` encrypted with age. Raises NotReady for an invalid recipient."""
    try:
        keys = [pyrage.x25519.Recipient.from_str(each) for each in recipients]
    except pyrage.RecipientError as error:
        raise NotReady(tr("invalid age recipient: {reason}; use the public key, age1…", reason=error)) from None
    return Crypt(source, lambda reader, writer: pyrage.encrypt_io(reader, writer, keys))


def decrypting(source: Readable, identity: str) -> Crypt:
    """Return ``source`` decrypted with age; ``identity`` is the key, or the text of a file from age-keygen. Reading
    raises BrokenSet, and NotReady for a key that does not decrypt it."""
    keys = [line for line in identity.splitlines() if line.startswith(_KEY)]
    try:
        key = pyrage.x25519.Identity.from_str(keys[0].strip() if keys else identity.strip())
    except pyrage.IdentityError:
        raise NotReady(
            tr("the decryption key is not a valid age secret key"),
            tr("Use the age secret key; it begins with {start}.", start=_KEY),
        ) from None

    def work(reader: Readable, writer: Crypt) -> None:
        try:
            pyrage.decrypt_io(reader, writer, [key])
        except pyrage.DecryptError as error:
            if "No matching keys" in str(error):
                raise NotReady(tr("the key does not decrypt it: it was encrypted for another key")) from None
            raise _undecodable("age", error) from None
        except OSError as error:
            raise _undecodable("age", error) from None

    return Crypt(source, work)


def _undecodable(what: str, error: Exception) -> BrokenSet:
    return BrokenSet(tr("it cannot be decoded ({what}): {reason}", what=what, reason=error))


class PartCount(Struct):
    """Size and SHA-256 of a part, both as stored and raw; sizes grow while it is packed or unpacked, digests are set at
    the end."""

    size_bytes: int = 0
    raw_bytes: int = 0
    sha256: str = ""
    raw_digest: RawDigest = RawDigest("xxh128", "")
    """Empty where the raw bytes were not hashed."""


async def packed(
    raw: AsyncIterator[bytes], packing: Packing, recipients: Sequence[str], counted: PartCount
) -> AsyncGenerator[bytes, None]:
    """Yield ``raw`` as it is stored: compressed with zstd level 2 with its content checksum, with gzip, or not at all;
    then encrypted with age if there are ``recipients`` (``age1…``). Raises what ``raw`` raises, NotReady for an invalid
    recipient."""
    before, after = xxhash.xxh3_128(), hashlib.sha256()

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
    counted.raw_digest, counted.sha256 = RawDigest("xxh128", before.hexdigest()), after.hexdigest()


async def unpacked(
    stored: AsyncIterator[bytes],
    packing: Packing,
    identity: str | None,
    counted: PartCount,
    *,
    limit_bytes: int | None,
    raw_hash: RawHash | None = "xxh128",
) -> AsyncGenerator[bytes, None]:
    """Yield the raw bytes in blocks of about 1 MiB. ``identity``: the age key of an encrypted part, else None. Where
    ``raw_hash`` is None, the digest of the raw bytes stays empty.

    Raises BrokenSet for what cannot be decoded, ends early, goes on after its end (a second gzip member, garbage), or
    is more than ``limit_bytes``; NotReady for a key that does not fit; and what ``stored`` raises. That zstd without
    encryption ends early or holds a second frame is seen by its digests alone (``verify.py``).
    """
    before = hashlib.sha256()
    after = hashlib.sha256() if raw_hash == "sha256" else xxhash.xxh3_128()

    def saw(block: bytes) -> None:
        before.update(block)
        counted.size_bytes += len(block)

    def opened(source: Readable, stack: ExitStack) -> Readable:
        if identity is not None:
            source = stack.enter_context(closing(decrypting(source, identity)))
        return decompressing(packing, source)

    async with aclosing(_through(stored, saw, opened, None if raw_hash is None else after.update)) as blocks:
        async for block in blocks:
            counted.raw_bytes += len(block)
            if limit_bytes is not None and counted.raw_bytes > limit_bytes:
                raise BrokenSet(tr("it unpacks to more than the allowed {limit} bytes",
                                   limit=limit_bytes))  # fmt: skip
            yield block
    counted.sha256 = before.hexdigest()
    if raw_hash is not None:
        counted.raw_digest = RawDigest(raw_hash, after.hexdigest())


async def _through(
    blocks: AsyncIterator[bytes],
    saw: Callable[[bytes], None],
    opened: Callable[[Readable, ExitStack], Readable],
    gave: Callable[[bytes], None] | None,
) -> AsyncGenerator[bytes, None]:
    """Yield ``blocks`` as transformed by the file that ``opened`` returns. One thread reads the next block while
    another passes the last one to ``gave``, if given, and the consumer works on it."""
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
    """Close the files and shut down the threads."""
    stack.close()
    threads.shutdown(cancel_futures=True)
