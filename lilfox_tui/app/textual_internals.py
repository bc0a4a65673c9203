"""The parts of the console that rely on Textual's private API; pyproject.toml limits Textual's version because of them.

A screen behind a dialog paints its changes alone, an update of a line sends only the cells that differ, an error ends
the app without Textual's traceback, and an input shows no control characters. The driver is in ``driver``.
``tests/unit/app/test_textual_internals.py`` says what breaks at an upgrade.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from functools import lru_cache, partial
from time import monotonic
from typing import Any, ClassVar, TypeVar, cast
from weakref import WeakSet

from rich.console import RenderableType
from rich.text import Text
from textual import events, message_pump
from textual._compositor import ChopsUpdate, Compositor, CompositorMap, LayoutUpdate
from textual._context import visible_screen_stack
from textual._styles_cache import StylesCache
from textual.app import App
from textual.geometry import Region, Size, Spacing
from textual.message import Message
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Input
from textual.worker import WorkerFailed

from lilfox_tui.app.driver import TerminalDriver
from lilfox_tui.app.rendering.changed_cells import ChangedCells, ShownCells
from lilfox_tui.app.rendering.draw import Palette, joined, side_by_side
from lilfox_tui.core.crash import last_words
from lilfox_tui.core.text import in_place

# A screen that may stand behind a dialog: what changes there is painted, and nothing else.
#
# Textual marks such a screen as changed anew whenever it paints a change of it, so that from the first one on the whole
# terminal is sent several times a second for as long as the dialog is open: some 50 KB/s at 120x40.


Result = TypeVar("Result")


_BESIDE = Spacing(0, 1, 0, 1)


class MovesPainted(Compositor):
    """Textual's compositor, which forgets what has moved where it lays out because it is asked for a widget's place."""

    @property
    def full_map(self) -> CompositorMap:
        """The place of each widget. What has another one than before is painted with the next update."""
        before = self._full_map
        now = super().full_map
        if now is not before:
            moved = (place.clip.intersection(place.region) for _widget, place in now.items() ^ before.items())
            self._dirty_regions.update(filter(None, moved))
        return now

    def _render_chops(self, crop: Region, is_rendered_line: Callable[[int], bool]) -> Sequence[Mapping[int, Strip]]:
        self._wanted = [y for y in crop.line_range if is_rendered_line(y)]
        return super()._render_chops(crop, is_rendered_line)

    def _get_renders(self, crop: Region | None = None) -> Iterator[tuple[Region, Region, list[Strip]]]:
        """The widgets from front to back, each with the lines that are wanted of it. Textual's own draws every widget
        between the first and the last changed line, also where nothing has changed and what others hide."""
        hidden: dict[int, list[tuple[int, int]]] = {y: [] for y in self._wanted}
        for widget, (region, clip) in self.visible_widgets.items():
            shown = region.intersection(clip)
            left, right = shown.column_span
            wanted = [
                y for y in self._wanted
                if shown.y <= y < shown.bottom and not any(a <= left and right <= b for a, b in hidden[y])
            ]  # fmt: skip
            if not wanted or left == right or (crop and not crop.overlaps(clip)):
                continue
            for y in wanted:
                hidden[y].append((left, right))
            shown = Region(left, wanted[0], right - left, wanted[-1] - wanted[0] + 1)
            yield region, shown, widget.render_lines(shown.translate(-region.offset))


class BackgroundScreen(Screen[Result]):
    """A screen that passes its changes to the screen on top of it, which paints them."""

    typed_ahead = ""
    """Text that was typed before the screen's input was there to take it."""

    is_whole = True
    """Whether everything that it shows is in its parts; only then it is painted, at once."""
    painted_s: float | None = None
    """When it was painted first (monotonic clock); None before that."""
    is_opening = False
    """Whether it is about to be shown over a screen whose cells stand on the terminal: its own are painted alone."""

    def __init__(self, name: str | None = None, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(name, id, classes)
        self._compositor = MovesPainted()
        self._changed_behind: set[Region] = set()
        """What has changed in the screens below since it began to open."""
        self._painted: set[Region] = set()
        """What is being painted; nothing while all is asked for."""

    async def _on_idle(self, event: events.Idle) -> None:
        """Lays a screen out that is not whole without waiting for the next of Textual's 60 updates a second."""
        event.prevent_default()
        if self.is_whole:
            await super()._on_idle(event)
        else:
            self._on_timer_update()

    def too_early(self, _event: events.Event) -> bool:
        """Whether a key or pasted text came before the screen was painted and must be ignored."""
        return False

    async def _on_resize(self, event: events.Resize) -> None:
        """Textual takes the first size of a dialog for a new one of the terminal: it lays out every screen behind the
        dialog, and each cell would be sent anew."""
        if event not in PrivateApp.terminal_resizes:
            event.prevent_default()
            event.stop()
        self.is_opening = self.is_opening and event not in PrivateApp.terminal_resizes

    def _screen_resized(self, size: Size) -> None:
        """Sends every cell again. What was painted since the terminal was resized was painted for its old size; and a
        terminal that was small for a moment has lost cells, though the layout is what it was."""
        kept = size == self._compositor.size
        PrivateApp.shown_cells.forget()
        super()._screen_resized(size)
        if kept:
            self.refresh()

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        """Textual styles a screen that is new, whose parts it has just styled, once more, and paints it once more. One
        from which a dialog has gone gets its footer back."""
        if not self._size or self.is_opening:
            event.refresh_styles = False
            self.call_next(setattr, self, "_repaint_required", False)
        else:
            cast("PrivateApp", self.app).repaint_frame()

    def _on_timer_update(self) -> None:
        """Works around a bug in Textual: when it repaints the whole screen, it forgets which widgets have changed. With
        screens behind a dialog it paints only their changes, so the dialog's own rows would stay unpainted."""
        laid_out = not (self._layout_required or self._scroll_required)  # else Textual itself asks the widgets first
        if self._repaint_required and laid_out and self.is_current and not self.app._batch_count:
            screen = self._compositor.size.region
            regions = [widget.region.intersection(screen) for widget in self._dirty_widgets if widget is not self]
            self._compositor._dirty_regions.update(filter(None, regions))
        super()._on_timer_update()

    def render_lines(self, crop: Region) -> list[Strip]:
        """Shows the screen below as it is. Textual would give each piece of it a style anew, for a tint that is not
        there: half of what it takes to open a dialog."""
        below = visible_screen_stack.get([])
        if not below or below[-1] is self:
            return super().render_lines(crop)
        rows = crop.line_range
        dialogs = [each.region.grow(_BESIDE) for each in self.children]
        if self._painted and all(any(each.contains_region(part) for each in dialogs) for part in self._painted):
            return [_blanks(self, crop.width)] * len(rows)  # nothing of the screen below is seen there
        chops = below.pop()._compositor._render_chops(crop, rows.__contains__)
        there = [
            _beside_dialog(self, joined(chops[y].values()), y).crop_extend(crop.x, crop.right, None)
            for y in rows
            if y < len(chops)
        ]
        # It may still have the size before this one.
        return there + [joined([], crop.width)] * (len(rows) - len(there))

    def _compositor_refresh(self) -> None:
        if not self.is_whole:
            return  # what can be read can also be answered, so nothing is painted before that
        app, changed = self.app, self._compositor._dirty_regions
        if self is app.screen or self not in app._background_screens:
            if len(app.screen_stack) > 1:  # with the blanks beside it
                screen = self._compositor.size.region
                self._compositor._dirty_regions = {each.grow(_BESIDE).intersection(screen) for each in changed}
            self._painted = self._compositor._dirty_regions.copy()
            super()._compositor_refresh()
            self._painted = set()
        elif changed:
            stack = app.screen_stack
            for between in stack[stack.index(self) + 1 : -1]:
                between._set_dirty(*changed)  # what it shows of this one is kept there
            if isinstance(app.screen, BackgroundScreen) and app.screen.is_opening:
                app.screen._changed_behind |= changed
            app.screen.refresh(*changed)
            changed.clear()
            self._dirty_widgets.clear()


def _beside_dialog(screen: Screen[Result], line: Strip, y: int) -> Strip:
    """A line of the screen below with a blank on either side of the dialog: no word of it seems to go on there."""
    for dialog in screen.children:
        left, top, right, bottom = dialog.region.corners
        if top <= y < bottom:
            sides = (line.crop(0, left - 1),) if left else ()
            width = min(right + 1, line.cell_length) - max(0, left - 1)
            line = side_by_side(*sides, _blanks(screen, width), line.crop(right + 1))
    return line


def _blanks(screen: Screen[Result], count: int) -> Strip:
    return cast("PrivateApp", screen.app).palette.strip((), count, "bar")


def paint_whole(screen: BackgroundScreen[Result]) -> None:
    """Paint everything, also what was held back while the screen was not whole. Of one that opens, the cells beside it
    stand there already, but for what has changed behind it."""
    screen.is_whole = True
    opens, screen.is_opening = screen.is_opening, False
    changed, screen._changed_behind = screen._changed_behind, set()
    if not opens or PrivateApp.shown_cells.is_empty:
        screen.refresh()
        screen._on_timer_update()
        return
    if screen._layout_required:
        screen._refresh_layout()
    screen._layout_required = screen._scroll_required = screen._repaint_required = False
    screen._dirty_widgets.clear()
    own = {each.region.intersection(screen._compositor.size.region) for each in screen.children}
    for regions in (set(filter(None, own)), *({each} for each in changed)):  # together, all between them is drawn too
        screen._compositor._dirty_regions = regions
        screen._compositor_refresh()


def lay_out_now(screen: Screen[Result]) -> None:
    """Give each widget of ``screen`` its place, without waiting until Textual has passed on who asks for that."""
    for widget in screen.walk_children(Widget):
        if widget._layout_required:
            widget._layout_required = False
            for ancestor in widget.ancestors:
                if isinstance(ancestor, Widget):
                    ancestor._clear_arrangement_cache()
    screen._layout_required = False
    screen._refresh_layout(screen.app.size)


def paint_now(screen: Screen[object], widgets: Iterable[Widget]) -> None:
    """Send what was drawn in ``widgets`` to the terminal, without waiting for the next of Textual's 60 updates per
    second; and what others have drawn, which Textual would forget."""
    changed = {*widgets, *screen._dirty_widgets}
    screen._compositor.update_widgets(changed & screen._compositor.visible_widgets.keys())
    screen._compositor_refresh()


class _Unlogged:
    """A log that nobody reads: no development console of Textual is attached. Textual's own makes two loggers for each
    message, a twentieth of what the console at rest costs."""

    @property
    def event(self) -> _Unlogged:
        """Textual's log of events."""
        return self

    def verbosity(self, _verbose: bool) -> _Unlogged:
        """The same log, whatever the verbosity."""
        return self

    def __call__(self, *_said: object) -> None:
        """Logs nothing."""


message_pump.log = _Unlogged()  # type: ignore[assignment, attr-defined]

StylesCache.get_inner_outer = classmethod(lru_cache(1024)(StylesCache.get_inner_outer.__wrapped__))  # type: ignore
"""Textual means this: its own (8.2) is of each widget, and so keeps what the last 1,024 of closed dialogs painted."""


# The app: what it sends, what it is bound to, and how it ends on an error.


class PrivateApp(App[None], inherit_bindings=False):
    """Textual's app, with two changes: it sends only the cells that changed, and after an error it prints its own short
    message, because Textual's traceback shows the values of variables, including secrets."""

    ALLOW_SELECT = False
    """Lines select text themselves, within a panel; Textual would draw the whole screen again for each cell."""
    palette: Palette
    repaint_frame: Callable[[], None]
    """Draws the header, the tabs and the footer."""
    last_words = ""
    """What is written of the first error once the terminal is as it was."""
    shown_cells = ShownCells()
    """What the terminal shows; there is one."""
    terminal_resizes: ClassVar = WeakSet[events.Resize]()
    """The events that tell a size of the terminal, not of a screen that was laid out."""

    @property
    def leaving(self) -> bool:
        """Whether the app is about to end. Parts of the screen may be gone, so dialogs must not be opened."""
        return self._exit

    @property
    def bound_keys(self) -> Set[str]:
        """The keys that have been bound. Textual never forgets a binding, and searches them all."""
        return self._bindings.key_to_bindings.keys()

    async def _on_resize(self, event: events.Resize) -> None:
        self.terminal_resizes.add(event)

    def push_screen(self, *given: Any, **options: Any) -> Any:
        """Shows a screen. Textual marks all of the one below as changed, which is sent again because of that."""
        below = self.screen_stack[-1]
        kept = below._repaint_required, below._repaint_regions.copy()
        pushed = super().push_screen(*given, **options)
        below._repaint_required, below._repaint_regions = kept
        return pushed

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        """Sends an update to the terminal: only the cells that it does not show yet. To one that takes nothing, no
        frame is sent; everything is painted when it takes something again."""
        if isinstance(self._driver, TerminalDriver) and self._driver.is_behind():
            self._driver.caught_up = partial(_paint_all, self)
            return
        if isinstance(screen, BackgroundScreen):
            screen.painted_s = screen.painted_s or monotonic()
        if isinstance(renderable, ChopsUpdate | LayoutUpdate):
            renderable = cast("RenderableType", ChangedCells(renderable, self.shown_cells))
        super()._display(screen, renderable)

    def _fatal_error(self) -> None:
        """Ends the app after an error: prints two lines on the screen, and logs the traceback without local
        variables."""
        self._return_code = 1
        if not self.last_words:  # what follows from the first error tells nothing more
            self.last_words = last_words(_root(self._exception))
        self._close_messages_no_wait()

    def panic(self, *_renderables: object) -> None:
        """Called by Textual on other errors; ends the app like an error without printing Textual's traceback."""
        self._fatal_error()

    def _print_error_renderables(self) -> None:
        """Prints the final messages verbatim: Textual would parse markup in them."""
        if self.last_words and sys.__stderr__ is not None:
            sys.__stderr__.write(self.last_words)


def without_toasts(app: App[None]) -> None:
    """Leaves Textual's own widgets for toasts and tooltips off all screens: each would style them, and paint itself
    twice to hide them."""
    app._disable_notifications = app._disable_tooltips = True


def _paint_all(app: App[None]) -> None:
    for screen in app.screen_stack[-1:]:
        screen.refresh()


def _root(error: BaseException | None) -> BaseException:
    """The original error: unwrapped if Textual has wrapped it, a new one if Textual reports none."""
    if isinstance(error, WorkerFailed):
        return error.error
    return error or RuntimeError("Textual ended without telling why")


# Inputs.


class CleanInput(Input):
    """An Input that draws its value without control sequences that a terminal would interpret; ``value`` itself is
    unchanged."""

    @property
    def _value(self) -> Text:
        shown = super()._value
        shown.plain = in_place(shown.plain)
        return shown

    def actions_of(self, key: str) -> list[str]:
        """The actions that ``key`` is bound to in this widget, in Textual's order."""
        return [binding.action for binding in self._bindings.key_to_bindings.get(key, ())]

    def hand_on_keys(self) -> None:
        """Sends the keys that wait to be handled here to the screen: they were typed before the input was left."""
        queue: asyncio.Queue[Message | None] = self._message_queue
        waiting = [queue.get_nowait() for _each in range(queue.qsize())]
        if self._pending_message is not None:
            waiting.insert(0, self._pending_message)
            self._pending_message = None
        for message in waiting:
            if isinstance(message, events.Key):
                self.screen.post_message(message)
            else:
                queue.put_nowait(message)
