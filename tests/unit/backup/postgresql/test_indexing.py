"""Which tables' indexes are made while others are loaded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from lilfox_tui.backup.postgresql.contents import Contents
from lilfox_tui.backup.postgresql.indexing import FROM_BYTES, Indexing
from tests.waiting import turn

CONTENTS = Contents((1, 2, 3, 4, 5), {"public.a": (3, 4), "public.b": (5,)})


async def test_large_tables_are_made_ready_one_after_the_other_until_all_is_loaded() -> None:
    indexing, made, may = Indexing(), list[Sequence[int]](), asyncio.Semaphore(0)

    async def make(numbers: Sequence[int]) -> None:
        made.append(numbers)
        await may.acquire()

    running = asyncio.ensure_future(indexing.run(CONTENTS, make))
    indexing.loaded("public.small", FROM_BYTES - 1)
    indexing.loaded("public.without an index", FROM_BYTES)
    indexing.loaded("public.a", FROM_BYTES)
    indexing.loaded("public.b", FROM_BYTES)
    await turn()
    await turn()
    assert made == [(3, 4)]
    assert indexing.made == set()
    indexing.end()
    may.release()
    await running
    assert made == [(3, 4)]
    assert indexing.made == {3, 4}


async def test_what_cannot_be_made_is_told() -> None:
    indexing = Indexing()

    async def make(_numbers: Sequence[int]) -> None:
        raise ValueError("no room")

    indexing.loaded("public.b", FROM_BYTES)
    with pytest.raises(ValueError, match="no room"):
        await indexing.run(CONTENTS, make)
    assert indexing.made == set()
