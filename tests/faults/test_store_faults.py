"""Stores whose disk is full, read-only or gone, whose link is cut or stalls, and whose lock was left by the dead.

Rows 7, 8, 9, 10, 11, 13, 14, 15, 17 and 18 of the faults that must not harm a backup.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lilfox_tui.backup import store_lock
from lilfox_tui.backup.errors import StoreError, StoreHeld
from lilfox_tui.backup.publishing import Heading, Publication
from lilfox_tui.backup.store import Store
from lilfox_tui.backup.stores import local, sftp
from lilfox_tui.config.model import HostConfig
from lilfox_tui.errors import HostError, HostUnreachable
from lilfox_tui.hosts.open import open_host
from tests.faults.relay import Relay
from tests.services.sshd import Sshd, SshdLab, sshd_lab
from tests.waiting import until

HEADING = Heading(
    id="lilfox_20231230_020000",
    run="1",
    plan="lilfox",
    created=datetime(2023, 12, 29, 18, tzinfo=UTC),
    offset_s=0,
    host="h",
    tool="t",
)
KINDS = ["local", "sftp"]


@pytest.fixture(scope="module")
def lab() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        made.sshd()
        yield made


@asynccontextmanager
async def opened(kind: str, lab: SshdLab, folder: Path, **options: object) -> AsyncIterator[Store]:
    here = kind == "local"
    host = open_host("nas", HostConfig(local=True) if here else lab.host(lab.servers[0]), lab.ssh())
    store: Store = (
        local.open_store("s", local.Options(path=str(folder), **options), host)  # type: ignore[arg-type]
        if here
        else sftp.open_store("s", sftp.Options(host="nas", path=str(folder), **options), host)  # type: ignore[arg-type]
    )
    try:
        yield store
    finally:
        await store.close()
        await host.close()


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder, and at the end nothing is mounted in it."""
    with tempfile.TemporaryDirectory(prefix="lilfox-faults-") as made:
        point = Path(made) / "disk"
        point.mkdir(mode=0o700)
        try:
            yield point
        finally:
            while subprocess.run(["umount", "-l", point], capture_output=True).returncode == 0:
                pass


def mount(point: Path, options: str) -> None:
    if (
        os.geteuid() != 0
        or subprocess.run(["mount", "-t", "tmpfs", "-o", f"mode=700,{options}", "none", point]).returncode
    ):
        pytest.skip("only root can mount")


async def command(*argv: str) -> None:
    process = await asyncio.create_subprocess_exec(*argv)
    assert await process.wait() == 0


async def of(size: int) -> AsyncGenerator[bytes, None]:
    for _ in range(size // 65536):
        yield os.urandom(65536)


async def old_set(store: Store) -> None:
    await store.write("old", of(65536))
    await store.publish(["old"])


def names(folder: Path) -> list[str]:
    return sorted(name for name in os.listdir(folder) if not name.startswith(".lilfox"))


@pytest.mark.root
@pytest.mark.parametrize("kind", KINDS)
async def test_07_a_disk_that_fills_up_leaves_no_part_and_the_sets_before(kind: str, lab: SshdLab, place: Path) -> None:
    mount(place, "size=1m")
    async with opened(kind, lab, place) as store:
        await old_set(store)
        assert any(check.state == "bad" for check in await store.checks(5_000_000))
        with pytest.raises(StoreError, match=r"no room is left in .* for new.part") as caught:
            await store.write("new", of(5_000_000))
        assert "Make room" in str(caught.value.hint)
        assert names(place) == ["old"]
        await store.write("new", of(500_000))


@pytest.mark.root
@pytest.mark.parametrize("kind", KINDS)
async def test_08_a_disk_that_is_full_when_the_manifest_comes_leaves_no_set(
    kind: str, lab: SshdLab, place: Path
) -> None:
    mount(place, "size=1m")

    async def run(store: Store) -> None:
        async with Publication(store, HEADING) as publication:
            into = publication.of("files", "files")
            await into.put("files", ".tar", "files", of(200_000))
            for number in range(3000):  # the manifest would fit into what is left of a page otherwise
                into.note(f"note {number}")
            fill(place)
            await publication.publish()

    async with opened(kind, lab, place) as store:
        await old_set(store)
        with pytest.raises(StoreError, match="no room is left"):
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
        with pytest.raises(StoreError, match="no room is left"):
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
            assert await store.read_small(["old"])
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


async def hold(store: Store) -> None:
    async with store.lock("backup"):
        pass


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
            with pytest.raises(StoreError, match=r"than (it was|when this)"):
                await attempt
        assert os.listdir(place) == []


PUBLISH = """
import asyncio, sys
from tests.faults.test_store_faults import HEADING, of
from lilfox_tui.backup.publishing import Publication
from lilfox_tui.backup.stores.local import LocalStore, Options
async def main():
    async with Publication(LocalStore("s", Options(path=sys.argv[1])), HEADING) as publication:
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


def link_of(lab: SshdLab, relay: Relay, folder: Path) -> tuple[Store, AsyncExitStack]:
    """A store over a wire that can be cut."""
    with lab.known_hosts.open("a") as known:
        known.write(relay.known_line())
    stack = AsyncExitStack()
    host = open_host("nas", lab.host(lab.servers[0], address=relay.address, port=relay.port), lab.ssh())
    store = sftp.open_store("s", sftp.Options(host="nas", path=str(folder)), host)
    stack.push_async_callback(host.close)
    stack.push_async_callback(store.close)
    return store, stack


async def steady(gate: asyncio.Event) -> AsyncGenerator[bytes, None]:
    """Sets ``gate`` once some megabytes are through."""
    for number in range(100_000):
        if number == 40:
            gate.set()
        yield os.urandom(1024 * 1024)
        await asyncio.sleep(0)


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
                await asyncio.wait_for(writing, 45)
            assert time.monotonic() - began < 40
            relay.mend()
            assert "old" in {entry.name for entry in await store.entries()}
            assert "new" not in names(place)
            await store.remove(["new.part"])
            assert await store.write("new", of(200_000)) > 0
            reading = asyncio.create_task(swallow(store, "old"))
            relay.cut()
            with pytest.raises(HostError):
                await asyncio.wait_for(reading, 45)
            relay.mend()


async def swallow(store: Store, name: str) -> None:
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
                await asyncio.wait_for(writing, 30)
        finally:
            server.start()
        assert "new" not in names(place)
        await store.remove(["new.part"])
        assert await store.write("new", of(200_000)) > 0
        assert names(place) == ["new.part", "old"]


HOLD = """
import asyncio, sys
from lilfox_tui.backup.stores.local import LocalStore, Options
async def main():
    async with LocalStore("s", Options(path=sys.argv[1])).lock("cron", shared=sys.argv[2] == "shared"):
        print("held", flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.fixture(params=["alone", "shared"])
def holder(request: pytest.FixtureRequest, place: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that holds the store."""
    with subprocess.Popen([sys.executable, "-c", HOLD, place, request.param], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


async def test_17_18_a_lock_ends_with_its_process_however_that_ends(
    lab: SshdLab, place: Path, holder: subprocess.Popen[bytes]
) -> None:
    async with opened("local", lab, place) as store, opened("sftp", lab, place) as remote:
        for each in (store, remote):
            with pytest.raises(StoreHeld, match="in use by"):
                await hold(each)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        if holder.args[-1] == "alone":  # type: ignore[index]
            with pytest.raises(StoreHeld, match="cron"):  # by SFTP nobody sees that it is dead
                await hold(remote)
        await hold(store)
        await hold(remote)


def left_mark(place: Path, age_s: float) -> None:
    """The lock of a run that came by SFTP and is gone."""
    mark = place / store_lock.LOCK
    token = os.urandom(8).hex()
    mark.write_text(f'{{"who":"the dead one","since":"2023-12-30T02:00:00Z","machine":"","token":"{token}"}}')
    os.utime(mark, (time.time() - age_s,) * 2)


@pytest.mark.parametrize("kind", KINDS)
async def test_18_a_mark_that_nobody_touches_is_stale_after_five_minutes(kind: str, lab: SshdLab, place: Path) -> None:
    async with opened(kind, lab, place) as store:
        left_mark(place, 280)
        for shared in (False, True):
            with pytest.raises(StoreHeld, match="the dead one, since 2023-12-30"):
                async with store.lock("next", shared=shared):
                    pass
        for shared in (False, True):
            left_mark(place, 320)
            async with store.lock("next", shared=shared):
                pass
            assert not (place / store_lock.LOCK).exists()


@pytest.mark.parametrize("kind", KINDS)
async def test_18_who_died_taking_a_dead_mark_away_is_no_hindrance(kind: str, lab: SshdLab, place: Path) -> None:
    left_mark(place, 320)
    mark = place / store_lock.LOCK
    os.link(mark, place / (store_lock.GONE + hashlib.sha256(mark.read_bytes()).hexdigest()[:32]))
    async with opened(kind, lab, place) as store:
        await hold(store)


async def test_18_of_many_that_find_a_dead_mark_one_alone_gets_the_store(lab: SshdLab, place: Path) -> None:
    held = most = 0

    async def run(store: Store) -> bool:
        nonlocal held, most
        try:
            async with store.lock("one of many"):
                held += 1
                most = max(most, held)
                await asyncio.sleep(0.05)
                held -= 1
                return True
        except StoreHeld:
            return False

    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(opened("sftp", lab, place)) for _ in range(4)]
        for store in stores:
            await store.entries()
        for _ in range(5):
            left_mark(place, 320)
            assert sum(await asyncio.gather(*(run(store) for store in stores * 3))) >= 1
    assert most == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_18_who_has_lost_the_lock_is_stopped(
    kind: str, lab: SshdLab, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_lock, "BEAT_S", 0.05)
    mark = place / store_lock.LOCK

    async def sleeper(store: Store) -> None:
        async with store.lock("sleeper"):
            await until(lambda: touched(mark), what="the mark is touched")
            left_mark(place, 0)
            await asyncio.wait_for(asyncio.Event().wait(), 20)

    def touched(file: Path) -> bool:
        if not os.path.exists(file) or time.time() - file.stat().st_mtime > 50:
            return False
        os.utime(file, (time.time() - 100,) * 2)
        return next(rounds) >= 2

    rounds = iter(range(100))
    async with opened(kind, lab, place) as store:
        with pytest.raises(StoreError, match="was taken by another run"):
            await sleeper(store)
        task = asyncio.current_task()
        assert task is not None
        assert not task.cancelling()
        assert "the dead one" in mark.read_text()


@pytest.mark.parametrize("kind", KINDS)
async def test_18_marks_that_are_no_marks_harm_nobody(kind: str, lab: SshdLab, place: Path) -> None:
    async with opened(kind, lab, place) as store:
        for content in (b"", b"\x1b[31m", b"[" * 100_000, b'{"who":"\x1b]0;x\x07"}', b'{"since":"x"}'):
            (place / store_lock.LOCK).write_bytes(content)
            with pytest.raises(StoreHeld) as caught:
                await hold(store)
            assert "\x1b" not in f"{caught.value}{caught.value.holder.who}"
        (place / store_lock.LOCK).unlink()
        (place / store_lock.LOCK).symlink_to("/etc/hosts")
        with pytest.raises(StoreError):
            await hold(store)
