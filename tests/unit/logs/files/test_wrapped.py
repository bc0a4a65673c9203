"""Files of wrapped logs: read in pages, searched natively, and counted as the plain ones are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lilfox_tui.logs.analyze import analyze
from lilfox_tui.logs.filter.model import EVERYTHING, AtLeast, Filter, TextMatch
from lilfox_tui.logs.record import LogRecord, Severity
from lilfox_tui.logs.source import AtBeginning, AtEnd
from tests.unit.logs.files.written import console_log, local_source, read_all

WRAP: dict[str, Callable[[str, str], str]] = {
    "docker": lambda line, at: json.dumps({"log": f"{line}\n", "stream": "stderr", "time": at}, separators=(",", ":")),
    "cri": lambda line, at: f"{at} stderr F {line}",
    "compose": lambda line, at: f"web-1  | {line}",
    "kubectl": lambda line, at: f"[pod/web-0/app] {line}",
    "colours": lambda line, at: f"\x1b[2m{line[:10]}\x1b[0m{line[10:]}",
}


def wrapped_by(layer: str, text: bytes) -> str:
    """Each line as a layer has it, with the time of its record."""
    lines, at = [], ""
    for line in text.decode().splitlines():
        at = f"{line[:10]}T{line[11:19]}.900000000Z" if line.startswith("2026-") else at
        lines.append(f"{WRAP[layer](line, at)}\n")
    return "".join(lines)


def said(records: list[LogRecord]) -> list[tuple[object, ...]]:
    return [(one.entry.time_us, one.entry.severity, one.entry.message, one.entry.fault) for one in records]


async def found(path: Path, where: Filter, *, older: bool = False) -> list[LogRecord]:
    source = local_source(path)
    records = await read_all(source, AtEnd() if older else AtBeginning(), where, older=older)
    await source.close()
    return records


@pytest.mark.parametrize("layer", WRAP)
async def test_a_wrapped_file_is_read_as_the_plain_one(tmp_path: Path, layer: str) -> None:
    text = console_log(7, 1500)
    plain, wrapped = tmp_path / "plain.log", tmp_path / "wrapped.log"
    plain.write_bytes(text)
    wrapped.write_text(wrapped_by(layer, text))
    source = local_source(wrapped)
    await source.page(AtEnd(), older=True, limit=5, where=EVERYTHING)
    status = source.status.value
    assert status is not None
    assert status.format == f"{layer}+console"
    await source.close()
    for where in (EVERYTHING, AtLeast(Severity.ERROR), TextMatch("wrong token77"), TextMatch("n=100 ")):
        for older in (False, True):
            assert said(await found(wrapped, where, older=older)) == said(await found(plain, where, older=older))


@pytest.mark.parametrize("layer", ["docker", "cri"])
async def test_a_wrapped_file_is_counted_as_the_plain_one(tmp_path: Path, layer: str) -> None:
    text = console_log(7, 1500)
    plain, wrapped = tmp_path / "plain.log", tmp_path / "wrapped.log"
    plain.write_bytes(text)
    wrapped.write_text(wrapped_by(layer, text))
    counted = []
    for path in (plain, wrapped):
        source = local_source(path)
        counted.append((await analyze([source], EVERYTHING)).statistics)
        await source.close()
    assert counted[0].records == counted[1].records == 1500
    assert counted[0].errors == counted[1].errors > 0
