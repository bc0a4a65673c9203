"""How the states of recovery are told, one list for the screen and the command line."""

from __future__ import annotations

from lilfox_tui.i18n import Message, tr
from lilfox_tui.metrics.model import Level
from lilfox_tui.recovery.book import State

LEVELS: dict[State, Level] = {
    "well": Level.GOOD,
    "left alone": Level.GOOD,
    "unhealthy": Level.FAILING,
    "restarting": Level.DEGRADED,
    "waiting": Level.FAILING,
    "given up": Level.FAILING,
    "unknown": Level.FAILING,
}
_TEXTS: dict[State, Message] = {
    "well": tr("well"),
    "left alone": tr("left alone"),
    "unhealthy": tr("unhealthy"),
    "restarting": tr("is being restarted"),
    "waiting": tr("unhealthy after a restart"),
    "given up": tr("given up: restarted too often"),
    "unknown": tr("not known"),
}


def state_text(state: State) -> str:
    """``state`` in the language in force."""
    return str(_TEXTS[state])
