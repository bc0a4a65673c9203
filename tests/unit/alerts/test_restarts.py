"""What holds over a restart, over a rule file that is broken or gone, and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from lilfox_tui.alerts.lifecycle import AlertChangeKind, EvaluationGap, LiveAlert, RuleAlerts
from lilfox_tui.alerts.model import AlertState
from lilfox_tui.alerts.notifiers import bell
from lilfox_tui.alerts.storage import Outbox
from tests.unit.alerts.running import RULES, Run

UP, DOWN = {"a": 1.0}, {"a": 0.0}


async def test_each_second_of_a_pending_alert_counts_after_kill_9(tmp_path: Path) -> None:
    """Also those since it was last written: nothing changed but the time."""
    before = Run(tmp_path, rules=RULES.replace("15s", "1s"))
    await before.start()

    async def go(run: Run, seconds: int) -> list[str]:
        for _ in range(seconds):
            run.clock.go_on(1)
            run.scrape(DOWN)
            await run.engine.step()
        return run.shown()

    assert await go(before, 8) == ["Down a pending"]
    before.kill()
    after = Run(tmp_path, clock=before.clock, rules=None)
    await after.engine.load()
    assert await go(after, 112) == ["Down a pending"]
    assert await go(after, 1) == ["Down a firing"]


async def test_while_its_file_is_broken_the_old_rules_see_what_is_new(tmp_path: Path) -> None:
    run = Run(tmp_path)
    await run.start()
    await run.go(30, DOWN)
    run.rules.write_text("groups: [")
    await run.engine.load()
    assert sorted(await run.go(30, {"a": 0.0, "b": 0.0})) == ["Down a pending", "Down b pending"]


async def test_alerts_of_a_file_that_is_gone_at_the_start_are_held(tmp_path: Path) -> None:
    before = Run(tmp_path)
    await before.start()
    assert await before.go(150, DOWN) == ["Down a firing"]
    before.kill()
    before.rules.unlink()
    after = Run(tmp_path, clock=before.clock, rules=None)
    await after.start()
    assert await after.go(60, UP) == ["Down a firing"]
    assert after.troubles()[-1] == "1 rule group cannot be read now; its alerts stay as they were"


async def test_an_acknowledgement_ends_with_what_was_pending_only(tmp_path: Path) -> None:
    run = Run(tmp_path)
    await run.start()
    await run.go(30, DOWN)
    await run.engine.acknowledge(run.alerts()[0], "kim")
    await run.go(15, DOWN)
    assert run.alerts()[0].acknowledged is not None
    assert await run.go(15, UP) == []
    assert await run.go(15, DOWN) == ["Down a pending"]
    assert run.alerts()[0].acknowledged is None


async def test_a_rule_that_looks_far_back_ends_its_alerts_after_an_hour(tmp_path: Path) -> None:
    before = Run(tmp_path, rules=RULES.replace("busy > 5", "increase(busy[2h]) > 50").replace("15s", "1m"))
    await before.start()
    for turn in range(130):
        await before.go(15, {"a": float(turn)}, "busy")
    assert before.shown() == ["Busy a firing"]
    before.kill()
    after = Run(tmp_path, clock=before.clock, rules=None)
    await after.start()
    assert await after.go(58 * 60, {"a": 130.0}, "busy") == ["Busy a firing"]
    assert await after.go(5 * 60, {"a": 130.0}, "busy") == ["Busy a resolved"]


async def test_what_waits_for_a_notifier_that_is_no_more_is_forgotten(tmp_path: Path) -> None:
    before = Run(tmp_path, notifiers={"bell": bell.Options(), "gone": bell.Options()})
    await before.start()
    await before.go(150, DOWN)
    outbox = Outbox(before.engine._saved.database)
    assert outbox.receivers() == ("bell", "gone")
    before.kill()
    after = Run(tmp_path, clock=before.clock, rules=None, notifiers={"bell": bell.Options()})
    after.engine._receivers._forget_others()
    assert outbox.receivers() == ("bell",)
    assert outbox.count("gone") == 0


@pytest.mark.parametrize(("looks", "kinds"), [(1, []), (2, []), (3, [AlertChangeKind.RESOLVED])])
def test_an_alert_from_before_is_missed_three_times_before_it_counts_as_gone(
    looks: int, kinds: list[AlertChangeKind]
) -> None:
    state = RuleAlerts(0)
    alert = LiveAlert((("alertname", "Down"),), (), AlertState.FIRING, 1.0, 0, 0)
    state.restore([alert], EvaluationGap(1000, 2000))
    assert [change.kind for look in range(looks) for change in state.take({}, 3000 + look)] == kinds
