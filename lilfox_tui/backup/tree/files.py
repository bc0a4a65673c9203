"""A folder of files, as a tar archive: GNU tar on the host where it is."""

from __future__ import annotations

import posixpath
from collections.abc import AsyncIterator

from lilfox_tui.backup.check import Check
from lilfox_tui.backup.model import FoundPart
from lilfox_tui.backup.source import Content, Goal, Into, Kept, Source, Target
from lilfox_tui.backup.sources.files import Options
from lilfox_tui.backup.tree import forgetting
from lilfox_tui.backup.tree.content import read_archive
from lilfox_tui.backup.tree.forgetting import forget, kept
from lilfox_tui.backup.tree.piece import Wish
from lilfox_tui.backup.tree.target import TreeTarget, finish, settle, standing, undo
from lilfox_tui.backup.tree.tree_piece import TreePiece
from lilfox_tui.backup.tree.tree_source import TreeSource
from lilfox_tui.errors import UsageError
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


class Files:
    """See :class:`~lilfox_tui.backup.source.Source`."""

    def __init__(self, name: str, options: Options, host: Host) -> None:
        self.name = name
        path = posixpath.normpath(options.path)
        self.where = path if options.host is None else f"{options.host}:{path}"
        root = posixpath.normpath(options.root) if options.root else posixpath.dirname(path)
        if path == "/" or not path.startswith(root.rstrip("/") + "/"):
            raise UsageError(
                tr("{path} is not below {root}", path=clean(path), root=clean(root)),
                tr("correct path or root of this source"),
            )
        self._tree = TreeSource(host, root, posixpath.relpath(path, root), options)

    async def checks(self) -> list[Check]:
        """See :meth:`Source.checks`."""
        return await self._tree.checks()

    async def size_bytes(self) -> int | None:
        """See :meth:`Source.size_bytes`."""
        return await self._tree.size_bytes()

    async def dump(self, into: Into) -> None:
        """See :meth:`Source.dump`."""
        await self._tree.dump(into, self.name)


def open_source(name: str, options: Options, host: Host) -> Source:
    """The folder; nothing is read yet. Raises UsageError for a path that is not below ``root``."""
    return Files(name, options, host)


def open_target(_name: str, options: Options, host: Host, goal: Goal) -> Target:
    """Where the folder goes back to: ``goal.place``, or where it was."""
    target = posixpath.normpath(goal.place or options.path)
    missing = []
    if len(goal.parts) != 1:
        about = tr("archive of {target}", target=clean(target))
        missing.append(Check(about, "bad", tr("the set does not have it"), tr("choose another set")))
    pieces = [
        TreePiece(
            Wish(
                host=host, part=part, blocks=goal.blocks, target=target, options=options, created=goal.set.created,
                only=goal.only, scratch=goal.scratch,
            )
        )
        for part in goal.parts[:1]
    ]  # fmt: skip
    return TreeTarget(host, options, goal, list(pieces), missing)


async def read_content(part: FoundPart, blocks: AsyncIterator[bytes]) -> Content:
    """See ``backup/source.py``."""
    return await read_archive(part, blocks)


async def left(options: Options, host: Host) -> list[Kept]:
    """See ``backup/source.py``."""
    return await forgetting.left([posixpath.normpath(options.path)], host, sudo=options.sudo)


async def forget_left(options: Options, host: Host) -> list[str]:
    """See ``backup/source.py``."""
    return await forgetting.forget_left([posixpath.normpath(options.path)], host, sudo=options.sudo)
