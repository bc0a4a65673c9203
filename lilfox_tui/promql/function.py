"""How the functions of PromQL are written: see :class:`Function`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

from msgspec import Struct

from lilfox_tui.promql.semantics import Semantics
from lilfox_tui.promql.value import Vector
from lilfox_tui.scrape.labels import Matcher
from lilfox_tui.scrape.series import Floats, Times

ValueKind: TypeAlias = Literal["vector", "scalar", "matrix", "string"]


class FunctionCall(NamedTuple):
    """What a whole function knows beside its arguments."""

    at_ms: int
    """The evaluation's time."""
    semantics: Semantics
    matchers: tuple[Matcher, ...] | None
    """Of the first argument where that is nothing but a selector of an instant or a range (in parentheses or not)."""
    sample_times: Times | None
    """When the first argument's samples were taken, where that is nothing but an instant selector."""


class Function(Struct, frozen=True):
    """One function of PromQL.

    ``shape`` says how ``kernel`` is called; the evaluator has checked the arguments' number and kinds before:

    ``each``       ``kernel(values: Floats, *scalars: float) -> Floats`` of the same length: one vector and scalars.
    ``over_time``  ``kernel(span: EvaluationRange, times: Times, values: Floats, *scalars: float) -> Floats | None`` for
                   each :class:`~lilfox_tui.promql.value.SampleBlock`: one value a column, or None where its number of
                   samples gives no value. ``scalars`` are the arguments beside the range vector, in their order.
    ``whole``      ``kernel(call: FunctionCall, *arguments) -> Vector | float``: all else; arguments are Vector, float,
                   str or :class:`~lilfox_tui.promql.value.RangeVector`. Optional ones that are not given are left out.

    Of ``each`` and ``over_time`` the evaluator drops ``__name__`` unless ``keeps_name``; ``whole`` sees to it itself
    (:func:`lilfox_tui.promql.label_lists.nameless`). Labels that are there twice in a result are the evaluator's error.
    A kernel never writes into its arguments, and calculates without numpy's warnings (the evaluator has them off).
    """

    name: str
    takes: tuple[ValueKind, ...]
    gives: ValueKind
    shape: Literal["each", "over_time", "whole"]
    kernel: Callable[..., Floats | Vector | float | None]
    variadic: int = 0
    """As in Prometheus' parser: 0, all arguments of ``takes`` must be there; n > 0, from one less to n - 1 more; -1,
    from one less to any number."""
    keeps_name: bool = False
    only: Literal[2, 3] | None = None
    """The version of Prometheus that alone has it."""
