"""The bundled runbook for a full disk, on a whole host whose disk is full."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.machines import Machine, MachineLab
from tests.lab.runbook_walks import MENDED, Walk, broken
from tests.unit.jobs.running import jobs

__all__ = ["jobs"]
pytestmark = [
    pytest.mark.lab,
    pytest.mark.root,
    pytest.mark.xdist_group("lab-library"),
    pytest.mark.usefixtures("jobs"),
]
OLD = "/var/log/app/app.log.1"
FULL = f"""
set -e
{MENDED}
rm -rf /var/log/app /big
install -d /var/log/app
echo keep >/var/log/app/app.log
echo keep >/var/log/app/app.log.2.gz
free=$(df -P / | awk 'NR == 2 {{print $4}}')
fallocate -l $((free * 1024 * 9 / 10)) {OLD}
touch -d '30 days ago' {OLD}
fallocate -l $((free * 1024 / 10 - 2000000)) /big
systemctl reset-failed
"""


@pytest.fixture(scope="module")
def machine(lab: MachineLab) -> Iterator[Machine]:
    made = lab.machine("full-1")
    made.up()
    yield made
    made.kill()


@pytest.fixture
def walk(tmp_path: Path, lab: MachineLab, machine: Machine) -> Walk:
    """On a disk that is full but for a tenth of a percent: of rotated logs, old and new."""
    machine.ssh(FULL)
    return Walk(tmp_path, lab, [machine])


def used(machine: Machine) -> int:
    return int(machine.ssh("df -P / | awk 'NR == 2 {print $5}'").strip().rstrip("%"))


PROCESSES_END = broken("find", "case $1 in /proc/*) true ;; *) false ;; esac")
"""While it looks at them: find ends with 1 then."""


def test_a_full_disk_has_room_again_also_where_processes_end_meanwhile(walk: Walk, machine: Machine) -> None:
    machine.ssh(PROCESSES_END)
    assert used(machine) >= 98
    done = walk("disk-full", "full-1")
    assert done.code == 0, done.why
    assert OLD in done.output("2.1")
    assert OLD in done.output("4.1")
    assert used(machine) < 90
    assert machine.ssh("ls /var/log/app").split() == ["app.log", "app.log.2.gz"]


@pytest.mark.parametrize(
    ("fails", "fault"),
    [
        ("1.1", broken("df")),
        ("2.1", broken("sort")),
        ("3.1", broken("apt-get")),
        ("3.2", broken("journalctl", '[ "$1" = --disk-usage ]')),
        ("4.1", broken("find", '[ "$1" = /var/log ]')),
        ("5.2", f"touch {OLD}"),
        ("6.1", "systemd-run --quiet --unit=nonsense false"),
    ],
)  # fmt: skip
def test_each_step_can_fail_and_nothing_comes_behind_it(walk: Walk, machine: Machine, fails: str, fault: str) -> None:
    machine.ssh(fault, check=False)
    done = walk("disk-full", "full-1")
    assert (done.code != 0, done.failed) == (True, [fails]), done.why
    assert (machine.ssh(f"test -e {OLD} || echo gone") == "gone\n") is (fails == "6.1")
