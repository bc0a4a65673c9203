"""Between vectors and scalars: what is absent, the one value of a vector, times of evaluation and of samples."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from lilfox_tui.promql.function import Call, Function
from lilfox_tui.promql.labelling import BARE, nameless
from lilfox_tui.promql.samples import RangeVector
from lilfox_tui.promql.value import NOTHING, Vector
from lilfox_tui.scrape.labels import NAME, LabelList, LabelSet
from lilfox_tui.scrape.matcher import Matcher
from lilfox_tui.scrape.matching import matches


def absent(call: Call, vector: Vector) -> Vector:
    """``absent``: 1 where there is nothing, with what is sure of its labels."""
    return NOTHING if len(vector.labels) else Vector(certain(call.matchers or ()), np.ones(1))


def absent_over_time(call: Call, samples: RangeVector) -> Vector:
    """``absent_over_time``: 1 where there was nothing."""
    return NOTHING if samples.blocks else Vector(certain(call.matchers or ()), np.ones(1))


@lru_cache(maxsize=256)
def certain(matchers: tuple[Matcher, ...]) -> LabelList:
    """The labels that a selector asks for by ``=``, once and in no other way. What excludes values counts after the
    rest, as Prometheus' storage puts it there before ``absent`` looks."""
    labels: dict[str, str] = {}
    equal: set[str] = set()
    for name, op, value in sorted(matchers, key=_excludes):
        if name == NAME:
            continue
        if op == "=" and name not in equal:
            equal.add(name)
            labels[name] = value
        else:
            labels.pop(name, None)
    return LabelList((LabelSet.of(labels),))


def _excludes(matcher: Matcher) -> bool:
    return matcher.op in ("!=", "!~") and matches(matcher, "")


def scalar(_: Call, vector: Vector) -> float:
    """``scalar``: the only value, or NaN."""
    return float(vector.values[0]) if len(vector.labels) == 1 else math.nan


def vector(_: Call, value: float) -> Vector:
    """``vector``: one value without labels."""
    return Vector(BARE, np.array([value]))


def time(call: Call) -> float:
    """``time``: of the evaluation, seconds since 1970."""
    return call.at_ms / 1000


def timestamp(call: Call, vector: Vector) -> Vector:
    """``timestamp``: of samples where a selector gave them, else of the evaluation; seconds since 1970."""
    times = np.full(len(vector.labels), call.at_ms) if call.sample_times is None else call.sample_times
    return Vector(nameless(vector.labels), times / 1000)


def pi(_: Call) -> float:
    """``pi``."""
    return math.pi


FUNCTIONS = (
    Function("absent", ("vector",), "vector", "whole", absent),
    Function("absent_over_time", ("matrix",), "vector", "whole", absent_over_time),
    Function("scalar", ("vector",), "scalar", "whole", scalar),
    Function("vector", ("scalar",), "vector", "whole", vector),
    Function("time", (), "scalar", "whole", time),
    Function("timestamp", ("vector",), "vector", "whole", timestamp),
    Function("pi", (), "scalar", "whole", pi),
)
