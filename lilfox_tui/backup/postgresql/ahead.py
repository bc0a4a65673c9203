"""Tables of a staging database that are counted as soon as they are loaded, while others still are and while indexes
are built: the cores that a restore leaves idle do what the comparison would do after it.

A table is taken for loaded when it has bytes and nobody holds a lock to write it. That is a guess: a count proves
something where it is what the set says, rows and digest; every other table is counted again when all is there.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from time import monotonic
from typing import Any

from lilfox_tui.backup.postgresql.access import Access
from lilfox_tui.backup.postgresql.content import ALONE, TEXT_FORM, TOGETHER, counting, loaded_tables
from lilfox_tui.backup.postgresql.detail import Content, TableContent
from lilfox_tui.backup.postgresql.kept_session import KeptSession, kept
from lilfox_tui.backup.postgresql.psql import SqlRefused
from lilfox_tui.errors import LilFoxError

_LOOK_EVERY_S = 0.1
_SHARE_OF_LOOKING = 0.05
"""Of the time, at most: a database may have very many tables."""


class Ahead:
    """Counts what is loaded into ``database`` and is as ``said`` has it. Nothing that goes wrong here is told: what was
    not counted is counted by the comparison."""

    def __init__(self, access: Access, database: str, version_num: int, said: Content) -> None:
        self._access, self._database, self._version_num = access, database, version_num
        self._wanted = {name: table for name, table in said.tables.items() if table.rows and table.digest is not None}
        self._found: dict[str, TableContent] = {}
        self._loaded = asyncio.Event()
        self._counting: asyncio.Future[None] | None = None

    def begin(self) -> None:
        """The database is there, and is being loaded."""
        self._counting = asyncio.ensure_future(self._count())

    def loaded(self) -> None:
        """All rows are in it: what is not counted yet may be counted with all cores."""
        self._loaded.set()

    async def finish(self) -> dict[str, TableContent]:
        """The tables that are equal, once there is none left to count."""
        if self._counting is not None:
            await self._counting
        return self._found

    async def leave(self) -> None:
        """Stops counting."""
        if self._counting is not None:
            self._counting.cancel()
            await asyncio.gather(self._counting, return_exceptions=True)

    async def _count(self) -> None:
        with suppress(LilFoxError):
            async with kept(self._access, self._database, version_num=self._version_num, settings=TEXT_FORM) as session:
                for name, value in ALONE.items():
                    await session.tell(f"SET {name} = '{value}';")
                await self._count_loaded(session)

    async def _count_loaded(self, session: KeptSession) -> None:
        seen: set[int] = set()
        together = False
        while len(self._found) < len(self._wanted):
            if self._loaded.is_set() and not together:
                together = True
                for name, value in TOGETHER.items():
                    await session.tell(f"SET {name} = '{value}';")
                await session.tell("RESET max_parallel_workers_per_gather;")
            began = monotonic()
            some = await self._loaded_tables(session, seen)
            for row in some:
                seen.add(row["oid"])
                if (table := self._wanted.get(row["name"])) is not None:
                    await self._count_one(session, row["oid"], row["name"], table)
            if not some:
                if together:
                    return
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(_LOOK_EVERY_S, (monotonic() - began) / _SHARE_OF_LOOKING)):
                        await self._loaded.wait()

    async def _loaded_tables(self, session: KeptSession, seen: set[int]) -> list[dict[str, Any]]:
        try:
            return await session.ask(loaded_tables(sorted(seen)))
        except SqlRefused:  # one got a lock between two looks at it
            return []

    async def _count_one(self, session: KeptSession, oid: int, name: str, said: TableContent) -> None:
        for row in await session.ask_each(counting([oid], said.way)):
            if (row["rows"], row["digest"]) == (said.rows, said.digest):
                self._found[name] = said
