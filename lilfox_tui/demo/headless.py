"""``lilfox demo --no-ui``: the stand-in stack without a screen."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import signal
from collections.abc import Callable, Sequence

from lilfox_tui.demo.faults import parse_fault
from lilfox_tui.demo.stack import Stack
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import Message, tr


async def run_headless(
    faults: Sequence[str], *, say: Callable[[Message], None], host: str = "localhost", port_base: int | None = None
) -> None:
    """Runs the stack until SIGINT or SIGTERM; tells ``say`` what runs where.

    ``faults`` are ``SERVICE:KIND``; ``host`` is what this machine is called. Raises UsageError for a fault that does
    not exist, before anything is started, and LilFoxError when a service does not come up.
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
            await _start_database(stack, say)
            for service_name, kind in wanted:
                await stack.fault(service_name, kind)
                say(tr("{service} has the fault {kind}", service=service_name, kind=kind))
            say(tr("look at it: {command}", command=_command(stack, host)))
            say(tr("ctrl-c ends it"))
            await over.wait()
    finally:
        for number in signals:
            with contextlib.suppress(ValueError):
                loop.remove_signal_handler(number)


async def _start_database(stack: Stack, say: Callable[[Message], None]) -> None:
    """Without one the rest goes on."""
    try:
        await stack.start_database()
    except LilFoxError as error:
        say(tr("{error}; {hint}", error=error, hint=error.hint or tr("the rest goes on")))
    else:
        say(tr("database: PostgreSQL in {folder}", folder=stack.folder))


def _command(stack: Stack, host: str) -> str:
    """What opens a screen on the stack in another terminal, with the jobs of the demo and no others."""
    config = stack.write_config(host)
    return f"XDG_STATE_HOME={shlex.quote(str(stack.state_dir))} lilfox --config {shlex.quote(str(config))}"
