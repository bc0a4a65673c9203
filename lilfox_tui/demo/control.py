"""``lilfox demo --no-ui``: the stand-in stack without a screen."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Sequence

from lilfox_tui.demo.faults import parse_fault
from lilfox_tui.demo.stack import Stack
from lilfox_tui.i18n import Message, tr


async def run_headless(faults: Sequence[str], *, say: Callable[[Message], None], port_base: int | None = None) -> None:
    """Runs the stack until SIGINT or SIGTERM; tells ``say`` what runs where.

    ``faults`` are ``SERVICE:KIND``. Raises UsageError for one that does not exist, before anything is started, and
    LilFoxError when a service does not come up.
    """
    wanted = [parse_fault(text) for text in faults]
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in signals:
        loop.add_signal_handler(number, over.set)
    try:
        async with Stack(port_base=port_base) as stack:
            for name, service in stack.services.items():
                say(tr("{service}: {url}", service=name, url=service.url))
            say(tr("logs: {folder}", folder=stack.log_dir))
            for service_name, kind in wanted:
                await stack.fault(service_name, kind)
                say(tr("{service} has the fault {kind}", service=service_name, kind=kind))
            say(tr("ctrl-c ends it"))
            await over.wait()
    finally:
        for number in signals:
            with contextlib.suppress(ValueError):
                loop.remove_signal_handler(number)
