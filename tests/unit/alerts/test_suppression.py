"""Mute windows and inhibition: who is suppressed, by what, and that nobody is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lilfox_tui.alerts.model import Alert, AlertState
from lilfox_tui.alerts.notifiers.bell import Options as Bell
from lilfox_tui.alerts.silences import alerts_from_storage
from lilfox_tui.alerts.suppression import SuppressionRules, suppression_rules
from lilfox_tui.config.loader import from_text
from lilfox_tui.core.errors import ConfigError, UsageError
from lilfox_tui.monitor.export_sections import alert_document
from tests.unit.alerts.made import T0, alert, at
from tests.unit.alerts.running import Run

NIGHT = "time_intervals: [{name: early, time_intervals: [{times: [{start_time: '03:00', end_time: '03:10'}]}]}]"


def rules(alerts: str) -> SuppressionRules:
    return suppression_rules(from_text(f"alerts: {{{alerts}}}\n", "c.yaml").alerts)


def suppressed(made: SuppressionRules, *alerts: Alert, seconds: float = 0) -> dict[str, tuple[str, ...]]:
    found = made.suppressed(alerts, at(seconds))
    return {one.name: found[one.labels] for one in alerts if one.labels in found}


def test_a_mute_window_takes_the_alerts_that_it_names_while_it_is_open() -> None:
    made = rules(f"{NIGHT}, mute: [{{only: ['severity=\"warning\"'], intervals: [early]}}]")
    alerts = (
        alert("A", severity="warning"),
        alert("B", severity="page"),
        alert("C", AlertState.PENDING, severity="warning"),
    )
    assert suppressed(made, *alerts) == {"A": ("mute early",), "C": ("mute early",)}
    assert suppressed(made, *alerts, seconds=600) == {}
    assert suppressed(rules(f"{NIGHT}, mute: [{{intervals: [early]}}]"), *alerts).keys() == {"A", "B", "C"}
    assert suppressed(made, alert("A", AlertState.RESOLVED, severity="warning")) == {}


INHIBIT = "inhibit: [{source: ['severity=\"page\"'], target: ['severity=~\"page|warning\"'], equal: [host, zone]}]"


@pytest.mark.parametrize(
    ("alerts", "source"),
    [
        (
            [alert("S", severity="page", host="a"), alert("T", severity="warning", host="a")],
            'S{host="a", severity="page"}',
        ),
        ([alert("S", severity="page", host="a"), alert("T", severity="warning", host="b")], ""),
        ([alert("S", severity="page", host="a", zone="1"), alert("T", severity="warning", host="a")], ""),
        ([alert("S", severity="page", zone=""), alert("T", severity="warning")], 'S{severity="page", zone=""}'),
        ([alert("S", AlertState.PENDING, severity="page"), alert("T", severity="warning")], ""),
        ([alert("S", AlertState.RESOLVED, severity="page"), alert("T", severity="warning")], ""),
        ([alert("S", severity="page"), alert("T", AlertState.PENDING, severity="warning")], 'S{severity="page"}'),
        ([alert("S", severity="page"), alert("S2", severity="page")], ""),
        ([alert("S", severity="page"), alert("T", severity="info")], ""),
    ],
)
def test_an_alert_is_inhibited_as_in_alertmanager(alerts: list[Alert], source: str) -> None:
    found = suppressed(rules(INHIBIT), *alerts)
    assert found == ({"T": (f"inhibited by {source}",)} if source else {})


def test_many_alerts_are_inhibited_in_no_time() -> None:
    many = [alert(f"T{number}", severity="warning", host=str(number)) for number in range(5000)]
    sources = [alert(f"S{number}", severity="page", host=str(number)) for number in range(0, 5000, 2)]
    assert len(rules(INHIBIT).suppressed([*many, *sources], T0)) == 2500


@pytest.mark.parametrize(
    ("alerts", "says"),
    [
        (f"{NIGHT}, mute: [{{intervals: [earl]}}]", "alerts.mute.1.intervals: no time interval named “earl”; did"),
        ("mute: [{intervals: []}]", "alerts.mute.1.intervals: fewer than 1 items"),
        (f"{NIGHT[:-1]}, {NIGHT[17:]}", "alerts.time_intervals.2.name: there is another one of this name"),
        (NIGHT.replace("03:00", "04:00"), "alerts.time_intervals.1.time_intervals.1: times: 04:00 is not before 03:10"),
        ("inhibit: [{source: [], target: ['a=b']}]", "alerts.inhibit.1.source: fewer than 1 items"),
        ("inhibit: [{source: ['a=b']}]", "alerts.inhibit.1.target: this key is missing"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_line(alerts: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_text(f"alerts: {{{alerts}}}\n", "c.yaml")
    assert [each for each in caught.value.problems if each.startswith(f"c.yaml:1: {says}")]


def test_matchers_that_cannot_be_read_are_named() -> None:
    with pytest.raises(UsageError, match=r"alerts\.inhibit\.1\.target: "):
        rules("inhibit: [{source: ['a=b'], target: ['a=~(']}]")


async def told_and_shown(run: Run) -> tuple[int, list[dict[str, Any]]]:
    await run.engine.step()
    shown = run.engine.feed.value
    assert shown is not None
    assert [one.silenced_by for one in alerts_from_storage(run.engine._saved, run.clock.now()).alerts] == [
        one.silenced_by for one in shown.alerts
    ]
    return shown.new_firing, [alert_document(one) for one in shown.alerts]


async def test_a_suppressed_alert_is_shown_as_such_and_told_when_that_is_over(tmp_path: Path) -> None:
    config = from_text(f"alerts: {{{NIGHT}, mute: [{{intervals: [early]}}], group_wait: 0s}}\n", "c.yaml")
    run = Run(tmp_path, alerts=config.alerts, notifiers={"bell": Bell()})
    await run.start()
    run.scrape({"a": 9}, "busy")
    firing, (document,) = await told_and_shown(run)
    assert firing == 0
    assert document["silenced_by"] == ["mute early"]
    assert run.engine.feed.value is not None
    assert run.engine.feed.value.alerts[0].suppression == "muted by early"
    assert run.engine._receivers._outbox.receivers() == ()
    for _ in range(24):
        run.clock.go_on(15)
        run.scrape({"a": 9}, "busy")
        firing, (document,) = await told_and_shown(run)
    assert firing == 1
    assert document["silenced_by"] == []
    assert len(run.engine._receivers._outbox.first_of_groups("bell")) == 1
