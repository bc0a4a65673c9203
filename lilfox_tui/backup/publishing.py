"""Publishes a set into a store: the parts first, all renamed at once, the manifest last."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import msgspec
from msgspec import Struct

from lilfox_tui.backup.packing import PartCount, packed, unpacked
from lilfox_tui.backup.remote_dump import RemoteDump
from lilfox_tui.backup.sets.catalogue import read_manifest
from lilfox_tui.backup.sets.model import (
    BackupSet,
    Manifest,
    ManifestPart,
    Packing,
    PartKind,
    RawDigest,
    Sign,
    detail_json,
    encoded,
    unsigned,
)
from lilfox_tui.backup.sets.names import (
    MANIFEST,
    PROOF,
    UNFINISHED,
    file_name,
    manifest_name,
    proof_name,
    read_file_name,
    read_id,
)
from lilfox_tui.backup.source import CompressedBlock, DumpCommand, PartSink, RemotePart, StoredPart
from lilfox_tui.backup.store import BackupError, BackupStore, BrokenSet
from lilfox_tui.core.crash import phase
from lilfox_tui.core.errors import HostError, LilFoxError, UsageError
from lilfox_tui.core.i18n import Message, tr

# What runs left that did not come to their end, told from what is whole.
#
# A set's manifest lies there as ``SET.manifest.json.part`` before the first of its files gets its name, and again from
# before it loses its manifest until all of it is removed. So whoever finds it knows which files are of no set.


_MARK = MANIFEST + UNFINISHED
_TELL_NAMES = frozenset(("folder_bytes",))
"""Details that tell names of files: the manifest is not encrypted."""


async def mark(store: BackupStore, manifest: Manifest, sign: Sign = unsigned) -> None:
    """Write the unfinished manifest (``.part``) of a set that is not published yet or is being removed, so that its
    files belong to no set. Raises StoreError, HostError."""
    await store.write(manifest_name(manifest.id), _encoded(manifest, sign))


async def _encoded(manifest: Manifest, sign: Sign) -> AsyncGenerator[bytes, None]:
    yield encoded(manifest, sign)


async def remove_set(store: BackupStore, found: BackupSet) -> bool:
    """Remove a set; return whether the store keeps old versions of its files. The caller holds the store's lock; if
    interrupted, the next :func:`clear` completes the removal. Raises StoreError, HostError."""
    marker = manifest_name(found.id) + UNFINISHED
    if found.manifest is not None:
        await store.remove([marker])
        try:
            await mark(store, found.manifest)
        except LilFoxError:  # a full disk: it is removed all the same, that makes room
            await store.remove([marker])
    kept = await store.remove([manifest_name(found.id)])
    kept = await store.remove([*(part.name for part in found.parts), proof_name(found.id)]) or kept
    await store.remove([marker])
    return kept


async def clear(store: BackupStore) -> list[str]:
    """Remove leftovers of unfinished runs and return their names. The caller holds the store's lock, so nobody is
    writing them. Keeps files that a manifest names and all that LilFox did not write. Raises StoreError, HostError."""
    texts, entries = await store.look((_MARK,))
    names = {*texts, *(entry.name for entry in entries)}
    marks = [name for name in names if _marked_id(name) is not None]
    gone = [name for name in names if _is_part(name)]
    for name in marks:
        if name.removesuffix(UNFINISHED) not in names:
            gone += sorted(names & _files_of(name, texts.get(name)))
    await store.remove(sorted(set(gone)))
    await store.remove(marks)
    return sorted({*gone, *marks})


def _files_of(mark: str, raw: bytes | None) -> set[str]:
    """Return the files that an unfinished manifest names and that have its date; none if the manifest is truncated,
    because no file has its final name then."""
    described = read_manifest(mark.removesuffix(UNFINISHED), raw)
    if described is None or described.manifest is None:
        return set()
    return {*(part.name for part in described.parts), proof_name(described.id)}


def _marked_id(name: str) -> str | None:
    made = name.removesuffix(_MARK)
    return made if name.endswith(_MARK) and read_id(made) is not None else None


def _is_part(name: str) -> bool:
    """Return whether ``name`` is that of an unfinished part or an unfinished proof."""
    if name.endswith(PROOF + UNFINISHED):
        return read_id(name.removesuffix(PROOF + UNFINISHED)) is not None
    read = read_file_name(name)
    return read is not None and read.unfinished


# A set on its way into a store: parts first, all of them named at once, the manifest last.


Moved = Callable[[str, int, int | None], None]
"""Takes a part's name, the raw bytes done and about how many there will be."""
Say = Callable[[Message | str], None]


class SetHeader(Struct, frozen=True, kw_only=True):
    """The fields of :class:`Manifest` that are known before the dump."""

    id: str
    run: str
    plan: str
    created: datetime
    offset_s: int
    host: str
    tool: str
    tag: str = ""


class Publication:
    """Publishes one set into a store. Use it as an async context manager with the store's lock held; on exit it removes
    what was not published.

    ``manual`` asks for the manual's format; ``recipients`` (age) for encryption; ``moved`` is told progress, ``say``
    each note. ``there``: the store's host, where it can make parts by itself. ``sign`` signs the manifest.
    """

    def __init__(
        self,
        store: BackupStore,
        heading: SetHeader,
        *,
        manual: bool = False,
        recipients: Sequence[str] = (),
        moved: Moved | None = None,
        say: Say | None = None,
        there: RemoteDump | None = None,
        sign: Sign = unsigned,
    ) -> None:
        set_name = read_id(heading.id)
        if set_name is None:
            raise UsageError(tr("{id} is not a valid set name", id=heading.id))
        self.store = store
        self.there = there
        self.manual = manual
        self.stamp = set_name.stamp
        self.recipients = tuple(recipients)
        self.parts: dict[str, ManifestPart] = {}
        """Those that lie in the store as ``NAME.part``, by name."""
        self.begun: dict[str, str] = {}
        """Name → source of what is being written."""
        self._notes: list[tuple[str, str]] = []
        self._moved = moved
        self._heading = heading
        self._say = say
        self._published: list[str] = []
        self._sign = sign

    async def __aenter__(self) -> Publication:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        left = [*(name + UNFINISHED for name in (*self.parts, *self.begun)), *self._published]
        self.parts, self.begun, self._published = {}, {}, []
        if left:
            with suppress(LilFoxError):  # what ended it is told; without a manifest none of it counts
                await self.store.remove(left)

    def of(self, source: str, kind: str) -> PartSink:
        """Return the sink for a source, given its name in the plan and its kind."""
        return _FromSource(self, source, kind)

    async def drop(self, source: str) -> None:
        """Remove the parts that a source has stored so far, before a retry or to publish the set without the source."""
        gone = [name for name, part in self.parts.items() if part.source == source]
        gone += [name for name, begun in self.begun.items() if begun == source]
        self._notes = [(of, text) for of, text in self._notes if of != source]
        if gone:
            await self.store.remove([name + UNFINISHED for name in gone])
        for name in gone:
            self.parts.pop(name, None)
            self.begun.pop(name, None)

    def note(self, source: str, text: Message | str) -> None:
        """See :meth:`PartSink.note`."""
        self._notes.append((source, str(text)))
        if self._say is not None:
            self._say(text)

    def moved(self, part: str, done_bytes: int, total_bytes: int | None) -> None:
        """Report progress."""
        if self._moved is not None:
            self._moved(part, done_bytes, total_bytes)

    def empty(self, sources: Iterable[str]) -> list[str]:
        """Return those of ``sources`` that have stored no part."""
        given = {part.source for part in self.parts.values()}
        return [source for source in sources if source not in given]

    async def publish(self, *, missing: Mapping[str, str] | None = None) -> Manifest:
        """Rename all parts at once, then write the manifest. ``missing`` maps sources without parts to the reason.
        Raises StoreError, HostError; the set is then removed if the store still responds."""
        if not self.parts:
            raise BackupError(tr("{set} would be empty: no source produced any data", set=self._heading.id))
        names = list(self.parts)
        manifest = Manifest(
            **msgspec.structs.asdict(self._heading),
            finished=max(datetime.now(UTC), self._heading.created),  # the clock may have been put back meanwhile
            sources=_sources(self.parts.values(), missing or {}),
            parts=tuple(self.parts.values()),
            missing=dict(missing or {}),
            notes=tuple(text for _source, text in self._notes),
        )
        last = manifest_name(manifest.id)
        self._published = [last + UNFINISHED]
        await mark(self.store, manifest, self._sign)
        phase("rename")
        try:
            await self.store.publish(names)
        except HostError:  # they may have their names all the same: by the mark the next run knows
            self._published = []
            raise
        self.parts = {}
        self._published = [last, last + UNFINISHED, *names]  # also when only the answer to its rename was lost
        phase("manifest")
        await self.store.publish([last])
        self._published = []
        return manifest


def _sources(parts: Iterable[ManifestPart], missing: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Map every source of the plan to the names of its parts."""
    named: dict[str, tuple[str, ...]] = dict.fromkeys(missing, ())
    for part in parts:
        named[part.source] = (*named.get(part.source, ()), part.name)
    return named


class _FromSource:
    """A ``PartSink`` for one source of the plan."""

    def __init__(self, publication: Publication, source: str, kind: str) -> None:
        self.manual = publication.manual
        self._publication = publication
        self._source = source
        self._kind = kind

    async def put(
        self,
        stem: str,
        suffix: str,
        kind: PartKind,
        blocks: AsyncIterator[bytes],
        *,
        total_bytes: int | None = None,
        packed: bool = True,
    ) -> StoredPart:
        """See :meth:`PartSink.put`."""
        packing: Packing = "none" if not packed else "gzip" if self.manual else "zstd"
        name = self._name(stem, suffix, kind, packing)
        counted = PartCount()
        self._publication.begun[name] = self._source
        await self._write(name, packing, counted, blocks, total_bytes)
        return self._put(name, kind, packing, counted)

    async def put_compressed(
        self,
        stem: str,
        suffix: str,
        kind: PartKind,
        blocks: AsyncIterator[CompressedBlock],
        *,
        total_bytes: int | None = None,
    ) -> StoredPart:
        """See :meth:`PartSink.put_compressed`."""
        name = self._name(stem, suffix, kind, "zstd")
        stored, raw_bytes = PartCount(), 0

        async def data() -> AsyncGenerator[bytes, None]:
            nonlocal raw_bytes
            async for block in blocks:
                raw_bytes += block.raw_bytes
                if block.data:
                    yield block.data

        self._publication.begun[name] = self._source
        await self._write(name, "none", stored, data(), total_bytes, lambda: raw_bytes)
        return self._put(name, kind, "zstd", PartCount(stored.size_bytes, raw_bytes, stored.sha256))

    def _put(self, name: str, kind: PartKind, packing: Packing, counted: PartCount) -> StoredPart:
        """Register a part that is stored completely."""
        del self._publication.begun[name]
        hashed, digest = counted.raw_digest
        self._publication.parts[name] = ManifestPart(
            name=name,
            source=self._source,
            source_kind=self._kind,
            kind=kind,
            packing=packing,
            encrypted=bool(self._publication.recipients),
            size_bytes=counted.size_bytes,
            sha256=counted.sha256,
            raw_bytes=counted.raw_bytes,
            raw_sha256=digest if hashed == "sha256" else "",
            raw_xxh128=digest if hashed == "xxh128" else "",
        )
        return StoredPart(name, counted.size_bytes, counted.raw_bytes)

    async def put_there(
        self,
        stem: str,
        suffix: str,
        kind: PartKind,
        command: DumpCommand,
        *,
        began: Callable[[], None] = lambda: None,
    ) -> RemotePart | None:
        """See :meth:`PartSink.put_there`."""
        publication = self._publication
        packing: Packing = "gzip" if self.manual else "zstd"
        there = publication.there
        if there is None or publication.recipients or not await there.takes(command, packing):
            return None
        name = self._name(stem, suffix, kind, packing)
        publication.begun[name] = self._source

        def moved(size_bytes: int) -> None:
            if size_bytes:
                began()
            publication.moved(name, size_bytes, None)

        made = await there.make(name, packing, command, moved)
        if made is None:
            del publication.begun[name]
            return None
        publication.moved(name, made.size_bytes, made.size_bytes)
        part = self._put(
            name,
            kind,
            packing,
            PartCount(made.size_bytes, made.raw_bytes, made.sha256, RawDigest("sha256", made.raw_sha256)),
        )
        return RemotePart(part, made.status, made.said, made.end)

    async def read_back(self, part: StoredPart) -> AsyncGenerator[bytes, None]:
        """See :meth:`PartSink.read_back`."""
        said = self._publication.parts[part.name]
        counted = PartCount()
        async with (
            aclosing(self._publication.store.read(part.name + UNFINISHED)) as stored,
            aclosing(
                unpacked(stored, said.packing, None, counted, limit_bytes=said.raw_bytes, raw_hash=said.raw_digest.kind)
            ) as blocks,
        ):
            async for block in blocks:
                self._publication.moved(part.name, counted.raw_bytes, said.raw_bytes)
                yield block
        if (counted.sha256, counted.raw_digest) != (said.sha256, said.raw_digest):
            raise BrokenSet(
                tr("{part}: the data read back differs from what was written", part=part.name),
                tr("Check the store's disk. None of this data was kept."),
            )

    def describe(self, part: StoredPart, detail: dict[str, Any]) -> None:
        """See :meth:`PartSink.describe`. What tells names inside an encrypted part is left out."""
        parts = self._publication.parts
        if self._publication.recipients:
            detail = {key: value for key, value in detail.items() if key not in _TELL_NAMES}
        parts[part.name] = msgspec.structs.replace(parts[part.name], detail_json=detail_json(detail))

    def note(self, text: Message | str) -> None:
        """See :meth:`PartSink.note`."""
        self._publication.note(self._source, text)

    def _name(self, stem: str, suffix: str, kind: PartKind, packing: Packing) -> str:
        folder = "postgresql" if self.manual and kind.startswith("postgresql") else ""
        encrypted = bool(self._publication.recipients)
        try:
            name = file_name(
                stem, suffix, self._publication.stamp, packing=packing, encrypted=encrypted, folder=folder
            )  # fmt: skip
        except ValueError:
            raise BackupError(
                tr("{stem} cannot be used as a file name: too long, or empty", stem=stem), tr("Rename the source.")
            ) from None
        if name in self._publication.parts or name in self._publication.begun:
            raise BackupError(
                tr("two sources of the plan would both write to {part}", part=name),
                tr("Rename one of them, or put them into separate plans."),
            )
        return name

    async def _write(
        self,
        name: str,
        packing: Packing,
        counted: PartCount,
        blocks: AsyncIterator[bytes],
        total_bytes: int | None,
        raw_bytes: Callable[[], int] | None = None,
    ) -> None:
        """Write a part. ``raw_bytes`` returns how many there were so far, where ``blocks`` are compressed already."""
        publication = self._publication
        done = raw_bytes or (lambda: counted.raw_bytes)

        async def told(stored: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
            async for block in stored:
                publication.moved(name, done(), total_bytes)
                yield block
            phase("hash")

        async with aclosing(packed(blocks, packing, publication.recipients, counted)) as stored:
            written = await publication.store.write(name, told(stored))
        publication.moved(name, done(), done())
        if written != counted.size_bytes:
            await publication.store.remove([name + UNFINISHED])
            raise BackupError(tr("{part}: only {written} of {size} bytes were written", part=name, written=written,
                                 size=counted.size_bytes))  # fmt: skip
