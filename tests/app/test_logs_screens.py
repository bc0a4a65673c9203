"""Golden screens of the Logs pane. ``LILFOX_GOLDEN=write`` writes them anew; look at the diff."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from lilfox_tui.app.rendering.draw import ASCII
from lilfox_tui.app.widgets import Lines
from lilfox_tui.core.text import cell_width
from tests.app.log_files import counted, has_neighbours, line, logs_app, selected, settled, write_logs
from tests.app.overviews import NOW, mixed
from tests.app.still import screen_text, still_app
from tests.app.test_screens import SIZES, check
from tests.waiting import until


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_list(size: tuple[int, int], language: str, tmp_path: Path) -> None:
    app = logs_app(tmp_path, language=language)
    async with app.run_test(size=size) as pilot:
        await counted(app, pilot)
        text = screen_text(pilot)
        check(f"logs-{size[0]}x{size[1]}-{language}", text)
        assert all(cell_width(line) <= size[0] for line in text.splitlines())


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_a_record(size: tuple[int, int], language: str, tmp_path: Path) -> None:
    app = logs_app(tmp_path, language=language)
    async with app.run_test(size=size) as pilot:
        pane = await counted(app, pilot)
        await pilot.press("k", "enter")
        await until(lambda: has_neighbours(pane))
        await pilot.pause()
        check(f"record-{size[0]}x{size[1]}-{language}", screen_text(pilot))


async def test_what_an_exception_says_stands_above_the_fields(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        pane = await settled(app, pilot)
        while "OperationalError" not in selected(pane):
            await pilot.press("k")
        await pilot.press("enter")
        await until(lambda: has_neighbours(pane))
        await pilot.pause()
        check("record-error-80x24-en", screen_text(pilot))


async def test_a_source_without_times_says_so(tmp_path: Path) -> None:
    plain = tmp_path / "plain.log"
    plain.write_text("begun\nended\n")
    app = still_app(mixed(), files=[*write_logs(tmp_path), str(plain)])
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(app, pilot)
        await until(lambda: "plain (no timestamps)" in screen_text(pilot))
        assert "gateway (no timestamps)" not in screen_text(pilot)
        assert "backend (no timestamps)" not in screen_text(pilot)


async def test_a_logger_named_as_its_source_takes_no_column(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    log.write_text(line(NOW, "INFO", "lilfox-api", "all is well") + "\n")
    app = still_app(mixed(), files=[str(log)])
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(app, pilot)
        assert "all is well" in screen_text(pilot)
        assert "lilfox-api" not in screen_text(pilot)


async def test_an_ascii_terminal(tmp_path: Path) -> None:
    app = logs_app(tmp_path, theme="mono", glyphs=ASCII)
    async with app.run_test(size=(80, 24)) as pilot:
        pane = await settled(app, pilot)
        await pilot.press("v", "v", "v")
        await settled(app, pilot)
        assert pane.state.level.name == "WARNING"
        text = screen_text(pilot)
        assert text.isascii()
        check("logs-ascii-80x24-en", text)


async def test_wrapped(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=(40, 24)) as pilot:
        await settled(app, pilot)
        await pilot.press("w")
        await pilot.pause()
        check("logs-wrapped-40x24-en", screen_text(pilot))


async def test_statistics_and_patterns(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=(100, 30)) as pilot:
        await counted(app, pilot)
        for key, name in (("S", "statistics"), ("P", "patterns")):
            await pilot.press(key)
            await until(lambda: len(app.screen_stack) == 2, what=name)
            await pilot.pause()
            check(f"logs-{name}-100x30-en", screen_text(pilot))
            await pilot.press("escape")
            await pilot.pause()


async def test_the_scrollbar_is_as_high_as_the_list_when_lines_above_come(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=(100, 30)) as pilot:
        pane = await counted(app, pilot)
        app.query_one("#log-histogram").display = False
        await pilot.pause()
        pane.repaint()  # which brings them back: the list has other rows once that is laid out
        await pilot.press("S")  # nothing draws the pane again behind a dialog
        await until(lambda: len(app.screen_stack) == 2)
        await pilot.pause()
        assert len(pane.query_one("#log-scroll", Lines).rows) == pane.query_one("#log-list", Lines).room


async def test_statistics_have_their_counts_on_a_small_screen(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=(40, 24)) as pilot:
        await settled(app, pilot)
        await pilot.press("S")
        await until(lambda: len(app.screen_stack) == 2)
        await pilot.press("down")
        await pilot.pause()
        lines = [line.split() for line in screen_text(pilot).splitlines()]
        assert ["✖", "errors", "11", "11%", "new"] in [[word for word in line if word.strip("━")] for line in lines]
        assert ["backend", "12", "92%"] in [line[:3] for line in lines]
        await pilot.press(*["down"] * 10)
        await pilot.pause()
        lines = [line.split() for line in screen_text(pilot).splitlines()]
        assert ["OperationalError", "10", "91%"] in [[word for word in line if word.strip("━")] for line in lines]
        assert ["gateway", "44", "ms", "84", "ms"] in [line[:5] for line in lines]


async def test_a_record_says_how_much_of_it_is_below(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=(80, 16)) as pilot:
        pane = await settled(app, pilot)
        await pilot.press("k", "enter")
        await until(lambda: has_neighbours(pane))
        await pilot.pause()
        assert f"{pane.rows_below} more below" in screen_text(pilot).splitlines()[1]
        assert pane.rows_below > 0
        await pilot.press("G")
        await until(lambda: "more below" not in screen_text(pilot))
        await pilot.press("g")
        await until(lambda: "more below" in screen_text(pilot))
        await pilot.press("escape")
        await pilot.pause()
        assert "more below" not in screen_text(pilot)


@pytest.mark.parametrize("width", [60, 80, 100, 200])
async def test_the_histogram_leaves_room_for_its_counts(tmp_path: Path, width: int) -> None:
    file = tmp_path / "long.log"
    lines = [line(NOW - timedelta(seconds=at), "INFO", "http", f"request {at}") for at in range(150, 0, -1)]
    file.write_text("\n".join(lines) + "\n")
    app = still_app(mixed(), files=[str(file)])
    async with app.run_test(size=(width, 48)) as pilot:
        await settled(app, pilot)
        rows = [row.split() for row in screen_text(pilot).splitlines()[3:6]]
        assert [next(word for word in row if word.isdecimal()) for row in rows] == ["0", "0", "150"]
        assert width < 80 or ("ERROR" in rows[0] and "WARNING" in rows[1] and "100%" in rows[2])


async def test_what_stands_beside_the_histogram_stays_where_it_is_while_records_come(tmp_path: Path) -> None:
    file = tmp_path / "live.log"
    lines = [line(NOW - timedelta(seconds=60 - at), "INFO", "http", f"request {at}") for at in range(60)]
    file.write_text("\n".join(lines[:3]) + "\n")
    app = still_app(mixed(), files=[str(file)])
    async with app.run_test(size=(120, 48)) as pilot:
        await settled(app, pilot)
        places = set()
        for begin, end in ((3, 9), (9, 24), (24, 47), (47, 60)):
            with file.open("a") as written:
                written.writelines(f"{each}\n" for each in lines[begin:end])
            await until(partial(lambda said: said in screen_text(pilot), f"request {end - 1}"))
            rows = screen_text(pilot).splitlines()[3:7]
            places |= {row.index(word) for row, word in zip(rows, ("level", "level", "other", "each"), strict=True)}
        assert len(places) == 2, "the words in one column, what a bar stands for in one"


async def test_the_date_of_a_day_has_a_row_that_is_never_selected(tmp_path: Path) -> None:
    file = tmp_path / "days.log"
    midnight = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
    lines = [line(midnight + timedelta(minutes=at), "INFO", "http", f"request {at:+}") for at in range(-60, 60)]
    file.write_text("\n".join(lines) + "\n")
    app = still_app(mixed(), files=[str(file)])
    async with app.run_test(size=(80, 24)) as pilot:
        pane = await settled(app, pilot)
        shown = pane.query_one("#log-list", Lines)
        for keys in (["k"] * 61, ["j"] * 3, ["pageup"], ["pagedown"], ["g"], ["pagedown"] * 5, ["G"]):
            for key in keys:
                await pilot.press(key)
                await pilot.pause()
                record, row = pane.state.selected_record, shown.selected
                assert record is not None
                assert row is not None
                assert "".join(piece.text for piece in shown.rows[row]).rstrip().endswith(record.entry.message)
                assert row in pane.rows_in_sight()
        dates = [row for row in shown.rows if "".join(piece.text for piece in row).startswith(" ── 2026-03-29 ──")]
        assert len(dates) == 1
