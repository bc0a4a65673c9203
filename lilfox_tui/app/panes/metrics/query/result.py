"""The result of a PromQL query: its series with their values, their order, why there are none, and what of it is looked
at. Plain state."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

import numpy as np
from msgspec import Struct

from lilfox_tui.app.panes.metrics.query.names import FilledRange
from lilfox_tui.app.rendering.chart import SERIES_COLOURS, Values, first_known
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message
from lilfox_tui.core.units import number_text
from lilfox_tui.promql.value import Line, Matrix, Value, Vector
from lilfox_tui.scrape.labels import NAME, LabelSet

Order: TypeAlias = Literal["highest", "lowest", "labels"]
MOST_SERIES: Final = 500
"""Series that are shown and copied; of more only the number is told."""
_WHOLE_BELOW: Final = 1e15
ORDERS: Final[tuple[Order, ...]] = ("highest", "lowest", "labels")
WINDOWS: Final = tuple(timedelta(minutes=minutes) for minutes in (5, 15, 60, 360, 1440))
"""The time ranges of the chart."""


class QueryAnswer(Struct, frozen=True):
    """The result of a query ``text`` at ``at`` (aware UTC; of rates that is their newest sample): the ``value``, and
    ``lines`` over the preceding window in steps of ``step_s``; or an ``error``. ``notes`` are the warnings of the
    server; ``reasons`` say why there is no series."""

    text: str
    at: datetime
    window: timedelta
    step_s: float
    value: Value | None = None
    lines: Sequence[Line] = ()
    error: LilFoxError | None = None
    notes: Sequence[str] = ()
    reasons: Sequence[Message] = ()
    filled: FilledRange | None = None
    """When its ranges are full, if some of the values are of ranges that are not."""

    @property
    def columns(self) -> int:
        """The number of steps in the window; the last one is the present."""
        return round(self.window.total_seconds() / self.step_s)

    def time_of(self, column: int) -> datetime:
        """The time of a column."""
        return self.at - timedelta(seconds=(self.columns - 1 - column) * self.step_s)

    def whole(self, values: Values) -> Values:
        """The values of a series by column without those of ranges that are not full, if others are left."""
        if self.filled is None:
            return values
        first = math.ceil(self.columns - 1 - (self.at - self.filled.at).total_seconds() / self.step_s)
        left = values[max(0, first) :]
        return [*[None] * (len(values) - len(left)), *left] if any(each is not None for each in left) else values


class ResultSeries(Struct, frozen=True):
    """A series of a result: its current value, None if it has none now, and its values by column."""

    labels: LabelSet
    value: float | None
    values: Values

    def at(self, column: int | None) -> float | None:
        """The value in a column, or the current one."""
        return self.value if column is None else self.values[column]


def series_of(answer: QueryAnswer | None, order: Order = "labels") -> list[ResultSeries]:
    """The first MOST_SERIES series of an answer in that order; those without a current value come last, and of values
    that are equal the one with the first labels."""
    if answer is None:
        return []
    past, now = _lines_and_values(answer)
    values: dict[LabelSet, float | None] = {**dict.fromkeys(past), **now}
    first = sorted(values, key=lambda labels: (*_rank(values[labels], order), labels.pairs))[:MOST_SERIES]
    unknown: Values = [None] * answer.columns
    return [
        ResultSeries(labels, values[labels], _in_columns(past[labels], answer) if labels in past else unknown)
        for labels in first
    ]


def count_series(answer: QueryAnswer | None) -> int:
    """The number of series in an answer."""
    if answer is None:
        return 0
    past, now = _lines_and_values(answer)
    return len(past.keys() | now.keys())


def _lines_and_values(answer: QueryAnswer) -> tuple[dict[LabelSet, Line], dict[LabelSet, float]]:
    past = {line.labels: line for line in answer.lines}
    match answer.value:
        case Vector():
            return past, dict(zip(answer.value.labels, answer.value.values.tolist(), strict=True))
        case Matrix():
            lines = answer.value.lines
            now = {line.labels: float(line.values[-1]) for line in lines if len(line.values)}
            return {line.labels: line for line in lines}, now
        case float():
            return past, {LabelSet(()): answer.value}
    return past, {}


def _rank(value: float | None, order: Order) -> tuple[int, float]:
    if value is None or math.isnan(value):
        return (2 if value is None else 1), 0.0
    return 0, 0.0 if order == "labels" else value if order == "lowest" else -value


def _in_columns(line: Line, answer: QueryAnswer) -> Values:
    """The values of a line by column; None where there is no finite one."""
    columns, end_ms = answer.columns, answer.at.timestamp() * 1000
    places = columns - 1 - np.rint((end_ms - line.times) / (answer.step_s * 1000)).astype(np.int64)
    fits = (places >= 0) & (places < columns) & np.isfinite(line.values)
    values = np.full(columns, np.nan)
    values[places[fits]] = line.values[fits]
    return [None if math.isnan(value) else value for value in values.tolist()]


def split_labels(series: Sequence[ResultSeries]) -> tuple[LabelSet, list[str]]:
    """The labels that all series have in common (of a single series none), and the names of the others: the metric
    first, then as they are sorted."""
    if not series:
        return LabelSet(()), []
    common = dict(series[0].labels.pairs) if len(series) > 1 else {}
    names: dict[str, None] = {}
    for each in series:
        own = dict(each.labels.pairs)
        common = {name: value for name, value in common.items() if own.get(name) == value}
        names.update(dict.fromkeys(own))
    others = [name for name in names if name not in common]
    return LabelSet.of(common), sorted(others, key=lambda name: (name != NAME, name))


def telling_first(names: Sequence[str], series: Sequence[ResultSeries]) -> list[str]:
    """The names of labels, those with the most different values among the series first."""
    return sorted(names, key=lambda name: -len({each.labels.get(name) for each in series}))


def as_text(series: Sequence[ResultSeries], column: int | None) -> str:
    """The series and their values as lines of text in Prometheus notation."""
    return "\n".join(f"{each.labels} {_exact(each.at(column))}" for each in series)


def _exact(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return number_text(value)
    return f"{value:.0f}" if value == round(value) and abs(value) < _WHOLE_BELOW else repr(value)


# Which series are in the chart, and the colours that they keep.


def charted(count: int, chosen: int) -> list[int]:
    """The places of the series in the chart: the first ones, and in place of the last of them the selected one if it
    comes later."""
    places = list(range(min(count, SERIES_COLOURS)))
    if count > SERIES_COLOURS and chosen >= SERIES_COLOURS:
        places[-1] = chosen
    return places


def keep_colours(before: Mapping[int, LabelSet], shown: Sequence[LabelSet]) -> dict[int, LabelSet]:
    """The colours (their places) with the series that has each: those of ``shown`` that had one keep it, the others
    get one that nobody had, else one of a series that is not shown; who has left keeps its own until then."""
    had, wanted = set(before.values()), set(shown)
    free = [place for place in range(SERIES_COLOURS) if place not in before]
    free += [place for place, labels in before.items() if labels not in wanted]
    return {**before, **dict(zip(free, (each for each in shown if each not in had), strict=False))}


# What the query box shows of a result, and where its keys go.


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
        self.is_alone = False
        """Whether the chart has the selected series alone."""
        self.is_log = False
        """Whether the scale of the chart is logarithmic."""
        self.asking = ""
        """The query that is being evaluated."""
        self._colours: dict[int, LabelSet] = {}
        """The series that has each colour while the query is the same."""

    def take(self, answer: QueryAnswer) -> None:
        """Shows an answer. Of the same query the selected series stays selected."""
        before = self.answer
        selected = self.series[self.chosen].labels if self.series and before and before.text == answer.text else None
        if before is None or before.text != answer.text:
            self._colours = {}
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

    def colours(self) -> dict[int, int]:
        """The places of the series in the chart, each with that of its colour, which it keeps as others pass it by."""
        shown = {self.series[place].labels: place for place in charted(len(self.series), self.chosen)}
        self._colours = keep_colours(self._colours, list(shown))
        slots = {labels: slot for slot, labels in self._colours.items()}
        return {place: slots[labels] for labels, place in shown.items()}

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

    def switch_alone(self) -> None:
        """Draws the selected series alone, or with the others."""
        self.is_alone = not self.is_alone

    def switch_scale(self) -> None:
        """Makes the scale of the chart logarithmic, or linear."""
        self.is_log = not self.is_log

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
