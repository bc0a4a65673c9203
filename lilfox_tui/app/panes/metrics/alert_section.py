"""The ALERTS section of the Metrics pane, and the pages of alerts: what is asked for them, and drawing them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.metrics.state import MetricsState, Subject, alerts_of
from lilfox_tui.app.panes.metrics.target_rows import down_text
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.app.rendering.wrap import wrapped
from lilfox_tui.app.widgets.lines import Lines, RowsOnDemand, more_below
from lilfox_tui.errors import LilFoxError
from lilfox_tui.feed import Unavailable
from lilfox_tui.i18n import _
from lilfox_tui.monitor.model import Overview
from lilfox_tui.text import break_line, human_duration

if TYPE_CHECKING:
    from lilfox_tui.alerts.model import Event
    from lilfox_tui.app.panes.metrics.alert_rows import AlertItem
    from lilfox_tui.monitor.alert_explain import Explanation

_TROUBLES_SHOWN = 3


class AlertSection:
    """Draws alerts; what a page tells of one is asked of the monitor, and drawn when it comes."""

    def __init__(self, context: PaneContext[MetricsState]) -> None:
        self._context, self._state, self._app = context, context.state, context.app
        self._asked: tuple[object, ...] = ()
        self._told_of: Subject | None = None
        self._why: Explanation | LilFoxError | None = None
        self._events: Sequence[Event] = ()

    def height(self, overview: Overview, head: int) -> int:
        """Rows of the whole section; none where the config names no rules."""
        if overview.alerts is None:
            return 0
        return head + len(self._state.items(overview)) + len(self._trouble_rows(overview))

    def _trouble_rows(self, overview: Overview) -> list[Row]:
        """What does not go as it should, or why nothing is known."""
        if isinstance(overview.alerts, Unavailable):
            error = overview.alerts.error
            rows: list[Row] = [(Piece("   "), Piece(str(error), "degraded"))]
            if str(error.hint):
                rows.append((Piece("   "), Piece(str(error.hint))))
            return wrapped(rows, self._app.room.width)[:_TROUBLES_SHOWN]
        alerts = alerts_of(overview)
        known = () if alerts is None else sorted(alerts.troubles, key=lambda each: not each.blind)
        troubles = [(str(each), "failing" if each.blind else "degraded") for each in known]
        if down := down_text(overview.targets):
            troubles.insert(0, (down, "degraded"))
        marks = {"failing": self._app.glyphs.failing, "degraded": self._app.glyphs.degraded}
        rows = [(Piece(f" {marks[role]} ", role), Piece(text, role)) for text, role in troubles[:_TROUBLES_SHOWN]]
        if (unasked := self._app.monitor.alerting.unasked) is not None:
            rows.append((Piece("   "), Piece(str(unasked), "muted")))
        return wrapped(rows, self._app.room.width)

    def paint(self, overview: Overview, lines: Lines) -> None:
        """Shows the section, if it is there."""
        if overview.alerts is None:
            return
        items, troubles = list(self._state.items(overview).values()), self._trouble_rows(overview)
        width, glyphs = self._app.room.width, self._app.glyphs

        def row(index: int) -> Row:
            if index >= len(items):
                return troubles[index - len(items)]
            from lilfox_tui.app.panes.metrics.alert_rows import alert_row

            return alert_row(items[index], overview.at, width, glyphs)

        place = next((at for at, each in enumerate(items) if each.subject == self._state.selected), None)
        for _time in range(2):
            head = [BLANK, self._alerts_title(overview, lines)][-lines.sticky :]
            rows = RowsOnDemand(head, len(items) + len(troubles), row)
            lines.show(rows, selected=None if place is None else place + lines.sticky)

    def _alerts_title(self, overview: Overview, lines: Lines) -> Row:
        title = Piece(" " + _("ALERTS"), "title")
        alerts = alerts_of(overview)
        if alerts is not None:
            from lilfox_tui.app.panes.metrics.alert_rows import summary_pieces

            return (title, *summary_pieces(alerts, more_below(lines.hidden_below)))
        if isinstance(overview.alerts, Unavailable):
            age = human_duration(max(1, round((overview.at - overview.alerts.since).total_seconds())))
            return (title, Piece("  " + _("not known for {age}", age=age), "degraded"))
        text = _("what was then is not known") if overview.rewound else _("not evaluated yet")
        return (title, Piece(f"  {text}", "muted"))

    def detail(self, overview: Overview) -> list[Row]:
        """The selected alert, or rule, in words; nothing where none is selected."""
        item = self._state.selected_item()
        if item is None:
            return []
        from lilfox_tui.app.panes.metrics.alert_rows import rule_trouble, shape, state_text, where

        mark = shape(item, self._app.glyphs)
        head: Row = (Piece(" "), mark, Piece(" "), Piece(item.name, "strong"))
        alert = item.alert
        if alert is None:
            return [
                (*head, Piece("  " + rule_trouble(item.rule, overview.at), mark.role)),
                (Piece("   " + item.expression, "muted"),),
            ]
        annotations = dict(alert.annotations)
        text = "  ".join(each for each in (annotations.get("summary"), annotations.get("description")) if each)
        first, rest = break_line(text or where(alert.labels), max(20, self._app.room.width - 34))
        since = state_text(alert, item.rule, overview.at)
        return [
            (*head, Piece(f"  {since}  ", "muted"), Piece(first)),
            (Piece(f"   {rest}  " if rest else "   "), Piece(where(alert.labels) if text else "", "muted")),
        ]

    # ---- its page ------------------------------------------------------------------------------------------------

    def paint_page(self, overview: Overview, lines: Lines, chart_height: int) -> None:
        """Shows the page of the alert or rule that is open; where it is no more, the tables."""
        item, alerts = self._state.selected_item(), alerts_of(overview)
        if item is None or alerts is None:
            lines.show([(Piece("   " + self._gone(overview), "muted"),)], follow=False)
            return
        from lilfox_tui.app.panes.metrics.alert_page import AlertPage, alert_page

        self._ask(item, overview, alerts.at)
        fresh = self._told_of == item.subject
        page = AlertPage(
            item=item,
            now=overview.at,
            window=self._state.window,
            glyphs=self._app.glyphs,
            width=self._app.room.width,
            chart_height=chart_height,
            why=self._why if fresh else None,
            events=self._events if fresh else (),
            silences=alerts.silences,
        )
        lines.show(alert_page(page), follow=False)

    def _gone(self, overview: Overview) -> str:
        if overview.rewound:
            return _("there was no such alert then, or it is not known")
        return _("this alert is over, and no longer kept")

    def _ask(self, item: AlertItem, overview: Overview, alerts_at: datetime) -> None:
        """Asks for what the page tells, where something of the question is another than last time."""
        from lilfox_tui.app.panes.metrics.alert_page import chart_columns

        columns = chart_columns(self._app.room.width)
        question = (
            item.subject,
            item.expression,
            self._state.window,
            columns,
            overview.at if overview.rewound else alerts_at,
        )
        if question != self._asked:
            self._asked = question
            self._context.run(partial(self._answer, item, overview.at, columns), group="why", exclusive=True)

    async def _answer(self, item: AlertItem, at: datetime, columns: int) -> None:
        alerting = self._app.monitor.alerting
        why: Explanation | LilFoxError | None = None
        try:
            if item.expression:
                why = await alerting.why(item.expression, at - self._state.window, at, columns)
            events = () if item.alert is None else await alerting.events(item.alert.labels)
        except LilFoxError as error:
            why, events = error, ()
        self._why, self._events, self._told_of = why, events, item.subject
        if self._state.page == item.subject and not self._app._exit:
            self._context.repaint()
