"""What every test may rely on: English, no configuration and no state of the person who runs it."""

from __future__ import annotations

import asyncio
import gc
import io
import itertools
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import HealthCheck, settings

from lilfox_tui.core import i18n

settings.register_profile("busy", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")  # an example that comes late says that the machine has other things to do

IN_MEMORY = Path("/dev/shm")
ROOM_BYTES = 4 << 30
"""Far more than all that exists at one time."""
_NUMBERS = itertools.count()
_TESTS = itertools.count(1)
WALKED_EVERY = 50
"""Tests, after which all that there is in memory is looked at, and not only what is new."""

LONGEST_S = 600
"""Many times what the slowest test takes on a machine with other work: who is longer at it waits for ever."""
MOST_TASKS = 20
"""So many are told of one that hangs."""


def pytest_configure() -> None:
    """Temporary files of tests are in memory where there is room: databases that are made for one test, and all that
    is synced to the disk, are several times as fast. In the background of a shell SIGINT and SIGQUIT are ignored, under
    nohup SIGHUP, and so it would be by all that the tests start and interrupt. What is compiled is kept, also where the
    environment says otherwise: each worker and each program that the tests start would compile it again."""
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    if "TMPDIR" not in os.environ and IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free > ROOM_BYTES:
        os.environ["TMPDIR"] = str(IN_MEMORY)
        tempfile.tempdir = None  # it was looked up before, for what pytest captures


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share what a fixture makes once for their module run in one worker: each worker that ran one of them
    would make it, a database or a host, anew."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None and _shares(item):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


def _shares(item: pytest.Item) -> bool:
    info = getattr(item, "_fixtureinfo", None)
    made = () if info is None else info.name2fixturedefs.values()
    return any(definition.scope == "module" for definitions in made for definition in definitions)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Modules and tests stay: no look for garbage walks them again. It was a tenth of all that the tests work."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> Iterator[None]:
    """A failure's source is parsed for its report. Python 3.11 fails at that, and the whole run with it, where another
    source is parsed meanwhile: garbage that is collected just then may report an error of its own."""
    if call.excinfo is None:
        return (yield)
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Iterator[None]:
    """A test that hangs fails, says where, and lets the others go on."""
    before = signal.signal(signal.SIGALRM, _hangs)
    signal.setitimer(signal.ITIMER_REAL, LONGEST_S)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _hangs(_signal: int, _frame: FrameType | None) -> None:
    waiting = io.StringIO()
    try:
        tasks = asyncio.all_tasks()
    except RuntimeError:  # no loop runs: pytest shows where it was
        tasks = set()
    for task in [*tasks][:MOST_TASKS]:
        task.print_stack(file=waiting)
    pytest.fail(f"it hangs, for {LONGEST_S} s. Its tasks:\n{waiting.getvalue()}")


@pytest.fixture(autouse=True)
def all_closed() -> Iterator[None]:
    """What a test has left open is told of that test, and not of the one in whose time it would be found. By its name
    it comes first of the fixtures of a test, and ends last. What stays, as what pytest, caches and the imports of tests
    hold, is kept out of the next looks, and looked at again now and then: walked after each test, it took a fifth of
    all that the tests work. The app, too, keeps out what there is when it starts, and with it all of its own."""
    yield
    gc.collect()
    if next(_TESTS) % WALKED_EVERY == 0:
        gc.unfreeze()
        gc.collect()
        gc.freeze()


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Apart from the folders of the tests: pytest reads the names of all of these for each that it makes."""
    return tmp_path_factory.mktemp("home", numbered=False)


@pytest.fixture(autouse=True)
def own_folders(homes: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """XDG folders of the test's own (the folder is returned), and a locale that is the same everywhere."""
    home = homes / str(next(_NUMBERS))
    home.mkdir(mode=0o700)
    for name in ("CONFIG", "STATE", "DATA", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / name.lower()))
    for name in ("LC_ALL", "LC_MESSAGES", "NO_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    return home


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """Each test starts in English and leaves English behind."""
    i18n.set_language("en")
    yield
    i18n.set_language("en")
