"""The words for a set's state and for a check, in the reader's language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lilfox_tui.i18n import _, clauses, ngettext

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lilfox_tui.backup.checks import Check
    from lilfox_tui.backup.source import RestoreChange


def status_text(status: str) -> str:
    """How far a set is proven, in a word."""
    return {
        "restored": _("restore-tested"),
        "intact": _("intact"),
        "unverified": _("unverified"),
        "partial": _("partial"),
        "untrusted": _("not trusted"),
        "broken": _("broken"),
    }.get(status, status)


def signature_text(signature: str) -> str:
    """Who wrote a set, as far as its signature tells."""
    return {
        "none": _("unsigned"),
        "good": _("signed"),
        "other": _("signed by a key that is not known here"),
        "forged": _("signature forged"),
    }.get(signature, signature)


def lost_text(changes: Iterable[RestoreChange]) -> str:
    """What restoring loses, counted in rows and files; empty where it loses nothing."""
    rows = files = 0
    for change in changes:
        rows, files = rows + change.lost_rows, files + change.lost_files
    told = []
    if rows:
        told.append(ngettext("{count} row is newer than the backup and would be lost",
                             "{count} rows are newer than the backup and would be lost", rows))  # fmt: skip
    if files:
        told.append(ngettext("{count} file is newer than the backup and would be lost",
                             "{count} files are newer than the backup and would be lost", files))  # fmt: skip
    return clauses(told)


def check_text(check: Check) -> str:
    """What was looked at, and what was found."""
    return labelled(str(check.about), check.found)


def labelled(name: str, what: object) -> str:
    """``what`` is so with ``name``, in one line."""
    return _("{name}: {what}", name=name, what=what)
