"""The Logs pane by its keys, on real files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from lilfox_tui.app import log_output_keys
from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.log_sources import OpenLogs
from lilfox_tui.app.panes.logs import LogsPane
from lilfox_tui.app.widgets.lines import Lines
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import tr
from lilfox_tui.logs.filter.model import EVERYTHING
from lilfox_tui.logs.record import Severity
from tests.app.log_files import backend_lines, line, logs_app, messages, pane_of, settled
from tests.app.overviews import NOW, mixed
from tests.app.still import screen_text, still_app
from tests.unit.logs.memory_source import MemorySource, record
from tests.waiting import until

SIZE = (100, 30)


def selected(pane: LogsPane) -> str:
    assert pane.selected_record is not None
    return pane.selected_record.entry.message


def level_of(pane: LogsPane) -> Severity:
    return pane.level


def shown_names(pane: LogsPane) -> list[str]:
    return [each.name for each in pane.shown_sources]


async def test_moving_and_both_ends(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        assert selected(pane) == "数据库不可用，停止接受请求"
        await pilot.press("k")
        assert selected(pane) == "GET /api/chat 200"
        await pilot.press("g")
        await until(lambda: not pane.busy)
        await pilot.pause()
        assert selected(pane) == "GET /api/chat 200"
        assert pane.selected is pane.merged.shown[0]  # type: ignore[union-attr]
        await pilot.press("pagedown")
        assert pane.selected is not pane.merged.shown[0]  # type: ignore[union-attr]
        await pilot.press("G")
        await until(lambda: not pane.busy)
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
        assert pane.filter_text == ""


async def test_levels_go_up_and_down(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        await pilot.press("v", "v", "v", "v")
        await until(lambda: len(messages(pane)) == 11)
        assert "level ≥ ERROR" in screen_text(pilot)
        await pilot.press("V")
        await until(lambda: len(messages(pane)) == 20)
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
        assert "(marked)" in screen_text(pilot)
        await pilot.press("G")
        await until(lambda: not pane.busy)
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
        await until(lambda: pane.merged is not None and pane.merged.where == EVERYTHING and len(messages(pane)) > 1)
        await until(lambda: not pane.busy)
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
        await until(lambda: "9 000 of 9 000 records" in screen_text(pilot))
        strip = screen_text(pilot).splitlines()[-2]
        assert "00:40 ── 03:12" in strip
        assert "█" in strip


async def test_fields_make_filters(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        while "OperationalError" not in selected(pane):
            await pilot.press("k")
        await pilot.press("enter")
        await until(lambda: pane.neighbours is not None)
        await pilot.pause()
        assert "OperationalError: connection refused" in screen_text(pilot)
        while pane.field is None or pane.field.name != "logger":
            await pilot.press("j")
        await pilot.press("minus")
        await until(lambda: "OperationalError: connection refused" not in messages(pane))
        assert pane.filter_text == "not logger=app.db"
        assert len(messages(pane)) == 92


async def test_a_request_is_followed_over_all_sources(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        pane.show_only(["backend"])
        await until(lambda: len(messages(pane)) == 12)
        assert "(1 of 2 sources)" in screen_text(pilot)
        while selected(pane) != "OperationalError: connection refused":
            await pilot.press("k")
        await pilot.press("equals_sign")
        await until(lambda: len(messages(pane)) == 11)
        assert shown_names(pane) == ["gateway", "backend"]
        assert pane.filter_text == "request_id=0042"
        assert "GET /api/chat 200" in messages(pane)


async def test_following_goes_along_at_the_end_and_never_moves_a_reader(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        with (tmp_path / "gateway.log").open("a") as file:
            file.write(line(NOW, "INFO", "http", "one more") + "\n")
        await until(lambda: selected(pane) == "one more")
        await pilot.press("k", "k")
        here, top = pane.selected, pane.query_one("#log-list", Lines).top
        with (tmp_path / "gateway.log").open("a") as file:
            file.write(line(NOW, "INFO", "http", "and another") + "\n")
        await until(lambda: "and another" in messages(pane))
        pane.repaint()
        assert pane.selected == here
        assert pane.query_one("#log-list", Lines).top == top
        await pilot.press("F")
        assert "follow ○" in screen_text(pilot)


async def test_marks_are_gone_to(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        await pilot.press("m", "k", "k", "m")
        marked = pane.selected_record
        await pilot.pause()
        assert sum(row.startswith("▲") for row in screen_text(pilot).splitlines()) == 2
        await pilot.press("g")
        await until(lambda: not pane.busy)
        await pilot.press("apostrophe")
        await until(lambda: pane.selected_record == marked)
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
        pane.show_only(["gateway"])
        await until(lambda: len(messages(pane)) == 90)
        await until(lambda: not pane.busy)
        await pilot.press("J", *"8", "enter")
        await until(lambda: selected(pane) == "retry 1/9 backend:8000")
        await pilot.press("J", *"50%", "enter")
        await until(lambda: pane.merged is not None and not pane.busy and selected(pane) == "GET /api/chat 200")
        assert pane.selected_record is not None
        number = int(str(pane.selected_record.entry.fields["request_id"]), 16)
        assert 40 <= number <= 50
        await pilot.press("J", *"never", "enter")
        await until(lambda: "is no time, no share and no line" in screen_text(pilot))


async def test_saving_writes_a_new_file_alone(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        pane.show_only(["backend"])
        await until(lambda: len(messages(pane)) == 12)
        target = tmp_path / "saved.log"
        pane.save(str(target))
        await until(target.exists)
        await until(lambda: "12 records are in" in screen_text(pilot))
        assert target.read_text(encoding="utf-8").splitlines() == backend_lines()
        pane.save(str(target))
        await until(lambda: "File exists" in screen_text(pilot))


async def test_a_row_of_statistics_is_a_filter(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        await pilot.press("S")
        await until(lambda: len(app.screen_stack) == 2)
        await pilot.pause()
        assert "11 errors in 102 records" in screen_text(pilot)
        await pilot.press(*"OperationalError", "enter")
        await until(lambda: len(messages(pane)) == 10)
        assert set(messages(pane)) == {"OperationalError: connection refused"}


async def test_a_row_of_patterns_is_a_filter(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        await pilot.press("P")
        await until(lambda: len(app.screen_stack) == 2)
        await pilot.press(*"retry", "enter")
        await until(lambda: len(messages(pane)) == 9)


async def test_a_service_in_metrics_leads_to_its_logs_at_that_time(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        await settled(app, pilot)
        await pilot.press("1", "at", *"gateway", "enter")
        await pilot.pause()
        app._go_to(NOW - timedelta(seconds=60))
        await pilot.press("l")
        pane = pane_of(app)
        await until(lambda: shown_names(pane) == ["gateway"] and pane.merged is not None and not pane.busy)
        await until(lambda: pane.selected_record is not None)
        assert pane.selected_record is not None
        assert pane.selected_record.at == NOW - timedelta(seconds=60)
        await pilot.press("grave_accent")
        await until(lambda: pane.selected_record is not None and pane.selected_record.at == NOW - timedelta(seconds=2))


async def test_the_panes_change_and_metrics_does_not_draw_meanwhile(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        await settled(app, pilot)
        await pilot.press("1")
        await pilot.pause()
        assert "HOSTS" in screen_text(pilot)
        await pilot.press("2")
        await pilot.pause()
        assert "HOSTS" not in screen_text(pilot)
        assert "follow" in screen_text(pilot)
        await pilot.press("question_mark")
        await pilot.pause()
        assert "hide lesser levels" in screen_text(pilot)


def with_sources(monkeypatch: pytest.MonkeyPatch, sources: Sequence[MemorySource]) -> LilFoxApp:
    """The app on sources in memory, which are slow or fail when they are told to."""

    async def open_them(self: OpenLogs) -> None:
        self.sources = list(sources)
        self.configs = {}

    monkeypatch.setattr(OpenLogs, "open", open_them)
    return still_app(mixed(), files=["none"])


def some(name: str) -> MemorySource:
    at = int(NOW.timestamp() * 1e6)
    return MemorySource(name, [record(name, number, at - 10**6 * (50 - number)) for number in range(50)])


async def test_a_source_that_fails_is_named_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad = some("good"), some("bad")
    bad.error = LilFoxError(tr("connection lost"), tr("is the host up, and its network?"))
    app = with_sources(monkeypatch, [good, bad])
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        await until(lambda: "bad: connection lost" in screen_text(pilot))
        assert "next try in" in screen_text(pilot)
        assert len(messages(pane)) == 50
        bad.error = None
        await pilot.press("r")
        await until(lambda: len(messages(pane)) == 100)
        await until(lambda: "connection lost" not in screen_text(pilot))


async def test_while_a_search_runs_it_says_so_keys_work_and_esc_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    source = some("slow")
    app = with_sources(monkeypatch, [source])
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        source.slow = True
        await pilot.press("slash", *"nothing", "enter")
        await until(lambda: "searching slow" in screen_text(pilot))
        await pilot.press("t")
        await pilot.pause()
        assert "local time" in screen_text(pilot)
        await pilot.press("escape")
        await until(lambda: not pane.busy)
        await until(lambda: "searching" not in screen_text(pilot))
        assert pane.filter_text == "nothing", "the first esc ends the search alone"


async def test_what_cannot_be_counted_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_sources: object, **_more: object) -> None:
        raise LilFoxError(tr("a process that counts has ended (exit status {status})", status=9))

    monkeypatch.setattr(log_output_keys, "analyze", fails)
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        await pilot.press("S")
        await until(lambda: "a process that counts has ended" in screen_text(pilot))
        assert not pane.busy
        assert len(messages(pane)) == 102


async def test_typing_a_filter_letter_by_letter_does_not_lead_away(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        while selected(pane) != "retry 8/9 backend:8000":
            await pilot.press("k")
        here = pane.selected_record
        await pilot.press("slash", *"nothing")
        await until(lambda: not messages(pane) and not pane.busy)
        await pilot.press("escape")
        await until(lambda: len(messages(pane)) == 102 and not pane.busy)
        assert pane.selected_record == here


async def test_at_the_end_a_filter_leaves_the_reader_at_the_end(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        await pilot.press("slash", *"retry", "enter")
        await until(lambda: len(messages(pane)) == 9 and not pane.busy)
        assert selected(pane) == "retry 9/9 backend:8000"
        assert pane.at_end
