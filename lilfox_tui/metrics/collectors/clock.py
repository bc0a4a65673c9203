"""The host's clock: ``date`` (POSIX), with nanoseconds if it supports ``%N``. The sampler computes the offset."""

from __future__ import annotations

import time
from collections.abc import Mapping

import msgspec

from lilfox_tui.metrics.collector import bad_line, checked, count
from lilfox_tui.metrics.model import Sample

EVERY_S = 30.0


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """This collector has no options."""


def script(options: Options) -> str:
    """Print seconds since 1970 and, with GNU date, nanoseconds."""
    return "date +%s.%N"


def read_here(options: Options) -> str | None:
    """Return this machine's own clock."""
    return f"{time.time():.9f}"


def parse(text: Mapping[str, str], options: Options) -> list[Sample]:
    """Return ``clock_seconds`` (since 1970) and ``clock_resolution_seconds``, the longest time for which the clock may
    have shown that value."""
    shown = text.get("script", "").strip()
    whole, _, fraction = shown.partition(".")
    try:
        seconds = count(whole)
    except ValueError:
        return checked([], [bad_line("date", shown)])
    known = len(fraction) == 9 and fraction.isdigit() and fraction.isascii()
    exact = seconds + int(fraction) / 1e9 if known else seconds
    return [Sample("clock_seconds", exact), Sample("clock_resolution_seconds", 0.0 if known else 1.0)]
