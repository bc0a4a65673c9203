from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.backup.sets.model import Packing
from lilfox_tui.backup.sets.names import (
    FileName,
    file_name,
    moment_of,
    parted,
    read_file_name,
    read_id,
    safe_stem,
    set_id,
    stamp_of,
)
from lilfox_tui.backup.store import StoreError

BERLIN = ZoneInfo("Europe/Berlin")


def test_a_set_is_named_by_its_plan_and_the_local_time() -> None:
    at = datetime(2023, 12, 30, 1, 0, 0, tzinfo=UTC)
    assert set_id("lilfox", at, BERLIN) == "lilfox_20231230_020000"
    assert (
        set_id("lilfox", at, BERLIN, {"lilfox_20231230_020000", "lilfox_20231230_020001"}) == "lilfox_20231230_020002"
    )
    read = read_id("a-plan_1_20231230_020000")
    assert read is not None
    assert (read.plan, read.stamp) == ("a-plan_1", "20231230_020000")


@pytest.mark.parametrize(
    "text",
    ["", "lilfox", "a_2023123_020000", "-x_20231230_020000", "a/b_20231230_020000", "lilfox_20231230_020000\n"],
)
def test_other_names_are_no_set(text: str) -> None:
    assert read_id(text) is None


def test_an_hour_that_a_clock_has_twice_is_two_moments() -> None:
    first = moment_of("20261025_023000", BERLIN)
    second = moment_of("20261025_023000", BERLIN, fold=1)
    assert first == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert second == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert stamp_of(first, BERLIN) == stamp_of(second, BERLIN) == "20261025_023000"


@pytest.mark.parametrize("stamp", ["20230230_000000", "20231230_250000", "00000101_000000", "99991231_235959", "2023"])
def test_a_date_on_no_calendar_is_no_moment(stamp: str) -> None:
    assert moment_of(stamp, BERLIN) is None


def test_names_follow_the_manual() -> None:
    stamp = "20231230_020000"
    assert file_name("lilfox", ".dump", stamp, packing="zstd") == "lilfox_20231230_020000.dump.zst"
    assert file_name("globals", ".sql", stamp, packing="zstd", encrypted=True) == "globals_20231230_020000.sql.zst.age"
    assert file_name("env", "", stamp) == "env_20231230_020000"
    manual = file_name("lilfox", ".sql", stamp, packing="gzip", folder="postgresql")
    assert manual == "postgresql/lilfox_20231230_020000.sql.gz"
    assert read_file_name(manual + ".part") == FileName(
        folder="postgresql", stem="lilfox", stamp=stamp, suffix=".sql", packing="gzip", encrypted=False, unfinished=True
    )


HOSTILE = [
    "lil fox", "a;b", "-x", '"q"', "é" * 31, "x" * 63, "用户库", "a\nb", "../../etc/x", ".hidden", "a/b", "%41",
    "\udcff",
]  # fmt: skip


@pytest.mark.parametrize("database", HOSTILE)
def test_hostile_names_of_databases_are_plain_names_of_files(database: str) -> None:
    made = file_name(database, ".dump", "20231230_020000", packing="zstd", encrypted=True)
    assert "/" not in made
    assert "\n" not in made
    assert made[0] not in ".-"
    assert len(made.encode()) <= 255


def test_different_databases_have_different_files() -> None:
    stems = [safe_stem(name) for name in [*HOSTILE, "lil%20fox", "a%3Bb", "%25 41"]]
    assert len(set(stems)) == len(stems)


@pytest.mark.parametrize(
    "name",
    [
        "../lilfox_20231230_020000.dump.zst",
        "/etc/lilfox_20231230_020000.dump.zst",
        "other/lilfox_20231230_020000.dump.zst",
        "postgresql/../lilfox_20231230_020000.sql",
        "postgresql//lilfox_20231230_020000.sql",
        "lilfox_20231230_020000.dump.zst\n",
        "lilfox_20231230_020000.dump\0.zst",
        ".lilfox_20231230_020000.dump",
        "_20231230_020000.dump",
        "lilfox_20231230_020000.exe",
        "lilfox_notes.sql.gz",
        "用" * 80 + "_20231230_020000.dump",
        "",
    ],
)
def test_what_is_no_file_of_a_set_is_refused(name: str) -> None:
    assert read_file_name(name) is None


@given(
    st.text(min_size=1, max_size=40),
    st.sampled_from(["", ".dump", ".sql", ".tar"]),
    st.sampled_from(["zstd", "gzip", "none"]),
    st.booleans(),
)
def test_names_are_read_back(stem: str, suffix: str, packing: Packing, encrypted: bool) -> None:
    try:
        made = file_name(stem, suffix, "20231230_020000", packing=packing, encrypted=encrypted)
    except ValueError:
        assert len(safe_stem(stem)) > 200
        return
    read = read_file_name(made)
    assert read is not None
    assert (read.stem, read.suffix, read.packing, read.encrypted) == (safe_stem(stem), suffix, packing, encrypted)
    assert read.stamp == "20231230_020000"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "empty"),
        (".env", "begin with a dot"),
        ("x" * 256, "longer than 255 bytes"),
        ("a\\b", "backslashes"),
        ("a\n", "control characters"),
        ("other/a", "folders other than"),
    ],
)
def test_why_a_name_is_refused_is_in_the_hint(name: str, says: str) -> None:
    with pytest.raises(StoreError, match="is not a valid file name in a store") as refused:
        parted(name)
    assert says in str(refused.value.hint)
