"""Plans over real folders: what the watch publishes, again and again, and once for ``check``."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lilfox_tui.backup.context import BackupContext
from lilfox_tui.backup.options import FilesOptions, LocalOptions
from lilfox_tui.backup.sets.model import BackupSet
from lilfox_tui.backup.store import BackupStore
from lilfox_tui.config.model import BackupConfig, Config, PlanConfig
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.jobs.model import Job
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import Backups, PlanView
from lilfox_tui.monitor.watchers import backup, scrape
from lilfox_tui.monitor.watchers.backup import BackupWatch
from tests.app.backups_made import job
from tests.unit.backup.made_sets import manifest_of, put_set
from tests.waiting import until


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    folder.mkdir(mode=0o700)
    return folder


def config_of(store: Path, schedule: str | None = "0 2 * * *") -> Config:
    plan = PlanConfig(sources={"files": FilesOptions(path="/srv/lilfox")}, store="disk", schedule=schedule)
    return Config(backup=BackupConfig(stores={"disk": LocalOptions(path=str(store))}, plans={"lilfox": plan}))


@asynccontextmanager
async def watching(config: Config, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[BackupWatch, list[bool]]]:
    """The watch, running, and how often it said that a level changed."""
    monkeypatch.setattr(scrape, "AFTER_FIRST_FRAME_S", 0.0)
    changes: list[bool] = []
    watch = BackupWatch(config, None, lambda _name: None, lambda: changes.append(True))
    running = asyncio.create_task(watch.run())
    try:
        yield watch, changes
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def store_free(store: Path) -> int:
    room = os.statvfs(store)
    return room.f_bavail * room.f_frsize


def empty(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()


def plan_in(watch: BackupWatch) -> PlanView:
    assert watch.backups is not None
    return watch.backups.plans[("lilfox", "disk")]


def earlier_in(watch: BackupWatch) -> list[tuple[str, str]]:
    return [] if watch.backups is None else [(each.store, each.set.id) for each in watch.backups.earlier]


def levels(watch: BackupWatch) -> Level | None:
    return plan_in(watch).level if watch.backups is not None and watch.backups.plans else None


async def test_what_lies_in_the_store_is_told_and_read_again(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_set(store, manifest_of(datetime.now(UTC) - timedelta(days=3)), proven=True)
    async with watching(config_of(store), monkeypatch) as (watch, changes):
        await until(lambda: levels(watch) is Level.FAILING, what="late")
        assert plan_in(watch).late is not None
        assert plan_in(watch).where == str(store)
        assert plan_in(watch).free_bytes == pytest.approx(store_free(store), abs=1 << 30), "others write too"
        assert changes
        put_set(store, manifest_of(datetime.now(UTC)), proven=True)
        watch.look_again()
        await until(lambda: levels(watch) is Level.GOOD, what="well again")
        assert len(plan_in(watch).sets or ()) == 2


async def test_a_store_that_does_not_tell_its_room_is_read_all_the_same(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def free_bytes(_self: object) -> int | None:
        raise LilFoxError("no statvfs here")

    monkeypatch.setattr("lilfox_tui.backup.stores.local.LocalStore.free_bytes", free_bytes)
    put_set(store, manifest_of(datetime.now(UTC)), proven=True)
    async with watching(config_of(store), monkeypatch) as (watch, _changes):
        await until(lambda: levels(watch) is Level.GOOD, what="read")
        assert plan_in(watch).free_bytes is None


async def test_what_was_removed_or_proven_since_is_remembered(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = manifest_of(datetime.now(UTC) - timedelta(days=3))
    put_set(store, gone, proven=True)
    async with watching(config_of(store), monkeypatch) as (watch, _changes):
        await until(lambda: levels(watch) is not None and plan_in(watch).sets)
        assert earlier_in(watch) == []
        empty(store)
        put_set(store, manifest_of(datetime.now(UTC)), proven=True)
        watch.look_again()
        await until(lambda: earlier_in(watch), what="one that was there")
        assert earlier_in(watch) == [("disk", gone.id)]


async def test_a_store_that_goes_away_keeps_what_was_known(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup, "FIRST_WAIT_S", 0.05)
    put_set(store, manifest_of(datetime.now(UTC)), proven=True)
    async with watching(config_of(store), monkeypatch) as (watch, _changes):
        await until(lambda: levels(watch) is Level.GOOD)
        shutil.rmtree(store)
        watch.look_again()
        await until(lambda: levels(watch) is Level.FAILING)
        view = plan_in(watch)
        assert view.outage is not None
        assert view.outage.next_try is not None
        assert len(view.sets or ()) == 1, "the sets of before, with their age"


async def test_the_end_of_a_job_has_the_stores_read_again(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known: list[Job] = [job()]
    monkeypatch.setattr("lilfox_tui.jobs.listing.LOOK_S", 0.02)
    monkeypatch.setattr("lilfox_tui.jobs.listing.Listing.look", lambda _listing: list(known))
    async with watching(config_of(store), monkeypatch) as (watch, _changes):
        await until(lambda: watch.backups is not None and len(watch.backups.running) == 1 and watch.backups.plans)
        await until(lambda: plan_in(watch).sets == ())
        put_set(store, manifest_of(datetime.now(UTC)), proven=True)
        known[0] = job(state="ok", ended=datetime.now(UTC))
        await until(lambda: levels(watch) is Level.GOOD, what="read at once, not a minute later")


async def test_a_look_that_began_before_a_run_ended_knows_nothing_of_it(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known: list[Job] = []
    monkeypatch.setattr("lilfox_tui.jobs.listing.LOOK_S", 0.02)
    monkeypatch.setattr("lilfox_tui.jobs.listing.Listing.look", lambda _listing: list(known))
    async with watching(config_of(store), monkeypatch) as (watch, _changes):
        await until(lambda: bool(watch.backups and watch.backups.plans) and plan_in(watch).sets == ())
        sets_in, looks, answers = BackupContext.sets_in, 0, [asyncio.Event(), asyncio.Event()]

        async def slow(context: BackupContext, where: BackupStore) -> list[BackupSet]:
            nonlocal looks
            found = await sets_in(context, where)
            looks += 1
            await answers[min(looks, 2) - 1].wait()
            return found

        monkeypatch.setattr(BackupContext, "sets_in", slow)
        watch.look_again()
        await until(lambda: looks == 1)
        put_set(store, manifest_of(datetime.now(UTC)), proven=True)
        known.append(job(state="ok", ended=datetime.now(UTC)))
        await until(lambda: plan_in(watch).behind, what="it is told at once that the sets are being read")
        answers[0].set()
        await until(lambda: looks == 2, what="the look that began before is not the last one")
        assert (plan_in(watch).sets, plan_in(watch).behind) == ((), True)
        answers[1].set()
        await until(lambda: not plan_in(watch).behind)
        assert len(plan_in(watch).sets or ()) == 1


async def test_unknown_jobs_are_named(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lilfox_tui.jobs.listing.Listing.look", lambda _listing: [job(state="unknown")])
    async with watching(Config(), monkeypatch) as (watch, _changes):
        await until(lambda: watch.backups is not None and watch.backups.jobs)
        assert watch.backups is not None
        assert watch.backups.unsettled == (job().id,)


async def test_without_a_configuration_the_usual_place_is_read_when_somebody_looks(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "FOUND", (str(store), "/nowhere/at/all"))
    put_set(store, manifest_of(datetime.now(UTC)), proven=True)
    async with watching(Config(), monkeypatch) as (watch, _changes):
        await until(lambda: watch.backups is not None and watch.backups.jobs is not None)
        assert watch.backups == Backups({}, watch.backups.jobs if watch.backups else None)
        watch.show()
        await until(lambda: watch.backups is not None and watch.backups.plans)
        assert watch.backups is not None
        view = watch.backups.plans[(str(store), str(store))]
        await until(lambda: watch.backups is not None and next(iter(watch.backups.plans.values())).sets is not None)
        assert view.config is None
        assert watch.backups.count(Level.FAILING) == 0, "what nobody planned reddens nothing"


async def test_one_look_for_check(store: Path) -> None:
    put_set(store, manifest_of(datetime.now(UTC)), proven=True)
    watch = BackupWatch(config_of(store), None, lambda _name: None, lambda: None)
    await watch.look_once()
    assert plan_in(watch).level is Level.GOOD


@pytest.mark.parametrize(("days", "level"), [(0, Level.DEGRADED), (2, Level.FAILING)])
async def test_a_plan_without_a_set_is_late_if_its_configuration_is_older_than_its_last_run(
    store: Path, monkeypatch: pytest.MonkeyPatch, days: int, level: Level
) -> None:
    known = datetime.now(UTC) - timedelta(days=days)
    monkeypatch.setattr(backup, "_unchanged_since", lambda _file: known)
    watch = BackupWatch(config_of(store), None, lambda _name: None, lambda: None)
    await watch.look_once()
    assert plan_in(watch).level is level


def test_a_copied_configuration_is_not_older_here_than_its_copy(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    assert backup._unchanged_since(file) is None
    file.write_text("")
    os.utime(file, (0, 0))
    since = backup._unchanged_since(file)
    assert since is not None
    assert datetime.now(UTC) - since < timedelta(minutes=1)


async def test_a_store_that_says_nothing_in_time_has_failed(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(_store: object, **_words: object) -> list[object]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr("lilfox_tui.backup.sets.catalogue.read_sets", never)
    watch = BackupWatch(config_of(store), None, lambda _name: None, lambda: None)
    looking = asyncio.create_task(watch.look_once())
    await until(lambda: watch._stores)
    watch.give_up(15)
    assert plan_in(watch).level is Level.FAILING
    assert "no answer within 15 s" in str(plan_in(watch).reasons[0])
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
