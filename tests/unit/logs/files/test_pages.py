"""Pages of files of any size, in both directions, against the plainest reading of the same bytes."""

from __future__ import annotations

import gzip
import os
import shutil
import tracemalloc
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from lilfox_tui.core.aio import Unavailable
from lilfox_tui.core.errors import FileRefused, PlaceGone
from lilfox_tui.logs.files import log_file, pages
from lilfox_tui.logs.files.local import LocalDisk, LocalFile
from lilfox_tui.logs.files.log_file import FileStat
from lilfox_tui.logs.filter.model import EVERYTHING, And, AtLeast, Filter, Not, TextMatch, Within
from lilfox_tui.logs.filter.needles import Needles
from lilfox_tui.logs.record import RAW_LIMIT, Severity, microseconds
from lilfox_tui.logs.source import AtBeginning, AtEnd, AtPlace, AtTime, RecordPage
from tests.unit.logs.files.written import START, console_log, local_source, raws, read_all

FILTERS: list[Filter] = [
    EVERYTHING,
    AtLeast(Severity.ERROR),
    TextMatch("token49"),
    TextMatch("TOKEN49"),
    TextMatch("request"),
    And((TextMatch("request"), Not(AtLeast(Severity.ERROR)))),
    Within(microseconds(START + timedelta(seconds=100)), microseconds(START + timedelta(seconds=120))),
]


@pytest.fixture(params=[300, 1500, 64 * 1024])
def block_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Blocks so small that records lie over their edges, up to one that holds all."""
    size: int = request.param
    monkeypatch.setattr(log_file, "BLOCK", size)
    monkeypatch.setattr(log_file, "_LINE_READ", size // 2)
    monkeypatch.setattr(log_file, "_FIRST_READ", size // 4)
    monkeypatch.setattr(pages, "GROUP_BYTES", size)
    monkeypatch.setattr(LocalFile, "STEP_BYTES", 20 * size)
    monkeypatch.setattr(LocalFile, "WHOLE_SHARE", 2)
    monkeypatch.setattr(pages, "_BEFORE", size // 8)
    monkeypatch.setattr(pages, "_AFTER", size // 4)
    monkeypatch.setattr(LocalFile, "NEAR_BYTES", 3 * size)
    monkeypatch.setattr(pages, "_SMALL_BYTES", 3 * size)
    return size


@pytest.mark.parametrize("ignore_case", [False, True])
def test_pieces_without_a_needle_are_dropped_unless_they_were_cut(ignore_case: bool) -> None:
    found, cut, other = (0, b"an error", 8), (8, b"x" * 9, RAW_LIMIT + 1), (20, b"a line", 6)
    wanted = Needles((b"none", b"Error" if ignore_case else b"error"), ignore_case)
    assert pages.pieces_holding([found, cut, other], wanted) == [found, cut]


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize("where", FILTERS, ids=str)
async def test_pages_hold_each_matching_record_once(
    tmp_path: Path, block_bytes: int, where: Filter, older: bool
) -> None:
    data = console_log(1, 300)
    path = tmp_path / "app.log"
    path.write_bytes(data)
    source = local_source(path)
    everything = await read_all(source, AtEnd() if older else AtBeginning(), EVERYTHING, older=older, limit=7)
    assert [record.raw for record in everything] == raws(data)
    found = await read_all(source, AtEnd() if older else AtBeginning(), where, older=older, limit=7)
    assert found == [record for record in everything if where.matches(record)]
    await source.close()


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize(("share", "searches"), [(8, 1), (3, 2)])
async def test_a_large_file_is_not_read_again_for_each_step_of_a_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, older: bool, share: int, searches: int
) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(console_log(1, 300))
    monkeypatch.setattr(LocalFile, "NEAR_BYTES", 0)
    monkeypatch.setattr(LocalFile, "STEP_BYTES", path.stat().st_size // 6)
    monkeypatch.setattr(LocalFile, "WHOLE_SHARE", share)
    find, searched = LocalFile.find, list[tuple[int, int]]()

    def counted(file: LocalFile, wanted: Needles, start: int, end: int, *, following: bool) -> object:
        searched.append((start, end))
        return find(file, wanted, start, end, following=following)

    monkeypatch.setattr(LocalFile, "find", counted)
    source = local_source(path)
    start = AtEnd() if older else AtBeginning()
    found = await read_all(source, start, TextMatch("token49"), older=older, limit=1000)
    await source.close()
    assert found
    assert len(searched) == searches


@pytest.fixture
def rotated(tmp_path: Path) -> tuple[Path, list[bytes]]:
    """A log of five files, two of them packed, and its records."""
    parts = [console_log(part, 60, first=60 * part) for part in range(5)]
    (tmp_path / "app.log.4.gz").write_bytes(gzip.compress(parts[0]))
    (tmp_path / "app.log.3.gz").write_bytes(gzip.compress(parts[1]))
    (tmp_path / "app.log.2").write_bytes(parts[2])
    (tmp_path / "app.log.1").write_bytes(parts[3])
    (tmp_path / "app.log").write_bytes(parts[4])
    (tmp_path / "app.log.2.gz").write_bytes(gzip.compress(parts[2])[:40])  # just being packed
    (tmp_path / "app.logger").write_bytes(b"2026-11-24 10:00:00,000 - b - INFO - of another log\n")
    return tmp_path / "app.log", [raw for part in parts for raw in raws(part)]


@pytest.mark.parametrize("older", [False, True])
async def test_rotated_files_are_one_log_by_age(rotated: tuple[Path, list[bytes]], older: bool) -> None:
    path, expected = rotated
    source = local_source(path)
    start = AtEnd() if older else AtBeginning()
    assert [one.raw for one in await read_all(source, start, EVERYTHING, older=older, limit=11)] == expected
    errors = await read_all(source, start, AtLeast(Severity.ERROR), older=older, limit=11)
    assert [one.raw for one in errors] == [raw for raw in expected if b" ERROR " in raw]
    await source.close()
    alone = local_source(path, rotated=False)
    assert [one.raw for one in await read_all(alone, start, EVERYTHING, older=older)] == expected[240:]
    await alone.close()


async def test_a_place_is_looked_for_again_in_a_file_that_was_renamed_since_the_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(console_log(5, 1))
    before = local_source(path)
    last = (await before.page(AtEnd(), older=True, limit=1, where=EVERYTHING)).records[0]
    await before.close()
    look = LocalDisk.look

    async def look_and_rotate(disk: LocalDisk, patterns: Sequence[str]) -> list[FileStat]:
        seen = await look(disk, patterns)
        if not path.with_name("app.log.1").exists():
            path.rename(path.with_name("app.log.1"))
            path.write_bytes(console_log(3, 2, first=5))
        return seen

    monkeypatch.setattr(LocalDisk, "look", look_and_rotate)
    source = local_source(path)
    found = await source.page(AtPlace(last.place), older=False, limit=9, where=EVERYTHING)
    assert [one.raw for one in found.records] == raws(console_log(3, 2, first=5))
    await source.close()


async def test_a_place_holds_through_renaming_packing_and_copying(rotated: tuple[Path, list[bytes]]) -> None:
    path, expected = rotated
    source = local_source(path)
    last = (await source.page(AtEnd(), older=True, limit=1, where=EVERYTHING)).records[0]
    other = (await source.page(AtPlace(last.place), older=True, limit=90, where=EVERYTHING)).records[0]
    path.with_name("app.log.1").rename(path.with_name("app.log.5"))  # renamed, and packed
    shutil.move(path.with_name("app.log.5"), path.with_name("app.log.1.packing"))
    packed = gzip.compress(path.with_name("app.log.1.packing").read_bytes())
    path.with_name("app.log.1.packing").unlink()
    path.with_name("app.log.1.gz").write_bytes(packed)
    after = await read_all(source, AtPlace(other.place), EVERYTHING, older=False)
    assert [one.raw for one in after] == expected[-90:]
    names = {one.raw: one.place for one in after}
    shutil.copyfile(path, path.with_name("app.log.0"))  # copied and emptied
    path.write_bytes(console_log(9, 3, first=300))
    again = await read_all(source, AtPlace(other.place), EVERYTHING, older=False)
    assert [one.raw for one in again] == expected[-90:] + raws(console_log(9, 3, first=300))
    assert {one.raw: one.place for one in again[:90]} == names
    path.with_name("app.log.1.gz").unlink()
    with pytest.raises(PlaceGone, match="no longer belongs to app"):
        await source.page(AtPlace(other.place), older=False, limit=1, where=EVERYTHING)
    await source.close()


@pytest.mark.parametrize("older", [False, True])
async def test_files_from_before_the_time_asked_for_are_not_opened(
    rotated: tuple[Path, list[bytes]], older: bool
) -> None:
    path, expected = rotated
    for days, name in enumerate(("app.log", "app.log.1", "app.log.2", "app.log.3.gz", "app.log.4.gz")):
        written = START.timestamp() + 300 - days * 86_400
        os.utime(path.with_name(name), (written, written))
    path.with_name("app.log.4.gz").write_bytes(b"\x1f\x8b\x08 not to be unpacked")
    os.utime(path.with_name("app.log.4.gz"), (1, 1))
    source = local_source(path)
    where = Within(microseconds(START + timedelta(seconds=200)), None)
    found = await read_all(source, AtEnd() if older else AtBeginning(), where, older=older)
    assert [one.raw for one in found] == expected[200:]
    assert source.status.value is not None
    assert "damaged" not in source.status.value.description
    await source.close()


@pytest.mark.parametrize("older", [False, True])
async def test_a_copy_that_is_being_made_is_not_read_twice(tmp_path: Path, older: bool) -> None:
    path = tmp_path / "app.log"
    data = console_log(1, 200)
    path.write_bytes(data)
    path.with_name("app.log.1").write_bytes(data[:7000])  # not emptied yet
    path.with_name("app.log.2").write_bytes(console_log(2, 10))
    source = local_source(path)
    found = await read_all(source, AtEnd() if older else AtBeginning(), EVERYTHING, older=older, limit=30)
    assert [one.raw for one in found] == raws(console_log(2, 10) + data)
    await source.close()


@pytest.mark.parametrize("second", [-5, 0, 59, 60, 61, 123, 239, 299, 400])
async def test_a_time_is_found_over_all_files(rotated: tuple[Path, list[bytes]], second: int) -> None:
    path, expected = rotated
    source = local_source(path)
    at = AtTime(microseconds(START + timedelta(seconds=second)))
    newer = await read_all(source, at, EVERYTHING, older=False)
    older = await read_all(source, at, EVERYTHING, older=True)
    assert [one.raw for one in newer] == expected[max(0, second) :]
    assert [one.raw for one in older] == expected[: max(0, second)]
    await source.close()


async def test_a_time_is_found_in_a_large_file_with_records_out_of_order_and_without_time(tmp_path: Path) -> None:
    lines = [f"2026-11-24 {n // 3600:02d}:{n // 60 % 60:02d}:{n % 60:02d} line {n}" for n in range(40_000)]
    lines[20_000], lines[20_004] = lines[20_004], lines[20_000]
    lines[30_000:30_100] = ["no time here"] * 100
    path = tmp_path / "app.log"
    path.write_text("\n".join(lines) + "\n")
    source = local_source(path)
    day = START.replace(hour=0)
    for second in (0, 1, 19_999, 20_002, 29_999, 30_050, 39_999):
        page = await source.page(
            AtTime(microseconds(day + timedelta(seconds=second))), older=False, limit=1, where=EVERYTHING
        )
        expected = {20_002: 20_004, 30_050: 30_100}.get(second, second)
        assert page.records[0].raw.endswith(b" line %d" % expected), second
    await source.close()


async def test_a_half_line_is_not_shown_until_it_is_whole_or_nobody_writes(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(b"2026-11-24 10:00:00,000 - app - INFO - whole\n2026-11-24 10:00:01,000 - app - IN")
    source = local_source(path)
    page = await source.page(AtEnd(), older=True, limit=9, where=EVERYTHING)
    assert [one.entry.message for one in page.records] == ["whole"]
    os.utime(path, (1, 1))
    page = await source.page(AtEnd(), older=True, limit=9, where=EVERYTHING)
    assert len(page.records) == 2
    await source.close()


@pytest.mark.parametrize("older", [False, True])
async def test_a_very_long_line_is_one_record_cut_with_its_true_size(tmp_path: Path, older: bool) -> None:
    path = tmp_path / "app.log"
    length = 50_000_000
    before = b"2026-11-24 10:00:00,000 - app - INFO - before\n"
    head = b"2026-11-24 10:00:01,000 - app - ERROR - "
    with path.open("wb") as file:
        file.write(before + head)
        file.seek(length - len(head), os.SEEK_CUR)
        file.write(b"\n2026-11-24 10:00:02,000 - app - INFO - after\n")
    source = local_source(path, format_name="console")
    tracemalloc.start()
    found = await read_all(source, AtEnd() if older else AtBeginning(), EVERYTHING, older=older, limit=1)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [one.size_bytes for one in found] == [len(before) - 1, length, len(before) - 2]
    assert len(found[1].raw) == RAW_LIMIT
    assert peak_bytes < 24 * RAW_LIMIT
    assert [one.place for one in await read_all(source, AtBeginning(), AtLeast(Severity.ERROR), older=False)] == [
        found[1].place
    ]
    await source.close()


async def test_an_empty_file_has_no_records_and_a_binary_one_is_plain(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.touch()
    source = local_source(path)
    assert await source.page(AtEnd(), older=True, limit=9, where=EVERYTHING) == RecordPage((), None)
    assert await source.page(AtBeginning(), older=False, limit=9, where=EVERYTHING) == RecordPage((), None)
    path.write_bytes(bytes(range(256)) * 40)
    os.utime(path, (1, 1))
    found = await read_all(source, AtEnd(), EVERYTHING, older=True)
    assert b"".join(one.raw for one in found).count(b"\0") == 40
    assert source.status.value is not None
    assert source.status.value.format == "plain"
    assert "contains binary data (NUL bytes); it is read as plain text" in source.status.value.description
    await source.close()


async def test_what_is_no_log_file_is_refused_in_words(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, words, hint in (
        (tmp_path / "none.log", "no such file", "has started"),
        (tmp_path, "is a directory", "/*.log"),
        (tmp_path / "pipe", "is a pipe, a socket or a device, not a file", r"PROGRAM | lilfox logs -"),
        (Path("/dev/null"), "is a pipe, a socket or a device, not a file", "lilfox logs -"),
    ):
        source = local_source(path)
        with pytest.raises(FileRefused, match=words) as refused:
            await source.page(AtEnd(), older=True, limit=9, where=EVERYTHING)
        assert hint in str(refused.value.hint)
        assert isinstance(source.status.state, Unavailable)
        await source.close()


async def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(b"secret\n")
    path.chmod(0)
    source = local_source(path)
    user = os.geteuid()
    os.seteuid(65534 if user == 0 else user)
    try:
        with pytest.raises(FileRefused, match="is not readable by this account"):
            await source.page(AtEnd(), older=True, limit=9, where=EVERYTHING)
    finally:
        os.seteuid(user)
    await source.close()
