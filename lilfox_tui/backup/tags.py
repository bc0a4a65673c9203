"""Names that somebody gives a set: ``lilfox backup run --tag 1.4.0``. The newest set that has one is meant by it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lilfox_tui.backup.model import BackupSet
from lilfox_tui.errors import UsageError
from lilfox_tui.i18n import tr

WORD = "tag:"
"""Before a tag where a set is named."""
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+@-]{0,99}")


def checked_tag(tag: str) -> str:
    """``tag``, where that can be one. Raises UsageError."""
    if not _TAG.fullmatch(tag):
        raise UsageError(
            tr("{tag} cannot be a set's tag", tag=tag),
            tr("letters, digits and . _ + @ - after the first, 100 at most: such as 1.4.0 or before-migration"),
        )
    return tag


def tag_of(found: BackupSet) -> str:
    """The set's tag; empty where it has none."""
    return "" if found.manifest is None else found.manifest.tag


def newest_of_each(newest_first: Iterable[BackupSet]) -> dict[str, BackupSet]:
    """By its tag the set that is meant by it: the newest that is neither broken nor partial."""
    found: dict[str, BackupSet] = {}
    for each in newest_first:
        if each.complete and (tag := tag_of(each)):
            found.setdefault(tag, each)
    return found
