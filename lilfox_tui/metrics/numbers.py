"""Reading numbers out of a kernel's text: strict where the format is, so that garbage never becomes a value."""

from __future__ import annotations

from lilfox_tui.i18n import Message, tr
from lilfox_tui.metrics.model import MalformedOutput, Sample

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
