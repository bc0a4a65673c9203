"""A folder as the catalogue asks a store: what lies there, and small files whole."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from lilfox_tui.backup.sets.names import FOLDERS
from lilfox_tui.backup.store import BackupStore, StoreEntry


class FolderStore:
    """The two questions of a Store that the catalogue asks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def entries(self) -> Sequence[StoreEntry]:
        """See :meth:`BackupStore.entries`."""
        places = [("", self._folder), *((f"{name}/", self._folder / name) for name in FOLDERS)]
        return [
            StoreEntry(prefix + path.name, path.lstat().st_size, datetime.fromtimestamp(path.lstat().st_mtime, UTC))
            for prefix, folder in places
            if folder.is_dir()
            for path in folder.iterdir()
            if path.is_file() and not path.is_symlink()
        ]

    async def look(self, endings: tuple[str, ...]) -> tuple[dict[str, bytes], Sequence[StoreEntry]]:
        """See :meth:`BackupStore.look`."""
        entries = await self.entries()
        texts = {each.name: (self._folder / each.name).read_bytes() for each in entries if each.name.endswith(endings)}
        return texts, [entry for entry in entries if entry.name not in texts]


def store_of(folder: Path) -> BackupStore:
    """``folder`` as a store that is only listed."""
    return cast("BackupStore", FolderStore(folder))
