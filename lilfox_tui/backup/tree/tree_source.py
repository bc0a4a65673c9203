"""Dumping a folder: tar on its host, counted on the way, with all that is told of it."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

from lilfox_tui.backup.check import Check
from lilfox_tui.backup.errors import BackupError
from lilfox_tui.backup.source import Command, Into, Stored
from lilfox_tui.backup.tree.counting import Counting
from lilfox_tui.backup.tree.dumping import Said, archive, created, fill, named, refuse_incomplete
from lilfox_tui.backup.tree.looking import (
    Survey,
    content_checks,
    excluded,
    folder_check,
    look_at_folder,
    program_checks,
    survey,
)
from lilfox_tui.backup.tree.sifting import Sieve, put_below, sifted
from lilfox_tui.backup.tree_options import TreeOptions
from lilfox_tui.hosts.base import Host
from lilfox_tui.i18n import tr
from lilfox_tui.text import clean


class TreeSource:
    """A folder that is dumped: ``member``, a path below ``root``, both as they are on the host."""

    def __init__(self, host: Host, root: str, member: str, options: TreeOptions) -> None:
        self._host, self._root, self._member, self._options = host, root, member, options
        self._survey: Survey | None = None

    @property
    def path(self) -> str:
        """The folder's."""
        return f"{self._root.rstrip('/')}/{self._member}"

    async def checks(self) -> list[Check]:
        """See :meth:`Source.checks`."""
        look = await look_at_folder(self._host, self.path, sudo=self._options.sudo)
        found = [*program_checks(self._host, look), folder_check(self.path, look)]
        if all(check.state == "good" for check in found):
            found += content_checks(self.path, await self._look_into(), self._options)
        return found

    async def size_bytes(self) -> int | None:
        """Bytes of its files; headers not counted, exclusions neither."""
        found = await self._look_into()
        return None if found is None else found.size_bytes

    async def dump(self, into: Into, stem: str) -> None:
        """Puts it as ``STEM.tar``. Raises BackupError, HostError."""
        said, counting = Said(), Counting(os.fsencode(self._member))
        sieve = Sieve(counting, rename=lambda member: put_below(member, b""))
        argv = created(self._root, self._member, self._options)
        part = await self._dumped_there(into, stem, argv, said, counting)
        if part is None:
            size = await self.size_bytes()
            async with aclosing(archive(self._host, argv, said, sudo=self._options.sudo)) as blocks:
                whole = sifted(_complete(blocks, said, self.path), sieve)
                async with aclosing(whole):
                    part = await into.put(stem, ".tar", "files", whole, total_bytes=size)
        if not counting.counts["folder"]:
            raise BackupError(
                tr("{path} is no folder: nothing of it was backed up", path=clean(self.path)), tr("correct the path")
            )
        into.describe(part, counting.detail() | _told(said))
        self._note(into, said, counting)

    async def _dumped_there(
        self, into: Into, stem: str, argv: Sequence[str], said: Said, counting: Counting
    ) -> Stored | None:
        """Puts tar's own archive where the store's host can make it by itself, and reads it back to count what is in
        it; None where it cannot, or where devices and pipes are to be left out. Raises as :meth:`dump`."""
        looked = await self._look_into()
        if looked is None or any(not excluded(name, self._options.exclude) for name in looked.special):
            return None
        made = await into.put_there(stem, ".tar", "files", Command(self._host, tuple(argv), self._options.sudo))
        if made is None:
            return None
        fill(said, made.said.removesuffix(b"\n") + b"\n" + str(made.status).encode())
        refuse_incomplete(said, self.path)
        sieve = Sieve(counting)
        async with aclosing(into.read_back(made.part)) as blocks:
            async for block in blocks:
                sieve.take(block)
        sieve.finish()
        if counting.special:  # they came after the folder was looked at
            raise BackupError(
                tr("{path} has devices or pipes that were not there before: {names}",
                   path=clean(self.path), names=named(counting.special)),
                tr("Run it again."),
            )  # fmt: skip
        return made.part

    def _note(self, into: Into, said: Said, counting: Counting) -> None:
        where = clean(self.path)
        if said.changed:
            into.note(tr("changed while they were read, in {where}: {names}", where=where, names=named(said.changed)))
        if said.vanished:
            into.note(tr("gone before they were read, in {where}: {names}", where=where, names=named(said.vanished)))
        if said.unreadable:
            into.note(
                tr("left out, for they may not be read, in {where}: {names}", where=where, names=named(said.unreadable))
            )
        if said.elsewhere:
            into.note(
                tr(
                    "left out, for they are other file systems, in {where}: {names}",
                    where=where,
                    names=named(said.elsewhere),
                )
            )
        if counting.special:
            into.note(
                tr(
                    "left out, for they are devices or pipes, in {where}: {names}",
                    where=where,
                    names=named(counting.special),
                )
            )
        if counting.links_out and not self._options.links_out:
            into.note(tr(
                "links in {where} lead out of it, and a restore will refuse them: {names}; if they are right, set"
                " links_out: true", where=where, names=named(counting.links_out),
            ))  # fmt: skip

    async def _look_into(self) -> Survey | None:
        if self._survey is None:
            self._survey = await survey(self._host, self.path, sudo=self._options.sudo)
        return self._survey


async def _complete(blocks: AsyncIterator[bytes], said: Said, where: str) -> AsyncGenerator[bytes, None]:
    """``blocks``; at their end raises BackupError when tar did not read all."""
    async for block in blocks:
        yield block
    refuse_incomplete(said, where)


def _told(said: Said) -> dict[str, Any]:
    lists = {"changed": said.changed, "vanished": said.vanished, "unreadable": said.unreadable}
    return {key: [clean(name) for name in names[:100]] for key, names in lists.items() if names}
