"""What an expression gives: a number, a text, a vector at one instant, or lines over time."""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

import numpy as np

from lilfox_tui.promql.labelling import EMPTY
from lilfox_tui.scrape.labels import LabelList, LabelSet
from lilfox_tui.scrape.series import Floats, Times


class Vector(NamedTuple):
    """One value for each label set, in the order that PromQL gives (by value after ``sort`` and ``topk``, else as they
    were found). No label set is there twice."""

    labels: LabelList
    values: Floats


NOTHING: Final = Vector(EMPTY, np.empty(0))
"""No element at all."""


class Line(NamedTuple):
    """One series over time; ``times`` are milliseconds and ascend. Values may be NaN, never STALE or ABSENT."""

    labels: LabelSet
    times: Times
    values: Floats


class Matrix(NamedTuple):
    """Lines that are the value of a range vector."""

    lines: list[Line]


Scalar: TypeAlias = float
Value: TypeAlias = Vector | Matrix | Scalar | str
