"""Filters an archive's stream: every member is judged, indexed, counted and written anew for the next tar."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any, Protocol

from msgspec.structs import replace

from lilfox_tui.backup.errors import BrokenSet
from lilfox_tui.backup.files.index import Index, Side
from lilfox_tui.backup.files.safe_members import SafeMembers, leads_out
from lilfox_tui.backup.files.tar import BLOCK, END, MemberContent, TarMember, TarReader, header
from lilfox_tui.backup.sets.model import FoundPart
from lilfox_tui.backup.source import PartContent as source_Content
from lilfox_tui.i18n import listed, tr
from lilfox_tui.text import clean, human_bytes

_PAGE = 4096
_NOTHING = bytes(_PAGE)
MOST_BYTES = 2**62
"""Of all files of an archive, holes included: no more can be counted."""


class ContentDigest:
    """SHA-256 of a file's content as it reads, whether zeros in it are written or holes: of what stands in each page
    without the zeros around it, and of where. So a hole costs nothing, however large it is."""

    def __init__(self, member: TarMember) -> None:
        self._digest = hashlib.sha256()
        self._regions = iter(member.regions if member.sparse_map else ((0, member.size),))
        self._size = member.size
        self._at = self._left = 0
        self._page, self._held = 0, bytearray()

    def update(self, data: memoryview) -> None:
        """The next bytes that the archive has."""
        while data:
            if not self._left:
                self._at, self._left = next(self._regions)
                continue
            inside = self._at % _PAGE
            part = data[: min(self._left, _PAGE - inside)]
            if self._at // _PAGE != self._page or len(part) == _PAGE:
                self._end_page()
                self._page = self._at // _PAGE
            self._held += _NOTHING[: inside - len(self._held)]
            self._held += part
            self._at, self._left = self._at + len(part), self._left - len(part)
            data = data[len(part) :]

    def digest(self) -> bytes:
        """Once all was given."""
        self._end_page()
        self._digest.update(self._size.to_bytes(8, "big"))
        return self._digest.digest()

    def _end_page(self) -> None:
        held, self._held = self._held, bytearray()
        if not held or held == _NOTHING[: len(held)]:
            return
        text = held.lstrip(b"\0") if not held[0] else held
        begins = self._page * _PAGE + len(held) - len(text)
        if not text[-1]:
            text = text.rstrip(b"\0")
        self._digest.update(begins.to_bytes(8, "big") + len(text).to_bytes(2, "big"))
        self._digest.update(text)


class MemberJudge(Protocol):
    """Whether a member is passed on, and as what; raises BrokenSet for one that must not be there."""

    def judged(self, member: TarMember) -> TarMember | None: ...


class TarFilter:
    """Takes an archive in blocks, gives it as it may be written.

    ``index`` gets its members under ``side`` (None: not again). ``rename`` gives a member as it is written, None for
    one that is not (None: nothing is written). More than ``most`` bytes of content raise BrokenSet, as do more than can
    be counted.
    """

    def __init__(
        self,
        judge: MemberJudge,
        *,
        index: Index | None = None,
        side: Side = "archive",
        rename: Callable[[TarMember], TarMember | None] | None = None,
        most: int | None = None,
    ) -> None:
        self._reader = TarReader()
        self._judge, self._index, self._side = judge, index, side
        self._rename, self._most = rename, MOST_BYTES if most is None else most
        self._member: TarMember | None = None
        self._passed = False
        self._digest: ContentDigest | None = None
        self._seen = hashlib.sha256() if index is not None or most is not None else None
        self.bytes = 0

    def take(self, block: bytes) -> bytes:
        """What of the archive to write is complete with ``block``. Raises BrokenSet."""
        if self._seen is not None:
            self._seen.update(block)
        out: list[bytes | memoryview] = []
        for piece in self._reader.feed(block):
            if isinstance(piece, MemberContent):
                self._content(piece, out)
            else:
                self._begin(piece, out)
        return b"".join(out)

    def finish(self) -> bytes:
        """The end of the archive to write. Raises BrokenSet when what came is not whole."""
        self._reader.finish()
        return END if self._rename is not None else b""

    def digest(self) -> bytes:
        """SHA-256 of all that came, where it is indexed or bounded."""
        return self._seen.digest() if self._seen is not None else b""

    def _begin(self, found: TarMember, out: list[bytes | memoryview]) -> None:
        self._member = member = self._judge.judged(found)
        if member is None:
            return
        self.bytes += member.size
        if self.bytes > self._most:
            raise BrokenSet(
                tr("the archive holds more than {bytes}, of which nothing was said", bytes=human_bytes(self._most)),
                tr("nothing was changed; choose another set"),
            )
        written = self._rename(member) if self._rename is not None else None
        self._passed = written is not None
        if written is not None:
            out.append(header(written))
        self._digest = ContentDigest(member) if self._index is not None and member.kind == "file" else None
        if not member.stored:
            self._end(member)

    def _content(self, piece: MemberContent, out: list[bytes | memoryview]) -> None:
        member = self._member
        if member is None:
            return
        if self._digest is not None:
            self._digest.update(piece.data)
        if self._passed:
            out.append(piece.data)
            if piece.last:
                out.append(bytes(-member.stored % BLOCK))
        if piece.last:
            self._end(member)

    def _end(self, member: TarMember) -> None:
        if self._index is not None:
            self._index.add(self._side, member, self._digest.digest() if self._digest else b"")


def put_below(member: TarMember, folder: bytes) -> TarMember:
    """``member`` with its names below ``folder``, which may be empty."""
    name = b"/".join(part for part in (folder, member.name) if part) or b"."
    target = folder + b"/" + member.target if member.kind == "hard link" and folder else member.target
    return replace(member, name=name, target=target)


async def filtered(blocks: AsyncIterator[bytes], sieve: TarFilter) -> AsyncGenerator[bytes, None]:
    """The archive that ``blocks`` gives, as ``sieve`` lets it pass. Raises BrokenSet, and what ``blocks`` raises."""
    async for block in blocks:
        if passed := sieve.take(block):
            yield passed
    yield sieve.finish()


_MOST_NAMES = 100


class ArchiveSummary:
    """Passes members on as they are, but for devices and pipes, which a restore could not make. ``top`` is the name of
    the folder that is dumped."""

    def __init__(self, top: bytes) -> None:
        self._top = top
        self.counts: dict[str, int] = {"file": 0, "folder": 0, "link": 0, "hard link": 0}
        self.bytes = 0
        self.special: list[bytes] = []
        self.links_out: list[bytes] = []
        self.owners: dict[str, int] = {}
        self.attributes = 0
        self.setuid = 0
        self.newest_ns = 0

    def judged(self, member: TarMember) -> TarMember | None:
        """``member``, or None for one that is left out."""
        if member.kind in ("device", "pipe"):
            self.special.append(member.name)
            return None
        self.counts[member.kind] += 1
        self.bytes += member.size
        self.attributes += bool(member.attributes)
        if member.kind == "file":
            self.setuid += bool(member.mode & 0o6000)
            self.newest_ns = max(self.newest_ns, member.mtime_ns)
        elif member.kind == "link" and leads_out(member.name[len(self._top) + 1 :], member.target):
            self.links_out.append(member.name)
        owner = f"{clean(member.user) or member.uid}:{clean(member.group) or member.gid}"
        if owner in self.owners or len(self.owners) < _MOST_NAMES:
            self.owners[owner] = self.owners.get(owner, 0) + 1
        return member

    def detail(self) -> dict[str, Any]:
        """What the manifest says of the part: ``top``, the folder's name in the archive, and what is counted."""
        return {
            "top": clean(self._top),
            "files": self.counts["file"] + self.counts["hard link"],
            "folders": self.counts["folder"],
            "links": self.counts["link"],
            "bytes": self.bytes,
            "owners": self.owners,
            "with_attributes": self.attributes,
            "setuid": self.setuid,
            "links_out": [clean(name) for name in self.links_out[:_MOST_NAMES]],
            "newest_ns": self.newest_ns,
        }


class _Judged:
    """Judges by name, then counts. Links that lead out are for a restore to refuse, by its Options."""

    def __init__(self, top: bytes) -> None:
        self._safe = SafeMembers(b"", links_out=True, setuid=True)
        self.counting = ArchiveSummary(top)

    def judged(self, member: TarMember) -> TarMember | None:
        self._safe.judged(member)
        return self.counting.judged(member)


async def read_archive(part: FoundPart, blocks: AsyncIterator[bytes]) -> source_Content:
    """Whether ``blocks`` is a whole archive that may be restored, and what it holds, in the words of the manifest."""
    said = part.said.detail if part.said is not None else {}
    judge = _Judged(os.fsencode(str(said.get("top", ""))))
    sieve = TarFilter(judge)
    try:
        async for block in blocks:
            sieve.take(block)
        sieve.finish()
    except BrokenSet as error:
        return source_Content(error.message)
    detail = judge.counting.detail()
    if not sum(judge.counting.counts.values()):
        return source_Content(tr("the archive is empty: a run that failed"), detail)
    differing = [key for key in ("files", "folders", "links", "bytes") if key in said and said[key] != detail[key]]
    if differing:
        return source_Content(tr("it does not hold what its manifest says: {what}", what=listed(differing)), detail)
    return source_Content("", detail)
