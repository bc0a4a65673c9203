"""The picker of themes: previews, what it applies while moving, and what escape brings back."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.strip import Strip

from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.rendering.draw import ASCII
from lilfox_tui.app.widgets import Lines
from lilfox_tui.config.themes import load_theme, theme_names
from tests.app.overviews import mixed
from tests.app.still import screen_text, still_app
from tests.app.test_screens import check

SIZES = [(80, 24), (120, 40), (40, 10)]


def theme_of(app: LilFoxApp) -> str:
    return app.palette.theme.name


def line_of(app: LilFoxApp, name: str) -> Strip:
    """The line of the list that begins with a name."""
    lines = app.screen.query_one("#dialog-list", Lines)
    strips = (lines.render_line(y) for y in range(lines.size.height))
    return next(strip for strip in strips if strip.text.split()[0] == name)


def colours_in(strip: Strip) -> set[str]:
    styles = [segment.style for segment in strip if segment.style is not None]
    return {each.name for style in styles for each in (style.color, style.bgcolor) if each is not None}


async def opened(app: LilFoxApp, pilot: Pilot[None]) -> None:
    await pilot.pause()
    await pilot.press("T")
    await pilot.pause()
    assert len(app.screen_stack) == 2


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_how_it_looks(size: tuple[int, int]) -> None:
    app = still_app(mixed())
    async with app.run_test(size=size) as pilot:
        await opened(app, pilot)
        text = screen_text(pilot)
        check(f"themes-{size[0]}x{size[1]}-en", text)
        assert size[0] < 80 or "…" not in text.split("Theme", 1)[1].split("keeps it", 1)[0]


async def test_each_theme_is_seen_in_its_own_colours() -> None:
    app = still_app(mixed())
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot)
        for name in theme_names():
            colours = load_theme(name).colours
            wanted = {colours[role] for role in ("good", "degraded", "failing", "background", "series1", "series6")}
            assert wanted <= colours_in(line_of(app, name)), name


@pytest.mark.parametrize(("width", "is_shown"), [(80, False), (120, True)])
async def test_text_is_seen_in_the_colours_of_each_theme_where_there_is_room(width: int, is_shown: bool) -> None:
    app = still_app(mixed())
    async with app.run_test(size=(width, 40)) as pilot:
        await opened(app, pilot)
        for name in theme_names():
            line, colours = line_of(app, name), load_theme(name).colours
            assert line.text.rstrip().endswith("muted key match") == is_shown, name
            assert not is_shown or {colours["muted"], colours["accent"]} <= colours_in(line)


async def test_it_says_what_enter_and_escape_will_leave() -> None:
    app = still_app(mixed(), theme="fox-light")
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot)
        assert "theme: fox-light in the configuration keeps it; in use now" in screen_text(pilot)
        await pilot.press("up")
        await pilot.pause()
        told = "theme: fox-dark in the configuration keeps it; enter uses it until you quit; esc returns to fox-light"
        assert told in " ".join(screen_text(pilot).replace("│", " ").split())


async def test_moving_applies_and_escape_restores() -> None:
    app = still_app(mixed(), theme="fox-light")
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(app, pilot)
        assert theme_of(app) == "fox-light"
        await pilot.press("down")
        await pilot.pause()
        assert (theme_of(app), app.ansi_color) == ("mono", True)
        await pilot.press("up", "up")
        await pilot.pause()
        assert (theme_of(app), app.ansi_color) == ("fox-dark", False)
        header = app.screen_stack[0].query_one("#header", Lines)
        assert load_theme("fox-dark").colours["bar"] in colours_in(header.render_line(0))
        await pilot.press("escape")
        await pilot.pause()
        assert theme_of(app) == "fox-light"
        assert app.theme == "lilfox-fox-light"


async def test_typing_applies_what_is_found_and_enter_keeps_it() -> None:
    app = still_app(mixed())
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(app, pilot)
        await pilot.press(*"contrast light")
        await pilot.pause()
        assert theme_of(app) == "contrast-light"
        await pilot.press("enter")
        await pilot.pause()
        assert (theme_of(app), len(app.screen_stack)) == ("contrast-light", 1)


async def test_charts_are_drawn_anew_with_marks_and_back() -> None:
    app = still_app(mixed())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("down", "down", "down")  # a host: its charts have two series
        await opened(app, pilot)
        await pilot.press("escape")
        await pilot.pause()
        before = screen_text(pilot)
        await pilot.press("T", *"mono", "enter")
        await pilot.pause()
        assert not app.glyphs.dots
        marked = screen_text(pilot)
        assert "◇" in marked or "○" in marked
        assert marked != before
        await pilot.press("T", *"fox-dark", "enter")
        await pilot.pause()
        assert screen_text(pilot) == before


async def test_on_a_slow_link_nothing_is_applied_before_enter() -> None:
    app = still_app(mixed())
    async with app.run_test(size=(100, 30)) as pilot:
        app.slow_link = True
        await opened(app, pilot)
        await pilot.press("down")
        await pilot.pause()
        assert theme_of(app) == "fox-dark"
        await pilot.press("enter")
        await pilot.pause()
        assert theme_of(app) == "fox-light"


async def test_a_theme_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    (tmp_path / "aaa-broken.yaml").write_text("title: Broken\ndark: true\ncolours: {text: red}\n")
    app = still_app(mixed(), theme_dirs=(str(tmp_path),))
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot)
        await pilot.press(*"aaa")
        await pilot.pause()
        assert "colours.background: missing" in screen_text(pilot)
        await pilot.press("enter")
        await pilot.pause()
        assert len(app.screen_stack) == 2
        assert theme_of(app) == "clear-dark"  # what the first letter selected


async def test_without_colours_there_is_no_theme_to_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = still_app(mixed(), theme="mono")
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("T")
        await pilot.pause()
        assert len(app.screen_stack) == 1
        assert "NO_COLOR is set" in screen_text(pilot)


async def test_ascii_alone_is_drawn_on_an_ascii_terminal() -> None:
    app = still_app(mixed(), theme="sixteen", glyphs=ASCII)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        assert screen_text(pilot).isascii()
