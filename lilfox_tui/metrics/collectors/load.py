"""Load averages: /proc/loadavg (proc_loadavg(5))."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from lilfox_tui.metrics.collector import bad_line, checked, decimal, missing
from lilfox_tui.metrics.model import Sample

_LOADAVG = "/proc/loadavg"
FILES: tuple[str, ...] = (_LOADAVG,)


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """This collector has no options."""


def parse(text: Mapping[str, str], options: Options) -> list[Sample]:
    """Return ``load1``, ``load5``, ``load15``: mean number of runnable and blocked tasks."""
    loadavg = text.get(_LOADAVG, "").strip()
    if not loadavg:
        return checked([], [missing(_LOADAVG)])
    samples: list[Sample] = []
    words = loadavg.split()
    for name, word in zip(("load1", "load5", "load15"), words, strict=False):
        try:
            value = decimal(word)
        except ValueError:
            break
        if value < 0:
            break
        samples.append(Sample(name, value))
    return checked(samples, [] if len(samples) == 3 else [bad_line(_LOADAVG, loadavg)])
