"""A filter as it is for the records of one source: what it says of ``source`` is answered before any record is read."""

from __future__ import annotations

from lilfox_tui.logs.filter.fields import comparison
from lilfox_tui.logs.filter.model import EVERYTHING, And, Field, Filter, Not, Or

NOTHING = Or(())


def of_source(where: Filter, name: str) -> Filter:
    """``where`` for records whose source is ``name``: the same matches. NOTHING where none of them can match,
    EVERYTHING where each does. Raises UsageError for a wrong regular expression."""
    match where:
        case Field("source", op, value):
            return EVERYTHING if comparison("source", op, value)(name) else NOTHING
        case Not(part):
            inner = of_source(part, name)
            return NOTHING if inner == EVERYTHING else EVERYTHING if inner == NOTHING else Not(inner)
        case And(parts):
            kept = [each for each in (of_source(part, name) for part in parts) if each != EVERYTHING]
            return NOTHING if NOTHING in kept else kept[0] if len(kept) == 1 else And(tuple(kept))
        case Or(parts):
            kept = [each for each in (of_source(part, name) for part in parts) if each != NOTHING]
            return EVERYTHING if EVERYTHING in kept else kept[0] if len(kept) == 1 else Or(tuple(kept))
    return where
