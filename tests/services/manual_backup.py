"""Backups as the manual's scripts make them, run for real: those of the manual that ``LILFOX_MANUAL`` names, else ours,
which do the same. Only paths and the server's address are changed; ``date`` tells the times that a test wants."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.services.postgres import Postgres

_OWN = {
    "backup_db.sh": """
DATE=$(date +%Y%m%d_%H%M%S)
mkdir -p /backup/postgresql
pg_dump -U lilfox -h localhost -d lilfox | gzip > /backup/postgresql/lilfox_$DATE.sql.gz
echo done
""",
    "config.sh": """
DATE=$(date +%Y%m%d_%H%M%S)
mkdir -p /backup/config
cp .env /backup/config/env_$DATE
tar -czf /backup/config/config_$DATE.tar.gz config/
echo done
""",
    "files.sh": """
DATE=$(date +%Y%m%d_%H%M%S)
mkdir -p /backup/files
tar -czf /backup/files/uploads_$DATE.tar.gz public/uploads/
echo done
""",
    "backup.sh": """
DATE=$(date +%Y%m%d_%H%M%S)
mkdir -p /backup
bash scripts/backup_db.sh
cp .env /backup/env_$DATE
tar -czf /backup/config_$DATE.tar.gz config/
tar -czf /backup/uploads_$DATE.tar.gz public/uploads/
echo done
""",
}
_TOLD_BY = {
    "backup_db.sh": 'BACKUP_DIR="/backup/postgresql"',
    "config.sh": 'BACKUP_DIR="/backup/config"',
    "files.sh": 'BACKUP_DIR="/backup/files"',
    "backup.sh": "bash scripts/backup_db.sh",
}
"""What only that script of the manual has in it."""
_DATE = """#!/bin/sh
case $1 in
+%Y%m%d_%H%M%S) head -n 1 "$DATES"; sed -i 1d "$DATES" ;;
*) exec /bin/date "$@" ;;
esac
"""
_SECONDS = 60.0


def scripts() -> dict[str, str]:
    """The four scripts, by the names that they have here."""
    manual = os.environ.get("LILFOX_MANUAL")
    if not manual:
        return _OWN
    blocks = re.findall(r"```bash\n(.*?)```", Path(manual).read_text(), re.DOTALL)
    return {name: next(block for block in blocks if told_by in block) for name, told_by in _TOLD_BY.items()}


class Application:
    """A folder with an application's ``.env``, ``config/`` and ``public/uploads/``, and its backups in ``backup``."""

    def __init__(self, folder: Path, postgres: Postgres) -> None:
        self.folder, self.backup = folder / "app", folder / "backup"
        self._postgres = postgres
        self._bin = folder / "bin"
        for path, text in {".env": "KEY=1\n", "config/app.yaml": "a: 1\n", "public/uploads/a.txt": "fox\n"}.items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_text(text)
        self._bin.mkdir()
        (self._bin / "date").write_text(_DATE)
        (self._bin / "date").chmod(0o755)

    def run(self, name: str, dates: Sequence[str], *, server: bool = True) -> None:
        """Runs a script; each time that it asks for the date it is told the next of ``dates``. It exits 0, whatever
        happened. Without ``server`` nobody listens."""
        self._write_scripts(server)
        told = self._bin / "dates"
        told.write_text("".join(f"{date}\n" for date in dates))
        self._call("bash", f"scripts/{name}")
        assert not told.read_text(), "it asked for fewer dates"

    def gunzip(self, name: str, *options: str) -> None:
        """Unpacks a file of the backup as the manual's "restore" begins."""
        self._call("gunzip", *options, str(self.backup / name))

    def dump_for_rollback(self, version: str) -> Path:
        """The dump that ``rollback.sh`` reads, which somebody made by hand."""
        made = self.backup / "rollback" / f"db_{version}.sql"
        made.parent.mkdir(parents=True, exist_ok=True)
        server = ["-h", str(self._postgres.folder), "-p", str(self._postgres.port), "-U", "lilfox", "-d", "lilfox"]
        self._call("pg_dump", *server, "-f", str(made))
        return made

    def _call(self, *argv: str) -> None:
        major = int(self._postgres.csv("show server_version_num")[0][0]) // 10_000
        path = f"{self._bin}:/usr/lib/postgresql/{major}/bin:/usr/bin:/bin"
        environ = {"PATH": path, "DATES": str(self._bin / "dates"), "LC_ALL": "C", "HOME": str(self.folder)}
        done = subprocess.run(
            argv, cwd=self.folder, env=environ, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode(errors="replace")

    def _write_scripts(self, server: bool) -> None:
        address = f"-h {self._postgres.folder} -p {self._postgres.port if server else 1}"
        (self.folder / "scripts").mkdir(exist_ok=True)
        for name, text in scripts().items():
            placed = text.replace("-h localhost", address).replace("/backup/", f"{self.backup}/")
            placed = re.sub(r"/backup(?=[\"\s])", str(self.backup), placed)
            (self.folder / "scripts" / name).write_text(placed)


def make_database(postgres: Postgres) -> None:
    """A role and a database ``lilfox`` with a table of 100 rows."""
    postgres.csv("create role lilfox superuser login")
    postgres.csv("create database lilfox owner lilfox")
    postgres.csv("create table users as select n, md5(n::text) from generate_series(1, 100) n", database="lilfox")
