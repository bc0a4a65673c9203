"""All parts or none: what a restore does with its targets, whichever of them fails, and whenever the process dies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

import msgspec
import pytest

from lilfox_tui.backup.checks import Check
from lilfox_tui.backup.context import BackupContext
from lilfox_tui.backup.plan import BackupRequest, PlanArguments, RestoreSpec, read_request, request_of
from lilfox_tui.backup.restores import interrupted, restore
from lilfox_tui.backup.restores import interrupted as journal
from lilfox_tui.backup.restores.restore import Restore
from lilfox_tui.backup.sets.model import BackupSet, FoundPart, Status
from lilfox_tui.backup.source import Comparison, RestoreChange, RetainedItem, Settled, Swap
from lilfox_tui.backup.store import BackupError, BrokenSet, NotReady, RestoredDiffers, refuse_bad
from lilfox_tui.config.model import SourceConfig
from lilfox_tui.core.errors import NotAllowed
from tests.unit.backup.noted_run import NotedRun
from tests.waiting import until

SOURCES = {"database": SourceConfig(kind="fake"), "uploads": SourceConfig(kind="fake")}


class World:
    """What is in the place of each source, and what was asked of its target; ``fails`` names ``source.call``."""

    def __init__(self) -> None:
        self.place: dict[str, str] = {"database": "old", "uploads": "old"}
        self.calls: list[str] = []
        self.fails: set[str] = set()
        self.different: set[str] = set()
        self.settled: dict[str, Settled] = {}
        self.kept: dict[str, list[str]] = {}
        self.protected = False

    def call(self, source: str, name: str) -> None:
        self.calls.append(f"{source}.{name}")
        if f"{source}.{name}" in self.fails:
            raise BackupError(f"{source} cannot {name}", "mend it")


class FakeTarget:
    """A ``RestoreTarget`` of a :class:`World`."""

    def __init__(self, world: World, source: str) -> None:
        self.where = source
        self._world = world

    async def checks(self) -> list[Check]:
        self._world.call(self.where, "checks")
        bad = f"{self.where}.bad" in self._world.fails
        return [Check(self.where, "bad" if bad else "good", "no room" if bad else "fine", "make room")]

    async def changes(self) -> list[RestoreChange]:
        return []

    async def stage(self, moved: object) -> None:
        self._world.call(self.where, "stage")

    async def compare(self) -> Comparison:
        self._world.call(self.where, "compare")
        return Comparison(("users: 1 row instead of 2",) if self.where in self._world.different else (), "rows")

    def swap_plan(self) -> Swap:
        return Swap(kind="fake", set="s", target=self.where, staged=f"{self.where}_new", before=f"{self.where}_before")

    async def swap(self) -> None:
        self._world.call(self.where, "swap")
        self._world.place[self.where] = "new"

    async def discard(self) -> None:
        self._world.call(self.where, "discard")

    async def leave(self) -> None:
        """It has no sessions."""


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> World:
    made = World()

    async def undo(swap: Swap, host: object) -> None:
        made.call(swap.target, "undo")
        made.place[swap.target] = "old"

    async def settle(swap: Swap, host: object) -> Settled:
        made.call(swap.target, "settle")
        return made.settled.get(swap.target, "finished")

    async def kept(swap: Swap, host: object) -> list[RetainedItem]:
        made.call(swap.target, "kept")
        return [RetainedItem(target=swap.target, name=name) for name in made.kept.get(swap.target, ())]

    async def forget(swap: Swap, host: object) -> None:
        made.call(swap.target, "forget")

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    module = SimpleNamespace(undo=undo, settle=settle, kept=kept, forget=forget)
    monkeypatch.setattr(interrupted, "source_module", lambda kind: module)
    return made


def opening_of(world: World) -> BackupContext:
    return cast(
        "BackupContext",
        SimpleNamespace(
            target=lambda _options, task: FakeTarget(world, task.source),
            host=lambda name: SimpleNamespace(name="db-1", protected=world.protected),
        ),
    )


async def no_blocks(part: FoundPart) -> AsyncGenerator[bytes, None]:
    yield part.name.encode()


def made_set() -> BackupSet:
    parts = tuple(
        FoundPart(name=name, source=name, source_kind="fake", kind="files", size_bytes=1)
        for name in ("database", "uploads")
    )
    return BackupSet(id="lilfox_20231230_020000", created=datetime.now(UTC), status=Status.INTACT, parts=parts)


def restore_of(world: World) -> Restore:
    return Restore(opening_of(world), made_set(), no_blocks, RestoreSpec(), SOURCES)


async def whole(world: World) -> journal.Restored:
    """As the effect does it."""
    run = NotedRun()
    made = restore_of(world)
    try:
        refuse_bad(await made.checks())
        await made.stage(run)
        await made.compare(run)
        return await made.swap(run)
    finally:
        await made.close(run)


async def test_all_parts_are_checked_staged_and_compared_before_the_first_is_swapped(world: World) -> None:
    restored = await whole(world)
    assert [call.split(".")[1] for call in world.calls] == [
        name for name in ("checks", "stage", "compare", "swap") for _source in range(2)
    ]
    assert world.place == {"database": "new", "uploads": "new"}
    assert [each.stage for each in journal.read_all()] == [restored.stage] == ["swapped"]


async def test_one_bad_check_of_any_part_forbids_the_first_write(world: World) -> None:
    world.fails.add("uploads.bad")
    with pytest.raises(NotReady, match="uploads: no room; nothing was written") as refused:
        await whole(world)
    assert refused.value.hint == "make room"
    assert not any("stage" in call or "swap" in call for call in world.calls)


async def test_a_protected_host_is_not_restored_to(world: World) -> None:
    world.protected = True
    with pytest.raises(NotReady, match="changes on db-1: the host is protected"):
        await whole(world)
    assert not any("stage" in call for call in world.calls)
    world.protected = False
    restored = await whole(world)
    world.protected = True
    with pytest.raises(NotAllowed, match="db-1 is protected: undoing a restore is not allowed"):
        await restore.undo(NotedRun(), opening_of(world), restored)
    assert [each.stage for each in journal.read_all()] == ["swapped"]


@pytest.mark.parametrize("failing", ["database.stage", "uploads.stage", "uploads.compare"])
async def test_a_part_that_fails_leaves_everything_as_it_was_and_nothing_staged(world: World, failing: str) -> None:
    world.fails.add(failing)
    with pytest.raises(BackupError, match="cannot"):
        await whole(world)
    assert world.place == {"database": "old", "uploads": "old"}
    assert {"database.discard", "uploads.discard"} <= set(world.calls)
    assert journal.read_all() == []


async def test_what_is_not_equal_is_not_swapped(world: World) -> None:
    world.different.add("uploads")
    with pytest.raises(RestoredDiffers, match="users: 1 row instead of 2"):
        await whole(world)
    assert world.place == {"database": "old", "uploads": "old"}


async def test_a_second_swap_that_fails_takes_the_first_one_back(world: World) -> None:
    world.fails.add("uploads.swap")
    with pytest.raises(BackupError, match="uploads cannot swap; everything is as it was before"):
        await whole(world)
    assert world.place == {"database": "old", "uploads": "old"}
    assert [each.stage for each in journal.read_all()] == ["undone"]
    assert {"database.discard", "uploads.discard"} <= set(world.calls)


async def test_a_first_swap_that_cannot_be_taken_back_says_how_to_go_on(world: World) -> None:
    world.fails |= {"uploads.swap", "database.undo"}
    with pytest.raises(BackupError, match="could not be reverted: database cannot undo") as told:
        await whole(world)
    assert "lilfox backup settle 20231230-020000-abcd --finish" in str(told.value.hint)
    assert [each.stage for each in journal.read_all()] == ["undoing"]


async def test_an_undo_takes_back_the_last_part_first(world: World) -> None:
    restored = await whole(world)
    world.calls.clear()
    await restore.undo(NotedRun(), opening_of(world), restored)
    assert world.calls == ["uploads.undo", "database.undo"]
    assert [each.stage for each in journal.read_all()] == ["undone"]


async def test_what_cannot_be_taken_away_hides_nothing_and_keeps_no_other_from_it(world: World) -> None:
    world.fails |= {"uploads.stage", "database.discard"}
    with pytest.raises(BackupError, match="uploads cannot stage"):
        await whole(world)
    assert world.calls[-2:] == ["database.discard", "uploads.discard"]


async def test_an_undo_that_is_refused_at_once_leaves_the_restore_as_it_stands(world: World) -> None:
    restored = await whole(world)
    world.fails.add("uploads.undo")
    with pytest.raises(BackupError, match="uploads cannot undo"):
        await restore.undo(NotedRun(), opening_of(world), restored)
    assert [each.stage for each in journal.read_all()] == ["swapped"]
    assert world.place == {"database": "new", "uploads": "new"}


async def test_an_undo_that_was_interrupted_goes_on_with_what_is_not_undone_yet(world: World) -> None:
    restored = await whole(world)
    world.fails.add("database.undo")
    with pytest.raises(BackupError, match="database cannot undo"):
        await restore.undo(NotedRun(), opening_of(world), restored)
    (left,) = journal.read_all()
    assert (left.stage, left.undone) == ("undoing", 1)
    world.fails.clear()
    world.calls.clear()
    assert "was undone" in await interrupted.settle(opening_of(world), left)
    assert world.calls == ["database.undo"]
    assert world.place == {"database": "old", "uploads": "old"}


async def test_the_renames_of_a_dead_process_are_on_the_disk_before_the_first_and_are_finished(world: World) -> None:
    class Dead(BaseException):
        """The process ends here."""

    made = restore_of(world)
    run = NotedRun()
    await made.stage(run)
    with pytest.MonkeyPatch.context() as patch:

        def die(source: str, name: str) -> None:
            raise Dead(source, name)

        patch.setattr(world, "call", die)
        with pytest.raises(Dead):
            await made.swap(run)
    (left,) = journal.read_all()
    assert left.stage == "swapping"
    assert [swap.target for swap in left.swaps] == ["database", "uploads"]
    assert await interrupted.settle(opening_of(world), left) == (
        "the interrupted restore of lilfox_20231230_020000 was finished"
    )
    assert [each.stage for each in journal.read_all()] == ["swapped"]


@pytest.mark.parametrize("lost", ["database", "uploads"])
async def test_where_renames_cannot_be_finished_all_of_them_are_undone(world: World, lost: str) -> None:
    restored = await whole(world)
    world.calls.clear()
    world.settled[lost] = "undone"
    assert "as it was before" in await interrupted.settle(opening_of(world), restored)
    assert [each.stage for each in journal.read_all()] == ["undone"]
    assert world.place == {"database": "old", "uploads": "old"}
    settled = [call for call in world.calls if call.endswith("settle")]
    assert settled == ["database.settle"] if lost == "database" else ["database.settle", "uploads.settle"]


@pytest.mark.parametrize(
    ("kept", "goes"),
    [(["uploads_new"], True), (["uploads_before"], False), (["uploads_new", "uploads_before"], False), ([], False)],
)
async def test_what_was_staged_and_never_in_place_goes_with_the_undone(
    world: World, kept: list[str], goes: bool
) -> None:
    """What may have been in use stays: it has what was written to it since."""
    restored = await whole(world)
    world.settled["database"], world.kept["uploads"] = "undone", kept
    await interrupted.settle(opening_of(world), restored)
    assert ("uploads.forget" in world.calls) is goes
    assert "database.forget" not in world.calls, "its settling takes away what was staged"


@pytest.mark.parametrize("fault", ["uploads.kept", "uploads.forget"])
async def test_what_cannot_be_taken_away_stays_and_all_is_as_it_was(world: World, fault: str) -> None:
    restored = await whole(world)
    world.settled["database"], world.kept["uploads"] = "undone", ["uploads_new"]
    world.fails.add(fault)
    assert "as it was before" in await interrupted.settle(opening_of(world), restored)
    assert [each.stage for each in journal.read_all()] == ["undone"]


async def test_where_the_journal_cannot_be_written_nothing_is_swapped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(restored: journal.Restored) -> None:
        raise BackupError(f"{restored.run}: no space left", "nothing was swapped")

    monkeypatch.setattr(journal, "write", full)
    with pytest.raises(BackupError, match="no space left"):
        await whole(world)
    assert world.place == {"database": "old", "uploads": "old"}


async def test_where_the_journal_cannot_be_written_any_more_what_is_in_place_is_not_called_unchanged(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = journal.write

    def full(restored: journal.Restored) -> None:
        if restored.stage == "swapped":
            raise BackupError("no space left", "make room")
        write(restored)

    with monkeypatch.context() as filled:
        filled.setattr(journal, "write", full)
        assert (await whole(world)).stage == "swapped"
    assert world.place == {"database": "new", "uploads": "new"}
    [known] = journal.read_all()
    assert known.stage == "swapping"
    assert "finished" in await interrupted.settle(opening_of(world), known)
    assert [each.stage for each in journal.read_all()] == ["swapped"]


async def test_a_cancel_between_two_renames_waits_for_them(world: World) -> None:
    """Half of a swap is the one state that nobody may be left with."""
    first = asyncio.Event()

    class Slow(FakeTarget):
        async def swap(self) -> None:
            first.set()
            await until(lambda: run.told("warning"))
            await super().swap()

    context = cast("BackupContext", SimpleNamespace(target=lambda _options, task: Slow(world, task.source)))
    made = Restore(context, made_set(), no_blocks, RestoreSpec(), SOURCES)
    run = NotedRun()
    await made.stage(run)
    swapping = asyncio.ensure_future(made.swap(run))
    await first.wait()
    swapping.cancel()
    assert (await swapping).stage == "swapped"
    await made.close(run)
    assert world.place == {"database": "new", "uploads": "new"}
    assert "database.discard" not in world.calls
    assert run.told("warning") == ["too late to cancel: renaming is in progress"]


async def test_what_was_staged_is_left_for_the_next_start_where_a_swap_ends_in_a_fault(world: World) -> None:
    made = restore_of(world)
    await made.stage(NotedRun())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeTarget, "swap", lambda _self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await made.swap(NotedRun())
    await made.close(NotedRun())
    assert not any("discard" in call for call in world.calls)
    assert [each.stage for each in journal.read_all()] == ["swapping"]


def test_a_broken_set_is_refused_with_its_reason() -> None:
    broken = BackupSet(id="x_20231230_020000", created=datetime.now(UTC), status=Status.BROKEN, reason="cut", parts=())
    with pytest.raises(BrokenSet, match="x_20231230_020000 is broken: cut"):
        restore.refuse_broken(broken)


STORED = {
    "config": "/etc/lilfox/config.yaml", "plan": "", "store": "nas", "set": "lilfox_20260329_020000",
    "words": {"database": "postgresql://app@db/shop", "files": ["/srv/a"], "app": "", "store": "/backup",
              "host": None, "manual": False, "keep": None},
    "identity": "file:/root/lilfox.key", "partial": False, "tag": "", "finish": True, "aside": False,
    "only": "public.users", "sources": ["database"], "places": {"database": "postgresql://db-2/other"},
    "other_server": True, "end_sessions": False, "run_code": True,
}  # fmt: skip
"""What ``request.json`` of a restore's job has, as an earlier version wrote it."""


def test_a_stored_request_is_read_and_written_as_it_was() -> None:
    request = read_request(STORED)
    assert request == BackupRequest(
        config="/etc/lilfox/config.yaml",
        plan_arguments=PlanArguments(database="postgresql://app@db/shop", files=("/srv/a",), store="/backup"),
        store="nas",
        set="lilfox_20260329_020000",
        identity="file:/root/lilfox.key",
        restore=RestoreSpec(
            sources=("database",),
            places={"database": "postgresql://db-2/other"},
            only="public.users",
            other_server=True,
            run_code=True,
        ),
    )
    assert json.loads(msgspec.json.encode(request_of("restore", request)))["wanted"] == STORED
    assert read_request({"set": "x"}) == BackupRequest(set="x"), "fields that are not there have their defaults"
