"""What runs on this machine, for those who have no configuration yet."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from lilfox_tui.config.model import ServiceConfig

MANUAL_SERVICES = {"gateway": 8080, "backend": 8000, "model": 8001}
"""The services of the manual and the ports it gives them."""
_LISTEN = "0A"
_BLOCK = 4096


def listening_ports(proc: Path = Path("/proc")) -> set[int]:
    """TCP ports that something listens on here, from /proc/net/tcp and tcp6 (proc_pid_net(5)); empty without them."""
    ports: set[int] = set()
    for table in ("tcp", "tcp6"):
        try:
            with (proc / "net" / table).open(encoding="ascii", errors="replace", buffering=_BLOCK) as lines:
                ports.update(_ports(lines))
        except OSError:
            continue
    return ports


def _ports(lines: Iterable[str]) -> set[int]:
    """Linux lists those that listen first: reading on through thousands of connections would cost milliseconds."""
    ports: set[int] = set()
    for line in islice(lines, 1, None):
        fields = line.split(maxsplit=4)
        if len(fields) < 4:
            continue
        if fields[3] != _LISTEN:
            break
        try:
            ports.add(int(fields[1].rpartition(":")[2], 16))
        except ValueError:
            continue
    return ports


def find_services(proc: Path = Path("/proc")) -> dict[str, ServiceConfig]:
    """The manual's services whose port is listened on here, by name."""
    open_ports = listening_ports(proc)
    return {
        name: ServiceConfig(url=f"http://localhost:{port}")
        for name, port in MANUAL_SERVICES.items()
        if port in open_ports
    }
