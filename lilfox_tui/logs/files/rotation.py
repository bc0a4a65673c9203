"""The names that rotation gives to the files of one log, and their order by age.

``app.log.1``, ``app.log.2.gz`` (logrotate, RotatingFileHandler), ``app.log-20261124`` (logrotate's dateext),
``app.log.2026-11-24`` (TimedRotatingFileHandler), ``app-2026-11-24.log`` (written so from the start)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePath

from msgspec import Struct

from lilfox_tui.logs.files.disk import FileStat

PACKED_ENDS = (".gz", ".zst", ".xz", ".bz2")
_DATE = r"\d{4}-?\d\d-?\d\d(?:[-_T.]?\d\d[-_:.]?\d\d(?:[-_:.]?\d\d)?|[-_T]\d\d)?|\d{10}"
_ENDED = re.compile(rf"(?P<base>.+?)(?:[-.](?P<date>{_DATE}))?(?:\.(?P<number>\d{{1,6}}))?", re.DOTALL)
_INSERTED = re.compile(rf"(?P<stem>.+?)[-._](?:(?P<date>{_DATE})|\d{{1,6}})\.(?P<suffix>[^.]*[^.\d][^.]*)", re.DOTALL)
_MAGIC = re.compile(r"[*?\[]")


def is_pattern(path: str) -> bool:
    """Whether the path names files by a pattern."""
    return _MAGIC.search(path) is not None


def patterns(path: str, *, rotated: bool) -> list[str]:
    """What to look for on a disk to find the files of the log at ``path``, which is no pattern itself."""
    if not rotated:
        return [literal(path)]
    folder, name = _split(path)
    folder, name = literal(folder), literal(name)
    stem, dot, suffix = name.rpartition(".")
    named = [folder + name, f"{folder}{name}[.-]*"]
    return [*named, f"{folder}{stem}[-._]*.{suffix}*"] if dot and stem else named


def chain(path: str, seen: Iterable[FileStat], *, rotated: bool, numbered: bool = True) -> list[FileStat]:
    """The files of the log at ``path``, the oldest first. A packed file beside its own plain one is left out: it is
    being packed just now. Unless ``numbered``, ``app-2.log`` is none of ``app.log``'s: it may be of a second worker."""
    name = PurePath(path).name
    aged = [(age, one) for one in seen if (age := _age(name, PurePath(one.path).name, numbered)) is not None]
    if not rotated:
        aged = [(age, one) for age, one in aged if one.path == path]
    names = {one.path for _, one in aged}
    aged = [(age, one) for age, one in aged if _unpacked(one.path) == one.path or _unpacked(one.path) not in names]
    return [one for _, one in sorted(aged, key=lambda pair: (pair[0], pair[1].modified_s))]


class LogNames:
    """Which log each of many files is of. A log is named by the path of the file that is written, also where rotation
    leaves none of that name (``app.log`` of ``app-2026-11-24.log``).

    A number may also tell parallel logs apart (``worker-1.log``, ``10.0.0.1``): before the ending, or after a digit, it
    is rotation's only where the log itself was seen. What was once told apart stays so.
    """

    def __init__(self) -> None:
        self._known: set[str] = set()

    def learn(self, paths: Iterable[str]) -> list[str]:
        """The logs of these files, sorted."""
        logs = []
        for path in sorted(paths, key=lambda each: (len(each), each)):  # a log before those that it was rotated to
            logs.append(self.log_of(path))
            self._known.add(logs[-1])
        return sorted(set(logs))

    def log_of(self, path: str) -> str:
        """The log of that file."""
        if path in self._known:
            return path
        path = _unpacked(path)
        folder, name = _split(path)
        if (match := _ENDED.fullmatch(name)) and (match["date"] or match["number"]):
            log = folder + match["base"]
            if match["date"] or not log[-1].isdigit() or log in self._known:
                return log
        if match := _INSERTED.fullmatch(name):
            log = f"{folder}{match['stem']}.{match['suffix']}"
            if match["date"] or log in self._known:
                return log
        return path


class PatternFiles(Struct, frozen=True):
    """A pattern, and which log each of the files is of that it fits."""

    pattern: str
    names: LogNames


def _age(base: str, name: str, numbered: bool) -> tuple[int, str, int] | None:
    """What sorts files by age, oldest first; None for a file of another log."""
    if name == base:
        return 1, "", 0
    name = _unpacked(name)
    stem, _, suffix = base.rpartition(".")
    shapes = [rf"{re.escape(base)}(?:[-.](?P<date>{_DATE}))?(?:\.(?P<number>\d{{1,6}}))?"]
    if stem:
        number = r"(?P<number>\d{1,6})" if numbered else r"(?P<number>(?!))"
        shapes.append(rf"{re.escape(stem)}[-._](?:(?P<date>{_DATE})|{number})\.{re.escape(suffix)}")
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


def literal(text: str) -> str:
    """A pattern for just that text."""
    return re.sub(r"([*?\[])", r"[\1]", text)
