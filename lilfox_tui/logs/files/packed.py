"""Packed log files (gzip, zstd, xz, bzip2), told by their first bytes: unpacked as a stream into a temporary file that
has no name, so that nothing of it stays. What is packed is untrusted: it is never unpacked to more than fits."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from typing import IO, Protocol

from msgspec import Struct

from lilfox_tui.config.model import HostConfig
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.i18n import Message, tr
from lilfox_tui.logs.files.disk import ByteFile
from lilfox_tui.logs.files.local import LocalFile
from lilfox_tui.text import human_bytes

MAX_BYTES = 16 * 1024**3
BLOCK = 1024 * 1024
_MAGIC = {b"\x1f\x8b\x08": "gz", b"\x28\xb5\x2f\xfd": "zst", b"\xfd7zXZ\x00": "xz", b"BZh": "bz2"}


class Unpacked(Struct):
    """The file with what was packed; ``note`` says what of it is missing, and why."""

    file: LocalFile
    note: Message | None


class _Stream(Protocol):
    def read1(self, size: int, /) -> bytes: ...


class _Zstd:
    """Frames of zstd. They are fed by so little that what comes of it stays small: 1 KiB becomes 32 MiB at most."""

    def __init__(self, packed: IO[bytes]) -> None:
        import zstandard

        self._packed = packed
        self._unpacker = zstandard.ZstdDecompressor(max_window_size=2**27)
        self._frame = self._unpacker.decompressobj()
        self._rest = b""
        self._begun = False

    def read1(self, size: int) -> bytes:
        """Something, or nothing at the end. Raises EOFError for a frame that is not whole, ZstdError."""
        plain = b""
        while not plain:
            packed = self._rest or self._packed.read(min(size, 1024))
            if not packed and not self._frame.eof and self._begun:
                raise EOFError("the last frame is not whole")
            if not packed:
                return b""
            if self._frame.eof:
                self._frame = self._unpacker.decompressobj()
            plain = self._frame.decompress(packed)
            self._begun = True
            self._rest = self._frame.unused_data if self._frame.eof else b""
        return plain


def kind_of(sample: bytes) -> str:
    """How a file with these first bytes is packed; "" when it is not."""
    return next((kind for magic, kind in _MAGIC.items() if sample.startswith(magic)), "")


async def unpack(file: ByteFile, kind: str, path: str) -> Unpacked:
    """All of a file packed as ``kind``, from here or a host. Raises LilFoxError when it cannot be read."""
    with await asyncio.to_thread(_temporary) as packed, await asyncio.to_thread(_temporary) as plain:
        offset = 0
        while block := await file.read(offset, BLOCK):
            await asyncio.to_thread(packed.write, block)
            offset += len(block)
        note = await _in_thread_to_its_end(packed, plain, kind, path)
        descriptor = os.dup(plain.fileno())
    return Unpacked(LocalFile(LocalHost("local", HostConfig(local=True)), path, descriptor), note)


async def _in_thread_to_its_end(packed: IO[bytes], plain: IO[bytes], kind: str, path: str) -> Message | None:
    """When cancelled, stops the thread before the files are closed under it."""
    stopped = asyncio.Event()
    running = asyncio.create_task(asyncio.to_thread(_unpack, packed, plain, kind, path, stopped))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        stopped.set()
        await asyncio.wait([running])
        raise


def _unpack(packed: IO[bytes], plain: IO[bytes], kind: str, path: str, stopped: asyncio.Event) -> Message | None:
    packed.seek(0)
    room = min(MAX_BYTES, shutil.disk_usage(_folder()).free // 2)
    try:
        stream = _opened(packed, kind)
        while not stopped.is_set() and (block := stream.read1(BLOCK)):
            plain.write(block[:room])
            room -= len(block)
            if room < 0:
                size = human_bytes(plain.tell())
                return tr("{path}: only the first {size} are unpacked, for want of space", path=path, size=size)
    except _broken(kind) as error:
        return tr("{path}: damaged or not whole, read as far as it goes ({reason})", path=path, reason=str(error))
    finally:
        plain.flush()
    return None


def _opened(packed: IO[bytes], kind: str) -> _Stream:
    if kind == "gz":
        import gzip

        return gzip.GzipFile(fileobj=packed)
    if kind == "bz2":
        import bz2

        return bz2.BZ2File(packed)
    if kind == "xz":
        import lzma

        return lzma.LZMAFile(packed)
    return _Zstd(packed)


def _broken(kind: str) -> tuple[type[Exception], ...]:
    """What reading a damaged file of that kind raises."""
    if kind == "zst":
        import zstandard

        return EOFError, zstandard.ZstdError
    import lzma
    import zlib

    return EOFError, OSError, zlib.error, lzma.LZMAError


def _temporary() -> IO[bytes]:
    return tempfile.TemporaryFile(dir=_folder(), prefix="lilfox-")


def _folder() -> str:
    """Where large temporary files belong (Filesystem Hierarchy Standard, 5.15): /tmp is often in memory."""
    given = os.environ.get("TMPDIR", "")
    return next((one for one in (given, "/var/tmp") if one and os.access(one, os.W_OK)), tempfile.gettempdir())  # noqa: S108
