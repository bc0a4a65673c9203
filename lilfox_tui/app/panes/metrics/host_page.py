"""A host's page as rows: charts, then every part of the machine, and the host key if it is not trusted. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from lilfox_tui.app.rendering.chart import Axes, Curve, Values, beside, chart, plot_points
from lilfox_tui.app.rendering.columns import EXACT, Digits, wrapped
from lilfox_tui.app.rendering.draw import BLANK, Glyphs, Piece, Row
from lilfox_tui.app.rows.hosts import ROLES, held_for, lately_rows, level_role, well, why_no_numbers
from lilfox_tui.config.model import Threshold, Thresholds
from lilfox_tui.core.aio import Ready, Unavailable
from lilfox_tui.core.errors import HostKeyChanged, HostKeyUnknown
from lilfox_tui.core.i18n import _, ngettext
from lilfox_tui.core.text import cell_width, clean, fit, human_bytes, human_duration
from lilfox_tui.metrics.model import HostSummary, ProcessUsage, Series
from lilfox_tui.monitor.model import HostView, ServiceView, StatusChange

Past = Callable[[Series, int], Values]
"""``past(series, columns)``: that many values over the page's window, oldest first."""


class HostPage(Struct, frozen=True):
    """The contents of the page."""

    view: HostView
    processes: Sequence[ProcessUsage] | None
    changes: Sequence[StatusChange]
    past: Past
    now: datetime
    """The page's newest moment: now, or the moment rewound to (aware UTC)."""
    window: timedelta
    thresholds: Thresholds
    glyphs: Glyphs
    width: int
    charts_only: bool = False
    chart_height: int = 5
    digits: Digits = EXACT
    below_charts: Callable[[], Sequence[Row]] = tuple
    """What is to be said of the charts, once they are drawn."""


def host_page(page: HostPage) -> list[Row]:
    """All rows of the page; the first two stay on the screen."""
    rows = _head(page)
    summary = page.view.summary
    if summary is None:
        return [*rows, (Piece("   " + _("no data for this host yet"), "muted"),), *page.below_charts()]
    rows += [*_charts(page, summary), *page.below_charts()]
    if page.charts_only:
        return rows
    rows += _cores(page, summary) + _memory(page, summary) + _disks(page, summary) + _filesystems(page, summary)
    rows += _interfaces(page, summary) + _units(summary)
    rows += _top(page) + lately_rows(page.changes, page.now, page.glyphs) + _trouble(summary)
    return rows


def _head(page: HostPage) -> list[Row]:
    view, summary = page.view, page.view.summary
    facts = []
    if view.config.address and view.config.address != view.name:
        facts.append(view.config.address)
    if summary is not None:
        facts.append(summary.kernel)
        if summary.cpu_count:
            cores = ngettext("{count} core", "{count} cores", summary.cpu_count)
            limit = None if summary.limit is None else summary.limit.cores
            facts.append(cores if limit is None else _("{limit:.2g} of {cores}", limit=limit, cores=cores))
        if summary.uptime_s is not None:
            facts.append(_("up {time}", time=human_duration(summary.uptime_s)))
        if summary.clock_offset_s is not None and summary.clock_error_s is not None:
            facts.append(_clock(summary.clock_offset_s, summary.clock_error_s))
    if isinstance(view.link, Ready):
        facts.append(view.link.value.description)
    mark = Piece(page.glyphs.level(view.level) + " ", ROLES[view.level])
    tags = (Piece("  " + " ".join(view.config.tags), "muted"),) if view.config.tags else ()
    return [
        (
            Piece(" "),
            mark,
            Piece(view.name, "strong"),
            Piece("   " + "  ".join(fact for fact in facts if fact), "muted"),
            *tags,
        ),
        *wrapped(reason_rows(view, page.now), page.width),
    ]


def reason_rows(view: HostView | ServiceView, now: datetime) -> list[Row]:
    """The reasons for the level of a host or service, one per row so that none cuts off another, and how long it has
    lasted; for an unreachable host also what to do."""
    role = ROLES[view.level]
    if isinstance(view, HostView) and isinstance(view.link, Unavailable):
        hint = str(view.link.error.hint or "")
        why = (Piece("   "), Piece(why_no_numbers(view, now), role))  # it says since when
        return [why, *([(Piece("   "), Piece(hint))] if hint else [])]
    reasons = [str(reason) for reason in view.reasons] or [well(view)]
    rows: list[Row] = [(Piece("   "), Piece(reason, role)) for reason in reasons]
    if held := held_for(view, now):
        rows[0] = (*rows[0], Piece("  " + _("for {time}", time=held), "muted"))
    return rows


def _clock(offset_s: float, error_s: float) -> str:
    if abs(offset_s) <= error_s:
        return _("clock ±{error}", error=human_duration(error_s))
    return _("clock {sign}{offset}", sign="+" if offset_s > 0 else "-", offset=human_duration(abs(offset_s)))


class _Unit(Struct, frozen=True):
    """The unit of a chart: axis labels, the format of the newest value, and the scale."""

    axis: Callable[[float], str]
    told: Callable[[Digits, float], str]
    top: float | None = None
    binary: bool = False


_PERCENT = _Unit(lambda value: f"{value:.0f}%", lambda digits, value: digits.percent(value).strip(), top=100.0)
_RATE = _Unit(lambda value: human_bytes(value) + "/s", lambda digits, value: digits.bytes(value) + "/s", binary=True)
_LOAD = _Unit(lambda value: f"{value:.2g}", Digits.load)


class _HostChart(Struct, frozen=True):
    title: str
    series: Series
    unit: _Unit
    now: float | None
    limits: Threshold | None = None


def _charts(page: HostPage, summary: HostSummary) -> list[Row]:
    load = summary.load[0] if summary.load else None
    iowait = summary.cpu.iowait if summary.cpu else None
    wanted = (
        _HostChart(_("CPU busy"), Series("cpu_usage_percent"), _PERCENT, summary.cpu_percent,
                   page.thresholds.cpu_percent),
        _HostChart(_("Memory used"), Series("memory_usage_percent"), _PERCENT, summary.memory_percent,
                   page.thresholds.memory_percent),
        _HostChart(_("Disk read"), Series("all_disks_read_bytes_per_second"), _RATE, summary.disk_read_s),
        _HostChart(_("Disk written"), Series("all_disks_written_bytes_per_second"), _RATE, summary.disk_write_s),
        _HostChart(_("Network in"), Series("all_interfaces_receive_bytes_per_second"), _RATE, summary.network_in_s),
        _HostChart(_("Network out"), Series("all_interfaces_transmit_bytes_per_second"), _RATE, summary.network_out_s),
        _HostChart(_("Load, 1 min"), Series("load1"), _LOAD, load),
        _HostChart(_("I/O wait"), Series("cpu_percent", (("mode", "iowait"),)), _PERCENT, iowait,
                   page.thresholds.iowait_percent),
    )  # fmt: skip
    two = page.width >= 76
    width = page.width // 2 - 1 if two else page.width - 2
    blocks = [_one_chart(page, each, width) for each in wanted]
    rows: list[Row] = []
    if two:
        for left, right in zip(blocks[::2], blocks[1::2], strict=True):
            rows += [BLANK, *beside(left, right, width + 1)]
    else:
        for block in blocks:
            rows += [BLANK, *block]
    return rows


def _one_chart(page: HostPage, wanted: _HostChart, width: int) -> list[Row]:
    values = page.past(wanted.series, plot_points(width))
    lost = isinstance(page.view.link, Unavailable)  # the last number is an old one then
    return chart(
        wanted.title,
        [Curve(values)],
        Axes(
            unit=wanted.unit.axis,
            start=page.now - page.window,
            end=page.now,
            top=wanted.unit.top,
            binary=wanted.unit.binary,
            warn=None if wanted.limits is None else wanted.limits.warn,
            fail=None if wanted.limits is None else wanted.limits.fail,
        ),
        width=width,
        height=page.chart_height,
        glyphs=page.glyphs,
        now_text=_("unknown") if wanted.now is None or lost else wanted.unit.told(page.digits, wanted.now),
    )


def _section(title: str, columns: str = "") -> list[Row]:
    return [BLANK, (Piece(" " + fit(title, 16), "title"), Piece(columns, "muted"))]


def _name(text: str, width: int = 14) -> Piece:
    return Piece("   " + fit(clean(text), width), "text")


def _cores(page: HostPage, summary: HostSummary) -> list[Row]:
    if not summary.cores:
        return []
    rows = _section(_("CPU"), _("  busy  user   sys  wait steal"))
    bar = max(10, min(40, page.width - 52))
    limit, whole = summary.limit, _("all")
    if limit is not None and limit.cores is not None:
        whole = _("machine")
        role = level_role(limit.cpu_percent, page.thresholds.cpu_percent)
        of = Piece("  " + _("of the {cores:.2g} cores it may use", cores=limit.cores), "muted")
        numbers = f"  {page.digits.percent(limit.cpu_percent)}"
        rows.append((_name(_("this host")), Piece(numbers, role), *_gauge(page, limit.cpu_percent, bar), of))
    both = ((whole, summary.cpu), *summary.cores) if summary.cpu is not None else summary.cores
    for name, split in both:
        shares = (split.busy, split.user, split.system, split.iowait, split.steal)
        numbers = "".join(f"  {page.digits.percent(share)}" for share in shares)
        role = level_role(split.busy, page.thresholds.cpu_percent)
        rows.append((_name(name), Piece(numbers, role), *_gauge(page, split.busy, bar)))
    return rows


def _gauge(page: HostPage, value: float | None, width: int) -> Row:
    """A bar of ``value`` percent."""
    if value is None:
        return ()
    filled = round(min(100.0, max(0.0, page.digits.rounded(value))) / 100 * width)
    return (
        Piece("  "),
        Piece(page.glyphs.bars[-1] * filled, "chart"),
        Piece(page.glyphs.rule * (width - filled), "rule"),
    )


def _memory(page: HostPage, summary: HostSummary) -> list[Row]:
    rows = _section(_("Memory"), _("  used   size  free"))
    own = None if summary.own_limit is None else summary.own_limit.memory
    swap_free = None
    if summary.swap_total is not None and summary.swap_used is not None:
        swap_free = summary.swap_total - summary.swap_used
    limits = page.thresholds
    rows.append(
        _room(page, _("memory"), summary.memory_percent, summary.memory_total, summary.memory_available,
              limits.memory_percent)
    )  # fmt: skip
    if summary.machine is not None and summary.limit is not None:
        machine = summary.machine
        row = _room(page, _("machine"), machine.percent, machine.total, machine.available, None)
        why = _("the host has a limit: control group {cgroup}", cgroup=clean(summary.limit.cgroup))
        rows.append((*row, Piece("  " + why, "muted")))
    if own is not None and summary.own_limit is not None:
        row = _room(page, _("LilFox unit"), own.percent, own.total, own.available, limits.memory_percent)
        why = _("LilFox's own limit: control group {cgroup}", cgroup=clean(summary.own_limit.cgroup))
        rows.append((*row, Piece("  " + why, "muted")))
    rows.append(_room(page, _("swap"), summary.swap_percent, summary.swap_total, swap_free, limits.swap_percent))
    if summary.pressure is not None:
        pressure = summary.pressure
        shown = "  ".join(
            f"{name} {page.digits.percent(value).strip()}"
            for name, value in ((_("cpu"), pressure.cpu), (_("memory"), pressure.memory), (_("io"), pressure.io))
        )
        rows.append((_name(_("pressure")), Piece("  " + shown)))
    return rows


def _room(
    page: HostPage, name: str, used: float | None, total: float | None, free: float | None, threshold: Threshold | None
) -> Row:
    """One kind of memory: its share in use, its size, and what is free."""
    if total == 0:
        return (_name(name), Piece("  " + _("none"), "muted"))
    numbers = f"  {page.digits.percent(used)}  {human_bytes(total):>5} {human_bytes(free):>5}"
    role = "text" if threshold is None else level_role(used, threshold)
    bar = max(10, min(40, page.width - 52))
    return (_name(name), Piece(numbers, role), *_gauge(page, used, bar))


def _disks(page: HostPage, summary: HostSummary) -> list[Row]:
    if not summary.disks:
        return []
    rows = _section(_("Disks"), _("   read  written  reads/s writes/s   busy"))
    digits = page.digits
    for disk in summary.disks:
        numbers = (
            f"  {digits.bytes(disk.read_bytes_s):>5}    {digits.bytes(disk.write_bytes_s):>5}"
            f"    {digits.count(disk.reads_s):>5}    {digits.count(disk.writes_s):>5}"
            f"  {digits.percent(disk.utilisation_percent)}"
        )
        rows.append((_name(disk.device), Piece(numbers)))
    return rows


def _filesystems(page: HostPage, summary: HostSummary) -> list[Row]:
    if not summary.filesystems:
        return []
    rows = _section(_("Filesystems"), _("   used   size   free inodes"))
    for fs in sorted(summary.filesystems, key=lambda each: -each.used_percent):
        role = level_role(fs.used_percent, page.thresholds.disk_percent)
        inodes = page.digits.percent(fs.inode_percent)
        sizes = f"  {human_bytes(fs.size_bytes):>5}  {human_bytes(fs.available_bytes):>5}  {inodes}"
        rows.append(
            (
                _name(fs.mountpoint),
                Piece("   " + page.digits.percent(fs.used_percent), role),
                Piece(sizes),
                Piece(f"   {fs.kind} {fs.device}" + (" " + _("read-only") if fs.read_only else ""), "muted"),
            )
        )
    return rows


def _interfaces(page: HostPage, summary: HostSummary) -> list[Row]:
    if not summary.interfaces:
        return []
    rows = _section(_("Interfaces"), _("     in    out  errors/s"))
    for each in summary.interfaces:
        errors = None
        if each.receive_errors_s is not None and each.transmit_errors_s is not None:
            errors = each.receive_errors_s + each.transmit_errors_s
        numbers = f"  {page.digits.bytes(each.receive_bytes_s):>5}  {page.digits.bytes(each.transmit_bytes_s):>5}"
        rows.append(
            (
                _name(each.device),
                Piece(numbers),
                Piece(f"  {page.digits.count(errors):>5}", "failing" if errors else "text"),
            )
        )
    return rows


def _units(summary: HostSummary) -> list[Row]:
    if summary.failed_units is None:
        return []
    rows = _section(_("Failed units"))
    if not summary.failed_units:
        return [*rows[:1], (*rows[1], Piece(_("none"), "muted"))]
    return [*rows, *((Piece("   "), Piece(unit, "degraded")) for unit in summary.failed_units)]


def _top(page: HostPage) -> list[Row]:
    if page.processes is None:
        return []
    rows = _section(_("Processes"), _("    pid     cpu   memory  user"))
    for each in page.processes:
        cpu = "-" if each.cpu_percent is None else f"{page.digits.rounded(each.cpu_percent):.0f}%"
        pid = fit(str(each.pid), 7, right=True)  # both are what a host says: of any length
        numbers = f"{pid}   {fit(cpu, 5, right=True)}    {human_bytes(each.resident_bytes):>5}  "
        command = Piece("  " + each.command, "text")
        rows.append((Piece(" " * 17), Piece(numbers), Piece(fit(clean(each.user), 10), "muted"), command))
    return rows


def _trouble(summary: HostSummary) -> list[Row]:
    if not summary.problems:
        return []
    rows = _section(_("Could not read"))
    return [
        *rows,
        *((_name(kind), Piece("  " + str(why), "degraded")) for kind, why in sorted(summary.problems.items())),
    ]


# What is said of a host's key that is not trusted: one that nobody knows yet, and one that has changed. Pure.


def unknown_key_rows(host: str, error: HostKeyUnknown) -> list[Row]:
    """What is shown before the user trusts an unknown key."""
    return [
        *_named(
            (_("host"), Piece(host, "strong")),
            (_("fingerprint"), Piece(f"{error.key_type} {error.fingerprint}", "accent")),
        ),
        (Piece("  " + _("Verify the fingerprint with the host's owner through a different channel.")),),
    ]


def changed_key_rows(host: str, error: HostKeyChanged) -> list[Row]:
    """Both fingerprints and what to do about a key that changed or is revoked. No key press accepts it here."""
    heading, steps = _("THE KEY OF {host} HAS CHANGED", host=host), _changed_steps()
    if error.revoked:
        heading, steps = _("THE KEY OF {host} IS REVOKED", host=host), _revoked_steps()
    return [
        (Piece(" " + heading, "failing"),),
        BLANK,
        *_named(
            (_("presented now"), Piece(error.fingerprint, "failing")),
            (_("known"), Piece(error.known or _("only revoked keys"), "strong")),
        ),
        BLANK,
        (Piece("  "), Piece(str(error.message))),
        (Piece("  "), Piece(str(error.hint))),
        BLANK,
        (Piece("  "), Piece(_("Until this is resolved, LilFox sends nothing to the host: no commands, no passwords."))),
        *((Piece("  "), Piece(step)) for step in steps),
    ]


def _changed_steps() -> list[str]:
    return [
        _("1. Ask the host's owner, through a different channel, whether its key was replaced."),
        _("2. Only if it was: remove the old line as shown above, then press R to retry."),
        _("3. The new key is then unknown: compare its fingerprint, and trust it with K."),
    ]


def _revoked_steps() -> list[str]:
    return [
        _("1. Ask the host's owner, through a different channel, why the key was revoked."),
        _("2. Keep the @revoked line in known_hosts. Have the owner generate a new host key, then press R to retry."),
        _("3. If the new key is unknown, compare its fingerprint, and trust it with K."),
    ]


def _named(*rows: tuple[str, Piece]) -> list[Row]:
    width = max(cell_width(name) for name, _value in rows)
    return [(Piece("  " + name + " " * (width - cell_width(name)), "muted"), Piece("  "), each) for name, each in rows]
