"""A ``lilfox`` that is forked says and returns what one says that starts from nothing; each command does start so."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from lilfox_tui.cli.main import COMMANDS
from tests.services import forked_lilfox
from tests.services.lilfox_command import lilfox, running, started
from tests.waiting import PATIENCE_S, wait_for

WORDS = [("--version",), ("--help",), ("no-such-command",), ("jobs", "--json"), ("backup", "list", "--store", "/none")]
HELP = [(command, "--help") for command in COMMANDS]
"""Of each command: it is the first then whose module is imported."""
FOLLOW = ["logs", "-f", __file__]
"""Does not end by itself."""
STATUS = ("Umask:", "SigBlk:", "SigIgn:", "SigCgt:")


@pytest.mark.parametrize("words", [*WORDS, *HELP], ids=" ".join)
def test_it_says_and_returns_the_same(words: tuple[str, ...]) -> None:
    forked = forked_lilfox.run(words, env=os.environ, timeout_s=PATIENCE_S)
    anew = started(*words)
    assert forked is not None
    assert (forked.returncode, forked.stdout, forked.stderr) == (anew.returncode, anew.stdout, anew.stderr)


def test_it_has_the_environment_and_the_folder_of_its_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.yaml").write_text("of_here: 1\n")
    there = tmp_path / "there" / "lilfox" / "config.yaml"
    there.parent.mkdir(parents=True)
    there.write_text("of_there: 1\n")
    for words, said in ((("--config", "here.yaml", "check"), "of_here"), (("check",), "of_there")):
        env = os.environ | {"XDG_CONFIG_HOME": str(tmp_path / "there")}
        forked = forked_lilfox.run(words, env=env, timeout_s=PATIENCE_S)
        assert forked is not None
        assert said in forked.stderr


def test_it_reads_what_is_given_to_it_and_no_more_than_it_wants() -> None:
    lines = "".join(f"2026-12-01T00:00:00Z INFO line {number}\n" for number in range(20_000))
    for run in (lilfox, started):
        assert json.loads(run("logs", "stats", "-", "--json", stdin=lines).stdout)["records"] == 20_000
        assert run("--version", stdin=lines).returncode == 0


def test_what_python_reads_when_it_starts_has_it_start_anew() -> None:
    for name in ("LC_ALL", "PYTHONWARNINGS", "LD_PRELOAD"):
        env = os.environ | {name: "other"}
        assert forked_lilfox.run(["--version"], env=env, timeout_s=PATIENCE_S) is None


def followers() -> list[psutil.Process]:
    """Processes of calls that have not ended: each is the child of one that attends to it."""
    found: list[psutil.Process] = []
    for starter in psutil.Process().children():
        for attendant in _forks(starter):
            found += _forks(attendant)
    return found


def _forks(parent: psutil.Process) -> list[psutil.Process]:
    """Its children that run what it runs: not the linker, which asyncssh has look for a library at its import."""
    found = []
    with suppress(psutil.NoSuchProcess):  # it ends at this moment
        command = parent.cmdline()
        for child in parent.children():
            with suppress(psutil.NoSuchProcess):
                if child.cmdline() == command:
                    found.append(child)
    return found


def held(process: psutil.Process) -> tuple[list[str], list[str]]:
    """Its umask and signals as /proc has them, and what is open beside its standard streams."""
    place = Path("/proc") / str(process.pid)
    status = [line for line in (place / "status").read_text().splitlines() if line.startswith(STATUS)]
    opened = [file for file in (place / "fd").iterdir() if int(file.name) > 2]
    targets = []
    for file in opened:
        with suppress(FileNotFoundError):  # it is closed at this moment
            targets.append(re.sub(r"\d+", "", str(file.readlink())))
    return status, sorted(targets)


def test_it_holds_what_one_that_starts_anew_holds(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with running(FOLLOW, tmp_path / "anew") as process, ThreadPoolExecutor() as threads:
            threads.submit(lilfox, *FOLLOW, stdin="")
            try:
                wait_for(followers, what="it runs")
                forked, anew = followers()[0], psutil.Process(process.pid)
                wait_for(lambda: held(forked) == held(anew), what="both hold the same")
            finally:
                for each in followers():
                    each.kill()
    finally:
        os.umask(before)


def test_several_run_at_once_and_one_that_is_killed_says_by_what() -> None:
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(forked_lilfox.run, FOLLOW, env=os.environ, timeout_s=PATIENCE_S)
        try:
            wait_for(followers, what="it runs")
            assert forked_lilfox.run(["--version"], env=os.environ, timeout_s=PATIENCE_S) is not None
            assert not waiting.done()
        finally:
            for each in followers():
                each.kill()
        done = waiting.result()
    assert done is not None
    assert done.returncode == -signal.SIGKILL


def test_one_that_takes_too_long_is_killed() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        forked_lilfox.run(FOLLOW, env=os.environ, timeout_s=0.1)
    wait_for(lambda: not followers(), what="it has ended")
