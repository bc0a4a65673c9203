"""Rows of tables in the data of an archive, however it is cut, and who loads which."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.backup.postgresql import load_pieces
from lilfox_tui.backup.postgresql.load_pieces import LargeLoad, LoadedTable
from lilfox_tui.backup.postgresql.psql import CopiedPiece, TableContent
from lilfox_tui.backup.store import BrokenSet

END = b"\\.\n\n\n"
ROWS = st.lists(st.binary(min_size=1, max_size=12), max_size=6)


def number(value: int) -> bytes:
    return b"\0" + value.to_bytes(4, "little")


def table(entry: int, chunks: list[bytes], end: bytes = END) -> bytes:
    written = [*chunks, end] if end else chunks
    return b"\1" + number(entry) + b"".join(number(len(each)) + each for each in written) + number(0)


async def cut(data: bytes, size: int) -> AsyncGenerator[bytes, None]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


async def joined(parts: AsyncGenerator[bytes, None]) -> bytes:
    return b"".join([part async for part in parts])


@given(st.lists(ROWS, max_size=4), st.binary(max_size=20), st.integers(1, 40), st.integers(0, 30))
async def test_rows_are_read_however_the_archive_is_cut(
    tables: list[list[bytes]], rest: bytes, size: int, begun: int
) -> None:
    rest = b"\3" + rest
    whole = b"".join(table(7 + place, chunks) for place, chunks in enumerate(tables)) + rest
    data = load_pieces._Data(cut(whole[begun:], size), whole[:begun])
    for place, chunks in enumerate(tables):
        assert await data.next_table() == 7 + place
        assert await joined(data.rows()) == b"".join(chunks)
    assert await data.next_table() is None
    assert await joined(data.rest()) == rest


@pytest.mark.parametrize("data", [
    table(7, [b"a\n"], end=b""),
    table(7, [b"a\n", END, b"b\n"], end=b""),
    table(7, [b"a\n"])[:-1],
    table(7, [b"a\n"])[:9],
    table(7, [b"a\n"])[:-5] + b"\1" + bytes(4),
])  # fmt: skip
async def test_rows_without_an_end_are_broken(data: bytes) -> None:
    reading = load_pieces._Data(cut(data, 5), b"")
    assert await reading.next_table() == 7
    with pytest.raises(BrokenSet):
        await joined(reading.rows())


def test_the_sessions_share_the_tables_by_size() -> None:
    contents = [TableContent(1, pieces=(CopiedPiece(size, "00"),)) for size in (5, 90, 30, 0, 50)]
    tables = [LoadedTable(place, f"t{place}", "a", content) for place, content in enumerate(contents)]
    shares = load_pieces._shares(tables, 2)
    assert sorted(sum(each.size_bytes for each in share) for share in shares) == [85, 90]
    assert sorted(each.number for share in shares for each in share) == [0, 1, 2, 3, 4]
    assert load_pieces._shares([], 1) == [[]]


@given(st.lists(st.binary(max_size=12).map(lambda text: text.replace(b"a", b"\n"))), st.integers(1, 20))
async def test_rows_are_shared_out_in_whole_lines(parts: list[bytes], size: int) -> None:
    async def given_parts() -> AsyncGenerator[bytes, None]:
        for part in parts:
            yield part

    found = [lines async for lines in load_pieces.whole_lines(given_parts(), size)]
    assert b"".join(found) == b"".join(parts)
    assert all(lines.endswith(b"\n") for lines in found[:-1])
    assert all(found)


async def test_each_session_gets_its_share_and_one_that_ends_early_stops_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(load_pieces, "_SHARED_BYTES", 1)
    got: list[list[bytes]] = []
    everyone = asyncio.Barrier(3)

    async def copied(_self: object, _table: object, rows: AsyncIterator[bytes], *, freezes: bool) -> bytes:
        assert not freezes
        mine: list[bytes] = []
        got.append(mine)
        async for lines in rows:
            mine.append(lines)
            if len(mine) == 1:
                await everyone.wait()
            if len(got) == 3 and mine is got[2]:
                break  # as psql does at what it takes for the end
        return b"%d" % len(mine)

    monkeypatch.setattr(LargeLoad, "_copied", copied)
    load = LargeLoad(cast("Any", None), "shop", {}, (), compares=True, sessions=3)
    rows = [b"%d\n" % number for number in range(300)]
    stored = await load._shared_out(cast("Any", None), cut(b"".join(rows), 7))
    assert [int(each or b"") for each in stored] == [len(mine) for mine in got]
    assert all(got)
    taken = [row for mine in got for lines in mine for row in lines.splitlines(keepends=True)]
    assert len(taken) == len(set(taken)) < 300  # none twice, and some behind the early end
    assert set(taken) < set(rows)
