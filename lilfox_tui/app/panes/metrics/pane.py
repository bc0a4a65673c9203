"""The Metrics pane: hosts, services and backends at a glance, and the page of the one that is looked at."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from functools import partial

from textual import events, work
from textual.app import ComposeResult

from lilfox_tui.app.changed_cells import cells_of
from lilfox_tui.app.digits import Digits
from lilfox_tui.app.draw import BLANK, Piece, Row
from lilfox_tui.app.host_rows import ROLES, TableStyle, held_for, host_heading, host_row, well
from lilfox_tui.app.panes.metrics.alert_section import alert_levels
from lilfox_tui.app.panes.metrics.backend_page import backend_page
from lilfox_tui.app.panes.metrics.backend_rows import backend_row
from lilfox_tui.app.panes.metrics.host_page import host_page
from lilfox_tui.app.panes.metrics.keys import link_error
from lilfox_tui.app.panes.metrics.pages import MetricsPages
from lilfox_tui.app.panes.metrics.service_page import service_page
from lilfox_tui.app.panes.metrics.service_rows import service_heading, service_row
from lilfox_tui.app.parts import Parts, heads, heights
from lilfox_tui.app.rows_on_demand import RowsOnDemand
from lilfox_tui.app.widgets.lines import Lines, more_below
from lilfox_tui.backends.backend import load
from lilfox_tui.feed import Ready
from lilfox_tui.i18n import _, clauses
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import Change, Overview, View
from lilfox_tui.monitor.past import recent_before
from lilfox_tui.text import break_line, human_duration

RECENT = 16
SLOW_REFRESH_S = 4.9
"""Between two drawings over a slow link; a little less than five seconds, for a clock that is not exact."""


class MetricsPane(MetricsPages):
    """Hosts, services, backends, alerts, what changed, and their pages."""

    def __init__(self) -> None:
        super().__init__()
        self._heights: dict[str, int] = {}
        self._taken: Overview | None = None
        self._recent: dict[str, deque[float | None]] = {}
        self._recent_then: dict[str, list[float | None]] = {}

    def compose(self) -> ComposeResult:
        yield Lines(sticky=2, id="hosts")
        yield Lines(sticky=3, id="services")
        yield Lines(sticky=2, id="backends")
        yield Lines(sticky=2, id="alerts")
        yield Lines(sticky=2, id="changes")
        yield Lines(id="detail")

    def on_mount(self) -> None:
        if (first := self.lilfox.monitor.overview.value) is not None:
            self.take(first)  # the first frame has numbers
        if self.lilfox.rewound is not None:
            self.repaint()  # it was told before it had anything to draw on
        self._follow()

    # ---- what there is ------------------------------------------------------------------------------------------

    @work(exclusive=True, group="overview")
    async def _follow(self) -> None:
        async with aclosing(self.lilfox.monitor.overview.watch()) as states:
            async for state in states:
                if isinstance(state, Ready) and not self.lilfox._exit:  # leaving: parts of the screen may be gone
                    self.take(state.value)

    def take(self, overview: Overview) -> None:
        """Makes ``overview`` the newest there is; draws it unless the screen is paused or rewound."""
        if overview is self._taken:
            return
        self._taken = overview
        self.ring(overview)
        worse = self.overview is not None and _levels(overview) != _levels(self.overview)
        for name, host in overview.hosts.items():
            summary = host.summary if isinstance(host.link, Ready) else None
            self._push(f"{name}/cpu", summary.cpu_percent if summary else None)
            self._push(f"{name}/memory", summary.memory_percent if summary else None)
        for name, service in overview.services.items():
            traffic = service.traffic.value if isinstance(service.traffic, Ready) else None
            self._push(f"traffic/{name}", traffic.requests_s if traffic else None)
        for name, backend in overview.backends.items():
            trend = load(backend.config.kind).TREND
            fresh = backend.reading if backend.outage is None else None
            self._push(f"backend/{name}", fresh.values.get(trend) if fresh is not None and trend else None)
        held = self.overview is not None and not worse and (self.lilfox.paused or self._too_soon(overview))
        if held or self.lilfox.rewound is not None:
            return
        self.overview = overview
        self.repaint()
        self.lilfox.frame(overview)

    def _too_soon(self, overview: Overview) -> bool:
        """Whether a slow link has not had its rest yet."""
        if not self.lilfox.slow_link or self.overview is None:
            return False
        return (overview.at - self.overview.at).total_seconds() < SLOW_REFRESH_S

    def _push(self, key: str, value: float | None) -> None:
        self._recent.setdefault(key, deque(maxlen=RECENT)).append(value)

    def rewind(self, at: datetime | None) -> None:
        """Shows the pane as it was ``at`` (aware UTC), or now."""
        monitor = self.lilfox.monitor
        if at is None:
            self.overview = monitor.overview.value
        else:
            self.rewind_far(monitor.overview_at(at))
            step = timedelta(seconds=self.lilfox.refresh_s)
            self._recent_then = recent_before(
                monitor.history, monitor.hosts, monitor.services, at, step=step, count=RECENT,
                backends=self.lilfox.config.backends,
            )  # fmt: skip
        self.repaint()
        if self.overview is not None:
            self.lilfox.frame(self.overview)

    # ---- drawing ------------------------------------------------------------------------------------------------

    def on_resize(self, _event: events.Resize) -> None:
        self.call_after_refresh(self.repaint)

    def repaint(self) -> None:
        if self.overview is None or not self.display or not self.children:  # they come a moment after the pane
            return
        self._choose_first(self.overview)
        if self.lilfox.room.width == 0:
            return
        self._arrange(self.overview)
        if self.page is None:
            self._paint_tables(self.overview)
        else:
            self._paint_page(self.overview)

    def _arrange(self, overview: Overview) -> None:
        """Gives each part its height: a page takes all."""
        height, head = self.lilfox.room.height, heads(self.lilfox.room.height)
        wanted = Parts(
            len(self._hosts(overview)) + head.hosts,
            len(self._services(overview)) + head.services if overview.services else 0,
            len(self._backends(overview)) + head.backends if overview.backends else 0,
            self.alert_height(overview, head.alerts),
            (happened := len(self._happened())) and happened + 2,
        )
        kind = None if self.selected is None else self.selected[0]
        parts = Parts(height)
        if self.page is None:
            parts = heights(height, wanted, selected=kind, only=kind if self.zoomed else None)
        for name, rows in parts._asdict().items():
            if self._heights.get(name) != rows:
                self._heights[name] = rows
                part = self.query_one(f"#{name}", Lines)
                part.display = rows > 0
                part.styles.height = rows
                self.call_after_refresh(self.repaint)  # what is below is known once that is laid out
        for name in ("hosts", "services", "backends", "alerts"):
            self.query_one(f"#{name}", Lines).sticky = getattr(head, name)

    def _style(self) -> TableStyle:
        app = self.lilfox
        return TableStyle(
            width=self.lilfox.room.width,
            glyphs=app.glyphs,
            thresholds=app.config.thresholds,
            refresh_s=app.refresh_s,
            digits=Digits(few=app.slow_link),
            sparklines=not app.slow_link,
            recent=self._recent if app.rewound is None else self._recent_then,
        )

    def _paint_tables(self, overview: Overview) -> None:
        style, hosts, services = self._style(), self._hosts(overview), self._services(overview)
        tables = self.query_one("#hosts", Lines), self.query_one("#services", Lines)
        self._show_table(
            tables[0],
            lambda: [self._title(_("HOSTS"), len(hosts), len(overview.hosts), tables[0]), host_heading(style)],
            [(view.name, partial(host_row, view, overview.at, style)) for view in hosts],
        )
        self._show_table(
            tables[1],
            lambda: [
                BLANK,
                self._title(_("SERVICES"), len(services), len(overview.services), tables[1]),
                service_heading(style),
            ],
            [(view.name, partial(service_row, view, overview.at, style)) for view in services],
        )
        backends, lines = self._backends(overview), self.query_one("#backends", Lines)
        self._show_table(
            lines,
            lambda: [BLANK, self._title(_("BACKENDS"), len(backends), len(overview.backends), lines)],
            [(view.name, partial(backend_row, view, overview.at, style)) for view in backends],
        )
        self.paint_alerts(overview, self.query_one("#alerts", Lines))
        if (room := self._heights.get("changes", 0)) > 0:
            self.query_one("#changes", Lines).show(self.change_rows(room))
        self.query_one("#detail", Lines).show(self._detail(overview))

    def _show_table(
        self, lines: Lines, heads: Callable[[], list[Row]], named: Sequence[tuple[str, Callable[[], Row]]]
    ) -> None:
        """Shows rows by name below ``heads``, which tell how many are past the lower edge once they are there."""
        kind = (lines.id or "").removesuffix("s")
        for _time in range(2):
            head = heads()[-lines.sticky :]
            rows = RowsOnDemand(head, len(named), lambda index: named[index][1]())
            lines.show(rows, selected=self._place(kind, [name for name, _make in named], len(head)))
            if heads()[-lines.sticky :] == head:
                return

    def _title(self, text: str, shown: int, of: int, lines: Lines) -> Row:
        count = f"{shown}/{of}" if shown != of else str(of)
        more = Piece(f"  {count}  {more_below(lines.hidden_below)}", "muted")
        return (Piece(" " + text, "title"), more, *self.far_title())

    def _place(self, kind: str, names: list[str], head: int) -> int | None:
        if self.selected is None or self.selected[0] != kind or self.selected[1] not in names:
            return None
        return names.index(self.selected[1]) + head

    def _happened(self) -> list[Change]:
        """What changed since the last visit; on a screen that is turned back nothing that came later."""
        until = self.lilfox.rewound
        return [each for each in self.lilfox.monitor.changes.since_last_visit() if until is None or each.at <= until]

    def change_rows(self, room: int | None = None) -> list[Row]:
        """What changed since the last visit, newest first, below two rows of title; ``room`` rows at most."""
        glyphs = self.lilfox.glyphs
        rows: list[Row] = [BLANK, (Piece(" " + _("SINCE YOU LAST LOOKED"), "title"),)]
        changes = self._happened()[::-1]
        for each in changes if room is None else changes[: room - len(rows)]:
            mark = Piece(glyphs.level(each.level) + " ", ROLES[each.level])
            at = Piece(each.at.strftime("%m-%d %H:%M:%S  "), "muted")
            name = each.subject.partition("/")[2]
            rows.append((Piece(" "), mark, at, Piece(name + "  ", "strong"), Piece(str(each.what))))
        return rows if len(rows) > 2 else [*rows, (Piece("   " + _("nothing"), "muted"),)]

    def _detail(self, overview: Overview) -> list[Row]:
        """The selected row in words: what is wrong and since when, and what to do about it."""
        view = self._selected_view(overview)
        if view is None:
            return self.alert_detail(overview)
        mark = Piece(f" {self.lilfox.glyphs.level(view.level)} ", ROLES[view.level])
        since = self._since(view, overview.at)
        error = link_error(view)
        why = str(error) if error is not None else clauses(map(str, view.reasons)) or well(view)
        head = (mark, Piece(view.name, "strong"), Piece(f"  {since}  ", "muted"))
        width = self.lilfox.room.width - sum(cells_of(piece.text) for piece in head)
        first, rest = break_line(why, max(20, width))
        rest = f"{rest}  " if rest else ""
        hint = str(error.hint) if error is not None else ""
        return [(*head, Piece(first, ROLES[view.level])), (Piece(f"   {rest}", ROLES[view.level]), Piece(hint))]

    def _since(self, view: View, now: datetime) -> str:
        """How long something is wrong counts by the second; since when all is well stands still: nothing to draw."""
        if view.level is not Level.GOOD or view.since > now:
            return held_for(view, now)
        today = view.since.date() == now.date()
        return _("since {time}", time=view.since.strftime("%H:%M" if today else "%m-%d %H:%M"))

    def _paint_page(self, overview: Overview) -> None:
        assert self.page is not None
        kind, name = self.page
        lines = self.query_one("#hosts", Lines)
        lines.sticky = 2
        self.new_page()
        if kind == "host" and name in overview.hosts:
            lines.show(host_page(self.host_page(overview.hosts[name], overview.at)), follow=False)
        elif kind == "service" and name in overview.services:
            lines.show(service_page(self.service_page(overview.services[name], overview.at)), follow=False)
        elif kind == "backend" and name in overview.backends:
            lines.show(backend_page(self.backend_page(overview.backends[name], overview.at)), follow=False)
        elif kind in ("alert", "rule"):
            self.paint_alert_page(overview, lines, self.chart_height())
        self.page_is_drawn()
        self.call_after_refresh(self.look_below, lines)

    def status(self) -> Row:
        parts = []
        if self.page is not None:
            if self.rows_below:
                parts.append(more_below(self.rows_below))
            parts.append(_("last {time}", time=human_duration(self.window.total_seconds())))
            parts += filter(None, [self.far_status()])
        if self.filter:
            parts.append(f"/{self.filter}/" + ("" if self.only_matching else " " + _("(marked)")))
        return (Piece("   ".join(parts), "accent" if self.filter else "muted"),)


def _levels(overview: Overview) -> list[object]:
    return [*(view.level for view in overview.views), *alert_levels(overview)]
