"""Names of sets and their files: how they are made, parsed, and accepted by a store."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Container
from datetime import UTC, datetime, timedelta, tzinfo

from msgspec import Struct

from lilfox_tui.backup.sets.model import Packing
from lilfox_tui.backup.store import StoreError
from lilfox_tui.core.i18n import listed, tr
from lilfox_tui.core.text import clean
from lilfox_tui.logs.source import zone_of

# Names of sets and of their files, both ways.
#
# A set is ``PLAN_20231230_020000``: the plan and the local time at which its run began. Its files are
# ``STEM_20231230_020000`` with what they are (``.dump``, ``.sql``, ``.tar``), how they are packed (``.zst``, ``.gz``)
# and ``.age`` where they are encrypted; ``.part`` as long as they are written. ``.manifest.json`` and ``.proof.json``
# tell of the set. In an hour that a clock has twice a name means the first of the two; the manifest knows better.


MANIFEST, PROOF, UNFINISHED = ".manifest.json", ".proof.json", ".part"
FOLDERS = ("postgresql", "config", "files", "rollback")
"""Those below a store that files of sets may lie in: the manual's."""
_STAMP = "%Y%m%d_%H%M%S"
_STAMPED = re.compile(r"\d{8}_\d{6}", re.ASCII)
_SET = re.compile(r"(?P<plan>[A-Za-z0-9][A-Za-z0-9._-]{0,63})_(?P<stamp>\d{8}_\d{6})", re.ASCII)
_FILE = re.compile(
    rf"(?:(?P<folder>{'|'.join(FOLDERS)})/)?(?P<stem>[\w%][\w.%-]{{0,220}})_(?P<stamp>[0-9]{{8}}_[0-9]{{6}})"
    r"(?P<suffix>\.(?:dump|sql|tar)|)(?P<packed>\.(?:zst|gz)|)(?P<age>\.age|)(?P<part>\.part|)"
)
_UNSAFE = re.compile(r"[^\w.-]|^[.-]")
_SUFFIX_OF: dict[Packing, str] = {"zstd": ".zst", "gzip": ".gz", "none": ""}
_PACKING_OF: dict[str, Packing] = {suffix: packing for packing, suffix in _SUFFIX_OF.items()}
_NAME_BYTES = 255
FIRST_YEAR, LAST_YEAR = 1970, 9998
"""Of times that sets can have, in every zone."""


class SetName(Struct, frozen=True):
    """The two parts of a set's id."""

    plan: str
    stamp: str


class FileName(Struct, frozen=True, kw_only=True):
    """The parts of a file's name. ``folder`` is one of :data:`FOLDERS` or empty; ``suffix`` is ``.dump``, ``.sql``,
    ``.tar`` or empty."""

    folder: str
    stem: str
    stamp: str
    suffix: str
    packing: Packing
    encrypted: bool
    unfinished: bool


def local_zone() -> tzinfo:
    """Return this machine's time zone, which the times in names use."""
    return zone_of("")


def stamp_of(at: datetime, zone: tzinfo) -> str:
    """Format an aware time in ``zone`` as ``20231230_020000``."""
    return at.astimezone(zone).strftime(_STAMP)


def moment_of(stamp: str, zone: tzinfo, *, fold: int = 0) -> datetime | None:
    """Return the aware UTC time of a stamp in ``zone``; None if the calendar has no such time. If the hour occurs
    twice, ``fold`` 1 selects the second."""
    if not _STAMPED.fullmatch(stamp) or not FIRST_YEAR <= int(stamp[:4]) <= LAST_YEAR:
        return None
    try:
        read = datetime(
            int(stamp[:4]), int(stamp[4:6]), int(stamp[6:8]), int(stamp[9:11]), int(stamp[11:13]), int(stamp[13:]),
            tzinfo=zone, fold=fold,
        )  # fmt: skip
        return read.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def set_id(plan: str, at: datetime, zone: tzinfo, taken: Container[str] = ()) -> str:
    """Return the id of a set whose run starts at ``at``; adds seconds until the id is not in ``taken``."""
    while (made := f"{plan}_{stamp_of(at, zone)}") in taken:
        at += timedelta(seconds=1)
    return made


def read_id(text: str) -> SetName | None:
    """Parse a set's id; None if it is not one."""
    found = _SET.fullmatch(text)
    return None if found is None else SetName(found["plan"], found["stamp"])


def manifest_name(set_name: str) -> str:
    """Return the name of a set's manifest file."""
    return set_name + MANIFEST


def proof_name(set_name: str) -> str:
    """Return the name of a set's proof file."""
    return set_name + PROOF


def stamp_in(name: str) -> str | None:
    """Return the date in the name of a part, manifest or proof; None for any other name."""
    base = name.removesuffix(UNFINISHED).removesuffix(MANIFEST).removesuffix(PROOF)
    if base != name and (of_set := read_id(base)) is not None:
        return of_set.stamp
    read = read_file_name(name)
    return None if read is None else read.stamp


def safe_stem(text: str) -> str:
    """Escape ``text`` (such as a database's name) for a file name: letters and digits of any script, ``.``, ``_`` and
    ``-`` stay; other characters become ``%XX`` of their UTF-8 bytes."""
    return _UNSAFE.sub(
        lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogateescape")), text
    )


def file_name(
    stem: str, suffix: str, stamp: str, *, packing: Packing = "none", encrypted: bool = False, folder: str = ""
) -> str:
    """Make a file name: ``lilfox`` and ``.dump`` → ``lilfox_20231230_020000.dump.zst``; ``folder`` is one of
    :data:`FOLDERS`, or empty. Raises ValueError for a name that :func:`read_file_name` would not parse."""
    made = f"{safe_stem(stem)}_{stamp}{suffix}{_SUFFIX_OF[packing]}{'.age' if encrypted else ''}"
    made = f"{folder}/{made}" if folder else made
    if read_file_name(made) is None:
        raise ValueError(made)
    return made


def read_file_name(name: str) -> FileName | None:
    """Parse the file name of a part; None if no part has such a name, for example a path outside the store."""
    found = _FILE.fullmatch(name)
    if found is None or (len(name) > _NAME_BYTES // 4 and len(name.encode("utf-8", "surrogateescape")) > _NAME_BYTES):
        return None
    return FileName(
        folder=found["folder"] or "",
        stem=found["stem"],
        stamp=found["stamp"],
        suffix=found["suffix"],
        packing=_PACKING_OF[found["packed"]],
        encrypted=bool(found["age"]),
        unfinished=bool(found["part"]),
    )


# Which names a store takes, and what it says when the system refuses.


NAME_BYTES = 255
FULL = (errno.ENOSPC, errno.EDQUOT)


def is_name(name: str) -> bool:
    """Return whether ``name`` is valid for a file in the store's folder or in one of FOLDERS. Dot files are reserved
    for the store itself."""
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
    """Split a name into folder (or empty) and base name. Raises StoreError for an invalid name."""
    if not is_name(name):
        raise StoreError(
            tr("{name} is not a valid file name in a store", name=clean(repr(name)[1:-1])),
            tr(
                "Names cannot be empty, begin with a dot, be longer than {most} bytes, or contain backslashes, control "
                "characters, or folders other than: {folders}",
                most=NAME_BYTES,
                folders=listed(FOLDERS),
            ),
        )
    folder, _, base = name.rpartition("/")
    return folder, base


def store_error(where: str, name: str, error: OSError) -> StoreError:
    """Convert the OSError of an operation on ``name`` in the store at ``where`` to a StoreError."""
    if error.errno in FULL:
        return StoreError(
            tr("no space left in {where} for {name}", where=where, name=name),
            tr("Free up space, or remove older sets; the existing data is untouched."),
            full=True,
        )
    if error.errno == errno.EROFS:
        return StoreError(
            tr("{where} is mounted read-only: {name} cannot be written", where=where, name=name),
            tr("Check the kernel log (dmesg): a disk with errors is often remounted read-only."),
        )
    if error.errno == errno.EEXIST:
        return StoreError(
            tr("{name} already exists in {where} and is not overwritten", name=name, where=where),
            tr("Move it away if it is not needed."),
        )
    if error.errno == errno.ENOENT and name.startswith("."):
        return StoreError(
            tr("the store {where} does not exist", where=where),
            tr("Specify the folder that holds the sets. A backup creates it if its parent folder exists."),
        )
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return StoreError(
            tr("{name} in {where} is a symbolic link, or not a regular file: access refused", name=name, where=where),
            tr("Move it away if it is not needed: a store holds only its own files."),
        )
    reason = os.strerror(error.errno) if error.errno else clean(str(error))
    return StoreError(tr("{name} in {where}: {reason}", name=name, where=where, reason=reason))
