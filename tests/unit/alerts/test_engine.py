"""The engine on a clock that the test moves: timers over restarts, what resolves nothing, people's responses."""

from __future__ import annotations

import asyncio
import math
import os
import threading
from pathlib import Path

import pytest

from lilfox_tui.alerts.lifecycle import AlertChangeKind, EvaluationGap, LiveAlert, RuleAlerts
from lilfox_tui.alerts.model import AlertState, RuleHealth
from lilfox_tui.alerts.notifiers import bell
from lilfox_tui.alerts.silences import matchers_of, parse_matchers
from lilfox_tui.alerts.state_folder import state_folder
from lilfox_tui.alerts.storage import AlertDatabase, EvaluationLock, Outbox
from lilfox_tui.config.model import NotifierConfig
from lilfox_tui.core.errors import LilFoxError, UsageError
from lilfox_tui.monitor.export_sections import alert_document
from lilfox_tui.scrape.store import SeriesSource
from tests.unit.alerts.running import RULES, Run
from tests.waiting import until

DOWN, UP = {"a": 0.0, "b": 1.0}, {"a": 1.0, "b": 1.0}


async def started(folder: Path, **more: object) -> Run:
    run = Run(folder, **more)  # type: ignore[arg-type]
    await run.start()
    return run


async def test_an_alert_waits_fires_and_resolves_and_history_tells(tmp_path: Path) -> None:
    run = await started(tmp_path)
    assert await run.go(15, UP) == []
    assert await run.go(15, DOWN) == ["Down a pending"]
    assert await run.go(105, DOWN) == ["Down a pending"]
    assert await run.go(15, DOWN) == ["Down a firing"]
    (alert,) = run.alerts()
    assert dict(alert.labels) == {"alertname": "Down", "instance": "a", "severity": "page"}
    assert dict(alert.annotations) == {"summary": "a is down"}
    assert await run.go(60, UP) == ["Down a resolved"]
    assert await run.go(15 * 61, UP) == []
    resolved, fired = await run.engine.history()
    assert (resolved.kind, resolved.lasted_s, fired.kind, fired.value) == ("resolved", 15.0, "fired", 0.0)


async def test_what_resolves_for_want_of_data_says_so_also_after_a_restart(tmp_path: Path) -> None:
    run = await started(tmp_path)
    assert await run.go(150, DOWN) == ["Down a firing"]
    last = run.clock.now()
    assert await run.go(15, {"b": 1.0}) == ["Down a resolved"]
    (alert,) = run.alerts()
    assert alert.no_data_since == last
    assert alert_document(alert)["no_data_since"] == last.isoformat()
    (resolved,) = await run.engine.history(1)
    assert resolved.note == f"no data since {last:%H:%M:%S} UTC"
    run.kill()
    after = await started(tmp_path, clock=run.clock)
    assert await after.go(15, {"b": 1.0}) == ["Down a resolved"]
    assert [each.no_data_since for each in after.alerts()] == [last]


async def test_a_failed_evaluation_resolves_nothing_and_is_said(tmp_path: Path) -> None:
    run = await started(tmp_path)
    await run.go(150, DOWN)
    run.scrape({"a": 0.0}, "busy")
    rules = RULES.replace("up == 0", "up * on(instance) group_left() (twice or up) == 0")
    run.rules.write_text(rules)
    await run.engine.load()
    assert await run.go(30, DOWN) == ["Down a firing"]
    run.rules.write_text(RULES.replace("up == 0", "up == on() group_left() up"))
    await run.engine.load()
    assert await run.go(60, UP) == ["Down a firing"]
    assert run.engine.feed.value is not None
    view = run.engine.feed.value.rules[0]
    assert view.health is RuleHealth.FAILED
    assert view.failing_since is not None
    assert "duplicate series" in str(view.error)


async def test_no_data_is_not_good(tmp_path: Path) -> None:
    run = await started(tmp_path)
    await run.go(15, UP)
    assert run.engine.feed.value is not None
    assert [each.health for each in run.engine.feed.value.rules] == [RuleHealth.GOOD, RuleHealth.NO_DATA]


@pytest.mark.parametrize("away_s", [0, 60, 3000])
async def test_the_timer_goes_on_after_kill_9(tmp_path: Path, away_s: int) -> None:
    before = await started(tmp_path)
    await before.go(15, UP)
    assert await before.go(75, DOWN) == ["Down a pending"]
    before.kill()
    before.clock.go_on(away_s)
    after = await started(tmp_path, clock=before.clock, rules=None)
    assert await after.go(15) == ["Down a pending"], "nothing was scraped yet"
    assert await after.go(15, DOWN) == ["Down a pending"]
    assert await after.go(15, DOWN) == ["Down a firing"]
    (fired,) = await after.engine.history()
    assert fired.kind == "fired"


async def test_after_a_long_time_away_the_timer_begins_anew(tmp_path: Path) -> None:
    before = await started(tmp_path)
    await before.go(105, DOWN)
    before.kill()
    before.clock.go_on(3700)
    after = await started(tmp_path, clock=before.clock, rules=None)
    await after.engine.step()
    assert after.shown() == []
    assert await after.go(120, DOWN) == ["Down a pending"]
    assert await after.go(15, DOWN) == ["Down a firing"]


async def test_what_fires_goes_on_over_a_restart_and_is_told_once(tmp_path: Path) -> None:
    notifiers: dict[str, NotifierConfig] = {"bell": bell.Options(resolved=True)}
    before = await started(tmp_path, notifiers=notifiers)
    await before.go(150, DOWN)
    sending = before.engine._receivers._routes[0].sending
    assert await sending.send_due() is None
    before.kill()
    before.clock.go_on(7200)
    after = await started(tmp_path, clock=before.clock, rules=None, notifiers=notifiers)
    assert await after.go(60) == ["Down a firing"], "nothing was scraped yet: that ends nothing"
    assert await after.go(60, DOWN) == ["Down a firing"]
    assert await after.go(60, UP) == ["Down a resolved"]
    await after.engine._receivers._routes[0].sending.send_due()
    told = [(one.reason, [a.name for a in (*one.firing, *one.resolved)]) for one in (*before.rang, *after.rang)]
    assert told == [("firing", ["Down"]), ("reminder", ["Down"]), ("resolved", ["Down"])]


async def test_a_sum_over_an_hour_does_not_end_because_the_past_is_gone(tmp_path: Path) -> None:
    rules = RULES.replace("busy > 5", "increase(busy[30m]) > 50")
    before = await started(tmp_path, rules=rules)
    for turn in range(130):
        await before.go(15, {"a": float(turn)}, "busy")
    assert before.shown() == ["Busy a firing"]
    before.kill()
    after = await started(tmp_path, clock=before.clock, rules=None)
    for turn in range(118):
        assert await after.go(15, {"a": 130.0 + turn / 10}, "busy") == ["Busy a firing"]
    assert await after.go(60, {"a": 142.0}, "busy") == ["Busy a resolved"]


async def test_acknowledgements_and_silences_are_there_after_kill_9(tmp_path: Path) -> None:
    before = await started(tmp_path)
    await before.go(150, {"a": 0.0, "b": 0.0})
    first, second = before.alerts()
    await before.engine.acknowledge(first, "kim", "on it")
    silence = await before.engine.silence(matchers_of(second.labels), 3600, "kim", "deploy")
    before.kill()
    before.clock.go_on(30)
    after = await started(tmp_path, clock=before.clock, rules=None)
    await after.engine.step()
    first, second = after.alerts()
    assert first.acknowledged is not None
    assert (first.acknowledged.by, first.acknowledged.note) == ("kim", "on it")
    assert second.silenced_by == (silence.id,)
    assert after.engine.feed.value is not None
    assert after.engine.feed.value.count(AlertState.FIRING) == 1
    await after.go(3600, {"a": 0.0, "b": 0.0})
    assert after.alerts()[1].silenced_by == ()


async def test_an_acknowledgement_does_not_hold_for_the_next_time(tmp_path: Path) -> None:
    run = await started(tmp_path)
    await run.go(15, {"a": 9.0}, "busy")
    await run.engine.acknowledge(run.alerts()[0], "kim")
    await run.go(15, {"a": 9.0}, "busy")
    assert run.alerts()[0].acknowledged is not None
    await run.go(15, {"a": 1.0}, "busy")
    assert await run.go(15, {"a": 9.0}, "busy") == ["Busy a firing"]
    assert run.alerts()[0].acknowledged is None
    kinds = [each.kind for each in await run.engine.history()]
    assert kinds == ["fired", "resolved", "acknowledged", "fired"]


async def test_a_silence_until_resolved_ends_with_what_it_silences(tmp_path: Path) -> None:
    run = await started(tmp_path)
    await run.go(15, {"a": 9.0}, "busy")
    wanted = parse_matchers('alertname="Busy"')
    assert [one.name for one in run.engine.preview(wanted)] == ["Busy"]
    await run.engine.silence(wanted, None, "kim")
    await run.go(60, {"a": 9.0}, "busy")
    assert run.alerts()[0].silenced_by
    await run.go(15, {"a": 1.0}, "busy")
    await run.go(15, {"a": 9.0}, "busy")
    assert run.alerts()[0].silenced_by == ()
    with pytest.raises(UsageError):
        await run.engine.expire("no such", "kim")


async def test_a_rule_file_that_is_broken_resolves_nothing(tmp_path: Path) -> None:
    before = await started(tmp_path)
    await before.go(150, DOWN)
    before.rules.write_text("groups: [{name: g, rules: [{alert: Down, expr: 'up =='}]}]")
    assert before.engine._evaluating.files_changed()
    await before.engine.load()
    assert await before.go(30, DOWN) == ["Down a firing"], "the old rules go on"
    assert "rules.yml:1" in before.troubles()[0]
    before.kill()
    after = await started(tmp_path, clock=before.clock, rules=None)
    assert await after.go(30, UP) == ["Down a firing"], "nothing evaluates it, so nothing ends it"
    assert after.engine.feed.value is not None
    assert after.engine.feed.value.rules[0].health is RuleHealth.FAILED
    after.rules.write_text(RULES)
    await after.engine.load()
    assert await after.go(60, UP) == ["Down a resolved"]


async def test_a_rule_that_was_taken_away_takes_its_alerts_with_it(tmp_path: Path) -> None:
    run = await started(tmp_path)
    await run.go(150, DOWN)
    run.rules.write_text(RULES.replace("name: g", "name: other").replace("up == 0", "up == 2"))
    await run.engine.load()
    assert await run.go(15, DOWN) == []
    assert run.troubles() == []
    assert (await run.engine.history(1))[0].note == "its rule was removed"
    run.rules.unlink()
    await run.engine.load()
    await run.engine.step()
    assert run.troubles()[0] == "rules: no file matches rules.yml"


@pytest.mark.parametrize(
    "change", [("alert: Down", "alert: Gone"), ("severity: page", "severity: ticket"), ("name: g", "name: other")]
)
async def test_who_was_told_of_a_rule_that_is_another_now_hears_the_end_of_it(
    tmp_path: Path, change: tuple[str, str]
) -> None:
    run = await started(tmp_path, notifiers={"bell": bell.Options(resolved=True)})
    assert await run.go(150, DOWN) == ["Down a firing"]
    await run.engine._receivers._routes[0].sending.send_due()
    run.rules.write_text(RULES.replace(*change))
    await run.engine.load()
    await run.go(15, DOWN)
    await run.engine._receivers._routes[0].sending.send_due()
    (over,) = run.rang[1].resolved
    assert (over.name, over.label("severity")) == ("Down", "page")
    await run.go(150, DOWN)
    await run.engine._receivers._routes[0].sending.send_due()
    assert [one.reason for one in run.rang] == ["firing", "resolved", "firing"]


async def test_a_clock_set_forward_does_not_count_for_timers(tmp_path: Path) -> None:
    run = await started(tmp_path)
    await run.go(15, UP)
    await run.go(45, DOWN)
    run.clock.seconds += 1800
    assert await run.go(75, DOWN) == ["Down a pending"]
    assert await run.go(30, DOWN) == ["Down a firing"]
    assert "jumped forward by 30 min" in " ".join(run.troubles())


async def test_a_clock_set_back_delays_nothing_for_long(tmp_path: Path) -> None:
    run = await started(tmp_path)
    await run.go(7200 + 45, DOWN)
    assert run.shown() == ["Down a firing"]
    run.clock.seconds -= 3600
    run.store.drop("up")
    assert await run.go(30, DOWN) == ["Down a firing"]
    assert await run.go(15, UP) == ["Down a resolved"]
    assert await run.go(15, DOWN) == ["Down a pending"]
    assert await run.go(120, DOWN) == ["Down a firing"]
    assert "set back by 1 h" in " ".join(run.troubles())


async def test_missed_evaluations_are_counted(tmp_path: Path) -> None:
    run = await started(tmp_path)
    await run.go(15, UP)
    run.clock.go_on(150)
    await run.engine.step()
    assert run.troubles() == ["group g: 9 evaluations were missed"]


async def test_a_fault_of_ours_in_one_group_is_not_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = await started(tmp_path, rules=RULES + "  - {name: h, rules: [{alert: X, expr: 'vector(1)'}]}\n")
    broken = run.engine._evaluating.groups[f"{run.rules};g"]
    monkeypatch.setattr(broken, "evaluate", lambda *_: 1 / 0)
    await run.go(30, DOWN)
    assert run.shown() == ["X  firing"]
    assert "ZeroDivisionError" in run.troubles()[0]


async def test_a_group_that_takes_longer_than_its_interval_is_told(tmp_path: Path) -> None:
    run = await started(tmp_path)
    await run.go(15, UP)
    (group,) = run.engine._evaluating.groups.values()
    group.took_s = 20.0
    await run.engine._show()
    assert run.troubles() == ["group g: the last evaluation took 20.0 s, longer than the interval of 15 s"]


async def test_the_event_loop_goes_on_while_rules_are_evaluated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await started(tmp_path)
    (group,) = run.engine._evaluating.groups.values()
    evaluate, begun, end = group.evaluate, threading.Event(), threading.Event()

    def slow(source: SeriesSource, at_ms: int) -> None:
        begun.set()
        assert end.wait(60), "the event loop stood still"
        evaluate(source, at_ms)

    monkeypatch.setattr(group, "evaluate", slow)
    going = asyncio.create_task(run.go(15, DOWN))
    await until(begun.is_set, what="it is being evaluated")
    end.set()
    assert await going == ["Down a pending"]


async def test_groups_have_phases_of_their_own_and_the_same_after_a_start(tmp_path: Path) -> None:
    rules = "groups:" + "".join(f"\n  - {{name: g{n}, interval: 1m, rules: []}}" for n in range(20))
    one, other = [await started(tmp_path, rules=rules) for _ in range(2)]
    phases = [[each.slot_ms(10**12) for each in run.engine._evaluating.groups.values()] for run in (one, other)]
    assert phases[0] == phases[1]
    assert len(set(phases[0])) > 15


async def test_a_full_disk_stops_neither_rules_nor_telling(tmp_path: Path) -> None:
    run = await started(tmp_path, notifiers={"bell": bell.Options()})
    await run.go(15, DOWN)
    database = run.engine._saved.database
    (pages,) = database.rows("PRAGMA page_count")[0]
    database.rows(f"PRAGMA max_page_count = {pages}")
    values = {f"{number:0500}": 9.0 for number in range(200)}
    assert len(await run.go(30, values, "busy")) >= 200
    await run.engine._receivers._routes[0].sending.send_due()
    assert sum(len(one.firing) for one in run.rang) >= 200
    assert "full" in run.troubles()[0]


async def test_a_file_that_another_process_holds_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lilfox_tui.alerts.storage.BUSY_S", 0.01)
    run = await started(tmp_path, notifiers={"bell": bell.Options()})
    await run.go(15, UP)
    other = AlertDatabase(tmp_path / "alerts.db")
    with other.transaction():
        assert await run.go(150, DOWN) == ["Down a firing"]
        said = " ".join(run.troubles())
        assert "locked; retrying at the next evaluation" in said
        assert "locked; no notifications are sent until this is resolved" in said
    await run.go(15, DOWN)
    assert run.troubles() == []
    assert [each.kind for each in await run.engine.history()] == ["fired"]
    await run.engine._receivers._routes[0].sending.send_due()
    assert [each.reason for each in run.rang] == ["firing"]


async def test_a_damaged_file_is_put_aside(tmp_path: Path) -> None:
    (tmp_path / "alerts.db").write_bytes(b"no database " * 1000)
    run = await started(tmp_path)
    await run.go(15, UP)
    assert "damaged" in run.troubles()[0]
    assert len([name for name in os.listdir(tmp_path) if name.startswith("alerts.damaged-")]) == 1


async def test_infinite_and_strange_values_are_kept(tmp_path: Path) -> None:
    before = await started(tmp_path)
    await before.go(30, {"a": math.inf}, "busy")
    before.kill()
    after = await started(tmp_path, clock=before.clock, rules=None)
    await after.engine.step()
    assert after.alerts()[0].value == math.inf


async def test_the_bell_rings_also_where_another_lilfox_evaluates(tmp_path: Path) -> None:
    notifiers: dict[str, NotifierConfig] = {"screen": bell.Options(only=('alertname="Busy"',)), "x": bell.Options()}
    one = await started(tmp_path, notifiers=notifiers)
    other = Run(tmp_path, clock=one.clock, rules=None, notifiers=notifiers)
    await one.go(15, {"a": 9.0}, "busy")
    running = asyncio.create_task(other.engine.run())
    try:
        one.engine._lock.take()
        await until(lambda: other.engine.feed.value is not None, what="it shows")
        assert other.shown() == ["Busy a firing"]
        assert other.rang == []
        await one.go(15, {"a": 9.0, "b": 9.0}, "busy")
        await until(lambda: len(other.rang) == 2, what="it rings, once for each bell")
        assert [each.firing[0].label("instance") for each in other.rang] == ["b", "b"]
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def test_what_is_wrong_with_a_notifier_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "alerts.db").write_bytes(b"no database " * 1000)
    with pytest.raises(LilFoxError, match="only"):
        Run(tmp_path, notifiers={"bell": bell.Options(only=("x",))})
    lock = EvaluationLock(tmp_path)
    assert not lock.is_held(), "what could not begin holds nothing"


def test_each_configuration_has_a_folder_of_its_own(own_folders: Path) -> None:
    default, other = state_folder(None), state_folder(Path("/etc/lilfox.yaml"))
    assert default is not None
    assert other is not None
    assert default != other
    assert default == state_folder(own_folders / "config" / "lilfox" / "config.yaml")
    assert default.is_dir()


# What holds over a restart, over a rule file that is broken or gone, and what does not.


ANSWERS, SILENT = {"a": 1.0}, {"a": 0.0}


async def test_each_second_of_a_pending_alert_counts_after_kill_9(tmp_path: Path) -> None:
    """Also those since it was last written: nothing changed but the time."""
    before = Run(tmp_path, rules=RULES.replace("15s", "1s"))
    await before.start()

    async def go(run: Run, seconds: int) -> list[str]:
        for _ in range(seconds):
            run.clock.go_on(1)
            run.scrape(SILENT)
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
    await run.go(30, SILENT)
    run.rules.write_text("groups: [")
    await run.engine.load()
    assert sorted(await run.go(30, {"a": 0.0, "b": 0.0})) == ["Down a pending", "Down b pending"]


async def test_alerts_of_a_file_that_is_gone_at_the_start_are_held(tmp_path: Path) -> None:
    before = Run(tmp_path)
    await before.start()
    assert await before.go(150, SILENT) == ["Down a firing"]
    before.kill()
    before.rules.unlink()
    after = Run(tmp_path, clock=before.clock, rules=None)
    await after.start()
    assert await after.go(60, ANSWERS) == ["Down a firing"]
    assert after.troubles()[-1] == "1 rule group cannot be read right now; its alerts keep their last state"


async def test_an_acknowledgement_ends_with_what_was_pending_only(tmp_path: Path) -> None:
    run = Run(tmp_path)
    await run.start()
    await run.go(30, SILENT)
    await run.engine.acknowledge(run.alerts()[0], "kim")
    await run.go(15, SILENT)
    assert run.alerts()[0].acknowledged is not None
    assert await run.go(15, ANSWERS) == []
    assert await run.go(15, SILENT) == ["Down a pending"]
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
    await before.go(150, SILENT)
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
