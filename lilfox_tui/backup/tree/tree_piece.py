"""A folder that is restored from an archive, or one path of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import aclosing
from datetime import datetime

from lilfox_tui.backup.check import Check
from lilfox_tui.backup.errors import BrokenSet
from lilfox_tui.backup.source import Change, Comparison, Renames
from lilfox_tui.backup.tar_scan import Member
from lilfox_tui.backup.tree import differences
from lilfox_tui.backup.tree.dumping import Said, refuse_incomplete
from lilfox_tui.backup.tree.index import Index
from lilfox_tui.backup.tree.listing import list_folder
from lilfox_tui.backup.tree.looking import Look
from lilfox_tui.backup.tree.piece import Wish, another_stream, counted
from lilfox_tui.backup.tree.prefix import BelowTop
from lilfox_tui.backup.tree.safe import Safe
from lilfox_tui.backup.tree.sifting import Sieve, put_below, sifted
from lilfox_tui.backup.tree.staging import TREE, Staging
from lilfox_tui.i18n import ntr, tr
from lilfox_tui.text import clean

_KINDS_ON_THE_WAY = r"""
path=$1
shift
for part in "$@"; do
    path=$path/$part
    if [ -L "$path" ]; then echo link; elif [ -d "$path" ]; then echo folder
    elif [ -e "$path" ]; then echo file; else echo nothing; fi
done
"""


class TreePiece:
    """See :class:`~lilfox_tui.backup.tree.piece.Piece`."""

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self.needed_bytes = 0
        self.needed_files = 0
        self._index = Index()
        self._prefix = b""
        self._digest = b""
        self._only = os.fsencode(wish.only).strip(b"/")
        self._others: frozenset[bytes] = frozenset()
        self._root = False
        self._at = ""
        """What is swapped, below the target; empty for all of it."""
        self._there = False
        self._staging: Staging | None = None

    async def scan(self, look: Look, most_bytes: int | None) -> list[Check]:
        """See :meth:`Piece.scan`."""
        wish, self._root = self.wish, look.root
        self._there = look["kind"] != "nothing"
        about = tr("{part} for {target}", part=clean(wish.part.name), target=clean(wish.target))
        self._index.clear("archive")
        self.needed_bytes = 0
        if look["kind"] not in ("nothing", "folder") and not wish.scratch:
            return [Check(about, "bad", tr("what is there is no folder"), tr("move it out of the way"))]
        judge = BelowTop(wish)
        sieve = Sieve(judge, index=self._index, most=most_bytes)
        try:
            async with aclosing(wish.blocks(wish.part)) as blocks:
                async for block in blocks:
                    sieve.take(block)
                    self.needed_bytes += len(block)
            sieve.finish()
            found = self._index.totals("archive")
        except BrokenSet as error:
            return [Check(about, "bad", error.message, error.hint)]
        self._prefix, self._digest = judge.prefix, sieve.digest()
        self.needed_files = found.files + found.folders + found.links
        if not self.needed_files:
            return [Check(about, "bad", tr("the archive is empty"), tr("choose another set"))]
        files = ntr("{count} file", "{count} files", found.files)
        folders = ntr("{count} folder", "{count} folders", found.folders)
        checks = [Check(about, "good", tr("{files}, {folders}", files=files, folders=folders))]
        if self._there and not wish.scratch:
            await list_folder(wish.host, wish.target, self._index, sudo=wish.options.sudo)
        if self._only and not wish.scratch:
            checks += await self._find_only()
        return checks + differences.losses(self._index, judge, root=look.root)

    async def changes(self) -> list[Change]:
        """See :meth:`Piece.changes`. Files of the same size and time count as equal here: nothing is read."""
        return differences.changes(self._index, self._only, self.wish.created)

    async def stage(self, moved: Callable[[int], None]) -> None:
        """See :meth:`Piece.stage`."""
        self._staging = staging = self.wish.staging()
        await staging.make(datetime.now())  # noqa: DTZ005 - names hold local time, as the manual's do
        safe = Safe(self._prefix, links_out=self.wish.options.links_out, setuid=self.wish.options.setuid)
        sieve = Sieve(safe, rename=self._staged, most=2**62)
        async with aclosing(self.wish.blocks(self.wish.part)) as blocks:
            await staging.extract(sifted(counted(blocks, moved), sieve))
        if sieve.digest() != self._digest:
            raise another_stream(self.wish.part)
        await staging.sync()

    async def compare(self) -> Comparison:
        """See :meth:`Piece.compare`."""
        assert self._staging is not None
        self._index.clear("staged")
        sieve = Sieve(Safe(TREE, links_out=True, setuid=True), index=self._index, side="staged")
        said = Said()
        async with aclosing(self._staging.read_tree(said)) as blocks:
            async for block in blocks:
                sieve.take(block)
        refuse_incomplete(said, self._staging.path)
        sieve.finish()
        return differences.comparison(self._index, self._is_wanted)

    def renames(self) -> Renames:
        """See :meth:`Piece.renames`."""
        assert self._staging is not None
        below = f"/{self._at}" if self._at else ""
        before = self._staging.before(self.wish.name) + below if self._there else ""
        return Renames(self.wish.target + below, f"{self._staging.path}/{TREE.decode()}{below}", before)

    async def discard(self) -> None:
        """See :meth:`Piece.discard`."""
        self.close()
        if self._staging is not None:
            await self._staging.remove()

    def close(self) -> None:
        """See :meth:`Piece.close`."""
        self._index.close()

    def _staged(self, member: Member) -> Member | None:
        return put_below(member, TREE) if self._is_wanted(member.name) else None

    def _is_wanted(self, name: bytes) -> bool:
        """Whether it is restored: all, or the one path with the folders above it and files it shares content with."""
        only = self._only
        return (
            not only
            or not name
            or name == only
            or name.startswith(only + b"/")
            or only.startswith(name + b"/")
            or name in self._others
        )

    async def _find_only(self) -> list[Check]:
        """Finds what of the one path is to be swapped: itself, or the first folder above it that is not there."""
        about = tr("{path} in the archive", path=clean(self._only))
        if self._index.get("archive", self._only) is None:
            return [
                Check(
                    about,
                    "bad",
                    tr("it is not in it"),
                    tr("name it as it stands below {target}", target=clean(self.wish.target)),
                )
            ]
        self._others = frozenset(
            entry.target for entry in self._index.within("archive", self._only) if entry.kind == "file" and entry.target
        )
        if not self._there:
            return [Check(about, "good", tr("it is in it"))]
        parts = os.fsdecode(self._only).split("/")
        done = await self.wish.host.run_script(
            _KINDS_ON_THE_WAY, [self.wish.target, *parts], sudo=self.wish.options.sudo
        )
        kinds = done.stdout.decode().split()
        for depth, kind in enumerate(kinds[:-1], 1):
            if kind == "nothing":
                self._at, self._there = "/".join(parts[:depth]), False
                return [Check(about, "good", tr("it is in it"))]
            if kind != "folder":
                return [
                    Check(
                        about,
                        "bad",
                        tr("{path} is no folder now", path=clean("/".join(parts[:depth]))),
                        tr("restore the whole"),
                    )
                ]
        self._at, self._there = "/".join(parts), kinds[-1] != "nothing"
        return [Check(about, "good", tr("it is in it"))]
