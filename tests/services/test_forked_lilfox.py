"""A ``lilfox`` that is forked says and returns what one says that starts from nothing."""

from __future__ import annotations

import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tests.services import forked_lilfox
from tests.services.lilfox_command import lilfox
from tests.waiting import PATIENCE_S, wait_for

WORDS = [("--version",), ("--help",), ("no-such-command",), ("jobs", "--json"), ("backup", "list", "--store", "/none")]
FOLLOW = ["logs", "-f", __file__]
"""Does not end by itself."""


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_it_says_and_returns_the_same(words: tuple[str, ...]) -> None:
    forked = forked_lilfox.run(words, env=os.environ, timeout_s=PATIENCE_S)
    anew = lilfox(*words)
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


def test_what_python_reads_when_it_starts_has_it_start_anew() -> None:
    for name in ("LC_ALL", "PYTHONWARNINGS", "LD_PRELOAD"):
        env = os.environ | {name: "other"}
        assert forked_lilfox.run(["--version"], env=env, timeout_s=PATIENCE_S) is None


def followers() -> list[psutil.Process]:
    """Processes of calls that have not ended: each is the child of one that attends to it."""
    starters = psutil.Process().children()
    return [each for starter in starters for attendant in starter.children() for each in attendant.children()]


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
