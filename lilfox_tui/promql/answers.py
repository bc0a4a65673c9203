"""Answers of Prometheus' HTTP API v1 as values (https://prometheus.io/docs/prometheus/latest/querying/api/)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from lilfox_tui.errors import LilFoxError
from lilfox_tui.hosts.json_body import decoded
from lilfox_tui.i18n import tr
from lilfox_tui.promql.value import Line, Matrix, Value, Vector
from lilfox_tui.scrape.labels import LabelList, LabelSet

Sample = tuple[float, str]
"""Unix seconds and a number as text: ``NaN``, ``+Inf``, ``1.5``."""


class Envelope(Struct, frozen=True, rename={"error_type": "errorType"}):
    """What every answer is wrapped in."""

    status: str
    data: msgspec.Raw = msgspec.Raw(b"null")
    error: str = ""
    error_type: str = ""
    warnings: tuple[str, ...] | None = None
    infos: tuple[str, ...] | None = None


class NotSupported(LilFoxError):
    """The answer holds what cannot be shown as numbers."""


class _Result(Struct, frozen=True, rename={"result_type": "resultType"}):
    result_type: str
    result: msgspec.Raw


class _Instant(Struct, frozen=True):
    metric: dict[str, str]
    value: Sample | None = None
    histogram: Any = None


class _Series(Struct, frozen=True):
    metric: dict[str, str]
    values: list[Sample] | None = None
    histograms: Any = None


def value_of(data: msgspec.Raw) -> Value:
    """``data`` of a query or a range query. Raises NotSupported for native histograms, and msgspec.DecodeError or
    ValueError for what is no such answer."""
    found = msgspec.json.decode(data, type=_Result)
    if found.result_type == "vector":
        return _vector(decoded(found.result, list[_Instant]))
    if found.result_type == "matrix":
        return Matrix(_lines(decoded(found.result, list[_Series])))
    sample: Sample = msgspec.json.decode(found.result, type=Sample)
    text = sample[1]
    if found.result_type == "scalar":
        return float(text)
    if found.result_type == "string":
        return text
    raise ValueError(found.result_type)


def _vector(samples: Sequence[_Instant]) -> Vector:
    values = [float(sample.value[1]) for sample in samples if sample.value is not None]
    if len(values) < len(samples):
        raise _native()
    return Vector(LabelList([LabelSet.of(sample.metric) for sample in samples]), np.array(values, np.float64))


def _lines(series: Sequence[_Series]) -> list[Line]:
    if any(one.histograms for one in series):
        raise _native()
    return [
        Line(
            LabelSet.of(one.metric),
            np.array([round(at * 1000) for at, _text in one.values or ()], np.int64),
            np.array([float(text) for _at, text in one.values or ()], np.float64),
        )
        for one in series
    ]


def _native() -> NotSupported:
    return NotSupported(
        tr("the answer holds native histograms, which cannot be shown"),
        tr("ask for a number of them, such as histogram_quantile(0.95, …) or histogram_count(…)"),
    )
