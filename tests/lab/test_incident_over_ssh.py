"""An incident by keys alone, over OpenSSH with 200 ms there and back and one packet in a hundred lost, whose session
is cut while a command changes a host: another session goes on where it was; nothing is lost or done twice."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from lilfox_tui.incident.export import verify
from lilfox_tui.incident.incidents import entries
from lilfox_tui.incident.model import Closed, StepBegan, StepEnded
from lilfox_tui.jobs.listing import list_jobs
from tests.lab.machines import Machine, MachineLab
from tests.lab.slow_link import SlowLink, slow_link
from tests.ports import free_port
from tests.services.sshd import Sshd, sshd_lab
from tests.terminal.console import Console
from tests.unit.jobs.running import jobs
from tests.waiting import wait_for

__all__ = ["jobs"]
pytestmark = [pytest.mark.lab, pytest.mark.root, pytest.mark.xdist_group("lab-recovery")]
UNIT = "lilfox-backend.service"
THERE_AND_BACK_S = 0.2
CTRL_U = "\x15"
_BACKEND = """
import http.server
class Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"# TYPE requests_total counter\\nrequests_total 1\\n" if self.path == "/metrics" else b"")
print("ERROR the pool of connections is empty", flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", 8000), Pages).serve_forever()
"""
_INSTALL = f"""
cat >/usr/local/bin/backend.py <<'EOF'
{_BACKEND}
EOF
cat >/etc/systemd/system/{UNIT} <<'EOF'
[Service]
ExecStart=/usr/bin/python3 /usr/local/bin/backend.py
EOF
cat >/root/look <<'EOF'
#!/bin/sh
echo look >>/root/ran
systemctl show --property=ActiveState {UNIT}
EOF
cat >/root/start-anew <<'EOF'
#!/bin/sh
echo start-anew >>/root/ran
echo "it is being started"
while [ ! -e /root/go-on ]; do sleep 0.1; done
echo "nobody looks"
while [ ! -e /root/go-to-the-end ]; do sleep 0.1; done
systemctl restart {UNIT} && echo "it is started"
EOF
cat >/root/healthy <<'EOF'
#!/bin/sh
echo healthy >>/root/ran
curl --silent --show-error --fail --retry 20 --retry-delay 0 --retry-connrefused http://127.0.0.1:8000/health &&
    echo "it is healthy"
EOF
cat >/root/tell <<'EOF'
#!/bin/sh
echo tell >>/root/ran
EOF
chmod +x /root/look /root/start-anew /root/healthy /root/tell
systemctl daemon-reload && systemctl start {UNIT}
"""
RUNBOOK = """\
---
lilfox: {version: 1, id: backend-down, title: The backend is down, severity: SEV-2, hosts: app-1, on_alert: [Down]}
---
# The backend is down

1. **See how it is**

   ```bash
   ./look
   ```

2. **Start it anew**

   ```bash
   ./start-anew
   ```

   ```bash {"check": true}
   ./healthy
   ```

3. **Tell those who wait**

   ```bash
   ./tell
   ```
"""
RULES = """\
groups:
  - name: backend
    interval: 1s
    rules:
      - alert: Down
        expr: up{job="backend"} == 0
        labels: {severity: critical}
        annotations: {summary: "{{ $labels.job }} does not answer"}
"""


class Office:
    """Where LilFox runs: this machine, behind a sshd that is reached over the lab's network; ``app-1`` is watched."""

    def __init__(self, folder: Path, lab: MachineLab, machine: Machine, server: Sshd, port: int) -> None:
        self.folder, self.machine = folder, machine
        self._lab, self._server, self._port = lab, server, port
        self._config = folder / "config.yaml"
        (folder / "runbooks").mkdir()
        (folder / "runbooks/backend-down.md").write_text(RUNBOOK)
        (folder / "rules.yml").write_text(RULES)
        every = {"every": "1s", "timeout": "1s", "metrics_every": "1s"}
        settings = {
            "hosts": {"app-1": {"address": machine.address, "user": "root", "identity": str(lab.client_key)}},
            "ssh": {"config_files": [], "known_hosts": [str(lab.known_hosts)]},
            "services": {"backend": {"url": "http://127.0.0.1:8000", "from": "app-1", **every}},
            "logs": {"backend": {"kind": "journald", "host": "app-1", "unit": UNIT}},
            "rules": ["rules.yml"],
            "runbooks": {"folders": ["runbooks"], "bundled": False},
        }
        self._config.write_text(json.dumps(settings))
        self._config.chmod(0o600)

    def session(self, link: SlowLink) -> Console:
        """The console in a session of OpenSSH's client from the far end of ``link``."""
        address = f"{self._lab.network}.1"
        known = self.folder / "known_hosts"
        known.write_text(f"[{address}]:{self._port} {self._server.known_line().split(' ', 1)[1]}")

        def through(words: Sequence[str]) -> Sequence[str]:
            state = f"XDG_STATE_HOME={os.environ['XDG_STATE_HOME']}"
            command = shlex.join(["exec", "env", "LANG=C.UTF-8", state, *words])
            return link.there(
                "ssh", "-tt", "-F", "none", "-i", str(self._server.client_key), "-o", f"UserKnownHostsFile={known}",
                "-o", "BatchMode=yes", "-p", str(self._port), f"root@{address}", command,
            )  # fmt: skip

        return Console(["--config", str(self._config)], home=self.folder, columns=120, rows=36, through=through)

    def ran(self) -> list[str]:
        """The commands that ran on the host, in their order."""
        return self.machine.ssh("cat /root/ran 2>/dev/null || true").split()

    def consoles(self) -> list[int]:
        """The processes of LilFox's screen that there are."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (process / "cmdline").read_bytes().split(b"\0")
                if str(self._config).encode() in words and b"lilfox_tui" in words:
                    found.append(int(process.name))
        return found


@pytest.fixture(scope="module")
def machine(lab: MachineLab) -> Iterator[Machine]:
    made = lab.machine("app-1")
    made.up()
    made.ssh(_INSTALL)
    yield made
    made.kill()


@pytest.fixture
def office(tmp_path: Path, lab: MachineLab, machine: Machine, jobs: Path) -> Iterator[Office]:
    address = f"{lab.network}.1"
    port = free_port(address)
    with sshd_lab() as servers:
        made = Office(tmp_path, lab, machine, servers.sshd(f"ListenAddress {address}:{port}"), port)
        yield made
    wait_for(lambda: not made.consoles(), what="the console whose terminal is gone has ended")


def confirm(console: Console, command: str) -> None:
    """Runs what waits: a change is shown first, and runs when that is said again."""
    console.press("\r")
    console.until(lambda text: "run it" in text and command in text)
    console.press("\r")


def from_the_fault_to_the_command(console: Console, office: Office) -> None:
    """By keys: the alert, its logs, its runbook, an incident with it; until the change runs on the host."""
    console.until(lambda text: "● backend" in text, 60)
    office.machine.ssh(f"systemctl kill --signal=KILL {UNIT}")
    console.until(lambda text: "1 firing" in text)
    pressed_s = time.monotonic()
    console.press("!l")
    console.until("the pool of connections is empty")
    assert time.monotonic() - pressed_s > THERE_AND_BACK_S
    console.press("1r")
    console.until("3. Tell those who wait")
    console.press("\r")
    console.until("open an incident (SEV-2) and run")
    console.press("\r")
    console.until("step 1 on app-1 makes a change")
    confirm(console, "./look")
    console.until("ActiveState=failed")
    console.until("step 2 on app-1 makes a change")
    confirm(console, "./start-anew")
    console.until("it is being started")


def from_the_command_to_the_end(console: Console, office: Office) -> None:
    """By keys, in another session: it opens on the run, which goes on, with what came meanwhile, and takes over
    from the session that nobody told it is gone; the rest is done, the check green, the incident closed, exported."""
    console.until("nobody looks", 60)
    assert "it is being started" in console.until("following (press a to take over): a command is running")
    console.press(":take-over\r")
    console.until("Take over INC-1")
    console.press("\r")
    console.until("step 2 is running on app-1")
    office.machine.ssh("touch /root/go-to-the-end")
    console.until("it is started")
    console.until("step 2 on app-1 makes a change")
    confirm(console, "./healthy")
    console.until("it is healthy")
    console.until("step 3 on app-1 makes a change")
    confirm(console, "./tell")
    console.until("all steps are done")
    console.press("\r")
    console.until("all 4 commands are done")
    console.press("1")
    console.until(lambda text: "● backend" in text and "firing" not in text)
    console.press("I:close\r")
    console.until("Close INC-1")
    console.press("the process was killed\x1b[B\r")  # anyway, if something fails
    console.until("INC-1 is closed")
    console.press(":export\r")
    console.until("/INC-1-")
    console.press(f"{CTRL_U}{office.folder}/told\r")
    console.until("exported: ")
    console.press("q")
    assert console.ended_within() == 0


def test_a_session_that_is_cut_loses_nothing_and_does_nothing_twice(lab: MachineLab, office: Office) -> None:
    with slow_link(lab, 0) as first:
        with office.session(first) as console:
            from_the_fault_to_the_command(console, office)
            _carried, lost = first.cut()
        assert lost > 0
        assert office.ran() == ["look", "start-anew"]
        office.machine.ssh("touch /root/go-on")
        with slow_link(lab, 1) as second, office.session(second) as console:
            from_the_command_to_the_end(console, office)
            assert len(office.consoles()) == 1, "the first one has a session that nobody has told it is gone"
    assert office.ran() == ["look", "start-anew", "healthy", "tell"]
    assert [(job.kind, job.state) for job in list_jobs()] == [("runbook", "ok")]
    timeline_is_whole(office)


def timeline_is_whole(office: Office) -> None:
    """Each command once, with its end and all that it printed; nothing altered; and the export tells it."""
    told = [each.what for each in entries("INC-1")]
    began = [each for each in told if isinstance(each, StepBegan)]
    ended = {each.run: each for each in told if isinstance(each, StepEnded)}
    assert [each.command for each in began] == ["./look", "./start-anew", "./healthy", "./tell"]
    assert [ended[each.run].state for each in began] == ["done"] * 4
    assert ended[began[1].run].output == "it is being started\nnobody looks\nit is started\n"
    assert sum(isinstance(each, StepEnded) for each in told) == 4
    assert [each.summary for each in told if isinstance(each, Closed)] == ["the process was killed"]
    assert verify("INC-1").problems == ()
    text = (office.folder / "told/INC-1.md").read_text()
    for words in ("./look", "./start-anew", "nobody looks", "./healthy", "./tell", "process was killed"):
        assert words in text, text
