"""Series of two sources as one: what was scraped, and what rules made of it."""

from __future__ import annotations

from lilfox_tui.scrape.matcher import Matcher
from lilfox_tui.scrape.series import Selected, SeriesSource


class Both(SeriesSource):
    """All series of both."""

    def __init__(self, one: SeriesSource, other: SeriesSource) -> None:
        self._one, self._other = one, other

    def select(self, matchers: tuple[Matcher, ...], start_ms: int, end_ms: int) -> list[Selected]:
        """As :meth:`SeriesSource.select`."""
        return [*self._one.select(matchers, start_ms, end_ms), *self._other.select(matchers, start_ms, end_ms)]
