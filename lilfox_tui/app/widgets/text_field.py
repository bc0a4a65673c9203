"""A line to type in. What stands in it may be from a host (a label to silence, a name that was completed) or pasted."""

from __future__ import annotations

from rich.text import Text
from textual.widgets import Input

from lilfox_tui.text import clean, in_place


class TextField(Input):
    """An Input that draws its value as text that no terminal acts on; ``value`` itself stays as it is."""

    def __init__(
        self, value: str = "", *, id: str, placeholder: str = "", select_on_focus: bool = True  # noqa: A002  # as Input
    ) -> None:  # fmt: skip
        super().__init__(value, id=id, placeholder=clean(placeholder), compact=True, select_on_focus=select_on_focus)

    @property
    def _value(self) -> Text:
        shown = super()._value
        shown.plain = in_place(shown.plain)
        return shown
