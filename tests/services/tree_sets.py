"""Sets of files in the making and in use, without a store: parts are files of a folder, as they came from their
source."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import tarfile
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import structs

from lilfox_tui.backup.plan import RestoreSpec
from lilfox_tui.backup.restores.restore import BlocksOf
from lilfox_tui.backup.sets.model import BackupSet, FoundPart, ManifestPart, PartKind, Status, detail_json
from lilfox_tui.backup.source import BackupSource, RestoreTarget, RestoreTask, StoredPart
from lilfox_tui.core.i18n import Message

BLOCK = 256 * 1024


class StoredTree:
    """An ``PartSink``, and what reads its parts again."""

    def __init__(self, folder: Path, kind: str = "files") -> None:
        self.manual = False
        self.folder = folder
        self.source_kind = kind
        self.parts: dict[str, ManifestPart] = {}
        self.notes: list[str] = []
        self.created = datetime.now(UTC)
        folder.mkdir(exist_ok=True)

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
        name = f"{stem}_20231230_020000{suffix}"
        digest = hashlib.sha256()
        size = 0
        with (self.folder / name).open("wb") as file:
            async for block in blocks:
                file.write(block)
                digest.update(block)
                size += len(block)
        self.parts[name] = ManifestPart(
            name=name, source="s", source_kind=self.source_kind, kind=kind, size_bytes=size, sha256=digest.hexdigest(),
            raw_bytes=size, raw_sha256=digest.hexdigest(),
        )  # fmt: skip
        return StoredPart(name, size, size)

    async def put_compressed(self, *words: object, **more: object) -> StoredPart:
        """See :meth:`PartSink.put_compressed`: not what files are."""
        raise NotImplementedError

    async def put_there(self, *words: object, **more: object) -> None:
        """See :meth:`PartSink.put_there`: never."""

    def read_back(self, part: StoredPart) -> AsyncGenerator[bytes, None]:
        """See :meth:`PartSink.read_back`: what nobody asks for."""
        raise NotImplementedError(part.name)

    def describe(self, part: StoredPart, detail: dict[str, Any]) -> None:
        """See :meth:`PartSink.describe`."""
        self.parts[part.name] = structs.replace(self.parts[part.name], detail_json=detail_json(detail))

    def note(self, text: Message | str) -> None:
        """See :meth:`PartSink.note`."""
        self.notes.append(str(text))

    def old(self, name: str, data: bytes, kind: PartKind = "files") -> None:
        """Puts a part that no manifest tells of."""
        (self.folder / name).write_bytes(data)
        self.parts[name] = ManifestPart(
            name=name, source="s", source_kind=self.source_kind, kind=kind, size_bytes=0, sha256="0" * 64,
            raw_bytes=0, raw_sha256="0" * 64,
        )  # fmt: skip

    async def blocks(self, part: FoundPart) -> AsyncGenerator[bytes, None]:
        """A part's bytes."""
        with (self.folder / part.name).open("rb") as file:
            while block := await asyncio.to_thread(file.read, BLOCK):
                yield block

    def task(
        self,
        *,
        only: str = "",
        place: str = "",
        scratch: bool = False,
        blocks: BlocksOf | None = None,
    ) -> RestoreTask:
        """All parts, to where they were; those of :meth:`old` without a word of a manifest."""
        parts = tuple(
            FoundPart(
                name=part.name, source="s", source_kind=self.source_kind, kind=part.kind, size_bytes=part.size_bytes,
                said=part if part.raw_bytes else None,
            )
            for part in self.parts.values()
        )  # fmt: skip
        found = BackupSet(id="s_20231230_020000", created=self.created, status=Status.INTACT, parts=parts)
        spec = RestoreSpec(only=only, places={"s": place} if place else {})
        return RestoreTask(source="s", set=found, blocks=blocks or self.blocks, spec=spec, scratch=scratch)


async def dumped(source: BackupSource, folder: Path, kind: str = "files") -> StoredTree:
    """What ``source`` puts; its checks must let it."""
    bad = [check for check in await source.checks() if check.state == "bad"]
    assert not bad, bad
    stored = StoredTree(folder, kind)
    await source.dump(stored)
    return stored


async def staged(target: RestoreTarget) -> None:
    """``target`` checked, staged and found equal."""
    bad = [(str(check.found), str(check.hint)) for check in await target.checks() if check.state == "bad"]
    assert not bad, bad
    done: list[int] = []
    await target.stage(done.append)
    assert done == sorted(done)
    comparison = await target.compare()
    assert comparison.differences == ()


async def restored(target: RestoreTarget) -> None:
    """``target`` staged, and swapped in."""
    await staged(target)
    await target.swap()


async def refused(target: RestoreTarget) -> str:
    """What the checks say that forbid to begin; they are there."""
    bad = [str(check.found) for check in await target.checks() if check.state == "bad"]
    await target.discard()
    assert bad
    return "; ".join(bad)


def snapshot(folder: Path) -> dict[bytes, tuple[object, ...]]:
    """All that is below ``folder``: kind and mode, size, time, owner, content or where a link leads."""
    found: dict[bytes, tuple[object, ...]] = {}
    for at, folders, files in os.walk(os.fsencode(folder)):
        for path in [at, *(os.path.join(at, name) for name in (*folders, *files))]:
            state = os.lstat(path)
            content: object = b""
            if os.path.islink(path):
                content = os.readlink(path)
            elif os.path.isfile(path):
                with open(path, "rb") as file:
                    content = hashlib.sha256(file.read()).digest()
            time_ns = 0 if os.path.isdir(path) or os.path.islink(path) else state.st_mtime_ns
            size = 0 if os.path.isdir(path) else state.st_size
            found[os.path.relpath(path, os.fsencode(folder))] = (
                state.st_mode, size, time_ns, state.st_uid, state.st_gid, content,
            )  # fmt: skip
    return found


def tar_of(*members: tuple[str, dict[str, Any]], form: int = tarfile.GNU_FORMAT) -> bytes:
    """An archive of members by name and the fields of their TarInfo; ``content`` is a file's."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=form) as tar:
        for name, fields in members:
            entry = tarfile.TarInfo(name)
            content = fields.get("content", b"")
            entry.mode, entry.mtime, entry.size = 0o644, 1_700_000_000, len(content)
            for key, value in fields.items():
                if key != "content":
                    setattr(entry, key, value)
            tar.addfile(entry, io.BytesIO(content))
    return made.getvalue()
