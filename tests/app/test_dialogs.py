"""Dialogs on the smallest screen that is whole: what matters is not cut."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from textual import events

from lilfox_tui.app.dialogs.messages import AskDialog, ConfirmDialog, Dialog
from lilfox_tui.app.dialogs.prompt import Chooser, Option, OptionsDialog, Prompt
from lilfox_tui.app.dialogs.reader import Reader
from lilfox_tui.app.panes.runbook.dialogs import RunDialog
from lilfox_tui.app.rendering.draw import Piece, Row
from lilfox_tui.app.widgets import Lines
from lilfox_tui.core.aio import Unavailable
from lilfox_tui.core.errors import HostKeyUnknown
from lilfox_tui.core.i18n import tr
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import HostView, Overview
from tests.app.log_files import line, logs_app, messages, settled, write_logs
from tests.app.overviews import NOW, mixed
from tests.app.still import screen_text, still_app
from tests.app.test_screens import check
from tests.waiting import until

SIZE = (80, 24)


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("pane", ["metrics", "logs"])
async def test_help(pane: str, language: str, tmp_path: Path) -> None:
    app = still_app(mixed(), language=language) if pane == "metrics" else logs_app(tmp_path, language=language)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("question_mark")
        await pilot.pause()
        check(f"help-{pane}-80x24-{language}", screen_text(pilot))


async def test_help_follows_the_size_of_the_screen() -> None:
    app = still_app(mixed())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("question_mark")
        await pilot.pause()
        wide = len(app.screen.query_one(Lines).rows)
        await pilot.resize_terminal(*SIZE)
        await pilot.pause()
        narrow = app.screen.query_one(Lines)
        assert len(narrow.rows) > wide
        assert narrow.size.height <= 24


async def test_a_source_says_how_it_is_read_and_where(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "long" / "way" / "down" / "to" / "the" / "logs" / "of" / "applications"
    folder.mkdir(parents=True)
    app = logs_app(folder)
    async with app.run_test(size=SIZE) as pilot:
        await settled(app, pilot)
        await pilot.press("o")
        await until(lambda: "Sources and columns" in screen_text(pilot), what="the list")
        await pilot.press("down")
        await until(lambda: "times without a zone: UTC" in screen_text(pilot), what="the second source is told")
        text = screen_text(pilot)
        row = next(line for line in text.splitlines() if "● gateway" in line)
        assert "json_lines" in text
        assert "…" in row
        assert row.rstrip(" │").endswith("/gateway.log"), "of a path the middle goes"
        assert str(folder / "gateway.log") in "".join(line.strip(" │") for line in text.splitlines())
        await pilot.press("down")
        await pilot.pause()
        assert str(folder / "backend.log") in "".join(line.strip(" │") for line in screen_text(pilot).splitlines())


async def test_the_list_of_sources_counts_what_the_histogram_counts(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        pane = await settled(app, pilot)
        await until(lambda: pane.histogram.drawn is not None, what="the histogram")
        bars = pane.histogram.drawn
        assert bars is not None
        await pilot.press("o")
        await until(lambda: "Sources and columns" in screen_text(pilot), what="the list")
        rows = [row.split("│")[1].strip() for row in screen_text(pilot).splitlines() if row.count("│") == 2]
        assert "records errors newest at 03:12:44" in [" ".join(row.split()) for row in rows]
        told = {}
        for row in rows:
            if row.startswith("● ") and "json_lines" in row:
                _mark, name, records, errors, newest, *_more = row.split()
                assert newest in ("03:12:42", "03:12:43")
                told[name] = (int(records.replace(",", "")), int(errors.replace(",", "")))
        assert set(told) == {"gateway", "backend"}
        assert sum(each[0] for each in told.values()) == bars.total.records
        assert sum(each[1] for each in told.values()) == bars.total.errors > 0
        await pilot.press("escape")
        later = NOW + timedelta(seconds=2)
        with (tmp_path / "gateway.log").open("a") as file:
            file.write(line(later, "ERROR", "http", "one more") + "\n")
        await until(lambda: "one more" in messages(pane), what="one more record")
        await pilot.press("o")
        await until(lambda: "at 03:12:46" in screen_text(pilot), what="no record is newer than the counts")
        await pilot.press("down", "enter")
        await until(lambda: "gateway" in pane.state.hidden, what="one is hidden")
        await pilot.press("o")
        await until(lambda: "○ gateway" in screen_text(pilot), what="it is counted no more")
        row = next(line for line in screen_text(pilot).splitlines() if "○ gateway" in line)
        assert "json_lines" in row
        assert row.split("gateway")[1].startswith(" " * 27)


async def test_the_palette_says_all_of_the_selected_action() -> None:
    app = still_app(mixed())
    async with app.run_test(size=(60, 20)) as pilot:
        await pilot.press("colon", *"find")
        await pilot.pause()
        text = " ".join(screen_text(pilot).split())
        assert "find a host, service, container or workload by name" in text


async def test_what_to_do_with_an_unknown_key_is_not_cut() -> None:
    error = HostKeyUnknown("new-1", tr("unknown"), "", fingerprint="SHA256:" + "a" * 43, key_type="ssh-ed25519")
    config = mixed().hosts["new-1"].config
    view = HostView("new-1", config, Level.FAILING, NOW, (), None, Unavailable(error, NOW))
    app = still_app(Overview(NOW, {"new-1": view}, {}))
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("K")
        await pilot.pause()
        text = " ".join(screen_text(pilot).replace("│", " ").split())
        assert "Verify the fingerprint with the host's owner through a different channel." in text
        assert "SHA256:" + "a" * 43 in text


async def test_help_is_filtered_over_all_panes_and_in_two_columns_on_a_wide_screen() -> None:
    app = still_app(mixed())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("question_mark")
        await until(lambda: " Basics " in screen_text(pilot), what="the help")
        assert [line for line in screen_text(pilot).splitlines() if " Basics " in line and " Panes " in line]
        assert "firing alert" in screen_text(pilot), "all keys of this pane are seen"
        assert "more below" in screen_text(pilot), "those of the other panes are below"
        await pilot.press("slash", *"histogram")
        await until(lambda: "2 Logs: Go to" in screen_text(pilot), what="what another pane has")
        assert "Basics" not in screen_text(pilot)


async def test_help_scrolls_to_its_end_and_says_how_much_is_below() -> None:
    app = still_app(mixed())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("question_mark")
        await pilot.pause()
        assert "firing alert" not in screen_text(pilot)
        assert "more below" in screen_text(pilot)
        await pilot.press("G")
        await pilot.pause()
        assert " 4 Runbook " in screen_text(pilot), "the keys of the last pane"
        assert "more below" not in screen_text(pilot)
        await pilot.press("k")
        await pilot.pause()
        assert "1 more below" in screen_text(pilot)
        await pilot.press("g")
        await pilot.pause()
        assert "next row, previous row" in screen_text(pilot)


async def test_help_begins_with_the_basics_and_its_filter_finds_the_keys_of_other_panes() -> None:
    app = still_app(mixed())
    async with app.run_test(size=(90, 240)) as pilot:
        await pilot.press("question_mark")
        await until(lambda: " Basics " in screen_text(pilot), what="the help")
        text = screen_text(pilot)
        tasks = ("Basics", "Alerts", "Display", "Panes", "Console", "Move, filter, copy", "Symbols")
        places = [text.index(f" {task}  ") for task in tasks]
        assert places == sorted(places)
        await pilot.press("slash", "o")
        await until(lambda: "2 Logs: Go to" in screen_text(pilot), what="the keys of other panes")


async def test_the_key_of_help_is_in_the_footer_of_any_width() -> None:
    for width in (20, 40, 80):
        app = still_app(mixed())
        async with app.run_test(size=(width, 10)) as pilot:
            await pilot.pause()
            assert "? help" in screen_text(pilot).splitlines()[-1]


async def test_a_source_that_cannot_be_read_says_so_with_what_to_do(tmp_path: Path) -> None:
    missing = tmp_path / "missing.log"
    app = still_app(mixed(), files=[*write_logs(tmp_path), str(missing)])
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        await until(lambda: pane.state.merged is not None and "missing" in pane.state.merged.troubles)
        await pilot.press("o")
        await until(lambda: "Sources and columns" in screen_text(pilot), what="the list")
        await pilot.press("down", "down", "down")
        await pilot.pause()
        text = screen_text(pilot)
        assert "● gateway" in text
        assert "✖ missing" in text
        assert "since " in " ".join(text.splitlines()[14:])


DIALOGS: dict[str, Callable[[], Dialog[Any]]] = {
    "run": lambda: RunDialog("Title", [], []),
    "run, typed": lambda: RunDialog("Title", [], [], "web1"),
    "confirm": lambda: ConfirmDialog("Title", [], "web1"),
    "ask": lambda: AskDialog("Title", [], does="do it", stays="go back"),
    "options": lambda: OptionsDialog("Title", [], [Option("enter", "do it", "yes")]),
    "prompt": lambda: Prompt("Title", []),
}


@pytest.mark.fault("4.50")
@pytest.mark.parametrize("name", DIALOGS)
async def test_keys_that_came_before_a_dialog_was_painted_are_no_answer(name: str) -> None:
    app = still_app(mixed())
    async with app.run_test(size=SIZE) as pilot:
        given: list[object] = []
        at_once, held_up = ([events.Key(key, key) for key in (*"web1", "enter")] for _time in range(2))
        dialog = DIALOGS[name]()
        app.push_screen(dialog, given.append)
        for key in at_once:
            app.post_message(key)
        await until(lambda: screen_text(pilot) and not dialog.too_early(events.Key("enter", None)))
        for key in held_up:  # they were typed by then, and come out of a loop that was busy
            app.post_message(key)
        await pilot.pause()
        assert given == []
        await pilot.press(*("web1" if name in ("run, typed", "confirm") else ""), "enter")
        assert len(given) == 1
        assert given[0], "what is typed from then on counts, and nothing before it"


@pytest.mark.fault("4.56")
@pytest.mark.parametrize("name", ["run, typed", "confirm"])
async def test_another_word_than_the_one_that_is_wanted_is_told_and_the_dialog_stays(name: str) -> None:
    app = still_app(mixed())
    async with app.run_test(size=SIZE) as pilot:
        given: list[object] = []
        dialog = DIALOGS[name]()
        app.push_screen(dialog, given.append)
        await until(lambda: dialog.painted_s is not None)
        for wrong in ("", "web", "web1x"):
            await pilot.press(*wrong, "enter")
            await until(lambda: "nothing was done: type web1 in full, or press esc to cancel" in screen_text(pilot))
            await pilot.pause()
            assert "more below" not in screen_text(pilot), "all of it is on the screen"
            assert given == []
            await pilot.press(*["backspace"] * len(wrong))
        await pilot.press(*"web1", "enter")
        assert given == [True]


async def test_a_list_without_choices_says_so_and_gives_none() -> None:
    app = still_app(mixed())
    async with app.run_test(size=SIZE) as pilot:
        given: list[object] = []
        app.push_screen(Chooser("Title", []), given.append)
        await until(lambda: "nothing matches" in screen_text(pilot))
        await pilot.press("down", "enter", "escape")
        await until(lambda: len(app.screen_stack) == 1)
        assert given == [None]


async def test_any_page_can_be_filtered_also_one_without_a_title() -> None:
    app = still_app(mixed())
    async with app.run_test(size=SIZE) as pilot:
        untitled: list[Row] = [(), (), (Piece("one"),), (Piece("two"),)]
        titled: list[Row] = [(Piece(" Title", "title"),), (), (Piece("two"),)]
        for rows in (untitled, titled):
            app.push_screen(Reader(rows))
            await pilot.pause()
            await pilot.press("slash", *"two")
            await pilot.pause()
            text = screen_text(pilot)
            assert "/two" in text
            assert " one" not in text
            await pilot.press("enter", "escape", "escape")
            await pilot.pause()
            assert len(app.screen_stack) == 1


async def test_a_dialog_below_another_one_is_not_closed_by_late_keys() -> None:
    """Keys that were sent to it before the other one opened: Textual would close that one in its place."""
    app = still_app(mixed())
    answers: list[tuple[str, str | None]] = []

    def take(name: str, answer: str | None) -> None:
        answers.append((name, answer))

    async with app.run_test(size=SIZE) as pilot:
        dialogs = [OptionsDialog(name, [], [Option("enter", "one", name)]) for name in ("lower", "upper")]
        for name, dialog in zip(("lower", "upper"), dialogs, strict=True):
            app.push_screen(dialog, partial(take, name))
            await pilot.pause()
        dialogs[0].close(None)
        await pilot.pause()
        assert app.screen is dialogs[1]
        assert not answers
        for dialog in reversed(dialogs):
            dialog.close(None)
            await pilot.pause()
        assert answers == [("upper", None), ("lower", None)]
        assert len(app.screen_stack) == 1


async def test_over_a_slow_link_dialogs_have_borders_too() -> None:
    """They cost a few bytes once, and without them the text of the screen behind runs into that of the dialog."""
    app = still_app(mixed())
    app.slow_link = True
    async with app.run_test(size=(120, 40)) as pilot:
        assert "┌" not in screen_text(pilot)
        await pilot.press(":")
        await until(lambda: isinstance(app.screen, Dialog))
        await pilot.pause()
        assert app.screen.has_class("-bordered")
        assert "╭─" in screen_text(pilot)
        assert "╰─" in screen_text(pilot)
