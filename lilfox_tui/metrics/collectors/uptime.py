"""Since when the host runs, and what kernel: /proc/uptime (proc_uptime(5)) and /proc/sys/kernel/osrelease."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from lilfox_tui.metrics.model import Sample
from lilfox_tui.metrics.numbers import bad_line, checked, decimal, missing

_UPTIME = "/proc/uptime"
_OSRELEASE = "/proc/sys/kernel/osrelease"
FILES: tuple[str, ...] = (_UPTIME, _OSRELEASE)


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """None to choose."""


def parse(text: Mapping[str, str], options: Options) -> list[Sample]:
    """``uptime_seconds`` and ``host_info`` (1, its label ``kernel`` is the release)."""
    samples: list[Sample] = []
    release = text.get(_OSRELEASE, "").strip()
    if release:
        samples.append(Sample("host_info", 1.0, (("kernel", release),)))
    uptime = text.get(_UPTIME, "").strip()
    if not uptime:
        return checked(samples, [missing(_UPTIME)])
    try:
        seconds = decimal(uptime.split()[0])
    except ValueError:
        return checked(samples, [bad_line(_UPTIME, uptime)])
    if seconds < 0:
        return checked(samples, [bad_line(_UPTIME, uptime)])
    return checked([*samples, Sample("uptime_seconds", seconds)], [])
