"""A single file that is restored as it is: the manual's ``.env``."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from datetime import datetime

from lilfox_tui.backup.check import Check
from lilfox_tui.backup.errors import BrokenSet
from lilfox_tui.backup.source import Change, Comparison, Renames
from lilfox_tui.backup.tree.looking import Look
from lilfox_tui.backup.tree.piece import Wish, another_stream, counted
from lilfox_tui.backup.tree.staging import FILE, Staging
from lilfox_tui.i18n import tr
from lilfox_tui.text import clean
from lilfox_tui.told import time_at, whole

_STATE = r"""
[ -f "$1" ] && [ ! -L "$1" ] || exit 0
stat -c '%s %Y' -- "$1"
sha256sum < "$1"
"""


class _Counted:
    """Bytes and SHA-256 of what passes."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self.bytes = 0

    async def passing(self, blocks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        async for block in blocks:
            self.digest.update(block)
            self.bytes += len(block)
            yield block


class FilePiece:
    """See :class:`~lilfox_tui.backup.tree.piece.Piece`."""

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self.needed_bytes = 0
        self.needed_files = 1
        self._digest = ""
        self._there = False
        self._staging: Staging | None = None

    async def scan(self, look: Look, most_bytes: int | None) -> list[Check]:
        """See :meth:`Piece.scan`."""
        self._there = look["kind"] != "nothing"
        about = tr("{part} for {target}", part=clean(self.wish.part.name), target=clean(self.wish.target))
        if look["kind"] not in ("nothing", "file") and not self.wish.scratch:
            return [Check(about, "bad", tr("what is there is no file"), tr("move it out of the way"))]
        counted_now = _Counted()
        try:
            async with aclosing(self.wish.blocks(self.wish.part)) as blocks:
                async for _ in counted_now.passing(blocks):
                    if most_bytes is not None and counted_now.bytes > most_bytes:
                        return [Check(about, "bad", tr("there is no room for it"), tr("make room"))]
        except BrokenSet as error:
            return [Check(about, "bad", error.message, error.hint)]
        self._digest, self.needed_bytes = counted_now.digest.hexdigest(), counted_now.bytes
        return [Check(about, "good", tr("{count} bytes", count=counted_now.bytes))]

    async def changes(self) -> list[Change]:
        """See :meth:`Piece.changes`. The content is compared and never shown: it holds secrets."""
        wish = self.wish
        done = await wish.host.run_script(_STATE, [wish.target], sudo=wish.options.sudo)
        words = done.stdout.decode("ascii", "replace").split()
        then = str(tr("{count} bytes", count=self.needed_bytes))
        if len(words) < 3:
            return [Change(wish.name, "", then)]
        if words[2] == self._digest:
            return []
        modified = time_at(whole(words[1]))
        now = str(tr("{count} bytes, of {at}", count=words[0], at=f"{modified.astimezone():%Y-%m-%d %H:%M:%S}"))
        return [Change(wish.name, now, then, modified > wish.created)]

    async def stage(self, moved: Callable[[int], None]) -> None:
        """See :meth:`Piece.stage`."""
        self._staging = staging = self.wish.staging()
        await staging.make(datetime.now())  # noqa: DTZ005 - names hold local time, as the manual's do
        counted_now = _Counted()
        async with aclosing(self.wish.blocks(self.wish.part)) as blocks:
            await staging.write(counted_now.passing(counted(blocks, moved)), self.wish.target)
        if counted_now.digest.hexdigest() != self._digest:
            raise another_stream(self.wish.part)

    async def compare(self) -> Comparison:
        """See :meth:`Piece.compare`."""
        assert self._staging is not None
        digest = hashlib.sha256()
        async with aclosing(self._staging.read_file()) as blocks:
            async for block in blocks:
                digest.update(block)
        same = digest.hexdigest() == self._digest
        differences = () if same else (str(tr("{name} has another content", name=self.wish.name)),)
        return Comparison(differences, str(tr("the content of {name}", name=self.wish.name)))

    def renames(self) -> Renames:
        """See :meth:`Piece.renames`."""
        assert self._staging is not None
        before = self._staging.before(self.wish.name) if self._there else ""
        return Renames(self.wish.target, f"{self._staging.path}/{FILE}", before)

    def close(self) -> None:
        """See :meth:`Piece.close`."""

    async def discard(self) -> None:
        """See :meth:`Piece.discard`."""
        if self._staging is not None:
            await self._staging.remove()
