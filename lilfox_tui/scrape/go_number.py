"""Numbers as Go writes them, where Prometheus makes text of them that others compare."""

from __future__ import annotations

import math
from decimal import Decimal


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
