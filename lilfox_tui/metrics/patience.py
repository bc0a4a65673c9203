"""How long a host may take: a question a period, each of which it is to answer.

A host under load may need 3 s for an answer and is well; one that is frozen, or behind a link that swallows all, is
told of within 6 s at the default period of 2 s. Both are counted from its last sample, at most a period before.
"""

from __future__ import annotations

LATE_S = 2.5
SILENT_S = 3.5


def late_after_s(period_s: float) -> float:
    """A sample that is older is late, where one is wanted each ``period_s`` seconds."""
    return period_s + max(LATE_S, period_s / 2)


def silent_after_s(period_s: float) -> float:
    """With a sample that is older a host does not answer."""
    return period_s + max(SILENT_S, period_s)
