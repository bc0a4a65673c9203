"""Functions that change the labels of a vector and leave its values: ``label_replace``, ``label_join``."""

from __future__ import annotations

import re
from collections.abc import Callable

from lilfox_tui.errors import UsageError
from lilfox_tui.i18n import tr
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.function import Call, Function
from lilfox_tui.promql.labelling import recent
from lilfox_tui.promql.semantics import Semantics
from lilfox_tui.promql.value import Vector
from lilfox_tui.scrape.labels import LABEL_NAME, LabelList, LabelSet
from lilfox_tui.scrape.matching import anchored, expanded


def label_replace(call: Call, vector: Vector, target: str, replacement: str, source: str, pattern: str) -> Vector:
    """Where ``pattern`` (RE2, anchored) fits the label ``source``, the label ``target`` becomes ``replacement``, with
    its groups (``$1``, ``${name}``). Raises QueryError for a bad pattern or name."""
    _check_name(target, call.semantics)

    def make() -> LabelList:
        fits = _pattern(pattern, call.semantics)
        return LabelList(
            [_replaced(one, fits.fullmatch(one.get(source)), target, replacement) for one in vector.labels]
        )

    key = (target, replacement, source, pattern, call.semantics.dot_takes_newline)
    return Vector(recent(vector.labels, label_replace, key, make), vector.values)


def _pattern(pattern: str, semantics: Semantics) -> re.Pattern[str]:
    try:
        compiled = anchored(pattern)
        return compiled if semantics.dot_takes_newline else anchored(f"(?-s:{pattern})")
    except UsageError as error:
        raise QueryError(tr("label_replace: {reason}", reason=error.message)) from None


def _replaced(one: LabelSet, match: re.Match[str] | None, target: str, replacement: str) -> LabelSet:
    return one if match is None else one.replaced({target: expanded(replacement, match)})


def label_join(call: Call, vector: Vector, target: str, separator: str, *sources: str) -> Vector:
    """The label ``target`` becomes the values of ``sources`` with ``separator`` between. Raises QueryError for a bad
    name."""
    for name in (*sources, target):
        _check_name(name, call.semantics)

    def make() -> LabelList:
        return LabelList([one.replaced({target: separator.join(map(one.get, sources))}) for one in vector.labels])

    return Vector(recent(vector.labels, label_join, (target, separator, sources), make), vector.values)


def _check_name(name: str, semantics: Semantics) -> None:
    valid: Callable[[str], object] = bool if semantics.any_label_name else LABEL_NAME.fullmatch
    if not valid(name):
        raise QueryError(tr("“{name}” is no label name", name=name))


FUNCTIONS = (
    Function("label_replace", ("vector", "string", "string", "string", "string"), "vector", "whole", label_replace),
    Function("label_join", ("vector", "string", "string", "string"), "vector", "whole", label_join, variadic=-1),
)
