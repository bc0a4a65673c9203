"""Words of runs, in the reader's language."""

from __future__ import annotations

from lilfox_tui.i18n import _


def kind_text(kind: str) -> str:
    """What a command does."""
    return {
        "read": _("reads"),
        "change": _("changes something"),
        "follow": _("follows"),
        "interactive": _("needs a terminal"),
        "none": _("is shown only"),
    }[kind]


def state_text(state: str) -> str:
    """What became of a command, or a step."""
    return {
        "ready": _("not run"),
        "running": _("running"),
        "done": _("done"),
        "failed": _("failed"),
        "unknown": _("unknown"),
        "skipped": _("skipped"),
        "undone": _("taken back"),
    }[state]
