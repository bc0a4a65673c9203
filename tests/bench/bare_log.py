"""Textual's own Log with the last lines of a file: what a page key costs without us."""

from __future__ import annotations

import sys
from pathlib import Path

from textual.app import App, ComposeResult
from textual.widgets import Log

LINES = 20_000
_TAIL_BYTES = 8_000_000


class BareLog(App[None]):
    """The lines, at their end."""

    def compose(self) -> ComposeResult:
        yield Log()

    def on_mount(self) -> None:
        with Path(sys.argv[1]).open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - _TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()[-LINES:]
        log = self.query_one(Log)
        log.write_lines(lines)
        log.focus()


if __name__ == "__main__":
    BareLog().run()
