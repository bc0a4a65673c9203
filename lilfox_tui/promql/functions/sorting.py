"""Orders of a vector: by value and by labels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cmp_to_key, partial
from typing import Final

import numpy as np

from lilfox_tui.promql.function import Call, Function
from lilfox_tui.promql.labelling import recent
from lilfox_tui.promql.value import Vector
from lilfox_tui.scrape.labels import LabelList

_CHUNK: Final = re.compile(r"[0-9]+|[^0-9]+")
_LARGEST: Final = 2**63 - 1


def by_value(_: Call, vector: Vector, *, falling: bool) -> Vector:
    """``sort`` and ``sort_desc``: NaN comes last in both."""
    return _ordered(vector, np.argsort(-vector.values if falling else vector.values, kind="stable").tolist())


def by_label(_: Call, vector: Vector, *names: str, falling: bool) -> Vector:
    """``sort_by_label`` and ``sort_by_label_desc``: by the values of ``names``, numbers in them by size; then by all
    labels."""

    def compare(left: int, right: int) -> int:
        one, other = vector.labels[left], vector.labels[right]
        for name in names:
            if one.get(name) != other.get(name):
                return -1 if precedes(one.get(name), other.get(name)) else 1
        return (one.pairs > other.pairs) - (one.pairs < other.pairs)

    return _ordered(vector, sorted(range(len(vector.labels)), key=cmp_to_key(compare), reverse=falling))


def precedes(left: str, right: str) -> bool:
    """Whether ``left`` comes before ``right`` where runs of digits are numbers (as Prometheus' natsort has it)."""
    chunks, others = _CHUNK.findall(left), _CHUNK.findall(right)
    for place, (chunk, other) in enumerate(zip(chunks, others, strict=False)):
        number, other_number = _number(chunk), _number(other)
        if number is not None and other_number is not None:
            if number != other_number:
                return number < other_number
        elif chunk != other:
            return bool(chunk < other)
        if place == len(chunks) - 1:
            return True
    return False


def _number(chunk: str) -> int | None:
    number = int(chunk) if "0" <= chunk[0] <= "9" and len(chunk) < 100 else None
    return number if number is not None and number <= _LARGEST else None


def _ordered(vector: Vector, order: Sequence[int]) -> Vector:
    key = tuple(order)
    labels = recent(vector.labels, _ordered, key, lambda: LabelList([vector.labels.sets[place] for place in order]))
    return Vector(labels, vector.values[list(order)])


FUNCTIONS = (
    Function("sort", ("vector",), "vector", "whole", partial(by_value, falling=False)),
    Function("sort_desc", ("vector",), "vector", "whole", partial(by_value, falling=True)),
    Function("sort_by_label", ("vector", "string"), "vector", "whole", partial(by_label, falling=False), variadic=-1),
    Function(
        "sort_by_label_desc", ("vector", "string"), "vector", "whole", partial(by_label, falling=True), variadic=-1
    ),
)
