"""Pieces of tables, and how what psql prints of them becomes an archive."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.backup.postgresql import parallel
from lilfox_tui.backup.postgresql.content import PiecewiseTable
from lilfox_tui.backup.postgresql.custom import AddedRows, read_contents, with_rows
from lilfox_tui.backup.postgresql.parallel import pieces_of
from lilfox_tui.backup.postgresql.row_digest import PieceDigest
from lilfox_tui.backup.source import CompressedBlock
from lilfox_tui.backup.store import BackupError

MARK = b"\xfflilfox 0123456789abcdef"
LINES = st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"?") + b"\n"), max_size=12)


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    """``data`` in blocks of these sizes, one after the other and again."""
    blocks, at, number = [], 0, 0
    while at < len(data):
        size = sizes[number % len(sizes)]
        blocks.append(data[at : at + size])
        at, number = at + size, number + 1
    return blocks


def unpacked(blocks: list[CompressedBlock]) -> bytes:
    with zstandard.ZstdDecompressor().stream_reader(b"".join(each.data for each in blocks)) as reader:
        return reader.read()


def rows_in(chunks: bytes) -> bytes:
    """The rows in chunks of an archive."""
    rows, at = b"", 0
    while at < len(chunks):
        assert chunks[at] == 0
        size = int.from_bytes(chunks[at + 1 : at + 5], "little")
        rows += chunks[at + 5 : at + 5 + size]
        at += 5 + size
    return rows


@given(st.lists(LINES, max_size=5), st.lists(st.integers(1, 70), min_size=1, max_size=4))
def test_each_piece_is_a_frame_with_its_rows_however_the_blocks_are_cut(
    pieces: list[list[bytes]], sizes: list[int]
) -> None:
    printed = b"".join(
        b"".join(lines) + MARK + f" {number} {len(lines)}\n".encode() for number, lines in enumerate(pieces)
    )
    packer = parallel._Packer(MARK)
    made: list[CompressedBlock] = []
    ends = 0
    for block in cut(printed, sizes):
        for each in packer.write(block):
            if isinstance(each, CompressedBlock):
                made.append(each)
                continue
            text = b"".join(pieces[ends])
            digest = PieceDigest()
            digest.write(text)
            assert (each.number, each.said, each.content) == (ends, len(pieces[ends]), digest.content())
            assert rows_in(unpacked(made)) == text
            assert sum(block.raw_bytes for block in made) == len(unpacked(made))
            ends, made = ends + 1, []
    assert (ends, made, packer.between) == (len(pieces), [], True)


def test_what_ends_within_a_piece_is_noticed() -> None:
    packer = parallel._Packer(MARK)
    packer.write(b"a row\n")
    assert not packer.between
    packer = parallel._Packer(MARK)
    packer.write(MARK + b" 1")
    assert not packer.between


@given(LINES, st.lists(st.integers(1, 50), max_size=5), st.lists(st.integers(1, 30), min_size=1, max_size=3))
def test_pieces_of_a_text_do_not_depend_on_how_it_is_cut(lines: list[bytes], ends: list[int], sizes: list[int]) -> None:
    text = b"".join(lines)
    whole, parts = PieceDigest(ends), PieceDigest(ends)
    whole.write(text)
    for part in cut(text, sizes):
        parts.write(part)
    content = whole.content()
    assert content == parts.content()
    assert content.rows == len(lines)
    assert sum(piece.size_bytes for piece in content.pieces) == len(text)
    again = PieceDigest([piece.size_bytes for piece in content.pieces])
    again.write(text)
    assert again.content() == content


def table(pages: int, size_bytes: int) -> PiecewiseTable:
    return PiecewiseTable(7, 'public."t"', "public", "t", "a, b", pages, size_bytes)


def test_pieces_have_each_page_once_and_the_last_one_all_that_follow() -> None:
    for pages, size_bytes, count in (
        (0, 0, 1),
        (1, 8192, 1),
        (5000, 5000 * 8192, 3),
        (10, 2**40, 10),
        (2048, 2**24, 1),
    ):
        pieces = pieces_of([table(pages, size_bytes)])
        assert len(pieces) == count
        assert [piece.last for piece in pieces] == [False] * (count - 1) + [True]
        begin = 0
        for piece in pieces:
            assert f"ctid >= '({begin},0)'" in piece.order
            if not piece.last:
                begin = int(piece.order.rpartition("ctid < '(")[2].partition(",")[0])
        assert "ctid <" not in pieces[-1].order


def test_a_database_of_terabytes_has_no_more_pieces_than_its_manifest_can_hold() -> None:
    pages = 2**40 // 8192
    pieces = pieces_of([table(pages, 2**40), table(pages // 3, 2**40 // 3)])
    assert 9_900 < len(pieces) <= parallel.MOST_PIECES + 2


def test_names_are_quoted_for_pg_dump() -> None:
    odd = PiecewiseTable(7, "x", 'Some "Schema"', "a.b*", "a", 1, 8192)
    assert odd.excluded == '--exclude-table-data="Some ""Schema"""."a.b*"'


# ---- the table of contents -------------------------------------------------------------------------------------------


def number(value: int) -> bytes:
    return bytes([value < 0]) + abs(value).to_bytes(4, "little")


def string(value: bytes) -> bytes:
    return number(len(value)) + value


def entry(at: int, kind: bytes, tag: bytes, oid: bytes, section: int, *, rows: bool = False) -> bytes:
    words = [number(at), number(rows), string(b"1259"), string(oid), string(tag), string(kind), number(section)]
    words += [string(b"CREATE"), string(b""), number(-1), string(b"public"), number(-1), number(-1), number(0)]
    return b"".join([*words, string(b"me"), string(b"false"), number(-1), b"\1" + bytes(8)])


def archive(entries: list[bytes]) -> bytes:
    head = b"PGDMP" + bytes([1, 16, 0, 4, 8, 1, 0]) + number(0) * 7
    return head + string(b"shop") + string(b"17.1") + string(b"17.1") + number(len(entries)) + b"".join(entries)


def test_added_rows_come_before_all_others_and_nothing_else_changes() -> None:
    before = [entry(3, b"TABLE", b"a", b"101", 2), entry(9, b"TABLE", b"b", b"102", 2), entry(4, b"ACL", b"a", b"0", 1)]
    after = [entry(5, b"TABLE DATA", b"c", b"103", 3, rows=True), entry(6, b"INDEX", b"i", b"104", 4)]
    for rest in (after, after[1:], []):
        data = archive([*before, *rest])
        contents = read_contents(data + b"rows")
        made, numbers = with_rows(data + b"rows", contents, [AddedRows(102, "COPY b;"), AddedRows(101, "COPY a;")])
        assert len(set(numbers) | {each.number for each in contents.entries}) == len(contents.entries) + 2
        found = read_contents(made)
        assert found.end == len(made)
        kept = [each for each in found.entries if each.number not in numbers]
        assert [(each.number, each.kind, each.tag) for each in kept] == [
            (each.number, each.kind, each.tag) for each in contents.entries
        ]
        added = found.entries[len(before) : len(before) + 2]
        assert [(each.number, each.kind, each.tag, each.oid, each.section, each.has_rows, each.copied, each.owner)
                for each in added] == [
            (numbers[0], "TABLE DATA", "b", "102", 3, True, b"COPY b;", "me"),
            (numbers[1], "TABLE DATA", "a", "101", 3, True, b"COPY a;", "me"),
        ]  # fmt: skip


def test_a_table_that_is_not_there_or_has_its_rows_is_refused() -> None:
    data = archive([entry(3, b"TABLE", b"c", b"103", 2), entry(5, b"TABLE DATA", b"c", b"103", 3, rows=True)])
    for oid, error in ((103, ValueError), (99, KeyError)):
        try:
            with_rows(data, read_contents(data), [AddedRows(oid, "COPY c;")])
        except error:
            continue
        raise AssertionError(f"{oid} was added")


async def test_what_belongs_to_another_piece_is_refused() -> None:
    copy = parallel.ParallelCopy(cast("Any", None), "shop", "1-1", [table(4096, 2**25)], 170000, 1)
    copy._access = cast("Any", SimpleNamespace(host=SimpleNamespace(name="here")))
    empty = PieceDigest().content()
    for number in (parallel._LOCKED, 1, 0):
        await copy._lanes[0].put(parallel._End(number, empty, 0))
    await copy.begin()
    with pytest.raises(BackupError, match="another order"):
        _blocks = [block async for block in copy.blocks([9])]
