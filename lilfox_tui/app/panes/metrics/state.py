"""What the Metrics pane shows: the rows, the selected one, the open page, and the chart window. Nothing is drawn
here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from msgspec import Struct

from lilfox_tui.app.panes.metrics.finding_state import (
    AUDIT,
    CLUSTER,
    FINDING,
    PLAN,
    ClusterProblem,
    audit_row,
    bad_elsewhere,
    bad_plans,
    cluster_of,
    elsewhere_holds,
    elsewhere_level,
    finding_of,
    has_findings,
    listed_clusters,
    row_of_cluster,
)  # fmt: skip
from lilfox_tui.app.rows import containers
from lilfox_tui.app.rows.hosts import SORTS, sorted_hosts, worst_first
from lilfox_tui.app.rows.processes import PROCESS_SORTS
from lilfox_tui.app.rows.reasons import (
    GROUP,
    HostGroup,
    Rank,
    began_together,
    caused_last,
    causes,
    grouped,
    histograms_of,
    of_kind,
)  # fmt: skip
from lilfox_tui.core.aio import Ready, Unavailable
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import (
    AuditView,
    BackendView,
    HostView,
    Overview,
    PlanView,
    ServiceView,
    View,
)
from lilfox_tui.monitor.raised_levels import place_of

if TYPE_CHECKING:
    from lilfox_tui.alerts.model import Alert, Alerts
    from lilfox_tui.app.panes.metrics.alert_page import AlertItem
    from lilfox_tui.clusters.model import ClusterView

    Problem: TypeAlias = AlertItem | View | PlanView | ClusterProblem | AuditView | HostGroup | "Fault"

WINDOWS = (timedelta(minutes=5), timedelta(hours=1), timedelta(hours=6), timedelta(hours=24))
FAR_WINDOW = timedelta(days=7)
"""Longer than anything is kept here: only where a Prometheus is asked."""
SPANS = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 20, 60, 120, 360, 720, 1440))
"""Time ranges of charts whose data is younger than the chosen range."""
CURSOR_STEPS = 60
_ROOM_BEFORE = 1.25
"""So many times the age of an alert are shown, so that what was before it is seen."""
ALERT_KINDS = ("alert", "rule")
_NOT_ONE = {
    PLAN: tr("a backup plan is selected; enter shows it in pane 3"),
    CLUSTER: tr("a cluster is selected; enter shows it in pane 5"),
    AUDIT[0]: tr("the findings of the audit are selected; enter lists them"),
    GROUP: tr("several hosts are selected; enter goes to the first"),
    containers.PROJECT: tr("several containers are selected; enter lists them"),
    containers.ENGINE: tr("a container engine is selected; enter shows its host"),
}
"""Why an action on one thing is disabled: the row is of several, or of what has its actions elsewhere."""
PROBLEM_KINDS = (*ALERT_KINDS, PLAN, AUDIT[0], GROUP)
"""What is listed among the problems alone."""
AnyView = TypeVar("AnyView", HostView, ServiceView, BackendView)
Subject = tuple[str, str]
"""``("host", name)``, ``("service", name)``, ``("backend", name)``, ``("cluster", name)``, ``("finding", key)``, or an
alert's or rule's (``alert_rows.Item``)."""


def alerts_of(overview: Overview | None) -> Alerts | None:
    """The alerts of an overview, if known."""
    if overview is None or not isinstance(overview.alerts, Ready):
        return None
    return overview.alerts.value


def fitting(window: timedelta, age: timedelta) -> timedelta:
    """The range of charts: ``window``, or a shorter one that data of that age fills."""
    return min(window, next((each for each in SPANS if each >= age), window))


def link_error(view: View) -> LilFoxError | None:
    """Return the error of the connection to a host; None if the host is reachable or ``view`` is not a host."""
    return view.link.error if isinstance(view, HostView) and isinstance(view.link, Unavailable) else None


class MetricsState:
    """The Metrics pane's state. ``far`` tells whether a Prometheus is configured, which has older data than LilFox."""

    def __init__(self, *, far: bool = False) -> None:
        self.overview: Overview | None = None
        self.page: Subject | None = None
        """What the open page is about; None where the tables are shown."""
        self.under: Subject | None = None
        """The page from which that of a finding was opened; None for the tables."""
        self.selected: Subject | None = None
        self.in_problems = False
        """Whether the selected row is that of the problems, where a host stands a second time."""
        self.each_once = False
        """Whether what is among the problems has no second row in its list, as on a screen without panels."""
        self.went_to_alert: Subject | None = None
        """What :meth:`next_alert` selected last; None once a page was opened or the pane shown again."""
        self.filter = ""
        self.only_matching = True
        self.sort = SORTS[0]
        """What the hosts are sorted by."""
        self.process_sort = PROCESS_SORTS[0]
        """What the processes on the page of a host are sorted by."""
        self.zoomed = False
        self.cursor: datetime | None = None
        """The moment whose values the charts of the open page tell; None for the newest."""
        self._chosen = False
        """Whether the user has chosen the selected row."""
        self._place: Subject | None = None
        """What the labels of the selected alert name: its row stays selected when the alert is gone."""
        self._others: set[Subject] | None = None
        """The problems that there were when the chosen one was over; None if that is not why a row is selected."""
        self._window = 0
        self.data_since: datetime | None = None
        """When the data of the open page begins; None if that does not matter."""
        self._page_window: timedelta | None = None
        """A longer range than the chosen one, which the open page needs."""
        self._windows = (*WINDOWS, FAR_WINDOW) if far else WINDOWS
        self.containers = containers.ContainerRows()
        self._items: dict[Subject, AlertItem] = {}
        self._items_of: tuple[Alerts, str] | None = None
        self._faults: Mapping[Subject, Problem] = {}
        self._faults_of: tuple[Overview, str] | None = None
        self.causes: Mapping[Subject, Subject] = {}
        """What fails because of what, of the overview that was asked of last."""

    # ---- rows ----------------------------------------------------------------------------------------------------

    def hosts(self, overview: Overview) -> list[HostView]:
        """The rows of the HOSTS table, in their order."""
        return sorted_hosts([each for each in overview.hosts.values() if self._is_shown(each)], self.sort)

    def services(self, overview: Overview) -> list[ServiceView]:
        """The rows of the SERVICES table, in their order."""
        return self._ordered([each for each in overview.services.values() if self._is_shown(each)])

    def backends(self, overview: Overview) -> list[BackendView]:
        """The rows of the BACKENDS table, in their order."""
        return self._ordered([each for each in overview.backends.values() if self._is_shown(each)])

    def clusters(self, overview: Overview) -> list[ClusterView]:
        """The rows of the CLUSTERS table, in their order."""
        return listed_clusters(overview, self.shown_words, self.sort)

    def items(self, overview: Overview | None) -> Mapping[Subject, AlertItem]:
        """The rows of the ALERTS table, in their order; the same object while nothing changes."""
        alerts = alerts_of(overview)
        if alerts is None:
            return {}
        wanted = self.shown_words
        if self._items_of is None or self._items_of[0] is not alerts or self._items_of[1] != wanted:
            from lilfox_tui.app.panes.metrics.alert_page import items_of  # numpy: only where there are alerts

            self._items = {
                each.subject: each for each in items_of(alerts, histograms_of(overview)) if _holds_all(each, wanted)
            }
            self._items_of = alerts, wanted
        return self._items

    def problems(self, overview: Overview) -> list[Subject]:
        """The rows of what is wrong, worst and oldest first."""
        return list(self.faults(overview))

    def faults(self, overview: Overview) -> Mapping[Subject, Problem]:
        """What the rows of the problems are about, in their order: alerts, and what is watched and not good; the same
        object while nothing changes."""
        of = (overview, self.shown_words)
        if self._faults_of is None or self._faults_of[0] is not overview or self._faults_of[1] != of[1]:
            views = {
                (kind, view.name): view
                for kind in ("host", "service", "backend")
                for view in of_kind(overview, kind).values()
                if view.level in (Level.DEGRADED, Level.FAILING) and self._is_shown(view)
            }
            items, self.causes = self.items(overview), causes(overview)
            plans = bad_elsewhere(overview, of[1])
            found = fault_rows(views, plans, items, partial(_place_of, overview), self.causes)
            self._faults = {**grouped(found), **audit_row(overview, of[1])}
            self._faults_of = of
        return self._faults

    def selected_plan(self) -> PlanView | None:
        """The backup plan that is highlighted among the problems."""
        return None if self.overview is None else bad_plans(self.overview, "").get(self.selected or ("", ""))

    def selected_cluster(self) -> ClusterView | None:
        """The cluster that is highlighted."""
        return cluster_of(self.overview, self.selected)

    def rows(self) -> list[tuple[bool, Subject]]:
        """All rows, from the first of the problems to the last of the last list; the first value tells whether it is
        one of the problems."""
        if self.overview is None:
            return []
        problems = self.problems(self.overview)
        listed = [
            *(("host", view.name) for view in self.hosts(self.overview)),
            *(("service", view.name) for view in self.services(self.overview)),
            *(("backend", view.name) for view in self.backends(self.overview)),
            *self.containers.listed(self.overview, self.shown_words),
            *((CLUSTER, view.name) for view in self.clusters(self.overview)),
        ]
        if self.each_once:
            above = set(problems)
            listed = [subject for subject in listed if subject not in above]
        return [*((True, subject) for subject in problems), *((False, subject) for subject in listed)]

    def order(self) -> list[Subject]:
        """The subjects of all rows, each once."""
        return list(dict.fromkeys(subject for _problem, subject in self.rows()))

    def level(self, overview: Overview, subject: Subject) -> Level:
        """The level of that row's subject, among the problems that of what is one row with it too."""
        if isinstance(fault := self.faults(overview).get(subject), Fault | HostGroup):
            return fault.level
        if subject[0] in ALERT_KINDS:
            item = self.items(overview).get(subject)
            return Level.UNKNOWN if item is None else item.level
        if subject[0] in (PLAN, CLUSTER):
            return elsewhere_level(overview, subject)
        if subject == AUDIT:
            return Level.DEGRADED
        return of_kind(overview, subject[0])[subject[1]].level

    def matches(self, overview: Overview, subject: Subject) -> bool:
        """Whether that row holds every word of the filter."""
        if subject[0] in ALERT_KINDS:
            item = self.items(overview).get(subject)
            return item is not None and _holds_all(item, self.filter)
        if subject[0] in (PLAN, CLUSTER):
            return elsewhere_holds(overview, subject, self.filter)
        if subject == AUDIT:
            return bool(audit_row(overview, self.filter))
        if subject[0] in containers.KINDS:
            return self.containers.matches(overview, subject, self.filter, self.shown_words)
        if isinstance(group := self.faults(overview).get(subject), HostGroup):
            return any(map(self._matches, group.views))
        return self._matches(of_kind(overview, subject[0])[subject[1]])

    def _ordered(self, views: list[AnyView]) -> list[AnyView]:
        return views if self.sort == "configured" else worst_first(views)

    def next_sort(self) -> None:
        """Sorts the hosts, or the processes on the page of a host, by what comes next, wrapping around."""
        if self.page is not None and self.page[0] == "host":
            self.process_sort = PROCESS_SORTS[(PROCESS_SORTS.index(self.process_sort) + 1) % len(PROCESS_SORTS)]
            return
        self.sort = SORTS[(SORTS.index(self.sort) + 1) % len(SORTS)]

    @property
    def shown_words(self) -> str:
        """The words of the filter that hides rows; empty if it marks them."""
        return self.filter if self.only_matching else ""

    def _is_shown(self, view: View) -> bool:
        return not self.only_matching or self._matches(view)

    def _matches(self, view: View) -> bool:
        words = self.filter.lower().split()
        text = " ".join((view.name, *view.config.tags, *(str(reason) for reason in view.reasons))).lower()
        return all(word in text for word in words)

    # ---- the selection -------------------------------------------------------------------------------------------

    def selected_view(self) -> View | None:
        """The host, service or backend that actions apply to: the one whose page is open, or the highlighted one."""
        subject = self.page or self.selected
        if (finding := finding_of(self.overview, self.page)) is not None:
            subject = finding.kind, finding.target
        if self.overview is None or subject is None:
            return None
        return of_kind(self.overview, subject[0]).get(subject[1])

    def selected_item(self) -> AlertItem | None:
        """The alert or rule that actions apply to: the one whose page is open, or the highlighted one."""
        subject = self.page or self.selected
        return None if subject is None or subject[0] not in ALERT_KINDS else self.items(self.overview).get(subject)

    def selected_alert(self) -> Alert | None:
        """The alert of :meth:`selected_item`."""
        item = self.selected_item()
        return None if item is None else item.alert

    def nothing_selected(self) -> Message | None:
        """Why an action on the selection is disabled: nothing is selected, or a backup plan, which has none here."""
        if self.page is None and self.selected is not None and self.selected[0] in _NOT_ONE:
            return _NOT_ONE[self.selected[0]]
        selected = self.selected_item() is not None or self.selected_view() is not None
        return None if selected or self.selected_container() is not None else tr("nothing is selected")

    def selected_container(self) -> containers.EngineContainer | None:
        """The container that actions apply to: of the open page or the highlighted row, or of the alert there."""
        if (alert := self.selected_alert()) is not None:
            return containers.of_alert(self.overview, alert)
        return containers.find(self.overview, self.page or self.selected)

    def place_of(self, item: AlertItem) -> Subject | None:
        """The watched service or host that an alert's labels name."""
        return None if self.overview is None else _place_of(self.overview, item)

    def fired_at(self, place: Subject) -> datetime | None:
        """When the worst alert fired that is about a watched service or host; None if none fires."""
        firing = (
            each for each in self.items(self.overview).values() if each.alert is not None and each.alert.is_firing
        )
        worst = next((each for each in firing if self.place_of(each) == place), None)
        return None if worst is None or worst.alert is None else worst.alert.fired_at

    def place_selected(self) -> View | None:
        """The selected host, service or backend; if an alert is selected, the service or host that its labels name."""
        item = self.selected_item()
        place = None if item is None else self.place_of(item)
        if place is None or self.overview is None:
            return self.selected_view()
        return of_kind(self.overview, place[0])[place[1]]

    def choose_first(self) -> None:
        """Selects the worst row as long as the user has not chosen one, so that a row is always selected. Where a
        chosen problem is over, its row in a list stays selected until there is a new problem."""
        if self.overview is None or self.page is not None:
            return
        rows = self.rows()
        if self._chosen and self.in_problems and (True, self.selected) not in rows:
            self.selected = self._taken_up(self.overview).get(self.selected, self._place or self.selected)
        if self._chosen and (self.in_problems, self.selected) not in rows:
            self._others = set(self.problems(self.overview)) if self.in_problems else None
            self.in_problems = not self.in_problems  # the problem is over, or the row is not there a second time
        is_new = self._others is not None and not self._others.issuperset(self.problems(self.overview))
        if (self.in_problems, self.selected) not in rows or is_new or not self._chosen:
            self.in_problems, self.selected = rows[0] if rows else (False, None)
            self._chosen = self._chosen and not is_new and bool(self.filter)
            self._others = None
        item = self.items(self.overview).get(self.selected) if self.selected is not None else None
        self._place = None if item is None else self.place_of(item)

    def _taken_up(self, overview: Overview) -> Mapping[Subject | None, Subject]:
        """What has no row of its own among the problems, as it is one with that of an alert."""
        return {each.place: subject for subject, each in self.faults(overview).items() if isinstance(each, Fault)}

    def choose(self, subject: Subject | None, *, in_problems: bool = False) -> None:
        """Selects a row as the user's choice."""
        if subject is not None:
            self.selected, self.in_problems = subject, in_problems or subject[0] in PROBLEM_KINDS
        self._chosen, self._others = True, None

    def next_alert(self) -> None:
        """Selects the most severe alert, the newest if there are several; the next one when called again without a move
        in between."""
        items = sorted(self.items(self.overview).values(), key=lambda item: item.rank)
        subjects = [item.subject for item in items]
        again = self.went_to_alert is not None and self.selected == self.went_to_alert
        at = subjects.index(self.selected) + 1 if again and self.selected in subjects else 0
        if subjects:
            self.went_to_alert = subjects[at % len(subjects)]
            self.choose(self.went_to_alert)

    def move(self, step: int) -> None:
        """Selects the row ``step`` rows down, or up."""
        if rows := self.rows():
            row = (self.in_problems, self.selected)
            at = rows.index(row) if row in rows else 0
            in_problems, subject = rows[max(0, min(len(rows) - 1, at + step))]
            self.choose(subject, in_problems=in_problems)

    def set_filter(self, text: str) -> None:
        """Shows only, or marks, the rows that contain every word of ``text``."""
        self.filter = text

    def toggle_only_matching(self) -> None:
        """Switches between hiding what does not match the filter and marking what does."""
        self.only_matching = not self.only_matching

    def select_match(self, direction: int) -> None:
        """Selects the next (1) or previous (-1) row that the filter matches, wrapping around."""
        order = self.order()
        if self.overview is None or not order:
            return
        start = order.index(self.selected) if self.selected in order else 0
        for offset in range(1, len(order) + 1):
            subject = order[(start + direction * offset) % len(order)]
            if self.matches(self.overview, subject):
                self.choose(subject)
                return

    # ---- the page and its time -----------------------------------------------------------------------------------

    @property
    def window(self) -> timedelta:
        """The time range of the charts: the chosen one, or a shorter one that the data of the open page fills; one
        rewind step is a thirtieth of it."""
        if self.page is None or self.data_since is None or self.overview is None:
            return self.chosen_window
        return fitting(self.chosen_window, self.overview.at - self.data_since)

    @property
    def chosen_window(self) -> timedelta:
        """The time range that the key has chosen, or that the open page needs."""
        return self._page_window or self._windows[self._window]

    def next_window(self) -> None:
        """Switches to the next chart window, wrapping around."""
        self._window = (self._windows.index(self.chosen_window) + 1) % len(self._windows)
        self._page_window = None

    def move_cursor(self, step: int) -> None:
        """Moves the time cursor of the charts by so many of ``CURSOR_STEPS`` parts of their range; past the newest
        moment there is none."""
        if self.overview is None:
            return
        end = self.overview.at
        at = (self.cursor or end) + step * self.window / CURSOR_STEPS
        self.cursor = None if at >= end else max(end - self.window, at)

    def why_no_cursor(self) -> Message | None:
        """Why there is no time cursor."""
        return None if self.page is not None else tr("open a page first: its charts have a cursor")

    def window_of(self, subject: Subject | None) -> timedelta | None:
        """The range in which one sees when an alert or a service's silence began, if the chosen one is shorter."""
        if self.overview is None or subject is None:
            return None
        item = self.items(self.overview).get(subject) if subject[0] in ALERT_KINDS else None
        began = None if item is None or item.alert is None else item.alert.active_at
        view = self.overview.services.get(subject[1]) if subject[0] == "service" else None
        if view is not None and view.unanswered and view.state is not None:
            began = view.state.since
        if began is None:
            return None
        needed = (self.overview.at - began) * _ROOM_BEFORE
        longer = next((each for each in self._windows if each >= needed), self._windows[-1])
        return longer if longer > self._windows[self._window] else None

    def open(self, subject: Subject | None) -> None:
        """Opens the page of ``subject``; None shows the tables."""
        is_finding = subject is not None and subject[0] == FINDING
        if self.page is None or self.page[0] != FINDING or not is_finding:
            self.under = self.page if is_finding else None
        self.page = subject
        self.zoomed = False
        self.cursor = self.data_since = None
        self._page_window = self.window_of(subject)
        if subject is not None:
            self.went_to_alert = None
        if not is_finding:
            self.choose(subject, in_problems=self.in_problems and subject == self.selected)

    def why_not_open(self) -> Message | None:
        """Why nothing can be opened."""
        if self.page is None:
            listed = self.selected is not None and self.selected[0] in _NOT_ONE
            return None if listed else self.nothing_selected()
        if containers.leads_on(self.overview, self.page, self.selected_container()):
            return None
        return None if has_findings(self.overview, self.page) else tr("this page is already open")

    def why_not_back(self) -> Message | None:
        """Why the pane cannot go back."""
        return None if self.zoomed or self.page is not None or self.filter else tr("this is the first screen; q quits")

    def no_rules(self) -> Message | None:
        """Why there are no alerts: no rules are configured, or the state of the alerts is unknown."""
        if self.overview is None or self.overview.alerts is None:
            return tr("no rule files are configured; add rules: [FILE]")
        return None if alerts_of(self.overview) is not None else tr("alerts are currently unknown")


def _place_of(overview: Overview, item: AlertItem) -> Subject | None:
    return None if item.alert is None else place_of(overview, item.alert)


def _holds_all(item: AlertItem, words: str) -> bool:
    return not words or all(word in item.words for word in words.lower().split())


# Which rows there are of what is wrong, and their order.


_NO_TIME = datetime.max.replace(tzinfo=UTC)


class Fault(Struct, frozen=True):
    """An alert and the state of what its labels name, which are one row: usually two reports of one fault."""

    item: AlertItem
    view: View
    place: Subject
    """The subject of the view."""

    @property
    def level(self) -> Level:
        """The worse of both levels."""
        return max(self.item.level, self.view.level)


class _ProblemRow(Struct, frozen=True):
    """A row to be sorted: ``group`` is what it is about."""

    subject: Subject
    problem: Problem
    group: Subject
    rank: Rank


def cause_of(problem: Problem, because: Mapping[Subject, Subject]) -> str:
    """The name of what fails and makes a service fail; empty if there is none."""
    view = problem.view if isinstance(problem, Fault) else problem
    cause = because.get(("service", view.name)) if isinstance(view, ServiceView) else None
    return "" if cause is None else cause[1]


def fault_rows(
    views: Mapping[Subject, View],
    plans: Mapping[Subject, PlanView | ClusterProblem],
    items: Mapping[Subject, AlertItem],
    place_of: Callable[[AlertItem], Subject | None],
    because: Mapping[Subject, Subject] | None = None,
) -> dict[Subject, Problem]:
    """What is wrong by the subject of its row, worst and oldest first, and the rows of one thing together; what makes
    others fail (``because``) comes before these. Backup plans come after what else is as bad, then alerts that only
    inform, and those that are acknowledged, silenced or resolved come last. ``views`` and ``plans`` (and clusters) are
    those that are not good; ``place_of`` is what an alert's labels name.

    The worst alert of a thing and the thing's own state are one row, that of the alert; an alert that tells one of the
    reasons of the state comes before others, and if it only informs, no other one is taken. An alert that was
    acknowledged takes up a state that there was by then and that is no worse than the alert; what came later is new.
    """
    places = {subject: place_of(item) for subject, item in items.items() if item.alert is not None}
    ranks = {subject: _rank_of_alert(item) for subject, item in items.items()}
    leading: dict[Subject, Subject] = {}  # what is named → its worst alert
    named = {subject: views[place] for subject, place in places.items() if place is not None and place in views}
    telling = {subject for subject, view in named.items() if items[subject].tells_reason(view)}
    for subject in sorted(named, key=lambda each: (each not in telling, ranks[each])):
        place = places[subject]
        if place is not None and place not in leading and _takes_up(items[subject], named[subject], subject in telling):
            leading[place] = subject
    began = began_together({subject: view.since for subject, view in (*views.items(), *plans.items())})
    rows = [
        _ProblemRow(subject, view, subject, (False, -int(view.level), 0, subject[0] == PLAN, began[subject]))
        for subject, view in (*views.items(), *plans.items())
        if subject not in leading
    ]
    for subject, item in items.items():
        place, rank = places.get(subject), ranks[subject]
        if place is not None and leading.get(place) == subject:
            fault = Fault(item, views[place], place)
            rank = (rank[0], -int(fault.level), rank[2], False, min(rank[-1], fault.view.since))
            rows.append(_ProblemRow(subject, fault, place, rank))
        else:
            alone = rank[0] or item.level is Level.UNKNOWN  # one that only informs
            group = place or row_of_cluster(item.alert, plans)
            rows.append(_ProblemRow(subject, item, subject if alone or group is None else group, rank))
    first: dict[Subject, Rank] = {}
    for row in rows:
        first[row.group] = min(first.get(row.group, row.rank), row.rank)
    order, turns = caused_last(first, because or {}), {group: at for at, group in enumerate(first)}
    rows.sort(key=lambda row: (order[row.group], turns[row.group], row.rank))
    return {row.subject: row.problem for row in rows}


def _rank_of_alert(item: AlertItem) -> Rank:
    alert, rule, level = item.alert, item.rule, -int(item.level)
    if alert is None:
        return False, level, level, False, (rule.failing_since if rule is not None else None) or _NO_TIME
    return alert.acknowledged is not None or item.level is Level.GOOD, level, level, False, alert.active_at


def _takes_up(item: AlertItem, view: View, tells: bool) -> bool:
    """Whether they are one row; ``tells``: the alert tells a reason of the state."""
    alert = item.alert
    if alert is None or item.level is Level.GOOD or (item.level is Level.UNKNOWN and not tells):
        return False
    seen = alert.acknowledged
    return seen is None or (view.since <= seen.at and view.level <= item.level)
