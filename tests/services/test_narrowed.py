"""A command's lines narrowed by the real grep, of GNU and of BusyBox."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

import pytest
from msgspec import Struct

from lilfox_tui.config.model import HostConfig
from lilfox_tui.core.errors import HostError
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.logs.filter.needles import Needles
from lilfox_tui.logs.sources.journald import BEGUN, narrowed

LINES = b'an error \xe4\xb8\xad\n{"x": "$(id) * .", "y": "e\\"rr"}\nERRATIC\xff\n-- a.b\nanb\nlast without newline'


class Place(Struct, frozen=True):
    """A PATH, and whether what is found there can narrow what ends, and what is followed."""

    path: str
    narrows: bool
    narrows_live: bool


@pytest.fixture(params=["gnu", "busybox", "no grep"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where that grep is."""
    kind: str = request.param
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "cat", "printf", "tail", *(["grep"] if kind != "no grep" else [])):
        real = shutil.which("busybox" if kind == "busybox" else name)
        assert real is not None
        (folder / name).symlink_to(real)
    return Place(str(folder), kind != "no grep", kind == "gnu")


async def printed(place: Place, argv: Sequence[str], wanted: Needles) -> list[bytes]:
    words = ["env", f"PATH={place.path}", *narrowed(argv, wanted, live=False)]
    async with aclosing(LocalHost("here", HostConfig(local=True)).stream(words)) as blocks:
        return b"".join([block async for block in blocks]).splitlines()


async def test_lines_that_hold_a_needle_are_printed(place: Place, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(LINES)
    argv, lines = ["cat", str(tmp_path / "log")], LINES.splitlines()
    any_case = await printed(place, argv, Needles((b"err", b"a.b", b"-- A"), ignore_case=True))
    assert any_case == ([BEGUN, lines[0], lines[2], lines[3]] if place.narrows else lines)
    as_written = await printed(place, argv, Needles((b"ERR", b"x")))
    assert as_written == ([BEGUN, lines[1], lines[2]] if place.narrows else lines)


async def test_nothing_found_is_no_failure(place: Place) -> None:
    assert await printed(place, ["printf", "a\nb\n"], Needles((b"x",))) == ([BEGUN] if place.narrows else [b"a", b"b"])


async def test_a_command_that_fails_is_told_of_in_its_words(place: Place) -> None:
    with pytest.raises(HostError, match="No such file"):
        await printed(place, ["cat", "/nothing/here"], Needles((b"x",)))


async def test_what_is_followed_comes_at_once_and_ends_with_the_reader(place: Place, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"old err\n")
    argv = ["env", f"PATH={place.path}", *narrowed(["tail", "-f", str(log)], Needles((b"err",)), live=True)]
    got = b""
    async with asyncio.timeout(60), aclosing(LocalHost("here", HostConfig(local=True)).stream(argv)) as blocks:
        while b"old err\n" not in got:
            got += await anext(blocks)
        with log.open("ab") as more:
            more.write(b"quiet\nnew err\n")
        while b"new err\n" not in got:
            got += await anext(blocks)
    assert (b"quiet" not in got) == got.startswith(BEGUN) == place.narrows_live
    assert str(log).encode() not in b"".join(map(_command, os.listdir("/proc")))


def _command(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() if pid.isdecimal() and int(pid) != os.getpid() else b""
    except OSError:
        return b""
