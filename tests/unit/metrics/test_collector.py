"""What sh really prints, read back."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from lilfox_tui.metrics.collector import MARK, UPTIME, file_list, load_collectors, once_script, read_answer

COLLECTORS = load_collectors({})
KINDS = [one.kind for one in COLLECTORS]
SECRET = "5ec2e7"


def answered(path: str | None = None) -> bytes:
    environ = None if path is None else {"PATH": path}
    ran = subprocess.run(
        ["/bin/sh", "-c", once_script(COLLECTORS, SECRET), "sh", *KINDS],
        capture_output=True,
        timeout=60,
        check=True,
        env=environ,
    )
    assert ran.stderr == b""
    return ran.stdout


def test_every_file_and_script_arrives() -> None:
    paths = ("/proc/stat", "/proc/meminfo", "/proc/net/dev", "/proc/loadavg", "/proc/self/mounts")
    before = {path: Path(path).read_text() for path in paths}
    answer = read_answer(answered(), COLLECTORS, SECRET)
    assert answer is not None
    assert set(answer.scripts) == {one.kind for one in COLLECTORS if one.script}
    for path in paths:  # the load may change meanwhile
        around = {text.split()[0] for text in (before[path], Path(path).read_text())}
        assert answer.files[path].split()[0] in around


def test_a_tail_that_takes_one_file_only_is_stood_in_for(tmp_path: Path) -> None:
    (tmp_path / "tail").write_text("#!/bin/sh\necho usage >&2\nexit 1\n")
    (tmp_path / "tail").chmod(0o755)
    for tool in ("cat", "df", "grep", "date", "timeout"):
        (tmp_path / tool).symlink_to(shutil.which(tool) or "")
    answer = read_answer(answered(str(tmp_path)), COLLECTORS, SECRET)
    assert answer is not None
    assert answer.files["/proc/stat"].startswith("cpu ")
    assert answer.files["/proc/uptime"].strip()


def test_no_timeout_tool_still_answers(tmp_path: Path) -> None:
    for tool in ("cat", "df", "grep", "date", "tail"):
        (tmp_path / tool).symlink_to(shutil.which(tool) or "")
    answer = read_answer(answered(str(tmp_path)), COLLECTORS, SECRET)
    assert answer is not None
    assert "@@inodes" in answer.scripts["filesystems"]


def test_a_missing_file_is_absent() -> None:
    output = f"==> /proc/uptime <==\n1.0 2.0\n\n==> /proc/loadavg <==\n1 2 3\n\n{MARK} {SECRET} .\n".encode()
    answer = read_answer(output, COLLECTORS, SECRET)
    assert answer is not None
    assert answer.files["/proc/uptime"].strip() == "1.0 2.0"
    assert set(answer.files) == {"/proc/uptime", "/proc/loadavg"}


@pytest.mark.parametrize("hostile", [UPTIME, "/proc/loadavg", "/etc/shadow"])
def test_a_line_that_looks_like_a_header_belongs_to_its_file(hostile: str) -> None:
    assert file_list(COLLECTORS).index("/proc/loadavg") < file_list(COLLECTORS).index("/proc/meminfo")
    text = f"==> /proc/loadavg <==\n1 2 3\n\n==> /proc/meminfo <==\na\n\n==> {hostile} <==\nb\n"
    answer = read_answer(f"{text}\n{MARK} {SECRET} .\n".encode(), COLLECTORS, SECRET)
    assert answer is not None
    assert answer.files["/proc/meminfo"] == f"a\n\n==> {hostile} <==\nb\n"
    assert answer.files["/proc/loadavg"].strip() == "1 2 3"


def test_a_mark_without_the_secret_is_a_scripts_own_text() -> None:
    output = f"\n{MARK} {SECRET} units\nx\n{MARK} other clock\ny\n\n{MARK} {SECRET} .\n".encode()
    answer = read_answer(output, COLLECTORS, SECRET)
    assert answer is not None
    assert answer.scripts == {"units": f"x\n{MARK} other clock\ny\n"}


@pytest.mark.parametrize("output", [b"", b"This account is not available.\n", f"{MARK} {SECRET} units\nx".encode()])
def test_half_an_answer_is_none(output: bytes) -> None:
    assert read_answer(output, COLLECTORS, SECRET) is None
