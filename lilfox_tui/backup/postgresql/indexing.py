"""Indexes and keys of large tables, made while others are still loaded: of each as soon as its rows are there and were
found to be those of the set."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from lilfox_tui.backup.postgresql.contents import Contents

FROM_BYTES = 16 * 1024 * 1024
"""Of a table without what lies beside it (TOAST): an index of less is sooner made than a program for it is started."""


class Indexing:
    """One table after the other, in the order in which they are told of."""

    def __init__(self) -> None:
        self.made: set[int] = set()
        """Numbers of entries of the archive."""
        self._tables: asyncio.Queue[str | None] = asyncio.Queue()
        self._ended = False

    def loaded(self, table: str, size_bytes: int) -> None:
        """The rows of ``table`` are there."""
        if size_bytes >= FROM_BYTES:
            self._tables.put_nowait(table)

    def end(self) -> None:
        """No other table is begun: all is loaded, and what is left is made by several sessions."""
        self._ended = True
        self._tables.put_nowait(None)

    async def run(self, contents: Contents, make: Callable[[Sequence[int]], Awaitable[None]]) -> None:
        """Makes them until the end is told. Raises what ``make`` raises."""
        while (table := await self._tables.get()) is not None and not self._ended:
            if numbers := contents.indexes.get(table):
                await make(numbers)
                self.made.update(numbers)
