"""The head of an archive in pg_dump's custom format (pg_backup_archiver.c: WriteHead, WriteInt, WriteStr).

It tells where the archive is from. Nothing at its end tells that it is whole: that is proven by the digest of all of
it, and, of an archive that has none, by decoding it (``pg_restore -f /dev/null``).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from msgspec import Struct

from lilfox_tui.backup.errors import BrokenSet
from lilfox_tui.backup.postgresql.clients import Clients
from lilfox_tui.hosts.base import Host
from lilfox_tui.i18n import tr
from lilfox_tui.redact import redact
from lilfox_tui.text import clean

MAGIC = b"PGDMP"
_CUSTOM_FORMAT = 1
_HEAD_BYTES = 64 * 1024
_WITH_ALGORITHM = (1, 15)
"""From this version of the format on, compression is one byte instead of a number."""
_DATE_NUMBERS = 7


class CustomHead(Struct, frozen=True, kw_only=True):
    """What the head says."""

    format_version: tuple[int, int]
    """(1, 16) of PostgreSQL 17; an older pg_restore refuses a newer one."""
    database: str
    server_version: str
    dumped_by: str
    entries: int
    """Of its table of contents."""


class Cut(BrokenSet):
    """What was given ends before what is read."""


def read_head(data: bytes) -> CustomHead:
    """The head, which ``data`` begins with. Raises BrokenSet for anything else."""
    return read_archive_head(data)[1]


def read_archive_head(data: bytes) -> tuple[Archive, CustomHead]:
    """The head, and what reads on behind it. Raises BrokenSet for anything else, Cut where it ends."""
    if not data.startswith(MAGIC):
        raise BrokenSet(tr("it is no archive by pg_dump; it begins with {beginning}", beginning=_shown(data)))
    archive = Archive(data, len(MAGIC))
    major, minor, _revision = archive.byte(), archive.byte(), archive.byte()
    archive.version = (major, minor)
    archive.int_bytes, archive.offset_bytes = archive.byte(), archive.byte()
    if archive.byte() != _CUSTOM_FORMAT or not 1 <= archive.int_bytes <= 8:
        raise BrokenSet(tr("it is an archive by pg_dump, but not in the custom format"))
    if (major, minor) >= _WITH_ALGORITHM:
        archive.byte()
    else:
        archive.number()
    for _ in range(_DATE_NUMBERS):
        archive.number()
    database, server_version, dumped_by = archive.text(), archive.text(), archive.text()
    entries = archive.number()
    if entries <= 0:
        raise BrokenSet(tr("its table of contents is empty"))
    head = CustomHead(
        format_version=(major, minor),
        database=database,
        server_version=server_version.partition(" ")[0],
        dumped_by=dumped_by.partition(" ")[0],
        entries=entries,
    )
    return archive, head


class Archive:
    """Reads forward; raises Cut past the end."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at
        self.int_bytes = self.offset_bytes = 4
        self.version = (0, 0)

    def _take(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        if count < 0 or len(taken) < count:
            raise Cut(tr("it is cut in its head"))
        self._at += count
        return taken

    def byte(self) -> int:
        """One of them."""
        return self._take(1)[0]

    def number(self) -> int:
        """Its sign, then its bytes from the low end."""
        sign = self.byte()
        value = int.from_bytes(self._take(self.int_bytes), "little")
        return -value if sign else value

    def string(self) -> bytes | None:
        """Its length, then its bytes; None has a length below 0."""
        length = self.number()
        return None if length < 0 else self._take(length)

    def raw(self) -> bytes:
        """A string, empty where there is none."""
        return self.string() or b""

    def text(self) -> str:
        """A string as text."""
        return self.raw().decode("utf-8", "replace")

    def offset(self) -> None:
        """Where rows lie: not needed."""
        self._take(1 + self.offset_bytes)


async def read_custom(blocks: AsyncIterator[bytes]) -> CustomHead:
    """Reads all of it; gives what its head says. Raises BrokenSet."""
    head = b""
    async for block in blocks:
        if len(head) < _HEAD_BYTES:
            head += block[:_HEAD_BYTES]
    if not head:
        raise BrokenSet(tr("it is empty: the dump failed"))
    return read_head(head)


async def decode_custom(host: Host, clients: Clients, blocks: AsyncIterator[bytes]) -> CustomHead:
    """Reads all of it and has it decoded by the newest pg_restore of ``host``. Raises BrokenSet where that fails,
    HostError."""
    head = b""

    async def passed() -> AsyncGenerator[bytes, None]:
        nonlocal head
        async for block in blocks:
            head = head if len(head) >= _HEAD_BYTES else head + block[:_HEAD_BYTES]
            yield block

    argv = [clients.newest.path("pg_restore"), "-f", "/dev/null"]
    async with aclosing(passed()) as stream:
        done = await host.pour(argv, stream)
        async for _block in stream:
            """What it did not ask for counts for the digest."""
    found = read_head(head)
    if not done.ok:
        lines = [line for line in redact(done.stderr.decode("utf-8", "replace")).splitlines() if line.strip()]
        said = clean(lines[-1])[:300] if lines else ""
        raise BrokenSet(tr("pg_restore cannot decode it: {reason}", reason=said))
    return found


def _shown(data: bytes) -> str:
    return clean(data[:60].decode("utf-8", "replace"))
