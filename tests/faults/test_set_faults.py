"""What may become of a set in its store, and whether verification and restores see it; nights that fail."""

from __future__ import annotations

import gzip
import os
import random
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import msgspec
import pyrage
import pytest

from lilfox_tui.backup import effects, run
from lilfox_tui.backup.options import LocalOptions
from lilfox_tui.backup.plan import BackupRequest, as_document
from lilfox_tui.backup.sets.catalogue import read_sets
from lilfox_tui.backup.stores.local import LocalStore
from lilfox_tui.core.errors import LilFoxError
from tests.services.backup_lab import BackupLab, files, lab, server
from tests.services.manual_backup import Application, make_database
from tests.services.postgres import Postgres
from tests.unit.backup.noted_run import NotedRun
from tests.unit.jobs.running import jobs

__all__ = ["files", "jobs", "lab", "server"]
pytestmark = pytest.mark.usefixtures("jobs")
FORMATS = ["zstd", "manual", "age"]


def made(lab: BackupLab, how: str) -> BackupRequest:
    """A set in that format, and the request to verify it."""
    changes: dict[str, object] = {"format": how} if how != "age" else {}
    if how == "age":
        key = pyrage.x25519.Identity.generate()
        file = lab.folder / "key"
        file.write_text(str(key))
        file.chmod(0o600)
        changes = {"encrypt": {"recipients": [str(key.to_public())], "identity": f"file:{file}"}}
    (lab.folder / "app" / "config").mkdir(parents=True)
    (lab.folder / "app" / "config" / "app.yaml").write_text("a: 1\n")
    (lab.folder / "app" / ".env").write_text("SECRET=fox\n" * 30)
    plan = lab.plan(**changes)
    plan["sources"]["settings"] = {"kind": "config", "root": str(lab.folder / "app")}
    lab.planned({"nightly": plan})
    lab.run("nightly")
    return BackupRequest(config=str(lab.config), plan="nightly")


async def is_found(request: BackupRequest) -> bool:
    """Whether verification says that it is broken."""
    outcome = await effects.verify(NotedRun(), as_document(request))
    return outcome.state == "failed" and outcome.exit_code == 1


@pytest.mark.fault("1.26")
@pytest.mark.parametrize(("how", "places"), [("zstd", 200), ("manual", 100), ("age", 100)])
async def test_26_a_byte_that_changed_anywhere_in_a_set_is_found(lab: BackupLab, how: str, places: int) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    sys.stdout.write(f"seed {seed}\n")
    chance = random.Random(seed)
    request = made(lab, how)
    assert not await is_found(request)
    everything = sorted(path for path in lab.store.rglob("*") if path.is_file() and path.name[0] != ".")
    set_files = [path for path in everything if not path.name.endswith(".proof.json")]
    bytes_of = [path for path in set_files for _ in range(path.stat().st_size // 1000)]
    missed = []
    for place in range(places):
        path = chance.choice(bytes_of if place % 2 else set_files)
        whole = path.read_bytes()
        at, change = chance.randrange(len(whole)), chance.randrange(1, 256)
        path.write_bytes(whole[:at] + bytes([whole[at] ^ change]) + whole[at + 1 :])
        if not await is_found(request):
            missed.append((path.name, at, change))
        path.write_bytes(whole)
    assert missed == [], f"seed {seed}"
    assert not await is_found(request), "what was put right is whole again"


@pytest.mark.fault("1.26")
async def test_26_a_byte_that_changed_in_the_head_of_what_is_encrypted_is_no_other_key(lab: BackupLab) -> None:
    request = made(lab, "age")
    path = next(lab.store.glob("env_*.age"))
    whole = path.read_bytes()
    for at in range(whole.index(b"\n---")):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert await is_found(request), at
    assert await is_found(msgspec.structs.replace(request, identity="")), "also where nobody has the key"


@pytest.mark.fault("1.26")
def test_26_a_set_that_changed_is_not_restored_and_nothing_is_touched(lab: BackupLab) -> None:
    name = lab.run().stdout.strip()
    dump = next(lab.store.glob("lilfox_*.dump.zst"))
    whole = dump.read_bytes()
    dump.write_bytes(whole[:-100] + bytes([whole[-100] ^ 1]) + whole[-99:])
    lab.sql("DELETE FROM users WHERE id > 10")
    restore = ("restore", name, *lab.where, *lab.words, "--yes")
    assert lab.lilfox(*restore).returncode == 1, "nobody knows yet"
    assert lab.rows() == 10
    done = lab.lilfox("backup", "verify", *lab.where)
    assert done.returncode == 1
    assert "Run a new backup" in done.stderr
    assert lab.status() == {name: "broken"}
    done = lab.lilfox(*restore)
    assert done.returncode == 1
    assert "is broken" in done.stderr
    assert lab.rows() == 10
    assert [name for [name] in lab.sql("SELECT datname FROM pg_database WHERE datname LIKE 'lilfox_%'")] == []


def boundary(text: bytes) -> bytes:
    """Up to the end of the first table's rows: no statement is cut."""
    return text[: text.index(b"\n\\.\n") + 4]


HARM: dict[str, Callable[[bytes], bytes]] = {
    "27 cut": lambda packed: packed[: len(packed) // 2],
    "28 cut at the end of a statement": lambda packed: gzip.compress(boundary(gzip.decompress(packed))),
    "27b an error after it": lambda packed: packed + gzip.compress(b"SELECT 1/0;\n"),
    "29 twice": lambda packed: packed + packed,
    "29 garbage behind it": lambda packed: packed + os.urandom(100),
    "29 a bomb": lambda packed: packed + gzip.compress(b"-" * 50_000_000),
    "30 a page of errors": lambda packed: gzip.compress(b"<html>502 Bad Gateway</html>" * 100),
    "35 a command": lambda packed: gzip.compress(
        gzip.decompress(packed).replace(b"\nSET ", b"\n\\! touch CANARY\nSET ", 1)
    ),
}


@pytest.mark.fault("1.27", "1.27b", "1.28", "1.29", "1.30", "1.35", "2.1", "2.8")
@pytest.mark.parametrize("harm", HARM)
def test_27_to_35_a_dump_of_the_scripts_that_is_not_whole_is_neither_verified_nor_restored(
    tmp_path: Path, server: Postgres, harm: str
) -> None:
    BackupLab(tmp_path / "old", server)
    server.csv("DROP DATABASE lilfox (FORCE)")
    server.csv("DROP ROLE lilfox")
    make_database(server)
    app = Application(tmp_path, server)
    app.run("backup.sh", ["20231230_020000"] * 2)
    lab = BackupLab(tmp_path / "lab")
    dump = app.backup / "postgresql" / "lilfox_20231230_020000.sql.gz"
    canary = tmp_path / "canary"
    dump.write_bytes(HARM[harm](dump.read_bytes()))
    if harm.startswith("35"):
        text = gzip.decompress(dump.read_bytes()).replace(b"CANARY", str(canary).encode())
        dump.write_bytes(gzip.compress(text))
    server.csv("DELETE FROM users WHERE n > 10", database="lilfox")
    where = ("--store", app.backup)
    url = f"postgresql://lilfox@127.0.0.1:{server.port}/lilfox"
    words = ("--database", url, "--files", app.folder / "public" / "uploads", "--app", app.folder)
    (found,) = lab.sets(*where)
    done = lab.lilfox("restore", found["id"], *where, *words, "--yes")
    assert done.returncode == 1, done.stdout + done.stderr
    assert lab.lilfox("backup", "verify", *where, found["id"]).returncode == 1
    assert [each["status"] for each in lab.sets(*where)] == ["broken"]
    assert server.csv("SELECT count(*) FROM users", database="lilfox") == [["10"]]
    assert (app.folder / "public" / "uploads" / "a.txt").read_text() == "fox\n"
    assert not canary.exists()


class Nights(datetime):
    """A clock that stands at the night it is told."""

    at = datetime(2026, 1, 1, 2, tzinfo=UTC)

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return cls.at.astimezone(tz)


@pytest.fixture
def nights(monkeypatch: pytest.MonkeyPatch) -> type[Nights]:
    monkeypatch.setattr(run, "datetime", Nights)
    Nights.at = datetime(2026, 1, 1, 2, tzinfo=UTC)
    return Nights


async def one_night(lab: BackupLab, plan: dict[str, object], clock: type[Nights]) -> str:
    """How the night's run ended."""
    lab.planned({"nightly": plan})
    try:
        outcome = await effects.backup(NotedRun(), as_document(BackupRequest(config=str(lab.config), plan="nightly")))
    except LilFoxError:
        return "failed"
    finally:
        clock.at += timedelta(days=1)
    return outcome.state


async def status_of(lab: BackupLab) -> dict[str, str]:
    return {found.id: found.status for found in await read_sets(LocalStore("s", LocalOptions(path=str(lab.store))))}


@pytest.mark.fault("1.22", "2.4")
async def test_22_forty_nights_that_fail_in_all_kinds_of_ways_leave_the_good_set(
    files: BackupLab, nights: type[Nights], monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = {"last": 1, "days": 3}
    gone = {"gone": {"kind": "files", "path": "/nothere"}}
    key = str(pyrage.x25519.Identity.generate().to_public())
    good = files.plan(keep=keep)
    assert await one_night(files, good, nights) == "ok"
    (old,) = await status_of(files)
    kinds: dict[str, dict[str, object]] = {
        "all of it fails": {**good, "sources": gone},
        "a part of it fails": {**good, "sources": {**good["sources"], **gone}},
        "nobody has the key": {**good, "encrypt": {"recipients": [key]}},
        "the key is gone": {**good, "encrypt": {"recipients": [key], "identity": "file:/nothere"}},
        "its database is down": {
            **good,
            "sources": {"db": {"kind": "postgresql", "url": "postgresql://x@127.0.0.1:1/x"}},
        },
        "it is changed on its way": good,
    }
    ends: dict[str, set[str]] = {}
    for night in range(40):
        kind = list(kinds)[night % len(kinds)]
        with monkeypatch.context() as harm:
            if kind == "it is changed on its way":
                harm.setattr(LocalStore, "publish", harmed(LocalStore.publish))
            ends.setdefault(kind, set()).add(await one_night(files, kinds[kind], nights))
        status = await status_of(files)
        assert status[old] == "intact", f"night {night}: {kind}"
    assert ends == {
        "all of it fails": {"failed"},
        "a part of it fails": {"partly"},
        "nobody has the key": {"ok"},
        "the key is gone": {"partly"},
        "its database is down": {"failed"},
        "it is changed on its way": {"failed"},
    }
    assert files.lilfox("backup", "verify", *files.where, old).returncode == 0
    nights.at += timedelta(days=30)
    assert await one_night(files, good, nights) == "ok"
    assert list((await status_of(files)).values()) == ["intact"]


def harmed(publish: object) -> object:
    """A disk that changes a byte of what it keeps."""

    async def wrapped(store: LocalStore, names: list[str]) -> None:
        await publish(store, names)  # type: ignore[operator]
        for name in names:
            if ".tar" in name:
                path = Path(store.where) / name
                whole = path.read_bytes()
                path.write_bytes(whole[:-9] + bytes([whole[-9] ^ 64]) + whole[-8:])

    return wrapped


@pytest.mark.fault("1.20")
async def test_20_a_clock_that_was_put_back_is_told_and_loses_no_set(files: BackupLab, nights: type[Nights]) -> None:
    plan = files.plan(keep={"last": 2})
    assert await one_night(files, plan, nights) == "ok"
    nights.at -= timedelta(days=1, hours=1)
    noted = NotedRun()
    await effects.backup(noted, as_document(BackupRequest(config=str(files.config), plan="nightly")))
    assert any("check the clocks" in text for text in noted.told("warning"))
    assert len(await status_of(files)) == 2
    nights.at -= timedelta(minutes=1)
    await effects.backup(NotedRun(), as_document(BackupRequest(config=str(files.config), plan="nightly")))
    stamps = sorted(name[-15:] for name in await status_of(files))
    assert stamps[0] == "20260101_005900", "what was just made stays, whatever the clock says"


@pytest.mark.fault("1.19", "1.20")
async def test_19_two_runs_of_one_second_are_two_sets(files: BackupLab, nights: type[Nights]) -> None:
    for _run in range(3):
        files.planned({"nightly": files.plan()})
        await effects.backup(NotedRun(), as_document(BackupRequest(config=str(files.config), plan="nightly")))
    assert sorted(name[-6:] for name in await status_of(files)) == ["020000", "020001", "020002"]


@pytest.mark.fault("2.14")
def test_2_14_a_store_of_any_name_is_one_folder(files: BackupLab) -> None:
    files.store = files.folder / "a b;$(touch canary)'\"`*"
    files.run()
    assert list(files.status().values()) == ["intact"]
    assert sorted(path.name for path in files.folder.iterdir()) == sorted([files.store.name, "uploads"])
