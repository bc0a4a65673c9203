"""The result as one table: what, ours, the peer's, the ratio, the goal, met or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HEADING = ("what", "ours", "peer", "ratio", "goal", "met")


@dataclass(frozen=True, slots=True)
class Row:
    """One line. ``met`` is None where nothing could be compared; ``failed`` where it could not be measured."""

    what: str
    ours: str = "-"
    peer: str = "-"
    ratio: str = "-"
    goal: str = "-"
    met: bool | None = None
    failed: bool = False

    def cells(self) -> tuple[str, ...]:
        """The texts of the line."""
        verdict = "failed" if self.failed else {True: "yes", False: "NO", None: "-"}[self.met]
        return (self.what, self.ours, self.peer, self.ratio, self.goal, verdict)


def against(what: str, ours: str, peer: str, ratio: float, goal: float) -> Row:
    """A line whose goal is a ratio."""
    return Row(what, ours, peer, f"{ratio:.2f}", f"≤ {goal:g}", ratio <= goal)


def within(what: str, value: float, goal: float, unit: str) -> Row:
    """A line whose goal is a value in ``unit``; ``value`` is shown with what its size deserves."""
    return Row(what, f"{value:.3g} {unit}", goal=f"≤ {goal:g} {unit}", met=value <= goal)


def lines(rows: Sequence[Row]) -> list[str]:
    """The table, aligned."""
    cells = [HEADING, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADING))]
    texts = ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    return [texts[0], "  ".join("-" * width for width in widths), *texts[1:]]
