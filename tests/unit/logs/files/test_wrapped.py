"""Files of wrapped logs: read in pages, searched natively, and counted as the plain ones are."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC
from pathlib import Path

import pytest

from lilfox_tui.config.model import HostConfig
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.logs.analyze import analyze
from lilfox_tui.logs.filter.model import EVERYTHING, AtLeast, Filter, TextMatch
from lilfox_tui.logs.record import LogRecord, Severity
from lilfox_tui.logs.source import AtBeginning, AtEnd, SourceSettings
from lilfox_tui.logs.sources.file import Options, open_source
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


@pytest.mark.parametrize(("charset", "layer"), [("gb18030", ""), ("gb18030", "cri"), ("shift_jis", ""), ("euc_kr", "")])
async def test_a_character_set_is_read_as_text(tmp_path: Path, charset: str, layer: str) -> None:
    word = {"gb18030": "数据库失败", "shift_jis": "表示失敗", "euc_kr": "실패"}[
        charset
    ]  # 表 has a backslash as second byte
    lines = [f"2026-11-24 10:00:{second:02},000 - a.b - ERROR - {word} {second}" for second in range(60)]
    path = tmp_path / "app.log"
    wrapped = [WRAP[layer](line, "2026-11-24T10:00:00Z") if layer else line for line in lines]
    path.write_bytes("".join(f"{line}\n" for line in wrapped).encode(charset))
    setting = SourceSettings(LocalHost("here", HostConfig(local=True)), UTC)
    source = open_source("app", Options(path=str(path), charset=charset), setting)
    for where, expected in ((AtLeast(Severity.ERROR), 60), (TextMatch(f"{word} 7"), 1), (TextMatch(word), 60)):
        records = await read_all(source, AtBeginning(), where, older=False)
        assert len(records) == expected
        assert {one.entry.message.partition(" ")[0] for one in records} == {word}
    status = source.status.value
    assert status is not None
    assert status.format == f"{charset}+{layer}{'+' if layer else ''}console"
    await source.close()
