"""A restore of two folders whose second swap fails, and whose first cannot be reverted: what is told, and what undoes
it. An older restore of the same set is never undone in its place."""

from __future__ import annotations

import json
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lilfox_tui.backup import effects
from lilfox_tui.backup.plan import BackupRequest, as_document
from lilfox_tui.backup.restores import interrupted
from lilfox_tui.backup.store import BackupError, HalfSwapped
from lilfox_tui.core import paths
from lilfox_tui.incident import incidents
from lilfox_tui.incident.model import Reverted
from lilfox_tui.jobs.model import Outcome
from tests.unit.backup.noted_run import NotedRun

OLDER, NEWER = "20231230-020000-0001", "20231230-030000-0002"
Effect = Callable[[Any, dict[str, Any]], Awaitable[Outcome]]


class Shop:
    """Two folders and a plan of both. ``hurdle`` is in the way of taking the first back."""

    def __init__(self, folder: Path) -> None:
        self._config, self.app = folder / "config.yaml", folder / "app"
        names = ("cache", "uploads")
        for name in names:
            (self.app / name).mkdir(parents=True)
        self.write("of the set")
        sources = {name: {"kind": "files", "path": str(self.app / name)} for name in names}
        store = {"kind": "local", "path": str(folder / "sets")}
        plans = {"shop": {"sources": sources, "store": "s"}}
        self._config.write_text(json.dumps({"backup": {"stores": {"s": store}, "plans": plans}}))
        self._config.chmod(0o600)
        self.hurdle = Path()

    def write(self, text: str) -> None:
        """What the application has written."""
        for name in ("cache", "uploads"):
            (self.app / name / "a.txt").write_text(text)

    @property
    def texts(self) -> list[str]:
        """What is in place."""
        return [(self.app / name / "a.txt").read_text() for name in ("cache", "uploads")]

    async def do(self, effect: Effect, *, run: str = NEWER, **words: Any) -> tuple[NotedRun, Outcome]:
        """An effect as the job ``run`` does it."""
        noted = NotedRun(run)
        return noted, await effect(noted, as_document(BackupRequest(config=str(self._config), plan="shop", **words)))

    def spoil(self, name: str) -> None:
        """Before the last rename: what is staged for ``uploads`` is lost, and the staging name of ``cache`` taken."""
        if name != "swap-first" or (self.app / "uploads").exists():
            return
        [staged] = self.app.glob(".uploads.lilfox_restore_*")
        shutil.rmtree(staged)
        [record] = interrupted.read_open()
        self.hurdle = Path(record.swaps[0].staged)
        self.hurdle.mkdir(parents=True)


def stages() -> dict[str, str]:
    return {each.run: each.stage for each in interrupted.read_all()}


@pytest.fixture
async def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """It was restored once, and ``today`` was written since."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    made = Shop(tmp_path)
    await made.do(effects.backup)
    made.write("before the older restore")
    await made.do(effects.restore, run=OLDER, set="latest")
    made.write("today")
    return made


@pytest.fixture
async def failed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> BackupError:
    """What the second restore says."""
    with monkeypatch.context() as patch:
        patch.setattr("lilfox_tui.backup.files.staging.phase", shop.spoil)
        with pytest.raises(BackupError, match="could not be reverted") as caught:
            await shop.do(effects.restore, set="latest")
    assert shop.texts == ["of the set", "today"]
    assert stages() == {OLDER: "swapped", NEWER: "undoing"}
    return caught.value


async def test_its_hint_puts_everything_back(shop: Shop, failed: BackupError) -> None:
    assert str(failed.hint).endswith(f"lilfox backup settle {NEWER} --finish")
    shop.hurdle.rmdir()
    await shop.do(effects.settle, set=NEWER, finish=True)
    assert shop.texts == ["today", "today"]
    assert stages() == {OLDER: "swapped", NEWER: "undone"}


async def test_an_undo_puts_everything_back_and_ends_there(shop: Shop, failed: BackupError) -> None:
    shop.hurdle.rmdir()
    [restored] = {each.set for each in interrupted.read_all()}
    _run, outcome = await shop.do(effects.undo, set=restored)
    assert (outcome.state, outcome.exit_code) == ("ok", 0)
    assert outcome.message == f"the restore of {restored} was undone"
    assert shop.texts == ["today", "today"]
    assert stages() == {OLDER: "swapped", NEWER: "undone"}, "the older one stands"


def in_force() -> list[tuple[str, str]]:
    """What the current incident says is changed, with its undo."""
    found = incidents.current()
    assert found is not None
    return [(each.text, each.undo) for each in found.in_force.values()]


def reverted() -> list[tuple[str, bool]]:
    """What its timeline says is in force no more, and whether it stays as it is."""
    found = incidents.current()
    assert found is not None
    told = [entry.what for entry in incidents.entries(found.id)]
    return [(each.text, each.stays) for each in told if isinstance(each, Reverted)]


async def test_a_restore_is_in_force_in_the_incident_until_it_is_undone(shop: Shop) -> None:
    incidents.open_incident("data lost", "SEV-2")
    assert in_force() == []
    await shop.do(effects.restore, set="latest")
    [name] = {each.set for each in interrupted.read_all()}
    [(text, undo)] = in_force()
    assert text == f"restore of {name}"
    assert undo.startswith("lilfox --config ")
    assert undo.endswith(f" restore --undo {name}")
    await shop.do(effects.undo, set="latest")
    assert in_force() == []
    assert reverted() == [(f"restore of {name}", False)]


async def test_a_restore_whose_retained_data_was_deleted_is_not_called_undone(shop: Shop) -> None:
    incidents.open_incident("data lost", "SEV-2")
    await shop.do(effects.restore, set="latest")
    [name] = {each.set for each in interrupted.read_all()}
    await shop.do(effects.forget, set=NEWER)
    assert in_force() == []
    assert reverted() == [(f"the data from before the restore of {name} was deleted: it cannot be undone", True)]


async def test_what_a_settlement_puts_in_place_is_in_force(shop: Shop, failed: BackupError) -> None:
    incidents.open_incident("data lost", "SEV-2")
    shop.hurdle.rmdir()
    await shop.do(effects.settle, set=NEWER, finish=True)
    assert in_force() == [], "everything is as it was before"
    [older] = [each for each in interrupted.read_all() if each.run == OLDER]
    interrupted.write(msgspec.structs.replace(older, stage="swapping"))
    await shop.do(effects.settle, set=OLDER, finish=True)
    assert [text for text, _undo in in_force()] == [f"restore of {older.set}"]


@pytest.mark.parametrize("words", ["latest", NEWER])
async def test_an_undo_that_cannot_settle_it_undoes_no_older_one(shop: Shop, failed: BackupError, words: str) -> None:
    with pytest.raises(BackupError, match=f"job {NEWER}.* did not finish; nothing was undone") as refused:
        await shop.do(effects.undo, set=words)
    assert f"lilfox backup settle {NEWER}" in str(refused.value.hint)
    assert shop.texts == ["of the set", "today"]
    assert stages() == {OLDER: "swapped", NEWER: "undoing"}


@pytest.mark.parametrize("half", [False, True])
async def test_a_record_that_cannot_be_written_hides_nothing_and_nothing_is_called_unchanged(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, half: bool
) -> None:
    """``half``: the application makes its folder anew between the renames."""
    in_the_way = paths.own_folder("restores") / f"{NEWER}.part"

    def spoil(name: str) -> None:
        if name != "swap-first" or (shop.app / "uploads").exists():
            return
        in_the_way.mkdir()
        if half:
            shop.hurdle = shop.app / "uploads"
            shop.hurdle.mkdir()
        else:
            shop.spoil(name)

    with monkeypatch.context() as patch:
        patch.setattr("lilfox_tui.backup.files.staging.phase", spoil)
        with pytest.raises(BackupError, match="could not be renamed") as caught:
            await shop.do(effects.restore, set="latest")
    assert "could not be recorded: " in str(caught.value)
    assert "nothing was changed" not in f"{caught.value} {caught.value.hint}"
    assert f"lilfox backup settle {NEWER} --take-back" in str(caught.value.hint)
    assert isinstance(caught.value.__cause__, HalfSwapped) is half
    shop.hurdle.rmdir()
    with pytest.raises(BackupError, match="cannot be written") as caught:
        await shop.do(effects.settle, set=NEWER, finish=False)
    assert str(caught.value.hint) == "make this path writable (is the disk full?), then try again"
    in_the_way.rmdir()
    await shop.do(effects.settle, set=NEWER, finish=False)
    assert shop.texts == ["today", "today"]
