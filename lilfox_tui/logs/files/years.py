"""The years of a file whose times tell none: by when the file was last written to, and by the order of its lines.

Each time is read as the latest that is not after its part of the file. Where a later line has an earlier time, a year
has passed before it: parts end there, and the times of the part before are a year older.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise

from lilfox_tui.logs.files.blocks import beginning_after
from lilfox_tui.logs.files.log_file import LogFile
from lilfox_tui.logs.split import split_records
from lilfox_tui.logs.times import lacks_year

_OUT_OF_ORDER_US = 2 * 86_400_000_000
"""Lines of several threads, and of clocks that were set, stand so far out of order, and no more."""
_SAMPLED_LINES = 20
_WHOLE_BYTES = 1024 * 1024
"""A file here that is no larger is read record by record."""
_PROBES, _REMOTE_PROBES = 64, 8
_PROBE_BYTES = 16 * 1024
_ROTATED_ON = re.compile(r"[-.]((?:19|20)\d\d)-?(\d\d)-?(\d\d)(?:\.[a-z]\w{1,3})?$")
_DAY_S = 86400.0


async def note_years(log: LogFile, sample: bytes) -> None:
    """Looks for what years the times of the file are of, if they tell none; ``sample`` is its beginning. Raises
    LilFoxError."""
    lines = sample[:_PROBE_BYTES].decode("utf-8", "replace").split("\n")[:_SAMPLED_LINES]
    if not any(map(lacks_year, lines)):
        return
    size = await log.file.size()
    local = log.file.NEAR_BYTES > 0
    if local and size <= _WHOLE_BYTES:
        times = await asyncio.to_thread(_times_in, log, 0, await log.file.read(0, size))
    else:
        count = _PROBES if local else _REMOTE_PROBES
        probed = [await _first_time(log, size * at // count, size) for at in range(count)]
        last = await log.file.read(max(0, size - _PROBE_BYTES), _PROBE_BYTES)
        probed += (await asyncio.to_thread(_times_in, log, max(0, size - _PROBE_BYTES), last))[-1:]
        times = [each for each in probed if each is not None]
    turns = [(before, after) for before, after in pairwise(times) if _is_turn(before[1], after[1])]
    ends = [await _end_of_year(log, before, after) for before, after in turns]
    latest = log.latest or datetime.now(UTC)
    log.years = [(end, _years_before(latest, len(ends) - number)) for number, end in enumerate(ends)]
    log.times.clear()


def last_written(path: str, modified_s: float) -> datetime | None:
    """Not after this were the last lines of a file written; None: it may be written to now. By its time, and by the
    date that rotation has put behind its name, for a copy has a new time."""
    now_s = datetime.now(UTC).timestamp()
    known_s = [modified_s] if 0 < modified_s < now_s - _DAY_S else []
    if match := _ROTATED_ON.search(path):
        with suppress(ValueError):
            rotated = datetime(*map(int, match.groups()), tzinfo=UTC)  # type: ignore[arg-type,misc]
            known_s += [rotated.timestamp() + 2 * _DAY_S]
    earliest_s = min(known_s, default=now_s)
    return datetime.fromtimestamp(earliest_s, UTC) if earliest_s < now_s else None


def _is_turn(before_us: int, after_us: int) -> bool:
    return after_us < before_us - _OUT_OF_ORDER_US


def _is_leap_day(time_us: int) -> bool:
    at = datetime.fromtimestamp(time_us / 1_000_000, UTC)
    return (at.month, at.day) == (2, 29)


def _years_before(at: datetime, years: int) -> datetime:
    """The same day so many years before; of 29 February the day before."""
    try:
        return at.replace(year=at.year - years)
    except ValueError:
        return at.replace(year=at.year - years, day=28)


def _times_in(log: LogFile, base: int, block: bytes) -> list[tuple[int, int]]:
    """Where records of the block begin, and their times; none of 29 February, which is of another year than the days
    around it as long as these may be of any."""
    found = [(base + at, log.time_us((base + at, raw, len(raw)))) for at, raw in split_records(block, log.format)]
    return [(at, time_us) for at, time_us in found if time_us is not None and not _is_leap_day(time_us)]


async def _first_time(log: LogFile, start: int, end: int) -> tuple[int, int] | None:
    """The first record after ``start`` that tells a time, if it is near."""
    begins_at = await beginning_after(log.file, log.format, start - 1, end) if start else 0
    block = await log.file.read(begins_at, min(_PROBE_BYTES, end - begins_at))
    return next(iter(await asyncio.to_thread(_times_in, log, begins_at, block)), None)


async def _end_of_year(log: LogFile, before: tuple[int, int], after: tuple[int, int]) -> int:
    """Where the first record begins that is of the year after ``before``'s: it stands behind that, and not behind
    ``after``."""
    low, high, found_at = before[0], after[0], after[0]
    while high - low > _PROBE_BYTES:
        middle = (low + high) // 2
        found = await _first_time(log, middle, high)
        if found is None or found[0] >= high:
            high = middle
        elif _is_turn(before[1], found[1]):
            high, found_at = middle, found[0]
        else:
            low = found[0]
    block = await log.file.read(low, high - low)
    times = await asyncio.to_thread(_times_in, log, low, block)
    return next((at for at, time_us in times if _is_turn(before[1], time_us)), found_at)
