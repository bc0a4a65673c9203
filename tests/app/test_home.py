"""The home screen at each size, with few hosts and many: the selected row is always seen, and a click selects a row."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from msgspec.structs import replace
from textual._context import visible_screen_stack
from textual.pilot import Pilot
from textual.strip import Strip

from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.evidence import LoggedError
from lilfox_tui.app.panes.metrics import errors
from lilfox_tui.app.panes.metrics.backend_page import backend_charts
from lilfox_tui.app.panes.metrics.state import Subject
from lilfox_tui.app.rendering.draw import UNICODE
from lilfox_tui.app.widgets import Lines
from lilfox_tui.core.i18n import tr
from lilfox_tui.core.text import cell_width
from lilfox_tui.metrics.model import HostSnapshot, Level, ProcessUsage, Series
from lilfox_tui.monitor.model import Overview, ServiceView, StatusChange
from tests.app import log_files
from tests.app.backups_made import one_fault
from tests.app.overviews import NOW, fleet, host, mixed, summary
from tests.app.pages_made import CACHE, DATABASE, GATEWAY, pages_app
from tests.app.still import screen_text, still_app
from tests.waiting import until

SIZES = [(40, 10), (60, 16), (80, 24), (120, 40), (200, 55)]
HOSTS = [1, 3, 25, 100]
LISTS = ("Problems", "Hosts", "Services", "Backends")
MARKS = "".join(UNICODE.level(level) for level in Level) + UNICODE.alert
LISTED = [(hosts, size) for hosts in HOSTS for size in SIZES if hosts < 100 or size in ((60, 16), (200, 55))]
"""A hundred hosts with panels and without: where 25 do not fit either, more of them are no other case."""
each_list = pytest.mark.parametrize(("hosts", "size"), LISTED)


class Seen(NamedTuple):
    """The row that is drawn on the ground of the selection."""

    y: int
    left: int
    text: str


def strips(app: LilFoxApp) -> list[Strip]:
    visible_screen_stack.set(app._background_screens)
    return app.screen._compositor.render_strips()


def selected_row(app: LilFoxApp, on_screen: Sequence[Strip]) -> Seen:
    """The selected row: exactly one is drawn as such, and in one piece."""
    ground = app.palette.style("text", "selection").bgcolor
    found = []
    for y, strip in enumerate(on_screen):
        marked = [segment.style is not None and segment.style.bgcolor == ground for segment in strip]
        if any(marked):
            first, last = marked.index(True), len(marked) - marked[::-1].index(True)
            assert all(marked[first:last])
            texts = [segment.text for segment in strip]
            found.append(Seen(y, cell_width("".join(texts[:first])), "".join(texts[first:last])))
    assert len(found) == 1, (app.metrics.state.selected, [strip.text for strip in on_screen])
    return found[0]


def look(app: LilFoxApp, size: tuple[int, int]) -> Seen:
    """Checks that no line is longer than the screen and that the selected row is on it; returns that row."""
    on_screen = strips(app)
    drawn = [strip.text for strip in on_screen]
    assert len(drawn) == size[1]
    assert all(cell_width(line) <= size[0] for line in drawn), drawn
    assert app.metrics.state.selected is not None
    row, (kind, name) = selected_row(app, on_screen), app.metrics.state.selected
    if kind in ("host", "service", "backend"):
        assert re.match(rf" [{MARKS}] {re.escape(name)}\s", row.text), (kind, name, row)
    elif kind == "hosts":
        assert re.match(rf" [{MARKS}] \d+ hosts\s", row.text), row
    else:
        item = app.metrics.state.selected_item()
        assert item is not None
        assert item.alert is not None or item.name in row.text
        assert app.metrics.state.in_problems
    return row


def selection(app: LilFoxApp) -> tuple[bool, object]:
    return app.metrics.state.in_problems, app.metrics.state.selected


async def press(app: LilFoxApp, key: str, row: tuple[bool, Subject]) -> None:
    """Presses a key that selects ``row``."""
    app.simulate_key(key)
    await until(lambda: selection(app) == row, what=f"{row}")


@each_list
async def test_the_selected_row_is_seen_after_each_key(hosts: int, size: tuple[int, int]) -> None:
    app = still_app(fleet(hosts))
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        rows = app.metrics.state.rows()
        seen = [look(app, size)]
        for place in range(1, len(rows)):
            await press(app, "j", rows[place])
            seen.append(look(app, size))
        assert len({row.text for row in seen}) == len(rows), "each row is gone to once"
        assert {subject for _problem, subject in rows} == set(app.metrics.state.order())
        for place in range(len(rows) - 2, -1, -1):
            await press(app, "k", rows[place])
            assert look(app, size).text == seen[place].text


def listed(app: LilFoxApp) -> Iterator[tuple[str, int, int]]:
    """The rows of lists as they are on the screen: the title of the panel that each is in, and where it is. Without
    panels the title is empty."""
    region = app.metrics.query_one("#home", Lines).region
    lines = [strip.text for strip in strips(app)]
    for y in range(region.y, region.bottom):
        for found in re.finditer(rf"(?:^|│)( [{MARKS}] [^\s:]+ )", lines[y]):
            panel = next((title for title in _titles_above(lines, found.start(), y) if title is not None), None)
            if panel is None or panel in LISTS:
                yield panel or "", found.start(1) + 1, y


def _titles_above(lines: list[str], x: int, y: int) -> Iterator[str | None]:
    """The titles in the borders above a cell, from the nearest one on, of panels that begin at ``x``."""
    for line in lines[y::-1]:
        border = line[x : x + 1]
        if border in ("┌", "├", "┬", "┼", "┤") and (title := re.match(r"[┌├┬┼┤]─ (.+?) ─", line[x:])):
            yield title[1]


@each_list
async def test_a_click_selects_a_row_of_each_panel(hosts: int, size: tuple[int, int]) -> None:
    app = still_app(fleet(hosts))
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        found = list(listed(app))
        panels = dict.fromkeys(panel for panel, _x, _y in found)
        assert set(panels) == ({""} if size[0] < 80 else set(LISTS))
        for panel in panels:
            places = [(x, y) for where, x, y in found if where == panel]
            for x, y in {places[0], places[len(places) // 2], places[-1]}:
                on_screen = strips(app)
                if selected_row(app, on_screen).y == y:
                    continue  # a click on the selected row opens it
                text = on_screen[y].text[x - 1 :]
                await pilot.click(offset=(x + 3, y))
                row = look(app, size)
                assert (row.y, row.left) == (y, x - 1)
                assert text.startswith(row.text)
                assert app.metrics.state.page is None
                assert not panel or app.metrics.state.in_problems is (panel == "Problems")


async def test_the_second_row_of_a_problem_is_selected_by_a_click_and_opened_by_another() -> None:
    app = still_app(fleet(3))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        state = app.metrics.state
        state.choose(("host", "node-3"), in_problems=True)
        app.metrics.repaint()
        x, y = next((x, y) for panel, x, y in listed(app) if panel == "Hosts" and "node-3" in strips(app)[y].text[x:])
        await pilot.click(offset=(x + 3, y))
        assert (state.page, selection(app)) == (None, (False, ("host", "node-3")))
        await pilot.click(offset=(x + 3, y))
        assert state.page == ("host", "node-3")


@pytest.mark.parametrize("size", SIZES[2:], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("hosts", HOSTS[:3])
async def test_no_panel_moves_while_the_selection_does(hosts: int, size: tuple[int, int]) -> None:
    app = still_app(fleet(hosts))
    process = ProcessUsage(4711, "www", "nginx", "S", 3.0, 2**22, NOW, 123456)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        app.monitor.snapshot("node-1").publish(HostSnapshot("node-1", NOW, 2.0, {}, processes=(process,)), NOW)
        app.metrics.state.choose(("host", "node-1"))
        app.metrics.repaint()
        before = borders(app)
        for in_problems, subject in app.metrics.state.rows():  # hosts without processes, and without any number
            app.metrics.state.choose(subject, in_problems=in_problems)
            app.metrics.repaint()
            assert borders(app) == before, subject


def borders(app: LilFoxApp) -> list[tuple[int, int]]:
    """Where panels begin and end; the corner that is left out is that of charts, too."""
    found = enumerate(strip.text for strip in strips(app)[2:])
    return [(y, x) for y, line in found for x, char in enumerate(line) if char in "┌┐┘├┤┬┴┼"]


async def test_what_stands_below_the_last_problem_is_reached_with_the_rows() -> None:
    app = still_app(fleet(3))
    trouble = "rules: no file matches /etc/lilfox/more/*.yml"
    for size in ((80, 24), (60, 16)):
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            assert re.search(r" [1-9]\d* more below\b", screen_text(pilot))
            assert trouble not in screen_text(pilot)
            last = app.metrics.state.problems(fleet(3))[-1]
            app.metrics.state.choose(last)
            if size[0] < 80:
                app.metrics.state.move(1)  # there, other rows follow
            app.metrics.repaint()
            await pilot.pause()
            assert trouble in screen_text(pilot)
        app = still_app(fleet(3))


@pytest.mark.parametrize("size", [(40, 10), (59, 24), (100, 13), (100, 20)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_a_zoomed_list_has_borders_only_where_there_is_room(size: tuple[int, int]) -> None:
    app = still_app(fleet(25))
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        app.metrics.state.choose(("host", "node-1"))
        await pilot.press("z")
        await pilot.pause()
        hosts = [row for row in app.metrics.state.rows() if row[1][0] == "host" and not row[0]]
        assert len(hosts) == 25, "none is left out because it is a problem too"
        app.metrics.state.choose(hosts[0][1])
        for row in hosts[1:]:
            await press(app, "j", row)
            look(app, size)
            lines = [strip.text for strip in strips(app)]
            assert any(line.startswith("│") for line in lines) is (size == (100, 20))
            assert not any("gateway" in line for line in lines[2:-3]), "only the hosts"


def tour() -> list[tuple[int, int]]:
    """Sizes one after the other, so that each is followed once by each other one."""
    there: list[tuple[int, int]] = []
    for place, size in enumerate(SIZES):
        there.append(size)
        for other in SIZES[place + 2 :]:
            there += [other, size]
    return [*there, *SIZES[-2::-1]]


def test_the_tour_goes_from_each_size_to_each_other() -> None:
    path = tour()
    assert len(set(pairwise(path))) == len(SIZES) * (len(SIZES) - 1)


@pytest.mark.parametrize("hosts", HOSTS)
@pytest.mark.parametrize("place", [0.0, 0.4, 1.0])
async def test_the_selected_row_is_seen_at_each_size_that_the_screen_gets(hosts: int, place: float) -> None:
    app = still_app(fleet(hosts))
    async with app.run_test(size=SIZES[-1]) as pilot:
        await pilot.pause()
        rows = app.metrics.state.rows()
        in_problems, subject = rows[round(place * (len(rows) - 1))]
        app.metrics.state.choose(subject, in_problems=in_problems)
        for size in tour():
            await pilot.resize_terminal(*size)
            await pilot.pause()
            look(app, size)
            assert app.metrics.state.selected == subject, size


async def test_errors_are_counted_as_long_as_they_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "BEGIN_AFTER_S", 0.01)
    begin, log, most = datetime.now(UTC), tmp_path / "api.log", 2 * errors.KEPT

    def write(numbers: range) -> None:
        with log.open("a", encoding="utf-8") as file:
            at = (begin + timedelta(milliseconds=number) for number in numbers)
            file.writelines(log_files.line(each, "ERROR", "app", "request failed") + "\n" for each in at)

    write(range(3))
    app = still_app(mixed(), files=[str(log)])
    async with app.run_test(size=(160, 48)) as pilot:
        await pilot.press("1")
        found = app.metrics.home.errors
        await until(lambda: found.found, what="the first errors")
        assert [each.times for each in found.found] == [3]
        for start in range(3, most, 100):
            write(range(start, end := min(start + 100, most)))
            await until(lambda end=end: found.found[0].times == end, what=f"{end} errors")  # type: ignore[misc]
        [run] = found.found
        assert not run.at_least
        assert run.at == begin.replace(microsecond=begin.microsecond // 1000 * 1000) + timedelta(milliseconds=most - 1)
        app.metrics.repaint()
        await pilot.pause()
        assert f"×{most}  request failed" in screen_text(pilot)


async def test_errors_have_the_colours_that_they_have_on_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    app = pages_app(monkeypatch, ill=True)
    async with app.run_test(size=(200, 55)) as pilot:
        app.metrics.state.choose(GATEWAY)
        app.metrics.repaint()
        await pilot.pause()
        view, overview, charts = app.metrics.state.place_selected(), app.metrics.state.overview, app.metrics.home.charts
        assert isinstance(view, ServiceView)
        assert overview is not None
        [chart] = [each for each in charts._of_service(view, overview) if each.title == "Errors"]
        assert [(curve[2], role) for curve, role in zip(chart.curves, chart.roles, strict=True)] == [
            ("5xx", "failing"), ("4xx", "degraded"),
        ]  # fmt: skip
        rows = charts._chart(chart, 80, 5, overview, timedelta(minutes=5))
        drawn = {piece.role for row in rows[1:-1] for piece in row}
        assert {"failing", "degraded"} <= drawn
        assert not any(role.startswith("series") for role in drawn)


@pytest.mark.parametrize("ill", [False, True])
async def test_the_chart_of_errors_has_the_limit_of_the_alert_rule(monkeypatch: pytest.MonkeyPatch, ill: bool) -> None:
    app = pages_app(monkeypatch, ill=ill)
    async with app.run_test(size=(200, 55)) as pilot:
        app.metrics.state.choose(GATEWAY)
        app.metrics.repaint()
        await pilot.pause()
        view, overview, charts = app.metrics.state.place_selected(), app.metrics.state.overview, app.metrics.home.charts
        assert isinstance(view, ServiceView)
        assert overview is not None
        found = {each.title: each for each in charts._of_service(view, overview)}
        assert "Health check" in found, "the time of its answers is that of one request, not of all"
        rows = charts._chart(found["Errors"], 80, 9, overview, timedelta(minutes=5))  # 5xx of 0.5 % or 31 %
        limits = " ".join(piece.text for row in rows[1:] for piece in row if piece.role == "failing")
        assert ("5%" in limits, "20%" in limits) == (True, False)


async def test_a_rewound_home_tells_its_own_time_and_what_is_not_recorded() -> None:
    backups = one_fault()
    app = still_app(replace(mixed(), backups=backups))
    app.monitor.backups.feed.publish(backups)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        tabs = screen_text(pilot).splitlines()[1]
        assert "3 Backup ◐" in tabs or "3 Backup ✖" in tabs
        app.metrics.state.choose(("host", "web-1"))
        app.navigation.rewind(NOW - timedelta(seconds=30))
        await pilot.pause()
        text = screen_text(pilot)
        assert app.shown is not None
        assert app.shown.backups is not None
        late = [each for each in app.shown.backups.plans.values() if each.level is Level.FAILING]
        assert "3 Backup ✖" in text.splitlines()[1], "as judged at that time"
        failing = late + [each for each in app.shown.views if each.level is Level.FAILING]
        assert all(each.name in text.partition("Problems")[2].partition("Hosts")[0] for each in failing)
        assert f"✖ {len(failing)} " in text.splitlines()[0]
        assert "03:10:14 " in text
        assert " 03:12:14" in text.partition("Memory")[2]
        assert "─ now" not in text
        processes = text[text.index("Processes of web-1") :]
        assert processes.splitlines()[1].startswith("│ not recorded for the past")
        assert "log errors were not collected then" in processes
        assert "` now" in text.splitlines()[-1]
        app.navigation.rewind(None)
        await pilot.pause()
        text = screen_text(pilot)
        assert "─ now" in text
        assert "not recorded" not in text
        assert "` now" not in text.splitlines()[-1]


async def test_a_rewound_home_says_that_its_problems_are_those_that_were_recorded() -> None:
    web = host("web-1", Level.GOOD, summary("web-1", 23, 61, 71))
    app = still_app(Overview(NOW, {"web-1": web}, {}))
    async with app.run_test(size=(120, 40)) as pilot:
        app.navigation.rewind(NOW - timedelta(seconds=30))
        await pilot.pause()
        assert "no problems recorded" in screen_text(pilot)
        app.navigation.rewind(NOW - timedelta(hours=1))
        await pilot.pause()
        assert "1 not recorded at that time" in screen_text(pilot)
        app.metrics.open_page(("host", "web-1"))
        app.navigation.rewind(NOW - timedelta(seconds=30))
        await until(lambda: "Processes" in screen_text(pilot), what="the section of processes")


async def test_the_clock_of_the_header_is_not_older_than_the_newest_error() -> None:
    app = still_app(mixed())
    async with app.run_test(size=(120, 40)) as pilot:
        await until(lambda: f"{NOW:%H:%M:%S} UTC" in screen_text(pilot))
        later = NOW + timedelta(seconds=2)
        app.metrics.home.errors.found = (LoggedError(later, "api", "request failed"),)
        app.metrics.repaint()
        await pilot.pause()
        text = screen_text(pilot)
        assert f"{later:%H:%M:%S}" in text.partition("\n")[2]
        assert f"{later:%H:%M:%S} UTC" in text.partition("\n")[0]


async def test_errors_that_went_on_are_on_a_rewound_home() -> None:
    app = still_app(mixed())
    async with app.run_test(size=(160, 48)) as pilot:
        await pilot.pause()
        first = NOW - timedelta(seconds=60)
        app.metrics.home.errors.found = (LoggedError(NOW, "api", "request failed", 41, first=first),)
        app.navigation.rewind(NOW - timedelta(seconds=30))
        await pilot.pause()
        assert "03:11:44 ✖ api  ≥1  request failed" in screen_text(pilot)


async def test_failures_and_errors_are_not_pushed_out_by_interfaces() -> None:
    app = still_app(mixed())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        for number in range(300):
            subject, name, at = f"host/node-{number % 30}", f"veth{number}", NOW - timedelta(seconds=number)
            what = tr("interface {name} appeared", name=name)
            app.monitor.changes._shown.appendleft(StatusChange(at, subject, what, Level.GOOD, f"interface {name}"))
        long_ago = NOW - timedelta(hours=1)
        failed = StatusChange(long_ago, "service/model", tr("failing: {why}", why="refused"), Level.FAILING, "level")
        app.monitor.changes._shown.appendleft(failed)
        app.metrics.home.errors.found = (LoggedError(long_ago, "api", "request failed", 41),)
        app.metrics.repaint()
        await pilot.pause()
        shown = screen_text(pilot).partition("Errors and changes")[2]
        assert "02:12:44 ✖ model  failing: refused" in shown
        assert "02:12:44 ✖ api  ×41  request failed" in shown
        assert "03:12:44 ● node-0  10 interfaces appeared: " in shown, "the newest of them have the rows that are left"
        assert shown.count("interfaces appeared: ") == 10


@pytest.mark.parametrize("backend", [DATABASE, CACHE])
async def test_the_charts_of_a_backend_are_those_of_its_page_that_are_not_zero_all_the_time(
    monkeypatch: pytest.MonkeyPatch, backend: Subject
) -> None:
    app = pages_app(monkeypatch, ill=False)
    async with app.run_test(size=(200, 55)) as pilot:
        await pilot.pause()
        app.metrics.state.choose(backend)
        app.metrics.repaint()
        await pilot.pause()
        text = screen_text(pilot)
        charts = text[text.index(f"─ {backend[1]} ─") :]
        if backend == DATABASE:
            assert "Connections, of 100  ━ active 5  ━ in use 27" in charts
            assert re.search(r"Transactions per second  ━ commits 40/s  ━ rollbacks", charts) is None, (
                "rollbacks are rare"
            )
            assert re.search(r"Transactions per second +40/s", charts)
            assert re.search(r"Cache hits +98.6%", charts)
            assert "Sessions waiting" not in charts
            assert app.metrics.state.overview is not None
            in_page = app.metrics.pages.backend_page(app.metrics.state.overview.backends["orders-db"], NOW)
            [curves] = [each.curves for each in backend_charts(in_page) if each.title == "Transactions per second"]
            assert curves[0].now == "40/s", "as on its page"
        else:
            for title in ("Operations per second", "Memory, of 2.0 GB", "Hit rate", "Clients, of 10k"):
                assert title in charts


@pytest.mark.parametrize(
    ("hosts", "size", "told"),
    [
        (1, (120, 40), "memory 9.8G"),
        (3, (120, 40), "node-1  memory 9.8G"),
        (1, (80, 24), ""),
        (1, (200, 55), "memory 9.8G"),
        (25, (200, 55), ""),
    ],
)
async def test_the_rows_that_hosts_leave_free_tell_more_of_one(hosts: int, size: tuple[int, int], told: str) -> None:
    app = still_app(fleet(hosts))
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        text = screen_text(pilot)
        assert ("swap 0B / 2.0G" in text) is bool(told)
        if told:
            assert f" {told} / 16G  swap 0B / 2.0G " in text
            load = "   load 2.10 1.68 1.40 of 4 cores"
            assert f"{load}  /var 29G free " in text or (size[0] == 100 and f"{load}   " in text), (
                "whole, or not at all"
            )
            assert ("   net in 1.1M/s  out 332K/s " in text) is (size[0] < 200), "there it is a column"


@pytest.mark.parametrize("chosen", [False, True])
async def test_the_charts_go_to_a_new_problem_unless_the_user_has_chosen_a_row(chosen: bool) -> None:
    ill = mixed()
    hosts = {"web-1": ill.hosts["web-1"]}
    well = {name: replace(view, level=Level.GOOD, reasons=()) for name, view in ill.services.items()}
    app = still_app(replace(ill, hosts=hosts, services=well))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        assert "├─ web-1 ─" in screen_text(pilot)
        if chosen:
            await pilot.press("j", "k")
        app.metrics.show(replace(ill, hosts=hosts, services={**well, "backend": ill.services["backend"]}))
        await pilot.pause()
        text = screen_text(pilot)
        assert ("├─ backend ─" in text) is not chosen
        assert ("├─ web-1 ─" in text) is chosen
        assert "│ ✖ backend" in text.splitlines()[3], "it is the first row in any case"


async def test_the_worst_problem_is_seen_again_when_the_selection_has_left_the_problems() -> None:
    app = still_app(fleet(25))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        problems = [row for row in app.metrics.state.rows() if row[0]]
        first = screen_text(pilot).splitlines()[3]
        app.metrics.state.choose(problems[-1][1], in_problems=True)
        app.metrics.repaint()
        await pilot.pause()
        assert screen_text(pilot).splitlines()[3] != first
        app.metrics.state.move(1)
        app.metrics.repaint()
        await pilot.pause()
        assert screen_text(pilot).splitlines()[3] == first


async def test_a_plot_is_drawn_each_two_seconds_and_its_newest_value_each_second() -> None:
    app = still_app(fleet(1))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        overview, charts, history = app.metrics.state.overview, app.metrics.home.charts, app.monitor.history
        assert overview is not None
        (name,) = overview.hosts
        app.metrics.state.choose(("host", name))
        begin = datetime.fromtimestamp(overview.at.timestamp() // 2 * 2 + 2, UTC)

        def memory(second: float, percent: float, *, rewound: bool = False) -> tuple[str, list[str]]:
            """The title and the plot of the chart where the host's memory comes to be that."""
            at = begin + timedelta(seconds=second)
            history.add(f"host/{name}", at, {Series("memory_usage_percent"): percent})
            view = replace(overview.hosts[name], summary=replace(summary(name, 10, 20, 30), memory_percent=percent))
            then = replace(overview, at=at, hosts={name: view}, rewound=rewound)
            app.metrics.state.overview = then
            wanted = next(each for each in charts.wanted(then) if each.title == "Memory")
            title, *plot = charts._chart(wanted, 40, 9, then, timedelta(minutes=1))
            return "".join(piece.text for piece in title), ["".join(piece.text for piece in row) for row in plot]

        first_title, first = memory(0.1, 10)
        title, plot = memory(1.1, 90)
        assert plot == first
        assert title != first_title
        assert "90" in title
        assert memory(1.2, 90, rewound=True)[1] != first, "what was is drawn as it was"
        assert memory(1.3, 90)[1] == first
        assert memory(2.1, 90)[1] != first


async def test_the_table_of_processes_follows_what_was_read_and_how_it_is_sorted() -> None:
    app = still_app(fleet(1))

    def processes(**cpu: float) -> HostSnapshot:
        found = [
            ProcessUsage(number, "www", name, "S", percent, number * 2**22, NOW, number)
            for number, (name, percent) in enumerate(cpu.items(), 1)
        ]
        return HostSnapshot("node-1", NOW, 2.0, {}, processes=tuple(found))

    def shown(pilot: Pilot[None]) -> list[str]:
        text = screen_text(pilot)
        below = text[text.index("Processes of node-1") :]
        return re.findall(r"\b(?:nginx|redis|cron)\b", below)

    async with app.run_test(size=(120, 40)) as pilot:
        app.metrics.state.choose(("host", "node-1"))
        for snapshot, order in ((processes(nginx=30.0, redis=20.0), ["nginx", "redis"]),
                                (processes(nginx=3.0, redis=20.0, cron=9.0), ["redis", "cron", "nginx"])):  # fmt: skip
            app.monitor.snapshot("node-1").publish(snapshot, NOW)
            app.metrics.repaint()
            await pilot.pause()
            assert shown(pilot) == order
        app.metrics.state.sort = "memory"
        app.metrics.repaint()
        await pilot.pause()
        assert shown(pilot) == ["cron", "redis", "nginx"]


async def test_the_footer_has_the_keys_that_can_be_pressed_now() -> None:
    app = still_app(fleet(3))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()

        def footer() -> str:
            return screen_text(pilot).splitlines()[-1]

        of_home = footer()
        assert "enter open" in of_home
        await pilot.press("2")
        await pilot.pause()
        of_logs = footer()
        assert of_logs != of_home
        assert "follow" in of_logs
        await pilot.press("question_mark")
        await pilot.pause()
        assert footer().strip() == ""
        await pilot.press("escape")
        await pilot.pause()
        assert footer() == of_logs
        await pilot.press("1")
        await pilot.pause()
        assert footer() == of_home
        await pilot.press("L")
        await pilot.pause()
        assert footer() not in ("", of_home), "in the other language"
