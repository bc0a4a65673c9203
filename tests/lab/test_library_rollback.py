"""The bundled runbooks that go back: a release and its rollback, and a restore, of a whole host with a database."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.database_host import DatabaseHost
from tests.lab.machines import MachineLab
from tests.lab.runbook_walks import MENDED, Load, Walk, Walked, broken, install_backend
from tests.unit.jobs.running import jobs
from tests.waiting import wait_for

__all__ = ["jobs"]
pytestmark = [
    pytest.mark.lab,
    pytest.mark.root,
    pytest.mark.xdist_group("lab"),
    pytest.mark.usefixtures("jobs"),
]
APP = r"""
set -e
install_version() {
    echo "$1" >VERSION
    echo "dependency==$2" >requirements.lock
    chown app VERSION requirements.lock
    runuser -u app -- git add -A
    runuser -u app -- git commit --quiet -m "Release $1"
    runuser -u app -- git tag "$1"
}
cd /srv/lilfox
install -d -o app deploy
printf '#!/bin/sh\nset -e\n[ ! -e "/srv/broken-$(cat VERSION)" ]\ncp "$1" /srv/lilfox/.git/installed\n' >deploy/prepare
chmod 755 deploy/prepare
chown app deploy/prepare
install_version r1 1.0
install_version r2 2.0
sed -i 's/127.0.0.1", port/0.0.0.0", port/' /srv/backend.py
"""
RESET = f"""
{MENDED}
rm -f /tmp/once /srv/broken-*
rm -rf /var/lib/lilfox
cd /srv/lilfox
rm -f .git/lilfox-before
runuser -u app -- git checkout -q --detach r1
runuser -u app -- ./deploy/prepare requirements.lock
systemctl reset-failed lilfox-backend
systemctl restart lilfox-backend
until curl -fsS -o /dev/null http://127.0.0.1:8000/health 2>/dev/null; do sleep 0.1; done
"""


class Site:
    """One host with the application and its database, a plan that backs it up, and this machine's ``lilfox``."""

    def __init__(self, folder: Path, lab: MachineLab, database: DatabaseHost, programs: Path) -> None:
        self.database, self.machine, self.store = database, database.machine, folder / "store"
        self._programs = programs
        source = {"kind": "postgresql", "host": "app-1", "as": "postgres", "url": "postgresql:///lilfox"}
        plan = {"sources": {"database": source}, "store": "here"}
        stores = {"here": {"kind": "local", "path": str(self.store)}}
        self.walk = Walk(folder, lab, [self.machine], backup={"stores": stores, "plans": {"nightly": plan}})
        place = Path(os.environ["XDG_CONFIG_HOME"]) / "lilfox" / "config.yaml"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(self.walk.config.read_text())
        place.chmod(0o600)

    def break_here(self, when: str) -> None:
        """From now on ``lilfox`` fails in commands of this machine where the shell's ``when`` is true."""
        real = Path(sys.executable).parent / "lilfox"
        (self._programs / "lilfox").write_text(f'#!/bin/sh\nif {when}; then exit 1; fi\nexec {real} "$@"\n')
        (self._programs / "lilfox").chmod(0o755)

    def release(self) -> Walked:
        return self.walk("release", plan="nightly", app="app-1", version="r2", patience=10)

    def rollback(self, database: str = "restore") -> Walked:
        return self.walk(
            "rollback", undo=True, plan="nightly", app="app-1", version="r1", patience=10, database=database
        )

    @property
    def state(self) -> tuple[str, str, str]:
        """The version that serves, the dependency that is installed, and how many rows there are."""
        answer = self.machine.ssh("curl -sS -m 5 http://127.0.0.1:8000/health")
        installed = self.machine.ssh("cat /srv/lilfox/.git/installed").strip()
        return answer.split('"version": "')[1][:2], installed, self.database.sql("SELECT count(*) FROM users")

    def damage_the_set(self) -> None:
        """Flips a byte of its largest part."""
        part = max(self.store.glob("*.zst"), key=lambda file: file.stat().st_size)
        content = bytearray(part.read_bytes())
        content[len(content) // 2] ^= 1
        part.write_bytes(bytes(content))


@pytest.fixture(scope="module")
def database(lab: MachineLab) -> Iterator[DatabaseHost]:
    machine = lab.machine("app-1")
    machine.up()
    install_backend(machine)
    machine.ssh(APP)
    yield DatabaseHost(machine, rows=2000)
    machine.kill()


@pytest.fixture
def site(tmp_path: Path, lab: MachineLab, database: DatabaseHost, monkeypatch: pytest.MonkeyPatch) -> Site:
    database.machine.ssh(RESET)
    for name in database.databases():
        if name.startswith("lilfox_"):
            database.sql(f'DROP DATABASE "{name}"', "postgres")
    database.sql("DELETE FROM users WHERE id > 2000")
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}")
    return Site(tmp_path, lab, database, tmp_path / "bin")


def changed(site: Site) -> None:
    """What the new version does to the database."""
    site.database.sql("INSERT INTO users SELECT n, 'new' FROM generate_series(2001, 2100) n")


@pytest.mark.fault("2.21")
def test_a_release_is_rolled_back_with_code_dependencies_and_data(
    site: Site, record_property: Callable[[str, object], None]
) -> None:
    done = site.release()
    assert done.code == 0, done.why
    assert site.state == ("r2", "dependency==2.0", "2000")
    changed(site)
    with Load(site.machine.address, 8000).asking() as load:
        wait_for(lambda: load.answers["r2"] > 5, what="requests are answered")
        done = site.rollback()
        assert done.code == 0, done.why
        wait_for(lambda: load.answers["r1"] > 5, what="the version before answers")
    record_property("requests answered, failed", (load.answers.total(), len(load.failed)))
    sys.stdout.write(f"rollback: {load.answers.total()} requests answered, {len(load.failed)} failed\n")
    assert site.state == ("r1", "dependency==1.0", "2000")
    assert len(load.failed) > 0, "the only instance was stopped meanwhile"


@pytest.mark.parametrize("fails", ["", "6.1"])
def test_a_rollback_may_leave_the_database_as_it_is(site: Site, fails: str) -> None:
    """Then it needs no set; and an undo of it restores nothing."""
    assert site.release().code == 0
    changed(site)
    for file in site.store.iterdir():
        file.unlink()
    if fails:
        site.machine.ssh(broken("systemctl", '[ "$1" = start ] && [ ! -e /tmp/once ] && touch /tmp/once'))
    done = site.rollback("keep")
    assert done.failed == ([fails] if fails else []), done.why
    assert site.state == (("r2", "dependency==2.0", "2100") if fails else ("r1", "dependency==1.0", "2100"))


@pytest.mark.fault("2.21")
@pytest.mark.parametrize("fails", ["1.1", "1.1 lock", "2.1", "2.1 none", "3.1", "4.1", "5.1", "6.1"])
def test_a_rollback_that_fails_leaves_all_as_it_was(site: Site, fails: str) -> None:
    assert site.release().code == 0
    changed(site)
    record = "/var/lib/lilfox/releases/r1"
    if fails == "2.1":
        site.damage_the_set()
    elif fails == "2.1 none":
        for file in site.store.iterdir():
            file.unlink()
    elif fails == "5.1":
        site.break_here('[ "$1" = restore ] && [ "$3" = --plan ] && [ "$5" = --yes ]')
    else:
        faults = {
            "1.1": f"echo other >{record}/commit",
            "1.1 lock": f"cd {record} && echo other >lock && sha256sum commit lock >sums",
            "3.1": broken("systemctl", '[ "$1" = stop ]'),
            "4.1": broken("cp", '[ "$1" = requirements.lock ] && [ ! -e /tmp/once ] && touch /tmp/once'),
            "6.1": broken("systemctl", '[ "$1" = start ] && [ ! -e /tmp/once ] && touch /tmp/once'),
        }
        site.machine.ssh(faults[fails])
    done = site.rollback()
    assert (done.code != 0, done.failed) == (True, [fails.split()[0]]), done.why
    assert site.state == ("r2", "dependency==2.0", "2100")


@pytest.mark.fault("2.21")
@pytest.mark.parametrize("fails", ["1.1", "2.1", "3.1", "4.1"])
def test_a_release_that_cannot_be_rolled_back_is_none(site: Site, fails: str) -> None:
    if fails == "1.1":
        site.machine.ssh("echo changed >>/srv/lilfox/VERSION")
    elif fails == "2.1":
        site.break_here('[ "$2" = run ]')
    elif fails == "3.1":
        site.machine.ssh(broken("sync", '[ "$1" = -f ]'))
    else:
        site.machine.ssh("touch /srv/broken-r2")
    done = site.walk("release", undo=True, plan="nightly", app="app-1", version="r2", patience=3)
    assert (done.code != 0, done.failed) == (True, [fails]), done.why
    site.machine.ssh("cd /srv/lilfox; runuser -u app -- git checkout -q VERSION")
    assert site.state == ("r1", "dependency==1.0", "2000")


def test_a_set_is_restored_and_put_back(site: Site) -> None:
    assert site.release().code == 0
    changed(site)
    site.break_here('[ "$2" = --kept ]')
    done = site.walk("restore-from-backup", undo=True, plan="nightly")
    assert (done.code != 0, done.failed) == (True, ["5.2"]), done.why
    assert site.state[2] == "2100"
    site.break_here("false")
    done = site.walk("restore-from-backup", plan="nightly")
    assert done.code == 0, done.why
    assert site.state[2] == "2000"


@pytest.mark.parametrize(
    ("fails", "when"),
    [("1.1", '[ "$2" = list ]'), ("2.1", "damaged"), ("3.1", '[ "$2" = drill ]'), ("4.1", '[ "$5" = --dry-run ]'),
     ("5.1", '[ "$5" = --yes ]')],
)  # fmt: skip
def test_nothing_is_restored_behind_a_step_that_fails(site: Site, fails: str, when: str) -> None:
    assert site.release().code == 0
    changed(site)
    if when == "damaged":
        site.damage_the_set()
    else:
        site.break_here(when)
    done = site.walk("restore-from-backup", plan="nightly")
    assert (done.code != 0, done.failed) == (True, [fails]), done.why
    assert site.state[2] == "2100"
