"""What was before LilFox began, in the Metrics pane: asked of the Prometheus of the config, and what is said of it."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from msgspec import Struct

from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.metrics.state import WINDOWS, MetricsState
from lilfox_tui.app.rendering.chart import Values, in_columns
from lilfox_tui.app.rendering.draw import Piece, Row
from lilfox_tui.app.rendering.wrap import wrapped
from lilfox_tui.errors import LilFoxError
from lilfox_tui.feed import Pending, Ready, State, Unavailable
from lilfox_tui.i18n import _, listed
from lilfox_tui.metrics.history import Point
from lilfox_tui.metrics.model import Series
from lilfox_tui.monitor.model import HostView, Overview, ServiceView

if TYPE_CHECKING:
    from lilfox_tui.monitor.remote_history import FarChart, RemoteHistory

_ASKED_FROM = WINDOWS[2]
"""Windows of the present that are shorter are soon full, and would be asked for every few seconds."""
_AGAIN = timedelta(seconds=15)
"""After no answer."""
_IMPORTED_IN_THREAD = ("lilfox_tui.monitor.remote_history", "lilfox_tui.promql.remote")
"""With numpy and the client: the event loop goes on meanwhile, and neither is there before somebody looks far back."""


class _Question(Struct, frozen=True):
    """The values of ``series`` from ``start`` to before ``begin``, each ``step_s``; ``grid`` counts the steps up to the
    chart's end, so that it is another question once the chart has moved on."""

    view: HostView | ServiceView
    series: Series
    start: datetime
    begin: datetime
    step_s: float
    grid: int

    def same(self, other: _Question) -> bool:
        """Whether an answer to the one is one to the other."""
        return (self.step_s, self.grid) == (other.step_s, other.grid)


class _Asked(Struct):
    question: _Question
    state: State[FarChart | None]
    waits: bool = True


class FarPast:
    """Gives charts and the rewound screen what history has, before that what a Prometheus has."""

    def __init__(self, context: PaneContext[MetricsState]) -> None:
        self._context, self._state, self._app = context, context.state, context.app
        self._asked_past: RemoteHistory | None = None
        self._far_charts: dict[tuple[str, Series], _Asked] = {}
        self._far_wanted: list[_Asked] = []
        self._far_drawn: list[_Asked] = []
        self._far_screen: State[Overview] | None = None

    @property
    def _where(self) -> str:
        """The Prometheus as the screen names it; empty where there is none."""
        prometheus = self._app.config.prometheus
        return "" if prometheus is None else urlsplit(prometheus.url).netloc

    async def _past_elsewhere(self) -> RemoteHistory:
        if self._asked_past is None:
            for module in _IMPORTED_IN_THREAD:
                await asyncio.to_thread(importlib.import_module, module)
            from lilfox_tui.monitor.remote_history import RemoteHistory

            if self._asked_past is None:  # another has made it meanwhile
                self._asked_past = RemoteHistory(self._app.monitor.queries.engine, self._app.config.thresholds)
        return self._asked_past

    def _begins(self, subject: str, now: datetime) -> datetime:
        """The first moment up to ``now`` that history has of ``subject``; ``now`` where it has none."""
        span = self._app.monitor.history.span(subject)
        return now if span is None else min(now, span[0])

    # ---- charts --------------------------------------------------------------------------------------------------

    def new_page(self) -> None:
        """Charts are drawn anew from here on."""
        self._far_drawn = []

    def past(self, subject: str, series: Series, columns: int, now: datetime) -> Values:
        """What history has, in columns."""
        points = self._app.monitor.history.window(subject, series, now - self._state.window, now, columns)
        return in_columns(points, now - self._state.window, now, columns)

    def long_past(
        self, view: HostView | ServiceView, subject: str, series: Series, columns: int, now: datetime
    ) -> Values:
        """The same, before it begins what the Prometheus has: what has come of it, the rest is asked."""
        start, step_s = now - self._state.window, self._state.window.total_seconds() / columns
        begin = self._begins(subject, now)
        if not self._where or (self._app.rewound is None and self._state.window < _ASKED_FROM):
            return self.past(subject, series, columns, now)
        if begin - start < timedelta(seconds=step_s):
            return self.past(subject, series, columns, now)
        question = _Question(view, series, start, begin, step_s, int(now.timestamp() // step_s))
        points = self._app.monitor.history.window(subject, series, start, now, columns)
        return in_columns([*self._far_points(subject, question), *points], start, now, columns)

    def _far_points(self, subject: str, question: _Question) -> Sequence[Point]:
        key = (subject, question.series)
        asked = self._far_charts.get(key)
        if asked is None or asked.question.step_s != question.step_s:
            asked = self._far_charts[key] = _Asked(question, Pending())
            self._far_wanted.append(asked)
        elif not asked.waits and (not asked.question.same(question) or _is_due(asked.state)):
            asked = self._far_charts[key] = _Asked(question, asked.state)  # what is known stays until the answer
            self._far_wanted.append(asked)
        self._far_drawn.append(asked)
        chart = asked.state.value if isinstance(asked.state, Ready) else None
        return [] if chart is None else [point for point in chart.points if point.at < question.begin]

    def page_is_drawn(self) -> None:
        """Asks for what was missing, beside the keys."""
        if self._far_wanted:
            wanted, self._far_wanted = self._far_wanted, []
            self._context.run(self._ask_charts(wanted), group="far charts")

    async def _ask_charts(self, wanted: Sequence[_Asked]) -> None:
        await asyncio.gather(*(self._ask_chart(each) for each in wanted))
        if self._state.page is not None and not self._app._exit:
            self._context.repaint_all()

    async def _ask_chart(self, asked: _Asked) -> None:
        question = asked.question
        try:
            past = await self._past_elsewhere()
            found = await past.chart(question.view, question.series, question.start, question.begin, question.step_s)
            asked.state = Ready(found)
        except LilFoxError as error:
            now = datetime.now(UTC)
            since = asked.state.since if isinstance(asked.state, Unavailable) else now
            asked.state = Unavailable(error, since, now + _AGAIN)
        finally:
            asked.waits = False

    def rows(self) -> list[Row]:
        """What the charts that were just drawn have from elsewhere, or why not."""
        states = self._far_states()
        if not states:
            title = () if isinstance(self._far_screen, Ready) else self.title()
            return [(Piece(" "), *title)] if title else []
        before = min(asked.question.begin for asked in self._far_drawn).strftime("%m-%d %H:%M")
        for state in states:
            if isinstance(state, Unavailable):
                rows: list[Row] = [
                    (Piece("   "), Piece(_("before {time} not known: {why}", time=before, why=state.error), "degraded"))
                ]
                if str(state.error.hint):
                    rows.append((Piece("   "), Piece(str(state.error.hint))))
                return wrapped(rows, self._app.room.width)
        if any(isinstance(state, Pending) for state in states):
            return [(Piece("   " + _("before {time}: asking {where}", time=before, where=self._where), "muted"),)]
        taken = dict.fromkeys(state.value.taken for state in states if isinstance(state, Ready) and state.value)
        text = _("before {time} from {where}: {series}", time=before, where=self._where, series=listed(taken))
        return wrapped([(Piece("   "), Piece(text, "muted"))], self._app.room.width)

    def _far_states(self) -> list[State[FarChart | None]]:
        """Of the charts that were just drawn; without those that nobody else has."""
        states = (asked.state for asked in self._far_drawn)
        return [state for state in states if not isinstance(state, Ready) or state.value is not None]

    # ---- the rewound screen --------------------------------------------------------------------------------------

    def rewind(self, overview: Overview) -> None:
        """Makes ``overview``, which is of the past, what is shown; what history does not have of it is asked."""
        self._state.overview = overview
        known, self._far_screen = self._far_screen, None
        hosts = [name for name in overview.hosts if self._lies_before(f"host/{name}", overview.at)]
        services = [name for name in overview.services if self._lies_before(f"traffic/{name}", overview.at)]
        if not self._where or not (hosts or services):
            return
        if isinstance(known, Ready) and known.value.at == overview.at:
            self._far_screen, self._state.overview = known, known.value
            return
        self._far_screen = Pending()
        self._context.run(partial(self._ask_screen, overview, hosts, services), group="far screen", exclusive=True)

    def _lies_before(self, subject: str, at: datetime) -> bool:
        span = self._app.monitor.history.span(subject)
        return span is None or at < span[0]

    async def _ask_screen(self, overview: Overview, hosts: Sequence[str], services: Sequence[str]) -> None:
        state: State[Overview]
        try:
            past = await self._past_elsewhere()
            state = Ready(await past.overview(overview, hosts, services))
        except LilFoxError as error:
            state = Unavailable(error, datetime.now(UTC))
        if self._app.rewound != overview.at or self._app._exit:
            return
        self._far_screen = state
        self._state.overview = state.value if isinstance(state, Ready) else overview
        self._context.repaint()
        self._app.frame(self._state.overview)

    def title(self) -> tuple[Piece, ...]:
        """Where the rows of a rewound screen are from, or why they are empty."""
        match self._far_screen if self._app.rewound is not None else None:
            case Ready():
                return (Piece("  " + _("from {where}", where=self._where), "accent"),)
            case Pending():
                return (Piece("  " + _("asking {where}", where=self._where), "muted"),)
            case Unavailable(error=error):
                return (Piece("  " + _("not known: {why}", why=error), "degraded"),)
        return ()

    def status(self) -> str:
        """The same of an open page's charts, in few words."""
        states = self._far_states()
        if not states:
            return ""
        before = min(asked.question.begin for asked in self._far_drawn).strftime("%m-%d %H:%M")
        if any(isinstance(state, Unavailable) for state in states):
            return _("before {time} not known", time=before)
        if any(isinstance(state, Pending) for state in states):
            return _("before {time}: asking {where}", time=before, where=self._where)
        return _("before {time} from {where}", time=before, where=self._where)


def _is_due(state: State[FarChart | None]) -> bool:
    """Whether no answer came and it is time to try again."""
    return isinstance(state, Unavailable) and state.next_try is not None and state.next_try <= datetime.now(UTC)
