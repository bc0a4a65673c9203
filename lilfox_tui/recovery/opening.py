"""The units of a configuration, their hosts opened once each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from pathlib import Path

from lilfox_tui.config.model import Config
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.open import open_host
from lilfox_tui.recovery.book import Book
from lilfox_tui.recovery.watch import UnitWatch


async def opened(
    stack: AsyncExitStack, config: Config, config_file: Path | None, names: Iterable[str], book: Book
) -> list[UnitWatch]:
    """A watch for each of ``names``; closed, with the hosts, when ``stack`` is."""
    hosts: dict[str, Host] = {}

    def host(name: str) -> Host:
        if name not in hosts:
            hosts[name] = open_host(name, config.hosts[name], config.ssh)
            stack.push_async_callback(hosts[name].close)
        return hosts[name]

    return watches(stack, config, config_file, names, book, host)


def watches(
    stack: AsyncExitStack,
    config: Config,
    config_file: Path | None,
    names: Iterable[str],
    book: Book,
    host: Callable[[str], Host],
) -> list[UnitWatch]:
    """As ``opened``, on hosts that somebody else opens and closes."""
    path = None if config_file is None else str(config_file.absolute())
    made = []
    for name in names:
        unit = config.recovery[name]
        asks = None if unit.service is None else config.services[unit.service].from_
        asking = None if asks is None or config.hosts[asks].local else host(asks)
        watch = UnitWatch(name, config, host(unit.host), asking, book, path)
        stack.push_async_callback(watch.close)
        made.append(watch)
    return made
