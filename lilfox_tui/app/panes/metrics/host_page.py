"""A host's page as rows: charts, its processes, and every other part of the machine. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.app.panes.metrics.findings import finding_sections
from lilfox_tui.app.panes.metrics.problems import change_runs, reason_rows
from lilfox_tui.app.panes.metrics.sections import (
    Band,
    PageChart,
    PageCurve,
    Past,
    Section,
    SectionStyle,
    beside_each_other,
    chart_bands,
    container_sections,
    draw_sections,
    drawn_section,
    fill_page,
    not_counted_yet,
    not_in_force,
    padded,
    text_section,
)
from lilfox_tui.app.rendering.columns import gauge, load_text, percent_text, wrapped
from lilfox_tui.app.rendering.draw import Glyphs, Piece, Row
from lilfox_tui.app.rendering.panels import NARROWEST
from lilfox_tui.app.rows.hosts import (
    ROLES,
    TableStyle,
    core_meters,
    disk_meters,
    lately_rows,
    level_role,
    load_pieces,
    memory_meters,
    memory_used,
    role_in_force,
    thread_rows,
    used_of,
)
from lilfox_tui.app.rows.processes import PROCESS_SORTS, others_rows, process_heading, process_row, sorted_by
from lilfox_tui.app.rows.reasons import never_reached
from lilfox_tui.config.model import Threshold, Thresholds
from lilfox_tui.core.aio import Ready, Unavailable
from lilfox_tui.core.i18n import _, clauses, listed, ngettext
from lilfox_tui.core.text import cell_width, clean, fit, fit_middle, human_age, human_bytes, human_count, human_duration
from lilfox_tui.metrics.model import (
    FilesystemUsage,
    HostSummary,
    InterfaceActivity,
    ProcessTotals,
    ProcessUsage,
    Series,
)
from lilfox_tui.monitor.model import FindingView, HostView, StatusChange

if TYPE_CHECKING:
    from lilfox_tui.containers.model import EngineView

_NAME, _SHORT_NAME, _TEXT_BESIDE = 15, 11, 76
"""Cells of a name, also on a narrow screen, and those from which a section stands beside another one."""
_FILESYSTEM_NUMBERS, _METERS_MOST, _SIZE = 27, 76, 7
"""The last: cells of a size in the table of filesystems, with the blanks before it."""
_LEAST_PROCESSES, _MOST_BEFORE = 10, 15
"""Rows of processes at least, and at most where other sections come after them."""


class HostPage(Struct, frozen=True):
    """The contents of the page."""

    view: HostView
    processes: Sequence[ProcessUsage] | None
    """In the order in which they are shown."""
    changes: Sequence[StatusChange]
    past: Past
    recorded: Past
    """The same of what LilFox itself has recorded: nobody is asked for it."""
    now: datetime
    """The page's newest moment: now, or the moment rewound to (aware UTC)."""
    window: timedelta
    glyphs: Glyphs
    width: int
    charts_only: bool = False
    chart_height: int = 5
    below_charts: Callable[[], Sequence[Row]] = tuple
    slow_link: bool = False
    height: int = 0
    cursor: datetime | None = None
    rewound: bool = False
    process_totals: ProcessTotals | None = None
    process_sort: str = PROCESS_SORTS[0]
    """What the processes are sorted by: one of ``PROCESS_SORTS``."""
    fired: datetime | None = None
    """When the worst alert about it fired; None if none fires."""
    findings: Sequence[FindingView] = ()
    """Those of the audit on this host."""
    engines: Sequence[EngineView] = ()


def host_page(page: HostPage) -> list[Row]:
    """All rows of the page; the first two stay on the screen."""
    summary, reasons = page.view.summary, wrapped(reason_rows(page.view, page.now), page.width)
    if pending := not_counted_yet(page.view, page.glyphs):
        reasons = wrapped([(Piece("   "), *pending)], page.width)
    if summary is None:
        unknown: list[Row] = [(Piece("   " + _("no data for this host yet"), "muted"),)]
        return [_title(page), *reasons, *([] if never_reached(page.view) else unknown), *page.below_charts()]
    style = SectionStyle(page.width, page.glyphs, page.chart_height, page.slow_link, page.cursor, page.fired)
    meters, charts = _meters(page, summary, 1 + len(reasons) + style.chart_height), _charts(page, summary)
    rows = [_title(page, with_load=not meters), *reasons]
    if not meters and summary.memory_total and page.height and page.width <= 2 * _TEXT_BESIDE:
        charts[1] = replace(charts[1], notes=(used_of(memory_used(summary), summary.memory_total),))
    older = Section(_("Older data"), lambda width: padded(page.below_charts(), width))
    parts = [] if page.charts_only else _parts(page, summary, meters=bool(meters))
    above = len(rows) + max((len(each.rows(0)) + 1 for each in meters), default=0)

    def draw(style: SectionStyle) -> list[Row]:
        bands = chart_bands(charts, style)
        first = _bands_above(page, style, len(bands), above)
        lines = style.chart_height + _CHART_LINES
        room = page.height - above - first * lines - _TABLE_LINES
        below = _below(page, parts, room, (len(bands) - first) * lines)
        seen = 1 if bands[first:] else 0  # what stands above the other charts
        upper = [*bands[:1], *([meters] if meters else []), *bands[1:first], *below[:seen]]
        return rows + draw_sections([*upper, *bands[first:], [older], *below[seen:]], style)

    return fill_page(draw, style, page.height, len(chart_bands(charts, style)))


def _bands_above(page: HostPage, style: SectionStyle, bands: int, head: int) -> int:
    """How many bands of charts stand above the processes, so that some of these are seen on the first screen."""
    if not page.height or page.charts_only or page.processes is None:
        return bands
    if style.compact:
        return min(bands, _CURVES_ABOVE)
    room = page.height - head - _TABLE_LINES - _PROCESSES_SEEN
    return max(1, min(bands, room // (style.chart_height + _CHART_LINES)))


_CURVES_ABOVE, _PROCESSES_SEEN = 2, 5
"""Charts that are one line, and processes, on the first screen."""
_CHART_LINES, _TABLE_LINES = 3, 5
"""Lines of a band of charts besides its plots (border, legend, times), and of the table of processes besides those."""


def _below(page: HostPage, parts: Sequence[Section], room: int, charts: int) -> list[Band]:
    """What stands below the first charts: the processes, for which there is ``room`` on the first screen, and the
    ``parts`` beside them, or below them and ``charts`` lines of other charts."""
    if page.charts_only:
        return []
    if page.processes is None and not page.rewound:
        return beside_each_other(parts, page.width, _TEXT_BESIDE)
    beside = page.width > 2 * _TEXT_BESIDE and not page.slow_link
    parts = [drawn_section(each, ((page.width - 1) // 2 + 1 if beside else page.width) - 2) for each in parts]
    high = sum(len(each.rows(0)) + 1 for each in parts)
    if beside:
        shown = _processes(page, max(_LEAST_PROCESSES, room, high - _TABLE_LINES))
        return [[shown, *(replace(each, below=parts[1:]) for each in parts[:1])]]
    shown = _processes(page, max(_LEAST_PROCESSES, min(_MOST_BEFORE, room), room - high - charts))
    return [[shown], *([each] for each in parts)]


_METERS_FROM, _DISK_METERS_FROM = 80, 117
"""Cells from which meters stand side by side, and from which those of disks stand with them."""


def _meters(page: HostPage, summary: HostSummary, above: int) -> Band:
    """Meters of each core, of memory and of disks, which stand below the first charts if they and some processes have
    room on the first screen. Where tables stand beside the processes, these tell it."""
    if not page.height or page.charts_only or page.slow_link or not _METERS_FROM <= page.width <= 2 * _TEXT_BESIDE:
        return []
    count = 3 if page.width >= _DISK_METERS_FROM else 2
    parts = ((_("CPU"), core_meters), (_("Memory"), memory_meters))
    shown = [drawn_section(_glance(page, title, rows, summary), (page.width - 1) // count - 1) for title, rows in parts]
    lines = max(len(each.rows(0)) for each in shown)
    if count > len(shown):
        disks = _glance(page, _("Disks"), partial(disk_meters, lines=lines), summary)
        shown.append(drawn_section(disks, (page.width - 1) // count - 1))
        lines = max(lines, len(shown[-1].rows(0)))
    room = page.height - above - _CHART_LINES - _TABLE_LINES - _PROCESSES_SEEN
    return shown if lines + 1 <= room else []


def _table_style(page: HostPage) -> TableStyle:
    return TableStyle(page.width, page.glyphs, 0.0)


def _parts(page: HostPage, summary: HostSummary, *, meters: bool) -> list[Section]:
    """Every part of the machine but its processes, without what is not known of, and without what stands among the
    ``meters``. A table of many cores, or one that says little more than meters do, comes last: all else would stand
    far below it."""
    known = [each for each in page.changes if each.at <= page.now][:_CHANGES_FOLDED]
    changes = lately_rows([run.change for run in change_runs(known)], page.now, page.glyphs)
    cores, problems = _cores(page, summary, meters=meters), _trouble(summary)
    many = len(summary.cores) > _CORES_FIRST
    found = (
        None if meters else cores if not many else _glance(page, _("CPU"), core_meters, summary),
        None if meters else _glance(page, _("Memory"), memory_meters, summary),
        *container_sections(page.engines, page.now, page.glyphs),
        _filesystems(page, summary),
        _disks(page, summary),
        _interfaces(page, summary),
        _units(summary),
        *finding_sections(page.findings, page.glyphs),
        text_section(_("Recent changes"), changes) if changes else None,
        text_section(_("Could not read"), problems) if problems else None,
        replace(cores, title=_("Cores by mode") if meters else _("Cores"))
        if cores is not None and (many or meters)
        else None,
    )
    return [each for each in found if each is not None]


_CORES_FIRST, _CHANGES_FOLDED = 8, 200
"""The most cores whose table stands first, and changes of which those of interfaces are one."""
_Meters = Callable[[HostView, HostSummary, TableStyle], Sequence[Row]]


def _glance(page: HostPage, title: str, rows: _Meters, summary: HostSummary) -> Section:
    """Meters as a section of their own."""
    style = _table_style(page)
    return Section(title, lambda width: rows(page.view, summary, style.for_width(min(width, _METERS_MOST))))


def _title(page: HostPage, *, with_load: bool = False) -> Row:
    """The host and what is known of it; ``with_load``: its load, where no meter tells it."""
    view, summary = page.view, page.view.summary
    load = () if summary is None or not with_load else load_pieces(view, summary)
    facts = []
    if view.config.address and view.config.address != view.name:
        facts.append(view.config.address)
    if summary is not None:
        facts.append(summary.kernel)
        limit = None if summary.limit is None else summary.limit.cores
        if summary.cpu_count and (limit is not None or not load):
            cores = ngettext("{count} core", "{count} cores", summary.cpu_count)
            facts.append(cores if limit is None else _("{limit:.2g} of {cores}", limit=limit, cores=cores))
        if summary.uptime_s is not None:
            is_lost = isinstance(view.link, Unavailable)  # it may have been restarted since
            passed_s = 0.0 if is_lost else max(0.0, (page.now - summary.at).total_seconds())
            facts.append(_("up {time}", time=human_age(summary.uptime_s + passed_s)))
        if summary.clock_offset_s is not None and summary.clock_error_s is not None:
            facts.append(_clock(summary.clock_offset_s, summary.clock_error_s))
    if isinstance(view.link, Ready):
        facts.append(view.link.value.description)
    mark = Piece(page.glyphs.level(view.level) + " ", ROLES[view.level])
    tags = (Piece("  " + " ".join(view.config.tags), "muted"),) if view.config.tags else ()
    return (
        Piece(" "),
        mark,
        Piece(view.name, "strong"),
        *((Piece("   " + _("load") + " ", "muted"), *load) if load else ()),
        Piece("   " + "  ".join(fact for fact in facts if fact), "muted"),
        *tags,
    )


def _clock(offset_s: float, error_s: float) -> str:
    if abs(offset_s) <= error_s:
        return _("clock ±{error}", error=human_duration(error_s))
    return _("clock {sign}{offset}", sign="+" if offset_s > 0 else "-", offset=human_duration(abs(offset_s)))


class _Unit(Struct, frozen=True):
    """The unit of a chart: axis labels, the format of the newest value, and the scale."""

    axis: Callable[[float], str]
    told: Callable[[float], str]
    top: float | None = None
    binary: bool = False


_PERCENT = _Unit(lambda value: f"{value:.0f}%", lambda value: percent_text(value).strip(), top=100.0)
_RATE = _Unit(lambda value: human_bytes(value) + "/s", lambda value: human_bytes(value) + "/s", binary=True)
_LOAD = _Unit(lambda value: f"{value:.2g}", load_text)


class _Shown(NamedTuple):
    """A series with its name, empty where it is alone, and its newest value."""

    name: str
    series: Series
    now: float | None


def _charts(page: HostPage, summary: HostSummary) -> list[PageChart]:
    load = summary.load[0] if summary.load else None
    limits = page.view.thresholds
    iowait = summary.cpu.iowait if summary.cpu else None
    charts = [
        _chart(page, _("CPU busy"), _PERCENT, [_Shown("", Series("cpu_usage_percent"), summary.cpu_percent)],
               limits.cpu_percent),
        _chart(page, _("Memory used"), _PERCENT, [_Shown("", Series("memory_usage_percent"), summary.memory_percent)],
               limits.memory_percent),
        *([_chart(page, _("Network"), _RATE, [
            _Shown(_("in"), Series("all_interfaces_receive_bytes_per_second"), summary.network_in_s),
            _Shown(_("out"), Series("all_interfaces_transmit_bytes_per_second"), summary.network_out_s),
        ], notes=_network_notes(summary))] if summary.interfaces or page.rewound else []),
        _chart(page, _("Disk"), _RATE, [
            _Shown(_("read"), Series("all_disks_read_bytes_per_second"), summary.disk_read_s),
            _Shown(_("write"), Series("all_disks_written_bytes_per_second"), summary.disk_write_s),
        ]),
        _chart(page, _("Load, 1 min"), _LOAD, [_Shown("", Series("load1"), load)],
               load_limits(limits, summary.cpu_count)),
        _chart(page, _("I/O wait"), _PERCENT, [_Shown("", Series("cpu_percent", (("mode", "iowait"),)), iowait)],
               limits.iowait_percent),
    ]  # fmt: skip
    if summary.swap_used:  # of none, and of one that nobody uses, the meter tells all
        shown = [_Shown("", Series("swap_usage_percent"), summary.swap_percent)]
        notes = (used_of(summary.swap_used, summary.swap_total),)
        charts.insert(2, _chart(page, _("Swap used"), _PERCENT, shown, limits.swap_percent, notes))
    return charts


def load_limits(thresholds: Thresholds, cores: int | None) -> Threshold | None:
    """The limits of a host's load, which are configured for one core."""
    if not cores:
        return None
    warn, fail = (
        None if each is None else each * cores for each in (thresholds.load_per_cpu.warn, thresholds.load_per_cpu.fail)
    )
    return Threshold(warn=warn, fail=fail)


def _chart(
    page: HostPage,
    title: str,
    unit: _Unit,
    shown: Sequence[_Shown],
    limits: Threshold | None = None,
    notes: tuple[str, ...] = (),
) -> PageChart:
    lost = isinstance(page.view.link, Unavailable)  # the last number is an old one then
    pending: Sequence[str] = ()
    if limits is not None and page.cursor is None:
        pending = not_in_force(shown[0].now, limits, page.view, page.glyphs)
    told = [_("unknown") if each.now is None or lost else unit.told(each.now) for each in shown]
    single = len(shown) == 1
    return PageChart(
        title,
        [
            PageCurve(each.name, partial(page.past, each.series), "" if single else now)
            for each, now in zip(shown, told, strict=True)
        ],
        unit.axis,
        page.now - page.window,
        page.now,
        now=told[0] if single else "",
        notes=(*pending[:1], *notes),
        top=unit.top,
        binary=unit.binary,
        warn=None if limits is None else limits.warn,
        fail=None if limits is None else limits.fail,
    )


def _is_narrow(page: HostPage) -> bool:
    """Whether a row has room for its most telling numbers alone."""
    return page.width < NARROWEST


def _names(page: HostPage) -> int:
    """The cells of the names at the start of rows."""
    return _SHORT_NAME if _is_narrow(page) else _NAME


def _section(title: str, rows: Sequence[Row], columns: str = "", names: int = _NAME) -> Section:
    """A section whose first row are the titles of its columns, beside the names."""
    head: list[Row] = [(Piece(" " * names), Piece(columns, "muted"))] if columns else []
    return Section(title, lambda width: padded([*head, *rows], width))


def _name(text: str, cells: int = _NAME - 1) -> Piece:
    """A name at the start of a row, cut in its middle: paths and devices differ at their ends."""
    return Piece(" " + fit(fit_middle(text, cells), cells), "text")


def _cores(page: HostPage, summary: HostSummary, *, meters: bool) -> Section | None:
    """What each core does; where there are ``meters``, without what these say: the bars, all cores together, and of few
    cores how busy each is."""
    if not summary.cores or (meters and len(summary.cores) == 1):
        return None
    rows: list[Row] = []
    bar, split_alone = 0 if meters else _bar_width(page), meters and len(summary.cores) <= _CORES_FIRST
    limit, whole = summary.limit, _("all")
    if limit is not None and limit.cores is not None and not meters:
        whole = _("machine")
        role = role_in_force(limit.cpu_percent, page.view.thresholds.cpu_percent, page.view.level)
        of = Piece("  " + _("of the {cores:.2g} cores it may use", cores=limit.cores), "muted")
        number = Piece(f"  {percent_text(limit.cpu_percent)}", role)
        gauged = _bar(page, limit.cpu_percent, bar, role)
        rows.append((_name(_("this host"), _names(page) - 1), number, *gauged, of))
    both = ((whole, summary.cpu), *summary.cores) if summary.cpu is not None and not meters else summary.cores
    for name, split in both:
        limits = page.view.thresholds
        role = level_role(split.busy, limits.cpu_percent)
        if split is summary.cpu:
            role = role_in_force(split.busy, limits.cpu_percent, page.view.level)
        cells = (
            (split.busy, role), (split.user, "text"), (split.system, "text"),
            (split.iowait, role_in_force(split.iowait, limits.iowait_percent, page.view.level)),
            (split.steal, role_in_force(split.steal, limits.steal_percent, page.view.level)),
        )  # fmt: skip
        row = [Piece(f"  {percent_text(share)}", colour) for share, colour in cells]
        if _is_narrow(page):
            rows.append((_name(name, _SHORT_NAME - 1), row[0], *_bar(page, split.busy, bar, role)))
            continue
        rows.append((_name(name), *(row[1:] if split_alone else row), *_bar(page, split.busy, bar, role)))
    rows += [] if meters else thread_rows(summary, page.width)
    columns = _("  busy") if _is_narrow(page) else _("  busy  user   sys  wait steal")
    columns = _("  user   sys  wait steal") if split_alone else columns
    return _section(_("CPU"), rows, columns, _names(page))


def _bar_width(page: HostPage) -> int:
    if _is_narrow(page):
        return max(0, page.width - 22)
    return max(10, min(40, page.width - 56, page.width // 2 - 50 if page.width > 2 * _TEXT_BESIDE else 40))


def _bar(page: HostPage, value: float | None, width: int, role: str) -> Row:
    """The bar of a value in a table."""
    return () if value is None or not width else (Piece("  "), *gauge(value, width, role, page.glyphs))


def _per_second(rate: float | None) -> str:
    return f"{'-' if rate is None else human_bytes(rate) + '/s':>7}"


def _disks(page: HostPage, summary: HostSummary) -> Section | None:
    if not summary.disks:
        return None
    rows: list[Row] = []
    idle: list[str] = []
    for disk in summary.disks:
        if _is_flat(
            page, disk.device, (disk.read_bytes_s, disk.write_bytes_s),
            ("disk_read_bytes_per_second", "disk_written_bytes_per_second"),
        ):  # fmt: skip
            idle.append(disk.device)
            continue
        counts = f"    {human_count(disk.reads_s):>5}    {human_count(disk.writes_s):>5}"
        numbers = (
            f"  {_per_second(disk.read_bytes_s)}  {_per_second(disk.write_bytes_s)}"
            f"{'' if _is_narrow(page) else counts}  {percent_text(disk.utilisation_percent)}"
        )
        rows.append((_name(disk.device, _names(page) - 1), Piece(numbers)))
    columns = _("     read  written   busy") if _is_narrow(page) else _("     read  written  reads/s writes/s   busy")
    columns = columns if rows else ""
    if idle:
        rows.append((Piece(" " + _("idle: {names}", names=listed(map(clean, idle))), "muted"),))
    return _section(_("Disks"), rows, columns, _names(page))


def _few_filesystem_rows(page: HostPage, filesystems: Sequence[FilesystemUsage], width: int) -> list[Row]:
    """The filesystems with what is used and free of each."""
    cells = max(_SHORT_NAME, width - 17)
    rows: list[Row] = [(Piece(" " * (cells + 1)), Piece(_("   used   free"), "muted"))]
    for fs in sorted(filesystems, key=lambda each: -each.used_percent):
        role = role_in_force(fs.used_percent, page.view.thresholds.disk_percent, page.view.level)
        used = Piece("   " + percent_text(fs.used_percent), role)
        rows.append((_name(fs.mountpoint, cells), used, Piece(f"  {human_bytes(fs.available_bytes):>5}")))
    return rows


def _is_flat(page: HostPage, device: str, rates: Sequence[float | None], names: Sequence[str]) -> bool:
    """Whether a device did nothing in the whole time range of the charts: not only now, as rows that come and go would
    move all others."""
    if any(rate is None or rate > 0 for rate in rates):
        return False
    series = (Series(name, (("device", device),)) for name in names)
    return not any(value for each in series for value in page.recorded(each, _FLAT_COLUMNS))


_FLAT_COLUMNS = 60


def _filesystems(page: HostPage, summary: HostSummary) -> Section | None:
    if not summary.filesystems:
        return None
    return Section(_("Filesystems"), lambda width: _filesystem_rows(page, summary.filesystems, width))


def _filesystem_rows(page: HostPage, filesystems: Sequence[FilesystemUsage], width: int) -> list[Row]:
    """The filesystems, the fullest first; their paths have the room that the rest of the rows leaves."""
    if _is_narrow(page):
        return _few_filesystem_rows(page, filesystems, width)
    behind = {fs: f"   {fs.kind} {fs.device}" + (" " + _("read-only") if fs.read_only else "") for fs in filesystems}
    longest = max(cell_width(clean(fs.mountpoint)) for fs in filesystems)
    free = width - 2 - _FILESYSTEM_NUMBERS - max(cell_width(clean(text)) for text in behind.values())
    with_used = free - _SIZE >= longest  # no path is cut for it
    cells = max(_NAME - 1, min(longest, max(free, width // 3)))
    titles = _("   full   used   size   free inodes") if with_used else _("   full   size   free inodes")
    rows: list[Row] = [(Piece(" " * (cells + 1)), Piece(titles, "muted"))]
    for fs in sorted(filesystems, key=lambda each: -each.used_percent):
        role = role_in_force(fs.used_percent, page.view.thresholds.disk_percent, page.view.level)
        inodes = percent_text(fs.inode_percent)
        told = (*((fs.used_bytes,) if with_used else ()), fs.size_bytes, fs.available_bytes)
        sizes = "".join(f"  {human_bytes(each):>5}" for each in told)
        rows.append(
            (
                _name(fs.mountpoint, cells),
                Piece("   " + percent_text(fs.used_percent), role),
                Piece(f"{sizes}  {inodes}"),
                Piece(behind[fs], "muted"),
            )
        )
    return padded(rows, width)


def _interfaces(page: HostPage, summary: HostSummary) -> Section | None:
    """The interfaces with their rates; what is zero everywhere is said in a line."""
    if not summary.interfaces:
        return None
    troubles = [_troubles(each) for each in summary.interfaces]
    told = any(errors or drops for errors, drops in troubles)
    rows: list[Row] = []
    idle: list[str] = []
    for each, (errors, drops) in zip(summary.interfaces, troubles, strict=True):
        rates = (each.receive_bytes_s, each.transmit_bytes_s)
        names = ("network_receive_bytes_per_second", "network_transmit_bytes_per_second")
        if not errors and not drops and _is_flat(page, each.device, rates, names):
            idle.append(each.device)
            continue
        cells = [Piece("".join(f"  {_per_second(rate)}" for rate in rates))]
        for count, role in ((errors, "failing"), (drops, "degraded")) if told else ():
            cells.append(Piece(f"  {human_count(count):>8}", role if count else "text"))
        rows.append((_name(each.device, _names(page) - 1), *cells))
    columns = _("       in      out") + (_("  errors/s   drops/s") if told else "") if rows else ""
    none = ""
    if not told and all(errors is not None for errors, _drops in troubles):
        known = all(drops is not None for _errors, drops in troubles)
        none = _("no errors or drops") if known else _("no errors")
    quiet = _("no traffic: {names}", names=listed(map(clean, idle))) if idle else ""
    if text := clauses(filter(None, (quiet, none))):
        rows.append((Piece(" " + text, "muted"),))
    note = (Piece(_("without loopback"), "muted"),)
    return replace(_section(_("Interfaces"), rows, columns, _names(page)), note=note)


def _network_notes(summary: HostSummary) -> tuple[str, ...]:
    """The errors and drops of all interfaces, if there are any, and what is not counted."""
    found = [_troubles(each) for each in summary.interfaces]
    errors, drops = (sum(each[place] or 0.0 for each in found) for place in (0, 1))
    told = [_("{count} errors/s", count=human_count(errors))] if errors else []
    told += [_("{count} drops/s", count=human_count(drops))] if drops else []
    return (*told, _("without loopback"))


def _troubles(each: InterfaceActivity) -> tuple[float | None, float | None]:
    """The errors and the drops of an interface in both directions, per second."""
    errors = _sum_of(each.receive_errors_s, each.transmit_errors_s)
    return errors, _sum_of(each.receive_drops_s, each.transmit_drops_s)


def _sum_of(*values: float | None) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _units(summary: HostSummary) -> Section | None:
    if summary.failed_units is None:
        return None
    rows: list[Row] = [(Piece(" "), Piece(unit, "degraded")) for unit in summary.failed_units]
    return _section(_("Failed units"), rows or [(Piece(" " + _("none"), "muted"),)])


def _processes(page: HostPage, room: int) -> Section:
    """The table of processes, in so many rows, and what the others use; all of them where ``page.height`` does not
    matter."""
    if page.rewound:
        return text_section(_("Processes"), [(Piece(" " + _("not recorded for the past"), "muted"),)])
    found = page.processes or ()
    shown = found[:room] if page.height and len(found) > room + 1 else found  # one other process takes a row too

    def rows(width: int) -> list[Row]:
        return [
            process_heading(width, page.process_sort, page.glyphs.sorted),
            *(process_row(each, width) for each in shown),
            *others_rows(page.process_totals, found, len(shown), width),
        ]

    note: Row = (Piece(sorted_by(page.process_sort), "accent"),)
    if (totals := page.process_totals) is not None:
        count = totals.count - totals.kernel_threads
        note = (Piece(ngettext("{count} process", "{count} processes", count), "muted"), *note)
    return Section(_("Processes"), rows, note)


def _trouble(summary: HostSummary) -> list[Row]:
    return [(_name(kind), Piece("  " + str(why), "degraded")) for kind, why in sorted(summary.problems.items())]
