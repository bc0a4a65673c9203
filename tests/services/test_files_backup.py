"""Folders and the configuration, backed up and restored: here and over a real SSH server, as root and as another."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from lilfox_tui.backup.options import ConfigOptions, FilesOptions
from lilfox_tui.backup.sources import config, files
from lilfox_tui.backup.store import BackupError
from lilfox_tui.config.model import HostConfig, SshConfig
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.open import open_host
from tests.services.accounts import account, sudoers
from tests.services.sshd import SshdLab, busybox_only, sshd_lab
from tests.services.tree_sets import StoredTree, dumped, refused, restored, snapshot, staged


@pytest.fixture(scope="module")
def lab() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        yield made


@pytest.fixture(params=["local", "ssh"])
async def host(request: pytest.FixtureRequest) -> AsyncIterator[Host]:
    if request.param == "local":
        found = open_host("h", HostConfig(local=True), SshConfig())
    else:
        lab: SshdLab = request.getfixturevalue("lab")
        server = lab.servers[0] if lab.servers else lab.sshd()
        found = open_host("h", lab.host(server), lab.ssh())
    yield found
    await found.close()


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """The application's folder, with what uploads are made of."""
    uploads = tmp_path / "app" / "public" / "uploads"
    (uploads / "2023" / "十二月").mkdir(parents=True)
    (uploads / "2023" / "十二月" / "图.png").write_bytes(os.urandom(300_000))
    (uploads / "2023" / "plain.txt").write_text("plain")
    os.link(uploads / "2023" / "plain.txt", uploads / "again.txt")
    (uploads / "latest").symlink_to("2023/plain.txt")
    (uploads / "empty").mkdir(mode=0o2750)
    (uploads / "empty").chmod(0o2750)
    Path(os.fsdecode(os.fsencode(uploads) + b"/\xff \x1b[31m\n-x")).write_text("odd")
    (uploads / "-rf *").write_text("dash")
    with (uploads / "holes").open("wb") as file:
        os.pwrite(file.fileno(), b"data", 5_000_000)
        file.truncate(8_000_000)
    os.setxattr(uploads / "again.txt", "user.note", b"\0kept")
    os.utime(uploads / "-rf *", ns=(1, 1_600_000_000_123_456_789))
    (tmp_path / "app" / ".env").write_text("SECRET=1\n")
    (tmp_path / "app" / ".env").chmod(0o640)
    (tmp_path / "app" / "config").mkdir()
    (tmp_path / "app" / "config" / "a.yaml").write_text("a: 1\n")
    return tmp_path / "app"


def tar(*words: str, folder: Path) -> bytes:
    """What GNU tar writes when it is started as a person would, in ``folder``."""
    return subprocess.run(["tar", *words], cwd=folder, check=True, capture_output=True).stdout


def home_of(user: str) -> Path:
    return Path(f"~{user}").expanduser()


def hidden_in(folder: Path) -> list[Path]:
    return list(folder.glob(".*"))


def content(path: str) -> bytes:
    return Path(path).read_bytes()


def options(app: Path, **changes: object) -> FilesOptions:
    settings = {"path": str(app / "public/uploads"), "root": str(app)}
    return FilesOptions(**(settings | changes))  # type: ignore[arg-type]


async def test_a_folder_comes_back_as_it_was(host: Host, app: Path, tmp_path: Path) -> None:
    uploads = app / "public" / "uploads"
    was = snapshot(uploads)
    stored = await dumped(files.open_source("uploads", options(app), host), tmp_path / "set")
    assert stored.notes == []
    part = stored.parts["uploads_20231230_020000.tar"]
    assert part.detail["top"] == "public/uploads"
    assert (part.detail["files"], part.detail["folders"], part.detail["links"]) == (6, 4, 1)
    assert part.raw_bytes < 2_000_000  # the hole is not in it

    shutil.rmtree(uploads / "2023")
    (uploads / "-rf *").write_text("changed since")
    (uploads / "new").write_text("made since")
    broken = snapshot(uploads)
    target = files.open_target(options(app), host, stored.task())
    await staged(target)
    assert snapshot(uploads) == broken
    changes = {change.what: change for change in await target.changes()}
    assert (changes["new"].then, changes["new"].newer) == ("", True)
    assert changes["-rf *"].newer
    assert changes["2023/十二月/图.png"].now == ""
    assert set(changes) == {"new", "-rf *", "2023", "2023/十二月", "2023/十二月/图.png", "2023/plain.txt"}

    plan = target.swap_plan()
    await target.swap()
    assert snapshot(uploads) == was
    assert os.getxattr(uploads / "again.txt", "user.note") == b"\0kept"
    assert (uploads / "again.txt").stat().st_ino == (uploads / "2023" / "plain.txt").stat().st_ino
    assert (uploads / "holes").stat().st_blocks * 512 < 1_000_000
    assert snapshot(Path(plan.before)) == broken
    assert sorted(path.name for path in uploads.parent.iterdir()) == ["uploads", Path(plan.before).name]

    await files.undo(plan, host)
    assert snapshot(uploads) == broken
    assert snapshot(Path(plan.staged)) == was
    await files.undo(plan, host)
    assert snapshot(uploads) == broken


async def test_a_set_without_one_archive_of_the_folder_is_refused_with_what_it_has(
    host: Host, app: Path, tmp_path: Path
) -> None:
    stored = await dumped(files.open_source("uploads", options(app), host), tmp_path / "set")
    task = stored.task()
    [part] = task.parts
    for parts, told in (((), "not in the set"), ((part, part), f"several in the set: {part.name}, {part.name}")):
        broken = replace(task, set=replace(task.set, parts=parts))
        checks = await files.open_target(options(app), host, broken).checks()
        assert [str(check.found) for check in checks if check.state == "bad"] == [told]


async def test_one_file_comes_back_alone(host: Host, app: Path, tmp_path: Path) -> None:
    uploads = app / "public" / "uploads"
    was = snapshot(uploads)
    stored = await dumped(files.open_source("uploads", options(app), host), tmp_path / "set")
    picture = uploads / "2023" / "十二月" / "图.png"
    picture.write_bytes(b"broken")
    (uploads / "new").write_text("stays")
    target = files.open_target(options(app), host, stored.task(only="2023/十二月/图.png"))
    await staged(target)
    assert [change.what for change in await target.changes()] == ["2023/十二月/图.png"]
    plan = target.swap_plan()
    await target.swap()
    assert snapshot(uploads) == was | {b"new": snapshot(uploads)[b"new"]}
    assert content(plan.before) == b"broken"
    assert not Path(plan.before).is_relative_to(uploads)
    await files.undo(plan, host)
    assert picture.read_bytes() == b"broken"


async def test_a_folder_that_is_gone_comes_back_with_its_rights(host: Host, app: Path, tmp_path: Path) -> None:
    uploads = app / "public" / "uploads"
    (uploads / "2023").chmod(0o751)
    was = snapshot(uploads)
    stored = await dumped(files.open_source("uploads", options(app), host), tmp_path / "set")
    shutil.rmtree(uploads / "2023")
    await restored(files.open_target(options(app), host, stored.task(only="2023/十二月")))
    now = snapshot(uploads)
    assert now[b"2023"] == was[b"2023"]
    assert now["2023/十二月/图.png".encode()] == was["2023/十二月/图.png".encode()]
    assert b"2023/plain.txt" not in now
    assert not list(uploads.parent.glob(".uploads.lilfox*")), "nothing of the staging is left"


async def test_a_hard_link_comes_back_alone(host: Host, app: Path, tmp_path: Path) -> None:
    uploads = app / "public" / "uploads"
    was = snapshot(uploads)
    stored = await dumped(files.open_source("uploads", options(app), host), tmp_path / "set")
    (uploads / "again.txt").unlink()
    await restored(files.open_target(options(app), host, stored.task(only="again.txt")))
    assert snapshot(uploads) == was
    assert os.listdir(uploads.parent) == ["uploads"], "nothing of the staging is left"


@pytest.mark.fault("2.10")
async def test_all_goes_to_another_place(host: Host, app: Path, tmp_path: Path) -> None:
    was = snapshot(app / "public" / "uploads")
    stored = await dumped(files.open_source("uploads", options(app), host), tmp_path / "set")
    target = files.open_target(options(app), host, stored.task(place=str(tmp_path / "elsewhere")))
    await restored(target)
    assert snapshot(tmp_path / "elsewhere") == was


async def test_a_folder_with_an_odd_name_comes_back(host: Host, tmp_path: Path) -> None:
    """GNU tar takes backslashes in names that it is given for escapes unless it is told not to."""
    folder = tmp_path / "-a\\tb \\0 *'$x"
    folder.mkdir()
    (folder / "f").write_text("here")
    was = snapshot(folder)
    wanted = FilesOptions(path=str(folder))
    stored = await dumped(files.open_source("odd", wanted, host), tmp_path / "set")
    (folder / "f").unlink()
    await restored(files.open_target(wanted, host, stored.task()))
    assert snapshot(folder) == was


async def test_a_drill_leaves_nothing(host: Host, app: Path, tmp_path: Path) -> None:
    stored = await dumped(files.open_source("uploads", options(app), host), tmp_path / "set")
    was = snapshot(app)
    target = files.open_target(options(app), host, stored.task(scratch=True))
    await target.checks()
    await staged(target)
    await target.discard()
    assert snapshot(app) == was


async def test_what_was_changed_after_staging_is_found(host: Host, app: Path, tmp_path: Path) -> None:
    stored = await dumped(files.open_source("uploads", options(app), host), tmp_path / "set")
    target = files.open_target(options(app), host, stored.task())
    await staged(target)
    tree = Path(target.swap_plan().staged)
    (tree / "2023" / "plain.txt").write_text("other")
    (tree / "latest").unlink()
    (tree / "more").write_text("")
    (tree / "-rf *").chmod(0o600)
    found = (await target.compare()).differences
    assert [line.split(" ")[0] for line in found if "plain" in line or "again" in line] == [
        "2023/plain.txt",
        "again.txt",
    ]
    assert any(line.startswith("latest is missing") for line in found)
    assert any(line.startswith("more is not in the backup") for line in found)
    assert any("0644 → 0600" in line for line in found)
    await target.discard()
    assert hidden_in(app / "public") == []


async def test_exclusions_leave_out(host: Host, app: Path, tmp_path: Path) -> None:
    stored = await dumped(
        files.open_source("uploads", options(app, exclude=("*.png", "holes", "empty")), host), tmp_path / "set"
    )
    part = stored.task().parts[0]
    found = await files.read_content(part, stored.blocks(part))
    assert (found.trouble, found.detail["files"], found.detail["folders"]) == ("", 4, 3)


@pytest.mark.fault("2.10")
async def test_the_configuration_comes_back(host: Host, app: Path, tmp_path: Path) -> None:
    wanted = ConfigOptions(root=str(app))
    was = snapshot(app)
    stored = await dumped(config.open_source("config", wanted, host), tmp_path / "set", "config")
    assert sorted(stored.parts) == ["config_20231230_020000.tar", "env_20231230_020000"]
    assert (stored.folder / "env_20231230_020000").read_text() == "SECRET=1\n"
    (app / ".env").write_text("SECRET=other\n")
    (app / "config" / "a.yaml").unlink()
    target = config.open_target(wanted, host, stored.task())
    await staged(target)
    assert [change.what for change in await target.changes()] == [".env", "a.yaml"]
    plan = target.swap_plan()
    await target.swap()
    now = snapshot(app)
    assert now[b"config/a.yaml"] == was[b"config/a.yaml"]
    assert now[b".env"][0] == was[b".env"][0]
    assert now[b".env"][5] == was[b".env"][5]
    await config.undo(plan, host)
    assert (app / ".env").read_text() == "SECRET=other\n"
    assert not (app / "config" / "a.yaml").exists()


async def test_the_environment_comes_back_alone(host: Host, app: Path, tmp_path: Path) -> None:
    wanted = ConfigOptions(root=str(app))
    stored = await dumped(config.open_source("config", wanted, host), tmp_path / "set", "config")
    (app / ".env").unlink()
    (app / "config" / "a.yaml").write_text("stays")
    await restored(config.open_target(wanted, host, stored.task(only=".env")))
    assert (app / ".env").read_text() == "SECRET=1\n"
    assert (app / ".env").stat().st_mode & 0o777 == 0o600
    assert (app / "config" / "a.yaml").read_text() == "stays"


@pytest.mark.fault("2.10")
@pytest.mark.parametrize("argv", [("public/uploads/",), ("./public/uploads",)])
async def test_what_the_manual_s_scripts_left_is_restored(
    host: Host, app: Path, tmp_path: Path, argv: tuple[str, ...]
) -> None:
    """``tar -czf X public/uploads/`` in the application's folder; no manifest, no order, no attributes."""
    uploads = app / "public" / "uploads"
    made = tar("-cf-", *argv, folder=app)
    stored = StoredTree(tmp_path / "set")
    stored.old("uploads_20231230_020000.tar.gz", made)
    part = stored.task().parts[0]
    assert (await files.read_content(part, stored.blocks(part))).detail["files"] == 6
    was = {name: state[:1] + state[3:] for name, state in snapshot(uploads).items()}  # times are whole seconds there
    shutil.rmtree(uploads)
    await restored(files.open_target(options(app, root=None), host, stored.task()))
    assert {name: state[:1] + state[3:] for name, state in snapshot(uploads).items()} == was


@pytest.mark.fault("2.3")
async def test_an_empty_archive_of_the_manual_s_scripts_is_refused(host: Host, app: Path, tmp_path: Path) -> None:
    made = tar("-cf-", "-T/dev/null", folder=app)
    stored = StoredTree(tmp_path / "set")
    stored.old("uploads_20231230_020000.tar.gz", made)
    part = stored.task().parts[0]
    assert "empty" in str((await files.read_content(part, stored.blocks(part))).trouble)
    assert "empty" in await refused(files.open_target(options(app), host, stored.task()))


async def test_the_manual_s_script_restores_what_is_written_in_its_format(
    host: Host, app: Path, tmp_path: Path
) -> None:
    stored = await dumped(files.open_source("uploads", options(app), host), tmp_path / "set")
    was = snapshot(app / "public" / "uploads")
    (tmp_path / "root").mkdir()
    tar("-xpf", str(stored.folder / "uploads_20231230_020000.tar"), folder=tmp_path / "root")
    assert snapshot(tmp_path / "root" / "public" / "uploads") == was


@pytest.mark.parametrize("path", ["gone", "app/public/uploads/again.txt", "linked"])
async def test_what_is_no_folder_is_refused(host: Host, app: Path, tmp_path: Path, path: str) -> None:
    (tmp_path / "linked").symlink_to(app)
    source = files.open_source("x", FilesOptions(path=str(tmp_path / path)), host)
    assert [check for check in await source.checks() if check.state == "bad"]


@pytest.mark.fault("2.3")
async def test_tar_of_a_folder_that_went_away_fails(host: Host, app: Path, tmp_path: Path) -> None:
    source = files.open_source("uploads", options(app), host)
    shutil.rmtree(app / "public")
    with pytest.raises(BackupError, match="uploads"):
        await source.dump(StoredTree(tmp_path / "set"))


async def test_a_host_with_busybox_alone_is_told(lab: SshdLab, app: Path) -> None:
    host = open_host("b", lab.host(lab.sshd(busybox_only(lab))), lab.ssh())
    source = files.open_source("uploads", options(app), host)
    found = [str(check.found) for check in await source.checks() if check.state == "bad"]
    for text, tool in zip(found, ("tar", "find"), strict=True):  # some builds of busybox tell a version
        assert re.fullmatch(rf"{tool} (\(busybox\) \S+|is missing or reports no version); GNU {tool} is required", text)
    await host.close()


@pytest.mark.fault("1.55")
@pytest.mark.root
async def test_another_account_than_root_is_told_what_it_cannot_give(lab: SshdLab, app: Path, tmp_path: Path) -> None:
    """Row 55: owners are named before, and everything else is equal after."""
    here = open_host("h", HostConfig(local=True), SshConfig())
    uploads = app / "public" / "uploads"
    os.chown(uploads / "holes", 33, 33)
    stored = await dumped(files.open_source("uploads", options(app), here), tmp_path / "set")
    with account("/bin/sh", file=".profile") as user:
        home = home_of(user)
        host = open_host("h", lab.host(lab.sshd(), user=user), lab.ssh())
        target = files.open_target(options(app), host, stored.task(place=str(home / "uploads")))
        checks = await target.checks()
        owners = next(str(check.found) for check in checks if str(check.about) == "file ownership")
        assert "root:root (10)" in owners
        assert "www-data:www-data (1)" in owners
        await target.stage(lambda _: None)
        comparison = await target.compare()
        assert comparison.differences == ()
        assert "different from the backup: owner of" in comparison.compared
        await target.swap()
        assert (home / "uploads" / "2023" / "plain.txt").owner() == user
        await host.close()


@pytest.mark.root
async def test_sudo_reads_and_restores_as_root(lab: SshdLab, app: Path, tmp_path: Path) -> None:
    uploads = app / "public" / "uploads"
    os.chown(uploads / "holes", 33, 33)
    (uploads / "-rf *").chmod(0o600)
    was = snapshot(uploads)
    with account("/bin/sh", file=".profile") as user, sudoers(f"{user} ALL=(root) NOPASSWD: ALL"):
        host = open_host("h", lab.host(lab.sshd(), user=user), lab.ssh())
        wanted = options(app, sudo=True)
        stored = await dumped(files.open_source("uploads", wanted, host), tmp_path / "set")
        (uploads / "-rf *").unlink()
        target = files.open_target(wanted, host, stored.task())
        await staged(target)
        swap = target.swap_plan()
        await target.swap()
        assert snapshot(uploads) == was
        await files.undo(swap, host)
        assert not (uploads / "-rf *").exists()
        await host.close()


@pytest.mark.fault("1.51")
@pytest.mark.root
async def test_rights_of_programs_are_dropped_unless_told(host: Host, app: Path, tmp_path: Path) -> None:
    uploads = app / "public" / "uploads"
    (uploads / "-rf *").chmod(0o6755)
    os.setxattr(uploads / "holes", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
    stored = await dumped(files.open_source("uploads", options(app), host), tmp_path / "set")
    target = files.open_target(options(app), host, stored.task(place=str(tmp_path / "dropped")))
    assert any("2 files will lose" in str(check.found) for check in await target.checks())
    await target.discard()
    await restored(files.open_target(options(app), host, stored.task(place=str(tmp_path / "dropped"))))
    assert (tmp_path / "dropped" / "-rf *").stat().st_mode & 0o7777 == 0o755
    assert os.listxattr(tmp_path / "dropped" / "holes") == []
    kept = options(app, setuid=True)
    await restored(files.open_target(kept, host, stored.task(place=str(tmp_path / "kept"))))
    assert (tmp_path / "kept" / "-rf *").stat().st_mode & 0o7777 == 0o6755
    assert os.listxattr(tmp_path / "kept" / "holes") == ["security.capability"]
