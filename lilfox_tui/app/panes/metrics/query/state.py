"""What the query box shows of a result, and where its keys go. Plain state."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Literal

from lilfox_tui.app.panes.metrics.query.result import (
    ORDERS,
    Order,
    QueryAnswer,
    ResultSeries,
    as_text,
    count_series,
    series_of,
)
from lilfox_tui.app.rendering.chart import first_known

WINDOWS: Final = tuple(timedelta(minutes=minutes) for minutes in (5, 15, 60, 360, 1440))
"""The time ranges of the chart."""


class QueryState:
    """The state of the query box. ``at`` is the time that is looked at (aware UTC), None for now; ``window`` the first
    time range."""

    def __init__(self, at: datetime | None, window: timedelta) -> None:
        self.at = at
        self.window = window
        self.focus: Literal["query", "result"] = "query"
        self.answer: QueryAnswer | None = None
        self.series: Sequence[ResultSeries] = ()
        self.count = 0
        """The number of series, also of those that are not shown."""
        self.order: Order = "highest"
        self.first = 0
        """The column from which the chart begins."""
        self.chosen = 0
        self.top = 0
        self.cursor: int | None = None
        self.asking = ""
        """The query that is being evaluated."""

    def take(self, answer: QueryAnswer) -> None:
        """Shows an answer. Of the same query the selected series stays selected."""
        before = self.answer
        selected = self.series[self.chosen].labels if self.series and before and before.text == answer.text else None
        self.answer, self.asking, self.cursor = answer, "", None
        self._arrange()
        self.chosen = next((place for place, each in enumerate(self.series) if each.labels == selected), 0)
        self.top = 0 if selected is None else self.top
        if not self.series:
            self.focus = "query"

    def _arrange(self) -> None:
        self.series = series_of(self.answer, self.order)
        self.count = count_series(self.answer)
        self.first = first_known([each.values for each in self.series])

    def leave_result(self) -> None:
        """Takes the time cursor away; without one, the keys go to the query again."""
        if self.cursor is None:
            self.focus = "query"
        self.cursor = None

    def next_order(self) -> None:
        """Sorts the series differently; the selected place stays."""
        self.order = ORDERS[(ORDERS.index(self.order) + 1) % len(ORDERS)]
        self._arrange()

    def next_window(self) -> None:
        """Switches to the next longer time range, after the longest to the shortest."""
        self.window = next((each for each in WINDOWS if each > self.window), WINDOWS[0])

    def move(self, step: int) -> None:
        """Selects the series ``step`` rows further down; above the first one the keys go to the query again."""
        if step < 0 and self.chosen == 0:
            self.focus = "query"
        self.chosen = max(0, min(len(self.series) - 1, self.chosen + step))

    def choose(self, place: int) -> None:
        """Selects a series, and gives the keys to the result."""
        if self.series:
            self.focus = "result"
            self.chosen = max(0, min(len(self.series) - 1, place))

    def move_cursor(self, step: int, plot: int) -> None:
        """Moves the time cursor by ``step`` cells of a chart that is ``plot`` cells wide, at first from the present."""
        if self.answer is None or not self.series or not plot:
            return
        end = self.answer.columns
        known = (
            place for place in range(end - 1, -1, -1) if any(each.values[place] is not None for each in self.series)
        )
        last = next(known, end - 1)  # a rate is not known up to the present
        at = last if self.cursor is None else self.cursor
        columns = max(1, round((end - self.first) / plot))
        self.cursor = max(self.first, min(last, at + step * columns))

    def copied(self) -> str:
        """The series with their values, as text."""
        return as_text(self.series, self.cursor)
