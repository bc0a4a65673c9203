"""A database, files and configuration of a whole host, backed up over SSH to here and to another host, and restored."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lilfox_tui.hosts import detached
from lilfox_tui.hosts.open import open_host
from lilfox_tui.jobs.listing import list_jobs
from lilfox_tui.jobs.model import Job
from tests.lab.database_host import DatabaseHost, account, client, make_store
from tests.lab.machines import Machine, MachineLab
from tests.services.backup_lab import BackupLab
from tests.services.lilfox_command import LILFOX
from tests.unit.jobs.running import jobs, said
from tests.waiting import wait_for

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

    def planned_into(self, store: str) -> None:
        """The plan's sets are made in that store."""
        document = yaml.safe_load(self.config.read_text())
        backup = document.pop("backup")
        plan = {**backup["plans"]["nightly"], "store": store, "copies": []}
        self.planned({"nightly": plan}, backup["stores"], **document)

    def sets_of(self, store: str) -> list[dict[str, Any]]:
        """``lilfox backup list --json`` of a store of the plan, newest first."""
        done = self.lilfox("backup", "list", "--plan", "nightly", "--store", store, "--json")
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    def meanwhile(self, *words: str, at: Callable[[Job], bool], act: Callable[[], object]) -> Job:
        """Starts ``lilfox WORDS``, does ``act`` as soon as its job is so far, and gives the job when it has ended."""
        process = subprocess.Popen([*LILFOX, *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)  # fmt: skip
        try:
            known = {job.id for job in list_jobs()}
            wait_for(lambda: any(at(job) for job in list_jobs() if job.id not in known or job.state == "running"),
                     timeout_s=60, what="the job is so far")  # fmt: skip
            act()
            process.wait(240)
        finally:
            process.kill()
            process.wait()
        return list_jobs()[0]

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


def far(part: str, size_bytes: int) -> Callable[[Job], bool]:
    """Whether a part of the job is so far."""
    return lambda job: any(each.part.startswith(part) and each.done_bytes >= size_bytes for each in job.progress)


@pytest.mark.fault("1.14", "1.15")
@pytest.mark.parametrize("cut", ["db-1", "nas-1"])
def test_the_link_to_either_host_is_cut_while_a_dump_streams(
    cut: str, tmp_path: Path, lab: MachineLab, database: DatabaseHost, store: Machine
) -> None:
    """From host to host through here, as the service user; packets vanish, and pass again when the loss was noticed."""
    database.sql(
        "DROP TABLE IF EXISTS large; CREATE TABLE large AS SELECT n, md5(n::text) || md5((n * 3)::text) AS word"
        " FROM generate_series(1, 300000) n"
    )
    machine = {"db-1": database.machine, "nas-1": store}[cut]
    made = Planned(tmp_path, lab, database, store)
    made.planned_into("nas")
    before = len(made.sets_of("nas"))

    def pulled() -> None:
        machine.cut()
        try:
            wait_for(lambda: told(), timeout_s=60, what="the loss was noticed")
        finally:
            machine.heal()

    def told() -> list[str]:
        return [text for text in said(list_jobs()[0].id) if f"the connection to {cut} was lost, retrying in" in text]

    job = made.meanwhile("backup", "run", "nightly", at=far("lilfox_", 4_000_000), act=pulled)
    assert (job.state, job.exit_code) == ("ok", 0), job.message
    assert len(told()) >= 1
    sets = made.sets_of("nas")
    assert len(sets) == before + 1
    assert (sets[0]["id"], sets[0]["status"]) == (job.result["set"], "intact")
    assert store.ssh("ls -A /srv/backup | grep -c '\\.part$' || true").strip() == "0"
    wait_for(lambda: not database.left(), what=f"nothing is left there: {database.left()}")
    database.sql("DROP TABLE large")


_SLOW = """#!/bin/sh
{ head -c 12000000; until [ -e /run/gate ]; do sleep 0.1; done; cat; } | exec /usr/bin/zstd "$@"
"""


class Near(Planned):
    """The plan ``nightly``: the database and the files of ``db-1``, into a folder of ``db-1``; compression there stops
    after 12 MB until there is ``/run/gate``."""

    def __init__(self, folder: Path, lab: MachineLab, database: DatabaseHost) -> None:
        BackupLab.__init__(self, folder)
        self.machine = database.machine
        sources = {
            "database": {"kind": "postgresql", "host": "db-1", "as": "postgres", "url": "postgresql:///lilfox"},
            "uploads": {"kind": "files", "host": "db-1", "path": f"{APP}/uploads", "sudo": True},
        }
        self.planned(
            {"nightly": {"sources": sources, "store": "near"}},
            {"near": {"kind": "sftp", "host": "db-1", "path": "/srv/near"}},
            hosts={"db-1": account(lab, database.machine, "deploy")},
            ssh=client(lab),
        )
        self.machine.ssh("rm -rf /srv/near /run/gate; install -d -m 700 -o deploy -g deploy /srv/near")
        self.machine.ssh(f"cat >/usr/local/bin/zstd <<'X'\n{_SLOW}X\nchmod 755 /usr/local/bin/zstd")

    def pids(self) -> list[str]:
        """Of the commands that root has there, by what their folders say."""
        return self.machine.ssh("cat /root/.cache/lilfox/jobs/backup-*/pid 2>/dev/null | cut -d' ' -f2").split()


@pytest.mark.fault("1.14", "1.15")
def test_a_dump_into_a_store_of_its_own_host_goes_on_while_the_host_cannot_be_reached(
    tmp_path: Path, lab: MachineLab, database: DatabaseHost
) -> None:
    database.sql(
        "DROP TABLE IF EXISTS large; CREATE TABLE large AS SELECT n, md5(n::text) || md5((n * 3)::text) AS word"
        " FROM generate_series(1, 300000) n"
    )
    made = Near(tmp_path, lab, database)
    seen: list[list[str]] = []

    def told() -> list[str]:
        return [text for text in said(list_jobs()[0].id) if "was lost, reconnecting" in text]

    def pulled() -> None:
        seen.append(made.pids())
        database.machine.cut()
        try:
            wait_for(lambda: told(), timeout_s=60, what="the loss was noticed")
        finally:
            database.machine.heal()
        seen.append(made.pids())
        database.machine.ssh("touch /run/gate")

    try:
        job = made.meanwhile("backup", "run", "nightly", at=far("lilfox_", 2_000_000), act=pulled)
        assert (job.state, job.exit_code) == ("ok", 0), (job.message, said(job.id))
        assert len(seen[0]) == 1
        assert seen[0] == seen[1], "the same process goes on"
        assert not [text for text in said(job.id) if "retrying in" in text]
        (found,) = made.sets_of("near")
        assert (found["id"], found["status"]) == (job.result["set"], "intact")
        modes = database.machine.ssh("stat -c '%a %U' /srv/near/*.zst | sort -u")
        assert modes.splitlines() == ["600 deploy"]
        assert made.pids() == []
        wait_for(lambda: not database.left(), timeout_s=30, what=f"nothing is left there: {database.left()}")
    finally:
        database.machine.ssh("rm -f /usr/local/bin/zstd; touch /run/gate")
        database.sql("DROP TABLE large")


async def test_a_command_that_a_power_cut_has_ended_is_gone_and_is_not_run_again(lab: MachineLab) -> None:
    machine = lab.machine("cut-1")
    machine.up()
    host = open_host("cut-1", machine.config(), lab.ssh())
    try:
        script = "echo ran >>/root/ran; exec sleep 1000"
        begun = await detached.start(host, "power", ["sh", "-c", script])
        assert begun.look.state == "running"
        machine.kill()
        await host.close()
        machine.up()
        host = open_host("cut-1", machine.config(), lab.ssh())
        assert (await detached.look(host, "power")).state == "gone"
        assert (await detached.start(host, "power", ["sh", "-c", script])).look.state == "gone"
        assert machine.ssh("cat /root/ran") == "ran\n"
    finally:
        await host.close()
        machine.kill()
