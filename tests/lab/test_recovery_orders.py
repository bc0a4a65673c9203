"""Units that somebody stops while they crash, and those that give up by themselves: the first stay down."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lilfox_tui.jobs.listing import list_jobs
from lilfox_tui.jobs.start import start
from lilfox_tui.operations.model import unit_operation
from lilfox_tui.recovery.watch import request_of
from tests.lab.machines import Machine, MachineLab
from tests.lab.test_recovery import Recovered
from tests.unit.jobs.running import ended, jobs
from tests.waiting import wait_for

__all__ = ["jobs"]
pytestmark = [
    pytest.mark.lab,
    pytest.mark.root,
    pytest.mark.fault("2.22"),
    pytest.mark.xdist_group("lab-operations"),
    pytest.mark.usefixtures("jobs"),
]
UNIT = "loop.service"
CRASHES = "sh -c '[ -e /run/well ] && exec sleep 1000; sleep 0.2; exit 3'"
INSTALL = f"""
cat >/etc/systemd/system/{UNIT} <<'EOF'
[Unit]
StartLimitBurst=@BURST@
StartLimitIntervalSec=1h
[Service]
ExecStartPre=@BEFORE@
ExecStart={CRASHES}
Restart=@RESTART@
RestartSec=@PAUSE@
[Install]
WantedBy=multi-user.target
EOF
rm -f /run/well
systemctl daemon-reload; systemctl enable -q {UNIT}; systemctl reset-failed {UNIT} 2>/dev/null
systemctl start --no-block {UNIT}
"""


@pytest.fixture(scope="module")
def machine(lab: MachineLab) -> Iterator[Machine]:
    made = lab.machine("app-1")
    made.up()
    yield made
    made.kill()


@pytest.fixture
def loop(tmp_path: Path, lab: MachineLab, machine: Machine) -> Iterator[Recovered]:
    made = Recovered(tmp_path, lab, machine)
    made.written(unit=UNIT, service=None)
    yield made
    machine.ssh(f"systemctl stop {UNIT}; systemctl reset-failed {UNIT}", check=False)


def begun(machine: Machine, state: str, *, burst: int = 100, pause: str = "1h", before: str = "true",
          restart: str = "always") -> None:  # fmt: skip
    """The unit crashes until it is in that state."""
    text = INSTALL.replace("@BURST@", str(burst)).replace("@PAUSE@", pause)
    machine.ssh(text.replace("@BEFORE@", before).replace("@RESTART@", restart))
    wait_for(lambda: machine.ssh(f"systemctl show -P SubState {UNIT}").strip() == state, what=state)


def test_one_that_is_stopped_while_it_waits_to_be_restarted_stays_down(loop: Recovered, machine: Machine) -> None:
    """As one stops a unit that crashes again and again: systemd has nothing to stop, and writes no order."""
    begun(machine, "auto-restart")
    machine.ssh(f"systemctl stop {UNIT}")
    code, found = loop.recover()
    assert (code, found["state"]) == (0, "left alone"), found
    assert list_jobs() == []


def test_one_that_is_stopped_while_it_starts_stays_down(loop: Recovered, machine: Machine) -> None:
    begun(machine, "start-pre", before="sleep 1000")
    machine.ssh(f"systemctl stop {UNIT}")
    code, found = loop.recover()
    journal = machine.ssh(f"systemctl show {UNIT} -p ActiveState -p Result; journalctl -q -o export UNIT={UNIT}")
    assert (code, found["state"]) == (0, "left alone"), (found, journal)
    assert list_jobs() == []


def test_one_that_systemd_has_given_up_is_not_left_alone(loop: Recovered, machine: Machine) -> None:
    """Nobody has stopped it. systemd refuses to start it before its own time: that counts as a restart in vain."""
    begun(machine, "failed", burst=3, pause="100ms")
    code, found = loop.recover()
    assert (code, found["state"]) == (1, "waiting"), found
    assert [job.state for job in list_jobs()] == ["failed"]


def test_one_that_was_stopped_and_started_again_is_restarted(loop: Recovered, machine: Machine) -> None:
    begun(machine, "auto-restart")
    machine.ssh(f"systemctl stop {UNIT}; sed -i s/=always/=no/ /etc/systemd/system/{UNIT}; systemctl daemon-reload;"
                f" systemctl start {UNIT}")  # fmt: skip
    wait_for(lambda: machine.ssh(f"systemctl show -P ActiveState {UNIT}").strip() == "failed", what="it crashed")
    machine.ssh("touch /run/well")
    code, found = loop.recover()
    assert (code, found["state"]) == (0, "well"), found


def test_one_that_is_stopped_once_its_restart_is_decided_stays_down(loop: Recovered, machine: Machine) -> None:
    begun(machine, "auto-restart")
    machine.ssh(f"systemctl stop {UNIT}")
    done = ended(start(request_of("backend", unit_operation("restart", "app-1", UNIT, sudo=False), str(loop.config))))
    assert (done.state, "was stopped on purpose in the meantime" in done.message) == ("failed", True), done
    assert machine.ssh(f"systemctl show -P ActiveState {UNIT}").strip() == "inactive"
