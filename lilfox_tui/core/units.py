"""Values with their units as text: whole beside a label, and short on the axis of a chart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from lilfox_tui.core.text import human_bytes, human_count, human_duration, time_at

ValueUnit: TypeAlias = Literal[
    "", "ratio", "percent", "seconds", "bytes", "time", "per second", "bytes per second"
]  # fmt: skip
"""Empty: a plain number, or not known. ``ratio`` is 0.05 where ``percent`` is 5; ``time`` is seconds since 1970."""
LABEL_CELLS: Final = 6
"""Cells of an axis."""
_EXACT_BELOW: Final = 1000
_DIGITS_BELOW: Final = 1e7
_COUNT_BELOW: Final = 999.5e12
_BYTES_BELOW: Final = 999.5 * 1024**6
_LONGEST_S: Final = 1e10
_WHOLE_FROM: Final = 99
"""Percent from which a fourth digit is told: 99.95% is not 100%."""


def number_text(value: float | None) -> str:
    """A plain number: ``0.1235``, ``12,345``, ``2.5G``; ``-`` if it is unknown."""
    if value is None:
        return "-"
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    size = abs(value)
    if size < _EXACT_BELOW:
        return f"{value:.4g}"
    if size < _DIGITS_BELOW:
        return f"{value:,.0f}"
    return human_count(value) if size < _COUNT_BELOW else f"{value:.3g}"


def value_text(value: float | None, unit: ValueUnit) -> str:
    """A value with its unit: ``60``, ``31%``, ``850 ms``, ``1 min 30 s``, ``1.2 MB/s``; ``-`` if it is unknown."""
    if value is None or not math.isfinite(value):
        return number_text(value)
    match unit:
        case "ratio":
            return _percent(value * 100)
        case "percent":
            return _percent(value)
        case "seconds":
            return _duration(value)
        case "bytes":
            return _bytes(value)
        case "bytes per second":
            return f"{_bytes(value)}/s"
        case "per second":
            return f"{number_text(value)}/s"
        case "time":
            return time_at(value).strftime("%Y-%m-%d %H:%M:%S")
    return number_text(value)


def exact_text(value: float, unit: ValueUnit, digits: int = 10) -> str:
    """A value with its unit and so many digits, for two that would look the same: ``5.00001%``."""
    scale = 100 if unit == "ratio" else 1
    sign = {"ratio": "%", "percent": "%", "seconds": " s", "bytes": " B", "per second": "/s",
            "bytes per second": " B/s"}.get(unit, "")  # fmt: skip
    return f"{value * scale:.{digits}g}{sign}"


def _percent(value: float) -> str:
    return f"{value:.3g}%" if abs(value) < _WHOLE_FROM else f"{number_text(value)}%"


def _duration(value: float) -> str:
    size = abs(value)
    if size < 0.0095 and value:
        return f"{value * 1000:.3g} ms" if size >= 0.001 else f"{value * 1e6:.3g} us"
    minutes, seconds = divmod(round(size), 60)
    if 1 <= minutes < 10 and seconds:
        return f"{'-' if value < 0 else ''}{minutes} min {seconds} s"
    return human_duration(value) if size < _LONGEST_S else f"{number_text(value)} s"


def _bytes(value: float) -> str:
    if abs(value) >= _BYTES_BELOW:
        return f"{value:.3g} B"
    if abs(value) < 9.95:
        return f"{value:.2g} B"
    text = human_bytes(value)
    letter = text[-1].replace("K", "k").replace("B", "")
    return f"{text[:-1]} {letter}B"


# ---- on an axis ------------------------------------------------------------------------------------------------------


_SWITCH: Final = 999.5
_LEAST_PLAIN: Final = 0.001
_PERCENT: Final = ("%", "k%", "M%", "G%", "T%")
_COUNTS: Final = ("", "k", "M", "G", "T")
_BINARY: Final = ("B", "K", "M", "G", "T", "P", "E")
_DAYS: Final = ("d", "kd", "Md", "Gd", "Td")
_SPANS: Final = (
    (1e-6, "us", 0.0009995),
    (0.001, "ms", 0.9995),
    (1, "s", _SWITCH),
    (60, "m", 5970),
    (3600, "h", 359_000),
)
"""The size of a unit in seconds, its letters, and the seconds below which it is used; above the last one are days."""


def axis_label(value: float, unit: ValueUnit) -> str:
    """A value in at most LABEL_CELLS cells, for the axis of a chart: ``31%``, ``12.5M``, ``850ms``. The unit of time
    alone is told of rates and bytes; a time is its year."""
    if not math.isfinite(value):
        return number_text(value)
    match unit:
        case "ratio" | "percent":
            return _scaled(value * 100 if unit == "ratio" else value, 1000, _PERCENT)
        case "bytes" | "bytes per second":
            return _scaled(value, 1024, _BINARY)
        case "seconds":
            size, letters = next(((size, letters) for size, letters, end in _SPANS if 0 < abs(value) < end), (0, ""))
            if not value:
                return "0s"
            return _short(value / size, letters) if size else _scaled(value / 86400, 1000, _DAYS)
        case "time":
            return time_at(value).strftime("%Y")
    return _scaled(value, 1000, _COUNTS)


def _scaled(value: float, step: int, letters: Sequence[str]) -> str:
    scaled = value
    for each in letters:
        if abs(scaled) < _SWITCH:
            return _short(scaled, each)
        scaled /= step
    return f"{'<-' if value < 0 else '>'}999{letters[-1][0]}"


def _short(value: float, letters: str) -> str:
    """A number below 1000 with as many of its first three digits as there is room for, if need be without a leading
    zero."""
    if not value:
        return f"0{letters}"
    size = abs(value)
    if size < _LEAST_PLAIN:
        texts = [f"{value:.0e}"]
    else:
        most = max(0, 2 - math.floor(math.log10(size)))
        texts = [_without_zeros(f"{value:.{places}f}") for places in range(most, -1, -1)]
    room = LABEL_CELLS - len(letters)
    texts = [text if len(text) <= room else text.replace("0.", ".", 1) for text in texts]
    return next((text for text in texts if len(text) <= room and float(text)), "0") + letters


def _without_zeros(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text
