"""Which row is selected in the Metrics pane, which rows there are and in which order, without a screen."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from lilfox_tui.alerts.model import AlertState, worst_first
from lilfox_tui.app.panes.metrics.list import CHANGES_HEAD, LOW, Parts, heads, heights
from lilfox_tui.app.panes.metrics.state import FAR_WINDOW, WINDOWS, MetricsState
from lilfox_tui.core.aio import Ready
from lilfox_tui.metrics.model import Level
from tests.app.alerts_made import RULES, alert, some
from tests.app.overviews import NOW, mixed


def showing(**shape: bool) -> MetricsState:
    state = MetricsState(**shape)
    state.overview = mixed()
    return state


def test_the_worst_is_selected_until_somebody_chooses() -> None:
    state = showing()
    state.choose_first()
    assert state.overview is not None
    assert state.selected is not None
    worst = max(state.level(state.overview, each) for each in state.order())
    assert state.level(state.overview, state.selected) is worst
    state.choose(state.order()[-1])
    state.choose_first()
    assert state.selected == state.order()[-1]


def test_a_choice_that_is_gone_gives_way_to_the_worst() -> None:
    state = showing()
    state.choose(("host", "nobody"))
    state.choose_first()
    assert state.selected in state.order()


def test_it_moves_no_farther_than_the_first_and_the_last_row() -> None:
    state = showing()
    order = state.order()
    state.choose(order[0])
    state.move(-1)
    assert state.selected == order[0]
    state.move(2)
    assert state.selected == order[2]
    state.move(10**6)
    assert state.selected == order[-1]


def test_matches_are_gone_through_both_ways_and_around_the_ends() -> None:
    state = showing()
    state.only_matching, state.filter = False, "o"
    assert state.overview is not None
    matches = [each for each in state.order() if state.matches(state.overview, each)]
    assert 2 < len(matches) < len(state.order())
    state.choose(matches[0])
    forwards = []
    for _match in matches:
        state.select_match(1)
        forwards.append(state.selected)
    assert forwards == [*matches[1:], matches[0]]
    backwards = []
    for _match in matches:
        state.select_match(-1)
        backwards.append(state.selected)
    assert backwards == [*matches[:0:-1], matches[0]]


def test_without_a_match_the_selection_stays() -> None:
    state = showing()
    state.choose(state.order()[1])
    state.only_matching, state.filter = False, "no such row"
    state.select_match(1)
    assert state.selected == state.order()[1]


def test_the_filter_leaves_what_holds_all_of_its_words() -> None:
    state = showing()
    everything = state.order()
    state.filter = "db"
    assert set(state.order()) < set(everything)
    state.only_matching = False
    assert state.order() == everything


def test_rows_are_worst_first_or_as_they_are_configured() -> None:
    state = showing()
    assert state.overview is not None
    levels = [view.level for view in state.hosts(state.overview)]
    assert levels == sorted(levels, reverse=True)
    assert levels[0] is not Level.GOOD
    state.worst_first = False
    assert [view.name for view in state.hosts(state.overview)] == list(state.overview.hosts)


def test_what_a_key_goes_back_from() -> None:
    state = showing()
    assert "first screen" in str(state.why_not_back())
    state.open(("host", state.hosts(mixed())[0].name))
    assert state.why_not_back() is None
    assert "already open" in str(state.why_not_open())
    state.open(None)
    state.filter = "x"
    assert state.why_not_back() is None


@pytest.mark.parametrize(("far", "longest"), [(False, WINDOWS[-1]), (True, FAR_WINDOW)])
def test_charts_go_back_to_where_something_is_known_and_around(far: bool, longest: timedelta) -> None:
    state = showing(far=far)
    seen = []
    for _step in range(len(WINDOWS) + far):
        seen.append(state.window)
        state.next_window()
    assert (seen[0], seen[-1], state.window) == (WINDOWS[0], longest, WINDOWS[0])


# How high the parts of the Metrics pane are.


FEW = Parts(hosts=6, services=6, backends=4, alerts=7, changes=5)


def total(parts: Parts) -> int:
    return sum(parts)


@pytest.mark.parametrize("selected", [None, "host", "service", "backend", "alert", "rule"])
@pytest.mark.parametrize(
    "wanted",
    [FEW, Parts(3), Parts(100, 50, 20, 40, 9), FEW._replace(services=0), FEW._replace(alerts=0), Parts(100, alerts=30)],
)
def test_no_part_is_negative_and_hosts_are_always_there(selected: str | None, wanted: Parts) -> None:
    for height in range(2, 60):
        parts = heights(height, wanted, selected=selected, only=None)
        assert min(parts) >= 0
        assert parts.hosts >= 2
        for name, rows in parts._asdict().items():
            assert name in ("detail", "hosts") or rows <= getattr(wanted, name)
        assert height < 20 or total(parts) <= height


@pytest.mark.parametrize("hosts", [3, 4, 6, 12, 100])
@pytest.mark.parametrize(
    "others", [Parts(0, 6, 3, 5, 7), Parts(0, 12, 5, 9, 9), Parts(0, 50, 20, 40, 9), Parts(0, alerts=5)]
)
def test_no_part_is_there_with_nothing_but_its_title(hosts: int, others: Parts) -> None:
    """At 80x24 the one failing host was not to be seen beside three alerts and what had changed."""
    wanted = others._replace(hosts=hosts)
    for height in range(LOW, 60):
        parts, titles = heights(height, wanted, selected="host", only=None), heads(height)
        for name in ("hosts", "services", "backends", "alerts"):
            assert not getattr(wanted, name) or getattr(parts, name) > getattr(titles, name), (height, name)


def test_where_there_is_room_everybody_gets_what_there_is() -> None:
    parts = heights(60, FEW, selected="host", only=None)
    assert parts == FEW._replace(detail=2)


def test_what_changed_is_not_there_as_a_title_alone() -> None:
    for height in range(20, 60):
        parts = heights(height, Parts(3, 12, 4, 9, 9), selected="host", only=None)
        assert parts.changes == 0 or parts.changes > CHANGES_HEAD
        assert total(parts) <= height


def test_alerts_get_a_quarter_and_what_is_left() -> None:
    parts = heights(30, Parts(100, alerts=40), selected="host", only=None)
    assert parts.alerts == 7
    parts = heights(30, Parts(5, alerts=40), selected="host", only=None)
    assert parts.alerts == 30 - 5 - 2


def test_on_a_low_screen_the_part_of_the_selected_row_is_there() -> None:
    low = 8
    assert heights(low, FEW, selected="alert", only=None).alerts > 0
    assert heights(low, FEW, selected="alert", only=None).services == 0
    assert heights(low, FEW, selected="backend", only=None).backends > 0
    assert heights(low, FEW, selected="host", only=None).services > 0
    assert heights(low, FEW._replace(services=0, backends=0), selected="host", only=None).alerts > 0


@pytest.mark.parametrize(("kind", "part"), [("host", 0), ("service", 1), ("backend", 2), ("alert", 3), ("rule", 3)])
def test_one_part_alone_takes_all(kind: str, part: int) -> None:
    parts = heights(30, FEW, selected=kind, only=kind)
    assert parts[part] == 28
    assert total(parts) == 30


def test_the_key_for_alerts_goes_to_the_most_severe_then_the_newest_and_steps_on_when_pressed_again() -> None:
    named = {"old": ("warning", 9), "cpu": ("info", 1), "new": ("warning", 2), "down": ("critical", 5)}
    alerts = [
        alert(RULES[1], AlertState.FIRING, 1.0, minutes, {"job": job, "severity": severity})
        for job, (severity, minutes) in named.items()
    ]
    state = MetricsState()
    state.overview = replace(mixed(), alerts=Ready(replace(some(), alerts=worst_first(alerts), rules=()), NOW))

    def went_to() -> str:
        state.next_alert()
        selected = state.selected_alert()
        return "" if selected is None else selected.label("job")

    assert [went_to() for _ in range(5)] == ["down", "new", "old", "cpu", "down"]
    state.move(1)
    assert went_to() == "down", "another key was pressed in between"
    state.open(state.selected)
    state.open(None)
    assert went_to() == "down"
