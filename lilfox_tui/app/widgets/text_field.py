"""A line to type in. What stands in it may be from a host (a label to silence, a name that was completed) or pasted."""

from __future__ import annotations

from collections.abc import Collection

from rich.text import Text
from textual import events
from textual.widgets import Input

from lilfox_tui.text import clean, in_place

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
