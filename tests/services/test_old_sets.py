"""What the manual's scripts leave on the disk is found, grouped and judged."""

from __future__ import annotations

import gzip
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lilfox_tui.backup.selection import choose
from lilfox_tui.backup.sets.catalogue import read_sets
from lilfox_tui.backup.sets.model import BackupSet, Proof
from tests.services.manual_backup import Application, make_database
from tests.services.postgres import Postgres
from tests.unit.backup.folder_store import store_of
from tests.unit.backup.made_sets import put_proof

NIGHT = "20231230_020000"


@pytest.fixture(scope="module", autouse=True)
def database(postgres: Postgres) -> None:
    make_database(postgres)


@pytest.fixture
def app(tmp_path: Path, postgres: Postgres) -> Application:
    return Application(tmp_path, postgres)


async def sets_in(folder: Path) -> list[BackupSet]:
    return await read_sets(store_of(folder), zone=UTC)


async def only_set(app: Application) -> BackupSet:
    (found,) = await sets_in(app.backup)
    return found


@pytest.mark.fault("1.58", "2.6")
async def test_a_good_night_is_one_set_though_its_dates_differ(app: Application) -> None:
    app.run("backup.sh", [NIGHT, "20231230_020001"])
    found = await only_set(app)
    assert (found.id, found.status, found.reason, found.old) == ("lilfox_20231230_020001", "unverified", "", True)
    assert found.created == datetime(2023, 12, 30, 2, 0, 1, tzinfo=UTC)
    assert found.spread_s == 1
    assert {(part.name, part.source, part.source_kind, part.kind) for part in found.parts} == {
        ("postgresql/lilfox_20231230_020001.sql.gz", "database", "postgresql", "postgresql-plain"),
        (f"env_{NIGHT}", "config", "config", "file"),
        (f"config_{NIGHT}.tar.gz", "config", "config", "files"),
        (f"uploads_{NIGHT}.tar.gz", "uploads", "files", "files"),
    }
    assert {part.size_bytes for part in found.parts} == {
        path.stat().st_size for path in app.backup.rglob("*_2023*") if path.is_file()
    }
    now = datetime(2023, 12, 31, 9, tzinfo=UTC)
    for words in (NIGHT, "20231230_020001", "yesterday 02:00", "latest"):
        assert choose(words, [found], now=now, zone=UTC) is found


@pytest.mark.fault("2.1", "2.2", "2.3")
async def test_a_failed_night_is_empty_and_never_chosen(app: Application) -> None:
    app.run("backup.sh", [NIGHT, NIGHT])
    (app.folder / "config" / "app.yaml").unlink()
    (app.folder / "config").rmdir()
    (app.folder / "public" / "uploads").rename(app.folder / "public" / "moved")
    app.run("backup.sh", ["20231231_020000", "20231231_020000"], server=False)
    failed, good = await sets_in(app.backup)
    assert (good.status, failed.status, failed.good) == ("unverified", "broken", False)
    sizes = {part.name: part.size_bytes for part in failed.parts if part.trouble}
    assert sizes == {
        "postgresql/lilfox_20231231_020000.sql.gz": 20,
        "config_20231231_020000.tar.gz": 45,
        "uploads_20231231_020000.tar.gz": 45,
    }
    assert str(failed.reason) == "postgresql/lilfox_20231231_020000.sql.gz is empty: the run failed"
    assert choose("latest", [failed, good], now=datetime(2024, 1, 1, tzinfo=UTC), zone=UTC) is good


@pytest.mark.fault("2.9")
async def test_a_dump_that_was_unpacked_is_still_of_its_set(app: Application) -> None:
    app.run("backup.sh", [NIGHT, NIGHT])
    app.gunzip(f"postgresql/lilfox_{NIGHT}.sql.gz")
    found = await only_set(app)
    assert (found.id, len(found.parts), found.status) == (f"lilfox_{NIGHT}", 4, "unverified")
    assert found.parts[0].name == f"postgresql/lilfox_{NIGHT}.sql"


async def test_a_dump_that_lies_there_packed_and_unpacked_is_once_in_its_set(app: Application) -> None:
    app.run("backup.sh", [NIGHT, NIGHT])
    app.gunzip(f"postgresql/lilfox_{NIGHT}.sql.gz", "-k")
    sets = {found.id: found for found in await sets_in(app.backup)}
    assert set(sets) == {f"lilfox_{NIGHT}", f"lilfox_{NIGHT}-2"}
    assert [part.name for part in sets[f"lilfox_{NIGHT}-2"].parts] == [f"postgresql/lilfox_{NIGHT}.sql"]


@pytest.mark.fault("1.58", "2.5")
async def test_sets_of_the_scripts_for_one_part_are_grouped_by_the_nearest_date(app: Application) -> None:
    app.run("backup_db.sh", [NIGHT])
    app.run("config.sh", ["20231230_020130"])
    app.run("files.sh", ["20231230_015910"])
    app.run("backup_db.sh", ["20231230_020150"])
    first, second = sorted(await sets_in(app.backup), key=lambda found: found.created)
    assert {part.name for part in first.parts} == {
        f"postgresql/lilfox_{NIGHT}.sql.gz", "files/uploads_20231230_015910.tar.gz",
    }  # fmt: skip
    assert {part.name for part in second.parts} == {
        "postgresql/lilfox_20231230_020150.sql.gz", "config/env_20231230_020130",
        "config/config_20231230_020130.tar.gz",
    }  # fmt: skip
    assert (first.spread_s, second.spread_s) == (50, 20)
    assert str(first.reason) == "incomplete; no files from that time for .env, config/"


@pytest.mark.fault("1.58", "2.6", "2.19")
async def test_what_is_further_apart_is_not_one_set(app: Application) -> None:
    """FAULTS 1.57: a database without the files of its time is told so, before anything is restored."""
    app.run("backup_db.sh", [NIGHT])
    app.run("files.sh", ["20231230_020201"])
    app.run("config.sh", ["20231231_020000"])
    sets = {found.id: found for found in await sets_in(app.backup)}
    assert set(sets) == {f"lilfox_{NIGHT}", "lilfox_20231230_020201", "lilfox_20231231_020000"}
    assert [len(sets[name].parts) for name in sorted(sets)] == [1, 1, 2]
    assert str(sets[f"lilfox_{NIGHT}"].reason).endswith(" for .env, config/, uploads")


@pytest.mark.fault("2.5")
async def test_a_dump_for_rollback_is_a_set_by_itself(app: Application) -> None:
    app.run("backup.sh", [NIGHT, NIGHT])
    dump = app.dump_for_rollback("3f2a9c1")
    at = datetime(2023, 12, 30, 15, tzinfo=UTC)
    os.utime(dump, (at.timestamp(), at.timestamp()))
    newest, night = await sets_in(app.backup)
    assert (newest.id, newest.created, newest.reason, len(newest.parts)) == ("db_3f2a9c1", at, "", 1)
    assert night.id == f"lilfox_{NIGHT}"


async def test_a_cut_dump_is_found_and_unverified_until_somebody_reads_it(app: Application) -> None:
    app.run("backup.sh", [NIGHT, NIGHT])
    dump = app.backup / f"postgresql/lilfox_{NIGHT}.sql.gz"
    assert b"PostgreSQL database dump complete" in gzip.decompress(dump.read_bytes())
    with dump.open("rb+") as file:
        file.truncate(dump.stat().st_size // 2)
    found = await only_set(app)
    assert (found.status, found.good) == ("unverified", False)


async def test_a_proof_of_an_old_set_holds_as_long_as_its_files_do(app: Application) -> None:
    app.run("backup.sh", [NIGHT, NIGHT])
    found = await only_set(app)
    sizes = {part.name: part.size_bytes for part in found.parts}
    proof = Proof(
        set=found.id, level="intact", at=datetime.now(UTC) + timedelta(seconds=1),
        sha256=dict.fromkeys(sizes, "0" * 64), size_bytes=sizes,
    )  # fmt: skip
    put_proof(app.backup, proof)
    proven = await only_set(app)
    assert (proven.status, proven.good, proven.proof) == ("intact", True, proof)
    assert {part.sha256 for part in proven.parts} == {"0" * 64}
    dump = app.backup / f"postgresql/lilfox_{NIGHT}.sql.gz"
    later = proof.at.timestamp() + 5
    os.utime(dump, (later, later))
    assert (await only_set(app)).status == "unverified"
    os.utime(dump, (1, 1))
    assert (await only_set(app)).status == "intact"
    with dump.open("ab") as file:
        file.write(b"x")
    os.utime(dump, (1, 1))
    assert (await only_set(app)).status == "unverified"
