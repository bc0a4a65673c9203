"""The journald source over a host whose journalctl is a script; ``tests/lab`` asks the real one."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from datetime import UTC

import pytest

from lilfox_tui.core.aio import Unavailable
from lilfox_tui.core.errors import AuthRefused, HostError, LilFoxError
from lilfox_tui.hosts.base import Completed
from lilfox_tui.logs.filter.model import EVERYTHING, And, AtLeast, Filter, TextMatch, Within
from lilfox_tui.logs.record import RAW_LIMIT, LogRecord, Severity
from lilfox_tui.logs.source import AtBeginning, AtEnd, AtTime, SourceNotice, SourceSettings, Start
from lilfox_tui.logs.sources import journald
from lilfox_tui.logs.sources.journald import JournaldSource, Options, open_source
from tests.services.journal_host import HINT, JournalHost
from tests.waiting import until

FIRST_US = 1_760_000_000_000_000


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between tries are short, and a busy machine gives whole pages."""
    monkeypatch.setattr(journald, "AGAIN_S", (0.02,))
    monkeypatch.setattr(journald, "SEARCH_S", 60.0)


def opened(host: JournalHost, *, sudo: bool = False, **options: object) -> JournaldSource:
    return open_source("journal", Options(**options), SourceSettings(host=host, zone=UTC, sudo=sudo))  # type: ignore[arg-type]


def filled(count: int) -> JournalHost:
    host = JournalHost()
    for number in range(count):
        host.add(FIRST_US + number * 1000, f"m{number}", _SYSTEMD_UNIT="nginx.service" if number % 2 else "a.service")
    return host


async def read(source: JournaldSource, start: Start | None = None, *, where: Filter = EVERYTHING) -> list[LogRecord]:
    page = await source.page(start or AtBeginning(), older=False, limit=100_000, where=where)
    return list(page.records)


async def test_options_are_words_of_journalctl_and_no_shells() -> None:
    host = filled(4)
    source = opened(host, unit="nginx.service", identifier="$(id)", boot="-1")
    assert await read(source) == []
    argv, _sudo = host.argvs[-1]
    assert {"--unit=nginx.service", "--identifier=$(id)", "--boot=-1", "--output=json", "--all"} <= set(argv)


async def test_only_the_units_entries_are_read() -> None:
    source = opened(filled(10), unit="nginx.service")
    assert [record.entry.message for record in await read(source)] == ["m1", "m3", "m5", "m7", "m9"]


async def test_a_span_of_time_and_how_far_back_it_goes_are_asked_for_there() -> None:
    host = filled(100)
    where = And((Within(FIRST_US + 10_000, FIRST_US + 20_000), TextMatch("m")))
    assert [r.entry.message for r in await read(opened(host), where=where)] == [f"m{n}" for n in range(10, 20)]
    assert "--since=@1760000000.010000" in host.argvs[-1][0]
    assert "--until=@1760000000.019999" in host.argvs[-1][0]
    assert await read(opened(host, since=60.0)) == []


async def test_a_moment_goes_before_a_span_that_begins_earlier() -> None:
    host = filled(100)
    where = Within(FIRST_US + 10_000, None)
    records = await read(opened(host), AtTime(FIRST_US + 95_000), where=where)
    assert [r.entry.message for r in records] == ["m95", "m96", "m97", "m98", "m99"]


async def test_binary_and_huge_entries() -> None:
    host = JournalHost()
    host.add(FIRST_US, list(b"\xff\x1b[31m"))
    host.add(FIRST_US + 1, "x" * 300_000)
    host.add(FIRST_US + 2, "y" * (9 * 1024 * 1024))
    host.add(FIRST_US + 3, "after it")
    records = await read(opened(host))
    assert records[0].entry.message == "\ufffd\x1b[31m"
    assert (len(records[1].raw), records[1].size_bytes > 300_000) == (RAW_LIMIT, True)
    assert records[1].entry.message == "x" * 300_000
    assert (len(records[2].entry.message) > 8_000_000, records[2].size_bytes > 9 * 1024 * 1024) == (True, True)
    assert records[3].entry.message == "after it"


async def test_no_journalctl_is_said() -> None:
    host = JournalHost()
    host.answers = {"never": b""}
    source = opened(host)
    with pytest.raises(HostError, match="There is no journalctl on box") as caught:
        await read(source)
    assert "log files" in str(caught.value.hint)
    assert isinstance(source.status.state, Unavailable)


async def test_no_right_to_read_is_said() -> None:
    host = JournalHost()
    words = b"No journal files were opened due to insufficient permissions.\n"
    host.answers = {
        "journalctl --lines=1 --output=json --no-pager": Completed(("journalctl",), 1, None, b"", HINT + words)
    }
    with pytest.raises(HostError, match="is not readable by this user"):
        await read(opened(host))


async def test_a_user_who_sees_only_their_own_entries_is_told() -> None:
    host = filled(3)
    host.members = HINT
    source = opened(host)
    await read(source)
    assert source.status.value is not None
    assert "only this user's entries" in source.status.value.description
    assert [sudo for _argv, sudo in host.argvs] == [False, False]


async def test_sudo_is_used_where_it_is_allowed_and_needed() -> None:
    host = filled(3)
    source = opened(host, sudo=True)
    await read(source)
    assert not any(sudo for _argv, sudo in host.argvs)
    host.members = HINT
    source = opened(host, sudo=True)
    await read(source)
    assert [sudo for _argv, sudo in host.argvs[-2:]] == [True, True]
    assert source.status.value is not None
    assert "only this user's entries" not in source.status.value.description


async def test_an_unknown_unit_is_named_and_a_quiet_one_is_not() -> None:
    host = filled(0)
    with pytest.raises(HostError, match=r"box has no unit ngnix\.service"):
        await read(opened(host, unit="ngnix.service"))
    assert await read(opened(host, unit="nginx.service")) == []


async def followed(source: JournaldSource, start: Start, got: list[LogRecord | SourceNotice], where: Filter) -> None:
    async with aclosing(source.follow(start, where)) as batches:
        async for batch in batches:
            got += batch


def messages(got: list[LogRecord | SourceNotice]) -> list[str]:
    return [item.entry.message if isinstance(item, LogRecord) else f"! {item.text}" for item in got]


@pytest.mark.parametrize("start", [AtBeginning(), AtEnd()])
async def test_a_cut_link_loses_and_doubles_nothing(start: Start) -> None:
    host = filled(20)
    got: list[LogRecord | SourceNotice] = []
    first = 0 if isinstance(start, AtBeginning) else 20
    following = asyncio.create_task(followed(opened(host), start, got, EVERYTHING))
    try:
        await until(lambda: any("--follow" in argv for argv, _ in host.argvs), what="it follows")
        for turn in range(5):
            for number in range(20 + turn * 10, 30 + turn * 10):
                host.add(FIRST_US + number * 1000, f"m{number}")
                if number % 10 == 5:
                    host.cut()
            await until(lambda end=30 + turn * 10: len(got) >= end - first, what="all of this turn")  # type: ignore[misc]
    finally:
        following.cancel()
        await asyncio.wait([following])
    assert messages(got) == [f"m{number}" for number in range(first, 70)]


async def test_entries_that_are_gone_after_an_outage_are_told_of() -> None:
    host = filled(5)
    source = opened(host)
    got: list[LogRecord | SourceNotice] = []
    following = asyncio.create_task(followed(source, AtBeginning(), got, EVERYTHING))
    try:
        await until(lambda: len(got) == 5)
        host.go_down(HostError("box", "x"))
        host.cut()
        await until(lambda: isinstance(source.status.state, Unavailable))
        for number in range(5, 12):
            host.add(FIRST_US + number * 1000, f"m{number}")
        host.vacuum(3)
        host.come_up()
        await until(lambda: len(got) >= 9, what="what is left and the notice")
    finally:
        following.cancel()
        await asyncio.wait([following])
    assert [message[:2] for message in messages(got)[5:]] == ["! ", "m9", "m1", "m1"]
    assert "no longer contains the last entry" in messages(got)[5]


async def test_a_link_that_is_cut_before_anything_matched_is_no_gap() -> None:
    host = filled(3)
    got: list[LogRecord | SourceNotice] = []
    following = asyncio.create_task(followed(opened(host), AtEnd(), got, AtLeast(Severity.ERROR)))
    try:
        await until(lambda: any("--follow" in argv for argv, _ in host.argvs))
        host.cut()
        await until(lambda: sum("--follow" in argv for argv, _ in host.argvs) == 2)
        host.add(FIRST_US + 10_000, "bad", PRIORITY="3")
        await until(lambda: got)
    finally:
        following.cancel()
        await asyncio.wait([following])
    assert messages(got) == ["bad"]
    assert "--priority=0..6" in host.argvs[-1][0]


async def test_following_with_a_filter_goes_on_behind_what_did_not_match() -> None:
    host = filled(3)
    got: list[LogRecord | SourceNotice] = []
    following = asyncio.create_task(followed(opened(host), AtBeginning(), got, AtLeast(Severity.ERROR)))
    try:
        await until(lambda: any("--follow" in argv for argv, _ in host.argvs))
        host.add(FIRST_US + 10_000, "bad", PRIORITY="3")
        await until(lambda: len(got) == 1)
        host.cut()
        host.add(FIRST_US + 11_000, "fine")
        host.add(FIRST_US + 12_000, "worse", PRIORITY="2")
        await until(lambda: len(got) == 2)
    finally:
        following.cancel()
        await asyncio.wait([following])
    assert messages(got) == ["bad", "worse"]


async def test_a_refused_login_ends_following() -> None:
    host = filled(3)
    source = opened(host)
    await read(source)
    host.go_down(AuthRefused("box", "no"))
    with pytest.raises(LilFoxError, match="no"):
        await followed(source, AtBeginning(), [], EVERYTHING)


async def test_lines_that_are_no_entries_are_passed_over() -> None:
    host = filled(1)
    line = json.dumps(host.entries[0]).encode()
    host.answers = {
        "journalctl --lines=1 --output=json --no-pager": line,
        "journalctl --output=json --all --no-pager": b"-- No entries --\n" + line + b"\n{broken\n",
    }

    source = opened(host)
    host.stream = super(JournalHost, host).stream  # type: ignore[method-assign]
    assert [record.entry.message for record in await read(source)] == ["m0"]
