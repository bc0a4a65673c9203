"""The journal of a whole Debian host, read over SSH by the real journalctl, held against what the host itself says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from datetime import UTC

import pytest
from msgspec.structs import replace

from lilfox_tui.core.aio import Unavailable
from lilfox_tui.core.errors import HostError
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.open import open_host
from lilfox_tui.logs.filter.model import EVERYTHING, AtLeast, Filter, TextMatch
from lilfox_tui.logs.record import LogRecord, Severity
from lilfox_tui.logs.source import AtBeginning, AtEnd, AtPlace, AtTime, SourceNotice, SourceSettings, Start, find_logs
from lilfox_tui.logs.sources import journald
from lilfox_tui.logs.sources.journald import JournaldSource, Options, open_source
from tests.lab.machines import Machine, MachineLab
from tests.waiting import until

pytestmark = [pytest.mark.lab, pytest.mark.root, pytest.mark.xdist_group("lab")]


@pytest.fixture(scope="module")
def machine(lab: MachineLab) -> Iterator[Machine]:
    made = lab.machine("journal1")
    made.up()
    yield made
    made.kill()


@pytest.fixture
async def host(lab: MachineLab, machine: Machine) -> AsyncIterator[Host]:
    made = open_host("journal1", machine.config(), lab.ssh())
    yield made
    await made.close()


def opened(host: Host, **options: object) -> JournaldSource:
    return open_source("journal", Options(**options), SourceSettings(host=host, zone=UTC))  # type: ignore[arg-type]


async def there(machine: Machine, *argv: str) -> str:
    return await asyncio.to_thread(machine.ssh, *argv)


async def read(
    source: JournaldSource, start: Start, *, older: bool, limit: int, where: Filter = EVERYTHING
) -> list[LogRecord]:
    found: list[LogRecord] = []
    more: Start | None = start
    while more is not None:
        page = await source.page(more, older=older, limit=limit, where=where)
        found = [*page.records, *found] if older else [*found, *page.records]
        more = page.more
    return found


async def places_of(source: JournaldSource, start: Start, *, older: bool, limit: int = 1000) -> list[str]:
    """journalctl gives an entry's fields in another order each time: places are compared."""
    return [record.place for record in await read(source, start, older=older, limit=limit)]


async def test_pages_are_what_journalctl_says(host: Host, machine: Machine) -> None:
    """Of one unit that has ended, for the whole journal grows with each login."""
    await there(
        machine, "systemd-run --quiet --wait --unit=lilfox-say sh -c 'seq 1 300; echo \\<3\\>bad; printf \"\\377\\n\"'"
    )
    said = (await there(machine, "journalctl --unit=lilfox-say -o json --all --no-pager")).splitlines()
    cursors = [json.loads(line)["__CURSOR"] for line in said]
    assert len(cursors) > 302
    source = opened(host, unit="lilfox-say.service")
    newer = await read(source, AtBeginning(), older=False, limit=50)
    places = [record.place for record in newer]
    assert places == cursors
    assert await places_of(source, AtEnd(), older=True, limit=37) == places
    middle = newer[150]
    assert await places_of(source, AtPlace(middle.place), older=True) == places[:150]
    assert await places_of(source, AtPlace(middle.place), older=False) == places[151:]
    for time_us in (middle.entry.time_us or 0, (middle.entry.time_us or 0) + 1):
        before = await places_of(source, AtTime(time_us), older=True)
        assert before + await places_of(source, AtTime(time_us), older=False) == places
        assert before == [record.place for record in newer if (record.entry.time_us or 0) < time_us]
    bad = await read(source, AtBeginning(), older=False, limit=10, where=AtLeast(Severity.ERROR))
    assert [record.entry.message for record in bad] == ["bad"]
    assert "\ufffd" in [record.entry.message for record in newer]


async def test_a_filter_brings_little_more_over_the_wire_than_what_it_finds(
    host: Host, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what programs print, which all has priority 6."""
    lines = [f"{'INFO' if n % 100 else 'ERROR'}: request {n}\n" for n in range(20_000)]
    (machine.root / "shop").write_text("".join(lines))
    properties = "-p LogRateLimitIntervalSec=0 -p SyslogIdentifier=shop"
    await there(machine, f"systemd-run --quiet --wait {properties} cat /shop; journalctl --sync")
    source, grave = opened(host, identifier="shop"), AtLeast(Severity.ERROR)
    await source.page(AtEnd(), older=True, limit=1, where=grave)
    before = machine.sent_bytes
    found = await read(source, AtBeginning(), older=False, limit=1000, where=grave)
    sent = machine.sent_bytes - before
    assert [record.entry.message for record in found] == [line.strip() for line in lines[::100]]
    assert sent <= 1.25 * sum(record.size_bytes for record in found)
    older = await read(source, AtEnd(), older=True, limit=30, where=grave)
    assert [record.place for record in older] == [record.place for record in found]
    monkeypatch.setattr(journald, "needles", lambda *_: None)
    whole = await read(source, AtBeginning(), older=False, limit=1000, where=grave)
    assert [record.place for record in whole] == [record.place for record in found]


@pytest.mark.parametrize("where", [EVERYTHING, TextMatch("number")])
async def test_a_cut_network_loses_and_doubles_nothing(
    host: Host, machine: Machine, monkeypatch: pytest.MonkeyPatch, where: Filter
) -> None:
    monkeypatch.setattr(journald, "AGAIN_S", (0.2,))
    source = opened(host, identifier="counter")
    got: list[LogRecord | SourceNotice] = []

    async def follow() -> None:
        async with aclosing(source.follow(AtEnd(), where)) as batches:
            async for batch in batches:
                got.extend(batch)

    following = asyncio.create_task(follow())
    try:
        await until(lambda: source._access is not None, what="a first look")
        script = "i=0; while [ $i -lt 400 ]; do i=$((i+1)); echo number $i; sleep 0.02; done"
        await there(
            machine, f"logger -t counter before; systemd-run --quiet -p SyslogIdentifier=counter sh -c '{script}'"
        )
        await until(lambda: len(got) > 50, what="it follows")
        await asyncio.to_thread(machine.cut)
        await until(lambda: isinstance(source.status.state, Unavailable), what="the cut is noticed")
        await asyncio.to_thread(machine.heal)
        await until(lambda: got and _said(got)[-1] == "number 400", what="the last number")
    finally:
        following.cancel()
        await asyncio.wait([following])
    numbers = [said for said in _said(got) if said.startswith("number ")]
    assert numbers == [f"number {number}" for number in range(401 - len(numbers), 401)]
    assert not [item for item in got if isinstance(item, SourceNotice)]


def _said(got: list[LogRecord | SourceNotice]) -> list[str]:
    return [item.entry.message for item in got if isinstance(item, LogRecord)]


async def test_an_unknown_unit_is_named_and_the_journal_is_found(host: Host, machine: Machine) -> None:
    with pytest.raises(HostError, match=r"journal1 has no unit ngnix\.service"):
        await opened(host, unit="ngnix.service").page(AtEnd(), older=True, limit=10, where=EVERYTHING)
    found = await find_logs(host, "journal1")
    assert isinstance(found["journal1.journal"], Options)


async def test_a_user_who_may_not_see_all_is_told(lab: MachineLab, machine: Machine) -> None:
    key = lab.client_key.with_suffix(".pub").read_text().strip()
    await there(
        machine,
        f"useradd -m plain && mkdir -m 700 /home/plain/.ssh && echo {key} >/home/plain/.ssh/authorized_keys && "
        "chown -R plain /home/plain/.ssh",
    )
    config = replace(machine.config(), user="plain")
    host = open_host("journal1", config, lab.ssh())
    try:
        with pytest.raises(HostError, match="is not readable by this user"):
            await opened(host).page(AtEnd(), older=True, limit=10, where=EVERYTHING)
    finally:
        await host.close()
