"""Units of a whole host that crash, hang, loop or are stopped on purpose, and what `lilfox recover` makes of each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lilfox_tui.incident.incidents import entries, list_incidents
from lilfox_tui.jobs.listing import list_jobs
from tests.lab.machines import Machine, MachineLab
from tests.services.lilfox_command import lilfox, running
from tests.unit.jobs.running import jobs
from tests.waiting import wait_for

__all__ = ["jobs"]
pytestmark = [
    pytest.mark.lab,
    pytest.mark.root,
    pytest.mark.xdist_group("lab-recovery"),
    pytest.mark.usefixtures("jobs"),
]
UNIT = "lilfox-backend.service"
_SERVER = """
import http.server, os, signal, sys
if os.path.exists("/run/crash"):
    sys.exit(3)
signal.signal(signal.SIGTERM, lambda *_: os._exit(1))  # as many do: stopped by order, it ends badly

class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503 if os.path.exists("/run/ill") else 200)
        self.end_headers()

os.path.exists("/run/heals") and os.path.exists("/run/ill") and os.unlink("/run/ill")
http.server.HTTPServer(("127.0.0.1", 8000), Health).serve_forever()
"""
_INSTALL = f"""
cat >/usr/local/bin/backend.py <<'EOF'
{_SERVER}
EOF
cat >/etc/systemd/system/{UNIT} <<'EOF'
[Unit]
StartLimitIntervalSec=0
[Service]
ExecStart=/usr/bin/python3 /usr/local/bin/backend.py
[Install]
WantedBy=multi-user.target
EOF
systemctl daemon-reload && systemctl enable -q --now {UNIT}
"""


class Recovered:
    """One host with one unit under ``recovery:``."""

    def __init__(self, folder: Path, lab: MachineLab, machine: Machine) -> None:
        self.machine, self.config = machine, folder / "config.yaml"
        self.settings: dict[str, Any] = {
            "hosts": {"app-1": {"address": machine.address, "user": "root", "identity": str(lab.client_key)}},
            "ssh": {"config_files": [], "known_hosts": [str(lab.known_hosts)]},
            "services": {"backend": {"url": "http://127.0.0.1:8000", "from": "app-1", "timeout": "2s"}},
        }
        self.written()

    def written(self, **changes: Any) -> None:
        """The configuration, with a unit that is looked at fast."""
        unit = {"host": "app-1", "unit": UNIT, "every": "100ms", "failures": 2, "settle": "100ms", "back_off": "100ms"}
        recovery = {"backend": {**unit, "service": "backend", **changes}}
        self.config.write_text(yaml.safe_dump({**self.settings, "recovery": recovery}))
        self.config.chmod(0o600)

    def recover(self, *words: str) -> tuple[int, dict[str, Any]]:
        """The exit code of ``lilfox recover``, and what it says of the unit."""
        done = lilfox("--config", self.config, "recover", "--json", *words)
        assert done.stdout, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)["units"]["backend"]
        return done.returncode, found

    def pid(self) -> str:
        """The unit's main process; ``0`` where it is down."""
        return self.machine.ssh("systemctl", "show", "--property=MainPID", "--value", UNIT).strip()

    def crash(self) -> None:
        """The unit's process is killed, and systemd knows."""
        self.machine.ssh(f"kill -9 {self.pid()}")
        wait_for(lambda: self.pid() == "0", what="systemd knows that it is gone")

    def health(self) -> str:
        """The status that it answers, once it listens."""
        argv = "curl -s -o /dev/null -w '%{http_code}' --retry 20 --retry-delay 0 --retry-connrefused"
        return self.machine.ssh(f"{argv} --retry-max-time 10 http://127.0.0.1:8000/health", check=False)


@pytest.fixture(scope="module")
def machine(lab: MachineLab) -> Iterator[Machine]:
    made = lab.machine("app-1")
    made.up()
    made.ssh(_INSTALL)
    yield made
    made.kill()


@pytest.fixture
def backend(tmp_path: Path, lab: MachineLab, machine: Machine) -> Iterator[Recovered]:
    made = Recovered(tmp_path, lab, machine)
    machine.ssh(f"rm -f /run/crash /run/ill /run/heals; systemctl reset-failed {UNIT}; systemctl start {UNIT}")
    assert made.health() == "200"
    yield made
    machine.ssh(f"systemctl enable -q {UNIT}")


@pytest.mark.fault("2.22")
def test_what_is_well_is_left_alone(backend: Recovered) -> None:
    before = backend.pid()
    assert backend.recover()[0] == 0
    assert backend.pid() == before
    assert list_jobs() == []


def test_a_unit_that_crashed_is_restarted_as_a_job(backend: Recovered) -> None:
    backend.crash()
    code, found = backend.recover()
    assert (code, found["state"]) == (0, "well"), found
    assert backend.health() == "200"
    (job,) = list_jobs()
    assert (job.kind, job.state, job.id) == ("recover", "ok", found["job"])


@pytest.mark.fault("2.22")
def test_a_unit_that_runs_but_answers_badly_is_restarted(backend: Recovered) -> None:
    backend.machine.ssh("touch /run/ill /run/heals")
    before = backend.pid()
    code, found = backend.recover()
    assert (code, found["state"]) == (0, "well"), found
    assert backend.pid() not in (before, "0")


@pytest.mark.fault("2.22")
def test_a_unit_that_is_up_again_and_still_answers_badly_is_not_well(backend: Recovered) -> None:
    backend.machine.ssh("touch /run/ill")
    code, found = backend.recover()
    assert (code, found["state"]) == (1, "waiting"), found
    (job,) = list_jobs()
    assert (job.state, "active (running), but backend is unhealthy" in job.message) == ("failed", True), job.message


@pytest.mark.fault("2.22")
@pytest.mark.parametrize("order", ["systemctl stop", "systemctl disable --now", "kill -9"])
def test_a_unit_that_is_not_wanted_stays_down(order: str, backend: Recovered) -> None:
    """It ends with a failure when it is stopped, as many do: that alone does not tell it from a crash."""
    if order == "kill -9":
        backend.machine.ssh(f"systemctl disable -q {UNIT}")
        backend.crash()
    else:
        backend.machine.ssh(f"{order} {UNIT}")
    code, found = backend.recover()
    assert (code, found["state"]) == (0, "left alone"), found
    assert backend.pid() == "0"
    assert list_jobs() == []


@pytest.mark.fault("2.22")
def test_a_crash_loop_ends_at_the_limit_and_begins_anew_once_it_was_well(backend: Recovered) -> None:
    backend.written(limit=2)
    backend.machine.ssh("touch /run/crash")
    backend.crash()
    states = [backend.recover()[1]["state"] for _round in range(5)]
    assert states == ["waiting", "given up", "given up", "given up", "given up"]
    assert [job.state for job in list_jobs()] == ["failed", "failed"]
    backend.machine.ssh(f"rm /run/crash; systemctl start {UNIT}")
    assert backend.health() == "200"
    assert backend.recover()[1]["state"] == "well"


@pytest.mark.fault("2.22")
def test_back_off_keeps_it_from_being_restarted_at_once(backend: Recovered) -> None:
    backend.written(back_off="1h", within="1d")
    backend.machine.ssh("touch /run/crash")
    backend.crash()
    code, found = backend.recover()
    assert (code, found["state"]) == (1, "waiting"), found
    assert backend.recover()[1]["state"] == "waiting"
    assert len(list_jobs()) == 1


@pytest.mark.fault("2.22")
@pytest.mark.parametrize("name", ["app-1", "backend", "all"])
def test_in_maintenance_nothing_is_restarted(name: str, backend: Recovered) -> None:
    backend.crash()
    assert lilfox("--config", backend.config, "maintenance", "on", name, "--for", "1h").returncode == 0
    code, found = backend.recover()
    assert (code, found["state"]) == (0, "left alone"), found
    assert name in lilfox("maintenance").stdout
    assert lilfox("--config", backend.config, "maintenance", "off", name).returncode == 0
    code, found = backend.recover()
    assert (code, found["state"]) == (0, "well"), found


def test_a_dry_run_restarts_nothing(backend: Recovered) -> None:
    backend.crash()
    code, found = backend.recover("--dry-run")
    assert (code, found["state"]) == (1, "unhealthy"), found
    assert backend.pid() == "0"


def test_of_a_host_that_is_gone_nothing_is_said_to_be_well(backend: Recovered) -> None:
    backend.machine.cut()
    try:
        backend.settings["ssh"]["connect_timeout"] = "1s"
        backend.written()
        done = lilfox("--config", backend.config, "recover")
        assert done.returncode == 1, done.stdout
        told = (done.stdout + done.stderr).count(backend.machine.address)
        assert (told, "unknown" in done.stdout) == (1, True), (done.stdout, done.stderr)
    finally:
        backend.machine.heal()


def test_a_host_that_is_protected_is_not_changed(backend: Recovered) -> None:
    backend.settings["hosts"]["app-1"]["protected"] = True
    backend.written()
    backend.crash()
    assert backend.recover()[0] == 1
    assert backend.pid() == "0"


def test_the_monitor_restarts_gives_up_tells_and_opens_an_incident(backend: Recovered, tmp_path: Path) -> None:
    backend.settings["refresh"] = "500ms"
    backend.settings["monitor"] = {"output": str(tmp_path / "monitor.log"), "listen": "127.0.0.1:0"}
    backend.written(limit=1)
    argv: list[str | Path] = ["--config", backend.config, "monitor", "--quiet"]
    with running(argv, tmp_path / "monitor"):
        backend.crash()
        wait_for(lambda: backend.pid() != "0", timeout_s=60, what="it is restarted")
        wait_for(lambda: [job.state for job in list_jobs()] == ["ok"], timeout_s=60, what="that was a job")
        backend.machine.ssh("touch /run/crash")
        backend.crash()
        wait_for(lambda: "RecoveryGaveUp" in alerts(backend), timeout_s=60, what="an alert fires")
        assert len(list_jobs()) == 1
    (incident,) = list_incidents()
    assert (incident.severity, UNIT in incident.title) == ("SEV-2", True)
    kinds = [type(entry.what).__name__ for entry in entries(incident.id)]
    assert kinds[:2] == ["IncidentOpened", "Noted"]


def alerts(backend: Recovered) -> str:
    """What ``lilfox alerts list`` prints."""
    return lilfox("--config", backend.config, "alerts", "list").stdout
