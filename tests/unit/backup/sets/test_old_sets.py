"""Grouping of old files by their dates: nearest pairs, no file in two sets, none lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.backup.sets.old_sets import OldFile, old_sets, read_old_name
from lilfox_tui.backup.store import StoreEntry
from tests.unit.backup.made_sets import NOON

NAMES = [
    "lilfox_{}.sql.gz", "postgresql/lilfox_{}.sql", "env_{}", "config/config_{}.tar.gz", "uploads_{}.tar.gz",
    "rollback/db_{}.sql",
]  # fmt: skip


def old_file(name: str, size: int = 999, *, modified: datetime = NOON) -> OldFile:
    read = read_old_name(StoreEntry(name, size, modified), UTC)
    assert read is not None
    return read


def dated(shape: str, seconds: int) -> OldFile:
    return old_file(shape.format((NOON + timedelta(seconds=seconds)).strftime("%Y%m%d_%H%M%S")))


@given(st.sets(st.tuples(st.sampled_from(NAMES), st.integers(0, 900)), max_size=40))
def test_each_file_is_in_one_set_and_dates_are_near(places: set[tuple[str, int]]) -> None:
    files = [dated(shape, seconds) for shape, seconds in sorted(places)]
    sets = old_sets(files)
    names = [part.name for found in sets for part in found.parts]
    assert sorted(names) == sorted(file.entry.name for file in files)
    assert len({found.id for found in sets}) == len(sets)
    for found in sets:
        assert found.spread_s <= 240
        slots = [(part.source, part.kind) for part in found.parts]
        assert len(set(slots)) == len(slots)


@given(st.lists(st.integers(0, 100), min_size=1, max_size=30, unique=True), st.integers(-60, 60))
def test_sets_minutes_apart_are_never_mixed(minutes: list[int], skew: int) -> None:
    files = [
        dated(shape, minute * 300 + (skew if at else 0))
        for minute in minutes
        for at, shape in enumerate([NAMES[0], *NAMES[2:5]])
    ]
    sets = old_sets(files)
    assert len(sets) == len(minutes)
    assert all(len(found.parts) == 4 and found.spread_s == abs(skew) and not found.reason for found in sets)


def test_ten_thousand_files_of_one_minute_are_grouped_in_time() -> None:
    files = [dated(shape, second % 60) for second in range(60) for shape in NAMES[:5]]
    many = [old_file(f"rollback/db_{number}.sql") for number in range(10_000)]
    assert sum(len(found.parts) for found in old_sets(files + many)) == len(files) + len(many)


def test_names_in_any_case_are_read() -> None:
    assert old_file("LILFOX_20231230_020000.SQL.GZ").at == datetime(2023, 12, 30, 2, tzinfo=UTC)


def test_in_an_hour_that_comes_twice_the_time_of_writing_tells() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    name = "lilfox_20261025_023000.sql.gz"
    first, second = datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    for modified, at in (
        (first + timedelta(minutes=2), first),
        (second + timedelta(minutes=2), second),
        (second + timedelta(days=90), first),
    ):
        read = read_old_name(StoreEntry(name, 999, modified), berlin)
        assert read is not None
        assert read.at == at


def test_empty_files_are_failed_runs() -> None:
    stamp = "20261125_120000"
    (found,) = old_sets([old_file(f"lilfox_{stamp}.sql.gz", 20), old_file(f"env_{stamp}", 0)])
    assert found.status == "broken"
    assert [str(part.trouble) for part in found.parts] == [
        f"lilfox_{stamp}.sql.gz is empty: the run failed", f"env_{stamp} is empty: the run failed",
    ]  # fmt: skip
    (small,) = old_sets([old_file(f"env_{stamp}", 1)])
    assert small.status == "unverified"
