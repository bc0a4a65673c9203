"""Long messages are moved under columns that stay."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.rendering.changed_cells import changed_spans
from lilfox_tui.app.widgets import Lines
from tests.app.log_files import line, settled
from tests.app.overviews import NOW, mixed
from tests.app.still import screen_text, still_app

SIZE = (80, 24)
WORDS = " ".join(f"word{number:03}" for number in range(40))


def app_on(folder: Path, *texts: str, **more: object) -> LilFoxApp:
    """The app on a log of those messages."""
    log = folder / "api.log"
    lines = [line(NOW - timedelta(seconds=len(texts) - at), "ERROR", "db", text) for at, text in enumerate(texts)]
    log.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return still_app(mixed(), files=[str(log)], **more)  # type: ignore[arg-type]


async def test_only_messages_move_and_the_screen_says_so(tmp_path: Path) -> None:
    app = app_on(tmp_path, "short", WORDS)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        before = screen_text(pilot).splitlines()[4:6]
        assert "from column" not in screen_text(pilot)
        await pilot.press("right")
        await pilot.pause()
        text = screen_text(pilot)
        assert f"from column {pane.state.shifted + 1}" in text.splitlines()[2]
        short, long = text.splitlines()[4:6]
        width = pane.table.style(pane.state.merged).prefix_width  # type: ignore[arg-type]
        assert (short[:width], long[:width]) == (before[0][:width], before[1][:width])
        assert short[width:] == "…", "all of it is to the left"
        assert long[width:] == "…" + WORDS[pane.state.shifted + 1 :][: 78 - width - 2] + "…"
        await pilot.press("left")
        await pilot.pause()
        assert screen_text(pilot).splitlines()[4:6] == before


async def test_the_end_of_the_longest_message_is_the_last_thing_to_see(tmp_path: Path) -> None:
    app = app_on(tmp_path, "short", WORDS)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        for _time in range(20):
            await pilot.press("right")
        await pilot.pause()
        assert screen_text(pilot).splitlines()[5].endswith("word039")
        assert len(screen_text(pilot).splitlines()[5]) == 78
        await until_told(pilot, "no message extends further to the right")
        await pilot.press("0")
        await pilot.pause()
        assert pane.state.shifted == 0
        assert "word000" in screen_text(pilot)
        await pilot.press("left")
        await until_told(pilot, "the messages are already shown from their start")


async def until_told(pilot: object, text: str) -> None:
    await pilot.pause()  # type: ignore[attr-defined]
    assert text in screen_text(pilot)  # type: ignore[arg-type]


async def test_what_is_cut_at_the_right_edge_is_folded_rows_too(tmp_path: Path) -> None:
    app = app_on(tmp_path, *map(str, range(30)), *[WORDS[:60]] * 3)
    async with app.run_test(size=SIZE) as pilot:
        await settled(app, pilot)
        assert "(×3 in 2 s)" in screen_text(pilot)
        await pilot.press("right", "right", "right")
        await pilot.pause()
        row = next(each for each in screen_text(pilot).splitlines() if "×3" in each)
        assert WORDS[50:60] in row
        assert row[:78].rstrip().endswith("(×3 in 2 s)")


async def test_wrapped_lines_and_pages_do_not_move(tmp_path: Path) -> None:
    app = app_on(tmp_path, WORDS)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        await pilot.press("right", "w", "right")
        await until_told(pilot, "w cuts them")
        assert "from column" not in screen_text(pilot)
        await pilot.press("w", "enter", "right")
        await until_told(pilot, "long values of a record are already wrapped")
        await pilot.press("escape")
        await pilot.pause()
        assert pane.state.shifted > 0
        assert "from column" in screen_text(pilot)


async def test_wide_characters_are_not_cut_in_two(tmp_path: Path) -> None:
    text = "数据库不可用" * 20
    app = app_on(tmp_path, "a" + text, text)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        width = pane.table.style(pane.state.merged).prefix_width  # type: ignore[arg-type]
        pane.state.shifted = 4
        pane.repaint()
        await pilot.pause()
        odd, even = (row[width:] for row in screen_text(pilot).splitlines()[4:6])
        assert odd.startswith("…库不")
        assert even.startswith("… 不可"), "half a character is no character"


@pytest.mark.parametrize("key", ["right", "left"])
async def test_the_terminal_is_sent_messages_alone(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = app_on(tmp_path, *(f"{WORDS} {number}" for number in range(12)), *("short" for _number in range(8)))
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        await pilot.press("z", "right", "right")
        await pilot.pause()
        lines, width = pane.query_one("#log-list", Lines), pane.table.style(pane.state.merged).prefix_width  # type: ignore[arg-type]
        before = list(lines.rows[:])
        await pilot.press(key)
        spans = [span for old, new in zip(before, lines.rows[:], strict=True) for span in changed_spans(old, new, 80)]
        assert len(spans) == 12, "what is all to the left, before and after, is not sent again"
        assert min(first for first, _end in spans) >= width
