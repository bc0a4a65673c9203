"""The lab itself: nothing of it stays, however the run ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab import leftovers
from tests.lab.machines import MachineLab
from tests.waiting import wait_for

pytestmark = [pytest.mark.lab, pytest.mark.root, pytest.mark.xdist_group("lab")]
PROJECT = Path(__file__).resolve().parents[2]
RUN = """
import signal
import threading
from tests.lab.machines import machine_lab
signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the test run ignores it, as behind nohup
with machine_lab() as lab:
    lab.machine("web1").boot()
    print("booted", flush=True)
    threading.Event().wait()
"""


def left_of(run: int) -> list[str]:
    """What of a run is still there: files, cgroups, links, mounts, processes."""
    paths = [leftovers.folder_of(run), *leftovers.cgroups_of(run), *leftovers.NSPAWN.glob(f"*/*lf{run}*")]
    links = [Path("/sys/class/net") / name for name in (leftovers.bridge_of(run), f"vb-{leftovers.machine_of(run, 0)}")]
    mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if f"lf{run}" in line]
    known = leftovers.machine_of(run, 0).encode()
    processes = [file.parent.name for file in Path("/proc").glob("[0-9]*/cmdline") if known in _read(file)]
    return [*(str(path) for path in (*paths, *links) if path.exists()), *mounts, *processes]


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_nothing_stays_of_a_run_that_was_ended(lab: MachineLab, end: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", RUN], cwd=PROJECT, stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"booted\n"
        assert len(left_of(run.pid)) >= 5
        run.send_signal(end)
        run.stdout.read()
    if end is signal.SIGKILL:
        leftovers.remove_dead_runs()
    wait_for(lambda: not left_of(run.pid), what=f"nothing of {run.pid} is left: {left_of(run.pid)}")


def test_a_host_is_clean(lab: MachineLab) -> None:
    machine = lab.machine("clean")
    machine.up()
    assert machine.ssh("hostname").strip() == "clean"
    assert machine.ssh("cat /proc/1/comm").strip() == "systemd"
    assert machine.ssh("ls -A /root").split() == [".ssh"]
    assert machine.ssh("ls -A /home /opt /srv /mnt | grep -v : || true").split() == []
    assert machine.ssh(f"test -e {PROJECT} || echo hidden").strip() == "hidden"
    assert float(machine.ssh("cat /proc/uptime").split()[0]) < 60
    assert machine.ssh("systemctl is-active systemd-journald ssh").split() == ["active", "active"]
    assert "Accepted publickey" in machine.ssh("journalctl --boot --unit=ssh --no-pager")
    machine.off()
