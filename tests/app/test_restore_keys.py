"""The keys that the restore wizard offers: what they do now, where they do something."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lilfox_tui.app.panes.backup.restore_state import CONFIRM
from lilfox_tui.backup.checks import Check
from lilfox_tui.backup.source import RestoreChange
from tests.app.backups_made import healthy
from tests.app.restore_stand_in import StandIn
from tests.app.still import screen_text
from tests.app.test_backup_screens import showing
from tests.app.test_restore_wizard import at_checks, looked, opened
from tests.waiting import until


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    made = StandIn(monkeypatch)
    yield made
    made.going_on.set()


async def test_the_result_of_the_checks_stands_above_them_and_a_line_is_selected(stand_in: StandIn) -> None:
    app = showing(healthy())
    async with app.run_test(size=(80, 24)) as pilot:
        wizard = await at_checks(pilot)
        await pilot.press("o")
        await pilot.pause()
        text = screen_text(pilot)
        places = [
            text.index(part) for part in ("No check blocks the restore", str(stand_in.all_checks[0].about), "[ ]")
        ]
        assert places == sorted(places)
        assert (wizard.state.at, wizard.state.moved) == (0, False)
        await pilot.press("j")
        assert wizard.state.at == 1


async def test_where_nothing_can_be_allowed_no_key_says_so(stand_in: StandIn) -> None:
    app = showing(healthy())
    async with app.run_test(size=(80, 24)) as pilot:
        wizard = await at_checks(pilot)
        assert "space allow" not in screen_text(pilot), "nothing asks for it"
        await pilot.press("o")
        await pilot.pause()
        assert "space allow" in screen_text(pilot)
        wizard.state.choice.toggle("source", "database")
        await pilot.press("R")
        await looked(wizard)
        await pilot.pause()
        assert "space allow" not in screen_text(pilot)
        assert "R recheck" in screen_text(pilot)


@pytest.mark.parametrize(("size", "hidden"), [((80, 24), False), ((40, 10), True)], ids=str)
async def test_enter_shows_what_blocks_only_where_it_is_out_of_sight(
    stand_in: StandIn, size: tuple[int, int], hidden: bool
) -> None:
    stand_in.all_checks.append(Check("server", "bad", "another server", "Make sure.", "other-server"))
    app = showing(healthy())
    async with app.run_test(size=size) as pilot:
        wizard = await at_checks(pilot)
        await looked(wizard)
        wizard.frame.repaint()
        await pilot.pause()
        assert "✖ server" in screen_text(pilot)
        assert "enter" not in screen_text(pilot).splitlines()[-1]
        assert "show what blocks" not in screen_text(pilot)
        await pilot.press(*["pagedown"] * 3)
        await pilot.pause()
        assert ("✖ server" in screen_text(pilot)) is not hidden
        assert ("enter show what blocks" in screen_text(pilot)) is hidden
        await pilot.press("enter")
        await pilot.pause()
        assert "✖ server" in screen_text(pilot)
        await pilot.press("R")
        await until(lambda: "show what blocks" not in screen_text(pilot))


async def test_the_keys_say_what_space_does_now_to_an_option(stand_in: StandIn) -> None:
    app = showing(healthy())
    async with app.run_test(size=(100, 30)) as pilot:
        wizard = await at_checks(pilot)
        await pilot.press("o", "j", "k")
        told = []
        for _each in range(3):
            for _turn in range(2):
                await pilot.press("space")
                await pilot.pause()
                told.append(screen_text(pilot).splitlines()[-1].partition("space ")[2].partition("   ")[0])
            await pilot.press("j")
        assert wizard.state.choice.spec == wizard.state.choice.base.restore
        assert told == ["disallow", "allow", "leave the sessions alone", "terminate the sessions", "disallow", "allow"]


async def test_the_keys_say_what_enter_and_space_do_now_to_a_source(stand_in: StandIn) -> None:
    app = showing(healthy())
    async with app.run_test(size=(100, 30)) as pilot:
        wizard = await opened(pilot)

        async def keys(*pressed: str) -> str:
            await pilot.press(*pressed)
            await pilot.pause()
            return screen_text(pilot).splitlines()[-1].strip()

        assert "space" not in await keys(), "the whole set is chosen"
        assert "space deselect" in await keys("j")
        assert "space choose" in await keys("space")
        assert "space choose" in await keys("k")
        assert "space deselect" in await keys("space", "j", "j")
        assert (await keys("j", "j")).startswith("enter choose   / one table   space choose")
        wizard.state.choice.keep_only("uploads", "avatars/")
        assert (await keys("k", "j")).startswith("enter next page   / one table   space deselect")
        assert "space choose" in await keys("k", "k")
        assert "space deselect" in await keys("space")
        assert [each.name for each in wizard.state.choice.chosen] == ["database", "uploads"]


async def test_more_is_offered_only_where_there_is_more_below(stand_in: StandIn) -> None:
    stand_in.more_changes = [RestoreChange(f"public.t{number}", "1", "2") for number in range(40)]
    app = showing(healthy())
    async with app.run_test(size=(80, 24)) as pilot:
        wizard = await opened(pilot)
        await looked(wizard)
        await pilot.press("enter", "enter", "enter")
        await pilot.pause()
        assert "pgdn more" in screen_text(pilot)
        await pilot.press(*["pagedown"] * 6)
        await pilot.pause()
        assert "public.t39" in screen_text(pilot)
        assert "pgdn" not in screen_text(pilot), "that was the end of it"
        await pilot.press("pageup")
        await pilot.pause()
        assert "pgdn more" in screen_text(pilot)
        stand_in.more_changes = []
        await pilot.press("escape", "R")
        await looked(wizard)
        await pilot.press("enter")
        await pilot.pause()
        assert wizard.state.step == CONFIRM
        assert "pgdn" not in screen_text(pilot)
