"""The module itself: what it sends to the terminal; and what it relies on of Textual without a promise, where each test
names what breaks if it fails after an upgrade. How all of it works together is tested by test_behind, test_crash and
test_words_of_a_terminal."""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import random
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pyte
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.console import Console
from rich.style import Style
from textual import message_pump
from textual._compositor import ChopsUpdate, Compositor, LayoutUpdate
from textual._context import visible_screen_stack
from textual._styles_cache import StylesCache
from textual._xterm_parser import XTermParser
from textual.app import App, ComposeResult
from textual.binding import BindingsMap
from textual.containers import VerticalScroll
from textual.drivers.linux_driver import LinuxDriver
from textual.geometry import Region, Size
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Input, Static

from lilfox_tui.app import textual_internals
from lilfox_tui.app.driver import TerminalDriver
from lilfox_tui.app.rendering import changed_cells
from lilfox_tui.app.rendering.changed_cells import ChangedCells, Pen, ShownCells, changed_spans
from lilfox_tui.app.rendering.draw import Palette, Piece, Row
from lilfox_tui.app.textual_internals import MovesPainted
from lilfox_tui.config.themes import FOX_DARK
from tests.waiting import PATIENCE_S

WIDTH = 30
PALETTE = Palette(FOX_DARK, ascii_only=False)
CONSOLE = Console(color_system="truecolor", force_terminal=True)


@pytest.mark.parametrize(
    ("old", "new", "spans"),
    [
        ((Piece("ab"), Piece("12"), Piece("z")), (Piece("ab"), Piece("34"), Piece("z")), [(2, 4)]),
        ((Piece("12:00:07"),), (Piece("12:00:08"),), [(7, 8)]),
        ((Piece("ab"), Piece("1")), (Piece("ab"), Piece("345")), [(2, 5)]),
        ((Piece("ab"),), (Piece("ab", "good"),), [(0, 2)]),
        ((Piece("中"), Piece("1"), Piece("x")), (Piece("中"), Piece("2"), Piece("x")), [(2, 3)]),
        ((Piece("中文1"),), (Piece("中文2"),), [(4, 5)]),
        ((Piece("a"), Piece("a")), (Piece("a"), Piece("a"), Piece("a")), [(2, 3)]),
        ((Piece("a" + " " * 20), Piece("x")), (Piece("b" + " " * 20), Piece("y")), [(0, 1), (21, 22)]),
        ((Piece("a" + " " * 5), Piece("x")), (Piece("b" + " " * 5), Piece("y")), [(0, 7)]),
        ((Piece("x" * 40),), (Piece("x" * 29 + "y" * 11),), []),  # an ellipsis stands there in both
        ((Piece("x" * 30),), (Piece("x" * 31),), [(29, 30)]),
        ((Piece("x" * 30),), (Piece("x" * 30), Piece("y")), []),
        ((Piece("x" + " " * 39 + "y"),), (Piece("x" + " " * 39),), [(29, 30)]),
    ],
)
def test_spans_are_exact_and_near_ones_are_one(old: Row, new: Row, spans: list[tuple[int, int]]) -> None:
    assert changed_spans(old, new, WIDTH) == spans


PIECES = st.builds(
    Piece,
    st.text("ab 中1é▁▂", max_size=9),
    st.sampled_from(("text", "good", "strong")),
    st.sampled_from(("", "selection", "match")),
)
ROWS = st.lists(PIECES, max_size=6).map(tuple)


@given(ROWS, ROWS)
def test_the_screen_shows_the_new_line_whole(old: Row, new: Row) -> None:
    changed = _screen(old)
    spans = [(0, left, right) for left, right in changed_spans(old, new, WIDTH)]
    if spans:
        update = ChopsUpdate([{0: PALETTE.strip(new, WIDTH)}], spans, [[WIDTH]])
        pyte.Stream(changed).feed(ChangedCells(update, ShownCells()).render_segments(CONSOLE))
    assert _seen(changed) == _seen(_screen(new))


@given(ROWS, st.lists(st.tuples(st.integers(0, WIDTH - 1), st.integers(1, WIDTH)), max_size=4))
def test_a_span_that_cuts_a_wide_character_leaves_it_whole(row: Row, spans: list[tuple[int, int]]) -> None:
    """What changes behind a dialog begins and ends anywhere in the dialog's lines."""
    seen = _screen(row)
    update = ChopsUpdate([{0: PALETTE.strip(row, WIDTH)}], [(0, *span) for span in spans], [[WIDTH]])
    pyte.Stream(seen).feed(ChangedCells(update, ShownCells()).render_segments(CONSOLE))
    assert _seen(seen) == _seen(_screen(row))


def _seen(screen: pyte.Screen) -> list[tuple[object, ...]]:
    """What can be seen of each cell: of a blank not its ink."""
    cells = (screen.buffer[0][x] for x in range(WIDTH))
    return [
        (cell.data, cell.fg if cell.reverse else cell.bg)
        if cell.data == " "
        else (cell.data, cell.bg, cell.fg, cell.bold, cell.reverse)
        for cell in cells
    ]


def _screen(row: Row) -> pyte.Screen:
    screen = pyte.Screen(WIDTH, 1)
    CONSOLE._color_system = ColorSystem.TRUECOLOR
    pyte.Stream(screen).feed("\x1b[1;1H" + PALETTE.strip(row, WIDTH).render(CONSOLE))
    return screen


def whole(*rows: Row) -> LayoutUpdate:
    """Textual's update of a whole screen of these lines."""
    return LayoutUpdate([[PALETTE.strip(row, WIDTH)] for row in rows], Region(0, 0, WIDTH, len(rows)))


@given(st.lists(st.tuples(ROWS, st.none() | st.tuples(st.integers(0, WIDTH - 1), st.integers(1, WIDTH))), min_size=1))
def test_after_any_updates_the_terminal_shows_the_last(updates: list[tuple[Row, tuple[int, int] | None]]) -> None:
    """Of the whole screen, or of a part of a line that is known to have changed."""
    seen, shown, last = _screen(()), ShownCells(), PALETTE.strip((), WIDTH)
    for row, part in updates:
        strip = PALETTE.strip(row, WIDTH)
        if part is None or part[0] >= part[1]:
            update: LayoutUpdate | ChopsUpdate = whole(row)
            last = strip
        else:
            update = ChopsUpdate([{0: strip}], [(0, *part)], [[WIDTH]])
            first, end = part
            for each in (strip, last, strip):  # no half of a wide character is left or drawn
                first, end = changed_cells._whole(each, first, end)
            last = Strip.join([last.crop(0, first), strip.crop(first, end), last.crop(end, WIDTH)])
        pyte.Stream(seen).feed(ChangedCells(update, shown).render_segments(CONSOLE))
    expected = pyte.Screen(WIDTH, 1)
    pyte.Stream(expected).feed("\x1b[1;1H" + last.render(CONSOLE))
    assert _seen(seen) == _seen(expected)


def test_what_the_terminal_shows_is_not_sent_again() -> None:
    shown, rows = ShownCells(), [(Piece("one"),), (Piece("two", "good"),)]
    assert "one" in ChangedCells(whole(*rows), shown).render_segments(CONSOLE)
    assert ChangedCells(whole(*rows), shown).render_segments(CONSOLE) == ""
    changed = ChangedCells(whole(rows[0], (Piece("twx", "good"),)), shown).render_segments(CONSOLE)
    assert changed.count("\x1b[2;3H") == 1
    assert "one" not in changed
    assert "tw" not in changed
    shown.forget()
    assert "one" in ChangedCells(whole(*rows), shown).render_segments(CONSOLE)


def test_a_wide_character_of_which_one_half_was_drawn_over_is_sent_whole() -> None:
    shown = ShownCells()
    wide, narrow = PALETTE.strip((Piece("中"),), 2), PALETTE.strip((Piece("x"),), 1)
    assert [(x, cells[0][0]) for x, cells in shown.take(0, 0, wide)] == [(0, "中")]
    assert [x for x, _cells in shown.take(0, 1, narrow)] == [1]
    assert [(x, len(cells), cells[0][0]) for x, cells in shown.take(0, 0, wide)] == [(0, 2, "中")]


# Runs of text in few bytes look as they would, each told whole.


COLOURS = st.sampled_from([None, "default", "red", "bright_blue", "#ff9a52", "#15171c", "color(200)"])
STYLES = st.builds(
    Style,
    color=COLOURS,
    bgcolor=COLOURS,
    bold=st.booleans(),
    italic=st.booleans(),
    underline=st.booleans(),
    reverse=st.booleans(),
)
SYSTEMS = st.sampled_from([ColorSystem.STANDARD, ColorSystem.EIGHT_BIT, ColorSystem.TRUECOLOR])


def screen_of(text: str) -> list[object]:
    screen = pyte.Screen(40, 1)
    pyte.Stream(screen).feed(text + ".")
    cells = (screen.buffer[0][x] for x in range(40))
    return [
        cell._replace(fg="") if cell.data == " " and not (cell.reverse or cell.underscore) else cell for cell in cells
    ]


@example([("a", Style(color="red", bgcolor="red")), (" ", None)], ColorSystem.STANDARD)
@given(st.lists(st.tuples(st.text("abc ", min_size=1, max_size=4), st.none() | STYLES), max_size=8), SYSTEMS)
def test_it_looks_the_same(runs: list[tuple[str, Style | None]], system: ColorSystem) -> None:
    pen = Pen(system)
    few = "".join(pen.write(text, style) for text, style in runs) + pen.lift()
    whole = "".join(text if style is None else style.render(text, color_system=system) for text, style in runs)
    assert screen_of(few) == screen_of(whole)
    assert len(few) <= len(whole)


def test_only_the_ink_is_told_where_only_the_ink_changes() -> None:
    pen = Pen(ColorSystem.TRUECOLOR)
    first = pen.write("a", Style(color="#ff0000", bgcolor="#101010"))
    assert first == "\x1b[38;2;255;0;0;48;2;16;16;16ma"
    assert pen.write("b", Style(color="#00ff00", bgcolor="#101010")) == "\x1b[38;2;0;255;0mb"
    assert pen.write("c", Style(color="#00ff00", bgcolor="#101010")) == "c"
    assert pen.write(" ", Style(color="#0000ff", bgcolor="#101010")) == " ", "a blank has no ink"
    assert pen.write(" ", Style(color="#0000ff", bgcolor="#202020")) == "\x1b[48;2;32;32;32m "
    assert pen.lift() == "\x1b[0m"


async def test_the_reader_ends_with_its_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is gone can be read for ever, and has nothing."""
    monkeypatch.setattr(signal, "signal", lambda *_handler: None)  # a driver takes those of the process
    ours, theirs = os.pipe()
    driver = TerminalDriver(App())
    driver.fileno = ours
    os.close(theirs)
    reader = threading.Thread(target=driver.run_input_thread, daemon=True)
    reader.start()
    try:
        await asyncio.to_thread(reader.join, PATIENCE_S)
        assert not reader.is_alive()
    finally:
        driver.exit_event.set()
        os.close(ours)


async def test_what_another_program_read_first_is_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have set O_NONBLOCK: then there is nothing to read, though there was."""
    monkeypatch.setattr(signal, "signal", lambda *_handler: None)
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    driver = TerminalDriver(App())
    driver.fileno = ours
    assert driver._read() == b""
    os.write(theirs, b"q")
    assert driver._read() == b"q"
    os.close(theirs)
    assert driver._read() is None
    os.close(ours)


class Layers(App[None]):
    """Widgets beside each other, over each other, scrolled, and half off the screen."""

    CSS = """
    Screen { layers: below above; overflow: hidden; }
    #left { width: 11; height: 4; border: round red; }
    #box { height: 5; overflow-y: scroll; }
    #over { layer: above; offset: 7 2; width: 9; height: 6; }
    #off { layer: above; offset: 34 2; width: 20; height: 9; }
    """

    def compose(self) -> ComposeResult:
        yield Static("left", id="left")
        with VerticalScroll(id="box"):
            yield Static("\n".join(f"row {number}" for number in range(9)))
        yield Static("over " * 10, id="over")
        yield Static("off " * 30, id="off")


async def test_the_lines_that_are_drawn_are_those_that_textual_draws() -> None:
    chance = random.Random(7)
    async with Layers().run_test(size=(40, 12)) as pilot:
        await pilot.pause()
        theirs, ours = pilot.app.screen._compositor, MovesPainted()
        ours.reflow(pilot.app.screen, Size(40, 12))
        drawn = {widget.id for widget in ours.visible_widgets}
        assert {"left", "over", "off"} <= drawn
        token = visible_screen_stack.set([])
        try:
            for _round in range(60):
                lines = set(chance.sample(range(12), chance.randint(1, 12)))
                crop = Region.from_union([Region(chance.randint(0, 20), y, 5, 1) for y in lines])
                expected, found = (each._render_chops(crop, lines.__contains__) for each in (theirs, ours))
                for y in lines:
                    assert [piece and piece.text for piece in found[y].values()] == [
                        piece and piece.text for piece in expected[y].values()
                    ]
                assert all(piece is None for y in set(range(12)) - lines for piece in found[y].values())
        finally:
            visible_screen_stack.reset(token)


async def test_what_did_not_change_and_what_is_hidden_is_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str | None, Region]] = []
    drawn = Widget.render_lines

    def render_lines(widget: Widget, crop: Region) -> list[Strip]:
        asked.append((widget.id, crop))
        return drawn(widget, crop)

    async with Layers().run_test(size=(40, 12)) as pilot:
        await pilot.pause()
        ours = MovesPainted()
        ours.reflow(pilot.app.screen, Size(40, 12))
        monkeypatch.setattr(Widget, "render_lines", render_lines)
        ours._render_chops(Region(0, 0, 40, 12), {0, 10}.__contains__)
        monkeypatch.undo()
    assert [name for name, _crop in asked if name] == ["off", "left", "_default"], "others are between the two lines"
    assert asked[0] == ("off", Region(0, 2, 6, 1))
    assert asked[1] == ("left", Region(0, 0, 11, 1))


# What the module relies on.


APP = Path(textual_internals.__file__).parent
OVERRIDDEN = {
    "a screen behind a dialog paints its changes alone": (Screen, ("_on_timer_update", "_compositor_refresh")),
    "what has moved is painted": (Compositor, ("full_map",)),
    "only the lines that changed are drawn": (Compositor, ("_render_chops", "_get_renders")),
    "only the cells that changed are sent": (App, ("_display", "push_screen")),
    "a dialog that opens is no resize": (Screen, ("_on_resize",)),
    "an error ends the app in two lines": (App, ("_fatal_error", "panic", "_print_error_renderables")),
    "what an input shows acts on no terminal": (Input, ("_value",)),
    "the reader of the keyboard survives what terminals say": (LinuxDriver, ("_run_input_thread", "run_input_thread")),
    "the mouse is where it is": (XTermParser, ("parse_mouse_code",)),
}
USED = {
    "changes behind a dialog": (Screen, ("_dirty_widgets", "_layout_required", "_scroll_required", "_compositor")),
    "rows of a dialog": (Compositor, ("_dirty_regions",)),
    "a screen below a new one": (Screen, ("_repaint_required", "_repaint_regions")),
    "the first layout of a dialog": (Screen, ("_clear_arrangement_cache", "_refresh_layout")),
    "what has moved": (Compositor, ("_full_map", "_dirty_regions", "visible_widgets")),
    "leaving, and the way an error ends the app": (
        App, ("_exit", "_exception", "_return_code", "_close_messages_no_wait", "_batch_count", "_background_screens"),
    ),
    "the parser's look at a lone ESC": (XTermParser, ("_timeout_time", "mouse_pixels", "terminal_pixel_size")),
    "the driver's way to report a fault": (LinuxDriver, ("_app", "_debug", "exit_event", "fileno")),
    "the driver's way to write": (LinuxDriver, ("_file", "_loop", "_writer_thread", "write", "close")),
}  # fmt: skip


@pytest.mark.parametrize("what", OVERRIDDEN)
def test_what_is_overridden_is_there_to_be_called(what: str) -> None:
    kind, names = OVERRIDDEN[what]
    assert [name for name in names if not hasattr(kind, name)] == [], f"no longer so: {what}"


@pytest.mark.parametrize("what", USED)
def test_what_is_used_is_there(what: str) -> None:
    kind, names = USED[what]
    sources = "".join(inspect.getsource(each) for each in kind.__mro__ if each.__module__.startswith("textual"))
    assert [name for name in names if f".{name}" not in sources and not hasattr(kind, name)] == [], f"broken: {what}"


def test_an_update_says_which_cells_it_is_of() -> None:
    """Else a line is sent from its start (ChangedCells)."""
    assert list(inspect.signature(ChopsUpdate).parameters)[:3] == ["chops", "spans", "chop_ends"]


def test_keys_that_are_bound_are_known() -> None:
    """Else keys are bound anew each time, and those that edit act late (PrivateApp, CleanInput)."""
    bound = BindingsMap([("a,b", "act", "")])
    assert set(bound.key_to_bindings) == {"a", "b"}
    assert [each.action for each in bound.key_to_bindings["a"]] == ["act"]


def test_the_cache_of_styles_is_shared() -> None:
    """Else each widget of a closed dialog is kept (test_memory)."""
    assert StylesCache.get_inner_outer.__func__.cache_info().maxsize == 1024  # type: ignore[attr-defined]


def test_messages_are_not_logged() -> None:
    """Textual's own log makes a logger for each, and asks it for one of that verbosity."""
    log = message_pump.log  # type: ignore[attr-defined]
    assert log.event.verbosity(False) is log
    log.event.verbosity(True)("message", ">>>", None, "method=<App.on_key>")
    assert "log.event.verbosity(" in inspect.getsource(message_pump.MessagePump._on_message), "it is that one"


PRIVATE = ("textual_internals.py", "driver.py", "changed_cells.py")


def test_nothing_private_of_textual_is_used_elsewhere() -> None:
    """Names with an underscore on anything but ``self``, and on ``self`` those that only Textual sets."""
    files = [
        path for path in APP.rglob("*.py") if path.name not in ("textual_internals.py", "driver.py", "changed_cells.py")
    ]
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in files}
    ours = {name for tree in trees.values() for name in _defined(tree)}
    assert [f"{path.relative_to(APP)}:{line}" for path in files for line in _private(trees[path], ours)] == []


NAMED_TUPLE = {"_replace", "_asdict"}
WIDGETS = {
    "App",
    "PrivateApp",
    "Console",
    "Screen",
    "ModalScreen",
    "BackgroundScreen",
    "Dialog",
    "CleanInput",
    "TextField",
}


def _defined(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr
        elif isinstance(node, ast.AnnAssign | ast.Assign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def _private(tree: ast.Module, ours: set[str]) -> Iterator[int]:
    taken = {name for kind in (App, Screen, Input) for name in dir(kind) if name.startswith("_")}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("textual._", "rich._")):
            yield node.lineno
        elif isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            mine = ast.unparse(node.value) in ("self", "cls", "super()") and node.attr in ours
            if not mine and node.attr not in NAMED_TUPLE and ast.unparse(node) != "os._exit":
                yield node.lineno
        elif isinstance(node, ast.ClassDef) and WIDGETS.intersection(
            re.findall(r"\w+", " ".join(map(ast.unparse, node.bases)))
        ):
            functions = (each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
            yield from (each.lineno for each in functions if each.name in taken and not each.name.startswith("__"))
