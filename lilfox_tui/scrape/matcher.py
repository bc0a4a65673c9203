"""What a selector asks of one label (PromQL: ``=``, ``!=``, ``=~``, ``!~``)."""

from __future__ import annotations

from typing import Literal, NamedTuple

Comparison = Literal["=", "!=", "=~", "!~"]


class Matcher(NamedTuple):
    """One label's condition. A label that is not there has the value ``""``. Patterns are RE2, anchored at both ends,
    and ``.`` takes a newline too (Prometheus 3)."""

    name: str
    op: Comparison
    value: str
