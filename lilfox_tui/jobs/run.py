"""What an effect has in its hands while it runs as a job."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

from lilfox_tui.jobs.model import JobState, Level


class Outcome(Struct, frozen=True):
    """How an effect ended when it was not cancelled; ``failed`` and an exit code of its own for what it raises."""

    state: JobState
    message: str
    hint: str = ""
    exit_code: int = 0
    result: dict[str, Any] = {}


class Run(Protocol):
    """The job as its effect sees it. Cancelling the job cancels the effect's task; the job has ended when the effect's
    own clean-up has."""

    id: str
    folder: Path
    """Its own, where it may keep files; they go with the job."""

    def intent(self, text: str, *, sync: bool = True) -> None:
        """Puts on the disk (fsync) what is about to be changed; without ``sync`` it is there with the next thing that
        is put there. Raises LilFoxError where that cannot be written: the effect must then not be made."""
        ...

    def done(self, text: str, *, worked: bool = True, sync: bool = True) -> None:
        """Tells that what was last intended came true, or that it has ended and did not work (fsync, as above)."""
        ...

    def say(self, text: str, level: Level = "note") -> None:
        """A line for the one who watches."""
        ...

    def moved(self, part: str, done_bytes: int, total_bytes: int | None = None) -> None:
        """How far ``part`` is; call it as often as you like, few of the calls are written."""
        ...

    def fact(self, name: str, value: dict[str, Any], *, sync: bool = False) -> None:
        """A :class:`Fact`, its texts masked as all others; with ``sync`` it is on the disk afterwards. Raises
        LilFoxError where it cannot be written: what depends on it must then not be done."""
        ...


Effect = Callable[[Run, dict[str, Any]], Awaitable[Outcome]]
"""``async def effect(run, wanted) -> Outcome``, named by ``Request.entry``; raises LilFoxError."""
