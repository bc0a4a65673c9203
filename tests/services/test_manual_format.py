"""The format of the manual's scripts: its restore.sh reads what is written in it, and what its backup.sh has written is
verified and restored."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.services.backup_lab import BackupLab, server
from tests.services.manual_backup import Application, make_database
from tests.services.postgres import Postgres
from tests.unit.jobs.running import jobs

__all__ = ["jobs", "server"]
pytestmark = pytest.mark.usefixtures("jobs")


def test_the_manual_s_restore_script_reads_what_its_format_is_written_in(tmp_path: Path, server: Postgres) -> None:
    drop(server)
    make_database(server)
    app = Application(tmp_path, server)
    url = f"postgresql://lilfox@127.0.0.1:{server.port}/lilfox"
    lab = BackupLab(tmp_path / "lab")
    plan = {
        "format": "manual",
        "store": "here",
        "sources": {
            "database": {"kind": "postgresql", "url": url},
            "uploads": {"kind": "files", "path": f"{app.folder}/public/uploads", "root": str(app.folder)},
            "settings": {"kind": "config", "root": str(app.folder)},
        },
    }
    lab.planned({"lilfox": plan})
    lab.run("lilfox")
    (manifest,) = lab.manifests()
    date = manifest.id[-15:]
    names = {part.name for part in manifest.parts}
    assert {
        f"postgresql/lilfox_{date}.sql.gz",
        f"env_{date}",
        f"config_{date}.tar.gz",
        f"uploads_{date}.tar.gz",
    } <= names
    server.csv("DROP TABLE users", database="lilfox")
    place = tmp_path / "restored"
    place.mkdir()
    restore = f"""
        gunzip -c {lab.store}/postgresql/lilfox_{date}.sql.gz | \
            {server._bin}/psql -U lilfox -d lilfox -h {server.folder} -p {server.port}
        cp {lab.store}/env_{date} .env
        tar -xzf {lab.store}/config_{date}.tar.gz
        tar -xzf {lab.store}/uploads_{date}.tar.gz -C {place}
    """
    subprocess.run(["bash", "-c", restore], cwd=place, check=True, capture_output=True)
    assert server.csv("SELECT count(*) FROM users", database="lilfox") == [["100"]]
    assert (place / ".env").read_text() == "KEY=1\n"
    assert (place / "config" / "app.yaml").read_text() == "a: 1\n"
    assert (place / "public" / "uploads" / "a.txt").read_text() == "fox\n"


def drop(server: Postgres) -> None:
    server.csv("DROP DATABASE IF EXISTS lilfox (FORCE)")
    server.csv("DROP ROLE IF EXISTS lilfox")


@pytest.mark.fault("2.5", "2.10")
def test_a_set_of_the_manual_s_scripts_is_verified_and_restored(tmp_path: Path, server: Postgres) -> None:
    drop(server)
    make_database(server)
    app = Application(tmp_path, server)
    app.run("backup.sh", ["20231230_020000", "20231230_020001"])
    lab = BackupLab(tmp_path / "lab")
    where = ("--store", app.backup)
    (found,) = lab.sets(*where)
    assert found["status"] == "unverified"
    assert lab.lilfox("backup", "verify", *where).returncode == 0
    assert lab.sets(*where)[0]["status"] == "intact"
    server.csv("DROP TABLE users", database="lilfox")
    uploads = app.folder / "public" / "uploads"
    (uploads / "a.txt").write_text("changed\n")
    (app.folder / ".env").write_text("KEY=2\n")
    url = f"postgresql://lilfox@127.0.0.1:{server.port}/lilfox"
    words = ("--database", url, "--files", uploads, "--app", app.folder)
    done = lab.lilfox("restore", found["id"], *where, *words, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert server.csv("SELECT count(*) FROM users", database="lilfox") == [["100"]]
    assert (uploads / "a.txt").read_text() == "fox\n"
    assert (app.folder / ".env").read_text() == "KEY=1\n"
    assert (app.folder / "config" / "app.yaml").read_text() == "a: 1\n"
