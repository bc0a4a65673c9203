"""The app at pane 4 over a runbook of five steps and real jobs on this machine."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import pytest
from textual.pilot import Pilot

from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.panes.runbook.pane import RunbookPane
from lilfox_tui.app.panes.runbook.state import RunbookState
from lilfox_tui.app.rendering.draw import UNICODE
from lilfox_tui.app.run_log import RunLog
from lilfox_tui.config.loader import load
from lilfox_tui.config.themes import load_theme
from lilfox_tui.incident.incidents import entries, list_incidents
from lilfox_tui.monitor.monitor import Monitor
from lilfox_tui.monitor.watchers import scrape
from tests.app.overviews import mixed
from tests.app.still import screen_text
from tests.waiting import until

RUNBOOK = """---
lilfox: {version: 1, id: made, title: Made, severity: SEV-2, on_alert: [HighErrorRate]}
vars:
  word: {type: enum, choices: [one, two]}
  token: secret
---
# Made

1. **Look at it**

   ```bash
   echo "looked at $((6 * 7))"
   ```

2. **Change it**

   ```bash {"name": "change"}
   touch @FOLDER@/changed-<word>
   ```

   ```bash {"rollback-of": "change"}
   rm @FOLDER@/changed-<word>
   ```

3. **Tell the others**

   - call the owner

4. **Fail**

   ```bash {"risk": "read"}
   test -e @FOLDER@/mended
   ```

5. **Destroy**

   ```bash {"risk": "destroy", "confirm": "typed"}
   rm -r @FOLDER@/precious
   ```
"""


class RunbookMonitor(Monitor):
    """Watches runbooks, jobs and the incident of this machine, and nothing else."""

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.runbooks.run())
            group.create_task(self.incidents.run())
            group.create_task(self.backups.run())


class Console:
    """The app over a configuration, at pane 4."""

    def __init__(self, app: LilFoxApp, pilot: Pilot[None]) -> None:
        self.app, self.pilot = app, pilot

    @property
    def pane(self) -> RunbookPane:
        assert isinstance(self.app.pane, RunbookPane)
        return self.app.pane

    @property
    def state(self) -> RunbookState:
        """What is chosen in it, and the run of that."""
        return self.pane.state

    @property
    def text(self) -> str:
        return screen_text(self.pilot)

    async def keys(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def until(self, what: str | Callable[[str], bool]) -> str:
        """Waits until the screen holds it."""
        test = (lambda text: what in text) if isinstance(what, str) else what
        try:
            await until(lambda: test(self.text), what=f"{what!r} on the screen")
        except AssertionError:
            raise AssertionError(f"not on the screen: {what!r}\n{self.text}") from None
        return self.text

    async def until_waits(self, what: str, step: int) -> RunLog:
        """The run, once it waits so at a step (counted from 1)."""

        def waits() -> bool:
            run = self.state.run
            if run is None or run.state is None:
                return False
            waiting = run.state.waiting
            return waiting.what == what and (waiting.turn is None or waiting.turn.step == step - 1)

        await until(waits, what=f"step {step} waits: {what}", timeout_s=60)
        await self.pilot.pause()
        run = self.state.run
        assert run is not None
        return run


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state folder of its own with a configuration and a runbook; runs that are left are ended. Its path is short, so
    that a command that names it stands in one line of the pane."""
    with TemporaryDirectory(prefix="run-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
        monkeypatch.setattr(scrape, "AFTER_FIRST_FRAME_S", 0.0)
        monkeypatch.chdir(home)
        (home / "runbooks").mkdir()
        (home / "runbooks/made.md").write_text(RUNBOOK.replace("@FOLDER@", folder))
        config = home / "config.yaml"
        config.write_text(
            f"hosts: {{here: {{local: true}}}}\nrunbooks: {{folders: [{folder}/runbooks], bundled: false}}\n"
        )
        config.chmod(0o600)
        yield home
        end_runs(home)


def end_runs(home: Path) -> None:
    """Ends all that was started with the state folder in ``home``: jobs, and their commands, which live in sessions of
    their own and go on without their job."""
    while left := still_running(home):
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def still_running(home: Path) -> list[int]:
    """The processes whose state folder is in ``home``, but for this one."""
    wanted, found = f"XDG_STATE_HOME={home}/state".encode(), []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if wanted in (folder / "environ").read_bytes().split(b"\0") and int(folder.name) != os.getpid():
                found.append(int(folder.name))
    return found


@asynccontextmanager
async def console(home: Path, *, size: tuple[int, int] = (120, 40), read_only: bool = False) -> AsyncIterator[Console]:
    """Pane 4 over the configuration in ``home``."""
    from msgspec.structs import replace

    config = replace(load(home / "config.yaml").config, read_only=read_only)
    monitor = RunbookMonitor(config, config_file=home / "config.yaml")
    monitor.overview.publish(mixed())
    app = LilFoxApp(monitor, config, theme=load_theme("fox-dark"), glyphs=UNICODE)
    async with app.run_test(size=size) as pilot:
        made = Console(app, pilot)
        await made.keys("4")
        await made.until("Made")
        yield made


Told = TypeVar("Told")


def told(kind: type[Told]) -> list[Told]:
    incident = list_incidents()[0]
    return [each.what for each in entries(incident.id) if isinstance(each.what, kind)]
