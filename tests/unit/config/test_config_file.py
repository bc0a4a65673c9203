from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from lilfox_tui.config import loader
from lilfox_tui.core.errors import ConfigError

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text("name: x\n")
    path.chmod(0o600)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        loader.read_config_file(path)
    return f"{caught.value} / {caught.value.hint}"


@pytest.mark.fault("S26")
@pytest.mark.parametrize("mode", [0o400, 0o600, 0o640, 0o644, 0o664])
def test_what_the_owner_alone_may_write_is_read(file: Path, mode: int) -> None:
    file.chmod(mode)
    read = loader.read_config_file(file)
    assert read.text == "name: x\n"
    assert read.readable_by_others is bool(mode & 0o044)


@pytest.mark.fault("S26")
@pytest.mark.parametrize("mode", [0o602, 0o622, 0o662, 0o666, 0o777])
def test_what_others_may_write_is_refused(file: Path, mode: int) -> None:
    file.chmod(mode)
    said = refusal(file)
    assert f"{file} is owned by " in said
    assert f" with mode {mode:04o}" in said
    assert f"chmod go-w {file}" in said


@pytest.mark.fault("S26")
@needs_root
@pytest.mark.root
def test_what_belongs_to_somebody_else_is_refused(file: Path) -> None:
    os.chown(file, 4711, -1)
    said = refusal(file)
    assert f"{file} is owned by 4711" in said
    assert f"copy {file} to a folder of your own" in said


@pytest.mark.fault("S26")
def test_a_folder_that_anybody_may_write_is_refused_unless_sticky(file: Path) -> None:
    file.parent.chmod(0o777)
    said = refusal(file)
    assert f"{file.parent} is owned by " in said
    assert (
        f" with mode 0777 / Inspect its contents, then remove write access for others: chmod go-w {file.parent}" in said
    )
    file.parent.chmod(0o1777)
    assert loader.read_config_file(file).text == "name: x\n"


@pytest.mark.fault("S26")
def test_folders_further_up_count_too(tmp_path: Path) -> None:
    inner = tmp_path / "open" / "inner"
    inner.mkdir(parents=True)
    path = inner / "config.yaml"
    path.write_text("")
    path.chmod(0o600)
    (tmp_path / "open").chmod(0o777)
    assert f"{tmp_path / 'open'} is owned by " in refusal(path)


@pytest.mark.fault("S26")
def test_a_link_is_followed_and_both_its_folders_count(file: Path, tmp_path: Path) -> None:
    links = tmp_path / "links"
    links.mkdir()
    link = links / "config.yaml"
    link.symlink_to(file)
    assert loader.read_config_file(link).text == "name: x\n"
    links.chmod(0o777)
    assert f"{links} is owned by " in refusal(link)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "nowhere.yaml")


def test_a_link_to_itself_is_an_error_and_no_crash(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert "cannot be read" in refusal(loop)


@pytest.mark.fault("S26")
def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert "not a regular file" in refusal(pipe)
    assert "not a regular file" in refusal(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        assert "cannot be read" in refusal(tmp_path / "s")


@pytest.mark.fault("S27")
def test_one_mebibyte_is_the_limit(file: Path) -> None:
    file.write_bytes(b"#" * loader.MAX_BYTES)
    assert len(loader.read_config_file(file).text) == loader.MAX_BYTES
    file.write_bytes(b"#" * (loader.MAX_BYTES + 1))
    assert "larger than 1 MiB" in refusal(file)


@pytest.mark.parametrize("raw", [b"a: b\nname: \xff\n", "a: b\nname: x".encode("utf-16")])
def test_other_encodings_are_refused_with_their_line(file: Path, raw: bytes) -> None:
    file.write_bytes(raw)
    assert "not UTF-8 text" in refusal(file)


def test_a_byte_order_mark_is_no_part_of_the_text(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbfname: x")
    assert loader.read_config_file(file).text == "name: x"
