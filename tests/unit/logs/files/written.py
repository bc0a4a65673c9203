"""Small logs for these tests, and what is in them by the plainest reading."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lilfox_tui.config.model import HostConfig
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.logs.files.many_logs import ManyLogs
from lilfox_tui.logs.files.one_log import OneLog
from lilfox_tui.logs.filter.model import Filter
from lilfox_tui.logs.record import LogRecord, load_format, split_records
from lilfox_tui.logs.source import LogSource, SourceSettings, Start
from lilfox_tui.logs.sources.file import Options, open_source

START = datetime(2026, 11, 24, 10, tzinfo=UTC)


def console_log(seed: int, records: int, *, first: int = 0, longest: int = 3000) -> bytes:
    """Records of one line or with a traceback, a second apart; every seventh an ERROR, every fiftieth very long."""
    made = random.Random(seed)
    text = []
    for number in range(first, first + records):
        at = (START + timedelta(seconds=number)).strftime("%Y-%m-%d %H:%M:%S,%f")[:-3]
        level = "ERROR" if number % 7 == 0 else "INFO"
        text.append(f"{at} - app - {level} - request n={number} {'x' * made.randrange(60)}\n")
        if level == "ERROR":
            text.append("Traceback (most recent call last):\n")
            text += [f'  File "a.py", line {line}, in call\n' for line in range(made.randrange(1, 9))]
            text.append(f"ValueError: wrong token{number}\n")
        if number % 50 == 49:
            text.append("  " + "y" * made.randrange(longest) + "\n")
    return "".join(text).encode()


def raws(data: bytes, kind: str = "console") -> list[bytes]:
    """The records of a whole file at once."""
    return [raw for _, raw in split_records(data, load_format(kind))]


def local_source(path: Path | str, *, rotated: bool = True, format_name: str = "") -> OneLog:
    """The log on this machine."""
    opened = _open(path, rotated=rotated, format_name=format_name)
    assert isinstance(opened, OneLog)
    return opened


def local_logs(pattern: Path | str, *, rotated: bool = True) -> ManyLogs:
    """The logs on this machine that a pattern fits."""
    opened = _open(pattern, rotated=rotated)
    assert isinstance(opened, ManyLogs)
    return opened


def _open(path: Path | str, *, rotated: bool, format_name: str = "") -> OneLog | ManyLogs:
    setting = SourceSettings(LocalHost("here", HostConfig(local=True)), UTC, format_name)
    return open_source("app", Options(path=str(path), rotated=rotated), setting)


async def read_all(source: LogSource, start: Start, where: Filter, *, older: bool, limit: int = 100) -> list[LogRecord]:
    """Every record from ``start`` on that way, page by page, oldest first."""
    found: list[LogRecord] = []
    more: Start | None = start
    while more is not None:
        page = await source.page(more, older=older, limit=limit, where=where)
        assert len(page.records) <= limit
        found = [*page.records, *found] if older else [*found, *page.records]
        more = page.more
    return found
