"""Times without a year: of the year in which the file was written, older lines of older years."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lilfox_tui.logs.filter.model import EVERYTHING, Within
from lilfox_tui.logs.record import microseconds
from lilfox_tui.logs.source import AtBeginning, AtEnd
from tests.unit.logs.files.written import local_source, read_all


def stamp(at: datetime, how: str) -> str:
    """A time without a year, as programs write it."""
    clock = f"{at:%H:%M:%S}"
    day = f"{at.day:2d}" if how == "syslog" else str(at.day)
    return f"{at:%b} {day} {clock}"


def written(path: Path, times: list[datetime], *, how: str = "syslog", modified: datetime | None = None) -> Path:
    """A file with a line for each time, last written to at the last of them."""
    lines = [f"{stamp(at, how)} web1 app[7]: line n={number}\n" for number, at in enumerate(times)]
    path.write_text("".join(lines))
    at_s = (modified or times[-1]).timestamp()
    os.utime(path, (at_s, at_s))
    return path


async def times_of(path: Path) -> list[datetime | None]:
    source = local_source(path)
    records = await read_all(source, AtBeginning(), EVERYTHING, older=False)
    await source.close()
    return [one.at for one in records]


def days(first: datetime, count: int, step: timedelta) -> Iterator[datetime]:
    return (first + number * step for number in range(count))


@pytest.mark.fault("4.85")
@pytest.mark.parametrize("how", ["syslog", "one digit"])
async def test_a_files_time_tells_the_year(tmp_path: Path, how: str) -> None:
    times = list(days(datetime(2024, 10, 28, tzinfo=UTC), 40, timedelta(hours=7)))
    assert await times_of(written(tmp_path / "messages", times, how=how)) == times


@pytest.mark.fault("4.85")
async def test_lines_before_new_year_are_of_the_year_before(tmp_path: Path) -> None:
    times = list(days(datetime(2023, 12, 20, tzinfo=UTC), 30, timedelta(days=1)))
    assert await times_of(written(tmp_path / "messages", times)) == times


@pytest.mark.fault("4.85")
async def test_a_leap_day_is_of_a_leap_year(tmp_path: Path) -> None:
    times = [datetime(2020, 2, day, 12, tzinfo=UTC) for day in (27, 28, 29)] + [datetime(2020, 3, 1, tzinfo=UTC)]
    assert await times_of(written(tmp_path / "messages", times)) == times


@pytest.mark.fault("4.85")
async def test_the_order_of_lines_tells_of_further_years(tmp_path: Path) -> None:
    times = list(days(datetime(2019, 5, 3, tzinfo=UTC), 120, timedelta(days=20)))
    assert times[-1].year == 2025
    assert await times_of(written(tmp_path / "messages", times)) == times


@pytest.mark.fault("4.85")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.datetimes(datetime(2018, 1, 1), datetime(2022, 1, 1)),  # noqa: DTZ001  st adds the zone
    st.lists(st.integers(1, 300 * 86400), min_size=1, max_size=40),
)
async def test_any_file_whose_lines_are_less_than_a_year_apart(
    tmp_path: Path, first: datetime, pauses: list[int]
) -> None:
    at = first.replace(microsecond=0, tzinfo=UTC)
    times = [at]
    for pause in pauses:
        if times[-1] + timedelta(seconds=pause) < datetime(2026, 1, 1, tzinfo=UTC):
            times.append(times[-1] + timedelta(seconds=pause))
    path = written(tmp_path / "messages", times)
    assert await times_of(path) == times


@pytest.mark.fault("4.85")
async def test_a_year_in_the_stamp_wins(tmp_path: Path) -> None:
    path = tmp_path / "messages"
    path.write_text(
        "Oct 31 2021 10:00:00 fw1 : %ASA-6-302013: Built\nOct 31 10:00:01 2021 fw1 app: said\n"
        "<30>Oct  1 10:00:01 2021 fw1 app: said\n"
    )
    os.utime(path, (1_700_000_000, 1_700_000_000))
    assert [None if at is None else (at.year, at.month) for at in await times_of(path)] == [(2021, 10)] * 3


@pytest.mark.fault("4.85")
async def test_a_copy_is_of_the_year_that_rotation_has_put_into_its_name(tmp_path: Path) -> None:
    times = list(days(datetime(2022, 6, 1, tzinfo=UTC), 9, timedelta(hours=9)))
    path = written(tmp_path / "messages-20220605", times, modified=datetime.now(UTC))
    assert await times_of(path) == times
    packed = tmp_path / "messages-20220605.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    assert await times_of(packed) == times


async def test_a_file_that_is_written_to_now_is_of_this_year(tmp_path: Path) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    times = [now - timedelta(days=300), now - timedelta(days=3), now]
    assert await times_of(written(tmp_path / "messages", times)) == times


@pytest.mark.fault("4.86")
@pytest.mark.parametrize("older", [False, True])
async def test_since_reads_files_whose_time_is_older_than_their_records(tmp_path: Path, older: bool) -> None:
    first = datetime(2026, 11, 1, tzinfo=UTC)
    path = tmp_path / "app.log"
    for number, name in enumerate(["app.log.2.gz", "app.log.1", "app.log"]):
        lines = [f"{first + timedelta(days=number, hours=hour):%Y-%m-%d %H:%M:%S} INFO said\n" for hour in range(24)]
        data = "".join(lines).encode()
        path.with_name(name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        os.utime(path.with_name(name), (1_500_000_000, 1_500_000_000))
    source = local_source(path)
    since = Within(microseconds(first + timedelta(hours=20)), None)
    records = await read_all(source, AtEnd() if older else AtBeginning(), since, older=older)
    await source.close()
    assert len(records) == 4 + 24 + 24


async def test_wrapped_lines_before_new_year_are_of_the_year_before(tmp_path: Path) -> None:
    times = list(days(datetime(2023, 12, 20, tzinfo=UTC), 30, timedelta(days=1)))
    path = written(tmp_path / "found", times)
    lines = "".join(f"/var/log/syslog:{line}\n" for line in path.read_text().splitlines())
    path.write_text(lines)
    os.utime(path, (times[-1].timestamp(), times[-1].timestamp()))
    assert await times_of(path) == times


async def test_months_and_days_before_new_year_are_of_the_year_before(tmp_path: Path) -> None:
    times = list(days(datetime(2023, 12, 20, tzinfo=UTC), 30, timedelta(days=1)))
    path = tmp_path / "device.log"
    path.write_text("".join(f"{at:%m-%d %H:%M:%S}.000  1702  2395 D Tag: it\n" for at in times))
    os.utime(path, (times[-1].timestamp(), times[-1].timestamp()))
    assert await times_of(path) == times
