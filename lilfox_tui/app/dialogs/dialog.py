"""What every dialog is: a screen over the others that gives one result and is closed once."""

from __future__ import annotations

from collections.abc import Collection
from time import monotonic
from typing import ClassVar, Literal, TypeVar

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.screen import ModalScreen

from lilfox_tui.app.textual_internals import BackgroundScreen

WIDTHS = {"": 76, "wide": 100}
Ahead = Literal["nothing", "text", "all"]
_LEAVES: Collection[str] = ("escape", "ctrl+c", "ctrl+z")
Result = TypeVar("Result")


class Dialog(ModalScreen[Result], BackgroundScreen[Result]):
    """A screen over the others. The keys that leave the console or step aside do so from here too."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(key, f"app.press('{key}')", show=False, priority=True) for key in ("ctrl+c", "ctrl+z")
    ]

    takes_ahead: ClassVar[Ahead] = "nothing"
    """What of the keys that came before it was painted counts: nobody can have meant them for what it asks. ``text``
    is taken into its line, where it is seen before enter sends it; ``all`` is for what only moves about."""
    typed_ahead = ""
    """Text that was typed before the dialog's input was there to take it."""
    _painted_s: float | None = None
    _is_whole = False
    """What it asks is in its parts, and is on the screen after the next painting."""

    def on_mount(self) -> None:
        """Textual calls this one, too, where a dialog has its own."""
        self.asks_anew()

    def asks_anew(self) -> None:
        """From the next painting on it asks something else: keys that come before that are no answer."""
        self._painted_s, self._is_whole = None, False
        self.call_after_refresh(self._whole)  # behind what a dialog itself shows then

    def _whole(self) -> None:
        self._is_whole = True
        self.refresh(Region(0, 0, 1, 1))  # also where nothing else is to be painted

    def _compositor_refresh(self) -> None:
        if self._is_whole and self._painted_s is None and self.is_current:
            self._painted_s = monotonic()
        super()._compositor_refresh()

    @property
    def is_painted(self) -> bool:
        """Whether what it asks is on the screen: keys count from then on."""
        return self._painted_s is not None

    def too_early(self, event: events.Event) -> bool:
        """Whether it is a key, or text that was pasted, from before the dialog was painted, and does not count."""
        if not isinstance(event, events.Key | events.Paste) or self.takes_ahead == "all":
            return False
        if self._painted_s is not None and event.time >= self._painted_s:
            return False
        if self.takes_ahead == "text":
            return isinstance(event, events.Key) and event.key == "enter"
        return not (isinstance(event, events.Key) and event.key in _LEAVES)

    def room(self, shape: str = "") -> int:
        """Cells of a line in a dialog of that shape (``app.tcss``)."""
        return max(1, min(WIDTHS[shape], self.app.size.width) - 2)

    def close(self, result: Result) -> None:
        """Gives ``result`` and goes. Keys typed ahead may ask again, when the dialog is gone already: nothing then."""
        if self.is_current:
            self.dismiss(result)
