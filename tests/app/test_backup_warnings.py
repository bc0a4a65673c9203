"""What the Backup pane says before anything else, and the words and numbers that people decide by."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, timedelta
from typing import Literal

import pytest
from msgspec.structs import replace

from lilfox_tui.app.dialogs.messages import ConfirmDialog
from lilfox_tui.app.dialogs.prompt import Chooser
from lilfox_tui.app.panes.backup.actions import settle_rows
from lilfox_tui.app.panes.backup.restore_wizard import RestoreWizard
from lilfox_tui.backup.checks import status_text
from lilfox_tui.backup.restores.interrupted import InterruptedRestore, Restored, SwapSide
from lilfox_tui.backup.source import RestoreChange, Swap, lost_text
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.export import prometheus, report, worst
from lilfox_tui.monitor.model import Backups, Overview
from tests.app.backups_made import NOW, healthy, job, plan
from tests.app.restore_stand_in import StandIn
from tests.app.still import screen_text
from tests.app.test_backup_screens import showing
from tests.app.test_restore_wizard import looked, opened
from tests.app.test_screens import check
from tests.waiting import until

SET = "lilfox_20260329_020000"


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    made = StandIn(monkeypatch)
    yield made
    made.going_on.set()


def interrupted_restores() -> Backups:
    """A restore of which the database alone is in place."""
    swaps = (
        Swap(kind="postgresql", set=SET, target="lilfox", staged="lilfox_restore_x", before="lilfox_before_x"),
        Swap(kind="files", set=SET, target="/srv/uploads", staged="/srv/.r", before="/srv/b"),
    )
    restored = Restored(run="20260329-031200-3f9a", set=SET, at=NOW, stage="swapping", swaps=swaps)
    sides = (
        SwapSide(target="lilfox", host="", standing="restored"),
        SwapSide(target="/srv/uploads", host="web-1", standing="before"),
    )
    return replace(healthy(), interrupted_restores=(InterruptedRestore(restored=restored, sides=sides),))


@pytest.mark.fault("4.42")
async def test_a_restore_that_is_interrupted_is_said_in_every_pane_and_settled_from_here(stand_in: StandIn) -> None:
    app = showing(interrupted_restores())
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.pause()
        assert "1 interrupted restore" in screen_text(pilot), "in the frame of every pane"
        assert "3 Backup ✖" in screen_text(pilot)
        await pilot.press("3")
        await pilot.pause()
        text = " ".join(screen_text(pilot).split())
        assert f"the restore of {SET} was interrupted" in text
        assert "restored data: lilfox" in text
        assert "previous data: web-1:/srv/uploads" in text
        await pilot.press("colon", *"settle", "enter")
        await until(lambda: isinstance(app.screen, Chooser))
        await pilot.press("down", "enter")
        await until(lambda: isinstance(app.screen, ConfirmDialog))
        await pilot.press(*"take-back", "enter")
        await until(lambda: stand_in.started)
    [request] = stand_in.started
    assert request.kind == "settle"
    assert (request.arguments["set"], request.arguments["finish"]) == ("20260329-031200-3f9a", False)


@pytest.mark.parametrize(
    ("stage", "finish", "becomes"),
    [
        ("swapping", True, ["restored data  stays", "previous data → restored data"]),
        ("swapping", False, ["restored data → previous data", "previous data  stays"]),
        ("undoing", True, ["restored data → previous data", "previous data  stays"]),
        ("undoing", False, ["restored data  stays", "previous data → restored data"]),
    ],
)
def test_what_becomes_of_each_target_is_told_before_an_interrupted_restore_is_settled(
    stage: Literal["swapping", "undoing"], finish: bool, becomes: list[str]
) -> None:
    [half] = interrupted_restores().interrupted_restores
    half = replace(half, restored=replace(half.restored, stage=stage))
    rows = ["".join(piece.text for piece in row).strip() for row in settle_rows(half, UTC, finish=finish)]
    assert rows[0] == f"set         {SET}"
    undoing = "undoing " if stage == "undoing" else ""
    assert rows[1] == f"stopped     {undoing}its restore  since 2026-03-29 03:12:44, job 20260329-031200-3f9a"
    assert rows[3:] == [f"lilfox              {becomes[0]}", f"web-1:/srv/uploads  {becomes[1]}"]


def test_a_target_of_which_nothing_is_known_says_why() -> None:
    [half] = interrupted_restores().interrupted_restores
    lost = replace(half.sides[0], standing="unknown", reason="no route to host")
    rows = ["".join(piece.text for piece in row) for row in settle_rows(replace(half, sides=(lost,)), UTC, finish=True)]
    assert rows[-1] == "  lilfox  no route to host → restored data"


@pytest.mark.fault("4.42")
def test_other_programs_are_told_too() -> None:
    overview = Overview(NOW, {}, {}, backups=interrupted_restores())
    assert worst(overview) is Level.FAILING
    assert overview.count(Level.FAILING) == 1
    assert "lilfox_restores_interrupted 1.0" in prometheus(overview, {})
    assert [half["set"] for half in report(overview)["interrupted_restores"]] == [SET]


@pytest.mark.fault("4.44")
@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("size", [(80, 24), (120, 40), (40, 10)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_a_rewound_pane_lists_the_sets_that_there_were(size: tuple[int, int], language: str) -> None:
    app = showing(healthy(), language=language)
    async with app.run_test(size=size) as pilot:
        await pilot.press("3")
        await pilot.pause()
        before = screen_text(pilot)
        app.navigation.rewind(NOW - timedelta(days=2, hours=2))
        await pilot.pause()
        text = screen_text(pilot).partition("\n")[2]  # the header counts from the clock
        check(f"backup-rewound-{size[0]}x{size[1]}-{language}", text)
        await pilot.press("enter")
        await pilot.pause()
        assert "03-29 02:00" not in screen_text(pilot)
        await pilot.press("grave_accent", "escape")
        await pilot.pause()
        assert screen_text(pilot) == before


async def test_what_acts_on_the_present_is_disabled_in_the_past_but_a_set_can_be_restored(stand_in: StandIn) -> None:
    app = showing(healthy())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("3")
        app.navigation.rewind(NOW - timedelta(days=2, hours=2))
        for key in ("b", "u", "C"):
            await pilot.press(key)
            assert "you are viewing the past" in str(app.note[0]), key
            assert len(app.screen_stack) == 1
        await pilot.press("B")
        await until(lambda: isinstance(app.screen, RestoreWizard))
        wizard = app.screen
        assert isinstance(wizard, RestoreWizard)
        assert wizard.state.choice.set == "lilfox_20260326_020000", "the newest that there was then"


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_a_plan_without_a_set_offers_a_backup_only_where_b_makes_one(size: tuple[int, int]) -> None:
    new = plan("lilfox", (), level=Level.DEGRADED)
    app = showing(Backups({new.key: new}, jobs=()))
    async with app.run_test(size=size) as pilot:
        await pilot.press("3")
        await pilot.pause()
        assert "no set yet: b backs up now" in screen_text(pilot)
        app.navigation.rewind(NOW - timedelta(days=2))
        await pilot.pause()
        text = screen_text(pilot)
        assert "b backs up" not in text
        assert "no set yet" in text
        (mark,) = set(re.findall(r"([●◐✖○]) lilfox", text))
        assert f"3 Backup {mark} " in text, "the tab says the same of that time"
    app = showing(Backups({new.key: new}, jobs=(job(),)))
    async with app.run_test(size=size) as pilot:
        await pilot.press("3")
        await pilot.pause()
        assert "no set yet: the first backup is running" in screen_text(pilot)
        assert "b backs up" not in screen_text(pilot)


@pytest.mark.fault("4.44")
def test_what_is_lost_is_counted_in_rows_and_files() -> None:
    changes = [
        RestoreChange("public.log", "1,227 rows", "0 rows", lost_rows=1227),
        RestoreChange("public.users", "1 row", "2 rows"),
    ]
    assert lost_text(changes) == "at least 1,227 rows newer than the backup will be only in the retained data"
    changes.append(RestoreChange("a.png", "newer", "older", lost_files=1))
    assert "1 file changed since the backup will be only in the retained data" in lost_text(changes)
    assert lost_text([RestoreChange("public.users", "1 row", "2 rows")]) == ""
    uncounted = [RestoreChange("public.users", "1 row", "2 rows", uncounted=True)]
    assert "1 item differs, its newer data is not counted: only in the retained data" in lost_text(uncounted)
    about = [RestoreChange("public.log", "~9000000 rows", "1 row", lost_rows=8_999_999, uncounted=True)]
    assert lost_text(about).startswith("about 8,999,999 rows newer than the backup will be only in the retained data")


@pytest.mark.fault("4.44")
async def test_the_wizard_counts_rows_and_files(stand_in: StandIn) -> None:
    app = showing(healthy())
    async with app.run_test(size=(120, 40)) as pilot:
        wizard = await opened(pilot)
        await looked(wizard)
        await pilot.press("enter", "enter", "enter")
        await pilot.pause()
        text = screen_text(pilot)
        assert "at least 90 rows newer than the backup will be only in the retained data" in text
        assert "1 file changed since the backup will be only in the retained data" in text
    assert stand_in.started == []


@pytest.mark.fault("4.44")
def test_a_set_that_a_drill_restored_is_restore_tested() -> None:
    assert status_text("restored") == "restore-tested"
