"""Pages of metrics that were saved, as series at one instant."""

from __future__ import annotations

from pathlib import Path

from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import tr
from lilfox_tui.scrape.exposition import BadPage, Exposition
from lilfox_tui.scrape.labels import LabelSet, Matcher
from lilfox_tui.scrape.series import SelectedSeries
from lilfox_tui.scrape.store import SeriesStore

_OF_A_TARGET = ("job", "instance")
_END_OF_OPENMETRICS = b"# EOF"


class SavedPages:
    """A source of the series of pages. The labels that a scrape adds are not on them, so they fit everything."""

    AT_MS = 0

    def __init__(self) -> None:
        self.types: dict[str, str] = {}
        self._store = SeriesStore(keep_s=1, limit_bytes=1 << 30)

    def add(self, path: Path, body: bytes) -> None:
        """Takes the series of one page. Raises LilFoxError where it is none."""
        page_reader = Exposition(LabelSet.of, honor_timestamps=False)
        try:
            page = page_reader.read(body, openmetrics=body.rstrip().endswith(_END_OF_OPENMETRICS))
        except BadPage as error:
            raise LilFoxError(tr("{path}: {reason}", path=path, reason=error.message), error.hint) from None
        self._store.target(str(path)).append(self.AT_MS, page.labels, page.values)
        self.types |= {name: family.type for name, family in page_reader.families.items()}

    def select(self, matchers: tuple[Matcher, ...], start_ms: int, end_ms: int) -> list[SelectedSeries]:
        """As a SeriesSource gives them."""
        on_the_page = tuple(matcher for matcher in matchers if matcher.name not in _OF_A_TARGET)
        return self._store.select(on_the_page, start_ms, end_ms)
