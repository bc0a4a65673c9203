"""Digests of rows: whatever changes a row is seen, how the bytes are cut is not, and a broken archive gives nothing."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.backup.postgresql.psql import TableContent
from lilfox_tui.backup.postgresql.row_digest import ArchiveRows, CopiedTables, RowDigest
from lilfox_tui.backup.store import BrokenSet

LINES = st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"n")), max_size=30)
LONG = b"x" * 3_000_000
TRAILER = b"\\.\n\n\n"


def of(lines: list[bytes], cuts: int = 10_000_000) -> TableContent:
    data = b"".join(line + b"\n" for line in lines)
    digest = RowDigest()
    for part in cut(data, cuts):
        digest.write(part)
    return digest.content()


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[begin : begin + size] for begin in range(0, len(data), size)]


@given(LINES, st.integers(1, 50), st.randoms())
def test_neither_cuts_nor_order_make_a_difference(lines: list[bytes], size: int, chance: random.Random) -> None:
    whole = of(lines, 10_000)
    assert whole.rows == len(lines)
    chance.shuffle(lines)
    assert of(lines, size) == whole


@given(LINES.filter(bool), st.randoms())
def test_a_row_that_is_flipped_missing_doubled_or_another_is_seen(lines: list[bytes], chance: random.Random) -> None:
    whole, at = of(lines), chance.randrange(len(lines))
    flipped = bytes([lines[at][0] ^ 0x80]) + lines[at][1:] if lines[at] else b"\x80"
    for changed in (
        [*lines[:at], *lines[at + 1 :]],
        [*lines, lines[at]],
        [*lines[:at], flipped, *lines[at + 1 :]],
        [*lines[:at], lines[at] + b" ", *lines[at + 1 :]],
    ):
        assert of(changed) != whole


@pytest.mark.parametrize("size", [4096, 1_000_000, 10_000_000])
def test_a_long_line_is_the_same_however_it_comes(size: int) -> None:
    lines = [b"a", LONG, b"", LONG + b"y", b"b"]
    assert of(lines, size) == of(lines[::-1], 7_000_000)
    assert of(lines, size) != of([b"a", LONG + b"y", b"", LONG + b"z", b"b"], size)


@pytest.mark.parametrize("begun", [b"begun", LONG])
def test_rows_that_end_within_a_line_have_no_digest(begun: bytes) -> None:
    digest = RowDigest()
    digest.write(b"whole\n" + begun)
    with pytest.raises(BrokenSet):
        digest.content()


@given(st.lists(LINES, max_size=5), st.integers(1, 60))
def test_tables_are_told_apart_by_a_mark(tables: list[list[bytes]], size: int) -> None:
    mark = b"lilfox 0123456789abcdef\n"
    copied = CopiedTables(mark)
    data = b"".join(b"".join(line + b"\n" for line in lines) + mark for lines in tables)
    for part in cut(data + b"not ended\n", size):
        copied.write(part)
    assert copied.whole == [of(lines) for lines in tables]


# ---- archives --------------------------------------------------------------------------------------------------------


def number(value: int) -> bytes:
    return bytes([value < 0]) + abs(value).to_bytes(4, "little")


def string(value: bytes) -> bytes:
    return number(len(value)) + value


def entry(at: int, kind: bytes, tag: bytes) -> bytes:
    words = [b"0", b"0", tag, kind]
    return b"".join(
        [
            number(at), number(1), *map(string, words), number(3), string(b""), string(b""),
            string(b"COPY public.x (a) FROM stdin;\n"), string(b"public"), string(b""), string(b""), number(0),
            string(b"owner"), string(b"false"), number(-1), b"\0" + bytes(8),
        ]
    )  # fmt: skip


def chunk(data: bytes) -> bytes:
    return number(len(data)) + data


def archive(tables: dict[str, list[bytes]], *, size: int = 0, objects: bytes = b"", minor: int = 16) -> bytes:
    """An archive whose rows are chunks of their own, or chunks of ``size`` bytes."""
    entries = [entry(at, b"TABLE DATA", name.encode()) for at, name in enumerate(tables, 100)]
    if objects:
        entries.append(entry(7, b"BLOBS", b"BLOBS"))
    head = b"PGDMP" + bytes([1, minor, 0, 4, 8, 1, 0]) + number(0) * 7
    head += string(b"lilfox") + string(b"17.2") + string(b"17.2") + number(len(entries))
    data = b""
    for at, lines in enumerate(tables.values(), 100):
        rows = [line + b"\n" for line in lines]
        parts = cut(b"".join(rows) + TRAILER, size) if size else [*rows, TRAILER]
        data += b"\1" + number(at) + b"".join(map(chunk, parts)) + number(0)
    if objects:
        data += b"\3" + number(7) + number(4711) + chunk(objects) + chunk(objects) + number(0) + number(0)
    return head + b"".join(entries) + data


def read(data: bytes, size: int) -> dict[tuple[str, str], TableContent]:
    rows = ArchiveRows()
    for part in cut(data, size):
        rows.feed(part)
    return rows.finish()


TABLES = st.dictionaries(st.text("abc", min_size=1, max_size=3), LINES, min_size=1, max_size=4)


@given(TABLES, st.sampled_from([0, 1, 3, 7, 4096]), st.integers(1, 3000), st.binary(max_size=20))
def test_the_rows_of_an_archive_are_found(
    tables: dict[str, list[bytes]], chunks: int, size: int, objects: bytes
) -> None:
    assert read(archive(tables, size=chunks, objects=objects), size) == {
        ("public", name): of(lines) for name, lines in tables.items()
    }


@pytest.mark.parametrize("size", [1000, 65_536, 1 << 20])
def test_many_rows_are_read_at_once_whatever_their_lengths_look_like(size: int) -> None:
    chance = random.Random(5)
    lines = [chance.randbytes(chance.choice([0, 4, 9, 10, 255, 256, 265, 2570])) for _number in range(5000)]
    lines = [line.replace(b"\n", b"\0") for line in lines] + [LONG] + [b"\0" * 9] * 100
    tables = {"many": lines, "empty": [], "other": lines[:300]}
    assert read(archive(tables), size) == {("public", name): of(rows) for name, rows in tables.items()}


@pytest.mark.parametrize("length", [30, 3000, 20_000, 300_000])
def test_the_rows_of_a_block_are_looked_for_a_few_times_at_most(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for each row, wide rows would take time in proportion to the square of what a block holds."""
    looks = 0
    read_whole = ArchiveRows._read_whole

    def counted(self: ArchiveRows, digest: RowDigest) -> None:
        nonlocal looks
        looks += 1
        read_whole(self, digest)

    monkeypatch.setattr(ArchiveRows, "_read_whole", counted)
    lines = [b"x" * length] * (3_000_000 // length)
    assert read(archive({"x": lines}), 1 << 18) == {("public", "x"): of(lines)}
    assert looks <= 3 * (1 + 3_000_000 // (1 << 18))


@pytest.mark.parametrize("size", [64, 1 << 20])
def test_of_a_broken_archive_there_is_no_digest(size: int) -> None:
    lines = [b"%d\tabc" % number for number in range(300)]
    whole = archive({"x": lines, "y": lines})
    assert len(read(whole, size)) == 2
    at = whole.index(b"\0" + (len(b"299\tabc") + 1).to_bytes(4, "little") + b"299\tabc")
    for broken in (
        whole[:-1],
        whole[:at],
        whole + b"\1",
        whole[: at + 1] + b"\x09" + whole[at + 2 :],
        whole[:at] + b"\1" + whole[at + 1 :],
        whole.replace(TRAILER, b"\\,\n\n\n"),
        archive({"x": lines}, minor=99),
        b"PGDMP",
        b"",
        b"not an archive" * 100,
    ):
        assert read(broken, size) == {}
