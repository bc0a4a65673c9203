"""What the script prints of processes: the same with awk as without, in a fraction of the bytes."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lilfox_tui.metrics.collectors.processes import Options, parse, script
from lilfox_tui.metrics.model import MalformedOutput, Sample

NAMES = {1: "init", 42: "tmux: server", 77: "a) S 1 (b", 90: "kworker/0:1-ev", 91: "-", 92: "é\udcff"}
KERNEL_FLAGS = 0x00200000


def processes(folder: Path) -> Path:
    """A /proc of our own: a thread of the kernel has no memory, and the I/O of 42 may not be read."""
    for pid, name in NAMES.items():
        kernel = pid == 90
        flags = KERNEL_FLAGS if kernel else 4194560
        fields = f"1 1 1 0 -1 {flags} 10 20 30 40 {pid}1 {2**40 + pid} 5 6 20 0 1 0 {pid}00 4096 512 {2**64 - 1}"
        place = folder / str(pid)
        place.mkdir()
        (place / "stat").write_bytes(f"{pid} ({name}) S {fields}\n".encode("utf-8", "surrogateescape"))
        memory = "" if kernel else f"VmRSS:\t{pid:8} kB\n"
        (place / "status").write_text(f"Name:\tx\nUid:\t{pid}\t{pid + 1}\t7\t7\n{memory}Threads:\t1\n")
        if pid != 42:
            (place / "io").write_text(f"rchar: 9\nread_bytes: {pid}000\nwrite_bytes: 5\n")
    return folder


def printed(folder: Path, tools: str | None = None) -> str:
    text = script(Options()).replace("/proc/[0-9]", f"{folder}/[0-9]")
    ran = subprocess.run(
        [shutil.which("sh") or "sh", "-c", text],
        capture_output=True,
        timeout=60,
        check=False,
        env=None if tools is None else {"PATH": tools},
    )
    return ran.stdout.decode("utf-8", "surrogateescape").replace(str(folder), "/proc")


def samples(text: str) -> list[Sample]:
    return sorted(parse({"script": text}, Options()), key=lambda each: (each.name, each.labels))


@pytest.mark.parametrize("awk", ["mawk", "gawk", "busybox"])
def test_a_line_says_what_the_files_say(tmp_path: Path, awk: str) -> None:
    if shutil.which(awk) is None:
        pytest.skip(f"no {awk}")
    (tmp_path / "proc").mkdir()
    folder = processes(tmp_path / "proc")
    (tmp_path / "plain").mkdir()
    (tmp_path / "tools").mkdir()
    (tmp_path / "plain/grep").symlink_to(shutil.which("grep") or "")
    (tmp_path / "tools/grep").symlink_to(shutil.which("grep") or "")
    (tmp_path / "tools/awk").symlink_to(shutil.which(awk) or "")
    plain, short = printed(folder, str(tmp_path / "plain")), printed(folder, str(tmp_path / "tools"))
    assert plain.startswith("/proc/")
    assert short.startswith("p ")
    assert samples(short) == samples(plain)
    assert {dict(each.labels)["command"] for each in samples(short)} == set(NAMES.values())
    assert len(short) < len(plain) / 3


def test_the_processes_of_this_machine_are_read() -> None:
    ran = subprocess.run(["sh", "-c", script(Options())], capture_output=True, timeout=60, check=False)
    text = ran.stdout.decode("utf-8", "surrogateescape")
    assert all(re.match(r"p \d+ \S \d+ \d+ \d+ \d+ \d+ (\d+|-) (\d+|-) (\d+|-) .", line) for line in text.splitlines())
    first = [each for each in samples(text) if dict(each.labels)["pid"] == "1"]
    assert {each.name for each in first} >= {"process_cpu_seconds_total", "process_resident_memory_bytes"}


@pytest.mark.parametrize("line", ["p", "p 1 S 2", "p x S 1 2 3 4 5 6 7 8 n", "p 1 S -1 2 3 4 5 6 7 8 n"])
def test_a_line_that_cannot_be_read_is_named(line: str) -> None:
    with pytest.raises(MalformedOutput):
        parse({"script": f"{line}\np 1 S 0 2 3 4 5 6 7 8 n"}, Options())
