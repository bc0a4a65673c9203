"""What is said of a set and of a check in the reader's language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lilfox_tui.i18n import _

if TYPE_CHECKING:
    from lilfox_tui.backup.check import Check


def status_text(status: str) -> str:
    """How far a set is proven, in a word."""
    return {
        "restored": _("restored"),
        "intact": _("intact"),
        "unverified": _("unverified"),
        "broken": _("broken"),
    }.get(status, status)


def check_text(check: Check) -> str:
    """What was looked at, and what was found."""
    return of(str(check.about), check.found)


def of(name: str, what: object) -> str:
    """``what`` is so with ``name``, in one line."""
    return _("{name}: {what}", name=name, what=what)
