"""The HOSTS table as rows. Pure: an overview in, rows out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.app.rendering.chart import spark
from lilfox_tui.app.rendering.columns import (
    Column,
    Meter,
    bare_percent_text,
    choose,
    heading,
    line,
    load_text,
    meter_rows,
    percent_text,
)
from lilfox_tui.app.rendering.draw import BLANK, Glyphs, Piece, Row
from lilfox_tui.app.rendering.panels import row_width, squeezed
from lilfox_tui.app.rows.reasons import why_no_numbers
from lilfox_tui.config.model import Threshold
from lilfox_tui.core.aio import Unavailable
from lilfox_tui.core.i18n import _, clauses, ngettext
from lilfox_tui.core.text import (
    cell_width,
    clean,
    fit,
    fit_middle,
    human_bytes,
    lasted_text,
    short_age,
)
from lilfox_tui.metrics.model import HostSummary, Level, MemoryParts, late_after_s
from lilfox_tui.monitor.levels import split_reasons
from lilfox_tui.monitor.model import BackendView, HostView, PlanView, ServiceView, StatusChange, View
from lilfox_tui.monitor.raised_levels import is_of_client

ROLES = {Level.GOOD: "good", Level.DEGRADED: "degraded", Level.FAILING: "failing", Level.UNKNOWN: "unknown"}

OneKind = TypeVar("OneKind", HostView, ServiceView, BackendView)


class TableStyle(Struct, frozen=True):
    """How the rows of a table are drawn."""

    width: int
    glyphs: Glyphs
    refresh_s: float
    sparklines: bool = True
    recent: Mapping[str, Sequence[float | None]] | None = None
    """Recent CPU and memory percents by ``NAME/cpu`` and ``NAME/memory``."""
    sort: str = "worst"
    """What the table is sorted by: one of ``SORTS``."""

    def for_width(self, width: int) -> TableStyle:
        """The same for a table of another width."""
        return replace(self, width=width)


class _HostCells(Struct, frozen=True):
    view: HostView
    summary: HostSummary
    now: datetime
    style: TableStyle


def level_role(value: float | None, threshold: Threshold) -> str:
    """The colour role of a value against its threshold."""
    if value is None:
        return "muted"
    if threshold.fail is not None and value > threshold.fail:
        return "failing"
    if threshold.warn is not None and value > threshold.warn:
        return "degraded"
    return "text"


def firing_role(urgency: int) -> str:
    """The colour role of a firing alert by its ``Alert.urgency``: information, a warning, or worse."""
    return ("accent", "degraded", "failing")[min(urgency, 2)]


def no_worse(role: str, level: Level) -> str:
    """A colour role, that of a failure only where the ``level`` in force is one."""
    return "degraded" if role == "failing" and level is not Level.FAILING else role


def role_in_force(value: float | None, threshold: Threshold, level: Level) -> str:
    """The colour role of a value against its threshold, but no worse than the ``level`` in force of what it belongs to:
    a value counts only after several samples in a row."""
    role = no_worse(level_role(value, threshold), level)
    return "text" if role == "degraded" and level not in (Level.DEGRADED, Level.FAILING) else role


def _role(value: _HostCells, number: float | None, threshold: Threshold) -> str:
    return role_in_force(number, threshold, value.view.level)


def _cpu(value: _HostCells) -> Row:
    busy = value.summary.cpu_percent
    role = _role(value, busy, value.view.thresholds.cpu_percent)
    return (Piece(percent_text(busy), role), *_trend(value, "cpu", 8))


def _memory(value: _HostCells) -> Row:
    used = value.summary.memory_percent
    role = _role(value, used, value.view.thresholds.memory_percent)
    return (Piece(percent_text(used), role), *_trend(value, "memory", 6))


def _trend(value: _HostCells, what: str, width: int) -> Row:
    recent = (value.style.recent or {}).get(f"{value.view.name}/{what}")
    if not value.style.sparklines or not recent:
        return ()
    return (Piece(" "), Piece(spark(recent, width, value.style.glyphs, top=100.0), "chart"))


def _split(value: _HostCells) -> Row:
    cpu, limit = value.summary.cpu, value.summary.limit
    if cpu is None or (limit is not None and limit.cores is not None):  # the machine's, of which the host has a part
        return (Piece(" -  -  -  -", "muted"),)
    whole, thresholds = bare_percent_text, value.view.thresholds
    return (
        Piece(f"{whole(cpu.user)} {whole(cpu.system)} "),
        Piece(whole(cpu.iowait), _role(value, cpu.iowait, thresholds.iowait_percent)),
        Piece(" "),
        Piece(whole(cpu.steal), _role(value, cpu.steal, thresholds.steal_percent)),
    )


def _swap(value: _HostCells) -> Row:
    used = value.summary.swap_percent
    if value.summary.swap_total == 0:
        return (Piece(_("none"), "muted"),)
    return (Piece(percent_text(used), _role(value, used, value.view.thresholds.swap_percent)),)


def _disk(value: _HostCells) -> Row:
    fullest = value.summary.fullest
    if fullest is None:
        return (Piece("   -", "muted"),)
    role = _role(value, fullest.used_percent, value.view.thresholds.disk_percent)
    return (Piece(percent_text(fullest.used_percent), role), Piece(f" {fullest.mountpoint}", "muted"))


def _network(value: _HostCells) -> Row:
    summary, written = value.summary, human_bytes
    if summary.network_in_s is None and summary.network_out_s is None:
        return (Piece("-", "muted"),)
    return (Piece(f"{written(summary.network_in_s):>5} / {written(summary.network_out_s):>5}"),)


def _load(value: _HostCells) -> Row:
    load, cores = value.summary.load, value.summary.cpu_count
    if load is None:
        return (Piece("-", "muted"),)
    per_cpu = load[0] / cores if cores else None
    return (
        Piece(load_text(load[0]), _role(value, per_cpu, value.view.thresholds.load_per_cpu)),
        Piece(f"/{cores or '-'}", "muted"),
    )


def _pressure(value: _HostCells) -> Row:
    pressure = value.summary.pressure
    if pressure is None:
        return (Piece(" -  -  -", "muted"),)
    levels = value.view.thresholds
    pieces: list[Piece] = []
    for number, threshold in (
        (pressure.cpu, levels.pressure_cpu),
        (pressure.memory, levels.pressure_memory),
        (pressure.io, levels.pressure_io),
    ):
        pieces.append(Piece(bare_percent_text(number), _role(value, number, threshold)))
        pieces.append(Piece(" "))
    return tuple(pieces[:-1])


def _age(value: _HostCells) -> Row:
    seconds = (value.now - value.summary.at).total_seconds()
    fresh_s = math.ceil(value.style.refresh_s) + 1
    if seconds < fresh_s:  # a number that changed each time would repaint every row for nothing
        return (Piece(f"<{short_age(fresh_s)}", "muted"),)
    late = seconds > late_after_s(value.style.refresh_s)
    return (Piece(short_age(seconds), "degraded" if late else "muted"),)


COLUMNS: tuple[Column[_HostCells], ...] = (
    Column(lambda: _("host"), 10, lambda v: (Piece(v.view.name, "strong"),), grow=10, id="name"),
    Column(lambda: _("cpu"), 13, _cpu, priority=1, id="cpu"),
    Column(lambda: "us sy io st", 11, _split, priority=7),
    Column(lambda: _("mem"), 11, _memory, priority=2, id="memory"),
    Column(lambda: _("swap"), 4, _swap, priority=8, right=True, id="swap"),
    Column(lambda: _("fullest disk"), 13, _disk, priority=3, grow=6, id="disk"),
    Column(lambda: _("net in/out/s"), 13, _network, priority=5, right=True, id="network"),
    Column(lambda: _("load"), 8, _load, priority=6, right=True, id="load"),
    Column(lambda: "cpu·mem·io", 10, _pressure, priority=9, right=True),
    Column(lambda: _("age"), 4, _age, priority=4, right=True),
)
NARROW: tuple[Column[_HostCells], ...] = (
    Column(lambda: _("host"), 8, lambda v: (Piece(v.view.name, "strong"),), grow=16, id="name"),
    Column(lambda: _("cpu"), 4, lambda v: _cpu(v)[:1], priority=1, id="cpu"),
    Column(lambda: _("mem"), 4, lambda v: _memory(v)[:1], priority=2, id="memory"),
    Column(lambda: _("disk"), 4, lambda v: _disk(v)[:1], priority=3, id="disk"),
    Column(lambda: _("age"), 4, _age, priority=4, right=True),
)
INDENT = 3


def host_heading(style: TableStyle) -> Row:
    """The column titles of the table."""
    return heading(_chosen(style), INDENT, sorted_by=style.sort, mark=style.glyphs.sorted)


def _chosen(style: TableStyle) -> list[tuple[Column[_HostCells], int]]:
    columns = COLUMNS if style.width >= 50 else NARROW
    return choose(columns, style.width - INDENT - 1)


def host_row(view: HostView, now: datetime, style: TableStyle) -> Row:
    """One host: its numbers, or why there are none."""
    mark = (Piece(" "), Piece(style.glyphs.level(view.level), ROLES[view.level]), Piece(" "))
    if view.summary is None or isinstance(view.link, Unavailable):
        name = fit(clean(view.name), _chosen(style)[0][1])
        why = why_no_numbers(view, now, style.width - INDENT - len(name.rstrip()) - 3)
        row = (*mark, Piece(name, "strong"), Piece("  "), Piece(why, ROLES[view.level]))
        return squeezed(row, style.width - 1)
    return (*mark, *line(_chosen(style), _HostCells(view, view.summary, now, style)))


def well(view: View) -> str:
    """Return the text for a host, service or backend that has no reasons for its level. "healthy" refers to a service's
    health check: its requests may fail nevertheless; so may those of a backend's clients."""
    if view.level is Level.UNKNOWN:
        return _("not checked yet")
    if view.level is not Level.GOOD:
        return _("the reason was not recorded")
    if isinstance(view, ServiceView):
        return _("healthy")
    return _("no limit is exceeded") if isinstance(view, HostView) else _("LilFox found no problem")


def reasons_told(view: View) -> list[tuple[str, str]]:
    """Return each reason with its colour role: the one that its own limit gives it, not the worst of them all."""
    if isinstance(view, BackendView):
        reported = ROLES[min(view.level, Level.DEGRADED)]
        return [(str(each), reported if is_of_client(each) else ROLES[view.level]) for each in view.reasons]
    worst, lesser = split_reasons(view.reasons, view.lesser)
    role = ROLES[view.level]
    return [*((str(each), role) for each in worst), *((str(each), ROLES[Level.DEGRADED]) for each in lesser)]


def reason_pieces(view: View) -> Row:
    """Return why the level is what it is, on one line."""
    if not view.reasons:
        return (Piece(well(view), ROLES[view.level]),)
    pieces: list[Piece] = []
    for reason, role in reasons_told(view):
        pieces += [*((Piece(clauses(("", "")), "muted"),) if pieces else ()), Piece(clean(reason), role)]
    return tuple(pieces)


def plan_reasons(plan: PlanView) -> Row:
    """Return why a backup plan is not good, on one line."""
    return (Piece(clauses(map(str, plan.reasons)), ROLES[plan.level]),)


def held_for(view: View, now: datetime) -> str:
    """Return how long the level has lasted; empty in its first second, and where its start is unknown, as of much of
    the past."""
    return lasted_text((now - view.since).total_seconds())


_SORTED_BY: Mapping[str, Callable[[HostSummary], float | None]] = {
    "cpu": lambda summary: summary.cpu_percent,
    "memory": lambda summary: summary.memory_percent,
    "swap": lambda summary: summary.swap_percent,
    "disk": lambda summary: None if summary.fullest is None else summary.fullest.used_percent,
    "network": lambda summary: _sum(summary.network_in_s, summary.network_out_s),
    "load": lambda summary: None if summary.load is None else summary.load[0] / (summary.cpu_count or 1),
}
SORTS = ("worst", *_SORTED_BY, "name", "configured")
"""What the hosts can be sorted by: their levels, a value with the highest first, their names, or the configuration."""


def sorted_text(by: str) -> str:
    """What the hosts are sorted by, as words; empty for the levels, which are seen."""
    if by == "worst":
        return ""
    title = next((column.title() for column in COLUMNS if column.id == by), "")
    return _("by {column}", column=title) if title else _("as configured")


def _sum(*values: float | None) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def sorted_hosts(hosts: Sequence[HostView], by: str) -> list[HostView]:
    """The hosts sorted by one of ``SORTS``: unreachable ones first, those without the value last."""
    if by == "worst":
        return worst_first(hosts)
    if by == "configured":
        return list(hosts)
    if by == "name":
        return sorted(hosts, key=lambda view: view.name)
    value = _SORTED_BY[by]

    def rank(view: HostView) -> tuple[bool, float]:
        known = None if view.summary is None else value(view.summary)
        return not isinstance(view.link, Unavailable), math.inf if known is None else -known

    return sorted(hosts, key=rank)


def worst_first(views: Sequence[OneKind]) -> list[OneKind]:
    """The views by level (failing, degraded, unknown, good), within a level in the config's order."""
    return sorted(views, key=lambda view: -int(view.level))


# A host at a glance: meters of each core, of its memory, and of its disks. Pure.


_CORE_CELLS, _CORES_BELOW, _CORES_HIGH = 12, 2, 6
"""Cells of the meter of a core; how many stand below each other where others have room beside them, and how many at
most: where there are more, each is one cell."""


def core_meters(view: HostView, summary: HostSummary, style: TableStyle) -> list[Row]:
    """Each core as a bar, what all of them do, and the load against them; first the share of a limit, if there is
    one."""
    cells, limits, limit = _HostCells(view, summary, summary.at, style), view.thresholds, summary.limit
    rows: list[Row] = []
    if limit is not None and limit.cores is not None:
        of, role = _("of {cores:.2g} cores", cores=limit.cores), _role(cells, limit.cpu_percent, limits.cpu_percent)
        rows += meter_rows([_meter(_("this host"), limit.cpu_percent, role, of)], style.width, style.glyphs)
    cores = [(name, split.busy, level_role(split.busy, limits.cpu_percent)) for name, split in summary.cores]
    columns = min(max(1, -(-len(cores) // _CORES_BELOW)), max(1, style.width // _CORE_CELLS))
    if len(cores) > columns * _CORES_HIGH:
        rows += _cores_in_cells([(busy, role) for _name, busy, role in cores], style)
    elif cores:
        rows += meter_rows([_meter(*each) for each in cores], style.width, style.glyphs, columns)
    if summary.cpu is not None:
        wait = _role(cells, summary.cpu.iowait, limits.iowait_percent)
        steal = _role(cells, summary.cpu.steal, limits.steal_percent)
        rows.append(_named_percents((
            (_("user"), summary.cpu.user, "text"), (_("sys"), summary.cpu.system, "text"),
            (_("wait"), summary.cpu.iowait, wait), (_("steal"), summary.cpu.steal, steal),
        )))  # fmt: skip
    if summary.load is not None:
        rows.append((Piece(" " + _("load") + " ", "muted"), *load_pieces(view, summary)))
    return [*rows, *thread_rows(summary, style.width)]


def thread_rows(summary: HostSummary, width: int) -> list[Row]:
    """How many threads there are, how many run and how many wait for I/O; nothing if they are unknown."""
    if (found := summary.threads) is None:
        return []
    told = ((_("threads"), found.count), (_("running"), found.running), (_("on I/O"), found.blocked))
    return [_named_texts(width, *((name, str(count)) for name, count in told))]


def load_pieces(view: HostView, summary: HostSummary) -> Row:
    """The load averages, and the cores that they are against; nothing if they are unknown."""
    if summary.load is None:
        return ()
    first, *others = map(load_text, summary.load)
    cores = summary.cpu_count
    if not cores:
        return (Piece(f"{first} {' '.join(others)}"),)
    role = role_in_force(summary.load[0] / cores, view.thresholds.load_per_cpu, view.level)
    of = ngettext("of {count} core", "of {count} cores", cores)
    return (Piece(first, role), Piece(f" {' '.join(others)} "), Piece(of, "muted"))


def _cores_in_cells(cores: Sequence[tuple[float, str]], style: TableStyle) -> list[Row]:
    bars, width = style.glyphs.bars, max(1, style.width - 2)
    cells = [
        Piece(bars[max(1, round(min(100.0, busy) / 100 * (len(bars) - 2)))], "chart" if role == "text" else role)
        for busy, role in cores
    ]
    return [(Piece(" "), *cells[start : start + width]) for start in range(0, len(cells), width)]


def _meter(name: str, percent: float | None, role: str, behind: str = "") -> Meter:
    return Meter(clean(name), percent_text(percent).strip(), percent, role, behind)


def _named_percents(values: Sequence[tuple[str, float | None, str]]) -> Row:
    return tuple(
        piece
        for name, value, role in values
        for piece in (Piece(f" {name} ", "muted"), Piece(percent_text(value).strip() + " ", role))
    )


def memory_meters(view: HostView, summary: HostSummary, style: TableStyle) -> list[Row]:
    """The memory and the swap space with what is used of each, also of the machine and of LilFox's unit where they
    have other limits; and the pressure."""
    cells, limits = _HostCells(view, summary, summary.at, style), view.thresholds
    own = None if summary.own_limit is None else summary.own_limit.memory
    rooms = [(_("memory"), summary.memory_percent, memory_used(summary), summary.memory_total, limits.memory_percent)]
    for name, of in ((_("machine"), summary.machine), (_("LilFox unit"), own)):
        if of is not None:
            rooms.append((name, of.percent, of.total - of.available, of.total, limits.memory_percent))
    rooms.append((_("swap"), summary.swap_percent, summary.swap_used, summary.swap_total, limits.swap_percent))
    meters = [
        _meter(name, percent, _role(cells, percent, threshold), used_of(used, total))
        if total != 0
        else Meter(name, "", None, behind=_("none"))
        for name, percent, used, total, threshold in rooms
    ]
    if (parts := summary.memory_parts) is not None:
        meters[:2] = _with_cache(meters[:2], summary, parts)
    rows = meter_rows(meters, style.width, style.glyphs)
    if parts is not None:
        sizes = ((_("cached"), parts.cached), (_("free"), parts.free), (_("buffers"), parts.buffers))
        rows.append(_named_texts(style.width, *((name, human_bytes(size)) for name, size in sizes)))
    if (pressure := summary.pressure) is not None:
        values = ((_("cpu"), pressure.cpu, limits.pressure_cpu), (_("mem"), pressure.memory, limits.pressure_memory),
                  (_("io"), pressure.io, limits.pressure_io))  # fmt: skip
        told = [(name, value, _role(cells, value, threshold)) for name, value, threshold in values]
        rows.append((Piece(" " + _("pressure"), "muted"), *_named_percents(told)))
    for limit, text in (
        (summary.limit if summary.machine is not None else None, _("the host has a limit: control group {cgroup}")),
        (summary.own_limit if own is not None else None, _("LilFox's own limit: control group {cgroup}")),
    ):
        if limit is not None:
            rows.append((Piece(" " + fit_middle(text.format(cgroup=clean(limit.cgroup)), style.width - 2), "muted"),))
    return rows


def _with_cache(meters: Sequence[Meter], summary: HostSummary, parts: MemoryParts) -> list[Meter]:
    """Both meters; that of the machine also with the memory that the kernel would give back."""
    of = summary.machine
    total, available = (summary.memory_total, summary.memory_available) if of is None else (of.total, of.available)
    if not total or available is None:
        return list(meters)
    also = 100 * max(0.0, available - parts.free) / total
    return [replace(each, also=also) if (at == 0) is (of is None) else each for at, each in enumerate(meters)]


def _named_texts(width: int, *values: tuple[str, str]) -> Row:
    """As many of the values with their names as have room."""
    _head, first, *others = _fitting(Piece(""), [(name, (Piece(text),)) for name, text in values], width)
    return (Piece(first.text.removeprefix(" "), first.role), *others)


def memory_used(summary: HostSummary) -> float | None:
    """The bytes of memory in use; None if unknown."""
    total, available = summary.memory_total, summary.memory_available
    return None if total is None or available is None else max(0.0, total - available)


def used_of(used: float | None, total: float | None) -> str:
    """What is used of a size: ``717M / 24G``."""
    return f"{human_bytes(used)} / {human_bytes(total)}"


_METER_REST = 12
"""Cells of a meter besides its name and what stands behind it, with a bar that is worth one."""


def disk_meters(view: HostView, summary: HostSummary, style: TableStyle, lines: int) -> list[Row]:
    """As many filesystems as there are ``lines`` for, the fullest first, with what is used and free of each, or free
    alone where that leaves no bars; and what all disks read and write."""
    cells = _HostCells(view, summary, summary.at, style)
    rows: list[Row] = []
    if summary.disks:
        busy = max((each.utilisation_percent for each in summary.disks if each.utilisation_percent is not None),
                   default=None)  # fmt: skip
        rates = _rates((_("read"), summary.disk_read_s), (_("write"), summary.disk_write_s))
        rates += [] if busy is None else [(_("busy"), percent_text(busy).strip())]
        known = tuple(each for name, text in rates for each in (Piece(f" {name} ", "muted"), Piece(text + " ")))
        rows.append(known or (Piece(" " + _("no data yet"), "muted"),))
    fullest = sorted(summary.filesystems, key=lambda each: -each.used_percent)[: max(_DISKS_LEAST, lines - len(rows))]
    names = [fit_middle(clean(each.mountpoint), style.width // 3) for each in fullest]
    told = [_("{size} free", size=human_bytes(each.available_bytes)) for each in fullest]
    whole = [
        _("{used} used", used=human_bytes(each.used_bytes)) + f"  {free}"
        for each, free in zip(fullest, told, strict=True)
    ]
    longest = max(map(cell_width, names), default=0) + max(map(cell_width, whole), default=0)
    told = whole if longest + _METER_REST <= style.width else told
    meters = [
        _meter(name, each.used_percent, _role(cells, each.used_percent, view.thresholds.disk_percent), behind)
        for name, each, behind in zip(names, fullest, told, strict=True)
    ]
    return [*(meter_rows(meters, style.width, style.glyphs) if meters else ()), *rows]


def figure_rows(view: HostView, style: TableStyle, *, named: bool) -> list[Row]:
    """What the row of a host has no room for, in lines below it: how much memory is used, the load, what is free on the
    fullest disk, and the network; ``named``: with its name. What has no room is left out."""
    summary = view.summary
    if summary is None or isinstance(view.link, Unavailable):
        return []
    there = {column.id for column, _width in _chosen(style)}
    swap = _("none") if summary.swap_total == 0 else used_of(summary.swap_used, summary.swap_total)
    rates = _rates((_("net in"), summary.network_in_s), (_("out"), summary.network_out_s))
    rates = rates or ([(_("network"), _("no data yet"))] if summary.interfaces else [])
    lines: list[list[tuple[str, Row]]] = [
        [(_("memory"), (Piece(used_of(memory_used(summary), summary.memory_total)),)), (_("swap"), (Piece(swap),))],
        [(_("load"), load_pieces(view, summary))] if summary.load is not None else [],
        [] if "network" in there else [(name, (Piece(text),)) for name, text in rates],
    ]
    if (fullest := summary.fullest) is not None:
        free = _("{size} free", size=human_bytes(fullest.available_bytes))
        lines[1].append((fit_middle(clean(fullest.mountpoint), _MOUNT_CELLS), (Piece(free),)))
    heads = [Piece(f" {clean(view.name)}" if named else " ", "strong"), *[Piece(" ")] * len(lines)]
    told = zip(heads, filter(None, lines), strict=False)
    return [tuple(_fitting(head, figures, style.width)) for head, figures in told]


def _rates(*rates: tuple[str, float | None]) -> list[tuple[str, str]]:
    return [(name, f"{human_bytes(rate)}/s") for name, rate in rates if rate is not None]


def _fitting(head: Piece, figures: Sequence[tuple[str, Row]], width: int) -> Iterator[Piece]:
    yield head
    left = width - cell_width(head.text)
    for name, text in figures:
        pieces = (Piece(f"  {name} ", "muted"), *text)
        left -= row_width(pieces)
        if left < 0:
            return
        yield from pieces


_MOUNT_CELLS = 16
_DISKS_LEAST = 2
"""Filesystems among the meters at least."""


# What changed: since the last visit, or on one host, service or backend.

MOST_CHANGES = 10


def lately_rows(changes: Sequence[StatusChange], now: datetime, glyphs: Glyphs) -> list[Row]:
    """Return rows for the newest ``MOST_CHANGES`` of ``changes`` (newest first) up to ``now``."""
    rows: list[Row] = []
    for each in [each for each in changes if each.at <= now][:MOST_CHANGES]:
        mark = Piece(glyphs.level(each.level) + " ", ROLES[each.level])
        rows.append((Piece(each.at.strftime(" %H:%M:%S "), "muted"), mark, Piece(str(each.what))))
    return rows


def change_rows(changes: Sequence[StatusChange], glyphs: Glyphs, room: int | None = None) -> list[Row]:
    """Return rows for what changed since the last visit (oldest first): a title, then the newest first; ``room`` rows
    at most."""
    rows: list[Row] = [BLANK, (Piece(" " + _("Since you last looked"), "title"),)]
    for each in changes[::-1] if room is None else changes[::-1][: room - len(rows)]:
        mark = Piece(glyphs.level(each.level) + " ", ROLES[each.level])
        at = Piece(each.at.strftime("%m-%d %H:%M:%S  "), "muted")
        name = each.subject.partition("/")[2]
        rows.append((Piece(" "), mark, at, Piece(name + "  ", "strong"), Piece(str(each.what))))
    return rows if len(rows) > 2 else [*rows, (Piece("   " + _("nothing"), "muted"),)]
