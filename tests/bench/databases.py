"""Backup and restore of three kinds of data, against pg_dump and pg_restore as they are used: into one file through
gzip, and into a directory by two processes.

Ours are whole commands, as in ``backup``: what is written is also read back, what is restored also compared. The
server's CPU time is that of its processes that have ended, as their parent counts it (proc_pid_stat(5)).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median

from tests.bench.backup import Lab
from tests.bench.backup_made import DATABASE, MB, OWNER, drop_databases, empty_database
from tests.bench.job_memory import peaks_of
from tests.bench.programs import LILFOX, Peers, median_ratio
from tests.bench.table import Row, against, within
from tests.services.postgres import Postgres

_TIMEOUT_S = 600.0
_BYTES, _QUICK_BYTES = 600 * MB, 60 * MB
_ENDS_S = 5.0
"""For the server's processes to end after a program that used them."""
_MANY_ROWS = """
CREATE TABLE accounts AS SELECT n AS id, n % 100 AS branch, 0 AS balance, rpad('', 84) AS filler
FROM generate_series(1, {0} / 130) n;
ALTER TABLE accounts ADD PRIMARY KEY (id);
CREATE TABLE events AS SELECT n AS id, md5(n::text)::uuid AS key, now() - n * interval '1 s' AS at, n % 7 AS kind
FROM generate_series(1, {0} / 400) n; ALTER TABLE events ADD PRIMARY KEY (id)
"""
_WIDE = """
CREATE TABLE documents AS SELECT n AS id,
(SELECT string_agg(md5((n * 31 + i)::text), ' ' ORDER BY i) FROM generate_series(1, 8 + n % 40) i) AS body,
jsonb_build_object('a', n, 'b', md5(n::text), 'c', (SELECT jsonb_agg(i * n) FROM generate_series(1, 20) i)) AS fields
FROM generate_series(1, {0} / 2000) n; ALTER TABLE documents ADD PRIMARY KEY (id);
CREATE TABLE notes AS SELECT n AS id, repeat(md5(n::text), 3 + n % 40) AS body FROM generate_series(1, {0} / 4000) n
"""
_OBJECTS = """
CREATE FUNCTION noise(n int) RETURNS bytea LANGUAGE sql AS
$$ SELECT string_agg(sha256((n || ' ' || i)::bytea), '' ORDER BY i) FROM generate_series(1, 131072) i $$;
CREATE TABLE files AS SELECT n AS id, noise(n) AS content FROM generate_series(1, greatest(1, {0} / 8400000)) n;
SELECT count(lo_from_bytea(0, noise(-n))) FROM generate_series(1, greatest(1, {0} / 8400000)) n
"""
KINDS = {"many small rows": _MANY_ROWS, "wide text and jsonb": _WIDE, "few large objects": _OBJECTS}


def measure(_peers: Peers, home: Path, *, quick: bool) -> Iterator[Row]:
    """One kind after the other."""
    home.chmod(0o755)
    for kind, statements in KINDS.items():
        folder = home / kind.replace(" ", "-")
        folder.mkdir()
        lab = Lab(folder, quick=quick)
        with Postgres("fsync = on\n") as server:
            lab.env |= {"PGPORT": str(server.port), "PGHOST": "127.0.0.1", "PATH": f"{server._bin}:{lab.env['PATH']}"}
            server.csv(f"CREATE ROLE {OWNER} LOGIN SUPERUSER")
            empty_database(server)
            for statement in statements.format(_QUICK_BYTES if quick else _BYTES).split(";\n"):
                server.csv(statement, database=DATABASE, user=OWNER)
            server.csv("VACUUM ANALYZE", database=DATABASE)
            yield from _kind(lab, server, kind)


def _kind(lab: Lab, server: Postgres, kind: str) -> Iterator[Row]:
    [[size]] = server.csv(f"SELECT pg_database_size('{DATABASE}')")
    what = f"{kind}, {int(size) / MB:.0f} MB"
    url, store = f"postgresql://{OWNER}@127.0.0.1:{server.port}/{DATABASE}", lab.home / "sets"
    backup = ("backup", "run", "--database", url, "--store", str(store))
    restore = ("restore", "latest", "--database", url, "--store", str(store), "--yes", "--end-sessions", "--run-code")
    script, folder = lab.manual / "all.sql.gz", lab.manual / "folder"

    def by(line: str) -> Callable[[], float]:
        return lambda: lab.timed(["bash", "-c", line])

    def into_empty(line: str) -> Callable[[], float]:
        def restored() -> float:
            server.csv("DROP DATABASE IF EXISTS other (FORCE)")
            server.csv(f"CREATE DATABASE other OWNER {OWNER}")
            return lab.timed(["bash", "-c", line])

        return restored

    def backed_up() -> float:
        _remove(lab, store)
        return lab.lilfox(*backup)

    def restored(*more: str) -> float:
        took_s = lab.lilfox(*restore, *more)
        for [name] in server.csv(f"SELECT datname FROM pg_database WHERE datname LIKE '{DATABASE}\\_%'"):
            server.csv(f'DROP DATABASE "{name}" (FORCE)')
        return took_s

    dumps = (
        _WithServer(server, backed_up),
        by(f"pg_dump -U {OWNER} -d {DATABASE} | gzip > {script}"),
        by(f"rm -rf {folder}; pg_dump -U {OWNER} -d {DATABASE} -Fd -j2 -Z zstd -f {folder}"),
        _WithServer(server, by(f"pg_dump -U {OWNER} -d {DATABASE} -Fc -Z zstd -f {lab.manual / 'custom'}")),
    )
    peak = peaks_of([*LILFOX, *backup], lab.env, _TIMEOUT_S).job
    ours, piped, parallel, _custom = _in_turn(lab.rounds, dumps)
    yield _seconds(f"{what}: backed up, read back", ours, piped, "pg_dump | gzip", 0.4)
    yield _seconds(f"{what}: backed up, read back", ours, parallel, "pg_dump -Fd -j2 -Z zstd, nothing read back", 1.1)
    yield _seconds(f"{what}: the server's CPU", dumps[0].cpu_s, dumps[3].cpu_s, "pg_dump -Fc -Z zstd", 1.3)
    peak = max(peak, peaks_of([*LILFOX, *restore], lab.env, _TIMEOUT_S).job)
    restores = (
        restored,
        partial(restored, "--no-read-back"),
        into_empty(f"gunzip -c {script} | psql -q -v ON_ERROR_STOP=1 -U {OWNER} -d other"),
        into_empty(f"pg_restore -j2 -U {OWNER} -d other {folder}"),
    )
    ours, on_the_way, piped, parallel = _in_turn(lab.rounds, restores)
    for how, figures in (("", ours), (" --no-read-back", on_the_way)):
        yield _seconds(f"{what}: restored{how}, compared, swapped", figures, piped, "gunzip | psql", 0.75)
        yield _seconds(f"{what}: restored{how}, compared, swapped", figures, parallel, "pg_restore -j2", 1.0)
    yield within(f"{what}: memory of the job's process (VmHWM)", peak, 120, "MB")
    server.csv("DROP DATABASE IF EXISTS other (FORCE)")
    drop_databases(server)


def _remove(lab: Lab, store: Path) -> None:
    lab.timed(["rm", "-rf", str(store)])


class _WithServer:
    """Measures a command, and what the server spent on it."""

    def __init__(self, server: Postgres, measured: Callable[[], float]) -> None:
        self._server, self._measured = server, measured
        self.cpu_s: list[float] = []

    def __call__(self) -> float:
        before_s = self._settled_s()
        took_s = self._measured()
        self.cpu_s.append(self._settled_s() - before_s)
        return took_s

    def _settled_s(self) -> float:
        """CPU seconds of the server's processes, once all sessions have ended."""
        until = time.monotonic() + _ENDS_S
        idle = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        while self._server.csv(idle) != [["0"]] and time.monotonic() < until:
            """It asks again: a session of its own each time."""
        words = Path(f"/proc/{self._server.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, words[11:15])) / os.sysconf("SC_CLK_TCK")


def _in_turn(rounds: int, measured: Sequence[Callable[[], float]]) -> list[list[float]]:
    return [list(figures) for figures in zip(*([each() for each in measured] for _ in range(rounds)), strict=True)]


def _seconds(what: str, ours: Sequence[float], theirs: Sequence[float], peer: str, goal: float) -> Row:
    return against(what, f"{median(ours):.2f} s", f"{median(theirs):.2f} s  {peer}", median_ratio(ours, theirs), goal)
