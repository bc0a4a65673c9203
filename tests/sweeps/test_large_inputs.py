"""Inputs as large as they get: what is read of them is whole, bounded, or refused in time and little memory."""

from __future__ import annotations

import io
import resource
import time
import zlib
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import zstandard

from lilfox_tui.backup.packing import PartCount, unpacked
from lilfox_tui.backup.postgresql.executed_code import ExecutedCodeFinder
from lilfox_tui.backup.sets.model import Packing
from lilfox_tui.backup.sets.names import manifest_name
from lilfox_tui.backup.store import BrokenSet
from lilfox_tui.logs.analyze import analyze
from lilfox_tui.logs.count_process import whole_records
from lilfox_tui.logs.files import log_file_set
from lilfox_tui.logs.filter.model import Within
from lilfox_tui.logs.record import RAW_LIMIT, load_format, microseconds
from tests.unit.backup.made_sets import NOON, manifest_of, put_set
from tests.unit.backup.sets.test_catalogue import sets_in
from tests.unit.backup.test_packing import of
from tests.unit.jobs.effects import begin
from tests.unit.jobs.running import ended, jobs, lines, said
from tests.unit.logs.files.test_years import days, times_of, written
from tests.unit.logs.files.written import local_source

__all__ = ["jobs"]


@pytest.mark.fault("4.85")
@pytest.mark.parametrize("whole_bytes", [0, log_file_set._WHOLE_BYTES])
async def test_a_large_file_is_looked_at_here_and_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole_bytes: int
) -> None:
    monkeypatch.setattr(log_file_set, "_WHOLE_BYTES", whole_bytes)
    times = list(days(datetime(2021, 3, 1, tzinfo=UTC), 20_000, timedelta(hours=2)))
    path = written(tmp_path / "messages", times)
    assert await times_of(path) == times
    source = local_source(path)
    statistics = (await analyze([source], Within(microseconds(datetime(2023, 1, 1, tzinfo=UTC)), None))).statistics
    await source.close()
    assert statistics.records == sum(at.year >= 2023 for at in times)


def test_a_record_as_long_as_its_file_is_not_held() -> None:
    lines_without_beginning = b"2026-03-01 10:00:00,000 - app - ERROR - x\n" + b"  more\n" * 500_000
    held = list(whole_records(io.BytesIO(lines_without_beginning), 0, None, load_format("console").begins))
    assert len(held) == 1
    assert RAW_LIMIT <= len(held[0]) < 3 * RAW_LIMIT + (1 << 20)
    assert held[0][:RAW_LIMIT] == lines_without_beginning[:RAW_LIMIT]


@pytest.mark.fault("2.18")
def test_events_result_and_output_are_bounded(jobs: Path) -> None:
    job = ended(begin("chatters", lines=3000, length=1900, output=3000, result=5_000_000), timeout_s=60)
    folder = Path(job.folder)
    assert (folder / "events.jsonl").stat().st_size < 17 << 20
    assert 900_000 < (folder / "output.log").stat().st_size < (1 << 20) + 100
    assert "bytes more are left out" in (folder / "output.log").read_text().splitlines()[-1]
    assert (job.state, len(job.message), job.result["left_out_bytes"]) == ("ok", 2000, 5_000_010)
    assert [text for text in said(job.id)[-3:] if "left out" in text]
    assert all(line.startswith(b'{"event"') and line.endswith(b"}") for line in lines(job.id).splitlines())


async def test_ten_thousand_sets_are_read(tmp_path: Path) -> None:
    for hour in range(10_000):
        put_set(tmp_path, manifest_of(NOON + timedelta(hours=hour)), proven=hour % 2 == 0)
    found = await sets_in(tmp_path)
    assert len(found) == 10_000
    assert [each.status for each in found[:2]] == ["unverified", "intact"]
    assert manifest_name(found[-1].id) == "lilfox_20261125_120000.manifest.json"


def test_reading_stays_linear() -> None:
    def seconds(text: bytes) -> float:
        started = time.process_time()
        ExecutedCodeFinder().statement(text)
        return time.process_time() - started

    for piece in (b"a", b"'", b'"', b"$a$", b"/*", b"--", b"(", b"f(", b".", b"E'\\", b"''", b'U&"', b"a.", b"$"):
        short, long = (b"CREATE TABLE t (" + piece * count for count in (40_000, 160_000))
        assert seconds(long) < max(0.5, 12 * seconds(short)), piece


def bomb(packing: Packing, size: int) -> bytes:
    """``size`` zeros in very few bytes."""
    made = io.BytesIO()
    zeros = bytes(16 * 1024 * 1024)
    if packing == "zstd":
        with zstandard.ZstdCompressor(level=3).stream_writer(made, closefd=False) as writer:
            for _ in range(size // len(zeros)):
                writer.write(zeros)
    else:
        deflate = zlib.compressobj(9, wbits=31)
        for _ in range(size // len(zeros)):
            made.write(deflate.compress(zeros))
        made.write(deflate.flush())
    return made.getvalue()


@pytest.mark.fault("S12")
@pytest.mark.parametrize("packing", ["zstd", "gzip"])
async def test_a_bomb_ends_at_its_bound_in_little_memory(packing: Packing) -> None:
    stored = bomb(packing, 512 * 1024 * 1024)
    assert len(stored) < 1024 * 1024
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BrokenSet, match="more than the allowed 100000000 bytes"):
        await unpack_and_forget(stored, packing, 100_000_000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40 * 1024


async def unpack_and_forget(stored: bytes, packing: Packing, limit: int) -> None:
    async with aclosing(unpacked(of(stored), packing, None, PartCount(), limit_bytes=limit)) as blocks:
        async for _ in blocks:
            pass
