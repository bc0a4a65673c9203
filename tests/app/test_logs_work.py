"""What the Logs pane saves, counts and tells, where its keys lead from Metrics, and sources that are slow or fail."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.navigation import LOGS
from lilfox_tui.app.open_logs import OpenLogs
from lilfox_tui.app.widgets import Lines
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import tr
from lilfox_tui.logs import analyze, window
from lilfox_tui.logs.record import Severity
from tests.app.log_files import (
    backend_lines,
    gateway_lines,
    line,
    logs_app,
    messages,
    pane_of,
    save,
    selected,
    settled,
    shown_names,
)
from tests.app.overviews import NOW, mixed
from tests.app.still import screen_text, still_app
from tests.unit.logs.memory_source import MemorySource, record
from tests.waiting import until

SIZE = (100, 30)


async def test_saving_writes_a_new_file_alone(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        pane.feed.show_only(["backend"])
        await until(lambda: len(messages(pane)) == 12)
        target = tmp_path / "saved.log"
        save(pane, target)
        await until(target.exists)
        await until(lambda: "12 records saved" in app.note[0])
        assert target.read_text(encoding="utf-8").splitlines() == backend_lines()
        save(pane, target)
        await until(lambda: "File exists" in app.note[0])  # on the screen a long path pushes the reason out of sight


async def test_all_that_matches_is_saved_in_order_and_for_no_one_else(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    at = NOW - timedelta(days=1)
    lines = [line(at + timedelta(seconds=number), "INFO", "http", f"n {number}") for number in range(9000)]
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        (tmp_path / "gateway.log.1").write_text("\n".join(lines) + "\n")
        pane.feed.set_filter("not retry")
        await until(lambda: "retry 9/9 backend:8000" not in messages(pane) and not pane.state.busy)
        target = tmp_path / "saved.log"
        save(pane, target)
        await until(lambda: "saved in" in screen_text(pilot))
        new = [each for each in (*gateway_lines(), *backend_lines()) if "retry" not in each]
        assert target.read_text().splitlines() == [*lines, *sorted(new, key=lambda each: json.loads(each)["timestamp"])]
        assert target.stat().st_mode & 0o777 == 0o600
        assert not target.with_name("saved.log.part").exists()


async def test_what_esc_ends_is_saved_under_another_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source = some("slow")
    app = with_sources(monkeypatch, [source])
    target = tmp_path / "saved.log"
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        source.slow = True
        save(pane, target)
        await until(lambda: "saving: 0 records" in screen_text(pilot))
        await until(target.with_name("saved.log.part").exists)
        await pilot.press("escape")
        await until(lambda: "partially saved" in screen_text(pilot))
        assert not target.exists()
        assert not pane.state.busy


async def test_a_row_of_statistics_is_a_filter(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        await pilot.press("S")
        await until(lambda: len(app.screen_stack) == 2)
        await pilot.pause()
        assert "11 errors (level ERROR or above) in 102 records" in screen_text(pilot)
        await pilot.press(*"OperationalError", "enter")
        await until(lambda: len(messages(pane)) == 10)
        assert set(messages(pane)) == {"OperationalError: connection refused"}


@pytest.mark.parametrize(("size", "seen"), [((80, 24), True), ((100, 30), True), ((40, 10), False)])
async def test_what_was_counted_stays_in_sight_while_the_statistics_scroll(
    tmp_path: Path, size: tuple[int, int], seen: bool
) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=size) as pilot:
        await settled(app, pilot)
        await pilot.press("S")
        await until(lambda: len(app.screen_stack) == 2)
        await pilot.pause()
        assert "11 errors (level ERROR" in screen_text(pilot)
        await pilot.press(*["pagedown"] * 5)
        text = screen_text(pilot)
        assert "03:12:40" in text, "the last row"
        assert ("11 errors (level ERROR or above) in 102 records" in text) is seen
        assert ("gateway, backend" in text) is seen
        await pilot.press(*["pageup"] * 5)
        assert "Levels" in screen_text(pilot)


async def test_the_selected_row_is_seen_on_the_smallest_screen(tmp_path: Path) -> None:
    lines = [line(NOW - timedelta(seconds=40 - at), "ERROR", "http", "GET / 500 in 1 s") for at in range(40)]
    (tmp_path / "api.log").write_text("\n".join([*lines, ""]))
    app = still_app(mixed(), files=(str(tmp_path / "api.log"),))
    async with app.run_test(size=(40, 10)) as pilot:
        await settled(app, pilot)
        await pilot.press("S")
        await until(lambda: "errors  " in screen_text(pilot))
        assert "change:" in screen_text(pilot), "the head is as long as it gets"


async def test_the_mouse_and_the_arrows_choose_among_sections_side_by_side(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await settled(app, pilot)
        await pilot.press("S")
        await until(lambda: len(app.screen_stack) == 2)
        await pilot.pause()
        lines = app.screen.query_one("#dialog-list", Lines)

        def marked() -> str:
            return " ".join(piece.text for row in lines.rows for piece in row if piece.ground == "selection")

        assert "errors" in marked()
        await pilot.press("right")
        assert "84 ms" in marked(), "what stands beside it"
        await pilot.press("left", "down")
        assert "warnings" in marked()
        await pilot.press(*"nosuch")
        await until(lambda: "nothing matches" in screen_text(pilot))
        await pilot.press("enter", "down", "right")
        assert len(app.screen_stack) == 2
        await pilot.press(*["backspace"] * 6)
        await until(lambda: "errors" in marked())
        texts = ["".join(piece.text for piece in row) for row in lines.rows]
        y = next(at for at, text in enumerate(texts) if "OperationalError " in text)
        await pilot.click("#dialog-list", offset=(texts[y].index("OperationalError "), y))
        await until(lambda: pane.state.filter_text == "level>=ERROR type=OperationalError")


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
        app.navigation.rewind(NOW - timedelta(seconds=60))
        await pilot.press("l")
        pane = pane_of(app)
        await until(lambda: shown_names(pane) == ["gateway"] and pane.state.merged is not None and not pane.state.busy)
        await until(lambda: pane.state.selected_record is not None)
        assert pane.state.selected_record is not None
        assert pane.state.selected_record.at == NOW - timedelta(seconds=60)
        await pilot.press("grave_accent")
        await until(lambda: (now := pane.state.selected_record) is not None and now.at == NOW - timedelta(seconds=2))


async def test_the_panes_change_and_metrics_does_not_draw_meanwhile(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        await settled(app, pilot)
        await pilot.press("1")
        await pilot.pause()
        assert "─ Hosts ─" in screen_text(pilot)
        await pilot.press("2")
        await pilot.pause()
        assert "─ Hosts ─" not in screen_text(pilot)
        assert "follow" in screen_text(pilot)
        await pilot.press("question_mark")
        await pilot.pause()
        assert "hide lower levels" in screen_text(pilot)


async def test_a_file_that_is_written_later_is_read_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "RETRIES_S", (0.05,))
    late = tmp_path / "late.log"
    app = still_app(mixed(), files=[str(late)])
    async with app.run_test(size=SIZE) as pilot:
        pane = pane_of(app)
        await until(lambda: pane.state.merged is not None and "late" in pane.state.merged.troubles)
        await until(lambda: "late: " in screen_text(pilot))
        late.write_text(line(NOW, "INFO", "http", "here it is") + "\n")
        await until(lambda: "here it is" in screen_text(pilot))
        await until(lambda: "late: " not in screen_text(pilot))


def with_sources(monkeypatch: pytest.MonkeyPatch, sources: Sequence[MemorySource], language: str = "en") -> LilFoxApp:
    """The app on sources in memory, which are slow or fail when they are told to."""

    async def open_them(self: OpenLogs) -> None:
        self.sources = list(sources)
        self.configs = {}

    monkeypatch.setattr(OpenLogs, "open", open_them)
    return still_app(mixed(), language=language, files=["none"])


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
        await pilot.press("R")
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
        await until(lambda: not pane.state.busy)
        await until(lambda: "searching" not in screen_text(pilot))
        assert pane.state.filter_text == "nothing", "the first esc ends the search alone"


async def test_what_cannot_be_counted_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_sources: object, **_more: object) -> None:
        raise LilFoxError(tr("a counting process has exited (exit status {status})", status=9))

    monkeypatch.setattr(analyze, "analyze", fails)
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        await pilot.press("S")
        await until(lambda: "a counting process has exited" in screen_text(pilot))
        assert not pane.state.busy
        assert len(messages(pane)) == 102


async def test_typing_a_filter_letter_by_letter_does_not_lead_away(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        while selected(pane) != "retry 8/9 backend:8000":
            await pilot.press("k")
        here = pane.state.selected_record
        await pilot.press("slash", *"nothing")
        await until(lambda: not messages(pane) and not pane.state.busy)
        await pilot.press("escape")
        await until(lambda: len(messages(pane)) == 102 and not pane.state.busy)
        assert pane.state.selected_record == here


async def test_at_the_end_a_filter_leaves_the_reader_at_the_end(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        await pilot.press("slash", *"retry", "enter")
        await until(lambda: len(messages(pane)) == 9 and not pane.state.busy)
        assert selected(pane) == "retry 9/9 backend:8000"
        assert pane.state.at_end


@pytest.mark.parametrize("ago", [None, timedelta(hours=1)])
async def test_when_a_source_is_tried_again_is_told_by_the_clock(
    monkeypatch: pytest.MonkeyPatch, ago: timedelta | None
) -> None:
    """Also on a screen that is rewound, where the next try is not an hour away."""
    source = some("web")
    app = with_sources(monkeypatch, [source])
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        error, now = LilFoxError(tr("no answer")), datetime.now(UTC)
        pane.state.rewound = None if ago is None else now - ago
        source.status.fail(error, next_try=now + timedelta(seconds=8))
        await until(lambda: "web: no answer" in screen_text(pilot))
        assert re.search(r"next try in [678] s", screen_text(pilot))
        source.status.fail(error, next_try=now)
        await until(lambda: "trying now" in screen_text(pilot))


async def test_since_when_a_source_is_away_is_told_however_long_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    source = some("web")
    app = with_sources(monkeypatch, [source])
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(app, pilot)
        reason = "/home/ops/.ssh/keys/production/id_ed25519 cannot be read: No such file or directory"
        now = datetime.now(UTC)
        source.status.fail(LilFoxError(tr("{reason}", reason=reason)), next_try=now + timedelta(seconds=8))
        await until(lambda: "web: /home/ops" in screen_text(pilot))
        row = next(line for line in screen_text(pilot).splitlines() if "web: /home/ops" in line)
        assert re.search(r"…  since \d\d:\d\d:\d\d, next try in [678] s$", row)


async def test_one_key_shows_the_newest_errors_of_all_logs(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=(100, 30)) as pilot:
        pane = await settled(app, pilot)
        pane.feed.show_only([])
        await pilot.press("1", "E")
        assert app.navigation.current == LOGS
        state = pane.state
        assert (state.level, state.filter_text) == (Severity.ERROR, "10m")
        assert [each.name for each in state.shown_sources] == [each.name for each in state.sources]
        await until(lambda: "level ≥ ERROR" in screen_text(pilot))
        await pilot.press("escape", "escape")
        assert (state.level, state.filter_text) == (Severity.UNKNOWN, "")


async def test_titles_of_the_statistics_are_passed_over(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=(100, 40)) as pilot:
        pane = await settled(app, pilot)
        await pilot.press("S")
        await until(lambda: len(app.screen_stack) == 2)
        await pilot.pause()
        assert "enter or + filters by the selected row" in screen_text(pilot)
        lines = app.screen.query_one("#dialog-list", Lines)
        seen = []
        for _press in range(25):
            (row,) = [row for row in lines.rows if any(piece.ground == "selection" for piece in row)]
            seen.append("".join(piece.text for piece in row if piece.ground == "selection").strip())
            await pilot.press("down")
        assert seen[0].startswith("✖ errors")
        assert any(row.startswith("OperationalError") for row in seen)
        assert not any("records" in row and "errors" in row for row in seen), "titles and headings are passed over"
        assert seen[-1] == seen[-2], "the last row"
        await pilot.press(*"longer", "space", *"gateway", "enter")
        await until(lambda: pane.state.filter_text == "source=gateway response_time>0.084")
