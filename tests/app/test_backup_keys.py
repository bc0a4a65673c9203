"""The keys of the Backup pane: each says why it cannot, or asks before it starts a job."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from typing import cast

import pytest
from msgspec.structs import replace

from lilfox_tui.app.dialogs.job_output import JobOutput
from lilfox_tui.app.dialogs.messages import AskDialog, ConfirmDialog
from lilfox_tui.app.navigation import BACKUP, METRICS
from lilfox_tui.app.panes.backup.pane import BackupPane
from lilfox_tui.app.rows.job_words import user
from lilfox_tui.app.widgets import Lines
from lilfox_tui.backup.options import FilesOptions
from lilfox_tui.backup.plan import read_request
from lilfox_tui.backup.restores.interrupted import Restored
from lilfox_tui.backup.source import Renames, Swap
from lilfox_tui.config.model import HostConfig, KeepConfig, PlanConfig
from lilfox_tui.core.paths import state_dir
from lilfox_tui.demo.stack import Stack
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import Backups
from tests.app.backups_made import NOW, broken, healthy, job, nights, plan
from tests.app.restore_stand_in import JOB, StandIn
from tests.app.still import screen_text, unframed
from tests.app.test_backup_screens import pane_of, showing
from tests.unit.jobs.made import OK, began, make
from tests.waiting import until


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    made = StandIn(monkeypatch)
    yield made
    made.going_on.set()


def running() -> Backups:
    return replace(healthy(), jobs=(job(id=JOB),))


@pytest.mark.parametrize(
    ("key", "does", "kind", "about", "set_id"),
    [
        ("b", "back up", "backup", "backup lilfox", ""),
        ("V", "verify", "verify", "verify lilfox lilfox_20260329_020000", "lilfox_20260329_020000"),
        ("D", "drill", "drill", "drill lilfox lilfox_20260329_020000", "lilfox_20260329_020000"),
    ],
)
async def test_a_job_is_asked_for_and_started(
    key: str, does: str, kind: str, about: str, set_id: str, stand_in: StandIn
) -> None:
    app = showing(healthy())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("3", key)
        await until(lambda: isinstance(app.screen, AskDialog) and app.screen.painted_s is not None)
        assert f"enter {does}   esc go back" in screen_text(pilot)
        await pilot.press("escape")
        await until(lambda: len(app.screen_stack) == 1)
        assert stand_in.started == []
        await pilot.press(key)
        await until(lambda: isinstance(app.screen, AskDialog) and app.screen.painted_s is not None)
        await pilot.press("enter")
        await until(lambda: stand_in.started)
        job = stand_in.started[0]
        assert (job.kind, job.key) == (kind, about)
        request = read_request(job.arguments)
        assert (request.plan, request.store, request.set) == ("lilfox", "disk", set_id)
        await until(lambda: JOB in app.note[0])


async def test_without_a_plan_there_is_nothing_to_filter() -> None:
    """A filter that nothing shows would be one that nobody clears."""
    app = showing(replace(healthy(), plans={}))
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("3", "slash", *"zzz")
        await pilot.pause()
        assert "there is no set to filter" in screen_text(pilot)
        assert not pane_of(app).state.filter


async def test_the_set_that_is_highlighted_is_meant(stand_in: StandIn) -> None:
    app = showing(healthy())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("3", "enter", "j", "j", "V")
        await until(lambda: isinstance(app.screen, AskDialog) and app.screen.painted_s is not None)
        await pilot.press("enter")
        await until(lambda: stand_in.started)
        assert stand_in.started[0].arguments["set"] == "lilfox_20260327_020000"


async def test_a_copy_is_read_from_its_own_store(stand_in: StandIn) -> None:
    app = showing(healthy())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("3", "j", "V")
        await until(lambda: isinstance(app.screen, AskDialog) and app.screen.painted_s is not None)
        await pilot.press("enter")
        await until(lambda: stand_in.started)
        request = read_request(stand_in.started[0].arguments)
        assert (request.plan, request.store) == ("lilfox", "nas")


async def test_prune_shows_what_goes_and_wants_the_plans_name(stand_in: StandIn) -> None:
    keeping = PlanConfig(sources={}, store="disk", keep=KeepConfig(last=2))
    view = plan("lilfox", nights(5), config=keeping)
    app = showing(Backups({view.key: view}, jobs=()))
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("3", "colon", *"prune", "enter")
        await until(lambda: isinstance(app.screen, ConfirmDialog) and app.screen.painted_s is not None)
        await pilot.pause()
        text = screen_text(pilot)
        assert "Remove 3 sets" in text
        assert "lilfox_20260325_020000" in text
        assert re.search(r"lilfox_20260325_020000 +2\.1G  ", text)
        assert "Together they hold 6.3G. 2 sets are kept" in text
        await pilot.press(*"no", "enter")
        await until(lambda: "nothing was done: type lilfox in full, or press esc to cancel" in screen_text(pilot))
        await pilot.press("backspace")
        await until(lambda: "nothing was done" not in screen_text(pilot), what="that was of another word")
        await pilot.press("escape")
        await until(lambda: len(app.screen_stack) == 1)
        assert stand_in.started == []
        await pilot.press("colon", *"prune", "enter")
        await until(lambda: isinstance(app.screen, ConfirmDialog) and app.screen.painted_s is not None)
        await pilot.press(*"lilfox", "enter")
        await until(lambda: stand_in.started)
        assert (stand_in.started[0].kind, stand_in.started[0].key) == ("prune", "backup lilfox")


async def test_prune_shows_the_sets_of_every_store_that_it_removes_from(stand_in: StandIn) -> None:
    keeping = PlanConfig(sources={}, store="disk", copies=("nas",), keep=KeepConfig(last=2))
    disk = plan("lilfox", nights(5), config=keeping)
    nas = plan("lilfox", nights(4), config=keeping, store="nas", where="nas:/backup", copy=True)
    other = plan("other", nights(4), config=keeping)
    app = showing(Backups({view.key: view for view in (disk, nas, other)}, jobs=()))
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("3", "j", "colon", *"prune", "enter")
        await until(lambda: isinstance(app.screen, ConfirmDialog) and app.screen.painted_s is not None)
        text = screen_text(pilot)
        assert "Remove 5 sets" in text
        assert text.index("/backup ") < text.index("nas:/backup ")
        assert text.count("lilfox_20260326_020000") == 2
        assert "Together they hold 10G. 4 sets are kept" in text
    assert stand_in.started == []


async def test_prune_removes_nothing_while_a_store_is_not_read(stand_in: StandIn) -> None:
    keeping = PlanConfig(sources={}, store="disk", copies=("nas",), keep=KeepConfig(last=2))
    disk = plan("lilfox", nights(5), config=keeping)
    nas = plan("lilfox", None, config=keeping, store="nas", where="nas:/backup", copy=True)
    app = showing(Backups({view.key: view for view in (disk, nas)}, jobs=()))
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("3", "colon", *"prune", "enter")
        await until(lambda: "nas:/backup: the sets have not been read" in screen_text(pilot), what="why nothing goes")
        assert not isinstance(app.screen, ConfirmDialog)
    assert stand_in.started == []


async def test_the_last_restore_is_undone(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    with_it = Renames("/srv/config", "/srv/.config_restore_1", "/srv/config_before_1")
    swap = Swap(
        kind="postgresql",
        set="x",
        target="lilfox",
        staged="lilfox_restore_1",
        before="lilfox_before_1",
        also=(with_it,),
    )
    done = Restored(run="1", set="lilfox_20260328_020000", at=NOW, stage="swapped", swaps=(swap,))
    undone = replace(done, stage="undone", set="lilfox_20260329_020000")
    known = [undone, replace(done, set="other_20260329_010000"), done]
    monkeypatch.setattr("lilfox_tui.backup.restores.interrupted.read_all", lambda: known)
    app = showing(healthy())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("3")
        await until(lambda: "u undo" in screen_text(pilot).splitlines()[-1])
        await pilot.press("u")
        await until(lambda: isinstance(app.screen, ConfirmDialog) and app.screen.painted_s is not None)
        await pilot.pause()
        shown = app.screen.query_one("#dialog-text", Lines).rows
        told = ["".join(piece.text for piece in row).strip() for row in shown]
        places = [(told[at], told[at + 1]) for at, line in enumerate(told) if line in ("lilfox", "/srv/config")]
        assert places == [
            ("lilfox", "is replaced by lilfox_before_1"),
            ("/srv/config", "is replaced by config_before_1"),
        ]
        await pilot.press(*"undo", "enter")
        await until(lambda: stand_in.started)
        assert (stand_in.started[0].kind, stand_in.started[0].arguments["set"]) == ("undo", "lilfox_20260328_020000")
        known[:] = [undone]
        ended = job(id=JOB, kind="undo", state="ok", message="the restore of lilfox_20260328_020000 was undone")
        app.monitor.backups.feed.publish(replace(healthy(), jobs=(ended,)))
        await until(lambda: app.note[0] == ended.message)
        await until(lambda: "1 restore was undone; its data is retained (press a)" in unframed(screen_text(pilot)))
        await pilot.press("u")
        await until(lambda: "no known restore" in app.note[0])


async def test_the_output_of_a_job_from_its_first_event(stand_in: StandIn) -> None:
    app = showing(running())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("3", "l")
        await until(lambda: isinstance(app.screen, JobOutput))
        await until(lambda: "started on web-1 by root" in screen_text(pilot))
        assert "50%" in screen_text(pilot)
        stand_in.going_on.set()
        await until(lambda: "restored, compared and in place" in screen_text(pilot))
        await pilot.press("g", "k", "j", "G", "escape")
        assert not isinstance(app.screen, JobOutput)


async def test_what_a_running_job_says_stands_below(stand_in: StandIn) -> None:
    app = showing(running())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("3")
        await until(lambda: "public.users: 1,204 rows" in screen_text(pilot))
        assert "206M of 412M" in screen_text(pilot)
        app.monitor.backups.feed.publish(replace(healthy(), jobs=(job(id=JOB, state="ok", ended=NOW),)))
        await until(lambda: "206M of 412M" not in screen_text(pilot))


async def test_a_job_is_cancelled_by_a_word(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    async def cancel(job_id: str) -> object:
        told.append(job_id)
        return job(id=job_id, state="cancelled", message="nothing was kept")

    monkeypatch.setattr("lilfox_tui.app.panes.backup.actions.cancel", cancel)
    app = showing(running())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("3", "C")
        await until(lambda: isinstance(app.screen, ConfirmDialog) and app.screen.painted_s is not None)
        await pilot.press(*"cancel", "enter")
        await until(lambda: told == [JOB])
        await until(lambda: "nothing was kept" in app.note[0])


@pytest.mark.parametrize(
    ("key", "why"),
    [("C", "no job is running"), ("B", "is broken"), ("D", "is broken"), ("l", "no known job")],
)
async def test_why_it_cannot_be_done(key: str, why: str, stand_in: StandIn) -> None:
    app = showing(broken())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("3", key)
        await pilot.pause()
        assert why in app.note[0]
        assert len(app.screen_stack) == 1


async def test_a_protected_host_is_not_restored_to(stand_in: StandIn) -> None:
    there = PlanConfig(sources={"files": FilesOptions(path="/srv", host="db-1")}, store="disk")
    view = plan("lilfox", nights(3), config=there)
    app = showing(Backups({view.key: view}, jobs=()))
    app.config.hosts["db-1"] = HostConfig(address="db-1", protected=True)
    async with app.run_test(size=(100, 30)) as pilot:
        for key in ("B", "D", "u"):
            await pilot.press("3", key)
            await pilot.pause()
            assert "db-1 is protected" in app.note[0]
        possible = {each.id for each in pane_of(app).actions() if each.why_not() is None}
        assert {"verify", "backup"} <= possible, "reading a set touches no host of its sources"


async def test_two_jobs_on_one_plan_are_not_begun(stand_in: StandIn) -> None:
    app = showing(running())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("3", "b")
        await pilot.pause()
        assert "backup lilfox is running" in app.note[0]


async def test_sets_are_filtered(stand_in: StandIn) -> None:
    app = showing(healthy())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("3", "slash", *"unverified", "enter")
        assert [found.status for found in pane_of(app).state.sets] == ["unverified"]
        await pilot.press("escape")
        assert len(pane_of(app).state.sets) == 10
        await pilot.press("escape")
        assert pane_of(app).state.focus == "plans"


async def test_matches_are_marked_and_gone_through(stand_in: StandIn) -> None:
    app = showing(broken())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("3", "n")
        assert "no filter is set" in app.note[0]
        await pilot.press("slash", *"unverified", "enter")
        state = pane_of(app).state
        shown = [len(state.sets)]
        await pilot.press("ampersand")
        shown.append(len(state.sets))
        assert shown == [2, 5]
        await pilot.pause()
        assert "/unverified (matches marked)" in screen_text(pilot)
        places = []
        for key in ("n", "n", "N"):
            await pilot.press(key)
            places.append(state.place)
        assert places == [4, 2, 4]


async def test_what_is_highlighted_in_a_filter_is_meant(stand_in: StandIn) -> None:
    app = showing(healthy())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("3", "slash", *"unverified", "enter", "V")
        await until(lambda: isinstance(app.screen, AskDialog) and app.screen.painted_s is not None)
        await pilot.press("enter")
        await until(lambda: stand_in.started)
        assert stand_in.started[0].arguments["set"] == pane_of(app).state.sets[0].id


async def test_a_job_is_about_the_plan_that_was_asked_about(stand_in: StandIn) -> None:
    """Another plan may get worse, and be the selected one, while the question is open."""
    app = showing(healthy())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("3", "b")
        await until(lambda: isinstance(app.screen, AskDialog) and app.screen.painted_s is not None)
        state = pane_of(app).state
        views = [replace(each, level=Level.FAILING) if each.name == "archive" else each for each in state.plans]
        app.monitor.backups.feed.publish(replace(healthy(), plans={view.key: view for view in views}))
        await until(lambda: state.selected_plan is not None and state.selected_plan.name == "archive")
        await pilot.press("enter")
        await until(lambda: stand_in.started)
        assert stand_in.started[0].arguments["plan"] == "lilfox"


async def test_the_mouse_chooses_and_opens(stand_in: StandIn) -> None:
    app = showing(healthy())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("3")
        await pilot.pause()
        await pilot.click("#backups", offset=(6, 4))
        plan = pane_of(app).state.selected_plan
        assert plan is not None
        assert plan.key == ("archive", "disk")
        await pilot.click("#backups", offset=(6, 2))
        await pilot.click("#backups", offset=(48, 3))
        assert pane_of(app).state.selected_set is not None
        await pilot.click("#backups", offset=(48, 3))
        assert pane_of(app).state.page == "lilfox_20260328_020000"


async def test_quitting_asks_over_a_job_of_ours_alone(stand_in: StandIn) -> None:
    others = replace(healthy(), jobs=(job(user="somebody", host="elsewhere"),))
    app = showing(others)
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("q")
        await pilot.pause()
        assert app.leaving
    ours = replace(healthy(), jobs=(job(user=user(), host=socket.gethostname(), pid=os.getpid()),))
    app = showing(ours)
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("q")
        await until(lambda: isinstance(app.screen, AskDialog) and app.screen.painted_s is not None)
        await pilot.pause()
        assert "backup lilfox" in screen_text(pilot)
        assert "Jobs keep running after you quit" in screen_text(pilot)
        await pilot.press("escape")
        assert not app.leaving
        await pilot.press("ctrl+c")
        await until(lambda: isinstance(app.screen, AskDialog) and app.screen.painted_s is not None)
        await pilot.press("ctrl+c")
        await until(lambda: app.leaving)


async def test_quitting_does_not_ask_over_a_job_that_has_just_ended(stand_in: StandIn) -> None:
    """The list of jobs is read once a second; the end was on the screen before that."""
    folder = make(state_dir() / "jobs", 1, [began(), OK])
    ours = job(user=user(), host=socket.gethostname(), pid=os.getpid())
    app = showing(replace(healthy(), jobs=(replace(ours, id=folder.name),)))
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("q")
        await pilot.pause()
        assert app.leaving


async def test_a_job_of_the_demo_ends_with_it(stand_in: StandIn) -> None:
    app = showing(replace(healthy(), jobs=(job(user=user(), host=socket.gethostname(), pid=os.getpid()),)))
    async with app.run_test(size=(100, 30)) as pilot:
        app.demo = cast("Stack", object())
        await pilot.press("q")
        await until(lambda: isinstance(app.screen, AskDialog) and app.screen.painted_s is not None)
        await pilot.pause()
        assert "Jobs end when you quit" in screen_text(pilot)
        assert "keep running" not in screen_text(pilot)
        app.demo = None


@pytest.mark.parametrize(("kind", "place"), [("restore", BACKUP), ("backup", METRICS)])
async def test_a_restore_of_ours_that_runs_is_what_the_screen_opens_on(
    kind: str, place: int, stand_in: StandIn
) -> None:
    ours = job(id=JOB, kind=kind, user=user(), host=socket.gethostname())
    app = showing(replace(healthy(), jobs=(ours,)))
    async with app.run_test(size=(100, 30)) as pilot:
        await until(lambda: app.follower.landed)
        await pilot.pause()
        assert app.navigation.current == place


async def test_a_hidden_pane_draws_nothing(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    app = showing(healthy())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("3", "1")
        await pilot.pause()
        shown: list[object] = []
        pane = app.panes[BACKUP]
        assert isinstance(pane, BackupPane)
        monkeypatch.setattr(pane.view, "draw", lambda: shown.append(pane))
        app.monitor.backups.feed.publish(running())
        await until(lambda: pane.state.backups is not None and pane.state.backups.running)
        pane.repaint()
        assert shown == []
        assert pane.job.log is None, "nobody follows what nobody sees"
