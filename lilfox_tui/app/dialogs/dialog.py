"""What every dialog is: a screen over the others that gives one result and is closed once."""

from __future__ import annotations

from typing import TypeVar

from textual.screen import ModalScreen

Result = TypeVar("Result")


class Dialog(ModalScreen[Result]):
    """A screen over the others."""

    typed_ahead = ""
    """Text that was typed before the dialog's input was there to take it."""

    def close(self, result: Result) -> None:
        """Gives ``result`` and goes. Keys typed ahead may ask again, when the dialog is gone already: nothing then."""
        if self.is_current:
            self.dismiss(result)
