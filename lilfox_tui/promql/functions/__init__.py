"""The functions of PromQL by name. Each file holds those of one kind in tuples.

How one is written: :class:`lilfox_tui.promql.tree.Function`. What Prometheus has and is not here is
refused by name when a query is parsed.
"""

from __future__ import annotations

from lilfox_tui.promql.functions import histogram, ranges, values, vectors
from lilfox_tui.promql.tree import Function

FUNCTIONS: dict[str, Function] = {
    function.name: function
    for functions in (
        ranges.RATES,
        ranges.AGGREGATIONS,
        histogram.FUNCTIONS,
        vectors.FUNCTIONS,
        values.ARITHMETIC,
        values.DATE_FUNCTIONS,
    )
    for function in functions
}
