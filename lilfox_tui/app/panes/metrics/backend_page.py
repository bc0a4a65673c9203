"""Backends as rows of a list and as pages. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.app.panes.metrics.findings import finding_sections
from lilfox_tui.app.panes.metrics.sections import (
    Band,
    PageChart,
    PageCurve,
    Past,
    Section,
    SectionStyle,
    beside_each_other,
    chart_bands,
    draw_sections,
    fill_page,
    text_section,
)
from lilfox_tui.app.panes.metrics.traffic_sections import seconds_axis
from lilfox_tui.app.rendering.chart import Values, spark
from lilfox_tui.app.rendering.columns import wrapped
from lilfox_tui.app.rendering.draw import Glyphs, Piece, Row
from lilfox_tui.app.rendering.panels import NARROWEST, cut_row, row_width
from lilfox_tui.app.rows.hosts import ROLES, TableStyle, held_for, lately_rows, well
from lilfox_tui.app.rows.reasons import why_no_figures
from lilfox_tui.backends.model import (
    BackendChart,
    BackendCurve,
    BackendFact,
    Cell,
    Figure,
    Table,
    Unit,
    load,
    whole_or_tenths,
)
from lilfox_tui.core.i18n import Message, _, clauses, listed, ntr
from lilfox_tui.core.text import cell_width, clean, fit, human_age, human_bytes, human_count, human_duration
from lilfox_tui.core.units import value_text
from lilfox_tui.metrics.model import Level, Series
from lilfox_tui.monitor.model import BackendView, ClientReport, FindingView, StatusChange
from lilfox_tui.monitor.raised_levels import is_of_client

# The BACKENDS lines as rows. Pure: views in, rows out.


_NAME_WIDTH = 14
_KIND_WIDTH = 10
_TREND_WIDTH = 8
_WIDE = 72
_TREND_FROM = 100
"""Cells from which there is room for a trend beside all figures of a database."""


def backend_row(
    view: BackendView,
    now: datetime,
    style: TableStyle,
    *,
    name_width: int = _NAME_WIDTH,
) -> Row:
    """One backend: its figures and problems, or why there are none. Its name has ``name_width`` cells at most. What its
    clients report comes first: LilFox may reach what they do not."""
    wide = style.width >= _WIDE
    pieces = [
        Piece(" "),
        Piece(style.glyphs.level(view.level), ROLES[view.level]),
        Piece(" "),
        Piece(fit(clean(view.name), min(name_width, _NAME_WIDTH)), "strong"),
        Piece("  "),
    ]
    if wide:
        pieces += [Piece(fit(view.config.kind, _KIND_WIDTH), "muted"), Piece("  ")]
    if view.outage is not None or not view.figures:
        return (*pieces, Piece(why_no_figures(view, now), ROLES[view.level]))
    for each in view.reports[:1]:
        report = _reported(each, now)
        if each.at is not None and cell_width(report) > style.width - row_width(tuple(pieces)):
            words = _("{client} logs errors about it", client=each.who)  # which stand below, and on its page
            report = words if each.still_holds(now) else _("{client} logged errors about it", client=each.who)
        pieces += [Piece(report, "degraded"), Piece("  ")]
    if style.width >= _TREND_FROM and style.sparklines:
        recent = (style.recent or {}).get(f"backend/{view.name}") or ()
        pieces += [Piece(fit(spark(recent, _TREND_WIDTH, style.glyphs), _TREND_WIDTH), "chart"), Piece("  ")]
    left = style.width - row_width(tuple(pieces))
    for figure in view.figures:
        text, good = str(figure.text), figure.level is Level.GOOD
        if good and cell_width(text) > left:
            continue  # it stands on the backend's page; half of a number says nothing
        pieces += [Piece(text, "text" if good else ROLES[figure.level]), Piece("  ")]
        left -= cell_width(text) + 2
    if view.reading is not None and view.reading.incomplete is not None:
        pieces += [Piece(_("incomplete"), "degraded"), Piece("  ")]
    said = {str(figure.text) for figure in view.figures}
    if why := clauses(reason for reason in map(str, _own_reasons(view)) if reason not in said):
        pieces.append(Piece(why, ROLES[view.level]))
    return tuple(pieces)


def _own_reasons(view: BackendView) -> list[Message]:
    """The reasons for its level but what its clients report, which stands before them."""
    return [each for each in view.reasons if not is_of_client(each)]


_GAP = 2
_WIDEST = 28
"""No column but the last is wider."""
_FACT_WIDTH, _FACT_LEAST, _TABLES_BESIDE = 24, 14, 58
"""Cells of a fact's title, of its value at least, and those from which tables stand beside others."""
_BAR = 10
"""Cells of the bar of a share."""
_WHOLE, _SMALL_LIMIT = 100.0, 200.0


class BackendPage(Struct, frozen=True):
    """The contents of the page; ``now`` is aware UTC."""

    view: BackendView
    changes: Sequence[StatusChange]
    past: Past
    past_rate: Past
    """As ``past``, of a counter: its increase per second, unknown where it was reset."""
    now: datetime
    window: timedelta
    glyphs: Glyphs
    width: int
    chart_height: int = 5
    slow_link: bool = False
    charts_first: bool = True
    """Whether all charts stand above the tables, as on a high screen."""
    height: int = 0
    """Rows of the screen; 0 if it does not matter."""
    cursor: datetime | None = None
    """The moment whose values the charts tell, instead of the newest ones."""
    findings: Sequence[FindingView] = ()
    """Those of the audit on this backend."""


def backend_page(page: BackendPage) -> list[Row]:
    """All rows of the page; the first two stay on the screen."""
    style = SectionStyle(page.width, page.glyphs, page.chart_height, slow_link=page.slow_link, cursor=page.cursor)
    charts = backend_charts(page)
    return fill_page(lambda style: _drawn(page, style, charts), style, page.height, len(chart_bands(charts, style)))


def _drawn(page: BackendPage, style: SectionStyle, shown: Sequence[PageChart]) -> list[Row]:
    view = page.view
    rows: list[Row] = [
        (
            Piece(" "),
            Piece(page.glyphs.level(view.level) + " ", ROLES[view.level]),
            Piece(view.name, "strong"),
            Piece(f"   {view.config.kind}" + (f" @{view.config.host}" if view.config.host else ""), "muted"),
            *_title_facts(page),
        ),
        *_reasons(page),
    ]
    if view.figures:
        rows.append((Piece("   "), *(Piece(str(figure.text) + "  ", _figure_role(figure)) for figure in view.figures)))
    quiet = _quiet(page)
    if quiet:
        names = listed(str(each.quiet) for each in quiet)
        rows.append((Piece("   " + _("always 0 in this range: {names}", names=names), "muted"),))
    charts = chart_bands(shown, style)
    above = len(charts) if page.charts_first else 1
    reading = view.reading
    told = {str(name) for each in quiet for name in (each.name, each.quiet)}
    tables = {each.key: _table(_costliest(each), page, told) for each in (reading.tables if reading else ())}
    blocking, counted, sessions, statements = (
        [tables.pop(key) for key in keys if key in tables] for keys in (("blocking",), _COUNTED, _SESSIONS, _STATEMENTS)
    )
    others = list(tables.values())
    if reading is not None and (facts := [each for each in reading.facts if not _is_in_title(each, page)]):
        others.append(_facts(facts))
    others += finding_sections(page.findings, page.glyphs)
    if changes := lately_rows(page.changes, page.now, page.glyphs):
        others.append(text_section(_("Recent changes"), changes))
    bands: list[Band] = [
        *([each] for each in blocking),
        *_counted_bands(counted, sessions, page.width),
        *charts[:above],
        *([each] for each in statements),
        *charts[above:],
        *beside_each_other(others, page.width, _TABLES_BESIDE),
    ]
    return [*wrapped(rows, page.width), *draw_sections(bands, style)]


_VERSION, _ROLE, _UPTIME = "version", "role", "up_s"
"""The facts of a server that the title of its page tells: of its version the number."""


def _title_facts(page: BackendPage) -> Iterator[Piece]:
    """What the server is, after its name: nothing while it does not answer, as that may have changed."""
    view = page.view
    known = {each.key: each for each in (view.reading.facts if view.reading is not None else ()) if each.value}
    for key in (_VERSION, _ROLE, _UPTIME) if _has_title_facts(page) else ():
        if (fact := known.get(key)) is not None:
            text = cell_text(fact.value, fact.unit)
            if key == _UPTIME:
                text = _("up {time}", time=_until_now(fact.value, page))
            elif key == _VERSION:
                text = text.partition(" ")[0]
            yield Piece("  " + text, "strong" if key == _ROLE else "muted")


def _until_now(seconds: Cell, page: BackendPage) -> str:
    """A span that has gone on since the reading, by the clock of the other times of the page, and rounded as those of
    its tables: no session is older than its server."""
    read_at = page.now if page.view.reading is None else page.view.reading.at
    passed_s = max(0.0, (page.now - read_at).total_seconds())
    if not isinstance(seconds, int | float):
        return cell_text(seconds, "seconds")
    return human_duration(round(seconds + passed_s))


def _has_title_facts(page: BackendPage) -> bool:
    return page.view.outage is None and page.width >= NARROWEST


def _is_in_title(fact: BackendFact, page: BackendPage) -> bool:
    return _has_title_facts(page) and bool(fact.value) and fact.key in (_ROLE, _UPTIME)


def _figure_role(figure: Figure) -> str:
    return "text" if figure.level is Level.GOOD else ROLES[figure.level]


def _reasons(page: BackendPage) -> Iterator[Row]:
    view, role = page.view, ROLES[page.view.level]
    yield from (report_row(each, page.now) for each in view.reports)
    if view.outage is not None:
        held = held_for(view, page.now) if view.reading is None and view.outage.last is None else ""
        since = "  " + _("for {time}", time=held) if held else ""
        yield (Piece("   "), Piece(why_no_figures(view, page.now), role), Piece(since, "muted"))
        yield (Piece("   "), Piece(str(view.outage.error.hint)))
        if view.reading is not None:
            yield (
                Piece("   " + _("the data below is from {time}", time=view.reading.at.strftime("%H:%M:%S")), "muted"),
            )
        return
    own = _own_reasons(view)
    held = "" if view.reports and not own else held_for(view, page.now)
    for place, reason in enumerate([str(each) for each in own] or [_no_finding(page)]):
        since = "  " + _("for {time}", time=held) if held and place == 0 else ""
        yield (Piece("   "), Piece(reason, role if own or not view.reports else "text"), Piece(since, "muted"))
    if view.reading is not None and view.reading.incomplete is not None:
        yield (Piece("   "), Piece(str(view.reading.incomplete), "degraded"))


def _reported(report: ClientReport, now: datetime) -> str:
    who, said = report.who, clean(report.text)
    if report.still_holds(now):
        return _("{client} reports: {said}", client=who, said=said)
    return _("{client} reported: {said}", client=who, said=said)


def report_row(report: ClientReport, now: datetime) -> Row:
    """What a client says, before what LilFox itself found: its users are among the client's."""
    said = _reported(report, now)
    times = f" (×{report.times})" if report.times > 1 else ""
    age = "" if report.at is None else "  " + _("{time} ago", time=human_age((now - report.at).total_seconds()))
    return (Piece("   "), Piece(said + times, "degraded"), Piece(age, "muted"))


def _no_finding(page: BackendPage) -> str:
    """What was looked at, where nothing was found: more than that is not proved."""
    view = page.view
    if view.level is not Level.GOOD and not view.reports:
        return well(view)
    checked = listed(map(str, view.reading.checked)) if view.reading is not None else ""
    if view.reports:
        return _("LilFox itself found no problem in {checked}", checked=checked) if checked else _("it answers LilFox")
    return _("no problem found in {checked}", checked=checked) if checked else well(view)


# ---- charts ------------------------------------------------------------------------------------------------------


def backend_charts(page: BackendPage) -> list[PageChart]:
    """The charts of the backend's kind of which anything is known now or was known in the window, without what is zero
    all the time."""
    found = (_chart(page, each) for each in load(page.view.config.kind).CHARTS)
    return [each for each in found if each is not None]


def _quiet(page: BackendPage) -> list[BackendCurve]:
    """What is zero all the time: a line of names instead of a chart each."""
    curves = (curve for each in load(page.view.config.kind).CHARTS for curve in each.curves)
    return [curve for curve in curves if _is_quiet(page, curve)]


def _is_quiet(page: BackendPage, curve: BackendCurve) -> bool:
    """Whether a curve is told of in a line while it is zero, and was zero in the whole window."""
    if curve.quiet is None or page.view.outage is not None:
        return False
    known = [value for value in _course(page, curve, _KNOWN_POINTS) if value is not None]
    if not curve.per_second and page.view.reading is not None and curve.series in page.view.reading.values:
        known.append(page.view.reading.values[curve.series])
    return bool(known) and not any(known)


def _chart(page: BackendPage, wanted: BackendChart) -> PageChart | None:
    fresh = page.view.reading if page.view.outage is None else None
    values = {} if fresh is None else fresh.values
    curves = [
        each for each in wanted.curves if (each.series in values or _is_known(page, each)) and not _is_quiet(page, each)
    ]
    if not curves:
        return None
    limit = None if wanted.limit is None else values.get(wanted.limit) or None
    newest = [_newest(each, values, page) for each in curves]
    told = [_newest_text(value, each, wanted.unit) for value, each in zip(newest, curves, strict=True)]
    highest = 0.0 if limit is None else _highest(page, curves, values)
    title = str(wanted.title)
    if limit is not None:
        title = _("{title}, of {limit}", title=title, limit=cell_text(limit, wanted.unit))
    return PageChart(
        title,
        [
            PageCurve(str(each.name), partial(_course, page, each), "" if len(curves) == 1 else now, "", value)
            for each, now, value in zip(curves, told, newest, strict=True)
        ],
        partial(axis_text, wanted.unit),
        page.now - page.window,
        page.now,
        now=told[0] if len(curves) == 1 else "",
        top=_WHOLE if wanted.unit == "percent" else _part_of_limit(page, wanted, limit),
        binary=wanted.unit == "bytes",
        mark=limit if limit is not None and highest >= limit * _LIMIT_FROM else None,
        reach=limit if limit is not None and highest >= limit * _SCALED_TO_LIMIT_FROM else None,
        line=wanted.unit == "percent",
    )


def _part_of_limit(page: BackendPage, wanted: BackendChart, limit: float | None) -> float | None:
    """The top of a chart of counts far below their small limit: else one of 50 would look like all of them."""
    if limit is None or limit > _SMALL_LIMIT or wanted.unit != "count":
        return None
    return limit * _LIMIT_FROM if _highest(page, wanted.curves, {}) < limit * _LIMIT_FROM else None


def _highest(page: BackendPage, curves: Sequence[BackendCurve], values: Mapping[Series, float]) -> float:
    """The highest value of the curves, now or in the window."""
    known = [value for each in curves for value in _course(page, each, _KNOWN_POINTS) if value is not None]
    return max([*known, *(values[each.series] for each in curves if each.series in values)], default=0.0)


def _is_known(page: BackendPage, curve: BackendCurve) -> bool:
    return any(value is not None for value in page.past(curve.series, _KNOWN_POINTS))


_KNOWN_POINTS = 60
_LIMIT_FROM, _SCALED_TO_LIMIT_FROM = 0.1, 0.25
"""Parts of a limit from which on it is drawn, and from which on the scale reaches up to it: values far below it would
not be seen."""


def _newest(curve: BackendCurve, values: Mapping[Series, float], page: BackendPage) -> float | None:
    """The newest value of a curve; of a rate that of the newest samples."""
    if not curve.per_second or not values:
        return values.get(curve.series)
    return next((each for each in reversed(_course(page, curve, _KNOWN_POINTS)) if each is not None), None)


def _newest_text(value: float | None, curve: BackendCurve, unit: Unit) -> str:
    if value is None:
        return _("unknown")
    if curve.per_second:
        return _("{count}/s", count=cell_text(value, unit) if unit == "bytes" else human_count(value))
    return cell_text(value, unit)


def _course(page: BackendPage, curve: BackendCurve, count: int) -> Values:
    """The values of a curve, or the increase of a counter per second."""
    past = page.past_rate if curve.per_second else page.past
    return past(curve.series, count)


def axis_text(unit: Unit, value: float) -> str:
    """The label of a value on an axis."""
    if unit == "seconds":
        return seconds_axis(value)
    return f"{value:.3g}%" if unit == "percent" else human_bytes(value) if unit == "bytes" else human_count(value)


# ---- facts and tables --------------------------------------------------------------------------------------------


def cell_text(value: Cell, unit: Unit) -> str:
    """A value in the unit of its column, in human-readable form."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, str | Message):
        return clean(str(value))
    if unit == "percent":
        return f"{whole_or_tenths(value)}%"
    if unit == "bytes":
        return value_text(value, "bytes")
    return human_duration(value) if unit == "seconds" else human_count(value)


def _facts(facts: Sequence[BackendFact]) -> Section:
    """Facts in as many columns as fit, read from top to bottom; none is cut while there is room."""
    texts = [cell_text(fact.value, fact.unit) for fact in facts]
    wide = max(_FACT_LEAST, *map(cell_width, texts))

    def rows(width: int) -> list[Row]:
        columns = max(1, width // (1 + _FACT_WIDTH + wide))
        high = -(-len(facts) // columns)
        last = min(wide, width - 1 - _FACT_WIDTH)
        return [
            tuple(
                piece
                for fact, text in list(zip(facts, texts, strict=True))[place::high]
                for piece in (
                    Piece(" " + fit(str(fact.title), _FACT_WIDTH), "muted"),
                    Piece(fit(text, last)),
                )
            )
            for place in range(high)
        ]

    return Section(_("Server"), rows)


_SESSIONS, _STATEMENTS = ("sessions",), ("slow_statements", "commands")
"""The tables with statements, each as wide as the page: who does what now, and what has cost most."""
_COUNTED, _COUNTED_BESIDE, _COUNTED_ALL = ("session_states", "waits", "clients"), 100, 150
"""The tables that count sessions, and the cells from which they stand beside the last one, and all of them."""
_COSTLY, _COSTLY_LEAST = 1.0, 3
"""Percent of the time of all statements from which one is shown, and how many are shown at least."""
_OF_NOTHING = frozenset(("wait", "transaction_s", "oldest_s", "wait_s", "lock"))
"""Columns whose empty cells mean that there is nothing; in others they are not known."""


def _counted_bands(counted: Sequence[Section], sessions: Sequence[Section], width: int) -> list[Band]:
    """The tables that count sessions, and the sessions: side by side, or the narrow ones below each other beside the
    last one, which comes behind the sessions where it has no room."""
    rest: list[Band] = [[each] for each in sessions]
    if not counted[1:] or width < NARROWEST:
        return [*([each] for each in counted), *rest]
    *narrow, clients = counted
    if width >= _COUNTED_ALL:
        return [[*narrow, replace(clients, share=2)], *rest]
    if width >= _COUNTED_BESIDE:
        return [[replace(narrow[0], share=5, below=narrow[1:]), replace(clients, share=7)], *rest]
    return [narrow, *rest, [clients]]


def _costliest(table: Table) -> Table:
    """The table of statements without those that cost next to nothing, which would hide what stands below it, and
    without their ids, by which nothing is chosen here; other tables as they are."""
    if table.key not in _STATEMENTS or table.columns[0].key != "share_percent":
        return table
    named = [place for place, column in enumerate(table.columns) if column.key != "id"]
    table = replace(
        table,
        columns=tuple(table.columns[place] for place in named),
        rows=tuple(tuple(row[place] for place in named) for row in table.rows),
    )
    rows: list[tuple[Cell, ...]] = []
    left_out: list[float] = []
    for place, row in enumerate(table.rows):
        if place < _COSTLY_LEAST or not isinstance(share := row[0], int | float) or share >= _COSTLY:
            rows.append(row)
        else:
            left_out.append(share)
    if not left_out:
        return table
    note = ntr(
        "{count} more statement takes at most {share}% of the time",
        "{count} more statements take at most {share}% of the time each",
        len(left_out),
        share=_over_tenths(max(left_out)),
    )
    return replace(table, rows=tuple(rows), note=table.note or note)


def _over_tenths(percent: float) -> str:
    """A percentage with one decimal that is no less than it, and no less than ``0.1``."""
    return f"{max(1, math.ceil(round(percent * 10, 9))) / 10:g}"


def _table(table: Table, page: BackendPage, told: Collection[str]) -> Section:
    if table.key in _COUNTED:  # that no session is in a state stands in the line of figures
        told = {str(column.title) for column in table.columns}
    note = (Piece(str(len(table.rows)), "muted"),) if table.rows else ()
    return Section(str(table.title), lambda width: table_rows(table, width, page.glyphs, told), note)


def table_rows(table: Table, width: int, glyphs: Glyphs, told: Collection[str] = ()) -> list[Row]:
    """The rows of a table below its note and its column titles; numbers are right-aligned, the last column takes the
    remaining width and is cut. Columns that say nothing in any row are one line below it, without those that are
    ``told`` to be zero."""
    rows: list[Row] = []
    if table.note is not None:
        rows += wrapped([(Piece(" "), Piece(str(table.note), "muted"))], width)
    if not table.rows:
        return rows
    table, said = _telling(table, told)
    shown = [[_cell(value, place, table, glyphs) for place, value in enumerate(row)] for row in table.rows]
    titles = [str(column.title) for column in table.columns]
    natural = [
        max(cell_width(title), *(row_width(cells[place]) for cells in shown)) for place, title in enumerate(titles)
    ]
    widths = [min(_WIDEST, each) for each in natural]
    kept = _kept_columns(table, [*widths[:-1], natural[-1]], width)
    room = width - 2 - sum(widths[place] for place in kept[:-1]) - _GAP * (len(kept) - 1)
    if table.columns[kept[-1]].unit == "text":
        widths[kept[-1]] = max(1, room)
    heads: list[Row] = [(Piece(title, "muted"),) for title in titles]
    rows += [_line(cells, table, widths, kept) for cells in (heads, *shown)]
    return rows + wrapped([(Piece(" "), Piece(each, "muted")) for each in said], width)


def _telling(table: Table, told: Collection[str]) -> tuple[Table, list[str]]:
    """The table without the columns of which no row says anything, and what is to be said of these instead."""
    places = range(1, len(table.columns) - (table.columns[-1].unit == "text"))
    values = {place: [row[place] for row in table.rows] for place in places}
    zero = [place for place, cells in values.items() if all(cell == 0 and cell is not False for cell in cells)]
    empty = [place for place, cells in values.items() if all(cell is None or cell == "" for cell in cells)]
    unknown = [place for place in empty if table.columns[place].key not in _OF_NOTHING]
    kept = [place for place in range(len(table.columns)) if place not in (*zero, *empty)]

    def titles(places: Sequence[int]) -> str:
        return listed(str(table.columns[place].title) for place in places)

    untold = [place for place in zero if str(table.columns[place].title) not in told]
    said = [_("0 in all rows: {names}", names=titles(untold))] if untold else []
    said += [_("unknown: {names}", names=titles(unknown))] if unknown else []
    columns, rows = table.columns, table.rows
    fewer = replace(
        table,
        columns=tuple(columns[place] for place in kept),
        rows=tuple(tuple(row[place] for place in kept) for row in rows),
    )
    return fewer, said


def _kept_columns(table: Table, widths: Sequence[int], width: int) -> list[int]:
    """The columns that have room: the first and the last one, and of the others the first ones. A text at the end has a
    third of the width before others come."""
    last = len(widths) - 1
    least = widths[last]
    if table.columns[last].unit == "text":
        part = _TEXT_PART if width < _WIDE_TABLE else _TEXT_PART + 1
        least = min(least, max(_LAST_LEAST, width // part))
    kept, used = [0], 1 + widths[0] + (_GAP + least if last else 0)
    for place in range(1, last):
        if used + _GAP + widths[place] <= width - 1:
            kept.append(place)
            used += _GAP + widths[place]
    return [*kept, last] if last else kept


_LAST_LEAST, _TEXT_PART, _WIDE_TABLE = 14, 3, 110


def _cell(value: Cell, place: int, table: Table, glyphs: Glyphs) -> Row:
    """A cell: a share with its bar, a session below the one that it waits for, others as text."""
    column = table.columns[place]
    text = cell_text(value, column.unit)
    if column.key == "share_percent" and isinstance(value, int | float):
        full = min(_BAR, max(0, round(value / _WHOLE * _BAR)))
        bar = (Piece(glyphs.full * full, "chart"), Piece(glyphs.empty * (_BAR - full), "rule"))
        return (*bar, Piece(f" {fit(text, 6, right=True)}"))
    if table.key == "blocking" and column.key == "pid":
        pid = text.lstrip(" ")
        deep = len(text) - len(pid)
        return (Piece(" " * (deep - 2) + f"{glyphs.corner} " if deep else "", "rule"), Piece(pid, "strong"))
    waits = table.key == "blocking" and column.key in ("wait_s", "blocked_by") and value not in (None, "")
    waits = waits or (column.key in ("wait", "lock") and value not in (None, ""))
    open_ = column.key == "state" and str(value).startswith("idle in transaction")
    idle = column.key == "state" and value == "idle"
    return (Piece(text, "degraded" if waits or open_ else "muted" if idle else "text"),)


def _line(cells: Sequence[Row], table: Table, widths: Sequence[int], kept: Sequence[int]) -> Row:
    pieces: list[Piece] = [Piece(" ")]
    for number, place in enumerate(kept):
        cell = cut_row(cells[place], widths[place])
        blank = Piece(" " * (widths[place] - row_width(cell)))
        right = table.columns[place].unit != "text" and table.columns[place].key != "share_percent"
        pieces += [Piece(" " * _GAP if number else ""), *((blank, *cell) if right else (*cell, blank))]
    return tuple(piece for piece in pieces if piece.text)
