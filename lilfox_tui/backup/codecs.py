"""Compression and age as files that are read: each takes its bytes from another one. For threads."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Sequence
from typing import IO, Any, Protocol, cast

from lilfox_tui.backup.errors import BrokenSet, NotReady
from lilfox_tui.backup.inlet import BLOCK
from lilfox_tui.backup.manifest import Packing
from lilfox_tui.i18n import tr

ZSTD_LEVEL = 2
"""Not larger than gzip's level 6 for dumps and source texts; level 3 is another algorithm and takes twice the time."""
WINDOW_BYTES = 8 * 1024 * 1024
"""What level 2 may ask of who decodes it (RFC 8878, 3.1.1.1.2); a frame that asks for more is not ours."""
_GZIP = 16 + zlib.MAX_WBITS
_KEY = "AGE-SECRET-KEY-1"


class Readable(Protocol):
    """The reading side of a file."""

    def read(self, size: int = -1, /) -> bytes:
        """Up to ``size`` bytes; empty at the end."""
        ...


def compressing(packing: Packing, source: Readable) -> Readable:
    """``source`` compressed."""
    if packing == "zstd":
        import zstandard

        compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True)
        return compressor.stream_reader(cast("IO[bytes]", source), read_size=BLOCK)
    return _Deflating(source) if packing == "gzip" else source


def decompressing(packing: Packing, source: Readable) -> Readable:
    """``source`` uncompressed; reading raises BrokenSet. Of zstd an early end and a second frame are not noticed."""
    if packing == "zstd":
        return _Unzstd(source)
    return _Inflating(source) if packing == "gzip" else source


class _Unzstd:
    def __init__(self, source: Readable) -> None:
        import zstandard

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
    """One gzip member and nothing after it: what follows was written by a second run, or is garbage."""

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
                    raise BrokenSet(tr("it ends in the middle") if self._begun else tr("it is empty"))
                self._begun = True
                if made := self._inflate.decompress(block, BLOCK if size < 0 else size):
                    return made
        except zlib.error as error:
            raise _undecodable("gzip", error) from None
        if self._inflate.unused_data or self._source.read(1):
            raise BrokenSet(tr("it goes on after its end: a second gzip stream, or garbage"))
        return b""


class Crypt:
    """What ``work`` writes while it reads ``source``, in a thread of its own: age's library writes where others read.

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
        """Keeps the first error."""
        self._error = self._error or error

    def write(self, data: bytes) -> int:
        """For the thread: waits while too much is held."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._held) < BLOCK or self._left)
            if self._left:
                raise BrokenPipeError
            self._held += data
            if len(self._held) >= BLOCK:
                self._changed.notify_all()
        return len(data)

    def flush(self) -> None:
        """Nothing to do."""

    def read(self, size: int = -1, /) -> bytes:
        """About a block, or what there is before the end."""
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
        """Nobody reads on: waits for the thread, which ends when it wants to write, or as its source has ended."""
        with self._changed:
            self._left = True
            self._changed.notify_all()
        self._thread.join()


class _Remembering:
    """age's library loses what its source raises."""

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
    """``source`` encrypted with age. Raises NotReady for a recipient that is none."""
    import pyrage

    try:
        keys = [pyrage.x25519.Recipient.from_str(each) for each in recipients]
    except pyrage.RecipientError as error:
        raise NotReady(tr("a recipient of the encryption is no age key: {reason}", reason=error)) from None
    return Crypt(source, lambda reader, writer: pyrage.encrypt_io(reader, writer, keys))


def decrypting(source: Readable, identity: str) -> Crypt:
    """``source`` decrypted with age; ``identity`` is the key, or a file as age-keygen writes it. Reading raises
    BrokenSet, and NotReady for a key that does not open it."""
    import pyrage

    keys = [line for line in identity.splitlines() if line.startswith(_KEY)]
    try:
        key = pyrage.x25519.Identity.from_str(keys[0].strip() if keys else identity.strip())
    except pyrage.IdentityError:
        raise NotReady(tr("the key for decryption is no age key"), tr("It begins with {start}.", start=_KEY)) from None

    def work(reader: Readable, writer: Crypt) -> None:
        try:
            pyrage.decrypt_io(reader, writer, [key])
        except pyrage.DecryptError as error:
            if "No matching keys" in str(error):
                raise NotReady(tr("the key does not open it: it was encrypted for another one")) from None
            raise _undecodable("age", error) from None
        except OSError as error:
            raise _undecodable("age", error) from None

    return Crypt(source, work)


def _undecodable(what: str, error: Exception) -> BrokenSet:
    return BrokenSet(tr("it cannot be decoded ({what}): {reason}", what=what, reason=error))
