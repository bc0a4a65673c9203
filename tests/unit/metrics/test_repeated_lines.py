"""A script whose lines are mostly those of the time before sends the others only, and its text arrives whole."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lilfox_tui.core.errors import HostError
from lilfox_tui.hosts.fake import FakeHost
from lilfox_tui.metrics.collector import (
    MARK,
    Collector,
    HostSource,
    KeptLines,
    load_collectors,
    loop_script,
    once_script,
    read_answer,
)

SECRET = "5ec2e7"
SHELLS = {"sh": ("sh",), "bash": ("bash",), "busybox": ("busybox", "sh")}
TOOLS = ("cat", "tail", "grep", "timeout", "true")
"""Without awk."""


def printing(file: Path) -> Collector:
    """A collector whose script prints a file."""
    [one] = [each for each in load_collectors({}) if each.kind == "containers"]
    return Collector("kept", (), "", f"cat {file}", 0.0, False, True, one.parse, one.read_here, one.options)


class Asked:
    """A loop of a shell that is asked by hand."""

    def __init__(self, running: subprocess.Popen[bytes], one: Collector) -> None:
        self._running, self._one, self.kept = running, one, KeptLines()
        self.sent = b""

    def text(self) -> str:
        """What the script has printed, as it arrives."""
        words, output = self.kept.words(["kept"]), self._running
        assert output.stdin is not None
        assert output.stdout is not None
        output.stdin.write(f"7 {words}\n".encode())
        output.stdin.flush()
        self.sent = b""
        while not self.sent.endswith(b"\n@@LILFOX-END@@ 7\n"):
            line = output.stdout.readline()
            assert line, "the loop has ended"
            self.sent += line
        answer = read_answer(self.sent.rpartition(b"\n@@LILFOX-END@@")[0], [self._one], SECRET, self.kept)
        assert answer is not None
        return answer.scripts["kept"]


@contextmanager
def asking(file: Path, *shell: str, path: str | None = None) -> Iterator[Asked]:
    one = printing(file)
    environ = dict(os.environ) if path is None else {"PATH": path}
    words = [shutil.which(shell[0]) or shell[0], *shell[1:], "-c", loop_script([one], SECRET)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ) as running:
        yield Asked(running, one)
        assert running.stdin is not None
        running.stdin.close()


@pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS)
@pytest.mark.parametrize("awk", [True, False])
def test_the_text_arrives_whole_whatever_changes(tmp_path: Path, shell: tuple[str, ...], awk: bool) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        (folder / tool).symlink_to(shutil.which(tool) or "")
    rng, file = random.Random(7), tmp_path / "text"
    pool = [
        "",
        " ",
        "=1 2",
        "+x",
        "a b",
        "\\",
        "\\n%s",
        "$(echo x) `y` $HOME",
        "LILFOX",
        f"{MARK} x now",
        "é\udcff",
        "-e",
    ]
    lines = [f"line {number}" for number in range(300)]
    with asking(file, *shell, path=None if awk else str(folder)) as host:
        for _turn in range(25):
            file.write_bytes("\n".join(lines).rstrip("\n").encode("utf-8", "surrogateescape"))
            assert host.text() == "\n".join(lines).rstrip("\n")
            for _change in range(rng.randrange(6)):
                at = rng.randrange(len(lines) + 1)
                match rng.randrange(4):
                    case 0:
                        lines.insert(at, rng.choice(pool))
                    case 1:
                        del lines[at : at + rng.randrange(40)]
                    case 2:
                        lines[at:at] = lines[:20]
                    case _:
                        rng.shuffle(lines)


def test_what_stays_is_not_sent(tmp_path: Path) -> None:
    file = tmp_path / "text"
    lines = [f"{number:012x} 27960123 68403200 0 1234567 1234567 9999999 8888888" for number in range(100)]
    file.write_text("\n".join(lines))
    with asking(file, "sh") as host:
        assert len(host.text()) < len(host.sent) < 7000
        assert host.text() == "\n".join(lines)
        assert len(host.sent) < 300
        lines[40] = "another"
        file.write_text("\n".join(lines))
        assert host.text() == "\n".join(lines)
        assert b"\n=1 40\n+another\n=42 100\n" in host.sent
        file.write_text("")
        assert host.text() == ""
        assert host.text() == ""


def test_what_is_not_asked_for_any_more_is_not_kept() -> None:
    kept = KeptLines()
    assert kept.words(["a"]) == "a"
    kept.take("a", "kept", "1\n2\n")
    assert kept.words(["a", "b"]) == "a+ b"
    for _turn in range(100):
        assert kept.words(["b"]) == "b"
    assert kept.words(["a"]) == "a+"
    for _turn in range(101):
        kept.words([])
    assert kept.words(["a"]) == "a", "it is asked for whole"


@pytest.mark.parametrize("printed", ["x", "=", "=1", "=0 1", "=2 1", "=1 3", "=a b", "=1 2 3"])
def test_what_no_script_of_ours_prints_is_no_answer(printed: str) -> None:
    kept = KeptLines()
    kept.take("a", "kept", "1\n2\n")
    output = f"\n{MARK} {SECRET} a changed\n{printed}\n\n{MARK} {SECRET} .\n"
    assert read_answer(output.encode(), [], SECRET, kept) is None


def test_a_script_that_is_run_once_prints_all(tmp_path: Path) -> None:
    file = tmp_path / "text"
    file.write_text("one\ntwo")
    one = printing(file)
    ran = subprocess.run(["sh", "-c", once_script([one], SECRET), "sh", "kept"], capture_output=True, check=True)
    answer = read_answer(ran.stdout, [one], SECRET)
    assert answer is not None
    assert answer.scripts["kept"] == "one\ntwo"


async def test_a_loop_that_begins_anew_is_asked_for_all() -> None:
    asked: list[str] = []

    def answer(words: str) -> bytes:
        asked.append(words)
        if len(asked) == 3:
            raise HostError("fake", "gone")
        source_secret = source._secret
        return f"\n{MARK} {source_secret} kept kept\na\n\n{MARK} {source_secret} .\n".encode()

    one = printing(Path("/none"))
    host = FakeHost(loop_answer=answer)
    source = HostSource(host, [one])
    for _turn in range(2):
        assert (await source.read([one], timeout_s=5)).scripts == {"kept": "a"}
    with pytest.raises(HostError):
        await source.read([one], timeout_s=5)
    await source.read([one], timeout_s=5)
    assert asked == ["kept", "kept+", "kept+", "kept"]
    await source.close()
