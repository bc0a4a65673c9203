"""What a terminal gets when a dialog opens and closes: the dialog alone, and what has changed behind it meanwhile."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

import pyte
import pytest
from msgspec.structs import replace
from rich.color import ColorSystem
from rich.console import Console, RenderableType
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.pilot import Pilot
from textual.screen import Screen

from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.dialogs import messages
from lilfox_tui.app.dialogs.messages import Dialog
from lilfox_tui.app.rendering.changed_cells import ChangedCells, ShownCells
from lilfox_tui.app.textual_internals import paint_whole
from tests.app.overviews import NOW, mixed
from tests.app.still import StillMonitor, screen_text, still_app
from tests.waiting import until

SIZE = (120, 40)
BYTES_PER_CELL = 3
"""Of a dialog, colours and all; with the screen behind it, up to 10."""
KEYS = 100
WITHIN_S = 20.0


class Terminal:
    """Draws what the app sends, which a test without a terminal would not even put together."""

    def __init__(self) -> None:
        self.bytes = 0
        self.screen = pyte.Screen(*SIZE)
        self._stream = pyte.Stream(self.screen)
        self._console = Console(color_system="truecolor", force_terminal=True)
        self._console._color_system = ColorSystem.TRUECOLOR

    def take(self, update: RenderableType | None, shown: ShownCells) -> None:
        if isinstance(update, ChopsUpdate | LayoutUpdate):
            text = ChangedCells(update, shown).render_segments(self._console)
            self.bytes += len(text.encode())
            self._stream.feed(text)

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip("\n")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    seen, send = Terminal(), LilFoxApp._display

    def take(app: LilFoxApp, screen: Screen[object], update: RenderableType | None) -> None:
        seen.take(update, app.shown_cells)
        send(app, screen, update)

    monkeypatch.setattr(LilFoxApp, "_display", take)
    LilFoxApp.shown_cells.forget()
    yield seen
    LilFoxApp.shown_cells.forget()


def drawn(pilot: Pilot[None]) -> str:
    return screen_text(pilot).rstrip("\n")


async def opened(app: LilFoxApp) -> Dialog[object]:
    def stands() -> bool:
        return isinstance(app.screen, Dialog) and app.screen.painted_s is not None

    await until(stands, what="the dialog is painted")
    assert isinstance(app.screen, Dialog)
    return app.screen


@pytest.mark.parametrize("key", ["colon", "question_mark", "a", "at"])
async def test_a_dialog_that_opens_sends_itself_alone(key: str, terminal: Terminal) -> None:
    app = still_app(mixed())
    async with app.run_test(size=SIZE) as pilot:
        for _time in range(3):
            await pilot.pause()
            before = terminal.bytes
            await pilot.press(key)
            dialog = await opened(app)
            await pilot.pause()
            assert terminal.bytes - before < BYTES_PER_CELL * dialog.query_one("#dialog").region.area
            assert terminal.text == drawn(pilot)
            await pilot.press("escape")
            await until(lambda: len(app.screen_stack) == 1, what="it is closed")
            await pilot.pause()
            assert terminal.text == drawn(pilot)


@pytest.mark.parametrize("key", ["colon", "question_mark", "a", "at"])
async def test_what_changes_behind_a_dialog_that_opens_is_drawn(key: str, terminal: Terminal) -> None:
    app = still_app(mixed())
    async with app.run_test(size=SIZE) as pilot:
        assert isinstance(app.monitor, StillMonitor)
        for second in range(1, 4):
            await pilot.pause()
            app.monitor.show(replace(mixed(), at=NOW + timedelta(seconds=second)))
            await pilot.press(key)
            await opened(app)
            clock = f":{44 + second} UTC"
            await until(lambda at=clock: at in terminal.text, what="the clock", timeout_s=WITHIN_S)  # type: ignore[misc]
            await until(lambda: terminal.text == drawn(pilot), what="all of it", timeout_s=WITHIN_S)
            await pilot.press("escape")
            await until(lambda: len(app.screen_stack) == 1, what="it is closed")
            await until(lambda: terminal.text == drawn(pilot), what="all of it", timeout_s=WITHIN_S)


async def test_what_changed_behind_it_before_it_was_painted_is_in_its_first_frame(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = still_app(mixed())
    async with app.run_test(size=SIZE) as pilot:
        assert isinstance(app.monitor, StillMonitor)
        await pilot.pause()
        monkeypatch.setattr(messages, "paint_whole", lambda _screen: None)
        await pilot.press("colon")
        await until(lambda: bool(app.screen.query("#dialog")), what="it is about to open")
        await pilot.pause()
        app.monitor.show(replace(mixed(), at=NOW + timedelta(seconds=3)))
        await pilot.pause()
        assert isinstance(app.screen, Dialog)
        assert app.screen.painted_s is None
        paint_whole(app.screen)
        assert ":47 UTC" in terminal.text


async def test_after_any_dialogs_the_terminal_shows_what_is_drawn(terminal: Terminal) -> None:
    """Dialogs over dialogs, closed at once, resized, with changes behind them."""
    app, dice, pressed = still_app(mixed()), random.Random(7), list[str]()
    keys = ["colon", "question_mark", "a", "at", "T", "down", "enter", "w", "escape", "escape", "escape", "2", "1", "4"]
    async with app.run_test(size=SIZE) as pilot:
        assert isinstance(app.monitor, StillMonitor)
        for number in range(KEYS):
            several = [dice.choice(keys) for _each in range(dice.choice((1, 1, 2, 3)))]
            pressed += several
            if dice.random() < 0.05:
                size = dice.choice([(80, 24), (120, 40), (160, 48)])
                pressed.append(str(size))
                terminal.screen.resize(size[1], size[0])
                await pilot.resize_terminal(*size)
            if dice.random() < 0.3:
                app.monitor.show(replace(mixed(), at=NOW + timedelta(seconds=number)))
            await pilot.press(*several)
            with suppress(AssertionError):
                await until(lambda: terminal.text == drawn(pilot), timeout_s=WITHIN_S)
            assert terminal.text == drawn(pilot), f"after {pressed[-12:]}"
