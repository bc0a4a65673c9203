"""The names that rotation gives to the files of one log, and their order by age.

``app.log.1``, ``app.log.2.gz`` (logrotate, RotatingFileHandler), ``app.log-20261124`` (logrotate's dateext),
``app.log.2026-11-24`` (TimedRotatingFileHandler), ``app-2026-11-24.log`` (written so from the start).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePath

from lilfox_tui.logs.files.disk import Seen

PACKED_ENDS = (".gz", ".zst", ".xz", ".bz2")
_DATE = r"\d{4}-?\d\d-?\d\d(?:[-_T.]?\d\d[-_:.]?\d\d(?:[-_:.]?\d\d)?|[-_T]\d\d)?|\d{10}"
_MAGIC = re.compile(r"[*?\[]")


def is_pattern(path: str) -> bool:
    """Whether the path names files by a pattern."""
    return _MAGIC.search(path) is not None


def patterns(path: str, *, rotated: bool) -> list[str]:
    """What to look for on a disk to find the files of the log at ``path``."""
    if is_pattern(path) or not rotated:
        return [path]
    folder, name = _split(path)
    stem, dot, suffix = name.rpartition(".")
    named = [path, f"{folder}{_literal(name)}[.-]*"]
    return [*named, f"{folder}{_literal(stem)}[-._]*.{_literal(suffix)}*"] if dot and stem else named


def chain(path: str, seen: Iterable[Seen], *, rotated: bool) -> list[Seen]:
    """The files of the log at ``path``, the oldest first. A packed file beside its own plain one is left out: it is
    being packed just now."""
    if is_pattern(path):
        return sorted(seen, key=lambda one: (one.modified_s, one.path))
    name = PurePath(path).name
    aged = [(age, one) for one in seen if (age := _age(name, PurePath(one.path).name)) is not None]
    if not rotated:
        aged = [(age, one) for age, one in aged if one.path == path]
    names = {one.path for _, one in aged}
    aged = [(age, one) for age, one in aged if _unpacked(one.path) == one.path or _unpacked(one.path) not in names]
    return [one for _, one in sorted(aged, key=lambda pair: (pair[0], pair[1].modified_s))]


def _age(base: str, name: str) -> tuple[int, str, int] | None:
    """What sorts files by age, oldest first; None for a file of another log."""
    if name == base:
        return 1, "", 0
    name = _unpacked(name)
    stem, _, suffix = base.rpartition(".")
    shapes = [rf"{re.escape(base)}(?:[-.](?P<date>{_DATE}))?(?:\.(?P<number>\d{{1,6}}))?"]
    if stem:
        shapes.append(rf"{re.escape(stem)}[-._](?:(?P<date>{_DATE})|(?P<number>\d{{1,6}}))\.{re.escape(suffix)}")
    for shape in shapes:
        if (match := re.fullmatch(shape, name)) and (match["date"] or match["number"] or name == base):
            digits = re.sub(r"\D", "", match["date"] or "")
            return 0, digits, -int(match["number"] or 0)
    return None


def _unpacked(name: str) -> str:
    return next((name.removesuffix(end) for end in PACKED_ENDS if name.endswith(end)), name)


def _split(path: str) -> tuple[str, str]:
    folder, slash, name = path.rpartition("/")
    return folder + slash, name


def _literal(text: str) -> str:
    """A pattern for just that text."""
    return re.sub(r"([*?\[])", r"[\1]", text)
