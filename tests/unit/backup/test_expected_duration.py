"""How long a dry run says that a backup will take, from the rates of earlier sets."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from lilfox_tui.backup.checks import Check
from lilfox_tui.backup.context import BackupContext
from lilfox_tui.backup.options import LocalOptions
from lilfox_tui.backup.plan import BackupPlan
from lilfox_tui.backup.run import Preflight, duration
from lilfox_tui.config.model import Config, PlanConfig
from lilfox_tui.config.values import Seconds
from tests.unit.backup.made_sets import NOON, manifest_of, put_set, without

SIZE = 1_200_000
"""Bytes that the sources will write now."""


def made(folder: Path, at: datetime, raw_bytes: int, *, plan: str = "lilfox", partial: bool = False) -> str:
    """A set that was dumped within a minute; its id."""
    manifest = manifest_of(at, plan=plan)
    (part,) = manifest.parts
    manifest = replace(manifest, parts=(replace(part, raw_bytes=raw_bytes),))
    put_set(folder, without(manifest, "uploads", "not reachable") if partial else manifest)
    return manifest.id


async def expected(folder: Path, *, window: Seconds | None = None, looked: Preflight | None = None) -> list[Check]:
    config = PlanConfig(sources={}, store="here", window=window)
    plan = BackupPlan(name="lilfox", config=config, stores={"here": LocalOptions(kind="local", path=str(folder))})
    async with BackupContext(Config()) as context:
        return await duration(context, plan, looked or Preflight({}, {}, SIZE))


async def test_without_a_set_to_measure_nothing_is_said(tmp_path: Path) -> None:
    assert await expected(tmp_path, window=Seconds(1)) == []
    made(tmp_path, NOON, 1000, plan="other")
    made(tmp_path, NOON + timedelta(hours=1), 1000, partial=True)
    made(tmp_path, NOON + timedelta(hours=2), 0)
    assert await expected(tmp_path, window=Seconds(1)) == []


async def test_the_slowest_of_the_newest_five_sets_counts(tmp_path: Path) -> None:
    made(tmp_path, NOON, 60)  # 1 B/s, but the sixth from the end
    names = [
        made(tmp_path, NOON + timedelta(days=day), 60 * rate) for day, rate in enumerate((900, 800, 400, 700, 900), 1)
    ]
    (check,) = await expected(tmp_path)
    assert (str(check.about), check.state) == ("duration", "good")
    assert str(check.found) == f"about 50 min, measured at {names[2]}"  # 1,200,000 B at 400 B/s


@pytest.mark.parametrize(("window", "state"), [(Seconds(3000), "good"), (Seconds(2999), "warning")])
async def test_it_is_compared_with_the_backup_window(tmp_path: Path, window: Seconds, state: str) -> None:
    made(tmp_path, NOON, 60 * 400)
    (check,) = await expected(tmp_path, window=window)
    assert check.state == state
    too_long = state == "warning"
    assert ("longer than the backup window" in str(check.found), "pgbackrest" in str(check.hint)) == (
        too_long,
        too_long,
    )


async def test_what_cannot_be_measured_now_is_not_estimated(tmp_path: Path) -> None:
    made(tmp_path, NOON, 60 * 400)
    assert await expected(tmp_path, looked=Preflight({}, {}, None)) == []
    bad = {"database": [Check("database", "bad", "connection refused")]}
    assert await expected(tmp_path, looked=Preflight(bad, {}, SIZE)) == []
