"""Where restores are noted, and who may read and go on with those of others."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from lilfox_tui.backup.context import BackupContext
from lilfox_tui.backup.restores import interrupted
from lilfox_tui.backup.restores.interrupted import Restored, settle_open
from lilfox_tui.backup.store import BackupError
from lilfox_tui.config.model import Config
from lilfox_tui.core import paths
from tests.unit.backup.noted_run import NotedRun

NOBODY = 65534
RESTORED = Restored(
    run="20231230-020000-3f9a",
    set="lilfox_20231230_020000",
    at=datetime.now(UTC),
    stage="swapped",
    swaps=(),
)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that everybody may enter: ``home`` has the user's state, ``nobody`` that of nobody, ``system`` what root
    keeps."""
    with tempfile.TemporaryDirectory(prefix="lilfox-journal-") as made:
        folder = Path(made)
        folder.chmod(0o755)
        (folder / "nobody").mkdir()
        os.chown(folder / "nobody", NOBODY if os.geteuid() == 0 else -1, -1)
        monkeypatch.delenv("STATE_DIRECTORY", raising=False)
        monkeypatch.setenv("XDG_STATE_HOME", str(folder / "home"))
        monkeypatch.setattr(paths, "_SYSTEM", str(folder / "system"))
        yield folder


def noted_by_root(place: Path, *restored: Restored, mode: int = 0o755) -> Path:
    """In the system's folder, as a process that systemd gave it; ``mode`` is that of the folder."""
    with pytest.MonkeyPatch.context() as root:
        root.setenv("STATE_DIRECTORY", str(place / "system"))
        (place / "system").mkdir(mode=0o755, exist_ok=True)
        folder = paths.own_folder("restores")
        folder.chmod(mode)
        for each in restored:
            interrupted.write(each)
    return folder


@contextmanager
def as_nobody(place: Path) -> Iterator[None]:
    """This process has the rights of nobody."""
    os.setresgid(NOBODY, NOBODY, 0)
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        with pytest.MonkeyPatch.context() as nobody:
            nobody.setenv("XDG_STATE_HOME", str(place / "nobody"))
            yield
    finally:
        os.setresuid(0, 0, 0)
        os.setresgid(0, 0, 0)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_users_restores_are_for_the_user_alone(place: Path) -> None:
    interrupted.write(RESTORED)
    [file] = (place / "home/lilfox/restores").iterdir()
    assert (mode(file.parent), mode(file)) == (0o700, 0o600)
    assert interrupted.read_all() == [RESTORED]


def test_roots_lie_in_the_systems_folder_and_are_found_and_gone_on_with_there(place: Path) -> None:
    folder = noted_by_root(place, RESTORED, mode=0o750)
    assert mode(folder / f"{RESTORED.run}.json") == 0o640
    assert interrupted.read_all() == [RESTORED]
    undone = replace(RESTORED, stage="undone")
    interrupted.write(undone)
    assert interrupted.read_all() == [undone]
    assert not (place / "home/lilfox/restores").exists(), "what becomes of it is noted where it stands"


@pytest.mark.root
def test_another_operator_reads_roots_and_is_told_whose_it_is(place: Path) -> None:
    noted_by_root(place, RESTORED)
    (place / "system/restores" / f"{RESTORED.run}.json").chmod(0o644)
    with as_nobody(place):
        assert interrupted.read_all() == [RESTORED]
        assert not interrupted.may_write(RESTORED)
        with pytest.raises(BackupError, match="Permission denied") as caught:
            interrupted.write(replace(RESTORED, stage="undoing"))
    assert str(caught.value.hint) == "nothing was changed; the restore was run as root: run this as root too"
    assert interrupted.read_all() == [RESTORED]


@pytest.mark.root
async def test_what_another_user_left_in_the_middle_is_told_and_left(place: Path) -> None:
    noted_by_root(place, replace(RESTORED, stage="swapping"))
    (place / "system/restores" / f"{RESTORED.run}.json").chmod(0o644)
    run = NotedRun()
    async with BackupContext(Config()) as context:
        with as_nobody(place):
            await settle_open(run, context, Config())
        assert any("by root apparently did not finish" in text for text in run.told("warning"))
        assert interrupted.read_all()[0].stage == "swapping"
        await settle_open(run, context, Config())
    assert interrupted.read_all()[0].stage == "swapped", "root settles it"


@pytest.mark.root
@pytest.mark.parametrize("fault", ["folder of another", "file of another", "folder that others write", "other name"])
def test_what_others_could_have_written_is_not_read(place: Path, fault: str) -> None:
    folder = noted_by_root(place, RESTORED)
    file = folder / f"{RESTORED.run}.json"
    assert interrupted.read_all() == [RESTORED]
    if fault == "folder of another":
        os.chown(folder, NOBODY, NOBODY)
    elif fault == "file of another":
        os.chown(file, NOBODY, NOBODY)
    elif fault == "folder that others write":
        folder.chmod(0o777)
    else:
        file.rename(folder / "20231230-020000-0000.json")
    assert interrupted.read_all() == []


@pytest.mark.root
def test_a_folder_that_may_not_be_entered_hides_only_its_own(place: Path) -> None:
    noted_by_root(place, RESTORED, mode=0o700)
    mine = replace(RESTORED, run="20231231-020000-3f9a")
    with as_nobody(place):
        interrupted.write(mine)
        assert interrupted.read_all() == [mine]
