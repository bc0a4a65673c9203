"""Backup and restore, against the manual's ``pg_dump | gzip``, ``gunzip | psql`` and ``tar -czf``, and restic.

Ours are whole commands: preflight, dump, digests and counts of the snapshot, fsync, all of it read back and decoded; a
restore is staged, compared and swapped. The manual's lines are as they stand there, but for paths and the server's
address. The server is set up as Debian does it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import psycopg

from tests.bench.backup_made import (
    DATABASE,
    MB,
    OWNER,
    drop_databases,
    empty_database,
    make_database,
    make_sets,
    make_uploads,
)
from tests.bench.job_memory import Peaks, peaks_of
from tests.bench.on_terminal import CannotMeasure
from tests.bench.programs import LILFOX, Peers, environment, median_ratio
from tests.bench.table import Row, against, within
from tests.services.postgres import Postgres

TIMEOUT_S = 600.0
ROUNDS, QUICK_ROUNDS = 3, 1
DATABASE_BYTES, FILES_BYTES, QUICK_BYTES = 400 * MB, 500 * MB, 60 * MB
SETS, LISTS = 10_000, 5
_SETTLES_S = 2.0
_WRITE_EVERY_S = 0.01
_MANUAL_DUMP = 'pg_dump -U lilfox -h 127.0.0.1 -d lilfox | gzip > "$BACKUP_DIR/lilfox.sql.gz"'
_MANUAL_RESTORE = 'gunzip -c "$BACKUP_DIR/lilfox.sql.gz" | psql -U lilfox -d lilfox -h 127.0.0.1'
_MANUAL_FILES = 'tar -czf "$BACKUP_DIR/uploads.tar.gz" public/uploads/'


class Lab:
    """Where it is measured: a folder with stores, peers' backups and what jobs leave, all of it on one disk."""

    def __init__(self, home: Path, *, quick: bool) -> None:
        self.home, self.quick = home, quick
        self.rounds = QUICK_ROUNDS if quick else ROUNDS
        self.manual = home / "manual"
        self.manual.mkdir()
        self.env = environment(home) | {"BACKUP_DIR": str(self.manual)}

    def lilfox(self, *words: str) -> float:
        """Seconds that the command took."""
        return self.timed([*LILFOX, *words])

    def timed(self, argv: Sequence[str], **more: str) -> float:
        """Seconds that ``argv`` took, with ``more`` in its environment; it must succeed."""
        os.sync()  # nobody pays for what the one before has left to write
        began = time.perf_counter()
        done = subprocess.run(
            argv, env=self.env | more, cwd=self.home, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
        took_s = time.perf_counter() - began
        if done.returncode:
            raise CannotMeasure(
                f"{' '.join(argv)}: exit {done.returncode}: {done.stderr.decode(errors='replace')[-600:]}"
            )
        return took_s


def measure(_peers: Peers, home: Path, *, quick: bool) -> Iterator[Row]:
    """The database first, then files, then the list of many sets."""
    home.chmod(0o755)
    lab = Lab(home, quick=quick)
    with Postgres("fsync = on\n") as server:
        lab.env |= {"PGPORT": str(server.port), "PATH": f"{server._bin}:{lab.env['PATH']}"}
        make_database(server, QUICK_BYTES if quick else DATABASE_BYTES)
        yield from _database(lab, server)
    yield from _files(lab)
    yield _listed(lab)


def _database(lab: Lab, server: Postgres) -> Iterator[Row]:
    url, store = f"postgresql://{OWNER}@127.0.0.1:{server.port}/{DATABASE}", lab.home / "sets"
    [[size]] = server.csv(f"SELECT pg_database_size('{DATABASE}')")
    what = f"database of {int(size) / MB:.0f} MB"
    backup = ("backup", "run", "--database", url, "--store", str(store))
    restore = ("restore", "latest", "--database", url, "--store", str(store), "--yes", "--end-sessions")
    raw = [peaks_of([*LILFOX, *backup], lab.env, TIMEOUT_S)]
    _manual(lab, _MANUAL_DUMP)
    ours, theirs = _in_turn(lab.rounds, lambda: _backed_up(lab, store, backup), lambda: _manual(lab, _MANUAL_DUMP))
    yield _seconds(f"{what}: backed up, counted, read back", ours, theirs, "the manual's pg_dump | gzip", 0.25)
    yield _sizes(f"{what}: its size", _size(store), _size(lab.manual), "the manual's .sql.gz")

    def restored() -> float:
        took_s = lab.lilfox(*restore)
        _drop_kept(server)
        return took_s

    def restored_by_hand() -> float:
        empty_database(server)
        return _manual(lab, _MANUAL_RESTORE)

    raw.append(peaks_of([*LILFOX, *restore], lab.env, TIMEOUT_S))
    _drop_kept(server)
    ours, theirs = _in_turn(lab.rounds, restored, restored_by_hand)
    yield _seconds(f"{what}: restored, compared, swapped", ours, theirs, "the manual's gunzip | psql", 0.85)
    with _writing(url) as writes:
        lab.lilfox(*restore)
    yield within("longest time without a write by a new session, swap included", writes.longest_gap_s(), 1.0, "s")
    drop_databases(server)
    yield from _memory("database", raw)


def _backed_up(lab: Lab, store: Path, words: Sequence[str]) -> float:
    shutil.rmtree(store, ignore_errors=True)
    return lab.lilfox(*words)


def _manual(lab: Lab, line: str) -> float:
    return lab.timed(["bash", "-c", line])


def _drop_kept(server: Postgres) -> None:
    for [name] in server.csv(f"SELECT datname FROM pg_database WHERE datname LIKE '{DATABASE}\\_%'"):
        server.csv(f'DROP DATABASE "{name}" (FORCE)')


def _files(lab: Lab) -> Iterator[Row]:
    uploads, store = lab.home / "public" / "uploads", lab.home / "files"
    make_uploads(uploads, QUICK_BYTES if lab.quick else FILES_BYTES)
    what = f"files of {_size(uploads) / MB:.0f} MB"
    backup = ("backup", "run", "--files", str(uploads), "--store", str(store))
    peaks = peaks_of([*LILFOX, *backup], lab.env, TIMEOUT_S)
    _manual(lab, _MANUAL_FILES)
    restic = lab.home / "restic"
    repeated = [lambda: _backed_up(lab, store, backup), lambda: _manual(lab, _MANUAL_FILES)]
    if shutil.which("restic"):
        repeated.append(lambda: _first_run_s(lab, restic, uploads))
    ours, theirs, *others = _in_turn(lab.rounds, *repeated)
    yield _seconds(f"{what}: backed up, read back", ours, theirs, "the manual's tar -czf", 0.2)
    if others:
        yield _seconds(f"{what}: backed up, read back", ours, others[0], "restic's first run, nothing read back", 0.8)
    else:
        yield Row(f"{what}: backed up, read back", f"{median(ours):.2f} s", "restic: not installed", goal="≤ 0.8")
    yield _sizes(f"{what}: their size", _size(store), _size(lab.manual / "uploads.tar.gz"), "the manual's .tar.gz")
    yield from _memory("files", [peaks])


def _first_run_s(lab: Lab, repository: Path, folder: Path) -> float:
    shutil.rmtree(repository, ignore_errors=True)
    shutil.rmtree(lab.home / ".cache" / "restic", ignore_errors=True)
    access = {"RESTIC_REPOSITORY": str(repository), "RESTIC_PASSWORD": "bench"}
    lab.timed(["restic", "init", "-q"], **access)
    return lab.timed(["restic", "backup", "-q", str(folder)], **access)


def _listed(lab: Lab) -> Row:
    store = lab.home / "files"
    make_sets(store, SETS)
    took = [lab.lilfox("backup", "list", "--store", str(store)) for _ in range(1 + LISTS)][1:]
    return within(f"list of {SETS} sets", median(took), 0.5, "s")


def _in_turn(rounds: int, *measured: Callable[[], float]) -> list[list[float]]:
    """The figures of each, one after the other in each round."""
    return [list(figures) for figures in zip(*([each() for each in measured] for _ in range(rounds)), strict=True)]


def _seconds(what: str, ours: Sequence[float], theirs: Sequence[float], peer: str, goal: float) -> Row:
    shown = f"{median(theirs):.2f} s  {peer}"
    return against(what, f"{median(ours):.2f} s", shown, median_ratio(ours, theirs), goal)


def _sizes(what: str, ours: int, theirs: int, peer: str) -> Row:
    return against(what, f"{ours / MB:.1f} MB", f"{theirs / MB:.1f} MB  {peer}", ours / theirs, 1.0)


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return sum(each.stat().st_size for each in files)


def _memory(what: str, seen: Sequence[Peaks]) -> Iterator[Row]:
    yield within(f"{what}: memory of the job's process (VmHWM)", max(peaks.job for peaks in seen), 120, "MB")
    programs = {name: size for peaks in seen for name, size in peaks.children.items()}
    largest = sorted(programs.items(), key=lambda item: -item[1])[:4]
    yield Row(f"{what}: memory of its programs", ", ".join(f"{name} {size:.0f} MB" for name, size in largest))


class _Writes:
    """A table gets a row every 10 ms, each from a session of its own."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._at: list[float] = []
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(_WRITE_EVERY_S):
            try:
                with psycopg.connect(self._url, autocommit=True) as session:
                    session.execute("INSERT INTO beats VALUES (now())")
            except psycopg.Error:
                continue
            self._at.append(time.monotonic())

    def end(self) -> None:
        self._ended.set()

    def longest_gap_s(self) -> float:
        """Between two rows."""
        return max(after - before for before, after in zip(self._at, self._at[1:], strict=False))


@contextmanager
def _writing(url: str) -> Iterator[_Writes]:
    """Writes until what is done meanwhile has been over for a while."""
    writes = _Writes(url)
    thread = threading.Thread(target=writes.run)
    thread.start()
    try:
        yield writes
        threading.Event().wait(_SETTLES_S)
    finally:
        writes.end()
        thread.join()
