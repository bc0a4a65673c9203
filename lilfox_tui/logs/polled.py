"""A source that is a server asked by time: pages, and for what is new the same question again and again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Protocol

from lilfox_tui.errors import HostUnreachable, LilFoxError
from lilfox_tui.feed import Feed
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.way_back import wait_for_way
from lilfox_tui.logs.by_time import ByTime, Store
from lilfox_tui.logs.filter.model import Filter
from lilfox_tui.logs.http_source import Server, ServerError
from lilfox_tui.logs.record import Record
from lilfox_tui.logs.source import Notice, Page, Setting, SourceStatus, Start

AGAIN_S = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Waits before the next try while the server or the way to it is down."""


class NamedStore(Store, Protocol):
    """A store that says in which format its lines are ("" while it is not known)."""

    format_name: str


class PolledSource:
    """See :class:`LogSource`."""

    def __init__(
        self,
        name: str,
        description: str,
        store: NamedStore,
        server: Server,
        setting: Setting,
        *,
        every_s: float,
        late_s: float,
    ) -> None:
        self.name = name
        self._description, self._store, self._server, self._setting = description, store, server, setting
        self._every_s, self._late_ns = every_s, int(late_s * 1e9)
        self._by_time = ByTime(store)
        self._status: Feed[SourceStatus] = Feed()

    @property
    def status(self) -> Feed[SourceStatus]:
        """See :attr:`LogSource.status`."""
        return self._status

    @property
    def host(self) -> Host:
        """From where the server is asked."""
        return self._setting.host

    async def page(self, start: Start, *, older: bool, limit: int, where: Filter) -> Page:
        """See :meth:`LogSource.page`."""
        try:
            page = await self._by_time.page(start, older=older, limit=limit, where=where)
        except LilFoxError as error:
            self._status.fail(error)
            raise
        self._good()
        return page

    async def follow(self, start: Start, where: Filter) -> AsyncGenerator[list[Record | Notice], None]:
        """See :meth:`LogSource.follow`. While the server is down it is asked again, later and later."""
        poll = self._by_time.poll(start, where, late_ns=self._late_ns)
        tries = 0
        while True:
            try:
                async with aclosing(poll.new()) as batches:
                    async for batch in batches:
                        self._good()
                        if batch:
                            yield list(batch)
            except LilFoxError as error:
                if not _passing(error):
                    self._status.fail(error)
                    raise
                pause_s = AGAIN_S[min(tries, len(AGAIN_S) - 1)]
                self._status.fail(error, next_try=datetime.fromtimestamp(time.time() + pause_s, UTC))
                tries += 1
                await wait_for_way(self.host, pause_s)
            else:
                self._good()
                tries = 0
                await asyncio.sleep(self._every_s)

    async def close(self) -> None:
        """Ends the connections."""
        await self._server.close()

    def _good(self) -> None:
        """Publishes the status where it is news."""
        status = SourceStatus(
            description=self._description, format=self._store.format_name, zone=str(self._setting.zone)
        )
        if status != self._status.value:
            self._status.publish(status)


def _passing(error: LilFoxError) -> bool:
    if isinstance(error, ServerError):
        return error.passing or error.status is None
    return isinstance(error, HostUnreachable)
