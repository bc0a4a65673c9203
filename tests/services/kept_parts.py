"""Where a source puts its parts in a test: into memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

import zstandard

from lilfox_tui.backup.sets.model import PartKind
from lilfox_tui.backup.source import CompressedBlock, StoredPart
from lilfox_tui.core.i18n import Message


class KeptParts:
    """An :class:`~lilfox_tui.backup.source.PartSink`. ``on_block`` is called with each block before it is kept."""

    def __init__(self, *, manual: bool = False, on_block: Callable[[bytes], None] | None = None) -> None:
        self.manual = manual
        self.raw: dict[str, bytes] = {}
        self.kinds: dict[str, PartKind] = {}
        self.details: dict[str, dict[str, Any]] = {}
        self.notes: list[str] = []
        self._on_block = on_block

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
        got = []
        async for block in blocks:
            if self._on_block is not None:
                self._on_block(block)
            got.append(block)
        name = stem + suffix
        self.raw[name], self.kinds[name] = b"".join(got), kind
        return StoredPart(name, len(self.raw[name]), len(self.raw[name]))

    async def put_compressed(
        self,
        stem: str,
        suffix: str,
        kind: PartKind,
        blocks: AsyncIterator[CompressedBlock],
        *,
        total_bytes: int | None = None,
    ) -> StoredPart:
        got, raw_bytes = [], 0
        async for block in blocks:
            got.append(block.data)
            raw_bytes += block.raw_bytes
        with zstandard.ZstdDecompressor().stream_reader(b"".join(got), read_across_frames=True) as reader:
            raw = reader.read()
        assert len(raw) == raw_bytes

        async def whole() -> AsyncIterator[bytes]:
            yield raw

        return await self.put(stem, suffix, kind, whole(), total_bytes=total_bytes)

    async def put_there(self, *words: object, **more: object) -> None:
        """See :meth:`PartSink.put_there`: never."""

    def read_back(self, part: StoredPart) -> AsyncGenerator[bytes, None]:
        """See :meth:`PartSink.read_back`: what nobody asks for."""
        raise NotImplementedError(part.name)

    def describe(self, part: StoredPart, detail: dict[str, Any]) -> None:
        self.details[part.name] = detail

    def note(self, text: Message | str) -> None:
        self.notes.append(str(text))
