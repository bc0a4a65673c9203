"""Rows of tables in the data of an archive, however it is cut, and who loads which."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.backup.postgresql import load_pieces
from lilfox_tui.backup.postgresql.load_pieces import LoadedTable
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
