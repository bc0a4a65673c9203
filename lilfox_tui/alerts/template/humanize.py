"""Numbers for people, as Prometheus' template functions write them (its template/template.go)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from lilfox_tui.alerts.template.go_format import sprintf
from lilfox_tui.alerts.template.go_numbers import parse_float
from lilfox_tui.alerts.template.values import type_name

_LARGE = ("k", "M", "G", "T", "P", "E", "Z", "Y")
_SMALL = ("m", "u", "n", "p", "f", "a", "z", "y")
_INT64 = 2**63
_BINARY = ("ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi")


def to_float(value: object) -> float:
    """A number, or the text of one. Raises ValueError."""
    if isinstance(value, str) and type(value) is str:
        return parse_float(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise ValueError(f"can't convert {type_name(value)} to float")


def humanize(value: object) -> str:
    """``1.235M``, ``120u``."""
    number = to_float(value)
    if number == 0 or not math.isfinite(number):
        return _four(number)
    return _scaled(number, _LARGE, 1000) if abs(number) >= 1 else _shrunk(number)


def humanize1024(value: object) -> str:
    """``1Mi``."""
    number = to_float(value)
    if abs(number) <= 1 or not math.isfinite(number):
        return _four(number)
    return _scaled(number, _BINARY, 1024)


def humanize_duration(value: object) -> str:
    """Seconds as ``1d 1h 1m 1s`` or ``1.23ms``."""
    number = to_float(value)
    if not math.isfinite(number):
        return _four(number)
    if number == 0:
        return "0s"
    if abs(number) < 1:
        return _shrunk(number) + "s"
    sign, number = ("-", -number) if number < 0 else ("", number)
    whole = int(number) if number < _INT64 else -_INT64  # what Go makes of a number that is too large
    turn, whole = (-1, -whole) if whole < 0 else (1, whole)
    parts = whole % 60, whole // 60 % 60, whole // 3600 % 24, whole // 86400
    seconds, minutes, hours, days = (turn * part for part in parts)
    if days:
        return f"{sign}{days}d {hours}h {minutes}m {seconds}s"
    if hours:
        return f"{sign}{hours}h {minutes}m {seconds}s"
    return f"{sign}{minutes}m {seconds}s" if minutes else f"{sign}{_four(number)}s"


def humanize_percentage(value: object) -> str:
    """A share of one as ``95.91%``."""
    return _four(to_float(value) * 100) + "%"


def humanize_timestamp(value: object) -> str:
    """Seconds since 1970 as ``2022-01-25 12:36:43 +0000 UTC``."""
    number = to_float(value)
    if not math.isfinite(number):
        return _four(number)
    nanoseconds = number * 1e9
    if not -(2.0**63) <= nanoseconds <= 2.0**63:
        shown = sprintf("%v", (number,))
        raise ValueError(f"{shown} cannot be represented as a nanoseconds timestamp since it overflows int64")
    milliseconds = math.trunc(int(nanoseconds) / 1_000_000)
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    fraction = f".{at.microsecond:06d}".rstrip("0").rstrip(".")
    return f"{at:%Y-%m-%d %H:%M:%S}{fraction} +0000 UTC"


def _four(number: float) -> str:
    return sprintf("%.4g", (number,))


def _scaled(number: float, prefixes: Sequence[str], step: int) -> str:
    prefix = ""
    for larger in prefixes:
        if abs(number) < step:
            break
        prefix = larger
        number /= step
    return _four(number) + prefix


def _shrunk(number: float) -> str:
    prefix = ""
    for smaller in _SMALL:
        if abs(number) >= 1:
            break
        prefix = smaller
        number *= 1000
    return _four(number) + prefix
