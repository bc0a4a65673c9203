"""Pages of sections: boxes side by side where there is room, else below each other; and sections with a chart. Pure."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.app.rendering.chart import HEADROOM, Axes, Curve, Values, chart, plot_points, resampled, spark
from lilfox_tui.app.rendering.columns import percent_text, wrapped
from lilfox_tui.app.rendering.draw import BLANK, Glyphs, Piece, Row
from lilfox_tui.app.rendering.panels import NARROWEST, PanelArea, ScreenPanel, bordered, cut_row, draw_panels
from lilfox_tui.app.rows.hosts import level_role
from lilfox_tui.config.model import Threshold
from lilfox_tui.core.aio import Unavailable
from lilfox_tui.core.i18n import _, clauses, ngettext
from lilfox_tui.core.text import cell_width, clean, fit, human_duration
from lilfox_tui.core.units import value_text
from lilfox_tui.metrics.model import Level, Series
from lilfox_tui.monitor.model import HostView

if TYPE_CHECKING:
    from lilfox_tui.containers.model import EngineView

_NAME_MOST, _SPARK_MOST, _SPARK_LEAST = 16, 40, 4
"""Cells of a chart that is one line."""
CHART_BESIDE = 38
"""Cells from which a chart stands beside another one."""
_LEGEND_GAP = 2
_PLOT_MOST = 32


class SectionStyle(Struct, frozen=True):
    """How a page is drawn. ``chart_height`` are the rows of a plot; over a ``slow_link`` nothing is drawn that changes
    all the time."""

    width: int
    glyphs: Glyphs
    chart_height: int = 5
    slow_link: bool = False
    cursor: datetime | None = None
    """The moment whose values the charts tell, instead of the newest ones."""
    fired: datetime | None = None
    """When the alert about the page's subject fired, which its charts mark."""
    chart_beside: int = CHART_BESIDE
    """Cells from which a chart stands beside another one."""
    first_more: int = 0
    """Rows that the plots of the first band are higher than the others."""

    @property
    def compact(self) -> bool:
        """Whether there are no borders, and each curve is one line."""
        return not bordered(self.width, slow_link=self.slow_link)


class Section(Struct, frozen=True):
    """A part of a page. ``rows`` draws it for that many cells; nothing is shown of it if it has none. ``note`` stands
    at the right of its title. ``share`` is its part of the width beside others."""

    title: str
    rows: Callable[[int], Sequence[Row]]
    note: Row = ()
    share: int = 1
    plain: Callable[[int], Sequence[Row]] | None = None
    """Its rows where there are no borders, without a title; its title and ``rows`` if None."""
    below: Sequence[Section] = ()
    """Sections of the same width that stand below it, beside its neighbours."""


Past = Callable[[Series, int], Values]
"""``past(series, columns)``: that many values over the page's window, oldest first."""
Band = Sequence[Section]
"""Sections that stand side by side."""


def container_sections(engines: Sequence[EngineView], now: datetime, glyphs: Glyphs) -> Sequence[Section]:
    """The sections of a host's container engines. What draws them is imported where there are any: the first frame has
    none."""
    if not engines:
        return ()
    module = importlib.import_module("lilfox_tui.app.panes.metrics.container.rows")
    return list(module.container_sections(engines, now, glyphs))


def text_section(title: str, rows: Sequence[Row], *, note: Row = (), share: int = 1) -> Section:
    """A section of rows that are wrapped to its width."""
    return Section(title, lambda width: padded(rows, width), note, share)


def drawn_section(section: Section, width: int) -> Section:
    """The section with its rows, drawn once for that width, so that the height is known."""
    rows = section.rows(width)
    return replace(section, rows=lambda _width: rows)


def padded(rows: Sequence[Row], width: int) -> list[Row]:
    """The rows wrapped to so many cells, with a blank at their end where there are borders."""
    return wrapped(rows, width - 1 if width >= NARROWEST - 4 else width)


def beside_each_other(sections: Sequence[Section], width: int, least: int) -> list[Band]:
    """The sections in bands of as many as have ``least`` cells each, all bands as full as the others."""
    if not sections:
        return []
    columns = max(1, min(len(sections), (width - 1) // least))
    bands = -(-len(sections) // columns)
    ends = [len(sections) * (place + 1) // bands for place in range(bands)]
    return [sections[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def fill_page(draw: Callable[[SectionStyle], list[Row]], style: SectionStyle, height: int, bands: int) -> list[Row]:
    """The rows of a page with so many bands of charts, which are higher if ``height`` rows would not be filled."""
    rows = draw(style)
    if not bands or style.compact:
        return rows
    plot = min(_PLOT_MOST, style.chart_height + (height - len(rows)) // bands)
    if plot > style.chart_height:
        return draw(replace(style, chart_height=plot))
    lost = _heads_at_end(rows, height)
    return draw(replace(style, first_more=lost)) if lost else rows


def _heads_at_end(rows: Sequence[Row], height: int) -> int:
    """How many lines at the end of the first screen are a title, or a title and what is most likely the titles of
    columns, of a section whose rows are all below it."""
    titles = [any(piece.role == "title" for piece in row) for row in rows[max(0, height - 2) : height + 1]]
    if not 2 < height < len(rows) - 1 or titles[-1]:
        return 1 if 0 < height < len(rows) and titles[-2:-1] == [True] else 0
    return titles[::-1].index(True) if any(titles) else 0


def draw_sections(bands: Sequence[Band], style: SectionStyle) -> list[Row]:
    """The sections as rows of the style's width, drawn in their order."""
    return _plain(bands, style.width) if style.compact else _boxed(bands, style)


def _plain(bands: Sequence[Band], width: int) -> list[Row]:
    rows: list[Row] = []
    for section in (each for band in bands for first in band for each in (first, *first.below)):
        if section.plain is not None:
            rows += section.plain(width)
        elif found := section.rows(width):
            note = [piece for each in section.note for piece in (Piece("  "), each)]
            rows += [BLANK, *wrapped([(Piece(" "), Piece(section.title, "title"), *note)], width), *found]
    return rows


def _boxed(bands: Sequence[Band], style: SectionStyle) -> list[Row]:
    panels: list[ScreenPanel] = []
    top = 0
    for band in bands:
        places = _places(band, style.width)
        columns = [_stacked(section, width - 2) for section, (_left, width) in zip(band, places, strict=True)]
        high = max((sum(len(rows) + 1 for _each, rows in stack) for stack in columns if stack[0][1]), default=0)
        if not high:
            continue
        for stack, (left, width) in zip(columns, places, strict=True):
            at = top
            for place, (section, rows) in enumerate(stack):
                end = top + high if place == len(stack) - 1 else at + len(rows) + 1
                area = PanelArea(left, at, width, end - at + 1)
                panels.append(ScreenPanel(area, (Piece(section.title, "title"),), rows, section.note))
                at = end
        top += high
    return draw_panels(panels, style.width, top + 1, style.glyphs) if panels else []


def _stacked(section: Section, width: int) -> list[tuple[Section, Sequence[Row]]]:
    """A section and those below it with their rows, without those that have none; at least one."""
    drawn = [(each, each.rows(width)) for each in (section, *section.below)]
    return [(each, rows) for each, rows in drawn if rows] or drawn[:1]


def _places(band: Band, width: int) -> list[tuple[int, int]]:
    """Where each section begins, and its width; neighbours share a border."""
    whole, used = sum(section.share for section in band), 0
    places: list[tuple[int, int]] = []
    for section in band:
        left = (width - 1) * used // whole
        used += section.share
        places.append((left, (width - 1) * used // whole - left + 1))
    return places


def last_of(part: timedelta, window: timedelta) -> str:
    """How far back a chart goes, and of which range that is all that is known."""
    whole = human_duration(window.total_seconds())
    if part >= window:
        return _("last {time}", time=whole)
    return _("last {time} of {window}", time=value_text(round(part.total_seconds()), "seconds"), window=whole)


def runbook_rows(titles: Sequence[str]) -> list[Row]:
    """The first of the runbooks with its key, and how many more there are."""
    if not titles:
        return []
    more = len(titles) - 1
    others = "  " + ngettext("and {count} more", "and {count} more", more) if more else ""
    return [(Piece("   r ", "key"), Piece(_("runbook") + "  ", "muted"), Piece(titles[0]), Piece(others, "muted"))]


# ---- charts ------------------------------------------------------------------------------------------------------


class PageCurve(Struct, frozen=True):
    """One series of a chart: ``values`` returns that many, oldest first; ``now`` is its newest value as text."""

    name: str
    values: Callable[[int], Values]
    now: str = ""
    role: str = ""
    """Its colour, where it means something; by its place in the chart if empty."""
    newest: float | None = None
    """The number of ``now``, with which its course ends: history tells the mean of each column."""

    def course(self, count: int) -> Values:
        """So many values, oldest first, the last of them the newest one."""
        values = self.values(count)
        if self.newest is None or not values:
            return values
        known = next((place for place in range(len(values) - 1, -1, -1) if values[place] is not None), 0)
        last = known if known >= _NEAR_END * len(values) else len(values) - 1
        return [*values[:last], self.newest, *values[last + 1 :]]


_NEAR_END = 0.9
"""From this part of a course on, its last value is the newest one, and not of before a gap."""


class PageChart(Struct, frozen=True):
    """A chart on a page. ``axis`` labels a value in at most ``AXIS_WIDTH`` cells; ``warn`` and ``fail`` are limits that
    colour what is above them, ``mark`` a limit that colours nothing. ``moment`` is one that is marked."""

    title: str
    curves: Sequence[PageCurve]
    axis: Callable[[float], str]
    start: datetime
    end: datetime
    now: str = ""
    """Its newest value as text."""
    notes: tuple[str, ...] = ()
    """What else stands beside it, where there is room: a limit, and whose it is."""
    line: bool = False
    """Whether a single curve is a line too, instead of filled."""
    cursor: float | None = None
    """Where the time cursor stands, from 0 (``start``) to 1 (``end``)."""
    top: float | None = None
    binary: bool = False
    warn: float | None = None
    fail: float | None = None
    mark: float | None = None
    reach: float | None = None
    """A value up to which the scale goes at least."""
    moment: datetime | None = None
    fired: bool = False
    """Whether an alert fired at the moment."""
    sign: str = ""
    """What stands before the time of the moment otherwise, where it has room."""
    snug: bool = False
    """Whether the scale ends close above the highest value."""
    quiet: str = ""
    """What is said of it instead where all of its values are zero; empty if it is drawn all the same."""
    unknown: str = ""
    """The same where none of its values is known."""
    optional: bool = False
    """Whether nothing is said of it either where none is known."""


def not_in_force(value: float | None, threshold: Threshold, view: HostView, glyphs: Glyphs) -> Sequence[str]:
    """Of a value above a limit that does not count yet, so that its level is worse than the one in force: that level's
    sign, and after how many samples it applies, in full and in short; else nothing."""
    if isinstance(view.link, Unavailable) or view.level is Level.UNKNOWN:
        return ()
    above = {"failing": Level.FAILING, "degraded": Level.DEGRADED}.get(level_role(value, threshold), Level.GOOD)
    if above <= view.level:
        return ()
    count, sign = view.thresholds.hold, glyphs.level(above)
    return (
        ngettext("{sign} after {count} sample", "{sign} after {count} samples", count, sign=sign),
        _("{sign} after {count}×", sign=sign, count=count),
    )


def not_counted_yet(view: HostView, glyphs: Glyphs) -> Row:
    """What is said of a good host whose values are above limits that do not count yet, instead of that all is well."""
    summary, limits = view.summary, view.thresholds
    if summary is None or view.level is not Level.GOOD:
        return ()
    values = ((_("CPU"), summary.cpu_percent, limits.cpu_percent),
              (_("Memory"), summary.memory_percent, limits.memory_percent))  # fmt: skip
    told = [
        f"{name} {percent_text(value).strip()} {notes[0]}"
        for name, value, limit in values
        if (notes := not_in_force(value, limit, view, glyphs))
    ]
    return (Piece(clauses(told), "degraded"),) if told else ()


def chart_bands(charts: Sequence[PageChart], style: SectionStyle) -> list[Band]:
    """The charts as sections, side by side where each has room."""
    if style.first_more:
        even = replace(style, first_more=0)
        higher = replace(even, chart_height=style.chart_height + style.first_more)
        return [*chart_bands(charts, higher)[:1], *chart_bands(charts, even)[1:]]
    points = _points(charts, style)
    return beside_each_other([chart_section(each, style, points) for each in charts], style.width, style.chart_beside)


def _points(charts: Sequence[PageChart], style: SectionStyle) -> int:
    """How many values each chart has: the same for all, as a series is asked for once, however wide its charts are."""
    columns = max(1, min(len(charts), (style.width - 1) // style.chart_beside))
    return plot_points(style.width // (len(charts) // -(-len(charts) // columns) if charts else 1))


def quiet_charts(charts: Sequence[PageChart], style: SectionStyle) -> tuple[list[PageChart], list[Section]]:
    """The charts that are drawn, and a line in place of each of those whose values are all zero, or all unknown, and
    that say what is told then."""
    points, shown, told = _points(charts, style), list[PageChart](), list[Section]()
    for each in charts:
        said = ""
        if each.quiet and all(_is_zero(curve.course(points)) for curve in each.curves):
            said = each.quiet
        elif (each.unknown or each.optional) and all(_is_unknown(curve.course(points)) for curve in each.curves):
            if each.optional:
                continue
            said = each.unknown
        if said:
            told.append(text_section(each.title, [(Piece(" " + said, "muted"),)]))
        else:
            shown.append(each)
    return shown, told


def _is_unknown(values: Values) -> bool:
    return all(value is None for value in values)


def _is_zero(values: Values) -> bool:
    """Whether something is known, and all of it is zero."""
    known = [value for value in values if value is not None]
    return bool(known) and not any(known)


def chart_section(shown: PageChart, style: SectionStyle, points: int | None = None) -> Section:
    """A chart of so many values in its box; where there are no boxes, one line a curve."""
    count = points or plot_points(style.width)
    if style.fired is not None and shown.moment is None:
        shown = replace(shown, moment=style.fired, fired=True)
    if style.cursor is not None and shown.start <= style.cursor <= shown.end:
        shown = _at_cursor(shown, count, (style.cursor - shown.start) / (shown.end - shown.start))
    return Section(
        shown.title,
        lambda width: _chart_rows(shown, width - 1, style, count),
        tuple(Piece(text, "muted") for text in (shown.now, *shown.notes) if text),
        plain=lambda width: _curve_lines(shown, width, style, count),
    )


def _at_cursor(shown: PageChart, count: int, cursor: float) -> PageChart:
    """The chart with the values at the cursor in place of the newest ones."""
    courses = [each.course(count) for each in shown.curves]
    found = [course[min(len(course) - 1, int(cursor * len(course)))] if course else None for course in courses]
    texts = [_("unknown") if value is None else shown.axis(value) for value in found]
    single = len(shown.curves) == 1
    curves = [
        replace(each, values=partial(_same, course), now="" if single else text, newest=None)
        for each, course, text in zip(shown.curves, courses, texts, strict=True)
    ]
    return replace(shown, curves=curves, now=texts[0] if single else "", cursor=cursor)


def _same(values: Values, _count: int) -> Values:
    return values


def _chart_rows(shown: PageChart, width: int, style: SectionStyle, count: int) -> list[Row]:
    named = len(shown.curves) > 1
    axes = Axes(
        unit=shown.axis, start=shown.start, end=shown.end, top=shown.top, binary=shown.binary,
        warn=shown.warn, fail=shown.fail, mark=shown.mark, moment=shown.moment, line=shown.line, cursor=shown.cursor,
        reach=shown.reach, sign=style.glyphs.alert if shown.fired else shown.sign, snug=shown.snug,
    )  # fmt: skip
    curves = [Curve(each.course(count), each.name if named else "", each.now, each.role) for each in shown.curves]
    if named and not all(_is_zero(each.values) for each in curves):  # the legend tells it, the line is in the way
        curves = [replace(each, values=()) if _is_zero(each.values) else each for each in curves]
    height = style.chart_height if named else style.chart_height + 1  # the legend has a row of its own
    rows = chart("", curves, axes, width=width, height=height, glyphs=style.glyphs)
    return rows if named else rows[1:]


def _curve_lines(shown: PageChart, width: int, style: SectionStyle, count: int) -> list[Row]:
    """Each curve as a line: its name, its course, and its newest value."""
    single = len(shown.curves) == 1
    named = [(each, shown.title if single else each.name, each.now or (shown.now if single else ""))
             for each in shown.curves]  # fmt: skip
    wide = min(_NAME_MOST, max(cell_width(name) for _curve, name, _now in named))
    numbers = max(cell_width(now) for _curve, _name, now in named)
    size = min(_SPARK_MOST, width - 1 - wide - numbers - 2 * _LEGEND_GAP)
    courses = [resampled(each.course(count), max(1, size)) for each in shown.curves]
    highest = max((value for course in courses for value in course if value is not None), default=None)
    told = "  ".join(filter(None, (shown.now, *shown.notes)))
    rows: list[Row] = [] if single else [(Piece(" "), Piece(shown.title, "title"), Piece(f"  {told}", "muted"))]
    for (curve, name, now), course in zip(named, courses, strict=True):
        pieces = [Piece(" "), Piece(fit(name, wide), "muted")]
        if not style.slow_link and size >= _SPARK_LEAST:
            bars = spark(course, size, style.glyphs, top=shown.top or HEADROOM * (highest or 0))
            pieces += [Piece(" " * _LEGEND_GAP), Piece(bars, "chart")]
        rows.append((*pieces, Piece(" " * _LEGEND_GAP), Piece(now, curve.role or "text")))
    return [cut_row(row, width) for row in rows]


_STEPS_SHOWN = 3


def first_steps(steps: Sequence[Sequence[Row]]) -> Section:
    """The first steps of the runbook, each with its command in one line, and how many more there are."""

    def rows(width: int) -> list[Row]:
        found: list[Row] = []
        for title, *commands in steps[:_STEPS_SHOWN]:
            found += [*padded([title], width), *(cut_row(each, width - 1) for each in commands)]
        if (more := len(steps) - _STEPS_SHOWN) > 0:
            found.append((Piece("    " + _("{count} more", count=more), "muted"),))
        return found

    return Section(_("First steps of the runbook"), rows, (Piece("r", "key"),))


def pairs_section(title: str, pairs: Sequence[tuple[str, str]]) -> Section:
    """Names with their values, below each other."""
    size = min(24, max(cell_width(clean(name)) for name, _value in pairs) + 2)
    return text_section(title, [(Piece(" " + fit(name, size), "muted"), Piece(value)) for name, value in pairs])
