"""What is said of a set and of a check in the reader's language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lilfox_tui.backup.status import Status
from lilfox_tui.i18n import _

if TYPE_CHECKING:
    from lilfox_tui.backup.check import Check


def status_text(status: str) -> str:
    """How far a set is proven, in a word."""
    return {
        Status.RESTORED: _("restore-tested"),
        Status.INTACT: _("intact"),
        Status.UNVERIFIED: _("unverified"),
        Status.PARTIAL: _("partial"),
        Status.UNTRUSTED: _("not trusted"),
        Status.BROKEN: _("broken"),
    }.get(Status(status), status)


def signature_text(signature: str) -> str:
    """Who wrote a set, as far as its signature tells."""
    return {
        "none": _("unsigned"),
        "good": _("signed"),
        "other": _("signed by a key that is not known here"),
        "forged": _("signature forged"),
    }.get(signature, signature)


def check_text(check: Check) -> str:
    """What was looked at, and what was found."""
    return of(str(check.about), check.found)


def of(name: str, what: object) -> str:
    """``what`` is so with ``name``, in one line."""
    return _("{name}: {what}", name=name, what=what)
