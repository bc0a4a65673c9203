"""Backups of other programs in the Backup pane: those that are watched, and those that pgBackRest makes for LilFox."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from lilfox_tui.app.panes.backup.rows import SET_ROLES, size_changes
from lilfox_tui.backup.sets.model import BackupSet, FoundPart, PhysicalBackup, Proof, Status
from lilfox_tui.backup.sets.model import Level as ProofLevel
from lilfox_tui.config.foreign import ForeignPlanConfig, PgbackrestPlanConfig
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import SET_LEVELS, Backups, PlanView
from tests.app.backups_made import MIB, NOW
from tests.app.still import screen_text
from tests.app.test_backup_screens import showing
from tests.waiting import until


def restic() -> Backups:
    config = ForeignPlanConfig(kind="foreign", tool="restic", host="nas-1", path="/srv/r", schedule="0 2 * * *")
    size = FoundPart(name="a1", source="whole repository", source_kind="restic", kind="foreign", size_bytes=412 * MIB)
    found = tuple(
        BackupSet(
            id=f"a{day}",
            created=NOW - timedelta(days=day, hours=1),
            status=Status.FOREIGN,
            plan="files",
            parts=(size,) if day == 0 else (),
        )
        for day in range(3)
    )
    view = PlanView(
        name="files", store=config.store, where=config.place, config=config, level=Level.GOOD, since=NOW, sets=found,
        read_at=NOW, next_run=NOW + timedelta(hours=23),
    )  # fmt: skip
    return Backups({view.key: view}, ())


def test_every_state_of_a_set_has_a_shape_and_a_colour() -> None:
    assert set(SET_LEVELS) == set(SET_ROLES) == set(Status)


async def test_they_are_shown_as_not_proven_and_only_watched() -> None:
    app = showing(restic())
    async with app.run_test(size=(120, 34)) as pilot:
        await pilot.press("3")
        await pilot.pause()
        text = screen_text(pilot)
        assert "not proven by LilFox" in text
        assert "the newest backup is 1 h old, not proven by LilFox" in text
        assert "nas-1:/srv/r" in text
        assert "412" in text
        for word in ("restore-tested", "checksums verified", "never drilled", "a restore loses"):
            assert word not in text
        for key in ("b", "B", "V", "D"):
            await pilot.press(key)
            await pilot.pause()
            assert "another program makes these backups (restic); LilFox only watches them" in screen_text(pilot)
            await pilot.press("escape")


def pgbackrest(level: ProofLevel | None = None) -> Backups:
    config = PgbackrestPlanConfig(kind="pgbackrest", stanza="main", schedule="0 2 * * *")
    part = FoundPart(name="F", source="full", source_kind="pgbackrest", kind="full", size_bytes=412 * MIB)
    backup = PhysicalBackup(
        type="full", finished=NOW - timedelta(minutes=50), wal_start=f"{1:08X}{0:08X}{3:08X}", postgresql="17",
        wal_stop=f"{1:08X}{0:08X}{4:08X}", database_bytes=900 * MIB, until=NOW - timedelta(minutes=1),
    )  # fmt: skip
    proof = Proof(set="20261202-204300F", level=level, at=NOW, tested=NOW, took_s=9.4, sha256={}) if level else None
    made = BackupSet(
        id="20261202-204300F", created=NOW - timedelta(hours=1), status=Status.INTACT, plan="big", parts=(part,),
        physical=backup, proof=proof,
    )  # fmt: skip
    view = PlanView(
        name="big", store=config.store, where=config.place, config=config, level=Level.GOOD, since=NOW, sets=(made,),
        read_at=NOW, next_run=NOW + timedelta(hours=23),
    )  # fmt: skip
    return Backups({view.key: view}, ())


async def test_a_plan_of_pgbackrest_can_be_run_and_tells_how_a_time_is_recovered() -> None:
    app = showing(pgbackrest())
    async with app.run_test(size=(120, 34)) as pilot:
        await pilot.press("3")
        await pilot.pause()
        assert "20261202-204300F" in screen_text(pilot)
        await pilot.press("B")
        await until(lambda: "Recover to when?" in screen_text(pilot), what="the wizard")
        assert "the end of the archived WAL  until 2026-" in screen_text(pilot)
        await pilot.press("escape")
        await pilot.pause()
        await pilot.press("b")
        await pilot.pause()
        assert "pgbackrest verify reads the set back" in screen_text(pilot)
        await pilot.press("escape")
        await pilot.press("tab", "enter")
        await pilot.pause()
        text = screen_text(pilot)
        assert ("full in repository 1; cluster of 900M" in text, "to any time until" in text) == (True, True)


@pytest.mark.parametrize(
    ("level", "told"),
    [
        ("intact", "its files and WAL have the checksums that pgBackRest recorded"),
        ("restored", "recovered by a scratch server in 9.4 s; rows counted, no corruption found by pg_amcheck"),
    ],
)
async def test_no_more_is_said_of_a_set_of_pgbackrest_than_was_checked(level: ProofLevel, told: str) -> None:
    app = showing(pgbackrest(level))
    async with app.run_test(size=(200, 34)) as pilot:
        await pilot.press("3")
        await pilot.press("tab", "enter")
        await pilot.pause()
        page = " ".join(screen_text(pilot).split())
        shown = re.sub(r"[^\w.;,-]+", " ", page)
        assert all(word in shown for word in told.replace("(", "").split())
        assert ("compared with the backup" in page, "digests, trailers and content" in page) == (False, False)


def test_a_size_is_compared_with_that_of_a_backup_of_the_same_type() -> None:
    def made(kind: str, mib: int, hours: int) -> BackupSet:
        part = FoundPart(name="F", source=kind, source_kind="pgbackrest", kind=kind, size_bytes=mib * MIB)
        at = NOW - timedelta(hours=hours)
        return BackupSet(id=f"{hours}", created=at, status=Status.INTACT, plan="big", parts=(part,))

    sets = [made("incr", 3, 1), made("full", 440, 2), made("incr", 2, 3), made("full", 400, 4)]
    assert size_changes(sets) == pytest.approx({"1": 0.5, "2": 0.1})
