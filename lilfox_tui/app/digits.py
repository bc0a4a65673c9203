"""How exactly numbers are written: as they were read, or over a slow link so that fewer cells change."""

from __future__ import annotations

from msgspec import Struct

from lilfox_tui.text import fit, human_bytes, human_count, human_duration, leading_digit

STEP = 5.0
"""Between two percentages that are told apart over a slow link."""
NEAR_FULL = 90.0
"""Above this the last percents matter, and they change slowly."""


class Digits(Struct, frozen=True):
    """Writes numbers; None is unknown. ``few``: percentages by fives, rates by their first digit.

    Colours never follow from these texts: they are judged by the number that was read.
    """

    few: bool = False

    def percent(self, value: float | None) -> str:
        """A percentage in 4 cells: `` 23%``, ``   -`` when unknown."""
        return "   -" if value is None else fit(f"{self.rounded(value):3.0f}%", 4)

    def whole(self, value: float | None) -> str:
        """A percentage without its sign, in 2 cells or 3."""
        return " -" if value is None else f"{self.rounded(value):2.0f}"

    def rounded(self, value: float) -> float:
        """A percentage as it is written; one that is nearly none or nearly all stays as it is."""
        return round(value / STEP) * STEP if self.few and STEP <= value <= NEAR_FULL else value

    def bytes(self, value: float | None) -> str:
        """Bytes a second in at most 5 cells."""
        return human_bytes(value, coarse=self.few)

    def count(self, value: float | None) -> str:
        """Events a second in at most 5 cells."""
        return human_count(value if value is None or not self.few else leading_digit(value))

    def duration(self, seconds: float | None) -> str:
        """A span of time."""
        return human_duration(seconds if seconds is None or not self.few else leading_digit(seconds))

    def load(self, value: float) -> str:
        """A load average."""
        return f"{value:.1f}" if self.few else f"{value:.2f}"


EXACT = Digits()
