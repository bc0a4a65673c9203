"""A private RabbitMQ on loopback with its management and Prometheus plug-ins; nothing of it stays."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import urllib.request
from base64 import b64encode
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.lifetime import ending_with_us
from tests.ports import free_port
from tests.waiting import wait_for

BINARIES = Path("/usr/lib/rabbitmq/bin")
_START_S = 90.0
CONFIG = """
listeners.tcp.default = 127.0.0.1:{amqp}
management.tcp.ip = 127.0.0.1
management.tcp.port = {management}
prometheus.tcp.ip = 127.0.0.1
prometheus.tcp.port = {prometheus}
log.console = false
"""


class RabbitMqServer:
    """One node with the user guest. Use as a context manager."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="lilfox-rabbit-"))
        self.amqp, self.management, self.prometheus = free_port(), free_port(), free_port()
        self._distribution, self._epmd = free_port(), free_port()
        self._processes: list[subprocess.Popen[bytes]] = []
        (self._folder / "plugins").write_text("[rabbitmq_management,rabbitmq_prometheus].\n")
        ports = {"amqp": self.amqp, "management": self.management, "prometheus": self.prometheus}
        (self._folder / "rabbitmq.conf").write_text(CONFIG.format(**ports))
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),
            "RABBITMQ_NODENAME": f"lilfox{self.amqp}@localhost",
            "RABBITMQ_MNESIA_BASE": str(self._folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self._folder / "log"),
            "RABBITMQ_PID_FILE": str(self._folder / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(self._folder / "rabbitmq.conf"),
            "RABBITMQ_DIST_PORT": str(self._distribution),
            "ERL_EPMD_PORT": str(self._epmd),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RUNNING_UNDER_SYSTEMD": "true",  # the script becomes the node
        }

    def __enter__(self) -> RabbitMqServer:
        try:
            self._start("epmd", "-address", "127.0.0.1", "-port", str(self._epmd))  # the node would leave it behind
            wait_for(self._epmd_listens, what="epmd listens")
            self._start(str(BINARIES / "rabbitmq-server"))
            wait_for(self._answers, timeout_s=_START_S, what="RabbitMQ's management answers")
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._end()

    def api(self, method: str, path: str, document: object | None = None) -> Any:
        """One question to the management API as guest."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.management}/api/{path}",
            method=method,
            data=None if document is None else json.dumps(document).encode(),
            headers={
                "Authorization": "Basic " + b64encode(b"guest:guest").decode(),
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def queues(self) -> list[tuple[str, int, int, int]]:
        """Name, ready, unacknowledged and consumers of each queue, as rabbitmqctl lists them."""
        argv = [str(BINARIES / "rabbitmqctl"), "-q", "-n", self._environment["RABBITMQ_NODENAME"], "list_queues"]
        argv += ["name", "messages_ready", "messages_unacknowledged", "consumers", "--formatter", "json"]
        done = subprocess.run(
            argv, env=self._environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=True
        )
        rows = json.loads(done.stdout)
        return [
            (row["name"], row["messages_ready"], row["messages_unacknowledged"], row["consumers"])
            for row in sorted(rows, key=lambda row: str(row["name"]))
        ]

    def _start(self, *argv: str) -> None:
        process = subprocess.Popen(
            ending_with_us(*argv),
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._processes.append(process)

    def _epmd_listens(self) -> bool:
        assert self._processes[0].poll() is None, "epmd ended"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._epmd)) == 0

    def _answers(self) -> bool:
        assert self._processes[-1].poll() is None, "rabbitmq-server ended"
        with contextlib.suppress(OSError):
            return bool(self.api("GET", "overview"))
        return False

    def _end(self) -> None:
        """Ends the node and what it started."""
        for process in reversed(self._processes):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for pid in _pids_with(f"ERL_EPMD_PORT={self._epmd}".encode()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self._folder, ignore_errors=True)


def _pids_with(variable: bytes) -> list[int]:
    """Processes that were started with this variable: of this node alone, for its port is in it."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if variable in environ.read_bytes().split(b"\0"):
                found.append(int(environ.parent.name))
    return found
