"""The page of a host: what the kernel tells of memory and threads, what is told once, and where titles stand."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from msgspec.structs import replace

from lilfox_tui.app.rendering.draw import UNICODE
from lilfox_tui.app.rows.hosts import TableStyle, host_row
from lilfox_tui.core.aio import Unavailable
from lilfox_tui.core.errors import HostUnreachable
from lilfox_tui.core.i18n import tr
from lilfox_tui.metrics.model import Level, Memory, MemoryParts, Threads
from lilfox_tui.monitor.model import HostView
from tests.app.overviews import GIB, NOW, host, summary
from tests.unit.app.test_rows import at_a_glance, page, text_of, worker


def parted() -> HostView:
    """A host of which the kernel's use of memory, its threads and its swap are known."""
    numbers = replace(
        summary("db-1", 88, 50, 93),
        memory_parts=MemoryParts(free=2 * GIB, buffers=0.25 * GIB, cached=6 * GIB),
        threads=Threads(412, running=3, blocked=2),
        swap_used=GIB / 2, swap_percent=25.0,
    )  # fmt: skip
    return host("db-1", Level.GOOD, numbers)


@pytest.mark.parametrize(("width", "height"), [(80, 44), (120, 40), (200, 55)])
def test_the_first_screen_tells_cache_threads_and_the_course_of_swap(width: int, height: int) -> None:
    rows = page(width, parted(), (), [worker(pid) for pid in range(1, 90)], height=height)
    text = "\n".join(map(text_of, rows))
    assert re.search(r" memory 50% ▇+▃+─+ +8.0G / 16G", text), "what would give way is lower"
    assert " cached 6.0G  free 2.0G  buffers 256M" in text
    assert "─ Swap used ─" in text
    assert "25%  512M / 2.0G ─" in text
    assert " threads 412  running 3  on I/O 2" in text
    assert "Swap used" not in "\n".join(map(text_of, page(width, height=height))), "of unused swap the meter tells all"


def test_the_cache_of_the_machine_is_not_that_of_a_container() -> None:
    view = parted()
    assert view.summary is not None
    numbers = replace(view.summary, machine=Memory(16 * GIB, 8 * GIB), memory_total=GIB, memory_available=GIB / 2)
    rows = [text_of(row) for row in page(80, replace(view, summary=numbers))]
    [own] = [row for row in rows if " memory " in row and " / " in row]
    [machine] = [row for row in rows if " machine " in row and " / " in row]
    assert ("▃" in own, "▃" in machine) == (False, True)


@pytest.mark.parametrize(("width", "height"), [(80, 36), (120, 36)])
def test_two_boxes_do_not_say_the_same_of_the_cores(width: int, height: int) -> None:
    rows = at_a_glance(width, height)
    titles = [row for row in rows if re.search(r"[├┬┼]─ (CPU|Cores by mode) ─", row)]
    assert len(titles) == 2
    assert "├─ CPU ─" in titles[0]
    assert "├─ Cores by mode ─" in titles[1]
    below = rows[rows.index(titles[1]) :]
    assert not any(row.startswith("│ all") or "▇" in row for row in below), "what meters tell is told once"
    assert sum(bool(re.match(r"│ \d +70%   18%", row)) for row in below) == 4
    assert sum("88%" in row for row in below) == 0, "how busy each is"
    many = at_a_glance(width, height, 16)
    assert sum(bool(re.match(r"│ \d+ +88%   70%   18%", row)) for row in many) == 16, "where no meter tells it"
    assert "Cores" not in "\n".join(at_a_glance(width, height, 1)), "of one core the meters tell all"


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("width", [80, 100, 120, 160, 200])
def test_no_title_stands_alone_on_the_last_line(width: int, known: bool) -> None:
    processes = [worker(pid) for pid in range(1, 90)] if known else None
    for height in range(20, 56, 3):
        rows = page(width, None, (), processes, height=height)
        if len(rows) > height:
            titles = [any(piece.role == "title" for piece in row) for row in rows[height - 2 : height + 1]]
            alone = titles[1] or (titles == [True, False, False] and len(rows) > height + 1)
            assert not alone, (height, [text_of(row) for row in rows[height - 3 : height + 1]])


@pytest.mark.parametrize(
    ("busy", "level", "told"),
    [
        (97, Level.DEGRADED, "97%  ✖ after 3 samples ─"),
        (97, Level.GOOD, "97%  ✖ after 3 samples ─"),
        (88, Level.GOOD, "88%  ◐ after 3 samples ─"),
        (97, Level.FAILING, "97% ─"),
        (88, Level.DEGRADED, "88% ─"),
        (40, Level.GOOD, "40% ─"),
    ],
)
def test_a_value_above_a_limit_that_is_not_in_force_says_when_it_is(busy: int, level: Level, told: str) -> None:
    rows = [text_of(row) for row in page(120, host("db-1", level, summary("db-1", busy, 50, 20)))]
    [title] = [row for row in rows if "─ CPU busy ─" in row]
    assert told in title
    well = level is Level.GOOD and "after" not in told
    assert any("no limit is exceeded" in row for row in rows) is well
    if level is Level.GOOD and not well:
        assert rows[1].strip() == f"CPU {told.removesuffix(' ─').replace('  ', ' ')}"


def test_the_uptime_goes_on_between_two_samples_by_the_clock_of_the_other_times() -> None:
    young = replace(summary("db-1", 40, 50, 20), uptime_s=51.6, at=NOW - timedelta(seconds=2))
    rows = page(120, host("db-1", Level.GOOD, young))
    assert "  up 53 s  " in text_of(rows[0])
    gone = Unavailable(HostUnreachable("db-1", tr("gone")), NOW)
    rows = page(120, replace(host("db-1", Level.FAILING, young), link=gone))
    assert "  up 51 s" in text_of(rows[0]), "a host that is lost may have been restarted since"


def test_values_above_limits_are_told_in_full_on_a_narrow_page() -> None:
    rows = page(40, host("db-1", Level.GOOD, summary("db-1", 97, 98, 20)))
    told = [text_of(row).strip() for row in rows[1:3]]
    assert " ".join(told) == "CPU 97% ✖ after 3 samples; Memory 98% ✖ after 3 samples"


def test_a_host_without_swap_says_none_in_its_row() -> None:
    without = host("web-1", Level.GOOD, replace(summary("web-1", 23, 61, 71), swap_total=0.0))
    row = text_of(host_row(without, NOW, TableStyle(180, UNICODE, 2.0)))
    assert " none " in row
    assert " 0% " not in row
