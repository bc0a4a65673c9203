"""Numbers, durations and instants in Prometheus' notation."""

from __future__ import annotations

import math
import re
from datetime import datetime
from decimal import Decimal

from lilfox_tui.untrusted_numbers import time_at, whole

# Numbers as Go writes them, where Prometheus makes text of them that others compare.


def openmetrics_number(value: float) -> str:
    """A number as Prometheus 3 writes it into ``le`` and ``quantile``: ``1`` is ``1.0``, a million ``1e+06``
    (its model/textparse/interface.go: Go's shortest ``%g``, with a decimal point)."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = shortest(value)
    return text if "e" in text or "." in text else f"{text}.0"


def shortest(value: float) -> str:
    """Go's ``strconv.FormatFloat(value, 'g', -1, 64)`` of a finite number."""
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    assert isinstance(exponent, int)
    figures = "".join(map(str, digits)).rstrip("0")
    if not figures:
        return "-0" if sign else "0"
    power = len(digits) + exponent - 1
    minus = "-" if sign else ""
    if power < -4 or power >= 6:
        return _scientific(minus, figures, power)
    if power < 0:
        return f"{minus}0.{'0' * (-power - 1)}{figures}"
    whole = figures[: power + 1].ljust(power + 1, "0")
    return f"{minus}{whole}.{figures[power + 1 :]}" if len(figures) > power + 1 else minus + whole


def _scientific(minus: str, figures: str, power: int) -> str:
    point = f".{figures[1:]}" if len(figures) > 1 else ""
    return f"{minus}{figures[0]}{point}e{'-' if power < 0 else '+'}{abs(power):02d}"


# Durations as Prometheus writes them: ``1h30m``, ``90s``, ``500ms``, ``0`` (its common/model/time.go).


_PARTS = re.compile(r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?", re.ASCII)
_SIZES_MS = (31_536_000_000, 604_800_000, 86_400_000, 3_600_000, 60_000, 1_000, 1)
_LONGEST_MS = (2**63 - 1) // 1_000_000  # Prometheus holds nanoseconds in 64 bits
_WRITTEN = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1))
_NUMBER_AND_UNIT = re.compile(r"[0-9]+([^0-9]*)")


def parse_duration(text: str) -> int:
    """Milliseconds. Units stand in falling order, each once. Raises ValueError, worded as Prometheus does."""
    if text == "0":
        return 0
    if not text:
        raise ValueError("empty duration string")
    match = _PARTS.fullmatch(text)
    if match is None:
        raise ValueError(_what_is_wrong(text))
    total = sum(whole(part) * size for part, size in zip(match.groups(), _SIZES_MS, strict=True) if part)
    if total > _LONGEST_MS:
        raise ValueError("duration out of range")
    return total


def _what_is_wrong(text: str) -> str:
    place = 0
    while found := _NUMBER_AND_UNIT.match(text, place):
        if found[1] and found[1] not in ("y", "w", "d", "h", "m", "s", "ms"):
            return f"unknown unit {_quoted(found[1])} in duration {_quoted(text)}"
        place = found.end()
    return f"not a valid duration string: {_quoted(text)}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def duration_text(milliseconds: int, *, days: bool = True) -> str:
    """``1d1h30m`` as :func:`parse_duration` reads it; without ``days`` ``25h30m``, as Go writes a duration."""
    text = ""
    for unit, size in _WRITTEN if days else _WRITTEN[1:]:
        count, milliseconds = divmod(milliseconds, size)
        if count:
            text += f"{count}{unit}"
    return text or "0s"


# Instants as series have them, milliseconds since 1970 (UTC), and as everybody else has them.


def ms_of(at: datetime) -> int:
    """An aware time in milliseconds."""
    return round(at.timestamp() * 1000)


def time_of(at_ms: int) -> datetime:
    """The time (aware UTC) of milliseconds."""
    return time_at(at_ms / 1000)
