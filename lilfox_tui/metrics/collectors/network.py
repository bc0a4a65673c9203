"""Network interfaces: /proc/net/dev (proc_pid_net(5)). The loopback is left out: it is not traffic of the host."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

import msgspec

from lilfox_tui.core.i18n import Message
from lilfox_tui.metrics.collector import bad_line, checked, count, missing
from lilfox_tui.metrics.model import Labels, Sample

_DEV = "/proc/net/dev"
FILES: tuple[str, ...] = (_DEV,)
_COLUMNS = (
    ("network_receive_bytes_total", 0),
    ("network_receive_packets_total", 1),
    ("network_receive_errors_total", 2),
    ("network_receive_dropped_total", 3),
    ("network_transmit_bytes_total", 8),
    ("network_transmit_packets_total", 9),
    ("network_transmit_errors_total", 10),
    ("network_transmit_dropped_total", 11),
)
"""Series and its place among the 16 numbers of a line (net/core/net-procfs.c, unchanged since Linux 2.2)."""
_PLAIN = re.compile(r"[A-Za-z0-9_.-]++")


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``ignore``: prefixes of interface names to leave out."""

    ignore: tuple[str, ...] = ("veth", "docker", "br-", "cali", "flannel", "cni", "vnet", "ifb")


def ignored(options: Options) -> str:
    """Return the expression of lines of interfaces to leave out: a container on a bridge has one of 120 bytes."""
    plain = [name for name in options.ignore if _PLAIN.fullmatch(name)]
    return f"^ *({'|'.join(plain).replace('.', '[.]')})[^ ]*:( *[0-9]+){{16}} *$" if plain else ""


def parse(text: Mapping[str, str], options: Options) -> list[Sample]:
    """Return bytes, packets, errors and drops of each interface (label ``device``) in both directions."""
    dev = text.get(_DEV, "")
    samples: list[Sample] = []
    bad: list[Message] = [] if dev else [missing(_DEV)]
    for line in dev.split("\n"):
        head, colon, rest = line.rpartition(":")
        if not colon:
            if line and "|" not in line:
                bad.append(bad_line(_DEV, line))
            continue
        name = head.strip(" ")
        if name == "lo" or name.startswith(options.ignore):
            continue
        try:
            samples += _counters(name, rest)
        except ValueError:
            bad.append(bad_line(_DEV, line))
    return checked(samples, bad)


def _counters(name: str, rest: str) -> list[Sample]:
    numbers = [count(word) for word in rest.split()]
    if len(numbers) < 16 or not name:
        raise ValueError(rest)
    labels = _labels(name)
    return [Sample(series, numbers[place], labels) for series, place in _COLUMNS]


@lru_cache(maxsize=4096)
def _labels(name: str) -> Labels:
    return (("device", name),)
