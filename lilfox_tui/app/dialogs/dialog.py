"""What every dialog is: a screen over the others that gives one result and is closed once."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from lilfox_tui.app.behind import Behind

WIDTHS = {"": 76, "wide": 100}
Result = TypeVar("Result")


class Dialog(ModalScreen[Result], Behind[Result]):
    """A screen over the others. The keys that leave the console or step aside do so from here too."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(key, f"app.press('{key}')", show=False, priority=True) for key in ("ctrl+c", "ctrl+z")
    ]

    typed_ahead = ""
    """Text that was typed before the dialog's input was there to take it."""

    def room(self, shape: str = "") -> int:
        """Cells of a line in a dialog of that shape (``app.tcss``)."""
        return max(1, min(WIDTHS[shape], self.app.size.width) - 2)

    def close(self, result: Result) -> None:
        """Gives ``result`` and goes. Keys typed ahead may ask again, when the dialog is gone already: nothing then."""
        if self.is_current:
            self.dismiss(result)
