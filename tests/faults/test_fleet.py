"""Many SSH hosts at once: all their numbers arrive, and what happens to some makes no other late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from lilfox_tui.config.model import Config
from lilfox_tui.config.values import Seconds
from lilfox_tui.core.aio import Ready
from lilfox_tui.core.errors import HostKeyChanged, HostUnreachable, LilFoxError
from lilfox_tui.metrics.model import Level
from tests.faults.relay import Relay
from tests.lab.watching import NOT_BUSY, Watch, watching
from tests.services.sshd import Sshd, SshdLab, sshd_lab
from tests.waiting import unhurried, until

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
        record_property("numbers_s", await watch.numbers(*servers))
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
        assert not [said for name in others for said in watch.changes(name) if said.startswith(("lost", "reachable"))]
        record_property("worst_age_s", max(late.worst.values()))
        assert sorted(late.worst) == sorted(others)
        assert max(late.worst.values()) <= unhurried(2 * config.refresh + SLACK_S)
        await until(lambda: all(watch.row(name).level is Level.GOOD for name in servers), what="all are well")


async def test_a_cut_link_is_told_and_no_other_host_is_late(lab: SshdLab, record_property: Record) -> None:
    servers = fleet(lab, 25)
    config = config_of(lab, servers, 1)
    config = msgspec.structs.replace(config, ssh=lab.ssh(connect_timeout=Seconds(4), keepalive_max=3))
    cut, blinked = ("h5", "h18"), "h12"
    others = [name for name in servers if name not in (*cut, blinked)]
    async with relays({name: servers[name] for name in (*cut, blinked)}) as wires:
        for name, wire in wires.items():
            config.hosts[name] = lab.host(servers[name], address=wire.address, port=wire.port)
        lab.known_hosts.write_text(lab.known_hosts.read_text() + "".join(wire.known_line() for wire in wires.values()))
        async with watching(config) as watch:
            record_property("numbers_s", await watch.numbers(*servers))
            linked = watch.row(blinked).link
            async with lateness(watch, others) as late:
                cut_at = datetime.now(UTC)
                wires[blinked].cut()
                for name in cut:
                    wires[name].cut()
                await until(lambda: _is_stale(watch, blinked, cut_at), what="a sample is missed")
                wires[blinked].mend()
                noticed = [watch.lost(name, HostUnreachable, cut_at) for name in cut]
                record_property("noticed_s", dict(zip(cut, await asyncio.gather(*noticed), strict=True)))
                for name in cut:
                    await until(lambda name=name: _was_tried(watch, name, wires[name]), what=f"{name} is tried again")  # type: ignore[misc]
                    row = watch.row(name)
                    assert row.level is Level.FAILING
                    assert row.summary is not None, "the last numbers stay"
                    assert row.summary.at <= cut_at + timedelta(seconds=unhurried(SLACK_S))
                assert watch.has_numbers(blinked), "one that comes back in time needs nobody"
                assert watch.row(blinked).link == linked, "and keeps its connection"
                for name in cut:
                    wires[name].mend()
                back = [_back_once(watch, name) for name in cut]
                record_property("back_s", dict(zip(cut, await asyncio.gather(*back), strict=True)))
                await until(lambda: late.overviews >= 10, what="overviews")
            assert not [
                said for name in others for said in watch.changes(name) if said.startswith(("lost", "reachable"))
            ]
            record_property("worst_age_s", max(late.worst.values()))
            assert sorted(late.worst) == sorted(others)
            assert max(late.worst.values()) <= unhurried(2 * config.refresh + SLACK_S)
            await until(lambda: all(watch.row(name).level is Level.GOOD for name in servers), what="all are well")


@asynccontextmanager
async def relays(servers: dict[str, Sshd]) -> AsyncIterator[dict[str, Relay]]:
    """A wire of its own to each of these."""
    async with AsyncExitStack() as made:
        yield {name: await made.enter_async_context(Relay(server)) for name, server in servers.items()}


async def _back_once(watch: Watch, name: str) -> float:
    """Waits for numbers of that host, which was lost and reached again once until then: what a busy machine does to it
    later is not of this cut. Returns the seconds."""
    seconds = await watch.numbers(name)
    told = [said.split(":")[0] for said in watch.changes(name)]
    assert [said for said in told if said.startswith(("lost", "reachable"))] == ["lost", "reachable again"]
    return seconds


def _is_stale(watch: Watch, name: str, cut_at: datetime) -> bool:
    """Whether the row has said nothing new for longer than a period since then."""
    age = datetime.now(UTC) - max(cut_at, watch.summary(name).at)
    return age > timedelta(seconds=1.5 * watch.monitor.config.refresh)


def _was_tried(watch: Watch, name: str, wire: Relay) -> bool:
    """The row names the place that does not answer, and when it is tried next."""
    gone = watch.gone(name)
    return (
        gone is not None
        and str(gone.error) == f"[{wire.address}]:{wire.port} did not answer within 4 s"
        and _tries_as_told(watch, name, HostUnreachable)
    )


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
