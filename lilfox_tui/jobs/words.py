"""How a job's state is said to people."""

from __future__ import annotations

from lilfox_tui.i18n import _


def state_text(state: str) -> str:
    """The state of a job in the reader's language; one that is not known as it is."""
    return {
        "running": _("running"),
        "ok": _("ok"),
        "partly": _("partly done"),
        "failed": _("failed"),
        "cancelled": _("cancelled"),
        "unknown": _("unknown"),
    }.get(state, state)
