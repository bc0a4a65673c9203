"""Windows of samples for kernels over time, written as a test wants to read them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lilfox_tui.promql.tree import FunctionCall
from lilfox_tui.promql.value import PROMETHEUS_3, EvaluationRange, Semantics, Vector
from lilfox_tui.scrape.labels import LabelList, LabelSet
from lilfox_tui.scrape.store import Floats, Times

CALL = FunctionCall(at_ms=1_700_000_000_000, semantics=PROMETHEUS_3, matchers=None, sample_times=None)


def span(start_s: float, end_s: float, semantics: Semantics = PROMETHEUS_3) -> EvaluationRange:
    """A range that is evaluated at its end."""
    return EvaluationRange(int(start_s * 1000), int(end_s * 1000), int(end_s * 1000), semantics)


def every(step_s: float, values: Sequence[Sequence[float]], first_s: float = 0.0) -> tuple[Times, Floats]:
    """Samples in regular steps, one row a time and one column a series."""
    times = np.array([int((first_s + step_s * row) * 1000) for row in range(len(values))], np.int64)
    return times, np.array(values, np.float64)


def column(*values: float) -> list[list[float]]:
    """The samples of one series."""
    return [[value] for value in values]


def vector(*elements: tuple[dict[str, str], float]) -> Vector:
    """A vector of labels and values."""
    return Vector(
        LabelList([LabelSet.of(labels) for labels, _ in elements]), np.array([value for _, value in elements])
    )


def read(result: object) -> dict[str, float]:
    """A vector's values by the text of their labels."""
    assert isinstance(result, Vector)
    return {str(labels): float(value) for labels, value in zip(result.labels, result.values, strict=True)}
