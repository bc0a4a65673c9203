"""What restores keep, from the Backup pane: shown, and let go when its name is typed."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot

from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.dialogs.messages import ConfirmDialog
from lilfox_tui.app.dialogs.prompt import Chooser
from lilfox_tui.backup.plan import read_request
from lilfox_tui.backup.restores import interrupted, retained
from lilfox_tui.backup.restores.interrupted import Restored
from lilfox_tui.backup.restores.retained import RetainedRow
from lilfox_tui.backup.source import Swap
from tests.app.backups_made import NOW, healthy
from tests.app.restore_stand_in import StandIn
from tests.app.still import screen_text, unframed
from tests.app.test_backup_screens import showing
from tests.app.test_screens import check
from tests.waiting import until

SET = "lilfox_20260328_020000"
_SWAP = Swap(kind="postgresql", set=SET, target="lilfox", staged="lilfox_restore_1", before="lilfox_before_1")
DONE = Restored(run="20260328-100000-3f9a", set=SET, at=NOW, stage="swapped", swaps=(_SWAP,))
DATABASE = RetainedRow(
    restored=DONE, host="db-1", target="lilfox", name="lilfox_before_20260328_100000", there=True, size_bytes=412 << 20
)
FOLDER = RetainedRow(
    restored=DONE,
    host="",
    target="/srv/lilfox/uploads",
    name="/srv/lilfox/uploads_before_20260328_100000",
    there=True,
    size_bytes=9 << 20,
)
GONE = RetainedRow(
    restored=replace(DONE, run="20260301-100000-aaaa"), host="", target="lilfox", name="lilfox_before_1", there=False
)
LEFT = RetainedRow(restored=None, host="", target="lilfox", name="lilfox_drill_1", there=True)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    made = StandIn(monkeypatch)
    yield made
    made.going_on.set()


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[RetainedRow]:
    """What the hosts tell."""
    lines: list[RetainedRow] = []

    async def all_kept(_opening: object) -> list[RetainedRow]:
        return list(lines)

    async def all_left(_opening: object, _plans: object) -> list[RetainedRow]:
        return []

    monkeypatch.setattr(interrupted, "read_all", lambda: [DONE])
    monkeypatch.setattr(retained, "all_kept", all_kept)
    monkeypatch.setattr(retained, "all_left", all_left)
    return lines


async def asked_to_delete(app: LilFoxApp, pilot: Pilot[None]) -> None:
    """Opens what restores retain, and the question about the first of it."""
    await pilot.press("colon", *"kept", "enter")
    await until(lambda: isinstance(app.screen, Chooser))
    await pilot.press("enter")
    await until(lambda: isinstance(app.screen, ConfirmDialog) and app.screen.painted_s is not None)


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_what_is_kept(size: tuple[int, int], language: str, kept: list[RetainedRow]) -> None:
    kept += [DATABASE, FOLDER, GONE, LEFT]
    app = showing(healthy(), language=language)
    async with app.run_test(size=size) as pilot:
        await pilot.press("3")
        await until(lambda: re.search(r"press a\)|按\s*a\s*查看", unframed(screen_text(pilot))))
        await pilot.press("colon", *"kept", "enter")
        await until(lambda: isinstance(app.screen, Chooser))
        await pilot.pause()
        check(f"backup-kept-{size[0]}x{size[1]}-{language}", screen_text(pilot))


async def test_it_is_let_go_when_its_name_is_typed(stand_in: StandIn, kept: list[RetainedRow]) -> None:
    kept += [DATABASE, FOLDER, LEFT]
    app = showing(healthy())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("3")
        await asked_to_delete(app, pilot)
        text = screen_text(pilot)
        assert DATABASE.name in text
        assert FOLDER.name in text, "all of the restore goes together"
        assert LEFT.name not in text
        await pilot.press(*"lilfox", "enter")
        await until(lambda: "nothing was done: type" in screen_text(pilot))
        await pilot.press("escape")
        await until(lambda: len(app.screen_stack) == 1)
        assert stand_in.started == []
        await asked_to_delete(app, pilot)
        await pilot.press(*("underscore" if letter == "_" else letter for letter in DATABASE.name), "enter")
        await until(lambda: stand_in.started)
        [job] = stand_in.started
        request = read_request(job.arguments)
        assert (job.kind, request.plan, request.set) == ("forget", "lilfox", SET)


async def test_one_that_was_set_aside_goes_and_not_another_of_its_set(
    stand_in: StandIn, kept: list[RetainedRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    aside = replace(DONE, run="20260301-100000-aaaa", stage="aside")
    monkeypatch.setattr(interrupted, "read_all", lambda: [DONE, aside])
    kept += [replace(LEFT, restored=aside, name="apart")]
    app = showing(healthy())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("3")
        await asked_to_delete(app, pilot)
        await pilot.press(*"apart", "enter")
        await until(lambda: stand_in.started)
        assert read_request(stand_in.started[0].arguments).set == aside.run


async def test_what_drills_left_goes_by_its_plan(stand_in: StandIn, kept: list[RetainedRow]) -> None:
    kept += [LEFT]
    app = showing(healthy())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("3")
        await asked_to_delete(app, pilot)
        await pilot.press(*("underscore" if letter == "_" else letter for letter in LEFT.name), "enter")
        await until(lambda: stand_in.started)
        request = read_request(stand_in.started[0].arguments)
        assert (request.plan, request.set) == ("lilfox", "")


async def test_what_must_stay_says_why(stand_in: StandIn, kept: list[RetainedRow]) -> None:
    kept += [DATABASE, replace(FOLDER, reason="somebody works in it")]
    app = showing(healthy())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("3", "colon", *"kept", "enter")
        await until(lambda: isinstance(app.screen, Chooser))
        await pilot.press("enter")
        await until(lambda: "somebody works in it" in app.note[0])
        assert len(app.screen_stack) == 1


async def test_nothing_is_let_go_with_read_only_and_nothing_is_kept(kept: list[RetainedRow]) -> None:
    app = showing(healthy(), read_only=True)
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("3", "colon", *"kept", "enter")
        await until(lambda: "nothing is retained" in app.note[0])
        kept += [DATABASE]
        await pilot.press("colon", *"kept", "enter")
        await until(lambda: isinstance(app.screen, Chooser))
        await pilot.press("enter")
        await until(lambda: "read_only" in app.note[0])
        assert len(app.screen_stack) == 1
