"""The files source: a folder, as a tar archive."""

from __future__ import annotations

import posixpath
from collections.abc import AsyncIterator

from lilfox_tui.backup.checks import Check
from lilfox_tui.backup.files import restore
from lilfox_tui.backup.files.archive import FolderArchive
from lilfox_tui.backup.files.pieces import FolderPiece
from lilfox_tui.backup.files.restore import FilesRestore, PieceSpec, finish, forget, kept, settle, standing, undo
from lilfox_tui.backup.files.tar_filter import read_archive
from lilfox_tui.backup.options import FilesOptions
from lilfox_tui.backup.sets.model import FoundPart
from lilfox_tui.backup.source import BackupSource, PartContent, PartSink, RestoreTarget, RestoreTask, RetainedItem
from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import listed, tr
from lilfox_tui.core.text import clean
from lilfox_tui.hosts.base import Host

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


class FilesSource:
    """See :class:`~lilfox_tui.backup.source.BackupSource`."""

    def __init__(self, name: str, options: FilesOptions, host: Host) -> None:
        self.name = name
        path = posixpath.normpath(options.path)
        self.where = path if options.host is None else f"{options.host}:{path}"
        root = posixpath.normpath(options.root) if options.root else posixpath.dirname(path)
        if path == "/" or not path.startswith(root.rstrip("/") + "/"):
            raise UsageError(
                tr("{path} is not below {root}", path=clean(path), root=clean(root)),
                tr("correct path or root of this source"),
            )
        self._tree = FolderArchive(host, root, posixpath.relpath(path, root), options)

    async def checks(self) -> list[Check]:
        """See :meth:`BackupSource.checks`."""
        return await self._tree.checks()

    async def size_bytes(self) -> int | None:
        """See :meth:`BackupSource.size_bytes`."""
        return await self._tree.size_bytes()

    async def dump(self, into: PartSink) -> None:
        """See :meth:`BackupSource.dump`."""
        await self._tree.dump(into, self.name)


def open_source(name: str, options: FilesOptions, host: Host) -> BackupSource:
    """Return the source of the folder; reads nothing yet. Raises UsageError for a path that is not below ``root``."""
    return FilesSource(name, options, host)


def open_target(options: FilesOptions, host: Host, task: RestoreTask) -> RestoreTarget:
    """Return the restore target of the folder: ``task.place``, or its original path."""
    target = posixpath.normpath(task.place or options.path)
    missing = []
    if len(task.parts) != 1:
        about = tr("archive of {target}", target=clean(target))
        found = (
            tr("several in the set: {names}", names=clean(listed(part.name for part in task.parts)))
            if task.parts
            else tr("not in the set")
        )
        missing.append(Check(about, "bad", found, tr("choose another set")))
    pieces = [
        FolderPiece(PieceSpec(host=host, options=options, task=task, part=part, target=target, only=task.spec.only))
        for part in task.parts[:1]
    ]
    return FilesRestore(host, options, task, list(pieces), missing)


async def read_content(part: FoundPart, blocks: AsyncIterator[bytes]) -> PartContent:
    """See ``backup/source.py``."""
    return await read_archive(part, blocks)


async def left(options: FilesOptions, host: Host) -> list[RetainedItem]:
    """See ``backup/source.py``."""
    return await restore.left([posixpath.normpath(options.path)], host, sudo=options.sudo)


async def forget_left(options: FilesOptions, host: Host) -> list[str]:
    """See ``backup/source.py``."""
    return await restore.forget_left([posixpath.normpath(options.path)], host, sudo=options.sudo)
