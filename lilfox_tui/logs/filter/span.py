"""The bounds of time that every match of a filter lies in."""

from __future__ import annotations

from typing import TypeAlias

from lilfox_tui.logs.filter.model import And, Filter, Or, Within

Span: TypeAlias = tuple[int | None, int | None]
"""Not before the first, and before the second, microseconds since 1970 UTC; None is no bound."""

NOTHING: Span = (0, 0)


def span(where: Filter) -> Span:
    """The bounds; of what cannot match (``1h and ..2h``) an end that is not after its start. Where there is a bound,
    records without a time do not match."""
    match where:
        case Within(since_us, until_us):
            return since_us, until_us
        case And(parts):
            spans = [span(part) for part in parts]
            since = [start for start, _ in spans if start is not None]
            until = [end for _, end in spans if end is not None]
            return max(since, default=None), min(until, default=None)
        case Or(parts):
            return _around([bounds for bounds in map(span, parts) if not _empty(bounds)])
    return None, None


def _empty(bounds: Span) -> bool:
    start, end = bounds
    return start is not None and end is not None and end <= start


def _around(spans: list[Span]) -> Span:
    if not spans:
        return NOTHING
    since = [start for start, _ in spans if start is not None]
    until = [end for _, end in spans if end is not None]
    return min(since) if len(since) == len(spans) else None, max(until) if len(until) == len(spans) else None
