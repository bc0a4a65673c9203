"""The home screen: problems, lists of what is watched, charts of the selected one, processes, and what changed."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.app.evidence import LoggedError, each_once, error_row
from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.metrics.alert_section import AlertSection
from lilfox_tui.app.panes.metrics.backend_page import backend_row
from lilfox_tui.app.panes.metrics.errors import NewestErrors
from lilfox_tui.app.panes.metrics.finding_state import CLUSTER
from lilfox_tui.app.panes.metrics.home_charts import HomeCharts
from lilfox_tui.app.panes.metrics.layout import THREE_COLUMNS, TWO_COLUMNS, PanelId, arrange
from lilfox_tui.app.panes.metrics.pages import FarPast
from lilfox_tui.app.panes.metrics.problems import (
    ProblemWidths,
    change_row,
    change_runs,
    first_steps,
    problem_row,
    problem_widths,
)
from lilfox_tui.app.panes.metrics.service_page import service_heading, service_row, windows_text
from lilfox_tui.app.panes.metrics.state import MetricsState, Subject, cause_of
from lilfox_tui.app.rendering.columns import wrapped
from lilfox_tui.app.rendering.draw import BLANK, Glyphs, Piece, Row
from lilfox_tui.app.rendering.panels import (
    PanelArea,
    PanelHit,
    PanelScreen,
    ScreenPanel,
    bordered,
    cut_row,
    draw_panels,
    highlighted,
    in_sight,
    row_hits,
)
from lilfox_tui.app.rows.hosts import OneKind, TableStyle, figure_rows, host_heading, host_row, sorted_text
from lilfox_tui.app.rows.processes import SteadyOrder, process_heading, process_row
from lilfox_tui.app.rows.reasons import HostGroup, never_reached
from lilfox_tui.app.widgets import more_below
from lilfox_tui.core.i18n import _, language, ngettext
from lilfox_tui.core.paths import told_config_file
from lilfox_tui.core.text import cell_width, clean
from lilfox_tui.metrics.model import HostSnapshot, Level, ProcessUsage
from lilfox_tui.monitor.model import BackendView, Overview, ServiceView, StatusChange

_PROCESSES = 40
"""Rows that are offered at most."""
_FIGURES_LEAST, _FIGURES_BESIDE = 2, 16
"""Free rows below the hosts from which on they tell more of one, and those below all lists from which on they have
such rows beside charts."""

MakeRow = Callable[[int], Row]
"""A row for that many cells."""


class HomeRow(Struct, frozen=True):
    """A row of a list: what it is about, and its drawing for a width."""

    subject: Subject
    make: MakeRow


class HomeList(Struct, frozen=True):
    """A panel with a list. ``heads`` are its column titles for a width."""

    title: str
    rows: Sequence[HomeRow]
    heads: Callable[[int], Sequence[Row]] = lambda _width: ()
    note: Row = ()
    more: Sequence[Row] = ()
    """Rows below them that cannot be selected."""

    def want(self) -> int:
        """How many rows it would fill."""
        rows = len(self.rows) + len(self.more)
        return rows + len(self.heads(0)) if rows else 0


class _Happened(Struct, frozen=True):
    """A change or an error of a log, and its row for a time. ``aside``: it comes after the others where not all have
    room."""

    at: datetime
    row: Callable[[datetime, Glyphs], Row]
    aside: bool = False


def _happenings(changes: Sequence[StatusChange], errors: Sequence[LoggedError]) -> list[_Happened]:
    """Each change (oldest first) and each error (newest first) once, the newest first."""
    found = [
        *(_Happened(each.at, partial(error_row, each)) for each in each_once(errors)),
        *(_Happened(run.change.at, partial(change_row, run), run.aside) for run in change_runs(changes[::-1])),
    ]
    return sorted(found, key=lambda each: each.at, reverse=True)


HomeHit: TypeAlias = PanelHit[PanelId, Subject]
HomeScreen: TypeAlias = PanelScreen[PanelId, Subject]


class Home:
    """Draws the home screen from the pane's state and the monitor."""

    def __init__(self, context: PaneContext[MetricsState], alerts: AlertSection, far: FarPast) -> None:
        self._state, self._app, self._alerts, self._far = context.state, context.app, alerts, far
        self._unfiltered = MetricsState()
        """Tells what the filter hides."""
        self.charts = HomeCharts(context)
        self.errors = NewestErrors(context)
        self._app.monitor.client_errors = lambda: self.errors.found
        self._order = SteadyOrder()
        self._tops: dict[PanelId, int] = {}
        """The first row of each list that is longer than its panel."""
        self._plain_top = 0
        self._happened_of: object = None
        self._happened_then: Sequence[_Happened] = ()
        """What happened, and the changes and errors that it was made of."""
        self._processes_of: object = None
        self._process_table: list[Row] = []
        """The drawn processes, and what they were drawn from."""

    # ---- what there is ------------------------------------------------------------------------------------------

    def lists(self, overview: Overview, style: TableStyle) -> dict[PanelId, HomeList]:
        """The lists, in the order in which the selection moves through them."""
        state = self._state
        hosts, services, backends = state.hosts(overview), state.services(overview), state.backends(overview)
        at, problems = overview.at, self._problems(overview)
        name_width = max((cell_width(clean(view.name)) for view in overview.backends.values()), default=0)

        def backend(view: BackendView, now: datetime, style: TableStyle) -> Row:
            return backend_row(view, now, style, name_width=name_width)

        return {
            "problems": HomeList(
                _("Problems"),
                problems,
                note=(*self._filtered(overview, _things(self._state.faults(overview))), *self._alerts.note(overview)),
                more=self._below_problems(overview, none=not problems),
            ),
            "hosts": HomeList(
                _("Hosts"),
                [HomeRow(("host", view.name), partial(_sized, host_row, view, at, style)) for view in hosts],
                lambda width: [host_heading(style.for_width(width))],
                (*self._far.title(), *_by(state.sort), *_count(len(hosts), len(overview.hosts))),
            ),
            "services": HomeList(
                _("Services"),
                [HomeRow(("service", view.name), partial(_sized, service_row, view, at, style)) for view in services],
                lambda width: [service_heading(style.for_width(width))],
                (*_window(services), *_count(len(services), len(overview.services))),
            ),
            "backends": HomeList(
                _("Backends"),
                [HomeRow(("backend", view.name), partial(_sized, backend, view, at, style)) for view in backends],
                note=_count(len(backends), len(overview.backends)),
            ),
            "containers": self._containers(overview),
            "clusters": self._clusters(overview),
        }

    def _clusters(self, overview: Overview) -> HomeList:
        """The clusters; what draws them is imported where there are any: the first frame has none."""
        if not overview.clusters:
            return HomeList(_("Clusters"), ())
        row = importlib.import_module("lilfox_tui.app.rows.clusters").cluster_row
        found, at, glyphs = self._state.clusters(overview), overview.at, self._app.glyphs
        names = max((cell_width(clean(view.name)) for view in found), default=0)
        rows = [HomeRow((CLUSTER, view.name), partial(row, view, at, glyphs, names)) for view in found]
        return HomeList(_("Clusters"), rows, note=_count(len(found), len(overview.clusters)))

    def _containers(self, overview: Overview) -> HomeList:
        """The containers, by projects; what draws them is imported where there are any."""
        entries = self._state.containers.listed(overview, self._state.shown_words)
        title = _("Containers")
        if not overview.containers:
            return HomeList(title, ())
        module = importlib.import_module("lilfox_tui.app.panes.metrics.container.rows")
        drawn = module.HomeContainers(entries, overview, self._app.glyphs)
        rows = [HomeRow(subject, partial(drawn.row, subject)) for subject in entries]
        return HomeList(title, rows, drawn.heads, module.home_note(overview, self._app.glyphs))

    def container_detail(self, overview: Overview, subject: Subject) -> list[Row]:
        """The selected row of containers as text."""
        entry = self._state.containers.entry(overview, subject, self._state.shown_words)
        module = importlib.import_module("lilfox_tui.app.panes.metrics.container.rows")
        found: list[Row] = [] if entry is None else module.entry_detail(entry, overview.at, self._app.glyphs)
        return found

    def _problems(self, overview: Overview) -> list[HomeRow]:
        problems, at, glyphs = self._state.faults(overview), overview.at, self._app.glyphs

        because = self._state.causes

        @cache
        def widths(width: int) -> ProblemWidths:
            return problem_widths(problems.values(), at, width, because)

        def row(subject: Subject, width: int) -> Row:
            return problem_row(
                problems[subject], widths(width), at, glyphs, width, cause_of(problems[subject], because)
            )

        return [HomeRow(each, partial(row, each)) for each in problems]

    def _below_problems(self, overview: Overview, *, none: bool) -> list[Row]:
        """What stands below the rows of the problems; ``none``: instead of them."""
        others = self._more_problems(overview)
        if none and (not others or self._hidden(overview)):
            return [self._all_well(overview), *others]
        return others

    def _more_problems(self, overview: Overview) -> list[Row]:
        """Problems that are no rows of their own: interrupted restores, and those of alerting."""
        glyphs, backups = self._app.glyphs, overview.backups
        interrupted = () if backups is None else backups.interrupted_restores
        rows: list[Row] = [
            (Piece(f" {glyphs.failing} ", "failing"), Piece(str(each.message), "failing")) for each in interrupted
        ]
        return rows + self._alerts.troubles(overview)

    def _all_well(self, overview: Overview) -> Row:
        """What stands where there is no problem, or none that the filter matches."""
        if hidden := self._hidden(overview):
            text = _("no problem matches /{words}; {count} hidden", words=clean(self._state.filter), count=hidden)
            return (Piece(f" {self._app.glyphs.unknown} {text}", "muted"),)
        unknown = overview.count(Level.UNKNOWN)
        if unknown and overview.rewound:
            text = ngettext("{count} not recorded at that time", "{count} not recorded at that time", unknown)
            return (Piece(f" {self._app.glyphs.unknown} {text}", "muted"),)
        if unknown:
            text = ngettext("{count} not checked yet", "{count} not checked yet", unknown)
            return (Piece(f" {self._app.glyphs.unknown} {text}", "muted"),)
        well = _("no problems recorded") if overview.rewound else _("no problems")
        return (Piece(f" {self._app.glyphs.good} ", "good"), Piece(well, "good"))

    def _hidden(self, overview: Overview) -> int:
        """How many problems the filter hides."""
        if not self._state.filter or not self._state.only_matching:
            return 0
        return _things(self._unfiltered.faults(overview)) - _things(self._state.faults(overview))

    def _filtered(self, overview: Overview, shown: int) -> Row:
        """How many of the problems the filter shows."""
        hidden = self._hidden(overview)
        return (*_count(shown, shown + hidden), Piece("  ")) if hidden else ()

    def focus(self, overview: Overview) -> str | None:
        """The host whose processes are asked for; None where they are not shown."""
        hidden = self._app.slow_link or self._state.zoomed
        host = None if hidden else self.charts.host(overview)
        return None if host is None else host.name

    def _processes(self, overview: Overview) -> tuple[str, Sequence[ProcessUsage]]:
        """The name of the host whose processes are shown, and its busiest ones: none of the past, which are not
        recorded."""
        name = self.focus(overview)
        if name is None or name not in self._app.monitor.hosts:
            return "", ()
        if all(never_reached(each) for each in overview.hosts.values()):
            return "", ()  # nothing is or was read of any of them
        if overview.rewound:
            return name, ()
        snapshot = self._app.monitor.snapshot(name).value
        found = snapshot.processes if isinstance(snapshot, HostSnapshot) else None
        by = "memory" if self._state.sort == "memory" else "cpu"
        return name, self._order.busiest(found or (), by)[:_PROCESSES]

    def _happened(self, overview: Overview) -> Sequence[_Happened]:
        """What changed, and the newest errors of the logs, newest first."""
        changes = self._app.monitor.changes.all()
        if overview.rewound or (changes and changes[-1].at > overview.at):  # they are not sorted by their times
            changes = [each for each in changes if each.at <= overview.at]
        errors = self.errors.found  # the last one may be newer than the overview of now
        if overview.rewound:
            errors = tuple(filter(None, (each.until(overview.at) for each in errors)))
        known = (changes, errors, overview.rewound)
        if known != self._happened_of:  # while nothing new happens they are the same objects
            self._happened_of, self._happened_then = known, _happenings(changes, errors)
        return self._happened_then

    def _gaps(self, overview: Overview, happened: Sequence[_Happened]) -> list[Row]:
        """What is said where nothing happened, or not all of it is known."""
        if not overview.rewound:
            return [] if happened else [(Piece(" " + self._nothing_yet(overview), "muted"),)]
        if not self.errors.reaches(overview.at):
            return [(Piece(" " + _("log errors were not collected then; E lists them"), "muted"),)]
        return [] if happened else [(Piece(" " + _("nothing was recorded before that time"), "muted"),)]

    def _nothing_yet(self, overview: Overview) -> str:
        """That nothing happened; where something is wrong all the same, it was so from the beginning. Of logs that were
        not read nothing is said."""
        known = self.errors.reaches(overview.at)
        if overview.count(Level.FAILING) or overview.count(Level.DEGRADED):
            if known:
                return _("no log errors, no changes since LilFox began")
            return _("no changes since LilFox began")
        return _("no errors or changes yet") if known else _("no changes yet")

    def _happened_rows(
        self, overview: Overview, happened: Sequence[_Happened], place: PanelArea
    ) -> tuple[list[Row], int]:
        """The newest of what happened: what has to be seen first, the rest where there are rows left; and how many are
        left out."""
        rows, glyphs = self._gaps(overview, happened), self._app.glyphs
        room = max(0, place.inner_height - len(rows))
        needed = [each for each in happened if not each.aside][:room]
        others = [each for each in happened if each.aside][: room - len(needed)]
        shown = sorted((*needed, *others), key=lambda each: each.at, reverse=True)
        told = _in_full([*rows, *(each.row(overview.at, glyphs) for each in shown)], place)
        return told, len(happened) - len(shown)

    # ---- drawing ------------------------------------------------------------------------------------------------

    def draw(self, overview: Overview, style: TableStyle, height: int) -> HomeScreen:
        """Draw everything in ``height`` rows of the style's width."""
        lists = self.lists(overview, style)
        if self._state.zoomed:
            return self._zoomed(lists, style, height)
        processes, happened = self._processes(overview), self._happened(overview)
        wants: dict[PanelId, int] = {name: each.want() for name, each in lists.items()}
        wants["processes"] = _PROCESSES + 1 if processes[0] else 0
        quiet = not happened and not overview.rewound and bool(processes[0])
        wants["changes"] = 0 if quiet else len(happened) + len(self._gaps(overview, happened))
        config = self._app.config
        steps: Sequence[Row] = ()
        if not (config.hosts or config.services or config.backends or config.clusters):
            steps = first_steps(told_config_file(self._app.monitor.backups.config_path))
        wants["next"] = len(wrapped(steps, style.width // (2 if style.width >= TWO_COLUMNS else 1) - 2))
        if style.width >= THREE_COLUMNS and height - sum(each.want() + 1 for each in lists.values()) >= _FIGURES_BESIDE:
            wants["hosts"] += _FIGURES_LEAST + 1
        wanted = () if self._app.slow_link else self.charts.wanted(overview)
        charts = 0 if self._app.slow_link else self.charts.count(overview, wanted)
        placed = arrange(style.width, height, wants, charts)
        self._choose_again(each_once=not placed)
        if not placed:
            return self._plain(lists, style.width, height)
        panels, hits = [], []
        for name, place in placed:
            if name in lists:
                panel, found = self._list_panel(name, lists[name], place)
                hits += found
                if name == "hosts":
                    panel = self._with_figures(panel, overview, style)
            elif name == "charts":
                panel = self.charts.panel(overview, wanted, place)
            elif name == "processes":
                panel = self._process_panel(overview, *processes, place, quiet=quiet)
            elif name == "next":
                panel = ScreenPanel(place, (Piece(_("Next"), "title"),), wrapped(steps, place.inner_width))
            else:
                told, older = self._happened_rows(overview, happened, place)
                note: Row = (Piece(_("{count} older", count=older), "muted"),) if older else ()
                panel = ScreenPanel(place, (Piece(_("Errors and changes"), "title"),), told, note)
            if name in ("changes", "processes"):  # while nothing has happened, it has their place
                self.errors.begin()
            panels.append(panel)
        slow_link = self._app.slow_link
        return HomeScreen(draw_panels(panels, style.width, height, self._app.glyphs, slow_link=slow_link), hits)

    def _zoomed(self, lists: Mapping[PanelId, HomeList], style: TableStyle, height: int) -> HomeScreen:
        """The list of the selected row alone."""
        self._choose_again(each_once=False)
        name, glyphs = self._selected_panel(lists), self._app.glyphs
        if not bordered(style.width, height):
            return self._plain({name: lists[name]}, style.width, height)
        panel, hits = self._list_panel(name, lists[name], PanelArea(0, 0, style.width, height))
        return HomeScreen(draw_panels([panel], style.width, height, glyphs, slow_link=self._app.slow_link), hits)

    def _choose_again(self, *, each_once: bool) -> None:
        """Select another row where one can be selected only once on the screen, or as it was before that."""
        if self._state.each_once is not each_once:
            self._state.each_once = each_once
            self._state.choose_first()

    def _process_panel(
        self, overview: Overview, host: str, processes: Sequence[ProcessUsage], place: PanelArea, *, quiet: bool
    ) -> ScreenPanel:
        """The processes; ``quiet``: they have the place of the errors and changes too, of which there are none."""
        rows: list[Row] = [(Piece(" " + _("not recorded for the past"), "muted"),)]
        if not overview.rewound:
            lost = host in overview.hosts and never_reached(overview.hosts[host])
            unread = _("the host cannot be reached") if lost else _("processes not read yet")
            rows = self._process_rows(processes, place, unread)
        text = self._nothing_yet(overview) if quiet else ""
        note: Row = (Piece(text, "muted"),) if text else ()
        return ScreenPanel(place, (Piece(_("Processes of {host}", host=host), "title"),), rows, note)

    def _process_rows(self, processes: Sequence[ProcessUsage], place: PanelArea, unread: str) -> list[Row]:
        """The table of processes, drawn again only where it has changed: they are read every three seconds; ``unread``:
        what stands there before."""
        if not processes:
            return [(Piece(" " + unread, "muted"),)]
        known = (processes, place, self._state.sort, self._app.glyphs, language())
        if known != self._processes_of:
            self._processes_of = known
            self._process_table = _process_rows(processes, place, self._state.sort, self._app.glyphs)
        return self._process_table

    def _selected_panel(self, lists: Mapping[PanelId, HomeList]) -> PanelId:
        selected = self._state.selected
        for name, each in lists.items():
            if (name == "problems") == self._state.in_problems and any(row.subject == selected for row in each.rows):
                return name
        return "hosts"

    def _is_selected(self, name: PanelId, subject: Subject) -> bool:
        return subject == self._state.selected and (name == "problems") == self._state.in_problems

    def _list_panel(self, name: PanelId, shown: HomeList, place: PanelArea) -> tuple[ScreenPanel, list[HomeHit]]:
        width = place.inner_width
        heads = list(shown.heads(width))[: max(0, place.inner_height - 1)]
        room = max(1, place.inner_height - len(heads))
        top = self._top(name, shown, room)
        rows: list[Row] = [*heads]
        seen = shown.rows[top : top + room]
        for each in seen:
            row = each.make(width)
            rows.append(highlighted(row, width) if self._is_selected(name, each.subject) else row)
        hits = row_hits(place, len(heads), name, (each.subject for each in seen))
        rows += shown.more
        above = _("{count} more above", count=top) if top else ""
        below = more_below(len(shown.rows) + len(shown.more) - top - room)
        hidden = "  ".join(filter(None, (above, below)))
        return ScreenPanel(place, (Piece(shown.title, "title"),), rows, shown.note, hidden), hits

    def _with_figures(self, panel: ScreenPanel, overview: Overview, style: TableStyle) -> ScreenPanel:
        """The hosts, and in the rows that they leave free more of the one that the charts are about or would be."""
        view, free = self.charts.host(overview), panel.area.inner_height - len(panel.rows)
        if view is None or free < _FIGURES_LEAST:
            return panel
        rows = figure_rows(view, style.for_width(panel.area.inner_width), named=len(overview.hosts) > 1)
        return replace(panel, rows=[*panel.rows, *([BLANK] if free > len(rows) else []), *rows])

    def _top(self, name: PanelId, shown: HomeList, room: int) -> int:
        """The first row, so that the selected one is seen."""
        count = len(shown.rows) + len(shown.more)
        at = next((index for index, row in enumerate(shown.rows) if self._is_selected(name, row.subject)), None)
        end = count - 1 if at == len(shown.rows) - 1 else at  # with the last one, what stands below it is seen
        before = 0 if name == "problems" and at is None else self._tops.get(name, 0)  # the worst is seen
        top = self._tops[name] = in_sight(before, count, room, at, end)
        return top

    def _plain(self, lists: Mapping[PanelId, HomeList], width: int, height: int) -> HomeScreen:
        """One line a thing, without borders: problems first, and each thing once."""
        rows: list[tuple[PanelId, HomeRow | Row]] = []
        seen: set[Subject] = set()
        for name, shown in lists.items():
            rows += [(name, row) for row in shown.rows if row.subject not in seen]
            rows += [(name, row) for row in shown.more]
            seen.update(row.subject for row in shown.rows)
        selected = self._state.selected
        at = next((y for y, (_n, row) in enumerate(rows) if isinstance(row, HomeRow) and row.subject == selected), 0)
        others = any(isinstance(row, HomeRow) for _name, row in rows[at + 1 :])
        end = at if others else len(rows) - 1  # with the last one, what stands below it is seen
        top = self._plain_top = in_sight(self._plain_top, len(rows), height, at, end)
        drawn: list[Row] = []
        hits = []
        for name, each in rows[top : top + height]:
            if not isinstance(each, HomeRow):
                drawn.append(each)
                continue
            row = each.make(width)
            hits.append(HomeHit(len(drawn), 0, width, name, each.subject))
            drawn.append(highlighted(row, width) if each.subject == selected else row)
        return HomeScreen(drawn, hits, max(0, len(rows) - top - height))


def _by(sort: str) -> Row:
    text = sorted_text(sort)
    return (Piece(text + "  ", "accent"),) if text else ()


def _window(services: Sequence[ServiceView]) -> Row:
    text = windows_text(services)
    return (Piece(text + "  ", "muted"),) if text else ()


def _things(problems: Mapping[Subject, object]) -> int:
    """How many there are, in rows of their own or of several."""
    return sum(len(each.views) if isinstance(each, HostGroup) else 1 for each in problems.values())


def _count(shown: int, of: int) -> Row:
    return (Piece(f"{shown}/{of}" if shown != of else str(of), "muted"),)


def _in_full(rows: Sequence[Row], place: PanelArea) -> list[Row]:
    """The rows, the first ones of those that are too long wrapped where others leave rows free; of the last of these as
    many lines as there are."""
    free = place.inner_height - len(rows)
    shown: list[Row] = []
    for row in rows:
        lines = wrapped([row], place.inner_width)
        if len(lines) - 1 > free:
            lines = [*lines[:free], (*cut_row(lines[free], place.inner_width - 2), Piece(" …", "muted"))]
        shown += lines if len(lines) > 1 else [row]
        free -= len(lines) - 1
    return shown


def _process_rows(processes: Sequence[ProcessUsage], place: PanelArea, sort: str, glyphs: Glyphs) -> list[Row]:
    sorted_by = "memory" if sort == "memory" else "cpu"
    width, seen = place.inner_width, processes[: max(0, place.inner_height - 1)]
    return [process_heading(width, sorted_by, glyphs.sorted), *(process_row(each, width) for each in seen)]


def _sized(
    row: Callable[[OneKind, datetime, TableStyle], Row], view: OneKind, at: datetime, style: TableStyle, width: int
) -> Row:
    return row(view, at, style.for_width(width))
