"""A page of a source, unless the filter leaves that source out: then nothing of it is read."""

from __future__ import annotations

from lilfox_tui.logs.filter.model import Filter
from lilfox_tui.logs.filter.of_source import NOTHING, of_source
from lilfox_tui.logs.source import LogSource, Page, Start


async def page_of(source: LogSource, start: Start, *, older: bool, limit: int, where: Filter) -> Page:
    """As :meth:`LogSource.page`. Raises LilFoxError."""
    where = of_source(where, source.name)
    if where == NOTHING:
        return Page((), None)
    return await source.page(start, older=older, limit=limit, where=where)
