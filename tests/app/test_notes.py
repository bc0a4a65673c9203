"""Where a message stands: beside the tabs, or above the keys if it is longer; never over either, or a line that
asks."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from lilfox_tui.app import console
from lilfox_tui.app.app import LilFoxApp
from tests.app.overviews import mixed
from tests.app.still import screen_text, still_app
from tests.waiting import until

SHORT, LONG = "web-1 is connected", "the shell is disabled because it could make changes " * 3


async def before_and_with(app: LilFoxApp, pilot: Pilot[None], text: str) -> tuple[list[str], list[str]]:
    """The lines of the screen before a message, and with it."""
    await pilot.pause()
    before = screen_text(pilot).splitlines()
    app.tell(text)
    await pilot.pause()
    return before, screen_text(pilot).splitlines()


@pytest.mark.parametrize("size", [(200, 55), (120, 40), (80, 24)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_a_short_message_stands_beside_the_tabs(size: tuple[int, int]) -> None:
    app = still_app(mixed())
    async with app.run_test(size=size) as pilot:
        before, text = await before_and_with(app, pilot, SHORT)
        assert text[1].startswith(before[1].rstrip())
        assert text[1].endswith(SHORT)
        assert [*text[:1], *text[2:]] == [*before[:1], *before[2:]]
        app._clear_note()
        await pilot.pause()
        assert screen_text(pilot).splitlines() == before


@pytest.mark.parametrize("size", [(120, 40), (80, 24)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_a_long_message_stands_above_the_keys_and_leaves_the_tabs(size: tuple[int, int]) -> None:
    app = still_app(mixed())
    async with app.run_test(size=size) as pilot:
        before, text = await before_and_with(app, pilot, LONG)
        changed = [y for y, (old, new) in enumerate(zip(before, text, strict=True)) if old != new]
        assert changed
        assert changed == list(range(size[1] - 1 - len(changed), size[1] - 1))
        assert len(changed) <= 3
        assert text[changed[0]].startswith(" the shell is disabled")
        assert (text[1], text[-1]) == (before[1], before[-1]), "the tabs and the keys"


@pytest.mark.parametrize("size", [(80, 24), (40, 10)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_a_message_does_not_hide_the_line_that_asks(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "NOTE_S", 60.0)
    app = still_app(mixed())
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        app.tell(LONG)
        await pilot.press("slash", *"web")
        await pilot.pause()
        text = screen_text(pilot).splitlines()
        assert "web" in text[-1]
        assert ("the shell is disabled" in "\n".join(text)) is (size == (80, 24)), "above it where there is room"


def selected_rows(app: LilFoxApp) -> list[str]:
    """The rows on the ground of the selection, but for the message, which has the same."""
    ground, note = app.palette.style("text", "selection").bgcolor, app.query_one("#note")
    covered = range(note.region.y, note.region.bottom) if note.display else ()
    strips = enumerate(app.screen._compositor.render_strips())
    return [
        strip.text.rstrip()
        for y, strip in strips
        if y not in covered and any(each.style is not None and each.style.bgcolor == ground for each in strip)
    ]


SMALL = [(40, 10), (40, 13), (60, 13)]


@pytest.mark.parametrize("size", SMALL, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("text", [SHORT, LONG])
async def test_on_a_small_screen_a_message_covers_neither_the_keys_nor_what_is_selected(
    size: tuple[int, int], text: str
) -> None:
    app = still_app(mixed())
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        await pilot.press("G")
        await pilot.pause()
        selected = selected_rows(app)
        before, _shown = await before_and_with(app, pilot, text)
        assert len(selected) == 1
        await until(lambda: selected_rows(app) == selected, what="the list is laid out in the rows that are left")
        shown = screen_text(pilot).splitlines()
        assert shown[-1] == before[-1], "the keys"
        assert shown[0] == before[0], "the header"
        [first, *_more] = [y for y, line in enumerate(shown) if text[:10] in line]
        assert size[1] - 4 <= first < size[1] - 1
        app._clear_note()
        await until(lambda: screen_text(pilot).splitlines() == before, what="the list has its rows again")


@pytest.mark.parametrize("pane", ["2", "3", "4"])
async def test_in_a_pane_that_is_opened_later_the_message_stands_above_the_keys_too(pane: str) -> None:
    app = still_app(mixed())
    async with app.run_test(size=(40, 10)) as pilot:
        await pilot.pause()
        await pilot.press(pane)
        await pilot.pause()
        app.tell(SHORT)
        await until(lambda: screen_text(pilot).splitlines()[-2] == f" {SHORT}")
        assert screen_text(pilot).splitlines()[-1].endswith("? help")
