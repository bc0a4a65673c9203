"""The process of a job in which something is wrong that nobody expects."""

from __future__ import annotations

from collections.abc import Sequence

from lilfox_tui.jobs import child
from lilfox_tui.runbook.run import runner


def main(argv: Sequence[str]) -> int:
    """As the process of a job has it."""

    def wrong(*_words: object) -> None:
        raise RuntimeError("wrong")

    runner.captured = wrong  # type: ignore[assignment, attr-defined]
    return child.main(argv)
