"""Stores whose disk is full, read-only or gone, whose link is cut or stalls.

Rows 7, 8, 9, 10, 11, 13, 14 and 15 of the faults that must not harm a backup.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest

from lilfox_tui.backup.options import SftpOptions
from lilfox_tui.backup.publishing import Publication
from lilfox_tui.backup.store import BackupStore, StoreError
from lilfox_tui.backup.stores import sftp
from lilfox_tui.core.errors import HostError, HostUnreachable
from lilfox_tui.hosts.open import open_host
from tests.faults.faulty_stores import HEADING, KINDS, hold, lab, names, of, old_set, opened, place
from tests.faults.relay import Relay
from tests.services.sshd import Sshd, SshdLab
from tests.waiting import turn

__all__ = ["lab", "place"]


def mount(point: Path, options: str) -> None:
    if (
        os.geteuid() != 0
        or subprocess.run(["mount", "-t", "tmpfs", "-o", f"mode=700,{options}", "none", point]).returncode
    ):
        pytest.skip("only root can mount")


async def command(*argv: str) -> None:
    process = await asyncio.create_subprocess_exec(*argv)
    assert await process.wait() == 0


@pytest.mark.root
@pytest.mark.parametrize("kind", KINDS)
async def test_07_a_disk_that_fills_up_leaves_no_part_and_the_sets_before(kind: str, lab: SshdLab, place: Path) -> None:
    mount(place, "size=1m")
    async with opened(kind, lab, place) as store:
        await old_set(store)
        assert any(check.state == "bad" for check in await store.checks(5_000_000))
        with pytest.raises(StoreError, match=r"no space left in .* for new.part") as caught:
            await store.write("new", of(5_000_000))
        assert "Free up space" in str(caught.value.hint)
        assert names(place) == ["old"]
        await store.write("new", of(500_000))


@pytest.mark.root
@pytest.mark.parametrize("kind", KINDS)
async def test_08_a_disk_that_is_full_when_the_manifest_comes_leaves_no_set(
    kind: str, lab: SshdLab, place: Path
) -> None:
    mount(place, "size=1m")

    async def run(store: BackupStore) -> None:
        async with Publication(store, HEADING) as publication:
            into = publication.of("files", "files")
            await into.put("files", ".tar", "files", of(200_000))
            for number in range(3000):  # the manifest would fit into what is left of a page otherwise
                into.note(f"note {number}")
            fill(place)
            await publication.publish()

    async with opened(kind, lab, place) as store:
        await old_set(store)
        with pytest.raises(StoreError, match="no space left"):
            await run(store)
        assert names(place) == ["old", "rest"]


def fill(disk: Path) -> None:
    with (disk / "rest").open("wb", buffering=0) as rest, suppress(OSError):
        while True:
            rest.write(b"x" * 4096)


@pytest.mark.root
@pytest.mark.parametrize("kind", KINDS)
async def test_09_a_disk_without_inodes_is_told(kind: str, lab: SshdLab, place: Path) -> None:
    mount(place, "nr_inodes=20")
    async with opened(kind, lab, place) as store:
        await old_set(store)
        checks = await store.checks(1)
        assert any(check.state == "bad" and "more files" in str(check.found) for check in checks)
        for number in range(30):
            with suppress(OSError):
                (place / f"foreign{number}").touch()
        with pytest.raises(StoreError, match="no space left"):
            await store.write("new", of(65536))
        assert "new.part" not in names(place)
        assert "old" in names(place)


@pytest.mark.root
@pytest.mark.parametrize("kind", KINDS)
async def test_10_a_disk_that_is_read_only_is_told(kind: str, lab: SshdLab, place: Path) -> None:
    mount(place, "size=1m")
    async with opened(kind, lab, place) as store:
        await old_set(store)
        await command("mount", "-o", "remount,ro", str(place))
        checks = await store.checks(1)
        assert any(check.state == "bad" and "read-only" in str(check.found) for check in checks)
        for attempt in (store.write("new", of(65536)), store.put_small("new", b"x"), store.remove(["old"])):
            with pytest.raises(StoreError, match="read-only"):
                await attempt
        async with store.lock("restore", shared=True):
            assert list((await store.look(("old",)))[0]) == ["old"]
        assert names(place) == ["old"]


@pytest.mark.root
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("below", [False, True])
async def test_11_a_disk_that_is_not_mounted_is_not_written_below(
    kind: str, below: bool, lab: SshdLab, place: Path
) -> None:
    folder = place / "sets" if below else place
    async with opened(kind, lab, folder, require_mount=str(place) if below else True) as store:
        mount(place, "size=1m")
        assert all(check.state == "good" for check in await store.checks(1))
        await old_set(store)
        await store.close()
        await command("umount", str(place))
        checks = await store.checks(1)
        assert [check.state for check in checks] == ["bad"]
        assert "nothing is mounted at" in str(checks[0].found)
        for attempt in (store.write("new", of(65536)), store.put_small("new", b"x"), hold(store)):
            with pytest.raises(StoreError, match="nothing is mounted at"):
                await attempt
        assert os.listdir(place) == []


@pytest.mark.root
@pytest.mark.parametrize("kind", KINDS)
async def test_11_a_disk_that_goes_away_during_a_run_is_noticed_also_unasked(
    kind: str, lab: SshdLab, place: Path
) -> None:
    mount(place, "size=1m")
    async with opened(kind, lab, place) as store:
        await old_set(store)
        await command("umount", "-l", str(place))
        for attempt in (store.write("new", of(65536)), store.put_small("new", b"x"), store.publish(["new"])):
            with pytest.raises(
                StoreError, match=r"has been replaced by a different folder|has changed since LilFox opened it"
            ):
                await attempt
        assert os.listdir(place) == []


PUBLISH = """
import asyncio, sys
from tests.faults.faulty_stores import HEADING, of
from lilfox_tui.backup.publishing import Publication
from lilfox_tui.backup.stores.local import LocalStore
from lilfox_tui.backup.options import LocalOptions
async def main():
    async with Publication(LocalStore("s", LocalOptions(path=sys.argv[1])), HEADING) as publication:
        await publication.of("a", "files").put("a", ".tar", "files", of(65536))
        await publication.of("b", "files").put("b", ".tar", "files", of(65536))
        await publication.publish()
asyncio.run(main())
"""


def test_13_a_loss_of_power_at_any_point_leaves_whole_sets_only(place: Path) -> None:
    """By the order of what the kernel was asked for: each file is on the disk before it is named, names before the
    manifest has its own."""
    folder = place / "sets"
    trace = place / "trace"
    wanted = "openat,fsync,link,linkat,rename,renameat,renameat2,unlink,unlinkat"
    subprocess.run(
        ["strace", "-f", "-y", "-e", f"trace={wanted}", "-o", trace, sys.executable, "-c", PUBLISH, folder], check=True
    )
    calls = [line.partition(" ")[2].strip() for line in trace.read_text().splitlines() if str(folder) in line]
    steps = [step for call in calls if (step := said(call, str(folder))) is not None]
    parts = [f"{name}_20231230_020000.tar.zst" for name in "ab"]
    manifest = f"{HEADING.id}.manifest.json"
    assert steps == [
        *(("fsync", f"{name}.part") for name in parts),
        ("fsync", f"{manifest}.part"),
        *(("name", name) for name in parts),
        ("fsync", ""),
        ("name", manifest),
        ("fsync", ""),
    ]


def said(call: str, folder: str) -> tuple[str, str] | None:
    """What a line of strace means here: a file (or, empty, the folder) put on the disk, or a name that was given."""
    name = call.partition("(")[0]
    if name == "fsync":
        return "fsync", call.partition("<")[2].partition(">")[0].removeprefix(folder).lstrip("/")
    if name.startswith(("link", "rename")):
        return "name", call.split('"')[3]
    return None


def link_of(lab: SshdLab, relay: Relay, folder: Path) -> tuple[BackupStore, AsyncExitStack]:
    """A store over a wire that can be cut."""
    with lab.known_hosts.open("a") as known:
        known.write(relay.known_line())
    stack = AsyncExitStack()
    host = open_host("nas", lab.host(lab.servers[0], address=relay.address, port=relay.port), lab.ssh())
    store = sftp.open_store("s", SftpOptions(host="nas", path=str(folder)), host)
    stack.push_async_callback(host.close)
    stack.push_async_callback(store.close)
    return store, stack


async def steady(gate: asyncio.Event) -> AsyncGenerator[bytes, None]:
    """Sets ``gate`` once some megabytes are through."""
    for number in range(100_000):
        if number == 40:
            gate.set()
        yield os.urandom(1024 * 1024)
        await turn()


async def test_15_a_link_that_stalls_ends_the_write_and_the_read_in_bounded_time(lab: SshdLab, place: Path) -> None:
    async with Relay(lab.servers[0]) as relay:
        store, stack = link_of(lab, relay, place)
        async with stack:
            await old_set(store)
            flowing = asyncio.Event()
            writing = asyncio.create_task(store.write("new", steady(flowing)))
            await asyncio.wait_for(flowing.wait(), 60)
            relay.cut()
            began = time.monotonic()
            with pytest.raises(HostUnreachable, match="nas"):
                await asyncio.wait_for(writing, 60)
            assert time.monotonic() - began < 40
            relay.mend()
            assert "old" in {entry.name for entry in await store.entries()}
            assert "new" not in names(place)
            await store.remove(["new.part"])
            assert await store.write("new", of(200_000)) > 0
            reading = asyncio.create_task(swallow(store, "old"))
            relay.cut()
            with pytest.raises(HostError):
                await asyncio.wait_for(reading, 60)
            relay.mend()


async def swallow(store: BackupStore, name: str) -> None:
    while True:
        async for _ in store.read(name):
            pass


async def test_14_a_killed_server_fails_the_write_and_the_next_one_is_made_anew(lab: SshdLab, place: Path) -> None:
    server: Sshd = lab.servers[0]
    async with opened("sftp", lab, place) as store:
        await old_set(store)
        flowing = asyncio.Event()
        writing = asyncio.create_task(store.write("new", steady(flowing)))
        await asyncio.wait_for(flowing.wait(), 60)
        server.kill()
        try:
            with pytest.raises(HostUnreachable):
                await asyncio.wait_for(writing, 60)
        finally:
            server.start()
        assert "new" not in names(place)
        await store.remove(["new.part"])
        assert await store.write("new", of(200_000)) > 0
        assert names(place) == ["new.part", "old"]
