"""What must not happen when old sets are removed. Rows are those of the table of faults; sets are real files in a real
store, the clock is told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.backup import run as backup_run
from lilfox_tui.backup.options import LocalOptions
from lilfox_tui.backup.plan import BackupPlan
from lilfox_tui.backup.sets.catalogue import read_sets
from lilfox_tui.backup.sets.model import Manifest, Proof, encoded
from lilfox_tui.backup.sets.names import set_id
from lilfox_tui.backup.sets.retention import judge
from lilfox_tui.backup.store import BackupStore
from lilfox_tui.backup.stores import local
from lilfox_tui.config.loader import from_text
from lilfox_tui.config.model import HostConfig, KeepConfig, PlanConfig, SshConfig
from lilfox_tui.core.errors import ConfigError, UsageError
from lilfox_tui.hosts.open import open_host
from tests.unit.backup.made_sets import a_set, manifest_of, proof_of, put_proof, put_set
from tests.unit.backup.noted_run import NotedRun

BERLIN = ZoneInfo("Europe/Berlin")
OLD = datetime(2021, 3, 1, 2, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "store"
    made.mkdir(mode=0o700)
    return made


@pytest.fixture
def store(folder: Path) -> BackupStore:
    host = open_host("h", HostConfig(local=True), SshConfig())
    made: BackupStore = local.open_store("s", LocalOptions(path=str(folder)), host)
    return made


async def pruned(store: BackupStore, keep: KeepConfig) -> list[str]:
    """Ids of what retention removed, as after a good run."""
    plan = BackupPlan(name="lilfox", config=PlanConfig(sources={}, store="s", keep=keep), stores={})
    return [verdict.set.id for verdict in await backup_run.prune(NotedRun(), plan, store)]


async def ids_of(store: BackupStore) -> list[str]:
    return [found.id for found in await read_sets(store, zone=UTC)]


def files_in(folder: Path) -> set[str]:
    """Names of all that lies there."""
    return {path.name for path in folder.iterdir()}


def renamed(manifest: Manifest, name: str, zone: ZoneInfo) -> Manifest:
    """The same set under another id, of the clock of ``zone``, its files too."""
    parts = tuple(
        msgspec.structs.replace(part, name=part.name.replace(manifest.id[-15:], name[-15:])) for part in manifest.parts
    )
    offset = manifest.created.astimezone(zone).utcoffset()
    assert offset is not None
    return msgspec.structs.replace(
        manifest,
        id=name,
        offset_s=int(offset.total_seconds()),
        parts=parts,
        sources={"database": tuple(part.name for part in parts)},
    )


async def test_row_20_in_an_hour_that_comes_twice_the_later_set_stays(folder: Path, store: BackupStore) -> None:
    first, second = datetime(2021, 10, 31, 0, 50, tzinfo=UTC), datetime(2021, 10, 31, 1, 10, tzinfo=UTC)
    ids = [set_id("lilfox", at, BERLIN) for at in (first, second)]
    assert ids == ["lilfox_20211031_025000", "lilfox_20211031_021000"]  # by name the other way round
    for at, name in zip((first, second), ids, strict=True):
        put_set(folder, renamed(manifest_of(at), name, BERLIN), proven=True)
    assert await ids_of(store) == ids[::-1]
    assert await pruned(store, KeepConfig(last=1)) == [ids[0]]
    assert await ids_of(store) == [ids[1]]


def test_row_20_names_of_the_same_second_differ() -> None:
    at = datetime(2021, 10, 31, 0, 30, tzinfo=UTC)
    first = set_id("lilfox", at, BERLIN)
    second = set_id("lilfox", at + timedelta(hours=1), BERLIN, {first})
    assert (first, second) == ("lilfox_20211031_023000", "lilfox_20211031_023001")


@pytest.mark.parametrize("step", [timedelta(seconds=90), timedelta(hours=1), timedelta(days=3)])
def test_row_20_a_clock_that_was_put_back_removes_nothing_new(step: timedelta) -> None:
    before = [a_set(OLD - timedelta(days=days)) for days in range(3)]
    made = a_set(OLD - step)
    verdicts = judge([*before, made], KeepConfig(last=1), now=OLD - step, zone=BERLIN, just_made=made.id)
    stay = {verdict.set.id for verdict in verdicts if not verdict.goes}
    assert made.id in stay
    assert before[0].id in stay


async def test_row_21_a_set_of_2099_is_not_the_newest_good_one(folder: Path, store: BackupStore) -> None:
    future = manifest_of(datetime(2099, 1, 1, tzinfo=UTC))
    put_set(folder, future, proven=True)
    for day in range(3):
        put_set(folder, manifest_of(OLD + timedelta(days=day)), proven=True)
    removed = await pruned(store, KeepConfig(last=1))
    assert removed == ["lilfox_20210302_020000", "lilfox_20210301_020000"]
    assert await ids_of(store) == [future.id, "lilfox_20210303_020000"]


@pytest.mark.parametrize("keep", [KeepConfig(last=1), KeepConfig(days=1), KeepConfig(daily=7), KeepConfig(monthly=1)])
async def test_row_22_forty_failing_nights_leave_the_good_set(
    folder: Path, store: BackupStore, keep: KeepConfig
) -> None:
    good = manifest_of(OLD)
    put_set(folder, good, proven=True)
    (folder / "postgresql").mkdir()
    for night in range(1, 41):
        _failing_night(folder, OLD + timedelta(days=night), night % 4)
    assert await pruned(store, keep) == []
    (found,) = [each for each in await read_sets(store, zone=UTC) if each.good]
    assert found.id == good.id


def _failing_night(folder: Path, at: datetime, how: int) -> None:
    """As the manual's scripts fail, as a killed run leaves it, a dump that was cut, and one that was found broken."""
    manifest = manifest_of(at)
    if how == 0:
        (folder / f"postgresql/lilfox_{at:%Y%m%d_%H%M%S}.sql.gz").write_bytes(b"x" * 20)
    elif how == 1:
        (folder / f"{manifest.parts[0].name}.part").write_bytes(b"half")
    elif how == 2:
        put_set(folder, manifest, b"du", proven=True)
    else:
        put_set(folder, manifest)
        digests = {part.name: "0" * 64 for part in manifest.parts}
        put_proof(folder, Proof(set=manifest.id, level="broken", at=at, reason="cut", sha256=digests))


@given(st.lists(st.sampled_from(["broken", "unverified"]), min_size=40, max_size=40), st.integers(1, 9))
def test_row_22_whatever_fails_the_good_set_stays(nights: Sequence[str], keep: int) -> None:
    good = a_set(OLD)
    failed = [
        msgspec.structs.replace(a_set(OLD + timedelta(days=at + 1)), status=status) for at, status in enumerate(nights)
    ]
    for policy in (KeepConfig(last=keep), KeepConfig(days=keep), KeepConfig(daily=keep, weekly=keep)):
        verdicts = judge([good, *failed], policy, now=OLD + timedelta(days=41), zone=BERLIN)
        assert not [verdict for verdict in verdicts if verdict.goes]


@pytest.mark.parametrize(
    "keep",
    ["{}", "{last: 0}", "{last: -1}", "{days: 0}", "{lst: 7}", "{last: '*'}", "{last: 7d}", "7", "[]", "{last: 0.5}"],
)
def test_row_23_a_policy_that_keeps_nothing_is_no_policy(keep: str) -> None:
    text = f"backup: {{stores: {{s: {{path: /b}}}}, plans: {{p: {{sources: {{}}, store: s, keep: {keep}}}}}}}"
    with pytest.raises(ConfigError) as refused:
        from_text(text, "c.yaml")
    assert any("backup.plans.p.keep" in problem for problem in refused.value.problems)


def test_row_23_a_plan_is_no_pattern() -> None:
    with pytest.raises(ConfigError):
        from_text("backup: {plans: {'lilfox*': {sources: {}, store: s}}}", "c.yaml")


@pytest.mark.parametrize("keep", [KeepConfig(), KeepConfig(last=0), KeepConfig(daily=0, last=3)])
async def test_row_23_nothing_is_removed_by_a_policy_that_keeps_nothing(
    folder: Path, store: BackupStore, keep: KeepConfig
) -> None:
    for day in range(3):
        put_set(folder, manifest_of(OLD + timedelta(days=day)), proven=True)
    with pytest.raises(UsageError, match="the retention policy is invalid"):
        await pruned(store, keep)
    assert len(await ids_of(store)) == 3


async def test_row_24_what_is_foreign_stays(folder: Path, store: BackupStore, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"dump")
    (folder / "lilfox_x.sql.gz").symlink_to(victim)
    (folder / "lilfox_20210228_020000.sql.gz").symlink_to(victim)
    (folder / "lilfox_20210227_020000.dump.zst").mkdir()
    (folder / "lilfox_notes.sql.gz").write_bytes(b"notes" * 50)
    (folder / "uploads_20210226_020000.tar.gz").write_bytes(b"old set" * 50)
    put_set(folder, manifest_of(OLD, plan="other"), proven=True)
    before = files_in(folder)
    for day in range(1, 4):
        put_set(folder, manifest_of(OLD + timedelta(days=day)), proven=True)
    assert len(await pruned(store, KeepConfig(last=1))) == 2
    newest = manifest_of(OLD + timedelta(days=3))
    assert files_in(folder) == before | {newest.parts[0].name, f"{newest.id}.manifest.json", f"{newest.id}.proof.json"}
    assert victim.read_bytes() == b"dump"


async def test_row_24_a_part_that_became_a_link_leads_nowhere(folder: Path, store: BackupStore, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"dump")
    linked = manifest_of(OLD)
    put_set(folder, linked, proven=True)
    (folder / linked.parts[0].name).unlink()
    (folder / linked.parts[0].name).symlink_to(victim)
    put_set(folder, manifest_of(OLD + timedelta(days=1)), proven=True)
    broken = next(found for found in await read_sets(store, zone=UTC) if found.id == linked.id)
    assert (broken.status, str(broken.reason)) == ("broken", f"{linked.parts[0].name} is missing")
    assert await pruned(store, KeepConfig(last=1)) == [linked.id]
    assert victim.read_bytes() == b"dump"


@pytest.mark.fault("1.24", "S13")
async def test_row_24_a_manifest_that_names_files_elsewhere_removes_none_of_them(
    folder: Path, store: BackupStore, tmp_path: Path
) -> None:
    victim = tmp_path / "victim_20210301_020000.dump"
    victim.write_bytes(b"dump")
    other = manifest_of(OLD, plan="other")
    put_set(folder, other, proven=True)
    forged = manifest_of(OLD)
    stolen = [
        msgspec.structs.replace(forged.parts[0], name=name)
        for name in (f"../{victim.name}", str(victim), other.parts[0].name, f"{other.id}.manifest.json")
    ]
    told = encoded(msgspec.structs.replace(forged, parts=tuple(stolen)))
    (folder / f"{forged.id}.manifest.json").write_bytes(told)
    put_proof(folder, proof_of(forged))
    put_set(folder, manifest_of(OLD + timedelta(days=1)), proven=True)
    assert await pruned(store, KeepConfig(last=1)) == [forged.id]
    assert victim.exists()
    assert (folder / f"{other.id}.manifest.json").exists()
    assert (folder / other.parts[0].name).exists()
