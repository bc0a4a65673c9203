"""The wizard of a restore by its keys alone: page by page, back, refused, run, and found again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec.structs import replace
from textual import events
from textual.pilot import Pilot
from textual.widgets import Input

from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.dialogs.messages import ConfirmDialog
from lilfox_tui.app.dialogs.prompt import Chooser
from lilfox_tui.app.panes.backup.restore_state import CHECKS, CONFIRM, RESULT, RUN, WHAT, WHERE
from lilfox_tui.app.panes.backup.restore_wizard import RestoreWizard
from lilfox_tui.backup.checks import Check, CheckState, ServerSession
from lilfox_tui.backup.plan import BackupRequest, read_request
from lilfox_tui.backup.restores import interrupted
from lilfox_tui.backup.restores.interrupted import Restored
from lilfox_tui.backup.source import RestoreChange, Swap
from lilfox_tui.core.errors import LilFoxError, UsageError
from lilfox_tui.core.text import cell_width
from lilfox_tui.jobs.model import KeyHeld
from tests.app.backups_made import NOW, healthy, plan
from tests.app.restore_stand_in import StandIn
from tests.app.still import screen_text
from tests.app.test_backup_screens import SIZES, pane_of, showing
from tests.app.test_mouse import place_of
from tests.app.test_screens import check
from tests.waiting import until


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    made = StandIn(monkeypatch)
    yield made
    made.going_on.set()


async def opened(pilot: Pilot[None]) -> RestoreWizard:
    await pilot.press("3", "B")
    await until(lambda: isinstance(pilot.app.screen, RestoreWizard) and pilot.app.screen.is_mounted)
    wizard = pilot.app.screen
    assert isinstance(wizard, RestoreWizard)
    return wizard


async def looked(wizard: RestoreWizard) -> None:
    await until(
        lambda: (
            wizard.state.looked is not None and (wizard.state.looked.changes is not None or wizard.state.looked.error)
        )
    )


async def at_checks(pilot: Pilot[None]) -> RestoreWizard:
    """The wizard at its step Checks, when they are done."""
    wizard = await opened(pilot)
    await until(lambda: wizard.state.looked is not None and wizard.state.looked.checked)
    await pilot.press("enter", "enter")
    await pilot.pause()
    return wizard


async def confirmed(pilot: Pilot[None], word: str) -> RestoreWizard:
    wizard = await opened(pilot)
    await looked(wizard)
    await pilot.press("enter", "enter", "enter")
    assert wizard.state.step == CONFIRM
    await pilot.press(*word, "enter")
    return wizard


def asked_in(stand_in: StandIn) -> BackupRequest:
    return read_request(stand_in.started[-1].arguments)


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_pages(size: tuple[int, int], language: str, stand_in: StandIn) -> None:
    app = showing(healthy(), language=language)
    async with app.run_test(size=size) as pilot:
        wizard = await opened(pilot)
        await looked(wizard)
        shots = {}
        for step, name in ((WHAT, "what"), (WHERE, "where"), (CHECKS, "checks"), (CONFIRM, "confirm")):
            assert wizard.state.step == step
            wizard.frame.repaint()
            await pilot.pause()
            shots[name] = screen_text(pilot)
            await pilot.press("enter")
        await pilot.press(*"lilfox", "enter")
        await until(lambda: wizard.state.log is not None and len(wizard.state.log.events) > 2)
        wizard.frame.repaint()
        await pilot.pause()
        shots["run"] = screen_text(pilot)
        stand_in.going_on.set()
        await until(lambda: wizard.state.step == RESULT)
        await pilot.pause()
        shots["result"] = screen_text(pilot)
        for name, text in shots.items():
            check(f"restore-{name}-{size[0]}x{size[1]}-{language}", text)
            assert all(cell_width(line) <= size[0] for line in text.splitlines())


@pytest.mark.parametrize(
    ("size", "slow_link", "has_borders"),
    [((80, 24), False, True), ((60, 13), False, True), ((59, 24), False, False), ((80, 12), False, False),
     ((80, 24), True, False)],
    ids=str,
)  # fmt: skip
async def test_it_has_borders_where_panels_have_some(
    size: tuple[int, int], slow_link: bool, has_borders: bool, stand_in: StandIn
) -> None:
    app = showing(healthy())
    app.slow_link = slow_link
    async with app.run_test(size=size) as pilot:
        await opened(pilot)
        await pilot.pause()
        lines = screen_text(pilot).splitlines()
        assert lines[0].startswith("┌─ Restore") is has_borders
        assert lines[-2].startswith("└") is has_borders
        assert lines[-1].startswith(" enter next page")
        assert any("What to restore?" in line for line in lines)


async def test_a_click_chooses_a_line_and_the_wheel_leaves_the_border(stand_in: StandIn) -> None:
    stand_in.all_checks[:] = [Check(f"part-{number}", "warning", f"found {number}", "") for number in range(30)]
    app = showing(healthy())
    async with app.run_test(size=(80, 24)) as pilot:
        wizard = await opened(pilot)
        await pilot.pause()
        await pilot.click("#wizard-body", offset=place_of(pilot, "uploads  "))
        assert [each.name for each in wizard.state.choice.chosen] == ["database"]
        await pilot.click("#wizard-body", offset=(4, 0))
        await pilot.click("#wizard-body", offset=place_of(pilot, "What to restore?"))
        await pilot.click("#wizard-body", offset=(4, 22))
        assert [each.name for each in wizard.state.choice.chosen] == ["database"], "there is no line to choose"
        await until(lambda: wizard.state.looked is not None and wizard.state.looked.checked)
        await pilot.press("enter", "enter", "o")
        await until(lambda: "found 0" in screen_text(pilot))
        border = "┌─ Restore lilfox_20260329_020000"
        seen = ""
        for _ in range(12):
            await pilot._post_mouse_events([events.MouseScrollDown], widget="#wizard-body", offset=(5, 5))
            await pilot.pause()
            text = screen_text(pilot)
            assert text.startswith(border)
            assert text.splitlines()[-2].startswith("└")
            assert "Confirm" in text.splitlines()[1]
            seen += text
        assert all(f"found {number} " in seen for number in range(30))
        assert "[ ] allow running the code in the dump" in seen


async def test_nothing_of_the_run_stands_on_the_result_page(stand_in: StandIn) -> None:
    app = showing(healthy())
    async with app.run_test(size=(40, 10)) as pilot:
        wizard = await confirmed(pilot, "lilfox")
        await until(lambda: wizard.state.log is not None and len(wizard.state.log.events) > 2)
        wizard.frame.repaint()
        await pilot.pause()
        assert "(process 4711)" in screen_text(pilot)
        stand_in.going_on.set()
        await until(lambda: wizard.state.step == RESULT)
        await pilot.pause()
        assert "process" not in screen_text(pilot)


async def test_nothing_begins_before_the_name_is_typed(stand_in: StandIn) -> None:
    app = showing(healthy())
    async with app.run_test(size=(80, 24)) as pilot:
        wizard = await confirmed(pilot, "lilfix")
        assert wizard.state.step == CONFIRM
        assert "nothing was written" in screen_text(pilot)
        assert stand_in.started == []
        await pilot.press("escape", "escape", "escape")
        assert wizard.state.step == WHAT
        await pilot.press("escape")
        assert not isinstance(app.screen, RestoreWizard)
        assert stand_in.started == []


async def test_the_whole_set_goes_back_to_where_it_was(stand_in: StandIn) -> None:
    app = showing(healthy())
    async with app.run_test(size=(80, 24)) as pilot:
        wizard = await confirmed(pilot, "lilfox")
        await until(lambda: stand_in.started)
        assert wizard.state.step == RUN
        job = stand_in.started[0]
        assert (job.kind, job.key) == ("restore", "restore lilfox")
        request = asked_in(stand_in)
        assert (request.plan, request.store, request.set) == ("lilfox", "disk", "lilfox_20260329_020000")
        spec = request.restore
        assert (spec.sources, spec.places, spec.only) == ((), {}, "")
        stand_in.going_on.set()
        await until(lambda: wizard.state.step == RESULT)
        await pilot.pause()
        assert "lilfox_before_20260329_031244" in screen_text(pilot)
        await pilot.press("enter")
        assert not isinstance(app.screen, RestoreWizard)


async def test_it_is_undone_from_the_result_page(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    found = "lilfox_20260329_020000"
    swap = Swap(kind="postgresql", set=found, target="lilfox", staged="lilfox_restore_1", before="lilfox_before_1")
    done = Restored(run="1", set=found, at=NOW, stage="swapped", swaps=(swap,))
    monkeypatch.setattr(interrupted, "read_all", lambda: [done])
    app = showing(healthy())
    async with app.run_test(size=(80, 24)) as pilot:
        wizard = await confirmed(pilot, "lilfox")
        await pilot.press("u")
        assert wizard.state.step == RUN
        stand_in.going_on.set()
        await until(lambda: wizard.state.step == RESULT)
        await pilot.pause()
        assert f"press u, or run lilfox restore --undo {found}" in " ".join(screen_text(pilot).split())
        await pilot.press("u")
        await until(lambda: isinstance(app.screen, ConfirmDialog) and app.screen.painted_s is not None)
        await pilot.press(*"undo", "enter")
        await until(lambda: len(stand_in.started) == 2)
        assert (stand_in.started[1].kind, asked_in(stand_in).set) == ("undo", found)


async def test_one_table_to_another_database(stand_in: StandIn) -> None:
    app = showing(healthy())
    async with app.run_test(size=(100, 30)) as pilot:
        wizard = await opened(pilot)
        await pilot.press("down", "down", "down", "space")
        await until(lambda: isinstance(app.screen, Chooser))
        await pilot.press(*"public.users", "enter")
        await until(lambda: wizard.state.step == WHERE)
        await pilot.press("space")
        await until(lambda: wizard.query_one("#wizard-input", Input).display, what="without others an address is typed")
        await pilot.press(*"postgresql://db-2/other", "enter", "enter")
        assert wizard.state.step == CHECKS
        await until(lambda: len(stand_in.looked) >= 2)
        await looked(wizard)
        await pilot.press("enter", *"lilfox", "enter")
        await until(lambda: stand_in.started)
        spec = asked_in(stand_in).restore
        assert (spec.sources, spec.only) == (("database",), "public.users")
        assert spec.places == {"database": "postgresql://db-2/other"}


async def test_one_table_takes_ten_keys_and_the_word(stand_in: StandIn) -> None:
    app = showing(healthy())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        keys = ["B", "slash", *"ord", "enter", "enter", "enter"]
        await pilot.press(*keys[:2])
        await until(lambda: isinstance(app.screen, Chooser))
        await pilot.press(*keys[2:5])
        await pilot.pause()
        text = screen_text(pilot)
        assert "public.orders" in text
        assert "88,210 rows" in text
        assert "public.users" not in text
        await pilot.press(keys[5])
        await until(lambda: isinstance(app.screen, RestoreWizard))
        wizard = app.screen
        assert isinstance(wizard, RestoreWizard)
        await until(lambda: wizard.state.step == WHERE)
        await pilot.press(*keys[6:])
        await until(lambda: wizard.state.step == CONFIRM and wizard.painted_s is not None)
        assert stand_in.started == []
        await pilot.press(*"lilfox", "enter")
        await until(lambda: stand_in.started)
        spec = asked_in(stand_in).restore
        assert (spec.sources, spec.only, spec.places) == (("database",), "public.orders", {})
        assert len(keys) + 1 <= 10, "and enter after the word"


@pytest.mark.parametrize("chosen", ["known", "original", "typed"])
async def test_where_to_is_chosen_from_the_databases_of_the_server(stand_in: StandIn, chosen: str) -> None:
    stand_in.elsewhere = ["postgresql://db-1/copy", "postgresql://db-1/spare%20one"]
    app = showing(healthy())
    async with app.run_test(size=(100, 30)) as pilot:
        wizard = await opened(pilot)
        await looked(wizard)
        await pilot.press("slash", *"users")
        await until(lambda: isinstance(app.screen, Chooser))
        await pilot.press("enter")
        await until(lambda: wizard.state.step == WHERE)
        await pilot.press("space")
        await until(lambda: isinstance(app.screen, Chooser))
        await pilot.pause()
        text = screen_text(pilot)
        assert "database lilfox on localhost  original" in text
        assert "spare one" in text
        await pilot.press(*{"known": [], "original": ["up"], "typed": ["end", "down", "down"]}[chosen], "enter")
        if chosen == "typed":
            await until(lambda: wizard.query_one("#wizard-input", Input).display)
            return
        await until(lambda: wizard.state.step == CHECKS, what="the checks of it, as there is nothing else to choose")
        await until(lambda: wizard.state.is_ready)
        places = {"database": "postgresql://db-1/copy"} if chosen == "known" else {}
        assert stand_in.looked[-1].restore.places == places


async def test_the_line_of_one_table_never_goes_on_with_everything(stand_in: StandIn) -> None:
    app = showing(healthy())
    async with app.run_test(size=(80, 24)) as pilot:
        wizard = await opened(pilot)
        await pilot.press("down", "down", "down", "enter")
        await until(lambda: isinstance(app.screen, Chooser))
        await pilot.press("escape")
        await until(lambda: app.screen is wizard)
        assert (wizard.state.step, wizard.state.choice.whole) == (WHAT, True)


async def test_the_next_page_opens_when_the_checks_that_ran_have_passed(stand_in: StandIn) -> None:
    app = showing(healthy())
    async with app.run_test(size=(80, 24)) as pilot:
        stand_in.answering.clear()
        wizard = await opened(pilot)
        await pilot.press("enter", "enter", "enter")
        await pilot.pause()
        assert wizard.state.step == CHECKS
        assert "the next page opens when all checks have passed" in " ".join(screen_text(pilot).split())
        stand_in.answering.set()
        await until(lambda: wizard.state.step == CONFIRM)


@pytest.mark.parametrize("state", ["warning", "bad"])
async def test_nothing_goes_on_by_itself_past_a_warning(stand_in: StandIn, state: CheckState) -> None:
    stand_in.all_checks.append(Check("signature", state, "unsigned"))
    app = showing(healthy())
    async with app.run_test(size=(80, 24)) as pilot:
        stand_in.answering.clear()
        wizard = await opened(pilot)
        await pilot.press("enter", "enter", "enter")
        stand_in.answering.set()
        await until(lambda: wizard.state.looked is not None and wizard.state.looked.checked)
        await until(lambda: "still checking" not in screen_text(pilot))
        assert wizard.state.step == CHECKS


@pytest.mark.parametrize("word", ["", "lilfix"])
async def test_a_wrong_or_missing_word_says_so_and_stays_open(stand_in: StandIn, word: str) -> None:
    app = showing(healthy())
    async with app.run_test(size=(80, 24)) as pilot:
        wizard = await confirmed(pilot, word)
        await pilot.pause()
        assert "nothing was written: type lilfox in full, or press esc to go back" in screen_text(pilot)
        assert wizard.state.step == CONFIRM
        assert stand_in.started == []
        await pilot.press(*["backspace"] * 9)
        await pilot.pause()
        assert "type lilfox and press enter; esc goes back" in screen_text(pilot), "it cancels nothing"
        await pilot.press("escape")
        await pilot.pause()
        assert (app.screen, wizard.state.step) == (wizard, CHECKS)


async def test_what_is_told_of_a_wrong_word_goes_when_another_is_typed(stand_in: StandIn) -> None:
    app = showing(healthy())
    async with app.run_test(size=(80, 24)) as pilot:
        wizard = await confirmed(pilot, "lilfo")
        await pilot.pause()
        assert "nothing was written" in screen_text(pilot)
        await pilot.press("x")
        await until(lambda: "nothing was written" not in screen_text(pilot))
        assert "enter restore (type the name first)" in screen_text(pilot)
        await pilot.press("backspace", "enter")
        await until(lambda: "nothing was written: type lilfox in full" in screen_text(pilot))
        await pilot.press("backspace")
        await until(lambda: "nothing was written" not in screen_text(pilot))
        assert (wizard.state.step, stand_in.started) == (CONFIRM, [])


async def test_why_no_database_is_offered_stays_above_the_address_to_change(stand_in: StandIn) -> None:
    app = showing(healthy())
    async with app.run_test(size=(80, 24)) as pilot:
        wizard = await opened(pilot)
        await pilot.press("enter")
        wizard.state.choice.source("database").place = "postgresql://db-2/other"
        stand_in.elsewhere_error = LilFoxError("the server is down")
        await pilot.press("space")
        await until(lambda: wizard.query_one("#wizard-input", Input).display)
        await pilot.pause()
        assert "the server is down" in screen_text(pilot)
        await pilot.press("x")
        await until(lambda: "the server is down" not in screen_text(pilot))


async def test_some_sources_alone_and_back_to_all(stand_in: StandIn) -> None:
    app = showing(healthy())
    async with app.run_test(size=(100, 30)) as pilot:
        wizard = await opened(pilot)
        await pilot.press("down", "space", "enter")
        assert [each.name for each in wizard.state.choice.chosen] == ["uploads"]
        assert wizard.state.choice.request().restore.sources == ("uploads",)
        await pilot.press("escape", "down", "down", "space", "enter")
        assert wizard.state.step == WHAT, "nothing is chosen, so there is no next page"
        await pilot.press("up", "up", "space", "enter")
        assert wizard.state.choice.whole
        assert wizard.state.step == WHERE


@pytest.mark.parametrize("size", [(80, 24), (40, 10)], ids=str)
async def test_what_forbids_it_stops_there(stand_in: StandIn, size: tuple[int, int]) -> None:
    stand_in.all_checks.append(
        Check("server", "bad", "another server than the set's", "Make sure that it is right.", "other-server")
    )
    app = showing(healthy())
    async with app.run_test(size=size) as pilot:
        wizard = await at_checks(pilot)
        await pilot.press("enter", "enter")
        assert wizard.state.step == CHECKS
        await pilot.pause()
        assert "space allows the selected option" in " ".join(screen_text(pilot).split())
        before = len(stand_in.looked)
        del stand_in.all_checks[-1]
        await pilot.press("space")  # a key too many says nothing: it only goes to the first that can be allowed
        await pilot.pause()
        assert "press space again to confirm" in screen_text(pilot)
        assert not wizard.state.choice.spec.other_server
        await pilot.press("space")
        await until(lambda: len(stand_in.looked) > before)
        assert stand_in.looked[-1].restore.other_server
        await looked(wizard)
        await pilot.press("enter")
        assert wizard.state.step == CONFIRM


async def test_what_allows_it_is_highlighted(stand_in: StandIn) -> None:
    sessions = [
        ServerSession(pid=4711, role="app", application="lilfox-web", client="10.0.0.7", state="idle in transaction",
                      since_s=62.0, query="UPDATE orders\nSET paid = true"),
        ServerSession(pid=4712, role="jo", application="psql", client="local", state="idle", since_s=None),
    ]  # fmt: skip
    long, brief = "lilfox is in use: pid 4711 (app, …)", "2 sessions use it"
    stand_in.all_checks.append(
        Check("sessions in lilfox", "bad", long, "Stop the applications.", "end-sessions", brief, sessions)
    )
    app = showing(healthy())
    async with app.run_test(size=(80, 24)) as pilot:
        wizard = await at_checks(pilot)
        assert wizard.state.at == 0
        text = screen_text(pilot)
        assert "allow restoring to a different server" not in text, "nothing asks for it"
        assert "space terminate the sessions" in text
        assert "space  terminates them during the swap" in text
        assert "4711  app   lilfox-web" in text
        assert "as of 03:12:44" in text, "they are not looked at again"
        assert "UPDATE ord" in text
        assert "psql  a shell or a script, maybe yours in another terminal" in " ".join(text.split("\n"))
        assert "pid 4711 (" not in text, "they stand in a table"
        assert "--end-sessions" not in text
        before = len(stand_in.looked)
        await pilot.press("space")
        assert not wizard.state.choice.spec.end_sessions, "a key too many allows nothing"
        await pilot.press("space")
        await until(lambda: len(stand_in.looked) > before)
        assert (wizard.state.choice.spec.end_sessions, wizard.state.choice.spec.other_server) == (True, False)


async def test_what_forbids_it_is_brought_into_sight(stand_in: StandIn) -> None:
    stand_in.all_checks[:] = [Check(f"part-{number}", "good", f"found {number}", "") for number in range(9)]
    stand_in.all_checks.append(Check("room", "bad", "the disk is full", "make room"))
    app = showing(healthy())
    async with app.run_test(size=(40, 10)) as pilot:
        await at_checks(pilot)
        text = screen_text(pilot)
        assert "the disk is full" in text, "what forbids it stands first"
        assert "found 0" not in text


async def test_all_checks_can_be_read_on_a_small_screen(stand_in: StandIn) -> None:
    stand_in.all_checks[:] = [Check(f"part-{number}", "good", f"found {number}", "") for number in range(9)]
    app = showing(healthy())
    async with app.run_test(size=(40, 10)) as pilot:
        wizard = await opened(pilot)
        await looked(wizard)
        await pilot.press("enter", "enter")
        await pilot.pause()
        assert wizard.state.step == CHECKS
        assert "all 9 checks passed" in screen_text(pilot)
        await pilot.press("o")
        seen = ""
        for _ in range(14):
            await pilot.pause()
            seen += screen_text(pilot)
            await pilot.press("j")
        assert all(f"found {number}" in seen for number in range(9))
        assert wizard.state.at >= 0, "then what can be allowed"
        await pilot.press(*"kkkk")
        assert (wizard.state.at, wizard.state.moved) == (0, False), "the checks can be read again"


async def test_a_set_that_cannot_be_looked_at(stand_in: StandIn) -> None:
    stand_in.error = UsageError(
        "the database URL contains a password, which others could see", "Remove it from the URL"
    )
    app = showing(healthy())
    async with app.run_test(size=(80, 24)) as pilot:
        wizard = await opened(pilot)
        await looked(wizard)
        await pilot.press("enter", "enter", "enter")
        assert wizard.state.step == CHECKS
        await pilot.pause()
        assert "contains a password" in screen_text(pilot)


async def test_a_job_that_cannot_begin_goes_back(stand_in: StandIn) -> None:
    stand_in.refusal = KeyHeld("another restore of lilfox runs", "lilfox attach 3f9a", holder=None)
    app = showing(healthy())
    async with app.run_test(size=(80, 24)) as pilot:
        wizard = await confirmed(pilot, "lilfox")
        await until(lambda: wizard.state.step == CHECKS)
        await pilot.pause()
        assert "another restore of lilfox runs" in screen_text(pilot)


async def test_what_fails_is_told_with_what_is_still_good(stand_in: StandIn) -> None:
    stand_in.result = replace(
        stand_in.result, state="failed", message="the disk is full; nothing was swapped", result={}
    )
    app = showing(healthy())
    async with app.run_test(size=(80, 24)) as pilot:
        wizard = await confirmed(pilot, "lilfox")
        stand_in.going_on.set()
        await until(lambda: wizard.state.step == RESULT)
        await pilot.pause()
        assert "the disk is full; nothing was swapped" in screen_text(pilot)


async def test_without_a_plan_each_source_needs_a_place(stand_in: StandIn) -> None:
    found = healthy().plans[("lilfox", "disk")].sets
    view = plan("/backup", found, config=None, store="/backup", where="/backup")
    app = showing(replace(healthy(), plans={view.key: view}))
    async with app.run_test(size=(100, 30)) as pilot:
        wizard = await opened(pilot)
        await pilot.press("enter", "enter")
        assert wizard.state.step == WHERE
        await pilot.press("space", *"postgresql:///lilfox", "enter", "down", "space", *"uploads", "enter", "enter")
        assert wizard.state.step == WHERE, "not an absolute path"
        line = wizard.query_one("#wizard-input", Input)
        await pilot.press("space")
        line.value = "/srv/uploads"
        await pilot.press("enter", "enter")
        assert wizard.state.step == CHECKS
        made = wizard.state.choice.request().plan_arguments
        assert (made.store, made.database, made.files) == ("/backup", "postgresql:///lilfox", ("/srv/uploads",))


@pytest.mark.parametrize("key", ["b", "V", "D", "B", "u", "C"])
async def test_read_only_changes_nothing(key: str, stand_in: StandIn) -> None:
    app: LilFoxApp = showing(healthy(), read_only=True)
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("3", key)
        await pilot.pause()
        assert len(app.screen_stack) == 1
        assert app.note[0]
        assert stand_in.started == []
        assert pane_of(app).state.why_no_change() is not None


async def test_errors_of_looking_do_not_end_the_screen(stand_in: StandIn) -> None:
    stand_in.error = LilFoxError("gone")
    app = showing(healthy())
    async with app.run_test(size=(80, 24)) as pilot:
        wizard = await opened(pilot)
        await looked(wizard)
        await pilot.press("escape")
        assert app.is_running


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_what_others_wrote_is_text(size: tuple[int, int], stand_in: StandIn) -> None:
    nasty = "\x1b[2J\x1b]0;owned\x07[red]bold[/red]\u202e\r\n" + "x" * 300
    stand_in.all_checks.append(Check(nasty, "warning", nasty, nasty))
    stand_in.more_changes = [RestoreChange(nasty, nasty, nasty, lost_files=1)]
    stand_in.result = replace(stand_in.result, message=nasty, hint=nasty, result={"kept": [nasty]})
    app = showing(healthy())
    async with app.run_test(size=size) as pilot:
        wizard = await opened(pilot)
        await looked(wizard)
        stand_in.going_on.set()
        for keys in ((), ("enter",), ("enter",), ("enter",), (*"lilfox", "enter")):
            await pilot.press(*keys)
            await pilot.pause()
            text = screen_text(pilot)
            assert not set("\x1b\x07\u202e\r") & set(text)
            assert all(cell_width(line) <= size[0] for line in text.splitlines())
        await until(lambda: wizard.state.step == RESULT)
        await pilot.pause()
        assert not set("\x1b\x07\u202e\r") & set(screen_text(pilot))
