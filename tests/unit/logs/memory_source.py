"""A source of logs in memory, which answers as the contract says, when the test lets it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime

from lilfox_tui.core.aio import Feed
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.logs.filter.model import Filter
from lilfox_tui.logs.record import LogEntry, LogRecord, Severity
from lilfox_tui.logs.source import AtBeginning, AtPlace, AtTime, RecordPage, SourceNotice, SourceStatus, Start


def record(source: str, number: int, time_us: int | None, message: str = "", **more: object) -> LogRecord:
    """Record ``number`` of a source; its message is ``NAME NUMBER`` unless given."""
    message = message or f"{source} {number}"
    entry = LogEntry(message=message, time_us=time_us, severity=more.pop("severity", Severity.INFO), **more)  # type: ignore[arg-type]
    raw = message.encode("utf-8", "surrogatepass")
    return LogRecord(source=source, place=str(number), entry=entry, raw=raw, size_bytes=len(raw))


class Every:
    """The filter that keeps all."""

    def matches(self, _record: LogRecord) -> bool:
        return True


class Holding:
    """The filter that keeps messages with a text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def matches(self, record: LogRecord) -> bool:
        return self.text in record.entry.message


class MemorySource:
    """``records`` in the source's own order. A page looks at ``scan`` records at most. ``slow`` makes it wait for
    ``answer``; ``error`` is raised by every call while it is set."""

    def __init__(self, name: str, records: Sequence[LogRecord], *, scan: int = 1000) -> None:
        self.name = name
        self.records = list(records)
        self.scan = scan
        self.pages = 0
        self.error: LilFoxError | None = None
        self.slow = False
        self.closed = False
        self._go_on = asyncio.Event()
        self._news: list[LogRecord | SourceNotice] = []
        self._written = asyncio.Event()
        self._status: Feed[SourceStatus] = Feed()
        self._tell()

    @property
    def status(self) -> Feed[SourceStatus]:
        return self._status

    def _tell(self) -> None:
        status = SourceStatus(description=self.name, format="json", zone="UTC", records=len(self.records))
        self._status.publish(status, datetime(2026, 3, 29, tzinfo=UTC))

    def answer(self) -> None:
        """Lets those go on that wait, and all after them."""
        self.slow = False
        self._go_on.set()

    def write(self, *items: LogRecord | SourceNotice) -> None:
        """What is new."""
        self.records += [item for item in items if isinstance(item, LogRecord)]
        self._news += items
        self._tell()
        self._written.set()
        self._written = asyncio.Event()

    async def _wait(self) -> None:
        if self.slow:
            await self._go_on.wait()
        if self.error is not None:
            raise self.error

    async def page(self, start: Start, *, older: bool, limit: int, where: Filter) -> RecordPage:
        self.pages += 1
        await self._wait()
        at = self._first_from(start, older=older)
        order = range(at - 1, -1, -1) if older else range(at, len(self.records))
        found: list[LogRecord] = []
        for looked, index in enumerate(order):
            if len(found) == limit or looked == self.scan:
                on = index + 1 if older else index - 1
                return RecordPage(self._ordered(found, older=older), AtPlace(self.records[on].place))
            if where.matches(self.records[index]):
                found.append(self.records[index])
        return RecordPage(self._ordered(found, older=older), None)

    def _ordered(self, found: list[LogRecord], *, older: bool) -> tuple[LogRecord, ...]:
        return tuple(reversed(found)) if older else tuple(found)

    def _first_from(self, start: Start, *, older: bool) -> int:
        """The index that a page begins at; of a page that goes older the one after its last record."""
        if isinstance(start, AtBeginning):
            return 0
        if isinstance(start, AtPlace):
            return self._at(start.place) + (0 if older else 1)
        if isinstance(start, AtTime):
            time_us = -(2**62)
            for index, each in enumerate(self.records):
                time_us = time_us if each.entry.time_us is None else each.entry.time_us
                if time_us >= start.time_us:
                    return index
        return len(self.records)

    def _at(self, place: str) -> int:
        return next(index for index, each in enumerate(self.records) if each.place == place)

    async def follow(self, start: Start, where: Filter) -> AsyncGenerator[list[LogRecord | SourceNotice], None]:
        await self._wait()
        sent = len(self._news)
        missed = self.records[self._first_from(start, older=False) :]
        first = [each for each in missed if where.matches(each)]
        if first:
            yield list(first)
        while True:
            while sent == len(self._news):
                await self._written.wait()
                if self.error is not None:
                    raise self.error
            batch = [each for each in self._news[sent:] if isinstance(each, SourceNotice) or where.matches(each)]
            sent = len(self._news)
            if batch:
                yield batch

    async def close(self) -> None:
        self.closed = True
