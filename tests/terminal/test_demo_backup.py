"""The demo by keys alone: a backup, data that is lost, a restore by the wizard under traffic; and nothing is left."""

from __future__ import annotations

import re
from pathlib import Path

import psutil
import pytest

from tests.terminal.console import Console
from tests.waiting import wait_for

pytestmark = pytest.mark.xdist_group("demo")  # one worker: two demos that start at once want the same ports


def folder_of(console: Console) -> Path:
    """Where the demo is, by the command lines of its services."""
    services = psutil.Process(console.process.pid).children(recursive=True)
    found = [re.search(r"\S*/lilfox-demo-\w+", word) for each in services for word in each.cmdline()]
    return next(Path(one[0]) for one in found if one is not None)


def lose_half_of_the_users(console: Console) -> None:
    console.press("F")
    console.until("Inject a fault")
    console.press("users")
    console.until("half of the users")
    console.press("\r")
    console.until("database: someone deletes half")


def restore(console: Console) -> str:
    """By keys; the page on which the name is typed."""
    console.press("B")
    console.until("What to restore?")
    console.press("\r")
    console.until("Where to?")
    console.press("\r")
    console.until("Blocked by the failed checks")  # the backend is in the way
    console.press("  ")  # what allows it is highlighted, and confirmed
    console.until("No check blocks the restore")
    console.press("\r")
    text = console.until(lambda text: "type lilfox" in text and "→ 2,000 rows" in text)
    console.press("lilfox\r")
    console.until("started on")
    return text


def backed_up(console: Console) -> Path:
    """A set of the demo; its folder."""
    console.until(lambda text: re.search(r"● +database", text) is not None)
    console.press("3")
    console.until("there is no backup yet")
    folder = folder_of(console)
    console.press("b")
    console.until("Back up now")
    console.press("\r")
    console.until(lambda text: re.search(r"● +lilfox_\d{8}_\d{6}.*restore-tested", text) is not None)
    return folder


def test_what_the_demo_loses_is_restored_by_keys_alone(tmp_path: Path) -> None:
    with Console(["demo"], home=tmp_path, columns=120, rows=36) as console:
        folder = backed_up(console)
        lose_half_of_the_users(console)
        assert re.search(r"users +1,000 rows", restore(console)) is not None
        console.until("is restored, compared and in place")
        console.press("\x1b")
        console.until(lambda text: "Logs" in text.splitlines()[1] and "restore" not in text.splitlines()[1])
        console.press("q")
        assert console.ended_within() == 0
    wait_for(lambda: not folder.exists(), what="the folder is gone")
    state = tmp_path / ".local/state/lilfox"
    assert not (state / "jobs").exists(), "the demo's jobs are not among the user's"
    assert not (state / "restores").exists()
