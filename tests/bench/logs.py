"""A log of 1 GB: indexing, searching and counting it, and what of it crosses a wire; against those who can do the same.

Ours are the same calls that the pane and the command line make. lnav is given a format for these records; what it is
told to do, it does without a screen (``-n``).
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from lilfox_tui.config.model import HostConfig, SshConfig
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.hosts.ssh.host import SshHost
from lilfox_tui.logs.filter.model import EVERYTHING, AtLeast, Filter, TextMatch
from lilfox_tui.logs.record import Severity
from lilfox_tui.logs.source import AtBeginning, AtEnd, LogSource, SourceSettings, Start, zone_of
from lilfox_tui.logs.sources.file import Options, open_source
from tests.bench import logs_made, manual_scripts
from tests.bench.on_terminal import CannotMeasure, OnTerminal
from tests.bench.programs import LILFOX, Peers, environment
from tests.bench.table import Row, against
from tests.faults.relay import Relay
from tests.services.sshd import sshd_lab
from tests.waiting import until

TIMEOUT_S = 300.0
QUICK_RECORDS = 400_000
LESS = "less"
LNAV_FORMAT = {
    "$schema": "https://lnav.org/schemas/format-v1.schema.json",
    "lilfox_log": {
        "title": "JSON", "description": "the records of this measurement", "json": True, "file-pattern": ".*",
        "timestamp-field": "timestamp", "level-field": "level", "body-field": "message",
        "value": {
            "logger": {"kind": "string"}, "module": {"kind": "string"}, "function": {"kind": "string"},
            "line": {"kind": "integer"}, "response_time": {"kind": "float"}, "request_id": {"kind": "string"},
            "user_id": {"kind": "integer"}, "exception": {"kind": "json"},
        },
        "line-format": [{"field": "__timestamp__"}, " ", {"field": "__level__"}, " ", {"field": "message"}],
    },
}  # fmt: skip


def measure(_peers: Peers, home: Path, *, quick: bool) -> Iterator[Row]:
    """One file for all of it, read once before so that it is in memory."""
    log = made(home, quick=quick)
    size = f"{log.stat().st_size / 1e9:.2g} GB of JSON"
    lnav = lnav_runs(home)
    yield from _indexed(size, log, home, lnav)
    yield from _rare(size, log, home, lnav)
    yield _statistics(size, log, home)
    yield asyncio.run(_over_the_wire(size, log))


def made(home: Path, *, quick: bool, records: int | None = None) -> Path:
    """The log, in the page cache."""
    log = home / "app.log"
    logs_made.make(log, records or (QUICK_RECORDS if quick else logs_made.GIGABYTE_RECORDS))
    with log.open("rb") as file:
        while file.read(1 << 20):
            pass
    return log


def newest_time(log: Path) -> str:
    """The time of day of the last record, to a hundredth of a second, as both show it."""
    with log.open("rb") as file:
        file.seek(-4096, 2)
        stamp: str = json.loads(file.read().splitlines()[-1])["timestamp"]
    return stamp[11:22]


def lnav_runs(home: Path) -> bool:
    """Whether lnav is installed; its format for these records is then in ``home``."""
    if shutil.which("lnav") is None:
        return False
    folder = home / ".config/lnav/formats/lilfox"
    folder.mkdir(parents=True)
    (folder / "format.json").write_text(json.dumps(LNAV_FORMAT))
    return True


def _indexed(size: str, log: Path, home: Path, lnav: bool) -> Iterator[Row]:
    what = f"{size}: whole file indexed"
    ours_s = asyncio.run(_index_s(log))
    if lnav:
        with OnTerminal(("lnav", str(log)), home=home) as program:
            program.tell_kind()
            newest = newest_time(log)
            theirs_s = program.until(lambda text: newest in text, TIMEOUT_S)
        yield _seconds(what, ours_s, theirs_s, "lnav", 0.2)
    else:
        yield Row(what, f"{ours_s:.2f} s", "lnav: not installed", goal="≤ 0.2")


def _rare(size: str, log: Path, home: Path, lnav: bool) -> Iterator[Row]:
    what = f"{size}: rare text, all of {logs_made.RARE_TIMES} found"
    ours_s = asyncio.run(_found_s(log, TextMatch(logs_made.RARE), logs_made.RARE_TIMES))
    if lnav:
        loading_s = _wall_s(("lnav", "-n", "-q", "-c", ":goto 0", str(log)), home)
        both_s = _wall_s(("lnav", "-n", "-q", "-c", f":filter-in {logs_made.RARE}", str(log)), home)
        shown = f"{both_s:.2f} s  lnav, of which {loading_s:.2f} s reading"
        yield against(what, f"{ours_s:.2f} s", shown, ours_s / both_s, 0.05)
    else:
        yield Row(what, f"{ours_s:.2f} s", "lnav: not installed", goal="≤ 0.05")
    if shutil.which(LESS):
        yield _seconds(what, ours_s, _less_s(log, home), LESS, 0.02)
    else:
        yield Row(what, f"{ours_s:.2f} s", "less: not installed", goal="≤ 0.02")


def _statistics(size: str, log: Path, home: Path) -> Row:
    ours_s, ours = _answer((*LILFOX, "logs", "stats", str(log), "--json"), home)
    theirs_s, theirs = _answer((sys.executable, manual_scripts.__file__, str(log)), home)
    if (ours["errors"], ours["response_time"]) != (theirs["errors"], theirs["response_time"]):
        raise CannotMeasure(f"not the same statistics: {ours!r:.500} and {theirs!r:.500}")
    return _seconds(f"{size}: statistics, the same numbers", ours_s, theirs_s, "the manual's two scripts", 0.15)


def _seconds(what: str, ours_s: float, theirs_s: float, peer: str, goal: float) -> Row:
    return against(what, f"{ours_s:.2f} s", f"{theirs_s:.2f} s  {peer}", ours_s / theirs_s, goal)


def _answer(argv: Sequence[str], home: Path) -> tuple[float, dict[str, object]]:
    began = time.perf_counter()
    done = subprocess.run(argv, env=environment(home), cwd=home, capture_output=True, check=True, timeout=TIMEOUT_S)
    took_s = time.perf_counter() - began
    answer: dict[str, object] = json.loads(done.stdout)
    return took_s, answer


def _wall_s(argv: Sequence[str], home: Path) -> float:
    began = time.perf_counter()
    subprocess.run(
        argv,
        env=environment(home),
        cwd=home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
        timeout=TIMEOUT_S,
    )
    return time.perf_counter() - began


def _less_s(log: Path, home: Path) -> float:
    """From the key that ends ``&text`` to the last of the lines."""
    with OnTerminal((LESS, "-S", str(log)), home=home) as program:
        shown_s = program.until(lambda text: text.count('"timestamp"') > 5, 10.0)
        program.press(f"&{logs_made.RARE}\n")
        pressed_s = time.monotonic() - program.started
        found = program.until(lambda text: text.count(f'"{logs_made.RARE}') == logs_made.RARE_TIMES, TIMEOUT_S)
        return found - max(pressed_s, shown_s)


def _source(log: Path, host: Host) -> LogSource:
    return open_source("app", Options(path=str(log), rotated=False), SourceSettings(host=host, zone=zone_of("UTC")))


def _here() -> Host:
    return LocalHost("here", HostConfig(local=True))


async def _index_s(log: Path) -> float:
    source = _source(log, _here())
    began = time.perf_counter()
    await source.page(AtEnd(), older=True, limit=40, where=EVERYTHING)
    await until(lambda: _is_indexed(source), timeout_s=TIMEOUT_S, what="the index")
    took_s = time.perf_counter() - began
    await source.close()
    return took_s


def _is_indexed(source: LogSource) -> bool:
    status = source.status.value
    return status is not None and status.size_bytes is not None and status.indexed_bytes == status.size_bytes


async def _found_s(log: Path, where: Filter, count: int) -> float:
    source = _source(log, _here())
    began = time.perf_counter()
    raws = await _all(source, where)
    took_s = time.perf_counter() - began
    await source.close()
    if len(raws) != count:
        raise CannotMeasure(f"{len(raws)} of {count} found")
    return took_s


async def _all(source: LogSource, where: Filter) -> list[int]:
    """The sizes of all records that match, newlines included."""
    sizes: list[int] = []
    more: Start | None = AtBeginning()
    while more is not None:
        page = await source.page(more, older=False, limit=5000, where=where)
        sizes += [record.size_bytes + 1 for record in page.records]
        more = page.more
    return sizes


async def _over_the_wire(size: str, log: Path) -> Row:
    with sshd_lab() as lab:
        server = lab.sshd()
        async with Relay(server) as relay:
            known = lab.known_hosts.parent / "known_by_relay"
            known.write_text(relay.known_line())
            config = HostConfig(
                address=relay.address, port=relay.port, user=lab.host(server).user, identity=str(lab.client_key)
            )
            host = SshHost("far", config, SshConfig(config_files=(), known_hosts=(str(known),)))
            await host.connect()
            source = _source(log, host)
            await source.page(AtEnd(), older=True, limit=1, where=EVERYTHING)
            before = relay.carried_bytes
            sizes = await _all(source, AtLeast(Severity.ERROR))
            carried = relay.carried_bytes - before
            await source.close()
            await host.close()
    if len(sizes) < 1000:
        raise CannotMeasure(f"only {len(sizes)} errors found over SSH")
    what, ratio = f"{size} on an SSH host: bytes both ways for the ERROR records", carried / sum(sizes)
    return against(what, f"{carried / 1e6:.1f} MB", f"{sum(sizes) / 1e6:.1f} MB  the records", ratio, 1.1)
