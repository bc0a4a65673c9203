"""Which names a store takes, and what it says when the system refuses."""

from __future__ import annotations

import errno
import os

from lilfox_tui.backup.errors import StoreError
from lilfox_tui.backup.names import FOLDERS
from lilfox_tui.i18n import listed, tr
from lilfox_tui.text import clean

NAME_BYTES = 255
FULL = (errno.ENOSPC, errno.EDQUOT)


def is_name(name: str) -> bool:
    """Whether ``name`` is a file's, in the store's folder or in one of FOLDERS. Dot files are the store's own."""
    folder, slash, base = name.rpartition("/")
    try:
        size = len(base) if base.isascii() else len(base.encode())
    except UnicodeEncodeError:
        return False
    return (
        (folder in FOLDERS if slash else True)
        and 0 < size <= NAME_BYTES
        and not base.startswith(".")
        and "\\" not in base
        and base.isprintable()
    )


def parted(name: str) -> tuple[str, str]:
    """Folder (or empty) and name within it. Raises StoreError for what would lead elsewhere."""
    if not is_name(name):
        raise StoreError(
            tr("{name} is no name of a file in a store", name=clean(repr(name)[1:-1])),
            tr("Names hold no control characters and no folders but: {folders}", folders=listed(FOLDERS)),
        )
    folder, _, base = name.rpartition("/")
    return folder, base


def refused(where: str, name: str, error: OSError) -> StoreError:
    """What the system refused about ``name`` in the store at ``where``."""
    if error.errno in FULL:
        return StoreError(
            tr("no room is left in {where} for {name}", where=where, name=name),
            tr("Make room there, or let older sets go; what was there before is untouched."),
        )
    if error.errno == errno.EROFS:
        return StoreError(
            tr("{where} is mounted read-only: {name} cannot be written", where=where, name=name),
            tr("See why in the kernel's log (dmesg): a disk with errors is often remounted so."),
        )
    if error.errno == errno.EEXIST:
        return StoreError(
            tr("{name} is in {where} already, and is not written over", name=name, where=where),
            tr("Move it away if it is not wanted."),
        )
    if error.errno == errno.ENOENT and name.startswith("."):
        return StoreError(
            tr("the store {where} is not there", where=where),
            tr("Name the folder that holds the sets. A backup makes it where the folder above is there."),
        )
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return StoreError(
            tr("{name} in {where} is a link or no regular file: it is not followed", name=name, where=where),
            tr("Take it away if it is not wanted: a store holds files of its own."),
        )
    reason = os.strerror(error.errno) if error.errno else clean(str(error))
    return StoreError(tr("{name} in {where}: {reason}", name=name, where=where, reason=reason))
