"""What restores of files keep is shown, and let go only where that harms nobody."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from lilfox_tui.backup.files import restore
from lilfox_tui.backup.options import ConfigOptions, FilesOptions
from lilfox_tui.backup.source import RestoreTarget, Swap
from lilfox_tui.backup.sources import config, files
from lilfox_tui.backup.store import BackupError
from lilfox_tui.config.model import HostConfig, SshConfig
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.open import open_host
from tests.services.tree_sets import dumped, snapshot, staged

U = "public/uploads"


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    found = open_host("h", HostConfig(local=True), SshConfig())
    yield found
    await found.close()


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """An application with uploads, one of them in a folder that its owner may not write."""
    uploads = tmp_path / "a [1] *" / "app" / U
    (uploads / "shut").mkdir(parents=True)
    (uploads / "shut" / "a.txt").write_text("then")
    (uploads / "out").symlink_to(tmp_path)
    (uploads / "shut").chmod(0o555)
    return tmp_path / "a [1] *" / "app"


def options(app: Path) -> FilesOptions:
    return FilesOptions(path=str(app / U), root=str(app), links_out=True)


async def restored(app: Path, tmp_path: Path, host: Host, **goal: Any) -> Swap:
    """What was swapped, with something else there before."""
    stored = await dumped(files.open_source("uploads", options(app), host), tmp_path / "set")
    (app / U / "shut").chmod(0o755)
    (app / U / "shut" / "a.txt").write_text("since")
    (app / U / "shut").chmod(0o555)
    target: RestoreTarget = files.open_target(options(app), host, stored.task(**goal))
    await staged(target)
    swap = target.swap_plan()
    await target.swap()
    return swap


async def why_not(swap: Swap, host: Host) -> str:
    """Why what is kept stays; it is told and refused alike, and nothing is gone."""
    (found,) = await files.kept(swap, host)
    was = snapshot(Path(found.name))
    with pytest.raises(BackupError, match="cannot be deleted: "):
        await files.forget(swap, host)
    assert snapshot(Path(found.name)) == was
    return str(found.why_not)


@pytest.mark.parametrize("undone", [False, True])
async def test_a_folder_is_let_go_and_what_is_in_place_is_not_touched(
    app: Path, tmp_path: Path, host: Host, undone: bool
) -> None:
    swap = await restored(app, tmp_path, host)
    if undone:
        await files.undo(swap, host)
    was = snapshot(app / U)
    (found,) = await files.kept(swap, host)
    assert found.name == (os.path.dirname(swap.staged) if undone else swap.before)
    assert (found.target, str(found.why_not)) == (swap.target, "")
    assert found.size_bytes
    await files.forget(swap, host)
    assert os.listdir(app / "public") == ["uploads"]
    assert snapshot(app / U) == was
    assert await files.kept(swap, host) == []
    await files.forget(swap, host)


async def test_one_file_is_let_go_with_the_folders_made_for_it(app: Path, tmp_path: Path, host: Host) -> None:
    swap = await restored(app, tmp_path, host, only="shut/a.txt")
    was = snapshot(app / U)
    assert [each.name for each in await files.kept(swap, host)] == [swap.before]
    await files.forget(swap, host)
    assert os.listdir(app / "public") == ["uploads"]
    assert snapshot(app / U) == was


async def test_both_of_a_configuration_are_let_go(app: Path, tmp_path: Path, host: Host) -> None:
    (app / ".env").write_text("A=1\n")
    (app / "config").mkdir()
    (app / "config" / "a").write_text("then")
    wanted = ConfigOptions(root=str(app))
    stored = await dumped(config.open_source("config", wanted, host), tmp_path / "set", "config")
    target = config.open_target(wanted, host, stored.task())
    await staged(target)
    swap = target.swap_plan()
    await target.swap()
    assert len(await config.kept(swap, host)) == 2
    await config.forget(swap, host)
    assert sorted(os.listdir(app)) == [".env", "config", "public"]


@contextmanager
def working_in(folder: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, cwd=folder) as process:
        yield process


async def test_what_somebody_works_in_stays_and_is_told(app: Path, tmp_path: Path, host: Host) -> None:
    swap = await restored(app, tmp_path, host)
    with working_in(f"{swap.before}/shut") as working:
        assert await why_not(swap, host) == f"it is in use by process {working.pid}"
    with (Path(swap.before) / "shut" / "a.txt").open():
        assert await why_not(swap, host) == f"it is in use by process {os.getpid()}"
    await files.forget(swap, host)


async def test_the_only_one_left_stays(app: Path, tmp_path: Path, host: Host) -> None:
    swap = await restored(app, tmp_path, host)
    os.rename(app / U, app / "elsewhere")
    assert await why_not(swap, host) == f"{swap.target} does not exist: this may be the only copy left"


@pytest.mark.parametrize("below", ["", "shut"])
async def test_what_a_link_in_place_leads_to_stays(app: Path, tmp_path: Path, host: Host, below: str) -> None:
    swap = await restored(app, tmp_path, host)
    os.rename(app / U, app / "elsewhere")
    (app / U).symlink_to(Path(swap.before) / below)
    assert await why_not(swap, host) == f"{swap.target} points to it"


async def test_a_restore_in_its_middle_is_not_let_go(app: Path, tmp_path: Path, host: Host) -> None:
    swap = await restored(app, tmp_path, host)
    shutil.copytree(app / U, swap.staged, symlinks=True)
    assert await why_not(swap, host) == "the restore did not finish"


@contextmanager
def bound(folder: Path, at: Path) -> Iterator[None]:
    subprocess.run(["mount", "--bind", folder, at], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", at], check=True)


@pytest.mark.root
async def test_what_something_is_mounted_in_stays(app: Path, tmp_path: Path, host: Host) -> None:
    """A bind mount is of the same device: rm would go into it."""
    swap = await restored(app, tmp_path, host)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "dear").write_text("dear")
    point = Path(swap.before) / "shut"
    with bound(tmp_path / "other", point):
        assert await why_not(swap, host) == "a file system is mounted in it"
    assert (tmp_path / "other" / "dear").exists()


async def test_what_something_may_be_mounted_in_stays(
    app: Path, tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    swap = await restored(app, tmp_path, host)
    monkeypatch.setattr(restore, "MOUNTS", tmp_path / "no-mountinfo")
    assert await why_not(swap, host) == "the mount table cannot be read, so a file system may be mounted in it"


@pytest.mark.parametrize(
    "changes",
    [
        {"before": "HERE/canary"},
        {"before": "HERE/public/uploads_before_20231230_020000/../../canary"},
        {"before": "HERE/public/other_before_20231230_020000"},
        {"before": "HERE/public/uploads"},
        {"staged": "HERE/canary"},
        {"staged": "HERE/public/.uploads.lilfox_restore_20231230_020000/tree/../../../canary"},
    ],
)
async def test_other_names_than_a_restore_gives_are_never_removed(
    app: Path, tmp_path: Path, host: Host, changes: dict[str, str]
) -> None:
    """Whoever can write to the journal cannot have anything removed by that."""
    (app / "canary").mkdir()
    (app / "canary" / "victim").write_text("untouched")
    for name in ("uploads", "other"):
        (app / "public" / f"{name}_before_20231230_020000").mkdir()
    swap = Swap(
        kind="files", set="s", target=str(app / U),
        staged=str(app / "public/.uploads.lilfox_restore_20231230_020000/tree"),
        before=str(app / "public/uploads_before_20231230_020000"),
    )  # fmt: skip
    swap = replace(swap, **{name: value.replace("HERE", str(app)) for name, value in changes.items()})
    was = snapshot(app)
    for each in await files.kept(swap, host):
        assert "would not use this name" in str(each.why_not)
    with pytest.raises(BackupError, match=r"a restore of .* would not use this name"):
        await files.forget(swap, host)
    assert snapshot(app) == was


async def test_a_link_in_the_place_of_what_is_kept_is_removed_and_not_followed(
    app: Path, tmp_path: Path, host: Host
) -> None:
    (tmp_path / "canary").mkdir()
    (tmp_path / "canary" / "a.txt").write_text("untouched")
    swap = await restored(app, tmp_path, host, only="shut/a.txt")
    folder = os.path.dirname(swap.before)
    shutil.rmtree(folder)
    os.symlink(tmp_path / "canary", folder)
    with pytest.raises(BackupError, match="is a link"):
        await files.forget(swap, host)
    assert (tmp_path / "canary" / "a.txt").exists()


async def test_what_a_drill_left_is_let_go_once_nobody_writes_to_it(app: Path, tmp_path: Path, host: Host) -> None:
    left = app / "public" / ".uploads.lilfox_drill_20231230_020000"
    (left / "tree").mkdir(parents=True)
    others = [".uploads.lilfox_drill_notes", ".other.lilfox_drill_20231230_020000"]
    for name in others:
        (app / "public" / name).mkdir()
    (found,) = await files.left(options(app), host)
    assert (found.target, found.name) == (str(app / U), str(left))
    assert "within the last hour" in str(found.why_not)
    assert await files.forget_left(options(app), host) == []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(restore, "_IDLE", restore._IDLE.replace("-cmin -60", "-cmin -0"))
        with working_in(str(left)):
            assert await files.forget_left(options(app), host) == []
        assert await files.forget_left(options(app), host) == [str(left)]
    assert sorted(os.listdir(app / "public")) == sorted([*others, "uploads"])


async def test_what_a_killed_restore_staged_is_listed_and_never_removed(app: Path, host: Host) -> None:
    staged = app / "public" / ".uploads.lilfox_restore_20231230_020000"
    staged.mkdir()
    for within, why_not in (("-60", "a restore wrote to it within the last hour"), ("-0", "delete it by hand")):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(restore, "_IDLE", restore._IDLE.replace("-60", within))
            (found,) = await files.left(options(app), host)
            assert (found.target, found.name) == (str(app / U), str(staged))
            assert why_not in str(found.why_not)
            assert await files.forget_left(options(app), host) == []
    assert staged.is_dir()
