"""A screen that may stand behind a dialog: what changes there is painted, and nothing else.

Textual marks such a screen as changed anew whenever it paints a change of it, so that from the first one on the whole
terminal is sent several times a second for as long as the dialog is open: some 50 KB/s at 120x40.
"""

from __future__ import annotations

from typing import TypeVar

from textual.screen import Screen

Result = TypeVar("Result")


class Behind(Screen[Result]):
    """Gives what changed to the screen on top, which paints it."""

    def _on_timer_update(self) -> None:
        """Textual forgets which widgets changed where the screen is to be painted itself, as if that were all of it: of
        one with others behind it only what changed there is, and a dialog's own rows stayed unpainted."""
        laid_out = not (self._layout_required or self._scroll_required)  # else Textual itself asks the widgets first
        if self._repaint_required and laid_out and self.is_current and not self.app._batch_count:
            screen = self._compositor.size.region
            regions = [widget.region.intersection(screen) for widget in self._dirty_widgets if widget is not self]
            self._compositor._dirty_regions.update(filter(None, regions))
        super()._on_timer_update()

    def _compositor_refresh(self) -> None:
        app, changed = self.app, self._compositor._dirty_regions
        if self is app.screen or self not in app._background_screens:
            super()._compositor_refresh()
        elif changed:
            stack = app.screen_stack
            for between in stack[stack.index(self) + 1 : -1]:
                between._set_dirty(*changed)  # what it shows of this one is kept there
            app.screen.refresh(*changed)
            changed.clear()
            self._dirty_widgets.clear()
