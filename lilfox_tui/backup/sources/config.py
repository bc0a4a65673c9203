"""The config source: ``.env`` as it is, and ``config/`` as a tar archive, as in the ops manual."""

from __future__ import annotations

import posixpath
from collections.abc import AsyncIterator
from contextlib import aclosing

from lilfox_tui.backup.checks import Check
from lilfox_tui.backup.files import restore
from lilfox_tui.backup.files.archive import FolderArchive, inspect_folder
from lilfox_tui.backup.files.pieces import FilePiece, FolderPiece
from lilfox_tui.backup.files.restore import (
    FilesRestore,
    PieceSpec,
    RestorePiece,
    finish,
    forget,
    kept,
    settle,
    standing,
    undo,
)
from lilfox_tui.backup.files.tar_filter import read_archive
from lilfox_tui.backup.options import ConfigOptions
from lilfox_tui.backup.sets.model import FoundPart
from lilfox_tui.backup.source import BackupSource, PartContent, PartSink, RestoreTarget, RestoreTask, RetainedItem
from lilfox_tui.backup.store import BackupError
from lilfox_tui.core.errors import CommandFailed
from lilfox_tui.core.i18n import tr
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


class ConfigSource:
    """See :class:`~lilfox_tui.backup.source.BackupSource`."""

    def __init__(self, name: str, options: ConfigOptions, host: Host) -> None:
        self.name = name
        self._host, self._options = host, options
        root = posixpath.normpath(options.root)
        self._env = posixpath.join(root, options.env) if options.env else ""
        self._tree = FolderArchive(host, root, options.folder, options) if options.folder else None
        places = " + ".join(filter(None, (self._env, self._tree.path if self._tree else "")))
        self.where = places if options.host is None else f"{options.host}:{places}"

    async def checks(self) -> list[Check]:
        """See :meth:`BackupSource.checks`."""
        found = await self._tree.checks() if self._tree else []
        if self._env:
            about = tr("file {file}", file=clean(self._env))
            look = await inspect_folder(self._host, self._env, sudo=self._options.sudo)
            if look["kind"] == "file" and look["readable"]:
                found.append(Check(about, "good", tr("exists")))
            else:
                what = tr("no read permission") if look["kind"] == "file" else tr("missing, or not a file")
                found.append(
                    Check(
                        about, "bad", what, tr('correct root or env of this source; set env: "" if it has no such file')
                    )
                )
        return found

    async def size_bytes(self) -> int | None:
        """See :meth:`BackupSource.size_bytes`; the environment file is small and not counted."""
        return await self._tree.size_bytes() if self._tree else 0

    async def dump(self, into: PartSink) -> None:
        """See :meth:`BackupSource.dump`."""
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


def open_source(name: str, options: ConfigOptions, host: Host) -> BackupSource:
    """Return the source of the environment file and the folder; reads nothing yet."""
    return ConfigSource(name, options, host)


def open_target(options: ConfigOptions, host: Host, task: RestoreTask) -> RestoreTarget:
    """Return the restore target of the environment file and the folder, below ``task.place`` or ``root``.
    ``task.spec.only`` names one of them, or a path in the folder."""
    root = posixpath.normpath(task.place or options.root)
    first, _, below = task.spec.only.strip("/").partition("/")
    pieces: list[RestorePiece] = []
    missing: list[Check] = []
    for name, kind in ((options.env, "file"), (options.folder, "files")):
        if not name or (first and name != first):
            continue
        part = next((part for part in task.parts if part.kind == kind), None)
        if part is None:
            about = tr("backup of {name}", name=clean(name))
            missing.append(Check(about, "bad", tr("not in the set"), tr("choose another set")))
            continue
        spec = PieceSpec(
            host=host, options=options, task=task, part=part, target=posixpath.join(root, name), only=below
        )
        pieces.append(FilePiece(spec) if kind == "file" else FolderPiece(spec))
    if not pieces and not missing:
        missing.append(
            Check(
                tr("{path} in the set", path=clean(task.spec.only)),
                "bad",
                tr("it is neither the env file of this source nor inside its folder"),
            )
        )
    return FilesRestore(host, options, task, pieces, missing)


async def read_content(part: FoundPart, blocks: AsyncIterator[bytes]) -> PartContent:
    """See ``backup/source.py``."""
    if part.kind != "file":
        return await read_archive(part, blocks)
    size = 0
    async for block in blocks:
        size += len(block)
    failed = not size and part.said is None  # of a set with a manifest the digest tells
    return PartContent(tr("the file is empty") if failed else "", {"bytes": size})


async def left(options: ConfigOptions, host: Host) -> list[RetainedItem]:
    """See ``backup/source.py``."""
    return await restore.left(_places(options), host, sudo=options.sudo)


async def forget_left(options: ConfigOptions, host: Host) -> list[str]:
    """See ``backup/source.py``."""
    return await restore.forget_left(_places(options), host, sudo=options.sudo)


def _places(options: ConfigOptions) -> list[str]:
    root = posixpath.normpath(options.root)
    return [posixpath.join(root, name) for name in (options.env, options.folder) if name]
