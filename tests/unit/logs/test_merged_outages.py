"""The merge by time when a source fails or its host is away: it is named, tried again, and comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest

from lilfox_tui.core.errors import AuthRefused, HostError, HostUnreachable, LilFoxError
from lilfox_tui.core.i18n import tr
from lilfox_tui.hosts.fake import FakeHost
from lilfox_tui.logs import window
from lilfox_tui.logs.merge import MergedLogs
from lilfox_tui.logs.record import LogRecord
from lilfox_tui.logs.source import AtEnd
from tests.unit.logs.memory_source import Every, MemorySource, record
from tests.unit.logs.test_merge import all_of, messages, of, sorted_all
from tests.waiting import until


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
