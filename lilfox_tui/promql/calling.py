"""Calls functions of two shapes: those of each value, and those of the samples in a range."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np

from lilfox_tui.promql.function import Function
from lilfox_tui.promql.labelling import joined, nameless, taken
from lilfox_tui.promql.samples import Block, RangeVector, Span
from lilfox_tui.promql.value import NOTHING, Vector
from lilfox_tui.scrape.labels import LabelList
from lilfox_tui.scrape.series import Floats

Result: TypeAlias = Vector | RangeVector | float | str
"""What an argument may be."""
Found: TypeAlias = list[tuple[LabelList, Floats]]
"""The values of a function over time, block by block, with the names of their metrics."""


def each(function: Function, arguments: Iterable[Result]) -> Vector:
    """A function of a vector's values, one by one."""
    vector, *scalars = sorted(arguments, key=lambda argument: not isinstance(argument, Vector))
    if not isinstance(vector, Vector):
        raise TypeError(f"{function.name} takes a vector")
    values = function.kernel(vector.values, *scalars)
    labels = vector.labels if function.keeps_name else nameless(vector.labels)
    return Vector(labels, np.asarray(values))


def over_time(function: Function, arguments: Sequence[Result]) -> Found:
    """A function of samples over time; a block where no series has a value is left out."""
    samples = next(argument for argument in arguments if isinstance(argument, RangeVector))
    scalars = [argument for argument in arguments if not isinstance(argument, RangeVector)]
    found = (_of_block(function, samples.span, one, scalars) for one in samples.blocks)
    return [(labels, values) for labels, values in found if len(labels)]


def put_together(function: Function, found: Found) -> Vector:
    """All blocks as one vector."""
    if not found:
        return NOTHING
    names = [labels if function.keeps_name else nameless(labels) for labels, _ in found]
    if len(found) == 1:
        return Vector(names[0], found[0][1])
    return Vector(joined(names), np.concatenate([values for _, values in found]))


def _of_block(function: Function, span: Span, one: Block, scalars: Sequence[Result]) -> tuple[LabelList, Floats]:
    """The function's value of each series that has one."""
    values = np.empty(len(one.labels))
    there = np.zeros(len(one.labels), np.bool_)
    for part in one.parts:
        result = function.kernel(span, part.times, part.values, *scalars)
        if result is None:
            continue
        if part.columns is None:
            return one.labels, np.asarray(result)
        values[part.columns] = np.asarray(result)
        there[part.columns] = True
    return taken(one.labels, there), values[there]
