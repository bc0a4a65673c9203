"""The list of the Metrics pane; its actions: connections, charts, statements, queries, targets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from lilfox_tui.app import dialogs
from lilfox_tui.app.actions import ActionGroup, action
from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.metrics.alert_section import target_rows
from lilfox_tui.app.panes.metrics.backend_page import cell_text
from lilfox_tui.app.panes.metrics.container.actions import ContainerActions
from lilfox_tui.app.panes.metrics.finding_state import AUDIT, finding_of, has_findings
from lilfox_tui.app.panes.metrics.state import ALERT_KINDS, MetricsState, Subject, alerts_of, link_error
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.app.rows.containers import ENGINE, PROJECT, members, subject_of
from lilfox_tui.app.rows.hosts import well
from lilfox_tui.app.rows.reasons import HostGroup, changed_key_rows, unknown_key_rows
from lilfox_tui.app.shared_actions import StateList
from lilfox_tui.backends.model import StatementPlan
from lilfox_tui.core.aio import Unavailable
from lilfox_tui.core.errors import HostKeyChanged, HostKeyUnknown, LilFoxError
from lilfox_tui.core.i18n import Message, _, clauses, tr
from lilfox_tui.core.paths import told_config_file
from lilfox_tui.monitor.model import BackendView, HostView

if TYPE_CHECKING:
    from lilfox_tui.app.panes.metrics.query.history import QueryHistory

_NUMBERS = 4
"""The first columns of a slow statement, which stand in front of it: share, calls, mean and total time."""
Context = PaneContext[MetricsState]


class MetricsList(StateList[MetricsState]):
    """The list of the Metrics pane. ``scroll_page`` scrolls the open page, ``show_findings`` lists the findings on what
    is selected, ``show_containers`` its containers."""

    def __init__(
        self,
        context: PaneContext[MetricsState],
        open_page: Callable[[Subject | None], None],
        scroll_page: Callable[[int], None],
        show_findings: Callable[[], None],
        show_containers: Callable[[], None],
    ) -> None:
        super().__init__(context)
        self._open_page, self._scroll_page = open_page, scroll_page
        self._show_findings, self._show_containers = show_findings, show_containers

    def move(self, step: int) -> None:
        """Moves ``step`` rows down (or up, if negative) in the list or on the open page."""
        if self._state.page is not None:
            self._scroll_page(step)
        else:
            self._state.move(step)
            self._context.repaint()

    def open_selected(self) -> None:
        if self._state.selected_plan() is not None:
            self._app.go_to_backups()
        elif self._state.page is None and (cluster := self._state.selected_cluster()) is not None:
            self._app.go_to_cluster(cluster.name, None)
        elif self._state.page is None and self._select_first_of_group():
            self._context.repaint_all()
        elif self._state.page is not None or self._state.selected == AUDIT:
            self._open_from_page()
        elif self._state.selected is not None and self._state.selected[0] == PROJECT:
            self._show_containers()
        elif self._state.selected is not None and self._state.selected[0] == ENGINE:
            self._open_page(("host", self._state.selected[1].partition("/")[0]))
        else:
            self._open_page(self._state.selected)

    def _open_from_page(self) -> None:
        """Goes on from an open page: from that of an alert to its container, else to findings, or to containers."""
        page, overview = self._state.page, self._state.overview
        found = self._state.selected_container()
        if page is not None and page[0] in ALERT_KINDS and found is not None:
            self._open_page(subject_of(found.view))
        elif page is not None and page[0] == "host" and not has_findings(overview, page) and members(overview, page):
            self._show_containers()
        else:
            self._show_findings()

    def _select_first_of_group(self) -> bool:
        """Goes from a row of several hosts to the first of them in the list of hosts; False if none is selected."""
        overview, selected = self._state.overview, self._state.selected
        group = None if overview is None or selected is None else self._state.faults(overview).get(selected)
        if not isinstance(group, HostGroup):
            return False
        self._state.choose(("host", group.views[0].name))
        return True

    def why_not_open(self) -> Message | None:
        return self._state.why_not_open()

    def back(self) -> None:
        if self._state.cursor is not None:
            self._state.cursor = None
            self._context.repaint_all()
        elif self._state.zoomed:
            self._state.zoomed = False
            self._context.repaint()
        elif self._state.page is not None:
            self._open_page(self._state.under)
        else:
            self.set_filter("")

    def copy_selected(self) -> None:
        """Copies the name and state of the row; for an alert the expression of its rule, for a finding its fix, for a
        container its id."""
        if (finding := finding_of(self._state.overview, self._state.page)) is not None:
            if finding.copied:
                self._app.copy_text(finding.copied)
            else:
                self._app.tell(LilFoxError(tr("this fix has no lines or commands to copy")))
            return
        item, view = self._state.selected_item(), self._state.selected_view()
        if item is not None and not item.expression:
            self._app.tell(LilFoxError(tr("no expression to copy: the rule is not available here")))
        elif item is not None:
            self._app.copy_text(item.expression)
        elif view is not None:
            why = clauses(str(reason) for reason in view.reasons) or well(view)
            self._app.copy_text(f"{view.name}: {why}, {view.since.isoformat(timespec='seconds')}")
        elif (found := self._state.selected_container()) is not None:
            self._app.copy_text(found.view.container.id)

    def why_not_copy(self) -> Message | None:
        return self._state.nothing_selected()


class ViewActions(ActionGroup):
    """Actions that choose what is shown, its order, and the chart window."""

    TASK = tr("Display")

    def __init__(self, context: Context) -> None:
        self._context, self._state, self._app = context, context.state, context.app

    @action(
        "logs",
        "l",
        tr("logs"),
        tr("show the logs of the selected host, service or container at this time"),
        why_not=lambda self: None if self._is_project() else self._state.nothing_selected(),
        footer=2,
        fits=lambda self: self._state.selected_plan() is None and self._state.selected_cluster() is None,
    )
    def show_logs(self) -> None:
        view, found = self._state.place_selected(), self._state.selected_container()
        at, selected = self._state.cursor or self._app.rewound, self._state.selected
        if found is not None:
            self._app.go_to_logs(*subject_of(found.view), at)
        elif self._is_project() and selected is not None:
            self._app.go_to_logs(*selected, at)
        elif view is not None:
            self._app.go_to_logs("host" if isinstance(view, HostView) else "service", view.name, at)
        elif self._state.selected_item() is not None:
            self._app.tell(tr("the alert's labels match no monitored service or host"))

    def _is_project(self) -> bool:
        """Whether the row of several containers is selected, whose logs are one list."""
        return self._state.page is None and self._state.selected is not None and self._state.selected[0] == PROJECT

    @action("window", "t", tr("window"), tr("change the time range of the charts (5 min or longer)"))
    def next_window(self) -> None:
        self._state.next_window()
        self._context.repaint_all()

    @action(
        "cursor-back",
        "left",
        tr("cursor back"),
        tr("read the charts of a page at an earlier time"),
        why_not=lambda self: self._state.why_no_cursor(),
    )
    def cursor_back(self) -> None:
        self._move_cursor(-1)

    @action(
        "cursor-forward",
        "right",
        tr("cursor forward"),
        tr("read the charts of a page at a later time"),
        why_not=lambda self: self._state.why_no_cursor(),
    )
    def cursor_forward(self) -> None:
        self._move_cursor(1)

    def _move_cursor(self, step: int) -> None:
        self._state.move_cursor(step)
        self._context.repaint_all()

    @action("zoom", "z", tr("zoom"), tr("show only the selected section, or enlarge a page's charts"))
    def zoom(self) -> None:
        self._state.zoomed = not self._state.zoomed
        self._context.repaint()

    @action("sort", "O", tr("sort"), tr("sort the hosts, or the processes on the page of a host, by the next column"))
    def sort(self) -> None:
        self._state.next_sort()
        self._context.repaint()


class LinkActions(ActionGroup):
    """Actions on the connection to the selected host, its key, and a shell on it."""

    TASK = tr("Hosts")

    def __init__(self, context: Context, containers: ContainerActions) -> None:
        self._context, self._state, self._app = context, context.state, context.app
        self._containers = containers

    def _is_host(self) -> bool:
        return isinstance(self._state.selected_view(), HostView)

    def _has_shell(self) -> bool:
        return self._is_host() or self._state.selected_container() is not None

    def _why_not_reconnect(self) -> Message | None:
        view = self._state.selected_view()
        if not isinstance(view, HostView):
            return tr("select a host first")
        return None if isinstance(view.link, Unavailable) else tr("{name} is connected", name=view.name)

    @action(
        "reconnect",
        "R",
        tr("retry"),
        tr("connect to the selected host now"),
        why_not=_why_not_reconnect,
        footer=6,
        fits=_is_host,
    )
    def reconnect(self) -> None:
        view = self._state.selected_view()
        if isinstance(view, HostView):
            self._app.monitor.retry(view.name)

    def _why_not_trust(self) -> Message | None:
        view = self._state.selected_view()
        if not isinstance(view, HostView):
            return tr("select a host first")
        if isinstance(link_error(view), HostKeyUnknown | HostKeyChanged):
            return None
        return tr("this host has not presented an unknown key")

    @action(
        "trust",
        "K",
        tr("trust key"),
        tr("review the key of an unknown host, and trust it"),
        why_not=_why_not_trust,
        fits=_is_host,
    )
    def trust(self) -> None:
        view = self._state.selected_view()
        error = None if view is None else link_error(view)
        if view is not None and isinstance(error, HostKeyChanged):
            self._app.push_screen(dialogs.Reader(changed_key_rows(view.name, error)))
        elif isinstance(view, HostView) and isinstance(error, HostKeyUnknown):
            self._context.run(partial(self._trust, view, error), group="trust", exclusive=True)

    async def _trust(self, view: HostView, error: HostKeyUnknown) -> None:
        rows = unknown_key_rows(view.name, error)
        if await self._app.confirm(_("Unknown host key"), rows, "yes"):
            await self._app.monitor.trust(view.name, error.fingerprint)
            self._app.monitor.retry(view.name)

    def _why_no_shell(self) -> Message | None:
        view, found = self._state.selected_view(), self._state.selected_container()
        if found is not None:
            return self._containers.why_no_shell(found)
        if not isinstance(view, HostView):
            return tr("select a host or a container first")
        if self._app.config.read_only or view.config.protected:
            return tr("{name} is read-only here; the shell is disabled because it could make changes", name=view.name)
        return None

    @action(
        "shell",
        "x",
        tr("shell"),
        tr("open a shell on the selected host or container; suspends the console"),
        why_not=_why_no_shell,
        fits=_has_shell,
    )
    def shell(self) -> None:
        view, found = self._state.selected_view(), self._state.selected_container()
        if found is not None:
            self._containers.shell(found)
        elif isinstance(view, HostView):
            self._app.run_shell(view)


class QueryActions(ActionGroup):
    """Actions for scrape targets, PromQL queries and statement plans."""

    TASK = tr("Queries")

    def __init__(self, context: Context) -> None:
        self._context, self._state, self._app = context, context.state, context.app
        self._expression = ""
        self._history: QueryHistory | None = None

    def _why_no_targets(self) -> Message | None:
        config = self._app.config
        named = config.services or config.scrape or config.prometheus_config
        return None if named else tr("no scrape targets are configured; add services, scrape or prometheus_config")

    @action(
        "targets",
        "",
        tr("targets"),
        tr("all scrape targets: up or down, and why"),
        why_not=_why_no_targets,
    )
    def show_targets(self) -> None:
        scraping, newest = self._app.monitor.scraping, self._app.monitor.overview.value
        now = datetime.now(UTC) if newest is None else newest.at  # as they are now, also on a rewound screen
        rows = target_rows(scraping.all_targets(), scraping.kept(), now, self._app.glyphs)
        self._app.push_screen(dialogs.Reader(rows))

    @action("query", "Q", tr("query"), tr("run a PromQL query at the displayed time: table and chart"))
    def ask_query(self) -> None:
        self._context.run(self._ask_query, group="query", exclusive=True)

    async def _ask_query(self) -> None:
        from lilfox_tui.app.panes.metrics.query.box import QueryBox  # numpy and the parser, only for this
        from lilfox_tui.app.panes.metrics.query.history import QueryHistory, history_file

        if self._history is None:
            self._history = await asyncio.to_thread(lambda: QueryHistory(history_file()))
        box = QueryBox(
            self._app.monitor.queries,
            self._history,
            at=self._app.rewound,
            window=self._state.window,
            glyphs=self._app.glyphs,
            text=self._expression,
            alerts=alerts_of(self._state.overview),
            config_file=told_config_file(self._app.monitor.backups.config_path),
        )
        self._expression = await self._app.push_screen_wait(box) or ""

    def _why_not_explain(self) -> Message | None:
        view = self._state.selected_view()
        if not isinstance(view, BackendView):
            return tr("select a database first")
        return None if statement_choices(view) else tr("{name} reports no slow statements", name=view.name)

    @action(
        "explain",
        "",
        tr("explain"),
        tr("show the execution plan of a slow statement; the statement is not run"),
        why_not=_why_not_explain,
        fits=lambda self: isinstance(self._state.selected_view(), BackendView),
    )
    def explain(self) -> None:
        view = self._state.selected_view()
        if isinstance(view, BackendView):
            self._context.run(partial(self._explain, view), group="explain", exclusive=True)

    async def _explain(self, view: BackendView) -> None:
        title = _("Explain which statement?")
        chosen = await self._app.push_screen_wait(dialogs.Chooser(title, statement_choices(view), wide=True))
        if chosen is not None:
            plan = await self._app.monitor.backends.explain(view.name, chosen)
            self._app.push_screen(dialogs.Reader(plan_rows(plan)))


def statement_choices(view: BackendView) -> list[dialogs.Choice]:
    """The slow statements of a database, by their ids; none if it reports none."""
    tables = () if view.reading is None else view.reading.tables
    choices = []
    for table in tables:
        for row in table.rows if table.key == "slow_statements" else ():
            cells = [cell_text(value, column.unit) for value, column in zip(row, table.columns, strict=True)]
            statement_id = next(value for value, column in zip(row, table.columns, strict=True) if column.key == "id")
            if statement_id is not None:
                numbers = "  ".join(f"{cell:>8}" for cell in cells[:_NUMBERS])
                shown = (Piece(numbers + "  ", "muted"), Piece(cells[-1]))
                choices.append(dialogs.Choice(str(statement_id), shown, cells[-1], more=cells[-1]))
    return choices


def plan_rows(plan: StatementPlan) -> list[Row]:
    """A statement's plan as rows to read."""
    how = _("generic plan, without parameter values") if plan.generic else _("planned only, not run")
    rows: list[Row] = [(Piece(" " + _("Plan"), "title"), Piece("  " + how, "muted")), BLANK]
    rows += [(Piece(" " + line, "muted"),) for line in plan.statement.splitlines()]
    return [*rows, BLANK, *((Piece(" " + line),) for line in plan.lines)]
