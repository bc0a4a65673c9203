"""What a console holds does not grow with the keys that are pressed in it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import pkgutil
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from textual import events
from textual._styles_cache import StylesCache
from textual.binding import Binding
from textual.dom import DOMNode
from textual.keys import _character_to_key
from textual.pilot import Pilot
from textual.screen import Screen
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget
from textual.worker import Worker

import lilfox_tui
from lilfox_tui.app.actions import actions_of
from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.navigation import TABS
from lilfox_tui.monitor.model import Backups
from tests.app.backups_made import broken
from tests.app.log_files import write_logs
from tests.app.overviews import mixed
from tests.app.runs_made import view
from tests.app.still import still_app
from tests.waiting import until

KEYS, WARM, BURST = 20_000, 4_000, 25
"""Typed ahead, so many at a time: the screen is laid out after each burst, as on a slow link."""
NOT_PRESSED = {"q", "x", "ctrl+c", "ctrl+z"}
"""They leave the console, or step aside."""
SIZES = ((120, 40), (80, 24), (40, 10), (160, 50))
HELD = (Widget, Screen, StylesCache, Strip, Binding, Worker, Timer, asyncio.Task)
COUNTED = ("Widget", "Screen", "Binding", "Worker", "Timer", "Task")
MORE_MIB = 16.0
"""Caches that have a size fill; what closed dialogs had painted was 39 MiB in as many keys."""


def _rss_mib() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS"))) / 1024


def _held() -> Counter[str]:
    """Objects by kind. Bindings that are a class's own are not counted: there are more once a dialog was first opened,
    which can be late, and no more after it."""
    gc.unfreeze()
    gc.collect()
    owned = {id(one) for each in _classes(DOMNode) if each._merged_bindings for _key, one in each._merged_bindings}
    owned |= {id(one) for each in _classes(DOMNode) for one in each.__dict__.get("BINDINGS", ())}
    return Counter(
        kind.__name__ for one in gc.get_objects() for kind in HELD if isinstance(one, kind) and id(one) not in owned
    )


def _classes(base: type[DOMNode]) -> Iterator[type[DOMNode]]:
    yield base
    for each in base.__subclasses__():
        yield from _classes(each)


def _grown(before: Counter[str]) -> list[str]:
    """What there is more of than before, and than belongs to the widgets there are."""
    after = _held()
    more = [f"{kind}: {before[kind]}, {after[kind]}" for kind in COUNTED if after[kind] > before[kind] + 5]
    if after["StylesCache"] != after["Widget"]:
        more.append("what a widget that has gone had painted")
    if after["Strip"] > 60 * after["Widget"]:
        more.append(f"Strip: {after['Strip']}")
    return more


def _keys(app: LilFoxApp) -> list[str]:
    """Every key of every pane, what moves and edits, and text."""
    owners = (type(app), *(tab.load() for tab in TABS))
    ours = {key for owner in owners for each in actions_of(owner) for key in each.keys}
    moves = {"up", "down", "left", "right", "pageup", "pagedown", "home", "end", "enter", "tab", "space", "backspace"}
    return sorted((ours | moves | set("abcdefghiklmnoprstuvwyz0123456789")) - NOT_PRESSED) + ["escape"] * 6


async def _press(app: LilFoxApp, pilot: Pilot[None], chosen: random.Random, count: int) -> None:
    keys = _keys(app)
    for number in range(0, count, BURST):
        if chosen.random() < 0.1:
            await pilot.resize_terminal(*chosen.choice(SIZES))
        for _ in range(BURST):
            key = chosen.choice(keys)
            event = events.Key(_character_to_key(key) if len(key) == 1 else key, key if len(key) == 1 else None)
            event.set_sender(app)
            app.post_message(event)
        assert await pilot._wait_for_screen(), number


async def _at_rest(app: LilFoxApp, pilot: Pilot[None]) -> None:
    """Every dialog closed, on the first pane of the first size."""
    while len(app.screen_stack) > 1:
        await app.pop_screen()
    await pilot.resize_terminal(*SIZES[0])
    app.navigation.open(0)
    await pilot.pause()


@pytest.mark.fault("4.92")
@pytest.mark.xdist_group("memory")
async def test_twenty_thousand_keys_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in pkgutil.walk_packages(lilfox_tui.__path__, "lilfox_tui."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)  # what is imported when it is first needed stays, and is no leak
    monkeypatch.setattr(LilFoxApp, "exit", lambda app, *words: None)  # the palette can leave, too
    plans = {
        key: replace(view, config=None if view.config is None else replace(view.config, sources={}))
        for key, view in broken().plans.items()
    }
    backups = Backups(plans, jobs=())
    app = still_app(replace(mixed(), backups=backups), files=write_logs(tmp_path), read_only=True)
    app.monitor.backups.feed.publish(backups)
    app.monitor.runbooks.feed.publish(view())
    chosen = random.Random(13)
    async with app.run_test(size=SIZES[0]) as pilot:
        await _press(app, pilot, chosen, WARM)
        await _at_rest(app, pilot)
        before, rss_mib = _held(), _rss_mib()
        assert set(app.panes) == {0, 1, 2, 3}, "every pane was opened"
        await _press(app, pilot, chosen, KEYS - WARM)
        await _at_rest(app, pilot)
        with contextlib.suppress(AssertionError):  # what is under way comes to an end, what leaks does not
            await until(lambda: not _grown(before), timeout_s=30)
        assert not _grown(before)
        assert app.is_running
        more_mib = _rss_mib() - rss_mib
    assert more_mib < MORE_MIB
