"""Backends as rows of a list and as pages. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from lilfox_tui.app.panes.metrics.host_page import Past
from lilfox_tui.app.rendering.chart import Axes, Curve, chart, plot_points, spark
from lilfox_tui.app.rendering.columns import wrapped
from lilfox_tui.app.rendering.draw import BLANK, Glyphs, Piece, Row
from lilfox_tui.app.rows.hosts import ROLES, TableStyle, held_for, lately_rows
from lilfox_tui.backends.model import BackendFact, Cell, Table, TableColumn, Unit, load
from lilfox_tui.core.i18n import Message, _, clauses
from lilfox_tui.core.text import cell_width, clean, fit, human_bytes, human_count, human_duration
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import BackendView, StatusChange

# The BACKENDS lines as rows. Pure: views in, rows out.


_NAME_WIDTH = 14
_KIND_WIDTH = 10
_TREND_WIDTH = 8
_WIDE = 72
_TREND_FROM = 100
"""Cells from which there is room for a trend beside all figures of a database."""


def backend_row(view: BackendView, now: datetime, style: TableStyle) -> Row:
    """One backend: its figures and problems, or why there are none."""
    wide = style.width >= _WIDE
    pieces = [
        Piece(" "),
        Piece(style.glyphs.level(view.level), ROLES[view.level]),
        Piece(" "),
        Piece(fit(clean(view.name), _NAME_WIDTH), "strong"),
        Piece("  "),
    ]
    if wide:
        pieces += [Piece(fit(view.config.kind, _KIND_WIDTH), "muted"), Piece("  ")]
    if view.outage is not None or not view.figures:
        return (*pieces, Piece(why_no_figures(view, now), ROLES[view.level]))
    if style.width >= _TREND_FROM and style.sparklines:
        recent = (style.recent or {}).get(f"backend/{view.name}") or ()
        pieces += [Piece(fit(spark(recent, _TREND_WIDTH, style.glyphs), _TREND_WIDTH), "chart"), Piece("  ")]
    for figure in view.figures:
        role = "text" if figure.level is Level.GOOD else ROLES[figure.level]
        pieces += [Piece(str(figure.text), role), Piece("  ")]
    if view.reading is not None and view.reading.incomplete is not None:
        pieces += [Piece(_("incomplete"), "degraded"), Piece("  ")]
    said = {str(figure.text) for figure in view.figures}
    if why := clauses(reason for reason in map(str, view.reasons) if reason not in said):
        pieces.append(Piece(why, ROLES[view.level]))
    return tuple(pieces)


def why_no_figures(view: BackendView, now: datetime) -> str:
    """Since when there are no values, when the next try is, and why; the times come first, since the reason may be
    cut."""
    if view.outage is None:
        return clauses(map(str, view.reasons)) or _("not checked yet")
    age = human_duration(round((now - view.outage.since).total_seconds()))
    why = str(view.outage.error.message)
    if view.outage.next_try is None:
        return _("no answer for {age}: {why}", age=age, why=why)
    wait_s = round((view.outage.next_try - now).total_seconds())
    if wait_s <= 0:
        return _("no answer for {age}, trying now: {why}", age=age, why=why)
    return _("no answer for {age}, next try in {wait}: {why}", age=age, wait=human_duration(wait_s), why=why)


_GAP = 2
_WIDEST = 28
"""No column but the last is wider."""
_FACT_WIDTH = 24


class BackendPage(Struct, frozen=True):
    """The contents of the page; ``now`` is aware UTC."""

    view: BackendView
    changes: Sequence[StatusChange]
    past: Past
    now: datetime
    window: timedelta
    glyphs: Glyphs
    width: int
    chart_height: int = 5


def backend_page(page: BackendPage) -> list[Row]:
    """All rows of the page; the first two stay on the screen."""
    view = page.view
    head = (
        Piece(" "),
        Piece(page.glyphs.level(view.level) + " ", ROLES[view.level]),
        Piece(view.name, "strong"),
        Piece(f"   {view.config.kind}" + (f" @{view.config.host}" if view.config.host else ""), "muted"),
    )
    rows: list[Row] = [head, *_reasons(page)]
    if view.figures:
        figures = [Piece(str(figure.text) + "  ", "text") for figure in view.figures]
        rows.append((Piece("   "), *figures))
    rows = wrapped(rows, page.width) + _chart(page)
    if view.reading is not None:
        rows += _facts(view.reading.facts, page.width)
        for table in view.reading.tables:
            rows += table_rows(table, page.width)
    return rows + wrapped(lately_rows(page.changes, page.now, page.glyphs), page.width)


def _reasons(page: BackendPage) -> Iterator[Row]:
    view, role = page.view, ROLES[page.view.level]
    if view.outage is not None:
        yield (Piece("   "), Piece(why_no_figures(view, page.now), role))
        yield (Piece("   "), Piece(str(view.outage.error.hint)))
        if view.reading is not None:
            yield (
                Piece("   " + _("the data below is from {time}", time=view.reading.at.strftime("%H:%M:%S")), "muted"),
            )
        return
    held = held_for(view, page.now)
    for place, reason in enumerate([str(each) for each in view.reasons] or [_("all is well")]):
        since = "  " + _("for {time}", time=held) if held and place == 0 else ""
        yield (Piece("   "), Piece(reason, role), Piece(since, "muted"))
    if view.reading is not None and view.reading.incomplete is not None:
        yield (Piece("   "), Piece(str(view.reading.incomplete), "degraded"))


def _chart(page: BackendPage) -> list[Row]:
    trend = load(page.view.config.kind).TREND
    if trend is None:
        return []
    width = min(page.width - 2, 120)
    newest = None if page.view.reading is None else page.view.reading.values.get(trend)
    labels = " ".join(value for _name, value in trend.labels)
    return [
        BLANK,
        *chart(
            f"{trend.name} {labels}".strip(),
            [Curve(page.past(trend, plot_points(width)))],
            Axes(unit=human_count, start=page.now - page.window, end=page.now),
            width=width,
            height=page.chart_height,
            glyphs=page.glyphs,
            now_text=_("unknown") if newest is None else human_count(newest),
        ),
    ]


def cell_text(value: Cell, unit: Unit) -> str:
    """A value in the unit of its column, in human-readable form."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, str | Message):
        return clean(str(value))
    if unit == "percent":
        return f"{value:.1f}%"
    if unit == "bytes":
        return human_bytes(value)
    return human_duration(value) if unit == "seconds" else human_count(value)


def _facts(facts: Sequence[BackendFact], width: int) -> list[Row]:
    """Facts in as many columns as fit, read from top to bottom."""
    if not facts:
        return []
    columns = 2 if width >= 2 * (_FACT_WIDTH + _WIDEST) else 1
    high = -(-len(facts) // columns)
    rows: list[Row] = [BLANK]
    for place in range(high):
        pieces: list[Piece] = []
        for fact in facts[place::high]:
            pieces += [
                Piece("   " + fit(str(fact.title), _FACT_WIDTH), "muted"),
                Piece(fit(cell_text(fact.value, fact.unit), _WIDEST)),
            ]
        rows.append(tuple(pieces))
    return rows


def table_rows(table: Table, width: int) -> list[Row]:
    """A table under its title; numbers are right-aligned, the last column takes the remaining width and is cut."""
    rows: list[Row] = [BLANK, (Piece(" " + str(table.title), "title"),)]
    if table.note is not None:
        rows += wrapped([(Piece("   "), Piece(str(table.note), "muted"))], width)
    if not table.rows:
        return rows
    cells = [[cell_text(value, column.unit) for value, column in _paired(row, table)] for row in table.rows]
    widths = [
        min(_WIDEST, max(cell_width(str(column.title)), *(cell_width(row[place]) for row in cells)))
        for place, column in enumerate(table.columns)
    ]
    if table.columns[-1].unit == "text":
        widths[-1] = max(cell_width(str(table.columns[-1].title)), width - 4 - sum(widths[:-1]) - _GAP * len(widths))
    titles = [str(column.title) for column in table.columns]
    rows.append((Piece("   " + _line(titles, table, widths), "muted"),))
    rows += [(Piece("   " + _line(row, table, widths)),) for row in cells]
    return rows


def _paired(row: tuple[Cell, ...], table: Table) -> Iterator[tuple[Cell, TableColumn]]:
    return zip(row, table.columns, strict=True)


def _line(texts: Sequence[str], table: Table, widths: Sequence[int]) -> str:
    return (" " * _GAP).join(
        fit(text, width, right=column.unit != "text")
        for text, column, width in zip(texts, table.columns, widths, strict=True)
    )
