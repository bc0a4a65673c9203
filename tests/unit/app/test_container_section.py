"""Containers on a host's page and in its reasons: what is wrong comes first, nothing hostile gets through."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lilfox_tui.app.panes.metrics.container.rows import SHOWN_AT_MOST, container_sections
from lilfox_tui.app.rendering.draw import UNICODE, Row
from lilfox_tui.containers.model import Container, ContainerUsage, ContainerView, EngineView, UsageRates
from lilfox_tui.core.i18n import tr
from lilfox_tui.core.text import cell_width
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.levels import with_containers
from tests.app.overviews import host, lost

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


def view(name: str, level: Level = Level.GOOD, why: str = "", **changes: Any) -> ContainerView:
    container = Container(id=name * 8, name=name, image="shop/api:2", state="running", started=NOW - timedelta(hours=3),
                          memory_limit=64 << 20, cpu_limit=0.5)  # fmt: skip
    reasons = (tr("{reason}", reason=why),) if why else ()
    return ContainerView(
        host="web", engine="/run/docker.sock", container=container, level=level, reasons=reasons, **changes
    )


def engine(*views: ContainerView, **changes: Any) -> EngineView:
    made: dict[str, Any] = {"host": "web", "place": "/run/docker.sock", "version": "Docker 26.1.5", "level": Level.GOOD}
    return EngineView(**(made | changes), containers=views)


def texts(found: EngineView, width: int = 120) -> list[str]:
    [section] = container_sections([found], NOW, UNICODE)
    rows: list[Row] = list(section.rows(width))
    assert all(sum(cell_width(piece.text) for piece in row) <= width for row in rows)
    return ["".join(piece.text for piece in row).rstrip() for row in rows]


def test_a_row_tells_use_against_limits() -> None:
    busy = view("api", usage=ContainerUsage(memory=32.0 * (1 << 20)), rates=UsageRates(cpu=0.25))
    assert texts(engine(busy)) == [
        "               state           cpu              memory",
        " ● api         running 3 h     50% of 0.5 CPU   32M/64M       shop/api:2",
    ]
    assert texts(engine(busy), 60) == [
        "               state           cpu    memory",
        " ● api         running 3 h     50%    32M/64M",
    ]


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_hostile_names_get_no_further(width: int) -> None:
    shown = texts(engine(view("\x1b[31m[@click=x]\n" * 9, Level.FAILING, "killed: \x1b]52;c;aGk=\x07" * 9)), width)
    assert not any(ord(char) < 32 or char == "\x7f" for row in shown for char in row)


def test_many_are_counted() -> None:
    shown = texts(engine(*(view(f"c{number}") for number in range(SHOWN_AT_MOST + 3))))
    assert shown[-1].strip() == "and 3 more"


def test_an_engine_that_cannot_be_asked_says_why() -> None:
    gone = engine(level=Level.FAILING, reasons=(tr("{reason}", reason="it has stopped"),))
    assert texts(gone)[0].strip() == "it has stopped"


def test_a_host_stands_for_its_containers() -> None:
    well = host("web", Level.GOOD, None)
    assert with_containers(well, (engine(view("api")),)) is well
    ill = [view(f"c{number}", Level.FAILING, "crash loop") for number in range(4)]
    found = with_containers(well, (engine(*ill, view("old", Level.DEGRADED, "exited with code 2")),))
    assert found.level is Level.FAILING
    said = [str(each) for each in found.reasons]
    assert said[:3] == ["container c0: crash loop", "container c1: crash loop", "container c2: crash loop"]
    assert said[3] == "problems of other containers: 2"
    away = lost("web")
    assert with_containers(away, (engine(*ill),)) is away, "nothing is known of the containers of a host that is away"
