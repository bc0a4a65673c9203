"""The query box: a PromQL expression with completion and history, its series as a table and a chart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import ClassVar, Protocol, cast

from msgspec.structs import replace
from rich.highlighter import Highlighter
from rich.style import Style
from rich.text import Text
from textual import events, work
from textual.app import ComposeResult
from textual.containers import Vertical

from lilfox_tui.alerts.model import Alerts
from lilfox_tui.app.dialogs.messages import Ahead, Dialog
from lilfox_tui.app.panes.metrics.alert_page import rule_queries
from lilfox_tui.app.panes.metrics.alert_series import token_role
from lilfox_tui.app.panes.metrics.query.history import HistoryWalk, QueryHistory
from lilfox_tui.app.panes.metrics.query.names import (
    AGAIN_S,
    NAMES_OF,
    BetterQuery,
    NameLoader,
    QuerySource,
    better_query,
    filled_range,
    newest_counted,
    why_empty,
)
from lilfox_tui.app.panes.metrics.query.offer import SHOWN, QueryLine, QueryOffer, StartPage
from lilfox_tui.app.panes.metrics.query.result import QueryAnswer, QueryState, count_series
from lilfox_tui.app.panes.metrics.query.view import (
    QueryPage,
    QueryScreen,
    head_row,
    keys_row,
    query_screen,
)
from lilfox_tui.app.rendering.chart import chart_columns
from lilfox_tui.app.rendering.draw import Glyphs, Palette
from lilfox_tui.app.rendering.panels import bordered, row_width
from lilfox_tui.app.widgets import Lines, TextField
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import _, tr
from lilfox_tui.promql.completion import KnownNames
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.lexer import tokens
from lilfox_tui.promql.query import QueryEngine
from lilfox_tui.promql.remote import RemoteEngine

_SHOWN_SLOWLY = 3
"""Rows of the list over a slow link."""
_STEPS = {"down": 1, "up": -1, "ctrl+n": 1, "ctrl+p": -1, "pagedown": 10, "pageup": -10}
_CURSOR_STEPS = {"left": -1, "right": 1, "shift+left": -10, "shift+right": 10}
_CURSOR_MOVES = frozenset(("left", "right", "home", "end", "ctrl+left", "ctrl+right", "ctrl+a", "ctrl+e"))


class _Console(Protocol):
    palette: Palette
    slow_link: bool

    def copy_text(self, text: str) -> None: ...


class _QueryColours(Highlighter):
    """Colours a query in the roles of the theme."""

    def __init__(self, palette: Callable[[], Palette]) -> None:
        self._palette = palette

    def highlight(self, text: Text) -> None:
        palette = self._palette()
        for token in tokens(text.plain):
            look = palette.style(token_role(token.sort, token.text), "bar")
            text.stylize(Style(color=look.color, bold=look.bold), token.position, token.position + len(token.text))


class Expression(TextField):
    """The input line for the expression. ``takes`` gets each key first and says whether it has handled it: at once,
    because keys typed ahead must act on its result."""

    def __init__(self, takes: Callable[[str], bool]) -> None:
        super().__init__(
            id="query-input", placeholder="  " + _("e.g. {query}", query="sum by (job) (up)"), select_on_focus=False
        )
        self._takes = takes

    def on_mount(self) -> None:
        self.cursor_blink = False  # it is always seen, and nothing is drawn at rest
        self.highlighter = _QueryColours(lambda: cast("_Console", self.app).palette)

    @property
    def line(self) -> QueryLine:
        """The text and the position of the cursor."""
        return QueryLine(self.value, self.cursor_position)

    def put(self, line: QueryLine) -> None:
        """Replaces the text."""
        self.value, self.cursor_position = line

    async def on_key(self, event: events.Key) -> None:
        if self._takes(event.key):
            event.stop()
            event.prevent_default()


class LineKeys:
    """What the keys do that go to the line: they edit it, choose in the list of names, and fetch earlier queries or
    what can be asked before the first one."""

    def __init__(
        self,
        line: Callable[[], Expression],
        state: QueryState,
        offer: QueryOffer,
        start: StartPage,
        history: QueryHistory,
        *,
        run: Callable[[str], None],
        leave: Callable[[str], None],
    ) -> None:
        self._line, self._state, self._offer, self._start, self._history = line, state, offer, start, history
        self._run, self._leave = run, leave
        self.walk = HistoryWalk(history)

    @property
    def is_at_start(self) -> bool:
        """Whether what can be asked is on the screen."""
        return self._state.answer is None

    def press(self, key: str) -> bool:
        """Handles a key; returns whether it did, else it edits the query."""
        offer, line = self._offer, self._line().line
        offer.update(line)
        handlers: dict[str, Callable[[], None]] = {
            "tab": self._tab,
            "enter": self._enter,
            "escape": self._escape,
            "ctrl+r": partial(offer.open_history, line, self._history),
            "shift+tab": lambda: self._state.choose(self._state.chosen),
        }
        if key in _CURSOR_MOVES:
            offer.close(line)
        elif key in _STEPS:
            self._step(_STEPS[key])
        elif key in handlers:
            handlers[key]()
        return key in _STEPS or key in handlers

    def put_whole(self, text: str) -> None:
        """Puts a query into the line, in place of what is there."""
        line = self._line()
        line.put(QueryLine(text, len(text)))
        self._offer.close(line.line)

    def take_start(self, *, runs: bool) -> None:
        """Puts what is marked in the list before the first query into the line, and runs it if it is a query."""
        taken, self._start.marked = self._start.taken, None
        if taken is not None:
            self.put_whole(taken.text)
            if runs and taken.runs:
                self._run(taken.text)

    def _tab(self) -> None:
        line, state = self._line(), self._state
        if self.is_at_start and self._start.taken is not None:
            self.take_start(runs=False)
        elif self._offer.choices:
            line.put(self._offer.take())
        elif (line.value and state.series) or not self._offer.browse(line.line):
            state.choose(state.chosen)

    def _enter(self) -> None:
        if self._offer.choices and self._offer.marked is not None:
            self._line().put(self._offer.take())
        elif self.is_at_start and self._start.taken is not None:
            self.take_start(runs=True)
        else:
            self._run(self._line().value)

    def _escape(self) -> None:
        if self.is_at_start and self._start.marked is not None:
            self._start.marked = None
        elif self._offer.choices:
            self._offer.close(self._line().line)
        else:
            self._leave(self._line().value)

    def _step(self, step: int) -> None:
        """An arrow key: in the list if it is open, else to an older query, a newer one, and from the newest into the
        result, or into what can be asked."""
        value, offer, start = self._line().value, self._offer, self._start
        if self.is_at_start and start.marked is not None:
            start.move(step)
        elif offer.choices and (step > 0 or offer.marked is not None):
            offer.move(step)
        elif step < 0:
            if (older := self.walk.older(value)) is not None:
                self.put_whole(older)
        elif self.walk.is_draft(value):
            if self.is_at_start:
                start.move(step)
            self._state.choose(self._state.chosen)
        else:
            self.put_whole(self.walk.newer())


class QueryBox(Dialog[str]):
    """A dialog that runs queries; it returns the last expression entered.

    ``at`` is the time that is looked at (aware UTC), None for now; ``window`` how far back the chart goes at first;
    ``config_file`` is where to name what is scraped.
    """

    takes_ahead: ClassVar[Ahead] = "all"

    def __init__(
        self,
        source: QuerySource,
        history: QueryHistory,
        *,
        at: datetime | None,
        window: timedelta,
        glyphs: Glyphs,
        text: str = "",
        alerts: Alerts | None = None,
        config_file: str = "",
    ) -> None:
        super().__init__()
        self._source, self._history, self._glyphs, self._text = source, history, glyphs, text
        self._nothing = (
            tr("nothing is scraped, and no Prometheus is configured"),
            tr(
                "Add services:, scrape: or prometheus: to {file}, and start LilFox again.",
                file=config_file,
            ),
        )
        self._state = QueryState(at, window)
        self._offer = QueryOffer()
        self._start = StartPage([] if alerts is None else rule_queries(alerts, glyphs))
        self._keys = LineKeys(
            lambda: self._line, self._state, self._offer, self._start, history, run=self._run, leave=self.close
        )
        self._names = NameLoader(source, at, self._learned)
        self._drawn = QueryScreen(())
        self._said = ""
        """What the last key did, in place of the keys."""

    def compose(self) -> ComposeResult:
        with Vertical(id="query"):
            yield Lines(ground="bar", id="query-head")
            yield Expression(self._key)
            yield Lines(id="query-answer")
            yield Lines(ground="bar", id="query-keys")
            yield Lines(ground="bar", id="query-offer")

    def on_mount(self) -> None:
        self.set_focus(self._line)
        self._line.value = self._text
        self._line.insert_text_at_cursor(self.typed_ahead)
        if not self.typed_ahead:
            self._offer.close(self._line.line)
        self.run_worker(self._names.load_metrics(), group="names")
        self.call_after_refresh(self._show)
        if self._text:
            self._ask(self._text)

    def on_resize(self) -> None:
        self.call_after_refresh(self._show)

    @property
    def _line(self) -> Expression:
        return self.query_one(Expression)

    # ---- names -----------------------------------------------------------------------------------------------------

    def _learned(self, known: KnownNames) -> None:
        self._offer.refresh(known)
        self._show_offer()
        if self._state.answer is None and self.is_mounted:
            self._show_result()

    # ---- queries ---------------------------------------------------------------------------------------------------

    def _run(self, text: str) -> None:
        self._offer.close(self._line.line)
        self._keys.walk.restart()
        if not text.strip():
            return
        if self._history.add(text):
            self.run_worker(asyncio.to_thread(self._history.save), group="history")
        self._ask(text)

    @work(exclusive=True, group="query")
    async def _ask(self, text: str) -> None:
        state = self._state
        state.asking = text
        self._show_head()
        columns = 2 * chart_columns(self.app.size.width)
        step_s = round(state.window.total_seconds() / columns, 3)
        while True:
            asked = QueryAnswer(text, state.at or datetime.now(UTC), state.window, step_s)
            engine = self._source.engine()
            if engine is not None:
                break
            coming = tr("nothing is scraped yet"), tr("The query runs after the first scrape.")
            self._take(replace(asked, error=LilFoxError(*(self._nothing if self._source.has_nothing else coming))))
            await asyncio.sleep(AGAIN_S)
        answer = await _answered(engine, asked)
        self._take(answer)
        if answer.error is None and not isinstance(answer.value, str) and not count_series(answer):
            metrics, start = self._offer.known.metrics, answer.at - max(NAMES_OF, answer.window)
            reasons = await why_empty(engine, text, metrics, start, answer.at)
            self._take(replace(answer, reasons=tuple(reasons)))

    @property
    def _better(self) -> BetterQuery | None:
        """What to ask in place of the query that is shown."""
        answer, series = self._state.answer, self._state.series
        if answer is None or not series:
            return None
        return better_query(answer.text, self._offer.known, remote=isinstance(self._source.engine(), RemoteEngine))

    def _ask_better(self) -> None:
        if (better := self._better) is not None:
            self._keys.put_whole(better.text)
            self._run(better.text)

    def _take(self, answer: QueryAnswer) -> None:
        self._state.take(answer)
        self._show()

    # ---- drawing ---------------------------------------------------------------------------------------------------

    def _show(self) -> None:
        if self.is_mounted:
            self._show_head()
            self._show_result()
            self._show_offer()

    def _show_head(self) -> None:
        engine, state = self._source.engine(), self._state
        where = engine.where if isinstance(engine, RemoteEngine) else ""
        self.query_one("#query-head", Lines).show([head_row(state, where, self.app.size.width)])

    def _show_result(self) -> None:
        state, lines = self._state, self.query_one("#query-answer", Lines)
        if state.answer is None:
            self._show_start(lines)
            return
        page = QueryPage(
            answer=state.answer,
            width=self.app.size.width,
            height=max(1, self.app.size.height - 3),
            glyphs=self._glyphs,
            series=state.series,
            count=state.count,
            first=state.first,
            chosen=state.chosen,
            order=state.order,
            cursor=state.cursor,
            is_alone=state.is_alone,
            is_log=state.is_log,
            top=state.top,
            focused=state.focus == "result",
            is_slow=cast("_Console", self.app).slow_link,
            history=self._history.queries,
            known=self._offer.known,
            better=self._better,
            colours=state.colours(),
        )
        self._drawn = query_screen(page)
        state.top = self._drawn.top
        lines.show(self._drawn.rows)
        self._line.set_class(page.focused, "-elsewhere")
        self._show_keys()

    def _show_start(self, lines: Lines) -> None:
        """Draws what can be asked, before the first query."""
        width, height = self.app.size.width, max(1, self.app.size.height - 3)
        boxed = bordered(width, height, slow_link=cast("_Console", self.app).slow_link)
        nothing = self._nothing if self._source.has_nothing else ()
        history = self._history.queries
        lines.show(self._start.rows(self._offer.known, history, width, height, self._glyphs, nothing, boxed=boxed))
        self._line.set_class(self._start.taken is not None, "-elsewhere")
        self._show_keys()

    def _show_keys(self) -> None:
        width, plot, past = self.app.size.width, bool(self._drawn.plot), bool(self._history.queries)
        taken = self._start.taken if self._state.answer is None else None
        row = keys_row(
            self._state, self._said, width, has_chart=plot, has_history=past, taken=taken, better=self._better
        )
        self.query_one("#query-keys", Lines).show([row])

    def _show_offer(self) -> None:
        """Draws the list, and asks for the names that it lacks, once."""
        if not self.is_mounted:
            return
        if (wants := self._offer.wants) is not None and self._names.is_new(wants):
            self.run_worker(self._names.load_labels(*wants), group="labels")
        lines, size = self.query_one("#query-offer", Lines), self.app.size
        most = _SHOWN_SLOWLY if cast("_Console", self.app).slow_link else SHOWN
        rows = self._offer.rows(size.width, min(most + 2, size.height - 3), self._glyphs)
        lines.display = bool(rows)
        if rows:
            width = max(map(row_width, rows))
            before = self._line.value[: self._offer.start]
            left = 1 + max(0, len(before) - max(0, len(self._line.value) - size.width + 2))
            lines.styles.width, lines.styles.height = width, len(rows)
            lines.styles.offset = (max(0, min(left - 2, size.width - width)), 2)
        lines.show(rows)

    # ---- keys ------------------------------------------------------------------------------------------------------

    def on_input_changed(self) -> None:
        self._offer.update(self._line.line)
        if self._keys.is_at_start and self._start.marked is not None:
            self._start.marked = None
            self._show_result()
        self._show_offer()

    def _key(self, key: str) -> bool:
        """Handles a key; returns whether it did, else it edits the query."""
        said, self._said = self._said, ""
        if key in ("ctrl+t", "ctrl+o"):
            (self._ask_better if key == "ctrl+t" else self._next_window)()
            is_handled = True
        elif self._state.focus == "result":
            is_handled = self._result_key(key)
        elif is_handled := self._keys.press(key):
            self._show_offer()
            self._show_result()
        elif key in _CURSOR_MOVES:
            self._show_offer()
        if said or self._said:
            self._show_keys()
        return is_handled

    def _result_key(self, key: str) -> bool:
        state = self._state
        handlers: dict[str, Callable[[], None]] = {
            "t": self._next_window,
            "O": state.next_order,
            "y": self._copy,
            "z": state.switch_alone,
            "L": state.switch_scale,
            **dict.fromkeys(("tab", "shift+tab", "slash"), partial(setattr, state, "focus", "query")),
            "escape": state.leave_result,
            "enter": partial(self._run, self._line.value),
            "home": partial(state.choose, 0),
            "g": partial(state.choose, 0),
            "end": partial(state.choose, len(state.series)),
            "G": partial(state.choose, len(state.series)),
        }
        if key in _STEPS:
            state.move(_STEPS[key])
        elif key in _CURSOR_STEPS:
            state.move_cursor(_CURSOR_STEPS[key], self._drawn.plot)
        elif key in handlers:
            handlers[key]()
        self._show_result()
        return True

    def _next_window(self) -> None:
        self._state.next_window()
        if self._state.answer is not None:
            self._ask(self._state.answer.text)
        self._show_head()

    def _copy(self) -> None:
        cast("_Console", self.app).copy_text(self._state.copied())
        self._said = _("copied")

    # ---- mouse -----------------------------------------------------------------------------------------------------

    def on_lines_clicked(self, event: Lines.Clicked) -> None:
        drawn, state = self._drawn, self._state
        if event.lines.id not in ("query-offer", "query-answer"):
            return
        if event.lines.id == "query-offer":
            if self._offer.click(event.index):
                self._line.put(self._offer.take())
                self._show_offer()
        elif self._keys.is_at_start:
            if self._start.click(event.x, event.index):
                self._keys.take_start(runs=True)
                self._show_result()
        elif event.x < drawn.right and 0 <= (place := event.index - drawn.first) < drawn.shown:
            state.choose(drawn.top + place)
            self._show_result()
        elif event.x >= drawn.right and (query := drawn.queries.get(event.index)) is not None:
            self._keys.put_whole(query)
            self._run(query)

    def on_click(self, event: events.Click) -> None:
        """A click into the line gives the keys to the query."""
        if event.widget is self._line:
            self._state.focus = "query"
            self._show_result()

    def on_lines_wheel(self, event: Lines.Wheel) -> None:
        if event.lines.id == "query-answer" and self._keys.is_at_start:
            self._start.move(event.delta)
            self._show_result()
        elif event.lines.id == "query-answer" and self._state.series:
            self._state.choose(self._state.chosen + event.delta)
            self._show_result()


async def _answered(engine: QueryEngine, asked: QueryAnswer) -> QueryAnswer:
    """The answer of the engine: the value now, and the values over the window. Rates are asked for at the newest sample
    that they are made of: what comes after it is extrapolated."""
    notes: dict[str, None] = {}  # both have the same ones
    newest = await newest_counted(engine, asked.text, asked.at)
    if newest is not None:
        asked = replace(asked, at=min(asked.at, newest))
    if isinstance(engine, RemoteEngine):
        engine = engine.warning(notes.setdefault)
    start = asked.at - timedelta(seconds=asked.step_s * (asked.columns - 1))
    try:
        value = await engine.instant(asked.text, asked.at)
        lines = []
        if not isinstance(value, str):
            with suppress(QueryError):  # a range vector has its own times
                lines = await engine.range(asked.text, start, asked.at, asked.step_s)
        filled = await filled_range(engine, asked.text, start, asked.at)
    except LilFoxError as error:
        return replace(asked, error=error)
    return replace(asked, value=value, lines=lines, notes=tuple(notes), filled=filled)
