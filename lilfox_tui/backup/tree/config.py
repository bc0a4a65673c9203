"""The configuration as the manual has it: ``.env`` as it is, and ``config/`` as a tar archive."""

from __future__ import annotations

import posixpath
from collections.abc import AsyncIterator
from contextlib import aclosing

from lilfox_tui.backup.check import Check
from lilfox_tui.backup.errors import BackupError
from lilfox_tui.backup.model import FoundPart
from lilfox_tui.backup.source import Content, Goal, Into, Kept, Source, Target
from lilfox_tui.backup.sources.config import Options
from lilfox_tui.backup.tree import forgetting
from lilfox_tui.backup.tree.content import read_archive
from lilfox_tui.backup.tree.file_piece import FilePiece
from lilfox_tui.backup.tree.forgetting import forget, kept
from lilfox_tui.backup.tree.looking import look_at_folder
from lilfox_tui.backup.tree.piece import Piece, Wish
from lilfox_tui.backup.tree.target import TreeTarget, finish, settle, standing, undo
from lilfox_tui.backup.tree.tree_piece import TreePiece
from lilfox_tui.backup.tree.tree_source import TreeSource
from lilfox_tui.errors import CommandFailed
from lilfox_tui.hosts.base import Host
from lilfox_tui.i18n import tr
from lilfox_tui.text import clean

__all__ = [
    "finish",
    "forget",
    "forget_left",
    "kept",
    "left",
    "open_source",
    "open_target",
    "read_content",
    "settle",
    "standing",
    "undo",
]


class Configuration:
    """See :class:`~lilfox_tui.backup.source.Source`."""

    def __init__(self, name: str, options: Options, host: Host) -> None:
        self.name = name
        self._host, self._options = host, options
        root = posixpath.normpath(options.root)
        self._env = posixpath.join(root, options.env) if options.env else ""
        self._tree = TreeSource(host, root, options.folder, options) if options.folder else None
        places = " + ".join(filter(None, (self._env, self._tree.path if self._tree else "")))
        self.where = places if options.host is None else f"{options.host}:{places}"

    async def checks(self) -> list[Check]:
        """See :meth:`Source.checks`."""
        found = await self._tree.checks() if self._tree else []
        if self._env:
            about = tr("file {file}", file=clean(self._env))
            look = await look_at_folder(self._host, self._env, sudo=self._options.sudo)
            if look["kind"] == "file" and look["readable"]:
                found.append(Check(about, "good", tr("there")))
            else:
                what = tr("it may not be read") if look["kind"] == "file" else tr("not there, or no file")
                found.append(
                    Check(about, "bad", what, tr('correct root or env of this source; env: "" when there is none'))
                )
        return found

    async def size_bytes(self) -> int | None:
        """See :meth:`Source.size_bytes`; the file of the environment is small."""
        return await self._tree.size_bytes() if self._tree else 0

    async def dump(self, into: Into) -> None:
        """See :meth:`Source.dump`."""
        if self._env:
            try:
                async with aclosing(self._host.stream(["cat", "--", self._env], sudo=self._options.sudo)) as blocks:
                    part = await into.put("env", "", "file", blocks, packed=False)
            except CommandFailed as error:
                raise BackupError(
                    tr("{file} cannot be read: {error}", file=clean(self._env), error=error),
                    tr("correct root or env of this source"),
                ) from error
            into.describe(part, {"name": self._options.env})
        if self._tree:
            await self._tree.dump(into, "config")


def open_source(name: str, options: Options, host: Host) -> Source:
    """Both; nothing is read yet."""
    return Configuration(name, options, host)


def open_target(_name: str, options: Options, host: Host, goal: Goal) -> Target:
    """Where both go back to: below ``goal.place`` or ``root``. ``goal.only`` names one of them, or a path in the
    folder."""
    root = posixpath.normpath(goal.place or options.root)
    first, _, below = goal.only.strip("/").partition("/")
    pieces: list[Piece] = []
    missing: list[Check] = []
    for name, kind in ((options.env, "file"), (options.folder, "files")):
        if not name or (first and name != first):
            continue
        part = next((part for part in goal.parts if part.kind == kind), None)
        if part is None:
            about = tr("{name} in the set", name=clean(name))
            missing.append(Check(about, "bad", tr("the set does not have it"), tr("choose another set")))
            continue
        wish = Wish(
            host=host, part=part, blocks=goal.blocks, target=posixpath.join(root, name), options=options,
            created=goal.set.created, only=below, scratch=goal.scratch,
        )  # fmt: skip
        pieces.append(FilePiece(wish) if kind == "file" else TreePiece(wish))
    if not pieces and not missing:
        missing.append(Check(tr("{path} in the set", path=clean(goal.only)), "bad", tr("it is neither of the two")))
    return TreeTarget(host, options, goal, pieces, missing)


async def read_content(part: FoundPart, blocks: AsyncIterator[bytes]) -> Content:
    """See ``backup/source.py``."""
    if part.kind != "file":
        return await read_archive(part, blocks)
    size = 0
    async for block in blocks:
        size += len(block)
    failed = not size and part.said is None  # of a set with a manifest the digest tells
    return Content(tr("the file is empty") if failed else "", {"bytes": size})


async def left(options: Options, host: Host) -> list[Kept]:
    """See ``backup/source.py``."""
    return await forgetting.left(_places(options), host, sudo=options.sudo)


async def forget_left(options: Options, host: Host) -> list[str]:
    """See ``backup/source.py``."""
    return await forgetting.forget_left(_places(options), host, sudo=options.sudo)


def _places(options: Options) -> list[str]:
    root = posixpath.normpath(options.root)
    return [posixpath.join(root, name) for name in (options.env, options.folder) if name]
