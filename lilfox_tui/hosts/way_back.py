"""Waiting before a next try, but not on when the way to the host is back meanwhile."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress

from lilfox_tui.feed import Unavailable
from lilfox_tui.hosts.base import Host


async def wait_for_way(host: Host, at_most_s: float | None) -> None:
    """Returns after ``at_most_s`` (None: never by itself), or as soon as the link, having been down, is up again.

    Whoever keeps the host connected finds out first; those who wait for longer and longer need not find out again."""
    with suppress(TimeoutError):
        async with asyncio.timeout(at_most_s), aclosing(host.link.watch()) as states:
            was_down = False
            async for state in states:
                if was_down and not isinstance(state, Unavailable):
                    return
                was_down = isinstance(state, Unavailable)
