"""The page of a container: what it uses against its limits, its newest log lines, how it is and how it is set up. It is
imported when the first page is opened."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.app.evidence import Selected, Selection, page_evidence
from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.metrics.findings import finding_sections
from lilfox_tui.app.panes.metrics.sections import (
    Band,
    PageChart,
    PageCurve,
    Section,
    SectionStyle,
    beside_each_other,
    chart_bands,
    draw_sections,
    fill_page,
    padded,
    quiet_charts,
    text_section,
)
from lilfox_tui.app.panes.metrics.state import MetricsState, Subject
from lilfox_tui.app.rendering.chart import Values, in_columns
from lilfox_tui.app.rendering.columns import wrapped
from lilfox_tui.app.rendering.draw import Glyphs, Piece, Row
from lilfox_tui.app.rendering.highlight import coloured
from lilfox_tui.app.rendering.panels import NARROWEST, cut_row
from lilfox_tui.app.rows.containers import (
    EngineContainer,
    find,
    findings_on,
    of_alert,
    subject_of,
    successor,
)
from lilfox_tui.app.rows.hosts import ROLES
from lilfox_tui.containers.engine import ApiEngine, EnginePlace
from lilfox_tui.containers.model import (
    Container,
    ContainerView,
    container_of,
    cpu_text,
    image_text,
    memory_text,
    state_text,
)
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import _, clauses, listed, ngettext
from lilfox_tui.core.text import cell_width, clean, fit, human_age, human_bytes
from lilfox_tui.hosts.base import Host
from lilfox_tui.logs.sources.containers import newest_lines
from lilfox_tui.logs.stamped_source import StampedLine
from lilfox_tui.metrics.model import Level, Series
from lilfox_tui.monitor.model import FindingView, Overview

if TYPE_CHECKING:
    from lilfox_tui.app.panes.metrics.alert_page import AlertItem

_LINES, _LINES_SHOWN = 30, 8
"""Log lines that are read, and those that are shown where there is no more room."""
_LONGEST = 400
"""Characters of a log line that are drawn."""
_EVERY_S, _EVERY_SLOW_S = 3.0, 15.0
_FACTS_BESIDE, _FACT_NAMES = 58, 16
_TEXT_WIDTH = 120
_NEAR_LIMIT = 0.9
"""Memory from this part of its limit on is coloured: the kernel kills soon."""


class ContainerPage(Struct, frozen=True, kw_only=True):
    """The contents of the page. ``gone``: the engine no longer lists it; what is told was so until then."""

    found: EngineContainer
    now: datetime
    window: timedelta
    past: Callable[[str, int], Values]
    """``past("memory", columns)``: that many values over the window, oldest first."""
    glyphs: Glyphs
    width: int
    chart_height: int = 5
    height: int = 0
    slow_link: bool = False
    cursor: datetime | None = None
    charts_only: bool = False
    gone: bool = False
    rewound: bool = False
    lines: Sequence[StampedLine] | LilFoxError | None = None
    """Its newest log lines, oldest first, or why there are none; None before the first read."""
    alerts: Sequence[AlertItem] = ()
    findings: Sequence[FindingView] = ()

    @property
    def view(self) -> ContainerView:
        """The container."""
        return self.found.view

    @property
    def level(self) -> Level:
        """How well it is, if that is known."""
        return Level.UNKNOWN if self.gone or self.rewound else self.view.level


def container_page(page: ContainerPage) -> list[Row]:
    """All rows of the page; the first two stay on the screen."""
    style = SectionStyle(page.width, page.glyphs, page.chart_height, page.slow_link, page.cursor)
    head = [cut_row(_title(page), page.width), *wrapped(_why(page), page.width)]
    charts, quiet = quiet_charts(_charts(page), style)
    ill = page.level > Level.UNKNOWN

    def draw(style: SectionStyle) -> list[Row]:
        bands: list[Band] = chart_bands(charts, style)
        told = beside_each_other(quiet, page.width, style.chart_beside)
        if page.charts_only:
            return head + draw_sections([*bands, *told], style)
        log = [] if page.rewound else [[_log(page)]]
        upper = [*log, *bands, *told] if ill else [*bands[:1], *log, *bands[1:], *told]
        return head + draw_sections([*upper, *_about(page)], style)

    return fill_page(draw, style, page.height, len(chart_bands(charts, style)))


def _title(page: ContainerPage) -> Row:
    container, engine = page.view.container, page.found.engine
    role = ROLES[page.level]
    project = _("project {name}", name=container.project) if container.project else ""
    facts = [project, page.view.host, engine.version or engine.place]
    if not (page.gone or page.rewound):
        facts.insert(0, state_text(container, page.now))
    return (
        Piece(f" {page.glyphs.level(page.level)} ", role),
        Piece(clean(container.name or container.short_id), "strong"),
        Piece("   " + clean("  ".join(filter(None, facts))), "muted"),
    )


def _why(page: ContainerPage) -> list[Row]:
    """What is wrong; of one that is gone, that it is."""
    error = page.found.engine.error
    if page.rewound:
        return [(Piece("   " + _("its state is not recorded for the past"), "muted"),)]
    if page.gone:
        text = _("removed: the engine no longer lists it; what follows was so before")
        return [(Piece("   " + text, "degraded"),)]
    if error is not None:
        rows: list[Row] = [(Piece("   "), Piece(clean(str(error.message)), "failing"))]
        return [*rows, *([(Piece("   "), Piece(str(error.hint)))] if str(error.hint) else [])]
    role = ROLES[page.view.level]
    if not page.view.reasons:
        return [(Piece("   "), Piece(_("LilFox found no problem"), role))]
    return [(Piece("   "), Piece(clean(str(each)), role)) for each in page.view.reasons]


# What it uses.


def _charts(page: ContainerPage) -> list[PageChart]:
    view, container = page.view, page.view.container
    live = not (page.gone or page.rewound)
    cores, memory = container.cpu_limit, container.memory_limit
    unknown = _("not known in this time")
    title = _("CPU of one core") if cores is None else _("CPU of {cores:g} cores", cores=cores)
    no_traffic = _("it uses the network of its host") if container.host_network else _("no traffic")
    percent = view.cpu_percent
    return [
        _chart(page, title, [("", "cpu", percent if live else None)], _percent, scale=100 / (cores or 1),
               unknown=unknown, limit=100.0 if cores else None, reach=10.0),
        _chart(page, _("Memory"), [("", "memory", view.usage.memory if live else None)], human_bytes, unknown=unknown,
               limit=memory, binary=True,
               note="" if memory is None else _("limit {size}", size=human_bytes(memory))),
        _chart(page, _("Network"), [(_("in"), "receive", view.rates.receive if live else None),
                                    (_("out"), "transmit", view.rates.transmit if live else None)], _rate,
               unknown=no_traffic if container.host_network else unknown, quiet=no_traffic, binary=True),
        _chart(page, _("Disk"), [(_("read"), "read", view.rates.read if live else None),
                                 (_("write"), "write", view.rates.write if live else None)], _rate,
               unknown=unknown, quiet=_("nothing read or written"), binary=True),
    ]  # fmt: skip


def _percent(value: float) -> str:
    return f"{value:.0f}%"


def _rate(value: float) -> str:
    return f"{human_bytes(value)}/s"


def _chart(
    page: ContainerPage,
    title: str,
    shown: Sequence[tuple[str, str, float | None]],
    text: Callable[[float], str],
    *,
    scale: float = 1.0,
    unknown: str,
    quiet: str = "",
    limit: float | None = None,
    binary: bool = False,
    note: str = "",
    reach: float | None = None,
) -> PageChart:
    """A chart of named series with their newest values; ``limit`` is drawn, and what is close to it coloured."""
    told = [_("unknown") if now is None else text(now) for _name, _series, now in shown]
    single = len(shown) == 1
    return PageChart(
        title,
        [
            PageCurve(name, partial(_scaled, page.past, series, scale), "" if single else now)
            for (name, series, _value), now in zip(shown, told, strict=True)
        ],
        text,
        page.now - page.window,
        page.now,
        now=told[0] if single else "",
        notes=(note,) if note else (),
        binary=binary,
        warn=None if limit is None else _NEAR_LIMIT * limit,
        fail=limit,
        reach=reach if limit is None else limit,
        quiet=quiet,
        unknown=unknown,
    )


def _scaled(past: Callable[[str, int], Values], series: str, scale: float, count: int) -> Values:
    return [None if each is None else scale * each for each in past(series, count)]


# What it wrote, how it is, and how it is set up.


def _log(page: ContainerPage) -> Section:
    note: Row = (Piece("l", "key"), Piece(_("all of them"), "muted"))

    def rows(width: int) -> list[Row]:
        if page.lines is None:
            return [(Piece(" " + _("reading its log"), "muted"),)]
        if isinstance(page.lines, LilFoxError):
            return padded([(Piece(" "), Piece(str(page.lines.message), "degraded"))], width)
        if not page.lines:
            return [(Piece(" " + _("it has written nothing"), "muted"),)]
        shown = page.lines[-max(_LINES_SHOWN, page.height // 4) :]
        return [cut_row(_log_line(each, page.now), width - 1) for each in shown]

    return Section(_("Newest log lines"), rows, note)


def _log_line(line: StampedLine, now: datetime) -> Row:
    at = datetime.fromtimestamp(line.stamp // 10**9, UTC)
    time = at.strftime("%H:%M:%S" if at.date() == now.date() else "%m-%d %H:%M")
    text = clean(line.text[:_LONGEST].decode("utf-8", "replace"))
    return (Piece(f" {time} ", "muted"), *coloured(text))


_Fact = tuple[str, str, str]
"""A name, a value, and its role."""


def _about(page: ContainerPage) -> list[Band]:
    state, setup = [] if page.rewound else _state_facts(page), _setup_facts(page)
    parts = [_facts(title, facts) for title, facts in ((_("State"), state), (_("Configuration"), setup)) if facts]
    alerts = [_alert_row(each, page.now, page.glyphs) for each in page.alerts]
    rest = [text_section(_("Alerts"), alerts)] if alerts else []
    rest += finding_sections(page.findings, page.glyphs)
    return [*([each] for each in rest), *beside_each_other(parts, page.width, _FACTS_BESIDE)]


def _facts(title: str, facts: Sequence[_Fact]) -> Section:
    def rows(width: int) -> list[Row]:
        names = min(_FACT_NAMES, max(cell_width(name) for name, _text, _role in facts))
        gap = 2 if width >= NARROWEST - 4 else 1
        found: list[Row] = []
        for name, text, role in facts:
            first, *more = wrapped([(Piece(clean(text), role),)], max(10, width - 1 - names - gap - 1))
            found.append((Piece(" " + fit(name, names) + " " * gap, "muted"), *first))
            found += ((Piece(" " * (1 + names + gap)), *each) for each in more)
        return found

    return Section(title, rows)


def _state_facts(page: ContainerPage) -> list[_Fact]:
    view, container, now = page.view, page.view.container, page.now
    ill = ROLES[Level.FAILING]
    facts: list[_Fact] = [(_("state"), state_text(container, now), "text")]
    if container.health:
        failing = container.health == "unhealthy"
        count = ngettext("{count} check failed in a row", "{count} checks failed in a row", container.health_failures)
        text = listed([container.health, *([count] if container.health_failures else [])])
        facts.append((_("health"), text, ill if failing else "text"))
        facts += (("", _check_text(each.at, each.code, each.output, now), "muted") for each in container.failed_checks)
    else:
        facts.append((_("health"), _("no health check"), "muted"))
    lately = _("{count} in 10 minutes", count=view.recent_restarts) if view.recent_restarts else ""
    policy = _("policy {name}", name=container.restart_policy or "no")
    restarts = listed(filter(None, (str(container.restarts), lately, policy)))
    facts.append((_("restarts"), restarts, ROLES[Level.DEGRADED] if view.recent_restarts else "text"))
    if container.exit_code is not None:
        age = (
            ""
            if container.finished is None
            else _("{age} ago", age=human_age((now - container.finished).total_seconds()))
        )
        is_kept = container.exit_code or not container.running  # engines forget it at the next start
        words = listed(filter(None, (exit_text(container) if is_kept else "", age)))
        facts.append((_("last exit"), words, ill if container.oom_killed else "text"))
    if view.oom_events:
        facts.append((_("out of memory"), ngettext("{count} kill seen", "{count} kills seen", view.oom_events), ill))
    if container.error:
        facts.append((_("not started"), container.error, ill))
    if container.running:
        facts += ((_("cpu"), cpu_text(view), "text"), (_("memory"), memory_text(view), "text"))
        facts += ((_("pid"), str(container.pid), "text"),) if container.pid else ()
    return facts


def _check_text(at: datetime | None, code: int, output: str, now: datetime) -> str:
    age = "" if at is None else _("{age} ago", age=human_age((now - at).total_seconds()))
    said = " ".join(output.split())
    return listed(filter(None, (age, _("exit code {code}", code=code), said)))


def exit_text(container: Container) -> str:
    """The exit code of its last end, and what it stands for."""
    code = container.exit_code
    if code is None:
        return "-"
    known = {
        125: _("the engine could not start it"),
        126: _("its command cannot be executed"),
        127: _("its command was not found"),
    }
    said = known.get(code, "")
    if container.oom_killed:
        said = _("killed: out of memory")
    elif 128 < code < 128 + signal.NSIG:
        said = _signal_text(code - 128)
    return f"{code} ({said})" if said else str(code)


def _signal_text(number: int) -> str:
    try:
        return _("ended by signal {name}", name=signal.Signals(number).name)
    except ValueError:
        return ""


def _setup_facts(page: ContainerPage) -> list[_Fact]:
    container = page.view.container
    ports = [(port.text, "text") for port in container.ports]
    mounts = [(mount.text, "text") for mount in container.mounts]
    compose = "/".join(filter(None, (container.project, container.service)))
    cpu = _("no limit") if container.cpu_limit is None else _("{cores:g} CPU", cores=container.cpu_limit)
    cpu_name, memory_name = _("cpu"), _("memory")
    memory = _("no limit") if container.memory_limit is None else human_bytes(container.memory_limit)
    facts: list[_Fact] = [
        (_("image"), image_text(container, page.now), "text"),
        *([(_("project"), compose, "text")] if compose else []),
        (_("limits"), f"{cpu_name} {cpu}  {memory_name} {memory}", "text"),
        *((_("ports") if at == 0 else "", text, role) for at, (text, role) in enumerate(ports)),
        *((_("mounts") if at == 0 else "", text, role) for at, (text, role) in enumerate(mounts)),
    ]
    if container.host_network:
        facts.append((_("network"), _("that of the host"), "text"))
    if container.privileged:
        facts.append((_("privileged"), _("yes: root in it is root on the host"), ROLES[Level.DEGRADED]))
    facts += [(_("id"), container.short_id, "text"), (_("engine"), page.found.engine.place, "muted")]
    return facts


def _alert_row(item: AlertItem, now: datetime, glyphs: Glyphs) -> Row:
    alert = item.alert
    if alert is None:
        return (Piece(" "), Piece(item.name))
    role = ROLES[item.level]
    age = human_age((now - (alert.fired_at or alert.active_at)).total_seconds())
    state = _("firing {age}", age=age) if alert.is_firing else _("pending {age}", age=age)
    mark = glyphs.alert if alert.is_firing else glyphs.degraded
    return (Piece(f" {mark} ", role), Piece(clean(item.name), "strong"), Piece(f"  {state}  ", "muted"),
            Piece(clean(alert.summary)))  # fmt: skip


# The open page: what it shows, and what is read for it.


async def _whole(host: Host, place: EnginePlace, id_: str) -> Container | None:
    """A container with all that the API tells of it; None without one, and if it is gone. Raises EngineError,
    HostError."""
    if not place.socket:
        return None
    found = await ApiEngine(host, place).ask("GET", f"/containers/{quote(id_, safe='')}/json", missing=None)
    return container_of(found) if isinstance(found, dict) else None


class ContainerPages:
    """Makes the page of the open container, and reads its newest log lines while it is open. ``chart_height`` returns
    the rows of a plot."""

    def __init__(self, context: PaneContext[MetricsState], chart_height: Callable[[], int]) -> None:
        self._context, self._state, self._app = context, context.state, context.app
        self._chart_height = chart_height
        self._last: tuple[Subject, EngineContainer] | None = None
        """The container whose page was drawn last, as it was seen last."""
        self._read_of: Subject | None = None
        self._lines: Sequence[StampedLine] | LilFoxError | None = None
        self._asked: Container | None = None
        """The open container with all that its engine tells of it, as it was asked last: the watch of all containers
        may leave out mounts and what health checks wrote."""

    def rows(self, overview: Overview) -> list[Row]:
        """The rows of the open page. Where another container has taken over the name, as after ``compose up``, the page
        goes on with that one."""
        page = self.page(overview)
        if page is None:
            return [(Piece("   " + _("no such container is known, or its engine was not asked yet"), "muted"),)]
        self._follow_log()
        return container_page(page)

    def page(self, overview: Overview) -> ContainerPage | None:
        """What the open page shows; None if nothing is known of it."""
        subject, app = self._state.page, self._app
        found = find(overview, subject)
        known = self._last[1] if self._last is not None and self._last[0] == subject else None
        if found is None and known is not None and not overview.rewound:
            found = successor(overview, known)
            if found is not None:
                subject = self._state.page = self._state.selected = subject_of(found.view)
        gone = found is None
        found = found or known
        if found is None or subject is None:
            return None
        found = self._with_details(found)
        if not gone:
            self._last = subject, found
        view, audit, history = found.view, overview.audit, app.monitor.container_history
        start, labels = overview.at - self._state.window, (("id", view.container.short_id),)

        def past(name: str, columns: int) -> Values:
            points = history.window(f"host/{view.host}", Series(name, labels), start, overview.at, columns)
            return in_columns(points, start, overview.at, columns)

        return ContainerPage(
            found=found,
            now=overview.at,
            window=self._state.window,
            past=past,
            glyphs=app.glyphs,
            width=app.room.width,
            chart_height=self._chart_height(),
            height=app.room.height,
            slow_link=app.slow_link,
            cursor=self._state.cursor,
            charts_only=self._state.zoomed,
            gone=gone and not overview.rewound,
            rewound=overview.rewound,
            lines=self._lines if self._read_of == subject else None,
            alerts=self._alerts(overview, found),
            findings=() if audit is None else findings_on(audit.findings, view),
        )

    def _with_details(self, found: EngineContainer) -> EngineContainer:
        """The container with its mounts and failed health checks, if it was asked for them."""
        container, asked = found.view.container, self._asked
        if asked is None or asked.id != container.id:
            return found
        told = replace(container, mounts=asked.mounts, failed_checks=asked.failed_checks)
        return EngineContainer(found.engine, replace(found.view, container=told))

    def data_since(self, now: datetime) -> datetime | None:
        """When the charts of the open page begin; None if they have no data."""
        host = "" if self._state.page is None else self._state.page[1].partition("/")[0]
        span = self._app.monitor.container_history.span(f"host/{host}")
        return None if span is None or span[0] >= now else span[0]

    def _alerts(self, overview: Overview, found: EngineContainer) -> list[AlertItem]:
        """The alerts about it that fire or are pending."""
        items = (each for each in self._state.items(overview).values() if each.alert and not each.alert.is_resolved)
        there = ((each, of_alert(overview, each.alert)) for each in items)
        return [each for each, about in there if about is not None and subject_of(about.view) == subject_of(found.view)]

    def _follow_log(self) -> None:
        subject = self._state.page
        if subject is None or subject == self._read_of or self._app.rewound is not None:
            return
        self._read_of, self._lines, self._asked = subject, None, None
        self._context.run(partial(self._read_log, subject), group="container log", exclusive=True)

    async def _read_log(self, subject: Subject) -> None:
        """Reads the newest lines again and again while the page is open; of one that is gone they stay as they were."""
        while self._state.page == subject and not self._app.leaving:
            found = find(self._app.monitor.overview.value, subject)
            if found is not None and self._app.rewound is None and not self._app.paused:
                await self._read_once(found)
                if self._context.is_displayed:
                    self._context.repaint()
            await asyncio.sleep(_EVERY_SLOW_S if self._app.slow_link else _EVERY_S)
        if self._read_of == subject:
            self._read_of = None

    async def _read_once(self, found: EngineContainer) -> None:
        engine, view, monitor = found.engine, found.view, self._app.monitor
        if view.host not in monitor.hosts:
            return
        place = EnginePlace(socket=engine.place) if engine.place.startswith("/") else EnginePlace(program=engine.place)
        config = self._app.config.hosts.get(view.host)
        try:
            self._asked = await _whole(monitor.host(view.host), place, view.container.id) or self._asked
            self._lines = await newest_lines(
                monitor.host(view.host), place, view.container.id, _LINES, sudo=config is not None and config.sudo
            )
        except LilFoxError as error:
            if not self._lines or isinstance(self._lines, LilFoxError):
                self._lines = error  # else what was read before says more

    def evidence(self, overview: Overview) -> Selection | None:
        """The open page, or that of the selected container, as evidence."""
        found = self._state.selected_container()
        if found is None:
            return None
        view = found.view
        why = clauses(map(str, view.reasons)) or state_text(view.container, overview.at)
        return Selection(clean(f"{view.container.name}: {why}"), partial(self._read, found, clean(why), overview))

    async def _read(self, found: EngineContainer, why: str, overview: Overview) -> Selected:
        view, subject = found.view, subject_of(found.view)
        if self._read_of != subject:
            await self._read_once(found)
        page = ContainerPage(
            found=found, now=overview.at, window=self._state.window, past=lambda _name, count: [None] * count,
            glyphs=self._app.glyphs, width=_TEXT_WIDTH, slow_link=True,
            lines=self._lines, alerts=self._alerts(overview, found),
        )  # fmt: skip
        name = clean(view.container.name or view.container.short_id)
        return page_evidence("container", name, why, overview, container_page(page))
