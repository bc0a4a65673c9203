"""Log files of this machine: read in threads, searched by rg or grep, and decompressed if necessary."""

from __future__ import annotations

import asyncio
import codecs
import errno
import glob
import gzip
import itertools
import os
import re
import shutil
import stat
import tempfile
import time
import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from functools import partial
from pathlib import Path
from typing import IO, ParamSpec, Protocol, TypeVar

import zstandard
from msgspec import Struct

from lilfox_tui.config.model import HostConfig
from lilfox_tui.core.aio import open_in_thread
from lilfox_tui.core.errors import HostError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.core.text import human_bytes
from lilfox_tui.hosts.base import Host, not_read
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.logs.files.log_file import (
    ByteFile,
    FileStat,
    SearchHits,
    file_moved,
    no_right,
    not_regular,
    nothing_there,
)
from lilfox_tui.logs.filter.needles import Needles
from lilfox_tui.logs.record import RAW_LIMIT

# The words that rg and grep are given for needles.


_FEW = 3
"""Up to so many needles are searched fastest with ``-i``."""
_LETTERS = 4
_MOST = 1000


def search_words(wanted: Needles) -> list[str]:
    """Return ``-e`` and a literal for each needle. Many case-insensitive needles are spelled out, because rg searches
    hundreds of literals three times as fast as thirty with ``-i``; of a long one only four letters and their neighbours
    are used, which finds more than necessary."""
    literals = wanted.any_of
    words = []
    if wanted.ignore_case:
        spelled = sorted({one for literal in literals for one in _spellings(literal)})
        if len(literals) > _FEW and len(spelled) <= _MOST:
            literals = tuple(spelled)
        else:
            words.append("-i")
    for literal in literals:
        words += ["-e", os.fsdecode(literal)]
    return words


def _spellings(literal: bytes) -> list[bytes]:
    """Return every upper and lower case spelling of a part of ``literal`` with at most four letters."""
    letters = [at for at, byte in enumerate(literal) if bytes((byte,)).isalpha()]
    if len(letters) > _LETTERS:
        ends_in_letter = letters[-1] == len(literal) - 1
        literal = literal[: letters[_LETTERS]] if ends_in_letter else literal[letters[-_LETTERS] :]
    each = [{bytes((byte,)).lower(), bytes((byte,)).upper()} for byte in literal]
    return [b"".join(one) for one in itertools.product(*each)]


# Searching a file of this machine: by rg, else grep, else block by block in a thread.
#
# Both programs read the open descriptor through ``/proc``, so a rename does not turn the search to another file. rg is
# kept from mapping the file: a mapped file that is truncated meanwhile kills its reader (SIGBUS).


BLOCK = 1024 * 1024
WHOLE_SHARE = 8
"""A part that is at least one in so many bytes of the file is found by searching all of it: a file is searched four
times as fast as a pipe."""
_RG = ("rg", "--no-config", "--no-mmap", "-abo", "-NI", "--no-heading", "--color=never", "--encoding=none", "-F")
_GREP = ("grep", "-abo", "-F")
_OFFSET = re.compile(rb"^(\d+):", re.MULTILINE)
_FOUND_OR_NOT = '"$@"; [ $? -le 1 ]'
_PART = 'file=$1 from=$2 length=$3; shift 3; tail -c "+$from" "$file" | head -c "$length" | "$@"; [ $? -le 1 ]'


async def search_locally(
    host: Host, descriptor: int, wanted: Needles, start: int, end: int
) -> AsyncGenerator[SearchHits, None]:
    """Yield the hits between ``start`` and ``end``, ascending. Raises LilFoxError if the search failed."""
    path = f"/proc/{os.getpid()}/fd/{descriptor}"
    program = await _program(host, wanted) if await asyncio.to_thread(Path(path).exists) else ()
    searched = (
        _natively(host, path, program, start, end, os.fstat(descriptor).st_size)
        if program
        else by_block(partial(_read, descriptor), wanted, start, end)
    )
    async with aclosing(searched) as found:
        async for offsets in found:
            yield SearchHits(offsets, {})


async def _program(host: Host, wanted: Needles) -> tuple[str, ...]:
    """Return the command of the fastest installed search program; empty if there is none, or if a needle cannot be an
    argument."""
    if any(b"\0" in needle for needle in wanted.any_of):
        return ()
    words = search_words(wanted)
    if shutil.which("rg") and all(_is_utf8(needle) for needle in wanted.any_of):
        return (*_RG, *words)
    return (*_GREP, *words) if shutil.which("grep") and await _grep_tells_offsets(host) else ()


async def _grep_tells_offsets(host: Host) -> bool:
    """Whether grep prints byte offsets; BusyBox's does not."""
    return (await host.run([*_GREP, "-e", "b"], stdin=b"a\nb\n")).stdout == b"2:b\n"


def _is_utf8(literal: bytes) -> bool:
    try:
        literal.decode()
    except UnicodeDecodeError:
        return False
    return True


async def _natively(
    host: Host, path: str, program: Sequence[str], start: int, end: int, size: int
) -> AsyncGenerator[list[int], None]:
    if (end - start) * WHOLE_SHARE >= size:
        argv, base = ["sh", "-c", _FOUND_OR_NOT, "sh", *program, path], 0
    else:
        over = RAW_LIMIT  # what begins before the end may go on behind it
        argv, base = ["sh", "-c", _PART, "sh", path, str(start + 1), str(end - start + over), *program], start
    rest = b""
    async with aclosing(host.stream(argv)) as blocks:
        async for block in blocks:
            whole = (rest + block).rpartition(b"\n")
            rest = whole[2]
            offsets = await asyncio.to_thread(_offsets, whole[0], base)
            if inside := _within(offsets, start, end):
                yield inside
            if offsets and offsets[-1] >= end:
                return


def _offsets(printed: bytes, base: int) -> list[int]:
    return [base + int(digits) for digits in _OFFSET.findall(printed)]


def _within(offsets: list[int], start: int, end: int) -> list[int]:
    if not offsets or (offsets[0] >= start and offsets[-1] < end):
        return offsets
    return [offset for offset in offsets if start <= offset < end]


async def _read(descriptor: int, offset: int, length: int) -> bytes:
    return await asyncio.to_thread(os.pread, descriptor, length, offset)


async def by_block(
    read: Callable[[int, int], Awaitable[bytes]], wanted: Needles, start: int, end: int
) -> AsyncGenerator[list[int], None]:
    """Yield the hits between ``start`` and ``end`` by reading everything in between, for machines without a search
    program."""
    literals = [literal.lower() if wanted.ignore_case else literal for literal in wanted.any_of]
    overlap = max(map(len, literals)) - 1
    while start < end:
        length = min(BLOCK, end - start)
        block = await read(start, length + overlap)
        offsets = await asyncio.to_thread(_find_all, block.lower() if wanted.ignore_case else block, literals)
        if inside := _within([start + at for at in offsets], start, start + length):
            yield inside
        start += length


def _find_all(block: bytes, literals: Sequence[bytes]) -> list[int]:
    found = set()
    for literal in literals:
        at = block.find(literal)
        while at >= 0:
            found.add(at)
            at = block.find(literal, at + len(literal))
    return sorted(found)


# Log files of this machine. Everything that touches a disk runs in a thread: a disk may hang.


P = ParamSpec("P")
T = TypeVar("T")


class LocalFile:
    """A file of this machine by its descriptor. See :class:`lilfox_tui.logs.files.log_file.ByteFile`."""

    COUNT_BYTES = 1024 * 1024
    NEAR_BYTES = 1024 * 1024
    STEP_BYTES = 1024 * 1024 * 1024
    WHOLE_SHARE = WHOLE_SHARE

    def __init__(self, host: Host, path: str, descriptor: int) -> None:
        self._host = host
        self._path = path
        self._descriptor = descriptor
        self._users = 0
        self._closed = False

    @property
    def descriptor(self) -> int:
        """The descriptor of the open file, for LilFox's own processes; valid until it is closed."""
        return self._descriptor

    async def size(self) -> int:
        """See :meth:`ByteFile.size`."""
        return (await self._in_thread(os.fstat, self._descriptor)).st_size

    async def read(self, offset: int, length: int) -> bytes:
        """See :meth:`ByteFile.read`."""
        return await self._in_thread(read_at, self._descriptor, offset, length)

    async def find(
        self,
        wanted: Needles,
        start: int,
        end: int,
        *,
        following: bool,  # noqa: ARG002  no texts are sent along: reading here costs nothing
    ) -> AsyncGenerator[SearchHits, None]:
        """See :meth:`ByteFile.find`."""
        if self._closed:
            raise file_moved(self._host.name, self._path)
        self._users += 1
        try:
            async with aclosing(search_locally(self._host, self._descriptor, wanted, start, end)) as found:
                async for hits in found:
                    yield hits
        finally:
            self._unused()

    async def count_lines(self, start: int, length: int) -> int | None:
        """See :meth:`ByteFile.count_lines`."""
        return await self._in_thread(_count_lines, self._descriptor, start, length)

    async def close(self) -> None:
        """See :meth:`ByteFile.close`."""
        if not self._closed:
            self._closed = True
            self._users += 1
            self._unused()

    async def _in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``work`` in a thread; the descriptor stays open until it has ended, even if the caller was cancelled."""
        if self._closed:
            raise file_moved(self._host.name, self._path)
        self._users += 1
        running = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
        running.add_done_callback(self._unused)
        try:
            return await asyncio.shield(running)
        except OSError as error:
            raise not_read(self._host.name, self._path, error.strerror or str(error)) from None

    def _unused(self, done: asyncio.Future[T] | None = None) -> None:
        if done is not None and not done.cancelled():
            done.exception()
        self._users -= 1
        if self._closed and not self._users:
            os.close(self._descriptor)


class LocalDisk:
    """The files of this machine. See :class:`lilfox_tui.logs.files.log_file.Disk`."""

    def __init__(self, host: Host) -> None:
        self.host = host

    async def look(self, patterns: Sequence[str]) -> list[FileStat]:
        """See :meth:`Disk.look`."""
        return await asyncio.to_thread(_look, patterns)

    async def why_not(self, path: str) -> HostError:
        """See :meth:`Disk.why_not`."""
        return await asyncio.to_thread(_why_not, self.host.name, path)

    async def open(self, seen: FileStat) -> LocalFile:
        """See :meth:`Disk.open`."""
        try:
            descriptor = await open_in_thread(partial(_open, seen), os.close)
        except FileNotFoundError:
            raise file_moved(self.host.name, seen.path) from None
        except OSError:
            raise await self.why_not(seen.path) from None
        return LocalFile(self.host, seen.path, descriptor)

    async def close(self) -> None:
        """See :meth:`Disk.close`."""


def read_at(descriptor: int, offset: int, length: int) -> bytes:
    """Read ``length`` bytes from ``offset``, fewer only at the end."""
    block = os.pread(descriptor, length, offset)
    if not block or len(block) == length:
        return block
    blocks = [block]
    while block and (length := length - len(block)):
        offset += len(block)
        block = os.pread(descriptor, length, offset)
        blocks.append(block)
    return b"".join(blocks)


def _count_lines(descriptor: int, start: int, length: int) -> int:
    found, end = 0, start + length
    while start < end and (block := os.pread(descriptor, min(BLOCK, end - start), start)):
        found += block.count(b"\n")
        start += len(block)
    return found


def _look(patterns: Sequence[str]) -> list[FileStat]:
    found: dict[tuple[int, int], FileStat] = {}
    for pattern in patterns:
        for path in glob.glob(pattern, include_hidden=True) if glob.has_magic(pattern) else [pattern]:  # noqa: PTH207
            with suppress(OSError):
                facts = os.stat(path)  # noqa: PTH116
                if stat.S_ISREG(facts.st_mode):
                    age_s = time.time() - facts.st_mtime
                    one = FileStat(path, facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime, age_s)
                    found.setdefault(one.key, one)
    return list(found.values())


def _open(seen: FileStat) -> int:
    # a FIFO that has taken the name meanwhile must not hold the thread
    descriptor = os.open(seen.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    facts = os.fstat(descriptor)
    if (facts.st_dev, facts.st_ino) != seen.key:
        os.close(descriptor)
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), seen.path)
    return descriptor


def _why_not(host: str, path: str) -> HostError:
    try:
        refused = not_regular(host, path, os.stat(path).st_mode)  # noqa: PTH116
        if refused is not None:
            return refused
        os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK))
    except FileNotFoundError:
        return nothing_there(host, path)
    except PermissionError:
        return no_right(host, path)
    except OSError as error:
        return not_read(host, path, error.strerror or str(error))
    return file_moved(host, path)


# Packed log files (gzip, zstd, xz, bzip2), told by their first bytes: unpacked as a stream into a temporary file that
# has no name, so that nothing of it stays. What is packed is untrusted: it is never unpacked to more than fits. UTF-16,
# as programs of Windows write it after a byte order mark, becomes UTF-8 the same way.


MAX_BYTES = 16 * 1024**3
_MAGIC = {b"\x1f\x8b\x08": "gz", b"\x28\xb5\x2f\xfd": "zst", b"\xfd7zXZ\x00": "xz", b"BZh": "bz2",
          b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}  # fmt: skip


class Unpacked(Struct):
    """A decompressed file; ``note`` says which part is missing and why."""

    file: LocalFile
    note: Message | None


class _Stream(Protocol):
    def read1(self, size: int, /) -> bytes: ...


class _Zstd:
    """Decompresses zstd frames. Its input is small so that its output stays small: 1 KiB becomes 32 MiB at most."""

    def __init__(self, packed: IO[bytes]) -> None:
        self._packed = packed
        self._unpacker = zstandard.ZstdDecompressor(max_window_size=2**27)
        self._frame = self._unpacker.decompressobj()
        self._rest = b""
        self._begun = False

    def read1(self, size: int) -> bytes:
        """Return some bytes, or none at the end. Raises EOFError for an incomplete frame, ZstdError."""
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


class _Utf16:
    """Decodes UTF-16; what is none becomes U+FFFD."""

    def __init__(self, packed: IO[bytes]) -> None:
        self._packed = packed
        self._decoder = codecs.getincrementaldecoder("utf-16")("replace")

    def read1(self, size: int) -> bytes:
        """Return some bytes of UTF-8, or none at the end."""
        text = ""
        while not text:
            block = self._packed.read(size)
            text = self._decoder.decode(block, final=not block)
            if not block:
                break
        return text.encode("utf-8", "replace")


def kind_of(sample: bytes) -> str:
    """Return the compression of a file with these first bytes, or "utf-16"; "" for none."""
    return next((kind for magic, kind in _MAGIC.items() if sample.startswith(magic)), "")


async def unpack(file: ByteFile, kind: str, path: str) -> Unpacked:
    """Decompress a file of ``kind``, from this machine or a host. Raises LilFoxError if it cannot be read."""
    with await _temporary() as packed, await _temporary() as plain:
        offset = 0
        while block := await file.read(offset, BLOCK):
            await asyncio.to_thread(packed.write, block)
            offset += len(block)
        note = await _in_thread_to_its_end(packed, plain, kind, path)
        descriptor = os.dup(plain.fileno())
    return Unpacked(LocalFile(LocalHost("local", HostConfig(local=True)), path, descriptor), note)


async def _in_thread_to_its_end(packed: IO[bytes], plain: IO[bytes], kind: str, path: str) -> Message | None:
    """Run in a thread; when cancelled, stop the thread before its files are closed."""
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
    free = shutil.disk_usage(_folder()).free // 2
    room = min(MAX_BYTES, free)
    try:
        stream = _opened(packed, kind)
        while not stopped.is_set() and (block := stream.read1(BLOCK)):
            plain.write(block[:room])
            room -= len(block)
            if room < 0:
                return _cut(path, human_bytes(plain.tell()), full=free < MAX_BYTES)
    except _broken(kind) as error:
        return tr(
            "{path} is damaged or incomplete; it was read as far as possible ({reason})", path=path, reason=str(error)
        )
    finally:
        plain.flush()
    return None


def _cut(path: str, size: str, *, full: bool) -> Message:
    if full:
        return tr("{path}: only the first {size} are decompressed (too little free disk space in {folder})",
                  path=path, size=size, folder=_folder())  # fmt: skip
    return tr("{path}: only the first {size} are decompressed (the limit for one file)", path=path, size=size)


def _opened(packed: IO[bytes], kind: str) -> _Stream:
    if kind == "gz":
        return gzip.GzipFile(fileobj=packed)
    if kind == "bz2":
        import bz2  # a Python may be built without it

        return bz2.BZ2File(packed)
    if kind == "xz":
        import lzma  # a Python may be built without it

        return lzma.LZMAFile(packed)
    return _Utf16(packed) if kind == "utf-16" else _Zstd(packed)


def _broken(kind: str) -> tuple[type[Exception], ...]:
    """Return the exceptions that reading a damaged file of that kind raises."""
    if kind == "zst":
        return EOFError, zstandard.ZstdError
    if kind == "xz":
        import lzma

        return EOFError, OSError, lzma.LZMAError
    return EOFError, OSError, zlib.error


async def _temporary() -> IO[bytes]:
    return await open_in_thread(
        lambda: tempfile.TemporaryFile(dir=_folder(), prefix="lilfox-"), lambda file: file.close()
    )


def _folder() -> str:
    """Return the folder for large temporary files (Filesystem Hierarchy Standard, 5.15): /tmp is often in memory."""
    given = os.environ.get("TMPDIR", "")
    return next((one for one in (given, "/var/tmp") if one and os.access(one, os.W_OK)), tempfile.gettempdir())  # noqa: S108
