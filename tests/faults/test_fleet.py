"""Many SSH hosts at once: all their numbers arrive, and what happens to some makes no other late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime

import pytest

from lilfox_tui.config.model import Config, Seconds
from lilfox_tui.errors import HostKeyChanged, HostUnreachable, LilFoxError
from lilfox_tui.feed import Ready
from lilfox_tui.metrics.model import Level
from tests.lab.watching import NOT_BUSY, Watch, watching
from tests.services.sshd import Sshd, SshdLab, sshd_lab
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("fleet")
Record = Callable[[str, object], None]
SLACK_S = 1.0
"""Servers, commands and the monitor share the few cores of this machine."""


@pytest.fixture
def lab() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        yield made


def fleet(lab: SshdLab, count: int) -> dict[str, Sshd]:
    return {f"h{number}": lab.sshd() for number in range(1, count + 1)}


def config_of(lab: SshdLab, servers: dict[str, Sshd], refresh_s: float) -> Config:
    hosts = {name: lab.host(server) for name, server in servers.items()}
    return Config(refresh=Seconds(refresh_s), hosts=hosts, thresholds=NOT_BUSY, ssh=lab.ssh(connect_timeout=Seconds(3)))


class Lateness:
    """The greatest age of a sample that any overview has shown, by host, in seconds."""

    def __init__(self) -> None:
        self.worst: dict[str, float] = {}
        self.overviews = 0

    async def follow(self, watch: Watch, names: Iterable[str]) -> None:
        async with aclosing(watch.monitor.overview.watch()) as states:
            async for state in states:
                if not isinstance(state, Ready):
                    continue
                self.overviews += 1
                for name in names:
                    row = state.value.hosts[name]
                    assert isinstance(row.link, Ready), f"{name}: {row.reasons}"
                    assert row.summary is not None
                    age_s = (state.value.at - row.summary.at).total_seconds()
                    self.worst[name] = max(age_s, self.worst.get(name, 0.0))


@asynccontextmanager
async def lateness(watch: Watch, names: Iterable[str]) -> AsyncIterator[Lateness]:
    """Looks at every overview meanwhile; fails when one of these hosts is not reached."""
    found = Lateness()
    following = asyncio.create_task(found.follow(watch, list(names)))
    try:
        yield found
    finally:
        following.cancel()
        await asyncio.wait([following])
        if not following.cancelled():
            following.result()


async def test_hosts_that_fail_in_four_ways_are_named_and_no_other_is_late(
    lab: SshdLab, record_property: Record
) -> None:
    servers = fleet(lab, 25)
    config = config_of(lab, servers, 1)
    failures: dict[str, tuple[Callable[[], None], type[LilFoxError]]] = {
        "h3": (servers["h3"].kill, HostUnreachable),
        "h9": (servers["h9"].freeze, HostUnreachable),
        "h14": (servers["h14"].rekey, HostKeyChanged),
        "h20": (servers["h20"].stop, HostUnreachable),
    }
    others = [name for name in servers if name not in failures]
    async with watching(config) as watch:
        record_property("numbers_s", await watch.numbers(*servers, timeout_s=30))
        async with lateness(watch, others) as late:
            broken_at = datetime.now(UTC)
            for break_it, _ in failures.values():
                await asyncio.to_thread(break_it)
            noticed = [watch.lost(name, kind, broken_at) for name, (_, kind) in failures.items()]
            record_property("noticed_s", dict(zip(failures, await asyncio.gather(*noticed), strict=True)))
            await until(lambda: all(watch.row(name).level is Level.FAILING for name in failures), what="all four fail")
            for name, (_, kind) in failures.items():
                await until(lambda name=name, kind=kind: _tries_as_told(watch, name, kind), what=f"next try of {name}")  # type: ignore[misc]
            await asyncio.to_thread(_heal, lab, servers)
            watch.monitor.retry("h14")
            back = [watch.numbers(name) for name in failures]
            record_property("back_s", dict(zip(failures, await asyncio.gather(*back), strict=True)))
            await until(lambda: late.overviews >= 10, what="overviews")
        assert not [said for name in others for said in watch.changes(name) if said.startswith(("lost", "reached"))]
        record_property("worst_age_s", max(late.worst.values()))
        assert sorted(late.worst) == sorted(others)
        assert max(late.worst.values()) <= 2 * config.refresh + SLACK_S
        await until(lambda: all(watch.row(name).level is Level.GOOD for name in servers), what="all are well")


def _tries_as_told(watch: Watch, name: str, kind: type[LilFoxError]) -> bool:
    """A next try within the longest wait; none after a changed key."""
    gone = watch.gone(name)
    if gone is None or kind is HostKeyChanged:
        return gone is not None and gone.next_try is None
    if gone.next_try is None:
        return False
    left_s = (gone.next_try - datetime.now(UTC)).total_seconds()
    return left_s <= watch.monitor.config.ssh.retry_max


def _heal(lab: SshdLab, servers: dict[str, Sshd]) -> None:
    servers["h3"].start()
    servers["h9"].thaw()
    servers["h20"].start()
    lab.known_hosts.write_text("".join(server.known_line() for server in servers.values()))
