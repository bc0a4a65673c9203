"""Containers on the home screen: by projects, worst first, and where their keys lead."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.panes.metrics.container.rows import HomeContainers
from lilfox_tui.app.rendering.draw import UNICODE
from lilfox_tui.app.rows.containers import CONTAINER, PROJECT, ContainerRows, find, members
from lilfox_tui.containers.engine import EngineError
from lilfox_tui.core.text import cell_width
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import Overview
from tests.app.containers_made import STOPPED, container, containers_app, engine_of, overview_of, seen, shop
from tests.app.still import screen_text, still_app

SIZES = pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 55)], ids=lambda size: f"{size[0]}x{size[1]}")


def names(overview: Overview, words: str = "") -> list[str]:
    """What the rows are: ``project/…`` for several, the name of a container for one, the place of an engine."""
    entries = ContainerRows().listed(overview, words)
    return [getattr(getattr(each, "container", each), "name", "") or getattr(each, "place", "")
            for each in entries.values()]  # fmt: skip


def drawn(overview: Overview, width: int, words: str = "") -> list[str]:
    entries = ContainerRows().listed(overview, words)
    rows = HomeContainers(entries, overview, UNICODE)
    found = [*rows.heads(width), *(rows.row(subject, width) for subject in entries)]
    assert all(sum(cell_width(piece.text) for piece in row) <= width for row in found)
    return ["".join(piece.text for piece in row).rstrip() for row in found]


def test_a_project_that_is_well_is_one_row() -> None:
    overview = overview_of(engine_of(*shop(failing=False), seen(container("alone"))))
    assert names(overview) == ["shop", "alone"]
    assert drawn(overview, 100)[1].startswith(" ● shop        3 of 3 running  75%    96M")


def test_what_is_not_well_stands_below_its_project_and_first() -> None:
    overview = overview_of(engine_of(*shop(), *(seen(container(f"a-{name}", "a")) for name in "xy")))
    assert names(overview) == ["shop", "shop-web-1", "shop-worker-1", "a"]
    rows = drawn(overview, 110)
    assert rows[1].startswith(" ✖ shop             2 of 3 running")
    assert "unhealthy: 7 health checks failed in a row" in rows[2]
    assert "crash loop: restarts in 10 minutes: 9, last exit code 3" in rows[3]


def test_where_there_is_little_room_the_reason_is_what_is_told() -> None:
    rows = drawn(overview_of(engine_of(*shop())), 58)
    assert rows[3].startswith(" ✖   shop-worker-1  crash loop: restarts in 10 minutes")


def test_on_a_narrow_screen_a_project_tells_how_many_run() -> None:
    rows = drawn(overview_of(engine_of(*shop())), 40)
    assert rows[1] == " ✖ shop           2 of 3 running"


def test_a_filter_finds_containers_that_are_part_of_a_row() -> None:
    overview = overview_of(engine_of(*shop(failing=False)))
    assert names(overview, "shop-db") == ["shop-db-1"]
    assert names(overview, "shop/api:2 shop-web") == ["shop-web-1"]
    assert names(overview, "nothing") == []


def test_containers_of_several_hosts_name_them() -> None:
    there = [replace(each, host="web-2") for each in shop(failing=False)]
    overview = overview_of(engine_of(*shop()), engine_of(*there, where="web-2"))
    assert names(overview) == ["shop", "shop-web-1", "shop-worker-1", "shop"]
    assert "web-2" in drawn(overview, 100)[4]
    assert [each.view.host for each in members(overview, (PROJECT, "web-2/shop"))] == ["web-2"] * 3


def test_an_engine_that_has_stopped_comes_first() -> None:
    error = EngineError(STOPPED)
    gone = engine_of(*shop(failing=False), level=Level.FAILING, reasons=(STOPPED,), error=error)
    rows = drawn(overview_of(gone), 100)
    assert rows[1] == " ✖ web-1  /run/none/docker.sock on web-1 has stopped"
    assert rows[2].startswith(" ● shop")


def test_two_hundred_rows_are_drawn_at_once() -> None:
    overview = overview_of(engine_of(*(seen(container(f"job-{number}", state="dead")) for number in range(200))))
    took = []
    for _turn in range(3):
        began = time.perf_counter()
        assert len(drawn(overview, 118)) == 202
        took.append(time.perf_counter() - began)
    assert min(took) < 0.15


@SIZES
@pytest.mark.parametrize("language", ["en", "zh_CN"])
async def test_the_home_has_a_panel_of_containers(size: tuple[int, int], language: str) -> None:
    app = containers_app(shop(), language=language)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        text = screen_text(pilot)
        assert ("Containers" if language == "en" else "容器") in text
        assert "shop-worker-1" in text


async def test_without_containers_there_is_no_panel() -> None:
    still = overview_of(engine_of())
    async with still_app(replace(still, containers={})).run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        assert "Containers" not in screen_text(pilot)


async def at(app: LilFoxApp, pilot: Any, name: str) -> None:
    """Selects the row of a container."""
    overview = app.metrics.state.overview
    assert overview is not None
    app.metrics.state.choose((CONTAINER, f"web-1/{container(name).short_id}"))
    assert find(overview, app.metrics.state.selected) is not None
    app.metrics.repaint()
    await pilot.pause()


async def test_enter_opens_a_container_and_lists_those_of_a_project() -> None:
    app = containers_app([*shop(), *(seen(container(f"a-{name}", "a")) for name in "xy")])
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        await at(app, pilot, "shop-worker-1")
        assert "crash loop: restarts in 10 minutes: 9" in screen_text(pilot).splitlines()[-3], (
            "the selected row in full"
        )
        await pilot.press("enter")
        await pilot.pause()
        assert app.metrics.state.page == (CONTAINER, f"web-1/{container('shop-worker-1').short_id}")
        await pilot.press("escape")
        app.metrics.state.choose((PROJECT, "web-1/a"))
        app.metrics.repaint()
        await pilot.pause()
        await pilot.press("enter")
        await pilot.pause()
        assert "Containers of a" in screen_text(pilot)
        await pilot.press("enter")
        await pilot.pause()
        assert app.metrics.state.page == (CONTAINER, f"web-1/{container('a-x').short_id}")


async def test_the_finder_of_hosts_finds_containers() -> None:
    app = containers_app(shop())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        await pilot.press("@", *"worker", "enter")
        await pilot.pause()
        assert app.metrics.state.page == (CONTAINER, f"web-1/{container('shop-worker-1').short_id}")


async def test_the_page_of_a_host_leads_to_its_containers(monkeypatch: pytest.MonkeyPatch) -> None:
    app = containers_app(shop())
    gone_to: list[tuple[str, str]] = []
    monkeypatch.setattr(app, "go_to_logs", lambda kind, name, _at: gone_to.append((kind, name)))
    copied: list[str] = []
    monkeypatch.setattr(app, "copy_text", copied.append)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        app.metrics.open_page(("host", "web-1"))
        await pilot.pause()
        await pilot.press("enter")
        await pilot.pause()
        assert "Containers of web-1" in screen_text(pilot)
        await pilot.press(*"worker", "enter")
        await pilot.pause()
        assert "shop-worker-1" in screen_text(pilot).splitlines()[2]
        await pilot.press("l", "y")
        app.metrics.open_page(None)
        app.metrics.state.choose((PROJECT, "web-1/shop"))
        await pilot.press("l")
    short_id = container("shop-worker-1").short_id
    assert gone_to == [(CONTAINER, f"web-1/{short_id}"), (PROJECT, "web-1/shop")]
    assert copied == [container("shop-worker-1").id]


def test_hostile_names_get_no_further(tmp_path: Path) -> None:
    evil = seen(container("\x1b[31m[@click=x]\n" * 9, project="\x1b]0;x\x07"))
    for width in (40, 58, 120):
        rows = drawn(overview_of(engine_of(evil, *shop())), width)
        assert not any(ord(char) < 32 or char == "\x7f" for row in rows for char in row)
