"""Golden screens: what a person sees, as text. ``LILFOX_GOLDEN=write`` writes them anew; look at the diff."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from lilfox_tui.app.rendering.draw import ASCII
from lilfox_tui.core.text import cell_width
from tests.app.overviews import down, mixed
from tests.app.still import screen_text, still_app

GOLDEN = Path(__file__).parent / "golden"
SIZES = [(40, 10), (80, 24), (100, 30), (160, 48)]


def check(name: str, text: str) -> None:
    """Compares a screen with the golden one. Nothing on any screen is cut beside cells that are free: between two
    columns are three at most; ``…`` after a blank says that there are more lines."""
    beside = [line for line in text.splitlines() if re.search(r"[^ ]…    ", line)]
    assert not beside
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("LILFOX_GOLDEN") == "write":
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_tables(size: tuple[int, int], language: str) -> None:
    app = still_app(mixed(), language=language)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        text = screen_text(pilot)
        check(f"tables-{size[0]}x{size[1]}-{language}", text)
        assert all(cell_width(line) <= size[0] for line in text.splitlines())


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_a_hosts_page(size: tuple[int, int], language: str) -> None:
    app = still_app(mixed(), language=language)
    async with app.run_test(size=size) as pilot:
        app.metrics.open_page(("host", "db-1"))
        await pilot.pause()
        check(f"host-{size[0]}x{size[1]}-{language}", screen_text(pilot))


async def test_a_services_page() -> None:
    app = still_app(mixed())
    async with app.run_test(size=(100, 30)) as pilot:
        app.metrics.open_page(("service", "backend"))
        await pilot.pause()
        check("service-100x30-en", screen_text(pilot))


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("size", SIZES[:2], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", ["payments-api", "orders"])
async def test_what_is_wrong_with_a_service_is_not_cut(name: str, size: tuple[int, int], language: str) -> None:
    app = still_app(down(), language=language)
    async with app.run_test(size=size) as pilot:
        app.metrics.open_page(("service", name))
        await pilot.pause()
        text = screen_text(pilot)
        check(f"service-{name}-{size[0]}x{size[1]}-{language}", text)
        assert "…" not in text


async def test_help_and_palette() -> None:
    app = still_app(mixed())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("question_mark")
        await pilot.pause()
        check("help-100x30-en", screen_text(pilot))
        await pilot.press("escape", "colon")
        await pilot.pause()
        check("palette-100x30-en", screen_text(pilot))


async def test_an_ascii_terminal() -> None:
    app = still_app(mixed(), theme="mono", glyphs=ASCII)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        text = screen_text(pilot)
        assert text.isascii()
        check("ascii-80x24-en", text)


@pytest.mark.fault("4.93")
@pytest.mark.parametrize("pane", ["1", "2", "3", "4"])
@pytest.mark.parametrize("dialog", [False, True], ids=["plain", "dialog"])
async def test_smaller_and_back_is_the_same_screen(pane: str, dialog: bool) -> None:
    app = still_app(mixed())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(pane)
        await pilot.pause()
        before = screen_text(pilot)
        if dialog:
            await pilot.press("question_mark")
        for size in ((40, 10), (80, 13), (120, 40), (40, 10), (80, 24)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            assert dialog or ("4 Runbook" in screen_text(pilot).splitlines()[1]) == (size[1] >= 14), size
        if dialog:
            await pilot.press("escape")
            await pilot.pause()
        assert screen_text(pilot) == before
