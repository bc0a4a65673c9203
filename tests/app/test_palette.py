"""The palette finds the actions of every pane, and ``a`` lists those that the selected row can have."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from msgspec.structs import replace
from textual.events import Key
from textual.pilot import Pilot

from lilfox_tui.app.actions import actions_of
from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.dialogs.prompt import Choice, Chooser
from lilfox_tui.app.navigation import TABS
from lilfox_tui.app.panes.metrics.finding_state import PLAN
from lilfox_tui.app.rendering.draw import Piece
from lilfox_tui.config.themes import load_theme
from lilfox_tui.monitor.model import Overview
from tests.app.backups_made import broken, healthy
from tests.app.overviews import NOW, mixed
from tests.app.runs_made import open_incident
from tests.app.still import screen_text, still_app
from tests.waiting import until

SIZE = (120, 40)


def showing(overview: Overview) -> LilFoxApp:
    app = still_app(overview)
    if overview.backups is not None:
        app.monitor.backups.feed.publish(overview.backups)
    return app


async def test_an_action_of_another_pane_is_found_by_its_help_and_names_its_pane() -> None:
    app = still_app(mixed())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("colon", *"restore step")
        await pilot.pause()
        assert re.search(r"restore +Backup: restore the set step by step.* 3 B +│", screen_text(pilot))
        await pilot.press("escape", "colon", *"histogram logs")
        await pilot.pause()
        assert re.search(r"bar back +Logs: go to the previous bar.* 2 < +│", screen_text(pilot))


async def test_every_action_of_every_pane_is_found() -> None:
    app = still_app(mixed())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("colon", "space", "e")
        await pilot.pause()
        assert isinstance(app.screen, Chooser)
        words = [choice.words for choice in app.screen._choices]
        assert not any("all actions by name" in text for text in words), "it does not list itself"
        for tab in app.navigation.tabs:
            for each in actions_of(tab.load()):
                assert any(f"{each.id} {each.title} {each.help}" in text for text in words), (tab.module, each.id)


async def test_before_anything_is_typed_the_palette_lists_what_the_pane_has() -> None:
    app = still_app(mixed())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("colon")
        await pilot.pause()
        assert isinstance(app.screen, Chooser)
        assert not any("Backup: " in "".join(piece.text for piece in each.row) for each in app.screen._choices)


async def test_the_palette_begins_with_the_selected_row_and_ends_with_what_cannot_be_done() -> None:
    app = still_app(mixed())
    app.monitor.incidents.feed.publish(open_incident())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("colon")
        await pilot.pause()
        assert isinstance(app.screen, Chooser)
        assert [each.id for each in app.screen._choices if each.title] == [
            "The selected row", "Incident", "Go to", "This pane and the console", "Move", "Not possible now",
        ]  # fmt: skip
        found = [each for each in app.screen._choices if not each.title]
        keys = ["" if each.keys is None else each.keys.text for each in found]
        assert keys[:2] == ["enter", "l"], "the selected host and its logs"
        names = [each.id for each in found if each.possible]
        assert (
            names.index("logs")
            < names.index("note")
            < names.index("incident")
            < names.index("theme")
            < names.index("down")
        )
        assert keys[[each.id for each in found].index("note")] == "4 i", "the keys that lead to it from here"
        possible = [each.possible for each in found]
        assert possible == sorted(possible, reverse=True)
        lines = screen_text(pilot).split("\n")
        top = next(y for y, line in enumerate(lines) if "Command" in line and "╭" in lines[y - 1])
        bottom = next(y for y, line in enumerate(lines) if y > top and "╰" in line)
        inner = [line[11:108].strip(" │") for line in lines[top + 1 : bottom]]
        assert all(inner), "no row is blank"


def filed(app: LilFoxApp) -> dict[str, list[str]]:
    """The actions of the palette that are possible, by the title above them."""
    assert isinstance(app.screen, Chooser)
    found: dict[str, list[str]] = {}
    for each in app.screen._choices:
        if each.title:
            found[each.id] = below = []
        elif each.possible:
            below.append(each.id)
    return found


@pytest.mark.parametrize(
    ("pane", "of_incident"),
    [
        ("1", {"note", "decide", "moment", "take-over", "hand-over", "close-incident", "export", "incident"}),
        ("3", {"note", "acknowledge", "evidence", "close-incident", "incident"}),
        ("4", {"note", "acknowledge", "logs", "evidence", "close-incident", "incident"}),
    ],
)
async def test_what_is_done_with_the_incident_stands_below_its_title(pane: str, of_incident: set[str]) -> None:
    app = still_app(mixed())
    app.monitor.incidents.feed.publish(open_incident())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press(pane)
        await pilot.pause()
        await pilot.press("colon")
        await pilot.pause()
        found = filed(app)
        assert of_incident <= set(found["Incident"])
        assert not of_incident & {each for name in found if name != "Incident" for each in found[name]}
        assert not set(found["Incident"]) - set(TABS[3].own) - {"incident"}
        if pane == "1":
            assert {"logs", "evidence"} <= set(found["The selected row"]), "they are about the row there"


async def test_the_palette_has_one_entry_for_what_two_keys_do() -> None:
    app = still_app(mixed())
    app.monitor.incidents.feed.publish(open_incident())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("4")
        await pilot.pause()
        app.pane.show_incident()
        await pilot.pause()
        await pilot.press("colon")
        await pilot.pause()
        assert isinstance(app.screen, Chooser)
        keyed = {each.id: bool(each.keys and each.keys.text) for each in app.screen._choices}
        ranks = [keyed[each] for each in filed(app)["Incident"]]
        assert ranks == sorted(ranks, reverse=True), "what has a key comes first"
        rows = [each for each in app.screen._choices if each.row[0].text.startswith("close the incident")]
        assert [(each.id, each.keys.text if each.keys else "") for each in rows] == [("close-incident", "X")]
        await pilot.press("escape", "escape", "colon")
        await pilot.pause()
        assert {"close-incident", "end-run"} <= {each.id for each in app.screen._choices}, "on the page of a run"


async def test_what_a_row_cannot_show_is_told_below_the_list() -> None:
    app = still_app(mixed())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("colon", *"sort the hosts")
        await until(lambda: "page of a host, by the next column" in screen_text(pilot), what="all of it")
        height = app.screen.query_one("#dialog").size.height
        await pilot.press(*["backspace"] * 14, *"all keys")
        await until(lambda: not app.screen.query_one("#dialog-more").display, what="room for the list")
        assert app.screen.query_one("#dialog").size.height == height


async def test_an_action_on_a_row_of_another_pane_waits_for_the_row() -> None:
    app = showing(replace(mixed(), backups=healthy()))
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("colon", *"restore step", "enter")
        await until(lambda: app.pane.ID == "backup", what="the pane")
        await until(lambda: "restore: select a row, then press B" in screen_text(pilot), what="what is to be done")
        assert len(app.screen_stack) == 1
        await pilot.press("1", "colon", *"retention", "enter")
        await until(lambda: "prune: select a row, then press a" in screen_text(pilot), what="an action without a key")


async def test_an_action_of_another_pane_that_cannot_be_done_says_why_there() -> None:
    app = still_app(mixed())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("colon", *"restore step", "enter")
        await until(lambda: app.pane.ID == "backup", what="the pane")
        await until(lambda: "no backups are configured" in app.note[0], what="the reason")


async def test_an_action_of_another_pane_that_needs_no_row_is_done_there() -> None:
    app = still_app(mixed())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("3", "colon", *"sort the hosts", "enter")
        await until(lambda: app.metrics.state.sort != "worst", what="another order")
        assert app.pane.ID == "metrics"


async def test_the_list_of_actions_has_none_that_the_selected_row_can_never_have() -> None:
    app = showing(replace(mixed(), backups=broken()))
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        of_host, of_alert = ("K", "x"), ("A", "U", "s")
        app.metrics.state.choose(("host", "web-1"))
        keys = await _keys_of_actions(pilot)
        assert set(of_host) < set(keys)
        assert not set(of_alert) & set(keys)
        app.metrics.state.choose(("service", "gateway"))
        assert not {*of_host, *of_alert, "R"} & set(await _keys_of_actions(pilot))
        plan = next(each for each in app.metrics.state.order() if each[0] == PLAN)
        app.metrics.state.choose(plan)
        assert not {*of_host, *of_alert, "R", "l", "r"} & set(await _keys_of_actions(pilot))
        await pilot.press("l")
        await pilot.pause()
        assert "a backup plan is selected; enter shows it in pane 3" in screen_text(pilot)


async def test_what_cannot_be_done_with_the_row_now_comes_last_with_its_reason() -> None:
    app = still_app(mixed())
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        app.metrics.state.choose(("host", "web-1"))
        keys = await _keys_of_actions(pilot)
        assert keys.index("x") < keys.index("R"), "web-1 is connected"
        await pilot.press("a")
        await pilot.pause()
        assert "web-1 is connected" in screen_text(pilot)


async def _keys_of_actions(pilot: Pilot[None]) -> list[str]:
    """The keys that ``a`` lists, from top to bottom."""
    await pilot.press("a")
    await pilot.pause()
    assert isinstance(pilot.app.screen, Chooser)
    choices = [each for each in pilot.app.screen._choices if not each.id.startswith("act ")]
    keys = ["" if each.keys is None else each.keys.text for each in choices]
    await pilot.press("escape")
    await pilot.pause()
    return keys


async def _opened(pilot: Pilot[None], *keys: str) -> str:
    """The screen after ``keys``, without the row of the clock."""
    await pilot.press(*keys)
    await until(lambda: isinstance(pilot.app.screen, Chooser) and pilot.app.screen.painted_s is not None)
    await pilot.pause()
    return "\n".join(screen_text(pilot).splitlines()[1:])


async def test_nothing_of_one_opening_is_left_in_the_next() -> None:
    """The dialog is composed once: neither the filter, the place in the list nor the rows of others stay in it."""
    app = still_app(mixed())
    async with app.run_test(size=SIZE) as pilot:
        first = await _opened(pilot, "colon")
        kept = app.screen
        for keys in (["down"] * 3, ["pagedown"] * 9, [*"restore", "down"], [*"no such thing"]):
            await pilot.press(*keys, "escape")
            assert len(app.screen_stack) == 1
            assert await _opened(pilot, "colon") == first, keys
            assert app.screen is kept
        await pilot.press("escape")
        of_row = await _opened(pilot, "a")
        assert "Actions for the selected row" in of_row
        assert app.screen is kept
        await pilot.press("escape")
        assert await _opened(pilot, "colon") == first
        await pilot.press("escape")
        assert await _opened(pilot, "a") == of_row


async def test_the_palette_of_a_pane_is_as_one_that_is_opened_there_first() -> None:
    texts = []
    for before in ((), ("colon", *"find", "escape")):
        app = still_app(mixed())
        async with app.run_test(size=SIZE) as pilot:
            await pilot.press(*before, "3")
            await pilot.pause()
            texts.append(await _opened(pilot, "colon"))
    assert texts[0] == texts[1]


async def test_a_palette_that_is_opened_again_takes_what_was_typed_ahead() -> None:
    app = still_app(mixed())
    async with app.run_test(size=SIZE) as pilot:
        await _opened(pilot, "colon")
        await pilot.press("x", "escape")
        for key, character in (("colon", ":"), ("f", "f"), ("i", "i"), ("n", "n")):
            app.post_message(Key(key, character))
        await until(lambda: isinstance(app.screen, Chooser) and app.screen._words == ["fin"], what="what was typed")


async def test_a_palette_that_is_opened_again_fits_the_screen_and_has_the_theme() -> None:
    texts = []
    for before in ((), ("colon", "escape")):
        app = still_app(mixed())
        async with app.run_test(size=SIZE) as pilot:
            await pilot.press(*before)
            await pilot.resize_terminal(80, 24)
            await pilot.pause()
            texts.append(await _opened(pilot, "colon"))
            dialog = app.screen
            await pilot.press("escape")
            app.use_theme(load_theme("mono"))
            assert await _opened(pilot, "colon") == texts[-1]
            assert app.screen is not dialog, "its styles were computed for another theme"
    assert texts[0] == texts[1]


async def test_an_action_of_the_palette_may_open_the_list_of_actions() -> None:
    """In the same dialog, which is just being closed."""
    app = still_app(mixed())
    async with app.run_test(size=SIZE) as pilot:
        for _time in range(2):
            await _opened(pilot, "colon")
            await pilot.press(*"selection", "enter")
            await until(lambda: "Actions for the selected row" in screen_text(pilot), what="the list")
            await pilot.pause()
            assert len(app.screen_stack) == 2
            await pilot.press("escape")
            assert len(app.screen_stack) == 1


@pytest.mark.parametrize(("size", "rows"), [((120, 40), 24), ((200, 55), 33), ((80, 24), 15)])
async def test_a_list_takes_most_of_a_high_screen(size: tuple[int, int], rows: int) -> None:
    app = still_app(mixed())
    async with app.run_test(size=size) as pilot:
        await _opened(pilot, "colon")
        assert app.screen.query_one("#dialog-list").size.height >= rows
        assert app.screen.query_one("#dialog").region.height < size[1]


async def test_no_word_behind_a_dialog_goes_on_into_it() -> None:
    """One blank column on either side, also after what is behind has changed."""
    app = still_app(mixed())
    async with app.run_test(size=SIZE) as pilot:
        for moment in range(3):
            app.monitor.overview.publish(replace(mixed(), at=NOW + timedelta(seconds=moment)), NOW)
            await _opened(pilot, "at")
            x, y, width, height = app.screen.query_one("#dialog").region
            lines = [line.ljust(SIZE[0]) for line in screen_text(pilot).split("\n")]
            assert {lines[row][x - 1] + lines[row][x + width] for row in range(y, y + height)} == {"  "}
            assert lines[y][x] + lines[y][x + width - 1] == "╭╮"
            await pilot.press("escape")
            await pilot.pause()
            lines = [line.ljust(SIZE[0]) for line in screen_text(pilot).split("\n")]
            assert {lines[row][x - 1] for row in range(y, y + height)} != {" "}, "they are seen again"


def test_the_text_of_a_choice_has_all_cells_up_to_its_keys() -> None:
    row = (Piece("open".ljust(19), "strong"), Piece("open the selected row, whatever it is", "muted"))
    choice = Choice("open", row, "open", keys=Piece("enter", "key"))

    def line(width: int) -> tuple[str, str]:
        pieces, below = choice.line(width)
        return "".join(piece.text for piece in pieces), below

    told, titled, keys = "open the selected row, whatever it is", " open".ljust(20), "  enter"
    assert line(65) == (titled + told + keys, "")
    assert line(64) == (titled + "open the selected row".ljust(36) + keys, told), "a clause that stands alone"
    assert line(38) == (" open  " + "open the selected row".ljust(23) + keys, told), "without the blanks of its column"
    assert line(25) == (" open  " + " " * 10 + keys, told), "a few letters would say nothing"
