"""A cancellation is heard, whatever else happens in the same turn of the loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest

from lilfox_tui.config.model import HostConfig
from lilfox_tui.core.aio import (
    CancelSafeTaskGroup,
    Feed,
    Pending,
    Ready,
    State,
    Unavailable,
    in_large_blocks,
    open_in_thread,
    to_next_beat_s,
)
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.hosts import process
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.hosts.process import BoundedOutput, LimitReached
from tests.waiting import PATIENCE_S, turn, until

TURNS = 8


async def _fails() -> None:
    raise ValueError("failed")


@pytest.mark.parametrize("turns", range(1, 3 * TURNS))
async def test_whoever_tries_again_hears_of_it_at_any_turn(turns: int) -> None:
    ended = False

    async def tries_for_ever() -> None:
        while not ended:
            try:
                async with CancelSafeTaskGroup() as group:
                    group.create_task(_fails())
            except* ValueError:
                pass

    trying = asyncio.ensure_future(tries_for_ever())
    for _number in range(turns):
        await turn()
    trying.cancel()
    for _number in range(TURNS):
        await turn()
    heard, ended = trying.cancelled(), True
    await asyncio.wait([trying])
    assert heard


@pytest.mark.parametrize("turns", range(1, TURNS))
async def test_the_first_failure_ends_the_others_and_the_body(turns: int) -> None:
    ended: list[str] = []

    async def waits(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    async def fails_later() -> None:
        for _number in range(turns):
            await turn()
        await _fails()

    async def all_of_it() -> None:
        async with CancelSafeTaskGroup() as group:
            group.create_task(waits("another"))
            group.create_task(fails_later())
            await waits("body")

    with pytest.raises(ExceptionGroup) as raised:
        await all_of_it()
    assert [type(each) for each in raised.value.exceptions] == [ValueError]
    assert sorted(ended) == ["another", "body"]
    await turn()  # nothing of its own cancellation is left


async def test_who_is_cancelled_ends_all_of_it() -> None:
    ended: list[str] = []

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await turn()
            ended.append("task")

    async def body() -> None:
        async with CancelSafeTaskGroup() as group:
            group.create_task(waits())

    task = asyncio.ensure_future(body())
    for _number in range(TURNS):
        await turn()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert ended == ["task"]


async def test_failures_are_raised_as_ever() -> None:
    async def all_of_it() -> None:
        async with CancelSafeTaskGroup() as group:
            group.create_task(_fails())

    with pytest.raises(ExceptionGroup) as raised:
        await all_of_it()
    assert [type(each) for each in raised.value.exceptions] == [ValueError]
    current = asyncio.current_task()
    assert current is not None
    assert not current.cancelling()


async def test_cleaning_up_after_a_cancellation_fails_as_ever() -> None:
    told: list[str] = []

    async def cleans_up() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            try:
                async with CancelSafeTaskGroup() as group:
                    group.create_task(_fails())
            except* ValueError:
                told.append("failed")

    cleaning = asyncio.ensure_future(cleans_up())
    await turn()
    cleaning.cancel()
    await cleaning
    assert told == ["failed"]


async def test_a_command_past_its_limit_is_left_when_it_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a host's own loop, which tries again whatever a command says."""
    running: list[asyncio.Task[None]] = []

    class CancelledAtItsLimit(BoundedOutput):
        def add(self, block: bytes) -> None:
            try:
                super().add(block)
            except LimitReached:
                running[0].cancel()
                raise

    async def looks_for_ever() -> None:
        while True:
            await host.run(["sh", "-c", "echo longer than that; exec sleep 60"], limit_bytes=5)

    monkeypatch.setattr(process, "BoundedOutput", CancelledAtItsLimit)
    host = LocalHost("here", HostConfig(local=True))
    running.append(asyncio.ensure_future(looks_for_ever()))
    ended, _left = await asyncio.wait(running, timeout=PATIENCE_S)
    monkeypatch.undo()
    for task in running:
        task.cancel()
    await asyncio.wait(running)
    await host.close()
    assert ended


NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def _state(feed: Feed[int]) -> State[int]:
    return feed.state


def _value(feed: Feed[int]) -> int | None:
    return feed.value


def test_nothing_yet_then_a_value_then_an_outage() -> None:
    feed: Feed[int] = Feed()
    assert _state(feed) == Pending()
    assert _value(feed) is None
    feed.publish(3, NOON)
    assert _state(feed) == Ready(3, NOON)
    assert _value(feed) == 3
    error = LilFoxError("gone")
    feed.fail(error, since=NOON, next_try=NOON + timedelta(seconds=4))
    assert _state(feed) == Unavailable(error, NOON, NOON + timedelta(seconds=4), last=NOON)
    assert _value(feed) is None


def test_times_are_aware_utc_by_themselves() -> None:
    feed: Feed[int] = Feed()
    before = datetime.now(UTC)
    feed.publish(1)
    assert isinstance(feed.state, Ready)
    assert before <= feed.state.at <= datetime.now(UTC)


def test_an_outage_keeps_its_beginning_until_a_value_comes() -> None:
    feed: Feed[int] = Feed()
    feed.fail(LilFoxError("first"), since=NOON)
    feed.fail(LilFoxError("second"))
    assert isinstance(feed.state, Unavailable)
    assert (str(feed.state.error), feed.state.since) == ("second", NOON)
    assert feed.state.last is None, "there never was a value"
    feed.publish(1, NOON)
    feed.fail(LilFoxError("third"))
    assert isinstance(feed.state, Unavailable)
    assert feed.state.since > NOON
    feed.fail(LilFoxError("fourth"))
    assert isinstance(feed.state, Unavailable)
    assert feed.state.last == NOON, "however often it failed since"


async def _collect(feed: Feed[int], into: list[State[int]]) -> None:
    async with aclosing(feed.watch()) as states:
        async for state in states:
            into.append(state)


async def test_every_watcher_sees_the_state_now_and_each_change() -> None:
    feed: Feed[int] = Feed()
    first: list[State[int]] = []
    second: list[State[int]] = []
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_collect(feed, first))]
        await until(lambda: len(first) == 1)
        feed.publish(1, NOON)
        await until(lambda: len(first) == 2)
        tasks.append(group.create_task(_collect(feed, second)))
        await until(lambda: len(second) == 1)
        feed.publish(2, NOON)
        await until(lambda: len(second) == 2 and len(first) == 3)
        for task in tasks:
            task.cancel()
    assert first == [Pending(), Ready(1, NOON), Ready(2, NOON)]
    assert second == [Ready(1, NOON), Ready(2, NOON)]


async def test_a_slow_reader_gets_the_newest_and_not_those_between() -> None:
    feed: Feed[int] = Feed()
    async with aclosing(feed.watch()) as states:
        await anext(states)
        for value in range(1000):
            feed.publish(value)
        assert isinstance(state := await anext(states), Ready)
        assert state.value == 999


async def test_the_same_value_again_is_news() -> None:
    feed: Feed[int] = Feed()
    async with aclosing(feed.watch()) as states:
        await anext(states)
        for _round in range(2):
            feed.publish(1, NOON)
            assert await anext(states) == Ready(1, NOON)


async def test_what_is_open_after_a_cancellation_is_closed() -> None:
    began, go_on = threading.Event(), threading.Event()
    closed: list[str] = []

    def open_() -> str:
        began.set()
        assert go_on.wait(PATIENCE_S)
        return "file"

    waiting = asyncio.create_task(open_in_thread(open_, closed.append))
    await until(began.is_set)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not closed
    go_on.set()
    await until(lambda: closed == ["file"])


async def test_what_fails_to_open_after_a_cancellation_is_nothing_to_close() -> None:
    began, go_on = threading.Event(), threading.Event()

    def open_() -> str:
        began.set()
        assert go_on.wait(PATIENCE_S)
        raise FileNotFoundError

    closed: list[str] = []
    waiting = asyncio.create_task(open_in_thread(open_, closed.append))
    await until(began.is_set)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    go_on.set()
    await asyncio.get_running_loop().shutdown_default_executor()  # the thread has ended
    assert not closed


@pytest.mark.parametrize(("now_s", "left_s"), [(7.5, 0.5), (8.0, 2.0), (9.999, 0.001)])
async def test_what_looks_again_and_again_looks_at_the_same_moments(
    now_s: float, left_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(asyncio.get_running_loop(), "time", lambda: now_s)
        found_s = to_next_beat_s(2.0)
    assert found_s == pytest.approx(left_s)


async def test_a_bulk_stream_comes_unchanged() -> None:
    given = [b"", b"a" * 10, b"b" * 300_000, b"c"]

    async def blocks() -> AsyncIterator[bytes]:
        for block in given:
            yield block

    assert [block async for block in in_large_blocks(blocks())] == given
