"""The severities that matches of a filter can have."""

from __future__ import annotations

from lilfox_tui.logs.filter.fields import comparison
from lilfox_tui.logs.filter.model import And, AtLeast, Field, Filter, Not, Or
from lilfox_tui.logs.record import Severity

ALL = frozenset(Severity)


def severities(where: Filter) -> frozenset[Severity]:
    """Every match has one of these; UNKNOWN is among them where a match need not tell any."""
    match where:
        case And(parts):
            return ALL.intersection(*map(severities, parts))
        case Or(parts):
            return frozenset().union(*map(severities, parts))
        case Not(AtLeast() | Field("level") as part):
            return ALL - severities(part)
        case Not(Not(part)):
            return severities(part)
        case AtLeast(severity):
            return frozenset(one for one in Severity if one >= severity)
        case Field("level", op, value):
            fits = comparison("level", op, value)
            return frozenset(one for one in Severity if fits(one.name))
    return ALL
