"""A job's hands without a job: what an effect says is kept for the test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lilfox_tui.jobs.model import Level


class NotedRun:
    """A ``Run`` that remembers."""

    def __init__(self, name: str = "20231230-020000-abcd") -> None:
        self.id = name
        self.folder = Path("/nonexistent")
        self.intents: list[str] = []
        self.said: list[tuple[Level, str]] = []

    def intent(self, text: str, *, sync: bool = True) -> None:
        """See ``Run.intent``."""
        self.intents.append(text)

    def done(self, text: str, *, worked: bool = True, sync: bool = True) -> None:
        """See ``Run.done``."""
        self.said.append(("good", text))

    def say(self, text: str, level: Level = "note") -> None:
        """See ``Run.say``."""
        self.said.append((level, text))

    def moved(self, part: str, done_bytes: int, total_bytes: int | None = None) -> None:
        """See ``Run.moved``."""

    def fact(self, name: str, value: dict[str, Any], *, sync: bool = False) -> None:
        """See ``Run.fact``."""

    def told(self, level: Level) -> list[str]:
        """What was said at that level."""
        return [text for each, text in self.said if each == level]
