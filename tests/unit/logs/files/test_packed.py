"""Packed files: whole, of several members, damaged, and bombs."""

from __future__ import annotations

import asyncio
import bz2
import codecs
import gzip
import lzma
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import zstandard

from lilfox_tui.logs.files import local
from lilfox_tui.logs.filter.model import EVERYTHING, TextMatch
from lilfox_tui.logs.record import Severity
from lilfox_tui.logs.source import AtBeginning, AtEnd
from tests.unit.logs.files.written import console_log, local_source, raws, read_all
from tests.waiting import until

PACK: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard.compress,
}


def temporary_files() -> list[str]:
    """Files without a name that this process holds open."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            target = os.readlink(entry)
        except FileNotFoundError:
            continue
        if "(deleted)" in target:
            found.append(target)
    return found


@pytest.mark.parametrize("kind", PACK)
async def test_each_kind_is_told_by_its_content_and_read_whole(tmp_path: Path, kind: str) -> None:
    first, second = console_log(1, 200), console_log(2, 100, first=200)
    path = tmp_path / "named.otherwise"
    path.write_bytes(PACK[kind](first) + PACK[kind](second))  # two members are one file
    before = temporary_files()
    source = local_source(path)
    expected = raws(first + second)
    assert [one.raw for one in await read_all(source, AtEnd(), EVERYTHING, older=True)] == expected
    found = await read_all(source, AtBeginning(), TextMatch("token49"), older=False)
    assert [one.raw for one in found] == [raw for raw in expected if b"token49" in raw]
    await source.close()
    await until(lambda: temporary_files() == before, what="what a thread still read is closed when it ends")
    assert os.listdir(tmp_path) == ["named.otherwise"]


@pytest.mark.parametrize("kind", PACK)
async def test_what_is_cut_short_is_read_as_far_as_it_goes_and_said(tmp_path: Path, kind: str) -> None:
    data = os.urandom(1_500_000 if kind == "bz2" else 300_000).hex().encode()  # bzip2 has blocks of 900 kB
    path = tmp_path / "app.log.1"
    whole = PACK[kind](b"2026-11-24 10:00:00 first line\n2026-11-24 10:00:01 " + data + b"\n")
    path.write_bytes(whole[: len(whole) * 2 // 3])
    source = local_source(path)
    found = await read_all(source, AtBeginning(), EVERYTHING, older=False)
    assert found[0].raw == b"2026-11-24 10:00:00 first line"
    assert found[1].raw[20:] == data[: len(found[1].raw) - 20]
    status = source.status.value
    assert status is not None
    assert "damaged or incomplete" in status.description
    await source.close()


@pytest.mark.fault("S12")
async def test_a_bomb_is_unpacked_no_further_than_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await unpacked_in_part(tmp_path, monkeypatch, most=3_000_000, free=10**12, says="(the limit for one file)")


async def test_a_bomb_leaves_half_of_the_disk_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    says = f"(too little free disk space in {local._folder()})"
    await unpacked_in_part(tmp_path, monkeypatch, most=10**11, free=6_000_000, says=says)


async def unpacked_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, most: int, free: int, says: str) -> None:
    """3 MB of it; ``says`` why."""
    monkeypatch.setattr(local, "MAX_BYTES", most)
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=free))
    path = tmp_path / "app.log.1.gz"
    path.write_bytes(gzip.compress(b"0123456789\n" * 1_000_000))
    source = local_source(path)
    await source.page(AtBeginning(), older=False, limit=1, where=EVERYTHING)
    status = source.status.value
    assert status is not None
    assert f"only the first 2.9M are decompressed {says}" in status.description
    assert status.size_bytes == 3_000_000
    await source.close()


async def test_unpacking_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "app.log.1.xz"
    path.write_bytes(lzma.compress(os.urandom(4_000_000).hex().encode(), preset=0))
    before = temporary_files()
    source = local_source(path)
    asked = asyncio.create_task(source.page(AtBeginning(), older=False, limit=1, where=EVERYTHING))
    await until(lambda: temporary_files() != before)
    asked.cancel()
    await asyncio.wait([asked])
    assert asked.cancelled()
    await source.close()
    await until(lambda: temporary_files() == before, what="what a thread still read is closed when it ends")


@pytest.mark.parametrize("order", ["le", "be"])
async def test_utf_16_is_read_as_text(tmp_path: Path, order: str) -> None:
    """As programs of Windows write it."""
    path = tmp_path / "setup.log"
    lines = [f"2026-01-01 12:00:{second:02},000 - a.b - ERROR - 失败 {second}" for second in range(60)] * 40
    mark = codecs.BOM_UTF16_LE if order == "le" else codecs.BOM_UTF16_BE
    path.write_bytes(mark + "".join(f"{line}\r\n" for line in lines).encode(f"utf-16-{order}"))
    source = local_source(path)
    found = await read_all(source, AtBeginning(), TextMatch("失败 7"), older=False)
    assert [one.entry.message for one in found] == ["失败 7"] * 40
    assert {one.entry.severity for one in found} == {Severity.ERROR}
    whole = await read_all(source, AtBeginning(), EVERYTHING, older=False)
    assert [one.raw.decode() for one in whole] == lines
    await source.close()
