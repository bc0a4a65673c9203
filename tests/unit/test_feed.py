from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

from lilfox_tui.core.aio import Feed, Pending, Ready, State, Unavailable
from lilfox_tui.core.errors import LilFoxError
from tests.waiting import until

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
    assert _state(feed) == Unavailable(error, NOON, NOON + timedelta(seconds=4))
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
    feed.publish(1)
    feed.fail(LilFoxError("third"))
    assert isinstance(feed.state, Unavailable)
    assert feed.state.since > NOON


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
