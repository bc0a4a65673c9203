"""Engines as processes of their own, which can be killed, and a folder with what they read."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from lilfox_tui.alerts.state_folder import state_folder
from lilfox_tui.alerts.storage import DATABASE, AlertDatabase, AlertStorage
from tests.lifetime import ending_with_us

RULES = """
groups:
  - name: g
    interval: 100ms
    rules:
      - {{alert: Down, expr: up == 0, for: {wait}}}
"""


class Shown:
    """An engine in a process of its own, and what it shows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        argv = ending_with_us(sys.executable, "-m", "tests.services.alert_process", str(folder))
        self.errors = (folder / "errors").open("ab")
        self.process = subprocess.Popen(argv, cwd=Path(__file__).parents[2], stderr=self.errors)

    def now(self) -> dict[str, Any]:
        """The newest state; {} before the first."""
        path = self.folder / f"shown-{self.process.pid}"
        if self.process.poll() is not None:
            raise AssertionError(f"it ended: {(self.folder / 'errors').read_text()}")
        return dict(json.loads(path.read_text())) if path.exists() else {}

    def alerts(self) -> dict[str, str]:
        """Instance to state."""
        return dict(self.now().get("alerts", {}))

    def kill(self) -> None:
        """kill -9."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(60)
        self.errors.close()


class Lab:
    """A folder with a configuration, and engines in it that all end with the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._all: list[Shown] = []
        self._opened: list[AlertDatabase] = []

    def configure(self, notifiers: str, *, wait: str = "0s", resend: str = "500ms", alerts: str = "") -> None:
        """Writes the files. What an Alertmanager was told of holds four times ``resend`` there."""
        (self.folder / "rules.yml").write_text(RULES.format(wait=wait))
        config = self.folder / "config.yaml"
        given = f"{{group_wait: 100ms, group_interval: 200ms, resend: {resend}{alerts}}}"
        config.write_text(f"rules: [rules.yml]\nalerts: {given}\nnotifiers: {notifiers}\n")
        config.chmod(0o600)

    def values(self, **values: float) -> None:
        """What is scraped from now on."""
        new = self.folder / "values.new"
        new.write_text(json.dumps(values))
        new.replace(self.folder / "values")

    def start(self) -> Shown:
        """One more engine."""
        shown = Shown(self.folder)
        self._all.append(shown)
        return shown

    def end(self) -> None:
        """Kills those that still run."""
        for each in self._all:
            if each.process.poll() is None:
                each.kill()
            each.errors.close()
        for database in self._opened:
            database.close()

    def saved(self) -> AlertStorage:
        """What is on the disk."""
        folder = state_folder(self.folder / "config.yaml")
        assert folder is not None
        self._opened.append(AlertDatabase(folder / DATABASE))
        return AlertStorage(self._opened[-1])
