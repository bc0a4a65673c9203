"""The ALERTS and targets sections of the Metrics pane: their data, and drawing them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from lilfox_tui.app.evidence import error_row
from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.metrics.state import MetricsState, Subject, alerts_of
from lilfox_tui.app.panes.metrics.traffic_sections import kept_text, scrape_outage
from lilfox_tui.app.rendering.chart import chart_columns
from lilfox_tui.app.rendering.columns import wrapped
from lilfox_tui.app.rendering.draw import BLANK, Glyphs, Piece, Row
from lilfox_tui.app.rendering.highlight import shell_pieces
from lilfox_tui.app.rows.reasons import histograms_of
from lilfox_tui.app.widgets import Lines
from lilfox_tui.core.aio import Ready, Unavailable
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import _, ngettext
from lilfox_tui.core.text import break_line, human_age, human_duration
from lilfox_tui.monitor.model import FindingView, Overview, StoreUsage, TargetView

if TYPE_CHECKING:
    from lilfox_tui.alerts.model import Event
    from lilfox_tui.app.console import Console
    from lilfox_tui.app.evidence import LoggedError
    from lilfox_tui.app.panes.metrics.alert_page import AlertItem
    from lilfox_tui.monitor.alert_explain import Explanation
    from lilfox_tui.runbook.model import Runbook, Step


_PLACES = ("service", "job", "host", "instance")
"""Labels that tell where an alert is."""


def others_there(item: AlertItem, items: Sequence[AlertItem]) -> list[AlertItem]:
    """The other alerts that are pending or fire at a place of this one, worst first."""
    if item.alert is None:
        return []
    here = {value for name, value in item.alert.labels if name in _PLACES}
    return [
        each
        for each in items
        if each.alert is not None
        and each.subject != item.subject
        and not each.alert.is_resolved
        and here & {value for name, value in each.alert.labels if name in _PLACES}
    ]


def alerts_at(state: MetricsState, place: Subject) -> list[str]:
    """The names of the alerts about a watched thing that fire or are pending."""
    found = (each for each in state.items(state.overview).values() if each.alert and not each.alert.is_resolved)
    return [each.name for each in found if state.place_of(each) == place]


def runbooks_for(app: Console, alerts: Collection[str], service: str = "") -> list[Runbook]:
    """The runbooks for those alerts, as soon as they are read; if there are none, those that ask for a service and
    offer this one."""
    app.monitor.runbooks.show()
    view = app.monitor.runbooks.feed.value
    found = [] if view is None else view.runbooks
    for_alerts = [each for each in found if any(name in alerts for name in each.alerts)]
    if for_alerts or not service:
        return for_alerts
    return [each for each in found if any(service in variable.choices for variable in each.variables)]


def runbooks_for_finding(app: Console, state: MetricsState, finding: FindingView) -> list[Runbook]:
    """The runbooks that name the check of a finding, or an alert that fires about the finding."""
    firing = (each.alert for each in state.items(state.overview).values() if each.alert is not None)
    about = ("id", finding.check), ("target", finding.target)
    alerts = {each.name for each in firing if not each.is_resolved and set(about) <= set(each.labels)}
    return runbooks_for(app, {finding.check, *alerts})


def step_rows(number: int, step: Step) -> list[Row]:
    """A step of a runbook: its title, and the first line of its first command, with how many more there are."""
    rows: list[Row] = [(Piece(f" {number}. ", "muted"), Piece(step.title))]
    if step.commands:
        lines = step.commands[0].text.split("\n")
        more = len(step.commands) - 1 or ""
        told = f"  +{more}" if more else "  …" if len(lines) > 1 else ""
        pieces, _open = shell_pieces(lines[0].strip())
        rows.append((Piece("    $ ", "muted"), *pieces, Piece(told, "muted")))
    return rows


# All targets that are scraped, as rows: whether each is up, what it gives, and why it does not. Pure.


def target_rows(targets: Sequence[TargetView], kept: StoreUsage | None, now: datetime, glyphs: Glyphs) -> list[Row]:
    """The rows about scrape targets: the title, the keys, the targets that are down, the others, then the usage of the
    series store and its problems."""
    up = sum(isinstance(target.state, Ready) for target in targets)
    count = _("{up} of {count} up", up=up, count=len(targets))
    rows: list[Row] = [
        (Piece(" " + _("Targets"), "title"), Piece("  " + count, "muted")),
        BLANK,
    ]
    for target in sorted(targets, key=lambda each: not each.down):
        rows += _target(target, now, glyphs)
    if not targets:
        rows.append((Piece("   " + _("nothing is scraped"), "muted"),))
    if kept is not None:
        rows += [BLANK, (Piece("   " + _("series store") + "  ", "muted"), Piece(kept_text(kept, now)))]
        rows += _problems(kept.problems, glyphs)
    return rows


def down_text(targets: Iterable[TargetView]) -> str:
    """A sentence about the targets that are down; empty if none is."""
    down = [target for target in targets if target.down]
    if not down:
        return ""
    first = f"{down[0].job} {down[0].instance}".strip()
    said = ngettext("{count} target is down: {first}", "{count} targets are down: {first}, …", len(down), first=first)
    return _("{said}; :targets shows all", said=said)


def _target(target: TargetView, now: datetime, glyphs: Glyphs) -> list[Row]:
    state = target.state
    sign, role = (glyphs.good, "good") if isinstance(state, Ready) else (glyphs.unknown, "muted")
    if target.down:
        sign, role = glyphs.failing, "failing"
    where = "  ".join((target.url, *([_("scraped from {host}", host=target.host)] if target.host else [])))
    rows: list[Row] = [
        (
            Piece(f" {sign} ", role),
            Piece(f"{target.job}  ", "strong"),
            Piece(where + "  "),
            Piece(_numbers(target, now)),
        )
    ]
    if isinstance(state, Unavailable):
        why = scrape_outage(state, now) if target.down else str(state.error.message)
        rows.append((Piece("   "), Piece(why, role)))
        if str(state.error.hint):
            rows.append((Piece("   "), Piece(str(state.error.hint), "muted")))
    elif isinstance(state, Ready):
        rows += [(Piece("   "), Piece(str(remark), "degraded")) for remark in state.value.remarks]
    return rows


def _numbers(target: TargetView, now: datetime) -> str:
    every = _("every {period}", period=human_duration(target.every_s))
    if not isinstance(target.state, Ready):
        return every
    scrape = target.state.value
    return _(
        "{samples} in {took}, {age} ago, {every}",
        samples=ngettext("{count} sample", "{count} samples", scrape.kept),
        took=human_duration(scrape.duration_s),
        age=human_age((now - scrape.at).total_seconds()),
        every=every,
    )


def _problems(problems: Iterable[str], glyphs: Glyphs) -> list[Row]:
    return [
        (Piece(f" {glyphs.degraded} ", "degraded"), Piece(_("not scraped") + "  "), Piece(each)) for each in problems
    ]


_TROUBLES_SHOWN = 3
_BORDERS = 2
"""Cells of a panel's borders."""


class AlertSection:
    """Draws the alerts, and the page of one. The data of the page is fetched in the background and drawn when it
    arrives."""

    def __init__(self, context: PaneContext[MetricsState]) -> None:
        self._context, self._state, self._app = context, context.state, context.app
        self._asked: tuple[object, ...] = ()
        self._told_of: Subject | None = None
        self._why: Explanation | LilFoxError | None = None
        self._whole: Explanation | None = None
        self._events: Sequence[Event] = ()
        self.errors_of: Callable[[str], Sequence[LoggedError]] = lambda _service: ()
        """The newest errors in the logs of a service."""

    def troubles(self, overview: Overview) -> list[Row]:
        """The problems with alerting, or why nothing is known; none if the config has no rules."""
        return [] if overview.alerts is None else self._trouble_rows(overview)

    def _trouble_rows(self, overview: Overview) -> list[Row]:
        """The problems with alerting, or why nothing is known."""
        if isinstance(overview.alerts, Unavailable):
            error = overview.alerts.error
            rows: list[Row] = [(Piece("   "), Piece(str(error), "degraded"))]
            if str(error.hint):
                rows.append((Piece("   "), Piece(str(error.hint))))
            return wrapped(rows, self._app.room.width - _BORDERS)[:_TROUBLES_SHOWN]
        alerts = alerts_of(overview)
        known = () if alerts is None else sorted(alerts.troubles, key=lambda each: not each.blind)
        troubles = [(str(each), "failing" if each.blind else "degraded") for each in known]
        if down := down_text(overview.targets):
            troubles.insert(0, (down, "degraded"))
        marks = {"failing": self._app.glyphs.failing, "degraded": self._app.glyphs.degraded}
        rows = [(Piece(f" {marks[role]} ", role), Piece(text, role)) for text, role in troubles[:_TROUBLES_SHOWN]]
        if (more := len(troubles) - _TROUBLES_SHOWN) > 0:
            said = ngettext("{count} more problem", "{count} more problems", more)
            rows.append((Piece("   " + _("{said}; all: {command}", said=said, command="lilfox alerts list"), "muted"),))
        if (unasked := self._app.monitor.alerting.unasked) is not None:
            rows.append((Piece("   "), Piece(str(unasked), "muted")))
        return wrapped(rows, self._app.room.width - _BORDERS)

    def note(self, overview: Overview) -> Row:
        """How many alerts there are, and rules; nothing if the config has no rules."""
        if overview.alerts is None:
            return ()
        alerts = alerts_of(overview)
        if alerts is not None:
            from lilfox_tui.app.panes.metrics.alert_page import summary_pieces

            return tuple(summary_pieces(alerts))
        if isinstance(overview.alerts, Unavailable):
            age = human_age(max(1.0, (overview.at - overview.alerts.since).total_seconds()))
            return (Piece(_("alerts unknown for {age}", age=age), "degraded"),)
        unknown = _("the state at that time is unknown") if overview.rewound else _("alerts not evaluated yet")
        return (Piece(unknown, "muted"),)

    def detail(self, overview: Overview) -> list[Row]:
        """The selected alert or rule as text; nothing if none is selected."""
        item = self._state.selected_item()
        if item is None:
            return []
        from lilfox_tui.app.panes.metrics.alert_page import rule_trouble, shape, state_text, with_time
        from lilfox_tui.app.panes.metrics.alert_series import was_text, where

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
        text = with_time(text, alert) if text else text
        if alert.is_resolved:
            text = was_text(alert, item.expression, overview.at)
        first, rest = break_line(text or where(alert.labels), max(20, self._app.room.width - 34))
        since, place = state_text(alert, item.rule, overview.at), where(alert.labels)
        named = not text or text.startswith(f"{place}: ")
        return [
            (*head, Piece(f"  {since}  ", "muted"), Piece(first)),
            (Piece(f"   {rest}  " if rest else "   "), Piece("" if named else place, "muted")),
        ]

    # ---- its page ------------------------------------------------------------------------------------------------

    def paint_page(self, overview: Overview, lines: Lines, chart_height: int) -> None:
        """Draws the page of the open alert or rule, or a message if it no longer exists."""
        item, alerts = self._state.selected_item(), alerts_of(overview)
        if item is None or alerts is None:
            lines.show([(Piece("   " + self._gone(overview), "muted"),)], follow=False)
            return
        from lilfox_tui.app.panes.metrics.alert_page import AlertPage, alert_page, items_of

        self._ask(item, overview, alerts.at)
        fresh = self._told_of == item.subject
        runbooks = runbooks_for(self._app, [item.name])
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
            runbooks=[each.title for each in runbooks],
            steps=[step_rows(*each) for each in enumerate(runbooks[0].steps, 1)] if runbooks else (),
            errors=self._errors(item, overview.at),
            others=others_there(item, items_of(alerts, histograms_of(overview))),
            whole=self._whole if fresh else None,
            slow_link=self._app.slow_link,
            height=self._app.room.height,
            cursor=self._state.cursor,
            alerts=[each for each in alerts.alerts if item.alert is not None and each.rule == item.alert.rule],
        )
        lines.show(alert_page(page), follow=False)

    def _errors(self, item: AlertItem, now: datetime) -> list[Row]:
        """The newest errors of the services that the alert is about."""
        labels = {} if item.alert is None else dict(item.alert.labels)
        services = dict.fromkeys(labels[name] for name in ("service", "job") if name in labels)
        found = (error for service in services for error in self.errors_of(service))
        return [error_row(each, now, self._app.glyphs) for each in dict.fromkeys(found)]

    def _gone(self, overview: Overview) -> str:
        if overview.rewound:
            return _("no such alert at that time, or its state is unknown")
        return _("this alert has ended and is no longer kept")

    def _ask(self, item: AlertItem, overview: Overview, alerts_at: datetime) -> None:
        """Asks for the data of the page if the question has changed."""
        columns = 2 * chart_columns(self._app.room.width)
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
        whole: Explanation | None = None
        try:
            if item.expression:
                why = await alerting.why(item.expression, at - self._state.window, at, columns)
                whole = await self._since_active(item, at, columns)
            events = () if item.alert is None else await alerting.events(item.alert.labels)
        except LilFoxError as error:
            why, events = error, ()
        self._why, self._whole, self._events, self._told_of = why, whole, events, item.subject
        if self._state.page == item.subject and not self._app.leaving:
            self._context.repaint()

    async def _since_active(self, item: AlertItem, at: datetime, columns: int) -> Explanation | None:
        """The series while the alert was active, where the window of the page begins later: its peak is kept."""
        from lilfox_tui.app.panes.metrics.alert_page import whole_window

        alert = item.alert
        if alert is None or alert.active_at >= at - self._state.window:
            return None
        end = alert.resolved_at or at
        return await self._app.monitor.alerting.why(item.expression, end - whole_window(alert, at), end, columns)
