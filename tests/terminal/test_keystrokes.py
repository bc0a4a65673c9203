"""What is done most at night takes few keys: counted on a real terminal.

One table of a backup is counted in ``tests/app/test_restore_wizard.py``, over a set that stays the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from tests.terminal.console import Console

HOSTS = ("ash", "birch", "cedar", "elm", "fir")


class Keys:
    """Presses keys, each once what the one before it leads to is seen, and counts them."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.count = 0

    def press(self, key: str, until: str | Callable[[str], bool]) -> str:
        self.count += 1
        self._console.press(key)
        return self._console.until(until)


def at_home(console: Console) -> None:
    """From wherever it is to the first screen."""
    console.press("1")
    console.until(" Hosts ")


def test_what_is_done_in_an_incident(tmp_path: Path) -> None:
    with Console(["demo"], home=tmp_path, columns=120, rows=40) as console:
        console.until(lambda text: re.search(r"● +backend", text) is not None)
        console.until(r"Processes of vm")  # the busiest processes, with their command lines: no key
        console.until(lambda text: "uvicorn" in text or "python" in text)
        console.press("F")
        console.until("Inject a fault")
        console.press("backend 5xx")
        console.until("every response is 500")
        console.press("\r")
        console.until(lambda text: re.search(r"backend.*firing.*HighErrorRate", text) is not None)

        keys = Keys(console)
        keys.press("E", lambda text: re.search(r"level ≥ ERROR +10m", text) is not None)
        assert keys.count <= 3, "errors of the last ten minutes of all logs"
        console.until(lambda text: re.search(r"✖ ERROR +backend", text) is not None)

        keys = Keys(console)  # one request across the services, from a record of it
        keys.press("=", lambda text: "request_id=" in text and "level ≥" not in text)
        assert keys.count <= 1

        at_home(console)
        console.press("/vm\r")
        keys = Keys(console)
        keys.press("l", "2 Logs")
        assert keys.count <= 1, "the log of a host"

        at_home(console)
        console.press("\x1b")
        console.until(lambda text: "/vm/" not in text)
        keys = Keys(console)
        keys.press("!", "r runbook")
        keys.press("A", "acknowledged; A adds a note")
        assert keys.count <= 2, "acknowledge"

        keys = Keys(console)
        keys.press("r", "A demo service fails")
        keys.press("\r", "open an incident")
        keys.press("\r", "step 2 on")
        assert keys.count <= 3, "the first step of a runbook, which only reads, has run"

        console.press("X")
        console.until("end the run")
        console.press("\r")
        console.until("last run, by")
        console.press(":close\r")
        console.until("Close INC-1")
        console.press("\r")
        console.until("is closed")
        at_home(console)
        keys = Keys(console)
        keys.press("I", "Open an incident")
        console.press("the shop is down")
        keys.press("\r", "INC-2")
        assert keys.count <= 2, "an incident, besides its title"
        console.press("q")
        console.until("INC-2 stays open")
        console.press("q")
        assert console.ended_within() == 0


def test_five_hosts_over_each_other_and_the_restart_of_a_unit(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    hosts = "\n".join(f"  {name}: {{local: true}}" for name in HOSTS)
    unit = "recovery:\n  shop:\n    host: ash\n    unit: lilfox-no-such.service\n"
    config.write_text(f"hosts:\n{hosts}\n{unit}", "utf-8")
    with Console(["--config", str(config)], home=tmp_path, columns=160, rows=48) as console:
        console.until(lambda text: all(re.search(rf"━ {name}", text) for name in HOSTS[:3]))  # no key at all
        console.press("/ash\r")
        console.until("/ash/")
        keys = Keys(console)
        keys.press("a", "restart lilfox-no-such.service")
        text = keys.press("\r", "enter restart")
        assert "systemctl restart -- lilfox-no-such.service" in text
        assert keys.count + 1 <= 4, "with the enter that would do it"
        console.press("\x1b")
        console.until(lambda text: "enter restart" not in text)
        console.press("q")
        assert console.ended_within() == 0
