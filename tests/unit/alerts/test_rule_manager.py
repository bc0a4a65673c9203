"""When groups are evaluated, whatever the clock does; and how often their changes are published."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lilfox_tui.alerts.rule_manager import RuleManager
from lilfox_tui.alerts.storage import AlertDatabase, AlertStorage
from lilfox_tui.config.model import Config
from lilfox_tui.scrape.store import SeriesStore
from tests.unit.alerts.running import Run
from tests.waiting import until

_INTERVALS_S = (1, 2, 7, 15, 60)
_BEGAN_MS = 1_700_000_000_000


def rules(intervals: tuple[int, ...]) -> str:
    groups = [f"\n  - {{name: g{place}, interval: {each}s, rules: []}}" for place, each in enumerate(intervals)]
    return "groups:" + "".join(groups)


@pytest.fixture(scope="module")
def rule_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With ten groups, two of each interval."""
    folder = tmp_path_factory.mktemp("rules")
    (folder / "rules.yml").write_text(rules(_INTERVALS_S * 2))
    return folder


@given(st.lists(st.one_of(st.integers(0, 3000), st.integers(0, 100_000), st.integers(-100_000, 0)), max_size=40))
@settings(max_examples=100, deadline=None)
def test_a_group_that_is_due_is_evaluated_whatever_the_clock_does(rule_folder: Path, steps: list[int]) -> None:
    saved = AlertStorage(AlertDatabase(None))
    manager = RuleManager(Config(rules=("rules.yml",)), SeriesStore(keep_s=60, limit_bytes=1 << 20), saved, rule_folder)
    now_ms = _BEGAN_MS
    manager.load(now_ms)
    groups = manager.groups.values()
    assert len(groups) == 2 * len(_INTERVALS_S)
    for step_ms in steps:
        now_ms += step_ms
        while due := {group.name for group in groups if group.next_ms(now_ms) <= now_ms}:
            before = {group.name: group.last_ms for group in groups}
            assert manager.evaluate_due(now_ms)
            assert {group.name for group in groups if group.last_ms != before[group.name]} <= due
            assert len([group for group in groups if group.next_ms(now_ms) <= now_ms]) == len(due) - 1
        assert not manager.evaluate_due(now_ms)
        assert manager.next_ms(now_ms) == min(group.next_ms(now_ms) for group in groups)
    saved.database.close()


async def test_what_many_groups_change_is_published_together(tmp_path: Path) -> None:
    """Hundreds of groups are evaluated one after the other: each is not worth a screen of its own."""
    run = Run(tmp_path, rules=rules((3600,) * 400))
    running = asyncio.create_task(run.engine.run())
    manager = run.engine._evaluating
    try:
        await until(lambda: len(manager.groups) == 400, what="the groups are there")
        await until(lambda: all(each.last_ms is not None for each in manager.groups.values()), what="all were due")
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert 0 < run.engine.feed._version < 20
