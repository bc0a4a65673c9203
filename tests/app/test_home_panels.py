"""The panels of the home screen: a plan that is selected, what has the room of others, and legends that fit."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from lilfox_tui.app.evidence import LoggedError
from lilfox_tui.app.panes.metrics.home_charts import WantedChart, _highest_told, _widths
from lilfox_tui.app.panes.metrics.problems import first_steps, plan_rows
from lilfox_tui.app.rendering.chart import Curve
from lilfox_tui.app.rendering.draw import UNICODE
from lilfox_tui.app.rendering.panels import PanelArea
from lilfox_tui.core.aio import Unavailable
from lilfox_tui.core.errors import HostUnreachable
from lilfox_tui.core.i18n import tr
from lilfox_tui.core.paths import told_config_file
from lilfox_tui.core.text import cell_width
from lilfox_tui.metrics.model import Level, Series
from lilfox_tui.monitor.model import HostView, Overview, StatusChange
from lilfox_tui.monitor.raised_levels import REPORTED_FOR, raised
from tests.app.alerts_made import alerting
from tests.app.backups_made import one_fault
from tests.app.overviews import NOW, fleet, host, lost, mixed, summary
from tests.app.pages_made import CACHE, DATABASE, GATEWAY, pages_app
from tests.app.still import screen_text, still_app
from tests.waiting import until


@pytest.mark.parametrize("size", [(80, 30), (120, 40), (200, 55)])
async def test_a_plan_that_is_selected_is_what_the_charts_panel_is_about(size: tuple[int, int]) -> None:
    still = fleet(1)
    well = {name: replace(view, level=Level.GOOD, reasons=()) for name, view in still.hosts.items()}
    app = still_app(replace(still, hosts=well, services={}, backends={}, backups=one_fault()))
    async with app.run_test(size=size) as pilot:
        app.metrics.state.choose(("plan", "lilfox disk"), in_problems=True)
        app.metrics.repaint()
        await pilot.pause()
        assert app.metrics.state.selected_plan() is not None
        text = screen_text(pilot)
        assert re.search(r"[├┬┼]─ lilfox ─", text)
        for fact in ("newest set  1 h 12 min ago", "good set    1 d 1 h ago", "next run    ", "store       "):
            assert fact in text, fact
        [host] = well
        assert f"─ charts of {host}  last 2 min ─" in text, "whose charts stand beside it is told"
        app.metrics.state.choose(("host", host))
        app.metrics.repaint()
        await pilot.pause()
        text = screen_text(pilot)
        assert "next run  " not in text
        assert "charts of" not in text


async def test_what_is_not_known_of_a_plan_is_not_told() -> None:
    plan = one_fault().plans["lilfox", "disk"]
    unread = replace(plan, sets=None, next_run=None, free_bytes=None)
    told = [" ".join("".join(piece.text for piece in row).split()) for row in plan_rows(unread, NOW, 40)]
    assert [row.partition(" ")[0] for row in told] == ["store"]
    none = [
        " ".join("".join(piece.text for piece in row).split()) for row in plan_rows(replace(plan, sets=()), NOW, 40)
    ]
    assert none[0] == "newest set none"
    gone = Unavailable(HostUnreachable("nas-1", tr("no route")), NOW)
    [first, *_more] = plan_rows(replace(plan, sets=(), outage=gone), NOW, 40)
    assert "newest set" not in first[0].text, "there may be one by now"


async def test_of_a_host_that_has_data_only_the_processes_are_not_known() -> None:
    async with still_app(fleet(1)).run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        text = screen_text(pilot)
        assert "processes not read yet" in text
        assert "no data for this host" not in text


@pytest.mark.parametrize("size", [(120, 40), (200, 55)])
async def test_while_nothing_has_happened_commands_have_the_room_of_errors(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = still_app(fleet(1))
    begun: list[int] = []
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        monkeypatch.setattr(app.metrics.home.errors, "begin", lambda: begun.append(1))
        app.metrics.repaint()
        await pilot.pause()
        text = screen_text(pilot)
        assert "Errors and changes" not in text
        assert "─ no changes since LilFox began ─" in text, "of errors nothing is known before logs are read"
        monkeypatch.setattr(app.metrics.home.errors, "_since", NOW - timedelta(minutes=10))
        app.metrics.repaint()
        await pilot.pause()
        text = screen_text(pilot)
        assert "─ no log errors, no changes since LilFox began ─" in text, "and something is wrong all the while"
        assert begun, "errors are followed nevertheless"
        change = StatusChange(NOW, "host/node-0", tr("cpu 93% > 90%"), Level.DEGRADED, "level")
        app.monitor.changes._shown.append(change)
        app.metrics.repaint()
        await pilot.pause()
        text = screen_text(pilot)
        assert "Errors and changes" in text
        assert "no changes" not in text


async def test_a_database_whose_clients_fail_says_so_beside_its_own_state(monkeypatch: pytest.MonkeyPatch) -> None:
    app = pages_app(monkeypatch, ill=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        overview = app.metrics.state.overview
        assert overview is not None
        refused = LoggedError(NOW - timedelta(seconds=9), "web", "connection to orders-db refused", times=41)
        monkeypatch.setattr(app.metrics.home.errors, "found", (refused,))
        app.monitor.overview.publish(raised(overview, app.monitor.client_errors()), NOW)
        await pilot.pause()
        lines = screen_text(pilot).splitlines()
        assert "◐ 1" in lines[0], "as in the header"
        [row] = [line for line in lines if "web reports: " in line]
        assert re.search(r"◐ orders-db +(postgresql +)?web reports: connection to orders-db refused", row)
        assert re.search(r"◐ orders-db +its client web reports errors: connection to orders-db ref", "\n".join(lines))
        long = replace(refused, text="request failed  ConnectionError: connection to orders-db refused: 10.0.0.9:5432")
        app.monitor.overview.publish(raised(overview, [long]), NOW)
        await pilot.pause()
        assert "◐ orders-db  web logs errors about it" in screen_text(pilot), "the text is above, and not cut here too"
        old = replace(refused, at=NOW - REPORTED_FOR)
        app.monitor.overview.publish(raised(overview, [old]), NOW)
        await pilot.pause()
        assert "web reports" not in screen_text(pilot)


def test_long_legends_have_more_of_the_width_and_no_cell_is_lost() -> None:
    def wanted(title: str, *names: str) -> WantedChart:
        return WantedChart(title, [("s", Series("x"), name, "") for name in names or ("",)], str)

    charts = [wanted("Requests/s"), wanted("Latency", "p50", "p95", "p99"), wanted("Errors", "5xx", "4xx"),
              wanted("Health check")]  # fmt: skip
    sizes = _widths(charts, 118)
    assert sum(sizes) == 118
    assert sizes[1] >= 41, "Latency ━p50 62ms ━p95 146ms ━p99 197ms"
    assert min(sizes) >= 24
    for width in range(20, 200):
        for count in range(1, 5):
            assert sum(_widths(charts[:count], width)) == width
            assert min(_widths(charts[:count], width)) > 0


def test_where_not_all_quantiles_have_room_the_highest_is_told() -> None:
    curves = [Curve((), f"p{number}", value) for number, value in ((50, "62ms"), (95, "146ms"), (99, "197ms"))]
    told = {
        width: [each.now for each in _highest_told("Latency", curves, width, UNICODE)] for width in (40, 36, 29, 20)
    }
    assert told[40] == ["62ms", "146ms", "197ms"]
    assert told[36] == ["", "146ms", "197ms"]
    assert told[29] == ["", "", "197ms"]
    assert told[20] == ["62ms", "146ms", "197ms"], "names alone, as elsewhere"


async def test_a_host_that_is_lost_has_no_newest_value_and_is_compared_with_no_other() -> None:
    still = fleet(2)
    lost, other = still.hosts
    gone = Unavailable(HostUnreachable(lost, tr("refused")), NOW - timedelta(seconds=20), NOW)
    hosts = {**still.hosts, lost: replace(still.hosts[lost], link=gone, level=Level.FAILING)}
    overview = replace(still, hosts=hosts, services={}, backends={})
    app = still_app(overview)
    async with app.run_test(size=(200, 55)) as pilot:
        app.metrics.state.choose(("host", lost))
        await pilot.pause()
        cpu = app.metrics.home.charts.wanted(overview)[0]
        told = {name: now for _subject, _series, name, now in cpu.curves}
        assert list(told) == [lost, other]
        assert told[lost] == "unknown"
        assert re.fullmatch(r"\d+%", told[other])
        app.metrics.state.choose(("host", other))
        cpu = app.metrics.home.charts.wanted(overview)[0]
        assert [name for _subject, _series, name, _now in cpu.curves] == [""]


@pytest.mark.parametrize("size", [(120, 40), (200, 55)])
async def test_a_value_above_a_limit_that_is_not_in_force_says_so_beside_its_chart(size: tuple[int, int]) -> None:
    busy = host("node-0", Level.DEGRADED, summary("node-0", 97, 20, 20), tr("cpu 97% > 80%"))
    overview = replace(fleet(1), hosts={"node-0": busy}, services={}, backends={})
    app = still_app(overview)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        assert re.search(r"97%  ?✖ after 3 samples", screen_text(pilot))
        beside_plan = replace(overview, backups=one_fault())
        app.metrics.state.choose(("plan", "lilfox disk"), in_problems=True)
        app.metrics.show(beside_plan)
        await pilot.pause()
        assert re.search(r"CPU +97%  ?✖ after 3", screen_text(pilot)), "in short where there is less room"
        calm = replace(busy, level=Level.GOOD, reasons=())
        app.metrics.state.choose(("host", "node-0"))
        app.metrics.show(replace(overview, hosts={"node-0": calm}))
        await pilot.pause()
        assert "CPU 97% ✖ after 3 samples" in screen_text(pilot)
        assert "no limit is exceeded" not in screen_text(pilot)
        lost = replace(busy, link=Unavailable(HostUnreachable("node-0", tr("refused")), NOW))
        app.metrics.show(replace(overview, hosts={"node-0": lost}))
        await pilot.pause()
        assert "after 3 samples" not in screen_text(pilot), "of an old value nothing is said"


@pytest.mark.parametrize("level", [Level.FAILING, Level.GOOD])
async def test_where_something_fails_nothing_is_called_well(level: Level, monkeypatch: pytest.MonkeyPatch) -> None:
    down = host("node-0", level, summary("node-0", 97, 20, 20))
    app = still_app(replace(fleet(1), hosts={"node-0": down}, services={}, backends={}))
    async with app.run_test(size=(120, 40)) as pilot:
        monkeypatch.setattr(app.metrics.home.errors, "_since", NOW - timedelta(minutes=10))
        app.metrics.repaint()
        await pilot.pause()
        text = screen_text(pilot)
        assert ("no errors or changes yet" in text) is (level is Level.GOOD)
        assert ("no log errors, no changes since LilFox began" in text) is (level is Level.FAILING)


@pytest.mark.parametrize("size", [(40, 10), (120, 40)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_a_filter_without_a_hit_says_how_many_problems_it_hides(size: tuple[int, int]) -> None:
    app = still_app(mixed())
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        hidden = len(app.metrics.state.problems(mixed()))
        await pilot.press("slash", *"zzz", "enter")
        screen = screen_text(pilot)
        assert f"○ no problem matches /zzz; {hidden} hidden" in screen
        assert "no problems" not in screen
        assert "no data" not in screen, "and there is no box of charts of nothing"
        await pilot.press("slash", "ctrl+u", *"model-1", "enter")
        if size[0] > 100:
            assert f"─ 1/{hidden} " in screen_text(pilot)
        await pilot.press("slash", "ctrl+u", *"web-1", "enter")
        assert f"no problem matches /web-1; {hidden} hidden" in screen_text(pilot), "web-1 is well, others are not"


async def test_of_what_happened_no_free_row_is_left_while_a_text_is_cut() -> None:
    app = still_app(mixed())
    long = "as many words as fill some lines of a panel that is not wide at all, " * 3
    for at in range(30, 0, -10):
        app.monitor.changes._shown.append(
            StatusChange(NOW - timedelta(seconds=at), f"host/web-{at}", tr("failing: {why}", why=long), Level.FAILING)
        )
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        box = screen_text(pilot).partition("Errors and changes")[2].splitlines()[1:]
        rows = [line.split("│")[-2].strip() for line in box[: next(at for at, row in enumerate(box) if "┘" in row)]]
        assert all(rows), rows
        assert rows[-1].endswith("…")
    app = still_app(mixed())
    for at in range(90, 30, -2):
        app.monitor.changes._shown.appendleft(
            StatusChange(NOW - timedelta(seconds=at), f"host/web-{at}", tr("failing: {why}", why="x"), Level.FAILING)
        )
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        assert re.search(r"─ Errors and changes ─+ \d+ older ─", screen_text(pilot))


async def test_a_rewound_home_tells_no_change_that_came_later() -> None:
    """Changes are not sorted by their times: that of a service is told when it has failed twice."""
    app = still_app(mixed())
    then = NOW - timedelta(seconds=60)
    for at, name in ((5, "later"), (70, "earlier")):
        app.monitor.changes._shown.append(
            StatusChange(NOW - timedelta(seconds=at), f"host/{name}", tr("x"), Level.FAILING, "unit")
        )
    async with app.run_test(size=(120, 40)) as pilot:
        app.navigation.rewind(then)
        await pilot.pause()
        assert " earlier  x" in screen_text(pilot)
        assert " later  x" not in screen_text(pilot)


async def test_of_hosts_that_were_never_reached_no_processes_are_waited_for() -> None:
    names = ("web-1", "web-2")
    one = {name: lost(name) for name in names}
    app = still_app(replace(mixed(), hosts=one))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        assert "processes not read yet" not in screen_text(pilot)
        assert "no sample" not in screen_text(pilot)
        assert "Processes of" not in screen_text(pilot)


@pytest.mark.parametrize("size", [(80, 30), (100, 30), (120, 40), (200, 55)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_what_to_do_next_is_told_in_full(
    size: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / ".config"))
    app = still_app(replace(mixed(), hosts={}, services={}))
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        box = screen_text(pilot).partition(" Next ")[2]
        assert "…" not in box
        told = [text for row in first_steps(told_config_file()) for text in row[-1].text.split()]
        assert all(word in box for word in told)


async def test_a_scrolled_list_counts_the_rows_above_and_below() -> None:
    names = [f"web-{number}" for number in range(25)]
    ill = {name: host(name, Level.FAILING, summary(name, 23, 61, 71), tr("cpu")) for name in names}
    app = still_app(replace(mixed(), hosts=ill, services={}))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        assert "more above" not in screen_text(pilot)
        await pilot.press(*["j"] * 12)
        await pilot.pause()
        (above, below), *_others = re.findall(r"(\d+) more above  (\d+) more below", screen_text(pilot))
        seen = screen_text(pilot).partition("Hosts")[0].count("✖ web-")
        assert int(above) + seen + int(below) == len(names)


@pytest.mark.parametrize("size", [(40, 10), (80, 24), (120, 40)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_hosts_that_cannot_be_reached_for_one_reason_are_one_problem(size: tuple[int, int]) -> None:
    def refused(name: str, port: int) -> HostView:
        error = HostUnreachable(name, tr("{where} refuses the connection", where=f"10.0.0.7:{port}"))
        view = lost(name)
        return replace(view, link=Unavailable(error, view.since))

    hosts = {name: refused(name, port) for port, name in enumerate((f"web-{number}" for number in range(1, 26)), 2200)}
    app = still_app(replace(mixed(), hosts=hosts, services={}))
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        state = app.metrics.state
        assert state.rows()[0] == (True, state.selected)
        assert [in_problems for in_problems, _subject in state.rows()].count(True) == 1
        text = screen_text(pilot)
        assert re.search(r"✖ 25 hosts +cannot be", text)
        assert "✖ 25" in text.splitlines()[0], "as the header counts"
        if size[0] > 100:
            assert "cannot be reached: … refuses the connection" in text
        for key in ("a", "escape", "y", "l", "E", "1", "R", "A", "e"):
            await pilot.press(key)
            await pilot.pause()
        if len(app.screen_stack) > 1:
            await pilot.press("escape")
        await pilot.press("1", "g", "enter")
        await pilot.pause()
        assert (state.in_problems, state.selected) == (False, ("host", "web-1"))
        await pilot.press("slash", *"zzz", "enter")
        assert "no problem matches /zzz; 25 hidden" in screen_text(pilot)
        await pilot.press("escape")
        for each in app.monitor.overview.value.hosts.values() if app.monitor.overview.value else ():
            app.monitor.changes.observe(Overview(each.since, {each.name: each}, {}))
        app.navigation.rewind(NOW)
        await pilot.pause()
        assert re.search(r"✖ 25 hosts +cannot be", screen_text(pilot)), "then, too"
    three = still_app(replace(mixed(), hosts=dict(list(hosts.items())[:3]), services={}))
    async with three.run_test(size=size) as pilot:
        await pilot.pause()
        assert "✖ web-3" in screen_text(pilot)


async def test_the_footer_names_what_a_key_does_now() -> None:
    app = still_app(fleet(3))
    async with app.run_test(size=(200, 55)) as pilot:
        await pilot.pause()

        def footer() -> str:
            return screen_text(pilot).splitlines()[-1]

        assert " p pause " in footer() + " "
        assert " ] later " not in footer()
        await pilot.press("p")
        await pilot.pause()
        assert " p resume " in footer() + " "
        await pilot.press("p", "left_square_bracket")
        await pilot.pause()
        assert " ` now   [ earlier   ] later " in footer(), "the steps stay while one goes through the past"
        await pilot.press("grave_accent", "2")
        await until(lambda: " f stop following " in footer(), what="it follows")
        await pilot.press("f")
        await until(lambda: " f follow " in footer(), what="it no longer does")


async def test_who_configured_nothing_is_told_the_file_that_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "elsewhere"))
    app = still_app(mixed())
    app.config = replace(app.config, hosts={}, services={})
    async with app.run_test(size=(160, 50)) as pilot:
        await pilot.pause()
        assert "add hosts and services to ~/elsewhere/lilfox/config.yaml" in screen_text(pilot)


async def test_what_is_not_known_of_a_network_is_no_empty_chart_and_no_dash_with_a_unit() -> None:
    known = summary("node-1", 20, 30, 40)
    unread = replace(known, network_in_s=None, network_out_s=None)
    none = replace(unread, interfaces=())
    for numbers, told, titles in ((known, "net in 1.1M/s", True), (unread, "network no data yet", True),
                                  (none, "", False)):  # fmt: skip
        overview = replace(fleet(1), hosts={"node-1": host("node-1", Level.GOOD, numbers)}, alerts=None)
        app = still_app(overview)
        async with app.run_test(size=(120, 40)) as pilot:
            app.metrics.state.choose(("host", "node-1"))
            app.metrics.repaint()
            await pilot.pause()
            text = screen_text(pilot)
            assert "-/s" not in text
            assert told in text
            assert (re.search(r"─ node-1 ─.*Network", text, re.DOTALL) is not None) is titles
            if numbers is unread:
                assert "no data yet" in text.partition("─ node-1 ─")[2].partition("Processes")[0]
        async with still_app(overview).run_test(size=(200, 55)) as pilot:
            await pilot.pause()
            assert ("1.1M /  332K" in screen_text(pilot)) is (numbers is known)
            assert "- /     -" not in screen_text(pilot)


@pytest.mark.parametrize("width", range(100, 161, 3))
async def test_legends_of_charts_side_by_side_do_not_touch(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    app = pages_app(monkeypatch, ill=True)
    async with app.run_test(size=(200, 55)) as pilot:
        app.metrics.state.choose(GATEWAY)
        await pilot.pause()
        overview, charts = app.metrics.state.overview, app.metrics.home.charts
        assert overview is not None
        wanted = charts.wanted(overview)
        panel = charts.panel(overview, wanted, PanelArea(0, 0, width, 12))
        line = "".join(piece.text for piece in panel.rows[0])
        assert cell_width(line) <= width - 2
        shown = [each.title for each in wanted if each.title in line]
        assert len(shown) >= 3
        for title in shown[1:]:
            assert re.search(rf"(^|  ){title}", line), (title, line)


@pytest.mark.parametrize("kind", ["service", "host"])
async def test_the_charts_mark_when_the_alert_about_what_is_selected_fired(kind: str) -> None:
    app = still_app(alerting())
    async with app.run_test(size=(200, 55)) as pilot:
        overview = app.metrics.state.overview
        assert overview is not None
        app.metrics.state.choose(("service", "backend") if kind == "service" else ("host", next(iter(overview.hosts))))
        await pilot.pause()
        fired = app.metrics.state.fired_at(app.metrics.state.selected or ("", ""))
        wanted = app.metrics.home.charts.wanted(overview)
        assert wanted
        assert {each.moment for each in wanted} == {fired}
        assert (fired is not None) is (kind == "service")
        rows = app.metrics.home.charts._chart(wanted[0], 90, 6, overview, timedelta(minutes=10))
        told = "".join(piece.text for row in rows for piece in row)
        if fired is not None and "no data" not in told:
            assert f"▲ {fired:%H:%M:%S}" in told


@pytest.mark.parametrize("subject", [GATEWAY, DATABASE, CACHE], ids=lambda subject: subject[1])
@pytest.mark.parametrize("width", [62, 78, 80, 100, 118, 140])
async def test_titles_of_charts_side_by_side_are_whole_and_stand_above_their_charts(
    subject: tuple[str, str], width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = pages_app(monkeypatch, ill=True)
    async with app.run_test(size=(200, 55)) as pilot:
        app.metrics.state.choose(subject)
        await pilot.pause()
        overview, charts = app.metrics.state.overview, app.metrics.home.charts
        assert overview is not None
        wanted = charts.wanted(overview)
        for _drawn_before in range(2):
            panel = charts.panel(overview, wanted, PanelArea(0, 0, width + 2, 9))
            lines = ["".join(piece.text for piece in row) for row in panel.rows]
            assert {cell_width(line) for line in lines[:1]} == {cell_width(lines[1])} == {width - 1}
            ends = [match.end() for match in re.finditer(r"now(?=  |$)", lines[-1].rstrip())]
            starts = [0, *(end + 2 for end in ends[:-1])]
            assert 1 <= len(starts) <= len(wanted)
            for each, start, end in zip(wanted, starts, ends, strict=False):
                assert each.title in lines[0][start:end], (each.title, lines[0])
            wanted = [replace(each, now="unknown", curves=each.curves[:1]) for each in wanted]
