"""What the Logs pane says of itself: whether it follows, and why nothing is listed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from textual.pilot import Pilot

from lilfox_tui.app.dialogs.prompt import Chooser
from lilfox_tui.app.panes.logs.columns import ChosenColumns, chosen_file
from lilfox_tui.logs.merge import MergedLogs
from tests.app.log_files import (
    line,
    logs_app,
    messages,
    pane_of,
    selected,
    settled,
)
from tests.app.overviews import NOW, mixed
from tests.app.still import paste, screen_text, still_app
from tests.waiting import until

SIZE = (160, 40)


def told(pilot: Pilot[None]) -> tuple[str, str]:
    """What the pane says of following, and the word of the key ``f`` in the footer."""
    lines = screen_text(pilot).splitlines()
    states = ("follow ●", "follow paused", "follow off")
    state = next((each for each in states if lines[2].rstrip().endswith(each)), "")
    return state, next((each for each in ("stop following", "follow") if f" f {each} " in lines[-1] + " "), "")


async def test_what_f_does_is_what_the_state_is_not(tmp_path: Path) -> None:
    """Only what follows can be stopped; what is paused or off can be followed."""
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        assert told(pilot) == ("follow ●", "stop following")
        await pilot.press("k", "k")
        assert told(pilot) == ("follow paused", "follow")
        await pilot.press("f")
        await until(lambda: told(pilot) == ("follow ●", "stop following"), what="at the end again")
        assert selected(pane) == "数据库不可用，停止接受请求"
        await pilot.press("f")
        assert told(pilot) == ("follow off", "follow")
        await pilot.press("k", "f")
        await until(lambda: told(pilot) == ("follow ●", "stop following"))


async def test_an_empty_list_follows_and_goes_on_with_the_first_record(tmp_path: Path) -> None:
    """Wherever the reader stood before: there is nothing that a new record could move away."""
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        await pilot.press("k", "k", "slash", *"zzz", "enter")
        await until(lambda: "nothing matches" in screen_text(pilot) and not pane.state.busy)
        await until(lambda: told(pilot) == ("follow ●", "stop following"))
        for text in ("zzz 1", "zzz 2"):
            with (tmp_path / "gateway.log").open("a") as file:
                file.write(line(datetime.now(UTC) + timedelta(seconds=2), "INFO", "http", text) + "\n")
            await until(lambda text=text: selected(pane) == text)  # type: ignore[misc]
            await until(lambda: told(pilot) == ("follow ●", "stop following"))


async def test_clearing_a_filter_without_a_hit_returns_to_the_record_before_it(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        await pilot.press(*"kkkkkk")
        here = pane.state.selected_record
        await pilot.press("slash", *"zzz", "enter")
        await until(lambda: "nothing matches" in screen_text(pilot) and not pane.state.busy)
        await pilot.press("escape")
        await until(lambda: len(messages(pane)) == 102 and not pane.state.busy)
        await until(lambda: pane.state.selected_record is not None)
        assert here is not None
        assert pane.state.selected_record is not None
        assert pane.state.selected_record.place == here.place
        await until(lambda: told(pilot) == ("follow paused", "follow"))


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("level:error", "level:error is searched as text; level=error filters by level"),
        ("level:>=error", "level:>=error is searched as text; level>=error filters by level"),
        ("zzz status:500", "status:500 is searched as text; status=500 filters by status"),
        ("zzz or request_id:77", "request_id:77 is searched as text; request_id=77 filters by request_id"),
        ('level:"error"', 'level:"error" is searched as text; level="error" filters by level'),
        ("level:", ""),
        ("level:nonsense", ""),
        ("not_a_field:77", ""),
        ("zzz -level:error", ""),
    ],
)
async def test_a_field_as_other_tools_write_it_is_said_to_be_text(typed: str, hint: str, tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        await settled(app, pilot)
        await pilot.press("slash")
        await paste(pilot, typed)
        await pilot.press("enter")
        if hint:
            await until(lambda: f"nothing matches: {hint}" in screen_text(pilot))
        else:
            await until(lambda: "nothing matches" in screen_text(pilot))
            assert "is searched as text" not in screen_text(pilot)


async def test_a_text_with_a_colon_that_is_found_is_no_mistake(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    with (tmp_path / "gateway.log").open("a") as file:
        file.write(line(datetime.now(UTC), "INFO", "http", "cannot parse level:error") + "\n")
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        await pilot.press("slash")
        await paste(pilot, "level:error")
        await pilot.press("enter")
        await until(lambda: messages(pane) == ["cannot parse level:error"])
        assert "is searched as text" not in screen_text(pilot)


async def test_keys_for_records_are_not_offered_before_there_are_any(tmp_path: Path) -> None:
    """They count for what is still read; but nothing is there to be opened."""
    app = still_app(mixed(), files=(str(tmp_path / "web.log"),))
    (tmp_path / "web.log").write_text("")
    async with app.run_test(size=SIZE) as pilot:
        pane = pane_of(app)
        await until(lambda: pane.state.merged is not None)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(MergedLogs, "searching", property(lambda _merged: ("web",)))
            app.repaint_frame()
            assert pane.list.why_not_open() is None
            footer = screen_text(pilot).splitlines()[-1]
            assert (" enter open" in footer, " E error" in footer, " / filter" in footer) == (False, False, True)
        with (tmp_path / "web.log").open("a") as file:
            file.write(line(NOW, "INFO", "http", "one") + "\n")
        await until(lambda: " enter open" in screen_text(pilot).splitlines()[-1])
        assert " E error" in screen_text(pilot).splitlines()[-1]


@pytest.mark.parametrize("width", [41, 47, 53, 55])
async def test_why_nothing_is_listed_is_wrapped_in_the_cells_of_the_list(width: int, tmp_path: Path) -> None:
    """The list has fewer cells than the screen: a scrollbar stands beside it."""
    app = logs_app(tmp_path)
    async with app.run_test(size=(width, 20)) as pilot:
        await settled(app, pilot)
        await pilot.press("slash")
        await paste(pilot, "source:zzz_or_a_much_longer_name")
        await pilot.press("enter")
        await until(lambda: "nothing matches" in screen_text(pilot))
        await until(lambda: "filters by source" in " ".join(screen_text(pilot).split()))
        assert "…" not in screen_text(pilot).partition("nothing matches")[2]


async def test_a_column_is_chosen_and_kept(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=(120, 30)) as pilot:
        pane = await settled(app, pilot)
        assert " took " in screen_text(pilot)
        await pilot.press("o", *"column took", "enter")
        await pilot.pause()
        assert " took " not in screen_text(pilot)
        await pilot.press("o", *"column module", "enter")
        await pilot.pause()
        assert " module" in screen_text(pilot)
        assert pane.state.chosen_columns == ("status", "request", "module")
        assert ChosenColumns(chosen_file()).of(pane.state.formats) == ("status", "request", "module")


async def test_a_column_that_is_empty_here_takes_no_room_unless_it_was_chosen(tmp_path: Path) -> None:
    log, requests = tmp_path / "api.log", range(300, 0, -1)
    took = ({"response_time": 0.25} if ago > 150 else {} for ago in requests)
    lines = [line(NOW - timedelta(seconds=ago), "INFO", "http", f"request {ago}", **more)
             for ago, more in zip(requests, took, strict=True)]  # fmt: skip
    log.write_text("\n".join(lines) + "\n")
    app = still_app(mixed(), files=[str(log)])
    async with app.run_test(size=(120, 30)) as pilot:
        pane = await settled(app, pilot)
        assert " took" not in screen_text(pilot)
        await pilot.press("g")
        await until(lambda: selected(pane) == "request 300")
        await pilot.pause()
        assert "250 ms" in screen_text(pilot)
        await pilot.press("G")
        await until(lambda: selected(pane) == "request 1")
        await until(lambda: " took" not in screen_text(pilot))
        await pilot.press("o", *"column module", "enter")
        await pilot.pause()
        await settled(app, pilot)
        await pilot.press("g")
        await until(lambda: selected(pane) == "request 300")
        await pilot.press("G")
        await until(lambda: selected(pane) == "request 1")
        await pilot.pause()
        assert " took" in screen_text(pilot)


async def test_the_chooser_tells_which_chosen_columns_have_no_values(tmp_path: Path) -> None:
    def told() -> dict[str, bool]:
        assert isinstance(app.screen, Chooser)
        rows = {each.id: "".join(piece.text for piece in each.row) for each in app.screen._choices}
        return {name[7:]: "no values here" in row for name, row in rows.items() if name.startswith("column ")}

    log, requests = tmp_path / "api.log", range(300, 0, -1)
    more = ({"response_time": 0.25} if ago > 150 else {} for ago in requests)
    lines = [line(NOW - timedelta(seconds=ago), "INFO", "http", f"request {ago}", **each)
             for ago, each in zip(requests, more, strict=True)]  # fmt: skip
    log.write_text("\n".join(lines) + "\n")
    app = still_app(mixed(), files=[str(log)])
    async with app.run_test(size=(120, 30)) as pilot:
        pane = await settled(app, pilot)
        await pilot.press("o")
        await pilot.pause()
        assert {name for name, empty in told().items() if empty} == {"status", "response_time", "request"}
        assert not told()["module"], "it is not shown, but has values"
        await pilot.press("escape", "g")
        await until(lambda: selected(pane) == "request 300")
        await until(lambda: " took" in screen_text(pilot))
        await pilot.press("o")
        await pilot.pause()
        assert {name for name, empty in told().items() if empty} == {"status", "request"}
        await pilot.press("escape", "w", "o")
        await pilot.pause()
        assert not any(told().values())
        assert "column took  not shown beside wrapped messages" in screen_text(pilot)
        await pilot.press("escape", "w")
        await pilot.resize_terminal(90, 30)
        await pilot.press("o")
        await pilot.pause()
        assert {name for name, empty in told().items() if empty} == {"status", "request"}
        assert "column took  no room on this screen" in screen_text(pilot)
