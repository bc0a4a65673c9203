"""A collector and its options as one value, and the strict number reading that all collectors share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

from msgspec import Struct

from lilfox_tui import plugins
from lilfox_tui.i18n import Message, tr
from lilfox_tui.metrics.model import MalformedOutput, Sample

# Reading numbers out of a kernel's text: strict where the format is, so that garbage never becomes a value.


_LONGEST = 20
"""Digits of the largest unsigned 64-bit number; no kernel counter is longer."""


def count(word: str) -> float:
    """A plain decimal number without sign, as /proc prints its counters; raises ValueError for anything else."""
    if len(word) <= _LONGEST and word.isdigit() and word.isascii():
        return float(word)
    raise ValueError(word)


def decimal(word: str) -> float:
    """A number such as ``12``, ``0.25`` or ``-1.5``; raises ValueError for anything else (also ``nan``, ``1e5``)."""
    whole, point, fraction = word.removeprefix("-").partition(".")
    if len(word) > 2 * _LONGEST or not (whole.isdigit() and whole.isascii()):
        raise ValueError(word)
    if point and not (fraction.isdigit() and fraction.isascii()):
        raise ValueError(word)
    return float(word)


def checked(samples: list[Sample], bad: list[Message]) -> list[Sample]:
    """``samples`` when nothing was bad; else raises MalformedOutput with the first finding, and them in it."""
    if bad:
        raise MalformedOutput(bad[0], samples)
    return samples


def bad_line(source: str, line: str) -> Message:
    """What is said of a line that does not have its format; ``source`` is the file or the collector's kind."""
    return tr("{source}: cannot read the line “{line}”", source=source, line=line[:80])


def missing(source: str) -> Message:
    """What is said when a file of the kernel was not there or empty."""
    return tr("{source}: not there or not readable on this host", source=source)


def lacking(source: str, field: str) -> Message:
    """What is said when a file lacks one thing that it should have."""
    return tr("{source}: has no {field}", source=source, field=field)


# A collector module and its options as one value, with the contract's defaults filled in.


PACKAGE = "lilfox_tui.metrics.collectors"


class Collector(Struct, frozen=True):
    """One kind with its options; the fields are the contract of ``metrics/collectors/__init__.py``."""

    kind: str
    files: tuple[str, ...]
    script: str
    every_s: float
    when_focused: bool
    parse: Callable[[Mapping[str, str]], list[Sample]]
    read_here: Callable[[], str | None]
    options: Any


def load_collectors(options: Mapping[str, Any]) -> tuple[Collector, ...]:
    """Every kind that is not switched off. ``options`` maps a kind to its Options or False; others have defaults."""
    kinds = (kind for kind in plugins.kinds(PACKAGE) if options.get(kind) is not False)
    return tuple(_collector(kind, plugins.load(PACKAGE, kind), options.get(kind)) for kind in kinds)


def _collector(kind: str, module: ModuleType, chosen: Any) -> Collector:
    options = module.Options() if chosen is None else chosen
    files: Sequence[str] = getattr(module, "FILES", ())
    script = getattr(module, "script", None)
    here = getattr(module, "read_here", None)
    return Collector(
        kind=kind,
        files=tuple(files),
        script="" if script is None else script(options),
        every_s=getattr(module, "EVERY_S", 0.0),
        when_focused=getattr(module, "WHEN_FOCUSED", False),
        parse=lambda text: module.parse(text, options),
        read_here=(lambda: None) if here is None else (lambda: here(options)),
        options=options,
    )
