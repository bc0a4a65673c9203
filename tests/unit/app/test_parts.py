"""How high the parts of the Metrics pane are."""

from __future__ import annotations

import pytest

from lilfox_tui.app.panes.metrics.list import CHANGES_HEAD, LOW, Parts, heads, heights

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
