"""What stands beside the table and the chart of a query: the selected series, what its metrics mean, and the queries
before it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from lilfox_tui.app.panes.metrics.alert_series import query_rows
from lilfox_tui.app.panes.metrics.query.offer import metric_help
from lilfox_tui.app.panes.metrics.query.result import QueryAnswer, ResultSeries
from lilfox_tui.app.rendering.columns import wrapped
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.app.rendering.panels import PanelArea, ScreenPanel
from lilfox_tui.app.widgets import more_below
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import _
from lilfox_tui.core.text import cell_width, fit, in_place
from lilfox_tui.core.units import ValueUnit, value_text
from lilfox_tui.promql.completion import KnownNames
from lilfox_tui.promql.query import cached_parse
from lilfox_tui.scrape.labels import NAME

_NAME_MOST: Final = 20
"""Cells of the names of labels; a longer one stands above its value."""
_METRICS: Final = 3
"""Metrics of a query that are told."""
_LEAST: Final = 2
"""Rows of a panel that is not left out."""


class SidePanels(NamedTuple):
    """What is drawn beside a result: its panels, and the query that a click on a row of the screen runs."""

    panels: Sequence[ScreenPanel]
    queries: dict[int, str]


def side_panels(
    answer: QueryAnswer,
    series: ResultSeries,
    unit: ValueUnit,
    known: KnownNames,
    history: Sequence[str],
    area: PanelArea,
    cursor: int | None = None,
) -> SidePanels:
    """The panels in ``area``: the selected series gets the rows that it needs, then the metrics, and earlier queries
    what is left. ``cursor`` is the column whose value is told too."""
    width = area.inner_width - 1
    metrics = _metric_names(answer.text, series)
    earlier = [(each, row) for each in history if each != answer.text for row in query_rows(each, width, " ")]
    parts: list[tuple[str, list[Row]]] = [(_("Selected series"), _series_rows(answer, series, unit, cursor, width))]
    if metrics:
        title = _("Metric") if len(metrics) == 1 else _("Metrics")
        parts.append((title, [row for name in metrics for row in _metric_rows(name, known, width)]))
    if earlier:
        parts.append((_("Earlier queries"), [row for _query, row in earlier]))
    panels = _stacked(parts, area)
    if len(panels) < len(parts) or not earlier:
        return SidePanels(panels, {})
    first, room = panels[-1].area.top + 1, panels[-1].area.inner_height
    return SidePanels(panels, {first + place: query for place, (query, _row) in enumerate(earlier[:room])})


def _stacked(parts: Sequence[tuple[str, list[Row]]], area: PanelArea) -> list[ScreenPanel]:
    """The parts below each other, each as high as its rows, the last one to the lower edge; those without room are left
    out."""
    panels: list[ScreenPanel] = []
    top, end = area.top, area.top + area.height
    for place, (title, rows) in enumerate(parts):
        rest = end - top
        is_last = place == len(parts) - 1 or rest - len(rows) - 1 < _LEAST + 2
        high = rest if is_last else len(rows) + 2
        more = more_below(len(rows) - high + 2)
        panels.append(
            ScreenPanel(PanelArea(area.left, top, area.width, high), (Piece(title, "title"),), rows, more=more)
        )
        if is_last:
            break
        top += high - 1
    return panels


def _series_rows(answer: QueryAnswer, each: ResultSeries, unit: ValueUnit, cursor: int | None, width: int) -> list[Row]:
    """The selected series: its metric, its labels, and its values in the window with their times, one a line."""
    metric, labels = each.labels.get(NAME), each.labels.without([NAME]).pairs
    rows: list[Row] = [(Piece(" "), Piece(in_place(metric), "strong"))] if metric else []
    rows += _pairs([(in_place(name), in_place(value), "") for name, value in labels])
    if not rows:
        rows.append((Piece(" " + _("no labels"), "muted"),))
    facts = _facts(answer, each, unit)
    if cursor is not None:
        facts.insert(0, (_("cursor"), value_text(each.at(cursor), unit), answer.time_of(cursor).strftime("%H:%M:%S")))
    return wrapped([*rows, BLANK, *_pairs(facts, right=True)], width)


def _facts(answer: QueryAnswer, each: ResultSeries, unit: ValueUnit) -> list[tuple[str, str, str]]:
    """What the values of a series were in the window, each with its time."""
    facts = [(_("now"), value_text(each.value, unit), "")]
    known = [(value, place) for place, value in enumerate(answer.whole(each.values)) if value is not None]
    if not known:
        return facts
    lowest, highest = min(known), max(known)
    average = sum(value for value, _place in known) / len(known)
    for title, (value, place) in ((_("lowest"), lowest), (_("highest"), highest)):
        facts.append((title, value_text(value, unit), answer.time_of(place).strftime("%H:%M:%S")))
    return [*facts, (_("average"), value_text(average, unit), "")]


def _pairs(facts: Sequence[tuple[str, str, str]], *, right: bool = False) -> list[Row]:
    """Names and values below each other, the values in one column, ``right`` of numbers."""
    names = min(max((cell_width(name) for name, _value, _at in facts), default=0), _NAME_MOST)
    values = max((cell_width(value) for _name, value, _at in facts), default=0)
    return [
        (
            Piece(" " + (fit(name, names) if cell_width(name) <= names else name), "muted"),
            Piece("  " + (fit(value, values, right=True) if right else value)),
            *((Piece("  " + at, "muted"),) if at else ()),
        )
        for name, value, at in facts
    ]


def _metric_names(text: str, each: ResultSeries) -> list[str]:
    """The metrics of the series and of the query, each once."""
    names = dict.fromkeys(filter(None, (each.labels.get(NAME),)))
    with suppress(LilFoxError):
        for matchers in cached_parse(text).selectors:
            names |= dict.fromkeys(one.value for one in matchers if one.name == NAME and one.op == "=")
    return list(names)[:_METRICS]


def _metric_rows(name: str, known: KnownNames, width: int) -> list[Row]:
    """A metric with its type and its help text."""
    family = known.family(name)
    kind = "" if family is None or family.type == "unknown" else in_place(family.type)
    told = "" if family is None else metric_help(name, family.type, family.help)
    said = Piece("   " + (told or _("no help text")), "text" if told else "muted")
    return wrapped([(Piece(" "), Piece(in_place(name), "strong"), Piece(f"  {kind}", "name")), (said,)], width)
