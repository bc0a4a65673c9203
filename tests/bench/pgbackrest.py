"""Plans of pgBackRest against pgbackrest alone: a full backup, an incremental one after a hundredth of the rows has
changed, and recovery to a second.

The backup alone is compared with the backup alone (``verify: false``), and the whole run with the backup and
``pgbackrest verify`` of the new set. For recovery the peer is what an operator types: restore, start, wait until it is
promoted, pg_amcheck, stop; LilFox also counts all rows.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.on_terminal import CannotMeasure
from tests.bench.programs import LILFOX, Peers, environment, median_ratio
from tests.bench.table import Row, against
from tests.services.pgbackrest_stanza import ACCOUNT, Stanza
from tests.services.postgres import SUPERUSER, Postgres

GB = 10**9
GIGABYTES, QUICK_GIGABYTES = 2.0, 0.2
ROUNDS, QUICK_ROUNDS = 3, 1
_TIMEOUT_S = 3600.0
_ROW_BYTES = 1050
_CHUNK_ROWS = 500_000
_GOAL = 1.05
_SETTINGS = """
fsync = on
max_wal_size = 4GB
checkpoint_timeout = 30min
"""


class _Cluster:
    """The server, its stanza, and LilFox and pgbackrest on them."""

    def __init__(self, server: Postgres, home: Path, rows: int) -> None:
        self.server, self.home, self.rows = server, home, rows
        self.stanza = Stanza(server, "big", {"repo1-retention-full": 2, "process-max": 2}, _SETTINGS)
        self.scratch = server.folder / "scratch"
        self.env = environment(home)
        self._changed = 0

    def lilfox(self, *words: str, verify: bool = True) -> float:
        """Seconds that the command took."""
        account = {"as": SUPERUSER} if ACCOUNT else {}
        plan: dict[str, Any] = {
            "kind": "pgbackrest",
            "stanza": "big",
            "config": str(self.stanza.config),
            "scratch": str(self.scratch),
        }
        plan |= {"role": SUPERUSER, "verify": verify, **account}
        file = self.home / "config.yaml"
        file.write_text(json.dumps({"backup": {"plans": {"big": plan}}}))
        file.chmod(0o600)
        return self.timed([*LILFOX, "--config", str(file), *words])

    def pgbackrest(self, *words: str) -> float:
        """Seconds that the command took."""
        return self.timed(self.stanza.argv(*words))

    def timed(self, argv: Sequence[str]) -> float:
        """Seconds that ``argv`` took; it must succeed."""
        os.sync()
        began = time.perf_counter()
        done = subprocess.run(
            argv, env=self.env, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT_S, check=False
        )
        took_s = time.perf_counter() - began
        if done.returncode:
            said = (done.stdout + done.stderr)[-600:].decode(errors="replace")
            raise CannotMeasure(f"{' '.join(argv)}: exit {done.returncode}: {said}")
        return took_s

    def change(self) -> None:
        """Writes a hundredth of the rows anew: the next one each time."""
        share = self.rows // 100
        low = self._changed * share
        self._changed += 1
        self._sql(f"UPDATE big SET text = reverse(text) WHERE id > {low} AND id <= {low + share}")
        self._sql("CHECKPOINT")

    def fill(self) -> None:
        """Inserts the rows, which compress well."""
        self._sql("CREATE TABLE big (id bigint, text text STORAGE PLAIN)")
        for low in range(0, self.rows, _CHUNK_ROWS):
            high = min(low + _CHUNK_ROWS, self.rows)
            self._sql(f"INSERT INTO big SELECT n, repeat(md5(n::text), 31) FROM generate_series({low + 1}, {high}) n")
        self._sql("ALTER TABLE big ADD PRIMARY KEY (id)")
        self._sql("CHECKPOINT")

    def target(self) -> str:
        """A time, after which something is committed and archived."""
        [[at]] = self.server.csv("SELECT clock_timestamp() AT TIME ZONE 'UTC'")
        self._sql("INSERT INTO big VALUES (0, 'after the target')")
        self.stanza.archive()
        return f"{at}+00"

    def _sql(self, sql: str) -> None:
        argv = [str(self.server._bin / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", str(self.server.folder)]
        self.timed([*argv, "-p", str(self.server.port), "-U", SUPERUSER, "-d", "postgres", "-c", sql])

    def recovered(self, target: str) -> float:
        """Recovery by LilFox."""
        into = self.scratch / "ours"
        took_s = self.lilfox("restore", "--target", target, "--into", str(into), "--yes")
        shutil.rmtree(into)
        return took_s

    def recovered_by_hand(self, target: str) -> float:
        """Recovery by pgbackrest and pg_ctl, checked by pg_amcheck."""
        into = self.scratch / "theirs"
        words = [f"--pg1-path={into}", "--type=time", f"--target={target}", "--target-action=promote"]
        command = self.stanza.argv(*words)[len(ACCOUNT) :]
        restore = " ".join(f"'{word}'" for word in command)
        options = f"-k {self.scratch} -p 5432 -c listen_addresses= -c archive_mode=off -c hot_standby=off"
        open_ = f"psql -At -h {self.scratch} -U {SUPERUSER} -d postgres -c 'SELECT pg_is_in_recovery()'"
        script = f"""
            export PATH={self.server._bin}:$PATH
            {restore} restore && pg_ctl -D {into} -o '{options}' -l {self.scratch}/log -s -w -t 3600 start || exit 1
            until [ "$({open_} 2>/dev/null)" = f ]; do sleep 0.1; done
            pg_amcheck --all --install-missing -j 2 -h {self.scratch} -U {SUPERUSER} || exit 1
            pg_ctl -D {into} -s -m fast stop
        """
        took_s = self.timed([*ACCOUNT, "sh", "-c", script])
        shutil.rmtree(into)
        return took_s


def measure(_peers: Peers, home: Path, *, quick: bool, gigabytes: float = 0.0) -> Iterator[Row]:
    """A database of that size, backed up in full, incrementally, and recovered."""
    home.chmod(0o755)
    size = gigabytes or (QUICK_GIGABYTES if quick else GIGABYTES)
    server = Postgres()
    cluster = _Cluster(server, home, int(size * GB / _ROW_BYTES))
    with server:
        cluster.scratch.mkdir()
        if ACCOUNT:
            shutil.chown(cluster.scratch, SUPERUSER, SUPERUSER)
        cluster.pgbackrest("stanza-create")
        cluster.fill()
        yield from _measured(cluster, QUICK_ROUNDS if quick else ROUNDS)


def _measured(cluster: _Cluster, rounds: int) -> Iterator[Row]:
    [[size]] = cluster.server.csv("SELECT sum(pg_database_size(oid)) FROM pg_database")
    what = f"cluster of {int(size) / GB:.1f} GB"

    def changed(work: Callable[[], float]) -> Callable[[], float]:
        def run() -> float:
            cluster.change()
            return work()

        return run

    def verified(kind: str) -> float:
        took_s = cluster.pgbackrest(f"--type={kind}", "backup")
        said = cluster.stanza.pgbackrest("info", "--output=json")
        return took_s + cluster.pgbackrest("verify", f"--set={json.loads(said)[0]['backup'][-1]['label']}")

    run = ("backup", "run", "big", "--type")
    for kind, name in (("full", "full"), ("incr", "incremental after 1 % changed")):
        if kind == "incr":
            cluster.pgbackrest("--type=full", "backup")
        ours = partial(cluster.lilfox, *run, kind, verify=False)
        theirs = partial(cluster.pgbackrest, f"--type={kind}", "backup")
        yield _row(f"{what}, {name}: backed up", rounds, changed(ours), changed(theirs), "pgbackrest backup")
        ours, whole = partial(cluster.lilfox, *run, kind), partial(verified, kind)
        yield _row(f"{what}, {name}: also verified", rounds, changed(ours), changed(whole), "backup, then verify")
    target = cluster.target()
    yield _row(
        f"{what}: recovered to a second, checked", rounds, partial(cluster.recovered, target),
        partial(cluster.recovered_by_hand, target), "restore, start, promote, pg_amcheck, stop",
    )  # fmt: skip
    yield Row(f"{what}: drill", f"{cluster.lilfox('backup', 'drill', '--plan', 'big'):.1f} s")


def _row(what: str, rounds: int, ours: Callable[[], float], theirs: Callable[[], float], peer: str) -> Row:
    pairs = [(ours(), theirs()) for _round in range(rounds)]
    mine, others = ([pair[at] for pair in pairs] for at in (0, 1))
    text = f"{median(others):.2f} s  {peer}"
    return against(what, f"{median(mine):.2f} s", text, median_ratio(mine, others), _GOAL)
