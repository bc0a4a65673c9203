"""Three ways to search a file, which find the same; and that a search can be ended."""

from __future__ import annotations

import os
import random
import shutil
from contextlib import aclosing, suppress
from pathlib import Path

import pytest

from lilfox_tui.config.model import HostConfig
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.logs.files.local import LocalDisk, search_words
from lilfox_tui.logs.filter.needles import Needles
from tests.unit.logs.files.written import console_log

WANTED = [
    Needles((b"token49",)),
    Needles((b"ERROR", b"n=5 ")),
    Needles((b"\xff\xfe",)),
    Needles(("é€".encode(),)),
    Needles((b"TOKEN4",), ignore_case=True),
    Needles((b'"error', b'"severe', b'"crit', b"level: 3", b"token"), ignore_case=True),
]


async def found(path: Path, wanted: Needles, start: int, end: int) -> list[int]:
    """Offsets of the hits."""
    disk = LocalDisk(LocalHost("here", HostConfig(local=True)))
    file = await disk.open((await disk.look([str(path)]))[0])
    hits: list[int] = []
    async with aclosing(file.find(wanted, start, end, following=False)) as batches:
        async for batch in batches:
            hits += batch.offsets
    await file.close()
    return hits


@pytest.mark.parametrize("part", [(0, 1), (0.3, 0.9), (0.95, 1)])
@pytest.mark.parametrize("wanted", WANTED, ids=str)
async def test_rg_grep_and_reading_find_the_same_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: Needles, part: tuple[float, float]
) -> None:
    data = console_log(1, 400) + "é€ ünd\n".encode() + b"\0 \xff\xfe\n" + console_log(2, 10)
    path = tmp_path / "app.log"
    path.write_bytes(data)
    start, end = (int(len(data) * share) for share in part)
    lines = {}
    for programs in (("rg", "grep"), ("grep",), ()):
        monkeypatch.setattr(shutil, "which", lambda name, programs=programs: name if name in programs else None)
        hits = await found(path, wanted, start, end)
        assert hits == sorted(hits)
        assert all(start <= hit < end for hit in hits)
        lines[programs] = sorted({data.rfind(b"\n", 0, hit) for hit in hits})
    exact = {
        data.rfind(b"\n", 0, at)
        for at in range(start, end)
        for needle in wanted.any_of
        if (
            data[at : at + len(needle)].lower() == needle.lower() if wanted.ignore_case else data.startswith(needle, at)
        )
    }
    assert lines[()] == sorted(exact)
    for found_lines in lines.values():
        assert exact <= set(found_lines)
    assert lines[("rg", "grep")] == lines[("grep",)]


async def test_where_only_busybox_is_the_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "grep"):
        (programs / name).symlink_to(str(shutil.which("busybox")))
    monkeypatch.setenv("PATH", str(programs))
    (tmp_path / "app.log").write_bytes(b"a line\nand a needle\n")
    assert await found(tmp_path / "app.log", Needles((b"needle",)), 0, 20) == [13]


async def test_a_search_that_is_closed_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    line = b"2026-11-24 a line of the log with a needle in it\n"
    path.write_bytes(line * 400_000)
    disk = LocalDisk(LocalHost("here", HostConfig(local=True)))
    file = await disk.open((await disk.look([str(path)]))[0])
    async with aclosing(file.find(Needles((b"needle",)), 0, 20_000_000, following=False)) as batches:
        async for batch in batches:
            assert batch.offsets[0] == line.index(b"needle")
            assert searching()
            break
    assert searching() == []
    await file.close()


def searching() -> list[str]:
    """Command lines of programs that this process has started to search."""
    own = f"/proc/{os.getpid()}/fd/"
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found.append(entry.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
    return [words for words in found if own in words]


def test_spelled_out_needles_are_found_wherever_the_needles_are() -> None:
    wanted = Needles((b'"error"', b"level: 3,", b"panicking", b"x"), ignore_case=True)
    literals = [word.encode() for word in search_words(wanted)[1::2]]
    made = random.Random(1)
    for _ in range(200):
        needle = made.choice(wanted.any_of)
        text = bytes(made.choice((bytes((byte,)).lower(), bytes((byte,)).upper()))[0] for byte in needle)
        assert any(literal in text for literal in literals), text
