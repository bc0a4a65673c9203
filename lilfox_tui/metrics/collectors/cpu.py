"""CPU time of each core and of all together, boot time, and running and blocked tasks: /proc/stat (proc_stat(5))."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import msgspec

from lilfox_tui.core.i18n import Message
from lilfox_tui.metrics.collector import bad_line, checked, count, lacking, missing
from lilfox_tui.metrics.model import Labels, Sample

_STAT = "/proc/stat"
FILES: tuple[str, ...] = (_STAT,)
MODES = ("user", "system", "iowait", "steal", "idle")
_TICKS_PER_S = 100.0
"""USER_HZ: 100 on every architecture that Linux still runs on (time(7))."""
_GAUGES = {"btime": "boot_time_seconds", "procs_running": "processes_running", "procs_blocked": "processes_blocked"}


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """This collector has no options."""


def parse(text: Mapping[str, str], options: Options) -> list[Sample]:
    """Return ``cpu_seconds_total`` by mode and core (the totals have no label ``cpu``), ``cpu_count`` and
    ``boot_time_seconds``.

    ``user`` has nice in it, ``system`` the interrupts, so that the five modes are the whole time. Guest time is in
    ``user`` already.
    """
    stat = text.get(_STAT, "")
    samples: list[Sample] = []
    bad: list[Message] = [] if stat else [missing(_STAT)]
    cores = 0
    for line in stat.split("\n"):
        if line.startswith("cpu"):
            try:
                samples += _times(line)
            except (ValueError, IndexError):
                bad.append(bad_line(_STAT, line))
            else:
                cores += line[3:4] != " "
        elif (name := _GAUGES.get(line.partition(" ")[0][:16])) is not None:
            try:
                samples.append(Sample(name, count(line.split()[1])))
            except (ValueError, IndexError):
                bad.append(bad_line(_STAT, line))
    if cores:
        samples.append(Sample("cpu_count", float(cores)))
    elif stat and not bad:
        bad.append(lacking(_STAT, "cpu0"))
    return checked(samples, bad)


def _times(line: str) -> list[Sample]:
    """Parse one ``cpu`` line: user nice system idle [iowait irq softirq [steal [guest …]]]."""
    words = line.split(maxsplit=9)
    ticks = [count(word) for word in words[1:9]]
    if len(ticks) < 8:
        raise ValueError(line)
    user, nice, system, idle, iowait, irq, softirq, steal = ticks
    core = words[0][3:]
    if core and not core.isdigit():
        raise ValueError(line)
    values = (user + nice, system + irq + softirq, iowait, steal, idle)
    return [
        Sample("cpu_seconds_total", value / _TICKS_PER_S, labels)
        for value, labels in zip(values, _labels(core), strict=True)
    ]


@lru_cache(maxsize=4096)
def _labels(core: str) -> tuple[Labels, ...]:
    if not core:
        return tuple((("mode", mode),) for mode in MODES)
    return tuple((("cpu", core), ("mode", mode)) for mode in MODES)
