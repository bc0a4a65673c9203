"""What decides what runs, with real owners, modes and links: each way that somebody else could turn is told."""

from __future__ import annotations

import grp
import os
import pwd
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lilfox_tui.core.files import NotTrusted, content, is_ours, opened, why_not

STRANGER = 4711
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """``tmp_path/a/b/file``."""
    path = tmp_path / "a" / "b" / "file"
    path.parent.mkdir(parents=True)
    path.write_text("text")
    path.chmod(0o600)
    return path


def text_of(path: Path) -> str:
    with opened(path) as (descriptor, _found):
        return content(descriptor, 100).decode()


def refused(path: Path) -> str:
    """Which place is named, and the command that mends it."""
    with pytest.raises(NotTrusted) as caught:
        text_of(path)
    error = caught.value
    assert why_not(path) is not None
    assert str(error.message).startswith(f"{path} is not used because others can change it: ")
    assert error.problems == (f"{error.message}. {error.hint}",), "lists of problems tell all of it"
    return f"{error.message} / {error.hint}"


@pytest.mark.fault("4.20")
@pytest.mark.parametrize("mode", [0o777, 0o773, 0o702, 0o602])
def test_a_folder_anywhere_on_the_way_that_others_may_write(file: Path, mode: int) -> None:
    for folder in (file.parent, file.parent.parent):
        folder.chmod(mode)
        said = refused(file)
        owner = f"{pwd.getpwuid(os.geteuid()).pw_name} ({os.geteuid()})"
        assert f"{folder} is owned by {owner} with mode {mode:04o}" in said
        assert said.endswith(f"chmod go-w {folder}")
        folder.chmod(0o700)
        assert text_of(file) == "text"


@pytest.mark.fault("4.20")
@needs_root
@pytest.mark.root
def test_a_file_or_a_folder_of_somebody_else(file: Path) -> None:
    for place in (file, file.parent, file.parent.parent):
        os.chown(place, STRANGER, -1)
        said = refused(file)
        assert f"{place} is owned by {STRANGER}" in said
        assert said.endswith(f"Run LilFox as {STRANGER}; or copy {file} to a folder of your own, "
                             "review its contents, and use the copy")  # fmt: skip
        assert "chown" not in said, "it may be somebody's home"
        os.chown(place, 0, -1)
    assert text_of(file) == "text"


@pytest.mark.fault("4.20")
@needs_root
@pytest.mark.root
def test_in_a_sticky_folder_each_counts_by_its_own_owner(file: Path) -> None:
    """As in /tmp: others may put something there, and not replace what is there."""
    file.parent.chmod(0o1777)
    assert text_of(file) == "text"
    os.chown(file, STRANGER, -1)
    refused(file)
    link = file.parent / "link"
    link.symlink_to("/etc/hostname")
    assert why_not(link) is None
    os.chown(link, STRANGER, -1, follow_symlinks=False)
    said = refused(link)
    assert f"{link} is owned by {STRANGER}" in said
    assert f"copy {link} to a folder of your own" in said


@pytest.mark.fault("4.20")
@needs_root
@pytest.mark.root
@pytest.mark.parametrize("absolute", [True, False])
def test_links_on_the_way_are_followed_and_each_of_their_folders_counts(
    file: Path, tmp_path: Path, *, absolute: bool
) -> None:
    """``here/there`` → ``open/on`` → ``a/b``: only who may write ``open`` decides."""
    (tmp_path / "here").mkdir()
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "on").symlink_to(file.parent if absolute else "../a/b")
    (tmp_path / "here" / "there").symlink_to(tmp_path / "open" / "on" if absolute else "../open/on")
    path = tmp_path / "here" / "there" / "file"
    assert text_of(path) == "text"
    (tmp_path / "open").chmod(0o777)
    assert f"{tmp_path / 'open'} is owned by " in refused(path)
    (tmp_path / "open").chmod(0o755)
    os.chown(tmp_path / "open", STRANGER, -1)
    assert f"{tmp_path / 'open'} is owned by {STRANGER}" in refused(path)
    os.chown(tmp_path / "open", 0, -1)
    (tmp_path / "a").chmod(0o777)
    assert f"{tmp_path / 'a'} is owned by " in refused(path)


@pytest.mark.fault("4.20")
def test_the_way_back_up_is_walked_too(file: Path) -> None:
    path = file.parent / ".." / "b" / "." / "file"
    assert text_of(path) == "text"
    file.parent.parent.chmod(0o777)
    refused(path)


@pytest.mark.fault("4.20")
def test_of_a_relative_path_the_folders_above_count(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    assert text_of(Path("file")) == "text"
    file.parent.parent.chmod(0o777)
    refused(Path("file"))


@pytest.mark.fault("4.20")
@needs_root
@pytest.mark.root
def test_what_a_group_may_write_counts_unless_nobody_else_is_in_it(file: Path) -> None:
    others = next(group.gr_gid for group in grp.getgrall() if group.gr_gid != 0)
    for place, mode in ((file.parent, 0o775), (file, 0o664)):
        os.chown(place, 0, others)
        place.chmod(mode)
        assert refused(file).endswith(f"chmod go-w {place}")
        os.chown(place, 0, 0)
        assert text_of(file) == "text"


@contextmanager
def logged_in(account: pwd.struct_passwd) -> Iterator[None]:
    os.setegid(account.pw_gid)
    os.seteuid(account.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@needs_root
@pytest.mark.root
def test_umask_002_with_a_private_group_is_the_users_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Debian and Ubuntu set users up, with one that is there: folder 0775, file 0664. Not once somebody else is in
    the group, be it as a member or as the group that he logs in with."""
    user = pwd.getpwnam("daemon")
    group = grp.getgrgid(user.pw_gid)
    if group.gr_name != user.pw_name or group.gr_mem:
        pytest.skip("that account has no private group here")
    with tempfile.TemporaryDirectory(dir="/tmp") as made:  # other accounts cannot walk through tmp_path
        folder = Path(made)
        os.chown(folder, user.pw_uid, user.pw_gid)
        folder.chmod(0o775)
        with logged_in(user):
            (folder / "file").write_text("text")
            (folder / "file").chmod(0o664)
            assert text_of(folder / "file") == "text"
            member = grp.struct_group((group.gr_name, "x", group.gr_gid, ["eve"]))
            with monkeypatch.context() as patch:
                patch.setattr(grp, "getgrgid", lambda _gid: member)
                refused(folder / "file")
            eve = pwd.struct_passwd(("eve", "x", STRANGER, user.pw_gid, "", "/", "/bin/sh"))
            with monkeypatch.context() as patch:
                patch.setattr(pwd, "getpwall", lambda: [user, eve])
                refused(folder / "file")
        assert "Run LilFox as daemon" in refused(folder / "file"), "root is not told to take it away"


@needs_root
@pytest.mark.root
def test_on_a_read_only_mount_nobody_writes_whatever_the_modes_are(tmp_path: Path) -> None:
    """As Kubernetes mounts a ConfigMap: a folder of mode 0777, in it links through ``..data``."""
    made, volume = tmp_path / "made", tmp_path / "volume"
    (made / "..1").mkdir(parents=True)
    (made / "..1" / "config.yaml").write_text("text")
    (made / "..data").symlink_to("..1")
    (made / "config.yaml").symlink_to("..data/config.yaml")
    volume.mkdir()
    for place, mode in ((made, 0o777), (made / "..1", 0o777), (made / "..1" / "config.yaml", 0o666)):
        place.chmod(mode)
    refused(made / "config.yaml")
    look = "import sys, pathlib, lilfox_tui.core.files as t; sys.exit(t.why_not(pathlib.Path(sys.argv[1])))"
    script = 'mount --bind "$1" "$2" && mount -o remount,ro,bind "$2" || exit 9; exec "$3" -c "$4" "$2/config.yaml"'
    argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"]
    argv += [str(made), str(volume), sys.executable, look]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode == 9 or "unshare failed" in done.stderr:
        pytest.skip("nothing can be mounted here")
    assert done.returncode == 0, done.stderr


def test_where_there_are_no_path_descriptors_and_no_proc_it_works_too(file: Path) -> None:
    """As on macOS."""
    script = (
        "import os, sys, pathlib\ndel os.O_PATH, os.getxattr\nimport lilfox_tui.core.files as t\n"
        "file = pathlib.Path(sys.argv[1])\nassert t.is_ours(file)\nfile.parent.chmod(0o777)\nassert t.why_not(file)"
    )
    os.chown(file, -1, os.getegid())
    file.chmod(0o660)
    done = subprocess.run([sys.executable, "-c", script, file], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_what_others_may_still_put_there_is_refused_before_it_is_there(file: Path) -> None:
    """Who opens it after this may find theirs; who opens it here finds nothing."""
    gone = file.parent / "gone"
    link = file.parent.parent / "link"
    link.symlink_to(gone)
    assert why_not(gone) is None
    file.parent.chmod(0o1777)
    for path in (gone, gone / "below", link):
        error = why_not(path)
        assert error is not None
        assert f"{file.parent} is owned by " in str(error.message)
        assert str(error.hint) == f"Move {path} to a folder of your own, and use the new path"
        with pytest.raises(FileNotFoundError):
            text_of(path)


@pytest.mark.fault("4.20")
def test_folders_are_looked_at_as_files_are(file: Path) -> None:
    assert why_not(file.parent) is None
    assert why_not(Path("/")) is None
    file.parent.chmod(0o1777)
    assert why_not(file.parent) is not None, "nothing of ours is kept where others may put something"


@pytest.mark.fault("4.20")
def test_what_is_not_there_or_leads_nowhere_is_told_by_who_opens_it(file: Path) -> None:
    assert why_not(file.parent / "gone") is None
    with pytest.raises(FileNotFoundError):
        text_of(file.parent / "gone")
    (file.parent / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="symbolic links"):
        text_of(file.parent / "loop")
    with pytest.raises(NotADirectoryError):
        text_of(file / "below")


@pytest.mark.fault("4.20")
def test_what_was_looked_at_is_what_is_read(file: Path) -> None:
    """Whatever has the name afterwards."""
    with opened(file) as (descriptor, _found):
        file.rename(file.with_name("old"))
        file.write_text("another")
        assert content(descriptor, 100) == b"text"


@pytest.mark.fault("4.20")
def test_a_device_keeps_nothing_that_others_write(tmp_path: Path) -> None:
    assert why_not(Path(os.devnull)) is None


@pytest.mark.fault("4.20")
@needs_root
@pytest.mark.root
def test_an_access_list_lets_others_in_also_where_the_group_is_root(file: Path) -> None:
    """Its mask stands in the group's bits (acl(5)): owner, nobody, group, mask, others, as the kernel stores them."""
    entries = ((1, 7, 0xFFFFFFFF), (2, 7, 65534), (4, 5, 0xFFFFFFFF), (16, 7, 0xFFFFFFFF), (32, 5, 0xFFFFFFFF))
    file.parent.chmod(0o775)
    assert text_of(file) == "text"
    try:
        os.setxattr(
            file.parent,
            "system.posix_acl_access",
            struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries),
        )
    except OSError:
        pytest.skip("this filesystem has no access lists")
    assert file.parent.stat().st_mode & 0o777 == 0o775
    assert f"{file.parent} is owned by " in refused(file)


@pytest.mark.fault("4.20")
def test_what_is_not_there_is_not_ours(file: Path) -> None:
    """Who takes a file away while it is looked at gains nothing."""
    assert is_ours(file)
    assert not is_ours(file.with_name("gone"))
