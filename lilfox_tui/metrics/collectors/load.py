"""Load averages and the number of threads: /proc/loadavg (proc_loadavg(5))."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from lilfox_tui.metrics.collector import bad_line, checked, count, decimal, missing
from lilfox_tui.metrics.model import Sample

_LOADAVG = "/proc/loadavg"
FILES: tuple[str, ...] = (_LOADAVG,)


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """This collector has no options."""


def parse(text: Mapping[str, str], options: Options) -> list[Sample]:
    """Return ``load1``, ``load5``, ``load15``: mean number of runnable and blocked tasks; and ``threads``: how
    many there are, those of the kernel included."""
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
    bad = [] if len(samples) == 3 else [bad_line(_LOADAVG, loadavg)]
    return checked([*samples, *_threads(words[3:4])], bad)


def _threads(words: Sequence[str]) -> Iterator[Sample]:
    """Yield the number of threads from ``running/all``; nothing where it is missing."""
    for word in words:
        whole = word.partition("/")[2]
        if whole.isdecimal():
            yield Sample("threads", count(whole))
