"""Arithmetic and comparisons of numbers, as Go calculates them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lilfox_tui.scrape.series import Floats

Operand: TypeAlias = Floats | float

ARITHMETIC: Final[dict[str, Callable[..., Floats]]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,
    "^": np.float_power,  # np.power takes a square root of its own where the exponent is 0.5
    "atan2": np.arctan2,
}
COMPARISONS: Final[dict[str, Callable[..., NDArray[np.bool_]]]] = {
    "==": np.equal,
    "!=": np.not_equal,
    ">": np.greater,
    "<": np.less,
    ">=": np.greater_equal,
    "<=": np.less_equal,
}
SETS: Final = frozenset({"and", "or", "unless"})


def of_numbers(op: str, left: float, right: float) -> float:
    """Of two scalars; a comparison gives 1 or 0."""
    if op in COMPARISONS:
        return float(COMPARISONS[op](left, right))
    return float(ARITHMETIC[op](np.float64(left), np.float64(right)))


def negated(value: float) -> float:
    """``-value``; of NaN a NaN."""
    return value if math.isnan(value) else -value
