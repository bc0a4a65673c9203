"""The functions of PromQL by name. Each file holds those of one kind, and a tuple ``FUNCTIONS`` of them.

How one is written: :class:`lilfox_tui.promql.tree.Function`. What Prometheus has and is not here is
refused by name when a query is parsed.
"""

from __future__ import annotations

from lilfox_tui.promql.functions import arithmetic, dates, histogram, over_time, rates, vectors
from lilfox_tui.promql.tree import Function

FUNCTIONS: dict[str, Function] = {
    function.name: function
    for file in (rates, over_time, histogram, vectors, arithmetic, dates)
    for function in file.FUNCTIONS
}
