"""A box for PromQL over the screen: an expression with completion, its series and their chart, at the screen's time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from textual import events, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input

from lilfox_tui.app.dialogs.dialog import Ahead, Dialog
from lilfox_tui.app.panes.metrics.query_page import QueryAnswer, QueryPage, columns_of, head_rows, query_page, series_of
from lilfox_tui.app.rendering.draw import Piece, Row
from lilfox_tui.app.rendering.glyphs import Glyphs
from lilfox_tui.app.widgets.inputs import TextField
from lilfox_tui.app.widgets.lines import Lines
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import _, tr
from lilfox_tui.promql.completion import Completion, KnownNames, complete
from lilfox_tui.promql.engine import QueryEngine
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.remote import RemoteEngine
from lilfox_tui.scrape.labels import NAME, Matcher

_OFFERED = 6
_AGAIN_S = 1.0
_NAMES_OF = timedelta(hours=1)


class Expression(TextField):
    """The line. It completes itself: keys that are typed ahead must find what those before them made."""

    def __init__(self) -> None:
        super().__init__(id="query-input", placeholder="sum by (job) (up)", select_on_focus=False)
        self.known = KnownNames()

    @property
    def completion(self) -> Completion:
        """What fits at the cursor."""
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
    """Gives back the expression that was written last.

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
        """What can be offered; again until there is something, for a console that has just been started."""
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
        columns = columns_of(self.app.size.width)
        step_s = round(self._window.total_seconds() / columns, 3)
        start = at - timedelta(seconds=step_s * (columns - 1))
        made = QueryAnswer(text, at, self._window, step_s)
        engine = self._engine()
        if engine is None:
            error = LilFoxError(
                tr("nothing is scraped yet, and no Prometheus is configured"),
                tr("Name services with metrics, scrape or prometheus in the configuration."),
            )
            self._take(QueryAnswer(text, at, self._window, step_s, error=error))
            return
        try:
            value = await engine.instant(text, at)
            lines = []
            if not isinstance(value, str):
                try:
                    lines = await engine.range(text, start, at, step_s)
                except QueryError:
                    lines = []  # a range vector has its own times
            made = QueryAnswer(text, at, self._window, step_s, value, lines)
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
        """The first choices beside each other: the screen below belongs to the answer."""
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
