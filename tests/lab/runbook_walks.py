"""A bundled runbook, walked by the real ``lilfox runbook run`` on whole hosts."""

from __future__ import annotations

import http.client
import json
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.lab.database_host import client
from tests.lab.machines import Machine, MachineLab
from tests.services.lilfox_command import LILFOX

BACKEND = """\
import http.server, json, pathlib, sys, time
port, folder = int(sys.argv[1]), pathlib.Path(sys.argv[2])
version = (folder / "VERSION").read_text().strip()
if version.startswith("broken"):
    sys.exit("broken: no such module")
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/slow":
            time.sleep(2)
        sick = (folder / "sick").exists()
        body = json.dumps({"status": "unhealthy" if sick else "healthy", "version": version, "port": port}).encode()
        self.send_response(503 if sick else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words):
        print(*words, flush=True)
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
Server(("127.0.0.1", port), Handler).serve_forever()
"""
"""An application: tells its health, and its version, which is a file of its folder; of ``/slow`` after two seconds."""


class Walk:
    """Runbooks on hosts of the lab, with a configuration of its own; ``never_ban`` and ``more`` go into that."""

    def __init__(self, folder: Path, lab: MachineLab, machines: list[Machine], **more: Any) -> None:
        self.config = folder / "config.yaml"
        hosts = {
            each.name: {"address": each.address, "user": "root", "identity": str(lab.client_key)} for each in machines
        }
        self.config.write_text(yaml.safe_dump({"hosts": hosts, "ssh": client(lab), **more}))
        self.config.chmod(0o600)

    def __call__(
        self, runbook: str, host: str = "", values: Mapping[str, object] | None = None, *, undo: bool = False,
        language: str = "en", **more: object,
    ) -> Walked:  # fmt: skip
        """Runs all of it; with ``undo`` what was changed is taken back when a step fails. Values of variables are in
        ``values`` and ``more``; ``_`` of their names stands for ``-``."""
        words = ["--config", str(self.config), "--language", language]
        words += [f"--var={name.replace('_', '-')}={value}" for name, value in {**(values or {}), **more}.items()]
        words += ["--host", host] if host else []
        words += ["--on-failure", "undo"] if undo else []
        done = subprocess.run(
            [*LILFOX, "runbook", "run", runbook, "--yes", "--json", *words],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180, check=False,
        )  # fmt: skip
        return Walked(done)


class Walked:
    """What came of it."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.code = done.returncode
        self.said = done.stderr
        self.document: dict[str, Any] = json.loads(done.stdout) if done.stdout else {}

    @property
    def why(self) -> str:
        """All that was said, for a test that fails."""
        outputs = [f"{name} {state}: {self.output(name)}" for name, state in self.states.items()]
        return f"exit {self.code}\n{self.said}\n" + "\n".join(outputs)

    @property
    def states(self) -> dict[str, str]:
        """Number of the command (``2.1``: the first of the second step) → its state."""
        return {name: str(command["state"]) for name, command in self._commands.items()}

    @property
    def failed(self) -> list[str]:
        """The commands that did not work."""
        return [name for name, state in self.states.items() if state not in ("done", "ready", "undone", "skipped")]

    @property
    def steps(self) -> list[str]:
        return [str(step["state"]) for step in self.document["steps"]]

    def output(self, name: str) -> str:
        """What a command printed, on all its hosts."""
        hosts = self._commands[name]["hosts"]
        return "".join(f"{each['output']['head']}{each['output']['tail']}" for each in hosts)

    @property
    def _commands(self) -> dict[str, dict[str, Any]]:
        return {
            f"{step}.{number}": command
            for step, each in enumerate(self.document.get("steps", []), 1)
            for number, command in enumerate(each["commands"], 1)
        }


def install_backend(machine: Machine, *, unit: str = "lilfox-backend", port: int = 8000) -> None:
    """A repository in ``/srv/lilfox`` with the tags v1 and v2, v2 checked out, and a unit that serves it."""
    machine.ssh(_INSTALL.replace("@UNIT@", unit).replace("@PORT@", str(port)).replace("@BACKEND@", BACKEND))


_INSTALL = r"""
set -e
useradd --system --create-home --home-dir /srv/lilfox --shell /usr/sbin/nologin app
cat >/srv/backend.py <<'END_OF_BACKEND'
@BACKEND@
END_OF_BACKEND
cd /srv/lilfox
as() { runuser -u app -- "$@"; }
as git init --quiet -b main .
as git config user.name app
as git config user.email app@localhost
for version in v1 v2; do
    echo "$version" >VERSION
    chown app VERSION
    as git add VERSION
    as git commit --quiet -m "Release $version"
    as git tag "$version"
done
cat >/etc/systemd/system/@UNIT@.service <<UNIT
[Service]
User=app
ExecStart=python3 /srv/backend.py @PORT@ /srv/lilfox
Restart=on-failure
RestartSec=200ms
UNIT
systemctl daemon-reload
systemctl start @UNIT@
until curl -fsS -o /dev/null http://127.0.0.1:@PORT@/health 2>/dev/null; do sleep 0.1; done
"""


def broken(program: str, when: str = "true") -> str:
    """A command that puts a program which fails in front of the host's own, where the shell's ``when`` is true of its
    arguments; ``MENDED`` takes it away."""
    path = f"/usr/local/sbin/{program}"
    lines = ["#!/bin/sh", f"if {when}; then exit 1; fi", f'PATH=/usr/sbin:/usr/bin exec {program} "$@"', ""]
    return f"cat >{path} <<'BROKEN'\n" + "\n".join(lines) + f"BROKEN\nchmod +x {path}"


MENDED = "rm -f /usr/local/sbin/*"


class Load:
    """Requests of several clients, one after the other each, with and without keeping the connection."""

    def __init__(self, address: str, port: int, path: str = "/health") -> None:
        self.answers: Counter[str] = Counter()
        self.failed: list[str] = []
        self._address, self._port, self._path, self._ended = address, port, path, threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(kept,)) for kept in (True, True, False, False)]

    @contextmanager
    def asking(self) -> Iterator[Load]:
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            for thread in self._threads:
                thread.join(10)

    def _ask(self, kept: bool) -> None:
        connection = http.client.HTTPConnection(self._address, self._port, timeout=10)
        used = False
        while not self._ended.wait(0.01):
            answer = None
            try:
                connection.request("GET", self._path)
                answer = connection.getresponse()
                body = answer.read().decode()
            except (OSError, http.client.HTTPException) as error:
                # A kept connection may be closed before a request comes on it, by a reset where it is on its way.
                closed = used and answer is None and isinstance(error, ConnectionResetError | BrokenPipeError)
                if not closed:
                    self.failed.append(repr(error))
                connection.close()
                used = False
                continue
            used = kept
            if answer.status == 200:
                self.answers[body.split('"version": "')[1].split('"')[0]] += 1
            else:
                self.failed.append(f"{answer.status} {body[:80]}")
            if not kept:
                connection.close()
        connection.close()
