"""``python -m tests.services.alert_process FOLDER``: an engine as a process of its own, so that it can be killed.

FOLDER holds ``config.yaml`` and ``values`` (JSON: instance to value of ``up``), which is scraped each 100 ms. What it
shows is written to ``shown-PID`` after each change.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from contextlib import aclosing, suppress
from pathlib import Path

import numpy as np

from lilfox_tui.alerts.engine import AlertEngine
from lilfox_tui.alerts.state_folder import state_folder
from lilfox_tui.config.loader import load
from lilfox_tui.core.aio import Ready
from lilfox_tui.core.files import replace_file
from lilfox_tui.scrape.labels import LabelList, LabelSet
from lilfox_tui.scrape.store import SeriesStore

PERIOD_S = 0.1


async def run(folder: Path) -> None:
    """Until it is killed."""
    store = SeriesStore(keep_s=600, limit_bytes=10_000_000)
    config = folder / "config.yaml"
    engine = AlertEngine(load(config).config, store, folder=state_folder(config), base=folder)
    async with asyncio.TaskGroup() as group:
        group.create_task(_scrape(store, folder / "values"))
        group.create_task(engine.run())
        group.create_task(_show(engine, folder / f"shown-{os.getpid()}"))


async def _scrape(store: SeriesStore, path: Path) -> None:
    while True:
        values: dict[str, float] = json.loads(await asyncio.to_thread(path.read_text))
        labels = LabelList([LabelSet.of({"__name__": "up", "instance": one}) for one in values])
        store.target("up").append(time.time_ns() // 1_000_000, labels, np.array([*values.values()], np.float64))
        with suppress(TimeoutError):
            async with asyncio.timeout(PERIOD_S):
                await asyncio.Event().wait()


async def _show(engine: AlertEngine, path: Path) -> None:
    async with aclosing(engine.feed.watch()) as states:
        async for state in states:
            if isinstance(state, Ready):
                value = state.value
                document = {
                    "evaluates": value.evaluated_here,
                    "alerts": {one.label("instance"): one.state.name.lower() for one in value.alerts},
                    "acknowledged": [one.label("instance") for one in value.alerts if one.acknowledged],
                    "silenced": [one.label("instance") for one in value.alerts if one.silenced_by],
                    "active_at": {one.label("instance"): one.active_at.timestamp() for one in value.alerts},
                    "troubles": [str(one) for one in value.troubles],
                }
                replace_file(path, json.dumps(document).encode())


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1])))
