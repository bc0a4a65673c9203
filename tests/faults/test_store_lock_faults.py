"""Stores whose lock was left by the dead, or is wanted by many.

Rows 17 and 18 of the faults that must not harm a backup.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from lilfox_tui.backup import store_lock
from lilfox_tui.backup.store import BackupStore, StoreError, StoreHeld
from tests.faults.faulty_stores import KINDS, hold, lab, opened, place
from tests.services.sshd import SshdLab
from tests.waiting import until

__all__ = ["lab", "place"]
HOLD = """
import asyncio, sys
from lilfox_tui.backup.stores.local import LocalStore
from lilfox_tui.backup.options import LocalOptions
async def main():
    async with LocalStore("s", LocalOptions(path=sys.argv[1])).lock("cron", shared=sys.argv[2] == "shared"):
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


def left_mark(place: Path, age_s: float) -> None:
    """The lock of a run that came by SFTP and is gone."""
    mark = place / store_lock.LOCK
    token = os.urandom(8).hex()
    mark.write_text(f'{{"who":"the dead one","since":"2023-12-30T02:00:00Z","machine":"","token":"{token}"}}')
    os.utime(mark, (time.time() - age_s,) * 2)


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


@pytest.mark.parametrize("kind", KINDS)
async def test_18_a_mark_that_nobody_touches_is_stale_after_five_minutes(kind: str, lab: SshdLab, place: Path) -> None:
    async with opened(kind, lab, place) as store:
        left_mark(place, 280)
        for shared in (False, True):
            with pytest.raises(StoreHeld, match="by the dead one since 2023-12-30"):
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
    held = most = refused = 0

    async def run(store: BackupStore) -> bool:
        nonlocal held, most, refused
        try:
            async with store.lock("one of many"):
                held += 1
                most = max(most, held)
                await until(lambda: refused == 11 or held > 1, what="the others are refused")
                held -= 1
                return True
        except StoreHeld:
            refused += 1
            return False

    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(opened("sftp", lab, place)) for _ in range(4)]
        for store in stores:
            await store.entries()
        for _ in range(5):
            left_mark(place, 320)
            refused = 0
            assert sum(await asyncio.gather(*(run(store) for store in stores * 3))) >= 1
    assert most == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_18_who_has_lost_the_lock_is_stopped(
    kind: str, lab: SshdLab, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_lock, "BEAT_S", 0.05)
    mark = place / store_lock.LOCK

    async def sleeper(store: BackupStore) -> None:
        async with store.lock("sleeper"):
            await until(lambda: touched(mark), what="the mark is touched")
            left_mark(place, 0)
            await asyncio.wait_for(asyncio.Event().wait(), 60)

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
        with pytest.raises((StoreError, StoreHeld)):
            await hold(store)
