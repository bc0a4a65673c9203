"""What sh really prints, read back."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from lilfox_tui.metrics.collector import (
    MARK,
    UPTIME,
    Collector,
    HostAnswer,
    file_list,
    load_collectors,
    once_script,
    read_answer,
)
from lilfox_tui.metrics.collectors import network

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
    paths = ("/proc/stat", "/proc/meminfo", "/proc/net/dev", "/proc/loadavg")
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


def interfaces(folder: Path, collectors: Sequence[Collector], *names: str) -> tuple[bytes, HostAnswer]:
    """What a host with these interfaces sends, and what is read of it."""
    file = folder / "dev"
    head = "Inter-|   Receive                                                |  Transmit\n face |bytes ...|bytes ...\n"
    file.write_text(head + "".join(f"{name:>6}:{' 7' * 16}\n" for name in names))
    script = once_script(collectors, SECRET).replace("/proc/net/dev", str(file))
    kinds = [one.kind for one in collectors if one.files]
    ran = subprocess.run(["sh", "-c", script, "sh", *kinds], capture_output=True, timeout=60, check=True)
    assert ran.stderr == b""
    output = ran.stdout.replace(str(file).encode(), b"/proc/net/dev")
    answer = read_answer(output, collectors, SECRET)
    assert answer is not None
    return output, answer


def test_a_host_with_many_containers_does_not_send_their_interfaces(tmp_path: Path) -> None:
    """A hundred of them would be 12 KB each time."""
    few, _answer = interfaces(tmp_path, COLLECTORS, "eth0", "veth1", "docker0")
    assert b"veth1:" in few, "a few are not worth a process"
    names = ["eth0", *(f"veth{number:x}@if3" for number in range(100)), "br-4f", "vethernet0", "enp3s0", "eth0.12"]
    many, answer = interfaces(tmp_path, COLLECTORS, *names)
    assert b"veth" not in many
    assert len(many) < len(few) + 500
    samples = network.parse({"/proc/net/dev": answer.files["/proc/net/dev"]}, network.Options())
    assert {sample.series.label("device") for sample in samples} == {"eth0", "enp3s0", "eth0.12"}
    assert answer.files["/proc/stat"].startswith("cpu ")
    assert "MemTotal:" in answer.files["/proc/meminfo"]


def test_interfaces_that_are_left_out_are_those_of_the_options(tmp_path: Path) -> None:
    chosen = {"network": network.Options(ignore=("MemTotal", "a.b", "x'; touch y #", "lan"))}
    names = ["eth0", "veth0", "a.b1", "axb1", *(f"lan{number}" for number in range(20))]
    sent, answer = interfaces(tmp_path, load_collectors(chosen), *names)
    assert [name for name in names if f"{name}:".encode() in sent] == ["eth0", "veth0", "axb1"]
    assert "MemTotal:" in answer.files["/proc/meminfo"], "a file's line that only begins alike"
    sent, _answer = interfaces(tmp_path, load_collectors({"network": network.Options(ignore=())}), *names)
    assert all(f"{name}:".encode() in sent for name in names)


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
