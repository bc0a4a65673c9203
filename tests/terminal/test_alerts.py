"""Alerts on a real terminal: the demo's rules fire and resolve by its faults, and nothing is forgotten by kill -9."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lilfox_tui.alerts.lifecycle import LiveAlert
from lilfox_tui.alerts.state_folder import state_folder
from lilfox_tui.alerts.storage import DATABASE, AlertDatabase, AlertStorage
from tests.terminal.console import Console

pytestmark = pytest.mark.xdist_group("demo")  # one worker: two demos that start at once want the same ports

FOR_S = 20
KEPT_EACH_S = 12
"""A little more than between two writes of timers that go on: what a kill may cost of the time that had passed."""
RULES = f"""
groups:
  - name: g
    interval: 200ms
    rules:
      - alert: Busy
        expr: cpu_usage_percent >= 0
        for: {FOR_S}s
        annotations: {{summary: "{{{{ $labels.host }}}} is busy"}}
"""


def row_with(*words: str) -> Callable[[str], bool]:
    """Whether a row of the screen holds all words."""
    return lambda text: any(all(word in line for word in words) for line in text.splitlines())


def rung(console: Console) -> bool:
    """Whether the bell rang; the same byte ends some sequences."""
    return b"\x07" in re.sub(rb"\x1b\][^\x07\x1b]*\x07", b"", console.raw)


def choose_fault(console: Console, *words: str) -> None:
    """Presses F, and picks what the words narrow the list to."""
    console.press("F")
    console.until("Inject a fault")
    console.press(" ".join(words))
    console.until(lambda text: text.count("gateway") >= 1 and " ".join(words) in text)
    console.press("\r")
    console.until(lambda text: "Inject a fault" not in text)


def test_a_fault_of_the_demo_is_pending_fires_and_resolves(tmp_path: Path) -> None:
    with Console(["demo"], home=tmp_path, columns=120, rows=40) as console:
        console.until(" Problems ")
        choose_fault(console, "gateway", "5xx")
        console.until(row_with("HighErrorRate", "gateway", "pending"))
        console.until(row_with("HighErrorRate", "gateway", "firing"))
        assert row_with("LilFox", "▲", "firing")(console.text)
        assert rung(console)
        console.press("/gateway\r")  # the machine's own CPU may be busy too
        console.until("/gateway/")
        console.press("!\r")
        console.until(row_with("above", "gateway", "▆"))
        console.until(row_with("above 5%", "fired at"))
        console.press("\x1b")
        console.until(" Hosts ")
        choose_fault(console, "gateway", "none")
        console.until(row_with("HighErrorRate", "gateway", "resolved"))
        console.press("q")
        assert console.ended_within() == 0


def saved_alert(folder: Path) -> LiveAlert:
    """The alert as it is on the disk."""
    database = AlertDatabase(folder / DATABASE)
    try:
        saved = AlertStorage(database)
        ((alert,),) = (found for name in saved.groups() for found in saved.alerts(name).values())
        return alert
    finally:
        database.close()


def test_kill_9_in_the_middle_of_for_and_the_timer_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    config = tmp_path / "config.yaml"
    (tmp_path / "rules.yml").write_text(RULES)
    config.write_text("refresh: 500ms\nhosts: {here: {local: true}}\nrules: [rules.yml]\n")
    config.chmod(0o600)
    folder = state_folder(config)
    assert folder is not None
    with Console(["--config", str(config)], home=tmp_path, columns=120, rows=30) as console:
        console.until(row_with("Busy", "here", "pending"))
        console.press("!A")
        console.until("A adds a note")
        console.press("A")
        console.until("note by ")
        console.press("it is me\r")
        console.until(row_with("Busy", "acknowledged by"))
        before = saved_alert(folder)
        console.until(lambda _text: before.active_at_ms / 1000 + KEPT_EACH_S < time.time())
        console.process.kill()
        console.process.wait(60)
    began_again_ms = time.time() * 1000
    with Console(["--config", str(config)], home=tmp_path, columns=120, rows=30) as console:
        console.until(row_with("Busy", "acknowledged by"))
        console.until(row_with("Busy", "firing"))
        after = saved_alert(folder)
        assert before.active_at_ms <= after.active_at_ms < began_again_ms, "the time before the kill counts"
        assert after.fired_at_ms is not None
        assert FOR_S * 1000 <= after.fired_at_ms - after.active_at_ms < FOR_S * 1000 + 15_000
        assert after.fired_at_ms - began_again_ms < FOR_S * 1000, "sooner than a timer that began anew"
        assert not rung(console), "nobody is rung for what is acknowledged"
        console.press("!\r")
        console.until("it is me")
        console.press("q")
        assert console.ended_within() == 0
