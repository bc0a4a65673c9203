"""A database, files and configuration of a whole host, backed up over SSH to here and to another host, and restored."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.database_host import DatabaseHost, account, client, make_store
from tests.lab.machines import Machine, MachineLab
from tests.services.backup_lab import BackupLab
from tests.unit.jobs.running import jobs

__all__ = ["jobs"]
pytestmark = [pytest.mark.lab, pytest.mark.root, pytest.mark.xdist_group("lab"), pytest.mark.usefixtures("jobs")]
APP = "/srv/lilfox"
_APP = f"""
install -d -m 755 {APP} {APP}/config {APP}/uploads/sub
umask 077
echo SECRET=fox >{APP}/.env
echo "port: 8000" >{APP}/config/app.yaml
echo fox >{APP}/uploads/a.txt
head -c 200000 /dev/urandom >{APP}/uploads/sub/b.bin
python3 -c 'import os; os.setxattr("{APP}/uploads/a.txt", "user.of", b"fox")'
ln -s a.txt {APP}/uploads/link
"""
_XATTR = """python3 -c 'import os; print(os.getxattr("uploads/a.txt", "user.of"))'"""
_FILES = (
    f"cd {APP} && find config uploads -printf '%M %u %p %l %T@\\n' | sort; stat -c '%A %U %n' .env;"
    f" sha256sum .env config/app.yaml uploads/a.txt uploads/sub/b.bin; {_XATTR}"
)


@pytest.fixture(scope="module")
def database(lab: MachineLab) -> Iterator[DatabaseHost]:
    machine = lab.machine("db-1")
    machine.up()
    machine.ssh(_APP)
    yield DatabaseHost(machine)
    machine.kill()


@pytest.fixture(scope="module")
def store(lab: MachineLab) -> Iterator[Machine]:
    machine = lab.machine("nas-1")
    machine.up()
    make_store(machine)
    yield machine
    machine.kill()


class Planned(BackupLab):
    """The plan ``nightly``: everything of ``db-1``, into a folder here (``here``) or on ``nas-1`` (``nas``)."""

    def __init__(self, folder: Path, lab: MachineLab, database: DatabaseHost, store: Machine, **changes: Any) -> None:
        super().__init__(folder)
        sources = {
            "database": {"kind": "postgresql", "host": "db-1", "as": "postgres", "url": "postgresql:///lilfox"},
            "uploads": {"kind": "files", "host": "db-1", "path": f"{APP}/uploads", "sudo": True},
            "config": {"kind": "config", "host": "db-1", "root": APP, "sudo": True},
        }
        hosts = {"db-1": account(lab, database.machine, "deploy"), "nas-1": account(lab, store, "keeper")}
        self.planned(
            {"nightly": {"sources": sources, "store": "here", **changes}},
            {"nas": {"kind": "sftp", "host": "nas-1", "path": "/srv/backup"}},
            hosts=hosts,
            ssh=client(lab),
        )

    def sets_of(self, store: str) -> list[dict[str, Any]]:
        """``lilfox backup list --json`` of a store of the plan, newest first."""
        done = self.lilfox("backup", "list", "--plan", "nightly", "--store", store, "--json")
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    def good(self, *words: str) -> str:
        """What ``lilfox`` prints, which must end well."""
        done = self.lilfox(*words, timeout_s=180.0)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def test_a_host_is_backed_up_to_here_and_to_another_host_drilled_and_restored(
    tmp_path: Path, lab: MachineLab, database: DatabaseHost, store: Machine
) -> None:
    made = Planned(tmp_path, lab, database, store, copies=["nas"])
    rows, files = database.content(), database.machine.ssh(_FILES)
    set_id = made.good("backup", "run", "nightly").strip()
    for place in ("here", "nas"):
        (found,) = made.sets_of(place)
        assert (found["id"], found["status"], found["reason"], len(found["parts"])) == (set_id, "intact", "", 5)
        assert set_id in made.good("backup", "verify", "--plan", "nightly", "--store", place)
    modes = store.ssh("stat -c '%a %U' /srv/backup /srv/backup/*.zst | sort -u")
    assert modes.splitlines() == ["600 keeper", "700 keeper"]
    assert made.left() == []
    made.good("backup", "drill", "--plan", "nightly", "--store", "nas")
    assert made.sets_of("nas")[0]["status"] == "restored"
    assert database.databases() == ["lilfox", "postgres"]
    assert database.content() == rows
    assert database.left() == []

    database.sql("DELETE FROM users WHERE id > 10; UPDATE notes SET text = 'broken'")
    database.machine.ssh(f"rm -r {APP}/uploads/sub; echo broken >{APP}/.env")
    made.good("restore", set_id, "--plan", "nightly", "--store", "nas", "--yes")
    assert database.content() == rows
    stamp = next(name for name in database.databases() if name.startswith("lilfox_before_"))
    assert database.sql("SELECT count(*) FROM users", stamp) == "10"
    assert database.machine.ssh(_FILES) == files
    assert database.left() == []

    made.good("restore", "--undo", set_id, "--plan", "nightly")
    assert database.sql("SELECT count(*) FROM users") == "10"
    assert database.machine.ssh(f"cat {APP}/.env") == "broken\n"
