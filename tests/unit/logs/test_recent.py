"""What is new in the last ten minutes against the hour before."""

from __future__ import annotations

import pytest

from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import tr
from lilfox_tui.logs import statistics
from lilfox_tui.logs.statistics import recent_patterns
from tests.unit.logs.memory_source import Every, Holding, MemorySource, record

MINUTE_US = 60_000_000
NOW_US = 30_000_000 * MINUTE_US


def said(*told: tuple[int, str]) -> MemorySource:
    """Messages by how many minutes ago they were written, oldest first."""
    return MemorySource(
        "app", [record("app", at, NOW_US - ago * MINUTE_US, text) for at, (ago, text) in enumerate(told)], scan=3
    )


async def test_what_was_said_before_is_known_and_what_was_not_is_new() -> None:
    source = said((200, "refused 9"), (40, "tick 1"), (20, "tick 2"), (5, "tick 3"), (3, "refused 1"), (0, "refused 2"))
    found = await recent_patterns([source], Every(), until_us=None)
    told = {change.pattern.template: (change.recent, change.before, change.growth) for change in found.changes}
    assert told["refused <num>"] == (2, 0, None), "what was said longer ago than that does not count"
    assert told["tick <num>"][:2] == (1, 2)
    assert found.changes[0].pattern.template == "refused <num>"
    assert found.until_us == NOW_US


async def test_it_can_be_asked_of_another_moment_and_through_a_filter() -> None:
    source = said((40, "tick 1"), (35, "refused 1"), (5, "tick 3"))
    found = await recent_patterns([source], Every(), until_us=NOW_US - 34 * MINUTE_US)
    assert {change.pattern.template for change in found.changes} == {"tick <num>", "refused <num>"}
    assert sum(change.recent for change in found.changes) == 2
    found = await recent_patterns([source], Holding("tick"), until_us=NOW_US - 34 * MINUTE_US)
    assert [change.pattern.template for change in found.changes] == ["tick <num>"]


async def test_what_is_too_much_is_said_and_nothing_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await recent_patterns([said()], Every(), until_us=None)).changes == ()
    monkeypatch.setattr(statistics, "AT_MOST", 2)
    found = await recent_patterns([said((3, "a"), (2, "b"), (1, "c"), (0, "d"))], Every(), until_us=None)
    assert found.cut == ("app",)


async def test_a_source_that_fails_is_named_and_the_others_are_counted() -> None:
    bad, good = said((1, "a")), said((1, "b"))
    bad.name, bad.error = "bad", LilFoxError(tr("connection lost"))
    for until_us in (None, NOW_US):
        found = await recent_patterns([bad, good], Every(), until_us=until_us)
        assert [change.pattern.template for change in found.changes] == ["b"]
        assert found.failed == {"bad": bad.error}
