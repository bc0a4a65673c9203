"""Rows of the tables and pages: what is wrong is said, nothing hostile gets through, nothing is clipped half-way."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lilfox_tui.app.frame import HeaderState, fitting, header
from lilfox_tui.app.panes.metrics.host_page import HostPage, host_page, load_limits
from lilfox_tui.app.panes.metrics.problems import reason_rows
from lilfox_tui.app.panes.metrics.service_page import ServicePage, service_page, service_row, windows_text
from lilfox_tui.app.rendering.columns import share_text
from lilfox_tui.app.rendering.draw import ASCII, UNICODE, Palette, Piece, Row, safe
from lilfox_tui.app.rows.hosts import TableStyle, figure_rows, host_heading, host_row, reason_pieces
from lilfox_tui.app.rows.processes import others_rows
from lilfox_tui.config.model import Threshold, Thresholds
from lilfox_tui.config.themes import load_theme
from lilfox_tui.core.aio import Ready
from lilfox_tui.core.i18n import tr
from lilfox_tui.core.text import cell_width, clean
from lilfox_tui.metrics.model import (
    FilesystemUsage,
    InterfaceActivity,
    Level,
    Limit,
    Memory,
    ProcessTotals,
    ProcessUsage,
)
from lilfox_tui.metrics.traffic import Quantile, Traffic
from lilfox_tui.monitor.model import HostView, StatusChange
from tests.app.overviews import GIB, NOW, host, lost, mixed, service, summary

HOSTILE = "\x1b]52;c;aGk=\x07\x1b[31m[@click=app.quit]x[/x]\x9b2J\u202eevil\u200b\n\t\x00"


def text_of(row: Row) -> str:
    return "".join(piece.text for piece in row)


def style(width: int) -> TableStyle:
    return TableStyle(width=width, glyphs=UNICODE, refresh_s=2)


def test_a_status_keeps_two_cells_from_the_message_before_it() -> None:
    told: list[Row] = [(Piece("a long message"),), (Piece("short"),)]
    spaced, close = (Piece("  running"),), (Piece("running"),)
    assert text_of(fitting(["Metrics"], {}, told, spaced, 80)) == "a long message  running"
    assert text_of(fitting(["Metrics"], {}, told, close, 80)) == "a long message  running"
    assert text_of(fitting(["Metrics"], {}, told, close, 30)) == "short  running"
    assert text_of(fitting(["Metrics"], {}, told, close, 12)) == "running"


@pytest.mark.parametrize("width", [40, 60, 72, 80, 100, 120, 160, 200])
def test_every_row_fits_its_width(width: int) -> None:
    overview = mixed()
    for view in overview.hosts.values():
        row = host_row(view, NOW, style(width))
        assert view.name in text_of(row)
        if view.summary is not None:
            assert cell_width(text_of(row)) <= width
    assert cell_width(text_of(host_heading(style(width)))) <= width


def test_a_lost_host_says_why_and_when_it_is_tried_again() -> None:
    seen = replace(lost("model-1"), summary=summary("model-1", 23, 61, 71))
    text = text_of(host_row(seen, NOW, style(80)))
    assert "✖ model-1" in text
    assert "no sample for 14 s, next try in 4 s: connection lost" in text
    assert "0%" not in text


def test_a_host_whose_next_try_is_due_is_being_tried() -> None:
    seen = replace(lost("model-1"), summary=summary("model-1", 23, 61, 71))
    text = text_of(host_row(seen, NOW + timedelta(seconds=20), style(80)))
    assert "no sample for 34 s, trying now: connection lost" in text


def test_numbers_are_right() -> None:
    text = text_of(host_row(host("web-1", Level.GOOD, summary("web-1", 23, 61, 71)), NOW, style(140)))
    for part in ("23%", "18  5  1  0", "61%", "71% /var", "1.1M /  332K", "1.15/4"):
        assert part in text


def test_an_old_row_says_how_old() -> None:
    old = summary("web-1", 23, 61, 71, at=NOW - timedelta(seconds=70))
    row = host_row(host("web-1", Level.GOOD, old), NOW, style(100))
    assert any(piece.text.strip() == "1m" and piece.role == "degraded" for piece in row)


def test_unknown_is_never_zero() -> None:
    bare = replace(
        summary("web-1", 23, 61, 71), cpu=None, memory_percent=None, fullest=None, load=None, network_in_s=None
    )
    text = text_of(host_row(host("web-1", Level.GOOD, bare), NOW, style(120)))
    assert "0%" not in text.replace(" 0% ", "", 1)  # swap is known, and 0


@pytest.mark.fault("S3", "S4")
def test_nothing_hostile_leaves_the_text_factory() -> None:
    palette = Palette(load_theme("fox-dark"), ascii_only=False)
    shown = palette.strip((Piece(HOSTILE),), 120).text
    assert all(char.isprintable() for char in shown)
    assert "[@click=app.quit]x[/x]" in shown
    assert "\u202e" not in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("refuses the connection", "refuses…"),
        ("重试连接吧", "重试连…"),
        ("refuses         ", "refuses "),
        ("refuses", "refuses "),
    ],
)
def test_words_that_are_cut_off_leave_a_mark(text: str, shown: str) -> None:
    line = Palette(load_theme("fox-dark"), ascii_only=False).strip((Piece(text),), 8)
    assert (line.text.rstrip(), line.cell_length) == (shown.rstrip(), 8)


def test_an_ascii_terminal_gets_ascii() -> None:
    palette = Palette(load_theme("mono"), ascii_only=True)
    narrow = replace(style(100), glyphs=ASCII)
    for view in mixed().hosts.values():
        assert palette.strip(host_row(view, NOW, narrow), 100).text.isascii()


@given(st.text())
def test_what_an_ascii_terminal_gets_is_as_wide_as_what_was_measured(text: str) -> None:
    assert len(safe(text, True)) == cell_width(clean(text))
    assert safe(text, True).isascii()


def test_a_name_that_an_ascii_terminal_lacks_leaves_the_clock_at_the_edge() -> None:
    state = HeaderState("监控中心", NOW, None, False, False, True)
    shown = Palette(load_theme("mono"), ascii_only=True).strip(header(mixed(), state, 80, ASCII), 80).text
    assert shown.endswith("03:12:44 UTC ")
    assert "  ????????  " in shown


def test_a_service_that_is_ill_says_what_and_since_when() -> None:
    overview = mixed()
    text = text_of(service_row(overview.services["backend"], NOW, style(100)))
    for part in ("✖ backend", "503", "6m", "answers 503, expected 200"):
        assert part in text
    assert "connection refused" in text_of(service_row(overview.services["model"], NOW, style(100)))


def test_a_reason_that_has_little_room_in_the_table_of_services_is_not_cut() -> None:
    why = "10.0.0.9:8443 refuses the connection: nothing is listening on that port"
    view = service("model", Level.FAILING, None, None, tr("{why}", why=why))
    assert why in text_of(service_row(view, NOW, style(120)))
    assert text_of(service_row(view, NOW, style(60))).split() == ["✖", "model", "error", "for", "6", "min"]
    short = service("model", Level.FAILING, None, None, tr("connection refused"))
    rows = {width: text_of(service_row(short, NOW, style(width))).split()[3:] for width in (60, 46, 40)}
    assert rows[60] == ["connection", "refused", "6m"]
    assert ["connection", "refused"] in (rows[46], rows[40]), "of both, the reason is kept"


def test_what_is_not_known_of_a_services_requests_is_blank_and_never_none() -> None:
    known = Traffic(NOW, 30.0, requests_s=0.0, in_flight=2.0)
    view = replace(mixed().services["gateway"], traffic=Ready(known, NOW))
    text = text_of(service_row(view, NOW, style(120)))
    assert text.split() == ["●", "gateway", "200", "12ms", "0", "2", "6m"]
    assert "%" not in text


def test_the_columns_of_requests_leave_one_after_the_other_and_keep_their_order() -> None:
    known = Traffic(
        NOW, 30.0, 7.0, Quantile(0.5), Quantile(2.0), Quantile(3.0), client_errors=1.0, server_errors=9.0, in_flight=2.0
    )
    view = replace(mixed().services["gateway"], traffic=Ready(known, NOW))
    rows = {width: service_row(view, NOW, style(width)) for width in (140, 100, 80, 70, 60, 50, 40)}
    texts = {width: text_of(row) for width, row in rows.items()}
    assert all("9.0%" in text and "2.0s" in text for text in texts.values()), "errors and p95 stay longest"
    assert "500ms" in texts[100]
    assert "500ms" not in texts[80]
    assert "3.0s" in texts[80]
    assert "3.0s" not in texts[50]
    for width, text in texts.items():
        assert cell_width(text) <= width
    roles = {piece.text.strip(): piece.role for piece in rows[140]}
    assert (roles["2.0s"], roles["500ms"]) == ("degraded", "text")


def test_the_window_of_shares_and_rates_stands_above_them() -> None:
    view = mixed().services["gateway"]
    shown = [replace(view, traffic=Ready(Traffic(NOW, seconds, requests_s=1.0), NOW)) for seconds in (30.1, 28.4, 30.0)]
    assert windows_text(shown) == "over 28-30 s"
    assert windows_text(shown[:1]) == "over 30 s"
    assert windows_text([replace(view, traffic=Ready(Traffic(NOW, 0.001), NOW)), view]) == "", "there is no rate"


@pytest.mark.parametrize(
    ("level", "percent", "role"),
    [(Level.GOOD, 9.0, "text"), (Level.DEGRADED, 9.0, "degraded"), (Level.DEGRADED, 94.0, "degraded"),
     (Level.FAILING, 94.0, "failing"), (Level.FAILING, 4.0, "text")],
)  # fmt: skip
def test_errors_have_the_colour_of_their_threshold_and_none_worse_than_the_service(
    level: Level, percent: float, role: str
) -> None:
    known = Traffic(NOW, 30.0, 7.0, server_errors=percent)
    view = replace(mixed().services["gateway"], level=level, traffic=Ready(known, NOW))
    roles = {piece.text.strip(): piece.role for piece in service_row(view, NOW, style(140))}
    assert roles[share_text(percent).strip()] == role


def test_each_reason_has_the_colour_of_its_own_limit() -> None:
    reasons = (tr("cpu 97% > 95%"), tr("cpu pressure 78% > 40%"))
    view = replace(mixed().hosts["web-1"], level=Level.FAILING, reasons=reasons, lesser=1)
    assert [piece.role for piece in reason_pieces(view)] == ["failing", "muted", "degraded"]
    assert text_of(reason_pieces(view)) == "cpu 97% > 95%; cpu pressure 78% > 40%"
    assert [row[1].role for row in reason_rows(view, NOW)] == ["failing", "degraded"]


PROCESSES = (
    ProcessUsage(1, "root", "systemd " + HOSTILE, "S", 1.5, 12_000_000),
    ProcessUsage(10**22, "x" * 99, "liar", "S", 1e9, 10**40),
)


def page(
    width: int,
    shown: HostView | None = None,
    changes: Sequence[StatusChange] = (),
    processes: Sequence[ProcessUsage] | None = PROCESSES,
    totals: ProcessTotals | None = None,
    height: int = 0,
    past: float = 50.0,
) -> list[Row]:
    view = shown or host("web-1", Level.GOOD, summary("web-1", 23, 61, 71))
    return host_page(
        HostPage(
            view=view,
            processes=processes,
            changes=changes,
            past=lambda _series, columns: [None] * columns,  # what is asked of others is not there yet
            recorded=lambda _series, columns: [past] * columns,
            now=NOW,
            window=timedelta(minutes=5),
            glyphs=UNICODE,
            width=width,
            process_totals=totals,
            process_sort="memory",
            height=height,
        )
    )


@pytest.mark.fault("4.91")
@pytest.mark.parametrize("width", [80, 120])
def test_a_container_says_its_limits_and_the_machines_numbers(width: int) -> None:
    numbers = replace(
        summary("box", 5, 97, 71),
        memory_total=GIB, memory_available=0.03 * GIB,
        limit=Limit("/", Memory(GIB, 0.03 * GIB), 0.5, 88.0), machine=Memory(16 * GIB, 12 * GIB),
        own_limit=Limit("/system.slice/lilfox.service", Memory(0.25 * GIB, 0.1 * GIB)),
    )  # fmt: skip
    rows = [" ".join(text_of(row).strip("│").split()) for row in page(width, host("box", Level.FAILING, numbers))]
    text = "\n".join(rows)
    assert "0.5 of 4 cores" in text
    for start, end in (
        ("this host 88%", "of the 0.5 cores it may use"), ("machine 5%", ""), ("memory 97%", "993M / 1.0G"),
        ("machine 25%", "4.0G / 16G"), ("LilFox unit 60%", "154M / 256M"),
        ("the host has a limit: control group /", ""), ("LilFox's own limit: control group /system.slice", ""),
    ):  # fmt: skip
        assert any(row.startswith(start) and row.endswith(end) for row in rows), (start, end, text)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("width", [40, 80, 120, 160, 200])
def test_a_hosts_page_has_every_part(width: int, known: bool) -> None:
    text = "\n".join(text_of(row) for row in page(width, processes=PROCESSES if known else None))
    for part in (
        "CPU busy",
        "Memory used",
        "Disk",
        "Network",
        "Load, 1 min",
        "I/O wait",
        "Disks",
        "Filesystems",
        "Interfaces",
        "Failed units",
    ):
        assert part in text
    assert "eth0" in text
    assert ("systemd" in text) is known
    assert ("100%│" in text) is (width >= 60), "where there is less room, a chart is one line"
    for curve in ("in", "out", "read", "write"):
        assert re.search(rf"(━|^) {curve} ", text, re.MULTILINE)


def test_a_load_has_the_limits_of_all_cores() -> None:
    assert load_limits(Thresholds(), 4) == Threshold(warn=8.0, fail=20.0)
    assert load_limits(Thresholds(load_per_cpu=Threshold(fail=2.0)), 4) == Threshold(fail=8.0)
    assert load_limits(Thresholds(), None) is None


def test_no_number_of_a_process_moves_what_stands_beside_it() -> None:
    rows = [text_of(row) for row in page(120)]
    honest, liar = (next(row for row in rows if name in row) for name in ("systemd", "liar"))
    assert honest.index("systemd") == liar.index("liar")
    assert "100000…" in liar


def filesystem(path: str, device: str) -> FilesystemUsage:
    return FilesystemUsage(path, device, "xfs", 2 * GIB, GIB, GIB, 50.0, 1.0)


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_paths_of_filesystems_have_the_free_room_and_differ_where_they_are_cut(width: int) -> None:
    paths = [f"/var/lib/machines/{number}-shop-{number}/rootfs" for number in range(3)]
    numbers = replace(
        summary("web-1", 23, 61, 71),
        filesystems=tuple(filesystem(path, f"/dev/sd{number}") for number, path in enumerate(paths)),
    )
    text = "\n".join(text_of(row) for row in page(width, host("web-1", Level.GOOD, numbers)))
    shown = re.findall(r"/var/\S+/rootfs", text)
    assert len(set(shown)) == 3, "each can be told from the others"
    assert (shown == paths) is (width >= 80), "no path is cut that has room"
    assert (re.search(r" full +used +size +free inodes", text) is not None) is (width >= 120), "nor for what is used"
    assert (re.search(r"rootfs +50% +1.0G +2.0G +1.0G ", text) is not None) is (width >= 120)


def worker(pid: int, *, kernel: bool = False) -> ProcessUsage:
    return ProcessUsage(pid, "app", "worker", "S", 50.0 - pid % 50, 2**20, io_bytes_s=0.0, kernel=kernel)


@pytest.mark.parametrize("count", [0, 3, 30])
@pytest.mark.parametrize(("width", "height"), [(40, 10), (80, 24), (120, 40), (120, 90), (200, 55)])
def test_a_page_has_one_table_of_processes_that_says_its_order_and_what_is_not_in_it(
    count: int, width: int, height: int
) -> None:
    processes = [worker(pid) for pid in range(1, count + 1)]
    totals = ProcessTotals(count + 84 + 100, 84, 2000.0, 900 * 2**20, 300.0)
    view = host("web-1", Level.GOOD, summary("web-1", 23, 61, 71))
    text = "\n".join(text_of(row) for row in page(width, view, (), processes, totals=totals, height=height))
    assert text.count(" Processes ") == 1
    assert "by mem" in text
    shown = text.count("[worker]")
    assert min(count, 10) <= shown <= count
    assert f"{count + 100 - shown} other processes" in text
    assert "84 idle kernel threads not shown" in text
    assert f" {count + 100} processes  by mem" in text
    assert (" i/o/s " in text) is (width >= 80)
    if width > 152:
        lines = text.splitlines()
        assert any("[worker]" in line and "eth0" in line for line in lines) or count < 30, "they stand side by side"


@pytest.mark.parametrize(("width", "height"), [(40, 10), (80, 20), (120, 36), (160, 44), (200, 51)])
def test_some_processes_and_the_first_charts_are_on_the_first_screen(width: int, height: int) -> None:
    rows = [text_of(row) for row in page(width, processes=[worker(pid) for pid in range(1, 90)], height=height)]
    first = "\n".join(rows[:height])
    assert "CPU busy" in first
    assert "Memory used" in first
    assert first.count("[worker]") >= (3 if width == 40 else 5)
    assert "I/O wait" in "\n".join(rows)


def at_a_glance(width: int, height: int, cores: int = 4) -> list[str]:
    """The first screen of a host with so many cores."""
    numbers = summary("db-1", 88, 91, 93, iowait=8.0)
    each = (str(core) for core in range(cores))
    numbers = replace(numbers, cpu_count=cores, cores=tuple((core, numbers.cores[0][1]) for core in each))
    processes = [worker(pid) for pid in range(1, 90)]
    return [text_of(row) for row in page(width, host("db-1", Level.DEGRADED, numbers), (), processes, height=height)]


@pytest.mark.parametrize(("width", "height"), [(80, 36), (100, 26), (120, 36), (150, 40)])
def test_the_first_screen_tells_each_core_memory_load_and_disks(width: int, height: int) -> None:
    rows = at_a_glance(width, height)
    first = "\n".join(rows[:height])
    for core in range(4):
        assert re.search(rf"[│ ] {core} 88% ▇+─+ ", first)
    assert re.search(r" memory 91% ▇+─+ +15G / 16G", first)
    assert re.search(r" swap +0% ─+ +0B / 2.0G", first)
    assert "load 4.40 3.52 2.93 of 4 cores" in first
    assert (re.search(r" /var 93% ▇+─* +93G used +7.0G free", first) is not None) is (width >= 120)
    assert ("read 117K/s  write 2.3M/s  busy 31%" in first) is (width >= 120)
    assert first.count("[worker]") >= 5
    assert "\n".join(rows).count(" memory ") == 1, "told once"


def test_where_no_meter_has_room_the_title_tells_the_load_and_the_chart_what_is_used() -> None:
    first = at_a_glance(80, 20)[:20]
    assert first[0].startswith(" ◐ db-1   load 4.40 3.52 2.93 of 4 cores   10.0.0.7")
    assert "─ Memory used ──────── 91%  15G / 16G ─" in first[2]
    assert not any("swap" in row for row in first)
    wide = "\n".join(at_a_glance(200, 51)[:51])
    assert wide.count("15G / 16G") == 1, "in the table of memory, which stands on the first screen"


@pytest.mark.parametrize(("cores", "lines"), [(2, 2), (4, 2), (16, 6), (18, 6), (19, 1), (64, 2), (256, 8)])
def test_many_cores_have_a_bar_of_one_cell_each(cores: int, lines: int) -> None:
    rows = at_a_glance(120, 50, cores)
    start = next(y for y, row in enumerate(rows) if row.startswith("├─ CPU ─"))
    shown = [row[1:39] for row in rows[start + 1 : start + 1 + lines]]
    assert rows[start + 1 + lines][1:].startswith(" user 70%  sys 18%  wait 8%  steal 0%")
    if cores <= 18:
        assert sum(row.count(" 88% ▇") for row in shown) == cores
    else:
        assert sum(row.count("▆") for row in shown) == cores


@pytest.mark.parametrize(("width", "height"), [(40, 10), (80, 20), (120, 36), (200, 51)])
def test_many_cores_push_no_other_part_down(width: int, height: int) -> None:
    text = "\n".join(at_a_glance(width, height, 64))
    for part in (" swap ", "Filesystems", "Disks", "Interfaces", "Failed units"):
        assert text.index(part) < text.index(" Cores"), part
    assert len(re.findall(r"[ │]63 +88%", text)) == 1
    if width > 152:
        assert "Filesystems" in "\n".join(at_a_glance(width, height, 64)[:height])


def test_no_single_process_is_summed_up_in_the_row_that_it_would_fill() -> None:
    processes = [worker(pid) for pid in range(1, 12)]
    text = "\n".join(map(text_of, page(80, None, (), processes, totals=ProcessTotals(11, 0, 0.0, 0, None), height=24)))
    assert text.count("[worker]") == 11
    assert "other process" not in text


def test_a_page_that_is_kept_has_all_processes() -> None:
    assert "\n".join(map(text_of, page(120, processes=[worker(pid) for pid in range(1, 90)]))).count("[worker]") == 89


def test_what_is_shown_and_what_is_not_are_all_together() -> None:
    shown = [worker(10), worker(20)]
    totals = ProcessTotals(6, 2, 100.0, 7 * 2**20, 5000.0)
    others, idle = (text_of(row) for row in others_rows(totals, [*shown, worker(30, kernel=True)], 2, 100))
    assert others.split() == ["30%", "5.0M", "4.9K", "3", "other", "processes"]
    assert idle.strip() == "1 idle kernel thread not shown"
    assert others_rows(ProcessTotals(2, 0, 70.0, 2**21, None), shown, 2, 100) == []


QUIET = InterfaceActivity("eth1", 0.0, 0.0, 0.0, 0.0, None, 0.0, 0.0)


@pytest.mark.parametrize(
    ("interfaces", "told"),
    [
        ((replace(QUIET, receive_bytes_s=2048.0), QUIET), ["eth1 2.0K/s 0B/s", "no traffic: eth1; no errors or drops"]),
        ((replace(QUIET, receive_drops_s=2.0),), ["in out errors/s drops/s", "eth1 0B/s 0B/s 0 2"]),
        ((replace(QUIET, receive_drops_s=None),), ["no traffic: eth1; no errors"]),
        ((replace(QUIET, receive_errors_s=None),), ["no traffic: eth1"]),
    ],
)
def test_what_is_zero_everywhere_is_a_line_and_loopback_is_said_not_to_count(
    interfaces: tuple[InterfaceActivity, ...], told: list[str]
) -> None:
    numbers = replace(summary("web-1", 23, 61, 71), interfaces=interfaces)
    rows = page(120, host("web-1", Level.GOOD, numbers), past=0.0)
    lines = [" ".join(text_of(row).strip("│").split()) for row in rows]
    assert any("Interfaces" in line and "without loopback" in line for line in lines)
    for each in told:
        assert each in lines


def test_errors_and_drops_of_the_network_stand_above_the_fold() -> None:
    ill = replace(QUIET, receive_errors_s=3.0, transmit_errors_s=1.0, transmit_drops_s=12.0)
    for interfaces, note in (((QUIET, ill), "4 errors/s  12 drops/s"), ((QUIET,), "without loopback")):
        numbers = replace(summary("web-1", 23, 61, 71), interfaces=interfaces)
        rows = page(120, host("web-1", Level.GOOD, numbers), height=36)
        assert note in text_of(rows[2])
        assert ("errors/s" in text_of(rows[2])) is (ill in interfaces)


def test_a_device_that_did_something_in_the_time_of_the_charts_keeps_its_row() -> None:
    """Rows that come and go with each request would move all that stands below them."""
    numbers = replace(summary("web-1", 23, 61, 71), interfaces=(QUIET,))
    lines = [" ".join(text_of(row).strip("│").split()) for row in page(120, host("web-1", Level.GOOD, numbers))]
    assert "eth1 0B/s 0B/s" in lines


def test_the_header_counts_everything() -> None:
    state = HeaderState("prod", NOW, None, False, False, True)
    text = text_of(header(mixed(), state, 80, UNICODE))
    assert "● 2  ◐ 1  ✖ 3  ○ 1" in text
    assert text.endswith("03:12:44 UTC ")
    assert cell_width(text) == 80


def test_a_rewound_header_says_how_far() -> None:
    state = HeaderState("", NOW, 600, False, False, True)
    row = header(mixed(), state, 60, UNICODE)
    assert any(piece.role == "accent" and "10 min ago" in piece.text for piece in row)


def test_a_line_is_sent_in_as_few_runs_as_show_the_same() -> None:
    palette = Palette(load_theme("fox-dark"), ascii_only=False)
    pieces = (Piece("  "), Piece("", "muted"), Piece("a", "good"), Piece("  ", "muted"), Piece("b", "good"), Piece("c"))
    strip = palette.strip(pieces, 10)
    assert strip.text == "  a  bc   "
    assert [segment.text for segment in strip] == ["  a  b", "c   "]
    assert strip.cell_length == 10


def test_the_page_of_a_lost_host_shows_no_old_number_as_new_and_the_next_try() -> None:
    rows = page(120, replace(lost("web-1"), summary=summary("web-1", 23, 61, 71)))
    text = [text_of(row) for row in rows]
    assert "no sample for 14 s, next try in 4 s: connection lost" in text[1]
    assert text[1].count("14 s") == 1
    assert rows[2] == (Piece("   "), Piece("is the host up, and its network?"))
    title = next(line for line in text if "CPU busy" in line)
    assert "unknown" in title
    assert "23%" not in title


def test_a_page_of_the_past_tells_nothing_of_what_came_after() -> None:
    view = host("web-1", Level.GOOD, summary("web-1", 23, 61, 71))
    changes = [
        StatusChange(NOW + timedelta(seconds=age), "host/web-1", tr("{age}", age=f"at {age}"), Level.GOOD)
        for age in (-5, 5)
    ]
    text = "\n".join(text_of(row) for row in page(120, view, changes))
    assert "at -5" in text
    assert "at 5" not in text


def test_interfaces_that_come_and_go_push_no_other_change_off_a_page() -> None:
    came = [
        StatusChange(NOW - timedelta(seconds=age), "host/web-1", tr("interface {name} appeared", name=f"veth{age}"),
                     Level.GOOD, f"interface veth{age}")
        for age in range(30)
    ]  # fmt: skip
    restarted = StatusChange(NOW - timedelta(minutes=9), "host/web-1", tr("restarted"), Level.DEGRADED, "restarted")
    view = host("web-1", Level.GOOD, summary("web-1", 23, 61, 71))
    text = "\n".join(text_of(row) for row in page(120, view, [*came, restarted]))
    assert "03:12:44 ● 30 interfaces appeared: veth0, veth1, veth2, …" in text
    assert "03:03:44 ◐ restarted" in text


@pytest.mark.parametrize(
    ("width", "named", "told"),
    [
        (56, False, ["   memory 9.8G / 16G  swap 0B / 2.0G", "   load 1.15 0.92 0.77 of 4 cores  /var 29G free",
                     "   net in 1.1M/s  out 332K/s"]),
        (48, True, [" web-1  memory 9.8G / 16G  swap 0B / 2.0G", "   load 1.15 0.92 0.77 of 4 cores  /var 29G free",
                    "   net in 1.1M/s  out 332K/s"]),
        (40, True, [" web-1  memory 9.8G / 16G", "   load 1.15 0.92 0.77 of 4 cores", "   net in 1.1M/s  out 332K/s"]),
        (150, False, ["   memory 9.8G / 16G  swap 0B / 2.0G", "   load 1.15 0.92 0.77 of 4 cores  /var 29G free"]),
    ],
)  # fmt: skip
def test_figures_below_a_host_are_whole_and_no_columns_of_its_table(width: int, named: bool, told: list[str]) -> None:
    view = host("web-1", Level.GOOD, summary("web-1", 23, 61, 71))
    assert [text_of(row) for row in figure_rows(view, style(width), named=named)] == told
    assert figure_rows(lost("web-1"), style(width), named=named) == []


# What a bar of a job says.


def test_a_service_that_nobody_named_says_that_it_was_found() -> None:
    named = mixed().services["model"]
    found = replace(named, found=True)
    assert " found here  " in text_of(service_row(found, NOW, style(100)))
    assert "found" not in text_of(service_row(named, NOW, style(100)))
    told = "found on this machine; it is not in the configuration"
    for view in (named, found):
        page = ServicePage(view, (), lambda _series, columns: [None] * columns, NOW, timedelta(hours=1), UNICODE, 100)
        assert any(told in text_of(row) for row in service_page(page)) is view.found


def cpu_role(view: HostView) -> str:
    row = host_row(view, NOW, style(150))
    return next(piece.role for piece in row if "98%" in piece.text)


@pytest.mark.parametrize(
    ("level", "role"), [(Level.GOOD, "text"), (Level.DEGRADED, "degraded"), (Level.FAILING, "failing")]
)
def test_a_number_is_no_worse_than_the_level_in_force(level: Level, role: str) -> None:
    view = host("web-1", level, summary("web-1", 98, 61, 71))
    assert cpu_role(view) == role
    rows = page(120, view)
    [row] = [row for row in rows if any(piece.text.startswith(" all ") for piece in row)]
    numbers = [piece for piece in row if piece.text.strip().endswith("%")]
    assert [piece.role for piece in numbers] == [role, *["text"] * 4]
    assert {piece.role for piece in row if set(piece.text) == {"▇"}} == {role if role != "text" else "chart"}


def test_rates_tell_that_they_are_per_second() -> None:
    assert "net in/out/s" in text_of(host_heading(style(150)))
    text = "\n".join(map(text_of, page(120)))
    for device in ("vda", "eth0"):
        assert re.search(rf"{device} +[\d.]+[KMG]?/s +[\d.]+[KMG]?/s ", text), text
