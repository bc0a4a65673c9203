"""Dialogs of the Metrics pane: a PromQL expression with its series and their chart, and a silence."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import ClassVar, NamedTuple

from msgspec import Struct
from textual import events, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input

from lilfox_tui.alerts.model import Alert, SilenceMatcher
from lilfox_tui.alerts.silences import PRESETS_S, check_silence, format_matchers, matchers_of, parse_matchers
from lilfox_tui.app.dialogs.messages import HIGH, Ahead, Dialog
from lilfox_tui.app.panes.metrics.alert_page import number
from lilfox_tui.app.rendering.chart import (
    AXIS_WIDTH,
    SERIES_COLOURS,
    Axes,
    Curve,
    Values,
    chart,
    chart_columns,
    series_role,
    spark,
)
from lilfox_tui.app.rendering.columns import cells, wrapped
from lilfox_tui.app.rendering.draw import BLANK, Glyphs, Piece, Row
from lilfox_tui.app.widgets import Lines, TextField
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import _, listed, ngettext, tr
from lilfox_tui.core.text import cell_width, fit, human_duration
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.lexer import Completion, KnownNames, complete
from lilfox_tui.promql.query import QueryEngine
from lilfox_tui.promql.remote import RemoteEngine
from lilfox_tui.promql.value import Line, Matrix, Value, Vector
from lilfox_tui.scrape.labels import NAME, LabelSet, Matcher

# A box for PromQL over the screen: an expression with completion, its series and their chart.


# What a query gives as rows: the series with their values, and a chart of the chosen one. Pure.


MOST_ROWS = 500
_CHART_ROWS = 9
_PLOT_ROWS = _CHART_ROWS - 3
_TITLE_ROWS = 3
"""Of the chart at most, where labels are long."""
_SPARK = 16
_VALUE = 10
_WITH_SPARKS = 60
"""From this width on; below, the labels need the room."""
_NOTES_SHOWN = 3


class QueryAnswer(Struct, frozen=True):
    """The result of a query ``text`` at ``at`` (aware UTC): the ``value``, and ``lines`` over the preceding window in
    steps of ``step_s``; or an ``error``. ``notes`` are the warnings of the server."""

    text: str
    at: datetime
    window: timedelta
    step_s: float
    value: Value | None = None
    lines: Sequence[Line] = ()
    error: LilFoxError | None = None
    notes: Sequence[str] = ()


class QueryPage(Struct, frozen=True):
    """The contents of the query dialog; ``chosen`` is the index of the selected series. ``answer`` is None before the
    first query."""

    answer: QueryAnswer | None
    chosen: int
    width: int
    height: int
    glyphs: Glyphs
    where: str = ""
    """The Prometheus that is asked; empty where it is answered here."""


def series_of(answer: QueryAnswer | None) -> list[tuple[LabelSet, float | None, Values]]:
    """Each series with its current value (None if it has none) and its values by column."""
    if answer is None:
        return []
    columns = round(answer.window.total_seconds() / answer.step_s)
    past = {line.labels: _in_columns(line, answer, columns) for line in answer.lines}
    match answer.value:
        case Vector():
            now = dict(zip(answer.value.labels, answer.value.values.tolist(), strict=True))
        case Matrix():
            lines = answer.value.lines
            now = {line.labels: float(line.values[-1]) for line in lines if len(line.values)}
            past = {line.labels: _in_columns(line, answer, columns) for line in lines}
        case float():
            now = {LabelSet(()): answer.value}
        case _:
            now = {}
    unknown: Values = [None] * columns
    gone = [(labels, None, values) for labels, values in past.items() if labels not in now]
    return [*((labels, value, past.get(labels, unknown)) for labels, value in now.items()), *gone]


def query_page(page: QueryPage) -> tuple[list[Row], int | None]:
    """The rows of the query dialog, and the index of the selected one; the first two stay on the screen."""
    answer = page.answer
    if answer is None:
        return [(Piece(" " + _("type an expression; enter runs it, tab completes, esc closes"), "muted"),), BLANK], None
    rows: list[Row] = [_told(page, answer), BLANK]
    if answer.error is not None:
        return [*rows, *_error_rows(answer.error, page.width)], None
    notes = _note_rows(answer.notes, page.width)
    if isinstance(answer.value, str):
        return [*rows, *notes, (Piece("   " + answer.value),)], None
    found = series_of(answer)
    if not found:
        return [*rows, *notes, (Piece("   " + _("no series now or in this window"), "degraded"),)], None
    chosen = min(page.chosen, len(found) - 1)
    if page.height >= 2 * _CHART_ROWS:
        rows = [rows[0], *_chart(page, answer, found, chosen), BLANK]
    top = _top(found)
    rows += notes
    first = len(rows)
    drawn = _drawn(len(found), chosen)
    for place, each in enumerate(found[:MOST_ROWS]):
        rows.append(_series_row(each, page, top, series_role(place) if place in drawn else ""))
    if len(found) > MOST_ROWS:
        rows.append((Piece("   " + _("{count} more series", count=len(found) - MOST_ROWS), "muted"),))
    return rows, first + chosen if chosen < MOST_ROWS else None


def head_rows(page: QueryPage) -> int:
    """The number of rows at the top that stay on the screen: the title, with the chart if there is room."""
    has_chart = page.answer is not None and page.height >= 2 * _CHART_ROWS and bool(series_of(page.answer))
    return _CHART_ROWS + 1 if has_chart and page.answer is not None and page.answer.error is None else 2


def _told(page: QueryPage, answer: QueryAnswer) -> Row:
    count = len(series_of(answer))
    told = ngettext("{count} series", "{count} series", count) if answer.error is None else ""
    at = answer.at.strftime("%Y-%m-%d %H:%M:%S UTC")
    of = _("from {where}", where=page.where) if page.where else _("from local scrapes")
    return (Piece(f" {told}  ", "title"), Piece(f"{at}  {of}  " + _("esc closes"), "muted"))


def _error_rows(error: LilFoxError, width: int) -> list[Row]:
    """An error as rows. Several lines stay unwrapped, so that the caret stays below its position."""
    rows: list[Row] = [(Piece("   "), Piece(line, "failing")) for line in str(error).splitlines()]
    hint: list[Row] = [(Piece("   "), Piece(str(error.hint), "muted"))] if str(error.hint) else []
    return [*(rows if len(rows) > 1 else wrapped(rows, width)), *wrapped(hint, width)]


def _note_rows(notes: Sequence[str], width: int) -> list[Row]:
    rows: list[Row] = [(Piece("   "), Piece(note, "degraded")) for note in notes[:_NOTES_SHOWN]]
    if (more := len(notes) - _NOTES_SHOWN) > 0:
        rows.append((Piece("   " + _("{count} more", count=more), "muted"),))
    return wrapped(rows, width)


def _series_row(one: tuple[LabelSet, float | None, Values], page: QueryPage, top: float | None, colour: str) -> Row:
    """One series; ``colour`` is the role of its line in the chart, empty if it has none there."""
    labels, value, values = one
    shown, wide = "-" if value is None else number(value), page.width >= _WITH_SPARKS
    return (
        Piece(f" {page.glyphs.full} ", colour) if colour else Piece("   "),
        Piece(shown.rjust(_VALUE), "muted" if value is None else "strong"),
        *((Piece("  " + spark(_fewer(values, _SPARK), _SPARK, page.glyphs, top=top), "chart"),) if wide else ()),
        Piece("  " + str(labels), "muted" if value is None else "text"),
    )


def _drawn(count: int, chosen: int) -> list[int]:
    """The places of the series in the chart: the chosen one, which hides the others, and the first ones."""
    return [chosen, *(place for place in range(min(count, SERIES_COLOURS)) if place != chosen)][:SERIES_COLOURS]


def _chart(
    page: QueryPage, answer: QueryAnswer, found: Sequence[tuple[LabelSet, float | None, Values]], chosen: int
) -> list[Row]:
    window = human_duration(answer.window.total_seconds())
    labels, value, _values = found[chosen]
    more = "" if len(found) <= SERIES_COLOURS else f"  +{len(found) - SERIES_COLOURS}"
    drawn = partial(
        chart,
        str(labels),
        [Curve(found[place][2], role=series_role(place)) for place in _drawn(len(found), chosen)],
        Axes(unit=number, start=answer.at - answer.window, end=answer.at),
        width=chart_columns(page.width) + AXIS_WIDTH + 1,
        glyphs=page.glyphs,
        now_text=("" if value is None else f"{number(value)}  ({window})") + more,
    )
    rows = drawn(height=_PLOT_ROWS)
    titles = wrapped(rows[:1], page.width)[:_TITLE_ROWS]
    if (more_rows := len(titles) - 1) > 0:
        rows = drawn(height=_PLOT_ROWS - more_rows)  # what is below stays where it is
    return [*titles, *rows[1:]]


def _in_columns(line: Line, answer: QueryAnswer, columns: int) -> Values:
    """Return the values of a line, one per column; the last column is the present. None where there is no finite
    value."""
    values: list[float | None] = [None] * columns
    end_s = answer.at.timestamp()
    for at_ms, value in zip(line.times.tolist(), line.values.tolist(), strict=True):
        place = columns - 1 - round((end_s - at_ms / 1000) / answer.step_s)
        if 0 <= place < columns:
            values[place] = value if math.isfinite(value) else None
    return values


def _fewer(values: Values, count: int) -> list[float | None]:
    """The maximum of each of ``count`` equal parts; None for a part without known values."""
    parts = [values[place * len(values) // count : (place + 1) * len(values) // count] for place in range(count)]
    return [max((value for value in part if value is not None), default=None) for part in parts]


def _top(found: Sequence[tuple[LabelSet, float | None, Values]]) -> float | None:
    """The upper end of a scale that all sparklines share; None if no value is above zero."""
    return max((value for *_rest, values in found for value in values if value is not None and value > 0), default=None)


_OFFERED = 6
_AGAIN_S = 1.0
_NAMES_OF = timedelta(hours=1)


class Expression(TextField):
    """The input line for the expression. Completion is synchronous, because keys typed ahead must act on its result."""

    def __init__(self) -> None:
        super().__init__(id="query-input", placeholder="sum by (job) (up)", select_on_focus=False)
        self.known = KnownNames()

    @property
    def completion(self) -> Completion:
        """The completions at the cursor."""
        return complete(self.value, self.cursor_position, self.known)

    async def on_key(self, event: events.Key) -> None:
        if event.key != "tab":
            return
        event.stop()
        event.prevent_default()
        offer, cursor = self.completion, self.cursor_position
        if offer.choices:
            chosen = offer.choices[0]
            self.value = self.value[: offer.start] + chosen + self.value[cursor:]
            self.cursor_position = offer.start + len(chosen)


class QueryBox(Dialog[str]):
    """A dialog that runs queries; it returns the last expression entered.

    ``engine`` gives what answers, None while nothing does; ``at`` is the time that is looked at (aware UTC), None for
    now; ``window`` how far back the chart goes.
    """

    takes_ahead: ClassVar[Ahead] = "all"

    def __init__(
        self,
        engine: Callable[[], QueryEngine | None],
        *,
        at: datetime | None,
        window: timedelta,
        glyphs: Glyphs,
        text: str = "",
    ) -> None:
        super().__init__()
        self._engine, self._at, self._window, self._glyphs, self._text = engine, at, window, glyphs, text
        self._looked: set[str] = set()
        self._offer = Completion(0)
        self._answer: QueryAnswer | None = None
        self._chosen = 0

    def compose(self) -> ComposeResult:
        with Vertical(id="query"):
            yield Expression()
            yield Lines(ground="bar", id="query-offer")
            yield Lines(id="query-answer")

    def on_mount(self) -> None:
        line = self.query_one(Expression)
        self.set_focus(line)
        line.value = self._text
        line.insert_text_at_cursor(self.typed_ahead)
        self._load_names()
        self.call_after_refresh(self._show)
        if self._text:
            self._ask(self._text)

    def on_resize(self) -> None:
        self.call_after_refresh(self._show)

    # ---- what is there -------------------------------------------------------------------------------------------

    @work(exclusive=True, group="names")
    async def _load_names(self) -> None:
        """Loads the metric names for completion; repeats until there are some, as the console may have just started."""
        line = self.query_one(Expression)
        while not line.known.metrics:
            engine, end = self._engine(), self._at or datetime.now(UTC)
            if engine is not None:
                with suppress(LilFoxError):  # the question itself will say why
                    names = await engine.metric_names(end - _NAMES_OF, end)
                    line.known = KnownNames(tuple(names), line.known.labels)
                    self._complete()
            await asyncio.sleep(_AGAIN_S)

    @work(group="labels")
    async def _load_labels(self, metric: str) -> None:
        engine, end = self._engine(), self._at or datetime.now(UTC)
        if engine is None:
            return
        try:
            series = await engine.series((Matcher(NAME, "=", metric),), end - _NAMES_OF, end)
        except LilFoxError:
            return  # nothing is offered then
        line = self.query_one(Expression)
        line.known = line.known.with_series(metric, series)
        self._complete()

    @work(exclusive=True, group="query")
    async def _ask(self, text: str) -> None:
        at = self._at or datetime.now(UTC)
        columns = 2 * chart_columns(self.app.size.width)
        step_s = round(self._window.total_seconds() / columns, 3)
        start = at - timedelta(seconds=step_s * (columns - 1))
        made = QueryAnswer(text, at, self._window, step_s)
        engine = self._engine()
        if engine is None:
            error = LilFoxError(
                tr("nothing is scraped yet, and no Prometheus is configured"),
                tr("Add scrape:, prometheus:, or services: with metrics: to the configuration."),
            )
            self._take(QueryAnswer(text, at, self._window, step_s, error=error))
            return
        notes: dict[str, None] = {}  # the chart and the values have the same ones
        if isinstance(engine, RemoteEngine):
            engine = engine.warning(notes.setdefault)
        try:
            value = await engine.instant(text, at)
            lines = []
            if not isinstance(value, str):
                try:
                    lines = await engine.range(text, start, at, step_s)
                except QueryError:
                    lines = []  # a range vector has its own times
            made = QueryAnswer(text, at, self._window, step_s, value, lines, notes=tuple(notes))
        except LilFoxError as error:
            made = QueryAnswer(text, at, self._window, step_s, error=error)
        self._take(made)

    def _take(self, answer: QueryAnswer) -> None:
        self._answer, self._chosen = answer, 0
        self._show()

    # ---- drawing -------------------------------------------------------------------------------------------------

    def _show(self) -> None:
        if not self.is_mounted:
            return
        offer, lines = self.query_one("#query-offer", Lines), self.query_one("#query-answer", Lines)
        rows = self._offer_rows()
        offer.styles.height = len(rows)
        offer.display = bool(rows)
        offer.show(rows)
        engine = self._engine()
        page = QueryPage(
            answer=self._answer,
            chosen=self._chosen,
            width=self.app.size.width,
            height=self.app.size.height - 1,
            glyphs=self._glyphs,
            where=engine.where if isinstance(engine, RemoteEngine) else "",
        )
        lines.sticky = head_rows(page)
        shown, selected = query_page(page)
        lines.show(shown, selected=selected)

    def _offer_rows(self) -> list[Row]:
        """The first choices on one line: the screen below is for the answer."""
        choices = self._offer.choices[:_OFFERED]
        if not choices:
            return []
        first, *rest = choices
        pieces = [Piece(" tab ", "muted"), Piece(first, "accent"), *(Piece("  " + each, "muted") for each in rest)]
        more = len(self._offer.choices) - len(choices)
        return [(*pieces, Piece("  " + _("{count} more", count=more), "muted"))] if more > 0 else [tuple(pieces)]

    # ---- keys ----------------------------------------------------------------------------------------------------

    def on_input_changed(self, _event: Input.Changed) -> None:
        self._complete()

    def _complete(self) -> None:
        self._offer = self.query_one(Expression).completion
        metric = self._offer.metric
        if metric and metric not in self._looked:
            self._looked.add(metric)
            self._load_labels(metric)
        self._show()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self._offer = Completion(0)
        if event.value.strip():
            self._ask(event.value)

    def on_key(self, event: events.Key) -> None:
        steps = {"down": 1, "up": -1, "pagedown": 10, "pageup": -10, "ctrl+n": 1, "ctrl+p": -1}
        if event.key in steps:
            last = max(0, len(series_of(self._answer)) - 1)
            self._chosen = max(0, min(last, self._chosen + steps[event.key]))
            self._show()
        elif event.key == "escape":
            self.close(self.query_one(Expression).value)
        else:
            return
        event.stop()
        event.prevent_default()


# Silence alerts: which (matchers), for how long, and what that would silence, before anything is done.


LENGTHS: tuple[float | None, ...] = (*PRESETS_S, None)
"""Seconds; None for until it has resolved."""
_NAMES_SHOWN = 6


class SilenceRequest(NamedTuple):
    """A silence to create: its matchers, its duration in seconds (None: until the alert has resolved), and the
    reason."""

    matchers: tuple[SilenceMatcher, ...]
    for_s: float | None
    comment: str

    @property
    def length(self) -> str:
        """The duration as text."""
        return length_text(self.for_s)


class SilenceDialog(Dialog[SilenceRequest | None]):
    """A dialog that returns the silence to create, or None on cancel. Its matchers at first match exactly ``alert``.
    ``preview`` returns the alerts that matchers match, and raises LilFoxError."""

    def __init__(self, alert: Alert, preview: Callable[[Sequence[SilenceMatcher]], tuple[Alert, ...]]) -> None:
        super().__init__()
        self._first, self._preview = format_matchers(matchers_of(alert.labels)), preview
        self._at = 0

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="wide"):
            yield Lines(ground="bar", id="dialog-title")
            yield TextField(self._first, id="dialog-input", select_on_focus=False)
            yield Lines(ground="bar", id="dialog-list")
            yield TextField(id="dialog-comment", placeholder=_("reason (optional)"))
            yield Lines(ground="bar", id="dialog-text")

    def on_mount(self) -> None:
        self._arrange()
        self.set_focus(self.query_one("#dialog-input", Input))

    def on_resize(self) -> None:
        self._arrange()

    @property
    def _blank(self) -> list[Row]:
        """A blank row between the parts if there is room."""
        return [BLANK] if self.app.size.height >= HIGH else []

    def _arrange(self) -> None:
        blank = len(self._blank)
        lengths, told = len(LENGTHS) + blank, 1 + 3 * blank
        self.set_height(lengths + told + 4)
        self.query_one("#dialog-list", Lines).styles.height = lengths
        self.query_one("#dialog-text", Lines).styles.height = told
        self.call_after_refresh(self._show)

    def _show(self) -> None:
        title = Piece(" " + _("Silence"), "title")
        hint = Piece("  " + _("tab: next field, up and down: duration, enter silences, esc cancels"), "muted")
        if cells((title, hint)) > self.room("wide"):
            hint = Piece("  " + _("enter silences, esc cancels"), "muted")
        self.query_one("#dialog-title", Lines).show([(title, hint)])
        rows: list[Row] = [*self._blank, *((Piece(f"  {length_text(each)}"),) for each in LENGTHS)]
        self.query_one("#dialog-list", Lines).show(rows, selected=self._at + len(self._blank))
        self.query_one("#dialog-text", Lines).show(self._told())

    def _told(self) -> list[Row]:
        """The rows that tell which alerts the silence would affect, or why it is invalid."""
        try:
            matchers = self._matchers()
            found = self._preview(matchers)
        except LilFoxError as error:
            rows: list[Row] = [
                (Piece(" "), Piece(str(error), "failing")),
                (Piece(" "), Piece(str(error.hint), "muted")),
            ]
            return [*self._blank, *wrapped(rows, self.room("wide"))]
        count = ngettext("would silence {count} alert now", "would silence {count} alerts now", len(found))
        names = sorted({alert.name for alert in found})
        more = listed(names[:_NAMES_SHOWN]) + (" …" if len(names) > _NAMES_SHOWN else "")
        return [
            *self._blank,
            (Piece(f" {count}", "accent"), Piece("  " + fit(more, self.room("wide") - cell_width(count) - 3), "muted")),
        ]

    def _matchers(self) -> tuple[SilenceMatcher, ...]:
        matchers = parse_matchers(self.query_one("#dialog-input", Input).value)
        check_silence(matchers)
        return matchers

    def on_input_changed(self) -> None:
        self._show()

    def on_key(self, event: events.Key) -> None:
        steps = {"down": 1, "up": -1}
        if event.key in steps:
            self._at = max(0, min(len(LENGTHS) - 1, self._at + steps[event.key]))
            self._show()
            event.stop()
        elif event.key in ("tab", "shift+tab"):
            fields = [self.query_one(name, Input) for name in ("#dialog-input", "#dialog-comment")]
            self.set_focus(fields[0] if self.focused is fields[1] else fields[1])
            event.stop()
            event.prevent_default()
        elif event.key == "escape":
            event.stop()
            self.close(None)

    def on_input_submitted(self) -> None:
        try:
            matchers = self._matchers()
        except LilFoxError:
            return  # what is wrong stands below
        self.close(SilenceRequest(matchers, LENGTHS[self._at], self.query_one("#dialog-comment", Input).value.strip()))


def length_text(for_s: float | None) -> str:
    """The duration of a silence in words."""
    return _("until it resolves") if for_s is None else _("for {time} from now", time=human_duration(for_s))
