"""A folder as the catalogue asks a store: what lies there, and small files whole."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from lilfox_tui.backup.names import FOLDERS
from lilfox_tui.backup.store import Entry, Store


class FolderStore:
    """The two questions of a Store that the catalogue asks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def entries(self) -> Sequence[Entry]:
        """See :meth:`Store.entries`."""
        places = [("", self._folder), *((f"{name}/", self._folder / name) for name in FOLDERS)]
        return [
            Entry(prefix + path.name, path.lstat().st_size, datetime.fromtimestamp(path.lstat().st_mtime, UTC))
            for prefix, folder in places
            if folder.is_dir()
            for path in folder.iterdir()
            if path.is_file() and not path.is_symlink()
        ]

    async def read_small(self, names: Sequence[str]) -> dict[str, bytes]:
        """See :meth:`Store.read_small`."""
        return {name: (self._folder / name).read_bytes() for name in names if (self._folder / name).is_file()}


def store_of(folder: Path) -> Store:
    """``folder`` as a store that is only listed."""
    return cast("Store", FolderStore(folder))
