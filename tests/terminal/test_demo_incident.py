"""The incident of the demo by keys alone: a fault, its alert, its logs, its runbook, what it heals, the export."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pytest

from tests.terminal.console import Console
from tests.waiting import wait_for

pytestmark = pytest.mark.xdist_group("demo")  # one worker: two demos that start at once want the same ports

MOST_KEYS = 12
"""From the alert over its logs and its runbook to evidence and the end of the incident it takes fewer."""


class Counted:
    """Presses keys of that way, and counts them."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.count = 0

    def press(self, key: str, until: str) -> str:
        self.count += 1
        self._console.press(key)
        return self._console.until(until)


def demo_folder(console: Console) -> Path:
    """Of the demo that runs there."""
    children = Path(f"/proc/{console.process.pid}/task/{console.process.pid}/children").read_text("ascii").split()
    words = Path(f"/proc/{children[0]}/cmdline").read_bytes().split(b"\0")
    return Path(next(word for word in words if b"lilfox-demo-" in word).decode().split("/logs")[0])


def processes_of(folder: Path) -> list[str]:
    """Command lines that name it."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = path.read_bytes()
            if str(folder).encode() in words:
                found.append(words.decode(errors="replace"))
    return found


def make_ill(console: Console) -> None:
    console.press("F")
    console.until("Inject a fault")
    console.press("backend 5xx")
    console.until("every response is 500")
    console.press("\r")
    console.until(lambda text: re.search(r"backend.*firing.*HighErrorRate", text) is not None)


def select_backend(console: Console) -> None:
    """The alert of the backend, by ``!``: others fire too, of a busy machine's CPU."""
    chosen = re.compile(r"HighErrorRate +firing [^\n]{1,9} +backend: ")
    console.until("r runbook")
    for _ in range(6):
        console.press("!")
        console.quiet()
        if chosen.search(console.text):
            return
    raise AssertionError(f"the alert of the backend cannot be selected\n{console.text}")


def heal(console: Console) -> None:
    """The runbook to its end: its log is read, the service is healed and proves it."""
    console.until("step 2 on")  # the first step only reads, and ran at once
    console.press("\r")
    console.until("step 3 on vm makes a change: enter to review and confirm")
    console.press("\r")
    text = console.until("run it")
    assert "heal ‹backend›" in text
    console.press("\r")
    console.until(lambda text: "✔ heal" in text and "step 3 on" in text)
    console.press("\r")
    console.until("all steps are done")
    console.press("\r")
    console.until("last run, by")


def test_from_a_fault_to_an_export_that_a_colleague_can_read(tmp_path: Path) -> None:
    with Console(["demo"], home=tmp_path, columns=120, rows=40) as console:
        console.until(lambda text: re.search(r"● +backend", text) is not None)
        make_ill(console)
        keys = Counted(console)
        keys.press("!", "r runbook")
        keys.press("l", "follow ●")
        keys.press("1", "r runbook")
        text = keys.press("r", "A demo service fails")
        assert "runbook for alert HighErrorRate" in console.until("‹"), text
        if "‹backend›" not in console.text:  # the gateway's, which passes on what the backend answers, fired last
            console.press("1")
            select_backend(console)
            console.press("r")
            console.until("‹backend›")
        keys.press("\r", "open an incident (SEV-2) and run")
        keys.press("\r", "INC-1 SEV-2")
        heal(console)
        keys.press("e", "Save as evidence")
        keys.press("\r", "saved as evidence")
        console.press("1")
        console.until(lambda text: re.search(r"firing.*HighErrorRate", text) is None)
        console.press("4")
        console.press(":close")
        text = keys.press("\r", "1 change is still in force:")
        assert "stack heal backend" in text
        console.press("a bad release\x1b[B")  # anyway, if this machine is busy
        keys.press("\r", "is closed")
        assert keys.count < MOST_KEYS
        console.press(":export\r")
        console.until("INC-1-")
        console.press("\r")
        console.until("exported:")
        console.press("4")
        console.press(":run-again\r")  # another run, which waits when the demo ends
        console.until("run without an incident")  # the palette says "open an incident" too
        console.press("w")
        console.until(lambda text: re.search(r"◐  2\.", text) is not None)  # the first only reads, and runs at once
        demo = demo_folder(console)
        console.press("3")
        console.until("runbook A demo service fails")  # it is known as a job by now
        console.press("q")
        console.until("You have running jobs")
        console.press("q")
        assert console.ended_within() == 0
    (folder,) = tmp_path.glob("INC-1-*")
    exported = (folder / "INC-1.md").read_text("utf-8")
    for part in ("HighErrorRate", "heal", "a bad release", "SEV-2", "## Timeline", "Changes still in force"):
        assert part in exported, part
    links = re.findall(r"\]\((evidence/[^)]+)\)", exported)
    assert links
    assert all((folder / link).exists() for link in links)
    assert not (tmp_path / ".local/state/lilfox/incidents").exists(), "the demo's incidents are not among the user's"
    wait_for(lambda: not demo.exists() and not processes_of(demo), what="nothing is left")
