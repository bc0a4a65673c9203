"""The merge by time: against sorting everything, and what happens with slow and growing sources."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lilfox_tui.core.errors import AuthRefused, HostError, HostUnreachable, LilFoxError
from lilfox_tui.core.i18n import tr
from lilfox_tui.hosts.fake import FakeHost
from lilfox_tui.logs import window
from lilfox_tui.logs.filter.model import FieldMatch
from lilfox_tui.logs.merge import MergedLogs
from lilfox_tui.logs.record import LogRecord
from lilfox_tui.logs.source import AtBeginning, AtEnd, AtTime, SourceNotice
from tests.unit.logs.memory_source import Every, Holding, MemorySource, record
from tests.waiting import until

FAR = 10**9


def of(name: str, times: Sequence[int | None], **more: int) -> MemorySource:
    return MemorySource(name, [record(name, number, time) for number, time in enumerate(times)], **more)


def messages(merged: MergedLogs) -> list[str]:
    return [shown.item.entry.message for shown in merged.shown if isinstance(shown.item, LogRecord)]


def sorted_all(sources: Sequence[MemorySource], text: str = "") -> list[str]:
    """What the list is to be: everything, by time, then by source, then as the source has it."""
    keyed = []
    for turn, source in enumerate(sources):
        time_us = -FAR
        for number, each in enumerate(source.records):
            time_us = time_us if each.entry.time_us is None else max(time_us, each.entry.time_us)
            if text in each.entry.message:
                keyed.append(((time_us, turn, number), each.entry.message))
    return [message for _key, message in sorted(keyed)]


async def all_of(merged: MergedLogs) -> None:
    """Loads until both ends are reached."""
    while not (merged.at_oldest and merged.at_newest):
        await merged.older(7)
        await merged.newer(7)


times = st.lists(st.integers(0, 60), max_size=40).map(sorted)
holes = st.lists(st.booleans(), min_size=40, max_size=40)
lists = st.lists(st.tuples(times, holes, st.integers(1, 20)), min_size=1, max_size=4)
starts = st.one_of(st.just(AtBeginning()), st.just(AtEnd()), st.integers(-1, 61).map(AtTime))


@settings(max_examples=150, deadline=None)
@given(lists=lists, start=starts, steps=st.lists(st.tuples(st.booleans(), st.integers(1, 30)), max_size=12))
async def test_it_is_sorting_everything_wherever_it_begins(
    lists: list[tuple[list[int], list[bool], int]],
    start: AtBeginning | AtEnd | AtTime,
    steps: list[tuple[bool, int]],
) -> None:
    """Records without a time follow one that has one: only that is known without reading all."""
    sources = [
        of(f"s{turn}", [None if hole and at else time for at, (time, hole) in enumerate(zip(each, gaps, strict=False))],
           scan=scan)
        for turn, (each, gaps, scan) in enumerate(lists)
    ]  # fmt: skip
    everything = sorted_all(sources)
    async with MergedLogs(sources, Every()) as merged:
        await merged.go(start, 5)
        for older, count in steps:
            await (merged.older(count) if older else merged.newer(count))
            got = messages(merged)
            at = everything.index(got[0]) if got else 0
            assert got == everything[at : at + len(got)]
        await all_of(merged)
        assert messages(merged) == everything


@example(  # a page that was on its way when its end was cut off
    lists=[[*([None] * 19), 0], [None, None, None, 0, *([None] * 9)]],
    start=AtBeginning(),
    steps=[(False, count, 0) for count in (1, 1, 1, 18, 1, 1, 1, 3)],
)
@settings(max_examples=100, deadline=None)
@given(
    lists=st.lists(st.lists(st.one_of(st.none(), st.integers(0, 50)), max_size=60), min_size=1, max_size=3),
    start=starts,
    steps=st.lists(st.tuples(st.booleans(), st.integers(1, 20), st.integers(0, 40)), max_size=15),
)
async def test_whatever_the_times_are_nothing_is_lost_doubled_or_out_of_its_sources_order(
    lists: list[list[int | None]], start: AtBeginning | AtEnd | AtTime, steps: list[tuple[bool, int, int]]
) -> None:
    sources = [of(f"s{turn}", each, scan=9) for turn, each in enumerate(lists)]
    async with MergedLogs(sources, Every(), at_most=25) as merged:
        await merged.go(start, 5)
        for older, count, reader in steps:
            if merged.shown:
                merged.reader = merged.shown[reader % len(merged.shown)].key
            await (merged.older(count) if older else merged.newer(count))
            assert len(merged.shown) <= 25
            for turn, source in enumerate(sources):
                got = [int(each.item.place) for each in merged.shown
                       if isinstance(each.item, LogRecord) and each.item.source == f"s{turn}"]  # fmt: skip
                assert got == list(range(got[0], got[0] + len(got))) if got else True, source.name
        await merged.go(AtBeginning(), 5)
        seen = messages(merged)
        while not merged.at_newest:
            merged.reader = merged.shown[-1].key if merged.shown else None
            await merged.newer(9)
            seen += [each for each in messages(merged) if each not in seen]
        assert sorted(seen) == sorted(each.entry.message for source in sources for each in source.records)


async def test_the_window_is_bounded_and_comes_back() -> None:
    sources = [of("a", range(0, 2000, 2)), of("b", range(1, 2000, 2))]
    everything = sorted_all(sources)
    async with MergedLogs(sources, Every(), at_most=300) as merged:
        await merged.go(AtEnd(), 100)
        assert messages(merged) == everything[-100:]
        while not merged.at_oldest:
            merged.reader = merged.shown[0].key
            await merged.older(100)
            assert len(merged.shown) <= 300
        assert messages(merged) == everything[: len(merged.shown)]
        assert len(merged.shown) >= 270
        assert not merged.at_newest
        while merged.shown[-1].key.time_us < 1999:
            merged.reader = merged.shown[-1].key
            await merged.newer(100)
        assert messages(merged) == everything[-len(merged.shown) :]


async def test_it_goes_to_a_time() -> None:
    sources = [of("a", range(0, 1000, 10)), of("b", range(5, 1000, 10))]
    async with MergedLogs(sources, Every()) as merged:
        key = await merged.go(AtTime(500), 10)
        assert key is not None
        assert key.time_us == 500
        assert merged.index(key) == 10
        assert messages(merged)[10] == "a 50"


async def test_a_slow_source_keeps_nobody_waiting_and_is_inserted_at_its_time() -> None:
    fast, slow = of("fast", range(0, 100, 2)), of("slow", range(1, 100, 2))
    slow.slow = True
    async with MergedLogs([fast, slow], Every()) as merged:
        await merged.go(AtEnd(), 20)
        assert messages(merged) == sorted_all([fast])[-20:]
        assert merged.searching == ("slow",)
        slow.answer()
        await until(lambda: not merged.searching)
        assert messages(merged) == sorted_all([fast, slow])[-40:]
        await all_of(merged)
        assert messages(merged) == sorted_all([fast, slow])


async def test_where_the_only_source_is_slow_it_is_waited_for_until_there_is_something_to_stand_on() -> None:
    slow = of("slow", range(100))
    slow.slow = True
    async with MergedLogs([slow], Every()) as merged:
        going = asyncio.create_task(merged.go(AtTime(50), 10))
        await until(lambda: merged.searching and merged.late(older=True) and merged.late(older=False))
        assert not going.done()
        slow.answer()
        key = await going
        assert key is not None
        assert key.time_us in (49, 50)


async def test_a_filter_keeps_the_place() -> None:
    sources = [of("a", range(0, 1000, 2), scan=50), of("b", range(1, 1000, 2), scan=50)]
    async with MergedLogs(sources, Every()) as merged:
        await merged.go(AtTime(500), 20)
        merged.reader = merged.shown[merged.index(merged.reader) + 1].key if merged.reader else None
        key = await merged.set_where(Holding("b"), 10)
        assert key is not None
        assert messages(merged)[merged.index(key)] == "b 250"
        assert messages(merged) == sorted_all(sources, "b")[240:261]
        key = await merged.set_where(Every(), 10)
        assert key is not None
        assert messages(merged)[merged.index(key)] == "b 250"
        await all_of(merged)
        assert messages(merged) == sorted_all(sources)


async def test_a_filter_that_matches_rarely_goes_on_searching_and_can_be_ended() -> None:
    source = of("a", range(5000), scan=100)
    async with MergedLogs([source], Holding("a 77")) as merged:
        await merged.go(AtEnd(), 200)
        assert messages(merged) == ["a 77", *(f"a {number}" for number in range(770, 780))]
        source.slow = True
        searching = asyncio.create_task(merged.set_where(Holding("no such"), 10))
        await until(lambda: merged.searching == ("a",))
        merged.stop()
        await until(lambda: not merged.searching)
        assert await searching is None
        assert not merged.shown


async def test_following_appends_and_never_moves_the_reader() -> None:
    a, b = of("a", range(0, 100, 2)), of("b", range(1, 100, 2))
    async with MergedLogs([a, b], Every(), at_most=200) as merged:
        await merged.go(AtEnd(), 50)
        merged.follow()
        a.write(record("a", 100, 1000))
        await until(lambda: messages(merged)[-1] == "a 100")
        b.write(record("b", 100, 999))
        await until(lambda: messages(merged)[-2:] == ["b 100", "a 100"])
        b.write(SourceNotice(source="b", time_us=1001, text=tr("the host is not reached")))
        await until(lambda: isinstance(merged.shown[-1].item, SourceNotice))
        merged.reader = here = merged.shown[3].key
        a.write(*(record("a", number, 1000 + number) for number in range(200, 500)))
        await until(lambda: merged.waiting)
        assert len(merged.shown) <= 200
        assert merged.shown[merged.index(here)].key == here
        await merged.go(AtEnd(), 50)
        assert messages(merged)[-1] == "a 499"
        a.write(record("a", 500, 2000))
        await until(lambda: messages(merged)[-1] == "a 500")
        assert merged.waiting == 0


async def test_who_goes_along_stays_at_the_newest_however_much_comes_at_once() -> None:
    a = of("a", range(10))
    async with MergedLogs([a], Every(), at_most=50) as merged:
        await merged.go(AtEnd(), 10)
        merged.follow()
        merged.sticks = True
        a.write(*(record("a", number, number) for number in range(10, 500)))
        await until(lambda: messages(merged)[-1] == "a 499")
        assert merged.reader == merged.shown[-1].key
        assert merged.waiting == 0
        a.write(record("a", 500, 500))
        await until(lambda: messages(merged)[-1] == "a 500")
        assert len(merged.shown) <= 50


async def test_nothing_is_lost_or_doubled_where_following_and_paging_meet() -> None:
    a = of("a", range(10))
    async with MergedLogs([a], Every(), at_most=50) as merged:
        await merged.go(AtEnd(), 10)
        merged.follow()
        merged.reader = merged.shown[0].key
        a.write(*(record("a", number, number) for number in range(10, 100)))
        await until(lambda: merged.waiting or len(merged.shown) == 50)
        seen = messages(merged)
        while not merged.at_newest:
            merged.reader = merged.shown[-1].key
            await merged.newer(10)
            seen += [each for each in messages(merged) if each not in seen]
        a.write(record("a", 100, 100))
        await until(lambda: messages(merged)[-1] == "a 100")
        assert [*seen, "a 100"] == [f"a {number}" for number in range(101)]


async def test_at_the_end_it_asks_again() -> None:
    a = of("a", range(10))
    async with MergedLogs([a], Every()) as merged:
        await merged.go(AtEnd(), 5)
        assert merged.at_newest
        a.write(record("a", 10, 10))
        await merged.newer(5)
        assert messages(merged)[-1] == "a 10"
        assert merged.at_newest


async def test_a_source_that_the_filter_leaves_out_is_not_asked() -> None:
    """Of a gigabyte not a byte is searched for ``source=other``."""
    big, other = of("big", range(50)), of("other", range(50))
    async with MergedLogs([big, other], FieldMatch("source", "=", "other")) as merged:
        merged.follow()
        await merged.go(AtEnd())
        await all_of(merged)
        assert messages(merged) == [f"other {number}" for number in range(50)]
        assert big.pages == 0
        big.write(record("big", 50, 50))
        other.write(record("other", 50, 51))
        await until(lambda: messages(merged)[-1] == "other 50", what="what is new")
        assert big.pages == 0
        await merged.set_where(Every(), 200)
        await until(lambda: len(messages(merged)) == 102, what="both, when the filter is gone")


# The merge by time when a source fails or its host is away: it is named, tried again, and comes back.


async def test_a_source_that_fails_is_named_and_tried_again() -> None:
    good, bad = of("good", range(0, 100, 2)), of("bad", range(1, 100, 2))
    bad.error = LilFoxError(tr("the host is not reached"))
    async with MergedLogs([good, bad], Every()) as merged:
        await merged.go(AtEnd(), 10)
        assert messages(merged) == sorted_all([good])[-10:]
        trouble = merged.troubles["bad"]
        assert str(trouble.error) == "the host is not reached"
        assert trouble.next_try is not None
        bad.error = None
        merged.retry()
        await until(lambda: not merged.troubles)
        await all_of(merged)
        assert messages(merged) == sorted_all([good, bad])


async def test_a_host_that_was_not_reached_at_the_start_comes_back_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that only answers questions does not say when the next try is."""
    monkeypatch.setattr(window, "RETRIES_S", (0.02,))
    bad = of("bad", range(3))
    bad.error = HostUnreachable("h1", tr("the host is not reached"))
    bad.status.fail(bad.error)
    async with MergedLogs([bad], Every()) as merged:
        await merged.go(AtEnd(), 10)
        assert merged.troubles["bad"].next_try is not None
        bad.error = None
        await until(lambda: len(merged.shown) == 3)


async def test_an_outage_that_a_source_follows_through_is_told_and_its_end_too() -> None:
    source = of("app", range(3))
    async with MergedLogs([source], Every()) as merged:
        merged.follow()
        await merged.go(AtEnd(), 10)
        await until(lambda: len(merged.shown) == 3)
        async with aclosing(merged.changes.watch()) as changes:
            await anext(changes)
            good = source.status.value
            assert good is not None
            source.status.fail(HostUnreachable("h1", tr("the host is not reached")), next_try=datetime.now(UTC))
            await asyncio.wait_for(anext(changes), 60)
            assert str(merged.troubles["app"].error) == "the host is not reached"
            source.status.publish(good)
            await asyncio.wait_for(anext(changes), 60)
            assert merged.troubles == {}


async def test_it_is_tried_again_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "RETRIES_S", (0.02,))
    bad = of("bad", range(3))
    bad.error = LilFoxError(tr("the host is not reached"))
    async with MergedLogs([bad], Every()) as merged:
        await merged.go(AtEnd(), 10)
        assert not merged.shown
        bad.error = None
        await until(lambda: len(merged.shown) == 3)
        assert merged.troubles == {}


class OnFake(MemorySource):
    """A source in memory that says on which host it is."""

    def __init__(self, host: FakeHost, records: Sequence[LogRecord]) -> None:
        super().__init__(host.name, records)
        self.host = host


@pytest.mark.parametrize("error", [HostUnreachable("web", tr("no answer")), AuthRefused("web", tr("wrong key"))])
async def test_a_source_is_read_at_once_when_its_host_is_back(
    monkeypatch: pytest.MonkeyPatch, error: HostError
) -> None:
    monkeypatch.setattr(window, "RETRIES_S", (1000.0,))
    host = FakeHost("web")
    source = OnFake(host, [record("web", number, number) for number in range(3)])
    host.go_down(error)
    source.error = error
    if isinstance(error, AuthRefused):
        source.status.fail(error)
    async with MergedLogs([source, of("other", [1])], Every()) as merged:
        await merged.go(AtEnd())
        await until(lambda: "web" in merged.troubles, what="it is told")
        assert (merged.troubles["web"].next_try is None) is isinstance(error, AuthRefused)
        await until(lambda: host.link._changed is not None, what="the way back is waited for")
        soon = datetime.now(UTC) + timedelta(seconds=5)
        host.go_down(error, next_try=soon)
        assert merged.troubles["web"].next_try == soon, "the host's"
        source.error = None
        host.come_up()
        await until(lambda: len(messages(merged)) == 4, what="it is read")
        assert not merged.troubles


async def test_trying_again_tries_the_host_too() -> None:
    host = FakeHost("web")
    source = OnFake(host, [record("web", 0, 0)])
    error = AuthRefused("web", tr("wrong key"))
    host.go_down(error)
    source.error = error
    async with MergedLogs([source, of("other", [1])], Every()) as merged:
        await merged.go(AtEnd())
        await until(lambda: "web" in merged.troubles, what="it is told")
        source.error = None
        merged.retry()
        assert host.retried == 1
        await until(lambda: len(messages(merged)) == 2, what="it is read")
        merged.retry()
        assert host.retried == 1


async def test_trying_again_tries_the_host_of_what_is_followed() -> None:
    host = FakeHost("web")
    source = OnFake(host, [record("web", 0, 0)])
    async with MergedLogs([source], Every()) as merged:
        merged.follow()
        await merged.go(AtEnd())
        source.status.fail(HostUnreachable("web", tr("no answer")))
        await until(lambda: "web" in merged.troubles, what="it is told")
        merged.retry()
        assert host.retried == 1
