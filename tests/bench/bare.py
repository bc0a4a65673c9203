"""The least that a Textual app can be: one label. What it costs is the price of the toolkit."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.widgets import Static

TEXT = "bare textual app"


class Bare(App[None]):
    """One label on the screen."""

    def compose(self) -> ComposeResult:
        yield Static(TEXT)


if __name__ == "__main__":
    Bare().run()
