"""A page in Prometheus' text formats as samples, for backends that tell of themselves there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lilfox_tui.backends.backend import BackendError
from lilfox_tui.backends.http_look import HttpBody
from lilfox_tui.i18n import tr
from lilfox_tui.metrics.model import Sample

if TYPE_CHECKING:
    from lilfox_tui.scrape.exposition import Exposition

_MOST_SAMPLES = 50_000


class MetricsPage:
    """Reads the pages of one server. Only metrics whose name ``wanted`` takes are kept."""

    def __init__(self, where: str, wanted: Callable[[str], bool]) -> None:
        self._where, self._wanted = where, wanted
        self._reader: Exposition | None = None

    def samples(self, body: HttpBody) -> list[Sample]:
        """The samples of a page. Raises BackendError."""
        from lilfox_tui.scrape.exposition import Exposition  # numpy comes with it
        from lilfox_tui.scrape.labels import NAME, LabelSet
        from lilfox_tui.scrape.page_lines import BadPage

        if self._reader is None:
            self._reader = Exposition(
                lambda labels: LabelSet.of(labels) if self._wanted(labels[NAME]) else None, limit=_MOST_SAMPLES
            )
        kind = body.content_type.partition(";")[0].strip().lower()
        if "html" in kind:
            raise BackendError(
                tr("{where} sends a page for people (HTML), no metrics", where=self._where),
                tr("Is the path right, or does it ask for a login?"),
            )
        try:
            page = self._reader.read(body.content, openmetrics=kind == "application/openmetrics-text")
        except BadPage as error:
            self._reader.forget()
            raise BackendError(tr("{where}: {reason}", where=self._where, reason=error.message), error.hint) from None
        made = []
        for labels, value in zip(page.labels.sets, page.values.tolist(), strict=True):
            pairs = tuple(pair for pair in labels.pairs if pair[0] != NAME)
            made.append(Sample(labels.get(NAME), value, pairs))
        return made
