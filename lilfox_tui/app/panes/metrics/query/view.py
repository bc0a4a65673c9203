"""What the query box shows: the table of the series, their chart, errors, and what to do next. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import Final, NamedTuple

from msgspec import Struct

from lilfox_tui.app.panes.metrics.alert_series import query_pieces
from lilfox_tui.app.panes.metrics.query.names import BetterQuery
from lilfox_tui.app.panes.metrics.query.offer import StartEntry
from lilfox_tui.app.panes.metrics.query.result import (
    Order,
    QueryAnswer,
    QueryState,
    ResultSeries,
    charted,
    split_labels,
    telling_first,
)
from lilfox_tui.app.panes.metrics.query.side import side_panels
from lilfox_tui.app.panes.metrics.sections import last_of
from lilfox_tui.app.rendering.chart import (
    AXIS_WIDTH,
    Axes,
    Curve,
    chart,
    resampled,
    round_ceiling,
    series_marker,
    series_role,
    spark,
)
from lilfox_tui.app.rendering.columns import GAP, wrapped
from lilfox_tui.app.rendering.draw import BLANK, Glyphs, Piece, Row
from lilfox_tui.app.rendering.panels import (
    NARROWEST,
    PanelArea,
    ScreenPanel,
    bordered,
    draw_panels,
    fit_row,
    highlighted,
    in_sight,
    row_width,
)
from lilfox_tui.app.widgets import more_below
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import _, ngettext
from lilfox_tui.core.text import cell_width, fit, human_duration, in_place
from lilfox_tui.core.units import ValueUnit, axis_label, value_text
from lilfox_tui.promql.completion import KnownNames
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.units import unit_of
from lilfox_tui.scrape.labels import NAME

SIDE_BY_SIDE: Final = 120
"""From this width on, the selected series, its metrics and earlier queries stand beside the table and the chart."""
_SIDE_LEAST: Final = 40
_SIDE_MOST: Final = 64
_SIDE_SHARE: Final = 0.32
_CHART_LEAST: Final = 7
_ROWS_BEFORE_CHART: Final = 4
"""So many series are seen before there is a chart below."""
_SPARK: Final = 16
_NEWEST: Final = 14
"""Cells beside the title of a chart for the newest value."""
_VALUE: Final = 10
_WIDEST_LABEL: Final = 40
_LEAST_LABEL: Final = 8
"""Cells of a column of labels, where not even the most telling one has room for all of its text."""
_NOTES_SHOWN: Final = 3
BETTER_KEY: Final = "ctrl-t"
RANGE_KEY: Final = "ctrl-o"


class QueryPage(Struct, frozen=True):
    """What is drawn: ``series`` in their order, of which ``chosen`` is the selected one, and ``cursor`` the column
    whose values are read, None for the current ones. ``top`` is the first row that was seen before. ``history`` are
    the queries so far."""

    answer: QueryAnswer
    width: int
    height: int
    glyphs: Glyphs
    series: Sequence[ResultSeries] = ()
    count: int = 0
    """The number of all series, also of those past the last of ``series``."""
    first: int = 0
    """The column from which the chart begins."""
    chosen: int = 0
    order: Order = "highest"
    cursor: int | None = None
    is_alone: bool = False
    """Whether the chart has the selected series alone."""
    is_log: bool = False
    """Whether the scale of the chart is logarithmic."""
    top: int = 0
    focused: bool = False
    is_slow: bool = False
    history: Sequence[str] = ()
    known: KnownNames = KnownNames()
    better: BetterQuery | None = None
    colours: Mapping[int, int] | None = None
    """The places of the series in the chart, each with that of its colour; in their order if None."""

    @property
    def bordered(self) -> bool:
        """Whether the parts stand in boxes."""
        return bordered(self.width, self.height, slow_link=self.is_slow)

    @property
    def unit(self) -> ValueUnit:
        """The unit of the values."""
        return unit_of(self.answer.text)


class QueryScreen(NamedTuple):
    """The drawn rows, and which series stands in which of them: from row ``first`` on those from ``top`` on, in the
    cells before ``right``."""

    rows: Sequence[Row]
    first: int = 0
    top: int = 0
    shown: int = 0
    right: int = 0
    plot: int = 0
    """The columns of the chart; 0 without one."""
    queries: Mapping[int, str] = {}
    """Queries in the rows from ``right`` on."""


def query_screen(page: QueryPage) -> QueryScreen:
    """All that stands below the line of the query."""
    answer = page.answer
    if answer.error is not None:
        return _boxed(page, _("Error"), _error_rows(answer.error, _inner(page)))
    notes = [*_note_rows(answer.notes, _inner(page)), *_better_rows(page), *_not_full_rows(page)]
    if isinstance(answer.value, str):
        return _boxed(page, _("Text"), [*notes, (Piece(" " + answer.value),)])
    if not page.series:
        return _boxed(page, _("No series"), [*notes, *_empty_rows(answer, _inner(page))])
    return _with_series(page, notes)


def _inner(page: QueryPage) -> int:
    return page.width - 2 * page.bordered


def _boxed(page: QueryPage, title: str, rows: Sequence[Row]) -> QueryScreen:
    if not page.bordered:
        return QueryScreen(rows[: page.height])
    area = PanelArea(0, 0, page.width, page.height)
    panel = ScreenPanel(area, (Piece(title, "title"),), rows, more=more_below(len(rows) - area.inner_height))
    return QueryScreen(draw_panels([panel], page.width, page.height, page.glyphs))


def _empty_rows(answer: QueryAnswer, width: int) -> list[Row]:
    window = human_duration(answer.window.total_seconds())
    said: list[Row] = [(Piece(" "), Piece(_("no series now or in the last {time}", time=window), "degraded"))]
    said += [(Piece(" "), Piece(str(each))) for each in answer.reasons]
    return wrapped(said, width)


def _error_rows(error: LilFoxError, width: int) -> list[Row]:
    """An error, with the place in the query where there is one, and what to do."""
    rows: list[Row] = wrapped([(Piece(" "), Piece(str(error.message), "failing"))], width)
    if isinstance(error, QueryError) and error.position is not None:
        rows += [BLANK, *caret_rows(error.text, error.position, width), BLANK]
    if str(error.hint):
        rows += wrapped([(Piece(" "), Piece(str(error.hint), "muted"))], width)
    return rows


def caret_rows(text: str, position: int, width: int) -> list[Row]:
    """The line of ``text`` with that position, cut so that the position is seen, and a caret below it."""
    first = text.rfind("\n", 0, position) + 1
    line = in_place(text[first:].partition("\n")[0].replace("\t", " "))
    at, room = min(position - first, len(line)), max(4, width - 4)
    begin = at
    while begin > 0 and cell_width(line[begin - 1 : at]) <= room - 2:
        begin -= 1
    shown = line[begin:]
    pieces = query_pieces(shown) if cell_width(shown) <= room else [Piece(fit(shown, room))]
    return [(Piece("   "), *pieces), (Piece("   " + " " * cell_width(line[begin:at])), Piece("^", "failing"))]


def _note_rows(notes: Sequence[str], width: int) -> list[Row]:
    rows: list[Row] = [(Piece(" "), Piece(note, "degraded")) for note in notes[:_NOTES_SHOWN]]
    if (more := len(notes) - _NOTES_SHOWN) > 0:
        rows.append((Piece(" " + _("{count} more", count=more), "muted"),))
    return wrapped(rows, width)


def _better_rows(page: QueryPage) -> list[Row]:
    """That a counter's values say little, and what to ask."""
    if page.better is None or not page.series:
        return []
    if page.better.quantile:
        told = _("a histogram; {key} shows its 95th percentile:", key=BETTER_KEY)
    else:
        told = _("a counter; {key} shows it per second:", key=BETTER_KEY)
    width = (_widths(page.width)[0] if page.bordered else page.width) - 2 * page.bordered
    row: Row = (Piece(" "), Piece(told, "degraded"), Piece(" "), *query_pieces(in_place(page.better.text)))
    return wrapped([row], width)


def _not_full_rows(page: QueryPage) -> list[Row]:
    """Which values are of ranges that samples do not fill."""
    if (filled := page.answer.filled) is None or not page.series:
        return []
    at, length = filled.at.strftime("%H:%M:%S"), human_duration(filled.length.total_seconds())
    told = _("before {time} the {range} window is not full: values cover less time", time=at, range=length)
    width = (_widths(page.width)[0] if page.bordered else page.width) - 2 * page.bordered
    return wrapped([(Piece(" "), Piece(told, "degraded"))], width)


# ---- the table and the chart -----------------------------------------------------------------------------------------


def _with_series(page: QueryPage, notes: Sequence[Row]) -> QueryScreen:
    table = _SeriesTable(page)
    if not page.bordered:
        head = [*notes, table.heading(page.width)]
        return table.screen(head, page.height - len(head), page.width)
    width, height = page.width, page.height
    wide, side = _widths(width)
    high = _table_height(page, len(notes))
    area = PanelArea(0, 0, wide, high)
    inside = [*notes, table.heading(area.inner_width)]
    drawn = table.screen(inside, area.inner_height - len(inside), area.inner_width)
    more = more_below(page.count - drawn.top - drawn.shown)
    panels = [ScreenPanel(area, table.title(), drawn.rows, table.note(), more)]
    plot = 0
    if high < height:
        below = PanelArea(0, high - 1, wide, height - high + 1)
        plot = max(1, below.inner_width - AXIS_WIDTH - 2)
        panels.append(_chart_panel(page, below, table))
    queries: dict[int, str] = {}
    if side:
        beside = PanelArea(wide - 1, 0, side, height)
        more_panels, queries = side_panels(
            page.answer, page.series[page.chosen], page.unit, page.known, page.history, beside, page.cursor
        )
        panels += more_panels
    rows = draw_panels(panels, width, height, page.glyphs)
    return QueryScreen(rows, len(inside) + 1, drawn.top, drawn.shown, wide, plot, queries)


def _widths(width: int) -> tuple[int, int]:
    """The cells of the table and the chart, and of what stands beside them, which share a border."""
    if width < SIDE_BY_SIDE:
        return width, 0
    side = min(_SIDE_MOST, max(_SIDE_LEAST, int(width * _SIDE_SHARE)))
    return width - side + 1, side


def _table_height(page: QueryPage, notes: int) -> int:
    """The lines of the table: all, or those that it needs above the chart, at most half."""
    height = page.height
    if not _has_times(page) or height < _CHART_LEAST + 2 + _ROWS_BEFORE_CHART + 2:
        return height
    rows = notes + len(page.series) + 3
    return min(max(rows, _ROWS_BEFORE_CHART + 3), height // 2)


def _has_times(page: QueryPage) -> bool:
    return any(value is not None for each in page.series for value in each.values)


class _SeriesTable:
    """The series of a page as rows: their mark in the chart, the value, and the labels in which they differ."""

    def __init__(self, page: QueryPage) -> None:
        self._page = page
        self.common, self._names = split_labels(page.series)
        places = charted(len(page.series), page.chosen)
        self.slots = page.colours or {place: slot for slot, place in enumerate(places)}
        unit = page.unit
        self._values = [value_text(each.at(page.cursor), unit) for each in page.series]
        self._heading = self._value_title()
        self._value_width = max(_VALUE, cell_width(self._heading), *map(cell_width, self._values))
        self._widths = {
            name: min(
                _WIDEST_LABEL,
                max(cell_width(_title(name)), *(cell_width(in_place(each.labels.get(name))) for each in page.series)),
            )
            for name in self._names
        }
        self._telling = telling_first(self._names, page.series)

    def _value_title(self) -> str:
        page = self._page
        down, up = ("v", "^") if page.glyphs.ascii_only else ("↓", "↑")
        arrow = {"highest": " " + down, "lowest": " " + up}.get(page.order, "")
        if page.cursor is None:
            return _("value") + arrow
        return page.answer.time_of(page.cursor).strftime("%H:%M:%S") + arrow

    def title(self) -> Row:
        """The title of the panel."""
        count = self._page.count
        return (Piece(ngettext("{count} series", "{count} series", count), "title"),)

    def note(self) -> Row:
        """The metric and the labels that all of them have."""
        metric, labels = self.common.get(NAME), self.common.without([NAME])
        return (
            *((Piece(in_place(metric), "strong"),) if metric else ()),
            *((Piece(str(labels), "muted"),) if labels.pairs else ()),
        )

    def _columns(self, width: int) -> dict[str, int]:
        """The labels that have a column in a table of that width, with their cells: all, or the most telling ones that
        fit; none where a series is told in its own words."""
        if not self._page.bordered or len(self._page.series) < 2:
            return {}
        room, chosen = width - 3 - self._value_width, dict[str, int]()
        for name in self._telling:
            size = self._widths[name] if chosen else min(self._widths[name], max(_LEAST_LABEL, room - GAP))
            if size + GAP <= room:
                chosen[name] = size
                room -= size + GAP
        return {name: chosen[name] for name in self._names if name in chosen}

    def heading(self, width: int) -> Row:
        """The titles of the columns, and how many labels have none."""
        role = "muted" if self._page.cursor is None else "strong"
        value = Piece("   " + fit(self._heading, self._value_width, right=True), role)
        if not self._page.bordered:
            return (value, Piece("  "), *self.title(), Piece("  "), *self.note())
        columns, cells = self._columns(width), self._stat_cells(width)
        ends = "".join("  " + fit(title, cells, right=True) for title in _stat_titles()) if cells else ""
        if not columns:
            named = (value, Piece("  " + _("series"), "muted"))
            return self._with_ends(named, ends, width) if cells else named
        titles = [fit(_title(name), size) for name, size in columns.items()]
        arrow = "" if self._page.order != "labels" else " v" if self._page.glyphs.ascii_only else " ↓"
        told = "  " + "  ".join(titles).rstrip() + arrow
        more = f"  +{len(self._names) - len(columns)}" if len(columns) < len(self._names) else ""
        room = width - 3 - self._value_width - cell_width(told)
        named = (value, Piece(told, "muted"), *((Piece(more, "muted"),) if more and cell_width(more) <= room else ()))
        return self._with_ends(named, ends, width) if cells else named

    def _with_ends(self, row: Row, ends: str, width: int) -> Row:
        """A row with what stands before the courses at the right."""
        return (*fit_row(row, width - cell_width(ends) - _SPARK - GAP), Piece(ends, "muted"))

    def _stat_cells(self, width: int) -> int:
        """The cells of each of the columns with the lowest, average and highest value in a table of that width; 0 where
        there is no room for all of them beside labels that are whole."""
        page = self._page
        if not page.bordered or not any(any(each) for each in self._stats):
            return 0
        used = 3 + self._value_width + sum(size + GAP for size in self._widths.values())
        if len(page.series) == 1:
            used = row_width(self._row(0, width))
        cells = max(cell_width(text) for each in (*self._stats, _stat_titles()) for text in each)
        return cells if used + 3 * (cells + GAP) + _SPARK + GAP <= width else 0

    @cached_property
    def _stats(self) -> list[tuple[str, str, str]]:
        """The lowest, average and highest value of each series in the window."""
        unit, found = self._page.unit, list[tuple[str, str, str]]()
        for each in self._page.series:
            known = [value for value in self._page.answer.whole(each.values) if value is not None]
            numbers = (min(known), sum(known) / len(known), max(known)) if known else ()
            low, average, high = (value_text(number, unit) for number in numbers) if numbers else ("", "", "")
            found.append((low, average, high))
        return found

    def screen(self, head: Sequence[Row], room: int, width: int) -> QueryScreen:
        """``head`` and the rows that are seen below it in ``room`` lines of ``width`` cells, the selected one among
        them."""
        page, room = self._page, max(1, room)
        count, cells = len(page.series), self._stat_cells(width)
        top = in_sight(page.top, count, room, page.chosen)
        shown = range(top, min(count, top + room))
        rows = [*head]
        for place in shown:
            row, line = self._row(place, width), self._spark(place)
            room = width - row_width(line)
            line = line if row_width(row) + GAP <= room else ()
            if cells and line:
                ends = "".join("  " + fit(text, cells, right=True) for text in self._stats[place])
                row, line = self._with_ends(row, ends, width), (Piece(" " * GAP), *line)
            if place == page.chosen and page.focused:
                row = highlighted(row, width - row_width(line))  # a bar that is inverted cannot be read
            rows.append((*fit_row(row, width - row_width(line)), *line) if line else row)
        return QueryScreen(rows, len(head), top, len(shown), width)

    def _row(self, place: int, width: int) -> Row:
        page, each = self._page, self._page.series[place]
        known = each.at(page.cursor) is not None
        value = fit(self._values[place], self._value_width, right=True)
        pieces = [self._mark(place), Piece(value, "strong" if known else "muted")]
        if columns := self._columns(width):
            for name, size in columns.items():
                text = fit(in_place(each.labels.get(name)), size)
                pieces += [Piece(" " * GAP), Piece(text, "text" if known else "muted")]
        else:
            own = each.labels.without([name for name, _value in self.common.pairs])
            text = str(own) if page.width >= NARROWEST else self.name(place)
            pieces += [Piece("  "), Piece(text, "text" if known else "muted")]
        return tuple(pieces)

    def _spark(self, place: int) -> Row:
        page = self._page
        if page.is_slow:
            return ()
        values = resampled(page.series[place].values[page.first :], _SPARK)
        top = None if page.is_log else self._top  # of a log scale, each has its own
        return (Piece(spark(values, _SPARK, page.glyphs, top=top), "chart"),)

    @cached_property
    def _top(self) -> float | None:
        values = (value for each in self._page.series for value in each.values)
        return max((value for value in values if value is not None and value > 0), default=None)

    def _mark(self, place: int) -> Piece:
        page, slot, glyphs = self._page, self.slots.get(place), self._page.glyphs
        told = place == page.chosen and not page.focused and page.bordered and _widths(page.width)[1] > 0
        first = glyphs.chosen if told and len(page.series) > 1 else " "  # it is told beside the table
        if slot is None or self._page.is_slow:
            return Piece(f"{first}  ")
        return Piece(f"{first}{glyphs.full if glyphs.dots else series_marker(slot, glyphs)} ", series_role(slot))

    def name(self, place: int, names: Sequence[str] | None = None) -> str:
        """A series in few words: by the values of those labels, else of all in which the series differ."""
        each, names = self._page.series[place], self._names if names is None else names
        if len(names) == 1 and names[0] != NAME:
            return f"{names[0]}={each.labels.get(names[0])}"
        return " ".join(filter(None, (each.labels.get(name) for name in names))) or str(each.labels)

    def legend_name(self, place: int) -> str:
        """The name of a series in the legend of the chart."""
        return self.name(place, self._naming)

    @cached_property
    def _naming(self) -> list[str]:
        """The labels with which each series of the chart has a name of its own; of those that say no more the longest
        are left out first."""
        series = [self._page.series[place] for place in self.slots]
        names = list(self._names)
        for name in sorted(self._names, key=lambda name: -self._widths[name]):
            fewer = [each for each in names if each != name]
            told = {tuple(each.labels.get(one) for one in fewer) for each in series}
            if fewer and len(told) == len(series):
                names = fewer
        return names


def _stat_titles() -> tuple[str, str, str]:
    return _("lowest"), _("average"), _("highest")


def _title(name: str) -> str:
    return _("metric") if name == NAME else in_place(name)


def _chart_panel(page: QueryPage, area: PanelArea, table: _SeriesTable) -> ScreenPanel:
    answer = page.answer
    unit, width, height = page.unit, area.inner_width - 1, max(1, area.inner_height - 2)
    order = sorted(table.slots, key=lambda place: place != page.chosen)[: 1 if page.is_alone else None]
    curves = [
        Curve(
            page.series[place].values[page.first :],
            "" if len(order) == 1 else table.legend_name(place),
            value_text(page.series[place].at(page.cursor), unit),
            "muted" if page.focused and place != page.chosen else series_role(table.slots[place]),
            series_marker(table.slots[place], page.glyphs),
            page.focused and place == page.chosen,
        )
        for place in order
    ]
    full = None if answer.filled is None else answer.filled.at
    values = (value for place in order for value in page.series[place].values if value is not None)
    highest, binary = max(values, default=0.0), unit.startswith("bytes")
    axes = Axes(
        unit=partial(axis_label, unit=unit),
        top=round_ceiling(highest, height, binary=binary) if highest > 0 else None,
        binary=binary,
        start=answer.time_of(page.first) if page.first else answer.at - answer.window,
        end=answer.at,
        cursor=None if page.cursor is None else (page.cursor - page.first + 0.5) / (answer.columns - page.first),
        below_zero=True,
        still=True,
        log=page.is_log,
        full=full,
        moment=full,
    )
    alone = len(order) == 1
    title = str(page.series[0].labels) if len(page.series) == 1 else table.name(order[0]) if alone else ""
    rows = chart(
        fit(title, max(0, min(cell_width(title), width - AXIS_WIDTH - _NEWEST))), curves, axes, width=width,
        height=height, glyphs=page.glyphs, now_text=curves[0].now if alone else "",
    )  # fmt: skip
    more = page.count - len(order)
    note = (Piece(_("and {count} more series", count=more), "muted"),) if more > 0 else ()
    return ScreenPanel(area, tuple(_chart_heading(page, axes)), rows, note)


def _chart_heading(page: QueryPage, axes: Axes) -> list[Piece]:
    """How far back the chart goes, its unit and scale, whether the windows of its values are full, and the cursor."""
    told = [Piece(last_of(axes.end - axes.start, page.answer.window), "title")]
    if said := _unit_words(page.unit):
        told.append(Piece("  " + said, "muted"))
    if page.is_log:
        told.append(Piece("  " + _("log scale"), "degraded"))
    if axes.full is not None and axes.full > axes.start:
        said = _("window not full") if axes.full >= axes.end else _("dim: window not full")
        told.append(Piece("  " + said, "degraded"))
    if page.cursor is not None:
        told.append(Piece("  " + page.answer.time_of(page.cursor).strftime("%m-%d %H:%M:%S"), "strong"))
    return told


def _unit_words(unit: ValueUnit) -> str:
    """The unit of the axis in words, where its labels do not have all of it."""
    words = {"per second": _("per second"), "bytes": _("bytes"), "bytes per second": _("bytes per second")}
    return words.get(unit, "")


# ---- above and below -------------------------------------------------------------------------------------------------


def head_row(state: QueryState, where: str, width: int) -> Row:
    """The first line: what is asked, at which time, over which range."""
    of = _("from {where}", where=where) if where else _("from local scrapes")
    answer = state.answer
    at = state.at if answer is None else answer.at
    told = [of] if at is None else [at.strftime("%Y-%m-%d %H:%M:%S UTC"), of]
    right = _("range {time}", time=human_duration(state.window.total_seconds()))
    left: list[Piece] = [Piece(" PromQL", "title")]
    if state.asking:
        left.append(Piece("  " + _("running…"), "accent"))
    room = width - row_width(tuple(left)) - cell_width(right) - 2
    while told and (room := room - cell_width(told[0]) - 2) >= 0:
        left.append(Piece("  " + told.pop(0), "muted"))
    fill = width - row_width(tuple(left)) - cell_width(right) - 1
    return (*left, Piece(" " * max(1, fill)), Piece(right, "muted"))


def keys_row(
    state: QueryState,
    said: str,
    width: int,
    *,
    has_chart: bool,
    has_history: bool,
    taken: StartEntry | None,
    better: BetterQuery | None = None,
) -> Row:
    """The last line: what the keys do now, as many as fit; or what the last one did. ``taken`` is what enter takes from
    the list before the first query."""
    if said:
        return (Piece(" " + said, "accent"),)
    rates = [] if better is None else [(BETTER_KEY, _("percentile") if better.quantile else _("per second"))]
    if state.focus == "result":
        alone = _("all series") if state.is_alone else _("this series alone")
        scale = ("L", _("linear scale") if state.is_log else _("log scale"))
        charts = [*([("z", alone)] if len(state.series) > 1 else ()), scale] if has_chart else []
        keys = [
            ("esc", _("back")), *rates, ("t", _("range")), ("O", _("sort")), ("y", _("copy")), *charts,
            *([("left/right", _("time cursor"))] if has_chart else ()), ("up/down", _("series")), ("tab", _("query")),
        ]  # fmt: skip
    elif taken is not None:
        put = [("tab", _("edit"))] if taken.runs else []
        keys = [("enter", _("run") if taken.runs else _("edit")), *put, ("up/down", _("choose")), ("esc", _("back"))]
    else:
        result = [("down", _("result"))] if state.series else []
        times = [(RANGE_KEY, _("range"))] if state.answer is not None else []
        earlier = [("up", _("earlier query")), ("ctrl-r", _("search the history"))]
        examples = [("down", _("choose"))] if state.answer is None else []
        keys = [
            ("enter", _("run")), ("tab", _("complete")), ("esc", _("close")), *rates, *times, *result,
            *examples, *(earlier if has_history else []),
        ]  # fmt: skip
    pieces: list[Piece] = []
    for key, text in keys:
        width -= cell_width(key) + cell_width(text) + 3
        if width < 0:
            break
        pieces += [Piece(" " + key, "key"), Piece(f" {text} ", "muted")]
    return tuple(pieces)
