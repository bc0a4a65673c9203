"""What the restore wizard says of the contents of a set, and of what a restore replaces and loses."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from lilfox_tui.backup.checks import Check
from lilfox_tui.core.errors import LilFoxError
from tests.app.backups_made import MIB, found_part, healthy
from tests.app.restore_stand_in import StandIn
from tests.app.still import screen_text
from tests.app.test_backup_screens import showing
from tests.app.test_mouse import place_of
from tests.app.test_restore_wizard import at_checks, looked, opened
from tests.waiting import until


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    return StandIn(monkeypatch)


async def test_the_first_page_tells_what_the_highlighted_source_contains(stand_in: StandIn) -> None:
    backups = healthy()
    view = next(iter(backups.plans.values()))
    assert view.sets is not None
    newest = view.sets[0]
    uploads = found_part("uploads.tar.zst", "uploads", "files", 1730 * MIB, files=40, folders=3, bytes=5190 * MIB,
                         folder_bytes={"avatars": 3000 * MIB, "docs": 90 * MIB})  # fmt: skip
    newest = replace(newest, parts=(*newest.parts[:2], uploads))
    view = replace(view, sets=(newest, *view.sets[1:]))
    app = showing(replace(backups, plans={**backups.plans, view.key: view}))
    async with app.run_test(size=(120, 40)) as pilot:
        wizard = await opened(pilot)
        await pilot.pause()
        text = screen_text(pilot)
        assert "the whole set  2 sources" in text
        assert re.search(r"database  postgresql .*  3 tables, 89,414 rows", text)
        assert re.search(r"uploads +files .*  40 files, ", text)
        assert re.search(r"public.orders +88,210 rows", text)
        assert re.search(r"avatars/ +[0-9]", text)
        await pilot.press("j", "j")
        await pilot.pause()
        text = screen_text(pilot)
        assert "public.orders" not in text, "only what is highlighted"
        assert re.search("uploads  40 files, .*; in 3 folders", text)
        await pilot.click("#wizard-body", offset=place_of(pilot, "avatars/"))
        await pilot.pause()
        assert [each.name for each in wizard.state.choice.chosen] == ["database", "uploads"], "no line to choose"


async def test_where_to_says_what_is_replaced_and_the_checks_what_is_lost(stand_in: StandIn) -> None:
    app = showing(healthy())
    async with app.run_test(size=(120, 40)) as pilot:
        wizard = await opened(pilot)
        await looked(wizard)
        await pilot.press("enter")
        await pilot.pause()
        text = screen_text(pilot)
        assert "By default it replaces what the set was taken from." in text
        assert "replaces database lilfox on localhost" in text
        wizard.state.choice.keep_only("database", "public.users")
        wizard.frame.repaint()
        await pilot.pause()
        assert "replaces public.users in database lilfox on localhost" in screen_text(pilot)
        wizard.state.choice.keep_only("", "")
        await pilot.press("enter")
        await until(
            lambda: "at least 90 rows newer than the backup will be only in the retained data" in screen_text(pilot)
        )
        assert "1 file changed since the backup will be only in the retained data" in screen_text(pilot)
        assert "[ ] allow" not in screen_text(pilot)


async def test_what_cannot_be_counted_leaves_the_failed_check_its_place(stand_in: StandIn) -> None:
    stand_in.all_checks.append(Check("sessions in lilfox", "bad", "in use", "Stop it.", "end-sessions"))
    stand_in.uncounted = LilFoxError("the server is down")
    app = showing(healthy())
    async with app.run_test(size=(80, 24)) as pilot:
        wizard = await at_checks(pilot)
        found = wizard.state.looked
        assert found is not None
        await until(lambda: found.uncounted or found.error)
        wizard.frame.repaint()
        await pilot.pause()
        text = screen_text(pilot)
        assert "Blocked by the failed checks" in text
        assert "✖ sessions in lilfox  in use" in text
        assert "not known what only the retained data will have: the server is down" in text
