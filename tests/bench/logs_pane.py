"""The Logs pane on 1 GB: first screen, keys while it indexes, memory, bytes for page keys; against those who can."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import psutil

from tests.bench import bare_log
from tests.bench.bare import TEXT
from tests.bench.logs import lnav_runs, made, newest_time
from tests.bench.on_terminal import CannotMeasure, OnTerminal
from tests.bench.programs import BARE, LILFOX, Peers, median_ratio
from tests.bench.table import Row, against, within

WITHIN_S = 60.0
TEN_RECORDS = 41_000_000
PAGES = 100
PAGE_UP = "\x1b[5~"
UP = "\x1b[A"
_PAGE_S = 0.15
_KEYS = 40
_LOOKS = 100
"""Ten a second: a process that counts lives for one."""
_TOOLONG = "toolong: not installed"


def measure(peers: Peers, home: Path, *, quick: bool) -> Iterator[Row]:
    """Ours, a bare Textual app and toolong open the same file, in turn; then the rest, each alone."""
    log = made(home, quick=quick)
    size = f"{log.stat().st_size / 1e9:.2g} GB of JSON"
    yield from _first_screen(size, log, home, peers, rounds=3 if quick else 7)
    yield from _keys(size, log, home, peers)
    yield from _memory(size, log, home)
    yield _page_bytes(log, home)


def measure_ten(_peers: Peers, home: Path, *, quick: bool) -> Iterator[Row]:
    """The memory again, with ten times as much (a tenth of that when ``quick``)."""
    log = made(home, quick=False, records=TEN_RECORDS // 10 if quick else TEN_RECORDS)
    yield from _memory(f"{log.stat().st_size / 1e9:.2g} GB of JSON", log, home)


def _first_screen(size: str, log: Path, home: Path, peers: Peers, *, rounds: int) -> Iterator[Row]:
    newest = newest_time(log)
    runs: dict[str, tuple[Sequence[str], str]] = {"lilfox": ((*LILFOX, str(log)), newest), "bare": (BARE, TEXT)}
    if peers.toolong is not None:
        runs["toolong"] = ((*peers.toolong, str(log)), newest)
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(1 + rounds):
        for name, (argv, wanted) in runs.items():
            with OnTerminal(argv, home=home) as program:
                seconds = program.until(partial(_shows, wanted), WITHIN_S, step_s=1.0)
            if number:
                taken[name].append(seconds)
    what, ours = f"{size}: first screen, with the newest record", taken["lilfox"]
    for name, shown, goal in (("bare", "bare Textual app", 1.5), ("toolong", "toolong", 0.4)):
        if name not in taken:
            yield Row(what, f"{median(ours) * 1000:.0f} ms", _TOOLONG, goal=f"≤ {goal:g}")
            continue
        peer = f"{median(taken[name]) * 1000:.0f} ms  {shown}"
        yield against(what, f"{median(ours) * 1000:.0f} ms", peer, median_ratio(ours, taken[name]), goal)


def _shows(wanted: str, text: str) -> bool:
    return wanted in text


def _keys(size: str, log: Path, home: Path, peers: Peers) -> Iterator[Row]:
    """From an arrow key to the first bytes it brings, from the first screen on."""
    what = f"{size}: key to screen while it is indexed, 95 of 100 within"
    ours_s = _key_s((*LILFOX, str(log)), log, home)
    yield within(what, ours_s * 1000, 20, "ms")
    if peers.toolong is None:
        yield Row(what, f"{ours_s * 1000:.1f} ms", _TOOLONG, goal="≤ 0.3")
        return
    theirs_s = _key_s((*peers.toolong, str(log)), log, home)
    yield against(what, f"{ours_s * 1000:.1f} ms", f"{theirs_s * 1000:.1f} ms  toolong", ours_s / theirs_s, 0.3)


def _key_s(argv: Sequence[str], log: Path, home: Path) -> float:
    newest = newest_time(log)
    with OnTerminal(argv, home=home) as program:
        program.until(partial(_shows, newest), WITHIN_S)
        taken = sorted(filter(None, (program.answer_s(UP, 1.0) for _ in range(_KEYS))))
    if len(taken) < _KEYS // 2:
        raise CannotMeasure(f"{argv!r}: only {len(taken)} of {_KEYS} keys brought anything to the screen")
    return taken[-(-95 * len(taken) // 100) - 1]


def _memory(size: str, log: Path, home: Path) -> Iterator[Row]:
    newest = newest_time(log)
    ours = _most_anonymous_bytes((*LILFOX, str(log)), newest, home)
    what = f"{size}: most anonymous memory, indexed"
    if not lnav_runs(home):
        yield Row(what, f"{ours / 1e6:.0f} MB", "lnav: not installed", goal="≤ 0.35")
        return
    theirs = _most_anonymous_bytes(("lnav", str(log)), newest, home)
    yield against(what, f"{ours / 1e6:.0f} MB", f"{theirs / 1e6:.0f} MB  lnav", ours / theirs, 0.35)


def _most_anonymous_bytes(argv: Sequence[str], newest: str, home: Path) -> int:
    """Until the newest record has been on the screen for a while."""
    with OnTerminal(argv, home=home) as program:
        if argv[0] == "lnav":
            program.tell_kind()
        program.until(partial(_shows, newest), WITHIN_S)
        most = 0
        for _ in range(_LOOKS):
            program.collect(0.1)
            most = max(most, _anonymous_bytes(program.pid))
        return most


def _anonymous_bytes(pid: int) -> int:
    """Of a process and those it has started."""
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess, OSError):
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            for line in Path(f"/proc/{each.pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Anonymous:"):
                    total += int(line.split()[1]) * 1024
    return total


def _page_bytes(log: Path, home: Path) -> Row:
    ours = _bytes_for_pages((*LILFOX, str(log)), log, home)
    theirs = _bytes_for_pages((sys.executable, bare_log.__file__, str(log)), log, home)
    shown = f"{theirs / 1000:.0f} kB  Textual's Log"
    return against(f"bytes to the terminal for {PAGES} page keys", f"{ours / 1000:.0f} kB", shown, ours / theirs, 0.15)


def _bytes_for_pages(argv: Sequence[str], log: Path, home: Path) -> int:
    newest = newest_time(log)
    with OnTerminal(argv, home=home) as program:
        program.until(partial(_shows, newest), WITHIN_S)
        program.collect(5.0)
        sent = 0
        for _ in range(PAGES):
            program.press(PAGE_UP)
            sent += program.collect(_PAGE_S)
        return sent + program.collect(2.0)
