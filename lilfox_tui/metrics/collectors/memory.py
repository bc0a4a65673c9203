"""Memory and swap: /proc/meminfo (proc_meminfo(5))."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from lilfox_tui.core.i18n import Message
from lilfox_tui.metrics.collector import bad_line, checked, count, lacking, missing
from lilfox_tui.metrics.model import Sample

_MEMINFO = "/proc/meminfo"
FILES: tuple[str, ...] = (_MEMINFO,)
_NAMES = {
    "MemTotal": "memory_total_bytes",
    "MemFree": "memory_free_bytes",
    "MemAvailable": "memory_available_bytes",
    "Buffers": "memory_buffers_bytes",
    "Cached": "memory_cached_bytes",
    "SwapTotal": "swap_total_bytes",
    "SwapFree": "swap_free_bytes",
    "Dirty": "memory_dirty_bytes",
    "Shmem": "memory_shared_bytes",
    "SReclaimable": "memory_reclaimable_bytes",
}
_NEEDED = ("MemTotal", "MemFree", "SwapTotal", "SwapFree")


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """This collector has no options."""


def parse(text: Mapping[str, str], options: Options) -> list[Sample]:
    """Return ``memory_…_bytes`` and ``swap_…_bytes``. ``memory_available_bytes`` is estimated before Linux 3.14."""
    meminfo = text.get(_MEMINFO, "")
    if not meminfo:
        return checked([], [missing(_MEMINFO)])
    found: dict[str, float] = {}
    bad: list[Message] = []
    for line in meminfo.split("\n"):
        key, _, rest = line.partition(":")
        if key in _NAMES:
            try:
                found[key] = _bytes(rest)
            except ValueError:
                bad.append(bad_line(_MEMINFO, line))
    bad += [lacking(_MEMINFO, key) for key in _NEEDED if key not in found]
    if "MemAvailable" not in found and (estimate := _estimate(found)) is not None:
        found["MemAvailable"] = estimate
    return checked([Sample(_NAMES[key], value) for key, value in found.items()], bad)


def _bytes(rest: str) -> float:
    match rest.split():
        case [number, "kB"]:
            return count(number) * 1024
    raise ValueError(rest)


def _estimate(found: Mapping[str, float]) -> float | None:
    """Estimate the available memory that an older kernel does not report: free plus what can be dropped, like ``free``
    of procps without the watermarks; shared memory is in Cached and cannot be dropped. None if a part is unknown."""
    if not {"MemFree", "Buffers", "Cached", "MemTotal"} <= found.keys():
        return None
    droppable = found["Buffers"] + found["Cached"] - found.get("Shmem", 0.0) + found.get("SReclaimable", 0.0)
    return min(found["MemTotal"], found["MemFree"] + max(0.0, droppable))
