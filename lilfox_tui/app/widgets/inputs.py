"""Inputs: a line of text, and the line that takes the footer's place."""

from __future__ import annotations

from collections.abc import Callable, Collection

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Input

from lilfox_tui.app.rendering.draw import Piece
from lilfox_tui.app.widgets.lines import Lines
from lilfox_tui.text import cell_width, clean, fit, in_place

_EDITS = ("delete_", "cursor_", "home", "end")
"""How the actions begin that change the text, or where the next character goes."""


class TextField(Input):
    """An Input that draws its value as text that no terminal acts on; ``value`` itself stays as it is. ``leaves`` are
    keys that do not edit: they are the dialog's."""

    def __init__(
        self, value: str = "", *, id: str, placeholder: str = "", select_on_focus: bool = True,  # noqa: A002  # as Input
        leaves: Collection[str] = (),
    ) -> None:  # fmt: skip
        super().__init__(value, id=id, placeholder=clean(placeholder), compact=True, select_on_focus=select_on_focus)
        self._leaves = leaves

    @property
    def _value(self) -> Text:
        shown = super()._value
        shown.plain = in_place(shown.plain)
        return shown

    async def on_key(self, event: events.Key) -> None:
        """A key that edits acts in its turn. Textual looks for its binding once the key has bubbled to the app: behind
        the characters that came with it in one burst, as a slow link gathers them."""
        for binding in self._bindings.key_to_bindings.get(event.key, ()):
            if binding.action.startswith(_EDITS) and event.key not in self._leaves:
                event.stop()
                event.prevent_default()
                await self.run_action(binding.action)
                return


class CommandLine(Horizontal):
    """Hidden until something is asked; ``on_close`` is called when it is left."""

    def __init__(self, on_close: Callable[[], None]) -> None:
        super().__init__(id="line-row")
        self.display = False
        self._on_close = on_close
        self._take: Callable[[str], None] | None = None
        self._is_live = True

    def compose(self) -> ComposeResult:
        yield Lines(ground="bar", id="line-label")
        yield TextField(id="line", select_on_focus=False)

    def ask(self, prompt: str, text: str, take: Callable[[str], None], *, live: bool = True) -> None:
        """Asks for a line. ``take`` gets it as it is typed, and ``""`` when it is left; unless ``live`` only the line
        that was entered."""
        line, label = self.query_one("#line", Input), self.query_one("#line-label", Lines)
        line.value, line.placeholder = text, prompt
        self._take, self._is_live = take, live
        self.display = True
        named = fit(prompt, min(cell_width(prompt), self.app.size.width // 2)) if text else ""  # else it is in the line
        label.display, label.styles.width = bool(named), cell_width(named) + 1
        label.show([(Piece(" " + named, "muted"),)])
        self.screen.set_focus(line)  # now: keys typed ahead are text, not actions

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if self._take is not None and self._is_live:
            self._take(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        take = self._take
        self._close()
        if take is not None:
            take(event.value)  # typed fast, the last changes are still on their way

    def leave(self, event: events.Key) -> bool:
        """Whether ``event`` leaves the line: escape, while it is asked and nothing is above it."""
        if event.key != "escape" or not self.display or len(self.app.screen_stack) > 1:
            return False
        if self._take is not None and self._is_live:
            self._take("")
        self._close()
        return True

    def _close(self) -> None:
        self._take = None
        self.display = False
        self._on_close()
        self.screen.set_focus(None)
