"""The Logs pane by its keys, on real files."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import pytest

from lilfox_tui.app.panes.logs.board import Board
from lilfox_tui.app.panes.logs.histogram import Bars, axis_row
from lilfox_tui.app.rendering.draw import Glyphs, Row
from lilfox_tui.app.widgets import Lines
from lilfox_tui.logs.filter.model import EVERYTHING
from lilfox_tui.logs.record import LogRecord, Severity
from tests.app.log_files import (
    has_neighbours,
    level_of,
    line,
    logs_app,
    messages,
    pane_of,
    selected,
    settled,
    shown_names,
)
from tests.app.overviews import NOW, mixed
from tests.app.still import screen_text, still_app
from tests.waiting import until

SIZE = (100, 30)


async def test_moving_and_both_ends(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        assert selected(pane) == "数据库不可用，停止接受请求"
        await pilot.press("k")
        assert selected(pane) == "GET /api/chat 200"
        await pilot.press("g")
        await until(lambda: not pane.state.busy)
        await pilot.pause()
        assert selected(pane) == "GET /api/chat 200"
        assert pane.state.selected is pane.state.merged.shown[0]  # type: ignore[union-attr]
        await pilot.press("pagedown")
        assert pane.state.selected is not pane.state.merged.shown[0]  # type: ignore[union-attr]
        await pilot.press("G")
        await until(lambda: not pane.state.busy)
        await pilot.pause()
        assert selected(pane) == "数据库不可用，停止接受请求"


async def test_a_filter_is_live_its_errors_are_told_and_esc_clears_it(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        await pilot.press("slash", *"retry")
        await until(lambda: set(messages(pane)) == {f"retry {number}/9 backend:8000" for number in range(1, 10)})
        await pilot.press("enter", "slash", *" (")
        await pilot.pause()
        assert "filter, " in screen_text(pilot)
        assert len(messages(pane)) == 9, "what is wrong leaves the last good one"
        await pilot.press("escape")
        await until(lambda: len(messages(pane)) == 102)
        assert pane.state.filter_text == ""


@pytest.mark.parametrize(
    ("typed", "in_force", "told"),
    [
        ("foo=", "foo", "nothing matches foo"),
        ("level=x", "level", "102 matching records of 102"),
        ("(", "", "102 of 102 records"),
    ],
)
async def test_an_invalid_filter_says_which_one_is_in_force(
    typed: str, in_force: str, told: str, tmp_path: Path
) -> None:
    """The list and the counts are those of the last valid one."""
    app = logs_app(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(app, pilot)
        await pilot.press("slash", *typed)
        says = f"not applied; still in force: {in_force}" if in_force else "not applied; no filter is in force"
        await until(lambda: says in screen_text(pilot))
        await until(lambda: told in screen_text(pilot))
        right = screen_text(pilot).splitlines()[2].split("model")[-1]
        assert typed not in right
        await pilot.press("enter", "escape")
        await until(lambda: "not applied" not in screen_text(pilot) and "102 of 102 records" in screen_text(pilot))


@pytest.mark.parametrize(("count", "told"), [(1, "the log is empty"), (2, "all 2 logs are empty")])
async def test_empty_logs_are_said_to_be_empty(count: int, told: str, tmp_path: Path) -> None:
    paths = [tmp_path / f"log-{number}.log" for number in range(count)]
    for path in paths:
        path.write_text("")
    app = still_app(mixed(), files=tuple(map(str, paths)))
    async with app.run_test(size=SIZE) as pilot:
        await until(lambda: f"no records: {told}" in screen_text(pilot))
        await pilot.press("p")


async def test_levels_go_up_and_down(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        await pilot.press("v", "v", "v", "v")
        await until(lambda: len(messages(pane)) == 11)
        assert "level ≥ ERROR" in screen_text(pilot)
        await pilot.press("ctrl+v")
        await until(lambda: len(messages(pane)) == 20 and not pane.state.busy)
        await pilot.press("escape")
        assert level_of(pane) is Severity.UNKNOWN
        await until(lambda: len(messages(pane)) == 102)


async def test_marked_matches_and_the_next_one(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        await pilot.press("slash", *"retry", "enter", "ampersand")
        await until(lambda: len(messages(pane)) == 102)
        await pilot.pause()
        assert "(matches marked)" in screen_text(pilot)
        await pilot.press("G")
        await until(lambda: not pane.state.busy)
        await pilot.press("N")
        assert selected(pane) == "retry 9/9 backend:8000"
        await pilot.press("N", "N")
        assert selected(pane) == "retry 7/9 backend:8000"
        await pilot.press("n")
        assert selected(pane) == "retry 8/9 backend:8000"


async def test_the_next_match_is_found_past_what_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "big.log"
    lines = [
        line(NOW - timedelta(seconds=9000 - number), "INFO", "http", f"request {number}") for number in range(9000)
    ]
    lines[17] = line(NOW - timedelta(seconds=9000 - 17), "INFO", "http", "the needle")
    file.write_text("\n".join(lines) + "\n")
    app = still_app(mixed(), files=[str(file)])
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        await pilot.press("slash", *"needle", "enter", "ampersand")
        state = pane.state
        await until(lambda: state.merged is not None and state.merged.where == EVERYTHING and len(messages(pane)) > 1)
        await until(lambda: not pane.state.busy)
        await pilot.press("N")
        await until(lambda: selected(pane) == "the needle")
        await pilot.pause()
        assert "the needle" in screen_text(pilot)


async def test_the_strip_tells_of_everything_once_it_is_counted(tmp_path: Path) -> None:
    file = tmp_path / "big.log"
    levels = ["ERROR" if number == 4000 else "INFO" for number in range(9000)]
    lines = [line(NOW - timedelta(seconds=9000 - at), level, "http", "x") for at, level in enumerate(levels)]
    file.write_text("\n".join(lines) + "\n")
    app = still_app(mixed(), files=[str(file)])
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        assert len(messages(pane)) < 9000
        await until(lambda: "9,000 of 9,000 records" in screen_text(pilot))
        await until(lambda: "00:40 ── 03:12" in screen_text(pilot))
        strip = screen_text(pilot).splitlines()[-2].split()[1]
        assert set(strip) == {"▁", "▆"}, "one part of the time has the error, and no bar is as high as its line"
        assert strip.index("▆") == pytest.approx(len(strip) * 4000 / 9000, abs=2)


async def test_fields_make_filters(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        while "OperationalError" not in selected(pane):
            await pilot.press("k")
        await pilot.press("enter")
        await until(lambda: has_neighbours(pane))
        await pilot.pause()
        assert "OperationalError: connection refused" in screen_text(pilot)
        while pane.state.field is None or pane.state.field.name != "logger":
            await pilot.press("j")
        await pilot.press("minus")
        await until(lambda: len(messages(pane)) == 92)
        assert pane.state.filter_text == "not logger=app.db"
        assert "OperationalError: connection refused" not in messages(pane)


async def test_a_request_is_followed_over_all_sources(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        pane.feed.show_only(["backend"])
        await until(lambda: len(messages(pane)) == 12)
        assert "(1 of 2 sources)" in screen_text(pilot)
        while selected(pane) != "OperationalError: connection refused":
            await pilot.press("k")
        await pilot.press(*"vvvv")
        await until(lambda: len(messages(pane)) == 11)
        assert pane.state.level is Severity.ERROR
        await pilot.press("equals_sign")
        await until(lambda: "GET /api/chat 200" in messages(pane), what="also what is no error")
        assert shown_names(pane) == ["gateway", "backend"]
        assert pane.state.filter_text == "request_id=0042"
        assert "GET /api/chat 200" in messages(pane)
        await pilot.press("escape")
        await until(lambda: shown_names(pane) == ["backend"], what="as before the trace")
        assert pane.state.level is Severity.ERROR
        await until(lambda: len(messages(pane)) == 11)


async def test_following_goes_along_at_the_end_and_never_moves_a_reader(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        with (tmp_path / "gateway.log").open("a") as file:
            file.write(line(NOW, "INFO", "http", "one more") + "\n")
        await until(lambda: selected(pane) == "one more")
        await pilot.press("k", "k")
        here, top = pane.state.selected, pane.query_one("#log-list", Lines).top
        with (tmp_path / "gateway.log").open("a") as file:
            file.write(line(NOW, "INFO", "http", "and another") + "\n")
        await until(lambda: "and another" in messages(pane))
        pane.repaint()
        assert pane.state.selected == here
        assert pane.query_one("#log-list", Lines).top == top
        await pilot.press("f")
        await until(lambda: selected(pane) == "and another")
        await pilot.press("f")
        assert "follow off" in screen_text(pilot)


async def test_paused_it_holds_still_and_then_goes_on(tmp_path: Path) -> None:
    """Nothing on the screen changes by itself: neither rows nor bars nor counts. Keys show what there was by then."""
    app = logs_app(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await settled(app, pilot)
        await until(lambda: "102 of 102 records" in screen_text(pilot))
        assert "follow ●" in screen_text(pilot)
        await pilot.press("p")
        await pilot.pause()
        paused = screen_text(pilot)
        assert pane.state.merged is not None
        assert not pane.state.merged.following, "nothing is read for nobody"
        assert "follow" not in paused.splitlines()[2]
        assert re.search(r" until \d\d:\d\d:\d\d", paused.splitlines()[2])
        later = datetime.now(UTC) + timedelta(seconds=2)
        with (tmp_path / "gateway.log").open("a") as file:
            file.write(line(later, "ERROR", "http", "one more") + "\n")
        await pilot.press("down", "G", "S")
        told = "11 errors (level ERROR or above) in 102 records"  # all of the logs was read again by then
        await until(lambda: told in screen_text(pilot))
        await pilot.press("escape")
        await pilot.pause()
        assert screen_text(pilot).splitlines()[1:] == paused.splitlines()[1:]
        await pilot.press("slash", *"more", "enter")
        await until(lambda: "nothing matches" in screen_text(pilot))
        await pilot.press("escape")
        await until(lambda: "102 records" in screen_text(pilot) and len(messages(pane)) == 102)
        await pilot.press("p")
        await until(lambda: "103 of 103 records" in screen_text(pilot) and "12 level ≥ ERROR" in screen_text(pilot))
        assert selected(pane) == "one more"
        with (tmp_path / "gateway.log").open("a") as file:
            file.write(line(later, "INFO", "http", "and on") + "\n")
        await until(lambda: selected(pane) == "and on")


@pytest.mark.parametrize(("key", "text"), [("plus", "level>=ERROR"), ("minus", "not level>=ERROR")])
async def test_a_row_of_the_statistics_is_kept_or_hidden_by_one_key(key: str, text: str, tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await settled(app, pilot)
        await pilot.press("S")
        await until(lambda: "11 errors (level ERROR or above)" in screen_text(pilot))
        assert "- hides its records" in screen_text(pilot)
        await pilot.press(key)
        await until(lambda: pane.state.filter_text == text, what=text)
        await pilot.press("escape", "S")
        await until(lambda: "11 errors (level ERROR or above)" in screen_text(pilot))
        await pilot.press("x", key)
        await pilot.pause()
        assert isinstance(app.screen, Board), "in a word it is a character"


async def test_logs_that_are_shown_after_the_screen_was_paused_end_there(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await settled(app, pilot)
        await pilot.press("1", "p")
        assert pane.state.merged is not None
        assert not pane.state.merged.following
        with (tmp_path / "gateway.log").open("a") as file:
            file.write(line(datetime.now(UTC) + timedelta(seconds=2), "INFO", "http", "one more") + "\n")
        await pilot.press("2", "G", "S")
        await until(lambda: "11 errors (level ERROR or above) in 102 records" in screen_text(pilot))
        await pilot.press("escape")
        await pilot.pause()
        assert "one more" not in messages(pane)
        await pilot.press("p")
        await until(lambda: selected(pane) == "one more")


async def test_rewound_nothing_is_there_that_was_written_later(tmp_path: Path) -> None:
    """Not in the list, the bars, the counts, on the page of a record, or where errors are looked for."""
    app = logs_app(tmp_path)
    then = NOW - timedelta(seconds=20)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await settled(app, pilot)
        app.navigation.rewind(then)
        await until(lambda: pane.state.selected_record is not None and pane.state.selected_record.at == then)
        await until(lambda: "6 level ≥ ERROR" in screen_text(pilot) and " 88 records" in screen_text(pilot))
        shown = screen_text(pilot)
        assert pane.state.newest == then
        assert f"until {then:%H:%M:%S}" in shown.splitlines()[2]
        assert "of 102" not in shown
        await pilot.press("ctrl+e")
        await until(lambda: "no newer record at level ERROR or above" in screen_text(pilot))
        await pilot.press("S")
        await until(lambda: "6 errors (level ERROR or above) in 88 records" in screen_text(pilot))
        assert f"to {then:%H:%M:%S} UTC" in screen_text(pilot)
        assert "no filter" in screen_text(pilot)
        await pilot.press("escape", "P")
        patterns = f"{NOW - timedelta(seconds=180):%H:%M:%S} to {then:%H:%M:%S} UTC"
        await until(lambda: patterns in screen_text(pilot))
        await pilot.press("escape", "enter")
        await until(lambda: has_neighbours(pane))
        assert pane.state.page is not None
        assert pane.state.page.neighbours is not None
        assert not pane.state.page.neighbours.after
        await pilot.press("escape", "f")
        await pilot.pause()
        assert "you are viewing the past" in screen_text(pilot)
        await pilot.press("slash", *"30s", "enter")
        await until(lambda: 0 < len(messages(pane)) < 30 and not pane.state.busy)
        assert pane.state.newest == then, "the last half minute of that time"
        await pilot.press("escape")
        await pilot.press("grave_accent")
        await until(lambda: "102 of 102 records" in screen_text(pilot) and "follow ●" in screen_text(pilot))


async def test_e_of_another_pane_goes_to_the_newest_error_and_esc_undoes_all_of_it(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await settled(app, pilot)
        with (tmp_path / "backend.log").open("a") as file:
            for second in (300, 200, 1):
                at = datetime.now(UTC) - timedelta(seconds=second)
                file.write(line(at, "ERROR", "app.db", f"{second} s ago") + "\n")
        await until(lambda: selected(pane) == "1 s ago")
        await pilot.press("k", "k", "enter", "1", "E")
        await until(lambda: messages(pane) == ["300 s ago", "200 s ago", "1 s ago"])
        await until(lambda: selected(pane) == "1 s ago")
        assert pane.state.page is None
        assert "follow ●" in screen_text(pilot)
        await pilot.press("escape")
        await until(lambda: len(messages(pane)) == 105)
        assert level_of(pane) is Severity.UNKNOWN
        await pilot.press("escape")
        await pilot.pause()
        assert "nothing to close or clear here" in screen_text(pilot)


async def test_the_clock_of_the_header_is_not_older_than_the_records_below_it(tmp_path: Path) -> None:
    """Nor later than the present, if a host's clock is."""
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        await settled(app, pilot)
        assert f"{NOW:%H:%M:%S} UTC" in screen_text(pilot).splitlines()[0], "of the overview, which is newer"
        for ahead, keys in ((timedelta(), ()), (timedelta(hours=2), ()), (timedelta(hours=3), ("G",))):
            at = datetime.now(UTC)
            await pilot.press(*keys)
            with (tmp_path / "gateway.log").open("a") as file:
                file.write(line(at + ahead, "INFO", "http", f"ahead {ahead}") + "\n")
            await until(lambda ahead=ahead: f"ahead {ahead}" in messages(pane_of(app)))  # type: ignore[misc]
            pane_of(app).repaint()
            await pilot.pause()
            told = re.search(r"(\d\d:\d\d:\d\d) UTC", screen_text(pilot).splitlines()[0])
            assert told is not None
            passed = int((datetime.now(UTC) - at).total_seconds()) + 2
            possible = [f"{at + timedelta(seconds=each):%H:%M:%S}" for each in range(passed)]
            assert told[1] in possible


async def test_what_came_while_another_pane_was_shown_is_there(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        await pilot.press("1")
        with (tmp_path / "gateway.log").open("a") as file:
            file.write(line(NOW, "INFO", "http", "one more") + "\n")
        await until(lambda: "one more" in messages(pane))
        await pilot.press("2")
        await until(lambda: "one more" in screen_text(pilot))
        assert selected(pane) == "one more"


async def test_another_language_is_shown_at_once(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=(100, 14)) as pilot:
        await settled(app, pilot)
        await pilot.press("v", "v", "v", "L")
        await until(lambda: "（12 s 内 ×4）" in screen_text(pilot))
        assert "条匹配的记录" in screen_text(pilot)


async def test_marks_are_gone_to(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        await pilot.press("m", "k", "k", "m")
        marked = pane.state.selected_record
        await pilot.pause()
        assert sum(row.startswith("▲") for row in screen_text(pilot).splitlines()) == 2
        await pilot.press("g")
        await until(lambda: not pane.state.busy)
        await pilot.press("apostrophe")
        await until(lambda: pane.state.selected_record == marked)
        await pilot.press("apostrophe")
        await until(lambda: selected(pane) == "数据库不可用，停止接受请求")


@pytest.mark.parametrize(
    ("words", "message"),
    [("03:11:58", "retry 7/9 backend:8000"), ("2026-03-29T03:11:38", "retry 6/9 backend:8000")],
)
async def test_jumping_to_a_time(words: str, message: str, tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        app.rewound = NOW
        pane.rewind(NOW)
        await pilot.press("J", *words, "enter")
        await until(lambda: selected(pane) == message)


async def test_jumping_to_a_line_and_a_share_of_one_file(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        await pilot.press("J", *"8", "enter")
        await until(lambda: "2 sources are shown" in screen_text(pilot))
        pane.feed.show_only(["gateway"])
        await until(lambda: len(messages(pane)) == 90)
        await until(lambda: not pane.state.busy)
        await pilot.press("J", *"8", "enter")
        await until(lambda: selected(pane) == "retry 1/9 backend:8000")
        await pilot.press("J", *"50%", "enter")
        middle = {f"{number:04x}" for number in range(40, 51)}
        await until(lambda: (at := pane.state.selected_record) and at.entry.fields["request_id"] in middle)
        await pilot.press("J", *"never", "enter")
        await until(lambda: "is not a time, a percentage or a line number" in screen_text(pilot))


async def test_a_field_that_no_record_has_is_said_with_a_similar_one(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(app, pilot)
        await pilot.press("slash", *"requst_id=0042", "enter")
        await until(
            lambda: "no record read so far has a field requst_id; did you mean request_id?" in screen_text(pilot)
        )
        await pilot.press("escape", "slash", *"request_id=nobody", "enter")
        await until(lambda: "nothing matches" in screen_text(pilot))
        assert "has a field" not in screen_text(pilot)


async def test_errors_are_gone_to_from_the_newest_to_the_oldest(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=(170, 40)) as pilot:
        pane = await settled(app, pilot)
        times = []
        for _press in range(3):
            await pilot.press("E")
            await pilot.pause()
            record = pane.state.selected_record
            assert record is not None
            assert record.entry.severity >= Severity.ERROR
            times.append(record.entry.time_us or 0)
        assert times == sorted(times, reverse=True)
        assert len(set(times)) == 3
        await pilot.press("enter")
        await pilot.press("ctrl+e")
        await pilot.pause()
        assert pane.state.page is not None
        assert pane.state.page.record is not None
        assert pane.state.page.record.entry.time_us == times[1], "the page goes with it"
        await pilot.press("escape")
        for _press in range(300):
            await pilot.press("E")
            if "no older record at level ERROR or above" in screen_text(pilot):
                break
        assert "no older record at level ERROR or above" in screen_text(pilot)


async def test_an_open_record_stands_beside_the_list_and_the_next_one_opens(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=(170, 40)) as pilot:
        pane = await settled(app, pilot)
        assert pane.state.at_end
        await pilot.press("enter")
        await pilot.pause()
        row = next(line for line in screen_text(pilot).splitlines() if "Fields" in line)
        assert row.index("│") > 80, "the list is still there"
        first = pane.state.page
        await pilot.press("N")
        await pilot.pause()
        assert pane.state.page is not None
        assert first is not None
        assert pane.state.page.shown.key < first.shown.key
        await pilot.press("escape")
        await pilot.pause()
        assert pane.state.at_end, "it goes on following"
        await pilot.resize_terminal(120, 40)
        await pilot.press("enter")
        await pilot.pause()
        assert not pane.query_one("#log-list", Lines).display


async def test_bars_of_the_histogram_are_steps_in_time(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await settled(app, pilot)
        marks = []
        for _press in range(3):
            await pilot.press("<")
            await pilot.pause()
            row = next(line for line in screen_text(pilot).splitlines() if " each bar " in line)
            marks.append(row.index("▲"))
        assert marks == sorted(marks, reverse=True)
        assert len(set(marks)) == 3
        assert not pane.state.at_end
        for _press in range(4):
            await pilot.press(">")
            await pilot.pause()
        assert pane.state.at_end, "after the last bar it follows again"


async def test_the_mark_of_the_histogram_goes_along_with_the_selection(tmp_path: Path) -> None:
    """Also in the one drawing that shows new records for the first time."""
    app = logs_app(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await settled(app, pilot)
        marked: list[tuple[int | None, int | None]] = []

        def axis(bars: Bars, selected_us: int | None, zone: tzinfo, glyphs: Glyphs) -> Row:
            assert pane.state.merged is not None
            newest = pane.state.merged.shown[-1].item
            marked.append((selected_us, newest.entry.time_us if isinstance(newest, LogRecord) else None))
            return axis_row(bars, selected_us, zone, glyphs)

        later = datetime.now(UTC) + timedelta(minutes=2)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("lilfox_tui.app.panes.logs.histogram.axis_row", axis)
            with (tmp_path / "gateway.log").open("a") as file:
                file.write(line(later, "INFO", "http", "one more") + "\n")
            await until(lambda: bool(marked) and selected(pane) == "one more")
        assert all(mark == newest for mark, newest in marked), "it follows: the newest record is selected"


async def test_keys_typed_while_the_list_moves_are_about_where_it_arrives(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        await pilot.press("slash", *"retry", "enter")
        await until(lambda: len(messages(pane)) == 9 and not pane.state.busy)
        pane.list.back()  # the keys are there before the list is
        for key in ("error-before", "open"):
            app.do(next(each for each in pane.actions() if each.id == key))
        await until(lambda: pane.state.page is not None and len(messages(pane)) == 102)
        opened = pane.state.page.record if pane.state.page is not None else None
        assert opened is not None
        assert opened.entry.severity >= Severity.ERROR
        assert "there is no record here" not in screen_text(pilot)


async def test_why_a_key_did_nothing_goes_with_one_that_does_something(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        await settled(app, pilot)
        await pilot.press("escape")
        await pilot.pause()
        assert "nothing to close or clear here" in screen_text(pilot)
        await pilot.press("k")
        await pilot.pause()
        assert "nothing to close or clear here" not in screen_text(pilot)
        app.tell("saved")
        await pilot.press("k")
        await pilot.pause()
        assert "saved" in screen_text(pilot), "an answer stays"
