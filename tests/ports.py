"""Ports for servers that cannot choose one themselves."""

from __future__ import annotations

import random
import socket

_RANGE = range(20_000, 32_000)
"""Below what connections going out and port 0 are given (net.ipv4.ip_local_port_range)."""


def free_port(address: str = "127.0.0.1") -> int:
    """A port of ``address`` where nobody listens, and that is given to nobody else until this process ends.

    The claim is a name among the abstract sockets, which the kernel takes away with the process (unix(7))."""
    chance = random.SystemRandom()
    for _try in range(10_000):
        port = chance.choice(_RANGE)
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0lilfox-port-{port}")
            with socket.socket() as probe:
                probe.bind((address, port))
        except OSError:
            claim.close()
            continue
        claim.detach()
        return port
    raise AssertionError("no port is free")
